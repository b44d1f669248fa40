/** GET /admin/catalog/refresh: what the last scheduled refresh of the catalog came to. */
import type { Hono } from "hono";
import * as z from "zod";
import { readReport, REFRESH_KEY, RefreshReport } from "../../jobs/refresh-report.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import type { Operation } from "../operation.ts";
import { stored } from "../stored.ts";

export const readCatalogRefreshOperation: Operation = {
  id: "readCatalogRefresh",
  method: "get",
  path: "/admin/catalog/refresh",
  summary: "Read what the last scheduled refresh of the catalog came to",
  auth: "operator",
  responses: {
    200: {
      description: "The report; null before the first refresh, and where none is scheduled",
      body: z.object({ data: RefreshReport.nullable() }),
    },
  },
};

export function registerCatalogRefresh(admin: Hono<AppEnv>): void {
  admin.get("/catalog/refresh", getRefresh);
}

async function getRefresh(context: AppContext): Promise<Response> {
  const text = await stored(context.get("deps").store.get(REFRESH_KEY));
  return text.ok ? json({ data: readReport(text.value) }) : fail(context, text.error);
}
