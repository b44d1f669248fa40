/**
 * Accounts as D1 knows them, the keys they were born with, and the operator's settings of providers.
 * An account's later keys live in its gate; these rows let the first use of a key find the account without a lookup
 * table, since the key itself names it. A key is stored as its hash, a credential sealed.
 */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One tenant. The id says where its gate and books live. */
export const accounts = sqliteTable("accounts", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  isSuspended: integer("is_suspended", { mode: "boolean" }).notNull().default(false),
  createdAtMs: integer("created_at_ms").notNull(),
});

/** Keys made together with the account; the gate takes them over at its first use. */
export const initialKeys = sqliteTable(
  "initial_keys",
  {
    accountId: text("account_id")
      .notNull()
      .references(() => accounts.id),
    hash: text("hash").notNull(),
    kind: text("kind", { enum: ["inference", "management"] }).notNull(),
    name: text("name").notNull(),
    label: text("label").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
  },
  (table) => [primaryKey({ columns: [table.accountId, table.hash] })],
);

/** What the operator set for a provider; no row: the defaults. */
export const providerSettings = sqliteTable("provider_settings", {
  slug: text("slug").primaryKey(),
  isDisabled: integer("is_disabled", { mode: "boolean" }).notNull().default(false),
  /** See seal.ts; null: the credential of the environment, if any. */
  credentialSealed: text("credential_sealed"),
  updatedAtMs: integer("updated_at_ms").notNull(),
});
