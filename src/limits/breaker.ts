/**
 * The circuit breaker of one endpoint region, as a value and its transitions.
 * Closed: traffic flows. Open: left alone until `untilMs`, longer after every failed probe, up to a bound. Half-open:
 * one probe is under way; a probe that never reports is given up after `probeMs`, so that a crash can't wedge it.
 * Capacity is no fault: a 429 closes a region for exactly the time that the upstream asked for, beside the breaker.
 */
import type { EpochMs } from "../core/clock.ts";

export type Breaker =
  | { readonly kind: "closed"; readonly failures: number }
  | { readonly kind: "open"; readonly untilMs: EpochMs; readonly trips: number }
  | { readonly kind: "half-open"; readonly probeUntilMs: EpochMs; readonly trips: number };

/** What happened: an attempt ended, or somebody asks to send the one probe. */
export type BreakerEvent = { readonly kind: "success" } | { readonly kind: "failure" } | { readonly kind: "probe" };

export interface BreakerRule {
  /** Failures in a row that open it. */
  readonly limit: number;
  /** First pause; doubles with every trip in a row. */
  readonly coolMs: number;
  readonly coolMsMax: number;
  /** How long a probe may take before another one is allowed. */
  readonly probeMs: number;
}

/** Five failures in a row, 10 s at first, at most 5 minutes (behaviour seen elsewhere: 5 failures, 60 s). */
export const BREAKER_RULE: BreakerRule = { limit: 5, coolMs: 10_000, coolMsMax: 300_000, probeMs: 30_000 };

/** A refused credential is confirmed by a second refusal and tried again every minute. */
export const CREDENTIAL_RULE: BreakerRule = { limit: 2, coolMs: 60_000, coolMsMax: 60_000, probeMs: 30_000 };

export const BREAKER_CLOSED: Breaker = { kind: "closed", failures: 0 };

/** Pause after a 429 that names no time. */
export const CAPACITY_PAUSE_MS = 5_000;
/** The longest pause that an upstream may ask for: a day, the longest window of any provider's quota. */
export const CAPACITY_PAUSE_MS_MAX = 86_400_000;

/** Next breaker state. Opens after `rule.limit` failures in a row; `probe` half-opens it once its pause is over. */
export function breakerNext(
  state: Breaker,
  event: BreakerEvent,
  nowMs: EpochMs,
  rule: BreakerRule = BREAKER_RULE,
): Breaker {
  switch (event.kind) {
    case "success":
      return BREAKER_CLOSED;
    case "failure":
      return afterFailure(state, nowMs, rule);
    case "probe":
      return isProbeDue(state, nowMs)
        ? { kind: "half-open", probeUntilMs: nowMs + rule.probeMs, trips: tripsOf(state) }
        : state;
    default:
      return event satisfies never;
  }
}

/** True when an attempt may go out as the one probe: the pause is over, or the last probe never reported. */
export function isProbeDue(state: Breaker, nowMs: EpochMs): boolean {
  switch (state.kind) {
    case "closed":
      return false;
    case "open":
      return nowMs >= state.untilMs;
    case "half-open":
      return nowMs >= state.probeUntilMs;
    default:
      return state satisfies never;
  }
}

/**
 * Until when a region is closed after a 429 at `nowMs`: exactly `retryAfterMs` on, CAPACITY_PAUSE_MS when the upstream
 * named no time. An answer that was under way never shortens a pause that another one has set.
 */
export function closedUntil(currentUntilMs: EpochMs, retryAfterMs: number | null, nowMs: EpochMs): EpochMs {
  const pauseMs = Math.min(Math.max(0, retryAfterMs ?? CAPACITY_PAUSE_MS), CAPACITY_PAUSE_MS_MAX);
  return Math.max(currentUntilMs, nowMs + pauseMs);
}

function afterFailure(state: Breaker, nowMs: EpochMs, rule: BreakerRule): Breaker {
  switch (state.kind) {
    case "closed":
      return state.failures + 1 >= rule.limit
        ? opened(1, nowMs, rule)
        : { kind: "closed", failures: state.failures + 1 };
    case "open":
      // Before the pause is over it is a request that left earlier, or a last resort: it says nothing new.
      return nowMs >= state.untilMs ? opened(state.trips + 1, nowMs, rule) : state;
    case "half-open":
      return opened(state.trips + 1, nowMs, rule);
    default:
      return state satisfies never;
  }
}

function opened(trips: number, nowMs: EpochMs, rule: BreakerRule): Breaker {
  // 2^30 is far above any bound; the cap keeps the power finite after years of failed probes.
  const pauseMs = Math.min(rule.coolMsMax, rule.coolMs * 2 ** Math.min(trips - 1, 30));
  return { kind: "open", untilMs: nowMs + pauseMs, trips };
}

function tripsOf(state: Breaker): number {
  return state.kind === "closed" ? 0 : state.trips;
}
