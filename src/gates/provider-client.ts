/**
 * The isolate's side of the ProviderGates: health, switches and credentials from memory, outcomes in batches.
 * Nothing here is awaited while routing but `warm`, in an isolate that is cold or was idle for STALE_MS, and `permit`
 * where the operator set a capacity.
 * Memory: one place per provider and region in use, at most PLACES_MAX; a snapshot is at most REFRESH_MS old while there
 * is traffic. An isolate's own failures count at once, before the gate has heard of them.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { EndpointTag, ModelId, ProviderId, RegionId } from "../core/ids.ts";
import { isProbeDue, type Breaker } from "../limits/breaker.ts";
import type { CapacityRule } from "../limits/bucket.ts";
import { healthAfter, healthSnapshot, NEW_HEALTH, type Health, type HealthState } from "../limits/health.ts";
import type { ProviderGateRpc, ProviderSnapshot, ReportedOutcome } from "./provider-contract.ts";

export interface PlaceName {
  readonly provider: ProviderId;
  readonly region: RegionId;
}

export interface Secret {
  readonly secret: string;
  readonly baseUrl: string | null;
}

/** What the environment says of a provider; each of the two may be given without the other. */
export interface EnvironmentProvider {
  readonly secret: string | null;
  /** Where its traffic goes instead of the catalog's place. */
  readonly baseUrl: string | null;
}

export type Permit =
  | { readonly kind: "granted"; done(): void }
  | { readonly kind: "refused"; readonly retryAfterMs: number };

export interface ProviderClientPorts {
  readonly clock: Clock;
  readonly gate: (
    provider: ProviderId,
    region: RegionId,
  ) => Pick<ProviderGateRpc, "sync" | "lease" | "renew" | "giveBack">;
  readonly environment: (provider: ProviderId) => EnvironmentProvider;
  readonly unseal: (sealed: string, provider: ProviderId) => Promise<string | null>;
  /** Names this isolate to the gates. */
  readonly reporter: string;
}

type WaitUntil = (work: Promise<unknown>) => void;

export interface ProviderClient {
  warm(places: readonly PlaceName[], waitUntil: WaitUntil): Promise<void> | null;
  health(provider: ProviderId, region: RegionId, tag: EndpointTag, model: ModelId): Health | undefined;
  switchedOff(): ReadonlySet<ProviderId>;
  withCredential(providers: readonly ProviderId[]): ReadonlySet<ProviderId>;
  credential(provider: ProviderId): Secret | null;
  report(place: PlaceName, outcome: ReportedOutcome, waitUntil: WaitUntil): void;
  mayProbe(place: PlaceName, tag: EndpointTag, model: ModelId): boolean;
  permit(place: PlaceName, rule: CapacityRule | null, tokens: number, waitUntil: WaitUntil): Promise<Permit>;
}

const PLACES_MAX = 2_000;
const REFRESH_MS = 3_000;
/** Successes are reported no sooner than this. */
const REPORT_MS = 1_000;
/** An older snapshot is waited for: what the operator switches must be felt within 10 s, in an idle isolate as well. */
const STALE_MS = 8_000;
/** How long a request waits at most for what its isolate lacks: without it a stored credential is not known. */
const WARM_MS = 1_000;
/** How often a request looks whether another one's call has brought it. */
const LOOK_MS = 5;
/** A call that has not returned for so long is given up as lost. */
const SYNC_MS_MAX = 10_000;
/** One probe of a broken endpoint per isolate and so long. */
const PROBE_MS = 60_000;
const PROBES_MAX = 1_000;
/** How often a long attempt renews its lease, which lives three times as long. */
const RENEW_MS = 60_000;
/** Outcomes kept for the next report; the oldest leave first. */
const QUEUE_MAX = 1_000;

type TimedOutcome = ReportedOutcome & { readonly atMs: EpochMs };

interface PlaceState extends PlaceName {
  snapshot: ProviderSnapshot | null;
  readonly health: Map<string, Health>;
  /** Own failures since the last snapshot. */
  readonly own: Map<string, HealthState>;
  queue: TimedOutcome[];
  /** When the snapshot was taken in, its credential opened. */
  seenAtMs: EpochMs;
  /** Start of the running call; 0 when none runs. */
  syncingSinceMs: EpochMs;
  triedAtMs: EpochMs;
}

interface Memory {
  readonly ports: ProviderClientPorts;
  readonly places: Map<string, PlaceState>;
  readonly disabled: Set<ProviderId>;
  /** Credentials that the provider refuses. */
  readonly refused: Map<ProviderId, Breaker>;
  /** The operator's own credentials, unsealed. */
  readonly opened: Map<ProviderId, { readonly sealed: string; readonly secret: string | null }>;
  /** When an endpoint was last probed from here; cleared when it grows past PROBES_MAX. */
  readonly probes: Map<string, EpochMs>;
  permitCount: number;
}

const UNLIMITED: Permit = { kind: "granted", done() {} };

/** One client per isolate. */
export function createProviderClient(ports: ProviderClientPorts): ProviderClient {
  const memory: Memory = {
    ports,
    places: new Map(),
    disabled: new Set(),
    refused: new Map(),
    opened: new Map(),
    probes: new Map(),
    permitCount: 0,
  };
  return {
    warm: (places, waitUntil) => warm(memory, places, waitUntil),
    health: (provider, region, tag, model) => healthOf(memory, `${provider} ${region}`, `${model} ${tag}`),
    switchedOff: () => memory.disabled,
    withCredential: (providers) => new Set(providers.filter((provider) => canUse(memory, provider))),
    credential: (provider) => secretOf(memory, provider),
    report: (place, outcome, waitUntil) => report(memory, place, outcome, waitUntil),
    mayProbe: ({ provider, region }, tag, model) => mayProbe(memory, `${provider} ${region} ${model} ${tag}`),
    permit: (place, rule, tokens, waitUntil) => permit(memory, place, rule, tokens, waitUntil),
  };
}

function placeOf({ places }: Memory, { provider, region }: PlaceName): PlaceState {
  const key = `${provider} ${region}`;
  const known = places.get(key);
  if (known !== undefined) return known;
  const oldest = places.size >= PLACES_MAX ? places.keys().next().value : undefined;
  if (oldest !== undefined) places.delete(oldest);
  const place: PlaceState = {
    provider,
    region,
    snapshot: null,
    health: new Map(),
    own: new Map(),
    queue: [],
    seenAtMs: Number.NEGATIVE_INFINITY,
    syncingSinceMs: 0,
    triedAtMs: 0,
  };
  places.set(key, place);
  return place;
}

function isDue(place: PlaceState, nowMs: EpochMs, intervalMs: number): boolean {
  return (
    nowMs - place.triedAtMs >= Math.max(intervalMs, place.snapshot?.nextInMs ?? 0) &&
    (place.syncingSinceMs === 0 || nowMs - place.syncingSinceMs > SYNC_MS_MAX)
  );
}

async function sync(memory: Memory, place: PlaceState): Promise<void> {
  const { ports } = memory;
  const outcomes = place.queue;
  place.queue = [];
  place.syncingSinceMs = ports.clock();
  place.triedAtMs = place.syncingSinceMs;
  try {
    await take(memory, place, await ports.gate(place.provider, place.region).sync(ports.reporter, outcomes));
  } catch {
    // Statistics only: they go with the next report, what is over the bound is forgotten.
    place.queue = [...outcomes, ...place.queue].slice(-QUEUE_MAX);
  } finally {
    place.syncingSinceMs = 0;
  }
}

async function take(memory: Memory, place: PlaceState, snapshot: ProviderSnapshot): Promise<void> {
  const { provider } = place;
  place.snapshot = snapshot;
  place.health.clear();
  place.own.clear();
  // What failed while the call ran is in the queue still, and the gate's figures know nothing of it.
  for (const reported of place.queue) foldOwn(place, reported);
  for (const { model, tag, health } of snapshot.endpoints) place.health.set(`${model} ${tag}`, health);
  if (snapshot.isDisabled) memory.disabled.add(provider);
  else memory.disabled.delete(provider);
  if (snapshot.credential.kind === "closed") memory.refused.delete(provider);
  else memory.refused.set(provider, snapshot.credential);
  const sealed = snapshot.credentialSealed;
  if (sealed === null) memory.opened.delete(provider);
  else if (memory.opened.get(provider)?.sealed !== sealed) {
    memory.opened.set(provider, { sealed, secret: await memory.ports.unseal(sealed, provider) });
  }
  place.seenAtMs = memory.ports.clock();
}

function warm(memory: Memory, wanted: readonly PlaceName[], waitUntil: WaitUntil): Promise<void> | null {
  const nowMs = memory.ports.clock();
  const missing: Promise<void>[] = [];
  for (const name of wanted) {
    const place = placeOf(memory, name);
    const isKnown = nowMs - place.seenAtMs <= STALE_MS;
    if (isDue(place, nowMs, REFRESH_MS)) {
      const work = sync(memory, place);
      waitUntil(work);
      if (!isKnown) missing.push(work);
    } else if (!isKnown && place.syncingSinceMs !== 0) missing.push(synced(place));
  }
  return missing.length === 0 ? null : atMost(Promise.all(missing), WARM_MS);
}

/** Another request's call has ended. Looked for by time, since a promise must not be shared between requests. */
async function synced(place: PlaceState): Promise<void> {
  for (let looks = 0; place.syncingSinceMs !== 0 && looks < WARM_MS / LOOK_MS; looks++) {
    await new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function healthOf({ places, ports }: Memory, at: string, key: string): Health | undefined {
  const place = places.get(at);
  const own = place?.own.get(key);
  const shared = place?.health.get(key);
  return own === undefined ? shared : withOwn(shared, healthSnapshot(own, ports.clock()));
}

function canUse(memory: Memory, provider: ProviderId): boolean {
  const breaker = memory.refused.get(provider);
  const isOut = breaker !== undefined && breaker.kind !== "closed" && !isProbeDue(breaker, memory.ports.clock());
  return !isOut && secretOf(memory, provider) !== null;
}

function secretOf({ ports, opened }: Memory, provider: ProviderId): Secret | null {
  const { secret, baseUrl } = ports.environment(provider);
  const used = opened.get(provider)?.secret ?? secret;
  return used === null ? null : { secret: used, baseUrl };
}

function report(memory: Memory, name: PlaceName, outcome: ReportedOutcome, waitUntil: WaitUntil): void {
  const nowMs = memory.ports.clock();
  const place = placeOf(memory, name);
  const reported = { ...outcome, atMs: nowMs };
  place.queue.push(reported);
  if (place.queue.length > QUEUE_MAX) place.queue.shift();
  foldOwn(place, reported);
  const isFailure = reported.outcome.kind === "failure";
  if (isDue(place, nowMs, isFailure ? 0 : REPORT_MS)) waitUntil(sync(memory, place));
}

function mayProbe({ probes, ports }: Memory, key: string): boolean {
  const nowMs = ports.clock();
  if (nowMs - (probes.get(key) ?? Number.NEGATIVE_INFINITY) < PROBE_MS) return false;
  if (probes.size >= PROBES_MAX) probes.clear();
  probes.set(key, nowMs);
  return true;
}

async function permit(
  memory: Memory,
  { provider, region }: PlaceName,
  rule: CapacityRule | null,
  tokens: number,
  waitUntil: WaitUntil,
): Promise<Permit> {
  if (rule === null) return UNLIMITED;
  const id = `${memory.ports.reporter} ${++memory.permitCount}`;
  const gate = memory.ports.gate(provider, region);
  // A gate that cannot be asked limits nobody: the provider's own 429 does.
  const answer = await gate.lease({ rule, id, permits: 1, tokensEach: tokens }).catch(() => null);
  if (answer === null) return UNLIMITED;
  if (answer.granted === 0) return { kind: "refused", retryAfterMs: answer.retryAfterMs };
  const renewal = setInterval(() => waitUntil(gate.renew(id).catch(() => {})), RENEW_MS);
  return {
    kind: "granted",
    done() {
      clearInterval(renewal);
      waitUntil(gate.giveBack(id, rule, 1).catch(() => {}));
    },
  };
}

/** The gate's figures, with what this isolate has seen fail since. */
function withOwn(shared: Health | undefined, own: Health): Health {
  if (shared === undefined) return own;
  return {
    ...shared,
    breaker: own.breaker.kind !== "closed" && shared.breaker.kind === "closed" ? own.breaker : shared.breaker,
    closedUntilMs: Math.max(shared.closedUntilMs, own.closedUntilMs),
    lastFailureMs:
      own.lastFailureMs === null ? shared.lastFailureMs : Math.max(own.lastFailureMs, shared.lastFailureMs ?? 0),
  };
}

/** Adds an outcome to what this isolate knows by itself: failures, and whatever comes after one. */
function foldOwn(place: PlaceState, { model, tag, outcome, atMs }: TimedOutcome): void {
  const key = `${model} ${tag}`;
  const own = place.own.get(key);
  if (outcome.kind === "failure" || own !== undefined) {
    place.own.set(key, healthAfter(own ?? NEW_HEALTH, outcome, atMs));
  }
}

/** Waits for `work`, but no longer than `limitMs`; never rejects. */
async function atMost(work: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([work.catch(() => {}), late]);
  clearTimeout(timer);
}
