/**
 * The AccountGate's own SQLite, the part of providers' state: one row each. The table is made with the first one. Refs sort
 * by time, so that the oldest are the first of the primary key, and a state costs one row.
 */
import * as z from "zod";
import type { EpochMs } from "../core/clock.ts";
import type { SealedState } from "./account-provider-state-contract.ts";

const TABLE = `CREATE TABLE IF NOT EXISTS provider_states (ref TEXT PRIMARY KEY, created_at_ms INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL, bytes BLOB NOT NULL) WITHOUT ROWID`;

const Oldest = z.object({ ref: z.string(), created_at_ms: z.int(), size_bytes: z.int() });
const Totals = z.object({ count: z.int(), size_bytes: z.int() });

export type ProviderStateStore = ReturnType<typeof openProviderStateStore>;

/** The statements on providers' state. */
export function openProviderStateStore(storage: DurableObjectStorage) {
  const sql = (statement: string, ...parameters: readonly (string | number | ArrayBuffer)[]) =>
    storage.sql.exec(statement, ...parameters).toArray();
  return {
    /** False until the first one was kept. */
    exists: (): boolean => sql("SELECT 1 FROM sqlite_master WHERE name = 'provider_states'").length > 0,
    create: (): void => void sql(TABLE),
    totals(): { readonly count: number; readonly sizeBytes: number } {
      const [row] = sql("SELECT COUNT(*) AS count, COALESCE(SUM(size_bytes), 0) AS size_bytes FROM provider_states");
      const { count, size_bytes: sizeBytes } = Totals.parse(row);
      return { count, sizeBytes };
    },
    has: (ref: string): boolean => sql("SELECT 1 FROM provider_states WHERE ref = ?", ref).length > 0,
    oldest(): { readonly ref: string; readonly createdAtMs: EpochMs; readonly sizeBytes: number } | undefined {
      const [row] = sql("SELECT ref, created_at_ms, size_bytes FROM provider_states ORDER BY ref LIMIT 1");
      if (row === undefined) return undefined;
      const { ref, created_at_ms: createdAtMs, size_bytes: sizeBytes } = Oldest.parse(row);
      return { ref, createdAtMs, sizeBytes };
    },
    write({ ref, sealed }: SealedState, createdAtMs: EpochMs): void {
      const { buffer } = sealed.slice();
      sql("INSERT INTO provider_states VALUES (?, ?, ?, ?)", ref, createdAtMs, sealed.byteLength, buffer);
    },
    read(ref: string): Uint8Array | undefined {
      const [row] = sql("SELECT bytes FROM provider_states WHERE ref = ?", ref);
      const bytes = row?.["bytes"];
      return bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : undefined;
    },
    delete: (ref: string): void => void sql("DELETE FROM provider_states WHERE ref = ?", ref),
    deleteAll: (): void => void sql("DELETE FROM provider_states"),
  };
}
