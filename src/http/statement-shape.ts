/**
 * A statement on the wire, as JSON or CSV, written part by part. Amounts are exact decimal USD strings with their sign:
 * what adds is positive, usage is negative, so that opening + all amounts = closing in either form.
 * CSV: RFC 4180 with a header row; text that a spreadsheet could take for a formula gets a `'` in front
 * (https://owasp.org/www-community/attacks/CSV_Injection, accessed 2026-11-21). A statement that ends without its closing
 * is not whole: the books could not be read to the end.
 */
import * as z from "zod";
import type { AccountId } from "../core/ids.ts";
import { formatUsd } from "../core/money.ts";
import type { Month, StatementPart } from "../gates/statement.ts";

const amount = z.string().describe("Decimal USD; negative takes");
const count = z.string().describe("A whole number");

export const StatementShape = z.object({
  account: z.string(),
  month: z.string().describe("UTC"),
  as_of: z.string(),
  is_final: z.boolean().describe("The month has been over for a day: nothing is on its way to it any more"),
  currency: z.literal("USD"),
  opening_balance: amount,
  movements: z.array(
    z.object({
      id: z.string(),
      at: z.string(),
      kind: z.string().describe("credit, debit, purchase, voucher, refund or dispute"),
      reason: z.string().nullable(),
      fee: amount.describe("Paid beside the amount"),
      amount,
    }),
  ),
  usage: z
    .array(
      z.object({
        day: z.string(),
        key_hash: z.string(),
        key_name: z.string().nullable().describe("Null for a key that is gone"),
        model: z.string(),
        provider: z.string().nullable(),
        requests: count,
        byok_requests: count.describe("Those of them that an own provider key served"),
        prompt_tokens: count,
        completion_tokens: count,
        reasoning_tokens: count,
        list_cost: amount.describe("Before any cap by credit"),
        amount,
      }),
    )
    .describe("By day, key, model and provider"),
  booked_meanwhile: amount.describe("What was booked while the statement was written; 0 for a month that is over"),
  closing_balance: amount,
  is_proved: z.boolean().describe("All that ever moved comes to the ledger's balance"),
});

/** What a statement is about. */
export interface StatementFrame {
  readonly account: AccountId;
  readonly month: Month;
  readonly asOfMs: number;
  readonly keyNames: ReadonlyMap<string, string>;
}

export type StatementFormat = "json" | "csv";

/** The text of a statement in pieces: a beginning, one per part, an end. */
export interface StatementWriter {
  readonly contentType: string;
  readonly begin: () => string;
  readonly write: (part: StatementPart) => string;
  readonly end: () => string;
}

const FINAL_AFTER_MS = 86_400_000;

/** A writer for one statement. */
export function createStatementWriter(format: StatementFormat, frame: StatementFrame): StatementWriter {
  return format === "csv" ? csvWriter(frame) : jsonWriter(frame);
}

/** Movements and usage are two lists: the second opens with the first usage, or at the end. */
function jsonWriter(frame: StatementFrame): StatementWriter {
  let list: "movements" | "usage" = "movements";
  let hasItems = false;
  let later = "0";
  const item = (value: unknown): string => {
    const text = `${hasItems ? "," : ""}\n${JSON.stringify(value)}`;
    hasItems = true;
    return text;
  };
  const usageList = (): string => {
    if (list === "usage") return "";
    list = "usage";
    hasItems = false;
    return `],"usage":[`;
  };
  return {
    contentType: "application/json",
    begin() {
      const head = JSON.stringify({
        account: frame.account,
        month: frame.month.name,
        as_of: new Date(frame.asOfMs).toISOString(),
        is_final: frame.asOfMs >= frame.month.toMs + FINAL_AFTER_MS,
        currency: "USD",
      });
      return `{"data":${head.slice(0, -1)}`;
    },
    write(part) {
      switch (part.kind) {
        case "opening":
          return `,"opening_balance":"${formatUsd(part.balanceNusd)}","movements":[`;
        case "movement":
          return item(movementOf(part));
        case "usage":
          return usageList() + item(usageOf(part, frame));
        case "later":
          later = formatUsd(part.amountNusd);
          return "";
        case "closing":
          return `${usageList()}],"booked_meanwhile":"${later}","closing_balance":"${formatUsd(part.balanceNusd)}","is_proved":${part.isProved}`;
        default:
          return part satisfies never;
      }
    },
    end: () => "}}",
  };
}

type Part<Kind extends StatementPart["kind"]> = Extract<StatementPart, { readonly kind: Kind }>;

function movementOf({ movement }: Part<"movement">) {
  const { id, atMs, kind, reason, amountNusd, feeNusd } = movement;
  const at = new Date(atMs).toISOString();
  return { id, at, kind, reason, fee: formatUsd(feeNusd), amount: formatUsd(amountNusd) };
}

function usageOf({ usage }: Part<"usage">, { keyNames }: StatementFrame) {
  return {
    day: usage.day,
    key_hash: usage.keyHash,
    key_name: keyNames.get(usage.keyHash) ?? null,
    model: usage.model,
    provider: usage.provider === "" ? null : usage.provider,
    requests: String(usage.requests),
    byok_requests: String(usage.byokRequests),
    prompt_tokens: String(usage.promptTokens),
    completion_tokens: String(usage.completionTokens),
    reasoning_tokens: String(usage.reasoningTokens),
    list_cost: formatUsd(usage.costNusd),
    amount: formatUsd(-usage.chargedNusd),
  };
}

/** One table for all parts: what a part has no word for stays empty. */
const COLUMNS = [
  "type",
  "at",
  "id",
  "reason",
  "key_hash",
  "key_name",
  "model",
  "provider",
  "requests",
  "byok_requests",
  "prompt_tokens",
  "completion_tokens",
  "reasoning_tokens",
  "list_cost",
  "fee",
  "amount",
  "balance",
] as const;
type Column = (typeof COLUMNS)[number];

function csvWriter(frame: StatementFrame): StatementWriter {
  const day = (atMs: number): string => new Date(atMs).toISOString();
  return {
    contentType: "text/csv; charset=utf-8",
    begin: () => csvRow(Object.fromEntries(COLUMNS.map((column) => [column, column]))),
    write(part) {
      switch (part.kind) {
        case "opening":
          return csvRow({ type: "opening_balance", at: day(frame.month.fromMs), balance: formatUsd(part.balanceNusd) });
        case "movement": {
          const { kind: type, ...rest } = movementOf(part);
          return csvRow({ type, ...rest });
        }
        case "usage": {
          const { day: at, ...rest } = usageOf(part, frame);
          return csvRow({ type: "usage", at, ...rest });
        }
        case "later":
          return csvRow({ type: "booked_meanwhile", at: day(frame.asOfMs), amount: formatUsd(part.amountNusd) });
        case "closing": {
          const at = day(Math.min(frame.month.toMs, frame.asOfMs));
          const type = part.isProved ? "closing_balance" : "closing_balance_not_proved";
          return csvRow({ type, at, balance: formatUsd(part.balanceNusd) });
        }
        default:
          return part satisfies never;
      }
    },
    end: () => "",
  };
}

function csvRow(cells: Partial<Readonly<Record<Column, string | null>>>): string {
  return `${COLUMNS.map((column) => csvCell(cells[column] ?? "")).join(",")}\r\n`;
}

/** A cell: a number as it is, text that looks like a formula made text, and quotes where they are needed. */
function csvCell(text: string): string {
  const isNumber = /^-?\d+(\.\d+)?$/.test(text);
  const safe = !isNumber && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
