/**
 * Generations as D1 keeps them for 30 days. The id begins with its unix second, so the primary key is also the order
 * in time and no further index is needed. Amounts are integer nano-dollars; `record` is a GenerationRecord as JSON.
 * Rows are written by the flush that books them (ledger/books.ts) and never change.
 */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const generations = sqliteTable("generations", {
  id: text("id").primaryKey(),
  accountId: text("account_id").notNull(),
  /** The ledger entry that booked it. */
  entryId: text("entry_id").notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
  /** usage x listed price. */
  costNusd: integer("cost_nusd").notNull(),
  /** What the tenant paid: the cost, capped by credit. */
  chargedNusd: integer("charged_nusd").notNull(),
  record: text("record").notNull(),
});
