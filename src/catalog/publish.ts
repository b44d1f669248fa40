/**
 * Publishing a catalog to KV. Values are content-addressed and written first, in any order and only when missing; the
 * index that names them is written last. So a publication that was cut leaves the old one live, and running it again
 * writes only what is missing. One call may be given a share of the writes: the platform counts a request's calls to KV
 * (1,000), and a catalog of thousands of models is published by as many calls as it takes. The last HISTORY_MAX indexes
 * are kept for rollback; values that none of them names are deleted, some with each publication.
 */
import * as z from "zod";
import type { EpochMs } from "../core/clock.ts";
import { parseJson } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Catalog, Provider } from "./schema.ts";
import { snapshotOf, valueKey, type CatalogIndex, type ValueKind } from "./snapshot.ts";

/** What the catalog needs of a key-value store; a Workers KV binding fits. */
export interface CatalogStore {
  get(key: string): Promise<string | null>;
  put(key: string, value: string): Promise<void>;
  delete(key: string): Promise<void>;
  list(options: { prefix: string; cursor?: string | null }): Promise<KeyPage>;
}

export interface KeyPage {
  readonly keys: readonly { readonly name: string }[];
  readonly list_complete: boolean;
  readonly cursor?: string;
}

/** The reading half. */
export type CatalogReads = Pick<CatalogStore, "get">;

/** An index with the publication around it: this is what the keys `index` and `index:<version>` hold. */
export interface LiveIndex extends CatalogIndex {
  readonly publishedAtMs: EpochMs;
  /** Earlier versions, newest first, each under `index:<version>`. */
  readonly history: readonly { readonly version: string; readonly publishedAtMs: EpochMs }[];
}

export interface Publication {
  readonly version: string;
  /** False: the same content was live already, or is not live yet. */
  readonly changed: boolean;
  readonly valuesWritten: number;
  /** Values that are still missing: the next call writes them. 0: it is live. */
  readonly valuesLeft: number;
  readonly valuesDeleted: number;
}

/** A version that is live again. */
export interface Rollback {
  readonly version: string;
  /** False: it was live already. */
  readonly changed: boolean;
  readonly counts: CatalogIndex["counts"];
}

/** Versions that can be rolled back to, the live one among them. */
export const HISTORY_MAX = 10;
/** Values that one request writes at most, and deletes: with the pages of keys they stay below what KV allows it. */
export const WRITES_MAX = 600;
const DELETES_MAX = 200;
/** Writes at the same time: as many connections as a request may have. */
const AT_ONCE = 6;
/** The most pages of keys (1,000 each on Workers KV) that one publication looks through per kind. */
const PAGES_MAX = 50;
const KINDS: readonly ValueKind[] = ["model", "listing", "providers", "zdr", "menu", "source"];
export const LIVE_KEY = "index";

/** The key of a version's own index. */
export function versionKey(version: string): string {
  return `index:${version}`;
}

const hash = z.string().regex(/^[0-9a-f]{32}$/);
const LiveIndexSchema = z.object({
  format: z.literal(1),
  version: hash,
  models: z.record(z.string(), hash),
  aliases: z.record(z.string(), z.string()),
  listing: hash,
  providers: hash,
  zdr: hash.optional(),
  menu: hash.optional(),
  source: hash,
  counts: z.object({ models: z.number(), providers: z.number(), endpoints: z.number() }),
  publishedAtMs: z.number(),
  history: z.array(z.object({ version: hash, publishedAtMs: z.number() })).max(HISTORY_MAX),
});

/** Reads an index's text; undefined for a missing or corrupt one. */
export function readIndex(text: string | null): LiveIndex | undefined {
  if (text === null) return undefined;
  const parsed = LiveIndexSchema.safeParse(parseJson(text));
  return parsed.success ? parsed.data : undefined;
}

/**
 * Makes `catalog` (already parsed) the live one, or writes `writesMax` of its values on the way there. Safe to repeat
 * after any failure; a store's failure is thrown on.
 */
export async function publish(
  catalog: Catalog,
  store: CatalogStore,
  nowMs: EpochMs,
  writesMax: number = Number.POSITIVE_INFINITY,
): Promise<Publication> {
  const { index, values } = await snapshotOf(catalog);
  const live = readIndex(await store.get(LIVE_KEY));
  const present = await presentKeys(store);
  const missing = values.filter(({ key }) => !present.has(key));
  const { version } = index;
  const valuesWritten = Math.min(missing.length, writesMax);
  const valuesLeft = missing.length - valuesWritten;
  await someAtOnce(missing.slice(0, valuesWritten), ({ key, text }) => store.put(key, text));
  if (valuesLeft > 0) return { version, changed: false, valuesWritten, valuesLeft, valuesDeleted: 0 };
  if (live?.version === version) return { version, changed: false, valuesWritten, valuesLeft, valuesDeleted: 0 };
  await goLive(store, index, live, nowMs);
  const valuesDeleted = await sweep(store, new Set([...present, ...values.map(({ key }) => key)]));
  return { version, changed: true, valuesWritten, valuesLeft, valuesDeleted };
}

/** Rejects with the first failure, once all that had begun has ended. */
async function someAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += AT_ONCE) {
    const done = await Promise.allSettled(items.slice(at, at + AT_ONCE).map(work));
    const failed = done.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
}

/**
 * Makes an earlier version live again.
 * @returns an error sentence when its index or one of its values is gone.
 */
export async function rollback(
  version: string,
  store: CatalogStore,
  nowMs: EpochMs,
): Promise<Result<Rollback, string>> {
  const live = readIndex(await store.get(LIVE_KEY));
  const wanted = readIndex(await store.get(versionKey(version)));
  if (wanted === undefined) return err(`There is no version ${version} to go back to.`);
  const { counts } = wanted;
  if (live?.version === version) return ok({ version, changed: false, counts });
  const present = await presentKeys(store);
  if (!valueKeysOf(wanted).every((key) => present.has(key))) return err(`Version ${version} is no longer complete.`);
  const { publishedAtMs: _before, history: _old, ...index } = wanted;
  await goLive(store, index, live, nowMs);
  return ok({ version, changed: true, counts });
}

/** The providers of a kept version; undefined when the version or its list is gone. */
export async function readProviders(version: string, store: CatalogReads): Promise<readonly Provider[] | undefined> {
  const index = readIndex(await store.get(versionKey(version)));
  if (index === undefined) return undefined;
  const rows = parseJson((await store.get(valueKey("providers", index.providers))) ?? "");
  // Content-addressed and written by `snapshotOf` from a parsed catalog.
  return Array.isArray(rows) ? (rows as readonly Provider[]) : undefined;
}

/** The live catalog as it was sent, with its index; undefined when nothing complete is published. */
export async function readPublished(
  store: CatalogReads,
): Promise<{ readonly index: LiveIndex; readonly catalog: unknown } | undefined> {
  const index = readIndex(await store.get(LIVE_KEY));
  if (index === undefined) return undefined;
  const catalog = parseJson((await store.get(valueKey("source", index.source))) ?? "");
  return catalog === undefined ? undefined : { index, catalog };
}

async function goLive(
  store: CatalogStore,
  index: CatalogIndex,
  live: LiveIndex | undefined,
  nowMs: EpochMs,
): Promise<void> {
  const before =
    live === undefined ? [] : [{ version: live.version, publishedAtMs: live.publishedAtMs }, ...live.history];
  const history = before.filter(({ version }) => version !== index.version);
  const next: LiveIndex = { ...index, publishedAtMs: nowMs, history: history.slice(0, HISTORY_MAX - 1) };
  const text = JSON.stringify(next);
  await store.put(versionKey(index.version), text);
  await store.put(LIVE_KEY, text);
  for (const { version } of history.slice(HISTORY_MAX - 1)) await store.delete(versionKey(version));
}

/** Deletes values that no kept index names. Reads the live index anew: only what is really live counts. */
async function sweep(store: CatalogStore, present: ReadonlySet<string>): Promise<number> {
  const live = readIndex(await store.get(LIVE_KEY));
  if (live === undefined) return 0;
  const named = new Set(valueKeysOf(live));
  for (const { version } of live.history) {
    const index = readIndex(await store.get(versionKey(version)));
    // An index that cannot be read may name anything, so nothing is deleted.
    if (index === undefined) return 0;
    for (const key of valueKeysOf(index)) named.add(key);
  }
  const doomed = [...present].filter((key) => !named.has(key)).slice(0, DELETES_MAX);
  await someAtOnce(doomed, (key) => store.delete(key));
  return doomed.length;
}

function valueKeysOf(index: CatalogIndex): readonly string[] {
  return [
    ...Object.values(index.models).map((value) => valueKey("model", value)),
    valueKey("listing", index.listing),
    valueKey("providers", index.providers),
    ...(index.zdr === undefined ? [] : [valueKey("zdr", index.zdr)]),
    ...(index.menu === undefined ? [] : [valueKey("menu", index.menu)]),
    valueKey("source", index.source),
  ];
}

async function presentKeys(store: CatalogStore): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const kind of KINDS) {
    let cursor: string | null = null;
    for (let page = 0; page < PAGES_MAX; page++) {
      const { keys, ...rest }: KeyPage = await store.list({ prefix: `${kind}:`, cursor });
      for (const { name } of keys) found.add(name);
      cursor = rest.list_complete ? null : (rest.cursor ?? null);
      if (cursor === null) break;
    }
  }
  return found;
}
