import fc from "fast-check";
import { expect, test } from "vitest";
import {
  BREAKER_CLOSED,
  breakerNext,
  CAPACITY_PAUSE_MS,
  CAPACITY_PAUSE_MS_MAX,
  closedUntil,
  isProbeDue,
  type Breaker,
  type BreakerEvent,
} from "../../../src/limits/breaker.ts";

const RULE = { limit: 3, coolMs: 1_000, coolMsMax: 4_000, probeMs: 500 };
const NOW = 1_000_000;
const OPEN: Breaker = { kind: "open", untilMs: NOW + 1_000, trips: 1 };
const HALF_OPEN: Breaker = { kind: "half-open", probeUntilMs: NOW + 500, trips: 1 };

const after = (state: Breaker, kind: BreakerEvent["kind"], nowMs: number): Breaker =>
  breakerNext(state, { kind }, nowMs, RULE);

test.each([
  {
    name: "a first failure is only counted",
    state: BREAKER_CLOSED,
    event: "failure",
    at: NOW,
    next: { kind: "closed", failures: 1 },
  },
  {
    name: "the failure that reaches the limit opens it",
    state: { kind: "closed", failures: 2 },
    event: "failure",
    at: NOW,
    next: OPEN,
  },
  {
    name: "a success forgets earlier failures",
    state: { kind: "closed", failures: 2 },
    event: "success",
    at: NOW,
    next: BREAKER_CLOSED,
  },
  { name: "a closed breaker needs no probe", state: BREAKER_CLOSED, event: "probe", at: NOW, next: BREAKER_CLOSED },
  { name: "no probe goes out before the pause is over", state: OPEN, event: "probe", at: NOW + 999, next: OPEN },
  {
    name: "the first probe after the pause half-opens it",
    state: OPEN,
    event: "probe",
    at: NOW + 1_000,
    next: { kind: "half-open", probeUntilMs: NOW + 1_500, trips: 1 },
  },
  { name: "a late failure leaves an open breaker as it is", state: OPEN, event: "failure", at: NOW + 10, next: OPEN },
  {
    name: "a last resort that fails after the pause opens it again for longer",
    state: OPEN,
    event: "failure",
    at: NOW + 1_000,
    next: { kind: "open", untilMs: NOW + 3_000, trips: 2 },
  },
  { name: "a second probe waits for the first", state: HALF_OPEN, event: "probe", at: NOW + 499, next: HALF_OPEN },
  {
    name: "a probe that never reported is given up",
    state: HALF_OPEN,
    event: "probe",
    at: NOW + 500,
    next: { kind: "half-open", probeUntilMs: NOW + 1_000, trips: 1 },
  },
  {
    name: "a failed probe doubles the pause",
    state: HALF_OPEN,
    event: "failure",
    at: NOW,
    next: { kind: "open", untilMs: NOW + 2_000, trips: 2 },
  },
  {
    name: "the pause is bounded",
    state: { kind: "half-open", probeUntilMs: NOW, trips: 90 },
    event: "failure",
    at: NOW,
    next: { kind: "open", untilMs: NOW + 4_000, trips: 91 },
  },
  { name: "a good probe closes it", state: HALF_OPEN, event: "success", at: NOW, next: BREAKER_CLOSED },
] as const)("$name", ({ state, event, at, next }) => {
  expect(after(state, event, at)).toEqual(next);
});

test("of any number of callers that ask at once, one gets the probe", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 30 }), fc.integer({ min: 1_000, max: 60_000 }), (callers, laterMs) => {
      let state: Breaker = OPEN;
      let probes = 0;
      for (let caller = 0; caller < callers; caller++) {
        if (isProbeDue(state, NOW + laterMs)) probes += 1;
        state = after(state, "probe", NOW + laterMs);
      }
      expect(probes).toBe(1);
    }),
    { numRuns: 50 },
  );
});

test.each([
  { name: "a 429 closes for exactly what the upstream asked", current: 0, retryAfterMs: 7_300, until: NOW + 7_300 },
  {
    name: "a 429 without a time closes for the default pause",
    current: 0,
    retryAfterMs: null,
    until: NOW + CAPACITY_PAUSE_MS,
  },
  { name: "a shorter wish does not reopen early", current: NOW + 60_000, retryAfterMs: 1_000, until: NOW + 60_000 },
  { name: "zero closes for no time", current: 0, retryAfterMs: 0, until: NOW },
  { name: "a wish beyond a day is cut to a day", current: 0, retryAfterMs: 1e15, until: NOW + CAPACITY_PAUSE_MS_MAX },
])("$name", ({ current, retryAfterMs, until }) => {
  expect(closedUntil(current, retryAfterMs, NOW)).toBe(until);
});
