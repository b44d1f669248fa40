import { expect, test } from "vitest";
import { FIRST_PACE, PACE_MS_BUSY, PACE_MS_MAX, PACE_MS_MIN, waitMs } from "../../../src/gates/account-flush.ts";

const NOW_MS = 1_795_000_000_000;

test.each([
  { name: "the first flush waits the least", pace: FIRST_PACE, expected: PACE_MS_MIN },
  { name: "a fast D1 keeps the least", pace: { latencyMs: 20, failures: 0, flushedAtMs: 0 }, expected: PACE_MS_MIN },
  {
    name: "a busy account shares a flush",
    pace: { latencyMs: 20, failures: 0, flushedAtMs: NOW_MS - 100 },
    expected: PACE_MS_BUSY - 100,
  },
  {
    name: "an account that was idle flushes soon",
    pace: { latencyMs: 20, failures: 0, flushedAtMs: NOW_MS - PACE_MS_BUSY },
    expected: PACE_MS_MIN,
  },
  {
    name: "a slow D1 is asked four times its latency later",
    pace: { latencyMs: 500, failures: 0, flushedAtMs: 0 },
    expected: 2_000,
  },
  {
    name: "a very slow D1 is asked at least every ten seconds",
    pace: { latencyMs: 9_000, failures: 0, flushedAtMs: 0 },
    expected: PACE_MS_MAX,
  },
  { name: "a failure doubles the wait", pace: { latencyMs: 20, failures: 1, flushedAtMs: 0 }, expected: 500 },
  {
    name: "failures never make it longer than the most",
    pace: { latencyMs: 20, failures: 1_000, flushedAtMs: 0 },
    expected: PACE_MS_MAX,
  },
])("$name", ({ pace, expected }) => {
  expect(waitMs(pace, NOW_MS)).toBe(expected);
});
