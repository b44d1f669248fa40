/** Purchases as the API shows them, and what they have in common with the other payment routes. Money is USD numbers. */
import * as z from "zod";
import type { RouterError } from "../core/error.ts";
import { usdNumber } from "../core/money.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { PurchaseView } from "../gates/account-payments-contract.ts";
import type { Payments } from "../gates/payments.ts";
import type { PaymentFault } from "../ledger/payment-port.ts";
import { PAYMENT_METHODS } from "../ledger/purchase.ts";
import type { AppContext } from "./context.ts";

/** Seconds to stay away when the payment provider doesn't answer. */
const PROVIDER_RETRY_S = 5;

export const PurchaseShape = z.object({
  id: z.string(),
  source: z.enum(["checkout", "auto_top_up"]),
  status: z.enum(["open", "processing", "paid", "failed", "expired"]),
  credits: z.number().describe("USD of credit"),
  fee: z.number().describe("USD on top of it"),
  total: z.number().describe("USD paid"),
  currency: z.literal("usd"),
  payment_method_types: z.array(z.enum(PAYMENT_METHODS)),
  created_at: z.string(),
  paid_at: z.string().nullable(),
  payment_id: z.string().nullable().describe("The payment provider's id"),
  receipt_url: z.string().nullable().describe("The payment provider's receipt"),
  refunded: z.number().describe("USD that went back, fee included"),
  disputed: z.number().describe("USD that the payer's bank took back"),
  entry_id: z.string().nullable().describe("The entry in the books"),
});

export function purchaseBody(view: PurchaseView): z.infer<typeof PurchaseShape> {
  return {
    id: view.id,
    source: view.source,
    status: view.status,
    credits: usdNumber(view.creditNusd),
    fee: usdNumber(view.feeNusd),
    total: usdNumber(view.creditNusd + view.feeNusd),
    currency: "usd",
    payment_method_types: [...view.methods],
    created_at: new Date(view.createdAtMs).toISOString(),
    paid_at: view.paidAtMs === null ? null : new Date(view.paidAtMs).toISOString(),
    payment_id: view.paymentId,
    receipt_url: view.receiptUrl,
    refunded: usdNumber(view.refundedNusd),
    disputed: usdNumber(view.disputedNusd),
    entry_id: view.entryId,
  };
}

/** @returns `not_found` where the operator has not set up payments. */
export function paymentsOf(context: AppContext): Result<Payments, RouterError> {
  const { payments } = context.get("deps");
  return payments === null
    ? err({
        kind: "not_found",
        message: "This deployment takes no payments: its operator has not set STRIPE_WEBHOOK_SECRET",
      })
    : ok(payments);
}

/** What the payment provider's fault is to a client. */
export function paymentError(fault: PaymentFault): RouterError {
  switch (fault.kind) {
    case "mismatch":
      return { kind: "unprocessable", message: fault.message };
    case "declined":
    case "refused":
      return { kind: "bad_request", message: `The payment provider refuses this (${fault.code}).` };
    case "unreachable":
      return {
        kind: "overloaded",
        retryAfterS: PROVIDER_RETRY_S,
        message: "The payment provider can't be reached at the moment. Try again.",
      };
    default:
      return fault satisfies never;
  }
}
