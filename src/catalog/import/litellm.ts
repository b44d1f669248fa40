/**
 * LiteLLM's price map (model_prices_and_context_window.json): key -> row with `litellm_provider`, `mode` and costs in
 * dollars per token or piece. It names no addresses: `data/import-hosts.ts` knows those of the providers that need nothing
 * but an address and a key. A key that is not named after its provider is a price class, not a model.
 */
import * as z from "zod";
import type { ListedOverride, ListedPrice, SomePriceKeys } from "../../core/price.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { LITELLM_HOSTS, RESPONSES, type ImportHost } from "../data/import-hosts.ts";
import { PER_UNIT, picoOf } from "./decimal.ts";
import {
  apartFrom,
  dayS,
  inputsOf,
  NAME_CHARS_MAX,
  outputsOf,
  tokensOf,
  zeroFault,
  type Feed,
  type FeedEntry,
  type FeedHost,
  type Refusal,
} from "./feed.ts";

const Row = z.looseObject({
  litellm_provider: z.string().nullish(),
  mode: z.string().nullish(),
  max_tokens: z.unknown().optional(),
  max_input_tokens: z.unknown().optional(),
  max_output_tokens: z.unknown().optional(),
  deprecation_date: z.string().nullish(),
  supported_modalities: z.array(z.string()).nullish(),
  supported_output_modalities: z.array(z.string()).nullish(),
  supported_endpoints: z.array(z.string()).nullish(),
});
type Row = z.infer<typeof Row>;

/** The format's own sample, in every copy of the map. */
const SAMPLE = "sample_spec";
/** Modes that are served, and what they answer with. */
const MODES: Readonly<Record<string, FeedEntry["outputModalities"]>> = {
  chat: ["text"],
  responses: ["text"],
  embedding: ["embeddings"],
};
const CHAT_PATH = "/v1/chat/completions";

const PRICE_NAMES: Readonly<Record<string, keyof SomePriceKeys>> = {
  input_cost_per_token: "prompt",
  output_cost_per_token: "completion",
  output_cost_per_reasoning_token: "internal_reasoning",
  cache_read_input_token_cost: "input_cache_read",
  cache_creation_input_token_cost: "input_cache_write",
  cache_creation_input_token_cost_above_1hr: "input_cache_write_1h",
  cache_read_input_audio_token_cost: "input_audio_cache",
  input_cost_per_audio_token: "audio",
  output_cost_per_audio_token: "audio_output",
  input_cost_per_image: "image",
  input_cost_per_image_token: "image_token",
  output_cost_per_image_token: "image_output",
  input_cost_per_request: "request",
};
/** Prices by the length of the prompt, as a list of ranges. */
const TIERS = "tiered_pricing";
const OVERRIDES_MAX = 8;
/** Prices of what is not asked for here: other service tiers, batches, tools that run at the provider. */
const OTHER_TERMS =
  /_(batches|flex|priority)$|_(batches|flex|priority)_|^(priority_pricing|search_context_cost|file_search|code_interpreter|computer_use|vector_store|web_search)/;
const STEP = /^(.*)_above_(\d+)k_tokens$/;

/** True for a document of this shape. */
export function isLiteLlm(document: Readonly<Record<string, unknown>>): boolean {
  return Object.values(document).some((row) => (Row.safeParse(row).data?.litellm_provider ?? "") !== "");
}

/** Reads the whole map; every key of it is an entry or a refusal. */
export function readLiteLlm(document: Readonly<Record<string, unknown>>): Feed {
  const entries: FeedEntry[] = [];
  const refused: Refusal[] = [];
  for (const [key, value] of Object.entries(document)) {
    const row = Row.safeParse(value);
    const entry =
      row.success && key !== SAMPLE
        ? entryOf(key, row.data)
        : err(key === SAMPLE ? "is the format's sample" : "is not a row of this map's shape");
    if (entry.ok) entries.push(entry.value);
    else refused.push({ ref: key, reason: entry.error });
  }
  return { format: "litellm", entries, refused };
}

function entryOf(key: string, row: Row): Result<FeedEntry, string> {
  const mode = row.mode ?? "";
  const standard = Object.hasOwn(MODES, mode) ? MODES[mode] : undefined;
  if (standard === undefined) return err(`is of the mode "${mode}", which is not imported`);
  const named = row.supported_output_modalities ?? standard;
  const outputs = outputsOf(named);
  if (outputs === undefined) return err(`answers with ${named.join(", ")}, not text`);
  const isResponsesOnly = mode === "responses" && row.supported_endpoints?.includes(CHAT_PATH) !== true;
  const model = modelOf(key, row.litellm_provider ?? "", isResponsesOnly);
  if (!model.ok) return model;
  const price = priceOf(row, outputs.includes("embeddings"));
  if (!price.ok) return price;
  const fault = zeroFault(price.value, key.endsWith(":free"), outputs.includes("embeddings"));
  if (fault !== undefined) return err(fault);
  const contextLength = tokensOf(row.max_input_tokens) ?? tokensOf(row.max_tokens);
  if (contextLength === undefined) return err("has no context length");
  const outputTokens = tokensOf(row.max_output_tokens);
  const says = (name: string): boolean => row[name] === true;
  const sayable = hostNamed(row.litellm_provider ?? "")?.parameters;
  return ok({
    ref: key,
    host: model.value.host,
    upstreamModel: model.value.name,
    baseModel: null,
    name: model.value.name.slice(0, NAME_CHARS_MAX),
    description: "",
    price: price.value,
    isFree: key.endsWith(":free"),
    contextLength,
    maxCompletionTokens: outputTokens === undefined ? null : Math.min(outputTokens, contextLength),
    maxPromptTokens: null,
    inputModalities: inputsOf([
      ...(row.supported_modalities ?? []),
      "text",
      ...(says("supports_vision") ? ["image"] : []),
      ...(says("supports_pdf_input") ? ["file"] : []),
      ...(says("supports_audio_input") ? ["audio"] : []),
      ...(says("supports_video_input") ? ["video"] : []),
    ]),
    outputModalities: outputs,
    supportedParameters: parametersOf(says).filter((name) => sayable?.includes(name) ?? true),
    createdS: 0,
    knowledgeCutoff: null,
    expirationDate: dayS(row.deprecation_date) === 0 ? null : (row.deprecation_date?.slice(0, 10) ?? null),
    huggingFaceId: null,
    openWeights: false,
  });
}

/** `groq/llama-3.3-70b` is a model of groq's; `fireworks-ai-up-to-4b` is a class of prices. */
function modelOf(
  key: string,
  provider: string,
  isResponsesOnly: boolean,
): Result<{ readonly host: FeedHost; readonly name: string }, string> {
  const known = hostNamed(provider);
  if (known === undefined) return err(`is at "${provider}", whose address and wire format are not known here`);
  const prefix = `${provider}/`;
  if (!key.startsWith(prefix) && (known.bare !== true || key.includes("/"))) {
    return err("is not named after its provider: a class of prices, or a variant that has no name upstream");
  }
  const place = isResponsesOnly ? apartFrom(known.slug, RESPONSES) : { slug: known.slug };
  const adapter = isResponsesOnly ? RESPONSES : known.adapter;
  const host: FeedHost = { ...place, name: place.slug, adapter, baseUrl: known.baseUrl, lack: "", quirks: {} };
  return ok({ host, name: key.startsWith(prefix) ? key.slice(prefix.length) : key });
}

function hostNamed(provider: string): ImportHost | undefined {
  return Object.hasOwn(LITELLM_HOSTS, provider) ? LITELLM_HOSTS[provider] : undefined;
}

type Keys = Record<string, number>;

function priceOf(row: Row, isEmbedding: boolean): Result<ListedPrice, string> {
  const base: Keys = {};
  const steps = new Map<number, Keys>();
  const fault = readPrices(row, base, steps) ?? readTiers(row[TIERS], base, steps);
  if (fault !== undefined) return err(fault);
  const { prompt, completion = isEmbedding ? 0 : undefined, ...rest } = base as SomePriceKeys; // names of PRICE_NAMES
  if (prompt === undefined || completion === undefined) return err("has no price for prompt and completion");
  if (steps.size > OVERRIDES_MAX) return err("has price tiers that are not understood");
  const overrides: ListedOverride[] = [...steps]
    .toSorted(([a], [b]) => a - b)
    .map(([min_prompt_tokens, keys]) => ({ min_prompt_tokens, ...keys }));
  return ok({ prompt, completion, ...rest, ...(overrides.length === 0 ? {} : { overrides }) });
}

/** Reads the plain prices of a row into `base`, those "above n thousand tokens" into `steps`. @returns what is wrong. */
function readPrices(row: Readonly<Record<string, unknown>>, base: Keys, steps: Map<number, Keys>): string | undefined {
  for (const [name, value] of Object.entries(row)) {
    if (!/cost|pric/.test(name) || name === TIERS || value === null || OTHER_TERMS.test(name)) continue;
    const [, plain = name, thousands] = STEP.exec(name) ?? [];
    const ours = Object.hasOwn(PRICE_NAMES, plain) ? PRICE_NAMES[plain] : undefined;
    if (ours === undefined && value === 0) continue;
    if (ours === undefined) return `has a price "${name}" whose unit is not known`;
    const pico = picoOf(value, PER_UNIT);
    if (!pico.ok) return `has a price "${name}" that ${pico.error}`;
    const isPlain = ours === "prompt" || ours === "completion";
    const keys = thousands === undefined ? base : stepAt(steps, Number(thousands) * 1_000);
    // A cache that costs nothing is one that the map knows nothing of: it costs what the prompt costs.
    if (pico.value > 0 || (isPlain && keys === base)) keys[ours] = pico.value;
    else if (isPlain) return "has a price tier that costs nothing";
  }
  return undefined;
}

const Tiers = z.array(z.looseObject({ range: z.array(z.number().nullable()).min(1) }));

/** Reads `tiered_pricing`: prices by the length of the prompt, the first tier being the base. @returns what is wrong. */
function readTiers(value: unknown, base: Keys, steps: Map<number, Keys>): string | undefined {
  if (value === undefined || value === null) return undefined;
  const tiers = Tiers.safeParse(value);
  if (!tiers.success) return "has price tiers that are not understood";
  for (const { range, ...prices } of tiers.data) {
    const from = range[0] ?? 0;
    if (from !== 0 && tokensOf(from) === undefined) return "has price tiers that are not understood";
    const keys: Keys = {};
    const fault = readPrices(prices, keys, steps);
    if (fault !== undefined) return fault;
    if (from !== 0 && (keys["prompt"] === 0 || keys["completion"] === 0)) return "has a price tier that costs nothing";
    Object.assign(from === 0 ? base : stepAt(steps, from), keys);
  }
  return undefined;
}

function stepAt(steps: Map<number, Keys>, tokens: number): Keys {
  const step = steps.get(tokens) ?? {};
  steps.set(tokens, step);
  return step;
}

function parametersOf(says: (name: string) => boolean): readonly string[] {
  return [
    "max_tokens",
    "stop",
    "temperature",
    "top_p",
    ...(says("supports_function_calling") ? ["tools", "tool_choice"] : []),
    ...(says("supports_parallel_function_calling") ? ["parallel_tool_calls"] : []),
    ...(says("supports_response_schema") ? ["response_format", "structured_outputs"] : []),
    ...(says("supports_reasoning") ? ["reasoning", "include_reasoning", "reasoning_effort"] : []),
  ];
}
