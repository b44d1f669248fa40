/** The nearness simulation in small: it repeats itself, and what it says of the router is within reason. */
import { expect, test, vi } from "vitest";
import { clientBucket } from "../../../src/router/geography.ts";
import { quantile, weighted } from "../../sim/draws.ts";
import { METROS } from "../../sim/metros.ts";
import { simulateNearness } from "../../sim/nearness.ts";
import { createWorld, type WorldKind } from "../../sim/nearness-world.ts";

// Far more than it takes: virtual time costs real time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const run = (seed: number, kind: WorldKind, models: number, requests: number) =>
  simulateNearness(createWorld(seed, kind, models), { seed, requests, spanMs: 3_600_000, warmMs: 1_800_000 });

test("two runs of a seed are equal, and another seed is another world", () => {
  const first = run(3, "documented", 2, 600);
  expect(run(3, "documented", 2, 600)).toEqual(first);
  expect(run(4, "documented", 2, 600)).not.toEqual(first);
});

test.each(["as published", "documented"] as const)(
  "regions %s: what was learnt brings sort: latency near the oracle",
  (kind) => {
    const { byLatency, byDefault, models } = run(3, kind, 4, 10_000);
    expect(models).toBe(4);
    expect(byLatency.requests).toBeGreaterThan(1_500);
    // Nobody beats an oracle that knows every true median; with so few samples a tenth is near.
    expect(byLatency.excess).toBeGreaterThanOrEqual(0);
    expect(byLatency.excess).toBeLessThan(0.1);
    expect(byLatency.medianMs).toBeLessThan(byDefault.medianMs);
  },
);

test("every metro has a bucket, every bucket a metro, and the numbers are numbers", () => {
  expect(METROS).toHaveLength(152);
  expect(new Set(METROS.map((metro) => clientBucket(metro))).size).toBe(9);
  for (const { latitude, longitude, populationM, country, name } of METROS) {
    expect(Math.abs(latitude), name).toBeLessThan(66);
    expect(Math.abs(longitude), name).toBeLessThan(180);
    expect(populationM, name).toBeGreaterThan(0);
    expect(country, name).toMatch(/^[A-Z]{2}$/);
  }
});

test("draws follow their weights, quantiles are nearest ranks", () => {
  const draw = weighted([1, 0, 3]);
  expect([0, 0.2, 0.3, 0.99].map((value) => draw(() => value))).toEqual([0, 0, 2, 2]);
  expect([quantile([3, 1, 2], 0.5), quantile([3, 1, 2], 0.9)]).toEqual([2, 3]);
});
