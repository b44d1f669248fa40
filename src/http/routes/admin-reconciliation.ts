/** GET /admin/reconciliation: what the scheduled comparison of gates and books found, the newest walk first. */
import type { Hono } from "hono";
import * as z from "zod";
import { readReports, REPORTS_MAX, type Reconciliation } from "../../jobs/reconciliations.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import type { Operation } from "../operation.ts";
import { stored } from "../stored.ts";

const ReportShape = z.object({
  started_at: z.string(),
  finished_at: z.string().nullable().describe("Null while the walk goes on"),
  accounts: z.int().describe("Accounts seen so far"),
  gates: z.int().describe("Gates compared: an account that never had an entry has none to compare"),
  faults: z.int().describe("Nothing is repaired: a fault is for the operator"),
  found: z
    .array(z.object({ account_id: z.string(), at: z.string(), fault: z.string() }))
    .describe("The first 100 faults, by account"),
});

export const readReconciliationOperation: Operation = {
  id: "readReconciliation",
  method: "get",
  path: "/admin/reconciliation",
  summary: "Read what the scheduled comparison of gates and books found",
  auth: "operator",
  responses: {
    200: { description: `The last ${REPORTS_MAX} walks`, body: z.object({ data: z.array(ReportShape) }) },
  },
};

export function registerAdminReconciliation(admin: Hono<AppEnv>): void {
  admin.get("/reconciliation", getReconciliation);
}

async function getReconciliation(context: AppContext): Promise<Response> {
  const reports = await stored(readReports(context.get("deps").books.main));
  return reports.ok ? json({ data: reports.value.map(reportOf) }) : fail(context, reports.error);
}

function reportOf({ startedAtMs, finishedAtMs, accounts, gates, faults, found }: Reconciliation) {
  const at = (atMs: number): string => new Date(atMs).toISOString();
  return {
    started_at: at(startedAtMs),
    finished_at: finishedAtMs === null ? null : at(finishedAtMs),
    accounts,
    gates,
    faults,
    found: found.map(({ accountId, atMs, fault }) => ({ account_id: accountId, at: at(atMs), fault })),
  };
}
