/**
 * Hard and soft filters: which endpoints may serve this request at all, and in which of their regions.
 * Every endpoint that is left out keeps one reason, with the figures. Nothing here depends on health or time, so that
 * an outage never changes what a request is allowed to reach; what is closed right now is the plan's business.
 */
import { entryFacts } from "../catalog/entry.ts";
import type { ListedEndpoint, ListedModel, ModelEntry, PricedEndpoint, Provider, Region } from "../catalog/schema.ts";
import type { EpochMs } from "../core/clock.ts";
import type { Exclusion, ExclusionReason } from "../core/error.ts";
import type { Home, ProviderId } from "../core/ids.ts";
import { formatPrice } from "../core/money.ts";
import { hasHours, priceAt, priceAtTime, type Price } from "../core/price.ts";
import type { ByokRules } from "./byok.ts";
import type { MaxPrice, Preferences } from "./preferences.ts";

/** What routing must know of a request. */
export interface RequestFacts {
  /** Names as in `supported_parameters`: see `requestedParameters` in core/chat.ts. */
  readonly parameters: readonly string[];
  /** Kinds of input parts other than text. */
  readonly modalities: ReadonlySet<string>;
  /** A video is named by an address of YouTube, which the provider must follow itself. Absent: none is. */
  readonly hasYouTube?: boolean | undefined;
  /** Kinds of output that the client asked for; null: it did not say. */
  readonly outputModalities: readonly string[] | null;
  readonly promptTokensEstimate: number;
  /** Null: the client did not say. */
  readonly maxOutputTokens: number | null;
}

export interface FilterRules {
  readonly preferences: Preferences;
  readonly facts: RequestFacts;
  /** Providers that the operator has switched off. */
  readonly switchedOff: ReadonlySet<ProviderId>;
  /** Providers for which the operator has a credential. */
  readonly credentials: ReadonlySet<ProviderId>;
  /** The account's own credentials; absent: it has none. */
  readonly byok?: ByokRules | undefined;
  readonly accountHome: Home;
  /** Slugs that the key and its account may use; absent or null: all. */
  readonly allowedProviders?: readonly string[] | null | undefined;
  /** The time whose prices hold for the request. */
  readonly nowMs: EpochMs;
}

/** An endpoint that may serve, with the regions where it may. */
export interface Choice {
  readonly model: ListedModel;
  readonly endpoint: PricedEndpoint;
  readonly provider: Provider;
  readonly price: Price;
  /** At least one. */
  readonly regions: readonly Region[];
}

interface Verdict {
  readonly reason: ExclusionReason;
  readonly detail: string;
}

/** What a conversation can be answered with. */
const ANSWERS: ReadonlySet<string> = new Set(["text", "image", "audio"]);

/** Suffixes of paid service tiers: a bare provider slug in `order` or `only` never means them. */
const TIER_SUFFIXES: ReadonlySet<string> = new Set(["priority", "flex"]);

/** Kinds of output that an answer to a conversation may have. */
const CHAT_OUTPUTS: ReadonlySet<string> = new Set(["text", "image", "audio"]);

/** Other names under which a parameter may be listed. */
const SYNONYMS: { readonly [name: string]: readonly string[] } = {
  max_tokens: ["max_completion_tokens"],
  response_format: ["structured_outputs"],
  reasoning: ["include_reasoning", "reasoning_effort"],
};

/**
 * Parameters that change what an answer is, by weight. Endpoints that take them are used alone when there are any.
 * A JSON schema is satisfied by `structured_outputs` or `response_format`; it stands for both.
 */
const SOFT_PARAMETERS = ["tools", "structured_outputs", "response_format", "reasoning", "verbosity"] as const;

/** The endpoints of one model that may serve; what may not goes to `exclusions`, what will be ignored to `warnings`. */
export function filterEndpoints(
  entry: ModelEntry,
  rules: FilterRules,
  exclusions: Exclusion[],
  warnings: string[],
): readonly Choice[] {
  const { model } = entry;
  const { bySlug } = entryFacts(entry);
  let choices: Choice[] = [];
  for (const listed of model.endpoints) {
    const endpoint = endpointAt(listed, rules.nowMs);
    const provider = bySlug.get(endpoint.provider);
    // An entry always carries the providers of its endpoints; without one there is no way to reach it.
    if (provider === undefined) continue;
    const { price } = endpoint;
    const refusal = refusalOf(model, endpoint, provider, price, rules);
    if (refusal !== null || price === null) {
      exclusions.push(excluded(endpoint, refusal ?? { reason: "not_priced", detail: "no price is known" }));
      continue;
    }
    const regions = regionsOf(endpoint, provider, rules);
    if (regions.length === 0) {
      const pins = [rules.preferences.region, rules.accountHome].filter((pin) => pin !== null && pin !== "gl");
      exclusions.push(
        excluded(endpoint, { reason: "data_region", detail: `no region in ${[...new Set(pins)].join(" and ")}` }),
      );
      continue;
    }
    choices.push({ model, endpoint, provider, price, regions });
  }
  for (const name of SOFT_PARAMETERS) {
    if (rules.facts.parameters.includes(name))
      choices = softly(name, model, choices, rules.facts, exclusions, warnings);
  }
  return choices;
}

/** True when `wanted` (lower case: slug, tag or display name) means this endpoint. */
export function isNamed(wanted: string, endpoint: Pick<ListedEndpoint, "tag">, provider: Provider): boolean {
  if (wanted === endpoint.tag) return true;
  if (wanted !== provider.slug && wanted !== provider.name.toLowerCase()) return false;
  const slash = endpoint.tag.indexOf("/");
  return slash === -1 || !TIER_SUFFIXES.has(endpoint.tag.slice(slash + 1));
}

/** The endpoint with the prices of that moment; itself, where time does not matter. */
function endpointAt(endpoint: ListedEndpoint, atMs: EpochMs): PricedEndpoint {
  if (isTimeless(endpoint)) return endpoint;
  const { price, upstream_price } = endpoint;
  return {
    ...endpoint,
    price: price === null ? null : priceAtTime(price, atMs),
    upstream_price: upstream_price === null ? null : priceAtTime(upstream_price, atMs),
  };
}

function isTimeless(endpoint: ListedEndpoint): endpoint is ListedEndpoint & PricedEndpoint {
  const { price, upstream_price } = endpoint;
  return (price === null || !hasHours(price)) && (upstream_price === null || !hasHours(upstream_price));
}

function excluded(endpoint: PricedEndpoint, verdict: Verdict): Exclusion {
  return { endpoint: endpoint.tag, provider: endpoint.provider, reason: verdict.reason, detail: verdict.detail };
}

/** The first reason why this endpoint may not serve, else null. */
function refusalOf(
  model: ListedModel,
  endpoint: PricedEndpoint,
  provider: Provider,
  price: Price | null,
  rules: FilterRules,
): Verdict | null {
  return (
    listRefusal(model, endpoint, provider, rules) ??
    (price === null ? { reason: "not_priced", detail: "no price is known" } : null) ??
    policyRefusal(model, endpoint, provider, rules.preferences) ??
    youTubeRefusal(provider, rules.facts) ??
    capabilityRefusal(model, endpoint, rules) ??
    (price === null || rules.preferences.maxPrice === null
      ? null
      : priceRefusal(price, rules.preferences.maxPrice, rules.facts.promptTokensEstimate))
  );
}

function listRefusal(
  model: ListedModel,
  endpoint: PricedEndpoint,
  provider: Provider,
  rules: FilterRules,
): Verdict | null {
  const { only, ignore, order, allowFallbacks } = rules.preferences;
  if (rules.allowedProviders?.includes(provider.slug) === false) {
    return { reason: "allowed_providers", detail: `this API key may use ${rules.allowedProviders.join(", ")}` };
  }
  const isIn = (list: readonly string[]): boolean => list.some((wanted) => isNamed(wanted, endpoint, provider));
  if (only !== null && !isIn(only)) return { reason: "allowed_providers", detail: "not in provider.only" };
  if (!allowFallbacks && order !== null && !isIn(order)) {
    return { reason: "allowed_providers", detail: "not in provider.order, and fallbacks are off" };
  }
  // Here a bare slug means service tiers too: who ignores a provider ignores all of it.
  if (ignore !== null && (isIn(ignore) || ignore.includes(provider.slug))) {
    return { reason: "ignored_provider", detail: "in provider.ignore" };
  }
  if (rules.switchedOff.has(provider.slug))
    return { reason: "provider_disabled", detail: "switched off by the operator" };
  return credentialRefusal(model, provider, rules);
}

function credentialRefusal(model: ListedModel, provider: Provider, rules: FilterRules): Verdict | null {
  const own = rules.byok?.choose(provider.slug, model.id) ?? null;
  if (own !== null && own.usable.length > 0) return null;
  if (own?.isOnly === true) {
    return { reason: "no_credential", detail: "only your own credential may be used, and it cannot be opened" };
  }
  if (rules.credentials.has(provider.slug)) return null;
  return { reason: "no_credential", detail: "no credential is configured" };
}

function policyRefusal(
  model: ListedModel,
  endpoint: PricedEndpoint,
  provider: Provider,
  wanted: Preferences,
): Verdict | null {
  const policy = endpoint.data_policy ?? provider.data_policy;
  if (wanted.zdr && !policy.zdr) return { reason: "data_policy:zdr", detail: "zero data retention is not promised" };
  if (wanted.denyDataCollection && policy.training)
    return { reason: "data_policy:training", detail: "may train on prompts" };
  if (wanted.denyDataCollection && policy.retains_prompts) {
    const days = policy.retention_days;
    return { reason: "data_policy:training", detail: `keeps prompts${days === null ? "" : ` for ${days} days`}` };
  }
  if (wanted.distillableOnly && !model.distillable) {
    return { reason: "distillable", detail: "the author does not allow distillation" };
  }
  if (wanted.quantizations !== null && !wanted.quantizations.has(endpoint.quantization)) {
    return { reason: "quantization", detail: `${endpoint.quantization} is not in provider.quantizations` };
  }
  if (wanted.hardware !== null && !wanted.hardware.some((name) => isHardware(name, endpoint.hardware))) {
    const found = endpoint.hardware === undefined ? "its hardware is not known" : `runs on ${endpoint.hardware}`;
    return { reason: "hardware", detail: `${found}, not one of provider.hardware` };
  }
  return null;
}

/** A name admits its own forms: `h100` means `h100-sxm` as well, and never the other way round. */
export function isHardware(wanted: string, found: string | undefined): boolean {
  return found !== undefined && (found === wanted || found.startsWith(`${wanted}-`));
}

function youTubeRefusal(provider: Provider, { hasYouTube }: RequestFacts): Verdict | null {
  if (hasYouTube !== true || provider.youtube === true) return null;
  return { reason: "modality", detail: "takes no videos of YouTube" };
}

function capabilityRefusal(model: ListedModel, endpoint: PricedEndpoint, rules: FilterRules): Verdict | null {
  const { facts } = rules;
  for (const kind of facts.modalities) {
    if (!endpoint.input_modalities.some((one) => one === kind))
      return { reason: "modality", detail: `takes no ${kind} input` };
  }
  if (facts.outputModalities === null && !model.output_modalities.some((one) => CHAT_OUTPUTS.has(one))) {
    return { reason: "modality", detail: `answers with ${model.output_modalities.join(", ")} only` };
  }
  for (const kind of facts.outputModalities ?? []) {
    if (!model.output_modalities.some((one) => one === kind))
      return { reason: "modality", detail: `gives no ${kind} output` };
  }
  if (facts.outputModalities === null && !model.output_modalities.some((kind) => ANSWERS.has(kind))) {
    return { reason: "modality", detail: `gives ${model.output_modalities.join(" and ")}, no answers` };
  }
  const prompt = facts.promptTokensEstimate;
  const needed = prompt + (facts.maxOutputTokens ?? 1);
  if (endpoint.context_length < needed) {
    return { reason: "context_length", detail: `${endpoint.context_length} < ${needed} tokens` };
  }
  if (endpoint.max_prompt_tokens !== null && endpoint.max_prompt_tokens < prompt) {
    return { reason: "context_length", detail: `${endpoint.max_prompt_tokens} < ${prompt} prompt tokens` };
  }
  const output = endpoint.max_completion_tokens;
  if (facts.maxOutputTokens !== null && output !== null && output < facts.maxOutputTokens) {
    return { reason: "max_output", detail: `${output} < ${facts.maxOutputTokens} tokens` };
  }
  if (!rules.preferences.requireParameters) return null;
  const missing = facts.parameters.filter((name) => !isSupported(name, endpoint));
  return missing.length === 0 ? null : { reason: "require_parameters", detail: `does not take ${missing.join(", ")}` };
}

function priceRefusal(price: Price, caps: MaxPrice, promptTokens: number): Verdict | null {
  const at = priceAt(price, promptTokens);
  const asked: { readonly [key in keyof MaxPrice]-?: number } = {
    prompt: at.prompt,
    completion: at.completion,
    image: at.image ?? 0,
    audio: at.audio ?? at.prompt,
    request: at.request ?? 0,
  };
  for (const key of ["prompt", "completion", "image", "audio", "request"] as const) {
    const cap = caps[key];
    if (cap === undefined || asked[key] <= cap) continue;
    const unit = key === "prompt" || key === "completion" ? " per million tokens" : "";
    const scale = unit === "" ? 1 : 1_000_000;
    // Shown only: a price is at most 2^53 pico-dollars, and its millionfold keeps 15 digits.
    const shown = (value: number): string => formatPrice(Math.min(value * scale, Number.MAX_SAFE_INTEGER));
    return { reason: "max_price", detail: `${key} $${shown(asked[key])} > $${shown(cap)}${unit}` };
  }
  return null;
}

/** The provider's regions that run the endpoint and that every pin allows. Pins are hard: no promise, no traffic. */
function regionsOf(endpoint: PricedEndpoint, provider: Provider, rules: FilterRules): readonly Region[] {
  const pin = rules.preferences.region;
  const home = rules.accountHome === "gl" ? null : rules.accountHome;
  const listed = endpoint.regions;
  if (listed === undefined && pin === null && home === null) return provider.regions;
  return provider.regions.filter(
    (region) =>
      (listed === undefined || listed.includes(region.id)) &&
      (pin === null || region.jurisdiction === pin) &&
      (home === null || region.jurisdiction === home),
  );
}

function isSupported(name: string, endpoint: Pick<ListedEndpoint, "supported_parameters">): boolean {
  const listed = endpoint.supported_parameters;
  return listed.includes(name) || (SYNONYMS[name]?.some((other) => listed.includes(other)) ?? false);
}

/** Keeps the endpoints that take `name` when there are any; else keeps all of them and says so. */
function softly(
  name: (typeof SOFT_PARAMETERS)[number],
  model: ListedModel,
  choices: Choice[],
  facts: RequestFacts,
  exclusions: Exclusion[],
  warnings: string[],
): Choice[] {
  if (name === "response_format" && facts.parameters.includes("structured_outputs")) return choices;
  const isTaken = (choice: Choice): boolean =>
    isSupported(name, choice.endpoint) ||
    (name === "structured_outputs" && isSupported("response_format", choice.endpoint));
  const takers = choices.filter(isTaken);
  if (takers.length === choices.length) return choices;
  if (takers.length === 0) {
    warnings.push(`No endpoint of ${model.id} takes ${name}: it may be ignored.`);
    return choices;
  }
  for (const choice of choices) {
    if (!isTaken(choice)) {
      exclusions.push(
        excluded(choice.endpoint, { reason: "soft_parameters", detail: `does not take ${name}, others do` }),
      );
    }
  }
  return takers;
}
