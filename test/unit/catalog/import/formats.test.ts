import { expect, test } from "vitest";
import { picoOf, PER_MILLION, PER_UNIT } from "../../../../src/catalog/import/decimal.ts";
import type { Feed } from "../../../../src/catalog/import/feed.ts";
import { readFeed } from "../../../../src/catalog/import/formats.ts";
import { assert } from "../../../../src/core/result.ts";
import { liteLlmMap, modelsDevList, openRouterList } from "./lists.ts";

/** As it comes from the network. */
function read(document: unknown): Feed {
  const feed = readFeed(JSON.parse(JSON.stringify(document)));
  assert(feed.ok, "the list is one of the three");
  return feed.value;
}
const entryOf = (feed: Feed, ref: string) => feed.entries.find((entry) => entry.ref === ref);
const reasons = (feed: Feed) => Object.fromEntries(feed.refused.map(({ ref, reason }) => [ref, reason]));

test.each([
  { value: 0.28, shift: PER_MILLION, pico: 280_000 },
  { value: 15, shift: PER_MILLION, pico: 15_000_000 },
  { value: 0, shift: PER_MILLION, pico: 0 },
  { value: 0.1 + 0.2, shift: PER_MILLION, pico: 300_000 },
  { value: 0.0000001, shift: PER_MILLION, pico: 1 },
  { value: 0.08333333333333334, shift: PER_MILLION, pico: 83_334 },
  { value: "0.00000028", shift: PER_UNIT, pico: 280_000 },
  { value: "0.00000008333333333333334", shift: PER_UNIT, pico: 83_334 },
  { value: 2.8e-7, shift: PER_UNIT, pico: 280_000 },
  { value: 1.5e-6, shift: PER_UNIT, pico: 1_500_000 },
  { value: "1E-6", shift: PER_UNIT, pico: 1_000_000 },
  { value: 5e-13, shift: PER_UNIT, pico: 1 },
  { value: 1_000, shift: PER_UNIT, pico: 1e15 },
])("$value dollars shifted by $shift are $pico pico-dollars", ({ value, shift, pico }) => {
  expect(picoOf(value, shift)).toEqual({ ok: true, value: pico });
});

test.each([
  { value: -0.1, error: "is negative" },
  { value: "-1", error: "is negative" },
  { value: "", error: "is not a decimal number" },
  { value: "1,5", error: "is not a decimal number" },
  { value: "0x10", error: "is not a decimal number" },
  { value: null, error: "is not a decimal number" },
  { value: Number.NaN, error: "is not a decimal number" },
  { value: Number.POSITIVE_INFINITY, error: "is not a decimal number" },
  { value: { low: 1 }, error: "is not a decimal number" },
  { value: 1_000.01, error: "is beyond $1,000 a unit" },
  { value: 1e300, error: "is beyond $1,000 a unit" },
])("$value is no price", ({ value, error }) => {
  expect(picoOf(value, PER_UNIT)).toEqual({ ok: false, error });
});

test("every row of models.dev's list is an entry or a refusal with its reason", () => {
  const feed = read(modelsDevList());
  expect(feed.format).toBe("models.dev");
  const rows = Object.entries(modelsDevList()).flatMap(([id, { models }]) =>
    Object.keys(models).map((key) => `${id}/${key}`),
  );
  expect([...feed.entries, ...feed.refused].map(({ ref }) => ref).toSorted()).toEqual(rows.toSorted());
  expect(reasons(feed)).toEqual({
    "alder/unpriced": "has no price",
    "alder/gift": "costs nothing here: a plan or a trial, not a price",
    "alder/half-gift": "has a completion price of zero",
    "alder/odd-price": 'has a price "citation" whose unit is not known',
    "alder/negative": 'has a price "input" that is negative',
    "alder/free-tier": "has a price tier that costs nothing",
    "alder/other-tier": "has price tiers that are not understood",
    "alder/old": "is deprecated",
    "alder/painter": "answers with image, not text",
    "alder/endless": "has no context length",
    "alder/broken": "is not a model of this list's shape",
  });
});

test("an entry of models.dev's list says all that the list says", () => {
  const feed = read(modelsDevList());
  expect(entryOf(feed, "alder/wood-2-mini")).toEqual({
    ref: "alder/wood-2-mini",
    host: {
      slug: "alder",
      name: "ALDER",
      adapter: "openai-compatible",
      baseUrl: "https://api.alder.example.com/v1",
      lack: expect.any(String),
      quirks: {},
    },
    upstreamModel: "wood-2-mini",
    baseModel: null,
    name: "The wood-2-mini",
    description: "",
    price: {
      prompt: 1_250_000,
      completion: 10_000_000,
      internal_reasoning: 12_000_000,
      input_cache_read: 125_000,
      input_cache_write: 1_562_500,
      audio: 2_000_000,
      overrides: [{ min_prompt_tokens: 200_000, prompt: 2_500_000, completion: 15_000_000, input_cache_read: 250_000 }],
    },
    isFree: false,
    contextLength: 128_000,
    maxCompletionTokens: 16_000,
    maxPromptTokens: null,
    inputModalities: ["text", "image", "file"],
    outputModalities: ["text"],
    supportedParameters: [
      "max_tokens",
      "stop",
      "temperature",
      "top_p",
      "frequency_penalty",
      "presence_penalty",
      "tools",
      "tool_choice",
      "response_format",
      "structured_outputs",
      "reasoning",
      "include_reasoning",
      "reasoning_effort",
    ],
    createdS: Date.UTC(2026, 2, 4) / 1_000,
    knowledgeCutoff: "2025-08",
    expirationDate: null,
    huggingFaceId: null,
    openWeights: true,
  });
  expect(entryOf(feed, "alder/text-embedding-wood")).toMatchObject({ outputModalities: ["embeddings"] });
  expect(entryOf(feed, "alder/wood-2:free")).toMatchObject({ isFree: true, price: { prompt: 0, completion: 0 } });
});

test("where models.dev's list leaves address or format open, the entry says what is lacking", () => {
  const feed = read(modelsDevList());
  const hostOf = (ref: string) => entryOf(feed, ref)?.host;
  expect(hostOf("varied/wood-2")).toMatchObject({ baseUrl: null, lack: expect.stringContaining("${VARIED_HOST}") });
  expect(hostOf("odd/wood-2")).toMatchObject({ adapter: null, lack: "its package odd-sdk has no adapter here" });
  expect(hostOf("nowhere/wood-2")).toMatchObject({
    baseUrl: null,
    lack: expect.stringContaining("no address is named"),
  });
  expect(hostOf("birch/Maker/Wood-2-Instruct-FP8")).toMatchObject({ slug: "birch", adapter: "anthropic" });
  // One model of a provider that is reached in another way is at a provider of its own.
  expect(hostOf("alder/elsewhere")).toMatchObject({
    slug: "alder-anthropic",
    adapter: "anthropic",
    baseUrl: "https://alder.example.com/messages/v1",
  });
  expect(hostOf("alder/responder")).toMatchObject({ slug: "alder-responses", adapter: "openai-responses" });
});

test("models that answer only on /responses are at a provider of their own, also where the list does not say so", () => {
  const row = modelsDevList().alder.models["wood-2-mini"];
  const models = Object.fromEntries(["gpt-9", "gpt-9-pro", "gpt-9-codex"].map((id) => [id, { ...row, id }]));
  const feed = read({ openai: { id: "openai", npm: "@ai-sdk/openai", models } });
  expect(feed.entries.map(({ host }) => [host.slug, host.adapter, host.baseUrl])).toEqual([
    ["openai", "openai-responses", "https://api.openai.com/v1"],
    ["openai-responses", "openai-responses", "https://api.openai.com/v1"],
    ["openai-responses", "openai-responses", "https://api.openai.com/v1"],
  ]);
});

test("every row of OpenRouter's list is an entry or a refusal with its reason", () => {
  const feed = read(openRouterList());
  expect(feed.format).toBe("openrouter-list");
  expect(reasons(feed)).toEqual({
    "openrouter/maker/chooser": "has no price of its own: it chooses among other models",
    "openrouter/~maker/wood-latest": "is an alias of that list's own, not a model",
    "openrouter/maker/gift": "costs nothing here: a plan or a trial, not a price",
    "openrouter/maker/odd": 'has a price "per_smile" whose unit is not known',
    "openrouter/maker/singer": "answers with audio, not text",
  });
  expect(entryOf(feed, "openrouter/maker/wood-2-instruct")).toMatchObject({
    host: { slug: "openrouter", adapter: "openai-compatible", baseUrl: "https://openrouter.ai/api/v1" },
    upstreamModel: "maker/wood-2-instruct",
    price: {
      prompt: 280_000,
      completion: 1_100_000,
      web_search: 10_000_000_000,
      image: 1_200_000_000,
      overrides: [{ min_prompt_tokens: 200_000, prompt: 500_000 }],
    },
    contextLength: 128_000,
    maxCompletionTokens: 8_000,
    inputModalities: ["text", "file"],
    supportedParameters: ["tools", "temperature"],
    description: "Made of wood.",
    expirationDate: "2027-01-31",
    openWeights: false,
  });
  // A cache that is said to cost nothing costs what the prompt costs.
  expect(entryOf(feed, "openrouter/maker/wood-2-instruct")?.price).not.toHaveProperty("input_cache_read");
  expect(entryOf(feed, "openrouter/maker/wood-2-instruct:free")).toMatchObject({ isFree: true });
});

test("every row of LiteLLM's map is an entry or a refusal with its reason", () => {
  const feed = read(liteLlmMap());
  expect(feed.format).toBe("litellm");
  expect(feed.entries.length + feed.refused.length).toBe(Object.keys(liteLlmMap()).length);
  const unnamed = "is not named after its provider: a class of prices, or a variant that has no name upstream";
  expect(reasons(feed)).toEqual({
    sample_spec: "is the format's sample",
    "groq-up-to-4b": unnamed,
    "far/wood-2": 'is at "far", whose address and wire format are not known here',
    "groq/speaker": 'is of the mode "audio_speech", which is not imported',
    "dashscope/odd-tiers": "has price tiers that are not understood",
    "dashscope/gift-tier": "has a price tier that costs nothing",
    "groq/by-night": 'has a price "off_peak_pricing" whose unit is not known',
    "groq/painter": "answers with image, not text",
    "groq/odd": 'has a price "input_cost_per_smile" whose unit is not known',
    "groq/gift": "costs nothing here: a plan or a trial, not a price",
    "groq/unpriced": "has no price for prompt and completion",
    "groq/endless": "has no context length",
  });
  // Models that answer only on /responses are at a provider of their own.
  expect(entryOf(feed, "groq/responder")).toMatchObject({
    host: { slug: "groq-responses", adapter: "openai-responses", baseUrl: "https://api.groq.com/openai/v1" },
    upstreamModel: "responder",
  });
  // A wire format that cannot say tools has none, whatever the map says of the model.
  expect(entryOf(feed, "replicate/wood/wood-2-chat")).toMatchObject({
    host: { slug: "replicate", adapter: "replicate", baseUrl: "https://api.replicate.com/v1" },
    upstreamModel: "wood/wood-2-chat",
    supportedParameters: ["max_tokens", "stop", "temperature", "top_p"],
  });
  expect(entryOf(feed, "groq/wood-2-instruct")).toMatchObject({
    host: { slug: "groq", adapter: "openai-compatible", baseUrl: "https://api.groq.com/openai/v1" },
    upstreamModel: "wood-2-instruct",
    price: {
      prompt: 280_000,
      completion: 1_100_000,
      input_cache_read: 28_000,
      input_cache_write_1h: 500_000,
      overrides: [{ min_prompt_tokens: 128_000, prompt: 560_000 }],
    },
    contextLength: 131_072,
    maxCompletionTokens: 8_192,
    inputModalities: ["text", "image"],
    expirationDate: "2027-02-01",
  });
  expect(entryOf(feed, "dashscope/tiered")).toMatchObject({
    host: { slug: "alibaba" },
    price: {
      prompt: 400_000,
      completion: 1_200_000,
      overrides: [
        { min_prompt_tokens: 32_000, prompt: 700_000, completion: 2_100_000 },
        { min_prompt_tokens: 128_000, prompt: 1_000_000, internal_reasoning: 4_000_000 },
      ],
    },
  });
  expect(entryOf(feed, "groq/talker")).toMatchObject({ outputModalities: ["text", "audio"] });
  expect(entryOf(feed, "wood-embed")).toMatchObject({ host: { slug: "openai" }, outputModalities: ["embeddings"] });
});

test.each([
  { name: "nothing", document: null },
  { name: "a text", document: "models" },
  { name: "an empty object", document: {} },
  { name: "an empty list", document: { data: [] } },
  { name: "OpenAI's list of models", document: { object: "list", data: [{ id: "gpt-x", object: "model" }] } },
  { name: "our own catalog", document: { version: 1, providers: [], models: [] } },
])("$name is none of the lists", ({ document }) => {
  expect(readFeed(document)).toMatchObject({ ok: false, error: expect.stringContaining("none of the known lists") });
});
