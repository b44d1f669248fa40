/**
 * What every adapter shares about failures: reading how long to wait, keeping secrets out, and the closed tables that
 * say whose trouble a failure is. An adapter may give its own table for statuses; the words stay these.
 * Nothing leaves here without `redact`: message, code and raw text are cleaned of the credential and of anything that
 * looks like one. Times are milliseconds; text limits are UTF-16 code units.
 */
import type { EpochMs } from "../core/clock.ts";
import { RAW_MAX, type ErrorType, type FailureScope, type UpstreamFailure } from "../core/error.ts";

/** Longest message shown to a client. */
const MESSAGE_MAX = 500;
/** No upstream closes a region for longer than this, whatever it says. */
export const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1000;
/** Longest upstream text that is searched for secrets; what is beyond is dropped unread. */
const SEARCHED_MAX = 64 * 1024;

/** Whose trouble it is, whether another endpoint may be tried, and how the client hears of it. */
export interface Verdict {
  readonly scope: FailureScope;
  readonly retry: "elsewhere" | "never";
  readonly errorType: ErrorType;
}

/** Status to verdict. Statuses that it lacks fall back to the default table. */
export type StatusTable = Readonly<Record<number, Verdict>>;

/** What an adapter found out about a failure. `errorType`, when given, decides; else the status does. */
export interface FailureFacts {
  readonly status: number;
  readonly errorType?: ErrorType | undefined;
  readonly scope?: FailureScope | undefined;
  readonly retry?: "elsewhere" | "never" | undefined;
  readonly message: string;
  readonly providerCode: string | null;
  /** The upstream's text as received; null when there was none. */
  readonly raw: string | null;
  readonly retryAfterMs: number | null;
  /** The credential that was sent; it is blotted out wherever the upstream repeats it. */
  readonly credential: string;
}

/** The failure behind `facts`, redacted and cut. */
export function failureOf(facts: FailureFacts, table: StatusTable = {}): UpstreamFailure {
  const verdict =
    facts.errorType === undefined
      ? (table[facts.status] ?? verdictOfStatus(facts.status))
      : { ...VERDICT_BY_TYPE[facts.errorType], errorType: facts.errorType };
  const code = facts.providerCode === null ? null : cut(redact(facts.providerCode, facts.credential), 100);
  return {
    scope: facts.scope ?? verdict.scope,
    retry: facts.retry ?? verdict.retry,
    status: facts.status,
    errorType: verdict.errorType,
    message: cut(redact(facts.message, facts.credential), MESSAGE_MAX),
    providerCode: code,
    raw: facts.raw === null || facts.raw === "" ? null : cut(redact(facts.raw, facts.credential), RAW_MAX),
    retryAfterMs: facts.retryAfterMs,
  };
}

/** The body ended before the answer did. Another endpoint may be tried as long as nothing was shown. */
export function cutFailure(): UpstreamFailure {
  return {
    scope: "endpoint",
    retry: "elsewhere",
    status: 200,
    errorType: "provider_unavailable",
    message: "The provider's answer was cut off before its end.",
    providerCode: null,
    raw: null,
    retryAfterMs: null,
  };
}

/** A success that cannot be read: not JSON, or not an answer. `detail` ends the sentence and has no full stop. */
export function malformedFailure(detail: string, raw: string | null, credential: string): UpstreamFailure {
  return failureOf({
    status: 200,
    errorType: "provider_unavailable",
    message: `The provider's answer is malformed: ${detail}.`,
    providerCode: null,
    raw,
    retryAfterMs: null,
    credential,
  });
}

/** The verdict of the default table; unknown statuses count by their class. */
export function verdictOfStatus(status: number): Verdict {
  const known = DEFAULT_TABLE[status];
  if (known !== undefined) return known;
  if (status >= 400 && status < 500) return { scope: "request", retry: "elsewhere", errorType: "unmapped" };
  return { scope: "endpoint", retry: "elsewhere", errorType: "provider_unavailable" };
}

const endpoint = (errorType: ErrorType): Verdict => ({ scope: "endpoint", retry: "elsewhere", errorType });
const credentialWide = (errorType: ErrorType): Verdict => ({ scope: "credential", retry: "elsewhere", errorType });
const request = (errorType: ErrorType): Verdict => ({ scope: "request", retry: "never", errorType });

const DEFAULT_TABLE: StatusTable = {
  400: request("invalid_request"),
  401: credentialWide("authentication"),
  402: credentialWide("payment_required"),
  403: credentialWide("permission_denied"),
  404: endpoint("not_found"),
  405: endpoint("not_found"),
  408: endpoint("timeout"),
  409: endpoint("provider_unavailable"),
  410: endpoint("not_found"),
  412: request("precondition_failed"),
  413: request("payload_too_large"),
  415: request("invalid_request"),
  422: request("unprocessable"),
  425: endpoint("provider_unavailable"),
  429: { scope: "capacity", retry: "elsewhere", errorType: "rate_limit_exceeded" },
  503: endpoint("provider_overloaded"),
  504: endpoint("timeout"),
  522: endpoint("timeout"),
  524: endpoint("timeout"),
  529: endpoint("provider_overloaded"),
};

const HERE = { scope: "request", retry: "never" } as const;
const ELSEWHERE = { scope: "request", retry: "elsewhere" } as const;
const ENDPOINT = { scope: "endpoint", retry: "elsewhere" } as const;
const CREDENTIAL = { scope: "credential", retry: "elsewhere" } as const;

const VERDICT_BY_TYPE: Readonly<
  Record<ErrorType, { readonly scope: FailureScope; readonly retry: "elsewhere" | "never" }>
> = {
  // Another endpoint may have a longer context, a larger output or another policy.
  context_length_exceeded: ELSEWHERE,
  max_tokens_exceeded: ELSEWHERE,
  token_limit_exceeded: ELSEWHERE,
  content_policy_violation: ELSEWHERE,
  refusal: ELSEWHERE,
  image_too_large: ELSEWHERE,
  unsupported_image_format: ELSEWHERE,
  image_download_failed: ELSEWHERE,
  unmapped: ELSEWHERE,
  string_too_long: HERE,
  invalid_request: HERE,
  invalid_prompt: HERE,
  invalid_image: HERE,
  image_too_small: HERE,
  image_not_found: HERE,
  precondition_failed: HERE,
  payload_too_large: HERE,
  unprocessable: HERE,
  authentication: CREDENTIAL,
  payment_required: CREDENTIAL,
  permission_denied: CREDENTIAL,
  not_found: ENDPOINT,
  conflict: ENDPOINT,
  provider_unavailable: ENDPOINT,
  provider_overloaded: ENDPOINT,
  timeout: ENDPOINT,
  server: ENDPOINT,
  rate_limit_exceeded: { scope: "capacity", retry: "elsewhere" },
};

/**
 * How long the upstream asks to be left alone: `retry-after-ms`, `retry-after` (seconds or HTTP-date), else the reset
 * of the limits that are used up (all of them must be free again), else the nearest reset of any limit.
 * @returns milliseconds from `nowMs`, at most RETRY_AFTER_MS_MAX; null when it does not say.
 */
export function retryAfterMsOf(headers: { get(name: string): string | null }, nowMs: EpochMs): number | null {
  const exactMs = /^\d+(\.\d+)?$/.exec(headers.get("retry-after-ms")?.trim() ?? "");
  if (exactMs) return bounded(Number(exactMs[0]));
  const waitMs = waitMsOf(headers.get("retry-after"), nowMs);
  if (waitMs !== null) return waitMs;
  let exhaustedMs: number | null = null;
  let nearestMs: number | null = null;
  for (const [reset, remaining] of RESET_HEADERS) {
    const resetMs = waitMsOf(headers.get(reset), nowMs);
    if (resetMs === null) continue;
    nearestMs = nearestMs === null ? resetMs : Math.min(nearestMs, resetMs);
    if (Number(headers.get(remaining)?.trim() || Number.NaN) <= 0) exhaustedMs = Math.max(exhaustedMs ?? 0, resetMs);
  }
  return exhaustedMs ?? nearestMs;
}

/** A reset header and the one that tells how much is left. */
const RESET_HEADERS: readonly (readonly [string, string])[] = [
  ...["requests", "tokens", "requests-minute", "tokens-minute", "requests-day", "tokens-day"].map(
    (what) => [`x-ratelimit-reset-${what}`, `x-ratelimit-remaining-${what}`] as const,
  ),
  ["x-ratelimit-reset", "x-ratelimit-remaining"],
  ["ratelimit-reset", "ratelimit-remaining"],
  // RFC 3339 times: https://docs.anthropic.com/en/api/rate-limits (accessed 2026-11-21).
  ...["requests", "tokens", "input-tokens", "output-tokens"].map(
    (what) => [`anthropic-ratelimit-${what}-reset`, `anthropic-ratelimit-${what}-remaining`] as const,
  ),
];

/**
 * A wait in any of the forms in use: "2", "0.5" (seconds), "6m0s", "120ms" (durations), 1763720000 and 1763720000000
 * (epoch seconds and milliseconds), HTTP-dates and RFC 3339 times.
 * @returns milliseconds from `nowMs`, never negative; null for anything else.
 */
function waitMsOf(text: string | null, nowMs: EpochMs): number | null {
  const trimmed = text?.trim() ?? "";
  if (trimmed === "" || trimmed.length > 64) return null;
  if (/^\d+(\.\d+)?$/.test(trimmed)) {
    const value = Number(trimmed);
    if (value > 1e12) return bounded(value - nowMs);
    if (value > 1e9) return bounded(value * 1000 - nowMs);
    return bounded(value * 1000);
  }
  const durationMs = durationMsOf(trimmed);
  if (durationMs !== null) return durationMs;
  const atMs = /^[A-Z]|^\d{4}-/i.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
  return Number.isNaN(atMs) ? null : bounded(atMs - nowMs);
}

const UNIT_MS: Readonly<Record<string, number>> = {
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 0.001,
  µs: 0.001,
  ns: 0.000001,
};

/** "6m0s", "1.5s", "120ms", "1h2m" as milliseconds; null when it is not a duration. */
export function durationMsOf(text: string): number | null {
  if (!/^(\d+(\.\d+)?(d|h|ms|m|s|us|µs|ns))+$/.test(text)) return null;
  let totalMs = 0;
  for (const [, amount, , unit] of text.matchAll(/(\d+(\.\d+)?)(d|h|ms|m|s|us|µs|ns)/g)) {
    totalMs += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  }
  return bounded(totalMs);
}

function bounded(waitMs: number): number {
  return Math.min(Math.max(Math.ceil(waitMs), 0), RETRY_AFTER_MS_MAX);
}

/** What secrets look like, whoever they belong to: upstreams echo keys, some of them half masked. */
const SECRET_SHAPES: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]{3,40}-----[\s\S]*?(?:-----END [A-Z ]{3,40}-----|$)/g, "***"],
  [/\b(Bearer|Basic)\s+[^\s"',;\\]{6,}/gi, "$1 ***"],
  [/\b(?:sk|pk|rk|gsk|csk|xai|nvapi|hf|r8|fw|pplx|tgp|sess|ghp|glpat)[-_][\w*.-]{8,}/g, "***"],
  [/\bAIza[\w-]{8,}|\bAQ\.[\w-]{16,}|\bya29\.[\w.-]{8,}|\b(?:AKIA|ASIA)[0-9A-Z]{12,}/g, "***"],
  // Not secrets, but the operator's: OpenAI names the organisation in its refusals.
  [/\b(?:org|proj)[-_][A-Za-z0-9]{12,}/g, "***"],
  [/\beyJ[\w-]{8,}(?:\.[\w-]{4,}){1,2}/g, "***"],
  // A masked key still shows its last characters: ****1a2b. (The look-behind keeps a row of stars linear.)
  [/(?<!\*)\w{0,12}\*{4,}\w{1,12}/g, "***"],
  [
    /((?:key|token|secret|password|authorization|credential)s?["'\\]{0,3}[\s:=]{1,4}(?:(?:is|was|provided|given)[\s:=]{1,4})?["'\\]{0,3})(?=[^\s"']{0,100}\d)[\w+/=.~-]{16,}/gi,
    "$1***",
  ],
];

/**
 * `text` without secrets: the credential in every spelling an upstream may repeat it in (plain, JSON-escaped,
 * percent-encoded, base64) and whatever looks like a key. Text beyond 64 Ki characters is dropped.
 */
export function redact(text: string, credential: string): string {
  const isLong = text.length > SEARCHED_MAX;
  let clean = isLong ? text.slice(0, SEARCHED_MAX) : text;
  for (const spelling of spellings(credential)) clean = clean.replaceAll(spelling, "***");
  // The cut may have left the beginning of a credential at the end.
  if (isLong) clean = clean.slice(0, -Math.min(clean.length, 4 * credential.length));
  for (const [shape, blot] of SECRET_SHAPES) clean = clean.replace(shape, blot);
  return clean;
}

function spellings(credential: string): readonly string[] {
  // One or two characters are no secret, and blotting them out would destroy the text.
  if (credential.length < 3) return [];
  const bytes = new TextEncoder().encode(credential);
  const base64 = btoa(String.fromCharCode(...bytes.subarray(0, SEARCHED_MAX)));
  const found = new Set([
    credential,
    JSON.stringify(credential).slice(1, -1),
    encodeURIComponent(credential.toWellFormed()),
    base64,
    base64.replace(/=+$/, ""),
  ]);
  return [...found].sort((left, right) => right.length - left.length);
}

/** At most `max` code units, never ending inside a surrogate pair. */
function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? max - 1 : max);
}
