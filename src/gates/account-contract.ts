/**
 * What an AccountGate answers, as types: the wire between an isolate and the one object that may spend for an account.
 * Values cross as structured clones (bigint allowed). Every write carries the id of its cause, so that a repeat is a
 * no-op. What is said of leases is cumulative (ledger/lease.ts), so that a repeat is one too.
 */
import type { ByokGrant } from "../accounts/byok.ts";
import type { EpochMs } from "../core/clock.ts";
import type { LimitSource, RouterError } from "../core/error.ts";
import type { AccountId, GenerationId, Home, KeyHash, LeaseId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import type { Result } from "../core/result.ts";
import type { GenerationRecord } from "../insight/generation.ts";
import type { BookedGeneration } from "../insight/generations.ts";
import type { AccountRepliesRpc } from "./account-replies-contract.ts";
import type { AccountByokRpc, ByokUse } from "./account-byok-contract.ts";
import type { AccountPaymentsRpc } from "./account-payments-contract.ts";
import type { AccountProviderStateRpc } from "./account-provider-state-contract.ts";
import type { AccountPresetsRpc } from "./account-presets-contract.ts";
import type { BudgetInterval } from "../limits/budget.ts";
import type { TenantLimits, WantedTokens } from "../limits/tenant-limits.ts";
import type { LeaseAnswer, LeaseReport } from "../ledger/lease.ts";

export interface AdmitRequest {
  readonly keyHash: KeyHash;
  readonly generationId: GenerationId;
  /** Some of the models are `:free`: takes a place of the free tier, and no hold unless others of them are paid. */
  readonly isFree: boolean;
  /** Worst case of the whole plan. 0n when all of it is free. */
  readonly wantedNusd: NanoUsd;
  /** The least that makes sense (prompt and one token); a hold between the two clamps the output. */
  readonly minimumNusd: NanoUsd;
  /** Worst case of the model's longest answer, for a request that names no limit: held where it is a small part of the credit. */
  readonly fullNusd?: NanoUsd | undefined;
  /**
   * What the plan knew of the tenant's own provider credentials (accounts/byok.ts); absent: nothing. Whoever admits or
   * dispatches without the gate's word must have had this very token confirmed by it within the last 10 s: another one
   * may rule the plan's credentials out.
   */
  readonly byokToken?: string;
  readonly footprint: Footprint;
  /** Asks for a lease, or for more of it. */
  readonly lease?: LeaseReport | null;
}

/** What a request touches that limits may stand against. */
export interface Footprint {
  /** Every model that the request names. */
  readonly models: readonly string[];
  /** A router has chosen among them: told what the key may use, it chooses others. */
  readonly isChosen?: boolean;
  /** Every provider of its plan. */
  readonly providers: readonly string[];
  readonly tokens: WantedTokens;
}

/** What a key may use, its account's own lists taken into account; null: everything. */
export interface Restriction {
  readonly allowedModels: readonly string[] | null;
  readonly allowedProviders: readonly string[] | null;
}

export type Admission = (
  | {
      readonly kind: "admitted";
      readonly holdNusd: NanoUsd;
      readonly expiresAtMs: number;
      /** What could be held beside it; absent: not known. */
      readonly leftNusd?: NanoUsd;
      /** Tokens that were taken from the limits per minute; fewer than wanted when no minute has so many, absent: all. */
      readonly tokens?: number;
      /** The answer to the request's `lease`; null: none is lent. */
      readonly lease: LeaseAnswer | null;
    }
  | { readonly kind: "refused"; readonly error: RouterError }
  /** Some of it is not allowed: nothing was taken; the caller plans anew with what is. */
  | { readonly kind: "restricted"; readonly restriction: Restriction }
  /** The plan was made with another token: nothing was taken; the caller plans anew with this. */
  | { readonly kind: "byok"; readonly grant: ByokGrant }
  /** Not even the minimum is spendable: the caller words the 402, it alone knows tokens and prices. */
  | { readonly kind: "short"; readonly spendableNusd: NanoUsd; readonly limitSource: LimitSource }
) &
  BranchNews;

/** What comes with an answer where an account's gate is crowded. */
export interface BranchNews {
  /** So many branches (limits/branches.ts) it has now; absent: none, as far as is known. */
  readonly branches?: number | undefined;
}

/** Who calls, where it is a branch: its name among the account's, and how many calls a second it gets. */
export interface BranchCaller {
  readonly branch: string;
  readonly callsPerS: number;
}

/** Asks for more to be held for a generation that runs. Says the total, so that a repeat is a no-op. */
export interface Extension {
  readonly keyHash: KeyHash;
  readonly generationId: GenerationId;
  /** What the gate is to hold for it in all; what an isolate's lease holds for it is not part of this. */
  readonly totalNusd: NanoUsd;
}

export interface Settlement {
  readonly generationId: GenerationId;
  readonly keyHash: KeyHash;
  /** What the tenant owes: 0n releases the hold without a charge. */
  readonly costNusd: NanoUsd;
  /** What the provider bills the operator for it; goes to `provider:<slug>`. */
  readonly upstreamCostNusd: NanoUsd;
  /** Gives the free-tier place back, if one was taken: no free model delivered anything. */
  readonly refundsFreeTier: boolean;
  /** Null when nothing was ever sent upstream. */
  readonly record: GenerationRecord | null;
  /** Where the tenant's own provider credentials were tried; then the cost is the fee and the upstream cost 0n, if one served. */
  readonly byok?: ByokUse;
  /** What the isolate's lease holds for it, beside what the gate may hold; absent or null: nothing. */
  readonly lease?: LeasedHold | null;
}

/** A hold, or a part of one, that an isolate opened from its lease. */
export interface LeasedHold {
  readonly id: LeaseId;
  readonly heldNusd: NanoUsd;
}

export interface SettleReceipt extends BranchNews {
  /** Ids that the gate has durably taken; the rest must be sent again. */
  readonly acknowledged: readonly GenerationId[];
  /** One for each report. */
  readonly leases: readonly LeaseAnswer[];
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
  readonly limits: TenantLimits;
  readonly usageNusd: NanoUsd;
  readonly usageDailyNusd: NanoUsd;
  readonly usageWeeklyNusd: NanoUsd;
  readonly usageMonthlyNusd: NanoUsd;
  /** What providers billed the tenant itself, through its own credentials. */
  readonly byokUsageNusd: NanoUsd;
  readonly byokUsageDailyNusd: NanoUsd;
  readonly byokUsageWeeklyNusd: NanoUsd;
  readonly byokUsageMonthlyNusd: NanoUsd;
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
  readonly limits?: LimitsChange | undefined;
  readonly expiresAtMs: number | null;
}

/** Absent: unchanged; null: cleared. */
export interface KeyChange {
  readonly name?: string | undefined;
  readonly disabled?: boolean | undefined;
  readonly limitNusd?: NanoUsd | null | undefined;
  readonly limitReset?: LimitReset | null | undefined;
  readonly limits?: LimitsChange | undefined;
  readonly expiresAtMs?: number | null | undefined;
}

/** Absent: unchanged; null: cleared. */
export type LimitsChange = { readonly [Name in keyof TenantLimits]?: TenantLimits[Name] | undefined };

/** Whose limits of an account: the tenant's own, or the operator's, which the tenant can't lift. Both hold. */
export type LimitsOwner = "tenant" | "operator";

export interface BudgetView {
  readonly limitNusd: NanoUsd;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export interface AccountLimitsView {
  readonly limits: TenantLimits;
  /** By interval; absent: none. */
  readonly budgets: { readonly [Interval in BudgetInterval]?: BudgetView | undefined };
  /** No answer is kept, not even for a repeated request. */
  readonly zeroRetention: boolean;
}

export interface AccountLimitsChange {
  readonly limits?: LimitsChange | undefined;
  readonly budgets?: { readonly [Interval in BudgetInterval]?: NanoUsd | null | undefined } | undefined;
  readonly zeroRetention?: boolean | undefined;
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
  /** Open holds at the gate. */
  readonly heldNusd: NanoUsd;
  /** Lent to isolates: what they hold, may spend, or have not settled yet. */
  readonly leasedNusd: NanoUsd;
  readonly freeUsedToday: number;
  readonly freeLimitPerDay: number;
  readonly limits: Readonly<Record<LimitsOwner, AccountLimitsView>>;
  /** Charged in the present UTC day, week and month, and in all. */
  readonly spentNusd: Readonly<Record<BudgetInterval, NanoUsd>>;
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
  readonly openLeases: number;
  readonly leasedNusd: NanoUsd;
  readonly overdueLeaseMs: number;
  /** Leases that ended with something unsettled, ever, and how much that was: the most that the operator lost by them. */
  readonly unsettledCount: number;
  readonly unsettledNusd: NanoUsd;
  readonly ok: boolean;
  /** One sentence per broken invariant. */
  readonly faults: readonly string[];
}

/** The operator gives (positive) or takes (negative) credit. */
export interface CreditRequest {
  /** The operator's own; repeating it with the same amount answers the same receipt, with another is a `conflict`. */
  readonly idempotencyKey: string;
  readonly amountNusd: NanoUsd;
  readonly reason: string;
}

export interface CreditReceipt {
  /** The gate's balance right after the entry was applied. */
  readonly balanceNusd: NanoUsd;
  readonly entryId: string;
}

/** A key that may be used now, and its account. */
export interface Identity {
  readonly key: KeyView;
  readonly account: AccountView;
}

/** What an inference request needs of the gate: the hot path. */
export interface AccountSpendRpc {
  /** Key, limits and hold together. Repeating an open generation's id answers its hold. */
  admit(request: AdmitRequest, caller?: BranchCaller): Promise<Admission>;
  /** What the gate then holds for the generation, in all: less than asked for where no more is spendable, 0n after its end. */
  extend(extension: Extension): Promise<NanoUsd>;
  /** Lengthens holds by 60 s from now; ids that are settled or unknown are ignored. */
  renew(generationIds: readonly GenerationId[]): Promise<void>;
  /** Charges and releases. Idempotent by generation id; what isn't acknowledged must be sent again. Then hears `reports`. */
  settle(
    settlements: readonly Settlement[],
    reports?: readonly LeaseReport[],
    caller?: BranchCaller,
  ): Promise<SettleReceipt>;
}

/** Keys, money and views. `not_found` names an unknown key; an unknown account is `unauthenticated`. */
export interface AccountDeskRpc {
  /** Whether the key may be used at all; `unauthenticated`, or `forbidden` for a suspended account. */
  identify(keyHash: KeyHash): Promise<Result<Identity, RouterError>>;
  view(): Promise<Result<AccountView, RouterError>>;
  suspend(isSuspended: boolean): Promise<Result<AccountView, RouterError>>;
  rename(name: string): Promise<Result<AccountView, RouterError>>;
  /** `bad_request` for budgets that don't rise with their interval or are below what is spent. */
  limitAccount(owner: LimitsOwner, change: AccountLimitsChange): Promise<Result<AccountView, RouterError>>;
  listKeys(): Promise<Result<readonly KeyView[], RouterError>>;
  readKey(hash: KeyHash): Promise<Result<KeyView, RouterError>>;
  createKey(key: NewKey): Promise<Result<KeyView, RouterError>>;
  updateKey(hash: KeyHash, change: KeyChange): Promise<Result<KeyView, RouterError>>;
  deleteKey(hash: KeyHash): Promise<Result<null, RouterError>>;
  /** The new key takes over name, kind, limit and the limit's count; the old one ends `overlapS` from now. */
  rotateKey(hash: KeyHash, next: RotatedKey, overlapS: number): Promise<Result<KeyView, RouterError>>;
  /** `conflict` for a known idempotency key with another amount; `storage` when D1 didn't answer (it goes on trying). */
  credit(request: CreditRequest): Promise<Result<CreditReceipt, RouterError>>;
  /** A generation that D1 doesn't have yet; null: ask D1. */
  generation(id: GenerationId): Promise<Result<BookedGeneration | null, RouterError>>;
  audit(): Promise<Result<AccountAudit, RouterError>>;
}

/** The secret's side of a rotated key; all else comes from the old one. */
export interface RotatedKey {
  readonly hash: KeyHash;
  readonly label: string;
}

/** The RPC surface of the AccountGate. Nothing here throws for an unknown account: it refuses with `unauthenticated`. */
export interface AccountGateRpc
  extends
    AccountSpendRpc,
    AccountDeskRpc,
    AccountByokRpc,
    AccountPaymentsRpc,
    AccountRepliesRpc,
    AccountProviderStateRpc,
    AccountPresetsRpc {}

/** How long a hold lives without renewal; isolates renew every 20 s. */
export const HOLD_LIFE_MS: EpochMs = 60_000;
