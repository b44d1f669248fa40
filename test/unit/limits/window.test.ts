import fc from "fast-check";
import { expect, test } from "vitest";
import { windowAt, type WindowKind } from "../../../src/limits/window.ts";

const at = (text: string): number => Date.parse(text);

test.each([
  {
    name: "a minute",
    kind: "minute",
    now: "2026-11-21T09:45:59.999Z",
    id: "minute:2026-11-21T09:45",
    start: "2026-11-21T09:45:00Z",
    end: "2026-11-21T09:46:00Z",
  },
  {
    name: "a day is UTC",
    kind: "daily",
    now: "2026-11-21T23:59:59.999Z",
    id: "daily:2026-11-21",
    start: "2026-11-21T00:00:00Z",
    end: "2026-11-22T00:00:00Z",
  },
  {
    name: "a week starts on Monday",
    kind: "weekly",
    now: "2026-11-22T23:59:59Z",
    id: "weekly:2026-11-16",
    start: "2026-11-16T00:00:00Z",
    end: "2026-11-23T00:00:00Z",
  },
  {
    name: "Monday midnight is the next week",
    kind: "weekly",
    now: "2026-11-23T00:00:00Z",
    id: "weekly:2026-11-23",
    start: "2026-11-23T00:00:00Z",
    end: "2026-11-30T00:00:00Z",
  },
  {
    name: "a month of 29 days",
    kind: "monthly",
    now: "2028-02-29T12:00:00Z",
    id: "monthly:2028-02",
    start: "2028-02-01T00:00:00Z",
    end: "2028-03-01T00:00:00Z",
  },
  {
    name: "December ends with the year",
    kind: "monthly",
    now: "2026-12-31T23:59:59.999Z",
    id: "monthly:2026-12",
    start: "2026-12-01T00:00:00Z",
    end: "2027-01-01T00:00:00Z",
  },
] as const)("$name", ({ kind, now, id, start, end }) => {
  expect(windowAt(kind, at(now))).toEqual({ id, startMs: at(start), endMs: at(end) });
});

test("windows follow each other without gap or overlap", () => {
  const kinds: readonly WindowKind[] = ["minute", "daily", "weekly", "monthly"];
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.integer({ min: 0, max: 4e12 }), (kind, nowMs) => {
      const window = windowAt(kind, nowMs);
      expect(window.startMs).toBeLessThanOrEqual(nowMs);
      expect(window.endMs).toBeGreaterThan(nowMs);
      expect(windowAt(kind, window.endMs - 1)).toEqual(window);
      expect(windowAt(kind, window.endMs).startMs).toBe(window.endMs);
    }),
  );
});
