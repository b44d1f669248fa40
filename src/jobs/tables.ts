/** What scheduled jobs remember between runs, in the main database: whose turn it is and how far they came. */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row per job. */
export const jobs = sqliteTable("jobs", {
  name: text("name").primaryKey(),
  /** A run has the job until then; a run that dies leaves it to the next after that. */
  leaseUntilMs: integer("lease_until_ms").notNull(),
  /** Where the next run goes on; null: at the beginning. */
  cursor: text("cursor"),
});

/** One walk over all accounts that compares gates and books. */
export const reconciliations = sqliteTable("reconciliations", {
  startedAtMs: integer("started_at_ms").primaryKey(),
  /** Null while it goes on. */
  finishedAtMs: integer("finished_at_ms"),
  /** Accounts seen, and gates asked: an account that never had an entry has nothing to compare. */
  accounts: integer("accounts").notNull().default(0),
  gates: integer("gates").notNull().default(0),
  faults: integer("faults").notNull().default(0),
});

/** What a walk found. Nothing is ever repaired by it. */
export const reconciliationFaults = sqliteTable(
  "reconciliation_faults",
  {
    startedAtMs: integer("started_at_ms").notNull(),
    accountId: text("account_id").notNull(),
    atMs: integer("at_ms").notNull(),
    fault: text("fault").notNull(),
  },
  (table) => [primaryKey({ columns: [table.startedAtMs, table.accountId, table.fault] })],
);
