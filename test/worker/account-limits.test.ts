/** Limits of keys and accounts at the AccountGate: exact under parallel requests, through restarts, given back once. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import type { AccountLimitsChange, Admission, AdmitRequest, LimitsChange } from "../../src/gates/account-contract.ts";
import type { AccountGate } from "../../src/gates/account-gate.ts";
import { NO_USAGE } from "../../src/core/usage.ts";
import { newAccount, newGeneration, request, setClock, settlement, USD, type TestAccount } from "./account-setup.ts";

/** Early enough in a minute that a test's time stays within it; a Saturday. */
const NOON_MS = Date.UTC(2026, 10, 21, 12);
const DAY_MS = 86_400_000;
const FREE = { isFree: true, wantedNusd: 0n, minimumNusd: 0n };

const limitKey = async (account: TestAccount, limits: LimitsChange) => {
  expect(await account.gate.updateKey(account.keyHash, { limits })).toMatchObject({ ok: true });
};
const limitAccount = async (account: TestAccount, change: AccountLimitsChange) =>
  await account.gate.limitAccount("operator", change);
const admitMany = async (account: TestAccount, count: number, given: Partial<AdmitRequest> = {}) =>
  await Promise.all(
    Array.from({ length: count }, async () => {
      const one = request(account, { generationId: newGeneration(NOON_MS), ...given });
      return { one, admission: await account.gate.admit(one) };
    }),
  );
const passed = (many: readonly { readonly admission: Admission }[]) =>
  many.filter(({ admission }) => admission.kind === "admitted").length;
const sourceOf = ({ kind, ...rest }: Admission) =>
  kind === "refused" && "error" in rest && "limitSource" in rest.error ? rest.error.limitSource : kind;
const tokens = (wanted: number, minimum = 1): Pick<AdmitRequest, "footprint"> => ({
  footprint: { models: ["a/b"], providers: ["p"], tokens: { wanted, minimum } },
});

test.each([
  {
    name: "requests a minute of the key",
    limits: { requestsPerMin: 7 },
    whose: "key",
    source: "key_requests_per_minute",
  },
  {
    name: "requests a minute of the account",
    limits: { requestsPerMin: 7 },
    whose: "account",
    source: "account_requests_per_minute",
  },
  { name: "tokens a minute of the key", limits: { tokensPerMin: 799 }, whose: "key", source: "key_tokens_per_minute" },
  {
    name: "tokens a minute of the account",
    limits: { tokensPerMin: 700 },
    whose: "account",
    source: "account_tokens_per_minute",
  },
  { name: "concurrency of the key", limits: { maxConcurrency: 7 }, whose: "key", source: "key_concurrency" },
  {
    name: "concurrency of the account",
    limits: { maxConcurrency: 7 },
    whose: "account",
    source: "account_concurrency",
  },
])(
  "$name: of 8 parallel requests on a limit for 7, exactly 7 pass, and the refused one takes nothing",
  async ({ limits, whose, source }) => {
    const account = await newAccount(100n * USD);
    await setClock(account, NOON_MS);
    if (whose === "key") await limitKey(account, limits);
    else expect(await limitAccount(account, { limits })).toMatchObject({ ok: true });
    const many = await admitMany(account, 8);
    expect(passed(many)).toBe(7);
    expect(many.map(({ admission }) => sourceOf(admission)).filter((one) => one !== "admitted")).toEqual([source]);
    expect(await account.gate.view()).toMatchObject({ ok: true, value: { heldNusd: 7n * USD } });
  },
);

test("the free tier: of 21 parallel requests in a minute exactly 20 pass", async () => {
  const account = await newAccount();
  await setClock(account, NOON_MS);
  expect(passed(await admitMany(account, 21, FREE))).toBe(20);
  expect(await account.gate.view()).toMatchObject({ ok: true, value: { freeUsedToday: 20 } });
});

test.each([
  { bought: 0n, perDay: 50 },
  { bought: 10n * USD, perDay: 1_000 },
])("the free tier: with $bought nano-dollars ever bought exactly $perDay a day pass", async ({ bought, perDay }) => {
  const account = await newAccount(bought);
  let passedSoFar = 0;
  for (let minute = 0; minute < perDay / 20 + 2; minute++) {
    await setClock(account, NOON_MS + minute * 60_000);
    passedSoFar += passed(await admitMany(account, 21, FREE));
  }
  expect(passedSoFar).toBe(perDay);
});

test("a negative balance is refused 402 even for free models", async () => {
  const account = await newAccount();
  await account.gate.credit({ idempotencyKey: "debit", amountNusd: -1n, reason: "test" });
  const [one] = await admitMany(account, 1, FREE);
  expect(one?.admission).toMatchObject({ kind: "refused", error: { kind: "insufficient_credit" } });
});

test("the next minute is a new one", async () => {
  const account = await newAccount(100n * USD);
  await setClock(account, NOON_MS);
  await limitKey(account, { requestsPerMin: 3, tokensPerMin: 300 });
  expect(passed(await admitMany(account, 9))).toBe(3);
  await setClock(account, NOON_MS + 59_999);
  expect(passed(await admitMany(account, 9))).toBe(0);
  await setClock(account, NOON_MS + 60_000);
  expect(passed(await admitMany(account, 9))).toBe(3);
});

test.each(["open", "settled and charged", "settled without a charge"])(
  "a restart forgets nothing of what was let through: %s",
  async (how) => {
    const account = await newAccount(100n * USD);
    await setClock(account, NOON_MS);
    await limitKey(account, { requestsPerMin: 5, tokensPerMin: 5_000 });
    await limitAccount(account, { limits: { requestsPerMin: 5, tokensPerMin: 5_000 } });
    const many = await admitMany(account, 4);
    if (how !== "open") {
      const costNusd = how === "settled and charged" ? USD / 10n : 0n;
      await account.gate.settle(many.map(({ one }) => settlement(account, one.generationId, costNusd)));
    }
    await evictDurableObject(account.gate);
    await setClock(account, NOON_MS + 10_000);
    expect(passed(await admitMany(account, 4))).toBe(1);
  },
);

test("unused tokens come back with the settle, once, and a second minute gets nothing of them", async () => {
  const account = await newAccount(100n * USD);
  await setClock(account, NOON_MS);
  await limitKey(account, { tokensPerMin: 1_000 });
  const [first] = await admitMany(account, 1, tokens(1_000));
  expect(passed(await admitMany(account, 1, tokens(1)))).toBe(0);
  // 30 of the 1,000 were used: the record of account-setup.ts says so.
  const settled = settlement(account, first?.one.generationId ?? newGeneration(), USD / 10n);
  await account.gate.settle([settled, settled]);
  await account.gate.settle([settled]);
  expect(passed(await admitMany(account, 1, tokens(970)))).toBe(1);
  expect(passed(await admitMany(account, 1, tokens(1)))).toBe(0);
});

test("more tokens than were reserved are counted too", async () => {
  const account = await newAccount(100n * USD);
  await setClock(account, NOON_MS);
  await limitKey(account, { tokensPerMin: 1_000 });
  const [first] = await admitMany(account, 1, tokens(100));
  const done = settlement(account, first?.one.generationId ?? newGeneration(), USD / 10n);
  if (done.record === null) throw new Error("a settlement of the tests has a record");
  const record = { ...done.record, usage: { ...NO_USAGE, outputText: 950 } };
  await account.gate.settle([{ ...done, record }]);
  expect(passed(await admitMany(account, 1, tokens(51)))).toBe(0);
  expect(passed(await admitMany(account, 1, tokens(50)))).toBe(1);
});

test("a request larger than a whole minute gets what a whole minute has", async () => {
  const account = await newAccount(100n * USD);
  await setClock(account, NOON_MS);
  await limitKey(account, { tokensPerMin: 100 });
  const [one] = await admitMany(account, 1, tokens(8_192, 20));
  expect(one?.admission).toMatchObject({ kind: "admitted", tokens: 100 });
  const [other] = await admitMany(account, 1, tokens(8_192, 101));
  expect(other?.admission).toMatchObject({ kind: "refused", error: { kind: "bad_request" } });
});

test("a slot is free again after a settle, and after a crash when its hold ends", async () => {
  const account = await newAccount(100n * USD);
  await setClock(account, NOON_MS);
  await limitKey(account, { maxConcurrency: 2 });
  const [first] = await admitMany(account, 2);
  expect(passed(await admitMany(account, 3))).toBe(0);
  await account.gate.settle([settlement(account, first?.one.generationId ?? newGeneration(), 0n)]);
  expect(passed(await admitMany(account, 3))).toBe(1);
  // Nobody renews: the isolate is gone. No alarm has run either.
  await setClock(account, NOON_MS + 60_000);
  expect(passed(await admitMany(account, 3))).toBe(2);
});

test("asking again for an open generation takes no second place", async () => {
  const account = await newAccount(100n * USD);
  await setClock(account, NOON_MS);
  await limitKey(account, { requestsPerMin: 2, maxConcurrency: 2 });
  const [first] = await admitMany(account, 1);
  for (let at = 0; at < 3; at++)
    expect(await account.gate.admit(first?.one ?? request(account))).toEqual(first?.admission);
  expect(passed(await admitMany(account, 2))).toBe(1);
});

test("a rotated key shares its counts with its successor", async () => {
  const account = await newAccount(100n * USD);
  await setClock(account, NOON_MS);
  await limitKey(account, { requestsPerMin: 4 });
  const hash = account.managementHash.replace(/./g, "e") as TestAccount["keyHash"]; // any hash that is not in use
  expect(await account.gate.rotateKey(account.keyHash, { hash, label: "new" }, 3_600)).toMatchObject({
    ok: true,
    value: { limits: { requestsPerMin: 4 } },
  });
  expect(passed(await admitMany(account, 3))).toBe(3);
  expect(passed(await admitMany(account, 3, { keyHash: hash }))).toBe(1);
});

test.each([
  { name: "a model that is not allowed", limits: { allowedModels: ["a/b"] }, models: ["a/c"], kind: "refused" },
  { name: "one of two models", limits: { allowedModels: ["a/b"] }, models: ["a/b", "a/c"], kind: "restricted" },
  { name: "an allowed author's model", limits: { allowedModels: ["a/*"] }, models: ["a/c"], kind: "admitted" },
  { name: "an allowed provider", limits: { allowedProviders: ["p"] }, models: ["a/b"], kind: "admitted" },
  { name: "a provider that is not allowed", limits: { allowedProviders: ["q"] }, models: ["a/b"], kind: "restricted" },
])("$name: $kind, and nothing is taken unless admitted", async ({ limits, models, kind }) => {
  const account = await newAccount(100n * USD);
  await setClock(account, NOON_MS);
  await limitKey(account, { ...limits, requestsPerMin: 1 });
  const footprint = { models, providers: ["p"], tokens: { wanted: 1, minimum: 1 } };
  const [one] = await admitMany(account, 1, { footprint });
  expect(one?.admission.kind).toBe(kind);
  if (kind === "refused") {
    expect(one?.admission).toMatchObject({ error: { kind: "forbidden", allowed: ["a/b"], message: /a\/c.*a\/b/ } });
  }
  await limitKey(account, { allowedModels: null, allowedProviders: null });
  expect(passed(await admitMany(account, 1))).toBe(kind === "admitted" ? 0 : 1);
});

test.each(["daily", "weekly", "monthly", "lifetime"] as const)(
  "a %s budget: of 9 parallel requests with budget for 4 exactly 4 pass, and the charge never goes beyond",
  async (interval) => {
    const account = await newAccount(100n * USD);
    await setClock(account, NOON_MS);
    expect(await limitAccount(account, { budgets: { [interval]: 4n * USD } })).toMatchObject({ ok: true });
    const many = await admitMany(account, 9);
    expect(passed(many)).toBe(4);
    // All want more than was held for them: there is credit, but no budget.
    const admitted = many.filter(({ admission }) => admission.kind === "admitted");
    await account.gate.settle(admitted.map(({ one }) => settlement(account, one.generationId, 3n * USD)));
    expect(await account.gate.view()).toMatchObject({ ok: true, value: { spentNusd: { [interval]: 4n * USD } } });
    const [next] = await admitMany(account, 1);
    expect(next?.admission).toMatchObject({
      kind: "refused",
      error: {
        kind: "forbidden",
        limitSource: "account_budget",
        message: expect.stringContaining(`${interval} budget of $4`),
      },
    });
    await evictDurableObject(account.gate);
    await setClock(account, NOON_MS + 32 * DAY_MS);
    expect(passed(await admitMany(account, 9))).toBe(interval === "lifetime" ? 0 : 4);
    expect((await account.gate.audit()).ok).toBe(true);
  },
);

test("a key's spend limit is not passed by what an answer costs beyond its hold", async () => {
  const account = await newAccount(100n * USD);
  await account.gate.updateKey(account.keyHash, { limitNusd: 2n * USD });
  const [one] = await admitMany(account, 1);
  await account.gate.settle([settlement(account, one?.one.generationId ?? newGeneration(), 5n * USD)]);
  expect(await account.gate.readKey(account.keyHash)).toMatchObject({
    ok: true,
    value: { usageNusd: 2n * USD, limitRemainingNusd: 0n },
  });
});

test("a budget whose rest is reserved by running requests is short for a moment only", async () => {
  const account = await newAccount(100n * USD);
  await limitAccount(account, { budgets: { daily: USD } });
  const [, second] = [await admitMany(account, 1), await admitMany(account, 1)];
  expect(second[0]?.admission).toMatchObject({ kind: "short", limitSource: "in_flight_budget" });
});

test.each([
  { name: "a key's limit", change: { limitNusd: 3n * USD - 1n } },
  { name: "a key's limit with another reset", change: { limitNusd: 2n * USD, limitReset: "monthly" as const } },
])("$name below what is spent and reserved is refused, and nothing is changed", async ({ change }) => {
  const account = await newAccount(100n * USD);
  const [one] = await admitMany(account, 2);
  await account.gate.settle([settlement(account, one?.one.generationId ?? newGeneration(), 2n * USD)]);
  const before = await account.gate.readKey(account.keyHash);
  expect(await account.gate.updateKey(account.keyHash, { ...change, name: "renamed" })).toMatchObject({
    ok: false,
    error: { kind: "bad_request", path: "limit", message: expect.stringContaining("already spent: $2") },
  });
  expect(await account.gate.readKey(account.keyHash)).toEqual(before);
  expect(await account.gate.updateKey(account.keyHash, { limitNusd: 3n * USD })).toMatchObject({ ok: true });
});

test.each([
  { name: "below what is spent", budgets: { daily: 2n * USD - 1n } },
  { name: "that don't rise with the interval", budgets: { daily: 5n * USD, weekly: 5n * USD } },
  { name: "of zero", budgets: { monthly: 0n } },
])("budgets $name are refused, and nothing is changed", async ({ budgets }) => {
  const account = await newAccount(100n * USD);
  const [one] = await admitMany(account, 1);
  await account.gate.settle([settlement(account, one?.one.generationId ?? newGeneration(), 2n * USD)]);
  expect(await limitAccount(account, { budgets, limits: { requestsPerMin: 1 } })).toMatchObject({
    ok: false,
    error: { kind: "bad_request" },
  });
  expect(await account.gate.view()).toMatchObject({
    ok: true,
    value: { limits: { operator: { limits: { requestsPerMin: null }, budgets: {} } } },
  });
});

test("the tenant's limits and the operator's hold both", async () => {
  const account = await newAccount(100n * USD);
  await setClock(account, NOON_MS);
  await account.gate.limitAccount("tenant", { limits: { requestsPerMin: 9, maxConcurrency: 2 } });
  await limitAccount(account, { limits: { requestsPerMin: 1 } });
  const many = await admitMany(account, 3);
  expect(passed(many)).toBe(1);
  await account.gate.limitAccount("tenant", { limits: { requestsPerMin: null } });
  expect(passed(await admitMany(account, 1))).toBe(0);
});

test("a gate of an older version is brought up to this one, its open holds kept", async () => {
  const account = await newAccount(5n * USD);
  const [one] = await admitMany(account, 1);
  await runInDurableObject(account.gate, (_gate: AccountGate, state) => {
    const { sql } = state.storage;
    sql.exec("ALTER TABLE holds DROP COLUMN tokens");
    sql.exec("ALTER TABLE holds DROP COLUMN admitted_at_ms");
    for (const table of ["account", "keys", "counters"]) {
      for (const name of ["limits", "tenantLimits", "operatorLimits", "minute", "spent"]) {
        sql.exec(`UPDATE ${table} SET value = json_remove(value, '$.${name}')`);
      }
    }
  });
  await evictDurableObject(account.gate);
  expect(await account.gate.view()).toMatchObject({ ok: true, value: { heldNusd: USD } });
  await account.gate.settle([settlement(account, one?.one.generationId ?? newGeneration(), USD / 2n)]);
  await limitKey(account, { requestsPerMin: 1 });
  expect(passed(await admitMany(account, 2))).toBe(1);
  expect(await account.gate.audit()).toMatchObject({ ok: true, value: { faults: [] } });
});
