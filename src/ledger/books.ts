/**
 * The books in D1: what the gates post and read. Every write is one batch (a transaction) named by an entry id;
 * repeating it moves nothing, repeating it with other rows is refused by the books themselves (see the triggers).
 * Rows travel as one JSON parameter: D1 limits the number of parameters, not the rows behind `json_each`.
 * Amounts are nano-dollars; sums are read as text, since they may be larger than a JavaScript number holds.
 * D1's errors are thrown as they are: whoever posts retries unchanged.
 */
import * as z from "zod";
import type { EpochMs } from "../core/clock.ts";
import type { AccountId } from "../core/ids.ts";
import { nusdToStored, type NanoUsd } from "../core/money.ts";
import { MOVEMENT_KINDS, movementEffect, tenantAccount, type EntryKind, type Line } from "./entries.ts";

/** A balanced entry with its lines. */
export interface Entry {
  readonly id: string;
  readonly kind: EntryKind;
  readonly createdAtMs: EpochMs;
  readonly reason: string | null;
  readonly lines: readonly Line[];
}

/**
 * One flush of an account's gate. `rowsJson` is the text of a JSON array of
 * `[id, createdAtMs, costNusd, chargedNusd, record]`, exactly as it was sealed.
 */
export interface Flush {
  readonly account: AccountId;
  readonly entry: Entry;
  readonly rowsJson: string;
}

/** What D1 has of an account. */
export interface TenantBooks {
  readonly balanceNusd: NanoUsd;
  /** Sum of all that was bought or granted. */
  readonly creditsNusd: NanoUsd;
  /** Sum of the debits, refunds and disputes, not negative. */
  readonly debitsNusd: NanoUsd;
  /** The part of the debits that undid purchases. */
  readonly refundedNusd: NanoUsd;
  /** Sum of the charges of generations, not negative. */
  readonly usageNusd: NanoUsd;
}

/** Text of an integer of any size, as `CAST(... AS TEXT)` gives it; null for the sum of nothing. */
export const SumText = z
  .string()
  .regex(/^-?\d+$/)
  .nullable()
  .transform((text) => BigInt(text ?? "0"));

const INSERT_LINES = `INSERT INTO lines (entry_id, account, amount_nusd)
  SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true
  ON CONFLICT (entry_id, account) DO NOTHING`;
const INSERT_ENTRY = `INSERT INTO entries (id, kind, created_at_ms, reason) VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT (id) DO NOTHING`;
const INSERT_GENERATIONS = `INSERT INTO generations (id, account_id, entry_id, created_at_ms, cost_nusd, charged_nusd, record)
  SELECT value ->> 0, ?1, ?2, value ->> 1, value ->> 2, value ->> 3, value -> 4 FROM json_each(?3) WHERE true
  ON CONFLICT (account_id, id) DO NOTHING`;

/** Books a flush: its entry, lines and generations together. Idempotent by the entry's id. */
export async function postFlush(db: D1Database, flush: Flush): Promise<void> {
  await db.batch([
    ...entryStatements(db, flush.entry),
    db.prepare(INSERT_GENERATIONS).bind(flush.account, flush.entry.id, flush.rowsJson),
  ]);
}

/** Books a movement of credit. Idempotent by the entry's id. */
export async function postCredit(db: D1Database, entry: Entry): Promise<void> {
  await db.batch(entryStatements(db, entry));
}

/** What the books say of a tenant; all zero for one that they don't know. */
export async function readTenantBooks(db: D1Database, account: AccountId): Promise<TenantBooks> {
  const tenant = tenantAccount(account);
  const [balance, sums] = await db.batch([
    db.prepare("SELECT balance_nusd FROM balances WHERE account = ?1").bind(tenant),
    db
      .prepare(
        `SELECT e.kind, CAST(SUM(l.amount_nusd) AS TEXT) AS sum FROM lines l JOIN entries e ON e.id = l.entry_id
         WHERE l.entry_id > ?1 || '/' AND l.entry_id < ?1 || '0' AND l.account = ?2 GROUP BY e.kind`,
      )
      .bind(account, tenant),
  ]);
  const sumOfKind = (kind: EntryKind): NanoUsd =>
    z
      .array(z.object({ kind: z.string(), sum: SumText }))
      .parse(sums?.results)
      .find((row) => row.kind === kind)?.sum ?? 0n;
  const rows = z.array(BalanceRow).parse(balance?.results);
  const effects = MOVEMENT_KINDS.map((kind) => movementEffect(kind, sumOfKind(kind)));
  return {
    balanceNusd: rows[0]?.balance_nusd ?? 0n,
    creditsNusd: effects.reduce((sum, effect) => sum + effect.creditsNusd, 0n),
    debitsNusd: effects.reduce((sum, effect) => sum + effect.debitsNusd, 0n),
    refundedNusd: effects.reduce((sum, effect) => sum + effect.refundedNusd, 0n),
    usageNusd: -sumOfKind("usage"),
  };
}

/** A tenant's balance, and which of `entryIds` are booked, read in one transaction. */
export async function readBalance(
  db: D1Database,
  account: AccountId,
  entryIds: readonly string[] = [],
): Promise<{ readonly balanceNusd: NanoUsd; readonly booked: ReadonlySet<string> }> {
  const [balance, booked] = await db.batch([
    db.prepare("SELECT balance_nusd FROM balances WHERE account = ?1").bind(tenantAccount(account)),
    db.prepare("SELECT id FROM entries WHERE id IN (SELECT value FROM json_each(?1))").bind(JSON.stringify(entryIds)),
  ]);
  const rows = z.array(BalanceRow).parse(balance?.results);
  const ids = z.array(z.object({ id: z.string() })).parse(booked?.results);
  return { balanceNusd: rows[0]?.balance_nusd ?? 0n, booked: new Set(ids.map((row) => row.id)) };
}

/** What each of these entries moved to the tenant; those that the books don't have are left out. */
export async function readCredits(
  db: D1Database,
  account: AccountId,
  entryIds: readonly string[],
): Promise<ReadonlyMap<string, NanoUsd>> {
  const found = await db
    .prepare(
      `SELECT e.id, (SELECT CAST(amount_nusd AS TEXT) FROM lines WHERE entry_id = e.id AND account = ?2) AS sum
       FROM entries e WHERE e.id IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(entryIds), tenantAccount(account))
    .all();
  const rows = z.array(z.object({ id: z.string(), sum: SumText })).parse(found.results);
  return new Map(rows.map((row) => [row.id, row.sum]));
}

/** Which of these accounts have an entry: the others never had credit or a booked generation. */
export async function accountsWithEntries(
  db: D1Database,
  accountIds: readonly AccountId[],
): Promise<ReadonlySet<string>> {
  const found = await db
    .prepare(
      `SELECT value AS id FROM json_each(?1)
       WHERE EXISTS (SELECT 1 FROM entries WHERE id > value || '/' AND id < value || '0')`,
    )
    .bind(JSON.stringify(accountIds))
    .all();
  return new Set(
    z
      .array(z.object({ id: z.string() }))
      .parse(found.results)
      .map((row) => row.id),
  );
}

const BalanceRow = z.object({ balance_nusd: z.int().transform(BigInt) });

function entryStatements(db: D1Database, entry: Entry): D1PreparedStatement[] {
  const linesJson = JSON.stringify(entry.lines.map((line) => [line.account, nusdToStored(line.amountNusd)]));
  // Lines first: the entry's trigger adds them up and seals them.
  return [
    db.prepare(INSERT_LINES).bind(entry.id, linesJson),
    db.prepare(INSERT_ENTRY).bind(entry.id, entry.kind, entry.createdAtMs, entry.reason),
  ];
}
