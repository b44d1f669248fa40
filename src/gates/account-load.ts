/**
 * The first use of an account: its gate takes over from D1 what was made before it existed (the account's row, its
 * first keys, its balance) and from then on is the only one that spends. Nothing is stored for an unknown account.
 */
import type { EpochMs } from "../core/clock.ts";
import type { AccountId } from "../core/ids.ts";
import { readAccount, readInitialKeys } from "../accounts/accounts.ts";
import { readTenantBooks } from "../ledger/books.ts";
import { inTime } from "./account-flush.ts";
import { NO_COUNT, NO_LIMITS } from "../limits/tenant-limits.ts";
import { NO_ACCOUNT_LIMITS, NO_SPENT } from "./account-limits.ts";
import { newCounter } from "./account-memory.ts";
import type { AccountStore } from "./account-store.ts";

/** Copies an account from D1 into the gate's storage. @returns false for an unknown account; throws what D1 throws. */
export async function takeOver(store: AccountStore, db: D1Database, id: AccountId, nowMs: EpochMs): Promise<boolean> {
  const [account, keys, books] = await inTime(
    Promise.all([readAccount(db, id), readInitialKeys(db, id), readTenantBooks(db, id)]),
  );
  if (account === undefined) return false;
  store.atomically(() => {
    store.create();
    for (const key of keys) {
      store.writeKey({
        ...key,
        counter: key.hash,
        disabled: false,
        limitNusd: null,
        limitReset: null,
        limits: NO_LIMITS,
        updatedAtMs: null,
        expiresAtMs: null,
      });
      store.writeCounter(key.hash, newCounter(nowMs));
    }
    store.writeAccount({
      id,
      name: account.name,
      isSuspended: account.isSuspended,
      ...books,
      lossNusd: 0n,
      unsettledCount: 0,
      unsettledNusd: 0n,
      freeMinute: { id: "", count: 0 },
      freeDay: { id: "", count: 0 },
      tenantLimits: NO_ACCOUNT_LIMITS,
      operatorLimits: NO_ACCOUNT_LIMITS,
      minute: NO_COUNT,
      spent: NO_SPENT,
    });
  });
  return true;
}
