/**
 * Which generations an account has settled lately, in memory: a settle from a lease has no hold that would prove it new,
 * and searching storage for each would cost more than the settle. Exact: what is not remembered here is looked for in
 * storage, unless the memory reaches back far enough to say no. At most two sets of IDS_MAX ids.
 */
import type { EpochMs } from "../core/clock.ts";
import type { GenerationId } from "../core/ids.ts";
import { seqAt, type AccountStore } from "./account-store.ts";

/** How long a settled id is remembered. No isolate sends a settle again after minutes. */
export const SETTLED_KEPT_MS = 2 * 3_600_000;
/** Isolates and the gate may disagree about the time by this much. */
const CLOCK_SKEW_MS = 60_000;
/** How far a woken gate looks back, and in how many rows. */
const REMEMBERED_MS = 300_000;
const ROWS_MAX = 20_000;
const IDS_MAX = 100_000;

/** Whatever was settled since `sinceMs` is in one of the sets. */
export interface RecentSettles {
  sinceMs: EpochMs;
  before: Set<GenerationId>;
  /** When the present set was begun. */
  begunMs: EpochMs;
  ids: Set<GenerationId>;
}

interface Remembers {
  readonly store: AccountStore;
  readonly holds: ReadonlyMap<GenerationId, unknown>;
  recent: RecentSettles | null;
}

/**
 * Whether a settle of this id was taken before. An open hold says no at once; else the memory of settles since the
 * generation's own second is searched. One that is older than that memory can't be proved new, so it is not charged.
 */
export function isKnown(memory: Remembers, id: GenerationId, nowMs: EpochMs): boolean {
  if (memory.holds.has(id)) return false;
  const keptSinceMs = nowMs - SETTLED_KEPT_MS;
  const madeAtMs = madeAt(id);
  if (madeAtMs !== null && madeAtMs < keptSinceMs) return true;
  return wasSettled(memory, id, sinceMadeMs(id), nowMs);
}

/** Before this time no settle of the generation can have come. */
export function sinceMadeMs(id: GenerationId): EpochMs {
  const madeAtMs = madeAt(id);
  return madeAtMs === null ? 0 : madeAtMs - CLOCK_SKEW_MS;
}

function madeAt(id: GenerationId): EpochMs | null {
  const seconds = /^gen-(\d{10})-/.exec(id)?.[1];
  return seconds === undefined ? null : Number(seconds) * 1_000;
}

/** Whether this id was settled at or after `sinceMs`. */
export function wasSettled(memory: Remembers, id: GenerationId, sinceMs: EpochMs, nowMs: EpochMs): boolean {
  const recent = (memory.recent ??= wokenSettles(memory.store, nowMs));
  if (recent.ids.has(id) || recent.before.has(id)) return true;
  return sinceMs < recent.sinceMs && memory.store.wasSettled(id, sinceMs);
}

/** Remembers ids whose settle is stored. */
export function rememberSettled(memory: Remembers, ids: Iterable<GenerationId>, nowMs: EpochMs): void {
  const { recent } = memory;
  // Nobody asked yet: storage will tell.
  if (recent === null) return;
  if (recent.ids.size >= IDS_MAX) {
    recent.before = recent.ids;
    recent.sinceMs = recent.begunMs;
    recent.ids = new Set();
    recent.begunMs = nowMs;
  }
  for (const id of ids) recent.ids.add(id);
}

function wokenSettles(store: AccountStore, nowMs: EpochMs): RecentSettles {
  const rows = store.latestSettles(nowMs - REMEMBERED_MS, ROWS_MAX);
  const oldest = rows.at(-1);
  // A full look may have left out others of the oldest row's time.
  const sinceMs = oldest !== undefined && rows.length === ROWS_MAX ? oldest.seq / seqAt(1) + 1 : nowMs - REMEMBERED_MS;
  return { sinceMs, before: new Set(rows.flatMap((row) => row.ids)), begunMs: nowMs, ids: new Set() };
}
