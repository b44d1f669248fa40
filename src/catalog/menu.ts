/**
 * What router models choose from: one short row for each model that answers conversations, cheapest first. Pure.
 * A row tells of all endpoints of its model together, each fact at its best, so it never rules out a model that one of its
 * endpoints could serve; which endpoint may serve at last, the plan decides. Prices are pico-dollars per token, charged
 * ones, the lowest at any time of day.
 */
import type { ModelId, ProviderId, RegionId } from "../core/ids.ts";
import type { ListedPrice } from "../core/price.ts";
import { compareText } from "../core/compare.ts";
import type { Category, ListedEndpoint, ModelEntry } from "./schema.ts";

/** Parameters that change what an answer is, under which a model may be chosen. */
const MENU_PARAMETERS: readonly string[] = ["tools", "structured_outputs", "response_format", "reasoning"];

export interface MenuRow {
  readonly id: ModelId;
  /** Seconds since the epoch; 0 when the release date is not known. */
  readonly createdS: number;
  /** Kinds of input other than text. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly parameters: readonly string[];
  readonly contextLength: number;
  /** Null: no limit is known. */
  readonly maxOutput: number | null;
  readonly promptPusd: number;
  readonly completionPusd: number;
  readonly categories: readonly Category[];
  /** What others measured, of 100; absent: nobody has. */
  readonly scores?: MenuScores;
  readonly isReasoningMandatory: boolean;
  readonly isDistillable: boolean;
  readonly zdr: boolean;
  /** Some endpoint neither trains on prompts nor keeps them. */
  readonly keepsNothing: boolean;
  readonly regions: readonly ("eu" | "us")[];
  /** The day on which it is switched off, `YYYY-MM-DD`. */
  readonly expirationDate: string | null;
  /** Each provider with one of its regions. */
  readonly places: readonly { readonly provider: ProviderId; readonly region: RegionId }[];
  /** What its endpoints run on, where that is known of any. */
  readonly hardware?: readonly string[];
  /** What may stand for an endpoint in a list of providers: slugs, tags and names in lower case. */
  readonly names: readonly string[];
}

export interface MenuScores {
  readonly intelligence: number | null;
  readonly coding: number | null;
  readonly agentic: number | null;
}

/** The rows of all models that may be chosen; the only variants among them are free. */
export function menuOf(entries: readonly ModelEntry[]): readonly MenuRow[] {
  return entries
    .flatMap((entry) => menuRow(entry) ?? [])
    .toSorted((a, b) => blended(a) - blended(b) || compareText(a.id, b.id));
}

function blended({ promptPusd, completionPusd }: MenuRow): number {
  return 3 * promptPusd + completionPusd;
}

function menuRow({ model, providers }: ModelEntry): MenuRow | undefined {
  const variant = model.id.split(":")[1];
  if (variant !== undefined && variant !== "free") return undefined;
  const priced = model.endpoints.flatMap((endpoint) => {
    const provider = providers.find(({ slug }) => slug === endpoint.provider);
    return endpoint.price === null || provider === undefined ? [] : [{ endpoint, provider, price: endpoint.price }];
  });
  if (priced.length === 0 || !model.output_modalities.includes("text")) return undefined;
  const endpoints = priced.map(({ endpoint }) => endpoint);
  const policies = priced.map(({ endpoint, provider }) => endpoint.data_policy ?? provider.data_policy);
  const regions = priced.flatMap(({ endpoint, provider }) =>
    provider.regions.filter(({ id }) => endpoint.regions?.includes(id) !== false),
  );
  const places = new Map(
    priced.flatMap(({ endpoint, provider: { slug, regions: all } }) => {
      const region = endpoint.regions?.[0] ?? all[0]?.id;
      return region === undefined ? [] : [[slug, { provider: slug, region }] as const];
    }),
  );
  const index = model.benchmarks?.artificial_analysis;
  return {
    id: model.id,
    createdS: model.created_s,
    inputs: unique(endpoints.flatMap((endpoint) => endpoint.input_modalities)).filter((kind) => kind !== "text"),
    outputs: model.output_modalities,
    parameters: MENU_PARAMETERS.filter((name) =>
      endpoints.some((endpoint) => endpoint.supported_parameters.includes(name)),
    ),
    contextLength: Math.max(...endpoints.map((endpoint) => endpoint.context_length)),
    maxOutput: mostOf(endpoints),
    promptPusd: Math.min(...priced.map(({ price }) => lowest(price, "prompt"))),
    completionPusd: Math.min(...priced.map(({ price }) => lowest(price, "completion"))),
    categories: model.categories,
    ...(index === undefined
      ? {}
      : {
          scores: {
            intelligence: index.intelligence_index,
            coding: index.coding_index,
            agentic: index.agentic_index,
          },
        }),
    isReasoningMandatory: model.reasoning_mandatory,
    isDistillable: model.distillable,
    zdr: policies.some((policy) => policy.zdr),
    keepsNothing: policies.some((policy) => !policy.training && !policy.retains_prompts),
    regions: unique(regions.flatMap(({ jurisdiction }) => jurisdiction ?? [])),
    expirationDate: model.expiration_date,
    places: [...places.values()],
    ...(endpoints.some(({ hardware }) => hardware !== undefined)
      ? { hardware: unique(endpoints.flatMap(({ hardware }) => hardware ?? [])) }
      : {}),
    names: unique(
      priced.flatMap(({ endpoint, provider }) => [provider.slug, endpoint.tag, provider.name.toLowerCase()]),
    ),
  };
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}

/** The longest answer that any of them gives; null when one of them does not say. */
function mostOf(endpoints: readonly ListedEndpoint[]): number | null {
  const limits = endpoints.map((endpoint) => endpoint.max_completion_tokens);
  return limits.reduce((most, limit) => (most === null || limit === null ? null : Math.max(most, limit)), 0);
}

function lowest(price: ListedPrice, key: "prompt" | "completion"): number {
  return Math.min(price[key], ...(price.overrides ?? []).map((override) => override[key] ?? price[key]));
}
