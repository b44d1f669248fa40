/**
 * A generation as `GET /generation` shows it: what was asked, every attempt, what was used and what was charged.
 * Money is JSON numbers in USD, exact to the nano-dollar; durations are milliseconds. What this server never has is null.
 */
import * as z from "zod";
import { routerNameOf } from "../catalog/router-names.ts";
import { nusdFromStored, usdNumber } from "../core/money.ts";
import { cachedTokens, completionTokens, promptTokens } from "../core/usage.ts";
import type { GenerationRecord } from "../insight/generation.ts";
import type { BookedGeneration } from "../insight/generations.ts";

const text = z.string().nullable();
const count = z.int().nullable();
const ms = z.number().describe("Milliseconds");
const usd = z.number().describe("USD");

const AttemptShape = z.object({
  provider_name: z.string(),
  model_permaslug: z.string(),
  endpoint_id: z.string().describe("The endpoint's tag"),
  region: z.string(),
  status: count.describe("The provider's HTTP status; null when it gave none"),
  outcome: z.string().describe("ok, or the type of the error"),
  latency: ms,
  is_byok: z.boolean(),
});

const CancellationShape = z.object({
  policy: z
    .enum(["stops", "bills_all", "bills_surcharge"])
    .nullable()
    .describe("What the provider bills of an answer that is left: what it generated, all, or that and a surcharge"),
  action: z.enum(["aborted", "drained"]).describe("The provider was left at once, or listened to for its count"),
  surcharge: usd.describe("USD of the cost that the provider takes for having been left"),
  estimated: z.array(z.enum(["prompt", "completion"])).describe("Token counts that are this server's own"),
});

export const GenerationShape = z.object({
  id: z.string(),
  request_id: text,
  upstream_id: text,
  api_type: z.enum(["completions", "embeddings", "rerank", "moderation"]),
  created_at: z.string(),
  model: z.string(),
  requested_model: z.string(),
  router: text.describe("The router model that chose the model; null when it was named"),
  provider_name: text,
  endpoint: text,
  region: text,
  provider_responses: z.array(AttemptShape).describe("Every call to a provider, in order"),
  streamed: z.boolean(),
  cancelled: z.boolean().describe("The client left before the end"),
  cancellation: CancellationShape.nullable().describe(
    "What was done to the provider when the client left or its credit ended; null otherwise",
  ),
  estimated: z.boolean().describe("Tokens were counted by this server, because the provider sent no count"),
  finish_reason: text,
  native_finish_reason: text,
  latency: ms,
  generation_time: ms,
  moderation_latency: z.null(),
  tokens_prompt: count,
  tokens_completion: count,
  native_tokens_prompt: count,
  native_tokens_completion: count,
  native_tokens_completion_images: count,
  native_tokens_reasoning: count,
  native_tokens_cached: count,
  num_media_prompt: z.null(),
  num_media_completion: z.null(),
  num_input_audio_prompt: z.null(),
  num_search_results: z.null(),
  num_fetches: z.null(),
  web_search_engine: z.null(),
  usage: usd,
  total_cost: usd.describe("USD charged"),
  upstream_inference_cost: usd.nullable(),
  cache_discount: z.null(),
  is_byok: z.boolean(),
  data_region: z.enum(["global", "europe", "us"]),
  app_id: z.null(),
  http_referer: text,
  origin: z.string(),
  user_agent: text,
  external_user: text,
  session_id: text,
  workspace_id: z.null(),
  preset_id: text.describe("The preset that the request named"),
  service_tier: z.null(),
  response_cache_source_id: z.null(),
});
export type GenerationShape = z.infer<typeof GenerationShape>;

const DATA_REGIONS = { global: "global", eu: "europe", us: "us" } as const;

/** A booked generation as shown. */
export function generationBody({ record, chargedNusd }: BookedGeneration): GenerationShape {
  const charged = usdNumber(chargedNusd);
  return {
    id: record.id,
    request_id: record.requestId,
    upstream_id: record.upstreamId,
    api_type: record.task ?? "completions",
    created_at: new Date(record.createdAtMs).toISOString(),
    model: record.model,
    requested_model: record.requestedModel,
    router: routerNameOf(record.requestedModel)?.name ?? null,
    provider_name: record.providerName,
    endpoint: record.endpoint,
    region: record.region,
    provider_responses: record.attempts.map((attempt) => ({
      provider_name: attempt.providerName,
      model_permaslug: attempt.model,
      endpoint_id: attempt.endpoint,
      region: attempt.region,
      status: attempt.status === 0 ? null : attempt.status,
      outcome: attempt.outcome,
      latency: attempt.latencyMs,
      is_byok: attempt.isByok === true,
    })),
    streamed: record.streamed,
    cancelled: record.cancelled,
    cancellation: cancellationOf(record),
    estimated: record.estimated,
    finish_reason: record.finishReason,
    native_finish_reason: record.nativeFinishReason,
    latency: record.latencyMs,
    generation_time: record.generationTimeMs,
    moderation_latency: null,
    ...tokensOf(record),
    usage: charged,
    total_cost: charged,
    upstream_inference_cost: usdNumber(nusdFromStored(record.upstreamCostNusd)),
    cache_discount: null,
    is_byok: record.isByok,
    data_region: DATA_REGIONS[record.dataRegion],
    app_id: null,
    http_referer: record.httpReferer,
    origin: record.origin ?? "",
    user_agent: record.userAgent,
    external_user: record.externalUser,
    session_id: record.sessionId,
    workspace_id: null,
    preset_id: record.presetId ?? null,
    service_tier: null,
    response_cache_source_id: null,
  };
}

function cancellationOf(record: GenerationRecord): GenerationShape["cancellation"] {
  if (record.cancellation === null) return null;
  const counts = [...(record.promptEstimated === true ? (["prompt"] as const) : []), "completion" as const];
  return {
    policy: record.cancellationPolicy ?? null,
    action: record.cancellation,
    surcharge: usdNumber(nusdFromStored(record.surchargeNusd ?? 0)),
    estimated: record.estimated ? counts : [],
  };
}

/** There is one tokenizer here, the provider's own: normalised counts are the native ones. */
function tokensOf({ usage }: GenerationRecord) {
  return {
    tokens_prompt: promptTokens(usage),
    tokens_completion: completionTokens(usage),
    native_tokens_prompt: promptTokens(usage),
    native_tokens_completion: completionTokens(usage),
    native_tokens_completion_images: usage.outputImage,
    native_tokens_reasoning: usage.outputReasoning,
    native_tokens_cached: cachedTokens(usage),
    num_media_prompt: null,
    num_media_completion: null,
    num_input_audio_prompt: null,
    num_search_results: null,
    num_fetches: null,
    web_search_engine: null,
  };
}
