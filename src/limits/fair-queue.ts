/**
 * Who waits for capacity, and who is next: paid before free, and within each the accounts in turn, so that one account's
 * crowd never keeps another waiting. Every wait has an end, and the queue a size: when it is full, a paid request
 * displaces the last free one, and an account with fewer waiting the last of the one with most.
 * Deterministic; times in epoch ms.
 */
import type { EpochMs } from "../core/clock.ts";

export interface Waiter<T> {
  readonly account: string;
  readonly isPaid: boolean;
  readonly deadlineMs: EpochMs;
  readonly value: T;
}

export interface FairQueue<T> {
  /** @returns who must leave for it: somebody else, itself, or nobody (null). */
  add(waiter: Waiter<T>): Waiter<T> | null;
  /** Takes out the next one that `fits`. */
  next(fits: (value: T) => boolean): Waiter<T> | null;
  /** Takes out those whose wait is over. */
  expired(nowMs: EpochMs): readonly Waiter<T>[];
  /** How many would be served before one more of this account, as things stand. */
  ahead(account: string, isPaid: boolean): number;
  soonestDeadlineMs(): EpochMs | null;
  size(): number;
}

type Line<T> = Map<string, Waiter<T>[]>;

interface Hall<T> {
  /** By account, in order of whose turn it is. */
  readonly paid: Line<T>;
  readonly free: Line<T>;
  size: number;
}

export function createFairQueue<T>(sizeMax: number): FairQueue<T> {
  const hall: Hall<T> = { paid: new Map(), free: new Map(), size: 0 };
  const { paid, free } = hall;
  return {
    add: (waiter) => add(hall, waiter, sizeMax),
    next: (fits) => nextIn(hall, paid, fits) ?? nextIn(hall, free, fits),
    expired: (nowMs) => [...expiredIn(hall, paid, nowMs), ...expiredIn(hall, free, nowMs)],
    ahead: (account, isPaid) => (isPaid ? aheadIn(paid, account) : sizeOf(paid) + aheadIn(free, account)),
    soonestDeadlineMs() {
      let soonest: EpochMs | null = null;
      for (const line of [paid, free]) {
        for (const queue of line.values()) {
          for (const { deadlineMs } of queue) soonest = Math.min(soonest ?? deadlineMs, deadlineMs);
        }
      }
      return soonest;
    },
    size: () => hall.size,
  };
}

function add<T>(hall: Hall<T>, waiter: Waiter<T>, sizeMax: number): Waiter<T> | null {
  const line = waiter.isPaid ? hall.paid : hall.free;
  let displaced: Waiter<T> | null = null;
  if (hall.size >= sizeMax) {
    const own = line.get(waiter.account)?.length ?? 0;
    displaced = (waiter.isPaid ? lastOf(hall, hall.free, 0) : null) ?? lastOf(hall, line, own + 1);
    if (displaced === null) return waiter;
  }
  const queue = line.get(waiter.account);
  if (queue === undefined) line.set(waiter.account, [waiter]);
  else queue.push(waiter);
  hall.size++;
  return displaced;
}

function leave<T>(hall: Hall<T>, line: Line<T>, account: string, queue: Waiter<T>[], at: number): Waiter<T> | null {
  const [gone] = queue.splice(at, 1);
  if (queue.length === 0) line.delete(account);
  if (gone === undefined) return null;
  hall.size--;
  return gone;
}

/** Takes out the last of the longest queue, if more than `than` wait in it. */
function lastOf<T>(hall: Hall<T>, line: Line<T>, than: number): Waiter<T> | null {
  const longest = longestOf(line);
  if (longest === null || longest.queue.length <= than) return null;
  return leave(hall, line, longest.account, longest.queue, longest.queue.length - 1);
}

function nextIn<T>(hall: Hall<T>, line: Line<T>, fits: (value: T) => boolean): Waiter<T> | null {
  for (const [account, queue] of line) {
    const at = queue.findIndex(({ value }) => fits(value));
    if (at === -1) continue;
    // Its turn is over: the others come first.
    line.delete(account);
    line.set(account, queue);
    return leave(hall, line, account, queue, at);
  }
  return null;
}

function expiredIn<T>(hall: Hall<T>, line: Line<T>, nowMs: EpochMs): readonly Waiter<T>[] {
  const gone: Waiter<T>[] = [];
  for (const [account, queue] of line) {
    for (let at = queue.length - 1; at >= 0; at--) {
      const waiter = queue[at];
      if (waiter === undefined || waiter.deadlineMs > nowMs) continue;
      gone.push(waiter);
      leave(hall, line, account, queue, at);
    }
  }
  return gone;
}

function longestOf<T>(line: Line<T>): { readonly account: string; readonly queue: Waiter<T>[] } | null {
  let longest: { readonly account: string; readonly queue: Waiter<T>[] } | null = null;
  for (const [account, queue] of line) {
    if (longest === null || queue.length > longest.queue.length) longest = { account, queue };
  }
  return longest;
}

/** In turn: each other account as often as this one. */
function aheadIn<T>(line: Line<T>, account: string): number {
  const own = line.get(account)?.length ?? 0;
  let count = own;
  for (const [other, queue] of line) if (other !== account) count += Math.min(queue.length, own + 1);
  return count;
}

function sizeOf<T>(line: Line<T>): number {
  let count = 0;
  for (const queue of line.values()) count += queue.length;
  return count;
}
