/** The providers' simulation in small: it repeats itself, limits hold, an outage is noticed. */
import { expect, test, vi } from "vitest";

vi.mock("cloudflare:workers", async () => await import("../../sim/workers-stand-in.ts"));
const { openProviderGate } = await import("../../sim/provider-gate.ts");
const { simulateProvider } = await import("../../sim/provider-world.ts");

// Far more than it takes: virtual time costs real time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const SMALL = {
  name: "small",
  seed: 7,
  requestsPerS: 60,
  colos: 6,
  isolatesPerColo: 5,
  isShared: true,
  rule: null,
  tokens: 100,
  warmMs: 10_000,
  spanMs: 15_000,
  outageAtMs: 4_000,
} as const;

test("two runs of a seed are equal, and another seed is another run", async () => {
  const first = await simulateProvider(SMALL, openProviderGate);
  expect(await simulateProvider(SMALL, openProviderGate)).toEqual(first);
  expect(await simulateProvider({ ...SMALL, seed: 8 }, openProviderGate)).not.toEqual(first);
});

test("colos that share hear of an outage within five seconds", async () => {
  const shared = await simulateProvider(SMALL, openProviderGate);
  expect(shared.syncCalls).toBeLessThan(SMALL.colos * SMALL.isolatesPerColo);
  expect(shared.stillSent[0]).toBeGreaterThan(0.5);
  expect(shared.reactionMs).toBeLessThanOrEqual(5_000);
  expect(shared.stillSent.at(-1)).toBeLessThan(0.05);
});

test("a limit that is short is never overshot by more than a hundredth, and used nearly whole", async () => {
  const short = { ...SMALL, outageAtMs: null, warmMs: 5_000, spanMs: 70_000 };
  const rate = await simulateProvider({ ...short, rule: { requestsPerMin: 1_800 } }, openProviderGate);
  expect(rate.refused).toBeGreaterThan(500);
  expect(rate.minutePeak).toBeLessThanOrEqual(1_818);
  expect(rate.minutePeak).toBeGreaterThan(1_700);
  const slots = await simulateProvider({ ...short, spanMs: 20_000, rule: { concurrency: 100 } }, openProviderGate);
  expect(slots.refused).toBeGreaterThan(100);
  expect(slots.concurrencyPeak).toBeLessThanOrEqual(101);
  expect(slots.concurrencyPeak).toBeGreaterThan(90);
  expect(slots.concurrencyMean).toBeGreaterThan(90);
  expect(slots.concurrencyMean).toBeLessThanOrEqual(slots.concurrencyPeak);
});
