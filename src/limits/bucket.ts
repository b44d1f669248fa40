/**
 * Capacity of a credential in one region: token buckets for requests and tokens per minute, and slots for concurrency.
 * An isolate leases permits in bulk and spends them without asking again. A lease ends by itself, so that a crash frees
 * its slots; permits that were taken from a bucket and never given back are lost, and the refill makes up for them.
 * Pure: state in, state out; times in epoch ms. Leasing again under the same id replaces the lease.
 */
import type { EpochMs } from "../core/clock.ts";

/** A limit that is absent is no limit. */
export interface CapacityRule {
  readonly requestsPerMin?: number | undefined;
  readonly tokensPerMin?: number | undefined;
  readonly concurrency?: number | undefined;
}

/** `level` permits were there at `atMs`; more drip in with time. */
export interface Bucket {
  readonly level: number;
  readonly atMs: EpochMs;
}

/** A lease's hold on concurrency. */
interface SlotLease {
  readonly id: string;
  readonly count: number;
  readonly untilMs: EpochMs;
}

export interface CapacityState {
  readonly requests: Bucket | null;
  readonly tokens: Bucket | null;
  readonly slots: readonly SlotLease[];
}

export interface LeaseRequest {
  readonly id: string;
  /** Permits wanted, one per request. */
  readonly permits: number;
  /** Tokens that one request is expected to use; 0 when unknown. */
  readonly tokensEach: number;
  readonly untilMs: EpochMs;
}

export interface CapacityGrant {
  readonly state: CapacityState;
  /** 0 to `permits`. */
  readonly granted: number;
  /** When one more permit will be there at the latest; null when all that was wanted was granted. */
  readonly retryAtMs: EpochMs | null;
}

const MINUTE_MS = 60_000;

export const FULL_CAPACITY: CapacityState = { requests: null, tokens: null, slots: [] };

/** Leases up to `want.permits` permits, whole ones only; what is granted is taken from every limit of the rule. */
export function capacityLease(
  state: CapacityState,
  rule: CapacityRule,
  want: LeaseRequest,
  nowMs: EpochMs,
): CapacityGrant {
  const requests = refilled(state.requests, rule.requestsPerMin, nowMs);
  const tokens = refilled(state.tokens, rule.tokensPerMin, nowMs);
  const slots = state.slots.filter((lease) => lease.untilMs > nowMs && lease.id !== want.id);
  let inUse = 0;
  for (const lease of slots) inUse += lease.count;

  // One request larger than a whole minute's tokens would never pass: it needs a full bucket instead.
  const tokensEach = Math.min(want.tokensEach, rule.tokensPerMin ?? want.tokensEach);
  const byRequests = requests === null ? want.permits : Math.floor(requests.level);
  const byTokens = tokens === null || tokensEach <= 0 ? want.permits : Math.floor(tokens.level / tokensEach);
  const byConcurrency = rule.concurrency === undefined ? want.permits : Math.max(0, rule.concurrency - inUse);
  const granted = Math.max(0, Math.min(want.permits, byRequests, byTokens, byConcurrency));

  const next: CapacityState = {
    requests: requests === null ? null : { ...requests, level: requests.level - granted },
    tokens: tokens === null ? null : { ...tokens, level: tokens.level - granted * tokensEach },
    slots: granted === 0 ? slots : [...slots, { id: want.id, count: granted, untilMs: want.untilMs }],
  };
  if (granted === want.permits) return { state: next, granted, retryAtMs: null };
  const waits = [
    waitForMs(next.requests, rule.requestsPerMin, 1),
    waitForMs(next.tokens, rule.tokensPerMin, tokensEach),
    byConcurrency > granted ? 0 : soonestEndMs(next.slots, nowMs),
  ];
  return { state: next, granted, retryAtMs: nowMs + Math.max(...waits) };
}

/**
 * Ends a lease or part of it: `finished` slots are free again, `unusedRequests` and `unusedTokens` go back to their
 * buckets, never above a minute's worth. Ending a lease that is unknown or over frees nothing.
 */
export function capacityGiveBack(
  state: CapacityState,
  rule: CapacityRule,
  back: {
    readonly id: string;
    readonly finished: number;
    readonly unusedRequests: number;
    readonly unusedTokens: number;
  },
  nowMs: EpochMs,
): CapacityState {
  const slots = state.slots.filter((lease) => lease.untilMs > nowMs);
  const lease = slots.find((entry) => entry.id === back.id);
  if (lease === undefined) return { ...state, slots };
  const unused = Math.min(back.unusedRequests, lease.count);
  const left = lease.count - Math.min(lease.count, Math.max(back.finished, 0));
  return {
    requests: added(refilled(state.requests, rule.requestsPerMin, nowMs), rule.requestsPerMin, unused),
    tokens: added(refilled(state.tokens, rule.tokensPerMin, nowMs), rule.tokensPerMin, back.unusedTokens),
    slots: slots.flatMap((entry) => (entry !== lease ? [entry] : left === 0 ? [] : [{ ...lease, count: left }])),
  };
}

/** Lets a lease live on until `untilMs`; an unknown one stays unknown. */
export function capacityRenew(state: CapacityState, id: string, untilMs: EpochMs): CapacityState {
  return { ...state, slots: state.slots.map((lease) => (lease.id === id ? { ...lease, untilMs } : lease)) };
}

/** The bucket as of `nowMs`; full when it is new; null without a limit. */
function refilled(bucket: Bucket | null, perMin: number | undefined, nowMs: EpochMs): Bucket | null {
  if (perMin === undefined) return null;
  if (bucket === null) return { level: perMin, atMs: nowMs };
  const passedMs = Math.max(0, nowMs - bucket.atMs);
  return {
    level: Math.min(perMin, bucket.level + (passedMs * perMin) / MINUTE_MS),
    atMs: Math.max(nowMs, bucket.atMs),
  };
}

function added(bucket: Bucket | null, perMin: number | undefined, count: number): Bucket | null {
  if (bucket === null || perMin === undefined) return bucket;
  return { ...bucket, level: Math.min(perMin, bucket.level + Math.max(0, count)) };
}

function waitForMs(bucket: Bucket | null, perMin: number | undefined, needed: number): number {
  if (bucket === null || perMin === undefined || bucket.level >= needed) return 0;
  return Math.ceil(((needed - bucket.level) * MINUTE_MS) / perMin);
}

function soonestEndMs(slots: readonly SlotLease[], nowMs: EpochMs): number {
  let soonest = Number.POSITIVE_INFINITY;
  for (const lease of slots) soonest = Math.min(soonest, lease.untilMs - nowMs);
  return Number.isFinite(soonest) ? soonest : 0;
}
