/**
 * All capacity of one place (a provider in a region): a pool for each credential that has a limit, or for each credential
 * and endpoint whose limit is being learnt, and one queue before them. Whoever asks joins the queue and the queue is
 * served, so that nobody overtakes; who asked not to wait, or waited long enough, is refused with an honest time.
 * Deterministic: the caller brings the time and comes again when `serve` says so. Memory: POOLS_MAX pools, QUEUE_MAX waiters.
 */
import type { EpochMs } from "../core/clock.ts";
import { ADAPTIVE_UNBOUND, adaptiveLimit, adaptiveNext, type Adaptive, type AdaptiveEvent } from "./adaptive.ts";
import {
  createLender,
  createRuleSource,
  type CapacityRule,
  type Lender,
  type LeaseGrant,
  type LeaseWish,
  type RuleSource,
  type SavedRates,
} from "./capacity.ts";
import { createFairQueue, type Waiter } from "./fair-queue.ts";
import { createStock, type Stock } from "./stock.ts";

/** A pool as its user names it. */
export interface PoolName {
  readonly pool: string;
  /** Null: nobody has set a limit, it is learnt. */
  readonly rule: CapacityRule | null;
  /** The limit is the whole credential's, over all regions. */
  readonly isShared: boolean;
  /** Said by a branch of itself: what it lends here is its gate's. */
  readonly isBranch?: boolean | undefined;
}

export interface CapacityAsk {
  readonly holder: string;
  /** The asker's own number for what it gets. */
  readonly permit: number;
  readonly account: string;
  readonly isPaid: boolean;
  readonly tokens: number;
  /** Any of them will do, the first one best. */
  readonly pools: readonly PoolName[];
  /** 0: not at all; at most WAIT_MS_MAX. */
  readonly waitMs: number;
}

export type CapacityAnswer = (
  | { readonly kind: "granted"; readonly pool: string }
  | { readonly kind: "refused"; readonly retryAfterMs: number }
) & {
  /** So many branches the gate has now; absent: it does not know. */
  readonly branches?: number | undefined;
};

export interface SavedPool {
  readonly pool: string;
  readonly rates: SavedRates;
  readonly adaptive: Adaptive;
}

export interface CapacityDesk {
  exchange(name: PoolName, wish: LeaseWish, nowMs: EpochMs): LeaseGrant;
  /** `answer` is called once, at once or from `serve`. Call `serve` afterwards. */
  ask(ask: CapacityAsk, answer: (answer: CapacityAnswer) => void, nowMs: EpochMs): void;
  /** Serves the queue. @returns when to call again at the latest; null: nobody waits. */
  serve(nowMs: EpochMs): EpochMs | null;
  /** What the upstream showed of a pool whose limit is learnt; true when its limit has changed. */
  learn(pool: string, event: AdaptiveEvent, busyMs: number, nowMs: EpochMs): boolean;
  /** The learnt limit; undefined: none. */
  learnt(pool: string): number | undefined;
  /** Pools that must ask their home now, and what they say. */
  homeWishes(region: string, nowMs: EpochMs): readonly { readonly name: PoolName; readonly wish: LeaseWish }[];
  /** What the home answered; null: it could not be asked. */
  homeGrant(pool: string, grant: LeaseGrant | null, sentAtMs: EpochMs): void;
  saved(): readonly SavedPool[];
  waiting(): number;
}

const WAIT_MS_MAX = 2_000;
const QUEUE_MAX = 1_000;
const POOLS_MAX = 2_000;
/** Somebody waits: look again after this, in case a slot has ended by itself or a minute has moved on. */
const LOOK_MS = 100;
/** A pool that was short a moment ago lends nothing in bulk: what it has is for those who ask. */
const SHORT_MS = 1_000;
/** Span over which the load of a pool without a limit is measured. */
const LOAD_MS = 10_000;

interface Wanted {
  slots: number;
  requests: number;
  tokens: number;
}

interface Pool {
  name: PoolName;
  readonly rule: RuleSource;
  readonly stock: Stock | null;
  readonly lender: Lender;
  adaptive: Adaptive;
  shortAtMs: EpochMs;
  /** Most tokens of one request that found too little here. */
  lackedTokens: number;
  /** What isolates wanted in bulk and was not here, since the lender was asked. */
  unmet: Wanted;
  /** What branches wanted and was not here: somebody may wait for it there. */
  unmetBelow: Wanted;
  readonly load: { busyMs: number; beforeMs: number; sinceMs: EpochMs };
}

interface Waiting {
  readonly ask: CapacityAsk;
  readonly answer: (answer: CapacityAnswer) => void;
}

interface Memory {
  /** By name, the one used last at the end. */
  readonly pools: Map<string, Pool>;
  readonly queue: ReturnType<typeof createFairQueue<Waiting>>;
}

export function createCapacityDesk(saved: readonly SavedPool[] = []): CapacityDesk {
  const memory: Memory = { pools: new Map(), queue: createFairQueue(QUEUE_MAX) };
  for (const { pool, rates, adaptive } of saved) {
    memory.pools.set(pool, newPool({ pool, rule: null, isShared: false }, rates, adaptive));
  }
  return {
    exchange(name, wish, nowMs) {
      const pool = poolOf(memory, name);
      const grant = pool.lender.exchange(wish, wish.onwardMs === 0 && nowMs - pool.shortAtMs < SHORT_MS, nowMs);
      const unmet = wish.onwardMs > 0 ? pool.unmetBelow : pool.unmet;
      for (const what of ["slots", "requests", "tokens"] as const) {
        unmet[what] += Math.max(0, wish.want[what] - grant[what]);
      }
      return grant;
    },
    ask(ask, answer, nowMs) {
      const deadlineMs = nowMs + Math.min(WAIT_MS_MAX, Math.max(0, ask.waitMs));
      const { account, isPaid } = ask;
      const displaced = memory.queue.add({ account, isPaid, deadlineMs, value: { ask, answer } });
      if (displaced !== null) refuse(memory, displaced, nowMs);
    },
    serve: (nowMs) => serve(memory, nowMs),
    learn: (pool, event, busyMs, nowMs) => learn(memory, pool, event, busyMs, nowMs),
    learnt(pool) {
      const found = memory.pools.get(pool);
      return found === undefined ? undefined : adaptiveLimit(found.adaptive);
    },
    homeWishes: (region, nowMs) => homeWishes(memory, region, nowMs),
    homeGrant(pool, grant, sentAtMs) {
      memory.pools.get(pool)?.stock?.grant(grant, sentAtMs);
    },
    saved: () =>
      [...memory.pools].flatMap(([pool, { rule, adaptive }]) => {
        const rates = rule.saved();
        const isEmpty = rates.requests.length === 0 && rates.tokens.length === 0;
        return isEmpty && adaptive.kind === "unbound" ? [] : [{ pool, rates, adaptive }];
      }),
    waiting: () => memory.queue.size(),
  };
}

function newPool(name: PoolName, rates?: SavedRates, adaptive: Adaptive = ADAPTIVE_UNBOUND): Pool {
  const rule = createRuleSource(rates);
  const stock = isBorrowed(name) ? createStock() : null;
  const lender = createLender(stock ?? rule);
  const load = { busyMs: 0, beforeMs: 0, sinceMs: 0 };
  return {
    name,
    rule,
    stock,
    lender,
    adaptive,
    shortAtMs: Number.NEGATIVE_INFINITY,
    lackedTokens: 0,
    unmet: nothing(),
    unmetBelow: nothing(),
    load,
  };
}

function nothing(): Wanted {
  return { slots: 0, requests: 0, tokens: 0 };
}

function poolOf({ pools }: Memory, name: PoolName): Pool {
  const known = pools.get(name.pool);
  // A limit that becomes the credential's, or no longer is, begins anew.
  const pool = known === undefined || (known.stock !== null) !== isBorrowed(name) ? newPool(name) : known;
  pool.name = name;
  pool.rule.use(ruleOf(pool));
  pools.delete(name.pool);
  pools.set(name.pool, pool);
  const oldest = pools.size > POOLS_MAX ? pools.keys().next().value : undefined;
  if (oldest !== undefined) pools.delete(oldest);
  return pool;
}

function isBorrowed({ isShared, isBranch }: PoolName): boolean {
  return isShared || isBranch === true;
}

function ruleOf({ name, adaptive }: Pool): CapacityRule {
  return name.rule ?? { concurrency: adaptiveLimit(adaptive) };
}

function serve(memory: Memory, nowMs: EpochMs): EpochMs | null {
  const { queue } = memory;
  // Least tokens that a pool could not give in this round.
  const dry = new Map<string, number>();
  for (;;) {
    let pool: string | null = null;
    const served = queue.next(({ ask }) => {
      pool = takeFor(memory, ask, dry, nowMs);
      return pool !== null;
    });
    if (served === null || pool === null) break;
    served.value.answer({ kind: "granted", pool });
  }
  for (const waiter of queue.expired(nowMs)) refuse(memory, waiter, nowMs);
  const soonestMs = queue.soonestDeadlineMs();
  return soonestMs === null ? null : Math.min(soonestMs, nowMs + LOOK_MS);
}

/** One permit from the first pool that has one. */
function takeFor(memory: Memory, ask: CapacityAsk, dry: Map<string, number>, nowMs: EpochMs): string | null {
  for (const name of ask.pools) {
    // First of all: of a long queue nearly all come to this.
    if (ask.tokens >= (dry.get(name.pool) ?? Number.POSITIVE_INFINITY)) continue;
    const pool = poolOf(memory, name);
    const taken = pool.lender.takeOne(ask.holder, ask.permit, ask.tokens, nowMs);
    if (taken === "taken") return name.pool;
    dry.set(name.pool, taken === "full" ? 0 : ask.tokens);
    pool.shortAtMs = nowMs;
    pool.lackedTokens = Math.max(pool.lackedTokens, ask.tokens);
  }
  return null;
}

function refuse(memory: Memory, { value, account, isPaid }: Waiter<Waiting>, nowMs: EpochMs): void {
  const ahead = memory.queue.ahead(account, isPaid);
  let atMs = Number.POSITIVE_INFINITY;
  for (const name of value.ask.pools) {
    atMs = Math.min(atMs, poolOf(memory, name).lender.retryAtMs(value.ask.tokens, ahead, nowMs));
  }
  const retryAfterMs = Number.isFinite(atMs) ? Math.max(1, atMs - nowMs) : WAIT_MS_MAX;
  value.answer({ kind: "refused", retryAfterMs });
}

function learn(memory: Memory, name: string, event: AdaptiveEvent, busyMs: number, nowMs: EpochMs): boolean {
  const pool = memory.pools.get(name) ?? poolOf(memory, { pool: name, rule: null, isShared: false });
  const { load } = pool;
  if (nowMs - load.sinceMs >= LOAD_MS) {
    load.beforeMs = nowMs - load.sinceMs < 2 * LOAD_MS ? load.busyMs : 0;
    load.busyMs = 0;
    load.sinceMs = nowMs;
  }
  load.busyMs += busyMs;
  const before = adaptiveLimit(pool.adaptive);
  pool.adaptive = adaptiveNext(pool.adaptive, { ...event, inFlight: inFlightOf(pool, event, nowMs) }, nowMs);
  return adaptiveLimit(pool.adaptive) !== before;
}

/** Little's law where nobody counts: what ran at once is how long attempts took together, over the time they took. */
function inFlightOf({ adaptive, lender, load }: Pool, event: AdaptiveEvent, nowMs: EpochMs): number {
  if (adaptive.kind === "bound") return Math.max(1, lender.slotsLent(nowMs));
  const spanMs = Math.max(1_000, nowMs - load.sinceMs + (load.beforeMs > 0 ? LOAD_MS : 0));
  return Math.max(1, event.inFlight, (load.busyMs + load.beforeMs) / spanMs);
}

function homeWishes(
  memory: Memory,
  region: string,
  nowMs: EpochMs,
): readonly { readonly name: PoolName; readonly wish: LeaseWish }[] {
  const wishes: { readonly name: PoolName; readonly wish: LeaseWish }[] = [];
  const waiting = memory.queue.size();
  for (const pool of memory.pools.values()) {
    const { stock, lender, name, unmetBelow: below } = pool;
    const lacks = nowMs - pool.shortAtMs < SHORT_MS ? Math.max(1, waiting) : waiting;
    if (stock === null || !stock.isDue(lacks + below.slots + below.requests + below.tokens, nowMs)) continue;
    // Bulk that is borrowed where there is not plenty would lie idle here while others wait elsewhere.
    const bulk = stock.isPlenty() ? pool.unmet : nothing();
    const lacked = {
      slots: lacks + below.slots + bulk.slots,
      requests: lacks + below.requests + bulk.requests,
      tokens: lacks * pool.lackedTokens + below.tokens + bulk.tokens,
    };
    const wish = stock.wish(region, lender.slotsLent(nowMs), lacked, nowMs);
    pool.lackedTokens = 0;
    pool.unmet = nothing();
    pool.unmetBelow = nothing();
    wishes.push({ name, wish });
  }
  return wishes;
}
