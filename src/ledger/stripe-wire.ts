/**
 * Stripe's objects as far as they are read here, and what they mean to us. Pure. Fields that we don't use are not looked
 * at; amounts are integer cents, times seconds. Objects carry our own facts in `metadata`.
 * PaymentIntent, Charge, Refund, Dispute, Checkout Session, Event: https://docs.stripe.com/api (stored copy read
 * 2026-11-21), API version 2026-10-28.endive.
 */
import * as z from "zod";
import { asAccountId } from "../core/ids.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { PaymentEvent, PaymentFacts, PaymentFault, PurchaseOrder, Reversal } from "./payment-port.ts";
import { nusdOfCents, readPrice } from "./purchase.ts";
import { formatUsd } from "../core/money.ts";

const Cents = z.int();
/** An object, or its id. */
const Reference = z.union([z.string(), z.looseObject({ id: z.string() }).transform(({ id }) => id)]).nullish();
const Metadata = z.record(z.string(), z.string()).nullish();

const ChargeObject = z.looseObject({
  receipt_url: z.string().nullish(),
  amount_refunded: Cents.nullish(),
  disputed: z.boolean().nullish(),
});

export const PaymentIntentObject = z.looseObject({
  id: z.string(),
  status: z.string(),
  currency: z.string(),
  amount_received: Cents.nullish(),
  created: z.int(),
  metadata: Metadata,
  customer: Reference,
  payment_method: Reference,
  setup_future_usage: z.string().nullish(),
  latest_charge: z.union([z.string(), ChargeObject]).nullish(),
  last_payment_error: z.looseObject({ code: z.string().nullish(), decline_code: z.string().nullish() }).nullish(),
});
export type PaymentIntentObject = z.infer<typeof PaymentIntentObject>;

export const ReversalList = z.looseObject({
  data: z.array(z.looseObject({ id: z.string(), amount: Cents, created: z.int(), status: z.string().nullish() })),
});

export const SessionObject = z.looseObject({ id: z.string(), url: z.string() });

export const EventObject = z.looseObject({
  type: z.string(),
  data: z.looseObject({
    object: z.looseObject({
      id: z.string(),
      object: z.string(),
      metadata: Metadata,
      payment_intent: Reference,
    }),
  }),
});

/** Stripe's own errors, as far as they say what to do. */
export const ErrorObject = z.looseObject({
  type: z.string(),
  code: z.string().nullish(),
  decline_code: z.string().nullish(),
});
export type ErrorObject = z.infer<typeof ErrorObject>;

/** Our facts as an object carries them. */
export function metadataOf({ account, purchaseId, creditNusd, feeNusd }: PurchaseOrder): Record<string, string> {
  return {
    waypost_account: account,
    waypost_purchase: purchaseId,
    waypost_credit: formatUsd(creditNusd),
    waypost_fee: formatUsd(feeNusd),
  };
}

/** What a PaymentIntent says, without its reversals; null when it is not ours. */
export function factsOf(intent: PaymentIntentObject): Result<PaymentFacts | null, PaymentFault> {
  const { waypost_account: account, waypost_purchase: purchaseId, ...metadata } = intent.metadata ?? {};
  if (account === undefined || purchaseId === undefined) return ok(null);
  if (intent.currency !== "usd")
    return mismatch(`The payment ${intent.id} is in ${intent.currency}, not in US dollars.`);
  const price = readPrice(metadata["waypost_credit"], metadata["waypost_fee"]);
  if (price === undefined) return mismatch(`The payment ${intent.id} names no credit and fee.`);
  const status = STATUSES[intent.status] ?? "open";
  const receivedNusd = nusdOfCents(intent.amount_received ?? 0);
  if (status === "paid" && receivedNusd !== price.creditNusd + price.feeNusd) {
    return mismatch(`The payment ${intent.id} brought ${formatUsd(receivedNusd)}, which is not what was ordered.`);
  }
  const { customer, payment_method: methodId, latest_charge: charge } = intent;
  const isSaved = status === "paid" && intent.setup_future_usage === "off_session";
  return ok({
    ...price,
    paymentId: intent.id,
    account: asAccountId(account),
    purchaseId,
    status,
    createdAtMs: intent.created * 1_000,
    receiptUrl: (typeof charge === "object" ? charge?.receipt_url : undefined) ?? null,
    saved:
      isSaved && typeof customer === "string" && typeof methodId === "string"
        ? { customerId: customer, methodId }
        : null,
    failureCode: intent.last_payment_error?.decline_code ?? intent.last_payment_error?.code ?? null,
    reversals: [],
  });
}

/** Whether some of the payment is known to have gone back. */
export function wasReversed({ latest_charge: charge }: PaymentIntentObject): boolean {
  return (
    typeof charge === "object" && charge !== null && (charge.disputed === true || (charge.amount_refunded ?? 0) > 0)
  );
}

/** The refunds or disputes of a payment. */
export function reversalsOf(kind: Reversal["kind"], list: z.infer<typeof ReversalList>): readonly Reversal[] {
  return list.data.map(({ id, amount, created, status }) => ({
    id,
    kind,
    amountNusd: nusdOfCents(amount),
    createdAtMs: created * 1_000,
    state: kind === "refund" ? refundState(status ?? "") : disputeState(status ?? ""),
  }));
}

/** What a verified event is about. */
export function eventOf({ type, data: { object } }: z.infer<typeof EventObject>): PaymentEvent {
  const { waypost_account: account, waypost_purchase: purchaseId } = object.metadata ?? {};
  const isOurs = account !== undefined && purchaseId !== undefined;
  const paymentId = object.object === "payment_intent" ? object.id : (object.payment_intent ?? undefined);
  switch (object.object) {
    case "checkout.session":
      if (isOurs && OVER.has(type)) return { kind: "checkout-over", account: asAccountId(account), purchaseId };
      return isOurs && paymentId !== undefined ? { kind: "payment", paymentId, isReversal: false } : { kind: "other" };
    case "payment_intent":
      return isOurs ? { kind: "payment", paymentId: object.id, isReversal: false } : { kind: "other" };
    // Whose they are only their payment tells.
    case "charge":
    case "refund":
    case "dispute":
      return paymentId === undefined ? { kind: "other" } : { kind: "payment", paymentId, isReversal: true };
    default:
      return { kind: "other" };
  }
}

const STATUSES: Readonly<Record<string, PaymentFacts["status"]>> = {
  succeeded: "paid",
  canceled: "failed",
  requires_payment_method: "failed",
};

const OVER: ReadonlySet<string> = new Set(["checkout.session.expired", "checkout.session.async_payment_failed"]);

function refundState(status: string): Reversal["state"] {
  return status === "failed" || status === "canceled" ? "undone" : "taken";
}

/** An inquiry (`warning_...`) takes nothing; a dispute takes the money when it is opened. */
function disputeState(status: string): Reversal["state"] {
  if (status === "won") return "undone";
  return status === "prevented" || status.startsWith("warning_") ? "none" : "taken";
}

function mismatch(message: string): Result<never, PaymentFault> {
  return err({ kind: "mismatch", message });
}
