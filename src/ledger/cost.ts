/**
 * Usage x price = cost. Pure, in bigint pico-dollars, rounded up to nano-dollars once per generation.
 * Every bucket has a price; where the catalog names none, the fallback is the dearest one that is documented for that
 * kind of token, never nothing:
 *   cache reads, cache writes, input images -> prompt; 1 h cache writes -> cache writes -> prompt; input audio -> prompt;
 *   cached audio -> cache reads -> prompt; reasoning, output audio, output images -> completion;
 *   request, image (per piece), web search and every kind of work (seconds, pages, characters) -> no fee.
 * `overrides` replace keys when the prompt is strictly longer than `min_prompt_tokens`; later ones win per key. Prices by
 * time of day are resolved before: `priceAtTime` in core/price.ts makes the `Price` of the request's time.
 */
import { PICO_PER_NANO, picoToNanoUp, type NanoUsd } from "../core/money.ts";
import { priceAt, type Price, type PriceKeys } from "../core/price.ts";
import { assert } from "../core/result.ts";
import { promptTokens, type Usage, type Work } from "../core/usage.ts";

export interface Cost {
  /** 1e-12 USD, exact; a part of one, which milliseconds and pixels may leave, is rounded up. */
  readonly totalPusd: bigint;
  /** What is charged: `totalPusd` rounded up once. */
  readonly totalNusd: NanoUsd;
  /** The prompt's share, request and image fees with it; `promptNusd + completionNusd = totalNusd`. */
  readonly promptNusd: NanoUsd;
  /** The completion's share, searches with it. */
  readonly completionNusd: NanoUsd;
}

/** What a request may make dearer than plain text; each flag raises the worst case. */
export interface WorstCaseFeatures {
  /** The client asked for a one-hour cache write. */
  readonly writesCache1h?: boolean;
  readonly hasInputAudio?: boolean;
  readonly wantsImages?: boolean;
  readonly wantsAudio?: boolean;
  /** Provider-run searches that may be billed one by one. */
  readonly webSearchesMax?: number;
  /** The most that may be done beside tokens. */
  readonly work?: Work | undefined;
  /** What leaving the answer may cost. */
  readonly surcharge?: Surcharge | undefined;
}

/** What a provider bills for an answer that is left, on top of what it generated. */
export interface Surcharge {
  readonly fixedPusd: number;
  /** Of what was generated. */
  readonly bps: number;
}

/** More tokens than any model writes: what is affordable when output costs nothing. */
export const AFFORDABLE_TOKENS_MAX = Number.MAX_SAFE_INTEGER;

/** The cost of one generation at `price`. `inputImages` counts the pieces that `price.image` is charged for. */
export function costOf(usage: Usage, price: Price, inputImages = 0): Cost {
  const keys = priceAt(price, promptTokens(usage));
  const cacheRead = keys.input_cache_read ?? keys.prompt;
  const cacheWrite = keys.input_cache_write ?? keys.prompt;
  const work = workCost(usage.work, keys);
  const promptPusd =
    times(usage.inputText, keys.prompt) +
    times(usage.inputAudio, keys.audio ?? keys.prompt) +
    times(usage.inputImage, keys.image_token ?? keys.prompt) +
    times(usage.cacheRead, cacheRead) +
    times(usage.cacheReadAudio ?? 0, keys.input_audio_cache ?? cacheRead) +
    times(usage.cacheWrite, cacheWrite) +
    times(usage.cacheWrite1h, keys.input_cache_write_1h ?? cacheWrite) +
    times(inputImages, keys.image ?? 0) +
    times(1, keys.request ?? 0) +
    work.takenPusd;
  const completionPusd =
    times(usage.outputText, keys.completion) +
    times(usage.outputReasoning, keys.internal_reasoning ?? keys.completion) +
    times(usage.outputAudio, keys.audio_output ?? keys.completion) +
    times(usage.outputImage, keys.image_output ?? keys.completion) +
    times(usage.webSearches, keys.web_search ?? 0) +
    work.madePusd;
  const totalPusd = promptPusd + completionPusd;
  const totalNusd = picoToNanoUp(totalPusd);
  // The shares are for show: the completion takes the rounding, so that they always add up to the charge.
  const promptNusd = completionPusd === 0n ? totalNusd : promptPusd / PICO_PER_NANO;
  return { totalPusd, totalNusd, promptNusd, completionNusd: totalNusd - promptNusd };
}

/**
 * The most that a request can cost: every prompt token at the dearest rate that may apply to it, every output token at
 * the dearest of text and reasoning. Never falls when a count rises, although a long prompt may have a lower price.
 */
export function worstCaseNusd(
  promptTokenCount: number,
  maxOutputTokens: number,
  images: number,
  price: Price,
  features: WorstCaseFeatures = {},
): NanoUsd {
  return worstCaseFor(promptTokenCount, images, price, features)(maxOutputTokens);
}

/** `worstCaseNusd` for several lengths of the answer. */
export function worstCaseFor(
  promptTokenCount: number,
  images: number,
  price: Price,
  features: WorstCaseFeatures = {},
): (maxOutputTokens: number) => NanoUsd {
  const { fixedPusd, perOutputTokenPusd } = worstRates(promptTokenCount, images, price, features);
  return (maxOutputTokens) => picoToNanoUp(fixedPusd + times(maxOutputTokens, perOutputTokenPusd));
}

/**
 * The most output tokens whose worst case `holdNusd` covers; 0 when not even the prompt is covered, and
 * AFFORDABLE_TOKENS_MAX when output is free of charge.
 */
export function affordableOutputTokens(
  holdNusd: NanoUsd,
  promptTokenCount: number,
  price: Price,
  images = 0,
  features: WorstCaseFeatures = {},
): number {
  const { fixedPusd, perOutputTokenPusd } = worstRates(promptTokenCount, images, price, features);
  const leftPusd = holdNusd * PICO_PER_NANO - fixedPusd;
  if (leftPusd < 0n) return 0;
  if (perOutputTokenPusd === 0) return AFFORDABLE_TOKENS_MAX;
  const tokens = leftPusd / BigInt(perOutputTokenPusd);
  return tokens > BigInt(AFFORDABLE_TOKENS_MAX) ? AFFORDABLE_TOKENS_MAX : Number(tokens);
}

/** All of it: 10,000 basis points. */
export const BPS_MAX = 10_000;

/** The fee of `bps` basis points on what a generation would have cost; rounded up once, like any charge. */
export function feeOf(list: Cost, bps: number): Cost {
  const totalPusd = share(list.totalPusd, bps);
  const totalNusd = picoToNanoUp(totalPusd);
  const promptNusd = (list.promptNusd * BigInt(bps)) / BigInt(BPS_MAX);
  return { totalPusd, totalNusd, promptNusd, completionNusd: totalNusd - promptNusd };
}

/** What an answer costs that was left; rounded up once, like any charge. What costs nothing has no surcharge. */
export function withSurcharge(cost: Cost, { fixedPusd, bps }: Surcharge): Cost {
  if (cost.totalPusd === 0n) return cost;
  const totalPusd = cost.totalPusd + times(1, fixedPusd) + share(cost.totalPusd, bps);
  const totalNusd = picoToNanoUp(totalPusd);
  return { ...cost, totalPusd, totalNusd, completionNusd: totalNusd - cost.promptNusd };
}

function share(amount: bigint, bps: number): bigint {
  assert(Number.isSafeInteger(bps) && bps >= 0 && bps <= BPS_MAX, "a fee lies between nothing and the whole");
  return upTo(amount * BigInt(bps), BigInt(BPS_MAX));
}

/** Rounded up. Of what was rounded up before, this makes what rounding up once would have made. */
function upTo(amount: bigint, divisor: bigint): bigint {
  return (amount + divisor - 1n) / divisor;
}

const NO_WORK = { takenPusd: 0n, madePusd: 0n };
/** Micro-pico-dollars of a pico-dollar: prices per second and per megapixel count milliseconds and pixels. */
const MICRO = 1_000_000n;
const PER_MS = 1_000n;

/** What work costs, that on what came in and that on what went out; their sum is exact, and rounded up once. */
function workCost(work: Work | undefined, keys: PriceKeys): typeof NO_WORK {
  if (work === undefined) return NO_WORK;
  const takenMicro =
    times(work.audioMs ?? 0, keys.audio_second ?? 0) * PER_MS +
    times(work.pages ?? 0, keys.page ?? 0) * MICRO +
    times(work.characters ?? 0, keys.character ?? 0) * MICRO +
    times(work.searchUnits ?? 0, keys.search_unit ?? 0) * MICRO;
  const madeMicro =
    times(work.hardwareMs ?? 0, keys.hardware_second ?? 0) * PER_MS +
    times(work.videoMs ?? 0, keys.video_second ?? 0) * PER_MS +
    times(work.pixelsMade ?? 0, keys.megapixel ?? 0) +
    times(work.imagesMade ?? 0, keys.image_made ?? 0) * MICRO;
  const takenPusd = madeMicro === 0n ? upTo(takenMicro, MICRO) : takenMicro / MICRO;
  return { takenPusd, madePusd: upTo(takenMicro + madeMicro, MICRO) - takenPusd };
}

/** The dearest that a unit may cost, whatever it turns out to be; in pico-dollars. */
interface Rates {
  readonly promptToken: number;
  readonly outputToken: number;
  readonly image: number;
  readonly request: number;
  readonly search: number;
}

function ratesAt(keys: PriceKeys, images: number, features: WorstCaseFeatures): Rates {
  return {
    promptToken: Math.max(
      keys.prompt,
      images > 0 ? (keys.image_token ?? 0) : 0,
      keys.input_cache_read ?? 0,
      keys.input_cache_write ?? 0,
      features.writesCache1h === true ? (keys.input_cache_write_1h ?? 0) : 0,
      features.hasInputAudio === true ? Math.max(keys.audio ?? 0, keys.input_audio_cache ?? 0) : 0,
    ),
    outputToken: Math.max(
      keys.completion,
      keys.internal_reasoning ?? 0,
      features.wantsImages === true ? (keys.image_output ?? 0) : 0,
      features.wantsAudio === true ? (keys.audio_output ?? 0) : 0,
    ),
    image: keys.image ?? 0,
    request: keys.request ?? 0,
    search: keys.web_search ?? 0,
  };
}

function dearer(one: Rates, other: Rates): Rates {
  return {
    promptToken: Math.max(one.promptToken, other.promptToken),
    outputToken: Math.max(one.outputToken, other.outputToken),
    image: Math.max(one.image, other.image),
    request: Math.max(one.request, other.request),
    search: Math.max(one.search, other.search),
  };
}

function worstRates(promptTokenCount: number, images: number, price: Price, features: WorstCaseFeatures) {
  const { work } = features;
  const base = priceAt(price, 0);
  let rates = ratesAt(base, images, features);
  let workPusd = work === undefined ? 0n : wholeCost(work, base);
  // A prompt may turn out shorter than estimated, so a cheaper long-context rate never lowers the worst case.
  for (const { min_prompt_tokens: least } of price.overrides ?? []) {
    if (promptTokenCount <= least) continue;
    const keys = priceAt(price, least + 1);
    rates = dearer(rates, ratesAt(keys, images, features));
    const costPusd = work === undefined ? 0n : wholeCost(work, keys);
    if (costPusd > workPusd) workPusd = costPusd;
  }
  const perOutputTokenPusd = rates.outputToken;
  const plainPusd =
    times(promptTokenCount, rates.promptToken) +
    times(images, rates.image) +
    times(1, rates.request) +
    times(features.webSearchesMax ?? 0, rates.search) +
    workPusd;
  const { surcharge } = features;
  if (surcharge === undefined) return { fixedPusd: plainPusd, perOutputTokenPusd };
  return {
    fixedPusd: plainPusd + share(plainPusd, surcharge.bps) + times(1, surcharge.fixedPusd),
    perOutputTokenPusd: perOutputTokenPusd + Number(share(times(1, perOutputTokenPusd), surcharge.bps)),
  };
}

function wholeCost(work: Work, keys: PriceKeys): bigint {
  const { takenPusd, madePusd } = workCost(work, keys);
  return takenPusd + madePusd;
}

function times(units: number, pricePusd: number): bigint {
  assert(Number.isSafeInteger(units) && units >= 0, "a count of units is a whole number, not negative");
  assert(Number.isSafeInteger(pricePusd) && pricePusd >= 0, "a price is a whole number of pico-dollars, not negative");
  if (units === 0 || pricePusd === 0) return 0n;
  return BigInt(units) * BigInt(pricePusd);
}
