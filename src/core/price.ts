/**
 * What a unit costs, in pico-dollars per unit. A `Price` is complete: a key that is absent costs what `cost` says
 * (reasoning as completion, cache reads as prompt, and so on), never silently nothing.
 */
import type { PicoUsd } from "./money.ts";

/** Prices per token unless said otherwise. Names are those of the public catalog. */
export interface PriceKeys {
  readonly prompt: PicoUsd;
  readonly completion: PicoUsd;
  /** Per request. */
  readonly request?: PicoUsd | undefined;
  /** Per input image, on top of its tokens. */
  readonly image?: PicoUsd | undefined;
  readonly image_output?: PicoUsd | undefined;
  readonly audio?: PicoUsd | undefined;
  readonly audio_output?: PicoUsd | undefined;
  readonly internal_reasoning?: PicoUsd | undefined;
  readonly input_cache_read?: PicoUsd | undefined;
  readonly input_cache_write?: PicoUsd | undefined;
  readonly input_cache_write_1h?: PicoUsd | undefined;
  /** Per search. */
  readonly web_search?: PicoUsd | undefined;
}

/** Any of the keys, none of them required. */
export type SomePriceKeys = { readonly [name in keyof PriceKeys]?: PicoUsd | undefined };

/** Replaces keys of the base price when the prompt is longer than `min_prompt_tokens` (strictly). */
export interface PriceOverride extends SomePriceKeys {
  readonly min_prompt_tokens: number;
}

export interface Price extends PriceKeys {
  /** Ascending by `min_prompt_tokens`; later entries win per key. */
  readonly overrides?: readonly PriceOverride[] | undefined;
}

const BPS = 10_000n;

/** Basis points added to an upstream price; rounded up per unit so that margin is never negative. */
export function withMarkup(price: Price, markupBps: number): Price {
  return markupBps === 0 ? price : priceShare(price, Number(BPS) + markupBps);
}

/** So many basis points of a price; rounded up per unit, so that it covers that share of any cost at `price`. */
export function priceShare(price: Price, bps: number): Price {
  const charged = (value: PicoUsd): PicoUsd => Number((BigInt(value) * BigInt(bps) + BPS - 1n) / BPS);
  const keysOf = <T extends SomePriceKeys>(keys: T): T =>
    Object.fromEntries(
      Object.entries(keys).map(([key, value]) => [
        key,
        typeof value === "number" && key !== "min_prompt_tokens" ? charged(value) : value,
      ]),
    ) as T;
  const { overrides, ...base } = price;
  return overrides === undefined ? keysOf(base) : { ...keysOf(base), overrides: overrides.map(keysOf) };
}
