/**
 * One account's invariants, checked by its gate while it posts nothing to D1. Settles may go on meanwhile: they move
 * the gate's balance and its outbox together, so that the comparison still holds when the books have been read.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import { formatUsd, type NanoUsd } from "../core/money.ts";
import { readBalance } from "../ledger/books.ts";
import type { AccountAudit } from "./account-contract.ts";
import { pendingCredits } from "./account-credit.ts";
import { inTime } from "./account-flush.ts";
import type { AccountMemory } from "./account-memory.ts";

/** A hold or lease this long past its end means that alarms don't run. */
const OVERDUE_MS_MAX = 30_000;

/**
 * Compares gate and books. Must not overlap a flush or a credit of the same gate. Throws what D1 throws.
 * `trouble` is what D1 said to the last flush, if that failed.
 */
export async function auditAccount(
  memory: AccountMemory,
  db: D1Database,
  clock: Clock,
  trouble: string | null,
): Promise<AccountAudit> {
  const sealed = memory.store.readFlush();
  const pending = pendingCredits(memory);
  const ids = [...(sealed === undefined ? [] : [sealed.entryId]), ...pending.map((credit) => credit.entryId)];
  const books = await inTime(readBalance(db, memory.account.id, ids));
  // Everything from here on is one moment: no await.
  const { account } = memory;
  // D1 may have committed what it never confirmed: then the books are ahead of the outbox and of pending credits.
  const unconfirmedNusd = sealed !== undefined && books.booked.has(sealed.entryId) ? sealed.chargedNusd : 0n;
  const creditsAheadNusd = pending
    .filter((credit) => books.booked.has(credit.entryId))
    .reduce((sum, credit) => sum + credit.amountNusd, 0n);
  const expectedNusd = account.balanceNusd + memory.outboxNusd - unconfirmedNusd + creditsAheadNusd;
  const overdueHoldMs = overdueMs(
    [...memory.holds.values()].map((hold) => hold.expiresAtMs),
    clock(),
  );
  const overdueLeaseMs = overdueMs(
    [...memory.leases.values()].map((lease) => lease.settleUntilMs),
    clock(),
  );
  const faults = [
    ...fault(
      expectedNusd === books.balanceNusd,
      `the gate and its outbox come to ${formatUsd(expectedNusd)}, the books to ${formatUsd(books.balanceNusd)}`,
    ),
    ...fault(
      account.balanceNusd === account.creditsNusd - account.debitsNusd - account.usageNusd,
      "the balance is not credits less debits less usage",
    ),
    ...fault(isCovered(memory), `open holds and leases of ${formatUsd(memory.heldNusd)} exceed the credit`),
    ...fault(overdueHoldMs <= OVERDUE_MS_MAX, `a hold is ${overdueHoldMs} ms past its end`),
    ...fault(overdueLeaseMs <= OVERDUE_MS_MAX, `a lease is ${overdueLeaseMs} ms past its end`),
    ...fault(trouble === null || memory.outboxCount === 0, `the last flush failed: ${trouble}`),
    ...mirrorFaults(memory),
  ];
  return {
    accountId: account.id,
    gateBalanceNusd: account.balanceNusd,
    bookBalanceNusd: books.balanceNusd,
    outboxNusd: memory.outboxNusd,
    outboxCount: memory.outboxCount,
    openHolds: memory.holds.size,
    heldNusd: memory.heldNusd - memory.leasedNusd,
    overdueHoldMs,
    openLeases: memory.leases.size,
    leasedNusd: memory.leasedNusd,
    overdueLeaseMs,
    unsettledCount: account.unsettledCount,
    unsettledNusd: account.unsettledNusd,
    ok: faults.length === 0,
    faults,
  };
}

function overdueMs(ends: readonly EpochMs[], nowMs: EpochMs): number {
  return ends.reduce((longest, endMs) => Math.max(longest, nowMs - endMs), 0);
}

/**
 * Settled + open holds + open leases <= credits. A debit may take what is held already: that much, and no more, may be uncovered, so
 * the invariant is exact for an account that was never debited.
 */
function isCovered(memory: AccountMemory): boolean {
  const { usageNusd, creditsNusd } = memory.account;
  return usageNusd + memory.heldNusd <= creditsNusd;
}

/** Memory is a mirror of storage; here it is held against it. */
function mirrorFaults(memory: AccountMemory): readonly string[] {
  const holds = memory.store.holdTotals();
  const leases = memory.store.readLeases();
  const leasedNusd = leases.reduce((sum, lease) => sum + lease.reservedNusd, 0n);
  const outbox = memory.store.outboxTotals();
  const stored: NanoUsd = memory.store.readAccount().balanceNusd;
  return [
    ...fault(
      holds.count === memory.holds.size && holds.heldNusd + leasedNusd === memory.heldNusd,
      "holds differ from storage",
    ),
    ...fault(leases.length === memory.leases.size && leasedNusd === memory.leasedNusd, "leases differ from storage"),
    ...fault(
      outbox.count === memory.outboxCount && outbox.chargedNusd === memory.outboxNusd,
      "the outbox differs from storage",
    ),
    ...fault(stored === memory.account.balanceNusd, "the balance differs from storage"),
  ];
}

function fault(holds: boolean, sentence: string): readonly string[] {
  return holds ? [] : [sentence];
}
