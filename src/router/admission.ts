/**
 * What a request may cost at most, and what to do when the account cannot cover it: clamp the output where some of it is
 * affordable, else a 402 that says how many tokens are.
 */
import { inputModalities, type CacheControl, type ChatRequest } from "../core/chat.ts";
import type { RouterError } from "../core/error.ts";
import type { NanoUsd } from "../core/money.ts";
import type { Price } from "../core/price.ts";
import type { Admission, Footprint } from "../gates/account-contract.ts";
import { affordableOutputTokens, worstCaseNusd, type WorstCaseFeatures } from "../ledger/cost.ts";
import { payablePrice } from "./byok.ts";
import type { Route } from "./route.ts";
import type { Candidate } from "./score.ts";

/**
 * Output that is held for when the client names no limit. The model's own maximum (often 65,536) would lock balances
 * that the answer never needs; what an answer costs beyond its hold is charged from the balance, if there is one.
 */
const DEFAULT_HOLD_TOKENS = 8_192;

export interface Need {
  readonly wantedNusd: NanoUsd;
  /** Prompt and one token. */
  readonly minimumNusd: NanoUsd;
  readonly outputTokens: number;
  /** The dearest candidate's price: what the wording and the clamp go by. */
  readonly price: Price;
  readonly images: number;
  readonly features: WorstCaseFeatures;
}

/** The worst case over all candidates: whichever serves, the hold covers it. */
export function needOf(request: ChatRequest, candidates: readonly Candidate[], promptTokens: number): Need {
  const inputs = inputModalities(request.messages);
  const images = inputs.has("image") ? countImages(request) : 0;
  const asked = { writesCache1h: writesCache1h(request), hasInputAudio: inputs.has("audio") };
  let need: Need | null = null;
  for (const candidate of candidates) {
    const { endpoint, model } = candidate;
    const price = payablePrice(candidate);
    if (price === null) continue;
    const outputTokens = outputTokensOf(request, endpoint);
    const choices = request.sampling.n ?? 1;
    // A model that gives pictures or sound may give them unasked.
    const outputs: readonly string[] = request.modalities ?? model.output_modalities;
    const features = { ...asked, wantsImages: outputs.includes("image"), wantsAudio: outputs.includes("audio") };
    const wantedNusd = worstCaseNusd(promptTokens, outputTokens * choices, images, price, features);
    if (need !== null && wantedNusd <= need.wantedNusd) continue;
    const minimumNusd = worstCaseNusd(promptTokens, 1, images, price, features);
    need = { wantedNusd, minimumNusd, outputTokens, price, images, features };
  }
  const price = { prompt: 0, completion: 0 };
  return need ?? { wantedNusd: 0n, minimumNusd: 0n, outputTokens: 0, price, images, features: asked };
}

/** The request with its output cut to what the hold covers; null when the hold is whole. */
export function clampTo(request: ChatRequest, need: Need, holdNusd: NanoUsd, promptTokens: number): ChatRequest | null {
  if (holdNusd >= need.wantedNusd) return null;
  const affordable = affordableOutputTokens(holdNusd, promptTokens, need.price, need.images, need.features);
  return { ...request, maxOutputTokens: Math.max(1, Math.floor(affordable / (request.sampling.n ?? 1))) };
}

/** What the request touches that limits may stand against. `models` are all it names, tried or not. */
export function footprintOf(route: Route, need: Need, refusesClamp: boolean): Footprint {
  const { candidates } = route.plan;
  const output = Math.max(
    need.outputTokens,
    ...candidates.map(({ endpoint }) => outputTokensOf(route.request, endpoint)),
  );
  const wanted = route.promptTokens + output * (route.request.sampling.n ?? 1);
  return {
    models: route.modelIds,
    providers: [...new Set(candidates.map(({ provider }) => provider.slug))],
    tokens: { wanted, minimum: refusesClamp ? wanted : route.promptTokens + 1 },
  };
}

/** The request with its output cut to the tokens (absent: all) that a whole minute has; null when there was no need to. */
export function clampToTokens(
  request: ChatRequest,
  footprint: Footprint,
  tokens: number | undefined,
  promptTokens: number,
): ChatRequest | null {
  if (tokens === undefined || tokens >= footprint.tokens.wanted) return null;
  const output = Math.floor((tokens - promptTokens) / (request.sampling.n ?? 1));
  return { ...request, maxOutputTokens: Math.max(1, Math.min(output, request.maxOutputTokens ?? output)) };
}

/** The 402 behind an admission that found too little. */
export function shortError(
  admission: Extract<Admission, { kind: "short" }>,
  need: Need,
  promptTokens: number,
): RouterError {
  const { spendableNusd, limitSource } = admission;
  const affordable = affordableOutputTokens(spendableNusd, promptTokens, need.price, need.images, need.features);
  const reason =
    limitSource === "key_limit"
      ? "The key's limit leaves no more."
      : limitSource === "in_flight_budget"
        ? "The rest is reserved by requests that are running."
        : "Add credits to continue.";
  // The rim puts the two counts before it.
  const message = affordable > 0 ? reason : `Not even the prompt is affordable. ${reason}`;
  return {
    kind: "insufficient_credit",
    message,
    limitSource,
    affordableTokens: affordable,
    requestedTokens: need.outputTokens,
  };
}

/** The plan without the models that `error` stands against; null when there are no others. */
export function affordableHalf(route: Route, error: RouterError): Route | null {
  const lacksCredit = error.kind === "insufficient_credit";
  const isFreeTier = error.kind === "rate_limited" && error.limitSource.startsWith("free_tier");
  if (!lacksCredit && !isFreeTier) return null;
  const isLeft = ({ model }: Candidate): boolean => route.freeModels.has(model.id) === lacksCredit;
  const candidates = route.plan.candidates.filter(isLeft);
  if (candidates.length === 0 || candidates.length === route.plan.candidates.length) return null;
  const reason = lacksCredit ? "there is not enough credit for it" : "the limit of the free tier is reached";
  const ids = new Set(route.plan.candidates.filter((one) => !isLeft(one)).map(({ model }) => model.id));
  const warnings = [...ids].map((id) => `${id} was not tried: ${reason}.`);
  return { ...route, plan: { ...route.plan, candidates }, warnings: [...route.warnings, ...warnings] };
}

/** Output that is reserved for at this endpoint. */
function outputTokensOf(request: ChatRequest, endpoint: Candidate["endpoint"]): number {
  const most = Math.min(endpoint.max_completion_tokens ?? DEFAULT_HOLD_TOKENS, DEFAULT_HOLD_TOKENS);
  return request.maxOutputTokens ?? most;
}

/** A breakpoint that the provider may bill at its dearest rate. */
function writesCache1h(request: ChatRequest): boolean {
  const isHour = (one: { readonly cacheControl?: CacheControl | undefined }): boolean => one.cacheControl?.ttl === "1h";
  return isHour(request) || request.tools.some(isHour) || request.messages.some(({ parts }) => parts.some(isHour));
}

function countImages(request: ChatRequest): number {
  let count = 0;
  for (const message of request.messages) for (const part of message.parts) if (part.type === "image") count++;
  return count;
}
