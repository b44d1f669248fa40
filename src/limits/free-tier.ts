/**
 * The rule of `:free` models: 20 requests a minute for every account; 50 a day below $10 ever bought, 1,000 a day from
 * there; a negative balance is refused even here. Pure: the AccountGate counts, this judges.
 * Windows are UTC minutes and days (see window.ts). Messages follow what clients of the API already match on.
 */
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import { NANO_PER_USD, type NanoUsd } from "../core/money.ts";
import { windowAt } from "./window.ts";

const FREE_PER_MIN = 20;
const FREE_PER_DAY = 50;
const FREE_PER_DAY_BOUGHT = 1_000;
/** Credits ever bought from which the larger daily number holds. */
const FREE_BOUGHT_NUSD: NanoUsd = 10n * NANO_PER_USD;

export interface FreeTierCounts {
  readonly balanceNusd: NanoUsd;
  /** Credits ever bought or granted. */
  readonly boughtNusd: NanoUsd;
  /** Free requests already let through in the present UTC minute and day. */
  readonly usedThisMinute: number;
  readonly usedToday: number;
}

export type FreeTierVerdict =
  | { readonly kind: "allowed"; readonly remainingThisMinute: number; readonly remainingToday: number }
  | { readonly kind: "refused"; readonly error: RouterError };

/** How many free requests a day the account has. */
export function freeLimitPerDay(boughtNusd: NanoUsd): number {
  return boughtNusd >= FREE_BOUGHT_NUSD ? FREE_PER_DAY_BOUGHT : FREE_PER_DAY;
}

/**
 * Whether one more free request may go; `remaining` counts are after it. A refused request must not be counted.
 * @returns `insufficient_credit` for a negative balance, `rate_limited` for a full minute or day (the day when both).
 */
export function freeTierVerdict(counts: FreeTierCounts, nowMs: EpochMs): FreeTierVerdict {
  if (counts.balanceNusd < 0n) {
    return {
      kind: "refused",
      error: {
        kind: "insufficient_credit",
        message: "The account's balance is negative. Add credits to use any model, free ones included.",
        limitSource: "credits",
        affordableTokens: 0,
        requestedTokens: null,
      },
    };
  }
  const perDay = freeLimitPerDay(counts.boughtNusd);
  if (counts.usedToday >= perDay) {
    const message =
      perDay === FREE_PER_DAY
        ? `Rate limit exceeded: free-models-per-day. Add 10 credits to unlock ${FREE_PER_DAY_BOUGHT} free model requests per day`
        : "Rate limit exceeded: free-models-per-day-high-balance";
    return refusal(message, "free_tier_daily", perDay, windowAt("daily", nowMs).endMs, nowMs);
  }
  if (counts.usedThisMinute >= FREE_PER_MIN) {
    const message = "Rate limit exceeded: free-models-per-min";
    return refusal(message, "free_tier_per_minute", FREE_PER_MIN, windowAt("minute", nowMs).endMs, nowMs);
  }
  return {
    kind: "allowed",
    remainingThisMinute: FREE_PER_MIN - counts.usedThisMinute - 1,
    remainingToday: perDay - counts.usedToday - 1,
  };
}

function refusal(
  message: string,
  limitSource: "free_tier_daily" | "free_tier_per_minute",
  limit: number,
  resetMs: EpochMs,
  nowMs: EpochMs,
): FreeTierVerdict {
  const retryAfterS = Math.max(1, Math.ceil((resetMs - nowMs) / 1000));
  return {
    kind: "refused",
    error: { kind: "rate_limited", message, limitSource, limit, remaining: 0, resetMs, retryAfterS },
  };
}
