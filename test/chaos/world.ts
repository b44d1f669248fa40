/**
 * The soak's catalog: three providers on one upstream and one where nobody listens. Prices are odd numbers of
 * pico-dollars, so that nearly every cost has a fraction to round; one provider has a markup, one bills to the end what
 * nobody reads any more, one has a capacity.
 */
import { MODELS } from "./plan.ts";

export const PROVIDERS = ["one", "two", "three", "gone"] as const;
export type SoakProvider = (typeof PROVIDERS)[number];

const PROVIDER_FACTS: Readonly<Record<SoakProvider, object>> = {
  one: {},
  two: { markup_bps: 537, cancellation: { policy: "bills_all", source: "test" } },
  three: { capacity: { requests_per_min: 100_000, concurrency: 200 } },
  gone: {},
};

const [ALPHA, BETA, GAMMA, FREE] = MODELS;

const ENDPOINTS: Readonly<Record<string, readonly object[]>> = {
  [ALPHA]: [
    endpoint("one", { prompt: 137_313, completion: 991_717, input_cache_read: 34_567 }),
    endpoint("two", { prompt: 141_421, completion: 1_103_101, internal_reasoning: 2_345_679 }),
    endpoint("three", { prompt: 271_829, completion: 1_618_033 }),
    endpoint("gone", { prompt: 100_003, completion: 700_001 }),
  ],
  [BETA]: [
    endpoint("two", { prompt: 59_999, completion: 239_999, request: 1_234_567 }),
    endpoint("three", { prompt: 61_057, completion: 251_003, input_cache_read: 7_919 }),
  ],
  [GAMMA]: [endpoint("two", { prompt: 3_000_017, completion: 15_000_101, input_cache_read: 300_007 })],
  [FREE]: [endpoint("three", { prompt: 0, completion: 0 })],
};

function endpoint(provider: SoakProvider, price: Readonly<Record<string, number>>): object {
  return {
    tag: provider,
    provider,
    upstream_model: "soak",
    price,
    price_source: "test",
    context_length: 128_000,
    max_completion_tokens: 4_000,
    supported_parameters: ["max_tokens", "temperature", "tools", "tool_choice"],
    input_modalities: ["text"],
  };
}

export const CATALOG = {
  version: 1,
  providers: PROVIDERS.map((slug) => ({
    slug,
    name: `The ${slug}`,
    adapter: "openai-compatible",
    base_url: "https://unused.example/v1",
    regions: [{ id: "here", latitude: 50, longitude: 8, jurisdiction: null, source: "test" }],
    data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
    cancellation: { policy: "stops", source: "test" },
    ...PROVIDER_FACTS[slug],
  })),
  models: Object.entries(ENDPOINTS).map(([id, endpoints]) => ({
    id,
    canonical_slug: id,
    name: id,
    created_s: 1_760_000_000,
    input_modalities: ["text"],
    output_modalities: ["text"],
    endpoints,
  })),
};

/** Short, so that a stall is over soon. */
export const DEADLINES: Readonly<Record<string, string>> = {
  WAYPOST_DEADLINE_HEADERS_MS: "1000",
  WAYPOST_DEADLINE_FIRST_TOKEN_MS: "1500",
  WAYPOST_DEADLINE_IDLE_MS: "1200",
  WAYPOST_DEADLINE_TOTAL_MS: "6500",
};
