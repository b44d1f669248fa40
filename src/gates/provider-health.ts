/**
 * What a ProviderGate knows of its place: the health of each endpoint, which credentials work, who may send a probe.
 * Figures (percentiles) are computed at most every FIGURES_MS for isolates, where much is known more seldom; a failure, a closing or a breaker that moves
 * is seen at once. Endpoints have versions, so that an isolate gets what it lacks and no more.
 * Deterministic; times in epoch ms. Memory: ENDPOINTS_MAX endpoints, CREDENTIALS_MAX credentials.
 */
import { hash32, type EpochMs } from "../core/clock.ts";
import {
  BREAKER_CLOSED,
  breakerNext,
  closedUntil,
  CREDENTIAL_RULE,
  isProbeDue,
  type Breaker,
} from "../limits/breaker.ts";
import {
  credentialAfter,
  figuresByClient,
  healthAfter,
  healthSnapshot,
  NEW_HEALTH,
  type Health,
  type HealthState,
} from "../limits/health.ts";
import type {
  CredentialHealth,
  EndpointHealth,
  EndpointKey,
  ReportedOutcome,
  SyncRequest,
} from "./provider-contract.ts";

/** Endpoints that one gate keeps health of; the longest unreported leaves first. */
const ENDPOINTS_MAX = 500;
const CREDENTIALS_MAX = 64;
/**
 * How old figures may be that isolates get: percentiles of all endpoints for each report cost too much. Those of many
 * outcomes hardly move with the next few, and are kept until there is a share more of them, or they are old.
 */
const FIGURES_MS = 5_000;
const FIGURES_OLD_MS = 30_000;
const FIGURES_SHARE = 0.25;
/** ...and those that people get. */
const SHOWN_MS = 500;
/** Endpoints are saved in so many parts, each far below the 2 MB that a stored value may have. */
const CHUNKS = 16;

export interface SavedEndpoint {
  readonly key: EndpointKey;
  readonly state: HealthState;
  readonly closings: readonly (readonly [string, EpochMs])[];
}

export interface PlaceHealth {
  /** Takes in one outcome. @returns what was typical of the endpoint's time to first token before it; null: nothing. */
  fold(reported: ReportedOutcome, nowMs: EpochMs): number | null;
  /** An isolate needs to hear of the endpoint, whatever its figures are. */
  touch(key: EndpointKey): void;
  /** Those of `wants` that have changed. */
  changed(wants: SyncRequest["wants"], nowMs: EpochMs): readonly EndpointHealth[];
  all(model: string | undefined, nowMs: EpochMs): readonly EndpointHealth[];
  /** True once for each probe that is due; `name` is an endpoint's key or a credential's id. */
  leave(name: string, nowMs: EpochMs): boolean;
  credentials(): readonly CredentialHealth[];
  /** The operator's stored credentials are others now. */
  forgetCredentials(): void;
  /** Parts that have changed since the last call, by number. */
  dirty(): ReadonlyMap<number, readonly SavedEndpoint[]>;
}

interface Entry {
  state: HealthState;
  version: number;
  readonly closings: Map<string, EpochMs>;
  shown: { readonly atMs: EpochMs; readonly health: Health; readonly text: string } | null;
  /** Outcomes of 30 minutes in the figures that were shown last, and since then. */
  told: number;
  fresh: number;
}

interface Memory {
  /** In order of their last report. */
  readonly endpoints: Map<EndpointKey, Entry>;
  readonly credentials: Map<string, Breaker>;
  readonly limitOf: (credential: string, key: EndpointKey) => number | undefined;
  readonly dirty: Set<number>;
  version: number;
}

/** `limitOf` says what has been learnt of an endpoint's capacity. Versions begin at `nowMs`, so that none is used twice. */
export function createPlaceHealth(
  saved: { readonly endpoints: readonly SavedEndpoint[]; readonly credentials: readonly CredentialHealth[] },
  limitOf: Memory["limitOf"],
  nowMs: EpochMs,
): PlaceHealth {
  const memory: Memory = { endpoints: new Map(), credentials: new Map(), limitOf, dirty: new Set(), version: nowMs };
  for (const { key, state, closings } of saved.endpoints) {
    memory.endpoints.set(key, { state, version: nowMs, closings: new Map(closings), shown: null, told: 0, fresh: 0 });
  }
  for (const { id, breaker } of saved.credentials) memory.credentials.set(id, breaker);
  return {
    fold: (reported, atMs) => fold(memory, reported, atMs),
    touch(key) {
      const entry = memory.endpoints.get(key);
      if (entry !== undefined) entry.version = ++memory.version;
    },
    changed: (wants, atMs) =>
      wants.flatMap(([key, since]) => {
        const entry = memory.endpoints.get(key);
        if (entry === undefined) return [];
        const shown = shownOf(memory, key, entry, figuresMs(entry), atMs);
        return entry.version > since ? [shown] : [];
      }),
    all: (model, atMs) =>
      [...memory.endpoints].flatMap(([key, entry]) => {
        if (model === undefined) return [shownOf(memory, key, entry, SHOWN_MS, atMs)];
        if (!key.startsWith(`${model} `)) return [];
        return [{ ...shownOf(memory, key, entry, SHOWN_MS, atMs), byClient: figuresByClient(entry.state, atMs) }];
      }),
    leave: (name, atMs) => leave(memory, name, atMs),
    credentials: () => [...memory.credentials].map(([id, breaker]) => ({ id, breaker })),
    forgetCredentials: () => memory.credentials.clear(),
    dirty: () => dirtyOf(memory),
  };
}

function fold(memory: Memory, { model, tag, outcome, credential }: ReportedOutcome, nowMs: EpochMs): number | null {
  const { endpoints } = memory;
  const key = `${model} ${tag}`;
  const entry = endpoints.get(key) ?? newEntry(memory);
  const before = entry.state;
  entry.state = healthAfter(before, outcome, nowMs);
  entry.fresh++;
  endpoints.delete(key);
  endpoints.set(key, entry);
  const oldest = endpoints.size > ENDPOINTS_MAX ? endpoints.keys().next().value : undefined;
  if (oldest !== undefined) endpoints.delete(oldest);
  memory.dirty.add(chunkOf(key));
  if (oldest !== undefined) memory.dirty.add(chunkOf(oldest));
  if (credential !== undefined && outcome.kind === "failure" && outcome.scope === "capacity") {
    for (const [id, untilMs] of entry.closings) if (untilMs <= nowMs) entry.closings.delete(id);
    entry.closings.set(credential, closedUntil(entry.closings.get(credential) ?? 0, outcome.retryAfterMs, nowMs));
  }
  if (outcome.kind === "failure" || before.breaker.kind !== "closed" || entry.state.breaker.kind !== "closed") {
    entry.shown = null;
    entry.version = ++memory.version;
  }
  if (credential !== undefined) foldCredential(memory, credential, outcome, nowMs);
  return before.typicalTtftMs ?? null;
}

function newEntry(memory: Memory): Entry {
  return { state: NEW_HEALTH, version: ++memory.version, closings: new Map(), shown: null, told: 0, fresh: 0 };
}

function foldCredential(
  { credentials }: Memory,
  id: string,
  outcome: ReportedOutcome["outcome"],
  nowMs: EpochMs,
): void {
  const before = credentials.get(id) ?? BREAKER_CLOSED;
  credentials.set(id, credentialAfter(before, outcome, nowMs));
  const oldest = credentials.size > CREDENTIALS_MAX ? credentials.keys().next().value : undefined;
  if (oldest !== undefined) credentials.delete(oldest);
}

function figuresMs({ told, fresh }: Entry): number {
  return fresh > told * FIGURES_SHARE ? FIGURES_MS : FIGURES_OLD_MS;
}

/** The endpoint with figures that are at most `ageMs` old; a new version when they differ from those before. */
function shownOf(memory: Memory, key: EndpointKey, entry: Entry, ageMs: number, nowMs: EpochMs): EndpointHealth {
  const known = entry.shown;
  let health = known?.health;
  if (known === null || health === undefined || Math.abs(nowMs - known.atMs) >= ageMs) {
    health = healthSnapshot(entry.state, nowMs);
    const text = JSON.stringify(health);
    if (known !== null && known.text !== text) entry.version = ++memory.version;
    entry.shown = { atMs: nowMs, health, text };
    entry.told = health.requestCount30m;
    entry.fresh = 0;
  }
  const [model = "", tag = ""] = key.split(" ");
  const closings = Object.fromEntries([...entry.closings].filter(([, untilMs]) => untilMs > nowMs));
  const limits: Record<string, number> = {};
  for (const id of memory.credentials.keys()) {
    const limit = memory.limitOf(id, key);
    if (limit !== undefined) limits[id] = limit;
  }
  return { model, tag, version: entry.version, health, closings, limits };
}

function leave(memory: Memory, name: string, nowMs: EpochMs): boolean {
  const credential = memory.credentials.get(name);
  if (credential !== undefined) {
    if (!isProbeDue(credential, nowMs)) return false;
    memory.credentials.set(name, breakerNext(credential, { kind: "probe" }, nowMs, CREDENTIAL_RULE));
    return true;
  }
  const entry = memory.endpoints.get(name);
  if (entry === undefined || !isProbeDue(entry.state.breaker, nowMs)) return false;
  entry.state = { ...entry.state, breaker: breakerNext(entry.state.breaker, { kind: "probe" }, nowMs) };
  entry.shown = null;
  entry.version = ++memory.version;
  return true;
}

function chunkOf(key: EndpointKey): number {
  return hash32(key) % CHUNKS;
}

function dirtyOf({ dirty, endpoints }: Memory): ReadonlyMap<number, readonly SavedEndpoint[]> {
  const parts = new Map<number, SavedEndpoint[]>([...dirty].map((chunk) => [chunk, []]));
  for (const [key, { state, closings }] of endpoints) {
    parts.get(chunkOf(key))?.push({ key, state, closings: [...closings] });
  }
  dirty.clear();
  return parts;
}
