/**
 * The candidates of a plan in their order, of which the best are kept. Pure; the order depends on nothing but the
 * candidates themselves.
 */
import { compareText } from "../core/compare.ts";
import type { QualityTier } from "../limits/quality.ts";
import type { Candidate } from "./score.ts";

/** A candidate and where it stands. */
export interface Ranked {
  readonly candidate: Candidate;
  readonly group: number;
  /** Lower goes first; `key` decides between equal ones. */
  rank: number;
  readonly key: number;
}

export interface Ranking {
  add(one: Ranked): void;
  /** Nobody would see one of this rank and key: as many as are kept stand before it. */
  isBeyond(rank: number, key: number): boolean;
  /** Counts one that is beyond, so that it need not be made. */
  skip(quality: QualityTier | undefined): void;
  /** Those kept, best first. */
  ordered(): readonly Ranked[];
  /** How many were added. */
  count(): number;
  /** An endpoint among all that were added has shown how well its answers keep their form. */
  hasProven(): boolean;
}

/** Keeps the best `most` (null: all): of sixty only the first dozen matter, and most of the rest cost one comparison. */
export function createRanking(most: number | null): Ranking {
  const kept: Ranked[] = [];
  let count = 0;
  let hasProven = false;
  const counted = (quality: QualityTier | undefined): void => {
    count++;
    hasProven ||= quality !== undefined && quality !== "unproven";
  };
  return {
    add(one) {
      counted(one.candidate.quality);
      if (most === null) {
        kept.push(one);
        return;
      }
      let at = kept.length;
      for (; at > 0; at--) {
        const before = kept[at - 1];
        if (before === undefined || compareRanked(before, one) <= 0) break;
      }
      if (at === most) return;
      // By hand: `splice` makes an array of what it removes, and here of nothing, each time.
      const last = Math.min(kept.length, most - 1);
      for (let to = last; to > at; to--) {
        const before = kept[to - 1];
        if (before !== undefined) kept[to] = before;
      }
      kept[at] = one;
    },
    isBeyond(rank, key) {
      const last = kept.length === most ? kept[most - 1] : undefined;
      return last !== undefined && (rank > last.rank || (rank === last.rank && key > last.key));
    },
    skip: counted,
    ordered: () => (most === null ? kept.sort(compareRanked) : kept),
    count: () => count,
    hasProven: () => hasProven,
  };
}

function compareRanked(left: Ranked, right: Ranked): number {
  if (left.rank !== right.rank) return left.rank < right.rank ? -1 : 1;
  if (left.key !== right.key) return left.key < right.key ? -1 : 1;
  const { candidate: a } = left;
  const { candidate: b } = right;
  if (a.predictedLatencyMs !== b.predictedLatencyMs) return a.predictedLatencyMs < b.predictedLatencyMs ? -1 : 1;
  return (
    compareText(a.model.id, b.model.id) ||
    compareText(a.endpoint.tag, b.endpoint.tag) ||
    compareText(a.region.id, b.region.id)
  );
}
