/**
 * One event per request: facts are set as they become known and written once, at the very end, as one JSON line.
 * The type is the allow-list: what has no field here is never logged. Prompts, answers, keys and credentials have none.
 */
import type { Clock, EpochMs } from "../core/clock.ts";

export interface WideFields {
  readonly request_id: string;
  readonly generation_id: string;
  readonly account_id: string;
  /** First 12 characters of the key's hash. */
  readonly key: string;
  readonly method: string;
  /** The pattern, never the path with its values. */
  readonly route: string;
  readonly status: number;
  /** Kind of the error, when there was one. */
  readonly error: string;
  readonly model: string;
  readonly requested_model: string;
  readonly provider: string;
  readonly endpoint: string;
  readonly region: string;
  /** The account's own credential served. */
  readonly byok: boolean;
  /** `provider:status` of each upstream call, in order. */
  readonly attempts: readonly string[];
  /** `provider:credential` of the operator's credentials that were refused; the credential by its place, never itself. */
  readonly refused_credentials: readonly string[];
  readonly streamed: boolean;
  readonly cancelled: boolean;
  readonly estimated: boolean;
  /** The provider counted more than can be true; what was delivered was counted instead. */
  readonly usage_doubted: boolean;
  readonly finish_reason: string;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cost_nusd: number;
  readonly hold_nusd: number;
  /** Admitted from the isolate's lease: no gate was asked. */
  readonly leased: boolean;
  /** Sent upstream while the account's gate was still asked. */
  readonly overlapped: boolean;
  /** Request received to first content. */
  readonly ttft_ms: number;
  /** Request received to the answer of the account's gate. */
  readonly admitted_ms: number;
  readonly colo: string;
  readonly country: string;
  readonly catalog_version: string;
  /** A settle that was not acknowledged in time; the hold ends by itself. */
  readonly settle_lost: boolean;
}

export interface WideEvent {
  set(fields: Partial<WideFields>): void;
  /** All of the answer is known: what follows is not part of its duration. Only the first call counts. */
  end(): void;
  /** Writes the line; only the first call does. */
  emit(): void;
}

/** An event that began at `startedAtMs` and is written by `log`. */
export function createWideEvent(startedAtMs: EpochMs, clock: Clock, log: (line: string) => void): WideEvent {
  const fields: Partial<WideFields> = {};
  let isWritten = false;
  let endedAtMs: EpochMs | null = null;
  return {
    set(more) {
      Object.assign(fields, more);
    },
    end() {
      endedAtMs ??= clock();
    },
    emit() {
      if (isWritten) return;
      isWritten = true;
      const durationMs = (endedAtMs ?? clock()) - startedAtMs;
      log(JSON.stringify({ event: "request", at_ms: startedAtMs, duration_ms: durationMs, ...fields }));
    },
  };
}
