import { expect, test } from "vitest";
import { AS_OF, defaultCatalog } from "../../../../src/catalog/build/main.ts";
import { modelKey } from "../../../../src/catalog/build/naming.ts";
import { picoUp } from "../../../../src/catalog/build/prices.ts";
import { parseCatalog } from "../../../../src/catalog/parse.ts";
import type { Catalog } from "../../../../src/catalog/schema.ts";
import { snapshotOf } from "../../../../src/catalog/snapshot.ts";
import { priceAt, priceAtTime } from "../../../../src/core/price.ts";
import { assert } from "../../../../src/core/result.ts";
import { ADAPTERS } from "../../../../src/providers/registry.ts";
import { parseOpenAiQuirks } from "../../../../src/providers/openai-quirks.ts";

function built(): Catalog {
  const parsed = parseCatalog(defaultCatalog(), ADAPTERS);
  assert(parsed.ok, `the default catalog is valid: ${parsed.ok ? "" : JSON.stringify(parsed.error.slice(0, 5))}`);
  return parsed.value;
}
const catalog = built();
const endpoints = catalog.models.flatMap((model) => model.endpoints.map((endpoint) => ({ model, endpoint })));

test("the build is the same every time", () => {
  expect(JSON.stringify(defaultCatalog())).toBe(JSON.stringify(defaultCatalog(AS_OF)));
});

test("there are at least 400 models and 60 providers, at least 45 of them with priced endpoints", () => {
  expect(catalog.models.length).toBeGreaterThanOrEqual(400);
  expect(catalog.models.every((model) => model.endpoints.some((endpoint) => endpoint.price !== null))).toBe(true);
  expect(catalog.providers.length).toBeGreaterThanOrEqual(60);
  const priced = new Set(
    endpoints.filter(({ endpoint }) => endpoint.price !== null).map(({ endpoint }) => endpoint.provider),
  );
  expect(priced.size).toBeGreaterThanOrEqual(45);
});

test("most models need no gateway: at least 300 have an endpoint elsewhere", () => {
  const direct = catalog.models.filter((model) =>
    model.endpoints.some((endpoint) => endpoint.provider !== "openrouter"),
  );
  expect(direct.length).toBeGreaterThanOrEqual(300);
});

test("at least 80 open models have three endpoints or more", () => {
  expect(
    catalog.models.filter((model) => model.open_weights && model.endpoints.length >= 3).length,
  ).toBeGreaterThanOrEqual(80);
});

test("hardware is told of the providers that document it, with the source, and of nobody else", () => {
  const known = endpoints.filter(({ endpoint }) => endpoint.hardware !== undefined);
  expect(new Map(known.map(({ endpoint }) => [endpoint.provider as string, endpoint.hardware]))).toEqual(
    new Map([
      ["cerebras", "wse-3"],
      ["groq", "lpu"],
      ["sambanova", "rdu"],
    ]),
  );
  expect(known.length).toBeGreaterThanOrEqual(15);
  expect(known.every(({ endpoint }) => endpoint.hardware_source?.startsWith("https:"))).toBe(true);
});

test("a route of a gateway is an endpoint of its own, asked for by its name", () => {
  const routes = catalog.models
    .find((model) => model.id === "deepseek/deepseek-v3.2")
    ?.endpoints.filter((endpoint) => endpoint.provider === "huggingface");
  expect(routes?.map(({ tag, upstream_model }) => [tag, upstream_model])).toContainEqual([
    "huggingface/novita",
    "deepseek-ai/DeepSeek-V3.2:novita",
  ]);
});

test("what may run anywhere serves no region that promises a place", () => {
  const rows = endpoints.filter(({ endpoint }) => endpoint.provider === "amazon-bedrock");
  expect(rows.length).toBeGreaterThanOrEqual(30);
  for (const { model, endpoint } of rows) {
    const isGlobal = endpoint.upstream_model.startsWith("global.");
    expect(endpoint.regions?.includes("global" as never), model.id).toBe(isGlobal); // ids of regions are branded
    if (isGlobal) expect(endpoint.regions, model.id).toHaveLength(1);
  }
});

test("an hour in Claude's cache costs twice the prompt at every host that writes to it", () => {
  const claude = endpoints.filter(
    ({ model, endpoint }) => model.id.startsWith("anthropic/") && endpoint.price !== null,
  );
  const writers = claude.filter(({ endpoint }) => endpoint.price?.input_cache_write !== undefined);
  expect(writers.length).toBeGreaterThanOrEqual(30);
  for (const { model, endpoint } of writers) {
    expect(endpoint.price?.input_cache_write_1h, `${model.id} at ${endpoint.tag}`).toBe(
      2 * (endpoint.price?.prompt ?? 0),
    );
  }
});

test("models that make vectors are no chat models, and their price is of what goes in", () => {
  const found = endpoints.filter(({ model }) => model.output_modalities.includes("embeddings"));
  expect(found.length).toBeGreaterThanOrEqual(15);
  for (const { model, endpoint } of found) {
    expect(model.output_modalities, model.id).toEqual(["embeddings"]);
    expect(endpoint.supported_parameters, model.id).toEqual([]);
    expect(endpoint.price?.prompt, model.id).toBeGreaterThan(0);
  }
});

test("a model that its author switches off says when, and none is listed beyond its day", () => {
  const ending = new Map<string, string | null>(catalog.models.map((model) => [model.id, model.expiration_date]));
  expect(ending.get("openai/gpt-5")).toBe("2026-12-11");
  expect(ending.get("google/gemini-2.5-pro")).toBe("2026-12-01");
  expect(ending.get("anthropic/claude-haiku-4.5")).toBeNull();
  const dates = [...ending.values()].filter((date) => date !== null);
  expect(dates.length).toBeGreaterThanOrEqual(12);
  expect(dates.filter((date) => date <= AS_OF)).toEqual([]);
});

test("names that follow a family lead to its newest model", async () => {
  const { index } = await snapshotOf(catalog);
  for (const { slug } of catalog.family_aliases) expect(index.aliases, slug).toHaveProperty([slug]);
  expect(index.aliases["~anthropic/claude-haiku-latest"]).toBe("anthropic/claude-haiku-4.5");
});

test.each([
  "openai/gpt-4o-mini",
  "anthropic/claude-sonnet-4.5",
  "google/gemini-2.5-flash",
  "meta-llama/llama-3.3-70b-instruct",
  "qwen/qwen3-32b",
  "deepseek/deepseek-v3.2",
  "openai/gpt-oss-120b",
  "moonshotai/kimi-k2",
  "z-ai/glm-4.6",
  "mistralai/mistral-nemo",
  "google/gemma-3-27b-it",
])("%s is listed", (id) => {
  expect(catalog.models.some((model) => model.id === id)).toBe(true);
});

test("a price of zero is found in free listings only, and there are five of those", () => {
  // Ranking bills something else than tokens, and judging costs nothing anywhere.
  const talking = endpoints.filter(({ model }) => !/rerank|moderation/.test(model.output_modalities.join(" ")));
  const free = talking.filter(({ endpoint }) => endpoint.price?.prompt === 0 && endpoint.price.completion === 0);
  expect(free.length).toBeGreaterThanOrEqual(5);
  expect(free.filter(({ model }) => !model.id.endsWith(":free"))).toEqual([]);
  expect(catalog.models.filter((model) => model.id.endsWith(":free")).length).toBe(free.length);
  expect(free.every(({ endpoint }) => endpoint.data_policy?.training === true)).toBe(true);
});

test("every price says where it is from, and every endpoint's completion fits its context", () => {
  for (const { model, endpoint } of endpoints) {
    expect(endpoint.price_source, model.id).toMatch(/@\d+\.\d+\.\d+|https:\/\//);
    expect(endpoint.max_completion_tokens ?? 0, model.id).toBeLessThanOrEqual(endpoint.context_length);
  }
});

test("every policy, region and cancellation names a source, and a place is never half known", () => {
  for (const provider of catalog.providers) {
    for (const { source } of [provider.data_policy, provider.cancellation, ...provider.regions])
      expect(source.length).toBeGreaterThan(10);
  }
  expect(
    catalog.providers.filter((provider) => provider.data_policy.zdr && provider.data_policy.retains_prompts),
  ).toEqual([]);
});

test("providers that bill a whole answer after the client left are known", () => {
  const policies = new Map<string, string>(
    catalog.providers.map((provider) => [provider.slug, provider.cancellation.policy]),
  );
  const stops = ["openai", "anthropic", "fireworks", "deepinfra", "together", "novita", "cohere", "xai", "deepseek"];
  const billsAll = ["google-ai-studio", "groq", "mistral", "perplexity", "alibaba"];
  expect(stops.filter((slug) => policies.get(slug) !== "stops")).toEqual([]);
  expect(billsAll.filter((slug) => policies.get(slug) !== "bills_all")).toEqual([]);
});

test("a known price is exact to the pico-dollar", () => {
  const price = endpoints.find(({ model }) => model.id === "anthropic/claude-sonnet-4.5")?.endpoint.price;
  expect(price).toMatchObject({
    prompt: 3_000_000,
    completion: 15_000_000,
    input_cache_read: 300_000,
    input_cache_write_1h: 6_000_000,
  });
  expect(price?.overrides?.[0]).toMatchObject({
    min_prompt_tokens: 200_000,
    prompt: 6_000_000,
    completion: 22_500_000,
  });
});

test("a price that begins later is not yet taken, and is taken on its day", () => {
  const prompt = (asOf: string): unknown =>
    defaultCatalog(asOf).models.find((model) => model.id === "google/gemini-3.8-flash")?.endpoints[0]?.price?.prompt;
  expect([prompt("2026-12-31"), prompt("2027-01-01")]).toEqual([750_000, 1_500_000]);
});

test("prices by time of day are charged by the hour of the request", () => {
  const found = endpoints.find(
    ({ model, endpoint }) => model.id === "deepseek/deepseek-v4-pro" && endpoint.tag === "deepseek",
  );
  const price = found?.endpoint.price;
  assert(price != null, "it has a price");
  expect(found?.endpoint.price_source).toMatch(/by time of day/);
  const promptAt = (time: string) => priceAt(priceAtTime(price, Date.parse(`2026-11-21T${time}Z`)), 1).prompt;
  expect(["00:59", "01:00", "04:00", "06:00", "09:59", "10:00"].map(promptAt)).toEqual([
    660_000, 1_320_000, 660_000, 1_320_000, 1_320_000, 660_000,
  ]);
});

test("the published values stay small", async () => {
  const { index, values } = await snapshotOf(catalog);
  expect(JSON.stringify(index).length).toBeLessThan(100_000);
  const models = values.filter(({ key }) => key.startsWith("model:"));
  expect(Math.max(...models.map(({ text }) => text.length))).toBeLessThan(100_000);
});

test.each([
  { usd: 0.28, pico: 280_000 },
  { usd: 0.1 + 0.2, pico: 300_000 },
  { usd: 0.0000001, pico: 1 },
  { usd: 0, pico: 0 },
])("$usd dollars per million are $pico pico-dollars each", ({ usd, pico }) => {
  expect(picoUp(usd, 1e6)).toBe(pico);
});

test.each([
  {
    names: [
      "meta-llama/llama-3.3-70b-instruct",
      "Meta-Llama-3_3-70B-Instruct",
      "llama-v3p3-70b-instruct",
      "@cf/meta/llama-3.3-70b-instruct-fp8",
      "llama-3.3-70b-versatile",
    ],
  },
  { names: ["anthropic/claude-opus-4.5", "claude-opus-4-5", "claude-opus-4-5-20251101"] },
  { names: ["anthropic/claude-sonnet-4", "claude-sonnet-4-0", "claude-sonnet-4-20250514"] },
  {
    names: [
      "deepseek/deepseek-chat-v3.1",
      "deepseek-ai/DeepSeek-V3.1",
      "deepseek-v3p1",
      "hf:deepseek-ai/DeepSeek-V3.1",
    ],
  },
  { names: ["qwen/qwen3-coder", "Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8", "qwen3-coder-480b-a35b-instruct"] },
  { names: ["meta-llama/llama-4-scout", "meta-llama/Llama-4-Scout-17B-16E-Instruct"] },
])("$names are one model", ({ names }) => {
  expect(new Set(names.map((name) => modelKey(name).key)).size).toBe(1);
});

test.each([
  ["openai/gpt-5", "gpt-5-chat-latest"],
  ["google/gemini-2.5-flash", "gemini-2.5-flash-lite"],
  ["z-ai/glm-5", "z-ai/glm-5-turbo"],
  ["openai/gpt-4", "gpt-4-turbo"],
  ["qwen/qwen3-next-80b-a3b-instruct", "Qwen/Qwen3-Next-80B-A3B-Thinking"],
])("%s and %s are two models", (one, other) => {
  expect(modelKey(one).key).not.toBe(modelKey(other).key);
});

test("every provider of the OpenAI-compatible family has quirks that its adapter understands", () => {
  const family = catalog.providers.filter((provider) => provider.adapter === "openai-compatible");
  const faults = family.flatMap((provider) => {
    const read = parseOpenAiQuirks(provider.quirks);
    return read.ok ? [] : [`${provider.slug}: ${read.error}`];
  });
  expect(family.length).toBeGreaterThan(20);
  expect(faults).toEqual([]);
});
