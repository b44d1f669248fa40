/**
 * What a client hears when no endpoint could serve: none was left to try, or all that were tried failed.
 *
 * Nothing tried (`no_endpoints`):
 * | left out because | status | availability code |
 * |---|---|---|
 * | some by capacity alone | 429 | capacity_exhausted |
 * | all by data policy | 404 | privacy_restricted |
 * | all by what the request demands | 404 | constraint_filtered |
 * | anything else | 404 | no_endpoints |
 *
 * Tried (`upstream`), first row that fits:
 * | attempts | status | availability code |
 * |---|---|---|
 * | the last one refused this very request | its own 4xx, else by its error type | - |
 * | all 404 | 404 | model_unavailable_upstream |
 * | all 429 | 429 | capacity_exhausted |
 * | one, a fault of the endpoint | by its error type: 502, 503, 504 | temporarily_unavailable |
 * | several, all faults of endpoints or capacity | 503 | temporarily_unavailable |
 * | the last one refused the account's own credential | 502, and a word about it | - |
 * | anything else (the operator's credentials, mixed) | 502 | - |
 *
 * A 401, 402 or 403 of the operator's credential is never shown as the client's own, nor is its text.
 * Availability codes are OpenRouter's as we know them; which row gives which is our choice.
 */
import type {
  ErrorType,
  Exclusion,
  ExclusionReason,
  FailedAttempt,
  RouterError,
  UpstreamFailure,
} from "../core/error.ts";
import type { JsonObject } from "../core/json.ts";
import type { ErrorFace } from "../dialects/dialect.ts";

type NoEndpoints = RouterError & { readonly kind: "no_endpoints" };
type Upstream = RouterError & { readonly kind: "upstream" };

/** Seconds to stay away on a 429 or 503 when nobody said how long. */
const RETRY_DEFAULT_S = 2;
const EXCLUSIONS_MAX = 200;
const NAMES_MAX = 5;

/** What a status a refused request may pass on: those a client can act on, without the operator's own. */
const REQUEST_STATUSES: ReadonlySet<number> = new Set([400, 403, 404, 408, 409, 412, 413, 422]);

/** Why the request itself leaves an endpoint out, and the field that says so. */
const DEMANDS: Readonly<Partial<Record<ExclusionReason, string>>> = {
  allowed_providers: "provider.only",
  ignored_provider: "provider.ignore",
  data_region: "data_region",
  quantization: "provider.quantizations",
  hardware: "provider.hardware",
  max_price: "provider.max_price",
  context_length: "messages",
  max_output: "max_tokens",
  require_parameters: "provider.require_parameters",
  modality: "messages",
  soft_parameters: "tools",
  distillable: "provider.enforce_distillable_text",
};

/** Reasons that have a public name in `excluded_by`. */
const PUBLIC_REASONS: ReadonlySet<ExclusionReason> = new Set<ExclusionReason>([
  "data_region",
  "data_policy:zdr",
  "data_policy:training",
  "max_price",
  "context_length",
  "require_parameters",
  "quantization",
  "allowed_providers",
]);

/** The answer when every endpoint was left out before anything was tried. */
export function faceOfNoEndpoints(error: NoEndpoints): ErrorFace {
  const verdict = judgeExclusions(error.exclusions);
  const counts = countsOf(error.exclusions);
  const names = namesOf(error.models);
  const why =
    counts.length === 0 ? "it has no endpoints" : counts.map(([reason, count]) => `${count} by ${reason}`).join(", ");
  const single = counts.length === 1 ? error.exclusions[0] : undefined;
  const field = single === undefined ? undefined : DEMANDS[single.reason];
  const seconds = retryAfterOfExhausted(error);
  const affected = seconds === null ? error.exclusions : error.exclusions.filter(isClosed);
  return {
    status: verdict.status,
    message:
      seconds === null
        ? (error.why ?? `No endpoints found for ${names} that can take this request. Left out: ${why}.`)
        : `Every provider that can serve ${names} is at its rate limit.`,
    metadata: {
      error_type: verdict.errorType,
      provider_name: null,
      // No limit of ours: how large the pool is, and what is left of it, nobody knows.
      ...(seconds === null
        ? {}
        : {
            limit_source: "upstream_provider_shared_pool",
            retry_after_seconds: seconds,
            remedy_hint: "Try again later, or allow more providers.",
          }),
      exclusions: error.exclusions
        .slice(0, EXCLUSIONS_MAX)
        .map(({ endpoint, provider, reason, detail }) => ({ endpoint, provider, reason, detail })),
    },
    availability: {
      code: verdict.code,
      retryable: verdict.isRetryable,
      ...(seconds === null ? {} : { retry_after: seconds }),
      requested_models: error.models,
      affected_providers: [...new Set(affected.map((exclusion) => exclusion.provider))],
      excluded_by: counts.map(([reason]) => reason).filter((reason) => PUBLIC_REASONS.has(reason)),
      ...(verdict.code === "constraint_filtered" && single !== undefined && field !== undefined
        ? { constraint: { field, detail: single.detail } }
        : {}),
    },
  };
}

/** The answer when attempts were made and none delivered. */
export function faceOfExhausted(error: Upstream): ErrorFace {
  const verdict = judgeAttempts(error.attempts);
  const last = error.attempts.at(-1);
  const seconds = retryAfterOfExhausted(error);
  return {
    status: verdict.status,
    message: verdict.message ?? `${namesOf(error.models)} ${verdict.sentence}`,
    metadata: {
      error_type: verdict.errorType,
      ...(last === undefined
        ? { provider_name: null }
        : failureMetadata(last.failure, last.providerName, last.isByok === true)),
      ...(seconds === null ? {} : { retry_after_seconds: seconds }),
      previous_errors: error.attempts.slice(0, -1).map(({ providerName, failure, isByok }) => ({
        provider: providerName,
        code: failure.errorType,
        status: failure.status,
        ...(isByok === true ? { is_byok: true } : {}),
      })),
    },
    availability:
      verdict.code === null
        ? null
        : {
            code: verdict.code,
            retryable: verdict.isRetryable,
            ...(seconds === null ? {} : { retry_after: seconds }),
            requested_models: error.models,
            affected_providers: [...new Set(error.attempts.map((attempt) => attempt.provider))],
          },
  };
}

/** One upstream failure as the client hears it in the middle of a stream. */
export function faceOfFailure(failure: UpstreamFailure, providerName: string): ErrorFace {
  const { status, errorType } = outcomeOf(failure);
  return {
    status,
    message: failure.scope === "credential" ? "Provider returned error" : failure.message,
    metadata: { error_type: errorType, ...failureMetadata(failure, providerName) },
    availability: null,
  };
}

/** Seconds after which to try again, at least 1: the least that any attempt was told; null when it makes no sense. */
export function retryAfterOfExhausted(error: NoEndpoints | Upstream): number | null {
  if (error.kind === "no_endpoints") {
    if (!judgeExclusions(error.exclusions).isRetryable) return null;
    return Math.max(1, Math.ceil(error.retryAfterS ?? RETRY_DEFAULT_S));
  }
  const { status, isRetryable } = judgeAttempts(error.attempts);
  if (!isRetryable) return null;
  const hints = error.attempts.flatMap(({ failure }) => (failure.retryAfterMs === null ? [] : [failure.retryAfterMs]));
  if (hints.length > 0) return Math.max(1, Math.ceil(Math.min(...hints) / 1000));
  return status === 429 || status === 503 ? RETRY_DEFAULT_S : null;
}

interface Verdict {
  readonly status: number;
  readonly errorType: ErrorType;
  /** Availability code; null when availability is not the trouble. */
  readonly code: string | null;
  readonly isRetryable: boolean;
}

const CAPACITY: Verdict = {
  status: 429,
  errorType: "rate_limit_exceeded",
  code: "capacity_exhausted",
  isRetryable: true,
};
const TEMPORARY: Verdict = {
  status: 503,
  errorType: "provider_overloaded",
  code: "temporarily_unavailable",
  isRetryable: true,
};

function isClosed(exclusion: Exclusion): boolean {
  return exclusion.reason === "capacity_exhausted";
}

function judgeExclusions(exclusions: readonly Exclusion[]): Verdict {
  if (exclusions.some(isClosed)) return CAPACITY;
  const reasons = new Set(exclusions.map((exclusion) => exclusion.reason));
  const isPrivacy = (reason: ExclusionReason): boolean => reason.startsWith("data_policy:");
  const all = (holds: (reason: ExclusionReason) => boolean): boolean => reasons.size > 0 && [...reasons].every(holds);
  const code = all(isPrivacy)
    ? "privacy_restricted"
    : all((reason) => isPrivacy(reason) || DEMANDS[reason] !== undefined)
      ? "constraint_filtered"
      : "no_endpoints";
  return { status: 404, errorType: "not_found", code, isRetryable: false };
}

/** `message` when one failure is passed on; else `sentence` goes on after the model's name. */
type AttemptVerdict = Verdict & { readonly message: string | null; readonly sentence: string };

const RETURNED_ERROR: AttemptVerdict = {
  status: 502,
  errorType: "provider_unavailable",
  code: null,
  isRetryable: false,
  message: "Provider returned error",
  sentence: "",
};

function judgeAttempts(attempts: readonly FailedAttempt[]): AttemptVerdict {
  const failures = attempts.map((attempt) => attempt.failure);
  const last = failures.at(-1);
  const every = (holds: (failure: UpstreamFailure) => boolean): boolean => failures.length > 0 && failures.every(holds);
  if (every((failure) => failure.status === 404)) {
    const sentence = "is not available at its providers (404)";
    return {
      status: 404,
      errorType: "not_found",
      code: "model_unavailable_upstream",
      isRetryable: false,
      message: null,
      sentence,
    };
  }
  if (last?.scope === "request") {
    return { ...outcomeOf(last), code: null, isRetryable: false, message: last.message, sentence: "" };
  }
  if (every((failure) => failure.scope === "capacity")) {
    const sentence = "is temporarily rate-limited at its providers. Please retry shortly.";
    return { ...CAPACITY, message: null, sentence };
  }
  if (last !== undefined && failures.length === 1 && last.scope === "endpoint") {
    const { status, errorType } = outcomeOf(last);
    const message = status === 502 ? "Provider returned error" : last.message;
    return { ...TEMPORARY, status, errorType, message, sentence: "" };
  }
  if (every((failure) => failure.scope === "capacity" || failure.scope === "endpoint")) {
    return {
      ...TEMPORARY,
      message: null,
      sentence: `is temporarily unavailable: ${failures.length} attempts failed. Please retry shortly.`,
    };
  }
  const lastAttempt = attempts.at(-1);
  if (last?.scope === "credential" && lastAttempt?.isByok === true) {
    const message = `${lastAttempt.providerName} refused your own credential (${last.status}). GET /byok shows its state.`;
    return { ...RETURNED_ERROR, message };
  }
  return RETURNED_ERROR;
}

/** Status and type of one failure alone. */
function outcomeOf(failure: UpstreamFailure): { status: number; errorType: ErrorType } {
  switch (failure.scope) {
    case "credential":
      return { status: 502, errorType: "provider_unavailable" };
    case "capacity":
      return { status: 429, errorType: "rate_limit_exceeded" };
    case "endpoint":
      if (failure.errorType === "timeout") return { status: 504, errorType: "timeout" };
      if (failure.errorType === "provider_overloaded") return { status: 503, errorType: "provider_overloaded" };
      return { status: 502, errorType: "provider_unavailable" };
    case "request": {
      const byType = STATUS_BY_TYPE[failure.errorType];
      return { status: REQUEST_STATUSES.has(failure.status) ? failure.status : byType, errorType: failure.errorType };
    }
    default:
      return failure.scope satisfies never;
  }
}

/** The status of a refusal that came without a usable one of its own. What is the operator's trouble is a 502. */
const STATUS_BY_TYPE: Readonly<Record<ErrorType, number>> = {
  context_length_exceeded: 400,
  max_tokens_exceeded: 400,
  token_limit_exceeded: 400,
  string_too_long: 400,
  invalid_request: 400,
  invalid_prompt: 400,
  content_policy_violation: 400,
  refusal: 400,
  invalid_image: 400,
  image_too_large: 400,
  image_too_small: 400,
  unsupported_image_format: 400,
  image_download_failed: 400,
  authentication: 502,
  payment_required: 502,
  permission_denied: 403,
  not_found: 404,
  image_not_found: 404,
  precondition_failed: 412,
  conflict: 409,
  payload_too_large: 413,
  unprocessable: 422,
  rate_limit_exceeded: 429,
  provider_unavailable: 502,
  provider_overloaded: 503,
  timeout: 504,
  server: 502,
  unmapped: 502,
};

/** `provider_code` is left out when there is none: streams may not hold null there. */
function failureMetadata(failure: UpstreamFailure, providerName: string, isByok = false): JsonObject {
  const isOurs = failure.scope === "credential";
  return {
    provider_name: providerName,
    ...(failure.providerCode === null || isOurs ? {} : { provider_code: failure.providerCode }),
    raw: isOurs ? null : failure.raw,
    ...(isByok ? { is_byok: true } : {}),
  };
}

function countsOf(exclusions: readonly Exclusion[]): [ExclusionReason, number][] {
  const counts = new Map<ExclusionReason, number>();
  for (const { reason } of exclusions) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts];
}

function namesOf(models: readonly string[]): string {
  const names = models.slice(0, NAMES_MAX).join(", ");
  return models.length > NAMES_MAX ? `${names} and ${models.length - NAMES_MAX} more` : names;
}
