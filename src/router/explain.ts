/**
 * The plan told to people: the `openrouter_metadata` object, and the error of a plan without candidates. Pure; never
 * shows a credential, a price of the operator's own or a health figure; of the measured form of answers, where the order
 * looked at it, the tier alone (`quality`).
 */
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { JsonObject } from "../core/json.ts";
import type { AttemptRecord } from "../insight/generation.ts";
import type { Place } from "./geography.ts";
import type { RouterChoice } from "./named-models.ts";
import type { Plan } from "./plan.ts";
import type { Candidate } from "./score.ts";

export interface ExplainInput {
  readonly plan: Plan;
  /** In the order in which they were made; the last one is what the client got, if its status is 200. */
  readonly attempts: readonly AttemptRecord[];
  /** The model as the client wrote it. */
  readonly requested: string;
  readonly place: Place | null;
  /** Of a router model; absent: the models were named. */
  readonly choice?: RouterChoice | undefined;
}

/** How a request was routed. `exclusions` and `router` are additions of ours: what was left out or chosen, and why. */
export function explainRoute(input: ExplainInput): JsonObject {
  const { plan, attempts, choice } = input;
  const last = attempts.at(-1);
  const served = last?.outcome === "ok" ? last : undefined;
  // Of several own credentials at one endpoint the one that served comes behind those that failed there.
  let passed = attempts.filter((one) => one !== served && served !== undefined && isSame(one, served)).length;
  const available = plan.candidates.map((candidate) => ({
    provider: candidate.provider.name,
    model: candidate.model.id,
    selected: served !== undefined && isPlaceOf(candidate, served) && passed-- === 0,
    endpoint: candidate.endpoint.tag,
    region: candidate.region.id,
    ...(candidate.quality === undefined ? {} : { quality: candidate.quality }),
    ...(candidate.byok === undefined ? {} : { is_byok: true }),
  }));
  return {
    requested: input.requested,
    strategy: choice?.router.kind ?? plan.strategy,
    region: input.place?.colo ?? null,
    summary: `available=${available.length}${served === undefined ? "" : `, selected=${served.providerName}`}`,
    attempt: attempts.length,
    is_byok: served?.isByok === true,
    endpoints: { total: plan.endpointCount, available },
    params: {},
    attempts: attempts.map(({ providerName, model, status, isByok }) => ({
      provider: providerName,
      model,
      status,
      ...(isByok === true ? { is_byok: true } : {}),
    })),
    pipeline: [],
    ...(choice === undefined ? {} : { router: explainChoice(choice) }),
    exclusions: plan.exclusions.map(({ endpoint, provider, reason, detail }) => ({
      endpoint,
      provider,
      reason,
      detail,
    })),
  };
}

/** Why a router chose what it chose. */
function explainChoice({ router, classified, models, band, ableCount, refusals }: RouterChoice): JsonObject {
  const { task, signs, needs } = classified;
  const price = band === null ? "free of charge" : `from the price band ${band.name} of ${ableCount} able models`;
  const able = needs.length === 0 ? "" : `, able: ${needs.join(", ")}`;
  return {
    name: router.name,
    reason: `${task} (${signs.join(", ")})${able}; ${price}`,
    task,
    signs,
    needs,
    band: band === null ? null : { name: band.name, from_percent: band.fromPercent, to_percent: band.toPercent },
    able: ableCount,
    left_out: Object.fromEntries(refusals),
    models,
  };
}

function isSame(left: AttemptRecord, right: AttemptRecord): boolean {
  return (
    left.endpoint === right.endpoint &&
    left.region === right.region &&
    left.model === right.model &&
    left.isByok === right.isByok
  );
}

function isPlaceOf({ endpoint, region, model, byok }: Candidate, attempt: AttemptRecord): boolean {
  return (
    endpoint.tag === attempt.endpoint &&
    region.id === attempt.region &&
    model.id === attempt.model &&
    (byok !== undefined) === (attempt.isByok === true)
  );
}

/** Why a plan has no candidates: every reason, and the honest time when some of them lack capacity alone. */
export function noEndpointsError(models: readonly string[], plan: Plan, nowMs: EpochMs): RouterError {
  const { exclusions, soonestReopenMs } = plan;
  const retryAfterS = soonestReopenMs === null ? null : Math.max(1, Math.ceil((soonestReopenMs - nowMs) / 1000));
  return { kind: "no_endpoints", models, exclusions, retryAfterS };
}
