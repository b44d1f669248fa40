/**
 * The isolate's side of the ProviderGates: health, switches and credentials from memory, outcomes in batches, leave for
 * attempts from leases. Nothing here is awaited while routing but `warm`, in an isolate that is cold or was idle for
 * STALE_MS (or, where the colo shares, for REFRESH_MS), and `permit` where a limit is near.
 * Memory: one place per provider and region in use (provider-places.ts); a snapshot is at most REFRESH_MS old while there
 * is traffic. Where the colo shares snapshots, one isolate of it asks the gate and the others read what it got.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { EndpointTag, ModelId, ProviderId, RegionId } from "../core/ids.ts";
import type { Health, Outcome } from "../limits/health.ts";
import type { CapacityRule } from "../limits/capacity.ts";
import type { ProviderGateRpc, ProviderSnapshot } from "./provider-contract.ts";
import {
  chooseCredentials,
  closedUntilMs,
  splitCredentials,
  type Credential,
  type CredentialSource,
} from "./provider-credentials.ts";
import { createPermits, type Permit, type Permits } from "./provider-permits.ts";
import {
  allCredentialsWork,
  foldOwn,
  hasUsable,
  isTroubled,
  healthOf,
  requestOf,
  takeLeave,
  takeSnapshot,
  type Place,
  type PlaceName,
} from "./provider-place.ts";
import { createPlaces, type Places } from "./provider-places.ts";

/** What the environment says of a provider; each of the two may be given without the other. */
export interface EnvironmentProvider {
  /** One credential, or several separated by commas. */
  readonly secret: string | null;
  /** Where its traffic goes instead of the catalog's place. */
  readonly baseUrl: string | null;
}

/** A place's snapshot as the isolates of one colo share it; a bound on staleness is the reader's. */
export interface SharedSnapshot {
  readonly atMs: EpochMs;
  /** Until then somebody is getting a newer one. */
  readonly claimedUntilMs: EpochMs;
  readonly snapshot: ProviderSnapshot;
}

/** Null where the platform shares nothing. Neither ever rejects. */
export interface SnapshotSharing {
  read(place: PlaceName): Promise<SharedSnapshot | null>;
  write(place: PlaceName, shared: SharedSnapshot): Promise<void>;
}

export interface ProviderClientPorts {
  readonly clock: Clock;
  /** The gate of a place, or the branch of it with that number. */
  readonly gate: (
    provider: ProviderId,
    region: RegionId,
    branch: number | null,
  ) => Pick<ProviderGateRpc, "sync" | "exchange" | "ask">;
  readonly environment: (provider: ProviderId) => EnvironmentProvider;
  readonly unseal: (sealed: string, provider: ProviderId) => Promise<string | null>;
  readonly sharing: SnapshotSharing | null;
  /** Names this isolate to the gates. */
  readonly reporter: string;
}

/** One endpoint in one region. */
export interface EndpointPlace extends PlaceName {
  readonly tag: EndpointTag;
  readonly model: ModelId;
}

export interface AttemptAsk {
  /** The operator's limit of each credential here; null: none is set. */
  readonly rule: CapacityRule | null;
  /** The limit is the credential's over all regions. */
  readonly isShared: boolean;
  /** Expected to be used. */
  readonly tokens: number;
  readonly account: string;
  readonly isPaid: boolean;
  /** 0: be refused rather than wait. */
  readonly waitMs: number;
  /** Chooses among the credentials, the same one for the same seed; null: by turns. */
  readonly seed: number | null;
  /** Credentials that this request has tried here. */
  readonly tried: ReadonlySet<string>;
}

type WaitUntil = (work: Promise<unknown>) => void;

export interface ProviderClient {
  warm(places: readonly PlaceName[], waitUntil: WaitUntil): Promise<void> | null;
  /** As of `nowMs`; absent: as of now. */
  health(provider: ProviderId, region: RegionId, tag: EndpointTag, model: ModelId, nowMs?: EpochMs): Health | undefined;
  switchedOff(): ReadonlySet<ProviderId>;
  withCredential(providers: readonly ProviderId[]): ReadonlySet<ProviderId>;
  permit(at: EndpointPlace, ask: AttemptAsk, waitUntil: WaitUntil): Permit | Promise<Permit>;
  /**
   * Null permit: the attempt was not made with one of the operator's credentials.
   * @param endedAtMs when it ended; absent: now.
   */
  report(at: EndpointPlace, outcome: Outcome, permit: Permit | null, waitUntil: WaitUntil, endedAtMs?: EpochMs): void;
  mayProbe(at: EndpointPlace): boolean;
}

const REFRESH_MS = 3_000;
/** Successes that tell the gate something new, or are many, are reported no sooner than this; others when it is asked anyway. */
const REPORT_MS = 1_000;
const REPORT_MANY = 100;
/** An older snapshot is waited for: what the operator switches must be felt within 10 s, in an idle isolate as well. */
const STALE_MS = 8_000;
/** How long a request waits at most for what its isolate lacks: without it a stored credential is not known. */
const WARM_MS = 1_000;
/**
 * ...and for what another isolate of its colo may know: a few ms for a request that comes to an isolate after seconds. Sent
 * to a provider that has stopped answering meanwhile, it would lose far more.
 */
const NEAR_MS = 10;
/** How often a request looks whether another one's call has brought it. */
const LOOK_MS = 5;
/** A call that has not returned for so long is given up as lost. */
const SYNC_MS_MAX = 10_000;
/** How long an isolate's word that it is asking the gate keeps those of its colo from asking. */
const CLAIM_MS = 1_000;
/** From so many on it is quicker to remember which of a model's providers have a credential than to look. */
const MANY_PROVIDERS = 8;
/** Outcomes kept for the next report; the oldest leave first. */
const QUEUE_MAX = 1_000;

interface Memory {
  readonly ports: ProviderClientPorts;
  readonly permits: Permits;
  readonly places: Places;
  readonly disabled: Set<ProviderId>;
  /** The operator's own credentials, unsealed. */
  readonly opened: Map<ProviderId, { readonly sealed: string; readonly credentials: readonly Credential[] }>;
  /** The environment's, as large as the catalog. */
  readonly environment: Map<ProviderId, readonly Credential[]>;
  turn: number;
  /** Rises with everything that may change which credentials work. */
  credentialEpoch: number;
  /** Those with a credential of some providers, while all that they have work: then time alone changes nothing. */
  readonly usable: WeakMap<readonly ProviderId[], { readonly epoch: number; readonly set: ReadonlySet<ProviderId> }>;
}

/** One client per isolate. */
export function createProviderClient(ports: ProviderClientPorts): ProviderClient {
  const memory: Memory = {
    ports,
    permits: createPermits({
      clock: ports.clock,
      reporter: ports.reporter,
      gate: ({ provider, region }, branch) => ports.gate(provider, region, branch),
    }),
    places: createPlaces(),
    disabled: new Set(),
    opened: new Map(),
    environment: new Map(),
    turn: 0,
    credentialEpoch: 0,
    usable: new WeakMap(),
  };
  const { places } = memory;
  const operators = (provider: ProviderId): readonly Credential[] => credentialsOf(memory, provider);
  return {
    warm: (wanted, waitUntil) => warm(memory, wanted, waitUntil),
    health(provider, region, tag, model, nowMs = ports.clock()) {
      const slot = places.slotOf(provider, region, tag, model);
      return slot && healthOf(slot, operators, nowMs);
    },
    switchedOff: () => memory.disabled,
    withCredential: (providers) => withCredential(memory, providers),
    permit: (at, ask, waitUntil) => permit(memory, at, ask, waitUntil),
    report(at, outcome, given, waitUntil, endedAtMs = ports.clock()) {
      report(memory, at, outcome, given, waitUntil, endedAtMs);
    },
    mayProbe: (at) => takeLeave(places.at(at), places.keyOf(at.model, at.tag), ports.clock()),
  };
}

function isDue(place: Place, nowMs: EpochMs, intervalMs: number): boolean {
  return nowMs - place.triedAtMs >= Math.max(intervalMs, place.nextInMs) && !isSyncing(place, nowMs);
}

function isSyncing({ syncingSinceMs }: Place, nowMs: EpochMs): boolean {
  return syncingSinceMs !== 0 && nowMs - syncingSinceMs <= SYNC_MS_MAX;
}

async function sync(memory: Memory, place: Place): Promise<void> {
  const { ports } = memory;
  place.syncingSinceMs = ports.clock();
  place.triedAtMs = place.syncingSinceMs;
  const outcomes = place.queue;
  const request = requestOf(place, ports.reporter);
  try {
    const answer = await ports.gate(place.provider, place.region, null).sync(request);
    await take(memory, place, answer, answer.leaves, ports.clock());
    if (ports.sharing !== null) await share(memory, place, ports.sharing, answer);
  } catch {
    // Statistics only: they go with the next report, what is over the bound is forgotten.
    place.queue = [...outcomes, ...place.queue].slice(-QUEUE_MAX);
  } finally {
    place.syncingSinceMs = 0;
  }
}

async function take(
  memory: Memory,
  place: Place,
  snapshot: ProviderSnapshot,
  leaves: readonly string[],
  asOfMs: EpochMs,
): Promise<void> {
  const { provider } = place;
  takeSnapshot(place, snapshot, leaves, memory.ports.clock());
  memory.credentialEpoch++;
  if (snapshot.isDisabled) memory.disabled.add(provider);
  else memory.disabled.delete(provider);
  const sealed = snapshot.credentialSealed;
  if (sealed === null) memory.opened.delete(provider);
  else if (memory.opened.get(provider)?.sealed !== sealed) {
    const text = await memory.ports.unseal(sealed, provider);
    memory.opened.set(provider, { sealed, credentials: text === null ? [] : named(memory, provider, "stored", text) });
    memory.credentialEpoch++;
  }
  place.credentialSealed = sealed;
  place.seenAtMs = Math.max(place.seenAtMs, asOfMs);
}

/** What this isolate knows of the place, for the others of its colo. */
async function share(memory: Memory, place: Place, sharing: SnapshotSharing, answer: ProviderSnapshot): Promise<void> {
  const { atMs, isDisabled, credentialSealed, credentials, nextInMs } = answer;
  const endpoints = [...place.endpoints.values()];
  await sharing.write(place, {
    atMs: memory.ports.clock(),
    claimedUntilMs: 0,
    snapshot: { atMs, isDisabled, credentialSealed, credentials, nextInMs, endpoints },
  });
}

/** Reads what another isolate of the colo has got; asks the gate when that is old and nobody else does. */
async function refresh(memory: Memory, place: Place, sharing: SnapshotSharing): Promise<void> {
  const { clock } = memory.ports;
  place.syncingSinceMs = clock();
  const shared = await sharing.read(place);
  const nowMs = clock();
  if (shared !== null && nowMs - shared.atMs < REFRESH_MS) {
    try {
      await take(memory, place, shared.snapshot, [], shared.atMs);
    } finally {
      place.syncingSinceMs = 0;
    }
    return;
  }
  const isClaimed = shared !== null && shared.claimedUntilMs > nowMs && nowMs - shared.atMs < STALE_MS;
  if (shared !== null && !isClaimed) await sharing.write(place, { ...shared, claimedUntilMs: nowMs + CLAIM_MS });
  place.syncingSinceMs = 0;
  if (!isClaimed) await sync(memory, place);
}

function warm(memory: Memory, wanted: readonly PlaceName[], waitUntil: WaitUntil): Promise<void> | null {
  const { clock, sharing } = memory.ports;
  const nowMs = clock();
  const missing: Promise<void>[] = [];
  const near: Promise<void>[] = [];
  for (const name of wanted) {
    const place = memory.places.at(name);
    const isKnown = nowMs - place.seenAtMs <= STALE_MS;
    const isOld = nowMs - place.seenAtMs >= REFRESH_MS && !isSyncing(place, nowMs);
    const work =
      sharing !== null && isOld
        ? refresh(memory, place, sharing)
        : isDue(place, nowMs, REFRESH_MS)
          ? sync(memory, place)
          : null;
    if (work !== null) {
      waitUntil(work);
      if (!isKnown) missing.push(work);
      else if (sharing !== null && isOld) near.push(work);
    } else if (!isKnown && place.syncingSinceMs !== 0) missing.push(synced(place));
  }
  if (missing.length > 0) return atMost(Promise.all([...missing, ...near]), WARM_MS);
  return near.length === 0 ? null : atMost(Promise.all(near), NEAR_MS);
}

/** Another request's call has ended. Looked for by time, since a promise must not be shared between requests. */
async function synced(place: Place): Promise<void> {
  for (let looks = 0; place.syncingSinceMs !== 0 && looks < WARM_MS / LOOK_MS; looks++) {
    await new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** The stored ones, else the environment's. */
function credentialsOf(memory: Memory, provider: ProviderId): readonly Credential[] {
  const opened = memory.opened.get(provider)?.credentials;
  if (opened !== undefined && opened.length > 0) return opened;
  const known = memory.environment.get(provider);
  if (known !== undefined) return known;
  const { secret } = memory.ports.environment(provider);
  const made = secret === null ? [] : named(memory, provider, "environment", secret);
  memory.environment.set(provider, made);
  return made;
}

function named({ ports }: Memory, provider: ProviderId, source: CredentialSource, text: string): readonly Credential[] {
  const { baseUrl } = ports.environment(provider);
  return splitCredentials(source, text).map((one) => ({ ...one, baseUrl }));
}

/** A list of many providers is a model's own and comes again with its next request: then its answer is remembered. */
function withCredential(memory: Memory, providers: readonly ProviderId[]): ReadonlySet<ProviderId> {
  const { usable, credentialEpoch: epoch } = memory;
  const known = providers.length < MANY_PROVIDERS ? undefined : usable.get(providers);
  if (known?.epoch === epoch) return known.set;
  const nowMs = memory.ports.clock();
  const set = new Set(providers.filter((provider) => canUse(memory, provider, nowMs)));
  if (providers.length < MANY_PROVIDERS) return set;
  const isCalm = providers.every((provider) => memory.places.of(provider).every(allCredentialsWork));
  if (isCalm) usable.set(providers, { epoch, set });
  return set;
}

function canUse(memory: Memory, provider: ProviderId, nowMs: EpochMs): boolean {
  const credentials = credentialsOf(memory, provider);
  if (credentials.length === 0) return false;
  const places = memory.places.of(provider);
  if (places.length === 0) return true;
  let isAny = false;
  for (const place of places) isAny = hasUsable(place, credentials, nowMs) || isAny;
  return isAny;
}

function permit(memory: Memory, at: EndpointPlace, ask: AttemptAsk, waitUntil: WaitUntil): Permit | Promise<Permit> {
  const place = memory.places.at(at);
  const nowMs = memory.ports.clock();
  const endpoint = memory.places.keyOf(at.model, at.tag);
  const turn = ask.seed ?? memory.turn++;
  const all = credentialsOf(memory, at.provider);
  const { usable, reopensMs } = chooseCredentials(all, place, endpoint, ask.tried, turn, nowMs);
  if (usable.length === 0) {
    return reopensMs === null
      ? { kind: "no_credential" }
      : { kind: "refused", retryAfterMs: Math.max(1, reopensMs - nowMs) };
  }
  const options = usable.map((credential) => ({
    credential,
    limit: place.limits.get(`${credential.id} ${endpoint}`),
    closedUntilMs: () => closedUntilMs(credential.id, place, endpoint),
  }));
  const first = options[0];
  if (first !== undefined) takeLeave(place, first.credential.id, nowMs);
  return memory.permits.ask({ place: at, endpoint, ...ask }, options, waitUntil);
}

function report(
  memory: Memory,
  at: EndpointPlace,
  outcome: Outcome,
  given: Permit | null,
  waitUntil: WaitUntil,
  endedAtMs: EpochMs,
): void {
  const nowMs = memory.ports.clock();
  const place = memory.places.at(at);
  const used = given?.kind === "granted" ? { credential: given.credential.id, inFlight: given.inFlight() } : {};
  const endpoint = memory.places.keyOf(at.model, at.tag);
  const reported = { model: at.model, tag: at.tag, outcome, atMs: endedAtMs, ...used };
  place.queue.push(reported);
  if (place.queue.length > QUEUE_MAX) place.queue.shift();
  foldOwn(place, reported);
  if (outcome.kind === "failure") memory.credentialEpoch++;
  const isNews = place.queue.length >= REPORT_MANY || isTroubled(place, endpoint);
  const afterMs = outcome.kind === "failure" ? 0 : isNews ? REPORT_MS : REFRESH_MS;
  if (isDue(place, nowMs, afterMs)) waitUntil(sync(memory, place));
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
