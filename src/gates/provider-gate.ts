/**
 * ProviderGate: one Durable Object per provider and region. Folds what isolates report into health, leases the
 * operator's capacity, and holds the operator's settings. Thin: state in, pure rules, state out.
 * Health is kept in memory and written at most every SAVE_MS, so a crash forgets seconds of statistics and nothing that
 * anybody is owed; settings are written before they are answered; leases end by themselves.
 */
import { DurableObject } from "cloudflare:workers";
import { readProviderSetting } from "../accounts/provider-settings.ts";
import type { Clock, EpochMs } from "../core/clock.ts";
import { asProviderId } from "../core/ids.ts";
import { systemClock } from "../core/system.ts";
import { BREAKER_CLOSED, breakerNext, type Breaker, type BreakerRule } from "../limits/breaker.ts";
import {
  capacityGiveBack,
  capacityLease,
  capacityRenew,
  FULL_CAPACITY,
  type CapacityRule,
  type CapacityState,
} from "../limits/bucket.ts";
import { healthAfter, healthSnapshot, NEW_HEALTH, type HealthState } from "../limits/health.ts";
import type {
  CapacityAnswer,
  CapacityWish,
  EndpointHealth,
  ProviderGateRpc,
  ProviderSnapshot,
  ProviderSwitch,
  ReportedOutcome,
} from "./provider-contract.ts";

/** A refused credential is confirmed by a second refusal and tried again every minute. */
const CREDENTIAL_RULE: BreakerRule = { limit: 2, coolMs: 60_000, coolMsMax: 60_000, probeMs: 30_000 };
/** How long a permit lasts that is neither renewed nor given back: three renewals, so that a crash frees it soon. */
const LEASE_MS = 180_000;
const SAVE_MS = 10_000;
/** How long an endpoint's figures are shown before they are computed anew; what fails is seen at once. */
const SHOWN_MS = 500;
/** Reports that the gate takes per second; more isolates report less often. */
const REPORTS_PER_S = 300;
const REPORT_MS_MIN = 1_000;
/** An isolate that has not reported for so long is no longer counted. */
const REPORTER_MS = 60_000;
const REPORTERS_MAX = 20_000;
/** Endpoints that one gate keeps health of; the longest unreported leaves first. */
const ENDPOINTS_MAX = 500;

interface Saved {
  readonly endpoints: readonly (readonly [string, HealthState])[];
  readonly credential: Breaker;
}

export class ProviderGate extends DurableObject<Cloudflare.Env> implements ProviderGateRpc {
  /** Replaced in tests. */
  clock: Clock = systemClock;
  readonly #endpoints = new Map<string, HealthState>();
  /** Figures as last computed, of endpoints in `#endpoints`: percentiles of all of them for each report cost too much. */
  readonly #shown = new Map<string, { readonly atMs: EpochMs; readonly endpoint: EndpointHealth }>();
  readonly #reporters = new Map<string, EpochMs>();
  #credential: Breaker = BREAKER_CLOSED;
  #settings: ProviderSwitch = { isDisabled: false, credentialSealed: null };
  #capacity: CapacityState = FULL_CAPACITY;
  #savedAtMs: EpochMs = 0;

  constructor(state: DurableObjectState, env: Cloudflare.Env) {
    super(state, env);
    void state.blockConcurrencyWhile(() => this.#load());
  }

  async #load(): Promise<void> {
    const kv = this.ctx.storage.kv;
    const saved = kv.get<Saved>("health");
    for (const [key, health] of saved?.endpoints ?? []) this.#endpoints.set(key, health);
    this.#credential = saved?.credential ?? BREAKER_CLOSED;
    const settings = kv.get<ProviderSwitch>("settings");
    // A gate that is new learns what the operator decided before it existed.
    this.#settings = settings ?? (await this.#settingsFromBooks());
    if (settings === undefined) kv.put("settings", this.#settings);
  }

  async #settingsFromBooks(): Promise<ProviderSwitch> {
    const slug = this.ctx.id.name?.split(" ")[0];
    const row = slug === undefined ? undefined : await readProviderSetting(this.env.DB, asProviderId(slug));
    return { isDisabled: row?.isDisabled ?? false, credentialSealed: row?.credentialSealed ?? null };
  }

  async sync(reporter: string, outcomes: readonly ReportedOutcome[]): Promise<ProviderSnapshot> {
    const nowMs = this.clock();
    for (const reported of outcomes) this.#fold(reported, Math.min(nowMs, reported.atMs ?? nowMs));
    this.#count(reporter, nowMs);
    if (outcomes.length > 0 && nowMs - this.#savedAtMs >= SAVE_MS) this.#save(nowMs);
    return this.#snapshotAt(nowMs);
  }

  async snapshot(): Promise<ProviderSnapshot> {
    return this.#snapshotAt(this.clock());
  }

  #snapshotAt(nowMs: EpochMs): ProviderSnapshot {
    return {
      atMs: nowMs,
      endpoints: [...this.#endpoints].map(([key, state]) => this.#shownAt(key, state, nowMs)),
      ...this.#settings,
      credential: this.#credential,
      nextInMs: Math.max(REPORT_MS_MIN, Math.ceil((this.#reporters.size * 1000) / REPORTS_PER_S)),
    };
  }

  #shownAt(key: string, state: HealthState, nowMs: EpochMs): EndpointHealth {
    const known = this.#shown.get(key);
    if (known !== undefined && Math.abs(nowMs - known.atMs) < SHOWN_MS) return known.endpoint;
    const [model = "", tag = ""] = key.split(" ");
    const endpoint = { model, tag, health: healthSnapshot(state, nowMs) };
    this.#shown.set(key, { atMs: nowMs, endpoint });
    return endpoint;
  }

  async configure(settings: ProviderSwitch): Promise<void> {
    if (settings.credentialSealed !== this.#settings.credentialSealed) this.#credential = BREAKER_CLOSED;
    this.#settings = settings;
    this.ctx.storage.kv.put("settings", settings);
    this.#save(this.clock());
  }

  async lease(wish: CapacityWish): Promise<CapacityAnswer> {
    const nowMs = this.clock();
    const untilMs = nowMs + LEASE_MS;
    const { state, granted, retryAtMs } = capacityLease(
      this.#capacity,
      wish.rule,
      { id: wish.id, permits: wish.permits, tokensEach: wish.tokensEach, untilMs },
      nowMs,
    );
    this.#capacity = state;
    return { granted, untilMs, retryAfterMs: retryAtMs === null ? 0 : Math.max(1, retryAtMs - nowMs) };
  }

  async renew(id: string): Promise<void> {
    this.#capacity = capacityRenew(this.#capacity, id, this.clock() + LEASE_MS);
  }

  async giveBack(id: string, rule: CapacityRule, finished: number): Promise<void> {
    const back = { id, finished, unusedRequests: 0, unusedTokens: 0 };
    this.#capacity = capacityGiveBack(this.#capacity, rule, back, this.clock());
  }

  #fold({ model, tag, outcome }: ReportedOutcome, nowMs: EpochMs): void {
    const key = `${model} ${tag}`;
    const before = this.#endpoints.get(key) ?? NEW_HEALTH;
    this.#endpoints.delete(key);
    this.#endpoints.set(key, healthAfter(before, outcome, nowMs));
    if (outcome.kind === "failure" || before.breaker.kind !== "closed") this.#shown.delete(key);
    const oldest = this.#endpoints.size > ENDPOINTS_MAX ? this.#endpoints.keys().next().value : undefined;
    if (oldest !== undefined) {
      this.#endpoints.delete(oldest);
      this.#shown.delete(oldest);
    }
    const isRefused = outcome.kind === "failure" && outcome.scope === "credential";
    if (outcome.kind !== "success" && !isRefused) return;
    this.#credential = breakerNext(
      this.#credential,
      isRefused ? { kind: "failure" } : { kind: "success" },
      nowMs,
      CREDENTIAL_RULE,
    );
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
    this.#savedAtMs = nowMs;
    const saved: Saved = { endpoints: [...this.#endpoints], credential: this.#credential };
    this.ctx.storage.kv.put("health", saved);
  }
}
