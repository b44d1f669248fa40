/** GET /byok: the account's own provider credentials, a page at a time. */
import type { Hono } from "hono";
import * as z from "zod";
import { byokBody, ByokShape } from "../byok-shape.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { pagingOf, pagingQuery } from "../paging.ts";

const ListBody = z.object({ data: z.array(ByokShape), total_count: z.int().describe("Credentials on all pages") });

export const listByokOperation: Operation = {
  id: "listByok",
  method: "get",
  path: "/byok",
  summary: "List the account's own provider credentials",
  auth: "management",
  query: z.object({
    provider: z.string().optional().describe("A provider's slug: its credentials only"),
    ...pagingQuery("Credentials").shape,
  }),
  responses: { 200: { description: "By provider, then in the order of use", body: ListBody } },
};

export function registerListByok(app: Hono<AppEnv>): void {
  app.get("/byok", listByok);
}

async function listByok(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const paging = pagingOf(context);
  if (!paging.ok) return fail(context, paging.error);
  const found = await gateAnswer(caller.value.gate.byok({ kind: "list" }));
  if (!found.ok) return fail(context, found.error);
  const { offset, limit } = paging.value;
  const provider = context.req.query("provider");
  const wanted = found.value.filter((one) => provider === undefined || one.provider === provider);
  const body: z.infer<typeof ListBody> = {
    data: wanted.slice(offset, offset + limit).map(byokBody),
    total_count: wanted.length,
  };
  return json(body, 200, PRIVATE);
}
