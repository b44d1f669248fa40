/**
 * Many isolates before one desk in virtual time: requests come at random, calls take their time and some are lost, and
 * the upstream keeps count of what reaches it. The isolates do what the provider client does, and nothing else.
 */
import { seededRandom, type EpochMs } from "../../../src/core/clock.ts";
import { createCapacityDesk, type CapacityDesk, type PoolName } from "../../../src/limits/capacity-desk.ts";
import type { CapacityRule } from "../../../src/limits/capacity.ts";
import { createLease, HEARD_MS, type Lease } from "../../../src/limits/lease.ts";

export interface WorldSetup {
  readonly seed: string;
  readonly rule: CapacityRule;
  readonly isolates: number;
  /** Requests a second, all isolates together. */
  readonly perS: number;
  /** Mean length of an attempt. */
  readonly attemptMs: number;
  /** Tokens of an attempt, at most. */
  readonly tokensMax: number;
  readonly forMs: number;
  /** Share of calls whose answer is lost. */
  readonly lossShare: number;
  readonly waitMs: number;
  /** Regions whose desks borrow from one home; 0: the desk is by itself. */
  readonly regions?: number;
  /** Branches that borrow from each region's desk, or from the only one; 0: isolates come to it themselves. */
  readonly branches?: number;
}

export interface WorldReport {
  readonly served: number;
  readonly refused: number;
  readonly waited: number;
  readonly calls: number;
  readonly runningMax: number;
  /** Most requests and tokens in any 60 s. */
  readonly requestsMax: number;
  readonly tokensMax: number;
  /** Attempts running, on the average of the second half. */
  readonly runningMean: number;
  readonly servedInLastMinute: number;
}

const START_MS = 1_800_000_000_000;
const LATENCY_MS = 40;

/** A desk, and the one that it borrows from. */
interface Counter {
  readonly desk: CapacityDesk;
  readonly name: PoolName;
  readonly lender: Counter | null;
}

/** Those that isolates come to. */
function countersOf({ rule, regions = 0, branches = 0 }: WorldSetup): readonly Counter[] {
  const pool = { pool: "key", rule };
  const home: Counter = { desk: createCapacityDesk(), name: { ...pool, isShared: false }, lender: null };
  const places = Array.from({ length: regions }, (): Counter => ({
    desk: createCapacityDesk(),
    name: { ...pool, isShared: true },
    lender: home,
  }));
  const own = regions === 0 ? [home] : places;
  if (branches === 0) return own;
  return own.flatMap((lender) =>
    Array.from({ length: branches }, (): Counter => ({
      desk: createCapacityDesk(),
      name: { ...lender.name, isBranch: true },
      lender,
    })),
  );
}

interface Event {
  readonly atMs: EpochMs;
  readonly order: number;
  run(): void;
}

/** Runs the world to its end. */
export function capacityWorld(setup: WorldSetup): WorldReport {
  const random = seededRandom(setup.seed);
  const events: Event[] = [];
  let [nowMs, order] = [START_MS, 0];
  const later = (delayMs: number, run: () => void): void => {
    const event = { atMs: nowMs + Math.max(0, delayMs), order: order++, run };
    push(events, event);
  };
  const counters = countersOf(setup);
  const upstream = createUpstream(START_MS + setup.forMs);
  const tally = { served: 0, refused: 0, waited: 0, calls: 0 };

  const timers = new Map<Counter, EpochMs>();
  const holders = new Map<Counter, string>();
  const serve = (counter: Counter): void => {
    const { desk, name, lender } = counter;
    if (lender !== null) {
      if (!holders.has(counter)) holders.set(counter, `counter ${holders.size}`);
      for (const { wish } of desk.homeWishes(holders.get(counter) ?? "", nowMs)) {
        const sentAtMs = nowMs;
        later(LATENCY_MS, () => {
          const grant = lender.desk.exchange(lender.name, wish, nowMs);
          serve(lender);
          later(LATENCY_MS, () => {
            desk.homeGrant(name.pool, grant, sentAtMs);
            serve(counter);
          });
        });
      }
    }
    const nextMs = desk.serve(nowMs);
    if (nextMs === null || (timers.get(counter) ?? 0) > nowMs) return;
    timers.set(counter, nextMs);
    later(nextMs - nowMs, () => serve(counter));
  };

  const isolates = Array.from({ length: setup.isolates }, (_, at) => ({
    id: `isolate ${at}`,
    counter: counters[at % counters.length] ?? fail(),
    lease: createLease() as Lease,
    isCalling: false,
    permits: 0,
  }));
  type Isolate = (typeof isolates)[number];

  const exchange = (isolate: Isolate): void => {
    if (isolate.isCalling || !isolate.lease.isDue(nowMs)) return;
    isolate.isCalling = true;
    tally.calls++;
    const sentAtMs = nowMs;
    const wish = isolate.lease.wish(isolate.id, nowMs);
    const isLost = random() < setup.lossShare;
    later(LATENCY_MS, () => {
      const { counter } = isolate;
      const grant = counter.desk.exchange(counter.name, wish, nowMs);
      serve(counter);
      later(LATENCY_MS, () => {
        isolate.isCalling = false;
        if (!isLost) isolate.lease.grant(grant, sentAtMs);
      });
    });
  };

  const start = (isolate: Isolate, tokens: number): void => {
    tally.served++;
    upstream.begin(nowMs, tokens);
    const attemptMs = setup.attemptMs * (0.2 + 1.6 * random());
    for (let atMs = HEARD_MS; atMs < attemptMs; atMs += HEARD_MS) later(atMs, () => exchange(isolate));
    later(attemptMs, () => {
      upstream.end(nowMs);
      isolate.lease.end(nowMs);
      exchange(isolate);
      later(60, () => exchange(isolate));
    });
  };

  const arrive = (isolate: Isolate): void => {
    const tokens = Math.floor(random() * setup.tokensMax);
    if (isolate.lease.take(tokens, nowMs)) start(isolate, tokens);
    else {
      tally.waited++;
      tally.calls++;
      const permit = isolate.permits++;
      later(LATENCY_MS, () => {
        isolate.counter.desk.ask(
          {
            holder: isolate.id,
            permit,
            account: `account ${permit % 7}`,
            isPaid: permit % 3 > 0,
            tokens,
            pools: [isolate.counter.name],
            waitMs: setup.waitMs,
          },
          (answer) =>
            later(LATENCY_MS, () => {
              if (answer.kind === "refused") {
                tally.refused++;
                return;
              }
              isolate.lease.begin(permit);
              start(isolate, tokens);
            }),
          nowMs,
        );
        serve(isolate.counter);
      });
    }
    exchange(isolate);
  };

  const next = (): void => {
    const isolate = isolates[Math.floor(random() * isolates.length)];
    if (isolate !== undefined) arrive(isolate);
    if (nowMs < START_MS + setup.forMs) later((-Math.log(1 - random()) * 1_000) / setup.perS, next);
  };
  later(0, next);
  for (let event = pop(events); event !== undefined && event.atMs < START_MS + setup.forMs; event = pop(events)) {
    nowMs = event.atMs;
    event.run();
  }
  return { ...tally, ...upstream.report(START_MS + setup.forMs / 2) };
}

function fail(): never {
  throw new Error("There is always one.");
}

function createUpstream(endMs: EpochMs) {
  let running = 0;
  let runningMax = 0;
  const begun: { readonly atMs: EpochMs; readonly tokens: number }[] = [];
  const changes: { readonly atMs: EpochMs; readonly running: number }[] = [];
  return {
    begin(atMs: EpochMs, tokens: number) {
      running++;
      runningMax = Math.max(runningMax, running);
      begun.push({ atMs, tokens });
      changes.push({ atMs, running });
    },
    end(atMs: EpochMs) {
      running--;
      changes.push({ atMs, running });
    },
    report(sinceMs: EpochMs) {
      let [from, tokens, requestsMax, tokensMax] = [0, 0, 0, 0];
      for (const [at, one] of begun.entries()) {
        tokens += one.tokens;
        for (; (begun[from]?.atMs ?? 0) <= one.atMs - 60_000; from++) tokens -= begun[from]?.tokens ?? 0;
        requestsMax = Math.max(requestsMax, at - from + 1);
        tokensMax = Math.max(tokensMax, tokens);
      }
      let area = 0;
      for (const [at, { atMs, running: count }] of changes.entries()) {
        const untilMs = changes[at + 1]?.atMs ?? endMs;
        area += count * Math.max(0, untilMs - Math.max(atMs, sinceMs));
      }
      return {
        runningMax,
        requestsMax,
        tokensMax,
        runningMean: area / (endMs - sinceMs),
        servedInLastMinute: begun.filter(({ atMs }) => atMs >= endMs - 60_000).length,
      };
    },
  };
}

function isBefore(left: Event, right: Event): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}

function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up];
    if (parent === undefined || isBefore(parent, event)) break;
    heap[at] = parent;
    at = up;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const moved = heap.pop();
  if (moved === undefined || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
    if (left === undefined) break;
    const isRight = right !== undefined && isBefore(right, left);
    const child = isRight ? right : left;
    if (isBefore(moved, child)) break;
    heap[at] = child;
    at = 2 * at + (isRight ? 2 : 1);
  }
  heap[at] = moved;
  return first;
}
