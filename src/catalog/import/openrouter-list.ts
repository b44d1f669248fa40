/**
 * OpenRouter's own list, `GET /api/v1/models`: prices as decimal strings in dollars per token, request or piece. All of it
 * runs at one provider, which sells other providers' models; its routers and aliases are no models.
 */
import * as z from "zod";
import type { ListedOverride, ListedPrice, SomePriceKeys } from "../../core/price.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { OPENROUTER } from "../data/import-hosts.ts";
import { PER_UNIT, picoOf } from "./decimal.ts";
import {
  DESCRIPTION_CHARS_MAX,
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

const ModelRow = z.looseObject({
  id: z.string().min(1).max(200),
  canonical_slug: z.string().nullish(),
  name: z.string().nullish(),
  created: z.number().nullish(),
  description: z.string().nullish(),
  hugging_face_id: z.string().nullish(),
  context_length: z.number().nullish(),
  architecture: z
    .looseObject({ input_modalities: z.array(z.string()).nullish(), output_modalities: z.array(z.string()).nullish() })
    .nullish(),
  pricing: z.record(z.string(), z.unknown()).nullish(),
  top_provider: z
    .looseObject({ context_length: z.number().nullish(), max_completion_tokens: z.number().nullish() })
    .nullish(),
  supported_parameters: z.array(z.string()).nullish(),
  knowledge_cutoff: z.string().nullish(),
  expiration_date: z.string().nullish(),
});
type ModelRow = z.infer<typeof ModelRow>;

const PRICE_NAMES = new Set([
  "prompt",
  "completion",
  "request",
  "image",
  "image_token",
  "image_output",
  "audio",
  "audio_output",
  "input_audio_cache",
  "internal_reasoning",
  "input_cache_read",
  "input_cache_write",
  "input_cache_write_1h",
  "web_search",
] satisfies readonly (keyof SomePriceKeys)[]) as ReadonlySet<string>;
/** A discount is in the prices already. */
const NO_PRICES = new Set(["discount", "overrides"]);
const OVERRIDES_MAX = 8;
const PARAMETERS_MAX = 60;
const PARAMETER_CHARS_MAX = 40;

const HOST: FeedHost = {
  slug: OPENROUTER.slug,
  name: "OpenRouter",
  adapter: OPENROUTER.adapter,
  baseUrl: OPENROUTER.baseUrl,
  lack: "",
  quirks: OPENROUTER.quirks,
};

/** True for a document of this shape. */
export function isOpenRouterList(document: Readonly<Record<string, unknown>>): boolean {
  const { data } = document;
  return Array.isArray(data) && ModelRow.safeParse(data[0]).data?.pricing != null;
}

/** Reads the whole list; every model of it is an entry or a refusal. */
export function readOpenRouterList(document: Readonly<Record<string, unknown>>): Feed {
  const entries: FeedEntry[] = [];
  const refused: Refusal[] = [];
  const rows: readonly unknown[] = Array.isArray(document["data"]) ? document["data"] : [];
  for (const [at, row] of rows.entries()) {
    const parsed = ModelRow.safeParse(row);
    const ref = `${HOST.slug}/${parsed.data?.id ?? `[${at}]`}`;
    const entry = parsed.success ? entryOf(ref, parsed.data) : err("is not a model of this list's shape");
    if (entry.ok) entries.push(entry.value);
    else refused.push({ ref, reason: entry.error });
  }
  return { format: "openrouter-list", entries, refused };
}

function entryOf(ref: string, model: ModelRow): Result<FeedEntry, string> {
  if (model.id.startsWith("~")) return err("is an alias of that list's own, not a model");
  const outputs = outputsOf(model.architecture?.output_modalities ?? []);
  if (outputs === undefined) {
    return err(`answers with ${model.architecture?.output_modalities?.join(", ") ?? "nothing"}, not text`);
  }
  const price = priceOf(model.pricing);
  if (!price.ok) return price;
  const isFree = model.id.endsWith(":free");
  const fault = zeroFault(price.value, isFree, outputs.includes("embeddings"));
  if (fault !== undefined) return err(fault);
  const contextLength = tokensOf(model.top_provider?.context_length) ?? tokensOf(model.context_length);
  if (contextLength === undefined) return err("has no context length");
  const outputTokens = tokensOf(model.top_provider?.max_completion_tokens);
  return ok({
    ref,
    host: HOST,
    upstreamModel: model.id,
    baseModel: null,
    name: (model.name ?? model.id).slice(0, NAME_CHARS_MAX),
    description: (model.description ?? "").slice(0, DESCRIPTION_CHARS_MAX),
    price: price.value,
    isFree,
    contextLength,
    maxCompletionTokens: outputTokens === undefined ? null : Math.min(outputTokens, contextLength),
    maxPromptTokens: null,
    inputModalities: inputsOf(model.architecture?.input_modalities ?? []),
    outputModalities: outputs,
    supportedParameters: [...new Set(model.supported_parameters ?? [])]
      .filter((name) => name.length <= PARAMETER_CHARS_MAX)
      .slice(0, PARAMETERS_MAX),
    createdS: tokensOfDay(model.created),
    knowledgeCutoff: model.knowledge_cutoff?.slice(0, 20) ?? null,
    expirationDate: model.expiration_date?.slice(0, 20) ?? null,
    huggingFaceId: model.hugging_face_id === "" ? null : (model.hugging_face_id?.slice(0, NAME_CHARS_MAX) ?? null),
    openWeights: (model.hugging_face_id ?? "") !== "",
  });
}

function tokensOfDay(created: number | null | undefined): number {
  return created != null && Number.isSafeInteger(created) && created >= 0 ? created : 0;
}

function priceOf(pricing: ModelRow["pricing"]): Result<ListedPrice, string> {
  if (pricing === null || pricing === undefined) return err("has no price");
  const base = keysOf(pricing);
  if (!base.ok) return base;
  const { prompt, completion, ...rest } = base.value;
  if (prompt === undefined || completion === undefined) return err("has no price for prompt and completion");
  const rows: readonly unknown[] = Array.isArray(pricing["overrides"]) ? pricing["overrides"] : [];
  if (rows.length > OVERRIDES_MAX) return err("has price tiers that are not understood");
  const overrides: ListedOverride[] = [];
  for (const row of rows) {
    const step = overrideOf(row);
    if (!step.ok) return step;
    overrides.push(step.value);
  }
  return ok({ prompt, completion, ...rest, ...(overrides.length === 0 ? {} : { overrides }) });
}

function keysOf(pricing: Readonly<Record<string, unknown>>): Result<SomePriceKeys, string> {
  const keys: Record<string, number> = {};
  for (const [name, value] of Object.entries(pricing)) {
    if (NO_PRICES.has(name)) continue;
    if (!PRICE_NAMES.has(name)) return err(`has a price "${name}" whose unit is not known`);
    // Its routers cost what the model costs that they choose.
    if (Number(value) === -1) return err("has no price of its own: it chooses among other models");
    const pico = picoOf(value, PER_UNIT);
    if (!pico.ok) return err(`has a price "${name}" that ${pico.error}`);
    if (pico.value === 0 && name !== "prompt" && name !== "completion") continue;
    keys[name] = pico.value;
  }
  return ok(keys);
}

const Conditions = z.looseObject({
  min_prompt_tokens: z.int().min(1).nullish(),
  utc_start: z.int().nullish(),
  utc_end: z.int().nullish(),
});

function overrideOf(row: unknown): Result<ListedOverride, string> {
  const parsed = Conditions.safeParse(row);
  if (!parsed.success) return err("has price tiers that are not understood");
  const { min_prompt_tokens, utc_start, utc_end, ...prices } = parsed.data;
  const keys = keysOf(prices);
  if (!keys.ok) return keys;
  if (keys.value.prompt === 0 || keys.value.completion === 0) return err("has a price tier that costs nothing");
  return ok({
    ...(min_prompt_tokens == null ? {} : { min_prompt_tokens }),
    ...(utc_start == null ? {} : { utc_start }),
    ...(utc_end == null ? {} : { utc_end }),
    ...keys.value,
  });
}
