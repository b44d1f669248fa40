import { expect, test } from "vitest";
import { FIRST_PACE, PACE_MS_MAX, PACE_MS_MIN, waitMs } from "../../../src/gates/account-flush.ts";

test.each([
  { name: "the first flush waits the least", pace: FIRST_PACE, expected: PACE_MS_MIN },
  { name: "a fast D1 keeps the least", pace: { latencyMs: 20, failures: 0 }, expected: PACE_MS_MIN },
  { name: "a slow D1 is asked four times its latency later", pace: { latencyMs: 500, failures: 0 }, expected: 2_000 },
  {
    name: "a very slow D1 is asked at least every ten seconds",
    pace: { latencyMs: 9_000, failures: 0 },
    expected: PACE_MS_MAX,
  },
  { name: "a failure doubles the wait", pace: { latencyMs: 20, failures: 1 }, expected: 500 },
  {
    name: "failures never make it longer than the most",
    pace: { latencyMs: 20, failures: 1_000 },
    expected: PACE_MS_MAX,
  },
])("$name", ({ pace, expected }) => {
  expect(waitMs(pace)).toBe(expected);
});
