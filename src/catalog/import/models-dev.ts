/**
 * The list of models.dev (https://models.dev/api.json, MIT): provider id -> provider with `models`; costs in dollars per
 * million tokens. An address with a variable in it, or none and a package that nobody here knows, makes no host.
 */
import * as z from "zod";
import type { ListedOverride, ListedPrice, SomePriceKeys } from "../../core/price.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { OUR_SLUGS, PACKAGE_ADAPTERS, PACKAGE_BASE_URLS, RESPONSES, RESPONSES_ONLY } from "../data/import-hosts.ts";
import { PER_MILLION, picoOf } from "./decimal.ts";
import {
  apartFrom,
  dayS,
  DESCRIPTION_CHARS_MAX,
  inputsOf,
  isEmbedding,
  NAME_CHARS_MAX,
  outputsOf,
  tokensOf,
  zeroFault,
  type Feed,
  type FeedEntry,
  type FeedHost,
  type Refusal,
} from "./feed.ts";

const ProviderRow = z.looseObject({
  id: z.string().min(1).max(100),
  name: z.string().nullish(),
  npm: z.string().nullish(),
  api: z.string().nullish(),
  models: z.record(z.string(), z.unknown()),
});
const ModelRow = z.looseObject({
  id: z.string().min(1).max(200),
  name: z.string().nullish(),
  description: z.string().nullish(),
  release_date: z.string().nullish(),
  knowledge: z.string().nullish(),
  status: z.string().nullish(),
  reasoning: z.boolean().nullish(),
  temperature: z.boolean().nullish(),
  tool_call: z.boolean().nullish(),
  structured_output: z.boolean().nullish(),
  open_weights: z.boolean().nullish(),
  base_model: z.string().nullish(),
  modalities: z.looseObject({ input: z.array(z.string()).nullish(), output: z.array(z.string()).nullish() }).nullish(),
  limit: z
    .looseObject({ context: z.number().nullish(), output: z.number().nullish(), input: z.number().nullish() })
    .nullish(),
  cost: z.record(z.string(), z.unknown()).nullish(),
  provider: z
    .looseObject({ npm: z.string().nullish(), api: z.string().nullish(), shape: z.string().nullish() })
    .nullish(),
});
type ProviderRow = z.infer<typeof ProviderRow>;
type ModelRow = z.infer<typeof ModelRow>;

/** The list's names of prices and ours; the second spellings are in the list, too. */
const PRICE_NAMES: Readonly<Record<string, keyof SomePriceKeys>> = {
  input: "prompt",
  output: "completion",
  reasoning: "internal_reasoning",
  cache_read: "input_cache_read",
  cached_input: "input_cache_read",
  cache_input: "input_cache_read",
  cache_write: "input_cache_write",
  cached_write: "input_cache_write",
  input_audio: "audio",
  output_audio: "audio_output",
};
/** Said besides `tiers` by older versions of the list: the same step with a fixed threshold. */
const OVER_200K = "context_over_200k";
const OVERRIDES_MAX = 8;
const PROVIDER_NAME_CHARS_MAX = 80;

/** True for a document of this shape. */
export function isModelsDev(document: Readonly<Record<string, unknown>>): boolean {
  const [first] = Object.values(document);
  return ProviderRow.safeParse(first).success;
}

/** Reads the whole list; every model of it is an entry or a refusal. */
export function readModelsDev(document: Readonly<Record<string, unknown>>): Feed {
  const entries: FeedEntry[] = [];
  const refused: Refusal[] = [];
  for (const [id, value] of Object.entries(document)) {
    const provider = ProviderRow.safeParse(value);
    if (!provider.success) {
      refused.push({ ref: id, reason: "is not a provider of this list's shape" });
      continue;
    }
    for (const [key, row] of Object.entries(provider.data.models)) {
      const ref = `${id}/${key}`;
      const entry = entryOf(ref, provider.data, row);
      if (entry.ok) entries.push(entry.value);
      else refused.push({ ref, reason: entry.error });
    }
  }
  return { format: "models.dev", entries, refused };
}

function entryOf(ref: string, provider: ProviderRow, row: unknown): Result<FeedEntry, string> {
  const parsed = ModelRow.safeParse(row);
  if (!parsed.success) return err("is not a model of this list's shape");
  const model = parsed.data;
  if (model.status === "deprecated") return err("is deprecated");
  const outputs = outputModalities(model);
  if (outputs === undefined) return err(`answers with ${model.modalities?.output?.join(", ") ?? "nothing"}, not text`);
  const price = priceOf(model.cost);
  if (!price.ok) return price;
  const isFree = model.id.endsWith(":free");
  const fault = zeroFault(price.value, isFree, outputs.includes("embeddings"));
  if (fault !== undefined) return err(fault);
  const contextLength = tokensOf(model.limit?.context);
  if (contextLength === undefined) return err("has no context length");
  const outputTokens = tokensOf(model.limit?.output);
  return ok({
    ref,
    host: hostOf(provider, model),
    upstreamModel: model.id,
    baseModel: model.base_model ?? null,
    name: (model.name ?? model.id).slice(0, NAME_CHARS_MAX),
    description: (model.description ?? "").slice(0, DESCRIPTION_CHARS_MAX),
    price: price.value,
    isFree,
    contextLength,
    maxCompletionTokens: outputTokens === undefined ? null : Math.min(outputTokens, contextLength),
    maxPromptTokens: tokensOf(model.limit?.input) ?? null,
    inputModalities: inputsOf(model.modalities?.input ?? []),
    outputModalities: outputs,
    supportedParameters: parametersOf(model),
    createdS: dayS(model.release_date),
    knowledgeCutoff: model.knowledge?.slice(0, 20) ?? null,
    expirationDate: null,
    huggingFaceId: null,
    openWeights: model.open_weights ?? false,
  });
}

function outputModalities(model: ModelRow): FeedEntry["outputModalities"] | undefined {
  if (isEmbedding(model.id) && Number(model.cost?.["output"] ?? 0) === 0) return ["embeddings"];
  return outputsOf(model.modalities?.output ?? []);
}

/** @returns why the price cannot be used: none, or one in units that are not understood. */
function priceOf(cost: ModelRow["cost"]): Result<ListedPrice, string> {
  if (cost === null || cost === undefined) return err("has no price");
  const base = keysOf(cost);
  if (!base.ok) return base;
  const { prompt, completion, ...rest } = base.value;
  if (prompt === undefined || completion === undefined) return err("has no price for prompt and completion");
  const steps = overridesOf(cost);
  if (!steps.ok) return steps;
  return ok({ prompt, completion, ...rest, ...(steps.value.length === 0 ? {} : { overrides: steps.value }) });
}

function keysOf(cost: Readonly<Record<string, unknown>>): Result<SomePriceKeys, string> {
  const keys: { -readonly [name in keyof SomePriceKeys]: number } = {};
  for (const [name, value] of Object.entries(cost)) {
    if (name === "tiers" || name === "tier" || name === OVER_200K) continue;
    const ours = Object.hasOwn(PRICE_NAMES, name) ? PRICE_NAMES[name] : undefined;
    if (ours === undefined) return err(`has a price "${name}" whose unit is not known`);
    const pico = picoOf(value, PER_MILLION);
    if (!pico.ok) return err(`has a price "${name}" that ${pico.error}`);
    // A cache that costs nothing is one that the list knows nothing of: it costs what the prompt costs.
    if (pico.value === 0 && ours !== "prompt" && ours !== "completion") continue;
    keys[ours] = pico.value;
  }
  return ok(keys);
}

const Tier = z.looseObject({ tier: z.looseObject({ type: z.string().nullish(), size: z.number() }) });

function overridesOf(cost: Readonly<Record<string, unknown>>): Result<readonly ListedOverride[], string> {
  const rows: unknown[] = Array.isArray(cost["tiers"]) ? cost["tiers"] : [];
  if (rows.length === 0 && cost[OVER_200K] !== undefined) {
    rows.push({ ...Object(cost[OVER_200K]), tier: { size: 200_000 } });
  }
  const steps: ListedOverride[] = [];
  for (const row of rows) {
    const tier = Tier.safeParse(row);
    const size = tokensOf(tier.data?.tier.size);
    const type = tier.data?.tier.type ?? "context";
    if (!tier.success || size === undefined || type !== "context")
      return err("has price tiers that are not understood");
    const keys = keysOf(tier.data);
    if (!keys.ok) return keys;
    if (keys.value.prompt === 0 || keys.value.completion === 0) return err("has a price tier that costs nothing");
    steps.push({ min_prompt_tokens: size, ...keys.value });
  }
  steps.sort((a, b) => (a.min_prompt_tokens ?? 0) - (b.min_prompt_tokens ?? 0));
  const sizes = new Set(steps.map((step) => step.min_prompt_tokens));
  if (sizes.size !== steps.length || steps.length > OVERRIDES_MAX)
    return err("has price tiers that are not understood");
  return ok(steps);
}

function hostOf(provider: ProviderRow, { id, provider: own }: ModelRow): FeedHost {
  const slug = OUR_SLUGS[provider.id] ?? provider.id.toLowerCase();
  const npm = own?.npm ?? provider.npm ?? "";
  const home = { adapter: adapterOf(provider.npm ?? ""), baseUrl: provider.api ?? packageBaseUrl(provider.npm ?? "") };
  const isResponsesOnly = Object.hasOwn(RESPONSES_ONLY, slug) && RESPONSES_ONLY[slug]?.test(id) === true;
  const adapter = own?.shape === "responses" || isResponsesOnly ? RESPONSES : adapterOf(npm);
  const baseUrl = own?.api ?? home.baseUrl;
  const isApart = isResponsesOnly || adapter !== home.adapter || baseUrl !== home.baseUrl;
  const variable = /\$\{\w+\}/.exec(baseUrl ?? "")?.[0];
  return {
    ...(isApart ? apartFrom(slug, adapter) : { slug }),
    name: (provider.name ?? provider.id).slice(0, PROVIDER_NAME_CHARS_MAX),
    adapter,
    baseUrl: variable === undefined ? (baseUrl?.replace(/\/+$/, "") ?? null) : null,
    lack:
      adapter === null
        ? `its package ${npm} has no adapter here`
        : variable === undefined
          ? `no address is named, and its package ${npm} has none that is known`
          : `its address has a variable in it, ${variable}, that only the operator knows`,
    quirks: {},
  };
}

function adapterOf(npm: string): string | null {
  return Object.hasOwn(PACKAGE_ADAPTERS, npm) ? (PACKAGE_ADAPTERS[npm] ?? null) : null;
}

function packageBaseUrl(npm: string): string | null {
  return Object.hasOwn(PACKAGE_BASE_URLS, npm) ? (PACKAGE_BASE_URLS[npm] ?? null) : null;
}

function parametersOf(model: ModelRow): readonly string[] {
  return [
    "max_tokens",
    "stop",
    ...(model.temperature === false ? [] : ["temperature", "top_p", "frequency_penalty", "presence_penalty"]),
    ...(model.tool_call === true ? ["tools", "tool_choice"] : []),
    ...(model.structured_output === true ? ["response_format", "structured_outputs"] : []),
    ...(model.reasoning === true ? ["reasoning", "include_reasoning", "reasoning_effort"] : []),
  ];
}
