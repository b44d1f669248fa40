/**
 * The plan told to people: the `openrouter_metadata` object, the error of a plan without candidates, and one sentence
 * for the nearest reason. Pure; never shows a credential, a price of the operator's own or a health figure.
 */
import type { EpochMs } from "../core/clock.ts";
import type { Exclusion, ExclusionReason, RouterError } from "../core/error.ts";
import type { JsonObject } from "../core/json.ts";
import type { AttemptRecord } from "../insight/generation.ts";
import type { Place } from "./geography.ts";
import type { Plan } from "./plan.ts";

export interface ExplainInput {
  readonly plan: Plan;
  /** In the order in which they were made; the last one is what the client got, if its status is 200. */
  readonly attempts: readonly AttemptRecord[];
  /** The model as the client wrote it. */
  readonly requested: string;
  readonly place: Place | null;
  readonly isByok: boolean;
}

/** How a request was routed. `exclusions` is an addition of ours: which endpoints were left out, and why. */
export function explainRoute(input: ExplainInput): JsonObject {
  const { plan, attempts } = input;
  const last = attempts.at(-1);
  const served = last?.outcome === "ok" ? last : undefined;
  const isServing = (tag: string, region: string, model: string): boolean =>
    served !== undefined && served.endpoint === tag && served.region === region && served.model === model;
  const available = plan.candidates.map(({ provider, model, endpoint, region }) => ({
    provider: provider.name,
    model: model.id,
    selected: isServing(endpoint.tag, region.id, model.id),
    endpoint: endpoint.tag,
    region: region.id,
  }));
  return {
    requested: input.requested,
    strategy: plan.strategy,
    region: input.place?.colo ?? null,
    summary: `available=${available.length}${served === undefined ? "" : `, selected=${served.providerName}`}`,
    attempt: attempts.length,
    is_byok: input.isByok,
    endpoints: { total: plan.endpointCount, available },
    params: {},
    attempts: attempts.map(({ providerName, model, status }) => ({ provider: providerName, model, status })),
    pipeline: [],
    exclusions: plan.exclusions.map(({ endpoint, provider, reason, detail }) => ({
      endpoint,
      provider,
      reason,
      detail,
    })),
  };
}

/**
 * Why a plan has no candidates.
 * @returns `rate_limited` with the honest time when capacity alone is short, else `no_endpoints` with every reason.
 */
export function noEndpointsError(models: readonly string[], plan: Plan, nowMs: EpochMs): RouterError {
  if (plan.soonestReopenMs !== null) {
    return {
      kind: "rate_limited",
      message: `Every provider that can serve ${models.join(", ")} is at its rate limit.`,
      limitSource: "upstream_provider_shared_pool",
      limit: 0,
      remaining: 0,
      resetMs: plan.soonestReopenMs,
      retryAfterS: Math.max(1, Math.ceil((plan.soonestReopenMs - nowMs) / 1000)),
    };
  }
  return { kind: "no_endpoints", models, exclusions: plan.exclusions };
}

/** How far an endpoint got before it was left out: the further, the smaller the change that would let it in. */
const NEARNESS: readonly ExclusionReason[] = [
  "provider_disabled",
  "no_credential",
  "not_priced",
  "modality",
  "distillable",
  "allowed_providers",
  "ignored_provider",
  "data_region",
  "data_policy:zdr",
  "data_policy:training",
  "quantization",
  "context_length",
  "max_output",
  "require_parameters",
  "soft_parameters",
  "max_price",
  "breaker_open",
  "capacity_exhausted",
];

/** The exclusion that the client could most easily undo; undefined when there is none. */
export function nearestExclusion(exclusions: readonly Exclusion[]): Exclusion | undefined {
  let nearest: Exclusion | undefined;
  for (const exclusion of exclusions) {
    if (nearest === undefined || NEARNESS.indexOf(exclusion.reason) > NEARNESS.indexOf(nearest.reason))
      nearest = exclusion;
  }
  return nearest;
}

/** One sentence: how many were left out for what, and the one that was nearest. */
export function summarizeExclusions(exclusions: readonly Exclusion[]): string {
  const nearest = nearestExclusion(exclusions);
  if (nearest === undefined) return "The model has no endpoints.";
  const counts = new Map<ExclusionReason, number>();
  for (const { reason } of exclusions) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const listed = [...counts].map(([reason, count]) => `${reason} (${count})`).join(", ");
  return `All ${exclusions.length} endpoints were left out: ${listed}. Nearest: ${nearest.endpoint}, ${nearest.reason}: ${nearest.detail}.`;
}
