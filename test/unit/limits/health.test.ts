import { expect, test } from "vitest";
import {
  countsAgainstUptime,
  healthAfter,
  healthSnapshot,
  NEW_HEALTH,
  type HealthState,
  type Outcome,
} from "../../../src/limits/health.ts";
import { isSlowStart } from "../../../src/limits/slow-start.ts";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const good: Outcome = { kind: "success", bucket: "weur", ttftMs: 400, tokens: 100, durationMs: 2_000 };
const failure = (
  scope: "credential" | "endpoint" | "request" | "capacity",
  status: number,
  retryAfterMs: number | null = null,
): Outcome => ({
  kind: "failure",
  scope,
  status,
  retryAfterMs,
});
const fold = (outcomes: readonly Outcome[], atMs = NOW, from: HealthState = NEW_HEALTH): HealthState =>
  outcomes.reduce((state, outcome) => healthAfter(state, outcome, atMs), from);

test("a new endpoint has no figures", () => {
  expect(healthSnapshot(NEW_HEALTH, NOW)).toEqual({
    lastFailureMs: null,
    breaker: { kind: "closed", failures: 0 },
    closedUntilMs: 0,
    uptime5m: null,
    uptime30m: null,
    uptime1d: null,
    requestCount30m: 0,
    latencyMs5m: null,
    latencyMs30m: null,
    throughputTps5m: null,
    throughputTps30m: null,
    beyondMsByBucket: {},
    beyondMs: null,
  });
});

test("a success is counted, timed, and kept by the client's bucket", () => {
  const health = healthSnapshot(fold([good, good, { ...good, bucket: null }]), NOW);
  expect(health).toMatchObject({ uptime5m: 1, uptime30m: 1, uptime1d: 1, requestCount30m: 3 });
  expect(health.latencyMs5m?.p50).toBeCloseTo(400, -2);
  expect(health.throughputTps5m?.p50).toBeGreaterThan(45);
  expect(health.throughputTps5m?.p50).toBeLessThan(55);
  expect(health.beyondMsByBucket.weur?.sampleCount).toBe(2);
  expect(health.beyondMsByBucket.apac).toBeUndefined();
  expect(health.beyondMs?.sampleCount).toBe(2);
});

test("what distance explains is kept apart, so that one bucket's near and far clients agree", () => {
  const near: Outcome = { ...good, ttftMs: 410, networkMs: 10 };
  const far: Outcome = { ...good, ttftMs: 550, networkMs: 150 };
  const health = healthSnapshot(
    fold([near, far, near, far, { ...good, bucket: "apac", ttftMs: 90, networkMs: 100 }]),
    NOW,
  );
  expect(health.beyondMsByBucket.weur?.p50).toBeCloseTo(400, -2);
  expect(health.beyondMsByBucket.weur?.p99).toBeLessThan(440);
  expect(health.beyondMsByBucket.apac?.p50).toBeLessThan(2);
  expect(health.beyondMs?.sampleCount).toBe(5);
});

test("routing predicts from the last ten minutes once they say enough, else from thirty", () => {
  const old = fold(
    Array.from({ length: 100 }, (): Outcome => ({ ...good, ttftMs: 2_000 })),
    NOW - 15 * MINUTE,
  );
  const few = fold(
    Array.from({ length: 29 }, () => good),
    NOW,
    old,
  );
  expect(healthSnapshot(few, NOW).beyondMsByBucket.weur?.p50).toBeGreaterThan(1_500);
  const enough = fold([good], NOW, few);
  expect(healthSnapshot(enough, NOW).beyondMsByBucket.weur?.p50).toBeLessThan(500);
  // What the public statistics show is the whole window.
  expect(healthSnapshot(enough, NOW).latencyMs30m?.p50).toBeGreaterThan(1_500);
});

test("health that an older version saved has no figures by bucket yet, and takes new ones", () => {
  const { beyondByBucket: _, ...older } = fold([good]);
  expect(healthSnapshot(older, NOW)).toMatchObject({ beyondMsByBucket: {}, beyondMs: null, requestCount30m: 1 });
  expect(healthSnapshot(fold([good], NOW, older), NOW).beyondMsByBucket.weur?.sampleCount).toBe(1);
});

test("an answer without tokens says nothing of throughput", () => {
  expect(healthSnapshot(fold([{ ...good, tokens: 0 }]), NOW).throughputTps5m).toBeNull();
});

test.each([
  { name: "401 counts", scope: "credential", status: 401, counts: true },
  { name: "402 counts", scope: "credential", status: 402, counts: true },
  { name: "404 counts", scope: "endpoint", status: 404, counts: true },
  { name: "500 counts", scope: "endpoint", status: 500, counts: true },
  { name: "529 counts", scope: "endpoint", status: 529, counts: true },
  { name: "an error in mid-stream counts", scope: "endpoint", status: 200, counts: true },
  { name: "a connection that was refused counts", scope: "endpoint", status: 0, counts: true },
  { name: "400 is neutral", scope: "request", status: 400, counts: false },
  { name: "413 is neutral", scope: "endpoint", status: 413, counts: false },
  { name: "403 is neutral", scope: "credential", status: 403, counts: false },
  { name: "429 is neutral", scope: "capacity", status: 429, counts: false },
] as const)("$name", ({ scope, status, counts }) => {
  expect(countsAgainstUptime(scope, status)).toBe(counts);
  const health = healthSnapshot(fold([good, failure(scope, status)]), NOW);
  expect(health.uptime5m).toBe(counts ? 0.5 : 1);
  expect(health.lastFailureMs).toBe(counts ? NOW : null);
});

test("a refused request changes nothing at all", () => {
  const state = fold([good]);
  expect(healthAfter(state, failure("request", 400), NOW)).toBe(state);
});

test("failures in a row open the breaker; bad credentials do not", () => {
  const broken = fold(Array.from({ length: 5 }, () => failure("endpoint", 503)));
  expect(broken.breaker).toEqual({ kind: "open", untilMs: NOW + 10_000, trips: 1 });
  expect(fold(Array.from({ length: 5 }, () => failure("credential", 401))).breaker.kind).toBe("closed");
  expect(healthAfter(broken, good, NOW + 11_000).breaker.kind).toBe("closed");
});

test("a 429 closes the region for what the upstream asked, and a success does not reopen it", () => {
  const closed = fold([failure("capacity", 429, 20_000), good]);
  expect(healthSnapshot(closed, NOW).closedUntilMs).toBe(NOW + 20_000);
  expect(closed.breaker.kind).toBe("closed");
});

test("uptime forgets after five minutes, half an hour and a day", () => {
  const state = fold([good, good, failure("endpoint", 500), good]);
  const at = (minutes: number) => healthSnapshot(state, NOW + minutes * MINUTE);
  expect(at(0)).toMatchObject({ uptime5m: 0.75, uptime30m: 0.75, uptime1d: 0.75 });
  expect(at(6)).toMatchObject({ uptime5m: null, uptime30m: 0.75, uptime1d: 0.75, requestCount30m: 4 });
  expect(at(31)).toMatchObject({ uptime5m: null, uptime30m: null, uptime1d: 0.75, requestCount30m: 0 });
  expect(at(25 * 60)).toMatchObject({ uptime1d: null });
});

test("a late report is counted in its own minute", () => {
  const state = fold([good], NOW - 10 * MINUTE, fold([good]));
  expect(healthSnapshot(state, NOW)).toMatchObject({ requestCount30m: 2 });
  expect(healthSnapshot(state, NOW + 25 * MINUTE)).toMatchObject({ requestCount30m: 1 });
});

test("a day of traffic stays small and survives JSON", () => {
  let state: HealthState = NEW_HEALTH;
  for (let minute = 0; minute < 1_600; minute++) {
    state = healthAfter(state, { ...good, ttftMs: 100 + (minute % 50) * 20 }, NOW + minute * MINUTE);
  }
  const text = JSON.stringify(state);
  expect(text.length).toBeLessThan(10_000);
  const end = NOW + 1_599 * MINUTE;
  expect(healthSnapshot(JSON.parse(text) as HealthState, end)).toEqual(healthSnapshot(state, end));
  expect(healthSnapshot(state, end).requestCount30m).toBe(30);
});

test("five starts in a row that stall open the breaker, and lower no uptime", () => {
  const usual = fold(Array.from({ length: 20 }, () => good));
  const stalled = { ...good, ttftMs: 30_000 };
  const four = fold([stalled, stalled, stalled, stalled], NOW, usual);
  expect(healthSnapshot(four, NOW)).toMatchObject({ breaker: { kind: "closed", failures: 4 }, uptime5m: 1 });
  expect(fold([good], NOW, four).breaker).toEqual({ kind: "closed", failures: 0 });
  expect(healthSnapshot(fold([stalled], NOW, four), NOW)).toMatchObject({ breaker: { kind: "open" }, uptime5m: 1 });
});

test.each([
  { name: "the first answer is never slow", typicalMs: null, ttftMs: 60_000, slow: false },
  { name: "three times what is typical is slow", typicalMs: 1_000, ttftMs: 3_001, slow: true },
  { name: "less than two seconds never are", typicalMs: 100, ttftMs: 1_999, slow: false },
  { name: "what always takes long is not slow", typicalMs: 30_000, ttftMs: 60_000, slow: false },
])("a slow start: $name", ({ typicalMs, ttftMs, slow }) => {
  expect(isSlowStart(typicalMs, ttftMs)).toBe(slow);
});

test("answers that had begun before an outage do not hide it, and those that began after it end it", () => {
  // 1.6 s of each answer come after its first token.
  const fails = failure("endpoint", 503);
  let state = NEW_HEALTH;
  for (const atMs of [0, 400, 800, 1_200]) {
    state = healthAfter(state, fails, NOW + atMs);
    state = healthAfter(state, good, NOW + atMs + 100);
  }
  expect(state.breaker).toEqual({ kind: "closed", failures: 4 });
  expect(healthAfter(state, good, NOW + 1_200 + 1_600).breaker).toEqual({ kind: "closed", failures: 0 });
  const broken = healthAfter(state, fails, NOW + 1_600);
  expect(broken.breaker.kind).toBe("open");
  expect(healthAfter(broken, good, NOW + 2_000).breaker.kind).toBe("open");
  // All of them count for uptime, whenever they began.
  expect(healthSnapshot(broken, NOW + 1_600)).toMatchObject({ uptime5m: 4 / 9 });
});
