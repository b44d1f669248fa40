/**
 * What an AccountGate stores: the shapes of its rows, and the zod schemas that read them back. Money is a bigint here
 * and decimal text in JSON, exact at any size. A row is read once, when the gate wakes.
 */
import * as z from "zod";
import type { EpochMs } from "../core/clock.ts";
import { asAccountId, asGenerationId, asKeyHash, asLeaseId, type GenerationId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import { MOVEMENT_KINDS } from "../ledger/entries.ts";
import { NO_COUNT, NO_LIMITS } from "../limits/tenant-limits.ts";

/** Amounts as stored: decimal text. */
export const nusd = z
  .string()
  .regex(/^-?\d+$/)
  .transform(BigInt);
/** Epoch ms. */
export const time = z.int();
const keyHash = z.string().transform(asKeyHash);

/** A count that belongs to one calendar window (limits/window.ts); another window's count is none. */
const WindowCount = z.object({ id: z.string(), count: z.int() });
const WindowUsage = z.object({ id: z.string(), nusd });

/** Requests and tokens that were let through in a minute and have ended; open holds carry the rest. */
const MinuteRow = z.object({ id: z.string(), requests: z.int(), tokens: z.int() }).default(NO_COUNT);

const rate = z.int().nullable().default(null);
const names = z.array(z.string()).readonly().nullable().default(null);
const LimitsRow = z
  .object({
    requestsPerMin: rate,
    tokensPerMin: rate,
    maxConcurrency: rate,
    allowedModels: names,
    allowedProviders: names,
  })
  .default(NO_LIMITS);

const BudgetRow = z.object({ limitNusd: nusd, createdAtMs: time, updatedAtMs: time }).optional();
const AccountLimitsRow = z
  .object({
    limits: LimitsRow,
    budgets: z.object({ daily: BudgetRow, weekly: BudgetRow, monthly: BudgetRow, lifetime: BudgetRow }),
    zeroRetention: z.boolean().default(false),
  })
  .default({ limits: NO_LIMITS, budgets: {}, zeroRetention: false });
export type AccountLimitsRow = z.infer<typeof AccountLimitsRow>;

const NO_WINDOW = { id: "", nusd: 0n };

/** The account itself. `balance = credits - debits - usage`, always. */
export const AccountRow = z.object({
  id: z.string().transform(asAccountId),
  name: z.string(),
  isSuspended: z.boolean(),
  balanceNusd: nusd,
  /** Credits ever bought or granted. */
  creditsNusd: nusd,
  /** What was ever taken: by the operator, by refunds and disputes. Not negative. */
  debitsNusd: nusd,
  /** The part of the debits that undid purchases. */
  refundedNusd: nusd.default(0n),
  /** What generations were ever charged. */
  usageNusd: nusd,
  /** What generations cost beyond the charge. */
  lossNusd: nusd,
  /** Leases that ended with something unsettled, and how much that was. */
  unsettledCount: z.int().default(0),
  unsettledNusd: nusd.prefault("0"),
  freeMinute: WindowCount,
  freeDay: WindowCount,
  tenantLimits: AccountLimitsRow,
  operatorLimits: AccountLimitsRow,
  minute: MinuteRow,
  /** Charges in the present windows, for the budgets. */
  spent: z
    .object({ daily: WindowUsage, weekly: WindowUsage, monthly: WindowUsage })
    .default({ daily: NO_WINDOW, weekly: NO_WINDOW, monthly: NO_WINDOW }),
});
export type AccountRow = z.infer<typeof AccountRow>;

/** `counter` names the usage count that the key shares with those it was rotated from. */
export const KeyRow = z.object({
  hash: keyHash,
  counter: z.string(),
  kind: z.enum(["inference", "management"]),
  name: z.string(),
  label: z.string(),
  disabled: z.boolean(),
  limitNusd: nusd.nullable(),
  limitReset: z.enum(["daily", "weekly", "monthly"]).nullable(),
  limits: LimitsRow,
  createdAtMs: time,
  updatedAtMs: time.nullable(),
  expiresAtMs: time.nullable(),
});
export type KeyRow = z.infer<typeof KeyRow>;

/** What was spent through a key, ever and in the present windows. */
export const CounterRow = z.object({
  totalNusd: nusd,
  daily: WindowUsage,
  weekly: WindowUsage,
  monthly: WindowUsage,
  minute: MinuteRow,
});
export type CounterRow = z.infer<typeof CounterRow>;

export interface Hold {
  readonly id: GenerationId;
  readonly counter: string;
  readonly amountNusd: NanoUsd;
  readonly expiresAtMs: EpochMs;
  /** When a place of the free tier was taken; null for a paid generation. */
  readonly freeAtMs: EpochMs | null;
  /** When it was opened, and the tokens that were taken from that minute. */
  readonly admittedAtMs: EpochMs;
  readonly tokens: number;
}

export const HoldRow = z
  .object({
    id: z.string(),
    counter: z.string(),
    amount_nusd: z.int(),
    expires_at_ms: time,
    free_at_ms: time.nullable(),
    admitted_at_ms: time,
    tokens: z.int(),
  })
  .transform((row): Hold => ({
    id: asGenerationId(row.id),
    counter: row.counter,
    amountNusd: BigInt(row.amount_nusd),
    expiresAtMs: row.expires_at_ms,
    freeAtMs: row.free_at_ms,
    admittedAtMs: row.admitted_at_ms,
    tokens: row.tokens,
  }));

/** A lease (ledger/lease.ts), and what it reserves from beside the balance. */
export const LeaseRow = z.object({
  id: z.string().transform(asLeaseId),
  keyHash,
  counter: z.string(),
  reservedNusd: nusd,
  grantedNusd: nusd,
  returnedNusd: nusd,
  freeNusd: nusd,
  spendUntilMs: time,
  settleUntilMs: time,
});
export type LeaseRow = z.infer<typeof LeaseRow>;

/** Lines as stored: `[account, amount]`. The account's name is our own, made by ledger/entries.ts. */
export const LinesJson = z.array(z.tuple([z.string(), nusd]));
export type LinesJson = z.infer<typeof LinesJson>;

/** What one call of `settle` left to be booked. `rowsJson` is D1's rows, joined by commas, without brackets. */
export interface OutboxRow {
  readonly seq: number;
  readonly count: number;
  readonly chargedNusd: NanoUsd;
  readonly sizeBytes: number;
  readonly lines: LinesJson;
  readonly rowsJson: string;
}

/** A flush as it was sealed before its first try: exactly this is posted until D1 has answered. */
export const SealedFlush = z.object({
  entryId: z.string(),
  createdAtMs: time,
  lines: LinesJson,
  /** Outbox rows up to this one are in it. */
  throughSeq: z.int(),
  count: z.int(),
  chargedNusd: nusd,
  /** The whole JSON array. */
  rowsJson: z.string(),
});
export type SealedFlush = z.infer<typeof SealedFlush>;

/** A movement of credit: pending until `balanceAfterNusd` is known. */
export const CreditRow = z.object({
  entryId: z.string(),
  // Rows from before there were kinds are the operator's, and long finished.
  kind: z.enum(MOVEMENT_KINDS).default("credit"),
  amountNusd: nusd,
  feeNusd: nusd.default(0n),
  reason: z.string(),
  createdAtMs: time,
  balanceAfterNusd: nusd.nullable(),
});
export type CreditRow = z.infer<typeof CreditRow>;

/** JSON text of a row, amounts as decimal text. */
export function toRowJson(row: unknown): string {
  return JSON.stringify(row, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
}
