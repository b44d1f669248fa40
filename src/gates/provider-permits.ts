/**
 * Leave for single attempts, in an isolate. Where nothing limits, and while the isolate's lease lasts, it is given at
 * once and nobody is waited for; else the gate is asked, and its queue decides. Free requests always ask where there is a
 * limit: paid ones go first. Leases are renewed and given back behind the requests that use them.
 * A gate that cannot be asked limits nobody: the provider's own 429 does.
 * Memory: one lease per credential that is in use, or credential and endpoint; at most LEASES_MAX. One number per crowded
 * place.
 */
import { hash32, type Clock, type EpochMs } from "../core/clock.ts";
import type { PoolName } from "../limits/capacity-desk.ts";
import type { CapacityRule } from "../limits/capacity.ts";
import { createLease, HEARD_MS, type Lease } from "../limits/lease.ts";
import type { ProviderGateRpc } from "./provider-contract.ts";
import type { Credential } from "./provider-credentials.ts";
import type { PlaceName } from "./provider-place.ts";

export type Permit =
  | {
      readonly kind: "granted";
      readonly credential: Credential;
      /** Attempts that run with it at this endpoint, this one included. */
      inFlight(): number;
      /** The attempt is over. */
      done(): void;
      /** How many tokens it used, once that is known. */
      used(tokens: number): void;
    }
  | { readonly kind: "refused"; readonly retryAfterMs: number }
  /** The provider takes none of the operator's credentials, or there is none left to try. */
  | { readonly kind: "no_credential" };

export interface PermitAsk {
  readonly place: PlaceName;
  /** `model tag`. */
  readonly endpoint: string;
  /** The operator's limit of each credential; null: none. */
  readonly rule: CapacityRule | null;
  readonly isShared: boolean;
  readonly tokens: number;
  readonly account: string;
  readonly isPaid: boolean;
  readonly waitMs: number;
}

/** A credential that may be sent. */
export interface Option {
  readonly credential: Credential;
  /** How many attempts may run at once, where that is learnt. */
  readonly limit: number | undefined;
  /** Until when the endpoint is closed for it, as known by then: a 429 may come while somebody waits. */
  closedUntilMs(): EpochMs;
}

export interface PermitPorts {
  readonly clock: Clock;
  /** The gate of a place, or the branch of it with that number. */
  readonly gate: (place: PlaceName, branch: number | null) => Pick<ProviderGateRpc, "exchange" | "ask">;
  readonly reporter: string;
}

type WaitUntil = (work: Promise<unknown>) => void;
type Granted = Extract<Permit, { kind: "granted" }>;

const LEASES_MAX = 2_000;
const CALL_MS_MAX = 10_000;
/** Who found nothing just now and may not wait is refused here for so long: the gate has better to do. */
const DRY_MS = 100;
/** What ended is given back after so long, with what ends meanwhile. */
const GATHER_MS = 60;
/** A lease is looked after behind its last request for so long at most. */
const TEND_MS_MAX = 25_000;

interface Held {
  readonly place: PlaceName;
  name: PoolName;
  readonly lease: Lease;
  /** 0: no call runs. */
  callingSinceMs: EpochMs;
  tendedUntilMs: EpochMs;
  dryUntilMs: EpochMs;
}

interface Memory {
  readonly ports: PermitPorts;
  readonly held: Map<string, Held>;
  /** How many branches the gate of a place has, where it has any; as it, or one of them, said last. */
  readonly branches: Map<string, number>;
  permits: number;
}

export interface Permits {
  ask(ask: PermitAsk, options: readonly Option[], waitUntil: WaitUntil): Permit | Promise<Permit>;
}

export function createPermits(ports: PermitPorts): Permits {
  const memory: Memory = { ports, held: new Map(), branches: new Map(), permits: 0 };
  return { ask: (wanted, options, waitUntil) => ask(memory, wanted, options, waitUntil) };
}

interface Way extends Pick<Option, "credential" | "closedUntilMs"> {
  readonly held: Held;
}

function ask(
  memory: Memory,
  wanted: PermitAsk,
  options: readonly Option[],
  waitUntil: WaitUntil,
): Permit | Promise<Permit> {
  const nowMs = memory.ports.clock();
  const ways: Way[] = [];
  for (const { credential, limit, closedUntilMs } of options) {
    const held = heldOf(memory, wanted, credential);
    const way = { credential, closedUntilMs, held };
    if (wanted.rule === null && limit === undefined) {
      held.lease.begin(null);
      return granted(memory, wanted, way, false, waitUntil);
    }
    if (wanted.isPaid && held.lease.take(wanted.tokens, nowMs)) {
      tend(memory, held, waitUntil);
      return granted(memory, wanted, way, true, waitUntil);
    }
    ways.push(way);
  }
  const dryUntilMs = Math.min(...ways.map(({ held }) => held.dryUntilMs));
  if (wanted.waitMs === 0 && dryUntilMs > nowMs) return { kind: "refused", retryAfterMs: dryUntilMs - nowMs };
  return askGate(memory, wanted, ways, waitUntil);
}

async function askGate(memory: Memory, wanted: PermitAsk, ways: readonly Way[], waitUntil: WaitUntil): Promise<Permit> {
  const { ports } = memory;
  const id = ++memory.permits;
  const { place, account, isPaid, tokens, waitMs } = wanted;
  const pools = ways.map(({ held }) => held.name);
  const answer = await gateOf(memory, place)
    .ask({ holder: ports.reporter, permit: id, account, isPaid, tokens, pools, waitMs })
    .catch(() => null);
  hearBranches(memory, place, answer?.branches);
  if (answer?.kind === "refused") {
    for (const { held } of ways) held.dryUntilMs = ports.clock() + Math.min(DRY_MS, answer.retryAfterMs);
    return answer;
  }
  const way = ways.find(({ held }) => held.name.pool === answer?.pool) ?? ways[0];
  if (way === undefined) return { kind: "no_credential" };
  way.held.lease.begin(answer === null ? null : id);
  tend(memory, way.held, waitUntil);
  const permit = granted(memory, wanted, way, true, waitUntil);
  const closedMs = way.closedUntilMs() - ports.clock();
  if (closedMs <= 0) return permit;
  permit.done();
  return { kind: "refused", retryAfterMs: closedMs };
}

function granted(
  memory: Memory,
  { tokens }: PermitAsk,
  { credential, held }: Way,
  isBound: boolean,
  waitUntil: WaitUntil,
): Granted {
  const { lease } = held;
  // A long attempt must be heard of, or its slot is taken for a dead one's.
  const heard = isBound ? setInterval(() => waitUntil(exchange(memory, held)), HEARD_MS) : undefined;
  let isOver = false;
  return {
    kind: "granted",
    credential,
    inFlight: () => lease.inUse(),
    done() {
      if (isOver) return;
      isOver = true;
      clearInterval(heard);
      lease.end(memory.ports.clock());
      if (isBound) tend(memory, held, waitUntil);
    },
    used(actual) {
      if (isBound) lease.correct(actual - tokens);
    },
  };
}

function heldOf({ held }: Memory, { place, endpoint, rule, isShared }: PermitAsk, { id }: Credential): Held {
  const pool = rule === null ? `${id} ${endpoint}` : id;
  const key = `${place.provider} ${place.region} ${pool}`;
  const known = held.get(key);
  if (known !== undefined) {
    // The catalog may have another rule now.
    if (known.name.rule !== rule || known.name.isShared !== isShared) known.name = { pool, rule, isShared };
    return known;
  }
  if (held.size >= LEASES_MAX) {
    for (const [name, one] of held) if (one.lease.isEmpty()) held.delete(name);
  }
  const made: Held = {
    place,
    name: { pool, rule, isShared },
    lease: createLease(),
    callingSinceMs: 0,
    tendedUntilMs: 0,
    dryUntilMs: 0,
  };
  held.set(key, made);
  return made;
}

/** A crowded gate has branches: every isolate goes to one of them, always the same while their number does not change. */
function gateOf({ ports, branches }: Memory, place: PlaceName): ReturnType<PermitPorts["gate"]> {
  const count = branches.get(`${place.provider} ${place.region}`) ?? 0;
  return ports.gate(place, count === 0 ? null : hash32(ports.reporter) % count);
}

function hearBranches({ branches }: Memory, { provider, region }: PlaceName, count: number | undefined): void {
  if (count === undefined) return;
  if (count === 0) branches.delete(`${provider} ${region}`);
  else branches.set(`${provider} ${region}`, count);
}

/** One call at a time: the gate takes the last word for the truth. */
async function exchange(memory: Memory, held: Held): Promise<void> {
  const { ports } = memory;
  const sentAtMs = ports.clock();
  const isCalling = held.callingSinceMs !== 0 && sentAtMs - held.callingSinceMs < CALL_MS_MAX;
  if (isCalling || !held.lease.isDue(sentAtMs)) return;
  held.callingSinceMs = sentAtMs;
  try {
    const grant = await gateOf(memory, held.place).exchange(held.name, held.lease.wish(ports.reporter, sentAtMs));
    hearBranches(memory, held.place, grant.branches);
    // One that was given up has nothing to give any more.
    if (held.callingSinceMs === sentAtMs) held.lease.grant(grant, sentAtMs);
  } catch {
    // What was to go back ends by itself; slots are told with the next call.
  } finally {
    if (held.callingSinceMs === sentAtMs) held.callingSinceMs = 0;
  }
}

/** Renews the lease when it is due, and sees to it that what has ended, or lies idle to its end, goes back. */
function tend(memory: Memory, held: Held, waitUntil: WaitUntil): void {
  const nowMs = memory.ports.clock();
  if (held.lease.isDue(nowMs) && held.callingSinceMs === 0) waitUntil(exchange(memory, held));
  // Whoever looks after it may sleep for seconds; others wait for what has ended now.
  const isLate = held.lease.isOwing() && held.tendedUntilMs > nowMs + 2 * GATHER_MS;
  if (nowMs >= held.tendedUntilMs || isLate) waitUntil(keepTending(memory, held));
}

async function keepTending(memory: Memory, held: Held): Promise<void> {
  const { clock } = memory.ports;
  const { lease } = held;
  const untilMs = clock() + TEND_MS_MAX;
  for (let nowMs = clock(); nowMs < untilMs; nowMs = clock()) {
    if (lease.isEmpty() || (lease.inUse() > 0 && !lease.isOwing())) break;
    const waitMs = lease.isOwing() ? GATHER_MS : Math.max(GATHER_MS, lease.endsAtMs() - nowMs);
    // Should this request's context end first, another one's takes over.
    held.tendedUntilMs = nowMs + 2 * waitMs;
    await new Promise<void>((resolve) => setTimeout(resolve, waitMs));
    if (lease.isOwing() || lease.inUse() === 0) await exchange(memory, held);
  }
  held.tendedUntilMs = 0;
}
