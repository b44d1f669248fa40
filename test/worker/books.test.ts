/** The books in D1 and the way into them: sealed flushes, lost answers, credits, the schema's own promises, the audit. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import {
  listProviderSettings,
  changeProviderSetting,
  readProviderSetting,
} from "../../src/accounts/provider-settings.ts";
import { asProviderId } from "../../src/core/ids.ts";
import type { AccountGate } from "../../src/gates/account-gate.ts";
import { auditBooks, type AuditPorts } from "../../src/gates/audit.ts";
import { readBalance, readTenantBooks } from "../../src/ledger/books.ts";
import { openBooks } from "../../src/ledger/shards.ts";
import {
  failWrites,
  gateOf,
  newAccount,
  newGeneration,
  request,
  settlement,
  USD,
  type TestAccount,
} from "./account-setup.ts";

const gateAudit = async (account: TestAccount) => {
  const answer = await account.gate.audit();
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
  return answer.value;
};
const bookBalance = async (account: TestAccount) => (await readBalance(env.DB, account.id)).balanceNusd;
const count = async (query: string, ...parameters: string[]) =>
  (
    await env.DB.prepare(query)
      .bind(...parameters)
      .first<{ count: number }>()
  )?.count;
const sealedFlush = async (account: TestAccount) =>
  await runInDurableObject(account.gate, (_gate: AccountGate, state) =>
    state.storage.sql
      .exec<{ value: string }>("SELECT value FROM flush")
      .toArray()
      .map((row) => row.value),
  );
const spend = async (account: TestAccount, costNusd: bigint) => {
  const one = request(account, { wantedNusd: costNusd, minimumNusd: costNusd });
  await account.gate.admit(one);
  await account.gate.settle([settlement(account, one.generationId, costNusd)]);
  return one.generationId;
};
const ports: AuditPorts = {
  books: openBooks({ DB: env.DB }),
  auditAccount: async (id) => await gateOf(id).audit(),
};
/** The page at a cursor. */
const auditFrom = async (cursor: string | null) => {
  const from = ports.books.from(cursor);
  if (from === undefined) throw new Error(`${String(cursor)} is no cursor`);
  return await auditBooks(ports, from);
};

test("D1's answer is lost after commit ten times: everything is booked once", async () => {
  const account = await newAccount(100n * USD);
  await failWrites(
    account,
    Array.from({ length: 10 }, () => "after" as const),
  );
  const ids = [];
  for (let at = 0; at < 12; at++) {
    ids.push(await spend(account, USD));
    expect(
      (await gateAudit(account)).faults.filter(
        (fault) => !fault.startsWith("the last flush failed: the answer was lost"),
      ),
    ).toEqual([]);
    await runDurableObjectAlarm(account.gate);
  }
  await runDurableObjectAlarm(account.gate);
  expect(await bookBalance(account)).toBe(88n * USD);
  expect(await count("SELECT COUNT(*) AS count FROM generations WHERE account_id = ?", account.id)).toBe(ids.length);
  expect(await gateAudit(account)).toMatchObject({ ok: true, outboxCount: 0, bookBalanceNusd: 88n * USD });
});

test("a flush is sealed before its first try and retried unchanged, across a restart, while new settles wait", async () => {
  const account = await newAccount(100n * USD);
  await failWrites(
    account,
    Array.from({ length: 20 }, () => "before" as const),
  );
  const first = await spend(account, USD);
  await runDurableObjectAlarm(account.gate);
  const sealed = await sealedFlush(account);
  expect(sealed).toHaveLength(1);
  const second = await spend(account, 2n * USD);
  await runDurableObjectAlarm(account.gate);
  expect(await sealedFlush(account)).toEqual(sealed);
  expect(await gateAudit(account)).toMatchObject({ outboxCount: 2, outboxNusd: 3n * USD });
  await evictDurableObject(account.gate);
  await account.gate.view();
  await runDurableObjectAlarm(account.gate);
  expect(await sealedFlush(account)).toEqual([]);
  const entries = await env.DB.prepare("SELECT id, entry_id FROM generations WHERE account_id = ? ORDER BY id")
    .bind(account.id)
    .all();
  expect(entries.results).toEqual([
    { id: first, entry_id: `${account.id}/${first}` },
    { id: second, entry_id: `${account.id}/${second}` },
  ]);
  expect(await gateAudit(account)).toMatchObject({ ok: true, bookBalanceNusd: 97n * USD });
});

test("an outbox beyond one flush is split, and one entry is written per flush", async () => {
  const account = await newAccount(10_000n * USD);
  await failWrites(
    account,
    Array.from({ length: 20 }, () => "before" as const),
  );
  for (let call = 0; call < 3; call++) {
    const all = Array.from({ length: 300 }, () => settlement(account, newGeneration(), USD / 100n));
    await account.gate.settle(all);
  }
  await failWrites(account, []);
  await runDurableObjectAlarm(account.gate);
  expect(await count("SELECT COUNT(*) AS count FROM generations WHERE account_id = ?", account.id)).toBe(900);
  const entries = await count(
    "SELECT COUNT(*) AS count FROM entries WHERE kind = 'usage' AND id LIKE ? || '/%'",
    account.id,
  );
  expect(entries).toBe(3);
  expect(await gateAudit(account)).toMatchObject({ ok: true, outboxCount: 0, bookBalanceNusd: 9_991n * USD });
});

test("free generations are booked without moving money", async () => {
  const account = await newAccount();
  const one = request(account, { isFree: true, wantedNusd: 0n, minimumNusd: 0n });
  await account.gate.admit(one);
  await account.gate.settle([settlement(account, one.generationId, 0n)]);
  await runDurableObjectAlarm(account.gate);
  expect(await count("SELECT COUNT(*) AS count FROM generations WHERE account_id = ?", account.id)).toBe(1);
  expect(await count("SELECT COUNT(*) AS count FROM lines WHERE entry_id LIKE ? || '/%'", account.id)).toBe(0);
  expect((await gateAudit(account)).ok).toBe(true);
});

test("a credit with the same key is applied once and answers the same receipt", async () => {
  const account = await newAccount();
  const give = { idempotencyKey: "invoice 17", amountNusd: 12n * USD, reason: "invoice" };
  const receipts = await Promise.all(Array.from({ length: 8 }, async () => await account.gate.credit(give)));
  const receipt = { ok: true, value: { balanceNusd: 12n * USD, entryId: `${account.id}/credit/invoice 17` } };
  expect(receipts).toEqual(Array.from({ length: 8 }, () => receipt));
  await account.gate.credit({ idempotencyKey: "two", amountNusd: USD, reason: "" });
  expect(await account.gate.credit(give)).toEqual(receipt);
  expect(await account.gate.credit({ ...give, amountNusd: USD })).toMatchObject({
    ok: false,
    error: { kind: "conflict" },
  });
  expect(await bookBalance(account)).toBe(13n * USD);
});

test.each([
  { name: "a credit of nothing", given: { amountNusd: 0n } },
  { name: "a credit beyond what an amount can be", given: { amountNusd: 10_000_000n * USD } },
  { name: "an empty idempotency key", given: { idempotencyKey: "" } },
])("$name is refused", async ({ given }) => {
  const account = await newAccount();
  const answer = await account.gate.credit({ idempotencyKey: "x", amountNusd: USD, reason: "", ...given });
  expect(answer).toMatchObject({ ok: false, error: { kind: "bad_request" } });
  expect((await gateAudit(account)).ok).toBe(true);
});

test("a debit may make the balance negative; then nothing is admitted and held money covers what is left", async () => {
  const account = await newAccount(5n * USD);
  const open = request(account, { wantedNusd: 4n * USD });
  await account.gate.admit(open);
  const taken = await account.gate.credit({ idempotencyKey: "take", amountNusd: -3n * USD, reason: "dispute" });
  expect(taken).toMatchObject({ ok: true, value: { balanceNusd: 2n * USD } });
  await account.gate.settle([settlement(account, open.generationId, 4n * USD)]);
  await runDurableObjectAlarm(account.gate);
  expect(await gateAudit(account)).toMatchObject({ ok: true, gateBalanceNusd: 0n, bookBalanceNusd: 0n });
  await account.gate.credit({ idempotencyKey: "take more", amountNusd: -USD, reason: "dispute" });
  expect(await account.gate.admit(request(account))).toMatchObject({ kind: "short", limitSource: "credits" });
  expect(await readTenantBooks(env.DB, account.id)).toEqual({
    balanceNusd: -USD,
    creditsNusd: 5n * USD,
    debitsNusd: 4n * USD,
    refundedNusd: 0n,
    usageNusd: 2n * USD,
  });
});

test.each(["before", "after"] as const)(
  "a credit whose posting fails %s the commit is finished by the alarm, once",
  async (fault) => {
    const account = await newAccount(USD);
    await failWrites(account, [fault]);
    // A repeat may come at any time; here, after the alarm.
    const give = { idempotencyKey: "crash", amountNusd: 2n * USD, reason: "" };
    const answer = await account.gate.credit(give);
    expect(answer).toMatchObject({ ok: false, error: { kind: "storage" } });
    expect((await gateAudit(account)).faults).toEqual([]);
    await evictDurableObject(account.gate);
    await account.gate.view();
    await runDurableObjectAlarm(account.gate);
    expect(await account.gate.credit(give)).toMatchObject({ ok: true, value: { balanceNusd: 3n * USD } });
    expect(await gateAudit(account)).toMatchObject({ ok: true, gateBalanceNusd: 3n * USD, bookBalanceNusd: 3n * USD });
  },
);

test("a gate that lost its storage takes the balance from the books and applies no credit twice", async () => {
  const account = await newAccount(5n * USD);
  await spend(account, USD);
  await runDurableObjectAlarm(account.gate);
  await runInDurableObject(account.gate, async (_gate: AccountGate, state) => {
    await state.storage.deleteAlarm();
    await state.storage.deleteAll();
  });
  await evictDurableObject(account.gate);
  const again = await account.gate.credit({ idempotencyKey: "start", amountNusd: 5n * USD, reason: "test" });
  expect(again).toMatchObject({ ok: true, value: { balanceNusd: 4n * USD } });
  const other = await account.gate.credit({ idempotencyKey: "start", amountNusd: 6n * USD, reason: "test" });
  expect(other).toMatchObject({ ok: false, error: { kind: "conflict" } });
  expect(await account.gate.view()).toMatchObject({
    ok: true,
    value: { totalCreditsNusd: 5n * USD, totalUsageNusd: USD },
  });
  expect((await gateAudit(account)).faults).toEqual([]);
});

test.each([
  {
    name: "an entry that doesn't sum to zero",
    statements: [
      "INSERT INTO lines VALUES ('t/a', 'margin', 5)",
      "INSERT INTO entries VALUES ('t/a', 'usage', 1, NULL)",
    ],
    refusal: /sums to zero/,
  },
  {
    name: "a line added to an entry",
    statements: [
      "INSERT INTO entries VALUES ('t/b', 'usage', 1, NULL)",
      "INSERT INTO lines VALUES ('t/b', 'margin', 5)",
    ],
    refusal: /sealed with other lines/,
  },
  { name: "a line changed", statements: ["UPDATE lines SET amount_nusd = 0"], refusal: /lines never change/ },
  { name: "a line deleted", statements: ["DELETE FROM lines"], refusal: /lines never go/ },
  { name: "an entry changed", statements: ["UPDATE entries SET reason = 'x'"], refusal: /entries never change/ },
  { name: "an entry deleted", statements: ["DELETE FROM entries"], refusal: /entries never go/ },
  {
    name: "an amount that is no integer",
    statements: ["INSERT INTO lines VALUES ('t/c', 'margin', 0.5)"],
    refusal: /lines_amount_is_integer/,
  },
  {
    name: "a generation without an entry",
    statements: ["INSERT INTO generations VALUES ('gen-x', 'a', 'nowhere', 1, 1, 1, '{}')"],
    refusal: /booked once/,
  },
  {
    name: "a generation booked by a second entry",
    statements: [
      "INSERT INTO generations SELECT id, account_id, (SELECT id FROM entries WHERE kind = 'credit' LIMIT 1), 1, 1, charged_nusd, '{}' FROM generations LIMIT 1",
    ],
    refusal: /booked once/,
  },
  {
    name: "a generation changed",
    statements: ["UPDATE generations SET charged_nusd = 0"],
    refusal: /generations never change/,
  },
])("the books refuse $name", async ({ statements, refusal }) => {
  const account = await newAccount(USD);
  await spend(account, 1n);
  await runDurableObjectAlarm(account.gate);
  const posted = env.DB.batch(statements.map((statement) => env.DB.prepare(statement)));
  await expect(posted).rejects.toThrow(refusal);
  expect((await gateAudit(account)).ok).toBe(true);
});

test("the audit finds nothing to say, with money in flight, and its totals sum to zero", async () => {
  const account = await newAccount(5n * USD);
  await spend(account, USD);
  await account.gate.admit(request(account));
  const page = await auditFrom(null);
  expect(page.checks.filter((check) => !check.ok)).toEqual([]);
  expect(page.ok).toBe(true);
  expect(page.open_holds).toBeGreaterThanOrEqual(1);
  expect(page.open_leases).toBe(0);
  const balances = Object.values(page.totals?.balances ?? {});
  expect(balances.length).toBeGreaterThanOrEqual(6);
  expect(balances.reduce((sum, text) => sum + Math.round(Number(text) * 1e9), 0)).toBe(0);
  expect(page.totals?.generations).toBeGreaterThan(0);
});

test("the audit notices a balance that was tampered with, in the books and at the gate", async () => {
  const account = await newAccount(5n * USD);
  await env.DB.prepare("UPDATE balances SET balance_nusd = balance_nusd + 1 WHERE account = ?")
    .bind(`tenant:${account.id}`)
    .run();
  const page = await auditFrom(null);
  expect(page.ok).toBe(false);
  expect(page.checks.filter((check) => !check.ok).map((check) => check.name)).toEqual([
    "balances_sum_to_zero",
    "balances_are_sums_of_lines",
    "tenant_balances_are_sums_of_lines",
    "gates_match_books",
  ]);
  await env.DB.prepare("UPDATE balances SET balance_nusd = balance_nusd - 1 WHERE account = ?")
    .bind(`tenant:${account.id}`)
    .run();
  expect((await auditFrom(null)).ok).toBe(true);
});

test("the audit takes an account that the chart doesn't know for a fault, and shows what is on it", async () => {
  const account = await newAccount(5n * USD);
  const post = async (id: string, amountNusd: number) =>
    await env.DB.batch([
      env.DB.prepare(`INSERT INTO lines VALUES ('${id}', 'slush', ${amountNusd}), ('${id}', 'margin', ${-amountNusd})`),
      env.DB.prepare(`INSERT INTO entries VALUES ('${id}', 'debit', 1, NULL)`),
    ]);
  await post(`${account.id}/odd`, 7);
  const page = await auditFrom(null);
  expect(page.ok).toBe(false);
  expect(page.checks.filter((check) => !check.ok)).toEqual([
    { name: "accounts_are_in_the_chart", ok: false, detail: "slush" },
  ]);
  expect(page.totals?.balances).toMatchObject({ unknown: "0.000000007", fee: "0", refund: "0" });
  await post(`${account.id}/even`, -7);
  // Lines never go, so the name stays for the other tests unless its balance does.
  await env.DB.prepare("DELETE FROM balances WHERE account = 'slush'").run();
  expect((await auditFrom(null)).ok).toBe(true);
});

test("the audit goes on page by page through all accounts", async () => {
  const known = new Set<string>();
  const all = await env.DB.prepare("SELECT COUNT(*) AS count FROM accounts").first<{ count: number }>();
  const missing = Math.max(0, 201 - (all?.count ?? 0));
  await env.DB.prepare(
    `INSERT INTO accounts (id, name, created_at_ms)
     WITH RECURSIVE n(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < ?1 + 1)
     SELECT 'gl1' || printf('%013d', at), 'many', 0 FROM n`,
  )
    .bind(missing)
    .run();
  let cursor: string | null = null;
  let pages = 0;
  do {
    const page: Awaited<ReturnType<typeof auditFrom>> = await auditFrom(cursor);
    expect(page.ok).toBe(true);
    expect(page.totals === null).toBe(cursor !== null);
    if (page.cursor !== null) expect(known.has(page.cursor)).toBe(false);
    cursor = page.cursor;
    if (cursor !== null) known.add(cursor);
    pages += 1;
  } while (cursor !== null);
  expect(pages).toBe(2);
});

test("provider settings keep what a change doesn't name", async () => {
  const slug = asProviderId("mistral");
  expect(await readProviderSetting(env.DB, slug)).toBeUndefined();
  await changeProviderSetting(env.DB, slug, { credentialSealed: "v1.a.b" }, 1);
  await changeProviderSetting(env.DB, slug, { isDisabled: true }, 2);
  expect(await readProviderSetting(env.DB, slug)).toEqual({
    slug,
    isDisabled: true,
    credentialSealed: "v1.a.b",
    updatedAtMs: 2,
  });
  await changeProviderSetting(env.DB, slug, { credentialSealed: null }, 3);
  expect(await listProviderSettings(env.DB)).toEqual([
    { slug, isDisabled: true, credentialSealed: null, updatedAtMs: 3 },
  ]);
});
