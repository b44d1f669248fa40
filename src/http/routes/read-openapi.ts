/** GET /openapi.json: what exists, as an OpenAPI 3.1 document. */
import type { Hono } from "hono";
import type { JsonObject } from "../../core/json.ts";
import { json, type AppContext, type AppEnv } from "../context.ts";
import { openApiDocument, OPERATIONS } from "../openapi.ts";

// Made with the first request; the operations don't change while an isolate lives.
let document: JsonObject | null = null;

export function registerReadOpenApi(app: Hono<AppEnv>): void {
  app.get("/openapi.json", readOpenApi);
}

async function readOpenApi(context: AppContext): Promise<Response> {
  const { origin, pathname } = new URL(context.req.url);
  const baseUrl = `${origin}${pathname.slice(0, -"/openapi.json".length)}`;
  document ??= openApiDocument(OPERATIONS);
  return json({ ...document, servers: [{ url: baseUrl }] }, 200, { "Cache-Control": "public, max-age=300" });
}
