/**
 * The capacity of a region where the limit is the whole credential's: what the credential's home lends it, to be lent on
 * to the region's isolates. What is not wanted goes back with the next call. Times in epoch ms.
 */
import type { EpochMs } from "../core/clock.ts";
import { LIFE_SHORT_MS, type Amounts, type Back, type LeaseGrant, type LeaseWish, type Source } from "./capacity.ts";

export interface Stock extends Source {
  /** Whether the home should be asked now; `waiting` requests find nothing here. */
  isDue(waiting: number, nowMs: EpochMs): boolean;
  wish(region: string, slotsLent: number, waiting: number, waitingTokens: number, nowMs: EpochMs): LeaseWish;
  /** Null: the home could not be asked. */
  grant(grant: LeaseGrant | null, sentAtMs: EpochMs): void;
}

const ASK_MS = 1_000;
/** How soon a home that had nothing is asked again. */
const ASK_MS_MIN = 100;
/** A call that has not returned for so long is given up. One at a time: two would say different things of one stock. */
const CALL_MS_MAX = 10_000;
/** Rates are wanted for so long ahead. */
const AHEAD_MS = 2_000;

interface Batch {
  requests: number;
  tokens: number;
  readonly untilMs: EpochMs;
  readonly countedAtMs: EpochMs;
}

interface State {
  slots: number;
  batches: Batch[];
  used: { requests: number; tokens: number };
  /** Tokens used that were not here: the home must hear of them. */
  over: number;
  /** Came back when its batch was gone; told with the next wish. */
  returned: Back[];
  askedAtMs: EpochMs;
  isAsking: boolean;
}

export function createStock(): Stock {
  const state: State = {
    slots: 0,
    batches: [],
    used: { requests: 0, tokens: 0 },
    over: 0,
    returned: [],
    askedAtMs: Number.NEGATIVE_INFINITY,
    isAsking: false,
  };
  return {
    lifeMsMax: LIFE_SHORT_MS,
    free: (slotsLent, nowMs) => ({ slots: Math.max(0, state.slots - slotsLent), ...leftOf(state, nowMs) }),
    take: (requests, tokens, lastUseMs) => take(state, requests, tokens, lastUseMs),
    back(unused) {
      state.used.requests -= unused.requests;
      state.used.tokens -= unused.tokens;
      const batch = state.batches.find(({ countedAtMs }) => countedAtMs === unused.countedAtMs);
      if (batch === undefined) state.returned.push(unused);
      else {
        batch.requests += unused.requests;
        batch.tokens += unused.tokens;
      }
    },
    rateAtMs: (_tokens, _ahead, nowMs) => nowMs + ASK_MS,
    countedTokens: (tokens) => tokens,
    isDue(waiting, nowMs) {
      const sinceMs = nowMs - state.askedAtMs;
      return sinceMs >= (state.isAsking ? CALL_MS_MAX : waiting > 0 ? ASK_MS_MIN : ASK_MS);
    },
    wish: (region, slotsLent, waiting, waitingTokens, nowMs) =>
      wish(state, region, slotsLent, { requests: waiting, tokens: waitingTokens }, nowMs),
    grant(grant, sentAtMs) {
      // A late answer to a call that was given up: the next wish has said already what is here.
      if (sentAtMs !== state.askedAtMs) return;
      state.isAsking = false;
      if (grant === null) return;
      const { requests, tokens, countedAtMs } = grant;
      state.slots += grant.slots;
      if (requests === Number.POSITIVE_INFINITY && tokens === requests) state.batches = [];
      state.batches.push({ requests, tokens, untilMs: sentAtMs + grant.lifeMs, countedAtMs });
    },
  };
}

function leftOf({ batches }: State, nowMs: EpochMs): { requests: number; tokens: number } {
  const sum = { requests: 0, tokens: 0 };
  for (const { requests, tokens, untilMs } of batches) {
    if (untilMs <= nowMs) continue;
    sum.requests += requests;
    sum.tokens += tokens;
  }
  return sum;
}

function take(state: State, requests: number, tokens: number, lastUseMs: EpochMs): EpochMs {
  state.used.requests += requests;
  state.used.tokens += tokens;
  let open = { requests, tokens };
  let countedAtMs: EpochMs | null = null;
  for (const batch of state.batches) {
    const taken = { requests: Math.min(open.requests, batch.requests), tokens: Math.min(open.tokens, batch.tokens) };
    if (taken.requests > 0 || taken.tokens > 0) countedAtMs ??= batch.countedAtMs;
    batch.requests -= taken.requests;
    batch.tokens -= taken.tokens;
    open = { requests: open.requests - taken.requests, tokens: open.tokens - taken.tokens };
  }
  state.over += open.tokens;
  return countedAtMs ?? lastUseMs;
}

function wish(
  state: State,
  region: string,
  slotsLent: number,
  waiting: { readonly requests: number; readonly tokens: number },
  nowMs: EpochMs,
): LeaseWish {
  const { used, over, slots } = state;
  const ahead = AHEAD_MS / Math.min(10_000, Math.max(ASK_MS, nowMs - state.askedAtMs));
  const target: Amounts = {
    slots: Math.ceil(slotsLent * 1.25) + waiting.requests,
    requests: Math.ceil(Math.max(0, used.requests) * ahead) + waiting.requests,
    tokens: Math.ceil(Math.max(0, used.tokens) * ahead) + waiting.tokens,
  };
  const back = [...state.returned, ...surplusOf(state.batches, nowMs, target)];
  const held = Math.max(slotsLent, Math.min(slots, target.slots));
  state.batches = state.batches.filter(({ untilMs }) => untilMs > nowMs);
  const here = leftOf(state, nowMs);
  state.returned = [];
  state.slots = held;
  state.used = { requests: 0, tokens: 0 };
  state.over = 0;
  state.askedAtMs = nowMs;
  state.isAsking = true;
  const want: Amounts = {
    slots: Math.max(0, target.slots - held),
    requests: Math.max(0, target.requests - here.requests),
    tokens: Math.max(0, target.tokens - here.tokens),
  };
  return { holder: region, slotsHeld: held, arrived: [], back, tokensOver: over, want, onwardMs: LIFE_SHORT_MS };
}

/** Takes what is over, or more than wanted, out of the batches; the oldest are kept, as they end first. */
function surplusOf(batches: readonly Batch[], nowMs: EpochMs, target: Amounts): readonly Back[] {
  const keep = { requests: target.requests, tokens: target.tokens };
  const back: Back[] = [];
  for (const batch of batches) {
    const isOver = batch.untilMs <= nowMs;
    const unused = { requests: 0, tokens: 0, countedAtMs: batch.countedAtMs };
    for (const what of ["requests", "tokens"] as const) {
      if (!Number.isFinite(batch[what])) continue;
      const kept = isOver ? 0 : Math.min(batch[what], keep[what]);
      keep[what] -= kept;
      unused[what] = batch[what] - kept;
      batch[what] = kept;
    }
    if (unused.requests > 0 || unused.tokens > 0) back.push(unused);
  }
  return back;
}
