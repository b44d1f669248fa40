/**
 * What an AccountGate answers about payments, as types. Amounts in nano-dollars. Every write carries the id of its cause
 * (a purchase, a payment, a voucher), so that a repeat is a no-op.
 */
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { NanoUsd } from "../core/money.ts";
import type { Result } from "../core/result.ts";
import type { PaymentFacts } from "../ledger/payment-port.ts";
import type { PaymentMethod, PurchasePrice } from "../ledger/purchase.ts";
import type { CreditReceipt } from "./account-contract.ts";

export type PurchaseSource = "checkout" | "auto_top_up";

/** A checkout that is about to be made. */
export interface NewPurchase extends PurchasePrice {
  readonly id: string;
  readonly methods: readonly PaymentMethod[];
}

/** `processing`: paid, and not in the books yet. */
export type PurchaseStatus = "open" | "processing" | "paid" | "failed" | "expired";

export interface PurchaseView extends PurchasePrice {
  readonly id: string;
  readonly source: PurchaseSource;
  readonly status: PurchaseStatus;
  readonly methods: readonly PaymentMethod[];
  readonly createdAtMs: EpochMs;
  readonly paidAtMs: EpochMs | null;
  readonly paymentId: string | null;
  readonly receiptUrl: string | null;
  /** Of the whole payment, fee included. */
  readonly refundedNusd: NanoUsd;
  readonly disputedNusd: NanoUsd;
  /** The entry in the books; null before it is paid. */
  readonly entryId: string | null;
}

/** Which purchases: the newest, or those before the one with this id. */
export interface PurchasePage {
  readonly beforeId: string | null;
  readonly limit: number;
}

/** Absent: unchanged. Enabling it again forgets why it stopped. */
export interface TopUpChange {
  readonly isEnabled: boolean;
  readonly thresholdNusd?: NanoUsd | undefined;
  readonly amountNusd?: NanoUsd | undefined;
  /** What may be charged in a UTC month, fees included; null: without a cap. */
  readonly monthlyCapNusd?: NanoUsd | null | undefined;
}

export interface TopUpView {
  readonly isEnabled: boolean;
  readonly thresholdNusd: NanoUsd;
  readonly amountNusd: NanoUsd;
  readonly monthlyCapNusd: NanoUsd | null;
  readonly chargedThisMonthNusd: NanoUsd;
  readonly hasMethod: boolean;
  /** A payment is under way. */
  readonly isCharging: boolean;
  /** Why it ended itself: the payment provider's code. */
  readonly stopped: { readonly code: string; readonly atMs: EpochMs } | null;
}

export type PaymentCommand =
  | { readonly kind: "begin-purchase"; readonly purchase: NewPurchase }
  | { readonly kind: "end-purchase"; readonly purchaseId: string }
  | { readonly kind: "record-payment"; readonly facts: PaymentFacts }
  | { readonly kind: "list-purchases"; readonly page: PurchasePage }
  | { readonly kind: "read-purchase"; readonly purchaseId: string }
  | { readonly kind: "top-up"; readonly change: TopUpChange | null }
  | { readonly kind: "take-voucher"; readonly voucherId: string; readonly amountNusd: NanoUsd };

/** Each command fills its own part; `account-payments-client.ts` knows which. */
export interface PaymentAnswer {
  readonly customerId?: string | null;
  readonly purchases?: readonly PurchaseView[];
  readonly topUp?: TopUpView;
  readonly receipt?: CreditReceipt;
}

/** The one entry for payments. An unknown account is `unauthenticated`. */
export interface AccountPaymentsRpc {
  payment(command: PaymentCommand): Promise<Result<PaymentAnswer, RouterError>>;
}

/** Payments of one account, as its gate's callers see them. */
export interface AccountPayments {
  /** @returns whom the payment provider knows the account as; `conflict` when too many purchases are open. */
  beginPurchase(purchase: NewPurchase): Promise<Result<{ readonly customerId: string | null }, RouterError>>;
  /** Nobody will pay it any more. A payment that comes all the same is taken. */
  endPurchase(purchaseId: string): Promise<Result<null, RouterError>>;
  /** Books what is true of a payment and is not booked yet. `storage` when D1 didn't answer (it goes on trying). */
  recordPayment(facts: PaymentFacts): Promise<Result<PurchaseView, RouterError>>;
  /** Newest first. */
  listPurchases(page: PurchasePage): Promise<Result<readonly PurchaseView[], RouterError>>;
  readPurchase(purchaseId: string): Promise<Result<PurchaseView, RouterError>>;
  /** Reads the settings, after the change if there is one. `conflict` when there is no method to charge. */
  autoTopUp(change: TopUpChange | null): Promise<Result<TopUpView, RouterError>>;
  /** Credits a redeemed voucher, once. */
  takeVoucher(voucherId: string, amountNusd: NanoUsd): Promise<Result<CreditReceipt, RouterError>>;
}
