/**
 * Generations as D1 keeps them for 30 days, and what stays of them in D1 afterwards. The primary key begins with the
 * account and the id with its unix second, so that an account's days are ranges of it and no further index is needed.
 * WITHOUT ROWID (migrations/0005_generation_rows.sql; drizzle has no word for it): one row written instead of two, as long
 * as a row stays below 1,002 bytes, which short records see to; a longer one takes an overflow page of its own.
 * Amounts are integer nano-dollars; `record` is a GenerationRecord as short JSON (generation-row.ts). Rows are written by
 * the flush that books them (ledger/books.ts), never change, and leave only for a file (archive.ts).
 */
import { sql } from "drizzle-orm";
import { check, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const generations = sqliteTable(
  "generations",
  {
    id: text("id").notNull(),
    accountId: text("account_id").notNull(),
    /** The ledger entry that booked it. */
    entryId: text("entry_id").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    /** usage x listed price. */
    costNusd: integer("cost_nusd").notNull(),
    /** What the tenant paid: the cost, capped by credit. */
    chargedNusd: integer("charged_nusd").notNull(),
    record: text("record").notNull(),
  },
  (table) => [primaryKey({ columns: [table.accountId, table.id] })],
);

/**
 * Files of generations in R2, by account: each has the generations of one UTC day from `firstId` to `lastId`, and no two
 * overlap. A row is made before its file is written; `rows` counts the generations that have left D1 for it.
 */
export const generationFiles = sqliteTable(
  "generation_files",
  {
    accountId: text("account_id").notNull(),
    firstId: text("first_id").notNull(),
    lastId: text("last_id").notNull(),
    rows: integer("rows").notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.accountId, table.firstId] })],
);

/**
 * What generations that have left D1 come to: one row per account, UTC day, key, model and provider ("" for none), moved
 * here in the transaction that deletes them, so that each is counted here or there and never in both.
 */
export const usageDays = sqliteTable(
  "usage_days",
  {
    accountId: text("account_id").notNull(),
    /** `2026-11-21`. */
    day: text("day").notNull(),
    keyHash: text("key_hash").notNull(),
    model: text("model").notNull(),
    provider: text("provider").notNull(),
    requests: integer("requests").notNull(),
    byokRequests: integer("byok_requests").notNull(),
    promptTokens: integer("prompt_tokens").notNull(),
    completionTokens: integer("completion_tokens").notNull(),
    reasoningTokens: integer("reasoning_tokens").notNull(),
    costNusd: integer("cost_nusd").notNull(),
    chargedNusd: integer("charged_nusd").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.accountId, table.day, table.keyHash, table.model, table.provider] }),
    check("usage_days_charged_is_integer", sql`typeof(${table.chargedNusd}) = 'integer'`),
  ],
);
