/**
 * The AccountGate's own SQLite, the part of kept answers: one row an answer, and its sealed pieces. The tables are made
 * with the first claim. `n` rises with time, so that the oldest are the first of the primary key.
 */
import * as z from "zod";
import type { EpochMs } from "../core/clock.ts";
import { asGenerationId } from "../core/ids.ts";
import { parseJson } from "../core/json.ts";
import { assert } from "../core/result.ts";

const TABLES = `
  CREATE TABLE IF NOT EXISTS replies (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_at_ms INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL, value TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS reply_pieces (at INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
`;

/** Pieces that one answer may have; a piece is named by its answer's `n` times this, and its place. */
export const PIECES_MAX = 16;

const ReplyValue = z.object({
  fingerprint: z.string(),
  state: z.enum(["running", "stored", "withheld"]),
  owner: z.string(),
  leaseUntilMs: z.int(),
  generationId: z.string().transform(asGenerationId),
  /** The gate has taken a charge for it. */
  isCharged: z.boolean(),
  pieces: z.int(),
  reason: z.enum(["zero_retention", "left", "too_large", "evicted", "unstored"]).nullable(),
});

export interface ReplyRow extends z.infer<typeof ReplyValue> {
  readonly n: number;
  readonly id: string;
  readonly createdAtMs: EpochMs;
  /** Of its pieces. */
  readonly sizeBytes: number;
}

const Stored = z.object({
  n: z.int(),
  id: z.string(),
  created_at_ms: z.int(),
  size_bytes: z.int(),
  value: z.string(),
});
const Totals = z.object({ count: z.int(), size_bytes: z.int(), last: z.int() });

export type ReplyStore = ReturnType<typeof openReplyStore>;

/** The statements on the kept answers. */
export function openReplyStore(storage: DurableObjectStorage) {
  const sql = (statement: string, ...parameters: readonly (string | number | ArrayBuffer)[]) =>
    storage.sql.exec(statement, ...parameters).toArray();
  const first = (n: number): number => n * PIECES_MAX;
  return {
    atomically: <T>(change: () => T): T => storage.transactionSync(change),
    /** False until the first claim. */
    exists: (): boolean => sql("SELECT 1 FROM sqlite_master WHERE name = 'replies'").length > 0,
    create(): void {
      storage.sql.exec(TABLES);
    },
    totals: () => Totals.parse(sql(TOTALS)[0]),
    find: (id: string): ReplyRow | undefined => sql("SELECT * FROM replies WHERE id = ?", id).map(rowOf)[0],
    /** The oldest, at most `limit`; with `isSized` those that hold pieces. */
    oldest: (limit: number, isSized: boolean): readonly ReplyRow[] =>
      sql(`SELECT * FROM replies ${isSized ? "WHERE size_bytes > 0" : ""} ORDER BY n LIMIT ?`, limit).map(rowOf),
    running: (): readonly ReplyRow[] => sql("SELECT * FROM replies WHERE value ->> 'state' = 'running'").map(rowOf),
    write(row: ReplyRow): void {
      const { n, id, createdAtMs, sizeBytes, ...value } = row;
      sql(
        "INSERT OR REPLACE INTO replies (n, id, created_at_ms, size_bytes, value) VALUES (?, ?, ?, ?, ?)",
        n,
        id,
        createdAtMs,
        sizeBytes,
        JSON.stringify(value),
      );
    },
    delete(n: number): void {
      sql("DELETE FROM replies WHERE n = ?", n);
    },
    writePiece(n: number, at: number, bytes: Uint8Array): void {
      assert(at >= 0 && at < PIECES_MAX, "a piece has a place");
      const buffer = bytes.slice().buffer;
      sql("INSERT OR REPLACE INTO reply_pieces (at, bytes) VALUES (?, ?)", first(n) + at, buffer);
    },
    readPiece(n: number, at: number): Uint8Array | undefined {
      const [row] = sql("SELECT bytes FROM reply_pieces WHERE at = ?", first(n) + at);
      const bytes = row?.["bytes"];
      return bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : undefined;
    },
    /** How many pieces are there, and their size. */
    sizeOf(n: number): { readonly pieces: number; readonly sizeBytes: number } {
      const [row] = sql(
        "SELECT COUNT(*) AS pieces, COALESCE(SUM(LENGTH(bytes)), 0) AS size FROM reply_pieces WHERE at >= ? AND at < ?",
        first(n),
        first(n + 1),
      );
      return { pieces: Number(row?.["pieces"]), sizeBytes: Number(row?.["size"]) };
    },
    deletePieces(n: number): void {
      sql("DELETE FROM reply_pieces WHERE at >= ? AND at < ?", first(n), first(n + 1));
    },
  };
}

const TOTALS = `SELECT COUNT(*) AS count, COALESCE(SUM(size_bytes), 0) AS size_bytes, COALESCE(MAX(n), 0) AS last
  FROM replies`;

function rowOf(row: Record<string, unknown>): ReplyRow {
  const { n, id, created_at_ms: createdAtMs, size_bytes: sizeBytes, value } = Stored.parse(row);
  return { n, id, createdAtMs, sizeBytes, ...ReplyValue.parse(parseJson(value)) };
}
