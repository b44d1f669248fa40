/**
 * The isolate's reader of the published catalog. Memory is a cache, KV behind it: the index is refreshed in the
 * background every 30 s (stale-while-revalidate), in the foreground when it is older than five minutes; model values
 * are content-addressed, so they never go stale, and at most MODELS_MAX are kept, the least recently used leave first.
 * A half-seen publication (index there, value not yet) is never an unknown model: the reader keeps what it had for that
 * name, and a cold one falls back to the publication before. Corrupt values count as missing.
 * No promise is shared between requests: a refresh is marked by time, and whoever started it owns it.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import { isObject, parseJson } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { ListingRow } from "./listing.ts";
import type { PublicEndpoint } from "./listing-endpoints.ts";
import type { MenuRow } from "./menu.ts";
import { nearestNames } from "./nearest.ts";
import { LIVE_KEY, readIndex, versionKey, type CatalogReads, type LiveIndex } from "./publish.ts";
import type { ModelEntry, Provider } from "./schema.ts";
import { valueKey, type ValueKind } from "./snapshot.ts";

/** Keeps a promise alive past the answer, as an ExecutionContext does. */
export type WaitUntil = (promise: Promise<unknown>) => void;

/** A model as it was found, and the version of the catalog whose prices it carries. */
export interface Resolved {
  readonly entry: ModelEntry;
  readonly version: string;
}

export type LookupError = Extract<RouterError, { kind: "unknown_model" | "overloaded" }>;
export type Unavailable = Extract<RouterError, { kind: "overloaded" }>;

export interface CatalogReader {
  /** The model of an id, canonical slug or alias; `overloaded` only when the store cannot be read at all. */
  lookup(name: string, waitUntil: WaitUntil): Promise<Result<Resolved, LookupError>>;
  listing(waitUntil: WaitUntil): Promise<Result<readonly ListingRow[], Unavailable>>;
  providers(waitUntil: WaitUntil): Promise<Result<readonly Provider[], Unavailable>>;
  /** The endpoints that promise zero data retention, in the order of the models. */
  zdrEndpoints(waitUntil: WaitUntil): Promise<Result<readonly PublicEndpoint[], Unavailable>>;
  /** What router models choose from, cheapest first. */
  menu(waitUntil: WaitUntil): Promise<Result<readonly MenuRow[], Unavailable>>;
  /** The next call reads the index anew: for the isolate that has just published. */
  forgetIndex(): void;
}

const FRESH_MS = 30_000;
const STALE_MAX_MS = 300_000;
/** How long a value that was missing is not asked for again. */
const MISSING_MS = 2_000;
const MODELS_MAX = 2_000;
const NEAREST = 5;
const UNAVAILABLE: Unavailable = {
  kind: "overloaded",
  retryAfterS: 1,
  message: "The model catalog cannot be read right now.",
};

/** The index that this isolate serves. */
interface IndexCache {
  current(waitUntil: WaitUntil): Promise<LiveIndex | undefined>;
  forget(): void;
}

function createIndexCache(store: CatalogReads, clock: Clock): IndexCache {
  // At most STALE_MAX_MS old while the store answers; one index.
  let index: LiveIndex | undefined;
  let readAtMs: EpochMs = Number.NEGATIVE_INFINITY;
  let triedAtMs: EpochMs = Number.NEGATIVE_INFINITY;
  // A publication went through this isolate: whoever comes before it is read again reads it himself.
  let isForgotten = false;

  async function refresh(): Promise<void> {
    triedAtMs = clock();
    const read = readIndex(await getText(store, LIVE_KEY));
    if (read === undefined) return;
    index = read;
    isForgotten = false;
    readAtMs = clock();
  }

  return {
    async current(waitUntil) {
      const nowMs = clock();
      const isTooOld = nowMs - readAtMs > STALE_MAX_MS && nowMs - triedAtMs >= MISSING_MS;
      if (index === undefined || isForgotten || isTooOld) await refresh();
      else if (nowMs - Math.max(readAtMs, triedAtMs) >= FRESH_MS) waitUntil(refresh());
      return index;
    },
    forget() {
      isForgotten = true;
      readAtMs = Number.NEGATIVE_INFINITY;
      triedAtMs = Number.NEGATIVE_INFINITY;
    },
  };
}

/** A model's newest value seen. */
interface Held {
  readonly hash: string;
  readonly resolved: Resolved;
}

interface ModelCache {
  held(id: string): Held | undefined;
  /** Undefined when the value is missing or corrupt, or was so a moment ago. */
  read(id: string, hash: string, version: string): Promise<Resolved | undefined>;
  forgetMissing(): void;
}

function createModelCache(store: CatalogReads, clock: Clock): ModelCache {
  // By model id, in order of use; at most MODELS_MAX. Never stale: a value is named by its content.
  const models = new Map<string, Held>();
  // Value hash -> when it was missed; cleared when it grows past MODELS_MAX.
  const missing = new Map<string, EpochMs>();

  function keep(id: string, held: Held): void {
    models.delete(id);
    models.set(id, held);
    const oldest = models.size > MODELS_MAX ? models.keys().next().value : undefined;
    if (oldest !== undefined) models.delete(oldest);
  }

  return {
    held(id) {
      const held = models.get(id);
      if (held !== undefined) keep(id, held);
      return held;
    },
    async read(id, hash, version) {
      const missedAtMs = missing.get(hash);
      if (missedAtMs !== undefined && clock() - missedAtMs < MISSING_MS) return undefined;
      const entry = modelEntryOf(await getText(store, valueKey("model", hash)), id);
      if (entry === undefined) {
        if (missing.size >= MODELS_MAX) missing.clear();
        missing.set(hash, clock());
        return undefined;
      }
      missing.delete(hash);
      const resolved = { entry, version };
      keep(id, { hash, resolved });
      return resolved;
    },
    forgetMissing: () => missing.clear(),
  };
}

/** A reader for one isolate. `clock` is read on every call. */
export function createCatalogReader(store: CatalogReads, clock: Clock): CatalogReader {
  const index = createIndexCache(store, clock);
  const models = createModelCache(store, clock);
  // The lists, one value each; replaced when the index names another.
  const lists = new Map<ValueKind, { readonly hash: string; readonly content: unknown }>();

  async function list(kind: "listing" | "providers" | "zdr" | "menu", waitUntil: WaitUntil): Promise<unknown> {
    const live = await index.current(waitUntil);
    const held = lists.get(kind);
    const hash = live?.[kind];
    if (hash === undefined || held?.hash === hash) return held?.content;
    const content = parseJson((await getText(store, valueKey(kind, hash))) ?? "");
    if (!Array.isArray(content)) return held?.content;
    lists.set(kind, { hash, content });
    return content;
  }

  return {
    async lookup(name, waitUntil) {
      const live = await index.current(waitUntil);
      if (live === undefined) return err(UNAVAILABLE);
      const id = idOf(live, name);
      const hash = id === undefined ? undefined : live.models[id];
      if (id === undefined || hash === undefined) {
        const nearest = nearestNames(name, Object.keys(live.models), NEAREST);
        return err({ kind: "unknown_model", model: name, nearest });
      }
      const held = models.held(id);
      if (held?.hash === hash) return ok({ entry: held.resolved.entry, version: live.version });
      const found =
        (await models.read(id, hash, live.version)) ?? held?.resolved ?? (await readBefore(store, live, name));
      return found === undefined ? err(UNAVAILABLE) : ok(found);
    },
    async listing(waitUntil) {
      const rows = await list("listing", waitUntil);
      // Written by `snapshotOf` and addressed by its hash; nobody else writes under that key.
      return rows === undefined ? err(UNAVAILABLE) : ok(rows as readonly ListingRow[]);
    },
    async providers(waitUntil) {
      const rows = await list("providers", waitUntil);
      // As above.
      return rows === undefined ? err(UNAVAILABLE) : ok(rows as readonly Provider[]);
    },
    async zdrEndpoints(waitUntil) {
      const rows = await list("zdr", waitUntil);
      // As above.
      return rows === undefined ? err(UNAVAILABLE) : ok(rows as readonly PublicEndpoint[]);
    },
    async menu(waitUntil) {
      const rows = await list("menu", waitUntil);
      // As above.
      return rows === undefined ? err(UNAVAILABLE) : ok(rows as readonly MenuRow[]);
    },
    forgetIndex() {
      index.forget();
      models.forgetMissing();
    },
  };
}

/** What a cold isolate serves when the newest publication is only half visible: the one before. */
async function readBefore(store: CatalogReads, live: LiveIndex, name: string): Promise<Resolved | undefined> {
  const version = live.history[0]?.version;
  const before = version === undefined ? undefined : readIndex(await getText(store, versionKey(version)));
  const id = before === undefined ? undefined : idOf(before, name);
  const hash = id === undefined ? undefined : before?.models[id];
  if (before === undefined || id === undefined || hash === undefined) return undefined;
  const entry = modelEntryOf(await getText(store, valueKey("model", hash)), id);
  return entry === undefined ? undefined : { entry, version: before.version };
}

/** A store that fails is a store that has nothing: the reader keeps what it had. */
async function getText(store: CatalogReads, key: string): Promise<string | null> {
  try {
    return await store.get(key);
  } catch {
    return null;
  }
}

function idOf(index: LiveIndex, name: string): string | undefined {
  if (Object.hasOwn(index.models, name)) return name;
  const lower = name.toLowerCase();
  if (Object.hasOwn(index.models, lower)) return lower;
  return Object.hasOwn(index.aliases, lower) ? index.aliases[lower] : undefined;
}

/** The entry if the text is one and is of that model. Its shape was checked before it was published. */
function modelEntryOf(text: string | null, id: string): ModelEntry | undefined {
  const value = text === null ? undefined : parseJson(text);
  if (!isObject(value) || !isObject(value["model"]) || value["model"]["id"] !== id) return undefined;
  if (!Array.isArray(value["model"]["endpoints"]) || !Array.isArray(value["providers"])) return undefined;
  // Content-addressed and written by `snapshotOf` from a parsed catalog.
  return value as unknown as ModelEntry;
}
