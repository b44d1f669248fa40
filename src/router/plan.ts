/**
 * The plan of a request: every endpoint region that may serve it, in the order in which they will be tried.
 * Pure, and replayable: the same input and seed give the same plan. An endpoint's place depends on nothing but itself,
 * so adding an unhealthy one never changes the order of the others, and removing one never hides a healthy one.
 *
 * Order: first what is neither broken nor below the client's wishes, model by model; within a model the account's own
 * credentials (each a copy of the endpoint, pinned to it), the shared one, own ones meant as fallback; then the client's
 * `order`, then standing, then the measured form of answers where that matters (quality.ts), then each endpoint's nearest region before anybody's second one, then sort or draw.
 * Broken ones come last: they are a last resort, not excluded. A region without capacity is left out until it reopens.
 */
import { BYOK_PER_PROVIDER_MAX, type ByokChoice } from "../accounts/byok.ts";
import type { ModelEntry } from "../catalog/schema.ts";
import { hash32, type EpochMs } from "../core/clock.ts";
import { compareText } from "../core/compare.ts";
import type { Exclusion } from "../core/error.ts";
import type { EndpointTag, ModelId, ProviderId, RegionId } from "../core/ids.ts";
import type { ClientBucket, Health } from "../limits/health.ts";
import { QUALITY_TIERS, type QualityTier } from "../limits/quality.ts";
import { classOf, CREDENTIAL_CLASSES } from "./byok.ts";
import { filterEndpoints, isNamed, type Choice, type FilterRules } from "./filter.ts";
import type { Place } from "./geography.ts";
import type { Preferences, SortKey } from "./preferences.ts";
import { qualityPlace, qualityWish, tierOfEndpoint, type QualityWish } from "./quality.ts";
import { createRanking, type Ranked, type Ranking } from "./ranking.ts";
import {
  candidateOf,
  drawOf,
  missesWishes,
  newScratch,
  orderKey,
  scoreInto,
  STANDINGS,
  typicalLatencyMs,
  type Candidate,
  type Scene,
  type Scratch,
  type Standing,
} from "./score.ts";

/** What is known of an endpoint region. Tags are unique within a model only, so the model is part of the question. */
export type HealthLookup = (
  provider: ProviderId,
  region: RegionId,
  endpoint: EndpointTag,
  model: ModelId,
  nowMs: EpochMs,
) => Health | undefined;

/** A model to try, and the order that its variant asks for (`:nitro`, `:floor`, `:exacto`), as the catalog resolves it. */
export interface ModelChoice {
  readonly entry: ModelEntry;
  readonly sort?: SortKey | undefined;
}

export interface PlanInput extends FilterRules {
  /** In the client's order; at least one. */
  readonly models: readonly ModelChoice[];
  readonly place: Place | null;
  readonly bucket: ClientBucket | null;
  readonly health: HealthLookup;
  /** The request id, or the sticky key where prompt caches matter. */
  readonly seed: string;
}

export interface Plan {
  /** At most CANDIDATES_MAX, in the order to be tried. */
  readonly candidates: readonly Candidate[];
  readonly exclusions: readonly Exclusion[];
  readonly strategy: "direct" | "fallback";
  /** One sentence per thing that will not be honoured. */
  readonly warnings: readonly string[];
  /** When the first region that is closed for lack of capacity reopens; null when none is closed. */
  readonly soonestReopenMs: EpochMs | null;
  /** Endpoints looked at, excluded ones included. */
  readonly endpointCount: number;
}

/** Attempts that one request may have; with several models each gets an equal part of them, at least two. */
export const CANDIDATES_MAX = 12;
const PER_MODEL_MIN = 2;

const EXACTO_WARNING = "exacto: no endpoint has enough tool-call statistics yet, so the default order was used.";

/** Places in a rank: more models or names than that share the last one. */
const GROUPS_MAX = 64;
const ORDER_MAX = 128;
const CLASS_COUNT = Object.keys(CREDENTIAL_CLASSES).length;

/** What looking at one endpoint takes, used again for the next: a model may have sixty, and all of it would be garbage. */
interface Desk {
  readonly score: Scratch;
  readonly healths: (Health | undefined)[];
}

/** Filters, scores and orders. Never fails: a plan without candidates says why in its exclusions. */
export function plan(input: PlanInput): Plan {
  const { facts, preferences, place, bucket, nowMs } = input;
  let isExacto = false;
  const isMerged = preferences.partition === "none";
  const seedHash = hash32(input.seed);
  const desk: Desk = { score: newScratch(), healths: [] };
  const exclusions: Exclusion[] = [];
  const warnings: string[] = [...preferences.warnings];
  // Of one model no more than can be tried are kept; of several, each may have an equal part, so that all are.
  const ranking = createRanking(isMerged || input.models.length === 1 ? CANDIDATES_MAX : null);
  let endpointCount = 0;
  let soonestReopenMs: EpochMs | null = null;

  for (const [index, wanted] of input.models.entries()) {
    const sort = preferences.sort ?? (isMerged ? input.models[0]?.sort : wanted.sort) ?? null;
    endpointCount += wanted.entry.model.endpoints.length;
    const wish = qualityWish(facts, preferences, sort, seedHash);
    const draw = drawOf(seedHash, wanted.entry.model.id);
    const scene: Scene = { facts, preferences, place, bucket, nowMs, draw };
    isExacto ||= sort === "exacto";
    const group = isMerged ? 0 : Math.min(index, GROUPS_MAX - 1);
    for (const choice of filterEndpoints(wanted.entry, input, exclusions, warnings)) {
      const before = ranking.count();
      const reopensMs = rankRegions(choice, group, sort, wish, input, scene, ranking, desk);
      if (reopensMs === null) continue;
      soonestReopenMs = Math.min(soonestReopenMs ?? reopensMs, reopensMs);
      if (ranking.count() === before) {
        exclusions.push({
          endpoint: choice.endpoint.tag,
          provider: choice.endpoint.provider,
          reason: "capacity_exhausted",
          detail: `reopens in ${Math.ceil((reopensMs - nowMs) / 1000)} s`,
        });
      }
    }
  }
  if (isExacto && ranking.count() > 0 && !ranking.hasProven()) warnings.push(EXACTO_WARNING);
  const candidates = cut(ranking.ordered(), preferences, isMerged ? 1 : input.models.length);
  const strategy = input.models.length > 1 ? "fallback" : "direct";
  return { candidates, exclusions, strategy, warnings, soonestReopenMs, endpointCount };
}

/**
 * Adds the choice's open regions to `ranking`: the nearest of the best standing as first choice, the rest behind.
 * @returns when the first of its closed regions reopens; null when all are open.
 */
function rankRegions(
  choice: Choice,
  group: number,
  sort: SortKey | null,
  wish: QualityWish | null,
  input: PlanInput,
  scene: Scene,
  ranking: Ranking,
  desk: Desk,
): EpochMs | null {
  const own = input.byok?.choose(choice.provider.slug, choice.model.id) ?? null;
  if (own !== null) rankOwn(own, choice, group, sort, wish, input, scene, ranking, desk);
  if (own?.isOnly === true || !input.credentials.has(choice.provider.slug)) return null;
  let reopensMs: EpochMs | null = null;
  let first: Ranked | null = null;
  let later: Ranked[] | null = null;
  const healths = healthsOf(choice, input, desk);
  const typicalMs = typicalLatencyMs(choice.endpoint, healths);
  const quality = wish === null ? undefined : tierOfEndpoint(healths, wish);
  for (let index = 0; index < choice.regions.length; index++) {
    const region = choice.regions[index];
    if (region === undefined) continue;
    const health = healths[index];
    if (health !== undefined && health.closedUntilMs > input.nowMs) {
      reopensMs = Math.min(reopensMs ?? health.closedUntilMs, health.closedUntilMs);
      continue;
    }
    const { score } = desk;
    scoreInto(score, choice, region, health, typicalMs, scene);
    const rank = rankOf(choice, score.standing, quality, health, group, sort, wish, input, SHARED);
    const key = orderKey(score, choice, sort, health, scene);
    // The only region is its endpoint's first one. Of sixty endpoints most end here.
    if (choice.regions.length === 1 && ranking.isBeyond(rank - LATER_REGION, key)) {
      ranking.skip(quality);
      return null;
    }
    const one = { candidate: candidateOf(choice, region, health, score, quality), group, rank, key };
    if (first === null) first = one;
    else {
      const isNearer = compareRegions(one.candidate, first.candidate, sort) < 0;
      (later ??= []).push(isNearer ? first : one);
      if (isNearer) first = one;
    }
  }
  if (first === null) return reopensMs;
  first.rank -= LATER_REGION;
  ranking.add(first);
  if (later !== null) for (const one of later) ranking.add(one);
  return reopensMs;
}

/**
 * Adds a copy of the endpoint for each of the account's own credentials, in the best region. What the shared credential
 * has run into there (its rate limit, a breaker's probe) is not theirs.
 */
function rankOwn(
  own: ByokChoice,
  choice: Choice,
  group: number,
  sort: SortKey | null,
  wish: QualityWish | null,
  input: PlanInput,
  scene: Scene,
  ranking: Ranking,
  desk: Desk,
): void {
  const { byok } = input;
  if (byok === undefined) return;
  const healths = healthsOf(choice, input, desk);
  const typicalMs = typicalLatencyMs(choice.endpoint, healths);
  const quality = wish === null ? undefined : tierOfEndpoint(healths, wish);
  const regions = choice.regions.map((region, index) => {
    const health = healths[index];
    scoreInto(desk.score, choice, region, health, typicalMs, scene);
    desk.score.isProbe = false;
    return { candidate: candidateOf(choice, region, health, desk.score, quality), health };
  });
  const [best] = regions.toSorted((left, right) => compareRegions(left.candidate, right.candidate, sort));
  if (best === undefined) return;
  const key = orderKey(best.candidate, choice, sort, best.health, scene);
  for (const [index, credential] of own.usable.entries()) {
    const candidate = { ...best.candidate, byok: { id: credential.id, feeBps: byok.feeBps } };
    const turn = { credentialClass: classOf(credential, byok), index };
    const { standing } = candidate;
    const rank = rankOf(choice, standing, quality, best.health, group, sort, wish, input, turn) - LATER_REGION;
    ranking.add({ candidate, group, rank, key });
  }
}

/** In the order of the choice's regions, until the next choice is looked at. */
function healthsOf(
  { provider, endpoint, model, regions }: Choice,
  input: PlanInput,
  { healths }: Desk,
): readonly (Health | undefined)[] {
  // To 0 and up again, the array would be made anew.
  if (healths.length !== regions.length) healths.length = regions.length;
  for (const [index, { id }] of regions.entries()) {
    healths[index] = input.health(provider.slug, id, endpoint.tag, model.id, input.nowMs);
  }
  return healths;
}

/** Where a candidate stands by its credential: the class, and its place within it. */
interface Turn {
  readonly credentialClass: number;
  readonly index: number;
}

const SHARED: Turn = { credentialClass: CREDENTIAL_CLASSES.shared, index: 0 };
/** What a rank has more in any region of an endpoint but its first. */
const LATER_REGION = 1;

/** As of a later region. */
function rankOf(
  choice: Choice,
  standing: Standing,
  quality: QualityTier | undefined,
  health: Health | undefined,
  group: number,
  sort: SortKey | null,
  wish: QualityWish | null,
  input: PlanInput,
  { credentialClass, index }: Turn,
): number {
  const { preferences } = input;
  // An own credential goes first even where a wish for speed is missed; a broken endpoint is a last resort for everybody.
  const isBelow = credentialClass !== CREDENTIAL_CLASSES.own && missesWishes(health, preferences);
  let rank = (standing === "broken" ? 2 : 0) + (isBelow ? 1 : 0);
  rank = rank * GROUPS_MAX + group;
  rank = rank * CLASS_COUNT + credentialClass;
  rank = rank * ORDER_MAX + orderPlace(choice, preferences.order);
  rank = rank * BYOK_PER_PROVIDER_MAX + index;
  rank = rank * STANDINGS.length + tierOf(standing, sort, preferences.order !== null);
  rank = rank * QUALITY_TIERS.length + (wish === null || quality === undefined ? 0 : qualityPlace(quality, wish));
  return rank * 2 + LATER_REGION;
}

/** Which name of `order` means this endpoint; the last place when none does. */
function orderPlace(choice: Choice, order: readonly string[] | null): number {
  if (order === null) return 0;
  const found = order.findIndex((wanted) => isNamed(wanted, choice.endpoint, choice.provider));
  return found === -1 ? ORDER_MAX - 1 : Math.min(found, ORDER_MAX - 2);
}

/** How far standing goes against the client's word: an explicit order yields only to the breaker, a sort also to "down". */
function tierOf(standing: Standing, sort: SortKey | null, isOrdered: boolean): number {
  const tier = STANDINGS.indexOf(standing);
  if (isOrdered) return tier >= STANDINGS.indexOf("broken") ? tier : 0;
  if (sort !== null && sort !== "exacto") return tier >= STANDINGS.indexOf("down") ? tier : 0;
  return tier;
}

/** Between regions of one endpoint: standing, then nearness. */
function compareRegions(left: Candidate, right: Candidate, sort: SortKey | null): number {
  const byStanding = STANDINGS.indexOf(left.standing) - STANDINGS.indexOf(right.standing);
  if (byStanding !== 0) return byStanding;
  const byNearness =
    sort === "distance" ? left.distanceKm - right.distanceKm : left.predictedLatencyMs - right.predictedLatencyMs;
  return byNearness !== 0 ? byNearness : compareText(left.region.id, right.region.id);
}

/** At most CANDIDATES_MAX, shared between the models; without fallbacks one per model, or the `order` list. */
function cut(ranked: readonly Ranked[], preferences: Preferences, groups: number): readonly Candidate[] {
  // With an order list and no fallbacks the filter has already left nothing but the list.
  const isPrimaryOnly = !preferences.allowFallbacks && preferences.order === null;
  const share = isPrimaryOnly
    ? 1
    : groups === 1
      ? CANDIDATES_MAX
      : Math.max(PER_MODEL_MIN, Math.floor(CANDIDATES_MAX / groups));
  const taken: Candidate[] = [];
  const perGroup: number[] = [];
  for (const { candidate, group } of ranked) {
    if (taken.length === CANDIDATES_MAX) break;
    const count = perGroup[group] ?? 0;
    if (count === share) continue;
    perGroup[group] = count + 1;
    taken.push(candidate);
  }
  return taken;
}
