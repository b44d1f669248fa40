/**
 * Capacity that is borrowed to be lent on: a region's where the limit is the whole credential's, which the credential's
 * home lends it, and a branch's, which its gate lends it. What is not wanted goes back with the next call.
 * What was borrowed may be lent on for as long as the lender was told, and no longer. Times in epoch ms.
 */
import type { EpochMs } from "../core/clock.ts";
import { upwardMs } from "./branches.ts";
import {
  LIFE_MS,
  LIFE_SHORT_MS,
  type Amounts,
  type Back,
  type LeaseGrant,
  type LeaseWish,
  type Source,
} from "./capacity.ts";

export interface Stock extends Source {
  /** Whether the home should be asked now; `waiting` requests find nothing here. */
  isDue(waiting: number, nowMs: EpochMs): boolean;
  /** `lacked` is what waits for single permits, or was wanted in bulk and not there. */
  wish(region: string, slotsLent: number, lacked: Amounts, nowMs: EpochMs): LeaseWish;
  /** The lender had plenty when it was asked last: what was not here is there. */
  isPlenty(): boolean;
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
  /** How long what is lent of it may be used, even if it was lent at its end. */
  readonly onwardMs: number;
}

interface State {
  slots: number;
  batches: Batch[];
  used: { requests: number; tokens: number };
  /** Since when that was used, and how much per ms in the span before. */
  usedSinceMs: EpochMs;
  rateBefore: { readonly requests: number; readonly tokens: number };
  /** Tokens used that were not here: the home must hear of them. */
  over: number;
  /** Came back when its batch was gone; told with the next wish. */
  returned: Back[];
  askedAtMs: EpochMs;
  isAsking: boolean;
  /** As the last wish said. */
  onwardMs: number;
  /** The lender had plenty. */
  isPlenty: boolean;
  /** The longest that a borrower here lends on itself. */
  borrowerMs: number;
  /** How far apart wishes are at least, where the lender has many branches. */
  apartMs: number;
}

export function createStock(): Stock {
  const state: State = {
    slots: 0,
    batches: [],
    used: { requests: 0, tokens: 0 },
    usedSinceMs: Number.NEGATIVE_INFINITY,
    rateBefore: { requests: 0, tokens: 0 },
    over: 0,
    returned: [],
    askedAtMs: Number.NEGATIVE_INFINITY,
    isAsking: false,
    onwardMs: LIFE_SHORT_MS,
    isPlenty: false,
    borrowerMs: 0,
    apartMs: 0,
  };
  return {
    lifeMsMax: (onwardMs, nowMs) => lifeMsMax(state, onwardMs, nowMs),
    free: (slotsLent, nowMs) => ({ slots: Math.max(0, state.slots - slotsLent), ...leftOf(state, nowMs) }),
    take: (requests, tokens, lastUseMs, nowMs) => take(state, requests, tokens, lastUseMs, nowMs),
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
      return sinceMs >= (state.isAsking ? CALL_MS_MAX : Math.max(state.apartMs, waiting > 0 ? ASK_MS_MIN : ASK_MS));
    },
    wish: (region, slotsLent, lacked, nowMs) => wish(state, region, slotsLent, lacked, nowMs),
    isPlenty: () => state.isPlenty,
    grant(grant, sentAtMs) {
      // A late answer to a call that was given up: the next wish has said already what is here.
      if (sentAtMs !== state.askedAtMs) return;
      state.isAsking = false;
      if (grant === null) return;
      const { requests, tokens, countedAtMs, lifeMs } = grant;
      const { onwardMs } = state;
      state.slots += grant.slots;
      state.isPlenty = lifeMs > LIFE_SHORT_MS;
      if (grant.branches !== undefined) state.apartMs = upwardMs(grant.branches);
      if (requests === Number.POSITIVE_INFINITY && tokens === requests) state.batches = [];
      state.batches.push({ requests, tokens, untilMs: sentAtMs + lifeMs, countedAtMs, onwardMs });
    },
  };
}

/** What is lent comes out of any batch, so the shortest one's time is all that is left. */
function lifeMsMax(state: State, onwardMs: number, nowMs: EpochMs): number {
  state.borrowerMs = Math.max(state.borrowerMs, onwardMs);
  const live = state.batches.filter(({ untilMs }) => untilMs > nowMs);
  if (live.length === 0) return LIFE_SHORT_MS;
  return Math.min(LIFE_MS, ...live.map((batch) => batch.onwardMs - onwardMs));
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

function take(state: State, requests: number, tokens: number, lastUseMs: EpochMs, nowMs: EpochMs): EpochMs {
  state.used.requests += requests;
  state.used.tokens += tokens;
  let open = { requests, tokens };
  let countedAtMs: EpochMs | null = null;
  for (const batch of state.batches) {
    if (batch.untilMs <= nowMs) continue;
    const taken = { requests: Math.min(open.requests, batch.requests), tokens: Math.min(open.tokens, batch.tokens) };
    if (taken.requests > 0 || taken.tokens > 0) countedAtMs ??= batch.countedAtMs;
    batch.requests -= taken.requests;
    batch.tokens -= taken.tokens;
    open = { requests: open.requests - taken.requests, tokens: open.tokens - taken.tokens };
  }
  state.over += open.tokens;
  return countedAtMs ?? lastUseMs;
}

/** What was used per ms, of the busier of the last span, which is a second or more, and the present one. */
function rateOf(state: State, nowMs: EpochMs): { readonly requests: number; readonly tokens: number } {
  const { used, rateBefore } = state;
  const passedMs = nowMs - state.usedSinceMs;
  const spanMs = Math.min(10_000, Math.max(ASK_MS, passedMs));
  const now = { requests: Math.max(0, used.requests) / spanMs, tokens: Math.max(0, used.tokens) / spanMs };
  if (passedMs >= ASK_MS) {
    state.rateBefore = now;
    state.used = { requests: 0, tokens: 0 };
    state.usedSinceMs = nowMs;
  }
  return {
    requests: Math.max(now.requests, rateBefore.requests),
    tokens: Math.max(now.tokens, rateBefore.tokens),
  };
}

function wish(state: State, region: string, slotsLent: number, lacked: Amounts, nowMs: EpochMs): LeaseWish {
  const { over, slots } = state;
  const rate = rateOf(state, nowMs);
  const target: Amounts = {
    slots: Math.ceil(slotsLent * 1.25) + lacked.slots,
    requests: Math.ceil(rate.requests * AHEAD_MS) + lacked.requests,
    tokens: Math.ceil(rate.tokens * AHEAD_MS) + lacked.tokens,
  };
  const back = [...state.returned, ...surplusOf(state.batches, nowMs, target)];
  const held = Math.max(slotsLent, Math.min(slots, target.slots));
  state.batches = state.batches.filter(({ untilMs }) => untilMs > nowMs);
  const here = leftOf(state, nowMs);
  state.returned = [];
  state.slots = held;
  state.over = 0;
  state.askedAtMs = nowMs;
  state.isAsking = true;
  state.onwardMs = (state.isPlenty ? LIFE_MS : LIFE_SHORT_MS) + state.borrowerMs;
  const want: Amounts = {
    slots: Math.max(0, target.slots - held),
    requests: Math.max(0, target.requests - here.requests),
    tokens: Math.max(0, target.tokens - here.tokens),
  };
  return { holder: region, slotsHeld: held, arrived: [], back, tokensOver: over, want, onwardMs: state.onwardMs };
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
