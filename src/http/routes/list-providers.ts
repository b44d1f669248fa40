/** GET /providers: who serves models here. */
import type { Hono } from "hono";
import * as z from "zod";
import { publicProvider } from "../../catalog/listing.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { ProviderShape } from "../model-shape.ts";
import type { Operation } from "../operation.ts";
import { LISTING_CACHE_CONTROL } from "./list-models.ts";

export const listProvidersOperation: Operation = {
  id: "listProviders",
  method: "get",
  path: "/providers",
  summary: "List the providers",
  auth: "public",
  responses: { 200: { description: "The providers", body: z.object({ data: z.array(ProviderShape) }) } },
};

export function registerListProviders(app: Hono<AppEnv>): void {
  app.get("/providers", listProviders);
}

async function listProviders(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const providers = await deps.catalog.providers(deps.waitUntil);
  if (!providers.ok) return fail(context, providers.error);
  return json({ data: providers.value.map(publicProvider) }, 200, { "Cache-Control": LISTING_CACHE_CONTROL });
}
