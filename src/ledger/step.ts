/**
 * Rolling holds, as arithmetic: a streamed answer holds credit for a first step of output, and for the next one before
 * that is used up, instead of for the longest answer from the start. Pure; counts are output tokens of all choices.
 * What was delivered is counted by an estimate (core/estimate.ts), and the provider's own count may be higher: an answer
 * goes on only as long as COUNT_MARGIN times the estimate is held.
 *
 *   delivered  0 ........ ask ........ end ............... held
 *                          |            `- all of it may be used: no further without another step
 *                          `- LEAD_TOKENS before: the next step is asked for, while the answer goes on
 */

/** The first step, where the answer may be longer. */
export const FIRST_STEP_TOKENS = 2_048;
/** A step doubles what is held, up to so many tokens more. */
const STEP_TOKENS_MAX = 8_192;
/** How many tokens of a provider's may stand behind one of the estimate. */
const COUNT_MARGIN = 1.5;
/** Asked for so much ahead: some seconds of a fast model, for a gate across an ocean. */
const LEAD_TOKENS = 512;

export interface StepMarks {
  /** Delivered tokens from which the next step is asked for. */
  readonly askAt: number;
  /** Delivered tokens from which the answer waits for it, or ends. */
  readonly endAt: number;
}

/** The marks of an answer that holds `heldTokens`; null when that covers all it may have. */
export function stepMarks(heldTokens: number, wholeTokens: number): StepMarks | null {
  if (heldTokens >= wholeTokens) return null;
  const endAt = Math.floor(heldTokens / COUNT_MARGIN);
  return { askAt: Math.max(0, endAt - LEAD_TOKENS), endAt };
}

/** What is to be held after the next step. */
export function nextStep(heldTokens: number, wholeTokens: number): number {
  const step = Math.min(STEP_TOKENS_MAX, Math.max(FIRST_STEP_TOKENS, heldTokens));
  return Math.min(wholeTokens, heldTokens + step);
}
