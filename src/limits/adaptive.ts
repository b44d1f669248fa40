/**
 * How many attempts may run at once where nobody has set a limit: learnt from the upstream by additive increase and
 * multiplicative decrease (Chiu and Jain, 1989). Unbound until the upstream says that it is too much: a limit that was
 * guessed beforehand would bind somebody's normal use. A 429 halves what was running; slowness shrinks it gently; each
 * full round of successes at the limit adds one; long after the last trouble the limit is forgotten.
 * Pure: state in, state out; times in epoch ms.
 */
import type { EpochMs } from "../core/clock.ts";

export type Adaptive =
  | { readonly kind: "unbound" }
  | {
      readonly kind: "bound";
      /** At least LIMIT_MIN; a fraction counts up to the next whole one. */
      readonly limit: number;
      readonly cutAtMs: EpochMs;
    };

export interface AdaptiveEvent {
  readonly kind: "throttled" | "slow" | "success";
  /** Attempts that ran when it happened, as far as known. */
  readonly inFlight: number;
}

export const ADAPTIVE_UNBOUND: Adaptive = { kind: "unbound" };

/**
 * No fewer are ever bound: where so few run, a 429 is about requests a minute, which the closing answers, and a limit of
 * one would make everybody wait for whoever came first.
 */
const LIMIT_MIN = 4;
/** The 429s of one crowd are one sign: what was sent before a cut says nothing about the limit after it. */
const CUT_MS = 1_000;
const SLOW_CUT_MS = 5_000;
const SLOW_FACTOR = 0.9;
/** Slowness alone never binds fewer: a handful of attempts overloads nobody. */
const SLOW_MIN = 32;
/** So long without trouble, and with room to spare, the limit is forgotten. */
const FORGET_MS = 600_000;
export function adaptiveNext(state: Adaptive, event: AdaptiveEvent, nowMs: EpochMs): Adaptive {
  switch (event.kind) {
    case "throttled": {
      if (state.kind === "bound" && nowMs - state.cutAtMs < CUT_MS) return state;
      const running = runningOf(state, event);
      return running <= LIMIT_MIN ? state : bound(running / 2, nowMs);
    }
    case "slow": {
      if (state.kind === "bound" && nowMs - state.cutAtMs < SLOW_CUT_MS) return state;
      const running = runningOf(state, event);
      return running <= SLOW_MIN ? state : bound(Math.max(SLOW_MIN, running * SLOW_FACTOR), nowMs);
    }
    case "success": {
      if (state.kind === "unbound") return state;
      const isInUse = event.inFlight * 2 >= state.limit;
      if (isInUse) return { ...state, limit: state.limit + 1 / state.limit };
      return nowMs - state.cutAtMs >= FORGET_MS ? ADAPTIVE_UNBOUND : state;
    }
    default:
      return event.kind satisfies never;
  }
}

/** The limit as a whole number; undefined: none. */
export function adaptiveLimit(state: Adaptive): number | undefined {
  return state.kind === "unbound" ? undefined : Math.floor(state.limit);
}

function runningOf(state: Adaptive, { inFlight }: AdaptiveEvent): number {
  return state.kind === "unbound" ? inFlight : Math.min(state.limit, Math.max(1, inFlight));
}

function bound(limit: number, nowMs: EpochMs): Adaptive {
  return { kind: "bound", limit: Math.max(LIMIT_MIN, limit), cutAtMs: nowMs };
}
