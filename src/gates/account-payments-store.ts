/**
 * What an AccountGate stores of payments: the shapes of its rows and the statements on them.
 *   purchases  one row each, by id; ids begin with their second, so that their order is that of time
 *   top_up     the settings of automatic top-up and the attempt under way, one row, there once a card was kept
 */
import * as z from "zod";
import type { EpochMs } from "../core/clock.ts";
import { parseJson } from "../core/json.ts";
import { PAYMENT_METHODS, type PurchasePrice } from "../ledger/purchase.ts";
import { nusd, time, toRowJson } from "./account-rows.ts";

export const PAYMENT_TABLES = `
  CREATE TABLE IF NOT EXISTS purchases (id TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS top_up (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL);
`;

/** A part of a payment that went back: what it took from the credit and from the fee. */
const ReversalRow = z.object({
  kind: z.enum(["refund", "dispute"]),
  creditNusd: nusd,
  feeNusd: nusd,
  state: z.enum(["taken", "undone"]),
});
export type ReversalRow = z.infer<typeof ReversalRow>;

export const PurchaseRow = z.object({
  id: z.string(),
  source: z.enum(["checkout", "auto_top_up"]),
  status: z.enum(["open", "paid", "failed", "expired"]),
  creditNusd: nusd,
  feeNusd: nusd,
  methods: z.array(z.enum(PAYMENT_METHODS)),
  createdAtMs: time,
  paidAtMs: time.nullable(),
  paymentId: z.string().nullable(),
  receiptUrl: z.string().nullable(),
  /** By the refund's or dispute's id. */
  reversals: z.record(z.string(), ReversalRow),
});
export type PurchaseRow = z.infer<typeof PurchaseRow>;

export const TopUpRow = z.object({
  isEnabled: z.boolean(),
  thresholdNusd: nusd,
  amountNusd: nusd,
  monthlyCapNusd: nusd.nullable(),
  saved: z.object({ customerId: z.string(), methodId: z.string() }),
  /** What was charged in the UTC month of this id, fees included; another month's is none. */
  month: z.object({ id: z.string(), nusd }),
  /** The payment under way: stored before the provider is asked, so that asking again is the same payment. */
  attempt: z
    .object({
      purchaseId: z.string(),
      startedAtMs: time,
      tries: z.int(),
      nextTryMs: time,
      paymentId: z.string().nullable(),
    })
    .nullable(),
  /** When the last one was begun. */
  lastAtMs: time,
  stopped: z.object({ code: z.string(), atMs: time }).nullable(),
});
export type TopUpRow = z.infer<typeof TopUpRow>;

/** A purchase that was begun, by card at a checkout unless it is said otherwise. */
export function newPurchaseRow(
  { id, creditNusd, feeNusd }: PurchasePrice & { readonly id: string },
  createdAtMs: EpochMs,
): PurchaseRow {
  return {
    id,
    source: "checkout",
    status: "open",
    creditNusd,
    feeNusd,
    methods: ["card"],
    createdAtMs,
    paidAtMs: null,
    paymentId: null,
    receiptUrl: null,
    reversals: {},
  };
}

type Sql = (
  statement: string,
  ...parameters: readonly (string | number | null)[]
) => readonly Record<string, unknown>[];

const Text = z.object({ value: z.string() });

/** The statements on the tables above. */
export function paymentStatements(sql: Sql) {
  const valueOf = (row: unknown): unknown => parseJson(Text.parse(row).value);
  return {
    readPurchase(id: string): PurchaseRow | undefined {
      const [row] = sql("SELECT value FROM purchases WHERE id = ?", id);
      return row === undefined ? undefined : PurchaseRow.parse(valueOf(row));
    },
    writePurchase(purchase: PurchaseRow): void {
      sql("INSERT OR REPLACE INTO purchases (id, value) VALUES (?, ?)", purchase.id, toRowJson(purchase));
    },
    deletePurchase(id: string): void {
      sql("DELETE FROM purchases WHERE id = ?", id);
    },
    /** Newest first, those before `beforeId` if it is given. */
    readPurchases: (beforeId: string | null, limit: number): readonly PurchaseRow[] =>
      sql("SELECT value FROM purchases WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2", beforeId, limit).map(
        (row) => PurchaseRow.parse(valueOf(row)),
      ),
    readTopUp(): TopUpRow | null {
      const [row] = sql("SELECT value FROM top_up");
      return row === undefined ? null : TopUpRow.parse(valueOf(row));
    },
    writeTopUp(topUp: TopUpRow): void {
      sql("INSERT OR REPLACE INTO top_up (id, value) VALUES (1, ?)", toRowJson(topUp));
    },
  };
}
