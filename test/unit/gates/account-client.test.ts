/** When the isolate's settles are sent, in virtual time, to a gate that only listens. */
import { expect, test } from "vitest";
import { asAccountId, asGenerationId, asKeyHash, type GenerationId } from "../../../src/core/ids.ts";
import { createAccountClient } from "../../../src/gates/account-client.ts";
import type { AccountSpendRpc, AdmitRequest } from "../../../src/gates/account-contract.ts";
import { createStanding } from "../../../src/gates/standing.ts";
import { settlementOf } from "../../model/settlement.ts";
import { inVirtualTime, type VirtualTime } from "../../sim/virtual-time.ts";

const START = 1_800_000_000_000;
const ACCOUNT = asAccountId("gl1aaaaaaaaaaaaa");
const KEY = asKeyHash("a".repeat(64));
const idOf = (number: number): GenerationId => asGenerationId(`gen-1800000000-${String(number).padStart(20, "0")}`);

interface Call {
  readonly atMs: number;
  readonly count: number;
}

/** A gate that lends to whoever asks and says `gatherMs`; `isLost` loses the first settle call's answer. */
function gateOf(time: VirtualTime, gatherMs: number | undefined, calls: Call[], isLost: boolean): AccountSpendRpc {
  const live = gatherMs === undefined ? {} : { gatherMs };
  return {
    admit: async ({ lease }) => ({
      kind: "admitted",
      holdNusd: 10n,
      expiresAtMs: START + 60_000,
      lease: {
        kind: "live",
        id: lease?.id ?? ("" as never),
        grantedNusd: 1_000n,
        keepNusd: 1_000n,
        spendMs: 10_000,
        ...live,
      },
    }),
    renew: async () => {},
    extend: async () => {
      throw new Error("Nothing here holds in steps.");
    },
    async settle(settlements, reports = []) {
      calls.push({ atMs: time.nowMs() - START, count: settlements.length });
      await time.pause(10);
      if (isLost && calls.length === 1) throw new Error("lost");
      return {
        acknowledged: settlements.map(({ generationId }) => generationId),
        leases: reports.map(({ id }) => ({
          kind: "live",
          id,
          grantedNusd: 1_000n,
          keepNusd: 1_000n,
          spendMs: 10_000,
          ...live,
        })),
      };
    },
  };
}

/**
 * Ten generations are admitted at once and end `apartMs` apart.
 * @returns the settle calls, whether all were taken, and how long after it what stands beside each settle was done.
 */
function run(gatherMs: number | undefined, isLost = false, apartMs = 30) {
  return inVirtualTime(START, async (time) => {
    const calls: Call[] = [];
    const gate = gateOf(time, gatherMs, calls, isLost);
    const client = createAccountClient({
      clock: time.nowMs,
      gate: () => gate,
      reporter: "isolate",
      standing: createStanding(time.nowMs, null),
    });
    const settled: boolean[] = [];
    const besideMs: number[] = [];
    for (let number = 0; number < 10; number++) {
      const request: AdmitRequest = {
        keyHash: KEY,
        generationId: idOf(number),
        isFree: false,
        wantedNusd: 10n,
        minimumNusd: 10n,
        footprint: { models: [], providers: [], tokens: { wanted: 1, minimum: 1 } },
      };
      void Promise.resolve(client.admit(ACCOUNT, request)).then(() =>
        time.at(START + 100 + number * apartMs, () => {
          const settlement = settlementOf(idOf(number), KEY, 5n, 4n, START);
          const endedMs = time.nowMs();
          const beside = (): void => void besideMs.push(time.nowMs() - endedMs);
          void client.settle(ACCOUNT, settlement, beside).then((isTaken) => settled.push(isTaken));
        }),
      );
    }
    await time.runUntil(START + 20_000);
    return { calls, settled, besideMs };
  });
}

const TAKEN = Array.from({ length: 10 }, () => true);

test("a gate that said nothing gets each settle within 20 ms", async () => {
  const { calls, settled } = await run(undefined);
  expect(calls.map(({ count }) => count)).toEqual(TAKEN.map(() => 1));
  expect(calls[0]).toEqual({ atMs: 120, count: 1 });
  expect(settled).toEqual(TAKEN);
});

test("a gate that asks for a second's gathering gets one call for all of them", async () => {
  const { calls, settled } = await run(1_000);
  expect(calls).toEqual([{ atMs: 1_100, count: 10 }]);
  expect(settled).toEqual(TAKEN);
});

test("gathered settles whose call was lost are sent again", async () => {
  const { calls, settled } = await run(1_000, true);
  expect(calls.map(({ count }) => count)).toEqual([10, 10]);
  expect(settled).toEqual(TAKEN);
});

test("settles within 20 ms of the first go with it", async () => {
  const { calls, settled } = await run(undefined, false, 2);
  expect(calls).toEqual([{ atMs: 120, count: 10 }]);
  expect(settled).toEqual(TAKEN);
});

test("after a call that brought many, the next waits 60 ms; after one that brought few, 20 ms", async () => {
  const atMs = [...Array.from({ length: 8 }, (_, index) => index), 100, 101, 300];
  const calls = await inVirtualTime(START, async (time) => {
    const made: Call[] = [];
    const gate = gateOf(time, undefined, made, false);
    const standing = createStanding(time.nowMs, null);
    const client = createAccountClient({ clock: time.nowMs, gate: () => gate, reporter: "isolate", standing });
    // One stays open throughout: an account with nothing under way is forgotten, and with it how busy it was.
    await client.renew(ACCOUNT, idOf(99));
    for (const [number, ms] of atMs.entries()) {
      time.at(START + ms, () => void client.settle(ACCOUNT, settlementOf(idOf(number), KEY, 5n, 4n, START)));
    }
    await time.runUntil(START + 5_000);
    return made;
  });
  expect(calls).toEqual([
    { atMs: 20, count: 8 },
    { atMs: 160, count: 2 },
    { atMs: 320, count: 1 },
  ]);
});

test("what stands beside a settle is done once, after the first pause, and does not wait for the gate", async () => {
  const { besideMs } = await run(undefined, true, 2);
  expect(besideMs).toHaveLength(10);
  expect(Math.max(...besideMs)).toBeLessThanOrEqual(110);
  expect(Math.min(...besideMs)).toBeGreaterThan(0);
});

test("where settlements gather for a second, what stands beside them is done at once", async () => {
  const { calls, besideMs } = await run(1_000, true, 2);
  expect(calls.map(({ atMs }) => atMs)[0]).toBe(1_100);
  expect(besideMs).toEqual(TAKEN.map(() => 0));
});
