/**
 * What Cohere's errors mean. They are a `message` and a status; inside a stream they come with the end of the message.
 * The status decides, but for a few sentences by which a 400 or a 429 hides something else.
 * Source: https://docs.cohere.com/reference/errors (accessed 2026-11-21).
 */
import type { EpochMs } from "../core/clock.ts";
import type { ErrorType, UpstreamFailure } from "../core/error.ts";
import { isObject, parseJson, stringOf } from "../core/json.ts";
import type { FailedResponse, Target } from "./adapter.ts";
import { failureOf, retryAfterMsOf, type StatusTable } from "./failure.ts";

const TABLE: StatusTable = {
  // "Invalid token" of a request, not of a key: what is asked is blocked.
  403: { scope: "credential", retry: "elsewhere", errorType: "permission_denied" },
  422: { scope: "request", retry: "never", errorType: "unprocessable" },
  498: { scope: "request", retry: "elsewhere", errorType: "content_policy_violation" },
  499: { scope: "endpoint", retry: "elsewhere", errorType: "provider_unavailable" },
  501: { scope: "endpoint", retry: "elsewhere", errorType: "not_found" },
};

/** Sentences of requests that are refused, as the API words them; the first that fits decides. */
const SENTENCES: readonly (readonly [RegExp, ErrorType])[] = [
  [/invalid api (token|key)|no api key/i, "authentication"],
  [/too many tokens|context (limit|length|window)|exceeds? the (max|limit)/i, "context_length_exceeded"],
  [/max_tokens/i, "max_tokens_exceeded"],
  [/blocked (input|output)|safety|policy/i, "content_policy_violation"],
  [/(image|file).{0,60}(too large|exceeds|larger than)/i, "image_too_large"],
  [/(fetch|download).{0,40}(image|url)/i, "image_download_failed"],
  [/unsupported.{0,30}image|image.{0,30}(format|type)/i, "unsupported_image_format"],
  [/invalid.{0,20}image|image.{0,40}(invalid|decode)/i, "invalid_image"],
];

/** The failure behind an answer that is no success. Never throws; an unreadable body is judged by its status. */
export function classifyCohereFailure(response: FailedResponse, target: Target, nowMs: EpochMs): UpstreamFailure {
  const { status } = response;
  const body = parseJson(response.body);
  const message = isObject(body) ? (stringOf(body["message"]) ?? "") : "";
  const isRefusal = status === 400 || status === 422;
  // Trial keys have a number of calls a month, which no wait of seconds brings back.
  const isSpent = status === 429 && /trial key|monthly|per month/i.test(message);
  return failureOf(
    {
      status,
      errorType: isSpent
        ? "payment_required"
        : isRefusal
          ? SENTENCES.find(([pattern]) => pattern.test(message))?.[1]
          : undefined,
      message: message === "" ? `The provider answered ${status}.` : message,
      providerCode: null,
      raw: response.body,
      retryAfterMs: retryAfterMsOf(response.headers, nowMs),
      credential: target.credential,
    },
    TABLE,
  );
}

/** The failure of a message that ends with an error, or of an error in a 200. `native`: its finish reason, if any. */
export function failureInMessage(message: string, native: string | null, raw: string, target: Target): UpstreamFailure {
  const found = SENTENCES.find(([pattern]) => pattern.test(message))?.[1];
  return failureOf({
    status: 502,
    errorType: native === "TIMEOUT" ? "timeout" : (found ?? "provider_unavailable"),
    message: message || "The provider reported an error.",
    providerCode: native,
    raw,
    retryAfterMs: null,
    credential: target.credential,
  });
}
