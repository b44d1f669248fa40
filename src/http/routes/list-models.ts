/**
 * GET /models and GET /models/user: the catalog, filtered, as JSON or as a feed. Nobody has preferences of their own yet,
 * so both are alike.
 */
import type { Hono } from "hono";
import * as z from "zod";
import { feedOf } from "../../catalog/listing-feed.ts";
import { filterModels, parseModelQuery } from "../../catalog/listing-query.ts";
import { fail, type AppContext, type AppEnv } from "../context.ts";
import { listedModels } from "../listed-models.ts";
import { pageResponse, type Page } from "../listing-page.ts";
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
  category: text("What its author made it for, such as programming"),
  price_tier: text("free, budget, standard, premium; names with commas between, any of them"),
  min_intelligence_index: text("Of the catalog's benchmarks; so are the five others"),
  max_intelligence_index: text("Models without the figure are left out"),
  min_coding_index: text("As above"),
  max_coding_index: text("As above"),
  min_agentic_index: text("As above"),
  max_agentic_index: text("As above"),
  sort: text(
    "newest, pricing-low-to-high, pricing-high-to-low, context-high-to-low, latency-low-to-high, or " +
      "intelligence-, coding-, agentic- or design-arena-elo-high-to-low; models without the figure come last",
  ),
  use_rss: text("true: an RSS feed instead of JSON"),
  offset: text("Models to leave out at the beginning"),
  limit: text("Models on a page, 1 to 1000; 500 when only offset is given, all when neither is"),
});

const page = {
  200: { description: "Models and how many there are in all; with `use_rss` the same as RSS", body: ModelPageShape },
};

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

export const listEmbeddingModelsOperation: Operation = {
  id: "listEmbeddingModels",
  method: "get",
  path: "/embeddings/models",
  summary: "List the models that give embeddings",
  auth: "public",
  query: ModelsQuery.omit({ output_modalities: true }),
  responses: page,
};

export function registerListModels(app: Hono<AppEnv>): void {
  app.get("/models", async (context) => await modelPage(context, LISTING_CACHE_CONTROL));
  app.get("/embeddings/models", async (context) => await modelPage(context, LISTING_CACHE_CONTROL, "embeddings"));
  app.get("/models/user", async (context) => {
    const caller = await identify(context);
    return caller.ok ? await modelPage(context, "private, no-store") : fail(context, caller.error);
  });
}

/** `output`: nothing but models that give this. */
async function modelPage(context: AppContext, cacheControl: string, output?: "embeddings"): Promise<Response> {
  const receivedAtMs = context.get("receivedAtMs");
  const { searchParams: search, origin, search: queryText } = new URL(context.req.url);
  if (output !== undefined) search.set("output_modalities", output);
  const parsed = parseModelQuery(search);
  if (!parsed.ok) {
    const { path, message } = parsed.error;
    return fail(context, { kind: "bad_request", message: `${path} ${message}`, path });
  }
  const rows = await listedModels(context);
  if (!rows.ok) return fail(context, rows.error);
  const { query } = parsed.value;
  const { path } = context.req;
  const root = path.slice(0, path.lastIndexOf(output === undefined ? "/models" : `/${output}/models`));
  const isFeed = search.get("use_rss") === "true";
  const warnings = [...parsed.value.warnings];
  if (search.has("use_rss_chat_links")) warnings.push("use_rss_chat_links: there is no chat page to link to");
  const make = (): Page => {
    const found = filterModels(rows.value, query, { nowMs: receivedAtMs, path, search });
    const place = { origin, path: root };
    return isFeed
      ? { text: feedOf(found.data, place), contentType: "application/rss+xml; charset=utf-8" }
      : { text: JSON.stringify(found), contentType: "application/json" };
  };
  const isTimeless = query.ageMinDays === null && query.ageMaxDays === null;
  const key = isTimeless ? `${isFeed ? origin : ""}${path}${queryText}` : null;
  return await pageResponse(context, rows.value, key, make, {
    "Cache-Control": cacheControl,
    ...(warnings.length === 0 ? {} : { "X-Waypost-Warning": warnings.join("; ") }),
  });
}
