/**
 * The catalog: providers, regions, models, endpoints. Data, no code: adding an OpenAI-like provider is adding rows here.
 * Prices are integers in pico-dollars per unit. Every fact of ours names its source.
 * `Catalog` is what an operator publishes and what `parseCatalog` accepts; readers get one `ModelEntry` at a time.
 */
import * as z from "zod";
import type { EndpointTag, ModelId, ProviderId, RegionId } from "../core/ids.ts";
import type { ListedPrice, Price } from "../core/price.ts";

const SLUG = /^[a-z0-9][a-z0-9.-]{0,63}$/;
const providerId = z
  .string()
  .regex(SLUG, "must be lower case letters, digits, dots and hyphens")
  .transform((text) => text as ProviderId);
const regionId = z
  .string()
  .regex(SLUG, "must be lower case letters, digits, dots and hyphens")
  .transform((text) => text as RegionId);
const modelId = z
  .string()
  .regex(
    /^~?[a-z0-9][\w.-]{0,63}\/[\w.-]{1,96}(:(free|extended|thinking))?$/i,
    "must be author/slug, or author/slug:free",
  )
  .transform((text) => text as ModelId);
const endpointTag = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,63}(\/[a-z0-9][a-z0-9._-]{0,63})?$/, "must be provider-slug or provider-slug/suffix")
  .transform((text) => text as EndpointTag);
const pico = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const tokens = z.int().min(1).max(100_000_000);

const priceKeys = {
  request: pico.optional(),
  image: pico.optional(),
  image_token: pico.optional(),
  image_output: pico.optional(),
  audio: pico.optional(),
  audio_output: pico.optional(),
  input_audio_cache: pico.optional(),
  internal_reasoning: pico.optional(),
  input_cache_read: pico.optional(),
  input_cache_write: pico.optional(),
  input_cache_write_1h: pico.optional(),
  web_search: pico.optional(),
  hardware_second: pico.optional(),
  audio_second: pico.optional(),
  video_second: pico.optional(),
  image_made: pico.optional(),
  megapixel: pico.optional(),
  page: pico.optional(),
  character: pico.optional(),
  search_unit: pico.optional(),
};
/** A time of day in UTC as HHMM: 1630 is half past four in the afternoon, 2400 the end of the day. */
const clockTime = z
  .int()
  .min(0)
  .max(2_400)
  .refine((time) => time % 100 < 60, "must be a time of day as HHMM, such as 1630");
const OverrideSchema = z
  .strictObject({
    min_prompt_tokens: tokens.optional(),
    utc_start: clockTime.optional(),
    utc_end: clockTime.optional(),
    prompt: pico.optional(),
    completion: pico.optional(),
    ...priceKeys,
  })
  .refine((given) => (given.utc_start === undefined) === (given.utc_end === undefined), {
    message: "must name utc_start and utc_end together",
  })
  .refine((given) => given.utc_start === undefined || given.utc_start % 2_400 !== (given.utc_end ?? 0) % 2_400, {
    message: "must name a part of the day: utc_start and utc_end are the same time",
  })
  .refine((given) => given.min_prompt_tokens !== undefined || given.utc_start !== undefined, {
    message: "must name a condition: min_prompt_tokens, or utc_start and utc_end",
  });
const PriceSchema = z.strictObject({
  prompt: pico,
  completion: pico,
  ...priceKeys,
  overrides: z.array(OverrideSchema).max(8).optional(),
});

export const QUANTIZATIONS = [
  "int4",
  "int8",
  "fp4",
  "mxfp4",
  "nvfp4",
  "fp6",
  "fp8",
  "mxfp8",
  "fp16",
  "bf16",
  "fp32",
  "unknown",
] as const;

const HARDWARE = /^[a-z0-9][a-z0-9.-]{0,39}$/;

/** Where a fact is from: a URL and the day it was read, or the data package it came with. */
const Source = z.string().min(3).max(500);

/** A place where a provider runs. Coordinates only where documented; null counts as far. */
export const RegionSchema = z.strictObject({
  id: regionId,
  latitude: z.number().min(-90).max(90).nullable(),
  longitude: z.number().min(-180).max(180).nullable(),
  /** ISO 3166-1 alpha-2 code of the country it is in, where documented. */
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, "must be two capital letters")
    .nullable()
    .default(null),
  /** The jurisdiction that holds for traffic to it; null: none is promised. */
  jurisdiction: z.enum(["eu", "us"]).nullable(),
  /** Own base URL of the region, else the provider's. */
  base_url: z.url().optional(),
  source: Source,
});

export const DataPolicySchema = z.strictObject({
  /** Prompts may be used for training. */
  training: z.boolean(),
  /** Prompts are kept beyond the request. */
  retains_prompts: z.boolean(),
  retention_days: z.int().min(0).nullable(),
  /** Zero data retention is promised for what we send. */
  zdr: z.boolean(),
  source: Source,
});

/**
 * What happens when a client leaves: `stops` bills only what was generated once the connection closes; `bills_all`
 * goes on and bills the whole answer, so it is drained for its usage; `bills_surcharge` stops and bills more than was
 * generated: so much for each answer that is left, a share (basis points) of what it cost by then, or both.
 */
const CancellationSchema = z.discriminatedUnion("policy", [
  z.strictObject({ policy: z.literal("stops"), source: Source }),
  z.strictObject({ policy: z.literal("bills_all"), source: Source }),
  z
    .strictObject({
      policy: z.literal("bills_surcharge"),
      surcharge: pico.optional(),
      surcharge_bps: z.int().min(1).max(10_000).optional(),
      source: Source,
    })
    .refine((given) => (given.surcharge ?? 0) + (given.surcharge_bps ?? 0) > 0, "must name a surcharge"),
]);

/** Operator-set capacity of each credential; absent: none is configured, and what the provider takes is learnt. */
export const CapacitySchema = z.strictObject({
  /** `region`: each region takes as much; `credential`: all regions share it. */
  scope: z.enum(["region", "credential"]).optional(),
  requests_per_min: z.int().min(1).optional(),
  tokens_per_min: z.int().min(1).optional(),
  concurrency: z.int().min(1).optional(),
});

export const ProviderSchema = z.strictObject({
  slug: providerId,
  name: z.string().min(1).max(80),
  /** Name of an adapter in `providers/registry.ts`. */
  adapter: z.string().min(1).max(40),
  base_url: z.url(),
  regions: z.array(RegionSchema).min(1).max(64),
  data_policy: DataPolicySchema,
  cancellation: CancellationSchema,
  capacity: CapacitySchema.optional(),
  /** Declared deviations from the adapter's family; the adapter validates them. */
  quirks: z.record(z.string(), z.json()).default({}),
  markup_bps: z.int().min(0).max(100_000).default(0),
  /** Follows addresses of YouTube. */
  youtube: z.boolean().optional(),
  headquarters: z
    .string()
    .regex(/^[A-Z]{2}$/, "must be two capital letters")
    .nullable()
    .default(null),
  privacy_policy_url: z.url().nullable().default(null),
  terms_of_service_url: z.url().nullable().default(null),
  status_page_url: z.url().nullable().default(null),
  /** Where address and authentication are from. */
  source: Source.optional(),
});

export const EndpointSchema = z.strictObject({
  tag: endpointTag,
  provider: providerId,
  upstream_model: z.string().min(1).max(200),
  /** What the provider charges the operator; null: not priced, so not routable. */
  price: PriceSchema.nullable(),
  price_source: Source,
  /** Overrides the provider's markup. */
  markup_bps: z.int().min(0).max(100_000).optional(),
  context_length: tokens,
  max_completion_tokens: tokens.nullable(),
  max_prompt_tokens: tokens.nullable().default(null),
  quantization: z.enum(QUANTIZATIONS).default("unknown"),
  supported_parameters: z.array(z.string().max(40)).max(60),
  input_modalities: z.array(z.enum(["text", "image", "file", "audio", "video"])).min(1),
  supports_implicit_caching: z.boolean().default(false),
  /** Ids of the provider's regions that run it; all of them when absent. */
  regions: z.array(regionId).min(1).optional(),
  /** Typical seconds to the first token, where published; the prior before anything was measured. */
  typical_ttft_ms: z.int().min(1).max(600_000).optional(),
  /** What it runs on, where that is documented: an accelerator in lower case, its form behind a hyphen (`h100-sxm`). */
  hardware: z
    .string()
    .regex(HARDWARE, "must be an accelerator's name in lower case, such as h100 or h100-sxm")
    .optional(),
  hardware_source: Source.optional(),
  /** Runs on capacity that the provider keeps for this operator alone: provisioned throughput, a dedicated deployment. */
  reserved_capacity: z.boolean().optional(),
  /** Overrides of the provider's data policy for this endpoint (free endpoints often train). */
  data_policy: DataPolicySchema.optional(),
});

/** What models are looked for by, as in the public catalog. */
export const CATEGORIES = [
  "programming",
  "roleplay",
  "marketing",
  "marketing/seo",
  "technology",
  "science",
  "translation",
  "legal",
  "finance",
  "health",
  "trivia",
  "academia",
] as const;
export type Category = (typeof CATEGORIES)[number];

const score = z.number().nullable();
/** Results that others published, where an operator has them; higher is better. As in the public catalog. */
const BenchmarksSchema = z.strictObject({
  artificial_analysis: z
    .strictObject({ intelligence_index: score, coding_index: score, agentic_index: score })
    .optional(),
  design_arena: z
    .array(
      z.strictObject({
        arena: z.string().max(100),
        category: z.string().max(100),
        elo: z.number(),
        win_rate: z.number(),
        rank: z.int().min(1),
      }),
    )
    .max(100)
    .default([]),
  source: Source,
});

export const ModelSchema = z.strictObject({
  id: modelId,
  /** Permanent, usually date-suffixed; resolves like the id. */
  canonical_slug: z.string().min(3).max(200),
  /** Other spellings that resolve to it. */
  aliases: z.array(z.string().min(3).max(200)).max(20).default([]),
  name: z.string().min(1).max(200),
  created_s: z.int().min(0),
  description: z.string().max(4_000).default(""),
  hugging_face_id: z.string().max(200).nullable().default(null),
  input_modalities: z.array(z.enum(["text", "image", "file", "audio", "video"])).min(1),
  output_modalities: z.array(z.enum(["text", "image", "audio", "embeddings", "rerank", "moderation"])).min(1),
  tokenizer: z.string().max(40).default("Other"),
  instruct_type: z.string().max(40).nullable().default(null),
  knowledge_cutoff: z.string().max(20).nullable().default(null),
  /** The day on which its author switches it off, `YYYY-MM-DD`. */
  expiration_date: z.string().max(20).nullable().default(null),
  /** What it was made for, where its author says so. */
  categories: z.array(z.enum(CATEGORIES)).max(CATEGORIES.length).default([]),
  benchmarks: BenchmarksSchema.optional(),
  open_weights: z.boolean().default(false),
  distillable: z.boolean().default(false),
  /** Reasoning cannot be turned off. */
  reasoning_mandatory: z.boolean().default(false),
  endpoints: z.array(EndpointSchema).min(1).max(100),
});

/**
 * A name that always means the newest model of a family, such as `~author/family-latest`. `models` are ids in which a
 * star stands for a version number (digits and dots): of those that match, are priced and are no variant, the one with
 * the highest version.
 */
const FamilyAliasSchema = z.strictObject({
  slug: z.string().regex(/^~[a-z0-9][\w.-]{0,63}\/[\w.-]{1,96}$/i, "must be ~author/name"),
  name: z.string().min(1).max(200),
  models: z
    .array(
      z.string().regex(/^[a-z0-9][\w.-]{0,63}\/[\w.*-]{1,96}$/i, "must be author/slug; a star stands for a version"),
    )
    .min(1)
    .max(20),
});

export const CatalogSchema = z.strictObject({
  /** Format of this document. */
  version: z.literal(1),
  providers: z.array(ProviderSchema).min(1).max(500),
  models: z.array(ModelSchema).min(1).max(10_000),
  family_aliases: z.array(FamilyAliasSchema).max(500).default([]),
});

export type Region = z.infer<typeof RegionSchema>;
export type Capacity = z.infer<typeof CapacitySchema>;
export type Provider = z.infer<typeof ProviderSchema>;
export type Endpoint = z.infer<typeof EndpointSchema>;
export type Model = z.infer<typeof ModelSchema>;
export type FamilyAlias = z.infer<typeof FamilyAliasSchema>;
export type Catalog = z.infer<typeof CatalogSchema>;
export type Quantization = (typeof QUANTIZATIONS)[number];

/**
 * An endpoint as readers get it: `price` is what a tenant pays, margin included; `upstream_price` what the provider
 * charges the operator. Both are null together.
 */
export interface ListedEndpoint extends Omit<Endpoint, "markup_bps" | "price"> {
  readonly price: ListedPrice | null;
  readonly upstream_price: ListedPrice | null;
}
/** An endpoint with the prices of one moment: what a request is planned, held and charged with. */
export interface PricedEndpoint extends Omit<ListedEndpoint, "price" | "upstream_price"> {
  readonly price: Price | null;
  readonly upstream_price: Price | null;
}
export interface ListedModel extends Omit<Model, "endpoints"> {
  readonly endpoints: readonly ListedEndpoint[];
}

/**
 * What a reader gets for one model: the model and every provider its endpoints name. One KV value.
 * The margin is already in the endpoints' prices, so the providers here say `markup_bps: 0`.
 */
export interface ModelEntry {
  readonly model: ListedModel;
  readonly providers: readonly Provider[];
}
