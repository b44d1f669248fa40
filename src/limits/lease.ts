/**
 * The holder's side of lent capacity: what an isolate may spend without asking, and what it says when it asks.
 * Rates come in batches, each with its own end; slots go round until the lease ends or the lender is short, from then on
 * each goes back when its attempt ends. What is wanted follows what was used lately, so that little lies idle.
 * Spending never waits and never exceeds what was lent; where nothing was lent, the lender must be asked. Times in epoch ms.
 */
import type { EpochMs } from "../core/clock.ts";
import type { Amounts, Back, LeaseGrant, LeaseWish } from "./capacity.ts";

export interface Lease {
  /** One attempt's worth; false: nothing is left here, the lender must be asked. */
  take(tokens: number, nowMs: EpochMs): boolean;
  /** Counts an attempt that needs no lease, or has a single permit of the lender's. */
  begin(permit: number | null): void;
  /** An attempt is over. Its slot stays here while the lease lives and the lender is not short. */
  end(nowMs: EpochMs): void;
  /** Tokens used beyond those taken; negative: fewer. */
  correct(tokens: number): void;
  inUse(): number;
  /** Whether the lender should hear of this now. */
  isDue(nowMs: EpochMs): boolean;
  /** What to say to the lender. What it gives back is not there any more, whether the call arrives or not. */
  wish(holder: string, nowMs: EpochMs): LeaseWish;
  /** Takes in the answer to a wish that was sent at `sentAtMs`. */
  grant(grant: LeaseGrant, sentAtMs: EpochMs): void;
  /** When what lies idle here ends. */
  endsAtMs(): EpochMs;
  /** Something has ended that the lender waits for. */
  isOwing(): boolean;
  /** Nothing in use, nothing to give back. */
  isEmpty(): boolean;
}

/** A busy lease is renewed so often... */
const EXCHANGE_MS = 1_000;
/** ...and one that lives for long. */
const EXCHANGE_MS_PLENTY = 3_000;
/** One that runs low, or has something to give back to a lender that is short, no sooner than this. */
const EXCHANGE_MS_MIN = 50;
/** An idle holder with attempts under way lets itself be heard: three times within HOLD_MS. */
export const HEARD_MS = 10_000;
/** Rates are wanted for twice so long ahead. */
const AHEAD = 2;

interface Batch {
  requests: number;
  tokens: number;
  readonly untilMs: EpochMs;
  readonly countedAtMs: EpochMs;
}

interface State {
  inUse: number;
  idle: number;
  slotsUntilMs: EpochMs;
  /** How often it is renewed while it is busy. */
  everyMs: number;
  isShort: boolean;
  /** Somebody here found nothing, and the lender has not given all that was wanted since. */
  isLacking: boolean;
  batches: Batch[];
  arrived: number[];
  over: number;
  /** Of the batch that was taken from last. */
  countedAtMs: EpochMs;
  /** Use since the last wish, and in the span before it. */
  peak: number;
  peakBefore: number;
  requests: number;
  tokens: number;
  /** Requests and tokens per ms, of the busier of the last two spans. */
  requestRate: number;
  tokenRate: number;
  /** Slots that have ended and are the lender's again. */
  isOwing: boolean;
  wishedAtMs: EpochMs;
  /** In the last wish. */
  wantedSlots: number;
}

export function createLease(): Lease {
  const state: State = newState();
  return {
    take: (tokens, nowMs) => take(state, tokens, nowMs),
    begin(permit) {
      if (permit !== null) state.arrived.push(permit);
      start(state);
    },
    end(nowMs) {
      if (state.inUse === 0) return;
      state.inUse--;
      // Who found nothing here waits at the lender: there the slot is of use at once.
      if (!state.isShort && !state.isLacking && nowMs < state.slotsUntilMs) state.idle++;
      else state.isOwing = true;
    },
    correct(tokens) {
      state.over += tokens;
    },
    inUse: () => state.inUse,
    isDue: (nowMs) => isDue(state, nowMs),
    wish: (holder, nowMs) => wish(state, holder, nowMs),
    grant(grant, sentAtMs) {
      state.idle += grant.slots;
      state.slotsUntilMs = sentAtMs + grant.lifeMs;
      state.everyMs = grant.lifeMs > 2 * EXCHANGE_MS_PLENTY ? EXCHANGE_MS_PLENTY : EXCHANGE_MS;
      state.isShort = grant.isShort;
      state.isLacking = grant.isShort || grant.slots < state.wantedSlots;
      if (grant.isShort && state.idle > 0) state.isOwing = true;
      const { requests, tokens, countedAtMs } = grant;
      if (requests === Number.POSITIVE_INFINITY && tokens === requests) state.batches = [];
      if (requests > 0) state.batches.push({ requests, tokens, untilMs: state.slotsUntilMs, countedAtMs });
    },
    endsAtMs: () => state.slotsUntilMs,
    isOwing: () => state.isOwing,
    isEmpty: () =>
      state.inUse === 0 && state.idle === 0 && state.batches.length === 0 && !state.isOwing && state.over === 0,
  };
}

function newState(): State {
  return {
    inUse: 0,
    idle: 0,
    slotsUntilMs: Number.NEGATIVE_INFINITY,
    everyMs: EXCHANGE_MS,
    isShort: false,
    isLacking: false,
    batches: [],
    arrived: [],
    over: 0,
    countedAtMs: 0,
    peak: 0,
    peakBefore: 0,
    requests: 0,
    tokens: 0,
    requestRate: 0,
    tokenRate: 0,
    isOwing: false,
    wishedAtMs: Number.NEGATIVE_INFINITY,
    wantedSlots: 0,
  };
}

function start(state: State): void {
  state.inUse++;
  state.peak = Math.max(state.peak, state.inUse);
}

function take(state: State, tokens: number, nowMs: EpochMs): boolean {
  state.requests++;
  state.tokens += tokens;
  const isOpen = state.idle >= 1 && nowMs < state.slotsUntilMs;
  const batch = state.batches.find((one) => one.untilMs > nowMs && one.requests >= 1 && one.tokens >= tokens);
  if (!isOpen || batch === undefined) {
    state.isLacking = true;
    return false;
  }
  batch.requests--;
  batch.tokens -= tokens;
  state.countedAtMs = batch.countedAtMs;
  state.idle--;
  start(state);
  return true;
}

function isDue(state: State, nowMs: EpochMs): boolean {
  const sinceMs = nowMs - state.wishedAtMs;
  if (sinceMs < EXCHANGE_MS_MIN) return false;
  if (state.isOwing || sinceMs >= state.everyMs) return true;
  if (state.isShort) return false;
  const left = leftOf(state, nowMs);
  return state.idle < 1 || left.requests < state.requests || left.tokens < state.tokens;
}

/** What is left of the batches that live. */
function leftOf({ batches }: State, nowMs: EpochMs): { requests: number; tokens: number } {
  const left = { requests: 0, tokens: 0 };
  for (const { requests, tokens, untilMs } of batches) {
    if (untilMs <= nowMs) continue;
    left.requests += requests;
    left.tokens += tokens;
  }
  return left;
}

function wish(state: State, holder: string, nowMs: EpochMs): LeaseWish {
  const target = targetOf(state, nowMs);
  const back: Back[] = [];
  const isOver = state.isShort || nowMs >= state.slotsUntilMs;
  state.idle = isOver ? 0 : Math.min(state.idle, Math.max(0, target.slots - state.inUse));
  state.batches = state.batches.filter((batch) => {
    if (!isOver && batch.untilMs > nowMs && target.requests > 0) return true;
    const { requests, tokens, countedAtMs } = batch;
    const unused = { requests: finite(requests), tokens: finite(tokens), countedAtMs };
    if (unused.requests > 0 || unused.tokens > 0) back.push(unused);
    return false;
  });
  const left = leftOf(state, nowMs);
  const { arrived, over, countedAtMs } = state;
  if (over < 0) back.push({ requests: 0, tokens: -over, countedAtMs });
  state.arrived = [];
  state.over = 0;
  state.isOwing = false;
  const want: Amounts = {
    slots: Math.max(0, target.slots - state.inUse - state.idle),
    requests: Math.max(0, target.requests - left.requests),
    tokens: Math.max(0, target.tokens - left.tokens),
  };
  state.wantedSlots = want.slots;
  return {
    holder,
    slotsHeld: state.inUse + state.idle,
    arrived,
    back,
    tokensOver: Math.max(0, over),
    want,
    onwardMs: 0,
  };
}

/** What the use of the last two spans makes likely; closes the present span. */
function targetOf(state: State, nowMs: EpochMs): Amounts {
  const spanMs = Math.min(10_000, Math.max(EXCHANGE_MS, nowMs - state.wishedAtMs));
  const requestRate = Math.max(state.requestRate, state.requests / spanMs);
  const tokenRate = Math.max(state.tokenRate, state.tokens / spanMs);
  const peak = Math.max(state.peak, state.peakBefore);
  const mean = state.requests === 0 ? 0 : state.tokens / state.requests;
  state.requestRate = state.requests / spanMs;
  state.tokenRate = state.tokens / spanMs;
  state.peakBefore = state.peak;
  state.peak = state.inUse;
  state.requests = 0;
  state.tokens = 0;
  state.wishedAtMs = nowMs;
  if (requestRate === 0) return { slots: state.inUse, requests: 0, tokens: 0 };
  return {
    slots: Math.ceil(peak * 1.5) + 1,
    requests: Math.ceil(requestRate * AHEAD * state.everyMs) + 1,
    tokens: Math.ceil(tokenRate * AHEAD * state.everyMs + mean),
  };
}

function finite(amount: number): number {
  return Number.isFinite(amount) ? amount : 0;
}
