/**
 * What an AccountGate answers, as types: the wire between an isolate and the one object that may spend for an account.
 * Values cross as structured clones (bigint allowed). Every write carries the id of its cause, so that a repeat is a
 * no-op. Room is left for leases: a lease will be one more kind of admission with `spendUntil` and `settleUntil`.
 */
import type { LimitSource, RouterError } from "../core/error.ts";
import type { AccountId, GenerationId, Home, KeyHash } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import type { GenerationRecord } from "../insight/generation.ts";

export interface AdmitRequest {
  readonly keyHash: KeyHash;
  readonly generationId: GenerationId;
  /** A `:free` model: counted against the free tier, holds nothing. */
  readonly isFree: boolean;
  /** Worst case of the whole plan. 0n when free. */
  readonly wantedNusd: NanoUsd;
  /** The least that makes sense (prompt and one token); a hold between the two clamps the output. */
  readonly minimumNusd: NanoUsd;
}

export type Admission =
  | { readonly kind: "admitted"; readonly holdNusd: NanoUsd; readonly expiresAtMs: number; readonly accountName: string }
  | { readonly kind: "refused"; readonly error: RouterError }
  /** Not even the minimum is spendable: the caller words the 402, it alone knows tokens and prices. */
  | { readonly kind: "short"; readonly spendableNusd: NanoUsd; readonly limitSource: LimitSource };

export interface Settlement {
  readonly generationId: GenerationId;
  readonly keyHash: KeyHash;
  /** What the tenant owes: 0n releases the hold without a charge. */
  readonly costNusd: NanoUsd;
  /** What the provider bills the operator for it; goes to `provider:<slug>`. */
  readonly upstreamCostNusd: NanoUsd;
  /** Gives the free-tier place back: nothing was delivered. */
  readonly refundsFreeTier: boolean;
  /** Null when nothing was ever sent upstream. */
  readonly record: GenerationRecord | null;
}

/** Ids that the gate has durably taken; the rest must be sent again. */
export interface SettleReceipt {
  readonly acknowledged: readonly GenerationId[];
}

export type KeyKind = "inference" | "management";
export type LimitReset = "daily" | "weekly" | "monthly";

/** A key as shown: never the secret. Money in nano-dollars. */
export interface KeyView {
  readonly hash: KeyHash;
  readonly kind: KeyKind;
  readonly name: string;
  /** `sk-wp-abc...123`. */
  readonly label: string;
  readonly disabled: boolean;
  readonly limitNusd: NanoUsd | null;
  readonly limitRemainingNusd: NanoUsd | null;
  readonly limitReset: LimitReset | null;
  readonly usageNusd: NanoUsd;
  readonly usageDailyNusd: NanoUsd;
  readonly usageWeeklyNusd: NanoUsd;
  readonly usageMonthlyNusd: NanoUsd;
  readonly createdAtMs: number;
  readonly updatedAtMs: number | null;
  readonly expiresAtMs: number | null;
}

export interface NewKey {
  readonly hash: KeyHash;
  readonly kind: KeyKind;
  readonly name: string;
  readonly label: string;
  readonly limitNusd: NanoUsd | null;
  readonly limitReset: LimitReset | null;
  readonly expiresAtMs: number | null;
}

/** Absent: unchanged; null: cleared. */
export interface KeyChange {
  readonly name?: string | undefined;
  readonly disabled?: boolean | undefined;
  readonly limitNusd?: NanoUsd | null | undefined;
  readonly limitReset?: LimitReset | null | undefined;
  readonly expiresAtMs?: number | null | undefined;
}

export interface AccountView {
  readonly id: AccountId;
  readonly name: string;
  readonly home: Home;
  readonly suspended: boolean;
  readonly balanceNusd: NanoUsd;
  /** Credits ever bought or granted, net of debits: `total_credits`. */
  readonly totalCreditsNusd: NanoUsd;
  readonly totalUsageNusd: NanoUsd;
  readonly heldNusd: NanoUsd;
  readonly freeUsedToday: number;
  readonly freeLimitPerDay: number;
}

/** One account's books against its gate, compared while no flush can run. */
export interface AccountAudit {
  readonly accountId: AccountId;
  readonly gateBalanceNusd: NanoUsd;
  readonly bookBalanceNusd: NanoUsd;
  /** Charges that the gate has taken and D1 has not. */
  readonly outboxNusd: NanoUsd;
  readonly outboxCount: number;
  readonly openHolds: number;
  readonly heldNusd: NanoUsd;
  /** Milliseconds by which the oldest open hold is past its end; 0 when none is. */
  readonly overdueHoldMs: number;
  readonly ok: boolean;
  /** One sentence per broken invariant. */
  readonly faults: readonly string[];
}

/** The RPC surface of the AccountGate. Every method refuses with `not_found`/`unauthenticated` when the account is unknown. */
export interface AccountGateRpc {
  admit(request: AdmitRequest): Promise<Admission>;
  /** Extends holds by 60 s from now; ids that are settled or unknown are ignored. */
  renew(generationIds: readonly GenerationId[]): Promise<void>;
  settle(settlements: readonly Settlement[]): Promise<SettleReceipt>;
}
