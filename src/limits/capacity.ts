/**
 * The lender of a provider's capacity: requests and tokens of a minute, and slots for what runs at once. It lends in
 * bulk to holders (isolates; or regions, where a limit is the whole credential's) and singly to whoever waits.
 * - A rate that is lent counts from the last moment at which it may be used; what is given back counts no more.
 * - A slot belongs to its holder until the holder says that it is over, or has said nothing for HOLD_MS: a crash frees
 *   it. Holders say how many slots they have, not what has changed, so that a lost answer heals with the next call.
 * - Bulk takes at most half of what is free, so that the last of it is there for whoever waits, wherever that is.
 * Nothing here is above the limit by even one, as long as holders keep to what they were lent. Amounts without a limit
 * are Infinity. Memory: one entry per living holder. Times in epoch ms.
 */
import type { EpochMs } from "../core/clock.ts";
import { createRateWindow, type RateSlot, type RateWindow } from "./rate-window.ts";

/** A limit that is absent is no limit. */
export interface CapacityRule {
  readonly requestsPerMin?: number | undefined;
  readonly tokensPerMin?: number | undefined;
  readonly concurrency?: number | undefined;
}

export interface Amounts {
  /** Attempts that may run at once. */
  readonly slots: number;
  readonly requests: number;
  readonly tokens: number;
}

/** Rates that were lent and will not be used. */
export interface Back {
  readonly requests: number;
  readonly tokens: number;
  /** As the grant said. */
  readonly countedAtMs: EpochMs;
}

/** What a holder has and wants, absolute for slots. */
export interface LeaseWish {
  readonly holder: string;
  /** Slots that it has, in use or idle, without those that it gives back now. */
  readonly slotsHeld: number;
  /** Single permits that have arrived since its last wish: from now on they are among `slotsHeld`. */
  readonly arrived: readonly number[];
  readonly back: readonly Back[];
  /** Tokens used beyond those that were taken. */
  readonly tokensOver: number;
  /** Wanted in addition; all 0 to give back only. */
  readonly want: Amounts;
  /** How long it may lend on what it is lent; 0 for one that lends nothing. */
  readonly onwardMs: number;
}

export interface LeaseGrant extends Amounts {
  /** How long from the wish on the amounts may be used. */
  readonly lifeMs: number;
  /** Where the lender counts the rates; whoever gives some back says it. */
  readonly countedAtMs: EpochMs;
  /** Others wait: what ends should be given back at once. */
  readonly isShort: boolean;
  /** So many branches the lender has now (branches.ts); absent: it does not know. */
  readonly branches?: number | undefined;
}

/** Where a lender's capacity comes from: a rule, or another lender. */
export interface Source {
  /** How long a lease of it may live at most, for a holder who lends on for `onwardMs`; 0: it can lend that one nothing. */
  lifeMsMax(onwardMs: number, nowMs: EpochMs): number;
  /** What is left; `slotsLent` are lent out. */
  free(slotsLent: number, nowMs: EpochMs): Amounts;
  /** @returns where it is counted. */
  take(requests: number, tokens: number, lastUseMs: EpochMs, nowMs: EpochMs): EpochMs;
  back(back: Back): void;
  /** When one request of `tokens` will be there behind `ahead` others, slots aside. */
  rateAtMs(tokens: number, ahead: number, nowMs: EpochMs): EpochMs;
  /** Tokens as they are counted: a request larger than a whole minute's passes when the minute is empty. */
  countedTokens(tokens: number): number;
}

export interface Lender {
  exchange(wish: LeaseWish, isShort: boolean, nowMs: EpochMs): LeaseGrant;
  /** One request's worth for `holder`, at once, under an id of the holder's own; else what is lacking. */
  takeOne(holder: string, permit: number, tokens: number, nowMs: EpochMs): "taken" | "full" | "too-large";
  /** An honest guess at when one more of `tokens` will pass behind `ahead` others. */
  retryAtMs(tokens: number, ahead: number, nowMs: EpochMs): EpochMs;
  slotsLent(nowMs: EpochMs): number;
}

/** A holder that has said nothing for so long has died. */
const HOLD_MS = 30_000;
/** How long a lease may be spent from while there is plenty: an isolate that asks once a second never waits. */
export const LIFE_MS = 10_000;
/** There is plenty while what is wanted is no more than one part in so many of what is free. */
const PLENTY = 4;
/** How long near the limit, so that what lies idle here is soon there. */
export const LIFE_SHORT_MS = 2_000;
/** A single permit that has not arrived by then never will. */
const ARRIVAL_MS = 15_000;
/** Over how long the pace at which slots become free is measured. */
const PACE_MS = 10_000;
/** How long to stay away when nobody knows when a slot becomes free. */
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 60_000;

interface Holder {
  /** As it said. */
  slots: number;
  /** Single permits that it has not said to have received, and when they were given. */
  readonly underWay: Map<number, EpochMs>;
  seenAtMs: EpochMs;
}

interface Book {
  readonly source: Source;
  /** In order of their last word, so that the dead are in front. */
  readonly holders: Map<string, Holder>;
  lent: number;
  readonly pace: Pace;
}

export function createLender(source: Source): Lender {
  const book: Book = { source, holders: new Map(), lent: 0, pace: { freed: 0, freedBefore: 0, sinceMs: 0 } };
  return {
    exchange: (wish, isShort, nowMs) => exchange(book, wish, isShort, nowMs),
    takeOne: (holder, permit, tokens, nowMs) => takeOne(book, holder, permit, tokens, nowMs),
    retryAtMs(tokens, ahead, nowMs) {
      bury(book, nowMs);
      const byRate = source.rateAtMs(tokens, ahead, nowMs);
      const needed = ahead + 1 - source.free(book.lent, nowMs).slots;
      if (needed <= 0) return Math.max(byRate, nowMs + 1);
      const perMs = paceOf(book.pace, nowMs);
      const waitMs = perMs > 0 ? Math.min(RETRY_MS_MAX, Math.ceil(needed / perMs)) : RETRY_MS;
      return Math.max(byRate, nowMs + Math.max(1, waitMs));
    },
    slotsLent(nowMs) {
      bury(book, nowMs);
      return book.lent;
    },
  };
}

function exchange(book: Book, wish: LeaseWish, isShort: boolean, nowMs: EpochMs): LeaseGrant {
  const { source } = book;
  bury(book, nowMs);
  for (const back of wish.back) source.back(back);
  source.take(0, wish.tokensOver, nowMs, nowMs);
  const holder = hear(book, wish.holder, nowMs);
  const before = holder.slots + holder.underWay.size;
  book.lent -= landed(holder, wish.arrived, nowMs);
  setSlots(book, holder, wish.slotsHeld);
  count(book.pace, before - holder.slots - holder.underWay.size, nowMs);
  const free = source.free(book.lent, nowMs);
  const longestMs = source.lifeMsMax(wish.onwardMs, nowMs);
  const lendsNothing = isShort || longestMs <= 0;
  const grantOf = (want: number, left: number): number => (lendsNothing ? 0 : portion(want, left, wish.onwardMs));
  const slots = grantOf(wish.want.slots, free.slots);
  const requests = grantOf(wish.want.requests, free.requests);
  const tokens = grantOf(wish.want.tokens, free.tokens);
  const isPlenty =
    !isShort &&
    wish.want.slots <= free.slots / PLENTY &&
    wish.want.requests <= free.requests / PLENTY &&
    wish.want.tokens <= free.tokens / PLENTY;
  const lifeMs = isPlenty ? longestMs : Math.min(longestMs, LIFE_SHORT_MS);
  setSlots(book, holder, wish.slotsHeld + finite(slots));
  if (holder.slots === 0 && holder.underWay.size === 0) book.holders.delete(wish.holder);
  const countedAtMs = source.take(finite(requests), finite(tokens), nowMs + lifeMs + wish.onwardMs, nowMs);
  return { slots, requests, tokens, lifeMs, countedAtMs, isShort };
}

function takeOne(
  book: Book,
  id: string,
  permit: number,
  wanted: number,
  nowMs: EpochMs,
): "taken" | "full" | "too-large" {
  const { source } = book;
  bury(book, nowMs);
  const tokens = source.countedTokens(wanted);
  const free = source.free(book.lent, nowMs);
  if (free.slots < 1 || free.requests < 1) return "full";
  if (free.tokens < tokens) return "too-large";
  const { underWay } = hear(book, id, nowMs);
  if (!underWay.has(permit)) book.lent++;
  underWay.set(permit, nowMs);
  source.take(1, tokens, nowMs, nowMs);
  return "taken";
}

/** Forgets holders that have said nothing for HOLD_MS. */
function bury(book: Book, nowMs: EpochMs): void {
  for (const [id, { slots, underWay, seenAtMs }] of book.holders) {
    if (nowMs - seenAtMs < HOLD_MS) break;
    book.holders.delete(id);
    book.lent -= slots + underWay.size;
  }
}

function hear({ holders }: Book, id: string, nowMs: EpochMs): Holder {
  const holder = holders.get(id) ?? { slots: 0, underWay: new Map<number, EpochMs>(), seenAtMs: nowMs };
  holder.seenAtMs = nowMs;
  holders.delete(id);
  holders.set(id, holder);
  return holder;
}

function setSlots(book: Book, holder: Holder, slots: number): void {
  book.lent += slots - holder.slots;
  holder.slots = slots;
}

/** Takes what has arrived, or never will, off the way. @returns how many. */
function landed({ underWay }: Holder, arrived: readonly number[], nowMs: EpochMs): number {
  const before = underWay.size;
  for (const permit of arrived) underWay.delete(permit);
  for (const [permit, atMs] of underWay) if (nowMs - atMs >= ARRIVAL_MS) underWay.delete(permit);
  return before - underWay.size;
}

/** At most half of what is free, whole ones only; all of it where there is no limit. Who lends on may have the last. */
function portion(want: number, free: number, onwardMs: number): number {
  if (!Number.isFinite(free)) return Number.POSITIVE_INFINITY;
  const half = onwardMs > 0 ? Math.ceil(free / 2) : Math.floor(free / 2);
  return Math.max(0, Math.min(Math.ceil(want), half));
}

function finite(amount: number): number {
  return Number.isFinite(amount) ? amount : 0;
}

interface Pace {
  freed: number;
  freedBefore: number;
  sinceMs: EpochMs;
}

function count(pace: Pace, slots: number, nowMs: EpochMs): void {
  turn(pace, nowMs);
  pace.freed += Math.max(0, slots);
}

function turn(pace: Pace, nowMs: EpochMs): void {
  const passedMs = nowMs - pace.sinceMs;
  if (passedMs < PACE_MS) return;
  pace.freedBefore = passedMs < 2 * PACE_MS ? pace.freed : 0;
  pace.freed = 0;
  pace.sinceMs = nowMs;
}

/** Slots that become free per ms, from the last one or two spans. */
function paceOf(pace: Pace, nowMs: EpochMs): number {
  turn(pace, nowMs);
  const spanMs = Math.max(1_000, nowMs - pace.sinceMs + (pace.freedBefore > 0 ? PACE_MS : 0));
  return (pace.freed + pace.freedBefore) / spanMs;
}

export interface SavedRates {
  readonly requests: readonly RateSlot[];
  readonly tokens: readonly RateSlot[];
}

export interface RuleSource extends Source {
  /** The rule as it is now; the catalog may change it. */
  use(rule: CapacityRule): void;
  saved(): SavedRates;
}

/** Capacity by a rule of the operator's. */
export function createRuleSource(saved?: SavedRates): RuleSource {
  const requests = createRateWindow(saved?.requests);
  const tokens = createRateWindow(saved?.tokens);
  let rule: CapacityRule = {};
  const left = (window: RateWindow, limit: number | undefined, nowMs: EpochMs): number =>
    limit === undefined ? Number.POSITIVE_INFINITY : Math.max(0, limit - window.count(nowMs));
  const countedTokens = (count: number): number => Math.min(count, rule.tokensPerMin ?? count);
  return {
    // What is lent counts from where it may last be used, however far that is.
    lifeMsMax: () => LIFE_MS,
    use(next) {
      rule = next;
    },
    free: (slotsLent, nowMs) => ({
      slots: rule.concurrency === undefined ? Number.POSITIVE_INFINITY : Math.max(0, rule.concurrency - slotsLent),
      requests: left(requests, rule.requestsPerMin, nowMs),
      tokens: left(tokens, rule.tokensPerMin, nowMs),
    }),
    take(requestCount, tokenCount, lastUseMs) {
      if (rule.requestsPerMin !== undefined) requests.add(requestCount, lastUseMs);
      if (rule.tokensPerMin !== undefined) tokens.add(tokenCount, lastUseMs);
      return lastUseMs;
    },
    back(unused) {
      requests.takeBack(unused.requests, unused.countedAtMs);
      tokens.takeBack(unused.tokens, unused.countedAtMs);
    },
    rateAtMs(wanted, ahead, nowMs) {
      const each = countedTokens(wanted);
      const { requestsPerMin, tokensPerMin } = rule;
      return Math.max(
        requestsPerMin === undefined ? nowMs : rateAtMs(requests, requestsPerMin, ahead + 1, nowMs),
        tokensPerMin === undefined ? nowMs : rateAtMs(tokens, tokensPerMin, (ahead + 1) * each, nowMs),
      );
    },
    countedTokens,
    saved: () => ({ requests: requests.saved(), tokens: tokens.saved() }),
  };
}

/** When `needed` more fit; beyond a whole minute's worth, whole minutes later. */
function rateAtMs(window: RateWindow, limit: number, needed: number, nowMs: EpochMs): EpochMs {
  const minutes = Math.max(0, Math.ceil(needed / limit) - 1);
  return window.fallsToMs(limit - (needed - minutes * limit), nowMs) + minutes * 60_000;
}
