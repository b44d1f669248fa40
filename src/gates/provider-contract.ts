/**
 * What an isolate and a ProviderGate say to each other. One gate per provider and region; isolates report in batches
 * and get the region's snapshot back, so that nobody waits for a gate while routing.
 */
import type { Breaker } from "../limits/breaker.ts";
import type { Health, Outcome } from "../limits/health.ts";
import type { CapacityRule } from "../limits/bucket.ts";

/** One attempt's outcome; `model` and `tag` name the endpoint. */
export interface ReportedOutcome {
  readonly model: string;
  readonly tag: string;
  readonly outcome: Outcome;
  /** When it ended, by the reporter's clock: a report may come seconds later, and a 429 counts from its own time. */
  readonly atMs?: number | undefined;
}

export interface EndpointHealth {
  readonly model: string;
  readonly tag: string;
  readonly health: Health;
}

export interface ProviderSnapshot {
  readonly atMs: number;
  readonly endpoints: readonly EndpointHealth[];
  /** Switched off by the operator. */
  readonly isDisabled: boolean;
  /** The operator's credential, sealed; null: the environment's is used. */
  readonly credentialSealed: string | null;
  /** Whether the credential works: opens after a confirmed refusal, is tried again every minute. */
  readonly credential: Breaker;
  /** When the isolate should report again, at the earliest. */
  readonly nextInMs: number;
}

export interface ProviderSwitch {
  readonly isDisabled: boolean;
  readonly credentialSealed: string | null;
}

export interface CapacityWish {
  readonly rule: CapacityRule;
  /** Unique per isolate: leasing again under it replaces the lease. */
  readonly id: string;
  readonly permits: number;
  readonly tokensEach: number;
}

export interface CapacityAnswer {
  readonly granted: number;
  readonly untilMs: number;
  /** 0 when all was granted. */
  readonly retryAfterMs: number;
}

export interface ProviderGateRpc {
  /** Takes outcomes, gives the snapshot; repeatable reads with an empty list. */
  sync(reporter: string, outcomes: readonly ReportedOutcome[]): Promise<ProviderSnapshot>;
  /** The snapshot for somebody who reports nothing and is not counted as a reporter: statistics, the operator. */
  snapshot(): Promise<ProviderSnapshot>;
  /** Replaces the operator's settings; effective for each isolate with its next snapshot. */
  configure(settings: ProviderSwitch): Promise<void>;
  lease(wish: CapacityWish): Promise<CapacityAnswer>;
  /** Lets a lease live on from now; one that is over stays so. */
  renew(id: string): Promise<void>;
  giveBack(id: string, rule: CapacityRule, finished: number): Promise<void>;
}
