/** Models, endpoints and providers as the catalog's listing makes them, told to the API's document. */
import * as z from "zod";
import type { PublicEndpoint, PublicModelEndpoints } from "../catalog/listing-endpoints.ts";
import type { PublicModel, PublicPricing, PublicProvider } from "../catalog/listing.ts";
import { PRICE_TIERS } from "../catalog/listing.ts";
import { QUALITY_TIERS } from "../limits/quality.ts";
import { CATEGORIES, QUANTIZATIONS } from "../catalog/schema.ts";

const price = z.string().describe("USD per unit, an exact decimal");
const per = (unit: string) => z.string().optional().describe(`USD per ${unit}, an exact decimal`);
const priceKeys = {
  request: per("request"),
  image: per("input image"),
  image_token: per("token of an input image"),
  image_output: per("token of an image that was made"),
  audio: per("input audio token"),
  audio_output: per("output audio token"),
  input_audio_cache: per("cached audio token"),
  internal_reasoning: per("reasoning token"),
  input_cache_read: per("token read from the cache"),
  input_cache_write: per("token written to the cache (for five minutes where there are several lifetimes)"),
  input_cache_write_1h: per("token written to the cache for an hour"),
  web_search: per("search"),
  hardware_second: per("second of hardware"),
  audio_second: per("second of input audio"),
  video_second: per("second of video that was made"),
  image_made: per("image that was made"),
  megapixel: per("million pixels that were made"),
  page: per("page of a document"),
  character: per("character that was spoken"),
  search_unit: per("unit of search or ranking"),
};
const clockTime = (description: string) => z.int().optional().describe(`${description}, HHMM in UTC`);

const PricingShape = z.object({
  prompt: price,
  completion: price,
  ...priceKeys,
  overrides: z
    .array(
      z.object({
        min_prompt_tokens: z.int().optional().describe("Applies to prompts that are longer"),
        utc_start: clockTime("Applies from this time of day"),
        utc_end: clockTime("Applies up to this time of day"),
        prompt: price.optional(),
        completion: price.optional(),
        ...priceKeys,
      }),
    )
    .optional()
    .describe("Each applies when all its conditions hold; later ones win per key"),
});

const ArchitectureShape = z.object({
  modality: z.string(),
  input_modalities: z.array(z.string()),
  output_modalities: z.array(z.string()),
  tokenizer: z.string(),
  instruct_type: z.string().nullable(),
});

const score = z.number().nullable();

export const ModelShape = z.object({
  id: z.string(),
  canonical_slug: z.string(),
  hugging_face_id: z.string().nullable(),
  name: z.string(),
  created: z.int().describe("Seconds since 1970; 0 when the release date is not known"),
  description: z.string(),
  context_length: z.int(),
  architecture: ArchitectureShape,
  pricing: PricingShape,
  top_provider: z.object({
    context_length: z.int(),
    max_completion_tokens: z.int().nullable(),
    is_moderated: z.boolean(),
  }),
  per_request_limits: z.null(),
  supported_parameters: z.array(z.string()),
  default_parameters: z.null(),
  supported_voices: z.null(),
  reasoning: z.object({ mandatory: z.boolean() }).optional(),
  alias_target: z
    .object({ name: z.string(), slug: z.string() })
    .optional()
    .describe("The model that this name means now: the newest of its family"),
  benchmarks: z
    .object({
      artificial_analysis: z
        .object({ intelligence_index: score, coding_index: score, agentic_index: score })
        .optional(),
      design_arena: z.array(
        z.object({
          arena: z.string(),
          category: z.string(),
          elo: z.number(),
          win_rate: z.number().describe("Percent"),
          rank: z.int(),
        }),
      ),
    })
    .optional()
    .describe("Results that others published, where the operator's catalog has them"),
  price_tier: z
    .enum(PRICE_TIERS)
    .nullable()
    .describe("Of three prompt tokens to one of completion: below $0.50 a million, below $5, above; null of routers"),
  categories: z.array(z.enum(CATEGORIES)).describe("What its author made it for"),
  knowledge_cutoff: z.string().nullable(),
  expiration_date: z.string().nullable().describe("The day on which it is switched off, YYYY-MM-DD"),
  links: z.object({ details: z.string() }),
});

const percentiles = z.object({ p50: z.number(), p75: z.number(), p90: z.number(), p99: z.number() }).nullable();

const quality = (what: string) =>
  z
    .object({
      tier: z.enum(QUALITY_TIERS),
      success_last_2h: z.number().nullable().describe("Percent; null with fewer than 20 answers"),
    })
    .describe(
      `Answers whose ${what}, of those that had any: good from 95% on, weak below, poor below 80%, each as far as the ` +
        "number of answers proves it; else unproven",
    );

export const EndpointShape = z.object({
  name: z.string(),
  model_id: z.string(),
  model_name: z.string(),
  provider_name: z.string(),
  tag: z.string(),
  context_length: z.int(),
  max_completion_tokens: z.int().nullable(),
  max_prompt_tokens: z.int().nullable(),
  quantization: z.enum(QUANTIZATIONS),
  hardware: z.string().nullable().describe("What it runs on, such as h100 or lpu; null where that is not documented"),
  reserved_capacity: z.boolean().describe("Runs on capacity that is kept for this operator; ask for it by its tag"),
  pricing: PricingShape,
  supported_parameters: z.array(z.string()),
  supports_implicit_caching: z.boolean(),
  supports_tool_choice: z.object({
    auto: z.boolean(),
    none: z.boolean(),
    required: z.boolean(),
    function: z.boolean(),
  }),
  supports_voice_cloning: z.literal(false),
  status: z
    .union([z.literal(0), z.literal(-1), z.literal(-2), z.literal(-3), z.literal(-5), z.literal(-10)])
    .describe("0 healthy, -1 degraded, -2 down, -5 switched off, -10 no credential"),
  uptime_last_5m: z.number().nullable().describe("Percent"),
  uptime_last_30m: z.number().nullable().describe("Percent"),
  uptime_last_1d: z.number().nullable().describe("Percent"),
  latency_last_30m: percentiles.describe("Milliseconds to the first token; null without a key"),
  throughput_last_30m: percentiles.describe("Tokens per second; null without a key"),
  tool_calls: quality("tool calls are JSON, name an offered tool and fit its schema"),
  structured_outputs: quality("structured output is JSON and fits its schema"),
  client_region: z
    .object({
      region: z.string(),
      uptime_last_30m: z.number().nullable(),
      latency_last_30m: percentiles,
      throughput_last_30m: percentiles,
    })
    .nullable()
    .describe("The same as clients of one region had it: the asker's, or the one that was named"),
});

export const ModelEndpointsShape = z.object({
  id: z.string(),
  name: z.string(),
  created: z.int(),
  description: z.string(),
  architecture: ArchitectureShape,
  endpoints: z.array(EndpointShape),
});

export const ProviderShape = z.object({
  name: z.string(),
  slug: z.string(),
  headquarters: z.string().nullable(),
  datacenters: z.array(z.string()).nullable(),
  privacy_policy_url: z.string().nullable(),
  terms_of_service_url: z.string().nullable(),
  status_page_url: z.string().nullable(),
});

export const ModelPageShape = z.object({
  data: z.array(ModelShape),
  total_count: z.int(),
  links: z.object({ next: z.string().nullable() }),
});

/** The shapes above describe exactly what the listing makes: this does not compile when one of them is behind. */
type Same<Made, Told> = [Made] extends [Told] ? ([keyof Made] extends [keyof Told] ? true : never) : never;
type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? { -readonly [Name in keyof T]: Mutable<T[Name]> }
    : T;
true satisfies Same<Mutable<PublicPricing>, z.infer<typeof PricingShape>>;
true satisfies Same<Mutable<PublicModel>, z.infer<typeof ModelShape>>;
true satisfies Same<Mutable<PublicEndpoint>, z.infer<typeof EndpointShape>>;
true satisfies Same<Mutable<PublicModelEndpoints>, z.infer<typeof ModelEndpointsShape>>;
true satisfies Same<Mutable<PublicProvider>, z.infer<typeof ProviderShape>>;
