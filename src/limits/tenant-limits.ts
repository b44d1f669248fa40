/**
 * The limits that a key or an account may carry: requests and tokens per minute, requests at once, and which models and
 * providers it may use. Pure: the AccountGate counts, this judges.
 * A minute is a UTC minute (see window.ts). A request takes its worst case of tokens when it is let through; what it did
 * not use is given back to the same minute when it settles. A request that is refused takes nothing.
 */
import type { EpochMs } from "../core/clock.ts";
import type { LimitSource, RouterError } from "../core/error.ts";
import { windowAt } from "./window.ts";

/** Null: no limit. */
export interface TenantLimits {
  readonly requestsPerMin: number | null;
  readonly tokensPerMin: number | null;
  /** Requests that run at the same time. */
  readonly maxConcurrency: number | null;
  /** Ids as `GET /models` lists them, or `author/*`. */
  readonly allowedModels: readonly string[] | null;
  /** Slugs. */
  readonly allowedProviders: readonly string[] | null;
}

export const NO_LIMITS: TenantLimits = {
  requestsPerMin: null,
  tokensPerMin: null,
  maxConcurrency: null,
  allowedModels: null,
  allowedProviders: null,
};

/** Largest number of requests or tokens a minute, and of requests at once, that a limit may name. */
export const RATE_MAX = 1_000_000_000;
/** Most names on a list of allowed models or providers. */
export const ALLOWED_MAX = 100;

/** What was let through in one minute; another minute's count is none. */
export interface MinuteCount {
  /** Of window.ts; "" before the first request. */
  readonly id: string;
  readonly requests: number;
  readonly tokens: number;
}

export const NO_COUNT: MinuteCount = { id: "", requests: 0, tokens: 0 };

/** The count in the minute of `nowMs`. */
export function minuteAt(count: MinuteCount, nowMs: EpochMs): MinuteCount {
  const { id } = windowAt("minute", nowMs);
  return count.id === id ? count : { id, requests: 0, tokens: 0 };
}

/** The count with what was taken (or, negative, given back) at `atMs`. A minute that is over is not counted any more. */
export function minuteWith(
  count: MinuteCount,
  more: { readonly requests: number; readonly tokens: number },
  atMs: EpochMs,
): MinuteCount {
  const { id } = windowAt("minute", atMs);
  // Ids of minutes sort by time.
  if (id < count.id) return count;
  const { requests, tokens } = id === count.id ? count : NO_COUNT;
  return { id, requests: requests + more.requests, tokens: Math.max(0, tokens + more.tokens) };
}

/** Whether a limit stands against how many or how much, so that each request must be counted by the gate. */
export function hasRates(limits: TenantLimits): boolean {
  return limits.requestsPerMin !== null || limits.tokensPerMin !== null || limits.maxConcurrency !== null;
}

/** Whether `name` is on a list; a list may hold whole authors as `author/*`. */
export function isAllowed(name: string, allowed: readonly string[] | null): boolean {
  if (allowed === null || allowed.includes(name)) return true;
  const slash = name.indexOf("/");
  return slash !== -1 && allowed.includes(`${name.slice(0, slash)}/*`);
}

/** The names that are on both lists. */
export function bothAllow(left: readonly string[] | null, right: readonly string[] | null): readonly string[] | null {
  if (left === null || right === null) return left ?? right;
  return [
    ...new Set([...left.filter((name) => isAllowed(name, right)), ...right.filter((name) => isAllowed(name, left))]),
  ];
}

/** Limits that are as strict as both. */
export function strictest(left: TenantLimits, right: TenantLimits): TenantLimits {
  return {
    requestsPerMin: least(left.requestsPerMin, right.requestsPerMin),
    tokensPerMin: least(left.tokensPerMin, right.tokensPerMin),
    maxConcurrency: least(left.maxConcurrency, right.maxConcurrency),
    allowedModels: bothAllow(left.allowedModels, right.allowedModels),
    allowedProviders: bothAllow(left.allowedProviders, right.allowedProviders),
  };
}

/** One whose limits a request must keep, and what was let through for it. */
export interface RateSubject {
  readonly owner: "key" | "account";
  readonly limits: TenantLimits;
  /** In the present minute. */
  readonly minute: MinuteCount;
  /** Requests that run. */
  readonly open: number;
}

/** The tokens of one request. */
export interface WantedTokens {
  /** Worst case. */
  readonly wanted: number;
  /** The least that makes sense: prompt and one token. */
  readonly minimum: number;
}

export type RateVerdict =
  /** `tokens` are to be counted; fewer than wanted when no minute has so many: then the output is to be cut to them. */
  { readonly kind: "allowed"; readonly tokens: number } | { readonly kind: "refused"; readonly error: RouterError };

/**
 * Whether one more request may go, under the limits of all its subjects.
 * @returns `rate_limited`; `bad_request` when not even a whole minute's tokens are enough for it.
 */
export function rateVerdict(subjects: readonly RateSubject[], tokens: WantedTokens, nowMs: EpochMs): RateVerdict {
  let reserved = Math.max(tokens.wanted, tokens.minimum);
  for (const { limits } of subjects) reserved = Math.min(reserved, limits.tokensPerMin ?? reserved);
  for (const { owner, limits, minute, open } of subjects) {
    const { requestsPerMin, tokensPerMin, maxConcurrency } = limits;
    if (requestsPerMin !== null && minute.requests >= requestsPerMin) {
      const may = `make ${requestsPerMin} requests a minute`;
      return minuteRefusal(may, owner, "requests_per_minute", requestsPerMin, 0, nowMs);
    }
    if (tokensPerMin !== null && tokens.minimum > tokensPerMin) return tooLarge(owner, tokens.minimum, tokensPerMin);
    if (tokensPerMin !== null && minute.tokens + reserved > tokensPerMin) {
      const left = Math.max(0, tokensPerMin - minute.tokens);
      const may = `use ${tokensPerMin} tokens a minute; ${left} are left, and the request may need ${reserved}`;
      return minuteRefusal(may, owner, "tokens_per_minute", tokensPerMin, left, nowMs);
    }
    if (maxConcurrency !== null && open >= maxConcurrency) {
      const may = `run ${maxConcurrency} requests at once`;
      return refusal(may, owner, "concurrency", maxConcurrency, 0, nowMs + SLOT_WAIT_MS, nowMs);
    }
  }
  return { kind: "allowed", tokens: reserved };
}

/** Nobody knows when a running request ends: a client may ask again after this. */
const SLOT_WAIT_MS = 1_000;

function minuteRefusal(
  may: string,
  owner: RateSubject["owner"],
  kind: "requests_per_minute" | "tokens_per_minute",
  limit: number,
  remaining: number,
  nowMs: EpochMs,
): RateVerdict {
  return refusal(may, owner, kind, limit, remaining, windowAt("minute", nowMs).endMs, nowMs);
}

function refusal(
  may: string,
  owner: RateSubject["owner"],
  kind: "requests_per_minute" | "tokens_per_minute" | "concurrency",
  limit: number,
  remaining: number,
  resetMs: EpochMs,
  nowMs: EpochMs,
): RateVerdict {
  const limitSource: LimitSource = `${owner}_${kind}`;
  const message = `Rate limit exceeded: this ${owner} may ${may}.`;
  const retryAfterS = Math.max(1, Math.ceil((resetMs - nowMs) / 1_000));
  return {
    kind: "refused",
    error: { kind: "rate_limited", message, limitSource, limit, remaining, resetMs, retryAfterS },
  };
}

function tooLarge(owner: RateSubject["owner"], minimum: number, limit: number): RateVerdict {
  const message = `The prompt needs about ${minimum} tokens, and this ${owner} may use ${limit} a minute: it can never pass.`;
  return { kind: "refused", error: { kind: "bad_request", message, errorType: "token_limit_exceeded" } };
}

function least(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : Math.min(left, right);
}
