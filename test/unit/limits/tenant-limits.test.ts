import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bothAllow,
  isAllowed,
  minuteAt,
  minuteWith,
  NO_COUNT,
  NO_LIMITS,
  rateVerdict,
  strictest,
  type MinuteCount,
  type RateSubject,
} from "../../../src/limits/tenant-limits.ts";

const NOW = Date.parse("2026-11-21T12:00:30Z");
const NEXT_MINUTE = Date.parse("2026-11-21T12:01:00Z");
const minute = (requests: number, tokens = 0): MinuteCount => minuteWith(NO_COUNT, { requests, tokens }, NOW);
const key = (given: Partial<RateSubject> = {}): RateSubject => ({
  owner: "key",
  limits: NO_LIMITS,
  minute: minute(0),
  open: 0,
  ...given,
});
const SMALL = { wanted: 10, minimum: 2 };

test.each([
  { name: "no limits", subject: key({ minute: minute(1e6, 1e6), open: 1e6 }), tokens: 10 },
  {
    name: "the last request",
    subject: key({ limits: { ...NO_LIMITS, requestsPerMin: 3 }, minute: minute(2) }),
    tokens: 10,
  },
  {
    name: "the last tokens",
    subject: key({ limits: { ...NO_LIMITS, tokensPerMin: 100 }, minute: minute(9, 90) }),
    tokens: 10,
  },
  { name: "the last slot", subject: key({ limits: { ...NO_LIMITS, maxConcurrency: 2 }, open: 1 }), tokens: 10 },
  {
    name: "more than a minute's tokens, of a whole minute",
    subject: key({ limits: { ...NO_LIMITS, tokensPerMin: 5 } }),
    tokens: 5,
  },
])("$name may go", ({ subject, tokens }) => {
  expect(rateVerdict([subject], SMALL, NOW)).toEqual({ kind: "allowed", tokens });
});

test.each([
  {
    name: "a full minute of requests",
    subject: key({ limits: { ...NO_LIMITS, requestsPerMin: 3 }, minute: minute(3) }),
    error: { limitSource: "key_requests_per_minute", limit: 3, remaining: 0, resetMs: NEXT_MINUTE, retryAfterS: 30 },
  },
  {
    name: "one token too many, of the account",
    subject: key({ owner: "account", limits: { ...NO_LIMITS, tokensPerMin: 100 }, minute: minute(9, 91) }),
    error: {
      limitSource: "account_tokens_per_minute",
      limit: 100,
      remaining: 9,
      resetMs: NEXT_MINUTE,
      retryAfterS: 30,
    },
  },
  {
    name: "all slots in use",
    subject: key({ limits: { ...NO_LIMITS, maxConcurrency: 2 }, open: 2 }),
    error: { limitSource: "key_concurrency", limit: 2, remaining: 0, resetMs: NOW + 1_000, retryAfterS: 1 },
  },
])("$name is refused", ({ subject, error }) => {
  expect(rateVerdict([key(), subject], SMALL, NOW)).toMatchObject({
    kind: "refused",
    error: { kind: "rate_limited", ...error },
  });
});

test("a prompt that no minute has room for is told that it can never pass", () => {
  const subject = key({ limits: { ...NO_LIMITS, tokensPerMin: 5 } });
  expect(rateVerdict([subject], { wanted: 10, minimum: 6 }, NOW)).toMatchObject({
    kind: "refused",
    error: { kind: "bad_request", errorType: "token_limit_exceeded", message: expect.stringContaining("never") },
  });
});

describe("the count of a minute", () => {
  test("is none in another minute", () => {
    expect(minuteAt(minute(3, 7), NOW)).toMatchObject({ requests: 3, tokens: 7 });
    expect(minuteAt(minute(3, 7), NEXT_MINUTE)).toMatchObject({ requests: 0, tokens: 0 });
  });
  test("is not moved by what belongs to a minute before", () => {
    const now = minuteWith(minute(3, 7), { requests: 1, tokens: 1 }, NEXT_MINUTE);
    expect(minuteWith(now, { requests: 0, tokens: -5 }, NOW)).toEqual(now);
  });
});

test.each([
  { name: "forest/leaf", list: null, allowed: true },
  { name: "forest/leaf", list: ["forest/leaf"], allowed: true },
  { name: "forest/leaf:free", list: ["forest/leaf"], allowed: false },
  { name: "forest/leaf", list: ["forest/*"], allowed: true },
  { name: "forestry/leaf", list: ["forest/*"], allowed: false },
  { name: "oak", list: ["*", "/*"], allowed: false },
])("$name under $list: $allowed", ({ name, list, allowed }) => {
  expect(isAllowed(name, list)).toBe(allowed);
});

test("two lists allow what both allow", () => {
  const name = fc.constantFrom("a/x", "a/y", "b/x", "b/*", "a/*");
  const list = fc.option(fc.array(name, { minLength: 1, maxLength: 4 }));
  fc.assert(
    fc.property(list, list, fc.constantFrom("a/x", "a/y", "b/x", "c/x"), (left, right, model) => {
      expect(isAllowed(model, bothAllow(left, right))).toBe(isAllowed(model, left) && isAllowed(model, right));
    }),
  );
});

test("whatever comes and goes, no more is let through in a minute, and no more runs, than the stricter limit says", () => {
  const limit = fc.option(fc.integer({ min: 1, max: 6 }), { nil: null });
  const limits = fc.record({
    requestsPerMin: limit,
    tokensPerMin: fc.option(fc.integer({ min: 5, max: 60 }), { nil: null }),
    maxConcurrency: limit,
    allowedModels: fc.constant(null),
    allowedProviders: fc.constant(null),
  });
  const step = fc.record({
    ms: fc.integer({ min: 0, max: 25_000 }),
    wanted: fc.integer({ min: 1, max: 20 }),
    ends: fc.boolean(),
    used: fc.integer({ min: 0, max: 20 }),
  });
  fc.assert(
    fc.property(limits, limits, fc.array(step, { maxLength: 60 }), (ofKey, ofAccount, steps) => {
      const both = strictest(ofKey, ofAccount);
      let nowMs = NOW;
      let count = NO_COUNT;
      const open: { atMs: number; tokens: number }[] = [];
      for (const { ms, wanted, ends, used } of steps) {
        nowMs += ms;
        const ended = ends ? open.shift() : undefined;
        if (ended !== undefined) {
          const back = Math.min(used, ended.tokens) - ended.tokens;
          count = minuteWith(count, { requests: 0, tokens: back }, ended.atMs);
        }
        const present = minuteAt(count, nowMs);
        const subjects: RateSubject[] = [
          { owner: "key", limits: ofKey, minute: present, open: open.length },
          { owner: "account", limits: ofAccount, minute: present, open: open.length },
        ];
        const verdict = rateVerdict(subjects, { wanted, minimum: 1 }, nowMs);
        const isRoom =
          present.requests < (both.requestsPerMin ?? Number.POSITIVE_INFINITY) &&
          present.tokens + Math.min(wanted, both.tokensPerMin ?? wanted) <=
            (both.tokensPerMin ?? Number.POSITIVE_INFINITY) &&
          open.length < (both.maxConcurrency ?? Number.POSITIVE_INFINITY);
        expect(verdict.kind).toBe(isRoom ? "allowed" : "refused");
        if (verdict.kind === "refused") continue;
        count = minuteWith(count, { requests: 1, tokens: verdict.tokens }, nowMs);
        open.push({ atMs: nowMs, tokens: verdict.tokens });
        expect(count.requests).toBeLessThanOrEqual(both.requestsPerMin ?? Number.POSITIVE_INFINITY);
        expect(count.tokens).toBeLessThanOrEqual(both.tokensPerMin ?? Number.POSITIVE_INFINITY);
        expect(open.length).toBeLessThanOrEqual(both.maxConcurrency ?? Number.POSITIVE_INFINITY);
      }
    }),
  );
});
