/**
 * Accounts in D1: made once together with their first keys, listed for the operator, read by the gate at its first use.
 * Creating one touches no gate. Pages are by id, ascending.
 */
import { asc, eq, gt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { EpochMs } from "../core/clock.ts";
import { asAccountId, asKeyHash, type AccountId, type KeyHash } from "../core/ids.ts";
import { accounts, initialKeys } from "./tables.ts";

export interface Account {
  readonly id: AccountId;
  readonly name: string;
  readonly isSuspended: boolean;
  readonly createdAtMs: EpochMs;
}

/** A key that an account is born with. */
export interface InitialKey {
  readonly hash: KeyHash;
  readonly kind: "inference" | "management";
  readonly name: string;
  readonly label: string;
  readonly createdAtMs: EpochMs;
}

/** Accounts on a page at most. */
export const ACCOUNTS_PER_PAGE_MAX = 200;

/** Creates an account and its first keys in one transaction; repeating it changes nothing. */
export async function createAccount(db: D1Database, account: Account, keys: readonly InitialKey[]): Promise<void> {
  const books = drizzle(db);
  await books.batch([
    books.insert(accounts).values(account).onConflictDoNothing(),
    ...keys.map((key) =>
      books
        .insert(initialKeys)
        .values({ ...key, accountId: account.id })
        .onConflictDoNothing(),
    ),
  ]);
}

/** One account, or undefined. */
export async function readAccount(db: D1Database, id: AccountId): Promise<Account | undefined> {
  const rows = await drizzle(db).select().from(accounts).where(eq(accounts.id, id));
  return rows.map(accountOf)[0];
}

/** A page of accounts whose ids come after `afterId` (all, when it is null), by id. */
export async function listAccounts(
  db: D1Database,
  page: { readonly afterId: AccountId | null; readonly limit: number },
): Promise<readonly Account[]> {
  const rows = await drizzle(db)
    .select()
    .from(accounts)
    .where(page.afterId === null ? undefined : gt(accounts.id, page.afterId))
    .orderBy(asc(accounts.id))
    .limit(Math.min(page.limit, ACCOUNTS_PER_PAGE_MAX));
  return rows.map(accountOf);
}

/** An account's first keys; empty for an unknown account. */
export async function readInitialKeys(db: D1Database, id: AccountId): Promise<readonly InitialKey[]> {
  const rows = await drizzle(db).select().from(initialKeys).where(eq(initialKeys.accountId, id));
  return rows.map((row) => ({
    hash: asKeyHash(row.hash),
    kind: row.kind,
    name: row.name,
    label: row.label,
    createdAtMs: row.createdAtMs,
  }));
}

/** Suspends or reinstates; false when there is no such account. The gate must be told too: it alone admits. */
export async function setSuspended(db: D1Database, id: AccountId, isSuspended: boolean): Promise<boolean> {
  const changed = await drizzle(db)
    .update(accounts)
    .set({ isSuspended })
    .where(eq(accounts.id, id))
    .returning({ id: accounts.id });
  return changed.length > 0;
}

/** Renames; false when there is no such account. The gate must be told too: it names the account to its requests. */
export async function setName(db: D1Database, id: AccountId, name: string): Promise<boolean> {
  const changed = await drizzle(db)
    .update(accounts)
    .set({ name })
    .where(eq(accounts.id, id))
    .returning({ id: accounts.id });
  return changed.length > 0;
}

function accountOf(row: typeof accounts.$inferSelect): Account {
  return { ...row, id: asAccountId(row.id) };
}
