/**
 * What the catalog looks like from outside: the JSON of models and providers (of endpoints: listing-endpoints.ts). Pure.
 * Prices are exact decimal strings in USD per unit, and always the charged ones. A model without a priced endpoint is
 * not listed, because nobody could use it.
 */
import { formatPrice } from "../core/money.ts";
import { PRICE_KEYS, type ListedPrice, type PriceName, type SomePriceKeys } from "../core/price.ts";
import { compareText } from "../core/compare.ts";
import type { Category, ListedEndpoint, ListedModel, ModelEntry, Provider } from "./schema.ts";

/** The parameter names that the public API knows, in its order. */
const PUBLIC_PARAMETERS: readonly string[] = (
  "temperature top_p top_k min_p top_a frequency_penalty presence_penalty repetition_penalty max_tokens " +
  "max_completion_tokens logit_bias logprobs top_logprobs prediction seed response_format structured_outputs stop " +
  "tools tool_choice parallel_tool_calls include_reasoning reasoning reasoning_effort web_search_options verbosity"
).split(" ");

/** Times of day are HHMM in UTC; the price applies from `utc_start` up to and without `utc_end`. */
export type PublicPriceOverride = {
  readonly min_prompt_tokens?: number;
  readonly utc_start?: number;
  readonly utc_end?: number;
} & { readonly [name in PriceName]?: string };
export type PublicPricing = {
  readonly prompt: string;
  readonly completion: string;
  readonly overrides?: readonly PublicPriceOverride[];
} & { readonly [name in PriceName]?: string };

export interface PublicArchitecture {
  readonly modality: string;
  readonly input_modalities: readonly string[];
  readonly output_modalities: readonly string[];
  readonly tokenizer: string;
  readonly instruct_type: string | null;
}

export interface PublicModel {
  readonly id: string;
  readonly canonical_slug: string;
  readonly hugging_face_id: string | null;
  readonly name: string;
  /** Seconds since the epoch; 0 when the release date is not known. */
  readonly created: number;
  readonly description: string;
  readonly context_length: number;
  readonly architecture: PublicArchitecture;
  readonly pricing: PublicPricing;
  readonly top_provider: {
    readonly context_length: number;
    readonly max_completion_tokens: number | null;
    readonly is_moderated: boolean;
  };
  readonly per_request_limits: null;
  readonly supported_parameters: readonly string[];
  readonly default_parameters: null;
  readonly supported_voices: null;
  readonly reasoning?: { readonly mandatory: boolean };
  /** The model behind a name that follows the newest of a family. */
  readonly alias_target?: { readonly name: string; readonly slug: string };
  readonly benchmarks?: Benchmarks;
  /** Null: it depends on the model that a router chooses. */
  readonly price_tier: PriceTier | null;
  readonly categories: readonly Category[];
  readonly knowledge_cutoff: string | null;
  /** The day on which it is switched off. */
  readonly expiration_date: string | null;
  readonly links: { readonly details: string };
}

export type Benchmarks = Omit<NonNullable<ListedModel["benchmarks"]>, "source">;

/** Bands of what a million tokens cost, three prompt tokens to one of completion. */
export const PRICE_TIERS = ["free", "budget", "standard", "premium"] as const;
export type PriceTier = (typeof PRICE_TIERS)[number];

/** Below this a model is `budget`: $0.50 per million tokens. */
const BUDGET_BELOW_PUSD = 500_000;
/** From this on it is `premium`: $5 per million tokens. */
const PREMIUM_FROM_PUSD = 5_000_000;

export interface PublicProvider {
  readonly name: string;
  readonly slug: string;
  readonly headquarters: string | null;
  readonly datacenters: readonly string[] | null;
  readonly privacy_policy_url: string | null;
  readonly terms_of_service_url: string | null;
  readonly status_page_url: string | null;
}

/** One row of the published list: the public model, and what the filters need to know about its endpoints. */
export interface ListingRow {
  readonly model: PublicModel;
  /** Null: it depends on the model that a router chooses. */
  readonly promptPusd: number | null;
  readonly completionPusd: number | null;
  /** Slugs and names of the providers, in lower case. */
  readonly providers: readonly string[];
  readonly regions: readonly ("eu" | "us")[];
  readonly zdr: boolean;
  readonly distillable: boolean;
  /** The shortest time to the first token that is published of an endpoint. */
  readonly typicalTtftMs: number | null;
}

/** The row of one model, or undefined when none of its endpoints is priced. */
export function listingRow(entry: ModelEntry): ListingRow | undefined {
  const model = publicModel(entry);
  const price = topEndpoint(entry.model)?.price;
  if (model === undefined || price == null) return undefined;
  const priced = entry.model.endpoints.filter((endpoint) => endpoint.price !== null);
  const regions = new Set<"eu" | "us">();
  const names = new Set<string>();
  let zdr = false;
  for (const endpoint of priced) {
    const provider = entry.providers.find((known) => known.slug === endpoint.provider);
    if (provider === undefined) continue;
    names.add(provider.slug).add(provider.name.toLowerCase());
    zdr ||= (endpoint.data_policy ?? provider.data_policy).zdr;
    for (const region of provider.regions) {
      if (region.jurisdiction !== null && (endpoint.regions ?? [region.id]).includes(region.id))
        regions.add(region.jurisdiction);
    }
  }
  return {
    model,
    promptPusd: price.prompt,
    completionPusd: price.completion,
    providers: [...names],
    regions: [...regions].toSorted(compareText),
    zdr,
    distillable: entry.model.distillable,
    typicalTtftMs: leastOf(priced.flatMap(({ typical_ttft_ms: ms }) => (ms === undefined ? [] : [ms]))),
  };
}

function leastOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.min(...values);
}

function benchmarksOf({ benchmarks }: ListedModel): { readonly benchmarks?: Benchmarks } {
  if (benchmarks === undefined) return {};
  const { source: _source, ...results } = benchmarks;
  return { benchmarks: results };
}

/** The band of a price; only variants that are called so are free. */
function priceTier(id: string, price: ListedPrice): PriceTier {
  if (id.endsWith(":free")) return "free";
  const blendedPusd = blendedOf(price) / 4;
  return blendedPusd < BUDGET_BELOW_PUSD ? "budget" : blendedPusd < PREMIUM_FROM_PUSD ? "standard" : "premium";
}

/** Three tokens of prompt and one of completion. */
function blendedOf(price: ListedPrice): number {
  return 3 * price.prompt + price.completion;
}

/** The public form of a model, or undefined when none of its endpoints is priced. */
export function publicModel({ model }: ModelEntry): PublicModel | undefined {
  const top = topEndpoint(model);
  if (top === undefined || top.price === null) return undefined;
  const priced = model.endpoints.filter((endpoint) => endpoint.price !== null);
  const parameters = new Set(priced.flatMap((endpoint) => endpoint.supported_parameters));
  return {
    id: model.id,
    canonical_slug: model.canonical_slug,
    hugging_face_id: model.hugging_face_id,
    name: model.name,
    created: model.created_s,
    description: model.description,
    context_length: Math.max(...priced.map((endpoint) => endpoint.context_length)),
    architecture: architectureOf(model),
    pricing: publicPricing(top.price),
    top_provider: {
      context_length: top.context_length,
      max_completion_tokens: top.max_completion_tokens,
      is_moderated: false,
    },
    per_request_limits: null,
    supported_parameters: publicParameters(parameters),
    default_parameters: null,
    supported_voices: null,
    ...(parameters.has("reasoning") ? { reasoning: { mandatory: model.reasoning_mandatory } } : {}),
    ...benchmarksOf(model),
    price_tier: priceTier(model.id, top.price),
    categories: model.categories,
    knowledge_cutoff: model.knowledge_cutoff,
    expiration_date: model.expiration_date,
    links: { details: `/api/v1/models/${model.id}/endpoints` },
  };
}

/** The public form of a provider. Its data centres are the countries of its regions, where those are documented. */
export function publicProvider(provider: Provider): PublicProvider {
  const countries = new Set(provider.regions.flatMap((region) => (region.country === null ? [] : [region.country])));
  return {
    name: provider.name,
    slug: provider.slug,
    headquarters: provider.headquarters,
    datacenters: countries.size === 0 ? null : [...countries].toSorted(compareText),
    privacy_policy_url: provider.privacy_policy_url,
    terms_of_service_url: provider.terms_of_service_url,
    status_page_url: provider.status_page_url,
  };
}

/** The exact decimal strings of a price; only the keys that it has. */
export function publicPricing(price: ListedPrice): PublicPricing {
  const { prompt, completion } = price;
  return {
    prompt: formatPrice(prompt),
    completion: formatPrice(completion),
    ...formatted(price),
    ...(price.overrides === undefined
      ? {}
      : {
          overrides: price.overrides.map(({ min_prompt_tokens, utc_start, utc_end, ...keys }) => ({
            ...(min_prompt_tokens === undefined ? {} : { min_prompt_tokens }),
            ...(utc_start === undefined ? {} : { utc_start }),
            ...(utc_end === undefined ? {} : { utc_end }),
            ...formatted(keys),
          })),
        }),
  };
}

function formatted(keys: SomePriceKeys): { readonly [name in PriceName]?: string } {
  const texts: { [name in PriceName]?: string } = {};
  for (const name of PRICE_KEYS) {
    const value = keys[name];
    if (value !== undefined) texts[name] = formatPrice(value);
  }
  return texts;
}

/** The cheapest priced endpoint (three prompt tokens to one of completion); the first of equals. Its price is shown. */
function topEndpoint(model: ListedModel): ListedEndpoint | undefined {
  const blended = ({ price }: ListedEndpoint): number => (price === null ? Number.POSITIVE_INFINITY : blendedOf(price));
  return model.endpoints.filter((endpoint) => endpoint.price !== null).toSorted((a, b) => blended(a) - blended(b))[0];
}

/** What a model takes and gives. */
export function architectureOf(model: ListedModel): PublicArchitecture {
  return {
    modality: `${model.input_modalities.join("+")}->${model.output_modalities.join("+")}`,
    input_modalities: model.input_modalities,
    output_modalities: model.output_modalities,
    tokenizer: model.tokenizer,
    instruct_type: model.instruct_type,
  };
}

/** Those of the names that the public API knows, in its order. */
export function publicParameters(parameters: ReadonlySet<string>): readonly string[] {
  return PUBLIC_PARAMETERS.filter((name) => parameters.has(name));
}
