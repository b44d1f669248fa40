/**
 * Automatic top-up: when the balance falls under the tenant's threshold, the gate's alarm buys credit by the card that was
 * kept; no request waits for it. An attempt is stored before the payment provider is asked, and asked for again with the
 * same id until it is known how it ended, so that nothing is charged twice. One attempt at a time, at most one a minute,
 * within the monthly cap. A declined payment ends it until the tenant enables it again (behaviours T15).
 */
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { NanoUsd } from "../core/money.ts";
import { err, ok, type Result } from "../core/result.ts";
import { windowAt } from "../limits/window.ts";
import type { ChargeOrder, PaymentFacts, PaymentFault, PaymentPort } from "../ledger/payment-port.ts";
import { purchasePrice, type PurchasePrice, type PurchaseTerms } from "../ledger/purchase.ts";
import type { AccountMemory } from "./account-memory.ts";
import type { TopUpChange, TopUpView } from "./account-payments-contract.ts";
import { newPurchaseRow, type TopUpRow } from "./account-payments-store.ts";

const BETWEEN_MS = 60_000;
/** When the provider could not be asked: again after this, doubling up to the second. */
const RETRY_MS_MIN = 60_000;
const RETRY_MS_MAX = 3_600_000;
/** The provider keeps ids of payments for 24 h: after this long asking again could charge again. */
const GIVE_UP_MS = 20 * 3_600_000;
/** A payment that the provider is still working on is asked after by the hour; usually an event comes first. */
const PROCESSING_MS = 3_600_000;

/** An attempt as the payment port wants it; `paymentId` when the provider has begun it. */
export interface TopUpOrder extends ChargeOrder {
  readonly paymentId: string | null;
}

/** Reads the settings, after the change if there is one. @returns `conflict` when there is no method to charge. */
export function changeTopUp(
  memory: AccountMemory,
  change: TopUpChange | null,
  nowMs: EpochMs,
): Result<TopUpView, RouterError> {
  if (change === null || (memory.topUp === null && !change.isEnabled)) return ok(viewOf(memory.topUp, nowMs));
  if (memory.topUp === null) {
    return err({
      kind: "conflict",
      message: "There is no card to charge. Pay once through a checkout with save_payment_method, then enable it.",
    });
  }
  const { isEnabled, ...rest } = change;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const topUp: TopUpRow = {
    ...memory.topUp,
    ...given,
    isEnabled,
    stopped: isEnabled ? null : memory.topUp.stopped,
    lastAtMs: Math.min(memory.topUp.lastAtMs, nowMs),
  };
  if (isEnabled && topUp.amountNusd === 0n)
    return err({ kind: "bad_request", message: "amount is required", path: "amount" });
  keepTopUp(memory, topUp);
  return ok(viewOf(topUp, nowMs));
}

/** When there is something to do: now, at a later time, or not until something changes (null). */
export function topUpDueMs(memory: AccountMemory, nowMs: EpochMs): EpochMs | null {
  const { topUp } = memory;
  if (topUp === null) return null;
  if (topUp.attempt !== null) return topUp.attempt.nextTryMs;
  if (!topUp.isEnabled || memory.account.balanceNusd >= topUp.thresholdNusd) return null;
  const isCapped = topUp.monthlyCapNusd !== null && chargedIn(topUp, nowMs) + topUp.amountNusd > topUp.monthlyCapNusd;
  const earliestMs = Math.max(nowMs, topUp.lastAtMs + BETWEEN_MS);
  // Without credit nothing is settled any more, so nothing else would look again next month.
  return isCapped ? Math.max(earliestMs, windowAt("monthly", nowMs).endMs) : earliestMs;
}

/**
 * The attempt to make now: the one under way, or a new one by `purchaseId`, which is then on record.
 * @returns null when nothing is due.
 */
export function beginTopUp(
  memory: AccountMemory,
  terms: PurchaseTerms,
  nowMs: EpochMs,
  purchaseId: string,
): TopUpOrder | null {
  const dueMs = topUpDueMs(memory, nowMs);
  const { topUp } = memory;
  if (topUp === null || dueMs === null || dueMs > nowMs) return null;
  const { attempt } = topUp;
  if (attempt !== null) {
    keepTopUp(memory, { ...topUp, attempt: { ...attempt, nextTryMs: nowMs + retryMs(attempt.tries) } });
    const purchase = memory.store.readPurchase(attempt.purchaseId);
    return purchase === undefined ? null : orderOf(memory, topUp, attempt.purchaseId, purchase, attempt.paymentId);
  }
  const price = purchasePrice(topUp.amountNusd, ["card"], terms);
  // The operator's terms changed since the tenant chose.
  if (!price.ok) return stop(memory, topUp, "amount_outside_terms", nowMs);
  const totalNusd = price.value.creditNusd + price.value.feeNusd;
  const chargedNusd = chargedIn(topUp, nowMs) + totalNusd;
  if (topUp.monthlyCapNusd !== null && chargedNusd > topUp.monthlyCapNusd) {
    // The fee alone leads over it: as above, not before the next month.
    keepTopUp(memory, { ...topUp, lastAtMs: windowAt("monthly", nowMs).endMs - BETWEEN_MS });
    return null;
  }
  const next: TopUpRow = {
    ...topUp,
    attempt: { purchaseId, startedAtMs: nowMs, tries: 0, nextTryMs: nowMs + RETRY_MS_MIN, paymentId: null },
    month: { id: windowAt("monthly", nowMs).id, nusd: chargedNusd },
    lastAtMs: nowMs,
  };
  memory.store.atomically(() => {
    const row = newPurchaseRow({ id: purchaseId, ...price.value }, nowMs);
    memory.store.writePurchase({ ...row, source: "auto_top_up" });
    memory.store.writeTopUp(next);
  });
  memory.topUp = next;
  return orderOf(memory, next, purchaseId, price.value, null);
}

/** What an attempt's end is told to: both write to the gate's storage. */
export interface TopUpDesk {
  record(facts: PaymentFacts): Promise<unknown>;
  fail(fault: PaymentFault): Promise<unknown>;
}

/** Charges, or asks after a charge that was begun, and tells the desk. Waits for the payment provider. */
export async function runTopUp(order: TopUpOrder, port: PaymentPort, desk: TopUpDesk): Promise<void> {
  const { paymentId } = order;
  const facts = await (paymentId === null ? port.charge(order) : port.payment(paymentId, false));
  // The books may be out of reach: then the attempt stays, and the next try is told of the same payment.
  if (facts.ok && facts.value !== null) await desk.record(facts.value);
  if (!facts.ok) await desk.fail(facts.error);
}

/** Notes that an attempt brought no payment: to be tried again, or over. */
export function failTopUp(memory: AccountMemory, order: TopUpOrder, fault: PaymentFault, nowMs: EpochMs): void {
  const { topUp } = memory;
  if (topUp?.attempt?.purchaseId !== order.purchaseId) return;
  const { attempt } = topUp;
  const isOver = fault.kind !== "unreachable" || nowMs - attempt.startedAtMs > GIVE_UP_MS;
  if (!isOver) {
    const tries = attempt.tries + 1;
    keepTopUp(memory, { ...topUp, attempt: { ...attempt, tries, nextTryMs: nowMs + retryMs(tries) } });
    return;
  }
  const purchase = memory.store.readPurchase(order.purchaseId);
  memory.store.atomically(() => {
    if (purchase?.status === "open") memory.store.writePurchase({ ...purchase, status: "failed" });
    stop(memory, ended(topUp, order, nowMs), fault.kind === "mismatch" ? "mismatch" : fault.code, nowMs);
  });
}

/** The settings after what is true of a payment: its card is kept, its attempt is over. Pure. */
export function topUpAfter(known: TopUpRow | null, facts: PaymentFacts, nowMs: EpochMs): TopUpRow | null {
  const saved = facts.saved ?? known?.saved;
  if (saved === undefined) return null;
  const topUp: TopUpRow = known === null ? { ...NEW, saved } : { ...known, saved };
  if (topUp.attempt?.purchaseId !== facts.purchaseId) return topUp;
  switch (facts.status) {
    case "paid":
      return { ...topUp, attempt: null };
    case "open":
      return {
        ...topUp,
        attempt: { ...topUp.attempt, paymentId: facts.paymentId, nextTryMs: nowMs + PROCESSING_MS },
      };
    case "failed":
      return {
        ...ended(topUp, facts, nowMs),
        isEnabled: false,
        stopped: { code: facts.failureCode ?? "failed", atMs: nowMs },
      };
    default:
      return facts.status satisfies never;
  }
}

const NEW: Omit<TopUpRow, "saved"> = {
  isEnabled: false,
  thresholdNusd: 0n,
  amountNusd: 0n,
  monthlyCapNusd: null,
  month: { id: "", nusd: 0n },
  attempt: null,
  lastAtMs: 0,
  stopped: null,
};

/** Without the attempt, and without what it would have charged in this month. */
function ended(topUp: TopUpRow, { creditNusd, feeNusd }: PurchasePrice, nowMs: EpochMs): TopUpRow {
  const { month, attempt } = topUp;
  const isThisMonth = month.id === windowAt("monthly", attempt?.startedAtMs ?? nowMs).id;
  return {
    ...topUp,
    attempt: null,
    month: isThisMonth ? { ...month, nusd: month.nusd - creditNusd - feeNusd } : month,
  };
}

function stop(memory: AccountMemory, topUp: TopUpRow, code: string, atMs: EpochMs): null {
  keepTopUp(memory, { ...topUp, isEnabled: false, stopped: { code, atMs } });
  return null;
}

function keepTopUp(memory: AccountMemory, topUp: TopUpRow): void {
  memory.store.writeTopUp(topUp);
  memory.topUp = topUp;
}

function orderOf(
  memory: AccountMemory,
  topUp: TopUpRow,
  purchaseId: string,
  { creditNusd, feeNusd }: PurchasePrice,
  paymentId: string | null,
): TopUpOrder {
  return { purchaseId, account: memory.account.id, creditNusd, feeNusd, ...topUp.saved, paymentId };
}

function chargedIn({ month }: TopUpRow, nowMs: EpochMs): NanoUsd {
  return month.id === windowAt("monthly", nowMs).id ? month.nusd : 0n;
}

function retryMs(tries: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(tries, 10));
}

function viewOf(topUp: TopUpRow | null, nowMs: EpochMs): TopUpView {
  const { isEnabled, thresholdNusd, amountNusd, monthlyCapNusd, attempt, stopped } = topUp ?? { ...NEW };
  return {
    isEnabled,
    thresholdNusd,
    amountNusd,
    monthlyCapNusd,
    chargedThisMonthNusd: topUp === null ? 0n : chargedIn(topUp, nowMs),
    hasMethod: topUp !== null,
    isCharging: attempt !== null,
    stopped,
  };
}
