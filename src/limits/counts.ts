/**
 * Counts of what went well and what went wrong, in rolling windows of slots. Plain JSON, pure; a slot is a number of
 * some unit of time that its owner keeps to. A list holds one entry per slot with data.
 */

/** What was counted in one slot. */
export interface CountSlot {
  readonly slot: number;
  readonly good: number;
  readonly bad: number;
}

export interface Tally {
  readonly good: number;
  readonly bad: number;
}

/** One more in `slot`; reports may come late, so the slot need not be the newest. Keeps `keep` slots, empty ones included. */
export function countedIn(
  slots: readonly CountSlot[],
  slot: number,
  isGood: boolean,
  keep: number,
): readonly CountSlot[] {
  const newest = Math.max(slot, slots.at(-1)?.slot ?? slot);
  const kept = slots.filter((entry) => entry.slot > newest - keep);
  if (slot <= newest - keep) return kept;
  const at = kept.findLastIndex((entry) => entry.slot <= slot);
  const found = kept[at];
  const before = found?.slot === slot ? found : { slot, good: 0, bad: 0 };
  const after = isGood ? { ...before, good: before.good + 1 } : { ...before, bad: before.bad + 1 };
  return before === found ? kept.with(at, after) : kept.toSpliced(at + 1, 0, after);
}

/** What was counted after slot `after`. */
export function tallyOf(slots: readonly CountSlot[], after: number): Tally {
  let good = 0;
  let bad = 0;
  for (const entry of slots) {
    if (entry.slot <= after) continue;
    good += entry.good;
    bad += entry.bad;
  }
  return { good, bad };
}

/** The share that went well, in 0..1; null when nothing was counted. */
export function shareOf({ good, bad }: Tally): number | null {
  const all = good + bad;
  return all === 0 ? null : good / all;
}
