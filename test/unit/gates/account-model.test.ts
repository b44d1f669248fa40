/**
 * The money's invariants under random interleavings of everything that can happen to an account: requests, settles that
 * come late, twice or never, renewals, expiry, credits and debits, flushes whose answer is lost, restarts at any point.
 * Beside the real rules on real SQL runs a model that knows only what every generation was charged.
 */
import { expect, test } from "vitest";
import { seededRandom, type Random } from "../../../src/core/clock.ts";
import { asAccountId, asGenerationId, asKeyHash, type GenerationId } from "../../../src/core/ids.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";
import type { GenerationRecord } from "../../../src/insight/generation.ts";
import { auditAccount } from "../../../src/gates/account-audit.ts";
import type { Settlement } from "../../../src/gates/account-contract.ts";
import { finishCredit, pendingCredits, recordCredit } from "../../../src/gates/account-credit.ts";
import { flushOnce } from "../../../src/gates/account-flush.ts";
import { NO_ACCOUNT_LIMITS, NO_SPENT } from "../../../src/gates/account-limits.ts";
import { endExpiredHolds, loadMemory, newCounter, type AccountMemory } from "../../../src/gates/account-memory.ts";
import { admit, renew } from "../../../src/gates/account-admit.ts";
import { settle } from "../../../src/gates/account-settle.ts";
import { openAccountStore } from "../../../src/gates/account-store.ts";
import { NO_COUNT, NO_LIMITS } from "../../../src/limits/tenant-limits.ts";
import { openBooks, openStorage } from "./sqlite.ts";

const RUNS = 60;
const STEPS = 60;
const account = asAccountId("gl10000000000abc");
const keys = [asKeyHash("a".repeat(64)), asKeyHash("b".repeat(64))] as const;
const LIMIT_NUSD = 40n;
/** What the account may spend in all. */
const BUDGET_NUSD = 150n;

function newAccount(nowMs: number): { readonly load: () => AccountMemory } {
  const store = openAccountStore(openStorage());
  store.create();
  store.writeAccount({
    id: account,
    name: "model",
    isSuspended: false,
    balanceNusd: 0n,
    creditsNusd: 0n,
    debitsNusd: 0n,
    refundedNusd: 0n,
    usageNusd: 0n,
    lossNusd: 0n,
    unsettledCount: 0,
    unsettledNusd: 0n,
    freeMinute: { id: "", count: 0 },
    freeDay: { id: "", count: 0 },
    tenantLimits: NO_ACCOUNT_LIMITS,
    operatorLimits: {
      ...NO_ACCOUNT_LIMITS,
      budgets: { lifetime: { limitNusd: BUDGET_NUSD, createdAtMs: nowMs, updatedAtMs: nowMs } },
    },
    minute: NO_COUNT,
    spent: NO_SPENT,
  });
  for (const [at, hash] of keys.entries()) {
    store.writeCounter(hash, newCounter(nowMs));
    store.writeKey({
      hash,
      counter: hash,
      kind: "inference",
      name: "",
      label: "",
      disabled: false,
      createdAtMs: nowMs,
      limitNusd: at === 1 ? LIMIT_NUSD : null,
      limitReset: null,
      limits: NO_LIMITS,
      updatedAtMs: null,
      expiresAtMs: null,
    });
  }
  return { load: () => loadMemory(store) };
}

interface Generation {
  readonly id: GenerationId;
  readonly key: (typeof keys)[number];
  readonly settlement: Settlement;
}

function generation(random: Random, number: number, nowMs: number): Generation {
  const id = asGenerationId(`gen-${Math.floor(nowMs / 1000)}-${String(number).padStart(20, "0")}`);
  const key = random() < 0.5 ? keys[0] : keys[1];
  const costNusd = BigInt(Math.floor(random() * 40));
  const record: GenerationRecord = {
    id,
    requestId: "",
    keyHash: key,
    createdAtMs: nowMs,
    model: "m",
    requestedModel: "m",
    provider: "p",
    providerName: "P",
    endpoint: "p",
    region: "r",
    upstreamId: null,
    streamed: true,
    cancelled: false,
    estimated: false,
    cancellation: null,
    finishReason: "stop",
    nativeFinishReason: "stop",
    latencyMs: 1,
    generationTimeMs: 1,
    usage: NO_USAGE,
    costNusd: Number(costNusd),
    upstreamCostNusd: 0,
    isByok: false,
    isFree: false,
    attempts: [],
    httpReferer: null,
    appTitle: null,
    origin: null,
    userAgent: null,
    externalUser: null,
    sessionId: null,
    dataRegion: "global",
    clientPlace: null,
    catalogVersion: null,
  };
  const upstreamCostNusd = BigInt(Math.floor(random() * 40));
  return {
    id,
    key,
    settlement: { generationId: id, keyHash: key, costNusd, upstreamCostNusd, refundsFreeTier: false, record },
  };
}

/** One run: STEPS random events, then everything is brought home and compared. */
async function run(seed: string): Promise<void> {
  const random = seededRandom(seed);
  const upTo = (limit: number): number => Math.floor(random() * limit);
  let nowMs = Date.UTC(2026, 10, 21, 12);
  const clock = () => nowMs;
  const gate = newAccount(nowMs);
  const books = openBooks();
  let memory = gate.load();
  const generations: Generation[] = [];
  // The model: what each settled generation was charged, and what was granted and taken.
  const charged = new Map<GenerationId, bigint>();
  const credits = new Map<string, bigint>();
  let wasDebited = false;

  const settleSome = (some: readonly Generation[]): void => {
    const before = memory.account.usageNusd;
    const news = new Set(some.map((one) => one.id).filter((id) => !charged.has(id)));
    const receipt = settle(
      memory,
      some.map((one) => one.settlement),
      nowMs,
    );
    expect(receipt.acknowledged).toHaveLength(some.length);
    if (news.size === 0) expect(memory.account.usageNusd).toBe(before);
    if (news.size === 1) for (const id of news) charged.set(id, memory.account.usageNusd - before);
    expect(news.size).toBeLessThanOrEqual(1);
  };
  const giveOrTake = async (key: string, amountNusd: bigint): Promise<void> => {
    if (amountNusd < 0n) wasDebited = true;
    const row = await recordCredit(memory, { idempotencyKey: key, amountNusd, reason: "" }, books.db, clock);
    if (!row.ok) throw new Error(`${key}: ${JSON.stringify(row.error)}`);
    credits.set(key, amountNusd);
    await finishCredit(memory, row.value, books.db).catch(() => undefined);
  };
  const events: readonly (() => void | Promise<unknown>)[] = [
    () => {
      const one = generation(random, generations.length, nowMs);
      const wantedNusd = BigInt(upTo(40));
      const admission = admit(
        memory,
        {
          keyHash: one.key,
          generationId: one.id,
          isFree: false,
          wantedNusd,
          minimumNusd: wantedNusd / 2n,
          footprint: { models: [], providers: [], tokens: { wanted: 1, minimum: 1 } },
        },
        nowMs,
      );
      if (admission.kind === "admitted" && one.key === keys[1]) {
        const counted = memory.counters.get(one.key)?.totalNusd ?? 0n;
        expect(counted + (memory.heldByCounter.get(one.key) ?? 0n) <= LIMIT_NUSD).toBe(true);
      }
      // Of those refused, a few come to settle anyway: dispatch may overlap with admission.
      if (admission.kind === "admitted" || random() < 0.2) generations.push(one);
    },
    () => {
      const one = generations[upTo(generations.length)];
      // Sometimes one call brings the same settle twice.
      if (one !== undefined) settleSome(random() < 0.3 ? [one, one] : [one]);
    },
    () => {
      const known = [...charged.keys()];
      const again = generations.find((one) => one.id === known[upTo(known.length)]);
      if (again !== undefined) settleSome([again, again]);
    },
    () =>
      renew(
        memory,
        generations.slice(-3).map((one) => one.id),
        nowMs,
      ),
    () => {
      nowMs += upTo(45_000);
      endExpiredHolds(memory, nowMs);
    },
    async () => await giveOrTake(`credit ${credits.size}`, BigInt(1 + upTo(100))),
    async () => {
      if (random() < 0.3) await giveOrTake(`debit ${credits.size}`, -BigInt(1 + upTo(60)));
    },
    async () => {
      const [key, amountNusd] = [...credits][upTo(credits.size)] ?? [];
      if (key !== undefined && amountNusd !== undefined) await giveOrTake(key, amountNusd);
    },
    () => {
      books.next = random() < 0.5 ? "before" : "after";
    },
    async () => await flushOnce(memory, books.db, clock).catch(() => undefined),
    async () => {
      for (const credit of pendingCredits(memory)) await finishCredit(memory, credit, books.db).catch(() => undefined);
    },
    () => {
      memory = gate.load();
    },
  ];

  for (let step = 0; step < STEPS; step++) {
    const balanceBefore = memory.account.balanceNusd;
    const takenBefore = memory.account.debitsNusd;
    await events[upTo(events.length)]?.();
    const { balanceNusd, usageNusd, creditsNusd, debitsNusd } = memory.account;
    if (balanceNusd < 0n) expect(debitsNusd > takenBefore || balanceNusd >= balanceBefore).toBe(true);
    if (!wasDebited) expect(usageNusd + memory.heldNusd <= creditsNusd).toBe(true);
    expect(usageNusd + memory.heldNusd <= BUDGET_NUSD).toBe(true);
    const spentNusd = memory.counters.get(keys[1])?.totalNusd ?? 0n;
    expect(spentNusd + (memory.heldByCounter.get(keys[1]) ?? 0n) <= LIMIT_NUSD).toBe(true);
    const audit = await auditAccount(memory, books.db, clock, null);
    expect(audit.faults).toEqual([]);
  }

  books.next = "ok";
  for (const credit of pendingCredits(memory)) await finishCredit(memory, credit, books.db);
  while ((await flushOnce(memory, books.db, clock)).flushed);
  nowMs += 60_001;
  endExpiredHolds(memory, nowMs);

  const sum = (values: Iterable<bigint>): bigint => [...values].reduce((total, value) => total + value, 0n);
  expect(memory.holds.size).toBe(0);
  expect(memory.heldNusd).toBe(0n);
  expect(memory.account.usageNusd).toBe(sum(charged.values()));
  expect(memory.account.balanceNusd).toBe(sum(credits.values()) - sum(charged.values()));
  expect(sum([...memory.counters.values()].map((counter) => counter.totalNusd))).toBe(sum(charged.values()));
  const booked = books.raw.prepare("SELECT id, charged_nusd FROM generations ORDER BY id").all();
  expect(booked.map((row) => [row["id"], row["charged_nusd"]])).toEqual(
    [...charged].toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([id, nusd]) => [id, Number(nusd)]),
  );
  const balance = books.raw.prepare("SELECT balance_nusd FROM balances WHERE account = ?").get(`tenant:${account}`);
  expect(BigInt(Number(balance?.["balance_nusd"] ?? 0))).toBe(memory.account.balanceNusd);
  const whole = books.raw
    .prepare(
      `SELECT (SELECT COALESCE(SUM(balance_nusd), 0) FROM balances) AS balances,
        (SELECT COUNT(*) FROM (SELECT entry_id FROM lines GROUP BY entry_id HAVING SUM(amount_nusd) <> 0)) AS unbalanced`,
    )
    .get();
  expect(whole).toEqual({ balances: 0, unbalanced: 0 });
}

test(`${RUNS} runs of ${STEPS} random events keep every invariant`, async () => {
  for (let at = 0; at < RUNS; at++) {
    try {
      await run(`money ${at}`);
    } catch (error) {
      throw new Error(`seed "money ${at}"`, { cause: error });
    }
  }
}, 120_000);
