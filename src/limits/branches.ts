/**
 * How many branches a crowded gate has. One object answers some hundreds of calls a second; where its isolates make more,
 * they go to branches of it, each to one, and a branch borrows from the gate what it lends to them. Branches tell the gate
 * how many calls they get, the gate tells them how many they are, and they tell their isolates.
 * Powers of two, so that a change moves few isolates; more at once, fewer only after a minute that needed less than half
 * as many. Deterministic; times in epoch ms. Memory: one number per living branch.
 */
import type { EpochMs } from "../core/clock.ts";

export interface Branches {
  /** An isolate has called this gate. */
  called(nowMs: EpochMs): void;
  /** A branch has called, which gets so many calls a second. */
  heard(branch: string, callsPerS: number, nowMs: EpochMs): void;
  /** Calls of isolates to this gate, in the last whole second. */
  callsPerS(nowMs: EpochMs): number;
  /** How many there are now; 0: the gate does all by itself. */
  count(nowMs: EpochMs): number;
}

export interface BranchRule {
  /** A gate that gets more calls of isolates a second opens branches... */
  readonly above: number;
  /** ...each of which is to get so many. */
  readonly each: number;
}

const RULE: BranchRule = { above: 300, each: 150 };
export const BRANCHES_MAX = 256;
/** Calls a second that all branches together make to their gate: isolates' reports come beside them. */
const UPWARD_PER_S = 150;
const SPAN_MS = 1_000;
/** A branch that has not called for so long is empty. */
const QUIET_MS = 15_000;
const SHRINK_MS = 60_000;

interface Load {
  readonly perS: number;
  readonly atMs: EpochMs;
}

interface State {
  readonly rule: BranchRule;
  count: number;
  calls: number;
  callsBefore: number;
  sinceMs: EpochMs;
  /** In order of their last word. */
  readonly loads: Map<string, Load>;
  /** Since when fewer would do; null: they would not. */
  spareSinceMs: EpochMs | null;
}

/** @param count as it was when the gate was last written. */
export function createBranches(count = 0, rule = RULE): Branches {
  const state: State = { rule, count, calls: 0, callsBefore: 0, sinceMs: 0, loads: new Map(), spareSinceMs: null };
  return {
    called(nowMs) {
      turn(state, nowMs);
      state.calls++;
    },
    heard(branch, perS, nowMs) {
      state.loads.delete(branch);
      state.loads.set(branch, { perS, atMs: nowMs });
    },
    callsPerS(nowMs) {
      turn(state, nowMs);
      return state.callsBefore;
    },
    count: (nowMs) => countOf(state, nowMs),
  };
}

/** How far apart a branch's calls to its gate are at least. */
export function upwardMs(count: number): number {
  return Math.ceil((count * 1_000) / UPWARD_PER_S);
}

function turn(state: State, nowMs: EpochMs): void {
  const passedMs = nowMs - state.sinceMs;
  if (passedMs < SPAN_MS) return;
  state.callsBefore = passedMs < 2 * SPAN_MS ? state.calls : 0;
  state.calls = 0;
  state.sinceMs = nowMs;
}

function countOf(state: State, nowMs: EpochMs): number {
  turn(state, nowMs);
  let perS = state.callsBefore;
  for (const [branch, load] of state.loads) {
    if (nowMs - load.atMs >= QUIET_MS) state.loads.delete(branch);
    else perS += load.perS;
  }
  const { above, each } = state.rule;
  const wanted = perS <= above ? 0 : 2 ** Math.ceil(Math.log2(perS / each));
  if (wanted > state.count) state.count = Math.min(BRANCHES_MAX, wanted);
  if (wanted > state.count / 4) state.spareSinceMs = null;
  else state.spareSinceMs ??= nowMs;
  if (state.count > 0 && state.spareSinceMs !== null && nowMs - state.spareSinceMs >= SHRINK_MS) {
    state.count = wanted;
    state.spareSinceMs = null;
  }
  return state.count;
}
