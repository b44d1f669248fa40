/**
 * The record of one generation: what `GET /generation` shows and what the ledger's charge is explained by.
 * It travels from the isolate through the AccountGate's outbox into D1 as one JSON value, so money is stored as safe
 * integers here (nano-dollars), and every field has a bound. It never holds a prompt, an answer or a secret.
 */
import type { TaskKind } from "../core/task.ts";
import type { Usage } from "../core/usage.ts";

/** One upstream call. */
export interface AttemptRecord {
  readonly provider: string;
  readonly providerName: string;
  /** Endpoint tag. */
  readonly endpoint: string;
  readonly region: string;
  readonly model: string;
  /** The upstream's status; 0 when it gave none; 200 for the one that answered. */
  readonly status: number;
  /** `ok`, or the error type of the failure. */
  readonly outcome: string;
  /** To the first event, or to the failure. */
  readonly latencyMs: number;
  /** With the account's own credential. */
  readonly isByok?: boolean | undefined;
}

export interface GenerationRecord {
  readonly id: string;
  readonly requestId: string;
  readonly keyHash: string;
  readonly createdAtMs: number;
  /** Concrete model that served, else the one asked for. */
  readonly model: string;
  readonly requestedModel: string;
  readonly provider: string | null;
  readonly providerName: string | null;
  readonly endpoint: string | null;
  readonly region: string | null;
  readonly upstreamId: string | null;
  readonly streamed: boolean;
  /** The client left before the end. */
  readonly cancelled: boolean;
  /** Usage was counted by us because the provider's was missing. */
  readonly estimated: boolean;
  /** `aborted`, `drained` or null: what was done to the upstream when the client left, or its credit ended. */
  readonly cancellation: "aborted" | "drained" | null;
  /** The provider's policy that this went by; absent where nothing was done. */
  readonly cancellationPolicy?: "stops" | "bills_all" | "bills_surcharge" | undefined;
  /** What of the cost the provider takes for having been left. */
  readonly surchargeNusd?: number | undefined;
  /** With `estimated`: the prompt was counted by us, too. */
  readonly promptEstimated?: boolean | undefined;
  readonly finishReason: string | null;
  readonly nativeFinishReason: string | null;
  /** Request received to first content event. */
  readonly latencyMs: number;
  /** First content event to the end. */
  readonly generationTimeMs: number;
  readonly usage: Usage;
  /** usage x listed price, before any cap by credit; with the account's own credential, the fee. */
  readonly costNusd: number;
  /** What the provider bills: the operator, or with the account's own credential the tenant. */
  readonly upstreamCostNusd: number;
  readonly isByok: boolean;
  readonly isFree: boolean;
  readonly attempts: readonly AttemptRecord[];
  readonly httpReferer: string | null;
  readonly appTitle: string | null;
  readonly origin: string | null;
  readonly userAgent: string | null;
  readonly externalUser: string | null;
  readonly sessionId: string | null;
  readonly dataRegion: "global" | "eu" | "us";
  /** Colo or bucket of the client. */
  readonly clientPlace: string | null;
  /** Version of the catalog whose prices were used. */
  readonly catalogVersion: string | null;
  /** What was asked for, where it was no conversation. */
  readonly task?: TaskKind | undefined;
  /** The preset that the request named; absent: none. */
  readonly presetId?: string | undefined;
}
