/**
 * Branches of an account's gate in virtual time: whom an isolate calls, and that what goes through branches is charged once
 * and held once, whoever dies. The gate is the real rules on a real store.
 */
import { expect, test } from "vitest";
import { asGenerationId, type GenerationId } from "../../../src/core/ids.ts";
import { createAccountBranch } from "../../../src/gates/account-branch-desk.ts";
import { branchNews, createAccountBranches, createAccountRoutes } from "../../../src/gates/account-branches.ts";
import { createAccountClient } from "../../../src/gates/account-client.ts";
import type { AccountSpendRpc, AdmitRequest, Settlement } from "../../../src/gates/account-contract.ts";
import { finishCredit, recordCredit } from "../../../src/gates/account-credit.ts";
import { extend } from "../../../src/gates/account-extend.ts";
import { endExpiredLeases } from "../../../src/gates/account-leases.ts";
import { endExpiredHolds } from "../../../src/gates/account-memory.ts";
import { admit, renew } from "../../../src/gates/account-admit.ts";
import { settle } from "../../../src/gates/account-settle.ts";
import { createStanding } from "../../../src/gates/standing.ts";
import { SETTLE_MS } from "../../../src/ledger/lease.ts";
import { KEYS, openGround } from "../../model/gate.ts";
import { settlementOf } from "../../model/settlement.ts";
import { inVirtualTime, type VirtualTime } from "../../sim/virtual-time.ts";

const START = 1_800_000_000_000;
const WORST = 1_000_000n;
const RICH = 100_000n * WORST;

let generations = 0;
const newId = (): GenerationId => asGenerationId(`gen-1800000000-${String(++generations).padStart(20, "0")}`);

const wish = (id: GenerationId, more: Partial<AdmitRequest> = {}): AdmitRequest => ({
  keyHash: KEYS[0],
  generationId: id,
  isFree: false,
  wantedNusd: WORST,
  minimumNusd: WORST,
  footprint: { models: [], providers: [], tokens: { wanted: 1_000, minimum: 1_000 } },
  ...more,
});

const settlement = (id: GenerationId, costNusd: bigint): Settlement =>
  settlementOf(id, KEYS[0], costNusd, costNusd, START);

/** One account with its gate, branches that can die, and isolates whose calls are noted: "gate" or "branch 3". */
async function sceneOf(time: VirtualTime, creditNusd: bigint, branches = 4) {
  const account = openGround().newAccount(0n, START);
  const memory = account.load();
  const credit = { idempotencyKey: "start", amountNusd: creditNusd, reason: "start" };
  const recorded = await recordCredit(memory, credit, account.books.db, time.nowMs);
  if (!recorded.ok) throw new Error("The account got no credit.");
  await finishCredit(memory, recorded.value, account.books.db);
  const calls: string[] = [];
  const across = async <T>(rule: () => T | Promise<T>): Promise<T> => {
    await time.pause(20);
    const answer = await rule();
    await time.pause(20);
    return answer;
  };
  const gate: AccountSpendRpc = {
    admit: (wanted) => across(() => ({ ...admit(memory, wanted, time.nowMs()), branches })),
    extend: (wanted) => across(() => extend(memory, wanted, time.nowMs())),
    renew: (ids) => across(() => renew(memory, ids, time.nowMs())),
    settle: (some, reports = []) => across(() => ({ ...settle(memory, some, time.nowMs(), reports), branches })),
  };
  const desks = new Map<number, AccountSpendRpc>();
  let lives = 0;
  const deskOf = (branch: number): AccountSpendRpc => {
    const known = desks.get(branch);
    if (known !== undefined) return known;
    const made = createAccountBranch({
      clock: time.nowMs,
      account: account.id,
      branch: `${branch}`,
      reporter: `life ${++lives}`,
      gate: () => gate,
      waitUntil: (work) => void work,
    });
    desks.set(branch, made);
    return made;
  };
  const noted = (name: string, rpc: () => AccountSpendRpc): AccountSpendRpc => ({
    admit: (wanted) => (calls.push(`admit ${name}`), rpc().admit(wanted)),
    extend: (wanted) => (calls.push(`extend ${name}`), rpc().extend(wanted)),
    renew: (ids) => (calls.push(`renew ${name}`), rpc().renew(ids)),
    settle: (some, reports) => (calls.push(`settle ${name}`), rpc().settle(some, reports)),
  });
  return {
    memory,
    calls,
    /** All branches forget what they know. */
    killBranches: () => desks.clear(),
    isolate(reporter: string) {
      const gateFor = createAccountRoutes({
        clock: time.nowMs,
        gate: () => noted("gate", () => gate),
        branch: (_account, branch) =>
          noted(`branch ${branch}`, () => ({
            admit: (wanted) => across(() => deskOf(branch).admit(wanted)),
            extend: (wanted) => across(() => deskOf(branch).extend(wanted)),
            renew: (ids) => across(() => deskOf(branch).renew(ids)),
            settle: (some) => across(() => deskOf(branch).settle(some)),
          })),
        reporter,
      });
      const client = createAccountClient({
        clock: time.nowMs,
        gate: gateFor,
        reporter,
        standing: createStanding(time.nowMs, null),
      });
      return {
        admit: async (more: Partial<AdmitRequest> = {}) => {
          const id = newId();
          return { id, admission: await client.admit(account.id, wish(id, more)) };
        },
        extend: async (id: GenerationId, moreNusd: bigint) =>
          await client.extend(account.id, { keyHash: KEYS[0], generationId: id }, moreNusd),
        renew: (id: GenerationId) => client.renew(account.id, id),
        async settle(id: GenerationId, costNusd: bigint) {
          client.forget(account.id, id);
          const isTaken = await client.settle(account.id, settlement(id, costNusd));
          await client.keep(account.id);
          return isTaken;
        },
      };
    },
  };
}

/** Lets time pass while somebody works. */
async function during<T>(time: VirtualTime, work: Promise<T>, ms = 60_000): Promise<T> {
  let isOver = false;
  const watched = work.finally(() => (isOver = true));
  watched.catch(() => undefined);
  await time.runUntil(time.nowMs() + ms);
  if (!isOver) throw new Error("It takes longer.");
  return await watched;
}

test("an isolate that is told of branches keeps to one; busy, for free models, or without news it asks the gate", () =>
  inVirtualTime(START, async (time) => {
    const { calls, isolate } = await sceneOf(time, RICH);
    const one = isolate("one");
    const first = await during(time, one.admit(), 200);
    expect(first.admission.kind).toBe("admitted");
    await during(time, one.settle(first.id, 1_000n), 40_000);
    calls.length = 0;
    const second = await during(time, one.admit(), 2_000);
    expect(second.admission).toMatchObject({ kind: "admitted", holdNusd: WORST, lease: null });
    await during(time, one.settle(second.id, 1_000n), 2_000);
    expect(calls).toHaveLength(2);
    expect(calls[0]).toMatch(/^admit branch [0-3]$/);
    expect(calls[1]).toBe(calls[0]?.replace("admit", "settle"));
    calls.length = 0;
    const soon = [0, 100, 200].map((ms) => time.pause(ms).then(() => one.admit()));
    await during(time, Promise.all(soon), 2_000);
    await during(time, one.admit({ isFree: true, wantedNusd: 0n, minimumNusd: 0n }), 2_000);
    const named = calls.map((call) => call.replace(/[0-3]$/, "n"));
    expect(named).toEqual(["admit branch n", "admit branch n", "admit gate", "admit gate"]);
    await time.runUntil(time.nowMs() + 61_000);
    calls.length = 0;
    await during(time, one.admit(), 2_000);
    expect(calls).toEqual(["admit gate"]);
  }));

test("a hundred isolates through four branches: each generation is charged once, and nothing stays reserved", () =>
  inVirtualTime(START, async (time) => {
    const { memory, calls, isolate } = await sceneOf(time, RICH);
    const serve = async (at: number): Promise<bigint> => {
      const one = isolate(`isolate ${at}`);
      let chargedNusd = 0n;
      for (let round = 0; round < 4; round++) {
        await time.pause(1_000 + ((at * 37) % 2_000));
        const { id, admission } = await one.admit();
        expect(admission.kind).toBe("admitted");
        await time.pause(3_000);
        const costNusd = BigInt(1_000 * (at + round));
        expect(await one.settle(id, costNusd)).toBe(true);
        chargedNusd += costNusd;
      }
      return chargedNusd;
    };
    const charged = await during(time, Promise.all(Array.from({ length: 100 }, (_, at) => serve(at))), 400_000);
    const sumNusd = charged.reduce((sum, one) => sum + one, 0n);
    expect(memory.account.balanceNusd).toBe(RICH - sumNusd);
    expect(memory.account.usageNusd).toBe(sumNusd);
    expect([memory.leases.size, memory.holds.size, memory.heldNusd]).toEqual([0, 0, 0n]);
    expect(memory.account.unsettledCount).toBe(0);
    // Each isolate's first request found no branch.
    expect(calls.filter((call) => call === "admit gate")).toHaveLength(100);
    expect(calls.filter((call) => call.startsWith("admit branch"))).toHaveLength(300);
  }));

test("200 at once through branches, with credit for 50: 48 and more are served, and no more than the credit is spent", () =>
  inVirtualTime(START, async (time) => {
    const creditNusd = 50n * WORST;
    const { memory, isolate } = await sceneOf(time, creditNusd);
    const isolates = Array.from({ length: 40 }, (_, at) => isolate(`isolate ${at}`));
    // So that all of them know of branches.
    await during(time, Promise.all(isolates.map((one) => one.admit().then(({ id }) => one.settle(id, 0n)))));
    let leastNusd = creditNusd;
    const ask = async (at: number): Promise<boolean> => {
      const one = isolates[at % isolates.length];
      await time.pause(600 * Math.floor(at / isolates.length));
      const asked = await one?.admit();
      const spendableNusd = memory.account.balanceNusd - memory.heldNusd;
      if (spendableNusd < leastNusd) leastNusd = spendableNusd;
      if (asked?.admission.kind !== "admitted") return false;
      await time.pause(5_000);
      return (await one?.settle(asked.id, asked.admission.holdNusd)) ?? false;
    };
    const served = await during(time, Promise.all(Array.from({ length: 200 }, (_, at) => ask(at))), 120_000);
    expect(served.filter(Boolean).length).toBeGreaterThanOrEqual(48);
    expect(leastNusd).toBeGreaterThanOrEqual(0n);
    expect(memory.account.usageNusd).toBeLessThanOrEqual(creditNusd);
    expect(memory.account.balanceNusd).toBe(creditNusd - memory.account.usageNusd);
  }));

test("what an isolate that died had open at a branch is free again, and a long stream that is renewed is not", () =>
  inVirtualTime(START, async (time) => {
    const { memory, isolate } = await sceneOf(time, RICH, 1);
    const [dies, lives] = [isolate("dies"), isolate("lives")];
    await during(time, Promise.all([dies, lives].map((one) => one.admit().then(({ id }) => one.settle(id, 0n)))));
    await during(time, dies.admit(), 1_000);
    const { id } = await during(time, lives.admit(), 1_000);
    const held = await during(time, lives.extend(id, 5n * WORST), 1_000);
    expect(held).toBe(6n * WORST);
    for (let round = 0; round < 9; round++) await during(time, lives.renew(id), 20_000);
    endExpiredHolds(memory, time.nowMs());
    // What is reserved is the stream's: in the branch's lease, or held by the gate.
    let openNusd = 0n;
    for (const hold of memory.holds.values()) openNusd += hold.amountNusd;
    for (const lease of memory.leases.values()) openNusd += lease.reservedNusd - lease.freeNusd;
    expect(openNusd).toBe(6n * WORST);
    expect(await during(time, lives.settle(id, 4n * WORST))).toBe(true);
    expect(memory.account.usageNusd).toBe(4n * WORST);
    expect(memory.heldNusd).toBe(0n);
  }));

test("a branch that dies loses no settlement; what it had borrowed returns to the tenant in the end", () =>
  inVirtualTime(START, async (time) => {
    const { memory, isolate, killBranches } = await sceneOf(time, RICH, 1);
    const one = isolate("one");
    const first = await during(time, one.admit(), 1_000);
    await during(time, one.settle(first.id, 0n));
    const ids: GenerationId[] = [];
    for (let at = 0; at < 5; at++) ids.push((await during(time, one.admit(), 1_000)).id);
    killBranches();
    for (const id of ids) expect(await during(time, one.settle(id, 7_000n))).toBe(true);
    // A second time, as after an answer that was lost.
    for (const id of ids) expect(await during(time, one.settle(id, 7_000n))).toBe(true);
    expect(memory.account.usageNusd).toBe(35_000n);
    expect(memory.heldNusd).toBeGreaterThan(0n);
    await time.runUntil(time.nowMs() + SETTLE_MS);
    endExpiredHolds(memory, time.nowMs());
    endExpiredLeases(memory, time.nowMs());
    expect(memory.heldNusd).toBe(0n);
    expect(memory.account.balanceNusd).toBe(RICH - 35_000n);
  }));

test("a gate tells of branches from 400 calls a second on, and counts what they tell of themselves", () => {
  const branches = createAccountBranches();
  let nowMs = START;
  for (let call = 0; call < 1_000; call++) branchNews(branches, undefined, (nowMs += 3));
  expect(branchNews(branches, undefined, nowMs)).toEqual({});
  for (let call = 0; call < 2_000; call++) branchNews(branches, undefined, (nowMs += 1));
  expect(branchNews(branches, undefined, nowMs)).toEqual({ branches: 8 });
  nowMs += 10_000;
  expect(branchNews(branches, { branch: "1", callsPerS: 1_900 }, nowMs)).toEqual({ branches: 16 });
});
