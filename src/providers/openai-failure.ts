/**
 * What an error of the OpenAI-compatible family means.
 * The upstream's own code decides first (a closed table), then what a few statuses are known to hide (a moderation
 * refusal in a 403, a bad key in a 400), then the status. Error bodies come in many shapes; an empty body and one that
 * is not JSON have their own sentences.
 */
import type { EpochMs } from "../core/clock.ts";
import type { ErrorType, UpstreamFailure } from "../core/error.ts";
import { isObject, parseJson, stringOf } from "../core/json.ts";
import type { FailedResponse, Target } from "./adapter.ts";
import { failureOf, retryAfterMsOf } from "./failure.ts";
import { resolvedTarget } from "./openai-credential.ts";
import { readingQuirks } from "./openai-quirks.ts";

/** What an error body says. `httpStatus` is given where an error inside a 200 names one. */
export interface WireError {
  readonly message: string | undefined;
  readonly code: string | undefined;
  readonly type: string | undefined;
  readonly httpStatus: number | undefined;
}

/** Codes and types in lower case, of all providers of the family. */
const TYPE_BY_CODE: ReadonlyMap<string, ErrorType> = new Map(
  Object.entries({
    context_length_exceeded: "context_length_exceeded",
    context_window_exceeded: "context_length_exceeded",
    string_above_max_length: "string_too_long",
    max_tokens_exceeded: "max_tokens_exceeded",
    content_policy_violation: "content_policy_violation",
    content_filter: "content_policy_violation",
    moderation_blocked: "content_policy_violation",
    image_content_policy_violation: "content_policy_violation",
    bio_policy: "content_policy_violation",
    misalignment_policy_violation: "content_policy_violation",
    data_inspection_failed: "content_policy_violation",
    datainspectionfailed: "content_policy_violation",
    invalid_prompt: "invalid_prompt",
    invalid_image: "invalid_image",
    invalid_image_format: "unsupported_image_format",
    invalid_image_url: "image_download_failed",
    image_parse_error: "invalid_image",
    invalid_base64_image: "invalid_image",
    invalid_image_mode: "invalid_image",
    empty_image_file: "invalid_image",
    failed_to_download_image: "image_download_failed",
    image_file_not_found: "image_not_found",
    image_file_too_large: "image_too_large",
    image_too_large: "image_too_large",
    image_too_small: "image_too_small",
    unsupported_image_media_type: "unsupported_image_format",
    invalid_api_key: "authentication",
    invalidapikey: "authentication",
    invalid_authentication_error: "authentication",
    authentication_error: "authentication",
    account_deactivated: "authentication",
    insufficient_quota: "payment_required",
    insufficient_balance: "payment_required",
    insufficient_credits: "payment_required",
    exceeded_current_quota_error: "payment_required",
    billing_hard_limit_reached: "payment_required",
    billing_not_active: "payment_required",
    arrearage: "payment_required",
    "1113": "payment_required",
    permission_error: "permission_denied",
    permission_denied_error: "permission_denied",
    unsupported_country_region_territory: "permission_denied",
    model_not_found: "not_found",
    model_not_available: "not_found",
    model_decommissioned: "not_found",
    resource_not_found_error: "not_found",
    rate_limit_exceeded: "rate_limit_exceeded",
    rate_limit_error: "rate_limit_exceeded",
    rate_limit_reached_error: "rate_limit_exceeded",
    too_many_requests: "rate_limit_exceeded",
    engine_overloaded_error: "provider_overloaded",
    engine_overloaded: "provider_overloaded",
    overloaded_error: "provider_overloaded",
    overloaded: "provider_overloaded",
  } as const),
);

/** Words so general that they only count where there is no status to say it better. */
const TYPE_BY_GENERAL_CODE: ReadonlyMap<string, ErrorType> = new Map(
  Object.entries({
    invalid_request_error: "invalid_request",
    service_unavailable: "provider_overloaded",
    server_error: "provider_unavailable",
    internal_server_error: "provider_unavailable",
    api_error: "provider_unavailable",
    timeout: "timeout",
    request_timeout: "timeout",
  } as const),
);

const CONTEXT_LENGTH =
  /context[ _-]?(?:length|window|size)|maximum context|prompt is too long|input (?:is )?too long|too many (?:input |prompt )?tokens|reduce the length/i;
const MODERATION =
  /moderation|content[ _-]?(?:policy|filter)|safety (?:system|reason|polic|guideline|check)|flagged (?:as|by|for)|inappropriate content|violat\w+ .{0,40}(?:polic|guideline|terms)|(?:policy|guideline) violation/i;
const ACCOUNT_CLOSED = /(?:account|organi[sz]ation|team|key)\b.{0,60}(?:suspend|disabled|banned|terminated|deactivat)/i;
const NO_MONEY =
  /insufficient[ _](?:balance|credit|fund|quota)|(?:used all|out of|not enough) .{0,20}credit|spending limit|arrear|used up your .{0,20}free allocation/i;
const BAD_KEY =
  /(?:incorrect|invalid|wrong|missing|malformed) (?:\w+ )?api[ -]?key|api[ -]?key (?:not valid|is invalid|not found|expired)/i;
const NO_MODEL = /model.{0,120}(?:not found|does not exist|not exist|decommissioned|deprecated|not supported by any)/i;

/** Failure behind an answer whose status is not a success. */
export function classifyOpenAiFailure(response: FailedResponse, given: Target, nowMs: EpochMs): UpstreamFailure {
  const resolved = resolvedTarget(given, readingQuirks(given.quirks));
  const target = resolved.ok ? resolved.value : given;
  const { status } = response;
  const isBusy = status === 429 || status >= 500;
  const shared = {
    status,
    raw: response.body,
    retryAfterMs: isBusy ? retryAfterMsOf(response.headers, nowMs) : null,
    credential: target.credential,
  };
  if (response.body.trim() === "") {
    return failureOf({ ...shared, message: `The provider answered ${status} without a body.`, providerCode: null });
  }
  const found = wireErrorOf(parseJson(response.body));
  if (found === undefined) {
    const message = `The provider answered ${status} with a body that cannot be read.`;
    return failureOf({ ...shared, errorType: typeOfText(response.body, status), message, providerCode: null });
  }
  return failureOf({
    ...shared,
    errorType: errorTypeOf(found, status),
    message: found.message ?? `The provider answered ${status}.`,
    providerCode: found.code ?? found.type ?? null,
  });
}

/** Failure behind an error that came inside a 200: in a stream's frame or in a buffered body. `raw` is its text. */
export function failureInside(found: WireError, raw: string, credential: string): UpstreamFailure {
  const status = found.httpStatus ?? 200;
  return failureOf({
    status,
    errorType: errorTypeOf(found, status),
    message: found.message ?? "The provider reported an error inside its answer.",
    providerCode: found.code ?? found.type ?? null,
    raw,
    retryAfterMs: null,
    credential,
  });
}

function errorTypeOf(found: WireError, status: number): ErrorType | undefined {
  // A permission error is a refusal of the prompt where the text says so.
  const ofText = found.message === undefined ? undefined : typeOfText(found.message, status);
  if (status === 403 && ofText !== undefined) return ofText;
  // One request above the tokens allowed per minute: this account will never serve it, another may.
  if (status === 413 && found.code === "rate_limit_exceeded") return "token_limit_exceeded";
  // The code says more than the type: "insufficient_quota" against "requests".
  const words = [found.code, found.type].flatMap((word) => (word === undefined ? [] : [word.toLowerCase()]));
  for (const word of words) {
    const known = TYPE_BY_CODE.get(word);
    if (known !== undefined) return known;
  }
  if (ofText !== undefined || status !== 200) return ofText;
  for (const word of words) {
    const known = TYPE_BY_GENERAL_CODE.get(word);
    if (known !== undefined) return known;
  }
  return undefined;
}

/** What a text gives away that the status hides; undefined: the status decides. */
function typeOfText(text: string, status: number): ErrorType | undefined {
  // In other statuses the same words mean other things: "too many tokens" in a 429 is a rate limit.
  const refuses = status === 400 || status === 413 || status === 422 || status === 200;
  if (!refuses && status !== 403 && status !== 429) return undefined;
  if (refuses && CONTEXT_LENGTH.test(text)) return "context_length_exceeded";
  if (refuses && BAD_KEY.test(text)) return "authentication";
  if (refuses && NO_MODEL.test(text)) return "not_found";
  if (NO_MONEY.test(text)) return "payment_required";
  if (status === 429) return undefined;
  if (ACCOUNT_CLOSED.test(text)) return "permission_denied";
  return MODERATION.test(text) ? "content_policy_violation" : undefined;
}

/**
 * The error in a JSON body, whatever its shape: `{error: {...}}`, `{error: "..."}`, `{success: false, errors: [...]}`,
 * `{object: "error", message}`, `{code, message}`, `{detail: ...}`.
 * @returns undefined when the body is no object or speaks of no error.
 */
export function wireErrorOf(body: unknown): WireError | undefined {
  const value: unknown = Array.isArray(body) ? body[0] : body;
  if (!isObject(value)) return undefined;
  const { error, errors } = value;
  if (isObject(error)) return readError(error, value);
  const first: unknown = value.success === false && Array.isArray(errors) ? errors[0] : undefined;
  if (isObject(first)) return readError(first, value);
  if (typeof error === "string" && error !== "") return { ...readError(value, value), message: error };
  const isBare = value.object === "error" || value.type === "error" || value.choices === undefined;
  const hasText = value.message !== undefined || value.detail !== undefined || value.msg !== undefined;
  return isBare && hasText ? readError(value, value) : undefined;
}

function readError(error: Record<string, unknown>, outer: Record<string, unknown>): WireError {
  const code = wordOf(error.code) ?? wordOf(outer.code);
  return {
    message: textOf(error.message) ?? textOf(error.detail) ?? textOf(error.msg) ?? textOf(outer.message),
    code,
    type: stringOf(error.type) ?? stringOf(error.status),
    httpStatus: [error.status, error.http_status, outer.status_code, code].map(Number).find(isErrorStatus),
  };
}

function isErrorStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 400 && status < 600;
}

function wordOf(value: unknown): string | undefined {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A message that is a text, or a structure of which the JSON is all there is to show. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "object" && value !== null ? JSON.stringify(value) : undefined;
}
