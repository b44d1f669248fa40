/**
 * The books as tables: immutable entries and lines, and balances that nothing but the trigger on inserted lines moves
 * (migrations/0001_books_triggers.sql). Amounts are integer nano-dollars, times integer ms.
 * Primary keys begin with the tenant's account id, so that no further index is needed: D1 bills index rows. For the same
 * reason all three are WITHOUT ROWID (migrations/0002_books_rows.sql; drizzle has no word for it).
 */
import { sql } from "drizzle-orm";
import { check, customType, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { nusdFromStored, nusdToStored, type NanoUsd } from "../core/money.ts";
import { ENTRY_KINDS } from "./entries.ts";

/** Nano-dollars: bigint in code, integer in D1, which has no bigint. Throws beyond ±9.007e15. */
const nusd = customType<{ data: NanoUsd; driverData: number }>({
  dataType: () => "integer",
  toDriver: nusdToStored,
  fromDriver: nusdFromStored,
});

/**
 * One balanced money movement. Its id is its idempotency key: `<account>/<cause>`.
 * @public drizzle-kit reads it to make the migrations.
 */
export const entries = sqliteTable("entries", {
  id: text("id").primaryKey(),
  kind: text("kind", { enum: ENTRY_KINDS }).notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
  /** The operator's words for a credit or debit; what another movement was. */
  reason: text("reason"),
});

/**
 * One side of an entry.
 * @public drizzle-kit reads it to make the migrations.
 */
export const lines = sqliteTable(
  "lines",
  {
    entryId: text("entry_id").notNull(),
    account: text("account").notNull(),
    amountNusd: nusd("amount_nusd").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.entryId, table.account] }),
    check("lines_amount_is_integer", sql`typeof(${table.amountNusd}) = 'integer'`),
  ],
);

/** The sum of an account's lines, kept by trigger. SQLite turns an overflowing sum into a float: the check refuses it. */
export const balances = sqliteTable(
  "balances",
  { account: text("account").primaryKey(), balanceNusd: nusd("balance_nusd").notNull() },
  (table) => [check("balances_balance_is_integer", sql`typeof(${table.balanceNusd}) = 'integer'`)],
);
