/**
 * From the outbox into D1. A flush is sealed before its first try: its id and exact rows are stored, and exactly those
 * are posted until D1 has answered; what is settled meanwhile waits for the next one. So an answer that was lost after
 * D1 committed does no harm, and nothing is booked twice or never.
 * Pace: PACE_MS_MIN after the first unflushed settle, four times D1's latency when that is slow, doubling after a
 * failure, never more than PACE_MS_MAX. A busy account flushes once in PACE_MS_BUSY: the rows of a flush's own entry (7,
 * measured in test/worker/rows-written.test.ts) are then shared by all that was settled meanwhile.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import { asGenerationId, type GenerationId } from "../core/ids.ts";
import { assert } from "../core/result.ts";
import { parseJson } from "../core/json.ts";
import { nusdFromStored } from "../core/money.ts";
import { readRecord } from "../insight/generation-row.ts";
import type { BookedGeneration } from "../insight/generations.ts";
import { postFlush } from "../ledger/books.ts";
import type { LedgerAccount } from "../ledger/chart.ts";
import { joinedLines, usageEntryId, type Line } from "../ledger/entries.ts";
import type { AccountMemory } from "./account-memory.ts";
import type { LinesJson, OutboxRow, SealedFlush } from "./account-rows.ts";

export const PACE_MS_MIN = 250;
export const PACE_MS_BUSY = 2_000;
export const PACE_MS_MAX = 10_000;
/** D1 is given up on, for this try, after so long. The flush may still commit: the retry repeats it unchanged. */
const D1_TIMEOUT_MS = 10_000;
/** D1 takes parameters up to 2 MB; a flush stays at half of it. */
const FLUSH_BYTES_MAX = 900_000;
const FLUSH_GENERATIONS_MAX = 500;
/** Outbox rows looked at for one flush. */
const FLUSH_ROWS_MAX = 500;

/** How D1 has been doing; lives in memory, since a woken gate may as well start afresh. */
export interface Pace {
  readonly latencyMs: number;
  readonly failures: number;
  /** When the last flush was done; 0: none yet. */
  readonly flushedAtMs: EpochMs;
}

export const FIRST_PACE: Pace = { latencyMs: 0, failures: 0, flushedAtMs: 0 };

/** How long to wait from now on before the next flush. */
export function waitMs(pace: Pace, nowMs: EpochMs): number {
  const busyMs = pace.flushedAtMs + PACE_MS_BUSY - nowMs;
  const wanted =
    pace.failures > 0 ? PACE_MS_MIN * 2 ** Math.min(pace.failures, 10) : Math.max(pace.latencyMs * 4, busyMs);
  return Math.min(PACE_MS_MAX, Math.max(PACE_MS_MIN, wanted));
}

/**
 * Posts the sealed flush, sealing one first if there is none. Throws what D1 throws; everything stays for the retry.
 * @returns whether something was flushed, and D1's latency.
 */
export async function flushOnce(
  memory: AccountMemory,
  db: D1Database,
  clock: Clock,
): Promise<{ readonly flushed: boolean; readonly latencyMs: number }> {
  const sealed = memory.store.readFlush() ?? seal(memory, clock());
  if (sealed === undefined) return { flushed: false, latencyMs: 0 };
  const startMs = clock();
  await inTime(
    postFlush(db, {
      account: memory.account.id,
      entry: {
        id: sealed.entryId,
        kind: "usage",
        createdAtMs: sealed.createdAtMs,
        reason: null,
        lines: linesOf(sealed.lines),
      },
      rowsJson: sealed.rowsJson,
    }),
  );
  memory.store.atomically(() => memory.store.finishFlush(memory.flushedSeq, sealed.throughSeq));
  memory.flushedSeq = sealed.throughSeq;
  memory.outboxCount -= sealed.count;
  memory.outboxNusd -= sealed.chargedNusd;
  return { flushed: true, latencyMs: clock() - startMs };
}

/** Takes the oldest outbox rows, up to the bounds, into a flush and stores it. */
function seal(memory: AccountMemory, nowMs: EpochMs): SealedFlush | undefined {
  const taken = fitting(memory.store.readOutbox(memory.flushedSeq, FLUSH_ROWS_MAX));
  const last = taken.at(-1);
  if (last === undefined) return undefined;
  const rowsJson = `[${taken.map((row) => row.rowsJson).join(",")}]`;
  const flush: SealedFlush = {
    entryId: usageEntryId(memory.account.id, firstGeneration(rowsJson)),
    createdAtMs: nowMs,
    lines: joinedLines(taken.flatMap((row) => linesOf(row.lines))).map((line) => [line.account, line.amountNusd]),
    throughSeq: last.seq,
    count: taken.reduce((sum, row) => sum + row.count, 0),
    chargedNusd: taken.reduce((sum, row) => sum + row.chargedNusd, 0n),
    rowsJson,
  };
  memory.store.writeFlush(flush);
  return flush;
}

/** The longest beginning that stays within the bounds; at least one row. */
function fitting(rows: readonly OutboxRow[]): readonly OutboxRow[] {
  let count = 0;
  let sizeBytes = 0;
  const end = rows.findIndex((row, at) => {
    count += row.count;
    sizeBytes += row.sizeBytes;
    return at > 0 && (count > FLUSH_GENERATIONS_MAX || sizeBytes > FLUSH_BYTES_MAX);
  });
  return end === -1 ? rows : rows.slice(0, end);
}

/** The generation in an outbox row, as settled. */
export function generationIn(row: OutboxRow, id: string): BookedGeneration | undefined {
  const rows = parseJson(`[${row.rowsJson}]`);
  assert(Array.isArray(rows), "an outbox row is JSON");
  for (const one of rows as readonly unknown[]) {
    if (!Array.isArray(one) || one[0] !== id) continue;
    const record = readRecord(one[4], { id, createdAtMs: Number(one[1]), costNusd: Number(one[2]) });
    assert(record.ok, "a settled generation is a whole record");
    return { record: record.value, chargedNusd: nusdFromStored(Number(one[3])) };
  }
  return undefined;
}

function firstGeneration(rowsJson: string): GenerationId {
  const rows = parseJson(rowsJson);
  assert(Array.isArray(rows) && Array.isArray(rows[0]) && typeof rows[0][0] === "string", "a flush names a generation");
  return asGenerationId(rows[0][0]);
}

function linesOf(stored: LinesJson): readonly Line[] {
  // The names were made by ledger/entries.ts and stored by us.
  return stored.map(([account, amountNusd]) => ({ account: account as LedgerAccount, amountNusd }));
}

/** The promise, or an error after D1_TIMEOUT_MS. */
export async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error("The database has not answered in time.")), D1_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
