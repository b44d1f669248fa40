/**
 * The AccountGate's own SQLite, BYOK's part: the tenant's provider credentials (sealed), the version of their list, and
 * what was spent through them at the providers. The tables are made with the first credential, so that an account
 * without any has nothing to read; row counts are small (CREDENTIALS_MAX, and one count per API key and account).
 */
import * as z from "zod";
import { asByokId, asKeyHash, asModelId, asProviderId, type ByokId } from "../core/ids.ts";
import { parseJson } from "../core/json.ts";
import { CounterRow, toRowJson } from "./account-rows.ts";

const TABLES = `
  CREATE TABLE IF NOT EXISTS byok (id TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS byok_usage (id TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS byok_version (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL);
`;

const time = z.int();

/** Why a credential last failed; null once it has answered again. `type` is an error type, `status` the provider's. */
const LastError = z.object({ atMs: time, type: z.string(), status: z.int() });

export const ByokRow = z.object({
  id: z.string().transform(asByokId),
  provider: z.string().transform(asProviderId),
  label: z.string(),
  name: z.string().nullable(),
  /** See seal.ts; bound to account and provider. */
  sealed: z.string(),
  disabled: z.boolean(),
  isFallback: z.boolean(),
  alwaysUse: z.boolean(),
  sortOrder: z.int(),
  allowedModels: z.array(z.string().transform(asModelId)).nullable(),
  allowedKeyHashes: z.array(z.string().transform(asKeyHash)).nullable(),
  createdAtMs: time,
  updatedAtMs: time.nullable(),
  lastError: LastError.nullable(),
});
export type ByokRow = z.infer<typeof ByokRow>;

export type ByokStore = ReturnType<typeof openByokStore>;

const Value = z.object({ value: z.string() });

/** The statements on BYOK's tables. */
export function openByokStore(storage: DurableObjectStorage) {
  const sql = (statement: string, ...parameters: readonly (string | number)[]): readonly Record<string, unknown>[] =>
    storage.sql.exec(statement, ...parameters).toArray();
  const valueOf = (row: unknown): unknown => parseJson(Value.parse(row).value);
  return {
    /** False until the first credential. */
    exists: (): boolean => sql("SELECT 1 FROM sqlite_master WHERE name = 'byok'").length > 0,
    create(): void {
      storage.sql.exec(TABLES);
    },
    readCredentials: (): readonly ByokRow[] => sql("SELECT value FROM byok").map((row) => ByokRow.parse(valueOf(row))),
    writeCredential(row: ByokRow): void {
      sql("INSERT OR REPLACE INTO byok (id, value) VALUES (?, ?)", row.id, toRowJson(row));
    },
    deleteCredential(id: ByokId): void {
      sql("DELETE FROM byok WHERE id = ?", id);
    },
    readVersion: (): number =>
      z.object({ value: z.int() }).parse(sql("SELECT COALESCE(MAX(value), 0) AS value FROM byok_version")[0]).value,
    writeVersion(version: number): void {
      sql("INSERT OR REPLACE INTO byok_version (id, value) VALUES (1, ?)", version);
    },
    readUsage: (): readonly (readonly [string, CounterRow])[] =>
      sql("SELECT id, value FROM byok_usage").map(
        (row) => [String(row["id"]), CounterRow.parse(valueOf(row))] as const,
      ),
    writeUsage(id: string, usage: CounterRow): void {
      sql("INSERT OR REPLACE INTO byok_usage (id, value) VALUES (?, ?)", id, toRowJson(usage));
    },
  };
}
