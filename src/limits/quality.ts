/**
 * How well an endpoint's answers keep their form: tool calls that can be run, structured output that can be read. One
 * count per judged request, good or bad, over two hours; what the counts prove is said by a Wilson interval, so that few
 * samples decide nothing. Pure, plain JSON; times in epoch ms.
 *
 * After the documented behaviour of the API that we are compatible with (https://openrouter.ai/docs/guides/routing/auto-exacto,
 * read 2026-11-21): requests with tools prefer the endpoints that are good at them, then those of which too little is
 * known, and set back those that are not; two hours of tool requests count; 200 of them are needed to be judged at all.
 * Ours differs in two things:
 * - The lines are absolute, 95% and 80%, those at which that API sets endpoints back for their uptime, and not so many
 *   deviations below the median of the model's endpoints: an endpoint's place in a plan depends on nothing but itself.
 * - Instead of 200 requests it takes confidence: 20 answers that are all broken prove as much as 200 that are nearly all
 *   well, and a deployment of one's own has fewer requests than a public one.
 */
import type { EpochMs } from "../core/clock.ts";
import { countedIn, tallyOf, type CountSlot, type Tally } from "./counts.ts";

/** What an answer showed; absent: nothing of the kind was there to be judged. True: it was in order. */
export interface Judged {
  readonly toolCalls?: boolean;
  readonly structured?: boolean;
}

/** From best to worst. `unproven`: too few samples, or too near a line, to be anything else. */
export const QUALITY_TIERS = ["good", "unproven", "weak", "poor"] as const;
export type QualityTier = (typeof QUALITY_TIERS)[number];

const SLOT_MS = 10 * 60_000;
const SLOTS = 12;
/** Below this nothing is said, whatever the interval says. */
export const QUALITY_SAMPLES_MIN = 20;
const GOOD_SHARE = 0.95;
const POOR_SHARE = 0.8;
/** Of a normal distribution: an interval holds the true share 19 times of 20. */
const Z = 1.96;

/** The counts with one more answer at `nowMs`. */
export function qualityAfter(slots: readonly CountSlot[] = [], isGood: boolean, nowMs: EpochMs): readonly CountSlot[] {
  return countedIn(slots, Math.floor(nowMs / SLOT_MS), isGood, SLOTS);
}

/** What the last two hours counted; undefined: nothing. */
export function qualityTally(slots: readonly CountSlot[] | undefined, nowMs: EpochMs): Tally | undefined {
  if (slots === undefined) return undefined;
  const tally = tallyOf(slots, Math.floor(nowMs / SLOT_MS) - SLOTS);
  return tally.good + tally.bad === 0 ? undefined : tally;
}

/**
 * What so many good and bad answers prove: `good`, that at least 95% are; `weak`, that fewer are; `poor`, that fewer than
 * 80% are.
 */
export function qualityTier(good: number, bad: number): QualityTier {
  const count = good + bad;
  if (count < QUALITY_SAMPLES_MIN) return "unproven";
  const upper = wilsonBound(good, count, 1);
  if (upper < POOR_SHARE) return "poor";
  if (upper < GOOD_SHARE) return "weak";
  return wilsonBound(good, count, -1) >= GOOD_SHARE ? "good" : "unproven";
}

/**
 * The lower (side -1) or upper (1) bound of the Wilson score interval of a share, for at least one sample.
 * Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
 */
export function wilsonBound(good: number, count: number, side: -1 | 1): number {
  const share = good / count;
  const middle = share + (Z * Z) / (2 * count);
  const half = Z * Math.sqrt((share * (1 - share)) / count + (Z * Z) / (4 * count * count));
  return (middle + side * half) / (1 + (Z * Z) / count);
}
