/** What one job of the load generator came to, and how several of one target become one. */
import { percentile } from "./numbers.ts";

/** Times in milliseconds: of whole answers, of first bytes or of event delays, as the job's kind says. */
export interface Measured {
  readonly perSecond: number;
  readonly samples: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Right answers, warm-up included, and the sum of their costs in nano-dollars. */
  readonly served: number;
  readonly costNusd: string;
  readonly faultCount: number;
  /** The first few, as sentences. */
  readonly faults: readonly string[];
  /** All times in microseconds, if the job keeps them. */
  readonly timesUs?: readonly number[];
}

/** Of times in microseconds, in any order. */
export function percentilesOf(timesUs: readonly number[]): Pick<Measured, "samples" | "p50Ms" | "p99Ms" | "maxMs"> {
  const sorted = timesUs.toSorted((left, right) => left - right);
  return {
    samples: sorted.length,
    p50Ms: percentile(sorted, 50) / 1_000,
    p99Ms: percentile(sorted, 99) / 1_000,
    maxMs: (sorted.at(-1) ?? 0) / 1_000,
  };
}

/** Slices of one measurement as one; their jobs must have kept their times. */
export function joined(slices: readonly Measured[]): Measured {
  const sum = (of: (slice: Measured) => number): number => slices.reduce((total, slice) => total + of(slice), 0);
  return {
    perSecond: sum(({ perSecond }) => perSecond) / Math.max(1, slices.length),
    ...percentilesOf(slices.flatMap(({ timesUs = [] }) => timesUs)),
    served: sum(({ served }) => served),
    costNusd: slices.reduce((total, { costNusd }) => total + BigInt(costNusd), 0n).toString(),
    faultCount: sum(({ faultCount }) => faultCount),
    faults: slices.flatMap(({ faults }) => faults),
  };
}
