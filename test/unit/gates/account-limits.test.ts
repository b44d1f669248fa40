/** What limits cost in rows, since the platform bills them, and who may be lent anything. */
import { expect, test } from "vitest";
import { asAccountId, asGenerationId, asKeyHash } from "../../../src/core/ids.ts";
import { hasRateLimits, NO_ACCOUNT_LIMITS, NO_SPENT } from "../../../src/gates/account-limits.ts";
import { loadMemory, newCounter } from "../../../src/gates/account-memory.ts";
import type { AccountRow, KeyRow } from "../../../src/gates/account-rows.ts";
import { admit } from "../../../src/gates/account-admit.ts";
import { settle } from "../../../src/gates/account-settle.ts";
import { openAccountStore } from "../../../src/gates/account-store.ts";
import { NO_COUNT, NO_LIMITS, type TenantLimits } from "../../../src/limits/tenant-limits.ts";
import { openStorage } from "./sqlite.ts";

const NOW = Date.UTC(2026, 10, 21, 12);
const HASH = asKeyHash("a".repeat(64));
const ACCOUNT: AccountRow = {
  id: asAccountId("gl10000000000abc"),
  name: "model",
  isSuspended: false,
  balanceNusd: 1_000n,
  creditsNusd: 1_000n,
  debitsNusd: 0n,
  refundedNusd: 0n,
  usageNusd: 0n,
  lossNusd: 0n,
  unsettledCount: 0,
  unsettledNusd: 0n,
  freeMinute: { id: "", count: 0 },
  freeDay: { id: "", count: 0 },
  tenantLimits: NO_ACCOUNT_LIMITS,
  operatorLimits: NO_ACCOUNT_LIMITS,
  minute: NO_COUNT,
  spent: NO_SPENT,
};
const KEY: KeyRow = {
  hash: HASH,
  counter: HASH,
  kind: "inference",
  name: "",
  label: "",
  disabled: false,
  createdAtMs: NOW,
  limitNusd: 500n,
  limitReset: null,
  limits: NO_LIMITS,
  updatedAtMs: null,
  expiresAtMs: null,
};
const limited = (limits: Partial<TenantLimits>) => ({ ...NO_LIMITS, ...limits });
const ALL = limited({ requestsPerMin: 100, tokensPerMin: 100_000, maxConcurrency: 10 });

/** Rows changed by twenty requests with one call of `settle` each. */
function rowsWith(limits: TenantLimits, costNusd: bigint): number {
  const storage = openStorage();
  const store = openAccountStore(storage);
  store.create();
  store.writeAccount({ ...ACCOUNT, operatorLimits: { ...NO_ACCOUNT_LIMITS, limits } });
  store.writeCounter(HASH, newCounter(NOW));
  store.writeKey({ ...KEY, limits });
  const memory = loadMemory(store);
  const changes = () => Number(storage.sql.exec("SELECT total_changes() AS n").toArray()[0]?.["n"]);
  const before = changes();
  for (let at = 0; at < 20; at++) {
    const generationId = asGenerationId(`gen-${NOW / 1_000}-${at}`);
    const tokens = { wanted: 10, minimum: 1 };
    const footprint = { models: ["a/b"], providers: ["p"], tokens };
    const asked = { keyHash: HASH, generationId, isFree: false, wantedNusd: 5n, minimumNusd: 5n, footprint };
    expect(admit(memory, asked, NOW).kind).toBe("admitted");
    const record = { provider: null, createdAtMs: NOW, usage: {}, attempts: [] } as never; // what a row of the outbox needs
    const settlement = { generationId, keyHash: HASH, costNusd, upstreamCostNusd: 0n, refundsFreeTier: false, record };
    settle(memory, [settlement], NOW);
  }
  return changes() - before;
}

test("counting a request that is charged costs no row of its own", () => {
  const without = rowsWith(NO_LIMITS, 5n);
  // Hold opened and ended, settle, account, counter.
  expect(without).toBe(20 * 5);
  expect(rowsWith(ALL, 5n)).toBe(without);
});

test("a key without limits writes nothing for a request that is not charged", () => {
  expect(rowsWith(NO_LIMITS, 0n)).toBe(20 * 3);
});

test.each([
  { name: "a spend limit of the key alone", key: KEY, account: ACCOUNT, expected: false },
  { name: "requests", key: { ...KEY, limits: limited({ requestsPerMin: 1 }) }, account: ACCOUNT, expected: true },
  {
    name: "allowed models",
    key: { ...KEY, limits: limited({ allowedModels: ["a/b"] }) },
    account: ACCOUNT,
    expected: true,
  },
  {
    name: "the operator's concurrency",
    key: KEY,
    account: { ...ACCOUNT, operatorLimits: { ...NO_ACCOUNT_LIMITS, limits: limited({ maxConcurrency: 1 }) } },
    expected: true,
  },
  {
    name: "a budget of the tenant's",
    key: KEY,
    account: {
      ...ACCOUNT,
      tenantLimits: { ...NO_ACCOUNT_LIMITS, budgets: { daily: { limitNusd: 1n, createdAtMs: 0, updatedAtMs: 0 } } },
    },
    expected: true,
  },
])("$name: each request must ask the gate: $expected", ({ key, account, expected }) => {
  expect(hasRateLimits(key, account)).toBe(expected);
});
