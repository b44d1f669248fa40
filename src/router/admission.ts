/**
 * What a request may cost at most, and what to do when the account cannot cover it: clamp the output where some of it is
 * affordable, else a 402 that says how many tokens are.
 */
import { inputModalities, type CacheControl, type ChatRequest } from "../core/chat.ts";
import type { RouterError } from "../core/error.ts";
import type { NanoUsd } from "../core/money.ts";
import type { Price } from "../core/price.ts";
import type { Admission, AdmitRequest, Footprint } from "../gates/account-contract.ts";
import { affordableOutputTokens, worstCaseFor, type WorstCaseFeatures } from "../ledger/cost.ts";
import { DOCUMENTS_PER_SEARCH_UNIT } from "../core/task.ts";
import { FIRST_STEP_TOKENS } from "../ledger/step.ts";
import { payablePrice } from "./byok.ts";
import { isReasoningOff } from "./mandatory-reasoning.ts";
import type { Route } from "./route.ts";
import { DEADLINES } from "./deadlines.ts";
import type { Candidate } from "./score.ts";
import { surchargeOf } from "./settlement.ts";

/**
 * Output that is held for when the client names no limit and the credit is not plenty. The model's own maximum (often
 * 65,536) would lock balances that the answer never needs; the answer is cut to what is held.
 */
const DEFAULT_HOLD_TOKENS = 8_192;

/**
 * How an answer is held for. `whole`: all that it may cost, since nobody can add to it. `steps`: a first step, and more
 * while it is delivered (steps.ts).
 */
export type HoldWay = "whole" | "steps";

export interface Need {
  readonly way: HoldWay;
  /** What is held at first: with `steps` no more than the first step, else the limit, or the default where there is none. */
  readonly wantedNusd: NanoUsd;
  /** Prompt and one token. */
  readonly minimumNusd: NanoUsd;
  /** Worst case of the longest answer that the request allows. */
  readonly fullNusd: NanoUsd;
  /** Of each choice: the client's limit, else what is held for by default. */
  readonly outputTokens: number;
  /** The dearest candidate's price: what the wording and the clamp go by. */
  readonly price: Price;
  readonly images: number;
  readonly features: WorstCaseFeatures;
}

/** The worst case over all candidates: whichever serves, the hold covers it. */
export function needOf(
  request: ChatRequest,
  candidates: readonly Candidate[],
  promptTokens: number,
  way: HoldWay = "whole",
): Need {
  const inputs = inputModalities(request.messages);
  const images = inputs.has("image") ? countImages(request) : 0;
  const asked = { writesCache1h: writesCache1h(request), hasInputAudio: inputs.has("audio") };
  const choices = request.sampling.n ?? 1;
  let need: Need | null = null;
  let fullNusd = 0n;
  for (const candidate of candidates) {
    const price = payablePrice(candidate);
    if (price === null) continue;
    const outputs = outputsOf(request, candidate);
    const features = {
      writesCache1h: asked.writesCache1h,
      hasInputAudio: asked.hasInputAudio,
      wantsImages: outputs.includes("image"),
      wantsAudio: outputs.includes("audio"),
      surcharge: leavingCost(request, candidate).surcharge,
      work: workOf(request, price).work,
    };
    const worstFor = worstCaseFor(promptTokens, images, price, features);
    const worst = (tokens: number): NanoUsd => worstFor(tokens * choices);
    const fullTokens = fullTokensOf(request, candidate, promptTokens);
    const outputTokens = request.maxOutputTokens ?? Math.min(DEFAULT_HOLD_TOKENS, fullTokens);
    const candidateNusd = worst(fullTokens);
    if (candidateNusd > fullNusd) fullNusd = candidateNusd;
    const firstTokens = way === "steps" ? Math.min(FIRST_STEP_TOKENS, outputTokens) : outputTokens;
    const wantedNusd = firstTokens === fullTokens ? candidateNusd : worst(firstTokens);
    if (need !== null && wantedNusd <= need.wantedNusd) continue;
    need = { way, wantedNusd, minimumNusd: worst(1), fullNusd, outputTokens, price, images, features };
  }
  if (need !== null) return { ...need, fullNusd };
  const price = { prompt: 0, completion: 0 };
  return { way, wantedNusd: 0n, minimumNusd: 0n, fullNusd, outputTokens: 0, price, images, features: asked };
}

/**
 * What may be billed beside tokens: of a task, a unit of search for each hundred documents, begun ones included; where
 * hardware is paid by the second, all the time that a generation may take.
 */
function workOf({ task }: ChatRequest, price: Price): Pick<WorstCaseFeatures, "work"> {
  if ((price.hardware_second ?? 0) > 0) return { work: { hardwareMs: DEADLINES.totalMs } };
  if (task?.kind !== "rerank") return {};
  // A long document counts as several; twice as many leaves room for some.
  return { work: { searchUnits: 2 * Math.ceil(task.documents.length / DOCUMENTS_PER_SEARCH_UNIT) } };
}

/** Only a stream can be left early; who uses a credential of its own pays the provider itself. */
export function leavingCost(request: ChatRequest, candidate: Candidate): Pick<WorstCaseFeatures, "surcharge"> {
  const surcharge = request.stream && candidate.byok === undefined ? surchargeOf(candidate) : undefined;
  return surcharge === undefined ? {} : { surcharge };
}

/**
 * Steps are for a stream whose every billed token is seen as it comes: no reasoning that a provider may keep to itself or
 * sum up, no pictures or sound whose tokens we only guess. A client that wants no cut has all of it held.
 */
export function holdWayOf(request: ChatRequest, candidates: readonly Candidate[], refusesClamp: boolean): HoldWay {
  if (!request.stream || refusesClamp) return "whole";
  const isSeen = (candidate: Candidate): boolean =>
    outputsOf(request, candidate).every((output) => output === "text") && !mayReason(request, candidate);
  return candidates.every(isSeen) ? "steps" : "whole";
}

/** Whether an answer of this candidate may hold reasoning that nobody sees. */
export function mayReason(request: ChatRequest, { endpoint, model }: Candidate): boolean {
  if (model.reasoning_mandatory) return true;
  return endpoint.supported_parameters.includes("reasoning") && !isReasoningOff(request.reasoning);
}

/** A model that gives pictures or sound may give them unasked. */
function outputsOf(request: ChatRequest, { model }: Candidate): readonly string[] {
  return request.modalities ?? model.output_modalities;
}

/** What is asked of the account's gate, or of the isolate's lease. */
export function askedAmounts(
  need: Need,
  refusesClamp: boolean,
): Pick<AdmitRequest, "wantedNusd" | "minimumNusd" | "fullNusd"> {
  const { wantedNusd, minimumNusd, fullNusd } = need;
  if (refusesClamp) return { wantedNusd: fullNusd, minimumNusd: fullNusd };
  return need.way === "whole" && fullNusd > wantedNusd
    ? { wantedNusd, minimumNusd, fullNusd }
    : { wantedNusd, minimumNusd };
}

/**
 * The request with its output cut to what `coverNusd` covers; null when that is all it may have. A hold covers itself; with
 * `steps`, what is left of the credit beside it will be held later, as far as it is still there.
 */
export function clampTo(
  request: ChatRequest,
  need: Need,
  coverNusd: NanoUsd,
  promptTokens: number,
): ChatRequest | null {
  if (coverNusd >= need.fullNusd) return null;
  const affordable = affordableOutputTokens(coverNusd, promptTokens, need.price, need.images, need.features);
  return { ...request, maxOutputTokens: Math.max(1, Math.floor(affordable / (request.sampling.n ?? 1))) };
}

/** What an admission covers of its request. */
export function coverOf(
  need: Need,
  { holdNusd, leftNusd }: { readonly holdNusd: NanoUsd; readonly leftNusd?: NanoUsd | undefined },
): NanoUsd {
  if (need.way === "whole" || holdNusd < need.wantedNusd) return holdNusd;
  return leftNusd === undefined ? need.fullNusd : holdNusd + leftNusd;
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
    ...(route.choice === undefined ? {} : { isChosen: true }),
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
  const isTask = need.outputTokens === 0;
  const affordable = affordableOutputTokens(spendableNusd, promptTokens, need.price, need.images, need.features);
  const reason =
    limitSource === "key_limit"
      ? "The key's limit leaves no more."
      : limitSource === "in_flight_budget"
        ? "The rest is reserved by requests that are running."
        : "Add credits to continue.";
  // The rim puts the two counts before it.
  const message = affordable > 0 && !isTask ? reason : `Not even the prompt is affordable. ${reason}`;
  return {
    kind: "insufficient_credit",
    message,
    limitSource,
    affordableTokens: isTask ? null : affordable,
    requestedTokens: isTask ? null : need.outputTokens,
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

/** Output of one choice that limits per minute count for at this endpoint. */
function outputTokensOf(request: ChatRequest, endpoint: Candidate["endpoint"]): number {
  if (request.task !== undefined) return 0;
  const most = Math.min(endpoint.max_completion_tokens ?? DEFAULT_HOLD_TOKENS, DEFAULT_HOLD_TOKENS);
  return request.maxOutputTokens ?? most;
}

/** The longest answer of one choice that the request allows at this endpoint. */
export function fullTokensOf(request: ChatRequest, { endpoint }: Candidate, promptTokens: number): number {
  if (request.maxOutputTokens !== undefined) return request.maxOutputTokens;
  // What comes of a task is no tokens.
  if (request.task !== undefined) return 0;
  return endpoint.max_completion_tokens ?? Math.max(1, endpoint.context_length - promptTokens);
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
