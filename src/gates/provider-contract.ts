/**
 * What an isolate and a ProviderGate say to each other. One gate per provider and region; isolates report in batches and
 * get back what has changed of the endpoints that they use, so that nobody waits for a gate while routing. A provider's
 * home gate (region HOME_REGION) serves no isolate: it lends a credential-wide capacity to the regions' gates.
 * A gate whose capacity is asked for by too many has branches, which borrow from it; statistics and switches stay with it.
 * Every message is small however large the provider is: an isolate names the endpoints that it has asked for lately.
 */
import type { EpochMs } from "../core/clock.ts";
import type { Breaker } from "../limits/breaker.ts";
import type { CapacityAnswer, CapacityAsk, PoolName } from "../limits/capacity-desk.ts";
import type { LeaseGrant, LeaseWish } from "../limits/capacity.ts";
import type { ClientFigures } from "../limits/client-figures.ts";
import type { ClientBucket, Health, Outcome } from "../limits/health.ts";

/** No region of a catalog can have this name. */
export const HOME_REGION = "*";

/** One attempt's outcome; `model` and `tag` name the endpoint. */
export interface ReportedOutcome {
  readonly model: string;
  readonly tag: string;
  readonly outcome: Outcome;
  /** When it ended, by the reporter's clock: a report may come seconds later, and a 429 counts from its own time. */
  readonly atMs?: number | undefined;
  /** The id of the credential that was sent; absent: not one of the operator's. */
  readonly credential?: string | undefined;
  /** Attempts that the reporter had running with it at this endpoint, this one included. */
  readonly inFlight?: number | undefined;
}

export interface EndpointHealth {
  readonly model: string;
  readonly tag: string;
  /** Higher after each change. */
  readonly version: number;
  readonly health: Health;
  /** By credential: until when a 429 closes the endpoint for it. */
  readonly closings: Readonly<Record<string, EpochMs>>;
  /** By credential: how many attempts may run at once, where that is learnt. */
  readonly limits: Readonly<Record<string, number>>;
  /** What clients of each region had: only where a snapshot of one model was asked for. */
  readonly byClient?: { readonly [bucket in ClientBucket]?: ClientFigures };
}

export interface CredentialHealth {
  readonly id: string;
  /** Opens after a confirmed refusal; one probe a minute. */
  readonly breaker: Breaker;
}

export interface ProviderSnapshot {
  readonly atMs: number;
  readonly endpoints: readonly EndpointHealth[];
  /** Switched off by the operator. */
  readonly isDisabled: boolean;
  /** The operator's credentials, sealed together; null: the environment's are used. */
  readonly credentialSealed: string | null;
  /** Those that have been used. */
  readonly credentials: readonly CredentialHealth[];
  /** When the isolate should report again, at the earliest. */
  readonly nextInMs: number;
}

/** An endpoint of `model` and `tag` as a key, and what both sides know it by. */
export type EndpointKey = string;

export interface SyncRequest {
  /** Names the isolate. */
  readonly reporter: string;
  readonly outcomes: readonly ReportedOutcome[];
  /** Endpoints asked for lately, each with the version that is known of it; 0: none. */
  readonly wants: readonly (readonly [EndpointKey, number])[];
  /** Endpoints and credentials whose breaker is due for a probe that the isolate could send. */
  readonly probes: readonly string[];
}

export interface SyncAnswer extends ProviderSnapshot {
  /** Those of `probes` that this isolate may send, one each; nobody else may. */
  readonly leaves: readonly string[];
}

export interface ProviderSwitch {
  readonly isDisabled: boolean;
  readonly credentialSealed: string | null;
}

export interface ProviderGateRpc {
  /** Takes outcomes, gives what has changed of `wants`. */
  sync(request: SyncRequest): Promise<SyncAnswer>;
  /** Everything, or `model` alone, for somebody who reports nothing: statistics, the operator. */
  snapshot(model?: string): Promise<ProviderSnapshot>;
  /** Replaces the operator's settings; effective for each isolate with its next snapshot. */
  configure(settings: ProviderSwitch): Promise<void>;
  /**
   * What a holder has and wants of a pool: an isolate's lease, a region's share at the home gate, or a branch's at its
   * gate, which then says how many calls a second it gets (limits/branches.ts).
   */
  exchange(name: PoolName, wish: LeaseWish, callsPerS?: number): Promise<LeaseGrant>;
  /** One permit, waited for at most 2 s. */
  ask(ask: CapacityAsk): Promise<CapacityAnswer>;
}
