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

/** What moves credit other than by generations. */
export const MOVEMENT_KINDS = ["credit", "debit", "purchase", "refund", "dispute", "voucher"] as const;
/**
 * `credit` and `debit`: the operator gives or takes; `purchase` and `voucher`: credit comes in; `refund` and `dispute`: a
 * purchase goes back, or comes back when the refund failed or the dispute was won.
 */
export type MovementKind = (typeof MOVEMENT_KINDS)[number];

export const ENTRY_KINDS = ["usage", ...MOVEMENT_KINDS] as const;
/** `usage`: a flush of generations. */
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** One movement of credit. */
export interface Movement {
  readonly kind: MovementKind;
  /** What the tenant gets; negative takes. */
  readonly amountNusd: NanoUsd;
  /** What the fee account gets of it on top; negative gives it back. */
  readonly feeNusd: NanoUsd;
}

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
  /** The tenant's own credential served: the cost is a fee, and the operator owes the provider nothing. */
  readonly isByok?: boolean;
}

/** The ledger account of a tenant's credit. */
export function tenantAccount(account: AccountId): `tenant:${string}` {
  return `tenant:${account}`;
}

/**
 * The lines of one generation: tenant credit -> provider payable + margin; with the tenant's own provider credential,
 * tenant credit -> fee. What the tenant does not pay of the cost, and what the provider bills above it, comes from
 * `operator-loss`; so margin never falls.
 */
export function generationLines(account: AccountId, movement: GenerationMovement): readonly Line[] {
  const { costNusd, chargedNusd, upstreamCostNusd } = movement;
  assert(chargedNusd >= 0n && chargedNusd <= costNusd, "a charge lies between nothing and the cost");
  assert(upstreamCostNusd >= 0n, "a provider's bill is not negative");
  if (movement.isByok === true) {
    assert(upstreamCostNusd === 0n, "the tenant pays the provider itself");
    return joinedLines([
      { account: tenantAccount(account), amountNusd: -chargedNusd },
      { account: "fee", amountNusd: costNusd },
      { account: "operator-loss", amountNusd: chargedNusd - costNusd },
    ]);
  }
  const gainNusd = costNusd - upstreamCostNusd;
  const lossNusd = costNusd - chargedNusd + (gainNusd < 0n ? -gainNusd : 0n);
  return joinedLines([
    { account: tenantAccount(account), amountNusd: -chargedNusd },
    { account: `provider:${movement.provider ?? "unknown"}`, amountNusd: upstreamCostNusd },
    { account: "margin", amountNusd: gainNusd > 0n ? gainNusd : 0n },
    { account: "operator-loss", amountNusd: -lossNusd },
  ]);
}

/** The account that a movement's money comes from, or goes back to. */
const COUNTERPARTS: Readonly<Record<MovementKind, LedgerAccount>> = {
  credit: "promotion",
  debit: "promotion",
  voucher: "promotion",
  purchase: "clearing",
  refund: "refund",
  dispute: "refund",
};

/** The lines of a movement: its counterpart -> tenant credit + fee, or back. */
export function movementLines(account: AccountId, movement: Movement): readonly Line[] {
  const { kind, amountNusd, feeNusd } = movement;
  return joinedLines([
    { account: tenantAccount(account), amountNusd },
    { account: "fee", amountNusd: feeNusd },
    { account: COUNTERPARTS[kind], amountNusd: -(amountNusd + feeNusd) },
  ]);
}

/** What a movement does to the sums of a tenant. The balance moves by the sum of all. */
export interface MovementEffect {
  readonly creditsNusd: NanoUsd;
  readonly debitsNusd: NanoUsd;
  /** The part of the debits that undid purchases. */
  readonly refundedNusd: NanoUsd;
}

/** A movement's share of what the tenant was ever given (`credits`) and of what was taken back (`debits`, positive). */
export function movementEffect(kind: MovementKind, amountNusd: NanoUsd): MovementEffect {
  switch (kind) {
    case "credit":
    case "purchase":
    case "voucher":
      return { creditsNusd: amountNusd, debitsNusd: 0n, refundedNusd: 0n };
    case "debit":
      return { creditsNusd: 0n, debitsNusd: -amountNusd, refundedNusd: 0n };
    case "refund":
    case "dispute":
      return { creditsNusd: 0n, debitsNusd: -amountNusd, refundedNusd: -amountNusd };
    default:
      return kind satisfies never;
  }
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

/** The id of another movement: what it is, and the id of its cause, e.g. a payment's. Free of the operator's ids. */
export function movementEntryId(
  account: AccountId,
  kind: Exclude<MovementKind, "credit" | "debit">,
  cause: string,
): string {
  return `${account}/${kind}/${cause}`;
}
