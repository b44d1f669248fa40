/**
 * When an answer began slowly: against what is typical of its endpoint region, since a reasoning model's normal start is
 * another one's outage. `typicalMs` is a moving average of the time to first token, null before the first one. Pure.
 */

/** An answer is slow when its first token takes this many times what is typical there... */
const SLOW_TIMES = 3;
/** ...and at least so long: tenths of a second are noise. */
const SLOW_MS_MIN = 2_000;
/** A start so slow counts for the breaker as if it had failed: a long prompt is slow as well, but not like this. */
const STALLED_TIMES = 5;
const STALLED_MS_MIN = 10_000;
/** Weight of one more sample in what is typical. */
const TREND_WEIGHT = 0.05;

/** What is typical after one more time to first token. */
export function typicalAfter(typicalMs: number | null, ttftMs: number): number {
  return typicalMs === null ? ttftMs : typicalMs + (ttftMs - typicalMs) * TREND_WEIGHT;
}

/** Slow enough to send less there. */
export function isSlowStart(typicalMs: number | null, ttftMs: number): boolean {
  return typicalMs !== null && ttftMs >= SLOW_MS_MIN && ttftMs > typicalMs * SLOW_TIMES;
}

/** Slow enough to be a failure to the breaker. */
export function isStalledStart(typicalMs: number | null, ttftMs: number): boolean {
  return typicalMs !== null && ttftMs >= STALLED_MS_MIN && ttftMs > typicalMs * STALLED_TIMES;
}
