/** A sliding minute: what counts, what comes back, when it is free again. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { createRateWindow } from "../../../src/limits/rate-window.ts";

const NOW = 1_800_000_000_000;

test("what is used counts for a minute and a slot, and not longer", () => {
  const window = createRateWindow();
  window.add(3, NOW);
  expect(window.count(NOW + 60_000)).toBe(3);
  expect(window.fallsToMs(2, NOW)).toBe(NOW + 60_250);
  expect(window.count(NOW + 60_250)).toBe(0);
});

test("what is lent counts from the last moment at which it may be used", () => {
  const window = createRateWindow();
  window.add(1, NOW + 10_000);
  expect(window.count(NOW)).toBe(1);
  expect(window.count(NOW + 70_000)).toBe(1);
  expect(window.count(NOW + 70_250)).toBe(0);
});

test("what comes back is taken from where it was counted, and never more than that", () => {
  const window = createRateWindow();
  window.add(2, NOW);
  window.add(2, NOW + 30_000);
  window.takeBack(3, NOW);
  expect(window.count(NOW)).toBe(2);
  expect(window.count(NOW + 89_000)).toBe(2);
  window.takeBack(1, NOW + 10_000);
  expect(window.count(NOW + 89_000)).toBe(2);
});

test("a restart goes on with what was saved", () => {
  const window = createRateWindow();
  window.add(5, NOW);
  expect(createRateWindow(window.saved()).count(NOW + 59_000)).toBe(5);
});

test("a limit that is kept here is kept in every 60 seconds, and is free when it says so", () => {
  const step = fc.record({ afterMs: fc.integer({ min: 0, max: 9_000 }), want: fc.integer({ min: 1, max: 9 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const limit = 20;
      const window = createRateWindow();
      const used: { atMs: number; count: number }[] = [];
      let nowMs = NOW;
      for (const { afterMs, want } of steps) {
        nowMs += afterMs;
        const count = Math.min(want, limit - window.count(nowMs));
        window.add(count, nowMs);
        used.push({ atMs: nowMs, count });
        for (const { atMs: startMs } of used) {
          const inMinute = used.filter(({ atMs }) => atMs >= startMs && atMs < startMs + 60_000);
          expect(inMinute.reduce((sum, one) => sum + one.count, 0)).toBeLessThanOrEqual(limit);
        }
        const freeAtMs = window.fallsToMs(limit - 1, nowMs);
        expect(createRateWindow(window.saved()).count(freeAtMs)).toBeLessThanOrEqual(limit - 1);
      }
    }),
    { numRuns: 200 },
  );
});
