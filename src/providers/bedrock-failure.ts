/**
 * What Bedrock's errors mean, told by HTTP status and `x-amzn-ErrorType` or by an exception inside a stream: one closed
 * table by the exception's name, and a few sentences by which a validation hides something else.
 * Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html,
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html (accessed 2026-11-21).
 */
import type { EpochMs } from "../core/clock.ts";
import type { ErrorType, FailureScope, UpstreamFailure } from "../core/error.ts";
import { isObject, numberOf, parseJson, stringOf } from "../core/json.ts";
import type { FailedResponse, Target } from "./adapter.ts";
import { withoutAwsSecrets } from "./bedrock-sign.ts";
import { failureOf, retryAfterMsOf } from "./failure.ts";

/** `status` is the one that the exception is documented with; it stands in where one comes inside a stream. */
interface Meaning {
  readonly status: number;
  readonly errorType: ErrorType;
  readonly scope?: FailureScope;
}

const MEANING: Readonly<Record<string, Meaning>> = {
  validation: { status: 400, errorType: "invalid_request" },
  incompletesignature: { status: 400, errorType: "authentication" },
  servicequotaexceeded: { status: 400, errorType: "rate_limit_exceeded" },
  missingauthenticationtoken: { status: 403, errorType: "authentication" },
  unrecognizedclient: { status: 403, errorType: "authentication" },
  invalidclienttokenid: { status: 403, errorType: "authentication" },
  invalidsignature: { status: 403, errorType: "authentication" },
  signaturedoesnotmatch: { status: 403, errorType: "authentication" },
  expiredtoken: { status: 403, errorType: "authentication" },
  requestexpired: { status: 400, errorType: "authentication" },
  notauthorized: { status: 401, errorType: "authentication" },
  accessdenied: { status: 403, errorType: "permission_denied" },
  optinrequired: { status: 403, errorType: "payment_required" },
  resourcenotfound: { status: 404, errorType: "not_found" },
  unknownoperation: { status: 404, errorType: "not_found" },
  modeltimeout: { status: 408, errorType: "timeout" },
  requestentitytoolarge: { status: 413, errorType: "payload_too_large" },
  modelerror: { status: 424, errorType: "provider_unavailable" },
  modelstreamerror: { status: 424, errorType: "provider_unavailable" },
  throttling: { status: 429, errorType: "rate_limit_exceeded" },
  toomanyrequests: { status: 429, errorType: "rate_limit_exceeded" },
  modelnotready: { status: 429, errorType: "provider_overloaded" },
  internalserver: { status: 500, errorType: "server" },
  internalfailure: { status: 500, errorType: "server" },
  serviceunavailable: { status: 503, errorType: "provider_overloaded" },
};

/** Sentences inside a validation or a denial, as the API words them; the first that fits decides. */
const SENTENCES: readonly (readonly [RegExp, Pick<Meaning, "errorType" | "scope">])[] = [
  [
    /(input|prompt) is too long|too many input tokens|maximum context|context (limit|window|length)/i,
    { errorType: "context_length_exceeded" },
  ],
  [/maximum tokens you requested exceeds|max_tokens: \d+ >/i, { errorType: "max_tokens_exceeded" }],
  [/too many (requests|tokens)/i, { errorType: "rate_limit_exceeded" }],
  // This account or this region lacks the model: the credential serves the others.
  [
    /access to (the|this) model|model access|on-demand throughput|model identifier|end of its life|legacy|not supported in this region/i,
    { errorType: "not_found" },
  ],
  [/operation not allowed|payment instrument|marketplace subscription/i, { errorType: "payment_required" }],
  [/content filter|guardrail|usage polic|responsible ai/i, { errorType: "content_policy_violation" }],
  [/(image|document|file).{0,80}(exceeds|too large|larger than)/i, { errorType: "image_too_large" }],
  [
    /(unsupported|invalid|not supported).{0,40}(image|media).{0,10}(format|type)/i,
    { errorType: "unsupported_image_format" },
  ],
  [/could not process image|image.{0,40}invalid|invalid.{0,20}image/i, { errorType: "invalid_image" }],
];

/** Exceptions whose sentences are looked at. */
const SENTENCED = new Set(["validation", "accessdenied", "resourcenotfound"]);

/** The failure behind an answer that is no success. Never throws; an unreadable body is judged by its status. */
export function classifyBedrockFailure(response: FailedResponse, target: Target, nowMs: EpochMs): UpstreamFailure {
  const body = parseJson(response.body);
  const fields = isObject(body) ? body : {};
  const name = response.headers.get("x-amzn-errortype") ?? typeOf(fields);
  const meaning = meaningOf(name, messageOf(fields));
  // The status speaks first where the two disagree: a proxy may answer 429 with a body of its own.
  const isAgreed = meaning !== null && (meaning.status === response.status || response.status === 403);
  return said(target, {
    status: response.status,
    meaning: isAgreed ? meaning : null,
    message: messageOf(fields) || `The provider answered ${response.status}.`,
    name,
    raw: response.body,
    retryAfterMs: retryAfterMsOf(response.headers, nowMs),
  });
}

/** The failure of an exception inside a stream, or of an error object in a 200. */
export function failureOfException(name: string | null, data: string, target: Target): UpstreamFailure {
  const body = parseJson(data);
  const fields = isObject(body) ? body : {};
  const known = name ?? typeOf(fields);
  const meaning = meaningOf(known, messageOf(fields)) ?? { status: 502, errorType: "provider_unavailable" };
  const original = numberOf(fields["originalStatusCode"]);
  const isOverloaded = original === 429 || original === 503 || original === 529;
  return said(target, {
    status: meaning.status,
    meaning: isOverloaded ? { ...meaning, errorType: "provider_overloaded" } : meaning,
    message: stringOf(fields["originalMessage"]) || messageOf(fields) || "The provider reported an error.",
    name: known,
    raw: data,
    retryAfterMs: null,
  });
}

interface Said {
  readonly status: number;
  readonly meaning: Meaning | null;
  readonly message: string;
  readonly name: string | null;
  readonly raw: string;
  readonly retryAfterMs: number | null;
}

function said(target: Target, { status, meaning, message, name, raw, retryAfterMs }: Said): UpstreamFailure {
  return failureOf({
    status,
    errorType: meaning?.errorType,
    scope: meaning?.scope,
    message: withoutAwsSecrets(message, target.credential),
    providerCode: name === null ? null : withoutAwsSecrets(plainName(name), target.credential),
    raw: withoutAwsSecrets(raw, target.credential),
    retryAfterMs,
    credential: target.credential,
  });
}

function messageOf(fields: Readonly<Record<string, unknown>>): string {
  return stringOf(fields["message"]) ?? stringOf(fields["Message"]) ?? "";
}

/** Where a body names its own type: at the top, or inside `Output` for operations that nobody knows. */
function typeOf(fields: Readonly<Record<string, unknown>>): string | null {
  const output = isObject(fields["Output"]) ? fields["Output"] : {};
  return stringOf(fields["__type"]) ?? stringOf(output["__type"]) ?? null;
}

/** "ThrottlingException" of `com.amazon.coral.service#ThrottlingException:http://internal...`. */
function plainName(name: string): string {
  return name.slice(name.lastIndexOf("#") + 1).replace(/:.*$/s, "");
}

function meaningOf(name: string | null, message: string): Meaning | null {
  if (name === null) return null;
  const key = plainName(name)
    .replace(/(Exception|Error)$/i, "")
    .toLowerCase();
  const known = Object.hasOwn(MEANING, key) ? MEANING[key] : undefined;
  if (known === undefined || !SENTENCED.has(key)) return known ?? null;
  const found = SENTENCES.find(([pattern]) => pattern.test(message));
  return found === undefined ? known : { status: known.status, ...found[1] };
}
