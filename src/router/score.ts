/**
 * What one endpoint region is worth to this request: its standing, its expected time to first token, its place in the
 * draw. Pure. Every number depends only on the seed, the endpoint itself and its own health, never on the other
 * endpoints, so that adding or removing one leaves the order of the others as it was.
 * The draw is weighted and without replacement: key -ln(u)/w, smallest first (Efraimidis and Spirakis, "Weighted random
 * sampling with a reservoir", 2006), with u from the seed and the endpoint, and w = price^-2 x latency^-1.
 */
import type { ListedModel, PricedEndpoint, Provider, Region } from "../catalog/schema.ts";
import { hash32, type EpochMs } from "../core/clock.ts";
import { priceAt, type Price } from "../core/price.ts";
import type { ClientBucket, Health } from "../limits/health.ts";
import type { QualityTier } from "../limits/quality.ts";
import type { Percentiles } from "../limits/histogram.ts";
import type { ByokPin } from "./byok.ts";
import type { Choice, RequestFacts } from "./filter.ts";
import { distanceKm, knownNetworkMs, networkPriorMs, type Place } from "./geography.ts";
import type { PercentileKey, Preferences, SortKey, Thresholds } from "./preferences.ts";

/** From best to worst; `broken` means that the breaker is open. */
export const STANDINGS = ["healthy", "failed-lately", "degraded", "down", "broken"] as const;
export type Standing = (typeof STANDINGS)[number];

/** What one endpoint region is worth. */
export interface Score {
  readonly standing: Standing;
  /** The breaker is not closed: the attempt is a probe and needs the breaker's leave. */
  readonly isProbe: boolean;
  /** To the first token. */
  readonly predictedLatencyMs: number;
  readonly distanceKm: number;
  /** Relative chance in the draw. */
  readonly weight: number;
}

/** A score that is made once and filled for one endpoint region after the other. */
export type Scratch = { -readonly [K in keyof Score]: Score[K] };

/** One endpoint in one region, in its place of a plan. */
export interface Candidate extends Score {
  readonly model: ListedModel;
  readonly endpoint: PricedEndpoint;
  readonly provider: Provider;
  readonly region: Region;
  /** Median tokens a second, as measured; 0: not known. */
  readonly throughputTps: number;
  /** How well its answers keep their form; absent: the order did not ask. */
  readonly quality?: QualityTier;
  /** The account's own credential that it is pinned to; absent: the operator's shared one. */
  readonly byok?: ByokPin;
}

/** What scoring needs beside the choice. */
export interface Scene {
  readonly facts: RequestFacts;
  readonly preferences: Preferences;
  readonly place: Place | null;
  readonly bucket: ClientBucket | null;
  readonly nowMs: EpochMs;
  readonly draw: Draw;
}

/** What the draws of one seed within one model have in common. */
export interface Draw {
  readonly seed: number;
  readonly model: number;
}

/** A failure this young sets an endpoint behind the others. */
const OUTAGE_MS = 30_000;
/** A failure is no outage where at least this share of the last five minutes went well. */
const OUTAGE_UPTIME = 0.99;
/** Below this many requests in 30 minutes uptime says nothing. */
const UPTIME_REQUESTS_MIN = 100;
const DEGRADED_UPTIME = 0.95;
const DOWN_UPTIME = 0.8;
/** Samples from which a measured time to first token replaces the prior. */
const SAMPLES_MIN = 5;
/** Time to first token of an endpoint of which nothing is known. */
const TYPICAL_TTFT_MS = 600;
/** What a completion is taken to cost when prices are compared. */
const EXPECTED_OUTPUT_TOKENS = 500;
/** Free endpoints count as costing $0.001 per million tokens, so that a weight stays finite. */
const PRICE_MIN_PUSD = 1_000;

/** How an endpoint region has fared. */
export function standingOf(health: Health | undefined, nowMs: EpochMs): Standing {
  if (health === undefined) return "healthy";
  if (health.breaker.kind !== "closed") return "broken";
  if (health.uptime30m !== null && health.requestCount30m >= UPTIME_REQUESTS_MIN) {
    if (health.uptime30m < DOWN_UPTIME) return "down";
    if (health.uptime30m < DEGRADED_UPTIME) return "degraded";
  }
  const failedLately = health.lastFailureMs !== null && nowMs - health.lastFailureMs < OUTAGE_MS;
  return failedLately && (health.uptime5m ?? 0) < OUTAGE_UPTIME ? "failed-lately" : "healthy";
}

/**
 * Expected ms to the first token: what distance explains, and beyond it what was measured for clients of this bucket, else
 * for all clients, else `typicalMs`. A region of unknown place counts as far until something was measured.
 */
export function predictLatencyMs(
  typicalMs: number,
  health: Health | undefined,
  { place, bucket }: Pick<Scene, "place" | "bucket">,
  region: Region,
  distance: number = distanceKm(place, region),
): number {
  const here = bucket === null ? undefined : health?.beyondMsByBucket[bucket];
  if (here !== undefined && here.sampleCount >= SAMPLES_MIN) return knownNetworkMs(place, region) + here.p50;
  const everywhereMs = measuredMs(health);
  if (everywhereMs === null) return networkPriorMs(distance) + typicalMs;
  // Nobody knows how far an unknown place is, and what was measured has other clients' way in it: taken as it is, so that
  // it is tried from here and measured.
  const isKnown = place !== null && region.latitude !== null && region.longitude !== null;
  return everywhereMs + (isKnown ? networkPriorMs(distance) : 0);
}

/**
 * What an endpoint's time to first token is beyond distance in a region where nothing was measured: as in the fastest of
 * its regions where something was, for the same model runs there; else what is published or usual.
 */
export function typicalLatencyMs(
  endpoint: Pick<PricedEndpoint, "typical_ttft_ms">,
  siblings: readonly (Health | undefined)[],
): number {
  let leastMs: number | null = null;
  for (const health of siblings) {
    const ms = measuredMs(health);
    if (ms !== null && (leastMs === null || ms < leastMs)) leastMs = ms;
  }
  return leastMs ?? endpoint.typical_ttft_ms ?? TYPICAL_TTFT_MS;
}

/** Clients of unknown place leave nothing but their whole time. */
function measuredMs(health: Health | undefined): number | null {
  if (health === undefined) return null;
  return enough(health.beyondMs) ?? enough(health.latencyMs30m);
}

function enough(measured: Percentiles | null): number | null {
  return measured !== null && measured.sampleCount >= SAMPLES_MIN ? measured.p50 : null;
}

/** What a token of this request costs on average, in pico-dollars; at least PRICE_MIN_PUSD. */
export function blendedPricePusd(price: Price, facts: RequestFacts): number {
  const output = Math.min(facts.maxOutputTokens ?? EXPECTED_OUTPUT_TOKENS, EXPECTED_OUTPUT_TOKENS);
  const input = facts.promptTokensEstimate;
  const at = priceAt(price, input);
  const total = input * at.prompt + output * at.completion + (at.request ?? 0);
  return Math.max(PRICE_MIN_PUSD, total / Math.max(1, input + output));
}

/** @param seedHash `hash32` of the seed. */
export function drawOf(seedHash: number, model: string): Draw {
  return { seed: mixed(seedHash ^ 0x5bd1e995), model: mixed(hash32(model)) };
}

/** A number in (0, 1) that only the seed, the model and the endpoint decide. */
export function drawUniform({ seed, model }: Draw, tag: string): number {
  const own = mixed(hash32(tag) ^ model);
  return (mixed(own ^ seed) + 0.5) / 4294967296;
}

/** Nothing is scored yet. Fractions from the start: a field that was an integer once is made anew with its object. */
export function newScratch(): Scratch {
  return { standing: "healthy", isProbe: false, predictedLatencyMs: 0.5, distanceKm: 0.5, weight: 0.5 };
}

/** What one region of a choice is worth, into `score`: of sixty endpoints most are looked at and not kept. */
export function scoreInto(
  score: Scratch,
  choice: Choice,
  region: Region,
  health: Health | undefined,
  typicalMs: number,
  scene: Scene,
): void {
  const price = blendedPricePusd(choice.price, scene.facts);
  const isProbe = health !== undefined && health.breaker.kind !== "closed";
  // The one probe goes out as if the endpoint were healthy. A request that may not fall back is no place for it.
  const isProbing = isProbe && scene.preferences.allowFallbacks && health.hasProbeLeave === true;
  score.standing = isProbing ? "healthy" : standingOf(health, scene.nowMs);
  score.isProbe = isProbe;
  score.distanceKm = distanceKm(scene.place, region);
  score.predictedLatencyMs = predictLatencyMs(typicalMs, health, scene, region, score.distanceKm);
  score.weight = 1 / (price * price * Math.max(1, score.predictedLatencyMs));
}

function throughputOf(health: Health | undefined): number {
  return (health?.throughputTps5m ?? health?.throughputTps30m)?.p50 ?? 0;
}

/** The candidate for one region of a choice. */
export function candidateOf(
  { model, endpoint, provider }: Choice,
  region: Region,
  health: Health | undefined,
  { standing, isProbe, predictedLatencyMs, distanceKm: distance, weight }: Score,
  quality: QualityTier | undefined,
): Candidate {
  const known = { model, endpoint, provider, region, throughputTps: throughputOf(health) };
  const candidate = { ...known, standing, isProbe, predictedLatencyMs, distanceKm: distance, weight };
  return quality === undefined ? candidate : { ...candidate, quality };
}

/** The number that candidates of equal rank are ordered by, ascending. */
export function orderKey(
  score: Score,
  { endpoint, price }: Pick<Choice, "endpoint" | "price">,
  sort: SortKey | null,
  health: Health | undefined,
  scene: Scene,
): number {
  switch (sort) {
    case "price":
      return blendedPricePusd(price, scene.facts);
    case "latency":
      return score.predictedLatencyMs;
    case "throughput":
      return -throughputOf(health);
    case "distance":
      return score.distanceKm;
    case "exacto":
    case null:
      return -Math.log(drawUniform(scene.draw, endpoint.tag)) / score.weight;
    default:
      return sort satisfies never;
  }
}

/** True when measured figures of the last five minutes miss a wish; what was not measured misses nothing. */
export function missesWishes(health: Health | undefined, preferences: Preferences): boolean {
  if (health === undefined) return false;
  return (
    misses(preferences.maxLatencyMs, health.latencyMs5m, (measured, limit) => measured > limit) ||
    misses(preferences.minThroughputTps, health.throughputTps5m, (measured, limit) => measured < limit)
  );
}

function misses(
  wished: Thresholds | null,
  measured: Percentiles | null,
  isMissed: (measured: number, limit: number) => boolean,
): boolean {
  if (wished === null || measured === null) return false;
  const keys: readonly PercentileKey[] = ["p50", "p75", "p90", "p99"];
  return keys.some((key) => {
    const limit = wished[key];
    return limit !== undefined && isMissed(measured[key], limit);
  });
}

/** The finalizer of MurmurHash3: every bit of the input reaches every bit of the output. */
function mixed(hash: number): number {
  let value = hash | 0;
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
