/**
 * The presets of one account, on its gate's storage. Synchronous. A write adds a version and makes it the one that requests
 * get; versions never change. Limits: PRESETS_MAX an account, VERSIONS_MAX a preset, VERSION_BYTES_MAX of UTF-8 a version
 * (its config as JSON and its instructions), TOTAL_BYTES_MAX an account. Nothing is thrown out to make room: what is too
 * much is refused by name.
 */
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import { assert, err, ok, type Result } from "../core/result.ts";
import type { PresetAnswer, PresetCommand, PresetVersionView, PresetView } from "./account-presets-contract.ts";
import { openPresetStore, type PresetStore } from "./account-presets-store.ts";

const PRESETS_MAX = 100;
const VERSIONS_MAX = 100;
const VERSION_BYTES_MAX = 64 * 1024;
const TOTAL_BYTES_MAX = 16 * 1024 * 1024;

type Command<Kind extends PresetCommand["kind"]> = Extract<PresetCommand, { readonly kind: Kind }>;
type Answered = Result<PresetAnswer, RouterError>;

/** Answers the commands about the presets in `storage`. */
export function createPresets(storage: DurableObjectStorage): (command: PresetCommand, nowMs: EpochMs) => Answered {
  const store = openPresetStore(storage);
  return (command, nowMs) => {
    if (command.kind === "write") return written(store, command, nowMs);
    if (command.kind === "list") return ok(listed(store, command));
    const preset = store.exists() ? store.find(command.slug) : undefined;
    if (preset === undefined) return err(noPreset(command.slug));
    switch (command.kind) {
      case "read":
        return ok({ kind: "preset", preset, version: designated(store, preset) });
      case "use":
        if (command.known === preset.versionId) return ok({ kind: "same" });
        return ok({ kind: "preset", preset, version: designated(store, preset) });
      case "versions": {
        const versions = store.versions(preset.id, command.limit, command.offset);
        return ok({ kind: "versions", versions, total: store.countVersions(preset.id) });
      }
      case "version": {
        const version = store.version(preset.id, command.version);
        if (version !== undefined) return ok({ kind: "version", version });
        const message = `The preset ${JSON.stringify(preset.slug)} has no version ${command.version}.`;
        return err({ kind: "not_found", message });
      }
      case "delete":
        store.atomically(() => store.delete(preset));
        return ok({ kind: "deleted" });
      default:
        return command satisfies never;
    }
  };
}

function noPreset(slug: string): RouterError {
  return { kind: "not_found", message: `There is no preset ${JSON.stringify(slug)} in this account.` };
}

function listed(store: PresetStore, { limit, offset }: Command<"list">): PresetAnswer {
  if (!store.exists()) return { kind: "list", presets: [], total: 0 };
  return { kind: "list", presets: store.list(limit, offset), total: store.count() };
}

function designated(store: PresetStore, { versionId }: PresetView): PresetVersionView {
  const version = store.versionById(versionId);
  assert(version !== undefined, "a preset and the version that it designates are written together");
  return version;
}

function written(store: PresetStore, command: Command<"write">, nowMs: EpochMs): Answered {
  const sizeBytes = bytesOf(command.config) + bytesOf(command.systemPrompt ?? "");
  if (sizeBytes > VERSION_BYTES_MAX) {
    const message = `A preset's settings and instructions have at most ${VERSION_BYTES_MAX} bytes, these ${sizeBytes}.`;
    return err({ kind: "bad_request", message });
  }
  store.create();
  const before = store.find(command.slug);
  const repeated = store.versionById(command.versionId);
  if (before !== undefined && repeated !== undefined) {
    return ok({ kind: "preset", preset: before, version: repeated });
  }
  const full = faultOf(store, command.slug, before, sizeBytes);
  if (full !== undefined) return err(full);
  const preset: PresetView = {
    id: before?.id ?? command.id,
    slug: command.slug,
    versionId: command.versionId,
    createdAtMs: before?.createdAtMs ?? nowMs,
    updatedAtMs: nowMs,
  };
  const version: PresetVersionView = {
    id: command.versionId,
    presetId: preset.id,
    version: before === undefined ? 1 : designated(store, before).version + 1,
    systemPrompt: command.systemPrompt,
    config: command.config,
    createdAtMs: nowMs,
  };
  store.atomically(() => store.write(preset, version, sizeBytes));
  return ok({ kind: "preset", preset, version });
}

/** Which limit of the account stands against one more version. */
function faultOf(
  store: PresetStore,
  slug: string,
  before: PresetView | undefined,
  sizeBytes: number,
): RouterError | undefined {
  const conflict = (message: string): RouterError => ({ kind: "conflict", message });
  if (before === undefined && store.count() >= PRESETS_MAX) {
    return conflict(`An account has at most ${PRESETS_MAX} presets. Delete one first.`);
  }
  if (before !== undefined && store.countVersions(before.id) >= VERSIONS_MAX) {
    return conflict(
      `A preset has at most ${VERSIONS_MAX} versions, and ${JSON.stringify(slug)} has them. Delete it, or make another.`,
    );
  }
  if (store.sizeBytes() + sizeBytes > TOTAL_BYTES_MAX) {
    return conflict(
      `All presets of an account have at most ${TOTAL_BYTES_MAX} bytes in all their versions. Delete one first.`,
    );
  }
  return undefined;
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}
