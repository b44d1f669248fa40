/**
 * The model's gate: the real rules on a real store, over node:sqlite, without the Durable Object around them. One storage
 * and one D1 for many runs: a run wipes the storage and takes an account of its own in the books.
 */
import { asAccountId, asKeyHash, type AccountId, type KeyHash } from "../../src/core/ids.ts";
import { NO_ACCOUNT_LIMITS, NO_SPENT } from "../../src/gates/account-limits.ts";
import { loadMemory, newCounter, type AccountMemory } from "../../src/gates/account-memory.ts";
import { openAccountStore, type AccountStore } from "../../src/gates/account-store.ts";
import { NO_COUNT, NO_LIMITS } from "../../src/limits/tenant-limits.ts";
import { openBooks, openStorage, type TestBooks } from "../unit/gates/sqlite.ts";

/** The second key has a limit. */
export const KEYS: readonly [KeyHash, KeyHash] = [asKeyHash("a".repeat(64)), asKeyHash("b".repeat(64))];

/** Runs on one D1: all of it is in memory. */
const RUNS_PER_BOOKS = 2_000;

export interface Ground {
  /** A fresh account; its second key has a limit. */
  newAccount(limitNusd: bigint, nowMs: number): ModelAccount;
}

export interface ModelAccount {
  readonly id: AccountId;
  readonly books: TestBooks;
  readonly store: AccountStore;
  load(): AccountMemory;
  /** Whether the next transaction is undone at its end and throws. */
  failNext(isDue: boolean): void;
}

/** Storage and books for runs one after the other. */
export function openGround(): Ground {
  const storage = openStorage();
  const store = openAccountStore(storage);
  store.create();
  const tables = storage.sql
    .exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .toArray()
    .map((row) => String(row["name"]));
  let books = openBooks();
  let runs = 0;
  let isFailing = false;
  const failing: AccountStore = {
    ...store,
    atomically: (change) =>
      store.atomically(() => {
        const result = change();
        if (isFailing) {
          isFailing = false;
          throw new Error("the storage failed");
        }
        return result;
      }),
  };
  return {
    newAccount(limitNusd, nowMs) {
      if (runs > 0 && runs % RUNS_PER_BOOKS === 0) {
        // Its memory is none that the collector knows of.
        books.raw.close();
        books = openBooks();
      }
      const id = asAccountId(`gl1${String(runs++).padStart(13, "0")}`);
      for (const table of tables) storage.sql.exec(`DELETE FROM ${table}`);
      books.next = "ok";
      isFailing = false;
      write(store, id, limitNusd, nowMs);
      return {
        id,
        books,
        store: failing,
        load: () => loadMemory(failing),
        failNext(isDue) {
          isFailing = isDue;
        },
      };
    },
  };
}

function write(store: AccountStore, id: AccountId, limitNusd: bigint, nowMs: number): void {
  store.writeAccount({
    id,
    name: "model",
    isSuspended: false,
    balanceNusd: 0n,
    creditsNusd: 0n,
    debitsNusd: 0n,
    refundedNusd: 0n,
    usageNusd: 0n,
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
  for (const [at, hash] of KEYS.entries()) {
    store.writeCounter(hash, newCounter(nowMs));
    store.writeKey({
      hash,
      counter: hash,
      kind: "inference",
      name: "",
      label: "",
      disabled: false,
      createdAtMs: nowMs,
      limitNusd: at === 1 ? limitNusd : null,
      limitReset: null,
      limits: NO_LIMITS,
      updatedAtMs: null,
      expiresAtMs: null,
    });
  }
}
