/**
 * The VoucherGate's own SQLite: vouchers by id (ids begin with their second) and redemptions by voucher and account.
 * Redemptions are kept for good: a voucher never credits an account twice.
 */
import * as z from "zod";
import type { EpochMs } from "../core/clock.ts";
import { parseJson } from "../core/json.ts";
import { nusd, time, toRowJson } from "./account-rows.ts";

const TABLES = `
  CREATE TABLE IF NOT EXISTS vouchers (id TEXT PRIMARY KEY, code_hash TEXT NOT NULL UNIQUE, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS redemptions (voucher TEXT NOT NULL, account TEXT NOT NULL, at_ms INTEGER NOT NULL,
    is_credited INTEGER NOT NULL, PRIMARY KEY (voucher, account)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS redemptions_waiting ON redemptions (at_ms) WHERE is_credited = 0;
`;

export const VoucherRow = z.object({
  id: z.string(),
  codeHash: z.string(),
  label: z.string(),
  amountNusd: nusd,
  redemptionsMax: z.int(),
  expiresAtMs: time.nullable(),
  note: z.string(),
  createdAtMs: time,
});
export type VoucherRow = z.infer<typeof VoucherRow>;

export type VoucherStore = ReturnType<typeof openVoucherStore>;

/** The statements of the gate's storage. */
export function openVoucherStore(storage: DurableObjectStorage) {
  storage.sql.exec(TABLES);
  const sql = (statement: string, ...parameters: readonly (string | number | null)[]) =>
    storage.sql.exec(statement, ...parameters).toArray();
  const voucherIn = (row: Record<string, unknown>): VoucherRow =>
    VoucherRow.parse(parseJson(z.string().parse(row["value"])));
  const countIn = (rows: readonly Record<string, unknown>[]): number => z.int().parse(rows[0]?.["count"]);
  return {
    count: (): number => countIn(sql("SELECT COUNT(*) AS count FROM vouchers")),
    find: (codeHash: string): VoucherRow | undefined =>
      sql("SELECT value FROM vouchers WHERE code_hash = ?", codeHash).map(voucherIn)[0],
    write(row: VoucherRow): void {
      sql("INSERT INTO vouchers (id, code_hash, value) VALUES (?, ?, ?)", row.id, row.codeHash, toRowJson(row));
    },
    list: (beforeId: string | null, limit: number): readonly VoucherRow[] =>
      sql("SELECT value FROM vouchers WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2", beforeId, limit).map(
        voucherIn,
      ),
    redemptions: (voucher: string): number =>
      countIn(sql("SELECT COUNT(*) AS count FROM redemptions WHERE voucher = ?", voucher)),
    redemption(voucher: string, account: string): "none" | "waiting" | "credited" {
      const [row] = sql("SELECT is_credited FROM redemptions WHERE voucher = ? AND account = ?", voucher, account);
      if (row === undefined) return "none";
      return row["is_credited"] === 0 ? "waiting" : "credited";
    },
    mark(voucher: string, account: string, atMs: EpochMs): void {
      sql("INSERT INTO redemptions (voucher, account, at_ms, is_credited) VALUES (?, ?, ?, 0)", voucher, account, atMs);
    },
    finish(voucher: string, account: string): void {
      sql("UPDATE redemptions SET is_credited = 1 WHERE voucher = ? AND account = ?", voucher, account);
    },
    unmark(voucher: string, account: string): void {
      sql("DELETE FROM redemptions WHERE voucher = ? AND account = ? AND is_credited = 0", voucher, account);
    },
    /** Redemptions that are marked and not known to be credited, oldest first. */
    waiting: (limit: number): readonly { readonly voucher: VoucherRow; readonly account: string }[] =>
      sql(
        `SELECT r.account, v.value FROM redemptions r JOIN vouchers v ON v.id = r.voucher
         WHERE r.is_credited = 0 ORDER BY r.at_ms LIMIT ?`,
        limit,
      ).map((row) => ({ voucher: voucherIn(row), account: z.string().parse(row["account"]) })),
  };
}
