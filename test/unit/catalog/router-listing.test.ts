/** How routers are listed: what some model can do, they can; a price that depends on the choice is none to filter by. */
import { expect, test } from "vitest";
import { feedOf } from "../../../src/catalog/listing-feed.ts";
import { filterModels, parseModelQuery } from "../../../src/catalog/listing-query.ts";
import { listingRow, type ListingRow } from "../../../src/catalog/listing.ts";
import { routerRows } from "../../../src/catalog/router-listing.ts";
import { entryOf } from "../../../src/catalog/snapshot.ts";
import { sampleCatalog } from "./sample.ts";

const catalog = sampleCatalog();
const rows = catalog.models.flatMap((model) => listingRow(entryOf(model, catalog.providers)) ?? []);
const routers = routerRows(rows);
const idsOf = (found: readonly ListingRow[]) => found.map(({ model }) => model.id);

test("each router is listed under its own name and under the one that clients of OpenRouter know", () => {
  expect(idsOf(rows)).toContain("maker/model-1:free");
  expect(routers.map(({ model }) => [model.id, model.pricing.prompt, model.alias_target?.slug])).toEqual([
    ["waypost/auto", "-1", undefined],
    ["openrouter/auto", "-1", "waypost/auto"],
    ["waypost/free", "0", undefined],
    ["openrouter/free", "0", "waypost/free"],
  ]);
});

test("a router can what one of its models can", () => {
  const [auto] = routers;
  expect(auto?.model).toMatchObject({
    canonical_slug: "waypost/auto",
    architecture: { input_modalities: ["text", "image"], output_modalities: ["text"], tokenizer: "Router" },
    context_length: Math.max(...rows.map(({ model }) => model.context_length)),
    pricing: { prompt: "-1", completion: "-1" },
    supported_parameters: expect.arrayContaining(["temperature", "tools", "reasoning"]),
    price_tier: null,
    links: { details: "/api/v1/models/waypost/auto/endpoints" },
  });
});

test("a router that has nothing to choose from is not listed", () => {
  expect(routerRows([])).toEqual([]);
  const paid = rows.filter(({ model }) => !model.id.endsWith(":free"));
  expect(idsOf(routerRows(paid))).toEqual(["waypost/auto", "openrouter/auto"]);
  const free = rows.filter(({ model }) => model.id.endsWith(":free"));
  expect(idsOf(routerRows(free))).toEqual(["waypost/free", "openrouter/free"]);
  const speechless = rows.map((row) => ({
    ...row,
    model: { ...row.model, architecture: { ...row.model.architecture, output_modalities: ["embeddings"] } },
  }));
  expect(routerRows(speechless)).toEqual([]);
});

test.each([
  { query: "min_price=0", ids: ["waypost/free", "openrouter/free"] },
  { query: "max_price=1000000", ids: ["waypost/free", "openrouter/free"] },
  { query: "max_output_price=1000000", ids: ["waypost/free", "openrouter/free"] },
  { query: "price_tier=free", ids: ["waypost/free", "openrouter/free"] },
  { query: "sort=pricing-low-to-high", ids: ["openrouter/free", "waypost/free", "openrouter/auto", "waypost/auto"] },
  { query: "sort=pricing-high-to-low", ids: ["openrouter/free", "waypost/free", "openrouter/auto", "waypost/auto"] },
  { query: "category=programming", ids: [] },
  { query: "model_authors=waypost", ids: ["waypost/auto", "waypost/free"] },
])("?$query shows routers as far as they are known to fit", ({ query, ids }) => {
  const search = new URLSearchParams(query);
  const parsed = parseModelQuery(search);
  if (!parsed.ok) throw new Error(parsed.error.message);
  const page = filterModels(routers, parsed.value.query, { nowMs: 0, path: "/models", search });
  expect(page.data.map(({ id }) => id)).toEqual(ids);
});

test("in the feed the price of a choice is no number", () => {
  const models = routers.map(({ model }) => model);
  const feed = feedOf(models, { origin: "https://a.test", path: "/api/v1" });
  expect(feed).toContain("the price of the model that is chosen.");
  expect(feed).toContain("USD 0 per prompt token");
  expect(feed).not.toContain("USD -1");
});
