import { expect, test } from "vitest";
import { freeLimitPerDay, freeTierVerdict } from "../../../src/limits/free-tier.ts";

const NOW = Date.parse("2026-11-21T23:58:30.500Z");
const MIDNIGHT = Date.parse("2026-11-22T00:00:00Z");
const USD = 1_000_000_000n;
const fresh = { balanceNusd: 0n, boughtNusd: 0n, usedThisMinute: 0, usedToday: 0 };

test.each([
  {
    name: "the last of the minute passes",
    counts: { ...fresh, usedThisMinute: 19 },
    left: { remainingThisMinute: 0, remainingToday: 49 },
  },
  {
    name: "the last of fifty passes",
    counts: { ...fresh, usedToday: 49 },
    left: { remainingThisMinute: 19, remainingToday: 0 },
  },
  {
    name: "the last of a thousand passes",
    counts: { ...fresh, boughtNusd: 10n * USD, usedToday: 999 },
    left: { remainingThisMinute: 19, remainingToday: 0 },
  },
])("$name", ({ counts, left }) => {
  expect(freeTierVerdict(counts, NOW)).toEqual({ kind: "allowed", ...left });
});

test.each([
  {
    name: "the twenty-first of a minute waits for the next one",
    counts: { ...fresh, boughtNusd: 99n * USD, usedThisMinute: 20 },
    error: {
      message: "Rate limit exceeded: free-models-per-min",
      limitSource: "free_tier_per_minute",
      limit: 20,
      resetMs: Date.parse("2026-11-21T23:59:00Z"),
      retryAfterS: 30,
    },
  },
  {
    name: "the fifty-first of a day waits for midnight and is told what ten credits change",
    counts: { ...fresh, boughtNusd: 10n * USD - 1n, usedToday: 50 },
    error: {
      message: "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
      limitSource: "free_tier_daily",
      limit: 50,
      resetMs: MIDNIGHT,
      retryAfterS: 90,
    },
  },
  {
    name: "a thousand are enough for anybody",
    counts: { ...fresh, boughtNusd: 10n * USD, usedToday: 1_000 },
    error: {
      message: "Rate limit exceeded: free-models-per-day-high-balance",
      limitSource: "free_tier_daily",
      limit: 1_000,
      resetMs: MIDNIGHT,
      retryAfterS: 90,
    },
  },
  {
    name: "when both are full, the longer wait is told",
    counts: { ...fresh, usedToday: 50, usedThisMinute: 20 },
    error: {
      message: "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
      limitSource: "free_tier_daily",
      limit: 50,
      resetMs: MIDNIGHT,
      retryAfterS: 90,
    },
  },
])("$name", ({ counts, error }) => {
  expect(freeTierVerdict(counts, NOW)).toEqual({
    kind: "refused",
    error: { kind: "rate_limited", remaining: 0, ...error },
  });
});

test("a negative balance is refused even for free models", () => {
  expect(freeTierVerdict({ ...fresh, balanceNusd: -1n, boughtNusd: 50n * USD }, NOW)).toMatchObject({
    kind: "refused",
    error: { kind: "insufficient_credit", limitSource: "credits" },
  });
});

test("ten dollars ever bought raise the daily limit", () => {
  expect(freeLimitPerDay(10n * USD - 1n)).toBe(50);
  expect(freeLimitPerDay(10n * USD)).toBe(1_000);
});
