/**
 * Admission and settlement on a gate's memory. Synchronous from the first check to the last write, so no other request
 * can come in between: with credit for k, exactly k of any number of parallel requests are admitted.
 * A settle is known by its generation's id for SETTLED_KEPT_MS; repeating it changes nothing.
 */
import { NO_BYOK } from "../accounts/byok.ts";
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import { asProviderId, type GenerationId } from "../core/ids.ts";
import { nusdToStored, NUSD_MAX, type NanoUsd } from "../core/money.ts";
import { storedRecord } from "../insight/generation-row.ts";
import { generationLines, joinedLines, type Line } from "../ledger/entries.ts";
import { chargeOf, holdVerdict, type HoldVerdict } from "../ledger/hold.ts";
import type { LeaseAnswer, LeaseReport } from "../ledger/lease.ts";
import { budgetError } from "../limits/budget.ts";
import { freeTierVerdict, type FreeTierVerdict } from "../limits/free-tier.ts";
import { windowAt } from "../limits/window.ts";
import {
  HOLD_LIFE_MS,
  type Admission,
  type AdmitRequest,
  type Settlement,
  type SettleReceipt,
} from "./account-contract.ts";
import { noteByok } from "./account-byok.ts";
import { usableKey } from "./account-keys.ts";
import { budgetNow, countEnded, judgeRates, limitLeft, restrictionOf, spentWith } from "./account-limits.ts";
import {
  answerReport,
  endExpiredLeases,
  hearReport,
  leasedHoldOf,
  revokeReport,
  spendFromLease,
  type Touched,
} from "./account-leases.ts";
import {
  boughtNusd,
  countInMinute,
  counterWith,
  endExpiredHolds,
  endHold,
  keepAccount,
  keepHold,
  keepLeases,
  limitRemaining,
  newCounter,
  type AccountMemory,
} from "./account-memory.ts";
import { isKnown, rememberSettled, sinceMadeMs, wasSettled } from "./account-recent.ts";
import type { AccountRow, Hold, KeyRow, OutboxRow } from "./account-rows.ts";
import { seqAt } from "./account-store.ts";

/** Settlements taken from one call; the rest is not acknowledged and comes again. */
const SETTLEMENTS_MAX = 500;
/** Reports heard in one call: one for each key that an isolate spends for. */
const REPORTS_MAX = 500;
/** One outbox row is closed at this size, well below the 2 MB that storage allows. */
const OUTBOX_ROW_BYTES_MAX = 400_000;
/** No generation costs more ($9,007): so many of them that fit a flush still sum to what D1 holds exactly. */
const AMOUNT_NUSD_MAX: NanoUsd = NUSD_MAX / 1_000n;

const SETTLED: RouterError = { kind: "conflict", message: "This generation was settled before." };

/** Key, limits, hold and lease together. */
export function admit(memory: AccountMemory, request: AdmitRequest, nowMs: EpochMs): Admission {
  const report = request.isFree ? null : (request.lease ?? null);
  if (report === null) return admitOne(memory, request, nowMs);
  const touched: Touched = new Set();
  return memory.store.atomically(() => {
    hearReport(memory, report, nowMs, touched);
    const admission = admitOne(memory, request, nowMs);
    const lease = admission.kind === "admitted" ? answerReport(memory, report, nowMs, touched) : null;
    keepLeases(memory, touched);
    return lease === null || admission.kind !== "admitted" ? admission : { ...admission, lease };
  });
}

function admitOne(memory: AccountMemory, request: AdmitRequest, nowMs: EpochMs): Admission {
  const key = usableKey(memory, request.keyHash, nowMs);
  if (!key.ok) return { kind: "refused", error: key.error };
  if (key.value.kind === "management") {
    return refused({ kind: "forbidden", message: "A management key can't be used for inference. Use an API key." });
  }
  const open = memory.holds.get(request.generationId);
  if (open !== undefined) {
    const rest = spendVerdict(memory, key.value, NOTHING_MORE, nowMs);
    return rest.kind === "held" ? { ...admitted(open), leftNusd: rest.leftNusd } : admitted(open);
  }
  // An admission that was overtaken by its own settle: a hold would make the settle's repeat look new.
  if (wasSettled(memory, request.generationId, sinceMadeMs(request.generationId), nowMs)) return refused(SETTLED);
  const restriction = restrictionOf(memory.account, key.value, request.footprint);
  if (restriction !== null) return restriction;
  const rates = judgeRates(memory, key.value, request.footprint, nowMs);
  if (rates.kind === "refused") return rates;
  const account = presentFree(memory.account, nowMs);
  const free = request.isFree ? freeVerdictOf(account, nowMs) : null;
  if (free?.kind === "refused") return free;
  const verdict = spendVerdict(memory, key.value, request, nowMs);
  if (verdict.kind === "short") return shortOf(memory, verdict, nowMs);
  const hold: Hold = {
    id: request.generationId,
    counter: key.value.counter,
    amountNusd: verdict.amountNusd,
    expiresAtMs: nowMs + HOLD_LIFE_MS,
    freeAtMs: request.isFree ? nowMs : null,
    admittedAtMs: nowMs,
    tokens: rates.tokens,
  };
  if (request.isFree) takeFreePlace(memory, account, hold);
  else keepHold(memory, hold);
  countInMinute(memory, hold, { requests: 1, tokens: hold.tokens });
  return { ...admitted(hold), leftNusd: verdict.leftNusd };
}

const NOTHING_MORE = { isFree: false, wantedNusd: 0n, minimumNusd: 0n };

type SpendRequest = Pick<AdmitRequest, "isFree" | "wantedNusd" | "minimumNusd" | "fullNusd">;

/** Of balance, budgets and the key's limit. */
export function spendVerdict(memory: AccountMemory, key: KeyRow, request: SpendRequest, nowMs: EpochMs): HoldVerdict {
  // What is free altogether needs no credit, and no limit of the key's stands against it.
  if (request.isFree && request.wantedNusd === 0n) return { kind: "held", amountNusd: 0n, leftNusd: 0n };
  const judged = () =>
    holdVerdict({
      balanceNusd: withinBudget(memory, nowMs),
      heldNusd: memory.heldNusd,
      keyRemainingNusd: limitRemaining(key, memory.counters.get(key.counter) ?? newCounter(nowMs), nowMs),
      keyHeldNusd: memory.heldByCounter.get(key.counter) ?? 0n,
      wantedNusd: request.wantedNusd,
      minimumNusd: request.minimumNusd,
      fullNusd: request.fullNusd,
    });
  const verdict = judged();
  if (verdict.kind === "held") return verdict;
  // The alarm may be late because D1 is slow: nobody is refused for a hold or lease whose time is over.
  endExpiredHolds(memory, nowMs);
  endExpiredLeases(memory, nowMs);
  return judged();
}

/** The balance, as far as the account's budgets let it be spent: open holds count against both alike. */
function withinBudget(memory: AccountMemory, nowMs: EpochMs): NanoUsd {
  const { balanceNusd } = memory.account;
  const budget = budgetNow(memory.account, nowMs);
  return budget === null || balanceNusd < budget.leftNusd ? balanceNusd : budget.leftNusd;
}

/** A shortage of credit, or the budget's own refusal where the budget is what lacks. */
function shortOf(memory: AccountMemory, verdict: HoldVerdict & { readonly kind: "short" }, nowMs: EpochMs): Admission {
  const budget = budgetNow(memory.account, nowMs);
  const isBudget = verdict.limitSource === "credits" && budget !== null && budget.leftNusd < memory.account.balanceNusd;
  return isBudget ? refused(budgetError(budget)) : verdict;
}

function freeVerdictOf(account: AccountRow, nowMs: EpochMs): FreeTierVerdict {
  return freeTierVerdict(
    {
      balanceNusd: account.balanceNusd,
      boughtNusd: boughtNusd(account),
      usedThisMinute: account.freeMinute.count,
      usedToday: account.freeDay.count,
    },
    nowMs,
  );
}

/** The hold's row remembers the place that was taken with it, so that it can be given back once. */
function takeFreePlace(memory: AccountMemory, account: AccountRow, hold: Hold): void {
  memory.store.atomically(() => {
    keepAccount(memory, {
      ...account,
      freeMinute: { ...account.freeMinute, count: account.freeMinute.count + 1 },
      freeDay: { ...account.freeDay, count: account.freeDay.count + 1 },
    });
    keepHold(memory, hold);
  });
}

/** Lengthens open holds to a whole life from now. */
export function renew(memory: AccountMemory, ids: readonly GenerationId[], nowMs: EpochMs): void {
  const open = ids.map((id) => memory.holds.get(id)).filter((hold) => hold !== undefined);
  memory.store.atomically(() => {
    for (const hold of open) keepHold(memory, { ...hold, expiresAtMs: nowMs + HOLD_LIFE_MS });
  });
}

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

/** The account with its free-tier counts in the present windows. */
export function presentFree(account: AccountRow, nowMs: EpochMs): AccountRow {
  const minute = windowAt("minute", nowMs).id;
  const day = windowAt("daily", nowMs).id;
  if (account.freeMinute.id === minute && account.freeDay.id === day) return account;
  return {
    ...account,
    freeMinute: account.freeMinute.id === minute ? account.freeMinute : { id: minute, count: 0 },
    freeDay: account.freeDay.id === day ? account.freeDay : { id: day, count: 0 },
  };
}

/** Gives a free place back to the windows it was taken from, as far as they still run. */
function refunded(account: AccountRow, hold: Hold | undefined, nowMs: EpochMs): AccountRow {
  const takenAtMs = hold?.freeAtMs ?? null;
  if (takenAtMs === null) return account;
  const present = presentFree(account, nowMs);
  const less = (window: { readonly id: string; readonly count: number }, takenId: string) =>
    window.id === takenId ? { ...window, count: Math.max(0, window.count - 1) } : window;
  return {
    ...present,
    freeMinute: less(present.freeMinute, windowAt("minute", takenAtMs).id),
    freeDay: less(present.freeDay, windowAt("daily", takenAtMs).id),
  };
}

function admitted({ amountNusd, expiresAtMs, tokens }: Hold): Admission & { readonly kind: "admitted" } {
  return { kind: "admitted", holdNusd: amountNusd, expiresAtMs, tokens, lease: null };
}

function refused(error: RouterError): Admission {
  return { kind: "refused", error };
}

/** An amount from an isolate, kept within what a flush can sum: one absurd settle must not block the others. */
function within(amountNusd: NanoUsd): NanoUsd {
  if (amountNusd < 0n) return 0n;
  return amountNusd > AMOUNT_NUSD_MAX ? AMOUNT_NUSD_MAX : amountNusd;
}

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
