/** What clients of one region had of an endpoint: late reports, the window's end, the bound of what is kept. */
import { serialize } from "node:v8";
import fc from "fast-check";
import { expect, test } from "vitest";
import { clientFigures, clientsAfter, type ClientState } from "../../../src/limits/client-figures.ts";
import { figuresByClient, healthAfter, healthSnapshot, NEW_HEALTH, type Outcome } from "../../../src/limits/health.ts";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const sample = { ttftMs: 400, tokensPerS: 50 };

function after(times: readonly number[], given: typeof sample | null = sample): ClientState | undefined {
  return times.reduce<ClientState | undefined>((state, atMs) => clientsAfter(state, given, atMs), undefined);
}

test("a region's answers are timed, and its failures lower its uptime alone", () => {
  const good: Outcome = { kind: "success", bucket: "weur", ttftMs: 400, tokens: 100, durationMs: 2_000 };
  const bad: Outcome = { kind: "failure", scope: "endpoint", status: 500, retryAfterMs: null, bucket: "apac" };
  const outcomes: readonly Outcome[] = [
    good,
    good,
    { ...good, bucket: "apac", ttftMs: 1_600, tokens: 0 },
    bad,
    { ...bad, bucket: null },
    { ...bad, scope: "capacity", status: 429 },
    { ...bad, scope: "request", status: 400 },
    { ...good, bucket: null },
  ];
  const state = outcomes.reduce((before, outcome) => healthAfter(before, outcome, NOW), NEW_HEALTH);
  const figures = figuresByClient(state, NOW);
  expect(Object.keys(figures)).toEqual(["weur", "apac"]);
  expect(figures.weur).toMatchObject({ uptime30m: 1, requestCount30m: 2, latencyMs30m: { sampleCount: 2 } });
  expect(figures.weur?.latencyMs30m?.p50).toBeCloseTo(400, -2);
  expect(figures.weur?.throughputTps30m?.p50).toBeGreaterThan(40);
  expect(figures.apac).toMatchObject({ uptime30m: 0.5, requestCount30m: 2, throughputTps30m: null });
  expect(figures.apac?.latencyMs30m?.p50).toBeGreaterThan(1_300);
  expect(healthSnapshot(state, NOW)).toMatchObject({ requestCount30m: 6 });
});

test.each([
  { name: "now", agoMinutes: 0, count: 1 },
  { name: "24 minutes ago", agoMinutes: 24, count: 1 },
  { name: "31 minutes ago", agoMinutes: 31, count: 0 },
])("what was $name counts $count times", ({ agoMinutes, count }) => {
  const state = after([NOW - agoMinutes * MINUTE]);
  const figures = state && clientFigures(state, NOW);
  expect(figures?.requestCount30m).toBe(count);
  expect(figures?.latencyMs30m?.sampleCount ?? 0).toBe(count);
});

test("whatever the order of reports, they count the same and no more than seven slots are kept", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 40 }), (minutes) => {
      const times = minutes.map((minute) => NOW + minute * MINUTE);
      const mixed = after(times);
      const sorted = after(times.toSorted((a, b) => a - b));
      const endMs = Math.max(...times);
      expect(mixed && clientFigures(mixed, endMs)).toEqual(sorted && clientFigures(sorted, endMs));
      for (const list of [mixed?.latency, mixed?.throughput, mixed?.uptime]) {
        expect(list?.length).toBeLessThanOrEqual(7);
      }
    }),
  );
});

test("an endpoint whose clients are everywhere stays far below its part of a stored value", () => {
  let state = NEW_HEALTH;
  const buckets = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"] as const;
  for (let minute = 0; minute < 40; minute++) {
    for (const bucket of buckets) {
      for (const ttftMs of [90, 180, 250, 400, 700, 1_100, 2_300, 5_000, 9_000]) {
        state = healthAfter(
          state,
          { kind: "success", bucket, ttftMs, tokens: 80, durationMs: ttftMs * 3 },
          NOW + minute * MINUTE,
        );
      }
    }
  }
  // As it is stored, in 16 parts of a value that may have 2 MB each.
  const sizeOf = (value: unknown): number => serialize(value).byteLength;
  expect(sizeOf(state.clients)).toBeLessThan(sizeOf(state) / 3);
  expect(sizeOf(state) * Math.ceil(500 / 16)).toBeLessThan(2_000_000);
});
