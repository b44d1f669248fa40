/**
 * Histograms on a fixed logarithmic scale, and rolling windows of them. Plain JSON: the ProviderGate stores them.
 * A bucket spans a quarter of an octave, so a percentile is within 19% of the true value, and nearly always far nearer. Values from 1 to 2^20
 * (milliseconds: 17 minutes; tokens per second: a million); what is outside counts in the first or last bucket.
 * A window holds one slot per minute with data, at most WINDOW_MINUTES of them.
 */
import type { EpochMs } from "../core/clock.ts";

/** Counts by bucket number. Sparse: a bucket without a count is absent. */
export type Histogram = { readonly [bucket: string]: number };

/** One minute (epoch minutes) of a window. */
export interface MinuteSlot {
  readonly minute: number;
  readonly histogram: Histogram;
}

/** Ascending by minute. */
export type HistogramWindow = readonly MinuteSlot[];

export interface Percentiles {
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly p99: number;
  readonly sampleCount: number;
}

const WINDOW_MINUTES = 30;
const BUCKETS_PER_OCTAVE = 4;
const BUCKET_LAST = 20 * BUCKETS_PER_OCTAVE - 1;
const MINUTE_MS = 60_000;

export const EMPTY_HISTOGRAM: Histogram = {};
export const EMPTY_WINDOW: HistogramWindow = [];

/** The bucket number that `value` falls into. */
export function bucketOf(value: number): number {
  if (!(value > 1)) return 0;
  return Math.min(BUCKET_LAST, Math.floor(Math.log2(value) * BUCKETS_PER_OCTAVE));
}

/** The value at a share of a bucket's span; at 0.5 its geometric middle, which is within 9% of every value in it. */
export function bucketPoint(bucket: number, share: number): number {
  return 2 ** ((bucket + share) / BUCKETS_PER_OCTAVE);
}

/** The histogram with one more `value`. */
export function histogramWith(histogram: Histogram, value: number): Histogram {
  const bucket = String(bucketOf(value));
  return { ...histogram, [bucket]: (histogram[bucket] ?? 0) + 1 };
}

/** The sum of histograms. */
export function mergedHistogram(histograms: readonly Histogram[]): Histogram {
  if (histograms.length === 1) return histograms[0] ?? EMPTY_HISTOGRAM;
  const merged: Record<string, number> = {};
  for (const histogram of histograms) {
    for (const [bucket, count] of Object.entries(histogram)) merged[bucket] = (merged[bucket] ?? 0) + count;
  }
  return merged;
}

/** How many values were counted. */
export function sampleCountOf(histogram: Histogram): number {
  let sampleCount = 0;
  for (const count of Object.values(histogram)) sampleCount += count;
  return sampleCount;
}

/**
 * p50, p75, p90 and p99 (nearest rank), or null for an empty histogram. Within a bucket values are taken to lie evenly on
 * the scale: two places of which one is a little faster can be told apart although their medians share a bucket.
 */
export function percentilesOf(histogram: Histogram): Percentiles | null {
  const sampleCount = sampleCountOf(histogram);
  if (sampleCount === 0) return null;
  // Integer-like keys come in ascending order by the language's own rule.
  const entries = Object.entries(histogram);
  const at = (share: number): number => {
    const rank = Math.ceil(sampleCount * share);
    let seen = 0;
    for (const [bucket, count] of entries) {
      seen += count;
      if (seen >= rank) return bucketPoint(Number(bucket), 1 - (seen - rank + 0.5) / count);
    }
    return bucketPoint(BUCKET_LAST, 0.5);
  };
  return { p50: at(0.5), p75: at(0.75), p90: at(0.9), p99: at(0.99), sampleCount };
}

/** The window with one more `value` at `nowMs`; slots older than WINDOW_MINUTES fall out. A value older than that is lost. */
export function windowWith(window: HistogramWindow, value: number, nowMs: EpochMs): HistogramWindow {
  const minute = Math.floor(nowMs / MINUTE_MS);
  const newest = Math.max(minute, window.at(-1)?.minute ?? minute);
  const oldest = newest - WINDOW_MINUTES;
  const kept = (window[0]?.minute ?? newest) > oldest ? window : window.filter((slot) => slot.minute > oldest);
  if (minute <= oldest) return kept;
  const at = kept.findLastIndex((slot) => slot.minute <= minute);
  const found = kept[at];
  return found?.minute === minute
    ? kept.with(at, { minute, histogram: histogramWith(found.histogram, value) })
    : kept.toSpliced(at + 1, 0, { minute, histogram: histogramWith(EMPTY_HISTOGRAM, value) });
}

/** What was counted in the last `minutes` (the current, unfinished one included), as one histogram. */
export function windowHistogram(window: HistogramWindow, minutes: number, nowMs: EpochMs): Histogram {
  const oldest = Math.floor(nowMs / MINUTE_MS) - minutes;
  return mergedHistogram(window.filter((slot) => slot.minute > oldest).map((slot) => slot.histogram));
}
