import fc from "fast-check";
import { expect, test } from "vitest";
import {
  bucketOf,
  bucketPoint,
  EMPTY_HISTOGRAM,
  EMPTY_WINDOW,
  histogramWith,
  mergedHistogram,
  percentilesOf,
  windowHistogram,
  windowWith,
  type Histogram,
  type HistogramWindow,
} from "../../../src/limits/histogram.ts";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const values = fc.array(fc.double({ min: 1, max: 900_000, noNaN: true }), { minLength: 1, maxLength: 60 });
const ofAll = (given: readonly number[]): Histogram => given.reduce(histogramWith, EMPTY_HISTOGRAM);

test("a bucket's middle is within 9% of every value in it", () => {
  fc.assert(
    fc.property(fc.double({ min: 1, max: 900_000, noNaN: true }), (value) => {
      const middle = bucketPoint(bucketOf(value), 0.5);
      expect(Math.abs(middle / value - 1)).toBeLessThan(0.091);
    }),
  );
});

test.each([
  { name: "nothing is negative", value: -5, bucket: 0 },
  { name: "zero is in the first bucket", value: 0, bucket: 0 },
  { name: "not-a-number is in the first bucket", value: Number.NaN, bucket: 0 },
  { name: "what is too large is in the last bucket", value: 1e12, bucket: 79 },
])("$name", ({ value, bucket }) => {
  expect(bucketOf(value)).toBe(bucket);
});

test("percentiles are the nearest rank within a bucket", () => {
  fc.assert(
    fc.property(values, (given) => {
      const found = percentilesOf(ofAll(given));
      const sorted = given.toSorted((a, b) => a - b);
      expect(found?.sampleCount).toBe(given.length);
      for (const [key, share] of [
        ["p50", 0.5],
        ["p75", 0.75],
        ["p90", 0.9],
        ["p99", 0.99],
      ] as const) {
        const exact = sorted[Math.ceil(given.length * share) - 1] ?? 0;
        expect(bucketOf(found?.[key] ?? Number.NaN)).toBe(bucketOf(exact));
      }
    }),
  );
});

test("percentiles tell apart what lies in one bucket, by the share of it that is below", () => {
  // 400 and 430 share a bucket (362 to 431); their neighbours lie evenly.
  const slower = ofAll([380, 400, 410, 420, 430, 440, 450]);
  const faster = ofAll([340, 350, 380, 400, 410, 420, 430]);
  expect(bucketOf(percentilesOf(slower)?.p50 ?? 0)).toBe(bucketOf(percentilesOf(faster)?.p50 ?? 0));
  expect(percentilesOf(faster)?.p50).toBeLessThan(percentilesOf(slower)?.p50 ?? 0);
});

test("an empty histogram has no percentiles", () => {
  expect(percentilesOf(EMPTY_HISTOGRAM)).toBeNull();
});

test("merging is the same as counting together, and survives JSON", () => {
  fc.assert(
    fc.property(values, values, (left, right) => {
      const merged = mergedHistogram([ofAll(left), JSON.parse(JSON.stringify(ofAll(right))) as Histogram]);
      expect(merged).toEqual(ofAll([...left, ...right]));
    }),
  );
});

test("a window forgets by the minute and counts late values where they belong", () => {
  let window: HistogramWindow = EMPTY_WINDOW;
  window = windowWith(window, 100, NOW - 29 * MINUTE);
  window = windowWith(window, 200, NOW - 3 * MINUTE);
  window = windowWith(window, 400, NOW);
  window = windowWith(window, 300, NOW - 3 * MINUTE);
  expect(percentilesOf(windowHistogram(window, 30, NOW))?.sampleCount).toBe(4);
  expect(percentilesOf(windowHistogram(window, 5, NOW))?.sampleCount).toBe(3);
  expect(percentilesOf(windowHistogram(window, 5, NOW + 4 * MINUTE))?.sampleCount).toBe(1);
  expect(window.map((slot) => slot.minute)).toEqual(window.map((slot) => slot.minute).toSorted((a, b) => a - b));
  const later = windowWith(window, 500, NOW + 40 * MINUTE);
  expect(later).toHaveLength(1);
  expect(windowWith(later, 1, NOW)).toEqual(later);
});
