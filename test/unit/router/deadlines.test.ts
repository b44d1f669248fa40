/** One timer for four limits: which one fires, when, and what puts it off. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createDeadlineGuard, timeoutFailure, type DeadlineGuard, type Phase } from "../../../src/router/deadlines.ts";

const LIMITS = { headersMs: 100, firstTokenMs: 500, idleMs: 200, totalMs: 2_000 };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

type Step = number | "first_token" | "idle" | "pause";

/** Waits (numbers) and does; when it expired, as ms from the start and phase. */
function run(isStreamed: boolean, steps: readonly Step[]): { atMs: number | null; phase: Phase | null } {
  const startedMs = Date.now();
  let atMs: number | null = null;
  const guard: DeadlineGuard = createDeadlineGuard(LIMITS, isStreamed, Date.now, () => (atMs = Date.now() - startedMs));
  for (const step of steps) {
    if (typeof step === "number") vi.advanceTimersByTime(step);
    else if (step === "pause") guard.pause();
    else guard.enter(step);
  }
  const phase = guard.expired();
  guard.end();
  vi.advanceTimersByTime(10_000);
  return { atMs, phase };
}

const talk = (count: number, everyMs: number): readonly Step[] =>
  Array.from({ length: count }, (): readonly Step[] => [everyMs, "idle"]).flat();

test.each<{ name: string; isStreamed: boolean; steps: readonly Step[]; atMs: number | null; phase: Phase | null }>([
  { name: "no headers", isStreamed: true, steps: [3_000], atMs: 100, phase: "headers" },
  {
    name: "headers, no token: counted from the start",
    isStreamed: true,
    steps: [90, "first_token", 3_000],
    atMs: 500,
    phase: "first_token",
  },
  {
    name: "a token, then silence",
    isStreamed: true,
    steps: [90, "first_token", 300, "idle", 3_000],
    atMs: 590,
    phase: "idle",
  },
  {
    name: "tokens keep it going until the total",
    isStreamed: true,
    steps: ["first_token", ...talk(30, 150)],
    atMs: 2_000,
    phase: "total",
  },
  {
    name: "tokens, then silence",
    isStreamed: true,
    steps: ["first_token", ...talk(5, 150), 3_000],
    atMs: 950,
    phase: "idle",
  },
  {
    name: "a client that is slow stops the idle time",
    isStreamed: true,
    steps: ["first_token", "idle", "pause", 1_000, "idle", 100],
    atMs: null,
    phase: null,
  },
  {
    name: "a client that is slow does not stop the total",
    isStreamed: true,
    steps: ["first_token", "idle", "pause", 3_000],
    atMs: 2_000,
    phase: "total",
  },
  {
    name: "a buffered answer has the total for its headers",
    isStreamed: false,
    steps: [3_000],
    atMs: 2_000,
    phase: "total",
  },
  { name: "an ended guard never fires", isStreamed: true, steps: [50], atMs: null, phase: null },
])("$name", ({ isStreamed, steps, atMs, phase }) => {
  expect(run(isStreamed, steps)).toEqual({ atMs, phase });
});

test("many events cost one timer per limit, not one each", () => {
  const set = vi.spyOn(globalThis, "setTimeout");
  run(true, ["first_token", ...talk(1_000, 1)]);
  expect(set.mock.calls.length).toBeLessThan(12);
  set.mockRestore();
});

test.each<Phase>(["headers", "first_token", "idle", "total"])(
  "%s out is the endpoint's fault and may be tried elsewhere",
  (phase) => {
    expect(timeoutFailure(phase)).toMatchObject({
      scope: "endpoint",
      retry: "elsewhere",
      status: 0,
      errorType: "timeout",
    });
  },
);

test("one timer beats each 20 s, through later limits, until the end", () => {
  const limits = { headersMs: 100_000, firstTokenMs: 100_000, idleMs: 50_000, totalMs: 900_000 };
  const startedMs = Date.now();
  const beats: number[] = [];
  const guard = createDeadlineGuard(
    limits,
    false,
    Date.now,
    () => undefined,
    () => void beats.push(Date.now() - startedMs),
  );
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(45_000);
  guard.enter("idle");
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(20_000);
  guard.end();
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(100_000);
  expect(beats).toEqual([20_000, 40_000, 60_000]);
});

test("a limit that comes before the next beat fires on time", () => {
  const limits = { headersMs: 30_000, firstTokenMs: 25_000, idleMs: 7_000, totalMs: 900_000 };
  const startedMs = Date.now();
  let firedMs: number | null = null;
  const guard = createDeadlineGuard(
    limits,
    false,
    Date.now,
    () => (firedMs = Date.now() - startedMs),
    () => undefined,
  );
  vi.advanceTimersByTime(1_000);
  guard.enter("idle");
  vi.advanceTimersByTime(10_000);
  expect(firedMs).toBe(8_000);
  expect(guard.expired()).toBe("idle");
});
