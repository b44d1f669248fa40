/**
 * What an isolate keeps of one account: settlements on their way, open generations, leases. Synchronous; the calls
 * themselves are account-client.ts's. A call is made here (what to send), and what became of it is told here (its answer,
 * or that there was none), so that a test can lose, repeat and overtake each of them.
 * Isolate memory: what dies with it is the operator's loss, at most its leases.
 */
import { NO_BYOK } from "../accounts/byok.ts";
import type { EpochMs } from "../core/clock.ts";
import { asLeaseId, type GenerationId, type KeyHash } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import {
  closeHold,
  endLease,
  growFromLease,
  hasLapsed,
  isIdle,
  loseSettle,
  newIsolateLease,
  openFromLease,
  reportOf,
  takeAnswer,
  type IsolateLease,
  type LeaseReport,
} from "../ledger/lease.ts";
import type { Admission, AdmitRequest, Extension, Settlement, SettleReceipt } from "./account-contract.ts";

/** A settle that is unacknowledged for so long is sent again. */
const RESEND_MS = 2_000;
/** Settlements in one call; a larger queue goes in several. */
const BATCH_MAX = 500;
/** The gate waits for a quarter of an hour and more after each word (SETTLE_MS): this leaves three tries. */
const REPORT_MS = 300_000;
/** Closes that may fail; then the lease ends by itself. */
const CLOSE_TRIES_MAX = 3;

export interface Queued {
  readonly settlement: Settlement;
  /** The lease that it was opened from. */
  readonly lease: IsolateLease | null;
  /** When it was last sent; 0: not yet. */
  sentAtMs: EpochMs;
}

export interface IsolateAccount {
  /** Unacknowledged, by generation. */
  readonly queue: Map<GenerationId, Queued>;
  /** When somebody is to send the queue; in the past: nobody is. */
  sendDueMs: EpochMs;
  /** Settlements in the last call. */
  lastBatch: number;
  /** Open generations whose holds at the gate must live, and how much those are. */
  readonly open: Map<GenerationId, NanoUsd>;
  renewedAtMs: EpochMs;
  /** At most one a key. */
  readonly leases: Map<KeyHash, IsolateLease>;
  /** Open generations whose holds, or parts of them, are in a lease. */
  readonly leased: Map<GenerationId, { readonly lease: IsolateLease; readonly heldNusd: NanoUsd }>;
  /** Which request looks after the leases, and when it last did. */
  keeper: number;
  keptAtMs: EpochMs;
}

/** One call of the gate's `settle`. */
export interface SettleCall {
  readonly settlements: readonly Settlement[];
  readonly reports: readonly LeaseReport[];
  readonly sentAtMs: EpochMs;
}

export function newIsolateAccount(nowMs: EpochMs): IsolateAccount {
  return {
    queue: new Map(),
    sendDueMs: 0,
    lastBatch: 0,
    open: new Map(),
    renewedAtMs: nowMs,
    leases: new Map(),
    leased: new Map(),
    keeper: 0,
    keptAtMs: 0,
  };
}

/** Nothing is open, on its way or lent. */
export function isAtRest({ queue, open, leases, leased }: IsolateAccount): boolean {
  return queue.size === 0 && open.size === 0 && leases.size === 0 && leased.size === 0;
}

/** Admits from the isolate's lease. @returns null when the gate must be asked: nobody is refused here. */
export function admitFromLease(account: IsolateAccount, request: AdmitRequest, nowMs: EpochMs): Admission | null {
  const lease = account.leases.get(request.keyHash);
  if (lease === undefined || request.isFree || lease.byokToken !== (request.byokToken ?? NO_BYOK)) return null;
  const { minimumNusd, generationId: id } = request;
  // What names no limit is held in full here: less than that is for the gate to say.
  const wantedNusd = fullOf(request);
  // Planned anew under the same id: its hold is the gate's, or is opened anew.
  if (account.open.has(id)) return null;
  abandon(account, id, nowMs);
  const heldNusd = wantedNusd > minimumNusd ? wantedNusd : minimumNusd;
  if (!openFromLease(lease, heldNusd, nowMs)) return null;
  account.leased.set(id, { lease, heldNusd });
  return { kind: "admitted", holdNusd: heldNusd, expiresAtMs: lease.spendUntilMs, lease: null };
}

function fullOf({ wantedNusd, fullNusd }: AdmitRequest): NanoUsd {
  return fullNusd !== undefined && fullNusd > wantedNusd ? fullNusd : wantedNusd;
}

/**
 * Holds more for a generation that runs, from the lease it was opened from, or for one of the gate's from the key's.
 * @returns what is held for it here and at the gate; null when the gate must be asked.
 */
export function extendFromLease(
  account: IsolateAccount,
  { keyHash, generationId: id }: Pick<AdmitRequest, "keyHash" | "generationId">,
  moreNusd: NanoUsd,
  nowMs: EpochMs,
): NanoUsd | null {
  const leased = account.leased.get(id);
  const lease = leased?.lease ?? account.leases.get(keyHash);
  if (lease === undefined) return null;
  const take = leased === undefined ? openFromLease : growFromLease;
  if (!take(lease, moreNusd, nowMs)) return null;
  account.leased.set(id, { lease, heldNusd: (leased?.heldNusd ?? 0n) + moreNusd });
  return heldOf(account, id);
}

/** Asks the gate for as much more: says the total, so that a second call finds what a first one has held. */
export function extensionOf(
  account: IsolateAccount,
  { keyHash, generationId }: Pick<AdmitRequest, "keyHash" | "generationId">,
  moreNusd: NanoUsd,
): Extension {
  return { keyHash, generationId, totalNusd: (account.open.get(generationId) ?? 0n) + moreNusd };
}

/** What the gate says that it holds. @returns what is held, in all. */
export function takeExtension(account: IsolateAccount, { generationId: id }: Extension, nusd: NanoUsd): NanoUsd {
  // Meanwhile it may have ended: then nothing is to be renewed.
  const isOpen = account.leased.has(id) || account.open.has(id);
  if (isOpen && nusd > (account.open.get(id) ?? 0n)) account.open.set(id, nusd);
  return heldOf(account, id);
}

/** What is held for a generation that runs, here and at the gate; 0n after its end. */
function heldOf(account: IsolateAccount, id: GenerationId): NanoUsd {
  return (account.leased.get(id)?.heldNusd ?? 0n) + (account.open.get(id) ?? 0n);
}

/**
 * What a request that goes to the gate asks for beside its hold; null: for nothing.
 * @param newId makes a lease id's last part, unique in this isolate.
 * @param givesAll the request was short: whatever this isolate has free is brought back with it.
 */
export function askForLease(
  account: IsolateAccount,
  request: AdmitRequest,
  newId: () => string,
  givesAll: boolean,
  nowMs: EpochMs,
): LeaseReport | null {
  if (request.isFree || request.wantedNusd === 0n) return null;
  endLapsed(account, nowMs);
  let lease = account.leases.get(request.keyHash);
  if (lease === undefined) {
    lease = newIsolateLease(asLeaseId(newId()), request.keyHash, request.byokToken ?? NO_BYOK, nowMs);
    account.leases.set(request.keyHash, lease);
    // Counts the request as demand; there is nothing to open a hold from yet.
    openFromLease(lease, fullOf(request), nowMs);
  }
  if (lease.state === "closing") return null;
  lease.asks++;
  return reportOf(lease, givesAll ? "back" : "more", nowMs);
}

/** What became of a request at the gate; `admission` is null when it didn't answer. */
export function takeAdmission(
  account: IsolateAccount,
  request: AdmitRequest,
  admission: Admission | null,
  sentAtMs: EpochMs,
  nowMs: EpochMs,
): void {
  const isAdmitted = admission?.kind === "admitted";
  if (isAdmitted) account.open.set(request.generationId, admission.holdNusd);
  const lease = account.leases.get(request.keyHash);
  if (lease === undefined || request.lease?.id !== lease.id) return;
  lease.asks--;
  if (isAdmitted) lease.byokToken = request.byokToken ?? NO_BYOK;
  if (isAdmitted && admission.lease !== null) takeAnswer(lease, admission.lease, sentAtMs, nowMs);
  // The key was refused: what is lent to it must not be spent either.
  else if (admission?.kind === "refused" && lease.state === "live")
    takeAnswer(lease, { kind: "revoked", id: lease.id }, sentAtMs, nowMs);
  // A definite answer that says nothing of a lease: there is none.
  const isNone = lease.state === "asked" && lease.asks === 0 && admission !== null;
  if (isNone || lease.state === "ended") account.leases.delete(request.keyHash);
}

/** Queues a settlement; what its leased hold doesn't cost can be spent again at once. */
export function enqueue(account: IsolateAccount, settlement: Settlement, nowMs: EpochMs): Queued {
  const id = settlement.generationId;
  const leased = account.leased.get(id);
  let queued: Queued = { settlement, lease: null, sentAtMs: 0 };
  if (leased !== undefined) {
    const { lease, heldNusd } = leased;
    account.leased.delete(id);
    closeHold(lease, heldNusd, settlement.costNusd, nowMs);
    lease.unsettledCount++;
    queued = { settlement: { ...settlement, lease: { id: lease.id, heldNusd } }, lease, sentAtMs: 0 };
  }
  account.queue.set(id, queued);
  return queued;
}

/** A generation that will never be settled (a bug): its leased hold is free again, uncharged. */
export function abandon(account: IsolateAccount, id: GenerationId, nowMs: EpochMs): void {
  const leased = account.leased.get(id);
  if (leased === undefined) return;
  account.leased.delete(id);
  closeHold(leased.lease, leased.heldNusd, 0n, nowMs);
}

/** How long the account's settles are to be gathered, as its gate said last; 0: it said nothing. */
export function gatherMsOf({ leases }: IsolateAccount): number {
  let gatherMs = 0;
  for (const lease of leases.values()) gatherMs = Math.max(gatherMs, lease.gatherMs);
  return gatherMs;
}

/** Whether it is unsent, or was sent so long ago that its answer must be lost. */
export function isDue(queued: Queued, nowMs: EpochMs): boolean {
  return nowMs - queued.sentAtMs >= RESEND_MS;
}

/**
 * What is unsent, or was sent long ago, with a report of each lease; null when there is nothing. Marked as sent before the
 * call, so that others leave it alone.
 */
export function dueCall(account: IsolateAccount, nowMs: EpochMs): SettleCall | null {
  const settlements: Settlement[] = [];
  for (const queued of account.queue.values()) {
    if (!isDue(queued, nowMs)) continue;
    queued.sentAtMs = nowMs;
    settlements.push(queued.settlement);
    if (settlements.length === BATCH_MAX) break;
  }
  if (settlements.length === 0) return null;
  account.lastBatch = settlements.length;
  endLapsed(account, nowMs);
  const reports: LeaseReport[] = [];
  for (const lease of account.leases.values()) {
    if (lease.state === "live" || lease.state === "spent") reports.push(reportOf(lease, "more", nowMs));
  }
  return { settlements, reports, sentAtMs: nowMs };
}

/** Gives back what is free of leases that nobody uses (`isLast`: of all), and closes those with nothing open. */
export function idleCall(account: IsolateAccount, isLast: boolean, nowMs: EpochMs): SettleCall | null {
  endLapsed(account, nowMs);
  const reports: LeaseReport[] = [];
  for (const lease of account.leases.values()) {
    if (lease.state === "closing" || lease.asks > 0 || !(isLast || isIdle(lease, nowMs))) continue;
    const canClose = lease.openCount === 0 && lease.unsettledCount === 0;
    if (canClose) reports.push(reportOf(lease, "close", nowMs));
    else if (lease.freeNusd > 0n) reports.push(reportOf(lease, "back", nowMs));
  }
  return reports.length === 0 ? null : { settlements: [], reports, sentAtMs: nowMs };
}

/** Tells the gate of leases whose generations run on and on; null when it heard of them not long ago. */
export function renewalCall(account: IsolateAccount, nowMs: EpochMs): SettleCall | null {
  endLapsed(account, nowMs);
  const reports: LeaseReport[] = [];
  for (const lease of account.leases.values()) {
    if (lease.state === "asked" || lease.state === "closing" || nowMs - lease.reportedAtMs < REPORT_MS) continue;
    reports.push(reportOf(lease, "more", nowMs));
  }
  return reports.length === 0 ? null : { settlements: [], reports, sentAtMs: nowMs };
}

/** What became of a call; `receipt` is null when there was no answer. */
export function takeReceipt(
  account: IsolateAccount,
  call: SettleCall,
  receipt: SettleReceipt | null,
  nowMs: EpochMs,
): void {
  for (const id of receipt?.acknowledged ?? []) {
    const queued = account.queue.get(id);
    if (queued === undefined) continue;
    account.queue.delete(id);
    if (queued.lease !== null) queued.lease.unsettledCount--;
  }
  const byId = new Map([...account.leases.values()].map((lease) => [lease.id, lease]));
  for (const answer of receipt?.leases ?? []) {
    const lease = byId.get(answer.id);
    if (lease !== undefined) takeAnswer(lease, answer, call.sentAtMs, nowMs);
  }
  for (const { id, closes } of call.reports) {
    const lease = byId.get(id);
    if (lease === undefined) continue;
    if (lease.state !== "ended" && closes) {
      // Not closed: a grant was on its way here, or the answer was lost. It is given back with the next try.
      lease.state = "spent";
      lease.closeTries++;
    }
    if (lease.state === "ended" || lease.closeTries >= CLOSE_TRIES_MAX) account.leases.delete(lease.keyHash);
  }
}

/** Forgets leases that the gate has not answered for, for so long that it may have ended them. */
function endLapsed({ leases }: IsolateAccount, nowMs: EpochMs): void {
  for (const lease of leases.values()) {
    if (!hasLapsed(lease, nowMs)) continue;
    endLease(lease);
    leases.delete(lease.keyHash);
  }
}

/** Gives a settlement up. What it would have cost stays reserved until its lease is closed, and is counted then. */
export function giveUp(account: IsolateAccount, id: GenerationId): void {
  const queued = account.queue.get(id);
  if (queued === undefined) return;
  account.queue.delete(id);
  const { lease, settlement } = queued;
  if (lease !== null) loseSettle(lease, settlement.lease?.heldNusd ?? 0n, settlement.costNusd);
}
