/**
 * Settlement on a gate's memory: charges, releases, and what isolates tell of their leases. Synchronous and in one
 * transaction, as admission is.
 * A settle is known by its generation's id for SETTLED_KEPT_MS; repeating it changes nothing.
 */
import { NO_BYOK } from "../accounts/byok.ts";
import type { EpochMs } from "../core/clock.ts";
import { asProviderId, type GenerationId } from "../core/ids.ts";
import { nusdToStored, NUSD_MAX, type NanoUsd } from "../core/money.ts";
import { storedRecord } from "../insight/generation-row.ts";
import { generationLines, joinedLines, type Line } from "../ledger/entries.ts";
import { chargeOf } from "../ledger/hold.ts";
import type { LeaseAnswer, LeaseReport } from "../ledger/lease.ts";
import { noteByok } from "./account-byok.ts";
import type { Settlement, SettleReceipt } from "./account-contract.ts";
import { refunded } from "./account-free.ts";
import {
  answerReport,
  hearReport,
  leasedHoldOf,
  revokeReport,
  spendFromLease,
  type Touched,
} from "./account-leases.ts";
import { countEnded, limitLeft, spentWith } from "./account-limits.ts";
import { counterWith, endHold, keepAccount, keepLeases, newCounter, type AccountMemory } from "./account-memory.ts";
import { isKnown, rememberSettled } from "./account-recent.ts";
import type { OutboxRow } from "./account-rows.ts";
import { seqAt } from "./account-store.ts";

/** Settlements taken from one call; the rest is not acknowledged and comes again. */
const SETTLEMENTS_MAX = 500;
/** Reports heard in one call: one for each key that an isolate spends for. */
const REPORTS_MAX = 500;
/** One outbox row is closed at this size, well below the 2 MB that storage allows. */
const OUTBOX_ROW_BYTES_MAX = 400_000;
/** No generation costs more ($9,007): so many of them that fit a flush still sum to what D1 holds exactly. */
const AMOUNT_NUSD_MAX: NanoUsd = NUSD_MAX / 1_000n;

/** What of one call goes to the outbox. */
interface Booked {
  readonly row: string;
  readonly chargedNusd: NanoUsd;
  readonly lines: readonly Line[];
}

/** What of one call is written once at its end. */
interface Changes {
  readonly counters: Set<string>;
  readonly leases: Touched;
}

/**
 * Charges and releases, then hears the leases' reports, all in one transaction. A settle whose hold has ended is charged
 * from what is spendable.
 * @param byokToken the present state of the tenant's own provider credentials: who plans with another must ask anew.
 * @returns the ids taken, repeats among them, and an answer to each report.
 */
export function settle(
  memory: AccountMemory,
  settlements: readonly Settlement[],
  nowMs: EpochMs,
  reports: readonly LeaseReport[] = [],
  byokToken: string = NO_BYOK,
): SettleReceipt {
  const acknowledged: GenerationId[] = [];
  const fresh = new Set<GenerationId>();
  const before = memory.account;
  const changes: Changes = { counters: new Set(), leases: new Set() };
  const leases: LeaseAnswer[] = [];
  memory.store.atomically(() => {
    let chunk: Chunk = emptyChunk();
    for (const settlement of settlements.slice(0, SETTLEMENTS_MAX)) {
      const id = settlement.generationId;
      acknowledged.push(id);
      if (fresh.has(id) || isKnown(memory, id, nowMs)) continue;
      fresh.add(id);
      chunk.ids.push(id);
      const booked = settleOne(memory, settlement, changes, nowMs);
      if (booked === null) continue;
      chunk.booked.push(booked);
      chunk.sizeBytes += utf8Bytes(booked.row);
      if (chunk.sizeBytes < OUTBOX_ROW_BYTES_MAX) continue;
      append(memory, chunk, nowMs);
      chunk = emptyChunk();
    }
    if (chunk.ids.length > 0) append(memory, chunk, nowMs);
    for (const report of reports.slice(0, REPORTS_MAX)) {
      hearReport(memory, report, nowMs, changes.leases);
      const isStale = report.byokToken !== byokToken;
      const answer = isStale
        ? revokeReport(memory, report, changes.leases)
        : answerReport(memory, report, nowMs, changes.leases);
      if (answer !== null) leases.push(answer);
    }
    // One row each, however many generations moved them: the platform bills rows, and every statement costs.
    if (memory.account !== before) keepAccount(memory, memory.account);
    keepLeases(memory, changes.leases);
    for (const id of changes.counters) memory.store.writeCounter(id, memory.counters.get(id) ?? newCounter(nowMs));
  });
  rememberSettled(memory, fresh, nowMs);
  return { acknowledged, leases };
}

/** What becomes one row of `settles`. */
interface Chunk {
  readonly ids: GenerationId[];
  readonly booked: Booked[];
  sizeBytes: number;
}

function emptyChunk(): Chunk {
  return { ids: [], booked: [], sizeBytes: 0 };
}

function append(memory: AccountMemory, { ids, booked, sizeBytes }: Chunk, nowMs: EpochMs): void {
  const seq = Math.max(memory.lastSeq + 1, seqAt(nowMs));
  const chargedNusd = booked.reduce((sum, one) => sum + one.chargedNusd, 0n);
  const outbox: OutboxRow = {
    seq,
    count: booked.length,
    chargedNusd,
    sizeBytes,
    lines: joinedLines(booked.flatMap((one) => one.lines)).map((line) => [line.account, line.amountNusd]),
    rowsJson: booked.map((one) => one.row).join(","),
  };
  memory.store.appendSettle(seq, ids, booked.length === 0 ? null : outbox);
  memory.lastSeq = seq;
  memory.outboxCount += booked.length;
  memory.outboxNusd += chargedNusd;
}

/**
 * Moves the money of one settlement in memory; null when there is nothing to book. Account and counters are written by
 * the caller, once for all; a throw makes the gate load everything anew.
 */
function settleOne(memory: AccountMemory, settlement: Settlement, changes: Changes, nowMs: EpochMs): Booked | null {
  const { generationId: id, record } = settlement;
  const hold = memory.holds.get(id);
  const leased = leasedHoldOf(memory, settlement);
  // Without a record there is no generation that could explain a charge: a tenant is never charged by guess.
  const costNusd = record === null ? 0n : within(settlement.costNusd);
  const charge = chargeOf({
    costNusd,
    holdNusd: (hold?.amountNusd ?? 0n) + (leased?.heldNusd ?? 0n),
    balanceNusd: memory.account.balanceNusd,
    heldNusd: memory.heldNusd,
    limitLeftNusd: limitLeft(memory, memory.keys.get(settlement.keyHash), nowMs),
  });
  if (hold !== undefined) {
    endHold(memory, hold);
    if (countEnded(memory, hold, settlement)) changes.counters.add(hold.counter);
  }
  if (leased !== null) spendFromLease(memory, leased, settlement.costNusd, changes.leases);
  const changed = settlement.refundsFreeTier ? refunded(memory.account, hold, nowMs) : memory.account;
  if (charge.chargedNusd > 0n || charge.lossNusd > 0n || changed !== memory.account) {
    memory.account = {
      ...changed,
      balanceNusd: changed.balanceNusd - charge.chargedNusd,
      usageNusd: changed.usageNusd + charge.chargedNusd,
      lossNusd: changed.lossNusd + charge.lossNusd,
      spent: charge.chargedNusd === 0n ? changed.spent : spentWith(changed, charge.chargedNusd, nowMs),
    };
  }
  const counter = hold?.counter ?? leased?.lease.counter ?? memory.keys.get(settlement.keyHash)?.counter;
  if (counter !== undefined && countUsage(memory, counter, charge.chargedNusd, nowMs)) changes.counters.add(counter);
  if (settlement.byok !== undefined) noteByok(memory, settlement.byok, counter, nowMs);
  if (record === null) return null;
  const columns = { id, createdAtMs: record.createdAtMs, costNusd: nusdToStored(costNusd) };
  const charged = nusdToStored(charge.chargedNusd);
  const stored = [id, columns.createdAtMs, columns.costNusd, charged, storedRecord(record, columns)];
  return {
    row: JSON.stringify(stored),
    chargedNusd: charge.chargedNusd,
    lines: generationLines(memory.account.id, {
      provider: record.provider === null ? null : asProviderId(record.provider),
      costNusd,
      chargedNusd: charge.chargedNusd,
      upstreamCostNusd: record.isByok ? 0n : within(settlement.upstreamCostNusd),
      isByok: record.isByok,
    }),
  };
}

/** Counts a charge in memory. @returns whether the count moved; a deleted key has none any more. */
function countUsage(memory: AccountMemory, id: string, chargedNusd: NanoUsd, nowMs: EpochMs): boolean {
  const counter = memory.counters.get(id);
  if (counter === undefined || chargedNusd === 0n) return false;
  memory.counters.set(id, counterWith(counter, chargedNusd, nowMs));
  return true;
}

/** An amount from an isolate, kept within what a flush can sum: one absurd settle must not block the others. */
function within(amountNusd: NanoUsd): NanoUsd {
  if (amountNusd < 0n) return 0n;
  return amountNusd > AMOUNT_NUSD_MAX ? AMOUNT_NUSD_MAX : amountNusd;
}

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
