/** The client leaves: when the attempt that runs is aborted, by policy and by the way of asking. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createCancellation, DRAIN_MS_MAX, type CancellationPolicy } from "../../../src/router/cancellation.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test.each<{ policy: CancellationPolicy; isStreamed: boolean; afterMs: number }>([
  { policy: "stops", isStreamed: true, afterMs: 0 },
  { policy: "bills_surcharge", isStreamed: true, afterMs: 0 },
  { policy: "bills_all", isStreamed: true, afterMs: DRAIN_MS_MAX },
  { policy: "bills_surcharge", isStreamed: false, afterMs: DRAIN_MS_MAX },
  { policy: "stops", isStreamed: false, afterMs: DRAIN_MS_MAX },
  { policy: "bills_all", isStreamed: false, afterMs: DRAIN_MS_MAX },
])("policy $policy, stream $isStreamed: aborted after $afterMs ms", ({ policy, isStreamed, afterMs }) => {
  const abort = vi.fn<() => void>();
  const cancellation = createCancellation(isStreamed);
  cancellation.follow(policy, abort);
  cancellation.leave();
  cancellation.leave();
  if (afterMs > 0) {
    vi.advanceTimersByTime(afterMs - 1);
    expect(abort).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
  }
  expect(abort).toHaveBeenCalledTimes(1);
});

test("the last attempt's policy counts, and the attempts before it are left alone", () => {
  const [first, second] = [vi.fn<() => void>(), vi.fn<() => void>()];
  const cancellation = createCancellation(true);
  cancellation.follow("bills_all", first);
  cancellation.follow("stops", second);
  cancellation.leave();
  expect([first.mock.calls.length, second.mock.calls.length]).toEqual([0, 1]);
});

test("an attempt that begins after the client left, where nothing runs, is aborted at once", () => {
  const abort = vi.fn<() => void>();
  const cancellation = createCancellation(true);
  cancellation.leave();
  cancellation.follow("stops", abort);
  expect(abort).toHaveBeenCalledTimes(1);
});

test.each<{ policy: CancellationPolicy; afterMs: number }>([
  { policy: "stops", afterMs: 0 },
  { policy: "bills_surcharge", afterMs: 0 },
  { policy: "bills_all", afterMs: DRAIN_MS_MAX },
])("an answer that is cut is aborted after $afterMs ms where the provider $policy", ({ policy, afterMs }) => {
  const abort = vi.fn<() => void>();
  const cancellation = createCancellation(true);
  cancellation.follow(policy, abort);
  cancellation.cut();
  // The client has its last word, and goes.
  vi.advanceTimersByTime(Math.min(1_000, afterMs));
  cancellation.leave();
  vi.advanceTimersByTime(Math.max(0, afterMs - 1_001));
  expect(abort).toHaveBeenCalledTimes(afterMs === 0 ? 2 : 0);
  vi.advanceTimersByTime(1);
  expect(abort.mock.calls.length).toBeGreaterThan(0);
});

test("after the end no timer is left, and each ending is done once", () => {
  const [abort, ending] = [vi.fn<() => void>(), vi.fn<() => void>()];
  const cancellation = createCancellation(true);
  cancellation.onEnd(ending);
  cancellation.follow("bills_all", abort);
  cancellation.leave();
  cancellation.end();
  cancellation.end();
  vi.advanceTimersByTime(DRAIN_MS_MAX * 2);
  expect([abort.mock.calls.length, ending.mock.calls.length, vi.getTimerCount()]).toEqual([0, 1, 0]);
});
