/**
 * The AccountGate's own SQLite: tables and the statements on them, synchronous, nothing else. Rows written are few,
 * because the platform bills them: a hold costs one row to open and one to end, a call of `settle` one row however
 * many generations it brings, plus one each for the account and the keys used.
 *   settles  one row per `settle` call: the ids stay 2 h so that a repeat is known, the rest until D1 has it
 *   flush    the sealed flush, at most one
 * The outbox is the rows after the last flushed one, which the gate's memory knows: nothing scans what is flushed.
 * `seq` is a time in microseconds, so that what is newer than a generation's own second is a range of the primary key.
 */
import * as z from "zod";
import type { EpochMs } from "../core/clock.ts";
import { asGenerationId, type GenerationId, type KeyHash, type LeaseId } from "../core/ids.ts";
import { parseJson } from "../core/json.ts";
import { nusdToStored } from "../core/money.ts";
import { openByokStore } from "./account-byok-rows.ts";
import { PAYMENT_TABLES, paymentStatements } from "./account-payments-store.ts";
import {
  AccountRow,
  CounterRow,
  CreditRow,
  HoldRow,
  KeyRow,
  LeaseRow,
  LinesJson,
  SealedFlush,
  toRowJson,
  type Hold,
  type OutboxRow,
} from "./account-rows.ts";

const TABLES = `
  CREATE TABLE IF NOT EXISTS account (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS counters (id TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS holds (id TEXT PRIMARY KEY, counter TEXT NOT NULL, amount_nusd INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL, free_at_ms INTEGER, admitted_at_ms INTEGER NOT NULL DEFAULT 0,
    tokens INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS settles (seq INTEGER PRIMARY KEY, ids TEXT NOT NULL, value TEXT, rows TEXT);
  CREATE TABLE IF NOT EXISTS flush (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS credits (id TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS leases (id TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
`;

export type AccountStore = ReturnType<typeof openAccountStore>;

type Row = Record<string, unknown>;
type Sql = (statement: string, ...parameters: readonly (string | number | null)[]) => readonly Row[];

const Text = z.object({ value: z.string() });
const SettledIds = z.object({
  seq: z.int(),
  ids: z.string().transform((ids) => ids.trim().split(" ").map(asGenerationId)),
});
const OutboxValue = z.object({
  count: z.int(),
  chargedNusd: z.string().transform(BigInt),
  sizeBytes: z.int(),
  lines: LinesJson,
});

/** The first `seq` of a moment. */
export function seqAt(atMs: EpochMs): number {
  return atMs * 1_000;
}

/** The statements of one gate's storage. */
export function openAccountStore(storage: DurableObjectStorage) {
  const sql: Sql = (statement, ...parameters) => storage.sql.exec(statement, ...parameters).toArray();
  return {
    /** Runs `change` as one transaction; a throw undoes all of it. */
    atomically: <T>(change: () => T): T => storage.transactionSync(change),
    /** True once the account was taken over from D1. */
    exists(): boolean {
      if (sql("SELECT 1 FROM sqlite_master WHERE name = 'account'").length === 0) return false;
      return sql("SELECT 1 FROM account").length > 0;
    },
    /** Makes the tables that are missing: all of them, or those that are newer than the account. */
    create(): void {
      storage.sql.exec(TABLES + PAYMENT_TABLES);
    },
    /** Brings the tables of an older version up to this one. Writes nothing when they are. */
    upgrade(): void {
      storage.sql.exec(TABLES + PAYMENT_TABLES);
      const [holds] = sql("SELECT sql FROM sqlite_master WHERE name = 'holds'");
      if (String(holds?.["sql"]).includes("admitted_at_ms")) return;
      sql("ALTER TABLE holds ADD COLUMN admitted_at_ms INTEGER NOT NULL DEFAULT 0");
      sql("ALTER TABLE holds ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0");
    },
    ...accountStatements(sql),
    ...holdStatements(sql),
    ...leaseStatements(sql),
    ...settleStatements(sql),
    ...flushStatements(sql),
    byok: openByokStore(storage),
    ...paymentStatements(sql),
  };
}

function accountStatements(sql: Sql) {
  type Table = "keys" | "counters" | "credits";
  const put = (table: Table, id: string, row: unknown): void => {
    sql(`INSERT OR REPLACE INTO ${table} (id, value) VALUES (?, ?)`, id, toRowJson(row));
  };
  const all = (table: Table): readonly unknown[] => sql(`SELECT value FROM ${table}`).map(valueOf);
  return {
    readAccount(): AccountRow {
      return AccountRow.parse(sql("SELECT value FROM account").map(valueOf)[0]);
    },
    writeAccount(account: AccountRow): void {
      sql("INSERT OR REPLACE INTO account (id, value) VALUES (1, ?)", toRowJson(account));
    },
    readKeys: (): readonly KeyRow[] => all("keys").map((row) => KeyRow.parse(row)),
    writeKey: (key: KeyRow): void => put("keys", key.hash, key),
    deleteKey(hash: KeyHash): void {
      sql("DELETE FROM keys WHERE id = ?", hash);
    },
    readCounters: (): readonly (readonly [string, CounterRow])[] =>
      sql("SELECT id, value FROM counters").map((row) => [String(row["id"]), CounterRow.parse(valueOf(row))] as const),
    writeCounter: (id: string, counter: CounterRow): void => put("counters", id, counter),
    deleteCounter(id: string): void {
      sql("DELETE FROM counters WHERE id = ?", id);
    },
    readCredits: (): readonly CreditRow[] => all("credits").map((row) => CreditRow.parse(row)),
    readCredit(entryId: string): CreditRow | undefined {
      const [row] = sql("SELECT value FROM credits WHERE id = ?", entryId);
      return row === undefined ? undefined : CreditRow.parse(valueOf(row));
    },
    writeCredit: (credit: CreditRow): void => put("credits", credit.entryId, credit),
  };
}

function holdStatements(sql: Sql) {
  return {
    readHolds: (): readonly Hold[] =>
      sql("SELECT id, counter, amount_nusd, expires_at_ms, free_at_ms, admitted_at_ms, tokens FROM holds").map((row) =>
        HoldRow.parse(row),
      ),
    writeHold(hold: Hold): void {
      sql(
        `INSERT OR REPLACE INTO holds (id, counter, amount_nusd, expires_at_ms, free_at_ms, admitted_at_ms, tokens)
          VALUES (?, ?, ?, ?, ?, ?, ?)`,
        hold.id,
        hold.counter,
        nusdToStored(hold.amountNusd),
        hold.expiresAtMs,
        hold.freeAtMs,
        hold.admittedAtMs,
        hold.tokens,
      );
    },
    deleteHold(id: GenerationId): void {
      sql("DELETE FROM holds WHERE id = ?", id);
    },
    /** Sums straight from storage, for the audit to compare with memory. */
    holdTotals(): { readonly count: number; readonly heldNusd: bigint } {
      const holds = this.readHolds();
      return { count: holds.length, heldNusd: holds.reduce((sum, hold) => sum + hold.amountNusd, 0n) };
    },
  };
}

function leaseStatements(sql: Sql) {
  return {
    readLeases: (): readonly LeaseRow[] => sql("SELECT value FROM leases").map((row) => LeaseRow.parse(valueOf(row))),
    writeLease(lease: LeaseRow): void {
      sql("INSERT OR REPLACE INTO leases (id, value) VALUES (?, ?)", lease.id, toRowJson(lease));
    },
    deleteLease(id: LeaseId): void {
      sql("DELETE FROM leases WHERE id = ?", id);
    },
  };
}

function settleStatements(sql: Sql) {
  return {
    /** Remembers settled ids and, when something is to be booked, the outbox row. */
    appendSettle(seq: number, ids: readonly GenerationId[], outbox: OutboxRow | null): void {
      const value =
        outbox === null
          ? null
          : toRowJson({
              count: outbox.count,
              chargedNusd: outbox.chargedNusd,
              sizeBytes: outbox.sizeBytes,
              lines: outbox.lines,
            });
      const rows = outbox?.rowsJson ?? null;
      sql("INSERT INTO settles (seq, ids, value, rows) VALUES (?, ?, ?, ?)", seq, ` ${ids.join(" ")} `, value, rows);
    },
    /** Whether a settle at or after `sinceMs` brought this id. */
    wasSettled: (id: GenerationId, sinceMs: EpochMs): boolean =>
      sql("SELECT 1 FROM settles WHERE seq >= ? AND instr(ids, ?) > 0 LIMIT 1", seqAt(sinceMs), ` ${id} `).length > 0,
    /** The latest settles at or after `sinceMs`, newest first: their `seq` and ids. */
    latestSettles: (sinceMs: EpochMs, limit: number): readonly z.infer<typeof SettledIds>[] =>
      sql("SELECT seq, ids FROM settles WHERE seq >= ? ORDER BY seq DESC LIMIT ?", seqAt(sinceMs), limit).map((row) =>
        SettledIds.parse(row),
      ),
    lastSeq: (): number => z.int().parse(sql("SELECT COALESCE(MAX(seq), 0) AS seq FROM settles")[0]?.["seq"]),
    oldestSeq: (): number | null => z.int().nullable().parse(sql("SELECT MIN(seq) AS seq FROM settles")[0]?.["seq"]),
    /** Forgets settled ids from before `beforeMs` that D1 has. */
    forgetSettles(beforeMs: EpochMs): void {
      sql("DELETE FROM settles WHERE seq < ? AND value IS NULL", seqAt(beforeMs));
    },
    /** Outbox rows after `afterSeq` in order; sealed ones are still among them until their flush is finished. */
    readOutbox: (afterSeq: number, limit: number): readonly OutboxRow[] =>
      sql(
        "SELECT seq, value, rows FROM settles WHERE seq > ? AND value IS NOT NULL ORDER BY seq LIMIT ?",
        afterSeq,
        limit,
      ).map(outboxRowOf),
    /** The outbox row after `afterSeq` that holds this generation, if any. */
    findOutbox: (afterSeq: number, id: GenerationId): OutboxRow | undefined =>
      sql(
        "SELECT seq, value, rows FROM settles WHERE seq > ? AND value IS NOT NULL AND instr(ids, ?) > 0 LIMIT 1",
        afterSeq,
        ` ${id} `,
      ).map(outboxRowOf)[0],
    /** Looks at every row: for a waking gate and the audit. `firstSeq` is null when nothing waits. */
    outboxTotals(): { readonly count: number; readonly chargedNusd: bigint; readonly firstSeq: number | null } {
      const rows = sql("SELECT seq, value FROM settles WHERE value IS NOT NULL ORDER BY seq");
      const values = rows.map((row) => OutboxValue.parse(valueOf(row)));
      return {
        count: values.reduce((sum, value) => sum + value.count, 0),
        chargedNusd: values.reduce((sum, value) => sum + value.chargedNusd, 0n),
        firstSeq: rows[0] === undefined ? null : z.int().parse(rows[0]["seq"]),
      };
    },
  };
}

function flushStatements(sql: Sql) {
  return {
    readFlush(): SealedFlush | undefined {
      const [row] = sql("SELECT value FROM flush");
      return row === undefined ? undefined : SealedFlush.parse(valueOf(row));
    },
    writeFlush(flush: SealedFlush): void {
      sql("INSERT INTO flush (id, value) VALUES (1, ?)", toRowJson(flush));
    },
    /** D1 has it: the outbox rows up to `throughSeq` are done, their ids stay. */
    finishFlush(afterSeq: number, throughSeq: number): void {
      sql("DELETE FROM flush");
      sql(
        "UPDATE settles SET value = NULL, rows = NULL WHERE seq > ? AND seq <= ? AND value IS NOT NULL",
        afterSeq,
        throughSeq,
      );
    },
  };
}

function valueOf(row: Row): unknown {
  return parseJson(Text.parse(row).value);
}

function outboxRowOf(row: Row): OutboxRow {
  const { seq, rows } = z.object({ seq: z.int(), rows: z.string() }).parse(row);
  return { seq, rowsJson: rows, ...OutboxValue.parse(valueOf(row)) };
}
