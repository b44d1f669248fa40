/** AccountGate in workerd: admission, holds, settlement, free tier, restart, expiry. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test, vi } from "vitest";
import { setSuspended } from "../../src/accounts/accounts.ts";
import { asGenerationId, asKeyHash, newAccountId } from "../../src/core/ids.ts";
import { systemRandomBytes } from "../../src/core/system.ts";
import { readBalance } from "../../src/ledger/books.ts";
import { readGeneration } from "../../src/insight/generations.ts";
import type { Admission } from "../../src/gates/account-contract.ts";
import type { AccountGate } from "../../src/gates/account-gate.ts";
import {
  failWrites,
  gateOf,
  newAccount,
  newGeneration,
  request,
  setClock,
  settlement,
  USD,
  type TestAccount,
} from "./account-setup.ts";

const STORES = { db: env.DB, archive: env.ARCHIVE };

/** Early enough in a minute and a day that a test's time stays within both. */
const NOON_MS = Date.UTC(2026, 10, 21, 12);

const view = async (account: TestAccount) => {
  const answer = await account.gate.view();
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
  return answer.value;
};
const audit = async (account: TestAccount) => {
  const answer = await account.gate.audit();
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
  return answer.value;
};
const kinds = (admissions: readonly Admission[]) => ({
  admitted: admissions.filter((one) => one.kind === "admitted").length,
  short: admissions.filter((one) => one.kind === "short").length,
  refused: admissions.filter((one) => one.kind === "refused").length,
});

test("of 40 parallel requests with credit for 7, exactly 7 are admitted", async () => {
  const account = await newAccount(7n * USD);
  const admissions = await Promise.all(
    Array.from({ length: 40 }, async () => await account.gate.admit(request(account))),
  );
  expect(kinds(admissions)).toEqual({ admitted: 7, short: 33, refused: 0 });
  expect((await view(account)).heldNusd).toBe(7n * USD);
  expect((await audit(account)).faults).toEqual([]);
});

test("a first use by 20 requests at once takes the account over once", async () => {
  const account = await newAccount();
  const admissions = await Promise.all(
    Array.from(
      { length: 20 },
      async () => await account.gate.admit(request(account, { wantedNusd: 0n, minimumNusd: 0n })),
    ),
  );
  expect(kinds(admissions).admitted).toBe(20);
  expect((await account.gate.listKeys()).ok).toBe(true);
});

test("a hold between the minimum and the worst case takes what is there", async () => {
  const account = await newAccount(5n * USD);
  const admission = await account.gate.admit(request(account, { wantedNusd: 100n * USD, minimumNusd: USD }));
  expect(admission).toMatchObject({ kind: "admitted", holdNusd: 5n * USD });
});

test("admitting the same generation again answers its hold and takes no second one", async () => {
  const account = await newAccount(5n * USD);
  const one = request(account);
  const first = await account.gate.admit(one);
  expect(await account.gate.admit(one)).toEqual(first);
  expect((await view(account)).heldNusd).toBe(USD);
});

test.each([
  { name: "an unknown key", kind: "unauthenticated", given: () => ({ keyHash: asKeyHash("0".repeat(64)) }) },
  {
    name: "a management key",
    kind: "forbidden",
    given: (account: TestAccount) => ({ keyHash: account.managementHash }),
  },
])("$name is refused", async ({ kind, given }) => {
  const account = await newAccount(5n * USD);
  const admission = await account.gate.admit(request(account, given(account)));
  expect(admission).toMatchObject({ kind: "refused", error: { kind } });
  expect((await view(account)).heldNusd).toBe(0n);
});

test("an unknown account is unauthenticated, leaves no storage, and works once it is made", async () => {
  const id = newAccountId("gl", 1, systemRandomBytes);
  const gate = gateOf(id);
  const unknown = { ...(await newAccount()), id, gate };
  expect(await gate.admit(request(unknown))).toMatchObject({ kind: "refused", error: { kind: "unauthenticated" } });
  expect(await gate.settle([settlement(unknown, newGeneration(), USD)])).toEqual({ acknowledged: [], leases: [] });
  const tables = await runInDurableObject(gate, (_gate: AccountGate, state) =>
    state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name IN ('account', 'holds')").toArray(),
  );
  expect(tables).toEqual([]);
});

test("a suspended account is forbidden, also when its gate starts over, and may come back", async () => {
  const account = await newAccount(5n * USD);
  expect(await account.gate.suspend(true)).toMatchObject({ ok: true, value: { suspended: true } });
  expect(await account.gate.admit(request(account))).toMatchObject({ kind: "refused", error: { kind: "forbidden" } });
  expect(await account.gate.identify(account.keyHash)).toMatchObject({ ok: false, error: { kind: "forbidden" } });
  await account.gate.suspend(false);
  expect(await account.gate.admit(request(account))).toMatchObject({ kind: "admitted" });
  const fresh = await newAccount();
  await setSuspended(env.DB, fresh.id, true);
  expect(await fresh.gate.admit(request(fresh))).toMatchObject({ kind: "refused", error: { kind: "forbidden" } });
});

test("D1 out of reach at the first use refuses and recovers by itself", async () => {
  const account = await newAccount();
  await runInDurableObject(account.gate, (gate: AccountGate) => {
    // Only what the first use touches.
    gate.books = {
      prepare: () => {
        throw new Error("D1 can't be reached");
      },
      batch: async () => await Promise.reject(new Error("down")),
    } as unknown as D1Database;
  });
  expect(await account.gate.admit(request(account))).toMatchObject({ kind: "refused", error: { kind: "storage" } });
  await runInDurableObject(account.gate, (gate: AccountGate) => {
    gate.books = env.DB;
  });
  expect(await account.gate.admit(request(account, { wantedNusd: 0n, minimumNusd: 0n }))).toMatchObject({
    kind: "admitted",
  });
});

test("a settle charges exactly, releases the hold, and repeating it changes nothing", async () => {
  const account = await newAccount(5n * USD);
  const one = request(account);
  await account.gate.admit(one);
  const settled = settlement(account, one.generationId, USD / 4n);
  for (let at = 0; at < 3; at++) {
    expect(await account.gate.settle([settled, settled])).toEqual({
      acknowledged: [one.generationId, one.generationId],
      leases: [],
    });
  }
  expect(await view(account)).toMatchObject({
    heldNusd: 0n,
    balanceNusd: 5n * USD - USD / 4n,
    totalUsageNusd: USD / 4n,
  });
  const key = await account.gate.readKey(account.keyHash);
  expect(key).toMatchObject({ ok: true, value: { usageNusd: USD / 4n, usageDailyNusd: USD / 4n } });
  await runDurableObjectAlarm(account.gate);
  expect(await account.gate.settle([settled])).toEqual({ acknowledged: [one.generationId], leases: [] });
  expect((await view(account)).balanceNusd).toBe(5n * USD - USD / 4n);
  expect(await audit(account)).toMatchObject({ ok: true, outboxCount: 0, openHolds: 0 });
});

test("a settle after its hold has ended charges what is spendable, the rest is the operator's loss", async () => {
  const account = await newAccount(5n * USD);
  await setClock(account, NOON_MS);
  const late = request(account, { generationId: newGeneration(NOON_MS) });
  await account.gate.admit(late);
  await setClock(account, NOON_MS + 60_000);
  await runDurableObjectAlarm(account.gate);
  expect((await view(account)).heldNusd).toBe(0n);
  const other = request(account, { generationId: newGeneration(NOON_MS), wantedNusd: 4n * USD });
  await account.gate.admit(other);
  await account.gate.settle([settlement(account, late.generationId, 3n * USD)]);
  expect(await view(account)).toMatchObject({ balanceNusd: 4n * USD, heldNusd: 4n * USD });
  await runDurableObjectAlarm(account.gate);
  const lines = await env.DB.prepare("SELECT account, amount_nusd FROM lines WHERE entry_id = ? ORDER BY account")
    .bind(`${account.id}/${late.generationId}`)
    .all();
  expect(lines.results).toEqual([
    { account: "margin", amount_nusd: 300_000_000 },
    { account: "operator-loss", amount_nusd: -2_000_000_000 },
    { account: "provider:mistral", amount_nusd: 2_700_000_000 },
    { account: `tenant:${account.id}`, amount_nusd: -1_000_000_000 },
  ]);
  expect((await audit(account)).faults).toEqual([]);
});

test("a settle without a record releases and never charges by guess", async () => {
  const account = await newAccount(5n * USD);
  const one = request(account);
  await account.gate.admit(one);
  await account.gate.settle([settlement(account, one.generationId, USD, { record: null })]);
  expect(await view(account)).toMatchObject({ heldNusd: 0n, balanceNusd: 5n * USD });
  expect((await audit(account)).outboxCount).toBe(0);
});

test("a generation from before the memory of settles is acknowledged and not charged", async () => {
  const account = await newAccount(5n * USD);
  const old = newGeneration(Date.now() - 3 * 3_600_000);
  expect(await account.gate.settle([settlement(account, old, USD)])).toEqual({ acknowledged: [old], leases: [] });
  expect((await view(account)).balanceNusd).toBe(5n * USD);
});

test("more than one call may bring is acknowledged in part, and the rest next time", async () => {
  const account = await newAccount(1_000n * USD);
  const all = Array.from({ length: 501 }, () => settlement(account, newGeneration(), USD / 1_000n));
  const first = await account.gate.settle(all);
  expect(first.acknowledged).toHaveLength(500);
  expect((await account.gate.settle(all.slice(1))).acknowledged).toHaveLength(500);
  expect((await view(account)).totalUsageNusd).toBe((501n * USD) / 1_000n);
});

test("holds live 60 s from the last renewal and end by alarm", async () => {
  const account = await newAccount(5n * USD);
  await setClock(account, NOON_MS);
  const renewed = request(account, { generationId: newGeneration(NOON_MS) });
  const left = request(account, { generationId: newGeneration(NOON_MS) });
  await account.gate.admit(renewed);
  await account.gate.admit(left);
  await setClock(account, NOON_MS + 40_000);
  await account.gate.renew([renewed.generationId, asGenerationId("gen-1-unknown")]);
  await setClock(account, NOON_MS + 59_999);
  await runDurableObjectAlarm(account.gate);
  expect((await view(account)).heldNusd).toBe(2n * USD);
  await setClock(account, NOON_MS + 60_000);
  await runDurableObjectAlarm(account.gate);
  expect((await view(account)).heldNusd).toBe(USD);
  await setClock(account, NOON_MS + 100_000);
  await runDurableObjectAlarm(account.gate);
  expect((await view(account)).heldNusd).toBe(0n);
  expect((await audit(account)).faults).toEqual([]);
});

test("nobody is refused for a hold whose time is over, even when the alarm is late", async () => {
  const account = await newAccount(USD);
  await setClock(account, NOON_MS);
  await account.gate.admit(request(account));
  expect(await account.gate.admit(request(account))).toMatchObject({ kind: "short", limitSource: "in_flight_budget" });
  await setClock(account, NOON_MS + 60_001);
  expect(await account.gate.admit(request(account))).toMatchObject({ kind: "admitted" });
});

test("a restart of the gate releases nothing and forgets nothing", async () => {
  const account = await newAccount(5n * USD);
  const one = request(account);
  const two = request(account);
  await account.gate.admit(one);
  await account.gate.admit(two);
  await failWrites(
    account,
    Array.from({ length: 50 }, () => "before" as const),
  );
  await account.gate.settle([settlement(account, two.generationId, USD / 2n)]);
  await evictDurableObject(account.gate);
  expect(await view(account)).toMatchObject({ heldNusd: USD, balanceNusd: 4n * USD + USD / 2n });
  await account.gate.settle([settlement(account, two.generationId, USD / 2n)]);
  expect((await view(account)).balanceNusd).toBe(4n * USD + USD / 2n);
  await account.gate.settle([settlement(account, one.generationId, USD)]);
  expect(await view(account)).toMatchObject({ heldNusd: 0n, balanceNusd: 3n * USD + USD / 2n });
  // The alarm of the new instance flushes on its own.
  await vi.waitFor(async () => expect((await audit(account)).outboxCount).toBe(0), { timeout: 5_000, interval: 100 });
  expect((await readBalance(env.DB, account.id)).balanceNusd).toBe(3n * USD + USD / 2n);
});

test("a generation is answered by the gate until D1 has it, and by D1 from then on", async () => {
  const account = await newAccount(5n * USD);
  await failWrites(
    account,
    Array.from({ length: 20 }, () => "before" as const),
  );
  const one = request(account);
  await account.gate.admit(one);
  await account.gate.settle([settlement(account, one.generationId, USD)]);
  const fromGate = await account.gate.generation(one.generationId);
  expect(fromGate).toMatchObject({
    ok: true,
    value: { chargedNusd: USD, record: { appTitle: "Tést", provider: "mistral" } },
  });
  expect(await readGeneration(STORES, account.id, one.generationId)).toBeUndefined();
  await failWrites(account, []);
  await runDurableObjectAlarm(account.gate);
  expect(await account.gate.generation(one.generationId)).toEqual({ ok: true, value: null });
  expect({ ok: true, value: await readGeneration(STORES, account.id, one.generationId) }).toEqual(fromGate);
  const stranger = await newAccount();
  expect(await readGeneration(STORES, stranger.id, one.generationId)).toBeUndefined();
});

test("exactly 20 free requests a minute pass, refused ones consume nothing, the next minute starts anew", async () => {
  const account = await newAccount(20n * USD);
  await setClock(account, NOON_MS);
  const free = () =>
    request(account, { isFree: true, wantedNusd: 0n, minimumNusd: 0n, generationId: newGeneration(NOON_MS) });
  const admissions = await Promise.all(Array.from({ length: 25 }, async () => await account.gate.admit(free())));
  expect(kinds(admissions)).toEqual({ admitted: 20, short: 0, refused: 5 });
  expect(await account.gate.admit(free())).toMatchObject({
    kind: "refused",
    error: { kind: "rate_limited", limitSource: "free_tier_per_minute", limit: 20, retryAfterS: 60 },
  });
  expect((await view(account)).freeUsedToday).toBe(20);
  await setClock(account, NOON_MS + 60_000);
  expect(await account.gate.admit(free())).toMatchObject({ kind: "admitted", holdNusd: 0n });
});

test("50 free requests a day below 10 credits bought, 1,000 from there", async () => {
  const account = await newAccount(9n * USD);
  const free = (atMs: number) =>
    request(account, { isFree: true, wantedNusd: 0n, minimumNusd: 0n, generationId: newGeneration(atMs) });
  let admitted = 0;
  for (let minute = 0; minute < 4; minute++) {
    const atMs = NOON_MS + minute * 60_000;
    await setClock(account, atMs);
    const admissions = await Promise.all(Array.from({ length: 20 }, async () => await account.gate.admit(free(atMs))));
    admitted += kinds(admissions).admitted;
  }
  expect(admitted).toBe(50);
  expect(await account.gate.admit(free(NOON_MS))).toMatchObject({
    kind: "refused",
    error: { limitSource: "free_tier_daily", limit: 50 },
  });
  await account.gate.credit({ idempotencyKey: "more", amountNusd: USD, reason: "" });
  expect(await account.gate.admit(free(NOON_MS))).toMatchObject({ kind: "admitted" });
  expect(await view(account)).toMatchObject({ freeUsedToday: 51, freeLimitPerDay: 1_000 });
});

test("a free place is given back once when nothing was delivered", async () => {
  const account = await newAccount();
  const one = request(account, { isFree: true, wantedNusd: 0n, minimumNusd: 0n });
  await account.gate.admit(one);
  await account.gate.admit(request(account, { isFree: true, wantedNusd: 0n, minimumNusd: 0n }));
  expect((await view(account)).freeUsedToday).toBe(2);
  const given = settlement(account, one.generationId, 0n, { refundsFreeTier: true, record: null });
  await account.gate.settle([given]);
  await account.gate.settle([given]);
  expect((await view(account)).freeUsedToday).toBe(1);
});

test("a negative balance is refused even for free models", async () => {
  const account = await newAccount(USD);
  await account.gate.credit({ idempotencyKey: "dispute", amountNusd: -2n * USD, reason: "dispute" });
  const admission = await account.gate.admit(request(account, { isFree: true, wantedNusd: 0n, minimumNusd: 0n }));
  expect(admission).toMatchObject({ kind: "refused", error: { kind: "insufficient_credit" } });
});
