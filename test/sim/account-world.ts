/**
 * One account at scale: its gate by the real rules on a real store (gates/account-admit.ts and account-settle.ts over
 * node:sqlite), the isolates that its requests reach by the real client (gates/account-client.ts: leases, batches,
 * keepers), a network between them that takes its time, and flushes into a real D1 schema at the real pace. Accounts
 * share nothing but D1, so each is simulated alone and exactly.
 */
import { seededRandom, type Random } from "../../src/core/clock.ts";
import { asGenerationId, type GenerationId } from "../../src/core/ids.ts";
import { createAccountBranch } from "../../src/gates/account-branch-desk.ts";
import { branchNews, createAccountBranches, createAccountRoutes } from "../../src/gates/account-branches.ts";
import { createAccountClient, type AccountClient } from "../../src/gates/account-client.ts";
import type { AccountSpendRpc, AdmitRequest, Settlement } from "../../src/gates/account-contract.ts";
import { finishCredit, recordCredit } from "../../src/gates/account-credit.ts";
import { FIRST_PACE, flushOnce, waitMs, type Pace } from "../../src/gates/account-flush.ts";
import { endExpiredLeases } from "../../src/gates/account-leases.ts";
import { endExpiredHolds, type AccountMemory } from "../../src/gates/account-memory.ts";
import { admit, renew } from "../../src/gates/account-admit.ts";
import { settle } from "../../src/gates/account-settle.ts";
import { createStanding } from "../../src/gates/standing.ts";
import { KEYS, type Ground, type ModelAccount } from "../model/gate.ts";
import { settlementOf } from "../model/settlement.ts";
import { exponential, logNormal } from "./draws.ts";
import { inVirtualTime, type VirtualTime } from "./virtual-time.ts";

export interface AccountSpec {
  readonly name: string;
  readonly seed: number;
  readonly requestsPerS: number;
  /** Isolates that its requests are spread over, evenly. */
  readonly isolates: number;
  /** Credit in nano-dollars; a request costs COST_NUSD on average. */
  readonly creditNusd: bigint;
  readonly warmMs: number;
  readonly spanMs: number;
}

/** Per second of the span that is measured, the warm-up left out. */
export interface AccountRates {
  readonly requests: number;
  readonly refused: number;
  /** Share of the admissions that called nobody. */
  readonly warmShare: number;
  readonly admitCalls: number;
  readonly settleCalls: number;
  readonly renewCalls: number;
  /** To all branches, how many of them there are, and to the one that gets most. */
  readonly branchCalls: number;
  readonly branches: number;
  readonly hottestBranchCalls: number;
  readonly flushes: number;
  readonly generations: number;
}

export interface AccountResult {
  readonly spec: AccountSpec;
  readonly rates: AccountRates;
  /** Lent to isolates and not held by a request, as a share of what is there; averaged over the span. */
  readonly idleShare: number;
  readonly creditNusd: bigint;
  readonly chargedNusd: bigint;
  readonly balanceNusd: bigint;
  /** The least that balance less holds and leases ever was. */
  readonly leastSpendableNusd: bigint;
  readonly bookedBytesPerGeneration: number | null;
  /** Settled and not yet in D1 at the end. */
  readonly outbox: number;
}

const START_MS = Date.UTC(2026, 10, 21, 12);
/** One way between an isolate and the gate: the median, and the spread of its logarithm. */
const ONE_WAY_MS = 30;
const ONE_WAY_SPREAD = 0.8;
const D1_MS = 25;
/** As the gate's alarm does (gates/account-gate.ts). */
const FLUSHES_PER_ALARM = 10;
/** How long an answer takes. */
const ANSWER_MS = 3_000;
const ANSWER_SPREAD = 0.8;
const WORST_NUSD = 2_000_000;
const COST_NUSD = 600_000;

interface World {
  readonly spec: AccountSpec;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly account: ModelAccount;
  readonly memory: AccountMemory;
  readonly counts: Record<
    "requests" | "refused" | "warm" | "admit" | "settle" | "renew" | "flushes" | "generations",
    number
  >;
  readonly branches: Map<number, { readonly rpc: AccountSpendRpc; calls: number }>;
  pace: Pace;
  isFlushing: boolean;
  leastSpendableNusd: bigint;
  idleSum: number;
  idleSamples: number;
}

/** Simulates one account. The same spec gives the same result. */
export function simulateAccount(spec: AccountSpec, ground: Ground): Promise<AccountResult> {
  return inVirtualTime(START_MS, async (time) => {
    const account = ground.newAccount(0n, START_MS);
    const world: World = {
      spec,
      time,
      random: seededRandom(`account ${spec.seed} ${spec.name}`),
      account,
      memory: account.load(),
      counts: { requests: 0, refused: 0, warm: 0, admit: 0, settle: 0, renew: 0, flushes: 0, generations: 0 },
      branches: new Map(),
      pace: FIRST_PACE,
      isFlushing: false,
      leastSpendableNusd: spec.creditNusd,
      idleSum: 0,
      idleSamples: 0,
    };
    await giveCredit(world);
    const gate = gateOf(world);
    const clients = Array.from({ length: spec.isolates }, (_, at) =>
      createAccountClient({
        clock: time.nowMs,
        gate: createAccountRoutes({
          clock: time.nowMs,
          gate: () => gate,
          branch: (_account, branch) => branchOf(world, gate, branch),
          reporter: `isolate${at}`,
        }),
        reporter: `isolate${at}`,
        standing: createStanding(time.nowMs, null),
      }),
    );
    const arrivals = seededRandom(`arrivals ${spec.seed} ${spec.name}`);
    const endMs = START_MS + spec.warmMs + spec.spanMs;
    let arrivalMs = START_MS;
    const next = (): void => {
      const client = clients[Math.floor(arrivals() * clients.length)];
      if (client !== undefined && arrivalMs > START_MS) void request(world, client);
      arrivalMs += exponential(arrivals, spec.requestsPerS / 1_000);
      time.at(arrivalMs, next);
    };
    next();
    const look = (): void => {
      sample(world);
      time.at(time.nowMs() + 100, look);
    };
    time.at(START_MS + spec.warmMs, look);
    await time.runUntil(START_MS + spec.warmMs);
    const before = { ...world.counts };
    for (const branch of world.branches.values()) branch.calls = 0;
    await time.runUntil(endMs);
    return resultOf(world, before);
  });
}

async function giveCredit({ spec, memory, account, time }: World): Promise<void> {
  const credit = { idempotencyKey: "start", amountNusd: spec.creditNusd, reason: "start" };
  const recorded = await recordCredit(memory, credit, account.books.db, time.nowMs);
  if (!recorded.ok) throw new Error("The account got no credit.");
  await finishCredit(memory, recorded.value, account.books.db);
}

/** The gate's side of the calls, each way as long as the network takes. */
function gateOf(world: World): AccountSpendRpc {
  const { memory, time, counts } = world;
  const across = <T>(rule: () => T): Promise<T> => acrossTheNetwork(world, async () => rule());
  const branches = createAccountBranches();
  return {
    admit: (wanted, caller) =>
      across(() => {
        counts.admit++;
        const news = branchNews(branches, caller, time.nowMs());
        return { ...admit(memory, wanted, time.nowMs()), ...news };
      }),
    // Its requests hold their worst case at once: none is held for in steps.
    extend: async () => {
      throw new Error("Nothing here holds in steps.");
    },
    renew: (ids) =>
      across(() => {
        counts.renew++;
        renew(memory, ids, time.nowMs());
      }),
    settle: (settlements, reports, caller) =>
      across(() => {
        counts.settle++;
        const news = branchNews(branches, caller, time.nowMs());
        counts.generations += settlements.length;
        const receipt = settle(memory, settlements, time.nowMs(), reports ?? []);
        if (memory.outboxCount > 0) wakeFlush(world);
        return { ...receipt, ...news };
      }),
  };
}

/** A branch as isolates reach it; its own calls to the gate take their time, too. */
function branchOf(world: World, gate: AccountSpendRpc, at: number): AccountSpendRpc {
  const known = world.branches.get(at);
  if (known !== undefined) return known.rpc;
  const desk = createAccountBranch({
    clock: world.time.nowMs,
    account: world.memory.account.id,
    branch: `${at}`,
    reporter: `branch${at}`,
    gate: () => gate,
    waitUntil: (work) => void work,
  });
  const across = <T>(call: () => Promise<T>): Promise<T> => {
    made.calls++;
    return acrossTheNetwork(world, call);
  };
  const made = {
    calls: 0,
    rpc: {
      admit: (wanted) => across(() => desk.admit(wanted)),
      extend: (extension) => across(() => desk.extend(extension)),
      renew: (ids) => across(() => desk.renew(ids)),
      settle: (settlements) => across(() => desk.settle(settlements)),
    } satisfies AccountSpendRpc,
  };
  world.branches.set(at, made);
  return made.rpc;
}

async function acrossTheNetwork<T>({ time, random }: World, call: () => Promise<T>): Promise<T> {
  await time.pause(logNormal(random, ONE_WAY_MS, ONE_WAY_SPREAD));
  const answer = await call();
  await time.pause(logNormal(random, ONE_WAY_MS, ONE_WAY_SPREAD));
  return answer;
}

function wakeFlush(world: World): void {
  if (world.isFlushing) return;
  world.isFlushing = true;
  const { time } = world;
  time.at(time.nowMs() + waitMs(world.pace, time.nowMs()), () => void flush(world));
}

async function flush(world: World): Promise<void> {
  const { time, memory, account, counts } = world;
  await time.pause(D1_MS);
  endExpiredHolds(memory, time.nowMs());
  endExpiredLeases(memory, time.nowMs());
  for (let at = 0; at < FLUSHES_PER_ALARM; at++) {
    if (at > 0) await time.pause(D1_MS);
    const { flushed } = await flushOnce(memory, account.books.db, time.nowMs);
    if (!flushed) break;
    counts.flushes++;
  }
  world.pace = { latencyMs: D1_MS, failures: 0, flushedAtMs: time.nowMs() };
  world.isFlushing = false;
  if (memory.outboxCount > 0) wakeFlush(world);
}

async function request(world: World, client: AccountClient): Promise<void> {
  const { time, random, counts, memory } = world;
  const id = newId(world);
  counts.requests++;
  const wanted: AdmitRequest = {
    keyHash: KEYS[0],
    generationId: id,
    isFree: false,
    wantedNusd: BigInt(WORST_NUSD),
    minimumNusd: BigInt(WORST_NUSD),
    footprint: { models: [], providers: [], tokens: { wanted: 1_000, minimum: 1_000 } },
  };
  const asked = client.admit(memory.account.id, wanted);
  if (!(asked instanceof Promise)) counts.warm++;
  const admission = await asked;
  if (admission.kind !== "admitted") {
    counts.refused++;
    return;
  }
  const createdAtMs = time.nowMs();
  await time.pause(logNormal(random, ANSWER_MS, ANSWER_SPREAD));
  const costNusd = BigInt(Math.min(WORST_NUSD, Math.round(logNormal(random, COST_NUSD, 0.5))));
  client.forget(memory.account.id, id);
  await client.settle(memory.account.id, settlement(id, costNusd, createdAtMs));
  await client.keep(memory.account.id);
}

function newId({ time, counts }: World): GenerationId {
  return asGenerationId(`gen-${Math.floor(time.nowMs() / 1_000)}-${String(counts.requests).padStart(20, "0")}`);
}

/** A record as large as real ones are: names, ids and one attempt. */
function settlement(id: GenerationId, costNusd: bigint, createdAtMs: number): Settlement {
  const made = settlementOf(id, KEYS[0], costNusd, (costNusd * 9n) / 10n, createdAtMs);
  if (made.record === null) return made;
  const attempt = {
    provider: "provider",
    providerName: "The provider",
    endpoint: "provider/fp8",
    region: "us-east-1",
    model: "author/model-of-some-name",
    status: 200,
    outcome: "ok",
    latencyMs: 412,
  };
  const record = {
    ...made.record,
    requestId: "req-0123456789abcdef01234567",
    model: attempt.model,
    requestedModel: attempt.model,
    provider: attempt.provider,
    providerName: attempt.providerName,
    endpoint: attempt.endpoint,
    region: attempt.region,
    upstreamId: "chatcmpl-0123456789abcdefghij",
    attempts: [attempt],
    userAgent: "OpenAI/Python 1.99.9",
    clientPlace: "FRA",
    catalogVersion: "0123456789abcdef",
  };
  return { ...made, record };
}

function sample(world: World): void {
  const { memory } = world;
  const spendable = memory.account.balanceNusd - memory.heldNusd;
  if (spendable < world.leastSpendableNusd) world.leastSpendableNusd = spendable;
  let freeNusd = 0n;
  for (const lease of memory.leases.values()) freeNusd += lease.freeNusd;
  if (memory.account.balanceNusd > 0n) world.idleSum += Number(freeNusd) / Number(memory.account.balanceNusd);
  world.idleSamples++;
}

function resultOf(world: World, before: World["counts"]): AccountResult {
  const { spec, memory, counts } = world;
  const perS = (name: keyof World["counts"]): number => ((counts[name] - before[name]) * 1_000) / spec.spanMs;
  const byBranch = [...world.branches.values()].map(({ calls }) => (calls * 1_000) / spec.spanMs);
  return {
    spec,
    rates: {
      requests: perS("requests"),
      refused: perS("refused"),
      warmShare: perS("warm") / Math.max(1e-9, perS("requests")),
      admitCalls: perS("admit"),
      settleCalls: perS("settle"),
      renewCalls: perS("renew"),
      branchCalls: byBranch.reduce((sum, calls) => sum + calls, 0),
      branches: byBranch.filter((calls) => calls > 0).length,
      hottestBranchCalls: Math.max(0, ...byBranch),
      flushes: perS("flushes"),
      generations: perS("generations"),
    },
    idleShare: world.idleSum / Math.max(1, world.idleSamples),
    creditNusd: spec.creditNusd,
    chargedNusd: memory.account.usageNusd,
    balanceNusd: memory.account.balanceNusd,
    leastSpendableNusd: world.leastSpendableNusd,
    bookedBytesPerGeneration: bytesPerGeneration(world),
    outbox: memory.outboxCount,
  };
}

/** Of D1's file, pages of all tables and indexes, over the generations that are in it. */
function bytesPerGeneration({ account }: World): number | null {
  const one = (sql: string): number => Number(Object.values(account.books.raw.prepare(sql).get() ?? {})[0] ?? 0);
  const rows = one("SELECT count(*) FROM generations");
  return rows < 1_000 ? null : (one("PRAGMA page_count") * one("PRAGMA page_size")) / rows;
}
