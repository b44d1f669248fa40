/**
 * Purchases of one account: begun before the payment provider hears of them, and then made what the provider says is
 * true. `paymentPlan` is pure: from what is known and the facts it says which movements there must be; each is named by
 * the provider's own id, so that facts may come twice, late or in any order. What is unknown here (this gate's storage was
 * lost, the checkout is old) is made of the facts alone.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { AccountId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import { err, ok, type Result } from "../core/result.ts";
import { movementEntryId } from "../ledger/entries.ts";
import type { PaymentFacts, Reversal } from "../ledger/payment-port.ts";
import { takenBack } from "../ledger/purchase.ts";
import { onlyOf, recordMovements, type NamedMovement } from "./account-credit.ts";
import type { AccountMemory } from "./account-memory.ts";
import type { NewPurchase, PurchasePage, PurchaseView } from "./account-payments-contract.ts";
import { newPurchaseRow, type PurchaseRow, type ReversalRow } from "./account-payments-store.ts";
import type { CreditRow } from "./account-rows.ts";
import { topUpAfter } from "./account-top-up.ts";

/** Checkouts that nobody has paid yet. */
const OPEN_MAX = 50;
/** A checkout can be paid for 24 h; after this long an unpaid one is forgotten. */
const OPEN_MS = 48 * 3_600_000;
/** Unpaid checkouts are among the newest so many. */
const LOOK_BACK = 200;
const PAGE_MAX = 100;

/** Notes a purchase that is about to be paid. @returns `conflict` when too many are open. */
export function beginPurchase(
  memory: AccountMemory,
  purchase: NewPurchase,
  nowMs: EpochMs,
): Result<{ readonly customerId: string | null }, RouterError> {
  const { store } = memory;
  const unpaid = store.readPurchases(null, LOOK_BACK).filter(({ status }) => status === "open" || status === "expired");
  const over = unpaid.filter(({ createdAtMs }) => createdAtMs < nowMs - OPEN_MS);
  const open = unpaid.filter((row) => row.status === "open" && !over.includes(row));
  if (open.length >= OPEN_MAX) {
    return err({
      kind: "conflict",
      message: `${OPEN_MAX} checkouts are open. Pay one, or wait until they expire after 24 hours.`,
    });
  }
  store.atomically(() => {
    for (const row of over) store.deletePurchase(row.id);
    store.writePurchase({ ...newPurchaseRow(purchase, nowMs), methods: [...purchase.methods] });
  });
  return ok({ customerId: memory.topUp?.saved.customerId ?? null });
}

/** Nobody will pay it any more. */
export function endPurchase(memory: AccountMemory, purchaseId: string): null {
  const row = memory.store.readPurchase(purchaseId);
  if (row?.status === "open") memory.store.writePurchase({ ...row, status: "expired" });
  return null;
}

/**
 * Takes on record what the facts of a payment demand and is not on record yet, in one transaction with the purchase.
 * @returns the movements' rows; the pending ones are to be finished. Errors of `recordMovements`.
 */
export async function recordPayment(
  memory: AccountMemory,
  facts: PaymentFacts,
  db: D1Database,
  clock: Clock,
): Promise<Result<readonly CreditRow[], RouterError>> {
  const plan = paymentPlan(memory.account.id, memory.store.readPurchase(facts.purchaseId), facts, clock());
  const topUp = topUpAfter(memory.topUp, facts, clock());
  const rows = await recordMovements(memory, plan.movements, db, clock, () => {
    memory.store.writePurchase(plan.purchase);
    if (topUp !== null) memory.store.writeTopUp(topUp);
  });
  if (rows.ok) memory.topUp = topUp;
  return rows;
}

/** Takes the credit of a redeemed voucher on record, once. Errors of `recordMovements`. */
export async function recordVoucher(
  memory: AccountMemory,
  voucherId: string,
  amountNusd: NanoUsd,
  db: D1Database,
  clock: Clock,
): Promise<Result<CreditRow, RouterError>> {
  const entryId = movementEntryId(memory.account.id, "voucher", voucherId);
  const movement = { entryId, kind: "voucher", amountNusd, feeNusd: 0n, reason: "voucher" } as const;
  const rows = await recordMovements(memory, [movement], db, clock);
  return rows.ok ? ok(onlyOf(rows.value)) : rows;
}

/** What there must be after these facts. Pure. */
export function paymentPlan(
  account: AccountId,
  known: PurchaseRow | undefined,
  facts: PaymentFacts,
  nowMs: EpochMs,
): { readonly purchase: PurchaseRow; readonly movements: readonly NamedMovement[] } {
  const before = known ?? newPurchaseRow({ ...facts, id: facts.purchaseId }, facts.createdAtMs);
  // A checkout that was declined may be paid at the next try; nobody tries again for a top-up.
  const failed = facts.status === "failed" && before.source === "auto_top_up" && before.status === "open";
  if (facts.status !== "paid") return { purchase: failed ? { ...before, status: "failed" } : before, movements: [] };
  const { creditNusd, feeNusd, paymentId } = facts;
  const reversals = { ...before.reversals };
  const movements: NamedMovement[] = [
    {
      entryId: movementEntryId(account, "purchase", paymentId),
      kind: "purchase",
      amountNusd: creditNusd,
      feeNusd,
      reason: `purchase ${before.id}`,
    },
  ];
  for (const reversal of facts.reversals) {
    const row = reversalAfter(reversals[reversal.id], reversal, takenOf(reversals), creditNusd);
    if (row === undefined) continue;
    reversals[reversal.id] = row;
    movements.push(...reversalMovements(account, reversal.id, row, paymentId));
  }
  const purchase: PurchaseRow = {
    ...before,
    status: "paid",
    creditNusd,
    feeNusd,
    paymentId,
    paidAtMs: before.paidAtMs ?? nowMs,
    receiptUrl: facts.receiptUrl ?? before.receiptUrl,
    reversals,
  };
  return { purchase, movements };
}

/** What is known of a reversal from now on. What was undone stays undone, whatever older facts say. */
function reversalAfter(
  known: ReversalRow | undefined,
  { kind, amountNusd, state }: Reversal,
  takenNusd: NanoUsd,
  creditNusd: NanoUsd,
): ReversalRow | undefined {
  if (state === "none" || known?.state === "undone") return known;
  if (state === "undone") return { ...(known ?? { kind, creditNusd: 0n, feeNusd: 0n }), state };
  return known ?? { kind, ...takenBack(amountNusd, creditNusd, takenNusd), state };
}

/** What reversals have taken from the credit so far. */
function takenOf(reversals: PurchaseRow["reversals"]): NanoUsd {
  return Object.values(reversals).reduce((sum, row) => sum + (row.state === "taken" ? row.creditNusd : 0n), 0n);
}

function reversalMovements(account: AccountId, id: string, row: ReversalRow, paymentId: string): NamedMovement[] {
  const { kind, creditNusd, feeNusd } = row;
  if (creditNusd === 0n && feeNusd === 0n) return [];
  const entryId = movementEntryId(account, kind, id);
  const reason = `${kind} of ${paymentId}`;
  const taken = { entryId, kind, amountNusd: -creditNusd, feeNusd: -feeNusd, reason };
  if (row.state === "taken") return [taken];
  return [taken, { entryId: `${entryId}/undone`, kind, amountNusd: creditNusd, feeNusd, reason: `${reason}, undone` }];
}

/** Purchases, newest first. */
export function listPurchases(memory: AccountMemory, { beforeId, limit }: PurchasePage): readonly PurchaseView[] {
  return memory.store.readPurchases(beforeId, Math.min(limit, PAGE_MAX)).map((row) => viewOf(memory, row));
}

/** @returns `not_found`. */
export function readPurchase(memory: AccountMemory, id: string): Result<PurchaseView, RouterError> {
  const row = memory.store.readPurchase(id);
  return row === undefined ? err({ kind: "not_found", message: "There is no such purchase" }) : ok(viewOf(memory, row));
}

function viewOf(memory: AccountMemory, row: PurchaseRow): PurchaseView {
  const { reversals, ...shown } = row;
  const entryId =
    row.status === "paid" && row.paymentId !== null
      ? movementEntryId(memory.account.id, "purchase", row.paymentId)
      : null;
  const takenBy = (kind: ReversalRow["kind"]): NanoUsd =>
    Object.values(reversals)
      .filter((one) => one.kind === kind && one.state === "taken")
      .reduce((sum, { creditNusd, feeNusd }) => sum + creditNusd + feeNusd, 0n);
  const isPending = entryId !== null && memory.pendingCredits.has(entryId);
  return {
    ...shown,
    status: isPending ? "processing" : row.status,
    refundedNusd: takenBy("refund"),
    disputedNusd: takenBy("dispute"),
    entryId,
  };
}
