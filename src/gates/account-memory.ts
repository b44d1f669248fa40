/**
 * An AccountGate awake: its rows in memory, loaded once, so that an admission reads nothing. Memory is a mirror of
 * storage, never the truth: each change writes storage first, in one transaction, and a throw makes the gate load
 * again. Holds are summed as they come and go, so that admission costs the same with one hold open or ten thousand.
 */
import type { EpochMs } from "../core/clock.ts";
import type { ByokId, GenerationId, KeyHash, LeaseId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import { assert } from "../core/result.ts";
import { minuteWith, NO_COUNT, type MinuteCount } from "../limits/tenant-limits.ts";
import { windowAt } from "../limits/window.ts";
import type { ByokRow, ByokStore } from "./account-byok-rows.ts";
import type { TopUpRow } from "./account-payments-store.ts";
import type { RecentSettles } from "./account-recent.ts";
import type { AccountRow, CounterRow, CreditRow, Hold, KeyRow, LeaseRow } from "./account-rows.ts";
import type { AccountStore } from "./account-store.ts";

/** The tenant's own provider credentials, and what was spent through them. */
export interface ByokMemory {
  readonly store: ByokStore;
  readonly rows: Map<ByokId, ByokRow>;
  /** Grows with every change of the list, also of an empty one. */
  version: number;
  /** By key counter, and the whole account's; at the provider's and at list price. */
  readonly usage: Map<string, CounterRow>;
}

export interface AccountMemory {
  readonly store: AccountStore;
  readonly byok: ByokMemory;
  account: AccountRow;
  readonly keys: Map<KeyHash, KeyRow>;
  readonly counters: Map<string, CounterRow>;
  readonly holds: Map<GenerationId, Hold>;
  /** Credits that were begun and not finished, by entry. All others are read when they are asked for again. */
  readonly pendingCredits: Map<string, CreditRow>;
  readonly leases: Map<LeaseId, LeaseRow>;
  leasedNusd: NanoUsd;
  /** Free parts of all leases, as last heard of. */
  leasesFreeNusd: NanoUsd;
  /** Open holds and leases. */
  heldNusd: NanoUsd;
  readonly heldByCounter: Map<string, NanoUsd>;
  readonly openByCounter: Map<string, number>;
  /** What was let through in the running minute, open or ended, by counter; the account's own under ACCOUNT_MINUTE. */
  readonly minutes: Map<string, MinuteCount>;
  /** Generations and charges that D1 doesn't have yet, sealed ones included. */
  outboxCount: number;
  outboxNusd: NanoUsd;
  lastSeq: number;
  /** Rows of `settles` up to this one are in D1. */
  flushedSeq: number;
  /** Null until a card was kept. */
  topUp: TopUpRow | null;
  /** Ids that were settled lately; null until somebody asks. */
  recent: RecentSettles | null;
}

/** No counter of a key has this name. */
export const ACCOUNT_MINUTE = "";

/** Reads everything that a woken gate needs. */
export function loadMemory(store: AccountStore): AccountMemory {
  const outbox = store.outboxTotals();
  const lastSeq = store.lastSeq();
  const memory: AccountMemory = {
    store,
    byok: loadByok(store.byok),
    account: store.readAccount(),
    keys: new Map(store.readKeys().map((key) => [key.hash, key])),
    counters: new Map(store.readCounters()),
    holds: new Map(),
    pendingCredits: new Map(
      store.readCredits().flatMap((row) => (row.balanceAfterNusd === null ? [[row.entryId, row]] : [])),
    ),
    leases: new Map(),
    leasedNusd: 0n,
    leasesFreeNusd: 0n,
    heldNusd: 0n,
    heldByCounter: new Map(),
    openByCounter: new Map(),
    minutes: new Map(),
    outboxCount: outbox.count,
    outboxNusd: outbox.chargedNusd,
    lastSeq,
    flushedSeq: outbox.firstSeq === null ? lastSeq : outbox.firstSeq - 1,
    topUp: store.readTopUp(),
    recent: null,
  };
  memory.minutes.set(ACCOUNT_MINUTE, memory.account.minute);
  for (const [id, counter] of memory.counters) memory.minutes.set(id, counter.minute);
  for (const hold of store.readHolds()) {
    count(memory, hold, 1n);
    countInMinute(memory, hold, { requests: 1, tokens: hold.tokens });
  }
  for (const lease of store.readLeases()) countLease(memory, lease, 1n);
  return memory;
}

function loadByok(store: ByokStore): ByokMemory {
  if (!store.exists()) return { store, rows: new Map(), version: 0, usage: new Map() };
  return {
    store,
    rows: new Map(store.readCredentials().map((row) => [row.id, row])),
    version: store.readVersion(),
    usage: new Map(store.readUsage()),
  };
}

/** Counts what a hold's request takes from the minute in which it was let through, for its key and for the account. */
export function countInMinute(
  memory: AccountMemory,
  hold: Pick<Hold, "counter" | "admittedAtMs">,
  more: { readonly requests: number; readonly tokens: number },
): void {
  for (const id of [hold.counter, ACCOUNT_MINUTE]) {
    memory.minutes.set(id, minuteWith(memory.minutes.get(id) ?? NO_COUNT, more, hold.admittedAtMs));
  }
}

/** Opens a hold, or moves the end of an open one. */
export function keepHold(memory: AccountMemory, hold: Hold): void {
  const open = memory.holds.get(hold.id);
  memory.store.writeHold(hold);
  if (open !== undefined) count(memory, open, -1n);
  count(memory, hold, 1n);
}

/** Ends a hold: its amount is spendable again. */
export function endHold(memory: AccountMemory, hold: Hold): void {
  memory.store.deleteHold(hold.id);
  count(memory, hold, -1n);
}

/** Ends the holds whose time is over; nobody renewed them, so their isolate is gone. */
export function endExpiredHolds(memory: AccountMemory, nowMs: EpochMs): void {
  const expired = [...memory.holds.values()].filter((hold) => hold.expiresAtMs <= nowMs);
  if (expired.length === 0) return;
  memory.store.atomically(() => {
    for (const hold of expired) endHold(memory, hold);
  });
}

/** Puts a lease in the place of what it was, or in none (null), in memory. The caller writes it, once for all. */
export function replaceLease(memory: AccountMemory, id: LeaseId, lease: LeaseRow | null): void {
  const old = memory.leases.get(id);
  if (old !== undefined) countLease(memory, old, -1n);
  if (lease !== null) countLease(memory, lease, 1n);
}

/** Writes what became of leases that were replaced. */
export function keepLeases(memory: AccountMemory, ids: ReadonlySet<LeaseId>): void {
  for (const id of ids) {
    const lease = memory.leases.get(id);
    if (lease === undefined) memory.store.deleteLease(id);
    else memory.store.writeLease(lease);
  }
}

/** Writes the account row and keeps it. */
export function keepAccount(memory: AccountMemory, account: AccountRow): void {
  assert(
    account.balanceNusd === account.creditsNusd - account.debitsNusd - account.usageNusd,
    "a balance is credits less debits less usage",
  );
  memory.store.writeAccount(account);
  memory.account = account;
}

/** Credits ever bought or granted and not refunded: what the free tier goes by. */
export function boughtNusd(account: AccountRow): NanoUsd {
  return account.creditsNusd - account.refundedNusd;
}

/** A count that has not begun. */
export function newCounter(nowMs: EpochMs): CounterRow {
  const empty = (kind: "daily" | "weekly" | "monthly") => ({ id: windowAt(kind, nowMs).id, nusd: 0n });
  return {
    totalNusd: 0n,
    daily: empty("daily"),
    weekly: empty("weekly"),
    monthly: empty("monthly"),
    minute: NO_COUNT,
  };
}

/** The count as of now: windows that are over count nothing. */
export function counterAt(counter: CounterRow, nowMs: EpochMs): CounterRow {
  const present = (kind: "daily" | "weekly" | "monthly") => {
    const { id } = windowAt(kind, nowMs);
    return counter[kind].id === id ? counter[kind] : { id, nusd: 0n };
  };
  return { ...counter, daily: present("daily"), weekly: present("weekly"), monthly: present("monthly") };
}

/** The count with one more charge. */
export function counterWith(counter: CounterRow, chargedNusd: NanoUsd, nowMs: EpochMs): CounterRow {
  const { totalNusd, daily, weekly, monthly, minute } = counterAt(counter, nowMs);
  return {
    minute,
    totalNusd: totalNusd + chargedNusd,
    daily: { ...daily, nusd: daily.nusd + chargedNusd },
    weekly: { ...weekly, nusd: weekly.nusd + chargedNusd },
    monthly: { ...monthly, nusd: monthly.nusd + chargedNusd },
  };
}

/** What a key's limit leaves in its window, open holds not taken off; null without a limit. May be negative. */
export function limitRemaining(key: KeyRow, counter: CounterRow, nowMs: EpochMs): NanoUsd | null {
  if (key.limitNusd === null) return null;
  const present = counterAt(counter, nowMs);
  return key.limitNusd - (key.limitReset === null ? present.totalNusd : present[key.limitReset].nusd);
}

function count(memory: AccountMemory, hold: Hold, sign: 1n | -1n): void {
  if (sign === 1n) memory.holds.set(hold.id, hold);
  else memory.holds.delete(hold.id);
  addHeld(memory, hold.counter, sign * hold.amountNusd);
  const open = (memory.openByCounter.get(hold.counter) ?? 0) + Number(sign);
  if (open === 0) memory.openByCounter.delete(hold.counter);
  else memory.openByCounter.set(hold.counter, open);
}

function countLease(memory: AccountMemory, lease: LeaseRow, sign: 1n | -1n): void {
  if (sign === 1n) memory.leases.set(lease.id, lease);
  else memory.leases.delete(lease.id);
  memory.leasedNusd += sign * lease.reservedNusd;
  memory.leasesFreeNusd += sign * lease.freeNusd;
  addHeld(memory, lease.counter, sign * lease.reservedNusd);
}

function addHeld(memory: AccountMemory, counter: string, amountNusd: NanoUsd): void {
  memory.heldNusd += amountNusd;
  const held = (memory.heldByCounter.get(counter) ?? 0n) + amountNusd;
  if (held === 0n) memory.heldByCounter.delete(counter);
  else memory.heldByCounter.set(counter, held);
}
