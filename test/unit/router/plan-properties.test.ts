/** What must hold of every plan, over random catalogs, healths and wishes. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonObject } from "../../../src/core/json.ts";
import type { Health } from "../../../src/limits/health.ts";
import { plan } from "../../../src/router/plan.ts";
import {
  BROKEN,
  entryOf,
  FAILED_LATELY,
  FRANKFURT,
  inputOf,
  namesOf,
  NOW,
  SEOUL,
  tagsOf,
  wishesOf,
  type EndpointWish,
} from "./world.ts";

const UNHEALTHY: readonly Partial<Health>[] = [
  BROKEN,
  FAILED_LATELY,
  { uptime30m: 0.9, requestCount30m: 500 },
  { uptime30m: 0.1, requestCount30m: 500 },
  { closedUntilMs: NOW + 5_000 },
  { breaker: { kind: "open", untilMs: NOW - 1, trips: 3 } },
];
const REGIONS = ["frankfurt", "virginia", "tokyo", "nowhere"];

const health = fc.oneof(fc.constant<Partial<Health>>({}), fc.constantFrom(...UNHEALTHY));
const endpoint = fc.record({
  prompt: fc.integer({ min: 0, max: 20_000_000 }),
  regions: fc.uniqueArray(fc.constantFrom(...REGIONS), { minLength: 1, maxLength: 3 }),
  healths: fc.array(health, { minLength: 3, maxLength: 3 }),
});
const world = fc.record({
  endpoints: fc.array(endpoint, { minLength: 1, maxLength: 4 }),
  seed: fc.string({ maxLength: 12 }),
  place: fc.constantFrom(FRANKFURT, SEOUL, null),
  provider: fc.constantFrom<JsonObject>(
    {},
    { sort: "price" },
    { sort: "latency" },
    { sort: "throughput" },
    { sort: "distance" },
    { order: ["p1", "p0"] },
    { preferred_max_latency: 1 },
  ),
});
type World = typeof world extends fc.Arbitrary<infer T> ? T : never;
type EndpointOf = World["endpoints"][number];

const wishOf = (given: EndpointOf, index: number): EndpointWish => ({
  tag: `p${index}`,
  prompt: given.prompt,
  regions: given.regions,
});
/** The plan of a world; `extra` is an endpoint more, named "extra" and listed first. */
function planOf(given: World, provider: JsonObject = given.provider, extra?: EndpointOf) {
  const named = given.endpoints.map((one, index) => ({ one, wish: wishOf(one, index) }));
  if (extra !== undefined) named.unshift({ one: extra, wish: { ...wishOf(extra, 0), tag: "extra" } });
  const table: Record<string, Partial<Health>> = {};
  for (const { one, wish } of named) {
    for (const [at, region] of one.regions.entries()) table[`${wish.tag}@${region}`] = one.healths[at] ?? {};
  }
  const entry = entryOf(
    "a/b",
    named.map(({ wish }) => wish),
  );
  return plan(
    inputOf([entry], { preferences: wishesOf(provider), seed: given.seed, place: given.place, health: table }),
  );
}
/** The names that are not of `tag`. */
const without = (names: readonly string[], tag: string): readonly string[] =>
  names.filter((name) => !name.startsWith(`${tag}@`));

test("adding an unhealthy endpoint never changes the order of the others", () => {
  fc.assert(
    fc.property(world, endpoint, fc.constantFrom(...UNHEALTHY), (given, added, bad) => {
      const unhealthy = { ...added, healths: [bad, bad, bad] };
      const before = namesOf(planOf(given).candidates);
      const after = namesOf(planOf(given, given.provider, unhealthy).candidates);
      // Both sides are cut at the same number of attempts.
      const kept = without(after, "extra");
      expect(kept).toEqual(before.slice(0, kept.length));
    }),
    { numRuns: 300 },
  );
});

test("removing an endpoint never hides a healthy one and keeps the order of the rest", () => {
  fc.assert(
    fc.property(world, (given) => {
      const before = namesOf(planOf(given).candidates);
      const last = given.endpoints.length - 1;
      if (last === 0) return;
      const after = namesOf(planOf({ ...given, endpoints: given.endpoints.slice(0, last) }).candidates);
      const kept = without(before, `p${last}`);
      expect(after.slice(0, kept.length)).toEqual(kept);
      for (const [index, one] of given.endpoints.slice(0, last).entries()) {
        for (const [at, region] of one.regions.entries()) {
          const isHealthy = Object.keys(one.healths[at] ?? {}).length === 0;
          if (isHealthy) expect(after).toContain(`p${index}@${region}`);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("a healthy endpoint is never behind an unhealthy one, unless the client's own order says so", () => {
  fc.assert(
    fc.property(world, (given) => {
      const { candidates } = planOf(given, {});
      const standings = candidates.map(({ standing }) => standing !== "healthy");
      expect(standings).toEqual(standings.toSorted((a, b) => Number(a) - Number(b)));
    }),
    { numRuns: 200 },
  );
});

test("a pinned region never leaks, whatever fails", () => {
  fc.assert(
    fc.property(world, fc.constantFrom("eu" as const, "us" as const), fc.boolean(), (given, pin, isHome) => {
      const entry = entryOf("a/b", given.endpoints.map(wishOf));
      const allowed = { eu: "frankfurt", us: "virginia" }[pin];
      const preferences = wishesOf(isHome ? given.provider : { ...given.provider, region: pin });
      const made = plan(inputOf([entry], { preferences, seed: given.seed, accountHome: isHome ? pin : "gl" }));
      for (const { region } of made.candidates) expect(region.id).toBe(allowed);
      const outside = given.endpoints.filter(({ regions }) => !regions.includes(allowed)).length;
      expect(made.exclusions.filter(({ reason }) => reason === "data_region")).toHaveLength(outside);
    }),
    { numRuns: 200 },
  );
});

test("every endpoint is a candidate or has exactly one reason", () => {
  fc.assert(
    fc.property(world, (given) => {
      const made = planOf(given);
      const candidates = new Set(tagsOf(made.candidates));
      const excluded = made.exclusions.map((one) => one.endpoint);
      expect(new Set(excluded).size).toBe(excluded.length);
      for (const tag of excluded)
        expect(candidates.has(tag as (typeof made.candidates)[number]["endpoint"]["tag"])).toBe(false);
      expect(candidates.size + excluded.length).toBe(given.endpoints.length);
    }),
    { numRuns: 200 },
  );
});

test("the same seed replays the same plan", () => {
  fc.assert(
    fc.property(world, (given) => {
      expect(planOf(given)).toEqual(planOf(structuredClone(given)));
    }),
    { numRuns: 100 },
  );
});

/** How often each tag comes first over many seeds. */
function firsts(
  wishes: readonly EndpointWish[],
  table: Record<string, Partial<Health>> = {},
  seeds = 6_000,
): Record<string, number> {
  const counts: Record<string, number> = {};
  const base = inputOf([entryOf("a/b", wishes)], { health: table });
  for (let index = 0; index < seeds; index++) {
    const tag = plan({ ...base, seed: `req-1764000000-${index}` }).candidates[0]?.endpoint.tag ?? "";
    counts[tag] = (counts[tag] ?? 0) + 1;
  }
  return counts;
}

test("one dollar against three is drawn nine times as often", () => {
  const { cheap = 0, dear = 0 } = firsts([
    { tag: "dear", prompt: 3_000_000 },
    { tag: "cheap", prompt: 1_000_000 },
  ]);
  expect(cheap + dear).toBe(6_000);
  expect(cheap / dear).toBeGreaterThan(8);
  expect(cheap / dear).toBeLessThan(10.2);
});

test("half the latency is drawn twice as often", () => {
  const figures = (value: number) => ({ p50: value, p75: value, p90: value, p99: value, sampleCount: 9 });
  const { quick = 0, late = 0 } = firsts([{ tag: "quick" }, { tag: "late" }], {
    quick: { latencyMs30m: figures(1_000) },
    late: { latencyMs30m: figures(2_000) },
  });
  expect(quick / late).toBeGreaterThan(1.85);
  expect(quick / late).toBeLessThan(2.15);
});

test("three equals share evenly", () => {
  const counts = firsts([{ tag: "a" }, { tag: "b" }, { tag: "c" }]);
  for (const tag of ["a", "b", "c"]) expect(Math.abs((counts[tag] ?? 0) - 2_000)).toBeLessThan(140);
});
