/**
 * Branches of a crowded AccountGate, at both ends. An account that is used from thousands of isolates, each of which sees a
 * request now and then, would make two calls of its gate for every request: no lease lives so long. Its gate then tells
 * them of branches (account-branch.ts), each of which is to the gate what one busy isolate is.
 * An isolate that is busy itself stays with the gate and its own lease, where a warm request calls nobody; so do requests
 * for free models, which are counted by the gate alone. Whatever a branch admitted is extended, renewed and settled there.
 * Isolate memory: one route per crowded account, at most ROUTES_MAX, and its open generations.
 */
import { hash32, type Clock, type EpochMs } from "../core/clock.ts";
import type { AccountId, GenerationId } from "../core/ids.ts";
import type { LeaseReport } from "../ledger/lease.ts";
import { createBranches, type Branches } from "../limits/branches.ts";
import type {
  AccountSpendRpc,
  Admission,
  AdmitRequest,
  BranchCaller,
  BranchNews,
  Settlement,
  SettleReceipt,
} from "./account-contract.ts";

/** What leases and gathered settles leave at a gate is below it, as long as its isolates are busy (ledger/lease.ts). */
const RULE = { above: 400, each: 150 };
/** News of branches that nobody has confirmed for so long is none: the gate is asked again. */
export const NEWS_MS = 60_000;
/** An isolate whose last asks for an account came so soon after one another has use for a lease of its own. */
const BUSY_MS = 500;
const BUSY_ASKS = 3;
const ROUTES_MAX = 1_000;

/** At the gate: how many branches it has, of which nothing is kept through a restart: they tell of themselves. */
export function createAccountBranches(): Branches {
  return createBranches(0, RULE);
}

/** At the gate: counts a call and says what its answer is to tell. */
export function branchNews(branches: Branches, caller: BranchCaller | undefined, nowMs: EpochMs): BranchNews {
  if (caller === undefined) branches.called(nowMs);
  else branches.heard(caller.branch, caller.callsPerS, nowMs);
  const count = branches.count(nowMs);
  return count === 0 ? {} : { branches: count };
}

export interface AccountRoutePorts {
  readonly clock: Clock;
  readonly gate: (account: AccountId) => AccountSpendRpc;
  readonly branch: (account: AccountId, branch: number) => AccountSpendRpc;
  /** Names this isolate: it keeps to one branch. */
  readonly reporter: string;
}

interface Route {
  count: number;
  toldAtMs: EpochMs;
  askedAtMs: EpochMs;
  /** Asks in a row, each within BUSY_MS of the one before. */
  asks: number;
  /** What is open at a branch. */
  readonly byGeneration: Map<GenerationId, number>;
}

interface Memory extends AccountRoutePorts {
  readonly routes: Map<AccountId, Route>;
}

/** In an isolate: the gate of an account, or its branch where it has any. */
export function createAccountRoutes(ports: AccountRoutePorts): (account: AccountId) => AccountSpendRpc {
  const memory: Memory = { ...ports, routes: new Map() };
  return (account) => ({
    admit: (request) => admit(memory, account, request),
    async extend(extension) {
      const branch = memory.routes.get(account)?.byGeneration.get(extension.generationId);
      return await stubOf(memory, account, branch).extend(extension);
    },
    async renew(ids) {
      const parts = partsOf(memory.routes.get(account), ids, (id) => id);
      await Promise.all([...parts].map(([branch, part]) => stubOf(memory, account, branch).renew(part)));
    },
    settle: (settlements, reports) => settle(memory, account, settlements, reports ?? []),
  });
}

async function admit(memory: Memory, account: AccountId, request: AdmitRequest): Promise<Admission> {
  const nowMs = memory.clock();
  const route = memory.routes.get(account);
  if (route !== undefined) {
    route.asks = nowMs - route.askedAtMs < BUSY_MS ? route.asks + 1 : 1;
    route.askedAtMs = nowMs;
  }
  const branch = route === undefined ? undefined : branchFor(memory, route, request, nowMs);
  if (route === undefined || branch === undefined) {
    const admission = await memory.gate(account).admit(request);
    hear(memory, account, admission);
    return admission;
  }
  // Before the call: should its answer be lost, the next try must find the hold.
  route.byGeneration.set(request.generationId, branch);
  const admission = await memory.branch(account, branch).admit({ ...request, lease: null });
  if (admission.kind !== "admitted") route.byGeneration.delete(request.generationId);
  hear(memory, account, admission);
  return admission;
}

/** Undefined: the gate itself. */
function branchFor(
  { reporter }: Memory,
  route: Route,
  { generationId, isFree, wantedNusd }: AdmitRequest,
  nowMs: EpochMs,
): number | undefined {
  const known = route.byGeneration.get(generationId);
  if (known !== undefined) return known;
  const isStale = nowMs - route.toldAtMs >= NEWS_MS;
  return isStale || route.asks >= BUSY_ASKS || isFree || wantedNusd === 0n ? undefined : hash32(reporter) % route.count;
}

function hear({ routes, clock }: Memory, account: AccountId, { branches }: BranchNews): void {
  if (branches === undefined || branches === 0) return;
  const known = routes.get(account);
  if (known !== undefined) {
    known.count = branches;
    known.toldAtMs = clock();
    return;
  }
  if (routes.size >= ROUTES_MAX) {
    for (const [other, { byGeneration }] of routes) if (byGeneration.size === 0) routes.delete(other);
  }
  if (routes.size >= ROUTES_MAX) return;
  const nowMs = clock();
  routes.set(account, { count: branches, toldAtMs: nowMs, askedAtMs: nowMs, asks: 1, byGeneration: new Map() });
}

/** Reports of leases are the gate's. What a branch, or the gate, does not answer is not acknowledged. */
async function settle(
  memory: Memory,
  account: AccountId,
  settlements: readonly Settlement[],
  reports: readonly LeaseReport[],
): Promise<SettleReceipt> {
  const route = memory.routes.get(account);
  if (route === undefined) {
    const receipt = await memory.gate(account).settle(settlements, reports);
    hear(memory, account, receipt);
    return receipt;
  }
  const parts = partsOf(route, settlements, ({ generationId }) => generationId);
  if (reports.length > 0 && !parts.has(undefined)) parts.set(undefined, []);
  const acknowledged: GenerationId[] = [];
  const leases: SettleReceipt["leases"][number][] = [];
  let failed = 0;
  await Promise.all(
    [...parts].map(async ([branch, part]) => {
      try {
        const receipt = await stubOf(memory, account, branch).settle(part, branch === undefined ? reports : []);
        acknowledged.push(...receipt.acknowledged);
        leases.push(...receipt.leases);
        hear(memory, account, receipt);
      } catch {
        failed++;
      }
    }),
  );
  if (failed === parts.size && failed > 0) throw new Error("Neither the gate nor its branches answered.");
  for (const id of acknowledged) route.byGeneration.delete(id);
  return { acknowledged, leases };
}

function stubOf({ gate, branch }: Memory, account: AccountId, at: number | undefined): AccountSpendRpc {
  return at === undefined ? gate(account) : branch(account, at);
}

/** By branch; undefined: what is the gate's own. */
function partsOf<T>(
  route: Route | undefined,
  all: readonly T[],
  idOf: (one: T) => GenerationId,
): Map<number | undefined, T[]> {
  const parts = new Map<number | undefined, T[]>();
  for (const one of all) {
    const branch = route?.byGeneration.get(idOf(one));
    const part = parts.get(branch);
    if (part === undefined) parts.set(branch, [one]);
    else part.push(one);
  }
  return parts;
}
