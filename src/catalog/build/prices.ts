/**
 * Prices from `@pydantic/genai-prices` (MIT), through its public `findProvider`.
 * USD per million tokens become pico-dollars per token, rounded up. Of prices that begin at a date the one in force on
 * `asOf` is taken; of prices by time of day the dearest, because a price of ours holds all day and must never be below
 * what the provider charges. A model with an empty price has none (null), never zero.
 */
import { findProvider, type ConditionalPrice, type ModelPrice, type TieredPrices } from "@pydantic/genai-prices";
import type { Price, PriceOverride, PriceKeys } from "../../core/price.ts";

/** One model as one provider of the package sells it. */
export interface PricedModel {
  readonly upstreamModel: string;
  readonly price: Price | null;
  readonly contextTokens: number | null;
  readonly deprecated: boolean;
  readonly name: string | null;
  readonly description: string;
  /** What to say of the price's origin beside the package's name. */
  readonly note: string;
}

type PriceName = keyof PriceKeys;
/** The package's keys and ours, with pico-dollars per unit in one dollar of theirs. */
const KEYS: Readonly<Record<string, { readonly name: PriceName; readonly picoPerUsd: number }>> = {
  input_mtok: { name: "prompt", picoPerUsd: 1e6 },
  output_mtok: { name: "completion", picoPerUsd: 1e6 },
  cache_read_mtok: { name: "input_cache_read", picoPerUsd: 1e6 },
  cache_write_mtok: { name: "input_cache_write", picoPerUsd: 1e6 },
  cache_write_1h_mtok: { name: "input_cache_write_1h", picoPerUsd: 1e6 },
  input_audio_mtok: { name: "audio", picoPerUsd: 1e6 },
  output_audio_mtok: { name: "audio_output", picoPerUsd: 1e6 },
  output_image_mtok: { name: "image_output", picoPerUsd: 1e6 },
  output_reasoning_mtok: { name: "internal_reasoning", picoPerUsd: 1e6 },
  requests_kcount: { name: "request", picoPerUsd: 1e9 },
  web_searches_kcount: { name: "web_search", picoPerUsd: 1e9 },
};

/** The models of one provider of the package. @throws when the package has no such provider: the build must notice. */
export function pricedModels(provider: string, asOf: string): readonly PricedModel[] {
  const found = findProvider({ providerId: provider });
  if (found === undefined || found.id !== provider)
    throw new Error(`@pydantic/genai-prices has no provider ${provider}`);
  return found.models.map((model) => {
    const { price, note } = Array.isArray(model.prices)
      ? inForce(model.prices, asOf)
      : { price: model.prices, note: "" };
    return {
      upstreamModel: model.id,
      price: priceOf(price),
      contextTokens: model.context_window ?? null,
      deprecated: model.deprecated ?? false,
      name: model.name ?? null,
      description: model.description?.trim() ?? "",
      note,
    };
  });
}

/** The last price whose start date has come; among times of day, the dearest by prompt and completion together. */
function inForce(prices: readonly ConditionalPrice[], asOf: string): { price: ModelPrice; note: string } {
  let current: ModelPrice = {};
  let since = "";
  const hourly: ModelPrice[] = [];
  for (const { constraint, prices: price } of prices) {
    if (constraint === undefined) current = price;
    else if (constraint.type === "time_of_date") hourly.push(price);
    else if (constraint.start_date <= asOf) {
      current = price;
      since = `, in force since ${constraint.start_date}`;
    }
  }
  const dearest = [current, ...hourly].toSorted((a, b) => weight(b) - weight(a))[0] ?? current;
  return { price: dearest, note: hourly.length === 0 ? since : `${since}, the dearest of its times of day` };
}

function weight(price: ModelPrice): number {
  return baseOf(price["input_mtok"]) * 3 + baseOf(price["output_mtok"]);
}

function baseOf(value: number | TieredPrices | undefined): number {
  return value === undefined ? 0 : typeof value === "number" ? value : value.base;
}

/** Null for a price without prompt or completion: embeddings, speech and models whose price is not known. */
function priceOf(price: ModelPrice): Price | null {
  if (price["input_mtok"] === undefined || price["output_mtok"] === undefined) return null;
  const base: Partial<Record<PriceName, number>> = {};
  const overrides = new Map<number, Partial<Record<PriceName, number>>>();
  for (const [key, value] of Object.entries(price)) {
    const known = KEYS[key];
    if (known === undefined || value === undefined) continue;
    base[known.name] = picoUp(baseOf(value), known.picoPerUsd);
    if (typeof value === "number") continue;
    for (const tier of value.tiers) {
      const override = overrides.get(tier.start) ?? {};
      override[known.name] = picoUp(tier.price, known.picoPerUsd);
      overrides.set(tier.start, override);
    }
  }
  const { prompt = 0, completion = 0, ...rest } = base;
  const steps: PriceOverride[] = [...overrides]
    .toSorted(([a], [b]) => a - b)
    .map(([min_prompt_tokens, keys]) => ({ min_prompt_tokens, ...keys }));
  return { prompt, completion, ...rest, ...(steps.length === 0 ? {} : { overrides: steps }) };
}

/** Rounded up, but not for the noise of binary fractions: 0.28 x 1e6 is 280,000. */
export function picoUp(usd: number, picoPerUsd: number): number {
  const exact = usd * picoPerUsd;
  const near = Math.round(exact);
  return Math.abs(exact - near) < 1e-3 ? near : Math.ceil(exact);
}
