/**
 * The rules of a lease, as arithmetic: a part of an account's credit (and of one key's limit) that one isolate may spend
 * from for seconds without asking. Pure on both sides; amounts in nano-dollars, time as arguments.
 *   at the gate      reserved = granted - returned - settled from it; it counts like a hold
 *   at the isolate   free + open holds + settles on their way <= reserved, always
 * What passes between them is said cumulatively (all that was ever granted, all that was ever returned), so a message
 * that is lost, repeated or overtaken does no harm: whoever hears the next one knows everything. Money that changes
 * hands leaves one side before the other may count it: a return is taken off here before it is sent, a grant is reserved
 * there before it is answered.
 * A gate that hears nothing for SETTLE_MS ends the lease, and may open it anew for a call that comes even later. So an
 * isolate that had no answer for so long ends its own side, and takes no grant from an answer to so old a call.
 * An isolate never refuses from a lease: what it doesn't cover is asked of the gate.
 */
import type { EpochMs } from "../core/clock.ts";
import type { KeyHash, LeaseId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import { assert } from "../core/result.ts";

/** How long an isolate may spend from what it was told last: the delay of a revocation. */
export const SPEND_MS = 10_000;
/** The longest generation that a lease waits for without hearing of it (`totalMs` of router/deadlines.ts). */
export const GENERATION_MS_MAX = 900_000;
/** For the last settle to arrive, tries included. */
const SETTLE_SLACK_MS = 60_000;
/** How long the gate waits for settles after the last word from the isolate. */
export const SETTLE_MS = SPEND_MS + GENERATION_MS_MAX + SETTLE_SLACK_MS;
/** Settle calls that a gate is to get per second, from all isolates with a lease together. */
const CALLS_PER_S = 300;
/** So few isolates need not gather. */
const GATHER_LEASES_MIN = 8;
/** A request stays for 25 s after its answer; two tries must fit. */
const GATHER_MS_MAX = 8_000;
/** A lease from which nothing was opened or ended for so long is given back. */
const IDLE_MS = 1_500;

/** No lease's free part is more than this fraction of what could be spent, so near zero there is none. */
const LEASE_SHARE = 64n;
/** All free parts of an account together, however many isolates ask. */
const ACCOUNT_SHARE = 4n;
/** What recent demand is counted over. */
const DEMAND_MS = 2_000;
/** Requests like the last one that a lease covers beyond the recent demand. */
const SPARE_REQUESTS = 4n;

/** What an isolate tells of one lease. */
export interface LeaseReport {
  readonly id: LeaseId;
  readonly keyHash: KeyHash;
  /** What the isolate knows of the tenant's own provider credentials (accounts/byok.ts). */
  readonly byokToken: string;
  /** The gate may open it: it never answered for this lease. */
  readonly opens: boolean;
  /** Nothing is open or on its way any more. */
  readonly closes: boolean;
  /** All grants that were heard of. */
  readonly seenNusd: NanoUsd;
  /** All that was ever given back. */
  readonly returnedNusd: NanoUsd;
  /** What is left to spend from, `returnedNusd` taken off. */
  readonly freeNusd: NanoUsd;
  /** The free part that recent demand asks for. */
  readonly wantedNusd: NanoUsd;
  /** A smaller free part serves nobody. */
  readonly leastNusd: NanoUsd;
  /** Settles that were given up: their part stays with the operator. */
  readonly lostNusd: NanoUsd;
}

export type LeaseAnswer =
  | {
      readonly kind: "live";
      readonly id: LeaseId;
      /** All that was ever granted. */
      readonly grantedNusd: NanoUsd;
      /** What the free part may be at most; the rest is to be returned with the next report. */
      readonly keepNusd: NanoUsd;
      /** How long it may be spent from, counted from when the report was sent; 0: not any more. */
      readonly spendMs: number;
      /** How long settles are to be gathered before a call; absent: as short as can be. */
      readonly gatherMs?: number;
    }
  /** The key may not spend any more: no new generation; what is free is to be returned. */
  | { readonly kind: "revoked"; readonly id: LeaseId }
  /** Closed, or unknown: nothing is reserved for it. */
  | { readonly kind: "ended"; readonly id: LeaseId };

/** A lease as its gate keeps it. */
export interface GateLease {
  readonly id: LeaseId;
  readonly reservedNusd: NanoUsd;
  readonly grantedNusd: NanoUsd;
  readonly returnedNusd: NanoUsd;
  /** The isolate's free part when it was last heard of, grants since then included; for sizing only. */
  readonly freeNusd: NanoUsd;
  readonly spendUntilMs: EpochMs;
  readonly settleUntilMs: EpochMs;
}

/** A lease that nothing was granted to. */
export function newGateLease(id: LeaseId): GateLease {
  return {
    id,
    reservedNusd: 0n,
    grantedNusd: 0n,
    returnedNusd: 0n,
    freeNusd: 0n,
    spendUntilMs: 0,
    settleUntilMs: 0,
  };
}

/** The lease after a report: what came back is not reserved any more, and the gate waits anew. */
export function heardLease<L extends GateLease>(lease: L, report: LeaseReport, nowMs: EpochMs): L {
  const backNusd = report.returnedNusd - lease.returnedNusd;
  const isNews = backNusd > 0n;
  const unseenNusd = lease.grantedNusd - report.seenNusd;
  return {
    ...lease,
    // A report that was overtaken brings nothing new.
    reservedNusd: isNews ? lease.reservedNusd - least(backNusd, lease.reservedNusd) : lease.reservedNusd,
    returnedNusd: isNews ? report.returnedNusd : lease.returnedNusd,
    freeNusd: report.freeNusd + (unseenNusd > 0n ? unseenNusd : 0n),
    settleUntilMs: nowMs + SETTLE_MS,
  };
}

/**
 * Whether a lease may end: not while a grant is on its way. As its isolate asks, with no more than was given up; or
 * because nothing is wanted of it and nothing is left, so that neither a hold nor a settle can need it.
 */
export function mayClose(lease: GateLease, report: LeaseReport): boolean {
  if (report.seenNusd !== lease.grantedNusd) return false;
  if (report.closes) return lease.reservedNusd <= report.lostNusd;
  return report.wantedNusd === 0n && lease.reservedNusd === 0n;
}

export interface GrantRequest {
  /** What neither holds nor leases reserve, of the balance or of the key's limit, whichever is less; may be negative. */
  readonly spendableNusd: NanoUsd;
  /** This lease's free part, as `GateLease.freeNusd`. */
  readonly freeNusd: NanoUsd;
  /** Free parts of the account's other leases. */
  readonly othersFreeNusd: NanoUsd;
  readonly wantedNusd: NanoUsd;
  readonly leastNusd: NanoUsd;
}

export interface Grant {
  readonly grantNusd: NanoUsd;
  /** 0n: a lease makes no sense now. */
  readonly keepNusd: NanoUsd;
}

/** How much more to lend. Never more than what is spendable. */
export function grantOf(request: GrantRequest): Grant {
  const { spendableNusd, freeNusd, othersFreeNusd, wantedNusd } = request;
  const reachNusd = spendableNusd + freeNusd;
  const keepNusd = least(reachNusd / LEASE_SHARE, (reachNusd + othersFreeNusd) / ACCOUNT_SHARE - othersFreeNusd);
  if (keepNusd <= 0n || keepNusd < request.leastNusd) return { grantNusd: 0n, keepNusd: 0n };
  const targetNusd = least(wantedNusd, keepNusd);
  return { grantNusd: targetNusd > freeNusd ? targetNusd - freeNusd : 0n, keepNusd };
}

/**
 * How long each isolate gathers settles, so that the calls of all of them stay within what one gate can answer; undefined
 * where they are few. What is gathered is lost if its isolate dies: the operator's loss, as everything lent is.
 */
export function gatherMsAmong(leaseCount: number): number | undefined {
  if (leaseCount <= GATHER_LEASES_MIN) return undefined;
  return Math.min(GATHER_MS_MAX, Math.ceil((leaseCount * 1_000) / CALLS_PER_S));
}

/** What a settle takes out of a lease: the gate's reserve falls by it, the rest of the hold is free at the isolate. */
export function spentOf(costNusd: NanoUsd, heldNusd: NanoUsd): NanoUsd {
  return costNusd <= 0n ? 0n : least(costNusd, heldNusd);
}

/** A lease as its isolate keeps it; changed in place, since every request passes here. */
export interface IsolateLease {
  readonly id: LeaseId;
  readonly keyHash: KeyHash;
  /** Only requests planned with this state of the tenant's own credentials are admitted from it. */
  byokToken: string;
  freeNusd: NanoUsd;
  openNusd: NanoUsd;
  openCount: number;
  /** Settles from it that the gate has not acknowledged. */
  unsettledCount: number;
  lostNusd: NanoUsd;
  seenNusd: NanoUsd;
  returnedNusd: NanoUsd;
  keepNusd: NanoUsd;
  spendUntilMs: EpochMs;
  /** `asked`: the gate has not answered yet. `spent`: not to be spent from any more, only to be wound up. */
  state: "asked" | "live" | "spent" | "closing" | "ended";
  /** Calls under way that ask to open it. */
  asks: number;
  /** Closes that didn't work. */
  closeTries: number;
  reportedAtMs: EpochMs;
  /** The gate keeps it at least until then; 0: it has not answered. */
  keptUntilMs: EpochMs;
  /** When a hold was last opened, asked for or ended. */
  usedAtMs: EpochMs;
  /** As the gate said; 0: it did not. */
  gatherMs: number;
  /** Worst case of the latest request. */
  lastNusd: NanoUsd;
  demandNusd: NanoUsd;
  demandBeforeNusd: NanoUsd;
  demandSinceMs: EpochMs;
}

/** A lease that the gate was not asked for yet. */
export function newIsolateLease(id: LeaseId, keyHash: KeyHash, byokToken: string, nowMs: EpochMs): IsolateLease {
  return {
    id,
    keyHash,
    byokToken,
    freeNusd: 0n,
    openNusd: 0n,
    openCount: 0,
    unsettledCount: 0,
    lostNusd: 0n,
    seenNusd: 0n,
    returnedNusd: 0n,
    keepNusd: 0n,
    spendUntilMs: 0,
    state: "asked",
    asks: 0,
    closeTries: 0,
    reportedAtMs: nowMs,
    keptUntilMs: 0,
    usedAtMs: nowMs,
    gatherMs: 0,
    lastNusd: 0n,
    demandNusd: 0n,
    demandBeforeNusd: 0n,
    demandSinceMs: nowMs,
  };
}

/** Opens a hold of `wantedNusd` from the lease. @returns false when the gate must be asked. */
export function openFromLease(lease: IsolateLease, wantedNusd: NanoUsd, nowMs: EpochMs): boolean {
  noteDemand(lease, wantedNusd, nowMs);
  if (nowMs >= lease.spendUntilMs || lease.state !== "live" || lease.freeNusd < wantedNusd) return false;
  lease.freeNusd -= wantedNusd;
  lease.openNusd += wantedNusd;
  lease.openCount++;
  return true;
}

/** Adds to a hold that was opened from the lease. @returns false when the gate must be asked. */
export function growFromLease(lease: IsolateLease, moreNusd: NanoUsd, nowMs: EpochMs): boolean {
  noteDemand(lease, moreNusd, nowMs);
  if (nowMs >= lease.spendUntilMs || lease.state !== "live" || lease.freeNusd < moreNusd) return false;
  lease.freeNusd -= moreNusd;
  lease.openNusd += moreNusd;
  return true;
}

function noteDemand(lease: IsolateLease, wantedNusd: NanoUsd, nowMs: EpochMs): void {
  const ageMs = nowMs - lease.demandSinceMs;
  if (ageMs >= DEMAND_MS) {
    lease.demandBeforeNusd = ageMs < 2 * DEMAND_MS ? lease.demandNusd : 0n;
    lease.demandNusd = 0n;
    lease.demandSinceMs = nowMs;
  }
  lease.demandNusd += wantedNusd;
  lease.lastNusd = wantedNusd;
  lease.usedAtMs = nowMs;
}

/** Ends a hold; what it didn't cost is free at once. The cost stays reserved at the gate until its settle arrives. */
export function closeHold(lease: IsolateLease, heldNusd: NanoUsd, costNusd: NanoUsd, nowMs: EpochMs): void {
  assert(lease.openNusd >= heldNusd && lease.openCount > 0, "a leased hold ends once");
  lease.openNusd -= heldNusd;
  lease.openCount--;
  lease.freeNusd += heldNusd - spentOf(costNusd, heldNusd);
  lease.usedAtMs = nowMs;
}

/** A settle was given up: nobody knows whether it arrived, so what it cost stays reserved until the close. */
export function loseSettle(lease: IsolateLease, heldNusd: NanoUsd, costNusd: NanoUsd): void {
  lease.unsettledCount--;
  lease.lostNusd += spentOf(costNusd, heldNusd);
  if (lease.state === "live") lease.state = "spent";
}

/** Whether nothing was opened or ended lately, or must not be any more. */
export function isIdle(lease: IsolateLease, nowMs: EpochMs): boolean {
  return lease.state === "spent" || nowMs - lease.usedAtMs >= Math.max(IDLE_MS, 2 * lease.gatherMs);
}

/**
 * What to tell the gate; what it returns has left the lease here. `more` keeps what recent demand asks for and wants as
 * much, if there was any; `back` returns all that is free; `close` does so for the last time, with nothing open or on its way.
 */
export function reportOf(lease: IsolateLease, purpose: "more" | "back" | "close", nowMs: EpochMs): LeaseReport {
  const isOver = purpose !== "more" || isIdle(lease, nowMs);
  const wantedNusd = isOver ? 0n : wantedOf(lease, nowMs);
  const opens = lease.state === "asked" && !isOver;
  if (purpose === "close") {
    assert(lease.openCount === 0 && lease.unsettledCount === 0 && lease.asks === 0, "a lease in use is not closed");
    lease.state = "closing";
  }
  const surplusNusd = surplusOf(lease, isOver, wantedNusd);
  lease.freeNusd -= surplusNusd;
  lease.returnedNusd += surplusNusd;
  lease.reportedAtMs = nowMs;
  return {
    id: lease.id,
    keyHash: lease.keyHash,
    byokToken: lease.byokToken,
    opens,
    closes: purpose === "close",
    seenNusd: lease.seenNusd,
    returnedNusd: lease.returnedNusd,
    freeNusd: lease.freeNusd,
    wantedNusd,
    leastNusd: lease.lastNusd,
    lostNusd: lease.lostNusd,
  };
}

/** The demand of the last seconds, and a few requests like the last one. */
function wantedOf(lease: IsolateLease, nowMs: EpochMs): NanoUsd {
  const ageMs = nowMs - lease.demandSinceMs;
  const { demandNusd, demandBeforeNusd } = lease;
  const recentNusd = ageMs >= 2 * DEMAND_MS ? 0n : demandNusd > demandBeforeNusd ? demandNusd : demandBeforeNusd;
  return recentNusd + SPARE_REQUESTS * lease.lastNusd;
}

/** A little too much is kept: it would be asked for again. */
function surplusOf(lease: IsolateLease, isOver: boolean, wantedNusd: NanoUsd): NanoUsd {
  if (isOver) return lease.freeNusd;
  const { freeNusd, keepNusd } = lease;
  if (freeNusd > keepNusd) return freeNusd - least(keepNusd, wantedNusd);
  return freeNusd > 2n * wantedNusd ? freeNusd - wantedNusd : 0n;
}

/** Whether its gate may have ended it unheard. */
export function hasLapsed(lease: IsolateLease, nowMs: EpochMs): boolean {
  return lease.keptUntilMs !== 0 && nowMs >= lease.keptUntilMs;
}

/** Nothing is reserved for it any more, as far as anybody knows. What runs is settled from what is spendable. */
export function endLease(lease: IsolateLease): void {
  lease.state = "ended";
  lease.freeNusd = 0n;
}

/** Takes the gate's answer to a report that was sent at `sentAtMs`. Answers may come late, twice or out of order. */
export function takeAnswer(lease: IsolateLease, answer: LeaseAnswer, sentAtMs: EpochMs, nowMs: EpochMs): void {
  if (lease.state === "ended") return;
  if (hasLapsed(lease, nowMs)) return endLease(lease);
  switch (answer.kind) {
    case "ended":
      endLease(lease);
      return;
    case "revoked":
      lease.state = "spent";
      return;
    case "live": {
      if (nowMs - sentAtMs >= SETTLE_MS) return;
      lease.keptUntilMs = Math.max(lease.keptUntilMs, sentAtMs + SETTLE_MS);
      const newsNusd = answer.grantedNusd - lease.seenNusd;
      if (newsNusd > 0n) {
        lease.freeNusd += newsNusd;
        lease.seenNusd = answer.grantedNusd;
      }
      lease.keepNusd = answer.keepNusd;
      lease.gatherMs = answer.gatherMs ?? 0;
      if (lease.state === "asked") lease.state = "live";
      const untilMs = answer.spendMs === 0 ? 0 : sentAtMs + answer.spendMs;
      lease.spendUntilMs = untilMs === 0 ? 0 : Math.max(lease.spendUntilMs, untilMs);
      return;
    }
    default:
      answer satisfies never;
  }
}

function least(left: NanoUsd, right: NanoUsd): NanoUsd {
  return left < right ? left : right;
}
