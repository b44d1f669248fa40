import { expect, test } from "vitest";
import type { ListedEndpoint, ModelEntry } from "../../../src/catalog/schema.ts";
import type { Exclusion } from "../../../src/core/error.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { assert } from "../../../src/core/result.ts";
import { filterEndpoints, isNamed, type RequestFacts } from "../../../src/router/filter.ts";
import { entryOf, FACTS, idsOf, inputOf, wishesOf, type EndpointWish } from "./world.ts";

interface Case {
  readonly name: string;
  /** The endpoint under test; `other` beside it always passes. */
  readonly wish?: Partial<EndpointWish>;
  readonly other?: Partial<EndpointWish>;
  readonly model?: Record<string, unknown>;
  readonly provider?: JsonObject;
  readonly facts?: Partial<RequestFacts>;
  readonly switchedOff?: readonly string[];
  readonly credentials?: readonly string[];
  readonly home?: "gl" | "eu" | "us";
}

function outcomeOf(given: Case): {
  passed: readonly string[];
  exclusions: readonly Exclusion[];
  warnings: readonly string[];
} {
  const entry = entryOf(
    "a/b",
    [
      { tag: "other", ...given.other },
      { tag: "one", ...given.wish },
    ],
    given.model,
  );
  const exclusions: Exclusion[] = [];
  const warnings: string[] = [];
  const input = inputOf([entry], {
    preferences: wishesOf(given.provider ?? {}),
    facts: { ...FACTS, ...given.facts },
    switchedOff: idsOf(...(given.switchedOff ?? [])),
    credentials: idsOf(...(given.credentials ?? ["one", "other"])),
    accountHome: given.home ?? "gl",
  });
  const passed = filterEndpoints(entry, input, exclusions, warnings).map(({ endpoint }) => endpoint.tag);
  return { passed, exclusions, warnings };
}

const policy = { training: false, retains_prompts: false, retention_days: 0, zdr: false, source: "test" };

test.each<Case & { reason: string; detail: string }>([
  {
    name: "an address of YouTube, which the provider does not follow",
    facts: { hasYouTube: true, modalities: new Set(["video"]) },
    wish: { endpoint: { input_modalities: ["text", "video"] } },
    other: { endpoint: { input_modalities: ["text", "video"] }, provider: { youtube: true } },
    reason: "modality",
    detail: "takes no videos of YouTube",
  },
  {
    name: "only leaves the rest out",
    provider: { only: ["other"] },
    reason: "allowed_providers",
    detail: "not in provider.only",
  },
  {
    name: "order without fallbacks leaves the rest out",
    provider: { order: ["other"], allow_fallbacks: false },
    reason: "allowed_providers",
    detail: "not in provider.order, and fallbacks are off",
  },
  {
    name: "ignore leaves its own out",
    provider: { ignore: ["ONE"] },
    reason: "ignored_provider",
    detail: "in provider.ignore",
  },
  {
    name: "a provider may be meant by its name",
    provider: { ignore: ["The One"] },
    reason: "ignored_provider",
    detail: "in provider.ignore",
  },
  {
    name: "a provider that is switched off",
    switchedOff: ["one"],
    reason: "provider_disabled",
    detail: "switched off by the operator",
  },
  {
    name: "a provider without a credential",
    credentials: ["other"],
    reason: "no_credential",
    detail: "no credential is configured",
  },
  {
    name: "an endpoint without a price fails closed",
    wish: { endpoint: { price: null } },
    reason: "not_priced",
    detail: "no price is known",
  },
  {
    name: "zero retention",
    provider: { zdr: true },
    wish: { provider: { data_policy: policy } },
    reason: "data_policy:zdr",
    detail: "zero data retention is not promised",
  },
  {
    name: "deny of what trains",
    provider: { data_collection: "deny" },
    wish: { provider: { data_policy: { ...policy, training: true } } },
    reason: "data_policy:training",
    detail: "may train on prompts",
  },
  {
    name: "deny of what keeps",
    provider: { data_collection: "deny" },
    wish: { provider: { data_policy: { ...policy, retains_prompts: true, retention_days: 30 } } },
    reason: "data_policy:training",
    detail: "keeps prompts for 30 days",
  },
  {
    name: "an endpoint's own policy goes first",
    provider: { data_collection: "deny" },
    wish: { endpoint: { data_policy: { ...policy, training: true } } },
    reason: "data_policy:training",
    detail: "may train on prompts",
  },
  {
    name: "a region pin",
    provider: { region: "us" },
    wish: { regions: ["frankfurt", "tokyo"] },
    reason: "data_region",
    detail: "no region in us",
  },
  {
    name: "an account's home",
    home: "us",
    wish: { regions: ["frankfurt"] },
    reason: "data_region",
    detail: "no region in us",
  },
  {
    name: "a region without a promise",
    provider: { region: "us" },
    wish: { regions: ["nowhere"] },
    reason: "data_region",
    detail: "no region in us",
  },
  {
    name: "quantizations",
    provider: { quantizations: ["fp8"] },
    other: { endpoint: { quantization: "mxfp8" } },
    wish: { endpoint: { quantization: "fp4" } },
    reason: "quantization",
    detail: "fp4 is not in provider.quantizations",
  },
  {
    name: "hardware that is not asked for",
    provider: { hardware: ["H100"] },
    other: { endpoint: { hardware: "h100-sxm", hardware_source: "test" } },
    wish: { endpoint: { hardware: "h1000", hardware_source: "test" } },
    reason: "hardware",
    detail: "runs on h1000, not one of provider.hardware",
  },
  {
    name: "hardware that nobody documents",
    provider: { hardware: ["tpu", "h100"] },
    other: { endpoint: { hardware: "tpu-v6e", hardware_source: "test" } },
    wish: {},
    reason: "hardware",
    detail: "its hardware is not known, not one of provider.hardware",
  },
  {
    name: "a form other than the one asked for",
    provider: { hardware: ["h100-sxm"] },
    other: { endpoint: { hardware: "h100-sxm", hardware_source: "test" } },
    wish: { endpoint: { hardware: "h100", hardware_source: "test" } },
    reason: "hardware",
    detail: "runs on h100, not one of provider.hardware",
  },
  {
    name: "a prompt price above the cap",
    provider: { max_price: { prompt: "1" } },
    wish: { prompt: 1_000_001 },
    reason: "max_price",
    detail: "prompt $1.000001 > $1 per million tokens",
  },
  {
    name: "a completion price above the cap",
    provider: { max_price: { completion: 1 } },
    wish: { completion: 2_000_000 },
    reason: "max_price",
    detail: "completion $2 > $1 per million tokens",
  },
  {
    name: "a price per request above the cap",
    provider: { max_price: { request: "0.001" } },
    wish: { endpoint: { price: { prompt: 1, completion: 1, request: 2_000_000_000 } } },
    reason: "max_price",
    detail: "request $0.002 > $0.001",
  },
  {
    name: "a price per image above the cap",
    provider: { max_price: { image: "0.001" } },
    wish: { endpoint: { price: { prompt: 1, completion: 1, image: 1_000_000_001 } } },
    reason: "max_price",
    detail: "image $0.001000000001 > $0.001",
  },
  {
    name: "the price for long prompts counts",
    provider: { max_price: { prompt: 1 } },
    facts: { promptTokensEstimate: 50_001 },
    wish: {
      endpoint: { price: { prompt: 1, completion: 1, overrides: [{ min_prompt_tokens: 50_000, prompt: 2_000_000 }] } },
    },
    reason: "max_price",
    detail: "prompt $2 > $1 per million tokens",
  },
  {
    name: "a context that is too short",
    facts: { promptTokensEstimate: 7_000, maxOutputTokens: 1_001 },
    wish: { endpoint: { context_length: 8_000 } },
    reason: "context_length",
    detail: "8000 < 8001 tokens",
  },
  {
    name: "a prompt that is too long",
    facts: { promptTokensEstimate: 7_000 },
    wish: { endpoint: { max_prompt_tokens: 6_999 } },
    reason: "context_length",
    detail: "6999 < 7000 prompt tokens",
  },
  {
    name: "an output that is too short",
    facts: { maxOutputTokens: 5_000 },
    wish: { endpoint: { max_completion_tokens: 4_096 } },
    reason: "max_output",
    detail: "4096 < 5000 tokens",
  },
  {
    name: "required parameters",
    provider: { require_parameters: true },
    facts: { parameters: ["temperature", "top_k", "seed"] },
    other: { endpoint: { supported_parameters: ["temperature", "top_k", "seed"] } },
    reason: "require_parameters",
    detail: "does not take top_k, seed",
  },
  {
    name: "an input that it cannot take",
    facts: { modalities: new Set(["image"]) },
    other: { endpoint: { input_modalities: ["text", "image"] } },
    reason: "modality",
    detail: "takes no image input",
  },
  {
    name: "tools, when another takes them",
    facts: { parameters: ["tools"] },
    wish: { endpoint: { supported_parameters: ["temperature"] } },
    reason: "soft_parameters",
    detail: "does not take tools, others do",
  },
  {
    name: "a schema is never dropped in silence",
    facts: { parameters: ["response_format", "structured_outputs"] },
    wish: { endpoint: { supported_parameters: ["tools"] } },
    reason: "soft_parameters",
    detail: "does not take structured_outputs, others do",
  },
])("$name", (given) => {
  const { passed, exclusions, warnings } = outcomeOf(given);
  expect(passed).toEqual(["other"]);
  expect(exclusions).toEqual([{ endpoint: "one", provider: "one", reason: given.reason, detail: given.detail }]);
  expect(warnings).toEqual([]);
});

test.each<Case>([
  { name: "only by tag and by slug", provider: { only: ["other", "one"] } },
  { name: "exactly the cap is allowed", provider: { max_price: { prompt: "1", completion: "1" } } },
  {
    name: "exactly the context is allowed",
    facts: { promptTokensEstimate: 127_000, maxOutputTokens: 1_000 },
    wish: { endpoint: { context_length: 128_000 } },
  },
  {
    name: "max_tokens is also called max_completion_tokens",
    provider: { require_parameters: true },
    facts: { parameters: ["max_tokens"] },
    wish: { endpoint: { supported_parameters: ["max_completion_tokens"] } },
  },
  {
    name: "a schema may go to what takes only response_format",
    facts: { parameters: ["response_format", "structured_outputs"] },
    wish: { endpoint: { supported_parameters: ["response_format"] } },
  },
  {
    name: "a schema may go to what takes only structured_outputs",
    facts: { parameters: ["response_format", "structured_outputs"] },
    wish: { endpoint: { supported_parameters: ["structured_outputs"] } },
  },
  { name: "sampling parameters alone exclude nobody", facts: { parameters: ["top_k"] } },
  {
    name: "an unknown output limit is no limit",
    facts: { maxOutputTokens: 8_000 },
    wish: { endpoint: { max_completion_tokens: null } },
  },
])("$name: both pass", (given) => {
  expect(outcomeOf(given)).toEqual({ passed: ["other", "one"], exclusions: [], warnings: [] });
});

test.each<Case & { warning: string }>([
  {
    name: "tools that nobody takes are routed with a warning",
    facts: { parameters: ["tools"] },
    other: { endpoint: { supported_parameters: [] } },
    wish: { endpoint: { supported_parameters: [] } },
    warning: "No endpoint of a/b takes tools: it may be ignored.",
  },
  {
    name: "a schema that nobody takes is routed with a warning",
    facts: { parameters: ["response_format", "structured_outputs"] },
    other: { endpoint: { supported_parameters: [] } },
    wish: { endpoint: { supported_parameters: [] } },
    warning: "No endpoint of a/b takes structured_outputs: it may be ignored.",
  },
  {
    name: "reasoning that nobody takes is routed with a warning",
    facts: { parameters: ["reasoning"] },
    warning: "No endpoint of a/b takes reasoning: it may be ignored.",
  },
])("$name", (given) => {
  const { passed, exclusions, warnings } = outcomeOf(given);
  expect(passed).toEqual(["other", "one"]);
  expect(exclusions).toEqual([]);
  expect(warnings).toEqual([given.warning]);
});

test.each<Case & { reason: string; detail: string }>([
  {
    name: "distillation that the author forbids",
    provider: { enforce_distillable_text: true },
    reason: "distillable",
    detail: "the author does not allow distillation",
  },
  {
    name: "an output that the model does not give",
    facts: { outputModalities: ["text", "image"] },
    reason: "modality",
    detail: "gives no image output",
  },
  {
    name: "a conversation with a model that makes vectors",
    model: { output_modalities: ["embeddings"] },
    reason: "modality",
    detail: "answers with embeddings only",
  },
  {
    name: "a pin and a home that contradict each other",
    provider: { region: "us" },
    home: "eu",
    reason: "data_region",
    detail: "no region in us and eu",
  },
])("$name leaves every endpoint out", (given) => {
  const { passed, exclusions } = outcomeOf(given);
  expect(passed).toEqual([]);
  expect(exclusions.map(({ reason, detail }) => ({ reason, detail }))).toEqual([
    { reason: given.reason, detail: given.detail },
    { reason: given.reason, detail: given.detail },
  ]);
});

test("a model whose author allows distillation passes", () => {
  expect(
    outcomeOf({ name: "", model: { distillable: true }, provider: { enforce_distillable_text: true } }).passed,
  ).toEqual(["other", "one"]);
});

test.each([
  { wanted: "one", tag: "one", is: true },
  { wanted: "one", tag: "one/turbo", is: true },
  { wanted: "one", tag: "one/priority", is: false },
  { wanted: "one/priority", tag: "one/priority", is: true },
  { wanted: "one/turbo", tag: "one/fp8", is: false },
  { wanted: "on", tag: "one", is: false },
  { wanted: "the one", tag: "one/turbo", is: true },
])("$wanted means $tag: $is", ({ wanted, tag, is }) => {
  const { model, providers } = entryOf("a/b", [{ tag }]);
  const [endpoint] = model.endpoints;
  const [provider] = providers;
  expect(endpoint !== undefined && provider !== undefined && isNamed(wanted, endpoint, provider)).toBe(is);
});

test("a listed region of a provider is the only one that serves", () => {
  const entry = entryOf("a/b", [{ tag: "one/x", regions: ["frankfurt", "tokyo"], endpoint: { regions: ["tokyo"] } }]);
  const choices = filterEndpoints(entry, inputOf([entry]), [], []);
  expect(choices.map(({ regions }) => regions.map(({ id }) => id))).toEqual([["tokyo"]]);
});

test("the price of the hour is the one that is compared, capped and passed on", () => {
  const entry = entryOf("a/b", [{ tag: "one" }]);
  const [endpoint] = entry.model.endpoints;
  assert(endpoint !== undefined, "the world has an endpoint");
  const price = { prompt: 4, completion: 8, overrides: [{ utc_start: 1630, utc_end: 30, prompt: 1, completion: 2 }] };
  const listed: ListedEndpoint = { ...endpoint, price, upstream_price: price };
  const hourly: ModelEntry = { ...entry, model: { ...entry.model, endpoints: [listed] } };
  const at = (time: string): unknown => {
    const [choice] = filterEndpoints(
      hourly,
      { ...inputOf([hourly]), nowMs: Date.parse(`2026-11-21T${time}Z`) },
      [],
      [],
    );
    return [choice?.price.prompt, choice?.endpoint.upstream_price?.overrides];
  };
  expect(at("16:29:59")).toEqual([4, []]);
  expect(at("16:30:00")).toEqual([4, [{ min_prompt_tokens: -1, prompt: 1, completion: 2 }]]);
});
