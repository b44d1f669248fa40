/** GET /models/{author}/{slug}/endpoints: who serves a model, at what price, and how well lately. */
import type { Hono } from "hono";
import * as z from "zod";
import { publicModelEndpoints } from "../../catalog/listing-endpoints.ts";
import type { RouterError } from "../../core/error.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { CLIENT_BUCKETS, type ClientBucket } from "../../limits/health.ts";
import { clientBucket } from "../../router/geography.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { listedRouter } from "../listed-models.ts";
import { createSnapshotReader, statisticsOf, type StatisticsPorts } from "../live-statistics.ts";
import { identify } from "../middleware/identify.ts";
import { ModelEndpointsShape } from "../model-shape.ts";
import type { Operation } from "../operation.ts";
import { LISTING_CACHE_CONTROL } from "./list-models.ts";
import { modelOfPath, modelPathParts, nameOfPath } from "./read-model.ts";

export const listModelEndpointsOperation: Operation = {
  id: "listModelEndpoints",
  method: "get",
  path: "/models/{author}/{slug}/endpoints",
  pathParts: modelPathParts,
  summary: "List the endpoints of a model with live statistics",
  auth: "optional",
  query: z.object({
    region: z
      .enum(CLIENT_BUCKETS)
      .optional()
      .describe("Region of clients whose figures are in `client_region`; the asker's own when absent"),
  }),
  responses: { 200: { description: "The model and its endpoints", body: z.object({ data: ModelEndpointsShape }) } },
};

// Figures of the models asked for lately in this isolate; how old and how many, the reader says.
const recentSnapshots = createSnapshotReader();

export function registerListModelEndpoints(app: Hono<AppEnv>): void {
  app.get("/models/:author/:slug/endpoints", listModelEndpoints);
}

async function listModelEndpoints(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const client = clientRegionOf(context);
  if (!client.ok) return fail(context, client.error);
  const router = await listedRouter(context, nameOfPath(context));
  if (!router.ok) return fail(context, router.error);
  if (router.value !== null) {
    // Whatever it chooses has endpoints; it has none of its own.
    const { id, name, created, description, architecture } = router.value.model;
    const data = { id, name, created, description, architecture, endpoints: [] };
    return json({ data }, 200, { "Cache-Control": LISTING_CACHE_CONTROL });
  }
  const found = await modelOfPath(context);
  if (!found.ok) return fail(context, found.error);
  const { entry } = found.value;
  const ports: StatisticsPorts = { gate: deps.providerGate, hasCredential: deps.hasEnvironmentCredential };
  // A bad key here is as good as none: the answer is public, only two figures are missing from it.
  const nowMs = deps.clock();
  const [snapshots, caller] = await Promise.all([recentSnapshots(entry, ports, nowMs), identify(context)]);
  const asker = { isKnown: caller.ok, client: client.value };
  return json({ data: publicModelEndpoints(entry, statisticsOf(entry, snapshots, ports, asker, nowMs)) }, 200, {
    "Cache-Control": "no-store",
    Vary: "Authorization, X-Api-Key",
  });
}

/** The region that the query names, else where the asker is; null when that is not known. */
function clientRegionOf(context: AppContext): Result<ClientBucket | null, RouterError> {
  const named = context.req.query("region");
  if (named === undefined) return ok(clientBucket(context.get("place")));
  const region = CLIENT_BUCKETS.find((one) => one === named);
  if (region !== undefined) return ok(region);
  return err({ kind: "bad_request", message: `region must be one of ${CLIENT_BUCKETS.join(", ")}`, path: "region" });
}
