/**
 * The `provider` object of a request, read once: what the client wants of routing.
 * A field that is null or an empty list is not set. A field that we don't know is a warning; a known one with a wrong
 * value is a `bad_request` with its path. Prices are pico-dollars per unit, exact; latency is ms, throughput tokens/s.
 */
import * as z from "zod";
import { QUANTIZATIONS, type Quantization } from "../catalog/schema.ts";
import type { RouterError } from "../core/error.ts";
import type { JsonObject } from "../core/json.ts";
import type { PicoUsd } from "../core/money.ts";
import { err, ok, type Result } from "../core/result.ts";

/** `exacto`: measured quality first (quality.ts). */
export const SORT_KEYS = ["price", "latency", "throughput", "distance", "exacto"] as const;
export type SortKey = (typeof SORT_KEYS)[number];

const PERCENTILE_KEYS = ["p50", "p75", "p90", "p99"] as const;
export type PercentileKey = (typeof PERCENTILE_KEYS)[number];
/** Every one of them must hold. */
export type Thresholds = { readonly [key in PercentileKey]?: number };

const PRICE_KEYS = ["prompt", "completion", "image", "audio", "request"] as const;
export type MaxPrice = { readonly [key in (typeof PRICE_KEYS)[number]]?: PicoUsd };

export interface Preferences {
  /** Lower case: provider slugs, endpoint tags or provider names. */
  readonly order: readonly string[] | null;
  readonly only: readonly string[] | null;
  readonly ignore: readonly string[] | null;
  readonly allowFallbacks: boolean;
  readonly requireParameters: boolean;
  readonly denyDataCollection: boolean;
  readonly zdr: boolean;
  readonly distillableOnly: boolean;
  /** Families are spelt out: `fp8` came with `mxfp8`. */
  readonly quantizations: ReadonlySet<Quantization> | null;
  /** Lower case: what endpoints may run on. */
  readonly hardware: readonly string[] | null;
  readonly sort: SortKey | null;
  readonly partition: "model" | "none";
  readonly minThroughputTps: Thresholds | null;
  readonly maxLatencyMs: Thresholds | null;
  readonly maxPrice: MaxPrice | null;
  readonly region: "eu" | "us" | null;
  /** One sentence per thing that will not be honoured. */
  readonly warnings: readonly string[];
}

export const DEFAULT_PREFERENCES: Preferences = {
  order: null,
  only: null,
  ignore: null,
  allowFallbacks: true,
  requireParameters: false,
  denyDataCollection: false,
  zdr: false,
  distillableOnly: false,
  quantizations: null,
  hardware: null,
  sort: null,
  partition: "model",
  minThroughputTps: null,
  maxLatencyMs: null,
  maxPrice: null,
  region: null,
  warnings: [],
};

/** What a quantization also admits. */
const FAMILIES: { readonly [name in Quantization]?: readonly Quantization[] } = {
  fp4: ["fp4", "mxfp4", "nvfp4"],
  fp8: ["fp8", "mxfp8"],
};

const LIST_MAX = 100;
const PICO_PER_USD_DIGITS = 12;
/** A price per million tokens is a price per token with six digits more. */
const PER_MILLION_DIGITS = 6;

const flag = z.boolean("must be true or false").nullish();
const SLUG = 'must be a provider slug, such as "openai"';
const slug = z.string(SLUG).min(1, SLUG).max(130, "must have at most 130 characters");
const HARDWARE = 'must be the name of an accelerator, such as "h100"';
const TOO_MANY = `must have at most ${LIST_MAX} entries`;
const slugs = z.array(slug, 'must be a list of provider slugs, such as ["openai"]').max(LIST_MAX, TOO_MANY).nullish();
const positive = z.number("must be a number").positive("must be greater than 0");
const percentiles = z.object({
  p50: positive.nullish(),
  p75: positive.nullish(),
  p90: positive.nullish(),
  p99: positive.nullish(),
});
const thresholds = z
  .union([positive, percentiles], "must be a number greater than 0, or an object of p50, p75, p90 and p99")
  .nullish();
const AMOUNT = 'must be an amount of US dollars, such as "0.5"';
const amount = z.union([z.string().max(60, AMOUNT), z.number().min(0, AMOUNT)], AMOUNT).nullish();
const sortKey = z.enum(SORT_KEYS, `must be one of ${SORT_KEYS.join(", ")}`);

const ProviderObject = z.looseObject({
  order: slugs,
  only: slugs,
  ignore: slugs,
  allow_fallbacks: flag,
  require_parameters: flag,
  data_collection: z.enum(["allow", "deny"], "must be allow or deny").nullish(),
  zdr: flag,
  enforce_distillable_text: flag,
  quantizations: z
    .array(
      z.enum(QUANTIZATIONS, `must be one of ${QUANTIZATIONS.join(", ")}`),
      'must be a list, such as ["fp8", "bf16"]',
    )
    .max(LIST_MAX, TOO_MANY)
    .nullish(),
  hardware: z
    .array(z.string(HARDWARE).min(1, HARDWARE).max(40, HARDWARE), 'must be a list, such as ["h100"]')
    .max(LIST_MAX, TOO_MANY)
    .nullish(),
  sort: z
    .union(
      [sortKey, z.object({ by: sortKey.nullish(), partition: z.enum(["model", "none"]).nullish() })],
      `must be one of ${SORT_KEYS.join(", ")}, or {by, partition: "model" or "none"}`,
    )
    .nullish(),
  preferred_min_throughput: thresholds,
  preferred_max_latency: thresholds,
  max_price: z
    .object(
      { prompt: amount, completion: amount, image: amount, audio: amount, request: amount },
      'must be an object, such as {"prompt": "0.5"}',
    )
    .nullish(),
  region: z.enum(["eu", "us"], "must be eu or us").nullish(),
  /** Passthrough for other kinds of requests; harmless here. */
  options: z.unknown().optional(),
});
const KNOWN_FIELDS: ReadonlySet<string> = new Set(Object.keys(ProviderObject.shape));

/**
 * Reads the `provider` object as the client gave it.
 * @returns `bad_request` whose path is `provider.<field>` for the first wrong value.
 */
export function parsePreferences(provider: JsonObject | null): Result<Preferences, RouterError> {
  if (provider === null) return ok(DEFAULT_PREFERENCES);
  const parsed = ProviderObject.safeParse(provider);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = ["provider", ...(issue?.path ?? [])].join(".");
    return err({ kind: "bad_request", message: `${path}: ${issue?.message ?? "is not valid"}`, path });
  }
  const given = parsed.data;
  const maxPrice = priceCaps(given.max_price ?? null);
  if (!maxPrice.ok) return maxPrice;
  const warnings = Object.keys(provider)
    .filter((field) => !KNOWN_FIELDS.has(field))
    // Warnings travel in a header: nothing but printable ASCII may be in them.
    .map((field) => `provider.${field.slice(0, 60).replace(/[^ -~]/g, "?")} is not known and was ignored.`);
  const sort = typeof given.sort === "string" ? given.sort : (given.sort?.by ?? null);
  return ok({
    order: listOf(given.order),
    only: listOf(given.only),
    ignore: listOf(given.ignore),
    allowFallbacks: given.allow_fallbacks ?? true,
    requireParameters: given.require_parameters ?? false,
    denyDataCollection: given.data_collection === "deny",
    zdr: given.zdr ?? false,
    distillableOnly: given.enforce_distillable_text ?? false,
    quantizations: quantizationsOf(given.quantizations),
    hardware: listOf(given.hardware),
    sort,
    partition: (typeof given.sort === "object" ? given.sort?.partition : null) ?? "model",
    minThroughputTps: thresholdsOf(given.preferred_min_throughput, 1),
    maxLatencyMs: thresholdsOf(given.preferred_max_latency, 1000),
    maxPrice: maxPrice.value,
    region: given.region ?? null,
    warnings,
  });
}

/**
 * A decimal (also with an exponent, as JSON numbers print) times 10^digits, rounded down, without any float.
 * Beyond the largest safe integer it is that integer: no price is higher. Undefined for anything that is no amount.
 */
export function decimalToInteger(text: string, digits: number): number | undefined {
  const found = /^(\d{1,40})?(?:\.(\d{0,60}))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text);
  if (!found || (found[1] === undefined && !found[2])) return undefined;
  const fraction = found[2] ?? "";
  const shift = digits + Number(found[3] ?? "0") - fraction.length;
  const whole = BigInt((found[1] ?? "") + fraction);
  const scaled = shift >= 0 ? whole * 10n ** BigInt(shift) : whole / 10n ** BigInt(-shift);
  return scaled > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(scaled);
}

type GivenPrices = { readonly [key in (typeof PRICE_KEYS)[number]]?: string | number | null | undefined };

/** Caps in pico-dollars per unit, rounded down: an integer price is below the cap exactly when it is below that. */
function priceCaps(given: GivenPrices | null): Result<MaxPrice | null, RouterError> {
  if (given === null) return ok(null);
  const caps: { [key in (typeof PRICE_KEYS)[number]]?: PicoUsd } = {};
  for (const key of PRICE_KEYS) {
    const value = given[key];
    if (value === undefined || value === null) continue;
    const isPerMillion = key === "prompt" || key === "completion";
    const cap = decimalToInteger(String(value), PICO_PER_USD_DIGITS - (isPerMillion ? PER_MILLION_DIGITS : 0));
    if (cap === undefined) {
      const path = `provider.max_price.${key}`;
      return err({ kind: "bad_request", message: `${path}: ${AMOUNT}`, path });
    }
    caps[key] = cap;
  }
  return ok(Object.keys(caps).length === 0 ? null : caps);
}

function listOf(given: readonly string[] | null | undefined): readonly string[] | null {
  return given === undefined || given === null || given.length === 0 ? null : given.map((slug) => slug.toLowerCase());
}

function quantizationsOf(given: readonly Quantization[] | null | undefined): ReadonlySet<Quantization> | null {
  if (given === undefined || given === null || given.length === 0) return null;
  return new Set(given.flatMap((name) => FAMILIES[name] ?? [name]));
}

function thresholdsOf(given: z.infer<typeof thresholds>, scale: number): Thresholds | null {
  if (given === undefined || given === null) return null;
  if (typeof given === "number") return { p50: given * scale };
  const found: { [key in PercentileKey]?: number } = {};
  for (const key of PERCENTILE_KEYS) {
    const value = given[key];
    if (value !== undefined && value !== null) found[key] = value * scale;
  }
  return Object.keys(found).length === 0 ? null : found;
}
