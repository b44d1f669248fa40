/**
 * What Anthropic's errors mean, told by HTTP status or inside a stream: one closed table by `error.type`, and a few
 * sentences by which `invalid_request_error` hides something else.
 * Source: https://platform.claude.com/docs/en/api/errors (accessed 2026-11-21).
 */
import type { EpochMs } from "../core/clock.ts";
import type { ErrorType, FailureScope, UpstreamFailure } from "../core/error.ts";
import { isObject, parseJson, stringOf } from "../core/json.ts";
import type { FailedResponse, Target } from "./adapter.ts";
import { failureOf, retryAfterMsOf } from "./failure.ts";

/** `status` is the one that the type is documented with; it stands in where an error comes inside a 200. */
interface Meaning {
  readonly status: number;
  readonly errorType: ErrorType;
  readonly scope?: FailureScope;
}

const MEANING: Readonly<Record<string, Meaning>> = {
  invalid_request_error: { status: 400, errorType: "invalid_request" },
  authentication_error: { status: 401, errorType: "authentication" },
  billing_error: { status: 402, errorType: "payment_required" },
  permission_error: { status: 403, errorType: "permission_denied" },
  not_found_error: { status: 404, errorType: "not_found" },
  conflict_error: { status: 409, errorType: "conflict" },
  request_too_large: { status: 413, errorType: "payload_too_large" },
  rate_limit_error: { status: 429, errorType: "rate_limit_exceeded" },
  api_error: { status: 500, errorType: "server" },
  timeout_error: { status: 504, errorType: "timeout" },
  overloaded_error: { status: 529, errorType: "provider_overloaded" },
};

/** Sentences inside `invalid_request_error`, as the API words them; the first that fits decides. */
const SENTENCES: readonly (readonly [RegExp, Meaning])[] = [
  [/credit balance is too low|usage limits|billing/i, { status: 400, errorType: "payment_required" }],
  [
    /prompt is too long|exceeds? (the )?(maximum )?context|context (limit|window)/i,
    { status: 400, errorType: "context_length_exceeded" },
  ],
  [/max_tokens: \d+ >|maximum allowed number of output tokens/i, { status: 400, errorType: "max_tokens_exceeded" }],
  [/content filtering policy|violates|usage policy/i, { status: 400, errorType: "content_policy_violation" }],
  [/image.{0,80}(exceeds|too large|larger than)/i, { status: 400, errorType: "image_too_large" }],
  [
    /(unable to|could not|failed to).{0,20}download|fetch.{0,40}(image|url)/i,
    { status: 400, errorType: "image_download_failed" },
  ],
  [/media_type|unsupported image/i, { status: 400, errorType: "unsupported_image_format" }],
  [/could not process image|image.{0,40}invalid/i, { status: 400, errorType: "invalid_image" }],
];

/** The failure behind an answer that is no success. Never throws; an unreadable body is judged by its status. */
export function classifyAnthropicFailure(response: FailedResponse, target: Target, nowMs: EpochMs): UpstreamFailure {
  const body = parseJson(response.body);
  const error = isObject(body) && isObject(body["error"]) ? body["error"] : {};
  const type = stringOf(error["type"]) ?? null;
  const message = stringOf(error["message"]) ?? "";
  const meaning = meaningOf(type, message);
  const retryAfterMs = retryAfterMsOf(response.headers, nowMs);
  // The status speaks first where the two disagree on whose trouble it is: a proxy may answer 429 with a body of its own.
  const isAgreed = meaning !== null && (meaning.status === response.status || response.status === 200);
  return failureOf({
    status: response.status,
    errorType: isAgreed ? meaning.errorType : undefined,
    // Told to wait, an overloaded provider is short of capacity; else it counts as an outage.
    scope: isAgreed && meaning.errorType === "provider_overloaded" && retryAfterMs !== null ? "capacity" : undefined,
    message: message === "" ? `The provider answered ${response.status}.` : message,
    providerCode: type,
    raw: response.body,
    retryAfterMs,
    credential: target.credential,
  });
}

/** The failure in an `error` object that came inside a stream or a 200. */
export function failureOfErrorObject(
  error: Readonly<Record<string, unknown>>,
  raw: string,
  target: Target,
): UpstreamFailure {
  const type = stringOf(error["type"]) ?? null;
  const message = stringOf(error["message"]) || "The provider reported an error.";
  const meaning = meaningOf(type, message) ?? { status: 502, errorType: "provider_unavailable" };
  return failureOf({
    status: meaning.status,
    errorType: meaning.errorType,
    message,
    providerCode: type,
    raw,
    retryAfterMs: null,
    credential: target.credential,
  });
}

function meaningOf(type: string | null, message: string): Meaning | null {
  if (type === null) return null;
  if (type === "invalid_request_error") {
    const found = SENTENCES.find(([pattern]) => pattern.test(message));
    if (found !== undefined) return found[1];
  }
  return Object.hasOwn(MEANING, type) ? (MEANING[type] ?? null) : null;
}
