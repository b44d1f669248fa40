/**
 * Leases at the gate (ledger/lease.ts has their arithmetic): one per isolate and key, reserved from the balance and from
 * the key's limit exactly as holds are. Each function changes memory and notes in `touched` what its caller must write,
 * in the transaction that it runs in. At most LEASES_MAX leases an account; who comes beyond asks for each request.
 */
import type { EpochMs } from "../core/clock.ts";
import type { LeaseId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import {
  gatherMsAmong,
  grantOf,
  heardLease,
  mayClose,
  newGateLease,
  SPEND_MS,
  spentOf,
  type GateLease,
  type LeaseAnswer,
  type LeaseReport,
} from "../ledger/lease.ts";
import type { Settlement } from "./account-contract.ts";
import { usableKey } from "./account-keys.ts";
import { hasRateLimits } from "./account-limits.ts";
import {
  keepAccount,
  keepLeases,
  limitRemaining,
  newCounter,
  replaceLease,
  type AccountMemory,
} from "./account-memory.ts";
import type { KeyRow, LeaseRow } from "./account-rows.ts";

const LEASES_MAX = 2_000;

/** Leases whose rows are to be written. */
export type Touched = Set<LeaseId>;

/** Whether an isolate may spend for this key unasked: a limit that only the gate can count stands against it. */
function mayLease(memory: AccountMemory, key: KeyRow): boolean {
  return key.kind === "inference" && !hasRateLimits(key, memory.account);
}

/** Takes what a report brings back, so that it is spendable for the very request that comes with it. */
export function hearReport(memory: AccountMemory, report: LeaseReport, nowMs: EpochMs, touched: Touched): void {
  const lease = memory.leases.get(report.id);
  if (lease !== undefined) put(memory, heardLease(lease, report, nowMs), touched);
}

/** Answers a report that was heard: closes, revokes, or lends. Null: no lease was opened. */
export function answerReport(
  memory: AccountMemory,
  report: LeaseReport,
  nowMs: EpochMs,
  touched: Touched,
): LeaseAnswer | null {
  const { id } = report;
  const known = memory.leases.get(id);
  if (known === undefined && !report.opens) return { kind: "ended", id };
  if (known !== undefined && mayClose(known, report)) {
    end(memory, known, touched);
    return { kind: "ended", id };
  }
  const key = usableKey(memory, report.keyHash, nowMs);
  if (!key.ok || !mayLease(memory, key.value)) return known === undefined ? null : { kind: "revoked", id };
  if (known === undefined && memory.leases.size >= LEASES_MAX) return null;

  const fresh = (): LeaseRow => ({ ...newGateLease(id), keyHash: report.keyHash, counter: key.value.counter });
  const lease = known ?? heardLease(fresh(), report, nowMs);
  const { grantNusd, keepNusd } = grantOf({
    spendableNusd: spendableBy(memory, key.value, nowMs),
    freeNusd: lease.freeNusd,
    othersFreeNusd: memory.leasesFreeNusd - (known?.freeNusd ?? 0n),
    wantedNusd: report.wantedNusd,
    leastNusd: report.leastNusd,
  });
  if (known === undefined && grantNusd === 0n) return null;
  const spendMs = keepNusd === 0n ? 0 : spendMsOf(key.value, nowMs);
  const grantedNusd = lease.grantedNusd + grantNusd;
  const next: LeaseRow = {
    ...lease,
    grantedNusd,
    reservedNusd: lease.reservedNusd + grantNusd,
    freeNusd: lease.freeNusd + grantNusd,
    spendUntilMs: spendMs === 0 ? lease.spendUntilMs : nowMs + spendMs,
  };
  put(memory, next, touched);
  const gatherMs = gatherMsAmong(memory.leases.size);
  return { kind: "live", id, grantedNusd, keepNusd, spendMs, ...(gatherMs === undefined ? {} : { gatherMs }) };
}

/** Answers a report that was heard, of an isolate that must ask anew: closes or revokes. */
export function revokeReport(memory: AccountMemory, report: LeaseReport, touched: Touched): LeaseAnswer {
  const { id } = report;
  const lease = memory.leases.get(id);
  if (lease !== undefined && !mayClose(lease, report)) return { kind: "revoked", id };
  if (lease !== undefined) end(memory, lease, touched);
  return { kind: "ended", id };
}

/** What the lease behind a settlement covers of it; 0n when it has ended, or when there is none. */
export function leasedHoldOf(
  memory: AccountMemory,
  settlement: Settlement,
): { lease: LeaseRow; heldNusd: NanoUsd } | null {
  const from = settlement.lease ?? null;
  const lease = from === null ? undefined : memory.leases.get(from.id);
  if (from === null || lease === undefined || from.heldNusd < 0n) return null;
  return { lease, heldNusd: from.heldNusd < lease.reservedNusd ? from.heldNusd : lease.reservedNusd };
}

/** Takes what a generation spent out of its lease, as its isolate has done already. */
export function spendFromLease(
  memory: AccountMemory,
  { lease, heldNusd }: { readonly lease: LeaseRow; readonly heldNusd: NanoUsd },
  costNusd: NanoUsd,
  touched: Touched,
): void {
  put(memory, { ...lease, reservedNusd: lease.reservedNusd - spentOf(costNusd, heldNusd) }, touched);
}

/** Ends the leases that nobody told of for so long that no settle can come any more: their isolates are gone. */
export function endExpiredLeases(memory: AccountMemory, nowMs: EpochMs): void {
  const expired = [...memory.leases.values()].filter((lease) => lease.settleUntilMs <= nowMs);
  if (expired.length === 0) return;
  const touched: Touched = new Set();
  const before = memory.account;
  memory.store.atomically(() => {
    for (const lease of expired) end(memory, lease, touched);
    keepLeases(memory, touched);
    if (memory.account !== before) keepAccount(memory, memory.account);
  });
}

/** What is still reserved was never settled: it returns to the tenant, and is counted. */
function end(memory: AccountMemory, lease: LeaseRow, touched: Touched): void {
  replaceLease(memory, lease.id, null);
  touched.add(lease.id);
  if (lease.reservedNusd === 0n) return;
  const { account } = memory;
  memory.account = {
    ...account,
    unsettledCount: account.unsettledCount + 1,
    unsettledNusd: account.unsettledNusd + lease.reservedNusd,
  };
}

function put(memory: AccountMemory, lease: GateLease & LeaseRow, touched: Touched): void {
  replaceLease(memory, lease.id, lease);
  touched.add(lease.id);
}

/** What nobody has reserved, of the balance or of the key's limit. */
function spendableBy(memory: AccountMemory, key: KeyRow, nowMs: EpochMs): NanoUsd {
  const creditNusd = memory.account.balanceNusd - memory.heldNusd;
  const remainingNusd = limitRemaining(key, memory.counters.get(key.counter) ?? newCounter(nowMs), nowMs);
  if (remainingNusd === null) return creditNusd;
  const limitNusd = remainingNusd - (memory.heldByCounter.get(key.counter) ?? 0n);
  return limitNusd < creditNusd ? limitNusd : creditNusd;
}

function spendMsOf(key: KeyRow, nowMs: EpochMs): number {
  return key.expiresAtMs === null ? SPEND_MS : Math.min(SPEND_MS, key.expiresAtMs - nowMs);
}
