/**
 * An account's statement for a month (UTC), read from its books: what it opened with, each movement of credit, usage by
 * day, key, model and provider, and what it closed with. Movements are dated by their entry, usage by the generation's
 * own second, so that the closing of a month is the opening of the next one, whenever either is asked for.
 * Opening + all parts = closing, always: what is booked while the statement is being read becomes a part of its own.
 * And the whole is held against the ledger: everything that ever moved must come to the balance, in one snapshot.
 * What a gate has settled and not booked yet (seconds) is not in it.
 * Read piece by piece: in memory is one page of movements or one day's usage at a time. Throws what D1 throws.
 */
import * as z from "zod";
import type { EpochMs } from "../core/clock.ts";
import type { AccountId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import {
  beginOf,
  DAY_MS,
  dayAt,
  firstIdAt,
  USAGE_GROUP,
  USAGE_OF_GENERATION,
  USAGE_SUMS,
} from "../insight/generation-days.ts";
import { SumText } from "../ledger/books.ts";
import { tenantAccount } from "../ledger/entries.ts";

/** A calendar month in UTC: `[fromMs, toMs)`. */
export interface Month {
  /** `2026-11`. */
  readonly name: string;
  readonly fromMs: EpochMs;
  readonly toMs: EpochMs;
}

/** One movement of credit: a purchase, a refund, what the operator gave or took. */
export interface StatementMovement {
  readonly id: string;
  readonly atMs: EpochMs;
  readonly kind: string;
  readonly reason: string | null;
  readonly amountNusd: NanoUsd;
  /** What was paid as a fee beside it. */
  readonly feeNusd: NanoUsd;
}

/** One day's usage of a model at a provider with a key. */
export interface StatementUsage {
  readonly day: string;
  readonly keyHash: string;
  readonly model: string;
  /** Empty when no provider was reached. */
  readonly provider: string;
  readonly requests: bigint;
  readonly byokRequests: bigint;
  readonly promptTokens: bigint;
  readonly completionTokens: bigint;
  readonly reasoningTokens: bigint;
  /** usage x listed price, before any cap by credit. */
  readonly costNusd: NanoUsd;
  readonly chargedNusd: NanoUsd;
}

/** The parts in order: one opening, movements, usage, at most one `later`, one closing. */
export type StatementPart =
  | { readonly kind: "opening"; readonly balanceNusd: NanoUsd }
  | { readonly kind: "movement"; readonly movement: StatementMovement }
  | { readonly kind: "usage"; readonly usage: StatementUsage }
  /** What was booked into this month, or before it, while the other parts were being read. */
  | { readonly kind: "later"; readonly amountNusd: NanoUsd }
  | {
      readonly kind: "closing";
      readonly balanceNusd: NanoUsd;
      /** All movements less all usage, ever, come to the ledger's balance. */
      readonly isProved: boolean;
    };

const MOVEMENTS_PER_PAGE = 500;

/** The month of a name such as `2026-11`, or undefined for any other text. */
export function monthOf(name: string): Month | undefined {
  const [, year, month] = /^(20\d\d)-(0[1-9]|1[0-2])$/.exec(name) ?? [];
  if (year === undefined || month === undefined) return undefined;
  return { name, fromMs: Date.UTC(Number(year), Number(month) - 1), toMs: Date.UTC(Number(year), Number(month)) };
}

/** Reads the statement, part by part, as of `nowMs`. */
export async function* readStatement(
  db: D1Database,
  account: AccountId,
  month: Month,
  nowMs: EpochMs,
): AsyncGenerator<StatementPart> {
  const head = await readSums(db, account, month);
  yield { kind: "opening", balanceNusd: head.beforeNusd };
  let sumNusd = head.beforeNusd;
  for await (const movement of readMovements(db, account, month)) {
    sumNusd += movement.amountNusd;
    yield { kind: "movement", movement };
  }
  const endMs = Math.min(month.toMs, nowMs + DAY_MS);
  for (let dayMs = month.fromMs; dayMs < endMs; dayMs += DAY_MS) {
    for (const usage of await readDay(db, account, dayAt(dayMs))) {
      sumNusd -= usage.chargedNusd;
      yield { kind: "usage", usage };
    }
  }
  const tail = await readSums(db, account, month);
  const closingNusd = tail.beforeNusd + tail.withinNusd;
  if (closingNusd !== sumNusd) yield { kind: "later", amountNusd: closingNusd - sumNusd };
  yield { kind: "closing", balanceNusd: closingNusd, isProved: tail.everNusd === tail.balanceNusd };
}

/** Entries of an account that are no flushes: `<account>/gen-...` is left out as a range, not row by row. */
const MOVEMENTS = `FROM entries e JOIN lines l ON l.entry_id = e.id AND l.account = ?2
  WHERE ((e.id > ?1 || '/' AND e.id < ?1 || '/gen-') OR (e.id >= ?1 || '/gen.' AND e.id < ?1 || '0'))`;

const Sums = z.array(z.object({ before: SumText, within: SumText, ever: SumText })).length(1);

interface StatementSums {
  readonly beforeNusd: NanoUsd;
  readonly withinNusd: NanoUsd;
  readonly everNusd: NanoUsd;
  readonly balanceNusd: NanoUsd;
}

/** Credit less usage before, within and ever, and the ledger's balance, in one transaction. */
async function readSums(db: D1Database, account: AccountId, { fromMs, toMs }: Month): Promise<StatementSums> {
  const tenant = tenantAccount(account);
  const sums = (value: string, at: string, from: string, to: string) =>
    `SELECT CAST(SUM(CASE WHEN ${at} < ${from} THEN ${value} ELSE 0 END) AS TEXT) AS before,
       CAST(SUM(CASE WHEN ${at} >= ${from} AND ${at} < ${to} THEN ${value} ELSE 0 END) AS TEXT) AS within,
       CAST(SUM(${value}) AS TEXT) AS ever`;
  const [movements, days, generations, balance] = await db.batch([
    db
      .prepare(`${sums("l.amount_nusd", "e.created_at_ms", "?3", "?4")} ${MOVEMENTS}`)
      .bind(account, tenant, fromMs, toMs),
    db
      .prepare(`${sums("charged_nusd", "day", "?2", "?3")} FROM usage_days WHERE account_id = ?1`)
      .bind(account, dayAt(fromMs), dayAt(toMs)),
    db
      .prepare(`${sums("charged_nusd", "id", "?2", "?3")} FROM generations WHERE account_id = ?1`)
      .bind(account, firstIdAt(fromMs), firstIdAt(toMs)),
    db.prepare("SELECT CAST(SUM(balance_nusd) AS TEXT) AS balance FROM balances WHERE account = ?1").bind(tenant),
  ]);
  const [moved, archived, booked] = [movements, days, generations].map((result) => Sums.parse(result?.results)[0]);
  const credit = (part: "before" | "within" | "ever"): NanoUsd =>
    (moved?.[part] ?? 0n) - (archived?.[part] ?? 0n) - (booked?.[part] ?? 0n);
  return {
    beforeNusd: credit("before"),
    withinNusd: credit("within"),
    everNusd: credit("ever"),
    balanceNusd: z.array(z.object({ balance: SumText })).parse(balance?.results)[0]?.balance ?? 0n,
  };
}

const MovementRow = z.object({
  id: z.string(),
  kind: z.string(),
  created_at_ms: z.int(),
  reason: z.string().nullable(),
  amount: SumText,
  fee: SumText,
});

async function* readMovements(
  db: D1Database,
  account: AccountId,
  { fromMs, toMs }: Month,
): AsyncGenerator<StatementMovement> {
  const page = db.prepare(
    `SELECT e.id, e.kind, e.created_at_ms, e.reason, CAST(l.amount_nusd AS TEXT) AS amount,
       (SELECT CAST(amount_nusd AS TEXT) FROM lines WHERE entry_id = e.id AND account = 'fee') AS fee
     ${MOVEMENTS} AND e.created_at_ms >= ?3 AND e.created_at_ms < ?4 AND (e.created_at_ms, e.id) > (?5, ?6)
     ORDER BY e.created_at_ms, e.id LIMIT ${MOVEMENTS_PER_PAGE}`,
  );
  let after: readonly [EpochMs, string] | undefined = [-1, ""];
  while (after !== undefined) {
    const found = await page.bind(account, tenantAccount(account), fromMs, toMs, ...after).all();
    const rows = z.array(MovementRow).parse(found.results);
    for (const { id, kind, created_at_ms: atMs, reason, amount: amountNusd, fee: feeNusd } of rows) {
      yield { id, kind, atMs, reason, amountNusd, feeNusd };
    }
    const last = rows.at(-1);
    after = last === undefined || rows.length < MOVEMENTS_PER_PAGE ? undefined : [last.created_at_ms, last.id];
  }
}

const UsageRow = z
  .object({
    day: z.string(),
    key_hash: z.string(),
    model: z.string(),
    provider: z.string(),
    requests: SumText,
    byok_requests: SumText,
    prompt_tokens: SumText,
    completion_tokens: SumText,
    reasoning_tokens: SumText,
    cost_nusd: SumText,
    charged_nusd: SumText,
  })
  .transform((row): StatementUsage => ({
    day: row.day,
    keyHash: row.key_hash,
    model: row.model,
    provider: row.provider,
    requests: row.requests,
    byokRequests: row.byok_requests,
    promptTokens: row.prompt_tokens,
    completionTokens: row.completion_tokens,
    reasoningTokens: row.reasoning_tokens,
    costNusd: row.cost_nusd,
    chargedNusd: row.charged_nusd,
  }));

/** A day's usage: what is in D1 still, and what has left for files, together. */
async function readDay(db: D1Database, account: AccountId, day: string): Promise<readonly StatementUsage[]> {
  const group = USAGE_GROUP.join(", ");
  const found = await db
    .prepare(
      `SELECT ${group}, ${USAGE_SUMS.map((column) => `CAST(SUM(${column}) AS TEXT) AS ${column}`).join(", ")}
       FROM (SELECT ${group}, ${USAGE_SUMS.join(", ")} FROM usage_days WHERE account_id = ?1 AND day = ?2
         UNION ALL SELECT ${USAGE_OF_GENERATION} FROM generations WHERE account_id = ?1 AND id >= ?3 AND id < ?4)
       GROUP BY ${group} ORDER BY ${group}`,
    )
    .bind(account, day, firstIdAt(beginOf(day)), firstIdAt(beginOf(day) + DAY_MS))
    .all();
  return z.array(UsageRow).parse(found.results);
}
