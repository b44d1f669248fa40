import fc from "fast-check";
import { expect, test } from "vitest";
import {
  capacityGiveBack,
  capacityLease,
  capacityRenew,
  FULL_CAPACITY,
  type CapacityRule,
  type CapacityState,
} from "../../../src/limits/bucket.ts";

const NOW = 1_000_000;
const want = (id: string, permits: number, tokensEach = 0, untilMs = NOW + 10_000) => ({
  id,
  permits,
  tokensEach,
  untilMs,
});

test.each([
  { name: "without a limit everything is granted", rule: {}, ask: want("a", 50), granted: 50, retryAtMs: null },
  {
    name: "requests are granted up to the limit",
    rule: { requestsPerMin: 60 },
    ask: want("a", 61),
    granted: 60,
    retryAtMs: NOW + 1_000,
  },
  {
    name: "tokens limit permits too",
    rule: { tokensPerMin: 6_000 },
    ask: want("a", 4, 2_000),
    granted: 3,
    retryAtMs: NOW + 20_000,
  },
  {
    name: "concurrency limits permits until a lease ends",
    rule: { concurrency: 2 },
    ask: want("a", 3),
    granted: 2,
    retryAtMs: NOW + 10_000,
  },
  {
    name: "the tightest limit decides",
    rule: { requestsPerMin: 9, concurrency: 5, tokensPerMin: 1_000 },
    ask: want("a", 9, 500),
    granted: 2,
    retryAtMs: NOW + 30_000,
  },
  {
    name: "a request larger than a minute's tokens takes a full bucket",
    rule: { tokensPerMin: 1_000 },
    ask: want("a", 1, 5_000),
    granted: 1,
    retryAtMs: null,
  },
])("$name", ({ rule, ask, granted, retryAtMs }) => {
  const grant = capacityLease(FULL_CAPACITY, rule, ask, NOW);
  expect(grant.granted).toBe(granted);
  expect(grant.retryAtMs).toBe(retryAtMs);
});

test("exactly N of N+1 pass, and the next one as soon as it was told", () => {
  const rule = { requestsPerMin: 10 };
  let state: CapacityState = FULL_CAPACITY;
  const passed: number[] = [];
  for (let index = 0; index < 11; index++) {
    const grant = capacityLease(state, rule, want(`r${index}`, 1), NOW);
    state = grant.state;
    passed.push(grant.granted);
  }
  expect(passed).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
  expect(capacityLease(state, rule, want("s", 1), NOW + 5_999).granted).toBe(0);
  expect(capacityLease(state, rule, want("s", 1), NOW + 6_000).granted).toBe(1);
});

test("a lease that was never ended frees its slots when it expires", () => {
  const rule = { concurrency: 1 };
  const { state } = capacityLease(FULL_CAPACITY, rule, want("crashed", 1), NOW);
  expect(capacityLease(state, rule, want("b", 1), NOW + 9_999).granted).toBe(0);
  expect(capacityLease(state, rule, want("b", 1), NOW + 10_000).granted).toBe(1);
  const renewed = capacityRenew(state, "crashed", NOW + 20_000);
  expect(capacityLease(renewed, rule, want("b", 1), NOW + 10_000).granted).toBe(0);
});

test("ending a lease frees its slots once, and gives unused permits back", () => {
  const rule = { concurrency: 4, requestsPerMin: 4 };
  const back = { id: "a", finished: 4, unusedRequests: 3, unusedTokens: 0 };
  const { state } = capacityLease(FULL_CAPACITY, rule, want("a", 4), NOW);
  const ended = capacityGiveBack(state, rule, back, NOW);
  expect(ended.slots).toEqual([]);
  expect(ended.requests?.level).toBe(3);
  expect(capacityGiveBack(ended, rule, back, NOW)).toEqual(ended);
});

test("a lease can be ended piece by piece", () => {
  const rule = { concurrency: 3 };
  const { state } = capacityLease(FULL_CAPACITY, rule, want("a", 3), NOW);
  const partly = capacityGiveBack(state, rule, { id: "a", finished: 1, unusedRequests: 0, unusedTokens: 0 }, NOW);
  expect(capacityLease(partly, rule, want("b", 3), NOW).granted).toBe(1);
});

test("whatever happens, slots in use never exceed the limit and levels stay within theirs", () => {
  const step = fc.record({
    id: fc.constantFrom("a", "b", "c"),
    permits: fc.integer({ min: 0, max: 8 }),
    isEnd: fc.boolean(),
    afterMs: fc.integer({ min: 0, max: 8_000 }),
  });
  const rule: CapacityRule = { concurrency: 5, requestsPerMin: 30, tokensPerMin: 900 };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let state: CapacityState = FULL_CAPACITY;
      let nowMs = NOW;
      for (const { id, permits, isEnd, afterMs } of steps) {
        nowMs += afterMs;
        state = isEnd
          ? capacityGiveBack(
              state,
              rule,
              { id, finished: permits, unusedRequests: permits, unusedTokens: permits * 100 },
              nowMs,
            )
          : capacityLease(state, rule, want(id, permits, 100, nowMs + 10_000), nowMs).state;
        const inUse = state.slots.reduce((sum, lease) => sum + lease.count, 0);
        expect(inUse).toBeLessThanOrEqual(5);
        for (const [bucket, most] of [
          [state.requests, 30],
          [state.tokens, 900],
        ] as const) {
          expect(bucket?.level ?? 0).toBeGreaterThanOrEqual(0);
          expect(bucket?.level ?? 0).toBeLessThanOrEqual(most);
        }
      }
    }),
    { numRuns: 100 },
  );
});
