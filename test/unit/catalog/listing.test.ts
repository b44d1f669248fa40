import { expect, test } from "vitest";
import { publicModelEndpoints } from "../../../src/catalog/listing-endpoints.ts";
import { listingRow, publicModel, publicPricing, publicProvider } from "../../../src/catalog/listing.ts";
import { feedOf } from "../../../src/catalog/listing-feed.ts";
import { countModels, filterModels, parseModelQuery } from "../../../src/catalog/listing-query.ts";
import { entryOf } from "../../../src/catalog/snapshot.ts";
import { sampleCatalog } from "./sample.ts";

const NOW_MS = Date.parse("2026-03-02T00:00:00Z");
const catalog = sampleCatalog();
const entries = catalog.models.map((model) => entryOf(model, catalog.providers));
const rows = entries.flatMap((entry) => listingRow(entry) ?? []);
const [first] = entries;

test("a model is listed at its cheapest endpoint's price, with everything that its endpoints can do together", () => {
  expect(first && publicModel(first)).toEqual({
    id: "maker/model-1",
    canonical_slug: "maker/model-1-20260101",
    hugging_face_id: null,
    name: "Model One",
    created: 1_767_225_600,
    description: "",
    context_length: 128_000,
    architecture: {
      modality: "text+image->text",
      input_modalities: ["text", "image"],
      output_modalities: ["text"],
      tokenizer: "GPT",
      instruct_type: null,
    },
    pricing: { prompt: "0.0000005", completion: "0.000002" },
    top_provider: { context_length: 128_000, max_completion_tokens: 8_000, is_moderated: false },
    per_request_limits: null,
    supported_parameters: ["temperature", "tools", "reasoning"],
    default_parameters: null,
    supported_voices: null,
    reasoning: { mandatory: false },
    price_tier: "standard",
    categories: [],
    knowledge_cutoff: null,
    expiration_date: null,
    links: { details: "/api/v1/models/maker/model-1/endpoints" },
  });
});

test("endpoints carry the charged price and what was measured", () => {
  const percentiles = { p50: 1, p75: 2, p90: 3, p99: 4 };
  const answer =
    first &&
    publicModelEndpoints(first, (tag) =>
      tag === "near"
        ? {
            status: -1,
            uptimeLast5mPercent: 90,
            uptimeLast30mPercent: 95,
            uptimeLast1dPercent: null,
            latencyLast30mMs: percentiles,
            throughputLast30mTokensPerS: percentiles,
            toolCalls: { tier: "weak", successPercent: 91.5 },
            structuredOutputs: { tier: "unproven", successPercent: null },
            client: { region: "weur", uptimePercent: 99, latencyMs: percentiles, throughputTokensPerS: null },
          }
        : undefined,
    );
  expect(answer?.endpoints[0]).toEqual({
    name: "Near Cloud: Model One",
    model_id: "maker/model-1",
    model_name: "Model One",
    provider_name: "Near Cloud",
    tag: "near",
    context_length: 32_000,
    max_completion_tokens: 8_000,
    max_prompt_tokens: null,
    quantization: "unknown",
    hardware: null,
    reserved_capacity: false,
    pricing: { prompt: "0.0000011", completion: "0.0000044" },
    supported_parameters: ["temperature", "tools", "reasoning"],
    supports_implicit_caching: false,
    supports_tool_choice: { auto: true, none: false, required: false, function: false },
    supports_voice_cloning: false,
    status: -1,
    uptime_last_5m: 90,
    uptime_last_30m: 95,
    uptime_last_1d: null,
    latency_last_30m: percentiles,
    throughput_last_30m: percentiles,
    tool_calls: { tier: "weak", success_last_2h: 91.5 },
    structured_outputs: { tier: "unproven", success_last_2h: null },
    client_region: {
      region: "weur",
      uptime_last_30m: 99,
      latency_last_30m: percentiles,
      throughput_last_30m: null,
    },
  });
  expect(answer?.endpoints[1]).toMatchObject({
    tag: "far",
    status: 0,
    uptime_last_5m: null,
    tool_calls: { tier: "unproven", success_last_2h: null },
    client_region: null,
  });
});

test("hardware and reserved capacity are shown where the catalog knows them", () => {
  const [model] = catalog.models;
  const facts = { hardware: "h100-sxm", hardware_source: "test", reserved_capacity: true };
  const known = model?.endpoints.map((one) => (one.tag === "near" ? { ...one, ...facts } : one)) ?? [];
  const entry = model && entryOf({ ...model, endpoints: known }, catalog.providers);
  expect(entry && publicModelEndpoints(entry, () => undefined).endpoints).toMatchObject([
    { tag: "near", hardware: "h100-sxm", reserved_capacity: true },
    { tag: "far", hardware: null, reserved_capacity: false },
  ]);
});

test("a model without a price is not listed", () => {
  const [model] = catalog.models;
  const entry =
    model &&
    entryOf({ ...model, endpoints: model.endpoints.map((one) => ({ ...one, price: null })) }, catalog.providers);
  expect(entry && publicModel(entry)).toBeUndefined();
  expect(entry && listingRow(entry)).toBeUndefined();
  expect(entry && publicModelEndpoints(entry, () => undefined).endpoints).toEqual([]);
});

test("overrides are listed as decimal strings beside their threshold", () => {
  expect(
    publicPricing({ prompt: 3_000_000, completion: 0, overrides: [{ min_prompt_tokens: 200_000, prompt: 6_000_000 }] }),
  ).toEqual({
    prompt: "0.000003",
    completion: "0",
    overrides: [{ min_prompt_tokens: 200_000, prompt: "0.000006" }],
  });
});

test("times of day are listed as HHMM, and units that are no tokens with their own keys", () => {
  expect(
    publicPricing({
      prompt: 0,
      completion: 0,
      hardware_second: 1_150_000_000,
      page: 2_000_000_000,
      overrides: [{ utc_start: 1630, utc_end: 30, hardware_second: 575_000_000 }],
    }),
  ).toEqual({
    prompt: "0",
    completion: "0",
    hardware_second: "0.00115",
    page: "0.002",
    overrides: [{ utc_start: 1630, utc_end: 30, hardware_second: "0.000575" }],
  });
});

test("a provider's data centres are the countries of its regions", () => {
  const [near] = catalog.providers;
  expect(near && publicProvider(near)).toEqual({
    name: "Near Cloud",
    slug: "near",
    headquarters: null,
    datacenters: ["DE"],
    privacy_policy_url: null,
    terms_of_service_url: null,
    status_page_url: null,
  });
});

const ALL = ["maker/model-1", "maker/model-1:free", "other/plain"];
test.each([
  { query: "", ids: ALL },
  { query: "q=plain", ids: ["other/plain"] },
  { query: "q=MODEL+free", ids: ["maker/model-1:free"] },
  { query: "supported_parameters=tools,reasoning", ids: ALL.slice(0, 2) },
  { query: "input_modalities=image", ids: ALL.slice(0, 2) },
  { query: "output_modalities=image", ids: [] },
  { query: "output_modalities=all", ids: ALL },
  { query: "context=100000", ids: ALL },
  { query: "context=200000", ids: [] },
  { query: "max_price=0.5", ids: ALL.slice(0, 2) },
  { query: "min_price=0.5&max_price=1", ids: ["maker/model-1"] },
  { query: "min_output_price=8", ids: ["other/plain"] },
  { query: "max_output_price=0", ids: ["maker/model-1:free"] },
  { query: "model_authors=other", ids: ["other/plain"] },
  { query: "providers=Near%20Cloud", ids: ["maker/model-1"] },
  { query: "providers=near,far", ids: ALL },
  { query: "zdr=true", ids: ["maker/model-1"] },
  { query: "region=eu", ids: ["maker/model-1"] },
  { query: "region=us", ids: [] },
  { query: "distillable=true", ids: [] },
  { query: "distillable=false", ids: ALL },
  { query: "arch=gpt", ids: ALL },
  { query: "max_age_days=60", ids: ALL.slice(0, 2) },
  { query: "min_age_days=61", ids: [] },
  { query: "sort=newest", ids: ALL },
  { query: "sort=pricing-high-to-low", ids: ["other/plain", "maker/model-1", "maker/model-1:free"] },
  { query: "sort=pricing-low-to-high", ids: ["maker/model-1:free", "maker/model-1", "other/plain"] },
  { query: "sort=context-high-to-low", ids: ALL },
  { query: "offset=1", ids: ALL.slice(1) },
  { query: "price_tier=free", ids: ["maker/model-1:free"] },
  { query: "price_tier=standard", ids: ["maker/model-1", "other/plain"] },
  { query: "price_tier=budget,premium", ids: [] },
  { query: "category=programming", ids: [] },
  { query: "min_coding_index=0", ids: [] },
])("GET /models?$query lists $ids", ({ query, ids }) => {
  const search = new URLSearchParams(query);
  const parsed = parseModelQuery(search);
  const page = parsed.ok
    ? filterModels(rows, parsed.value.query, { nowMs: NOW_MS, path: "/api/v1/models", search })
    : undefined;
  expect(page?.data.map((model) => model.id)).toEqual(ids);
});

/** The sample's models with what a catalog may say besides; the last one says nothing. */
const judged = catalog.models.flatMap((model, at) => {
  const [endpoint] = model.endpoints;
  const indexes = { intelligence_index: [40, 60][at] ?? null, coding_index: null, agentic_index: null };
  const elos = [[900, 1_200], [1_100]][at] ?? [];
  const arena = elos.map((elo) => ({ arena: "models", category: "website", elo, win_rate: 50, rank: 1 }));
  const known = { artificial_analysis: indexes, design_arena: arena, source: "test" };
  const endpoints = [{ ...endpoint, typical_ttft_ms: [900, 300][at] }] as typeof model.endpoints;
  const more: Partial<typeof model> = at > 1 ? {} : { benchmarks: known, categories: ["programming"], endpoints };
  return listingRow(entryOf({ ...model, ...more }, catalog.providers)) ?? [];
});

test("results of others are listed as the public API has them", () => {
  expect(judged[1]?.model.benchmarks).toEqual({
    artificial_analysis: { intelligence_index: 60, coding_index: null, agentic_index: null },
    design_arena: [{ arena: "models", category: "website", elo: 1_100, win_rate: 50, rank: 1 }],
  });
  expect(judged[2]?.model).not.toHaveProperty("benchmarks");
});

test.each([
  { query: "category=programming", ids: ALL.slice(0, 2) },
  { query: "min_intelligence_index=50", ids: ["maker/model-1:free"] },
  { query: "max_intelligence_index=50", ids: ["maker/model-1"] },
  { query: "sort=intelligence-high-to-low", ids: ["maker/model-1:free", "maker/model-1", "other/plain"] },
  { query: "sort=design-arena-elo-high-to-low", ids: ALL },
  { query: "sort=latency-low-to-high", ids: ["maker/model-1:free", "maker/model-1", "other/plain"] },
  { query: "sort=coding-high-to-low", ids: ALL },
])("of models with figures $query lists $ids, those without last or not at all", ({ query, ids }) => {
  const search = new URLSearchParams(query);
  const parsed = parseModelQuery(search);
  const page = parsed.ok && filterModels(judged, parsed.value.query, { nowMs: NOW_MS, path: "/api/v1/models", search });
  expect(page && page.data.map((model) => model.id)).toEqual(ids);
  expect(parsed.ok && parsed.value.warnings).toEqual([]);
});

test.each([
  { prompt: 499_999, completion: 499_999, tier: "budget" },
  { prompt: 500_000, completion: 500_000, tier: "standard" },
  { prompt: 4_999_999, completion: 4_999_999, tier: "standard" },
  { prompt: 5_000_000, completion: 5_000_000, tier: "premium" },
  { prompt: 0, completion: 0, tier: "budget" },
])("a model at $prompt and $completion is $tier", ({ prompt, completion, tier }) => {
  const [model] = catalog.models;
  const endpoints = model?.endpoints.map((endpoint) => ({ ...endpoint, price: { prompt, completion } })) ?? [];
  const entry =
    model &&
    entryOf(
      { ...model, endpoints },
      catalog.providers.map((one) => ({ ...one, markup_bps: 0 })),
    );
  expect(entry && publicModel(entry)?.price_tier).toBe(tier);
});

test("a feed has an item for each model, whatever its texts hold", () => {
  const [row] = rows;
  const model = row && { ...row.model, name: `<Model> & "One"\u0000`, description: "a\nb ]]> \u001b[1m" };
  const xml = model === undefined ? "" : feedOf([model], { origin: "https://waypost.test", path: "/api/v1" });
  expect(xml).toContain("<title>&lt;Model&gt; &amp; &quot;One&quot;</title>");
  expect(xml).toContain("<link>https://waypost.test/api/v1/models/maker/model-1/endpoints</link>");
  expect(xml).toContain("<pubDate>Thu, 01 Jan 2026 00:00:00 GMT</pubDate>");
  expect(xml).toContain("<description>a\nb ]]&gt; [1m\n\n128000 tokens of context;");
  expect(xml.match(/<item>/g)).toHaveLength(1);
  expect(xml.split("").filter((char) => char < " " && char !== "\n")).toEqual([]);
});

test("pages lead from one to the next and keep the filters", () => {
  const search = new URLSearchParams("model_authors=maker&limit=1");
  const parsed = parseModelQuery(search);
  const page = parsed.ok && filterModels(rows, parsed.value.query, { nowMs: NOW_MS, path: "/api/v1/models", search });
  expect(page).toMatchObject({
    total_count: 2,
    links: { next: "/api/v1/models?model_authors=maker&limit=1&offset=1" },
  });
  const next = new URLSearchParams("model_authors=maker&limit=1&offset=1");
  const last = parseModelQuery(next);
  expect(
    last.ok && filterModels(rows, last.value.query, { nowMs: NOW_MS, path: "/api/v1/models", search: next }).links.next,
  ).toBeNull();
});

test.each([
  { query: "limit=0", path: "limit" },
  { query: "limit=1001", path: "limit" },
  { query: "offset=-1", path: "offset" },
  { query: "context=many", path: "context" },
  { query: "min_price=-1", path: "min_price" },
  { query: "region=mars", path: "region" },
  { query: "sort=random", path: "sort" },
  { query: "distillable=perhaps", path: "distillable" },
  { query: "category=cooking", path: "category" },
  { query: "min_coding_index=best", path: "min_coding_index" },
])("$query is refused", ({ query, path }) => {
  const parsed = parseModelQuery(new URLSearchParams(query));
  expect(parsed.ok ? null : parsed.error.path).toBe(path);
});

test.each(["min_tool_success_rate=0.5", "sort=top-weekly", "sort=throughput-high-to-low"])(
  "%s is reported as not applied",
  (query) => {
    const parsed = parseModelQuery(new URLSearchParams(query));
    expect(parsed.ok && parsed.value.warnings).toHaveLength(1);
  },
);

test("models are counted by what they give", () => {
  expect([countModels(rows, null), countModels(rows, ["text"]), countModels(rows, ["image"])]).toEqual([3, 3, 0]);
});
