/**
 * Feeds and overlay -> catalog document. Deterministic: the same packages, overlay and date give the same bytes.
 * A model is listed when at least one endpoint of it has a price. The first offer of a provider for a model decides its
 * price; a second one with another precision or speed becomes an endpoint of its own. Limits come from whoever knows
 * them, the provider's own feed first.
 */
import type * as z from "zod";
import type { SomePriceKeys } from "../../core/price.ts";
import { hostHardware } from "../data/host-hardware.ts";
import { compareText } from "../../core/compare.ts";
import { AUTHOR_OUTPUT_TOKENS, DISTILLABLE, FAMILIES, FIXED_SAMPLING } from "../overlay/families.ts";
import { GATEWAY_MODELS } from "../overlay/gateway.ts";
import { CATEGORIES, DEPRECATIONS, FAMILY_ALIASES } from "../overlay/shelves.ts";
import { LEFT_OUT, MODELS } from "../overlay/models.ts";
import { FREE_OFFERS } from "../overlay/offers.ts";
import { TASK_MODELS } from "../overlay/tasks.ts";
import type { FamilySeed, FreeOffer, ModelSeed, ProviderSeed } from "../overlay/seed.ts";
import type { CatalogSchema, EndpointSchema, ModelSchema } from "../schema.ts";
import { EMBEDDING } from "./prices.ts";
import { modelKey } from "./naming.ts";
import { createModelNames, type KnownModel, type ModelNames } from "./names.ts";
import { allOffers, PROVIDER_SEEDS, type Offer, type PackageVersions } from "./offers.ts";

export type CatalogDocument = z.input<typeof CatalogSchema>;
type ModelDocument = z.input<typeof ModelSchema>;
type EndpointDocument = z.input<typeof EndpointSchema>;

const REASONING_PARAMETERS = ["reasoning", "include_reasoning", "reasoning_effort"];
const SAMPLING = [
  "temperature",
  "top_p",
  "top_k",
  "frequency_penalty",
  "presence_penalty",
  "logit_bias",
  "logprobs",
  "top_logprobs",
  "stop",
];
const DAY_S = 86_400;
/** Taken where nobody says how much a model reads: what the smallest that are still served do. */
const CONTEXT_UNKNOWN_TOKENS = 8_192;
/** Authors whose own provider has another slug. */
const AUTHORS: Readonly<Record<string, string>> = {
  google: "google-ai-studio",
  "x-ai": "xai",
  mistralai: "mistral",
  qwen: "alibaba",
};

/** The whole document as of a day (`YYYY-MM-DD`, for prices that begin at a date). */
export function assembleCatalog(versions: PackageVersions, asOf: string): CatalogDocument {
  const names = createModelNames(asOf);
  const offers = offersByModel(versions, asOf, names);
  const models = [
    ...[...offers].map(([id, rows]) => paidModel(id, rows, names)),
    ...FREE_OFFERS.map((offer) => freeModel(offer, names)),
    ...TASK_MODELS,
  ].toSorted((a, b) => compareText(a.id, b.id));
  return {
    version: 1,
    providers: PROVIDER_SEEDS.map((seed) => seed.provider),
    models,
    family_aliases: FAMILY_ALIASES.map((alias) => ({ ...alias, models: [...alias.models] })),
  };
}

/** A gateway serves what others serve too, by the same ids, and the models of its own list. */
function offersByModel(
  versions: PackageVersions,
  asOf: string,
  names: ModelNames,
): ReadonlyMap<string, readonly Offer[]> {
  const offers = new Map<string, Offer[]>();
  const add = (id: string, offer: Offer): unknown => offers.set(id, [...(offers.get(id) ?? []), offer]);
  const all = allOffers(versions, asOf);
  const isGateway = (offer: Offer): boolean => offer.feed?.gateway === true;
  for (const offer of all.filter((one) => !isGateway(one))) {
    const id = offer.id ?? names.idOf(offer.spelled, offer.seed.author);
    if (id === undefined || (!GATEWAY_MODELS.has(id) && LEFT_OUT.some((pattern) => pattern.test(id)))) continue;
    add(id, offer);
  }
  const served = new Set(offers.keys());
  for (const offer of all.filter(isGateway)) {
    if (served.has(offer.spelled) || GATEWAY_MODELS.has(offer.spelled)) add(offer.spelled, offer);
  }
  return offers;
}

function paidModel(id: string, offers: readonly Offer[], names: ModelNames): ModelDocument {
  const context = contextOf(id, names);
  const endpoints: EndpointDocument[] = [];
  for (const offer of offers) {
    const { suffix: ownSuffix, quantization } = modelKey(offer.spelled);
    const route = offer.feed?.route ?? offer.feed?.suffix;
    const suffix = route ?? ownSuffix;
    const own = endpoints.filter((endpoint) => endpoint.provider === offer.seed.provider.slug);
    if (
      own.some(
        (endpoint) =>
          endpoint.upstream_model === offer.upstreamModel || suffix === "" || endpoint.tag.endsWith(`/${suffix}`),
      )
    )
      continue;
    const base = endpointBase(context, offer.seed, offer.contextTokens);
    const outputTokens = offer.outputTokens ?? (isAuthor(offer.seed, id) ? authorOutputTokens(context) : null);
    endpoints.push({
      ...base,
      tag: own.length === 0 && route === undefined ? offer.seed.provider.slug : `${offer.seed.provider.slug}/${suffix}`,
      upstream_model: offer.upstreamModel,
      price: priceDocument(id, offer.price),
      price_source: offer.source,
      ...regionsOf(offer),
      max_completion_tokens: outputTokens === null ? null : Math.min(outputTokens, base.context_length),
      max_prompt_tokens: offer.maxPromptTokens,
      quantization,
    });
  }
  return modelDocument(id, context, endpoints);
}

/** Nothing where all of the provider's regions run it. */
function regionsOf({ seed, upstreamModel }: Offer): Pick<EndpointDocument, "regions"> {
  const found = seed.regionsOf?.find(([pattern]) => pattern.test(upstreamModel));
  return found === undefined ? {} : { regions: [...found[1]] };
}

function freeModel(offer: FreeOffer, names: ModelNames): ModelDocument {
  const context = contextOf(offer.model, names);
  const seed = PROVIDER_SEEDS.find((known) => known.provider.slug === offer.provider);
  if (seed === undefined) throw new Error(`the overlay's ${offer.model}:free names no provider`);
  const document = modelDocument(offer.model, context, [
    {
      ...endpointBase(context, seed, offer.contextTokens),
      context_length: offer.contextTokens,
      tag: seed.provider.slug,
      upstream_model: offer.upstreamModel,
      price: { prompt: 0, completion: 0 },
      price_source: offer.source,
      max_completion_tokens: null,
      data_policy: offer.dataPolicy,
    },
  ]);
  return {
    ...document,
    id: `${document.id}:free`,
    canonical_slug: `${document.canonical_slug}:free`,
    aliases: [],
    name: `${document.name} (free)`,
  };
}

/** Everything known of one model before its endpoints are made. */
interface ModelContext {
  readonly id: string;
  readonly family: FamilySeed;
  readonly seed: ModelSeed;
  readonly known: KnownModel;
}

function contextOf(id: string, names: ModelNames): ModelContext {
  const known = names.known(id);
  const family = FAMILIES.find((row) => row.match.test(id)) ?? unknownFamily(known);
  return { id, family, seed: MODELS[id] ?? {}, known };
}

/** A family that the overlay does not know has what the packages say, and nothing that they do not. */
function unknownFamily({ facts }: KnownModel): FamilySeed {
  const inputs = (["image", "file", "audio", "video"] as const).filter((one) => facts?.inputModalities.includes(one));
  return {
    match: /^/,
    tokenizer: "Other",
    inputs: ["text", ...inputs],
    openWeights: facts?.openWeights ?? false,
    tools: facts?.callsTools ?? false,
    reasoning: facts?.reasons === true ? "optional" : "none",
    contextTokens: CONTEXT_UNKNOWN_TOKENS,
  };
}

function outputsOf(id: string): ModelDocument["output_modalities"] {
  if (EMBEDDING.test(id)) return ["embeddings"];
  return id.startsWith("openai/gpt-audio") ? ["text", "audio"] : ["text"];
}

type EndpointBase = Pick<
  EndpointDocument,
  | "provider"
  | "context_length"
  | "supported_parameters"
  | "input_modalities"
  | "supports_implicit_caching"
  | "hardware"
  | "hardware_source"
>;

function endpointBase(context: ModelContext, seed: ProviderSeed, ownContextTokens: number | null): EndpointBase {
  return {
    provider: seed.provider.slug,
    context_length: ownContextTokens ?? context.known.contextTokens ?? context.family.contextTokens,
    supported_parameters: [...parametersOf(context, seed)],
    input_modalities: [...inputsOf(context)],
    supports_implicit_caching: seed.implicitCaching ?? false,
    ...hostHardware(seed.provider.slug),
  };
}

function parametersOf({ id, family, seed: model }: ModelContext, seed: ProviderSeed): readonly string[] {
  if (EMBEDDING.test(id)) return [];
  const fixed = isAuthor(seed, id) && FIXED_SAMPLING.some((pattern) => pattern.test(id));
  const names = seed.parameters.filter((name) => !fixed || !SAMPLING.includes(name));
  if (fixed && /gpt-[5-9]/.test(id)) names.push("verbosity");
  if (family.tools && seed.tools !== "none") names.push("tools", "tool_choice");
  if (family.tools && seed.tools === "parallel") names.push("parallel_tool_calls");
  return (model.reasoning ?? family.reasoning) === "none" ? names : [...names, ...REASONING_PARAMETERS];
}

function authorOutputTokens({ id, known }: ModelContext): number | null {
  return known.facts?.outputTokens ?? AUTHOR_OUTPUT_TOKENS.find(([pattern]) => pattern.test(id))?.[1] ?? null;
}

function inputsOf({ family, seed }: ModelContext): FamilySeed["inputs"] {
  return seed.inputs ?? family.inputs;
}

/** The provider made the model: its own limits hold there, and maybe not elsewhere. */
function isAuthor(seed: ProviderSeed, id: string): boolean {
  const author = id.slice(0, id.indexOf("/"));
  return (AUTHORS[author] ?? author) === seed.provider.slug;
}

function modelDocument(id: string, context: ModelContext, endpoints: readonly EndpointDocument[]): ModelDocument {
  const { family, seed, known } = context;
  const releasedOn = seed.releasedOn ?? known.facts?.releasedOn;
  const canonical = seed.canonical ?? id;
  return {
    id,
    canonical_slug: canonical,
    aliases: aliasesOf(id, canonical, seed),
    name: seed.name ?? known.name ?? titleOf(id),
    created_s: releasedOn === undefined ? 0 : Math.floor(Date.parse(`${releasedOn}T00:00:00Z`) / 1_000 / DAY_S) * DAY_S,
    description: known.description,
    hugging_face_id: seed.huggingFaceId ?? null,
    input_modalities: [...inputsOf(context)],
    output_modalities: outputsOf(id),
    categories: CATEGORIES.filter(([, pattern]) => pattern.test(id)).map(([category]) => category),
    tokenizer: family.tokenizer,
    expiration_date: DEPRECATIONS[id]?.date ?? null,
    knowledge_cutoff: known.facts?.knowledgeCutoff ?? null,
    open_weights: family.openWeights,
    distillable: family.openWeights && DISTILLABLE.test(id),
    reasoning_mandatory: (seed.reasoning ?? family.reasoning) === "mandatory",
    endpoints: [...endpoints],
  };
}

/** Versions are also found with a hyphen for the dot, as the makers themselves spell some of them. */
function aliasesOf(id: string, canonical: string, seed: ModelSeed): string[] {
  const hyphenated = id.replace(/(\d)\.(\d)/g, "$1-$2");
  const names = [...(seed.aliases ?? []), ...(id.startsWith("anthropic/") ? [hyphenated] : [])];
  return [...new Set(names)].filter((name) => name !== id && name !== canonical);
}

/** `qwen/qwen3.5-35b-a3b` is "Qwen3.5 35B A3B". */
function titleOf(id: string): string {
  return id
    .slice(id.indexOf("/") + 1)
    .split("-")
    .map((word) =>
      /^(a?\d+b|glm|gpt|vl|it)$/.test(word) ? word.toUpperCase() : `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`,
    )
    .join(" ");
}

function priceDocument(id: string, { overrides, ...keys }: Offer["price"]): EndpointDocument["price"] {
  const hourly = id.startsWith("anthropic/") ? withHourWrites : <K extends SomePriceKeys>(same: K): K => same;
  return { ...hourly(keys), ...(overrides === undefined ? {} : { overrides: overrides.map(hourly) }) };
}

/**
 * Writing to Claude's cache for an hour costs twice the prompt, wherever it runs; feeds leave that out. Source:
 * https://platform.claude.com/docs/en/about-claude/pricing#prompt-caching (November 2026).
 */
function withHourWrites<K extends SomePriceKeys>(keys: K): K {
  const { prompt, input_cache_write: write, input_cache_write_1h: hour } = keys;
  return write === undefined || prompt === undefined || hour !== undefined
    ? keys
    : { ...keys, input_cache_write_1h: 2 * prompt };
}
