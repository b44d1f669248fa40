/** GET /openapi.json: what exists, as an OpenAPI 3.1 document. */
import type { Hono } from "hono";
import { json, type AppContext, type AppEnv } from "../context.ts";
import { openApiDocument, OPERATIONS } from "../openapi.ts";

export function registerReadOpenApi(app: Hono<AppEnv>): void {
  app.get("/openapi.json", readOpenApi);
}

async function readOpenApi(context: AppContext): Promise<Response> {
  const { origin, pathname } = new URL(context.req.url);
  const baseUrl = `${origin}${pathname.slice(0, -"/openapi.json".length)}`;
  return json(openApiDocument(OPERATIONS, baseUrl), 200, { "Cache-Control": "public, max-age=300" });
}
