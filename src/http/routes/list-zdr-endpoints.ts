/**
 * GET /endpoints/zdr: every endpoint that promises zero data retention for what is sent to it. Without live figures,
 * which would ask every gate there is: those are at each model's endpoints.
 */
import type { Hono } from "hono";
import * as z from "zod";
import { publicModelEndpoints, type PublicEndpoint } from "../../catalog/listing.ts";
import type { ModelEntry } from "../../catalog/schema.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { EndpointShape } from "../model-shape.ts";
import type { Operation } from "../operation.ts";
import { LISTING_CACHE_CONTROL } from "./list-models.ts";

/** Models that are read at once; a cold isolate reads each of them from the store. */
const PARALLEL_MAX = 16;
/** Models of one answer: each may cost a read of the store, and a request may do 1,000. */
const MODELS_MAX = 800;

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
  const { catalog, waitUntil } = context.var.deps;
  const rows = await catalog.listing(waitUntil);
  if (!rows.ok) return fail(context, rows.error);
  const ids = rows.value.filter((row) => row.zdr).map((row) => row.model.id);
  const listed = new Map<string, readonly PublicEndpoint[]>();
  const queue = ids.slice(0, MODELS_MAX);
  const work = async (): Promise<void> => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      const found = await catalog.lookup(id, waitUntil);
      // A value that is not readable yet is left out; the next answer has it.
      if (found.ok) listed.set(id, zdrEndpoints(found.value.entry));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_MAX }, work));
  const data = ids.flatMap((id) => listed.get(id) ?? []);
  return json({ data }, 200, { "Cache-Control": LISTING_CACHE_CONTROL });
}

function zdrEndpoints({ model, providers }: ModelEntry): readonly PublicEndpoint[] {
  const endpoints = model.endpoints.filter((endpoint) => {
    const provider = providers.find((known) => known.slug === endpoint.provider);
    return (endpoint.data_policy ?? provider?.data_policy)?.zdr === true;
  });
  return publicModelEndpoints({ model: { ...model, endpoints }, providers }, () => undefined).endpoints;
}
