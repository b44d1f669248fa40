/** GET /admin/audit: every invariant of the money, checked now, a page of accounts at a time (see gates/audit.ts). */
import type { Hono } from "hono";
import * as z from "zod";
import { auditBooks } from "../../gates/audit.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import type { Operation } from "../operation.ts";
import { stored } from "../stored.ts";
import { cursorOf } from "./admin-accounts.ts";

export const auditOperation: Operation = {
  id: "audit",
  method: "get",
  path: "/admin/audit",
  summary: "Check every invariant of the books and gates, at most 200 accounts a page",
  auth: "operator",
  query: z.object({ cursor: z.string().optional().describe("The cursor of the page before") }),
  responses: {
    200: {
      description: "What was found; `ok` is false when a check fails",
      body: z.object({
        ok: z.boolean(),
        shard: z.string().describe("The database that the page's accounts live in"),
        open_holds: z.int(),
        open_leases: z.int().describe("Parts of balances that isolates may spend from; each ends by itself"),
        leased: z.string().describe("What open leases reserve"),
        unsettled: z
          .object({ count: z.int(), amount: z.string() })
          .describe("Leases that ended unsettled, ever: the most that was lost with isolates that died"),
        outbox: z.int().describe("Settled generations that are not booked yet"),
        checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })),
        totals: z
          .object({
            accounts: z.int(),
            entries: z.int(),
            generations: z.int(),
            charged: z.string(),
            balances: z.record(z.string(), z.string()),
          })
          .nullable()
          .describe("Of a whole database, on its first page only"),
        cursor: z.string().nullable(),
      }),
    },
  },
};

export function registerAdminAudit(admin: Hono<AppEnv>): void {
  admin.get("/audit", getAudit);
}

async function getAudit(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const from = cursorOf(context);
  if (!from.ok) return fail(context, from.error);
  const auditAccount = async (account: Parameters<typeof deps.accountGate>[0]) =>
    await deps.accountGate(account).audit();
  const page = await stored(auditBooks({ books: deps.books, auditAccount }, from.value));
  return page.ok ? json(page.value) : fail(context, page.error);
}
