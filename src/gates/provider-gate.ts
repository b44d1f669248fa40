/**
 * ProviderGate: one Durable Object per provider and region. Folds what isolates report into health, lends the operator's
 * capacity and keeps the queue before it, and holds the operator's settings. Thin: the rules are in limits.
 * Health is kept in memory and written with the first report SAVE_MS after the last save, or SAVE_WELL_MS where nothing has
 * failed since: a crash forgets some seconds of statistics and nothing that anybody is owed. Settings are written before
 * they are answered; leases end by themselves.
 */
import { DurableObject } from "cloudflare:workers";
import { readProviderSetting } from "../accounts/provider-settings.ts";
import type { Clock, EpochMs } from "../core/clock.ts";
import { asProviderId } from "../core/ids.ts";
import { systemClock } from "../core/system.ts";
import { createBranches, type Branches } from "../limits/branches.ts";
import {
  createCapacityDesk,
  type CapacityAnswer,
  type CapacityAsk,
  type CapacityDesk,
  type PoolName,
  type SavedPool,
} from "../limits/capacity-desk.ts";
import type { LeaseGrant, LeaseWish } from "../limits/capacity.ts";
import { isSlowStart } from "../limits/slow-start.ts";
import {
  HOME_REGION,
  type CredentialHealth,
  type ProviderGateRpc,
  type ProviderSnapshot,
  type ProviderSwitch,
  type ReportedOutcome,
  type SyncAnswer,
  type SyncRequest,
} from "./provider-contract.ts";
import { createPlaceHealth, type PlaceHealth, type SavedEndpoint } from "./provider-health.ts";

const SAVE_MS = 10_000;
/** ...where nothing has failed since: a gate that restarts misses some successes of many. */
const SAVE_WELL_MS = 30_000;
/** Reports that the gate takes per second; more isolates report less often. */
const REPORTS_PER_S = 300;
const REPORT_MS_MIN = 1_000;
/** An isolate that has not reported for so long is no longer counted. */
const REPORTER_MS = 60_000;
const REPORTERS_MAX = 20_000;
const ENDPOINTS_PREFIX = "endpoints ";

export class ProviderGate extends DurableObject<Cloudflare.Env> implements ProviderGateRpc {
  /** Replaced in tests. */
  clock: Clock = systemClock;
  readonly #reporters = new Map<string, EpochMs>();
  #desk: CapacityDesk = createCapacityDesk();
  #branches: Branches = createBranches();
  /** In a branch: as the gate said last; null: it has not been asked, or this is no branch. */
  #siblings: number | null = null;
  #health: PlaceHealth = this.#healthOf([], []);
  #settings: ProviderSwitch = { isDisabled: false, credentialSealed: null };
  #savedAtMs: EpochMs = 0;
  #hasUnsavedFailure = false;
  /** When the queue is looked at again; 0: nobody waits. */
  #serveAtMs: EpochMs = 0;

  constructor(state: DurableObjectState, env: Cloudflare.Env) {
    super(state, env);
    void state.blockConcurrencyWhile(() => this.#load());
  }

  async #load(): Promise<void> {
    const kv = this.ctx.storage.kv;
    this.#desk = createCapacityDesk(kv.get<readonly SavedPool[]>("pools"));
    this.#branches = createBranches(kv.get<number>("branches"));
    const endpoints = [...kv.list<readonly SavedEndpoint[]>({ prefix: ENDPOINTS_PREFIX })].flatMap(([, part]) => part);
    this.#health = this.#healthOf(endpoints, kv.get<readonly CredentialHealth[]>("credentials") ?? []);
    const settings = kv.get<ProviderSwitch>("settings");
    // A gate that is new learns what the operator decided before it existed.
    this.#settings = settings ?? (await this.#settingsFromBooks());
    if (settings === undefined) kv.put("settings", this.#settings);
  }

  #healthOf(endpoints: readonly SavedEndpoint[], credentials: readonly CredentialHealth[]): PlaceHealth {
    const limitOf = (credential: string, key: string): number | undefined => this.#desk.learnt(`${credential} ${key}`);
    return createPlaceHealth({ endpoints, credentials }, limitOf, this.clock());
  }

  /** Provider, region, and for a branch of that place's gate its number. */
  #place(): readonly [string, string, string | null] {
    const [slug = "", region = "", branch = null] = this.ctx.id.name?.split(" ") ?? [];
    return [slug, region, branch];
  }

  async #settingsFromBooks(): Promise<ProviderSwitch> {
    const [slug] = this.#place();
    const row = slug === "" ? undefined : await readProviderSetting(this.env.DB, asProviderId(slug));
    return { isDisabled: row?.isDisabled ?? false, credentialSealed: row?.credentialSealed ?? null };
  }

  async sync(request: SyncRequest): Promise<SyncAnswer> {
    const nowMs = this.clock();
    for (const reported of request.outcomes) this.#fold(reported, Math.min(nowMs, reported.atMs ?? nowMs));
    this.#count(request.reporter, nowMs);
    const leaves = request.probes.filter((name) => this.#health.leave(name, nowMs));
    this.#hasUnsavedFailure ||= request.outcomes.some(({ outcome }) => outcome.kind === "failure");
    const saveMs = this.#hasUnsavedFailure ? SAVE_MS : SAVE_WELL_MS;
    if (request.outcomes.length > 0 && nowMs - this.#savedAtMs >= saveMs) this.#save(nowMs);
    return { ...this.#basics(nowMs), endpoints: this.#health.changed(request.wants, nowMs), leaves };
  }

  async snapshot(model?: string): Promise<ProviderSnapshot> {
    const nowMs = this.clock();
    return { ...this.#basics(nowMs), endpoints: this.#health.all(model, nowMs) };
  }

  #basics(nowMs: EpochMs): Omit<ProviderSnapshot, "endpoints"> {
    return {
      atMs: nowMs,
      ...this.#settings,
      credentials: this.#health.credentials(),
      nextInMs: Math.max(REPORT_MS_MIN, Math.ceil((this.#reporters.size * 1000) / REPORTS_PER_S)),
    };
  }

  async configure(settings: ProviderSwitch): Promise<void> {
    if (settings.credentialSealed !== this.#settings.credentialSealed) this.#health.forgetCredentials();
    this.#settings = settings;
    this.ctx.storage.kv.put("settings", settings);
    this.#save(this.clock());
  }

  async exchange(name: PoolName, wish: LeaseWish, callsPerS?: number): Promise<LeaseGrant> {
    const nowMs = this.clock();
    if (callsPerS !== undefined) this.#branches.heard(wish.holder, callsPerS, nowMs);
    else if (wish.onwardMs === 0) this.#branches.called(nowMs);
    const grant = this.#desk.exchange(this.#poolOf(name), wish, nowMs);
    if (name.rule !== null && nowMs - this.#savedAtMs >= SAVE_MS) this.#save(nowMs);
    this.#serve();
    return { ...grant, ...this.#branching(nowMs) };
  }

  async ask(ask: CapacityAsk): Promise<CapacityAnswer> {
    this.#branches.called(this.clock());
    const pools = ask.pools.map((name) => this.#poolOf(name));
    const answer = await new Promise<CapacityAnswer>((resolve) => {
      this.#desk.ask({ ...ask, pools }, resolve, this.clock());
      this.#serve();
    });
    return { ...answer, ...this.#branching(this.clock()) };
  }

  #poolOf(name: PoolName): PoolName {
    return this.#place()[2] === null ? name : { ...name, isBranch: true };
  }

  /** What callers are told of branches; a branch that has not heard of its gate yet says nothing. */
  #branching(nowMs: EpochMs): { readonly branches?: number } {
    const count = this.#place()[2] === null ? this.#branches.count(nowMs) : this.#siblings;
    return count === null ? {} : { branches: count };
  }

  /** Serves the queue now, and again when something may have changed. */
  #serve(): void {
    const nowMs = this.clock();
    this.#askHome(nowMs);
    const nextMs = this.#desk.serve(nowMs);
    if (nextMs === null || this.#serveAtMs > nowMs) return;
    this.#serveAtMs = nextMs;
    setTimeout(
      () => {
        this.#serveAtMs = 0;
        this.#serve();
      },
      Math.max(1, nextMs - nowMs),
    );
  }

  /**
   * Borrows what the region lacks of credential-wide limits, or a branch of its gate's, and gives back what it does not
   * need.
   */
  #askHome(nowMs: EpochMs): void {
    const [slug, region, branch] = this.#place();
    const gates = this.env.PROVIDER_GATE as DurableObjectNamespace<ProviderGate>; // `wrangler types` omits the class
    for (const { name, wish } of this.#desk.homeWishes(branch === null ? region : `branch ${branch}`, nowMs)) {
      const { pool, rule, isShared } = name;
      const asked =
        branch === null
          ? gates.getByName(`${slug} ${HOME_REGION}`).exchange({ pool, rule, isShared: false }, wish)
          : gates
              .getByName(`${slug} ${region}`)
              .exchange({ pool, rule, isShared }, wish, this.#branches.callsPerS(nowMs));
      const taken = asked
        // A home that cannot be asked is asked again.
        .catch(() => null)
        .then((grant) => {
          if (branch !== null && grant?.branches !== undefined) this.#siblings = grant.branches;
          this.#desk.homeGrant(name.pool, grant, nowMs);
          if (grant !== null && this.#desk.waiting() > 0) this.#serve();
        });
      this.ctx.waitUntil(taken);
    }
  }

  #fold(reported: ReportedOutcome, nowMs: EpochMs): void {
    const { model, tag, outcome, credential } = reported;
    const key = `${model} ${tag}`;
    const typicalMs = this.#health.fold(reported, nowMs);
    if (credential === undefined) return;
    const inFlight = reported.inFlight ?? 1;
    const pool = `${credential} ${key}`;
    if (outcome.kind === "success") {
      const kind = isSlowStart(typicalMs, outcome.ttftMs) ? "slow" : "success";
      if (this.#desk.learn(pool, { kind, inFlight }, outcome.durationMs, nowMs)) this.#health.touch(key);
    } else if (outcome.scope === "capacity") {
      if (this.#desk.learn(pool, { kind: "throttled", inFlight }, 0, nowMs)) this.#health.touch(key);
    }
  }

  #count(reporter: string, nowMs: EpochMs): void {
    this.#reporters.delete(reporter);
    this.#reporters.set(reporter, nowMs);
    for (const [id, atMs] of this.#reporters) {
      if (nowMs - atMs < REPORTER_MS && this.#reporters.size <= REPORTERS_MAX) break;
      this.#reporters.delete(id);
    }
  }

  #save(nowMs: EpochMs): void {
    const kv = this.ctx.storage.kv;
    this.#savedAtMs = nowMs;
    this.#hasUnsavedFailure = false;
    for (const [chunk, endpoints] of this.#health.dirty()) kv.put(`${ENDPOINTS_PREFIX}${chunk}`, endpoints);
    kv.put("credentials", this.#health.credentials());
    kv.put("pools", this.#desk.saved());
    kv.put("branches", this.#branches.count(nowMs));
  }
}
