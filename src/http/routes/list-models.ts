/** GET /models and GET /models/user: the catalog, filtered. Nobody has preferences of their own yet, so both are alike. */
import type { Hono } from "hono";
import * as z from "zod";
import { filterModels, parseModelQuery } from "../../catalog/listing-query.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { identify } from "../middleware/identify.ts";
import { ModelPageShape } from "../model-shape.ts";
import type { Operation } from "../operation.ts";

export const LISTING_CACHE_CONTROL = "public, max-age=120, stale-while-revalidate=3600";

const text = (description: string) => z.string().optional().describe(description);

const ModelsQuery = z.object({
  q: text("Words that the id or the name has"),
  supported_parameters: text("Names with commas between; all must be taken"),
  input_modalities: text("Names with commas between; all must be taken"),
  output_modalities: text("Names with commas between, any of them, or all; text when absent"),
  context: text("Least context length, in tokens"),
  min_price: text("USD per million prompt tokens"),
  max_price: text("USD per million prompt tokens"),
  min_output_price: text("USD per million completion tokens"),
  max_output_price: text("USD per million completion tokens"),
  arch: text("Beginning of the tokenizer's name"),
  model_authors: text("Names with commas between, any of them"),
  providers: text("Names or slugs with commas between, any of them"),
  distillable: z.enum(["true", "false"]).optional(),
  zdr: z.literal("true").optional().describe("Only models with an endpoint of zero data retention"),
  region: z.enum(["eu", "us"]).optional(),
  min_age_days: text("Days since the release"),
  max_age_days: text("Days since the release"),
  sort: text("newest, pricing-low-to-high, pricing-high-to-low or context-high-to-low"),
  offset: text("Models to leave out at the beginning"),
  limit: text("Models on a page, 1 to 1000; 500 when only offset is given, all when neither is"),
});

const page = { 200: { description: "Models and how many there are in all", body: ModelPageShape } };

export const listModelsOperation: Operation = {
  id: "listModels",
  method: "get",
  path: "/models",
  summary: "List the models that can be used, with prices",
  auth: "public",
  query: ModelsQuery,
  responses: page,
};

export const listUserModelsOperation: Operation = {
  id: "listUserModels",
  method: "get",
  path: "/models/user",
  summary: "List the models that the caller can use",
  auth: "any",
  query: ModelsQuery,
  responses: page,
};

export function registerListModels(app: Hono<AppEnv>): void {
  app.get("/models", async (context) => await modelPage(context, LISTING_CACHE_CONTROL));
  app.get("/models/user", async (context) => {
    const caller = await identify(context);
    return caller.ok ? await modelPage(context, "private, no-store") : fail(context, caller.error);
  });
}

async function modelPage(context: AppContext, cacheControl: string): Promise<Response> {
  const { deps, receivedAtMs } = context.var;
  const { searchParams: search } = new URL(context.req.url);
  const parsed = parseModelQuery(search);
  if (!parsed.ok) {
    const { path, message } = parsed.error;
    return fail(context, { kind: "bad_request", message: `${path} ${message}`, path });
  }
  const rows = await deps.catalog.listing(deps.waitUntil);
  if (!rows.ok) return fail(context, rows.error);
  const request = { nowMs: receivedAtMs, path: context.req.path, search };
  const warnings = [...parsed.value.warnings];
  if (search.has("use_rss")) warnings.push("use_rss: there is no feed, so this is JSON");
  return json(filterModels(rows.value, parsed.value.query, request), 200, {
    "Cache-Control": cacheControl,
    ...(warnings.length === 0 ? {} : { "X-Waypost-Warning": warnings.join("; ") }),
  });
}
