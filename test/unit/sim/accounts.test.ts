/** The accounts' simulation in small: virtual time is a time, a run repeats itself, and money is never overshot. */
import { expect, test, vi } from "vitest";
import { openGround } from "../../model/gate.ts";
import { simulateAccount, type AccountSpec } from "../../sim/account-world.ts";
import { inVirtualTime } from "../../sim/virtual-time.ts";

// Far more than it takes: virtual time costs real time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const RICH: AccountSpec = {
  name: "rich",
  seed: 5,
  requestsPerS: 60,
  isolates: 30,
  creditNusd: 1_000_000_000_000n,
  warmMs: 6_000,
  spanMs: 6_000,
};

test("two runs of a seed are equal, and another seed is another run", async () => {
  const first = await simulateAccount(RICH, openGround());
  expect(await simulateAccount(RICH, openGround())).toEqual(first);
  expect(await simulateAccount({ ...RICH, seed: 6 }, openGround())).not.toEqual(first);
});

test("thirty isolates spend from leases, and their gate gets far fewer calls than requests", async () => {
  const { rates, balanceNusd, creditNusd, chargedNusd, leastSpendableNusd } = await simulateAccount(
    { ...RICH, requestsPerS: 300 },
    openGround(),
  );
  expect(rates.requests).toBeGreaterThan(250);
  expect(rates.warmShare).toBeGreaterThan(0.9);
  expect(rates.settleCalls).toBeLessThan(rates.requests * 0.75);
  expect(rates.refused).toBe(0);
  expect(balanceNusd).toBe(creditNusd - chargedNusd);
  expect(leastSpendableNusd).toBeGreaterThan(0n);
});

test("an account with credit for fifty worst cases is asked for far more, by many isolates, and never overshoots", async () => {
  const poor = await simulateAccount({ ...RICH, requestsPerS: 100, creditNusd: 100_000_000n }, openGround());
  expect(poor.rates.refused).toBeGreaterThan(50);
  expect(poor.chargedNusd).toBeLessThanOrEqual(poor.creditNusd);
  // Most of it is spent: neither holds nor leases keep it back.
  expect(poor.chargedNusd).toBeGreaterThan((poor.creditNusd * 6n) / 10n);
  expect(poor.leastSpendableNusd).toBeGreaterThanOrEqual(0n);
  expect(poor.balanceNusd).toBe(poor.creditNusd - poor.chargedNusd);
});

test("timers fire in their order at their time, cleared ones never, and the real ones come back", async () => {
  const real = globalThis.setTimeout;
  const seen: string[] = [];
  await inVirtualTime(1_000, async (time) => {
    const note = (what: string): void => void seen.push(`${what} at ${time.nowMs()}`);
    setTimeout(() => note("second"), 20);
    setTimeout(() => note("first"), 10);
    clearTimeout(setTimeout(() => note("never"), 5));
    const every = setInterval(() => note("tick"), 8);
    time.at(1_020, () => note("third"));
    void time.pause(12).then(() => clearInterval(every));
    await time.runUntil(1_030);
    expect(time.nowMs()).toBe(1_030);
  });
  expect(seen).toEqual(["tick at 1008", "first at 1010", "second at 1020", "third at 1020"]);
  expect(globalThis.setTimeout).toBe(real);
});
