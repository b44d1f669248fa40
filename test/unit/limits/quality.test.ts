/** What counts of good and bad answers prove, and how long they count. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { healthAfter, healthSnapshot, NEW_HEALTH, type HealthState, type Outcome } from "../../../src/limits/health.ts";
import { QUALITY_SAMPLES_MIN, qualityTier, wilsonBound, type Judged } from "../../../src/limits/quality.ts";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;

test.each([
  { good: 0, bad: 0, tier: "unproven" },
  { good: 0, bad: 19, tier: "unproven" },
  { good: 0, bad: 20, tier: "poor" },
  { good: 20, bad: 0, tier: "unproven" },
  { good: 72, bad: 0, tier: "unproven" },
  { good: 73, bad: 0, tier: "good" },
  { good: 196, bad: 4, tier: "unproven" },
  { good: 990, bad: 10, tier: "good" },
  { good: 18, bad: 2, tier: "unproven" },
  { good: 80, bad: 20, tier: "weak" },
  { good: 880, bad: 120, tier: "weak" },
  { good: 950, bad: 50, tier: "unproven" },
  { good: 70, bad: 30, tier: "poor" },
] as const)("$good good and $bad bad answers are $tier", ({ good, bad, tier }) => {
  expect(qualityTier(good, bad)).toBe(tier);
});

// Wilson score intervals at 95%, by an independent calculation: 8 of 10 is 49.0% to 94.3%, 0 of 20 is 0% to 16.1%.
test.each([
  { good: 8, count: 10, lower: 0.4902, upper: 0.9433 },
  { good: 0, count: 20, lower: 0, upper: 0.1611 },
  { good: 20, count: 20, lower: 0.8389, upper: 1 },
])("of $good in $count the interval is $lower to $upper", ({ good, count, lower, upper }) => {
  expect(wilsonBound(good, count, -1)).toBeCloseTo(lower, 3);
  expect(wilsonBound(good, count, 1)).toBeCloseTo(upper, 3);
});

test("the interval holds the share, one more bad answer never makes a tier better, and few samples prove nothing", () => {
  const ORDER = ["poor", "weak", "unproven", "good"];
  fc.assert(
    fc.property(fc.nat(3_000), fc.nat(3_000), (good, bad) => {
      const count = good + bad;
      if (count > 0) {
        expect(wilsonBound(good, count, -1)).toBeLessThanOrEqual(good / count + 1e-9);
        expect(wilsonBound(good, count, 1)).toBeGreaterThanOrEqual(good / count - 1e-9);
      }
      if (count < QUALITY_SAMPLES_MIN) expect(qualityTier(good, bad)).toBe("unproven");
      else {
        const worse = ORDER.indexOf(qualityTier(good, bad + 1));
        expect(worse).toBeLessThanOrEqual(ORDER.indexOf(qualityTier(good, bad)));
      }
    }),
  );
});

const answer = (judged?: Judged): Outcome => ({
  kind: "success",
  bucket: null,
  ttftMs: 100,
  tokens: 10,
  durationMs: 500,
  judged,
});
const fold = (outcomes: readonly Outcome[], atMs: number, from: HealthState = NEW_HEALTH): HealthState =>
  outcomes.reduce((state, outcome) => healthAfter(state, outcome, atMs), from);

test("answers that were judged are counted by kind; the others leave nothing", () => {
  const plain = fold([answer(), answer()], NOW);
  expect(plain).not.toHaveProperty("toolCalls");
  expect(healthSnapshot(plain, NOW)).not.toHaveProperty("structured");
  const state = fold(
    [answer({ toolCalls: true }), answer({ toolCalls: false, structured: true }), answer({})],
    NOW,
    plain,
  );
  expect(healthSnapshot(state, NOW)).toMatchObject({
    requestCount30m: 5,
    toolCalls: { good: 1, bad: 1 },
    structured: { good: 1, bad: 0 },
  });
});

test("two hours count, at most twelve slots are kept, and late reports count in their own", () => {
  let state = NEW_HEALTH;
  for (let minute = 0; minute <= 240; minute += 5)
    state = fold([answer({ toolCalls: true })], NOW + minute * MINUTE, state);
  state = fold([answer({ toolCalls: false })], NOW + 200 * MINUTE, state);
  expect(state.toolCalls?.length).toBeLessThanOrEqual(12);
  const { toolCalls } = healthSnapshot(state, NOW + 240 * MINUTE);
  expect(toolCalls?.bad).toBe(1);
  expect(toolCalls?.good).toBeGreaterThanOrEqual(22);
  expect(toolCalls?.good).toBeLessThanOrEqual(24);
  expect(healthSnapshot(state, NOW + 361 * MINUTE)).not.toHaveProperty("toolCalls");
});
