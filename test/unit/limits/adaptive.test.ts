/** The learnt limit against an upstream that has one: found, kept near, forgotten. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import {
  ADAPTIVE_UNBOUND,
  adaptiveLimit,
  adaptiveNext,
  type Adaptive,
  type AdaptiveEvent,
} from "../../../src/limits/adaptive.ts";

const NOW = 1_800_000_000_000;
const bound = (limit: number, cutAtMs = NOW - 60_000): Adaptive => ({ kind: "bound", limit, cutAtMs });

test.each<{ name: string; state: Adaptive; event: AdaptiveEvent; afterMs?: number; limit: number | undefined }>([
  {
    name: "successes alone set no limit",
    state: ADAPTIVE_UNBOUND,
    event: { kind: "success", inFlight: 9 },
    limit: undefined,
  },
  { name: "a 429 halves what ran", state: ADAPTIVE_UNBOUND, event: { kind: "throttled", inFlight: 80 }, limit: 40 },
  { name: "a 429 halves the limit", state: bound(20), event: { kind: "throttled", inFlight: 20 }, limit: 10 },
  {
    name: "a 429 below the limit halves what ran",
    state: bound(20),
    event: { kind: "throttled", inFlight: 12 },
    limit: 6,
  },
  { name: "four are the least", state: bound(6), event: { kind: "throttled", inFlight: 6 }, limit: 4 },
  {
    name: "a 429 while a handful runs binds nobody",
    state: ADAPTIVE_UNBOUND,
    event: { kind: "throttled", inFlight: 4 },
    limit: undefined,
  },
  {
    name: "the 429s of one crowd are one",
    state: bound(20, NOW - 999),
    event: { kind: "throttled", inFlight: 20 },
    limit: 20,
  },
  { name: "slowness shrinks gently", state: bound(100), event: { kind: "slow", inFlight: 100 }, limit: 90 },
  {
    name: "slowness never binds a handful",
    state: ADAPTIVE_UNBOUND,
    event: { kind: "slow", inFlight: 12 },
    limit: undefined,
  },
  {
    name: "a limit that is not in use does not grow",
    state: bound(20),
    event: { kind: "success", inFlight: 3 },
    limit: 20,
  },
  {
    name: "long after the last trouble it is forgotten",
    state: bound(20, NOW - 600_000),
    event: { kind: "success", inFlight: 3 },
    limit: undefined,
  },
])("$name", ({ state, event, limit }) => {
  expect(adaptiveLimit(adaptiveNext(state, event, NOW))).toBe(limit);
});

test("a round of successes at the limit adds one", () => {
  let state = bound(10);
  for (let at = 0; at < 11; at++) state = adaptiveNext(state, { kind: "success", inFlight: 10 }, NOW);
  expect(adaptiveLimit(state)).toBe(11);
});

test("against an upstream that takes `capacity`, it ends between half of it and little more, well used", () => {
  fc.assert(
    fc.property(fc.integer({ min: 16, max: 400 }), fc.string(), (capacity, seed) => {
      const random = seededRandom(seed);
      let state = ADAPTIVE_UNBOUND;
      let [served, refused, nowMs] = [0, 0, NOW];
      // Steps of a second, an answer each; demand is far above capacity.
      for (let step = 0; step < 4_000; step++) {
        nowMs += 1_000;
        const running = Math.min(adaptiveLimit(state) ?? capacity * 3, capacity * 3);
        const late = step > 1_000;
        for (let one = 0; one < running; one++) {
          const isOver = one >= capacity;
          if (late && isOver) refused++;
          if (late && !isOver) served++;
          // Answers come in no order.
          const kind = isOver ? "throttled" : "success";
          state = adaptiveNext(state, { kind, inFlight: running }, nowMs + Math.floor(random() * 500));
        }
      }
      expect(served / 2_999 / capacity).toBeGreaterThan(0.7);
      expect(refused / (served + refused)).toBeLessThan(0.03);
    }),
    { numRuns: 20 },
  );
});
