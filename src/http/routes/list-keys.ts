/** GET /keys: the account's keys, a page at a time. */
import type { Hono } from "hono";
import * as z from "zod";
import type { RouterError } from "../../core/error.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { keyBody, KeyShape } from "../key-shape.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";

export const KEYS_PER_PAGE = 100;

const KeysBody = z.object({ data: z.array(KeyShape), total_count: z.int().describe("Keys on all pages") });

export const listKeysOperation: Operation = {
  id: "listKeys",
  method: "get",
  path: "/keys",
  summary: "List the account's keys",
  auth: "management",
  query: z.object({
    include_disabled: z.enum(["true", "false"]).optional().describe("Disabled keys too; false when absent"),
    offset: z.string().optional().describe(`Keys to leave out at the beginning; a page has ${KEYS_PER_PAGE}`),
  }),
  responses: { 200: { description: "A page of keys, oldest first", body: KeysBody } },
};

export function registerListKeys(app: Hono<AppEnv>): void {
  app.get("/keys", listKeys);
}

async function listKeys(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const query = pageOf(context);
  if (!query.ok) return fail(context, query.error);
  const keys = await gateAnswer(caller.value.gate.listKeys());
  if (!keys.ok) return fail(context, keys.error);
  const { offset, includesDisabled } = query.value;
  const wanted = keys.value.filter((key) => includesDisabled || !key.disabled);
  const body: z.infer<typeof KeysBody> = {
    data: wanted.slice(offset, offset + KEYS_PER_PAGE).map((key) => keyBody(key, caller.value.account.id)),
    total_count: wanted.length,
  };
  return json(body, 200, PRIVATE);
}

interface KeysPage {
  readonly offset: number;
  readonly includesDisabled: boolean;
}

function pageOf(context: AppContext): Result<KeysPage, RouterError> {
  const disabled = context.req.query("include_disabled") ?? "false";
  if (disabled !== "true" && disabled !== "false") {
    return err({ kind: "bad_request", message: "include_disabled must be true or false", path: "include_disabled" });
  }
  const offset = Number(context.req.query("offset") ?? "0");
  if (!Number.isSafeInteger(offset) || offset < 0) {
    return err({ kind: "bad_request", message: "offset must be a whole number from 0", path: "offset" });
  }
  return ok({ offset, includesDisabled: disabled === "true" });
}
