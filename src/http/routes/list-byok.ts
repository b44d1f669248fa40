/** GET /byok: the account's own provider credentials, a page at a time. */
import type { Hono } from "hono";
import * as z from "zod";
import type { RouterError } from "../../core/error.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { byokBody, ByokShape } from "../byok-shape.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";

const PAGE_STANDARD = 50;
const PAGE_MAX = 100;

const ListBody = z.object({ data: z.array(ByokShape), total_count: z.int().describe("Credentials on all pages") });

export const listByokOperation: Operation = {
  id: "listByok",
  method: "get",
  path: "/byok",
  summary: "List the account's own provider credentials",
  auth: "management",
  query: z.object({
    provider: z.string().optional().describe("A provider's slug: its credentials only"),
    offset: z.string().optional().describe("Credentials to leave out at the beginning; 0 when absent"),
    limit: z.string().optional().describe(`Credentials on a page, 1 to ${PAGE_MAX}; ${PAGE_STANDARD} when absent`),
  }),
  responses: { 200: { description: "By provider, then in the order of use", body: ListBody } },
};

export function registerListByok(app: Hono<AppEnv>): void {
  app.get("/byok", listByok);
}

async function listByok(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const offset = countIn(context, "offset", 0, 0, Number.MAX_SAFE_INTEGER);
  if (!offset.ok) return fail(context, offset.error);
  const limit = countIn(context, "limit", PAGE_STANDARD, 1, PAGE_MAX);
  if (!limit.ok) return fail(context, limit.error);
  const found = await gateAnswer(caller.value.gate.byok({ kind: "list" }));
  if (!found.ok) return fail(context, found.error);
  const provider = context.req.query("provider");
  const wanted = found.value.filter((one) => provider === undefined || one.provider === provider);
  const body: z.infer<typeof ListBody> = {
    data: wanted.slice(offset.value, offset.value + limit.value).map(byokBody),
    total_count: wanted.length,
  };
  return json(body, 200, PRIVATE);
}

function countIn(
  context: AppContext,
  name: string,
  standard: number,
  least: number,
  most: number,
): Result<number, RouterError> {
  const text = context.req.query(name);
  const value = text === undefined ? standard : /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= least && value <= most) return ok(value);
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return err({ kind: "bad_request", message: `${name} must be a whole number ${range}`, path: name });
}
