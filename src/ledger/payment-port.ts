/**
 * What Waypost asks of a payment provider, as a port. An event only says which payment to look at; what is true of the
 * payment is asked from the provider then, so that events may come twice, late or in any order. Amounts in nano-dollars.
 */
import type { EpochMs } from "../core/clock.ts";
import type { AccountId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import type { Result } from "../core/result.ts";
import type { PaymentMethod, PurchasePrice } from "./purchase.ts";

/** A purchase that is to be paid. Its id makes every call for it idempotent. */
export interface PurchaseOrder extends PurchasePrice {
  readonly purchaseId: string;
  readonly account: AccountId;
}

export interface CheckoutOrder extends PurchaseOrder {
  readonly methods: readonly PaymentMethod[];
  /** Keeps the card for automatic top-up. */
  readonly savesMethod: boolean;
  /** Whom the provider knows the account as, if it does. */
  readonly customerId: string | null;
  readonly successUrl: string;
  readonly cancelUrl: string;
}

/** A payment without the tenant being there, by the method that was kept. */
export interface ChargeOrder extends PurchaseOrder {
  readonly customerId: string;
  readonly methodId: string;
}

/** A method that may be charged later. */
export interface SavedMethod {
  readonly customerId: string;
  readonly methodId: string;
}

/** A part of a payment that went back, or was taken by the payer's bank. */
export interface Reversal {
  readonly id: string;
  readonly kind: "refund" | "dispute";
  readonly amountNusd: NanoUsd;
  readonly createdAtMs: EpochMs;
  /** `undone`: the refund failed, or the dispute was won; `none`: nothing was taken yet. */
  readonly state: "taken" | "undone" | "none";
}

/** All that is true of a payment now. */
export interface PaymentFacts extends PurchaseOrder {
  readonly paymentId: string;
  readonly status: "open" | "paid" | "failed";
  readonly createdAtMs: EpochMs;
  readonly receiptUrl: string | null;
  /** The provider's code of why the last try failed. */
  readonly failureCode: string | null;
  /** Null when no method was kept. */
  readonly saved: SavedMethod | null;
  /** In order of time. */
  readonly reversals: readonly Reversal[];
}

export type PaymentFault =
  /** The payer's bank or the provider refuses this payment; `code` is the provider's, fit for the tenant. */
  | { readonly kind: "declined"; readonly code: string }
  /** Our request is at fault: it will not become better by itself. */
  | { readonly kind: "refused"; readonly code: string }
  /** It may have happened or not: ask again with the same id. */
  | { readonly kind: "unreachable"; readonly code: string }
  /** The payment is not in US dollars, or not of the amount that was ordered. */
  | { readonly kind: "mismatch"; readonly message: string };

/** What an event is about. */
export type PaymentEvent =
  | { readonly kind: "payment"; readonly paymentId: string; readonly isReversal: boolean }
  /** A checkout that nobody will pay any more. */
  | { readonly kind: "checkout-over"; readonly account: AccountId; readonly purchaseId: string }
  /** None of ours. */
  | { readonly kind: "other" };

export interface PaymentPort {
  /** A page where the tenant pays. */
  checkout(order: CheckoutOrder): Promise<Result<{ readonly id: string; readonly url: string }, PaymentFault>>;
  charge(order: ChargeOrder): Promise<Result<PaymentFacts, PaymentFault>>;
  /** The facts of a payment; null for one that is not ours. Reversals are left out unless asked for or known of. */
  payment(paymentId: string, withReversals: boolean): Promise<Result<PaymentFacts | null, PaymentFault>>;
  /** What a signed event is about. @returns an error sentence for a signature or a body that is not right. */
  readEvent(text: string, signature: string, nowMs: EpochMs): Promise<Result<PaymentEvent, string>>;
}
