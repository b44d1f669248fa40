/**
 * What a unit costs, in pico-dollars per unit. A `Price` is complete: a key that is absent costs what `cost` says
 * (reasoning as completion, cache reads as prompt, and so on), never silently nothing.
 * A `ListedPrice` is what a catalog holds: it may also depend on the time of day. `priceAtTime` makes a `Price` of it,
 * once, when a request is planned; so what is held, compared and charged is one price, that of the request's time.
 */
import type { EpochMs } from "./clock.ts";
import type { PicoUsd } from "./money.ts";

/** Names are those of the public catalog, as far as it has one. */
export const PRICE_KEYS = [
  "prompt",
  "completion",
  "request",
  "image",
  "image_token",
  "image_output",
  "audio",
  "audio_output",
  "input_audio_cache",
  "internal_reasoning",
  "input_cache_read",
  "input_cache_write",
  "input_cache_write_1h",
  "web_search",
  "hardware_second",
  "audio_second",
  "video_second",
  "image_made",
  "megapixel",
  "page",
  "character",
  "search_unit",
] as const satisfies readonly (keyof PriceKeys)[];
export type PriceName = (typeof PRICE_KEYS)[number];

/** Prices per token unless said otherwise. */
export interface PriceKeys {
  readonly prompt: PicoUsd;
  readonly completion: PicoUsd;
  /** Per request. */
  readonly request?: PicoUsd | undefined;
  /** Per input image, on top of its tokens. */
  readonly image?: PicoUsd | undefined;
  /** Per token of an input image. */
  readonly image_token?: PicoUsd | undefined;
  readonly image_output?: PicoUsd | undefined;
  readonly audio?: PicoUsd | undefined;
  readonly audio_output?: PicoUsd | undefined;
  /** Per token of audio that was read from the cache. */
  readonly input_audio_cache?: PicoUsd | undefined;
  readonly internal_reasoning?: PicoUsd | undefined;
  readonly input_cache_read?: PicoUsd | undefined;
  readonly input_cache_write?: PicoUsd | undefined;
  readonly input_cache_write_1h?: PicoUsd | undefined;
  /** Per search. */
  readonly web_search?: PicoUsd | undefined;
  /** Per second that the hardware was busy. */
  readonly hardware_second?: PicoUsd | undefined;
  /** Per second of audio that was listened to. */
  readonly audio_second?: PicoUsd | undefined;
  /** Per second of video that was made. */
  readonly video_second?: PicoUsd | undefined;
  /** Per image that was made. */
  readonly image_made?: PicoUsd | undefined;
  /** Per million pixels of images that were made. */
  readonly megapixel?: PicoUsd | undefined;
  /** Per page of a document that was read. */
  readonly page?: PicoUsd | undefined;
  /** Per character that was spoken. */
  readonly character?: PicoUsd | undefined;
  /** Per unit of search or ranking, as the provider counts them. */
  readonly search_unit?: PicoUsd | undefined;
}

/** Any of the keys, none of them required. */
export type SomePriceKeys = { readonly [name in keyof PriceKeys]?: PicoUsd | undefined };

/** Replaces keys of the base price when the prompt is longer than `min_prompt_tokens` (strictly). */
export interface PriceOverride extends SomePriceKeys {
  readonly min_prompt_tokens: number;
}

export interface Price extends PriceKeys {
  /** Those whose condition holds apply, later ones win per key. */
  readonly overrides?: readonly PriceOverride[] | undefined;
}

/** Replaces keys when all the conditions that it names hold; it names one at least. */
export interface ListedOverride extends SomePriceKeys {
  readonly min_prompt_tokens?: number | undefined;
  /** From this time of day in UTC, as HHMM (1630 is 16:30); named together with `utc_end`. */
  readonly utc_start?: number | undefined;
  /** Up to and without this time of day; before `utc_start` it is that of the next day. */
  readonly utc_end?: number | undefined;
}

export interface ListedPrice extends PriceKeys {
  readonly overrides?: readonly ListedOverride[] | undefined;
}

const BPS = 10_000n;
const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
/** The condition of an override that holds for a prompt of any length: each is longer. */
const ANY_PROMPT = -1;
const CONDITIONS: ReadonlySet<string> = new Set(["min_prompt_tokens", "utc_start", "utc_end"]);

/** The price that holds at a moment, for prompts of any length. */
export function priceAtTime(price: ListedPrice, atMs: EpochMs): Price {
  const { overrides, ...base } = price;
  if (overrides === undefined) return base;
  const minute = Math.floor(atMs / MINUTE_MS) % DAY_MINUTES;
  return {
    ...base,
    overrides: overrides.flatMap(({ min_prompt_tokens, utc_start, utc_end, ...keys }) =>
      isWithin(minute, utc_start, utc_end) ? [{ min_prompt_tokens: min_prompt_tokens ?? ANY_PROMPT, ...keys }] : [],
    ),
  };
}

/** The price depends on the time of day. */
export function hasHours(price: ListedPrice): boolean {
  return price.overrides?.some((override) => override.utc_start !== undefined) === true;
}

/** The keys that hold for a prompt of that length. */
export function priceAt(price: Price, promptTokenCount: number): PriceKeys {
  // Most prices hold for any length. No copy: this is asked for each candidate of each request.
  if (price.overrides === undefined) return price;
  const { overrides, ...base } = price;
  return overrides.reduce<PriceKeys>(
    (keys, { min_prompt_tokens, ...changes }) =>
      promptTokenCount > min_prompt_tokens ? { ...keys, ...definedOnly(changes) } : keys,
    base,
  );
}

/** Basis points added to an upstream price; rounded up per unit so that margin is never negative. */
export function withMarkup<T extends ListedPrice>(price: T, markupBps: number): T {
  return markupBps === 0 ? price : priceShare(price, Number(BPS) + markupBps);
}

/** So many basis points of a price; rounded up per unit, so that it covers that share of any cost at `price`. */
export function priceShare<T extends ListedPrice>(price: T, bps: number): T {
  const charged = (value: PicoUsd): PicoUsd => Number((BigInt(value) * BigInt(bps) + BPS - 1n) / BPS);
  const keysOf = <K extends SomePriceKeys>(keys: K): K =>
    Object.fromEntries(
      Object.entries(keys).map(([key, value]) => [
        key,
        typeof value === "number" && !CONDITIONS.has(key) ? charged(value) : value,
      ]),
    ) as K;
  const { overrides, ...base } = price;
  // The keys are those of `price`; only prices changed.
  return (overrides === undefined ? keysOf(base) : { ...keysOf(base), overrides: overrides.map(keysOf) }) as T;
}

/** HHMM as minutes of the day. */
function minuteOf(clock: number): number {
  return Math.floor(clock / 100) * 60 + (clock % 100);
}

function isWithin(minute: number, start: number | undefined, end: number | undefined): boolean {
  if (start === undefined || end === undefined) return true;
  const [from, to] = [minuteOf(start), minuteOf(end)];
  return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
}

function definedOnly(keys: SomePriceKeys): Partial<PriceKeys> {
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined));
}
