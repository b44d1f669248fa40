/**
 * The isolate's side of presets: copies of those that requests name, read once a version. Nothing is awaited while a copy
 * is younger than LIFE_MS; from REFRESH_MS on the request that finds it so asks the gate behind its answer, so that a
 * preset in use is never waited for. An older one is asked for first: a new version counts everywhere within LIFE_MS.
 * Memory: at most ENTRIES_MAX copies and BYTES_MAX characters of them, the oldest leave first. Copies are named by account
 * and slug: no account ever finds another's.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { AccountId, PresetId } from "../core/ids.ts";
import { isObject, parseJson, type JsonObject } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { ParsedBody } from "../dialects/dialect.ts";
import { presetBodyOf } from "../dialects/preset-config.ts";
import type { AccountPresetsRpc, PresetAnswer } from "./account-presets-contract.ts";

/** As long as a lease may be spent from without the gate's word. */
export const PRESET_LIFE_MS = 10_000;
const REFRESH_MS = 5_000;
/** How long a preset that is not there is known not to be there. */
const MISS_MS = 2_000;
/** Whoever asks behind its answer may die with its request; then another one asks. */
const REFRESH_AGAIN_MS = 2_000;
const ENTRIES_MAX = 1_000;
const BYTES_MAX = 8 * 1024 * 1024;

/** A preset as requests use it. */
export interface UsedPreset {
  readonly id: PresetId;
  readonly body: ParsedBody;
}

export type PresetUse = Result<UsedPreset, RouterError>;

export interface PresetClientPorts {
  readonly clock: Clock;
  readonly gate: (account: AccountId) => AccountPresetsRpc;
}

export interface PresetClient {
  /**
   * The preset of an account; a promise only where its gate must be asked.
   * @returns `not_found`, `storage` when the gate cannot be reached, `bad_request` for content that can't be read any more.
   */
  use(account: AccountId, slug: string, waitUntil: (work: Promise<unknown>) => void): PresetUse | Promise<PresetUse>;
  /** The account has changed it here. */
  forget(account: AccountId, slug: string): void;
}

interface Entry {
  readonly use: PresetUse;
  readonly versionId: PresetId | null;
  readonly size: number;
  /** When the gate was asked for what is here. */
  readonly askedAtMs: EpochMs;
  refreshedAtMs: EpochMs;
}

const UNREACHABLE: RouterError = { kind: "storage", message: "The account's gate did not answer for a preset." };

/** One client per isolate. */
export function createPresetClient({ clock, gate }: PresetClientPorts): PresetClient {
  const entries = new Map<string, Entry>();
  let size = 0;

  function drop(name: string): void {
    size -= entries.get(name)?.size ?? 0;
    entries.delete(name);
  }

  function keep(name: string, entry: Entry): void {
    drop(name);
    entries.set(name, entry);
    size += entry.size;
    for (const oldest of entries.keys()) {
      if (entries.size <= ENTRIES_MAX && size <= BYTES_MAX) return;
      drop(oldest);
    }
  }

  async function ask(name: string, account: AccountId, slug: string): Promise<PresetUse> {
    const known = entries.get(name);
    const askedAtMs = clock();
    const answer = await gate(account)
      .presets({ kind: "use", slug, known: known?.versionId ?? null })
      .catch(() => null);
    if (answer === null) return err(UNREACHABLE);
    if (!answer.ok && answer.error.kind !== "not_found") return answer;
    const entry = answer.ok ? entryOf(answer.value, known, askedAtMs) : missing(answer.error, askedAtMs);
    // Calls may overtake each other: what was asked for last stays.
    if ((entries.get(name)?.askedAtMs ?? 0) <= askedAtMs) keep(name, entry);
    return entry.use;
  }

  return {
    use(account, slug, waitUntil) {
      const name = `${account} ${slug}`;
      const entry = entries.get(name);
      const nowMs = clock();
      const ageMs = entry === undefined ? Number.POSITIVE_INFINITY : nowMs - entry.askedAtMs;
      if (entry === undefined || ageMs >= (entry.versionId === null ? MISS_MS : PRESET_LIFE_MS)) {
        return ask(name, account, slug);
      }
      if (ageMs >= REFRESH_MS && nowMs - entry.refreshedAtMs >= REFRESH_AGAIN_MS) {
        entry.refreshedAtMs = nowMs;
        waitUntil(ask(name, account, slug));
      }
      return entry.use;
    },
    forget: (account, slug) => drop(`${account} ${slug}`),
  };
}

function missing(error: RouterError, askedAtMs: EpochMs): Entry {
  return { use: err(error), versionId: null, size: 0, askedAtMs, refreshedAtMs: askedAtMs };
}

function entryOf(answer: PresetAnswer, known: Entry | undefined, askedAtMs: EpochMs): Entry {
  if (answer.kind === "same" && known !== undefined) return { ...known, askedAtMs, refreshedAtMs: askedAtMs };
  if (answer.kind !== "preset") return missing(UNREACHABLE, askedAtMs);
  const { preset, version } = answer;
  const body = presetBodyOf({ config: configOf(version.config), systemPrompt: version.systemPrompt });
  return {
    use: body.ok ? ok({ id: preset.id, body: body.value }) : body,
    versionId: version.id,
    size: version.config.length + (version.systemPrompt?.length ?? 0),
    askedAtMs,
    refreshedAtMs: askedAtMs,
  };
}

/** The gate keeps what we wrote. */
export function configOf(text: string): JsonObject {
  const value = parseJson(text);
  return isObject(value) ? (value as JsonObject) : {}; // parsed from JSON
}
