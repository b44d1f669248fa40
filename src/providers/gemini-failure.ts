/**
 * What Google's errors mean, told by HTTP status or inside a stream: one closed table by `error.status`, the reasons of
 * `ErrorInfo` that speak of the key or its project, and a few sentences by which INVALID_ARGUMENT hides something else.
 * Sources: https://ai.google.dev/gemini-api/docs/troubleshooting, https://google.aip.dev/193,
 * https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto (accessed 2026-11-21).
 */
import type { EpochMs } from "../core/clock.ts";
import type { ErrorType, FailureScope, UpstreamFailure } from "../core/error.ts";
import { isObject, numberOf, parseJson, stringOf } from "../core/json.ts";
import type { FailedResponse, Target } from "./adapter.ts";
import { durationMsOf, failureOf, retryAfterMsOf } from "./failure.ts";

type Fields = Readonly<Record<string, unknown>>;

/** `status` is the HTTP code of the RPC code; it stands in where an error names none. */
interface Meaning {
  readonly status: number;
  readonly errorType: ErrorType;
  readonly scope?: FailureScope;
}

const MEANING: Readonly<Record<string, Meaning>> = {
  INVALID_ARGUMENT: { status: 400, errorType: "invalid_request" },
  FAILED_PRECONDITION: { status: 400, errorType: "precondition_failed" },
  OUT_OF_RANGE: { status: 400, errorType: "invalid_request" },
  UNAUTHENTICATED: { status: 401, errorType: "authentication" },
  PERMISSION_DENIED: { status: 403, errorType: "permission_denied" },
  NOT_FOUND: { status: 404, errorType: "not_found" },
  ABORTED: { status: 409, errorType: "provider_unavailable" },
  ALREADY_EXISTS: { status: 409, errorType: "conflict" },
  RESOURCE_EXHAUSTED: { status: 429, errorType: "rate_limit_exceeded" },
  CANCELLED: { status: 499, errorType: "provider_unavailable" },
  UNKNOWN: { status: 500, errorType: "server" },
  INTERNAL: { status: 500, errorType: "server" },
  DATA_LOSS: { status: 500, errorType: "server" },
  UNIMPLEMENTED: { status: 501, errorType: "not_found" },
  UNAVAILABLE: { status: 503, errorType: "provider_overloaded" },
  DEADLINE_EXCEEDED: { status: 504, errorType: "timeout" },
};

/** Sentences inside 400s, as the API words them; the first that fits decides. */
const SENTENCES: readonly (readonly [RegExp, Meaning])[] = [
  [/api key (not valid|expired|not found)|invalid api key/i, { status: 400, errorType: "authentication" }],
  // The place we call from, not the key nor the request: another region of the endpoint may be fine.
  [/location is not supported/i, { status: 400, errorType: "permission_denied", scope: "endpoint" }],
  [/billing/i, { status: 400, errorType: "payment_required" }],
  [
    /(input|prompt).{0,20}token count.{0,40}exceeds|exceeds the maximum number of tokens/i,
    { status: 400, errorType: "context_length_exceeded" },
  ],
  [/max_?output_?tokens/i, { status: 400, errorType: "max_tokens_exceeded" }],
  [
    /(cannot|unable to|failed to) (fetch|download)|url_(error|rejected)/i,
    { status: 400, errorType: "image_download_failed" },
  ],
  [/unsupported mime type/i, { status: 400, errorType: "unsupported_image_format" }],
  [
    /(unable to process|not a valid|invalid).{0,20}image|image is not valid/i,
    { status: 400, errorType: "invalid_image" },
  ],
];

/** Reasons of `google.rpc.ErrorInfo` that are about the key or its project. */
const CREDENTIAL_REASON: Readonly<Record<string, ErrorType>> = {
  API_KEY_INVALID: "authentication",
  API_KEY_SERVICE_BLOCKED: "permission_denied",
  API_KEY_HTTP_REFERRER_BLOCKED: "permission_denied",
  API_KEY_IP_ADDRESS_BLOCKED: "permission_denied",
  ACCESS_TOKEN_EXPIRED: "authentication",
  CREDENTIALS_MISSING: "authentication",
  CONSUMER_INVALID: "permission_denied",
  CONSUMER_SUSPENDED: "permission_denied",
  SERVICE_DISABLED: "permission_denied",
  BILLING_DISABLED: "payment_required",
};

/** The failure behind an answer that is no success. Never throws; an unreadable body is judged by its status. */
export function classifyGeminiFailure(response: FailedResponse, target: Target, nowMs: EpochMs): UpstreamFailure {
  const error = errorObjectOf(parseJson(response.body)) ?? {};
  return failureOfError(error, response.status, response.body, retryAfterMsOf(response.headers, nowMs), target);
}

/** The failure in an `error` object that came inside a stream or a 200. */
export function failureOfErrorObject(error: Fields, raw: string, target: Target): UpstreamFailure {
  return failureOfError(error, null, raw, null, target);
}

/** The `error` object of a body; streams without `alt=sse` and some proxies wrap it into an array. */
export function errorObjectOf(body: unknown): Fields | null {
  const first: unknown = Array.isArray(body) ? body[0] : body;
  return isObject(first) && isObject(first["error"]) ? first["error"] : null;
}

function failureOfError(
  error: Fields,
  httpStatus: number | null,
  raw: string,
  headerWaitMs: number | null,
  target: Target,
): UpstreamFailure {
  const code = stringOf(error["status"]) ?? null;
  const message = stringOf(error["message"]) ?? "";
  const details = Array.isArray(error["details"]) ? error["details"].filter(isObject) : [];
  const meaning = meaningOf(code, message, details);
  const status = httpStatus ?? numberOf(error["code"]) ?? meaning?.status ?? 502;
  return failureOf({
    status,
    errorType: meaning?.errorType,
    scope: meaning?.scope,
    message: message === "" ? `The provider answered ${status}.` : message,
    providerCode: code,
    raw,
    retryAfterMs: delayOf(details) ?? headerWaitMs,
    credential: target.credential,
  });
}

function meaningOf(code: string | null, message: string, details: readonly Fields[]): Meaning | null {
  const known = code !== null && Object.hasOwn(MEANING, code) ? (MEANING[code] ?? null) : null;
  for (const detail of details) {
    const reason = stringOf(detail["reason"]) ?? "";
    const errorType = Object.hasOwn(CREDENTIAL_REASON, reason) ? CREDENTIAL_REASON[reason] : undefined;
    if (errorType !== undefined) return { status: known?.status ?? 400, errorType, scope: "credential" };
  }
  if (known?.status !== 400) return known;
  return SENTENCES.find(([pattern]) => pattern.test(message))?.[1] ?? known;
}

/** `google.rpc.RetryInfo`: a duration such as "34.07s". */
function delayOf(details: readonly Fields[]): number | null {
  for (const detail of details) {
    const delay = stringOf(detail["retryDelay"]);
    if (delay !== undefined) return durationMsOf(delay);
  }
  return null;
}
