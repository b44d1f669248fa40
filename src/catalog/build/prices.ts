/**
 * Prices from `@pydantic/genai-prices` (MIT), through its public `findProvider`.
 * USD per million tokens become pico-dollars per token, rounded up. Of prices that begin at a date the one in force on
 * `asOf` is taken; prices by time of day become overrides of it. A model with an empty price has none (null), never
 * zero; embeddings have a price for what goes in and nothing comes out in tokens.
 */
import { findProvider, type ConditionalPrice, type ModelPrice, type TieredPrices } from "@pydantic/genai-prices";
import type { ListedOverride, ListedPrice, PriceName } from "../../core/price.ts";

/** One model as one provider of the package sells it. */
export interface PricedModel {
  readonly upstreamModel: string;
  readonly price: ListedPrice | null;
  readonly contextTokens: number | null;
  readonly deprecated: boolean;
  readonly name: string | null;
  readonly description: string;
  /** What to say of the price's origin beside the package's name. */
  readonly note: string;
}

/** The package's keys and ours, with pico-dollars per unit in one dollar of theirs. */
const KEYS: Readonly<Record<string, { readonly name: PriceName; readonly picoPerUsd: number }>> = {
  input_mtok: { name: "prompt", picoPerUsd: 1e6 },
  output_mtok: { name: "completion", picoPerUsd: 1e6 },
  cache_read_mtok: { name: "input_cache_read", picoPerUsd: 1e6 },
  cache_write_mtok: { name: "input_cache_write", picoPerUsd: 1e6 },
  cache_audio_read_mtok: { name: "input_audio_cache", picoPerUsd: 1e6 },
  input_image_mtok: { name: "image_token", picoPerUsd: 1e6 },
  cache_write_1h_mtok: { name: "input_cache_write_1h", picoPerUsd: 1e6 },
  input_audio_mtok: { name: "audio", picoPerUsd: 1e6 },
  output_audio_mtok: { name: "audio_output", picoPerUsd: 1e6 },
  output_image_mtok: { name: "image_output", picoPerUsd: 1e6 },
  output_reasoning_mtok: { name: "internal_reasoning", picoPerUsd: 1e6 },
  requests_kcount: { name: "request", picoPerUsd: 1e9 },
  web_searches_kcount: { name: "web_search", picoPerUsd: 1e9 },
};

/** Names of models that make vectors of texts. */
export const EMBEDDING = /embed|(^|\/)voyage-|\/bge-/i;

/** The models of one provider of the package. @throws when the package has no such provider: the build must notice. */
export function pricedModels(provider: string, asOf: string): readonly PricedModel[] {
  const found = findProvider({ providerId: provider });
  if (found === undefined || found.id !== provider)
    throw new Error(`@pydantic/genai-prices has no provider ${provider}`);
  return found.models.map((model) => {
    const { price, note } = Array.isArray(model.prices)
      ? inForce(model.prices, asOf)
      : { price: priceOf(model.prices, model.id), note: "" };
    return {
      upstreamModel: model.id,
      price,
      contextTokens: model.context_window ?? null,
      deprecated: model.deprecated ?? false,
      name: model.name ?? null,
      description: model.description?.trim() ?? "",
      note,
    };

    /** The last price whose start date has come, and what replaces it at times of day. */
    function inForce(prices: readonly ConditionalPrice[], day: string): { price: ListedPrice | null; note: string } {
      let current: ModelPrice = {};
      let since = "";
      const hourly: ListedOverride[] = [];
      for (const { constraint, prices: some } of prices) {
        if (constraint === undefined) current = some;
        else if (constraint.type === "time_of_date") {
          const { overrides: _tiers, ...keys } = priceOf(some, model.id) ?? { prompt: 0, completion: 0 };
          hourly.push({ utc_start: clockOf(constraint.start_time), utc_end: clockOf(constraint.end_time), ...keys });
        } else if (constraint.start_date <= day) {
          current = some;
          since = `, in force since ${constraint.start_date}`;
        }
      }
      const base = priceOf(current, model.id);
      if (base === null || hourly.length === 0) return { price: base, note: since };
      return {
        price: { ...base, overrides: [...(base.overrides ?? []), ...hourly] },
        note: `${since}, by time of day`,
      };
    }
  });
}

/** "16:30:00Z" is 1630. @throws for another zone or a second that is not zero: the build must notice. */
function clockOf(time: string): number {
  const found = /^(\d\d):(\d\d):00Z$/.exec(time);
  if (found === null) throw new Error(`@pydantic/genai-prices has the time of day ${time}`);
  return Number(found[1]) * 100 + Number(found[2]);
}

function baseOf(value: number | TieredPrices | undefined): number {
  return value === undefined ? 0 : typeof value === "number" ? value : value.base;
}

/** Null for a price without prompt or completion: speech and models whose price is not known. */
function priceOf(price: ModelPrice, name: string): ListedPrice | null {
  const isEmbedding = EMBEDDING.test(name);
  if (price["input_mtok"] === undefined || (price["output_mtok"] === undefined && !isEmbedding)) return null;
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
  const steps: ListedOverride[] = [...overrides]
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
