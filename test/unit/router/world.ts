/** A small catalog and plan inputs for routing tests: everything has a default, a test says what matters to it. */
import {
  EndpointSchema,
  ProviderSchema,
  type ListedEndpoint,
  type ModelEntry,
  type Provider,
} from "../../../src/catalog/schema.ts";
import { asModelId, asProviderId, type ProviderId } from "../../../src/core/ids.ts";
import { healthSnapshot, NEW_HEALTH, type Health } from "../../../src/limits/health.ts";
import type { RequestFacts } from "../../../src/router/filter.ts";
import type { Plausible } from "../../../src/router/plausible.ts";
import type { Candidate } from "../../../src/router/score.ts";
import type { PlanInput } from "../../../src/router/plan.ts";
import { parsePreferences, type Preferences } from "../../../src/router/preferences.ts";
import type { JsonObject } from "../../../src/core/json.ts";

/** What an answer can count of a model that does not reason, with room for a long prompt. */
export const PLAUSIBLE: Plausible = {
  promptTokensMax: 1_000,
  unseenTokens: { allowed: 0, possible: 0 },
  unseenOfReasoner: { allowed: 500, possible: 8_000 },
};
export const NOW = 1_800_000_000_000;
export const FRANKFURT = { latitude: 50.1, longitude: 8.7, country: "DE", continent: "EU", colo: "FRA" };
export const SEOUL = { latitude: 37.6, longitude: 127, country: "KR", continent: "AS", colo: "ICN" };
const PLACES: Record<string, { latitude: number; longitude: number; jurisdiction: "eu" | "us" | null }> = {
  frankfurt: { latitude: 50.1, longitude: 8.7, jurisdiction: "eu" },
  virginia: { latitude: 39, longitude: -77.5, jurisdiction: "us" },
  tokyo: { latitude: 35.7, longitude: 139.7, jurisdiction: null },
};

/** `given.prompt` and `completion` are pico-dollars per token: 1_000_000 is one dollar per million. */
export interface EndpointWish {
  readonly tag: string;
  readonly regions?: readonly string[];
  readonly prompt?: number;
  readonly completion?: number;
  readonly endpoint?: Record<string, unknown>;
  readonly provider?: Record<string, unknown>;
}

function providerOf(slug: string, regions: readonly string[], more: Record<string, unknown> = {}): Provider {
  return ProviderSchema.parse({
    slug,
    name: `The ${slug}`,
    adapter: "openai-compatible",
    base_url: "https://example.test/v1",
    regions: regions.map((id) => ({
      id,
      ...(PLACES[id] ?? { latitude: null, longitude: null, jurisdiction: null }),
      source: "test",
    })),
    data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
    cancellation: { policy: "stops", source: "test" },
    ...more,
  });
}

export function entryOf(id: string, wishes: readonly EndpointWish[], model: Record<string, unknown> = {}): ModelEntry {
  const providers = new Map<string, Provider>();
  const endpoints = wishes.map((wish): ListedEndpoint => {
    const slug = wish.tag.split("/")[0] ?? "";
    if (!providers.has(slug)) providers.set(slug, providerOf(slug, wish.regions ?? ["virginia"], wish.provider));
    const parsed = EndpointSchema.parse({
      tag: wish.tag,
      provider: slug,
      upstream_model: "upstream",
      price: { prompt: wish.prompt ?? 1_000_000, completion: wish.completion ?? wish.prompt ?? 1_000_000 },
      price_source: "test",
      context_length: 128_000,
      max_completion_tokens: 8_000,
      supported_parameters: [
        "tools",
        "tool_choice",
        "temperature",
        "max_tokens",
        "response_format",
        "structured_outputs",
      ],
      input_modalities: ["text"],
      ...(wish.regions === undefined ? {} : { regions: wish.regions }),
      ...wish.endpoint,
    });
    return { ...parsed, upstream_price: parsed.price };
  });
  return {
    // The rest of a model's facts plays no part in routing.
    model: {
      id: asModelId(id),
      canonical_slug: id,
      aliases: [],
      name: id,
      created_s: 0,
      description: "",
      hugging_face_id: null,
      input_modalities: ["text"],
      output_modalities: ["text"],
      tokenizer: "Other",
      instruct_type: null,
      knowledge_cutoff: null,
      expiration_date: null,
      categories: [],
      open_weights: false,
      distillable: false,
      reasoning_mandatory: false,
      ...model,
      endpoints,
    },
    providers: [...providers.values()],
  };
}

export const FACTS: RequestFacts = {
  parameters: [],
  modalities: new Set(),
  outputModalities: null,
  promptTokensEstimate: 1_000,
  maxOutputTokens: null,
};

/** Preferences from a `provider` object; throws when it is refused. */
export function wishesOf(provider: JsonObject): Preferences {
  const parsed = parsePreferences(provider);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}

/** A plan input over `entries`; every provider has a credential; `health` is by `tag` or `tag@region`. */
export function inputOf(
  entries: readonly ModelEntry[],
  more: Partial<Omit<PlanInput, "health">> & { health?: Readonly<Record<string, Partial<Health>>> } = {},
): PlanInput {
  const { health, ...rest } = more;
  const fresh = healthSnapshot(NEW_HEALTH, NOW);
  return {
    models: entries.map((entry) => ({ entry })),
    facts: FACTS,
    preferences: wishesOf({}),
    switchedOff: new Set<ProviderId>(),
    credentials: new Set(entries.flatMap((entry) => entry.providers.map((provider) => provider.slug))),
    accountHome: "gl",
    place: null,
    bucket: null,
    seed: "req-1",
    nowMs: NOW,
    health: (_provider, region, tag) => {
      const found = health?.[`${tag}@${region}`] ?? health?.[tag];
      return found === undefined ? undefined : { ...fresh, ...found };
    },
    ...rest,
  };
}

export const idsOf = (...slugs: readonly string[]): ReadonlySet<ProviderId> => new Set(slugs.map(asProviderId));
/** `tag@region` of each candidate, in order. */
export const namesOf = (candidates: readonly Candidate[]): readonly string[] =>
  candidates.map(({ endpoint, region }) => `${endpoint.tag}@${region.id}`);
export const tagsOf = (candidates: readonly Candidate[]): readonly string[] =>
  candidates.map(({ endpoint }) => endpoint.tag);
export const BROKEN: Partial<Health> = {
  breaker: { kind: "open", untilMs: NOW + 5_000, trips: 1 },
  lastFailureMs: NOW - 1_000,
};
export const FAILED_LATELY: Partial<Health> = { lastFailureMs: NOW - 10_000, uptime5m: 0.9 };
