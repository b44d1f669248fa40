/**
 * Ledger entries: balanced double-entry movements between named accounts. Pure; amounts in nano-dollars.
 * Sign: a positive line raises that account's balance. Every entry sums to zero, and no line is zero. Which accounts
 * there are, and what they mean, is the chart's to say (chart.ts).
 * An entry's id begins with the tenant's account id and a slash, so that the primary keys of entries and lines cluster
 * by tenant and need no other index (D1 bills index rows).
 */
import type { AccountId, GenerationId, ProviderId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import { assert } from "../core/result.ts";
import { classOf, type LedgerAccount } from "./chart.ts";

export interface Line {
  readonly account: LedgerAccount;
  readonly amountNusd: NanoUsd;
}

export const ENTRY_KINDS = ["usage", "credit", "debit"] as const;
/** `usage`: a flush of generations; `credit` and `debit`: the operator gives or takes. */
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** What one settled generation moves. */
export interface GenerationMovement {
  /** Null when no provider was reached. */
  readonly provider: ProviderId | null;
  /** usage x listed price. */
  readonly costNusd: NanoUsd;
  /** What the tenant pays, at most `costNusd`. */
  readonly chargedNusd: NanoUsd;
  /** What the provider bills the operator. */
  readonly upstreamCostNusd: NanoUsd;
}

/** The ledger account of a tenant's credit. */
export function tenantAccount(account: AccountId): `tenant:${string}` {
  return `tenant:${account}`;
}

/**
 * The lines of one generation: tenant credit -> provider payable + margin. What the tenant does not pay of the cost,
 * and what the provider bills above it, comes from `operator-loss`; so margin never falls.
 */
export function generationLines(account: AccountId, movement: GenerationMovement): readonly Line[] {
  const { costNusd, chargedNusd, upstreamCostNusd } = movement;
  assert(chargedNusd >= 0n && chargedNusd <= costNusd, "a charge lies between nothing and the cost");
  assert(upstreamCostNusd >= 0n, "a provider's bill is not negative");
  const gainNusd = costNusd - upstreamCostNusd;
  const lossNusd = costNusd - chargedNusd + (gainNusd < 0n ? -gainNusd : 0n);
  return joinedLines([
    { account: tenantAccount(account), amountNusd: -chargedNusd },
    { account: `provider:${movement.provider ?? "unknown"}`, amountNusd: upstreamCostNusd },
    { account: "margin", amountNusd: gainNusd > 0n ? gainNusd : 0n },
    { account: "operator-loss", amountNusd: -lossNusd },
  ]);
}

/** The lines of the operator's credit (positive) or debit (negative). */
export function creditLines(account: AccountId, amountNusd: NanoUsd): readonly Line[] {
  return joinedLines([
    { account: tenantAccount(account), amountNusd },
    { account: "promotion", amountNusd: -amountNusd },
  ]);
}

/** Lines summed by account, in order of account, zeros left out. */
export function joinedLines(lines: readonly Line[]): readonly Line[] {
  const sums = new Map<LedgerAccount, NanoUsd>();
  for (const line of lines) sums.set(line.account, (sums.get(line.account) ?? 0n) + line.amountNusd);
  const joined = [...sums]
    .filter(([, amountNusd]) => amountNusd !== 0n)
    .map(([account, amountNusd]) => ({ account, amountNusd }))
    .toSorted((left, right) => (left.account < right.account ? -1 : 1));
  assert(sumOf(joined) === 0n, "an entry sums to zero");
  for (const { account } of joined) assert(classOf(account) !== undefined, "an account is in the chart");
  return joined;
}

/** The sum of all lines; 0n for anything that may be booked. */
export function sumOf(lines: readonly Line[]): NanoUsd {
  return lines.reduce((sum, line) => sum + line.amountNusd, 0n);
}

/** The id of a flush's entry: named by the first of its generations, which no other flush holds. */
export function usageEntryId(account: AccountId, first: GenerationId): string {
  return `${account}/${first}`;
}

/** The id of a credit or debit: the operator's idempotency key, which is the account's own. */
export function creditEntryId(account: AccountId, idempotencyKey: string): string {
  return `${account}/credit/${idempotencyKey}`;
}
