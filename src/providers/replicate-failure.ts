/**
 * What Replicate's errors mean. A refused request has `detail`, and with a 429 `retry_after` in seconds; a prediction that
 * fails says why in one sentence of its model's own. Inputs are each model's own, so that a 422 may be well elsewhere.
 * Source: https://replicate.com/docs/reference/http (accessed 2026-11-21).
 */
import type { EpochMs } from "../core/clock.ts";
import type { ErrorType, UpstreamFailure } from "../core/error.ts";
import { isObject, numberOf, parseJson, stringOf } from "../core/json.ts";
import type { FailedResponse, Target } from "./adapter.ts";
import { failureOf, retryAfterMsOf, RETRY_AFTER_MS_MAX, type StatusTable } from "./failure.ts";

const TABLE: StatusTable = {
  422: { scope: "request", retry: "elsewhere", errorType: "unprocessable" },
};

/** Sentences of models that fail; the first that fits decides. */
const SENTENCES: readonly (readonly [RegExp, ErrorType])[] = [
  [
    /context (length|window|limit)|too many (input )?tokens|prompt.{0,40}too long|maximum.{0,30}length/i,
    "context_length_exceeded",
  ],
  [/sensitive|safety|moderat|nsfw|content policy/i, "content_policy_violation"],
  [/(fetch|download|read|open).{0,40}(image|url)/i, "image_download_failed"],
  [/image.{0,40}(too large|exceeds|larger than)/i, "image_too_large"],
  [/(invalid|cannot identify|unsupported).{0,20}image/i, "invalid_image"],
];

/** The failure behind an answer that is no success. Never throws; an unreadable body is judged by its status. */
export function classifyReplicateFailure(response: FailedResponse, target: Target, nowMs: EpochMs): UpstreamFailure {
  const { status } = response;
  const body = parseJson(response.body);
  const message = detailOf(body) ?? "";
  const isRefusal = status === 400 || status === 422;
  return failureOf(
    {
      status,
      errorType: isRefusal ? typeOf(message) : undefined,
      message: message === "" ? `The provider answered ${status}.` : message,
      providerCode: isObject(body) ? (stringOf(body["title"]) ?? null) : null,
      raw: response.body,
      retryAfterMs: retryAfterMsOf(response.headers, nowMs) ?? waitMsOf(body),
      credential: target.credential,
    },
    TABLE,
  );
}

/** The failure of a prediction that began. `status` is its own word for how it ended. */
export function failureOfPrediction(message: string, status: string, raw: string, target: Target): UpstreamFailure {
  const isLate = status === "aborted";
  const said = isLate ? "The provider did not begin in time." : "The provider reported an error.";
  return failureOf({
    status: 502,
    errorType: isLate ? "timeout" : (typeOf(message) ?? "provider_unavailable"),
    message: message === "" ? (status === "canceled" ? "The provider stopped the answer." : said) : message,
    providerCode: status === "" ? null : status,
    raw,
    retryAfterMs: null,
    credential: target.credential,
  });
}

/** The words of an error: `detail` is a sentence, or a list of what is wrong with which input. */
export function detailOf(body: unknown): string | undefined {
  if (!isObject(body)) return undefined;
  const { detail } = body;
  if (Array.isArray(detail)) {
    const sentences = detail.map((one: unknown) => (isObject(one) ? stringOf(one["msg"]) : stringOf(one)) ?? "");
    return sentences.filter((one) => one !== "").join("; ");
  }
  return stringOf(detail) ?? stringOf(body["title"]);
}

function typeOf(message: string): ErrorType | undefined {
  return SENTENCES.find(([pattern]) => pattern.test(message))?.[1];
}

function waitMsOf(body: unknown): number | null {
  const seconds = isObject(body) ? (numberOf(body["retry_after"]) ?? -1) : -1;
  return seconds < 0 ? null : Math.min(Math.ceil(seconds * 1_000), RETRY_AFTER_MS_MAX);
}
