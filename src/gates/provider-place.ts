/**
 * What an isolate remembers of one place: the gate's figures of the endpoints it uses, and what it has seen fail itself
 * since. Own failures count at once, before the gate has heard of them.
 */
import type { EpochMs } from "../core/clock.ts";
import type { ProviderId, RegionId } from "../core/ids.ts";
import { BREAKER_CLOSED, closedUntil, isProbeDue, type Breaker } from "../limits/breaker.ts";
import {
  credentialAfter,
  healthAfter,
  healthSnapshot,
  NEW_HEALTH,
  type Health,
  type HealthState,
} from "../limits/health.ts";
import type {
  EndpointHealth,
  EndpointKey,
  ProviderSnapshot,
  ReportedOutcome,
  SyncRequest,
} from "./provider-contract.ts";
import { isUsable, reopensMs, type Credential, type CredentialFacts } from "./provider-credentials.ts";

export interface PlaceName {
  readonly provider: ProviderId;
  readonly region: RegionId;
}

export type TimedOutcome = ReportedOutcome & { readonly atMs: EpochMs };

export interface Place extends PlaceName, CredentialFacts {
  /** Endpoints that were asked for; the one that came last leaves last. */
  readonly endpoints: Map<EndpointKey, EndpointHealth>;
  /** Own failures since the last snapshot. */
  readonly own: Map<EndpointKey, HealthState>;
  readonly breakers: Map<string, Breaker>;
  readonly closings: Map<string, EpochMs>;
  readonly leaves: Map<string, EpochMs>;
  /** Learnt limits, by `credential endpoint`. */
  readonly limits: Map<string, number>;
  /** Endpoints asked for since the last call. */
  looked: Set<EndpointKey>;
  /** Probes that are due and could be sent from here. */
  probes: Set<string>;
  queue: TimedOutcome[];
  isDisabled: boolean;
  credentialSealed: string | null;
  nextInMs: number;
  /** Of the snapshot, once its credentials are open. */
  seenAtMs: EpochMs;
  /** Start of the running call; 0 when none runs. */
  syncingSinceMs: EpochMs;
  triedAtMs: EpochMs;
  /** Rises when `endpoints` or `looked` are others: what slots remember is of one epoch. */
  epoch: number;
  /** It has left memory; another one may stand for the same place. */
  isForgotten: boolean;
}

/** One endpoint of a place, found once: routing looks at each endpoint of a model for every request. */
export interface EndpointSlot {
  readonly place: Place;
  readonly key: EndpointKey;
  /** The gate's figures as of `epoch`. */
  shared: Health | undefined;
  epoch: number;
}

const ENDPOINTS_MAX = 1_000;
/** How many endpoints one call asks for. */
const LOOKED_MAX = 200;
const PROBES_MAX = 20;
const CLOSINGS_MAX = 1_000;
/**
 * Where many isolates share nothing, each hears of the gate once a minute. One that hears less often than this believes its
 * own eyes until it does: of an outage it sees a failure every few seconds, and would send there for long.
 */
const BLIND_MS = 8_000;
/** How long a leave to probe is worth anything; its breaker waits longer. */
const LEAVE_MS = 20_000;

export function newPlace({ provider, region }: PlaceName): Place {
  return {
    provider,
    region,
    endpoints: new Map(),
    own: new Map(),
    breakers: new Map(),
    closings: new Map(),
    leaves: new Map(),
    limits: new Map(),
    looked: new Set(),
    probes: new Set(),
    queue: [],
    isDisabled: false,
    credentialSealed: null,
    nextInMs: 0,
    seenAtMs: Number.NEGATIVE_INFINITY,
    syncingSinceMs: 0,
    triedAtMs: Number.NEGATIVE_INFINITY,
    epoch: 1,
    isForgotten: false,
  };
}

/** Its epoch is none yet, so that the first look asks for the endpoint. */
export function newSlot(place: Place, key: EndpointKey): EndpointSlot {
  return { place, key, shared: undefined, epoch: 0 };
}

/**
 * Health as routing reads it. What is asked for is asked of the gate with the next call.
 * @param credentialsOf is asked only where something is closed.
 */
export function healthOf(
  slot: EndpointSlot,
  credentialsOf: (provider: ProviderId) => readonly Credential[],
  nowMs: EpochMs,
): Health | undefined {
  const { place, key } = slot;
  if (slot.epoch !== place.epoch) {
    if (place.looked.size < LOOKED_MAX) place.looked.add(key);
    slot.shared = place.endpoints.get(key)?.health;
    slot.epoch = place.epoch;
  }
  const { shared } = slot;
  const own = place.own.size === 0 ? undefined : place.own.get(key);
  if (own === undefined) {
    if (shared === undefined) return undefined;
    if (shared.closedUntilMs === 0 && shared.breaker.kind === "closed") return shared;
  }
  // Its own next snapshot is far, and none of another isolate's has come since it failed here.
  const isBlind = place.nextInMs > BLIND_MS && (own?.lastFailureMs ?? 0) > place.seenAtMs;
  const health = own === undefined ? shared : withOwn(shared, healthSnapshot(own, nowMs), isBlind ? nowMs : null);
  if (health === undefined) return undefined;
  const closedUntilMs = health.closedUntilMs <= nowMs ? 0 : reopensMs(credentialsOf(place.provider), place, key, nowMs);
  if (health.breaker.kind === "closed") {
    return closedUntilMs === health.closedUntilMs ? health : { ...health, closedUntilMs };
  }
  const hasProbeLeave = (place.leaves.get(key) ?? 0) > nowMs;
  if (!hasProbeLeave && isProbeDue(health.breaker, nowMs) && place.probes.size < PROBES_MAX) place.probes.add(key);
  return { ...health, closedUntilMs, hasProbeLeave };
}

/** Whether any credential may be used here; asks to probe those that are due. */
export function hasUsable(place: Place, credentials: readonly Credential[], nowMs: EpochMs): boolean {
  let isAny = false;
  for (const { id } of credentials) {
    const breaker = place.breakers.get(id);
    if (isUsable(id, place, nowMs)) isAny = true;
    else if (breaker !== undefined && isProbeDue(breaker, nowMs)) place.probes.add(id);
  }
  return isAny;
}

/** None of the credentials that were used there is refused. */
export function allCredentialsWork({ breakers }: Place): boolean {
  for (const { kind } of breakers.values()) if (kind !== "closed") return false;
  return true;
}

/** Something failed there lately: the gate waits for word of what goes well again. */
export function isTroubled(place: Place, key: EndpointKey): boolean {
  if (place.own.size > 0) return true;
  const breaker = place.endpoints.get(key)?.health.breaker;
  if (breaker !== undefined && breaker.kind !== "closed") return true;
  return !allCredentialsWork(place);
}

/** Takes the leave to probe `name`, once. */
export function takeLeave(place: Place, name: string, nowMs: EpochMs): boolean {
  const untilMs = place.leaves.get(name);
  place.leaves.delete(name);
  return untilMs !== undefined && untilMs > nowMs;
}

/** Takes in an own outcome: into the queue, and what fails into what is known. */
export function foldOwn(place: Place, reported: TimedOutcome): void {
  const { model, tag, outcome, atMs, credential } = reported;
  const key = `${model} ${tag}`;
  const own = place.own.get(key);
  if (outcome.kind === "failure" || own !== undefined) {
    place.own.set(key, healthAfter(own ?? NEW_HEALTH, outcome, atMs));
  }
  if (credential === undefined) return;
  const breaker = place.breakers.get(credential) ?? BREAKER_CLOSED;
  const next = credentialAfter(breaker, outcome, atMs);
  if (next !== breaker) place.breakers.set(credential, next);
  if (outcome.kind === "failure" && outcome.scope === "capacity") {
    const name = `${key} ${credential}`;
    if (place.closings.size >= CLOSINGS_MAX) forgetPast(place.closings, atMs);
    place.closings.set(name, closedUntil(place.closings.get(name) ?? 0, outcome.retryAfterMs, atMs));
  }
}

/** What to say to the gate; what is queued, looked for and probed is taken off the place. */
export function requestOf(place: Place, reporter: string): SyncRequest {
  const request: SyncRequest = {
    reporter,
    outcomes: place.queue,
    wants: [...new Set([...place.looked, ...place.own.keys()])].map(
      (key) => [key, place.endpoints.get(key)?.version ?? 0] as const,
    ),
    probes: [...place.probes],
  };
  place.queue = [];
  place.looked = new Set();
  place.epoch++;
  place.probes = new Set();
  return request;
}

/** Takes in what the gate, or another isolate of the colo, knows. */
export function takeSnapshot(
  place: Place,
  snapshot: ProviderSnapshot,
  leaves: readonly string[],
  nowMs: EpochMs,
): void {
  place.epoch++;
  for (const endpoint of snapshot.endpoints) {
    const key = `${endpoint.model} ${endpoint.tag}`;
    place.endpoints.delete(key);
    place.endpoints.set(key, endpoint);
    for (const [id, untilMs] of Object.entries(endpoint.closings)) {
      const name = `${key} ${id}`;
      place.closings.set(name, Math.max(untilMs, place.closings.get(name) ?? 0));
    }
    for (const { id } of snapshot.credentials) place.limits.delete(`${id} ${key}`);
    for (const [id, limit] of Object.entries(endpoint.limits)) place.limits.set(`${id} ${key}`, limit);
  }
  while (place.endpoints.size > ENDPOINTS_MAX) {
    const oldest = place.endpoints.keys().next().value;
    if (oldest === undefined) break;
    place.endpoints.delete(oldest);
  }
  forgetPast(place.closings, nowMs);
  forgetPast(place.leaves, nowMs);
  place.breakers.clear();
  for (const { id, breaker } of snapshot.credentials) place.breakers.set(id, breaker);
  for (const name of leaves) place.leaves.set(name, nowMs + LEAVE_MS);
  place.own.clear();
  // What failed while the call ran is in the queue still, and the gate's figures know nothing of it.
  for (const reported of place.queue) foldOwn(place, reported);
  place.isDisabled = snapshot.isDisabled;
  place.nextInMs = snapshot.nextInMs;
}

function forgetPast(times: Map<string, EpochMs>, nowMs: EpochMs): void {
  for (const [name, untilMs] of times) if (untilMs <= nowMs) times.delete(name);
}

/**
 * The gate's figures, with what this isolate has seen fail since.
 * @param blindAtMs now, where the gate's figures are too old to weigh against it: then what has failed here still does.
 */
function withOwn(shared: Health | undefined, own: Health, blindAtMs: EpochMs | null): Health {
  if (shared === undefined) return blindAtMs === null ? own : { ...own, lastFailureMs: blindAtMs };
  const isDistrusted = blindAtMs !== null;
  return {
    ...shared,
    uptime5m: isDistrusted ? own.uptime5m : shared.uptime5m,
    breaker: own.breaker.kind !== "closed" && shared.breaker.kind === "closed" ? own.breaker : shared.breaker,
    closedUntilMs: Math.max(shared.closedUntilMs, own.closedUntilMs),
    lastFailureMs: isDistrusted
      ? blindAtMs
      : own.lastFailureMs === null
        ? shared.lastFailureMs
        : Math.max(own.lastFailureMs, shared.lastFailureMs ?? 0),
  };
}
