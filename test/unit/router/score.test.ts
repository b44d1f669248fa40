import { expect, test } from "vitest";
import { RegionSchema, type Region } from "../../../src/catalog/schema.ts";
import { healthSnapshot, NEW_HEALTH, type Health } from "../../../src/limits/health.ts";
import {
  blendedPricePusd,
  drawOf,
  drawUniform,
  missesWishes,
  predictLatencyMs,
  standingOf,
  typicalLatencyMs,
} from "../../../src/router/score.ts";
import { BROKEN, entryOf, FACTS, FAILED_LATELY, NOW, wishesOf } from "./world.ts";

const healthOf = (more: Partial<Health>): Health => ({ ...healthSnapshot(NEW_HEALTH, NOW), ...more });
const figures = (value: number, sampleCount = 10) => ({
  p50: value,
  p75: value,
  p90: value * 2,
  p99: value * 4,
  sampleCount,
});
const endpointOf = (more: Record<string, unknown> = {}) => {
  const [endpoint] = entryOf("a/b", [{ tag: "one", endpoint: more }]).model.endpoints;
  if (endpoint === undefined) throw new Error("the entry has an endpoint");
  return endpoint;
};

test.each([
  { name: "nothing known is healthy", health: undefined, standing: "healthy" },
  { name: "a failure within 30 s", health: healthOf(FAILED_LATELY), standing: "failed-lately" },
  {
    name: "a failure 30 s ago is forgiven",
    health: healthOf({ ...FAILED_LATELY, lastFailureMs: NOW - 30_000 }),
    standing: "healthy",
  },
  {
    name: "one failure among hundreds is no outage",
    health: healthOf({ lastFailureMs: NOW - 1_000, uptime5m: 0.995 }),
    standing: "healthy",
  },
  { name: "uptime below 95%", health: healthOf({ uptime30m: 0.94, requestCount30m: 100 }), standing: "degraded" },
  { name: "uptime below 80%", health: healthOf({ uptime30m: 0.79, requestCount30m: 100 }), standing: "down" },
  { name: "too few requests to tell", health: healthOf({ uptime30m: 0.5, requestCount30m: 99 }), standing: "healthy" },
  { name: "an open breaker", health: healthOf(BROKEN), standing: "broken" },
  {
    name: "a probe under way",
    health: healthOf({ breaker: { kind: "half-open", probeUntilMs: NOW + 1, trips: 1 } }),
    standing: "broken",
  },
])("$name: $standing", ({ health, standing }) => {
  expect(standingOf(health, NOW)).toBe(standing);
});

const CLIENT = { latitude: 50, longitude: 8 };
const REGION = { id: "there", latitude: 50, longitude: 22, country: null, jurisdiction: null, source: "test" };
const region = (coordinates: "known" | "unknown"): Region =>
  RegionSchema.parse(coordinates === "known" ? REGION : { ...REGION, latitude: null, longitude: null });
/** 999 km there and back at two thirds of light speed, times 1.5. */
const NETWORK_MS = 15;
const FAR_MS = 300.2;

test.each<{ name: string; health: Health | undefined; at?: "unknown"; want: number }>([
  { name: "nothing known: distance and what is typical", health: undefined, want: 600 + NETWORK_MS },
  { name: "nothing known of an unknown place: far", health: undefined, at: "unknown", want: 600 + FAR_MS },
  {
    name: "measured for clients of this bucket: on top of this client's own distance",
    health: healthOf({ beyondMs: figures(200), beyondMsByBucket: { weur: figures(120, 5) } }),
    want: 120 + NETWORK_MS,
  },
  {
    name: "measured for this bucket at an unknown place: taken as it is",
    health: healthOf({ beyondMsByBucket: { weur: figures(120, 5) } }),
    at: "unknown",
    want: 120,
  },
  {
    name: "measured for clients elsewhere: on top of the distance from here",
    health: healthOf({ beyondMs: figures(200), beyondMsByBucket: { apac: figures(200) } }),
    want: 200 + NETWORK_MS,
  },
  {
    name: "measured for clients elsewhere, at an unknown place: as it is, so that it is tried from here",
    health: healthOf({ beyondMs: figures(200), beyondMsByBucket: { apac: figures(200) } }),
    at: "unknown",
    want: 200,
  },
  {
    name: "four samples are too few",
    health: healthOf({ beyondMs: figures(120, 4), beyondMsByBucket: { weur: figures(120, 4) } }),
    want: 600 + NETWORK_MS,
  },
  {
    name: "clients of unknown place leave their whole time",
    health: healthOf({ latencyMs30m: figures(200) }),
    want: 200 + NETWORK_MS,
  },
])("$name", ({ health, at, want }) => {
  const found = predictLatencyMs(600, health, { place: CLIENT, bucket: "weur" }, region(at ?? "known"));
  expect(found).toBeCloseTo(want, 0);
});

test.each([
  { name: "the usual time", endpoint: {}, siblings: [undefined], want: 600 },
  { name: "the published one", endpoint: { typical_ttft_ms: 300 }, siblings: [undefined, healthOf({})], want: 300 },
  {
    name: "the fastest of its regions where something was measured",
    endpoint: { typical_ttft_ms: 300 },
    siblings: [undefined, healthOf({ beyondMs: figures(420) }), healthOf({ beyondMs: figures(380) })],
    want: 380,
  },
  {
    name: "not of regions with too few samples",
    endpoint: {},
    siblings: [healthOf({ beyondMs: figures(380, 4) })],
    want: 600,
  },
])("typical of an endpoint: $name", ({ endpoint, siblings, want }) => {
  expect(typicalLatencyMs(endpointOf(endpoint), siblings)).toBe(want);
});

test("the compared price is what a token of this request costs on average", () => {
  const price = { prompt: 1_000_000, completion: 4_000_000 };
  expect(blendedPricePusd(price, { ...FACTS, promptTokensEstimate: 500 })).toBe(2_500_000);
  expect(blendedPricePusd(price, { ...FACTS, promptTokensEstimate: 300, maxOutputTokens: 100 })).toBe(1_750_000);
  expect(blendedPricePusd({ prompt: 0, completion: 0 }, FACTS)).toBe(1_000);
});

test("draws are spread evenly, and independent of each other", () => {
  const cells = new Array<number>(16).fill(0);
  for (let seed = 0; seed < 8_000; seed++) {
    const first = drawUniform(drawOf(seed, "a/b"), "one");
    const second = drawUniform(drawOf(seed, "a/b"), "two");
    const cell = Math.floor(first * 4) * 4 + Math.floor(second * 4);
    cells[cell] = (cells[cell] ?? 0) + 1;
  }
  for (const count of cells) expect(Math.abs(count - 500)).toBeLessThan(100);
});

test.each([
  {
    name: "a median above the wish",
    provider: { preferred_max_latency: 1 },
    health: healthOf({ latencyMs5m: figures(1_001) }),
    misses: true,
  },
  {
    name: "a median at the wish",
    provider: { preferred_max_latency: 1 },
    health: healthOf({ latencyMs5m: figures(1_000) }),
    misses: false,
  },
  {
    name: "one percentile of several",
    provider: { preferred_max_latency: { p50: 2, p99: 3 } },
    health: healthOf({ latencyMs5m: figures(1_000) }),
    misses: true,
  },
  {
    name: "a throughput below the wish",
    provider: { preferred_min_throughput: 50 },
    health: healthOf({ throughputTps5m: figures(49) }),
    misses: true,
  },
  {
    name: "a throughput above the wish",
    provider: { preferred_min_throughput: { p90: 50 } },
    health: healthOf({ throughputTps5m: figures(30) }),
    misses: false,
  },
  {
    name: "nothing measured",
    provider: { preferred_min_throughput: 50, preferred_max_latency: 1 },
    health: healthOf({}),
    misses: false,
  },
  { name: "nothing known", provider: { preferred_min_throughput: 50 }, health: undefined, misses: false },
  { name: "nothing wished", provider: {}, health: healthOf({ latencyMs5m: figures(9_000) }), misses: false },
])("$name misses: $misses", ({ provider, health, misses }) => {
  expect(missesWishes(health, wishesOf(provider))).toBe(misses);
});
