/**
 * GET /credits/statement (management key) and GET /admin/accounts/{id}/statement: an account's month as JSON or CSV.
 * Written while it is read, so that a month of any size costs no more memory than a day of it.
 */
import type { Hono } from "hono";
import * as z from "zod";
import type { RouterError } from "../../core/error.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { AccountId } from "../../core/ids.ts";
import type { KeyView } from "../../gates/account-contract.ts";
import { monthOf, readStatement, type Month, type StatementPart } from "../../gates/statement.ts";
import { fail, type AppContext, type AppEnv } from "../context.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import {
  createStatementWriter,
  StatementShape,
  type StatementFormat,
  type StatementWriter,
} from "../statement-shape.ts";
import { asked, stored } from "../stored.ts";
import { accountOf } from "./admin-accounts.ts";

const query = z.object({
  month: z.string().optional().describe("Such as 2026-11, in UTC; the present month when absent"),
  format: z.enum(["json", "csv"]).optional().describe("json when absent; csv is a file to download"),
});
const responses = {
  200: {
    description: "The statement; one without its closing balance was cut off",
    body: z.object({ data: StatementShape }),
  },
};

export const readStatementOperation: Operation = {
  id: "readStatement",
  method: "get",
  path: "/credits/statement",
  summary: "Read the account's statement for a month: balances, credits, and usage by day, key, model and provider",
  auth: "management",
  query,
  responses,
};

export const readAccountStatementOperation: Operation = {
  id: "readAccountStatement",
  method: "get",
  path: "/admin/accounts/{id}/statement",
  summary: "Read an account's statement for a month",
  auth: "operator",
  query,
  responses,
};

export function registerStatement(app: Hono<AppEnv>): void {
  app.get("/credits/statement", getStatement);
}

export function registerAdminStatement(admin: Hono<AppEnv>): void {
  admin.get("/accounts/:id/statement", getAccountStatement);
}

async function getStatement(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const keys = await gateAnswer(caller.value.gate.listKeys());
  return keys.ok ? await respond(context, caller.value.account.id, keys.value) : fail(context, keys.error);
}

async function getAccountStatement(context: AppContext): Promise<Response> {
  const account = await accountOf(context);
  if (!account.ok) return fail(context, account.error);
  const gate = context.get("deps").accountGate(account.value.id);
  const keys = await asked(async () => await gate.listKeys());
  return keys.ok ? await respond(context, account.value.id, keys.value) : fail(context, keys.error);
}

async function respond(context: AppContext, account: AccountId, keys: readonly KeyView[]): Promise<Response> {
  const deps = context.get("deps");
  const receivedAtMs = context.get("receivedAtMs");
  const wanted = wantedOf(context);
  if (!wanted.ok) return fail(context, wanted.error);
  const { month, format } = wanted.value;
  const keyNames = new Map(keys.map(({ hash, name }) => [hash, name]));
  const writer = createStatementWriter(format, { account, month, asOfMs: receivedAtMs, keyNames });
  const parts = readStatement(deps.books.of(account).db, account, month, receivedAtMs);
  // The opening before the answer: a database that cannot be reached is a 503, not half a file.
  const opening = await stored(parts.next());
  if (!opening.ok) return fail(context, opening.error);
  const first = writer.begin() + (opening.value.done === true ? "" : writer.write(opening.value.value));
  return new Response(streamOf(first, parts, writer), {
    headers: {
      ...PRIVATE,
      "Content-Type": writer.contentType,
      ...(format === "csv"
        ? { "Content-Disposition": `attachment; filename="waypost-${account}-${month.name}.csv"` }
        : {}),
    },
  });
}

function wantedOf(
  context: AppContext,
): Result<{ readonly month: Month; readonly format: StatementFormat }, RouterError> {
  const format = context.req.query("format") ?? "json";
  if (format !== "json" && format !== "csv") {
    return err({ kind: "bad_request", message: "format must be json or csv", path: "format" });
  }
  const nowMs = context.get("receivedAtMs");
  const month = monthOf(context.req.query("month") ?? new Date(nowMs).toISOString().slice(0, 7));
  if (month === undefined || month.fromMs > nowMs) {
    const message = "month must be a month that has begun, such as 2026-11";
    return err({ kind: "bad_request", message, path: "month" });
  }
  return ok({ month, format });
}

/** Characters that go out together: a part a chunk would wake the reader for each line. */
const CHUNK_CHARS = 16_384;

/** The statement's text, read on as fast as it is taken. An error of the books breaks the stream. */
function streamOf(
  first: string,
  parts: AsyncGenerator<StatementPart>,
  writer: StatementWriter,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let text = first;
  return new ReadableStream({
    async pull(controller) {
      let isDone = false;
      while (text.length < CHUNK_CHARS && !isDone) {
        const next = await parts.next();
        isDone = next.done === true;
        text += next.done === true ? writer.end() : writer.write(next.value);
      }
      controller.enqueue(encoder.encode(text));
      text = "";
      if (isDone) controller.close();
    },
    async cancel() {
      await parts.return(undefined);
    },
  });
}
