/**
 * GET /endpoints/zdr: every endpoint that promises zero data retention for what is sent to it. Without live figures,
 * which would ask every gate there is: those are at each model's endpoints. One value of the store, made at publication.
 */
import type { Hono } from "hono";
import * as z from "zod";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { EndpointShape } from "../model-shape.ts";
import type { Operation } from "../operation.ts";
import { LISTING_CACHE_CONTROL } from "./list-models.ts";

export const listZdrEndpointsOperation: Operation = {
  id: "listZdrEndpoints",
  method: "get",
  path: "/endpoints/zdr",
  summary: "List the endpoints with zero data retention",
  auth: "public",
  responses: { 200: { description: "The endpoints", body: z.object({ data: z.array(EndpointShape) }) } },
};

export function registerListZdrEndpoints(app: Hono<AppEnv>): void {
  app.get("/endpoints/zdr", listZdrEndpoints);
}

async function listZdrEndpoints(context: AppContext): Promise<Response> {
  const { catalog, waitUntil } = context.get("deps");
  const endpoints = await catalog.zdrEndpoints(waitUntil);
  if (!endpoints.ok) return fail(context, endpoints.error);
  return json({ data: endpoints.value }, 200, { "Cache-Control": LISTING_CACHE_CONTROL });
}
