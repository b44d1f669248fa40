/**
 * A count over a sliding minute, exact on the safe side: in no 60 s is more used than was counted, so a limit that is
 * never exceeded here is never exceeded at the provider, whether it counts in fixed minutes, sliding ones or a bucket.
 * What is lent out is counted at the last moment at which it may be used, and what comes back unused is taken from where
 * it was counted, so that it neither stays nor hides what was used. A slot is SLOT_MS long, so what was counted leaves up to SLOT_MS late. Times in epoch ms.
 */
import type { EpochMs } from "../core/clock.ts";

/** `slot` is in units of SLOT_MS since the epoch. */
export interface RateSlot {
  readonly slot: number;
  readonly count: number;
}

export interface RateWindow {
  /** What counts against a limit per minute. */
  count(nowMs: EpochMs): number;
  /** Counts `count` as used at `atMs`, which may lie ahead. */
  add(count: number, atMs: EpochMs): void;
  /** What was added at `atMs` and not used; never more than is counted there. */
  takeBack(count: number, atMs: EpochMs): void;
  /** When at most `most` will be counted, if nothing is added until then. */
  fallsToMs(most: number, nowMs: EpochMs): EpochMs;
  /** What a restart needs to know. */
  saved(): readonly RateSlot[];
}

const SLOT_MS = 250;
/** A slot's last moment must be a whole minute ago. */
const SLOTS = 60_000 / SLOT_MS + 1;

export function createRateWindow(saved: readonly RateSlot[] = []): RateWindow {
  // Ascending by slot; at most a minute's slots and those of the longest lease ahead.
  const slots: { slot: number; count: number }[] = saved.map(({ slot, count }) => ({ slot, count }));
  let total = slots.reduce((sum, { count }) => sum + count, 0);

  const forget = (nowMs: EpochMs): void => {
    const oldest = Math.floor(nowMs / SLOT_MS) - SLOTS;
    let gone = 0;
    for (const { slot, count } of slots) {
      if (slot > oldest) break;
      total -= count;
      gone++;
    }
    if (gone > 0) slots.splice(0, gone);
  };

  return {
    count(nowMs) {
      forget(nowMs);
      return total;
    },
    add(count, atMs) {
      if (count <= 0) return;
      const slot = Math.floor(atMs / SLOT_MS);
      total += count;
      const at = slots.findLastIndex((entry) => entry.slot <= slot);
      const found = slots[at];
      if (found?.slot === slot) found.count += count;
      else slots.splice(at + 1, 0, { slot, count });
    },
    takeBack(count, atMs) {
      const slot = Math.floor(atMs / SLOT_MS);
      const at = slots.findLastIndex((entry) => entry.slot === slot);
      const found = slots[at];
      if (found === undefined) return;
      const taken = Math.min(found.count, Math.max(0, count));
      found.count -= taken;
      total -= taken;
      if (found.count === 0) slots.splice(at, 1);
    },
    fallsToMs(most, nowMs) {
      forget(nowMs);
      let left = total;
      if (left <= most) return nowMs;
      for (const { slot, count } of slots) {
        left -= count;
        if (left <= most) return (slot + SLOTS) * SLOT_MS;
      }
      return nowMs;
    },
    saved: () => slots.map(({ slot, count }) => ({ slot, count })),
  };
}
