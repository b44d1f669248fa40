/**
 * Every way a request can fail, as values. `http/respond.ts` alone turns a `RouterError` into a status; an adapter's
 * `classifyFailure` alone turns an upstream's answer into an `UpstreamFailure`.
 * No variant ever carries a key, a credential or a prompt; `raw` is the upstream's own text, redacted and cut.
 */
import type { ModelId, ProviderId } from "./ids.ts";

/** Stable machine-readable kinds, the same in every dialect. */
export type ErrorType =
  | "context_length_exceeded"
  | "max_tokens_exceeded"
  | "token_limit_exceeded"
  | "string_too_long"
  | "invalid_request"
  | "invalid_prompt"
  | "content_policy_violation"
  | "refusal"
  | "invalid_image"
  | "image_too_large"
  | "image_too_small"
  | "unsupported_image_format"
  | "image_download_failed"
  | "authentication"
  | "payment_required"
  | "permission_denied"
  | "not_found"
  | "image_not_found"
  | "precondition_failed"
  | "conflict"
  | "payload_too_large"
  | "unprocessable"
  | "rate_limit_exceeded"
  | "provider_unavailable"
  | "provider_overloaded"
  | "timeout"
  | "server"
  | "unmapped";

/**
 * Whose trouble an upstream failure is; decided once, by the adapter's table:
 * - `credential`: bad key, no balance at the provider: that credential is taken out, the endpoint is not to blame;
 * - `endpoint`: 5xx, reset, timeout, malformed: counts against the endpoint's health;
 * - `request`: the provider refuses this very request (400, moderation): never counts against health;
 * - `capacity`: 429: that region is closed for exactly `retryAfterMs`.
 */
export type FailureScope = "credential" | "endpoint" | "request" | "capacity";

export interface UpstreamFailure {
  readonly scope: FailureScope;
  /** Whether another endpoint may be tried. */
  readonly retry: "elsewhere" | "never";
  /** The upstream's HTTP status; 0 when there was none (refused, reset, timed out). */
  readonly status: number;
  readonly errorType: ErrorType;
  /** One sentence for the client. */
  readonly message: string;
  /** The upstream's own code, if it gave one. */
  readonly providerCode: string | null;
  /** The upstream's body, redacted, at most RAW_MAX characters; null when there was none. */
  readonly raw: string | null;
  /** How long the upstream asks to be left alone, if it did. */
  readonly retryAfterMs: number | null;
}

/** Longest upstream text that is shown to a client or kept in a record. */
export const RAW_MAX = 2_000;

/** Why an endpoint was left out of a plan. */
export type ExclusionReason =
  | "allowed_providers"
  | "ignored_provider"
  | "provider_disabled"
  | "no_credential"
  | "data_policy:training"
  | "data_policy:zdr"
  | "data_region"
  | "quantization"
  | "hardware"
  | "max_price"
  | "not_priced"
  | "context_length"
  | "max_output"
  | "require_parameters"
  | "modality"
  | "soft_parameters"
  | "distillable"
  | "capacity_exhausted";

export interface Exclusion {
  readonly endpoint: string;
  readonly provider: ProviderId;
  readonly reason: ExclusionReason;
  /** A short phrase with the figures, e.g. "131072 < 200000 tokens". */
  readonly detail: string;
}

/** One failed upstream call, as the client may see it. */
export interface FailedAttempt {
  readonly provider: ProviderId;
  readonly providerName: string;
  readonly endpoint: string;
  readonly failure: UpstreamFailure;
  /** It was made with the account's own credential. */
  readonly isByok?: boolean;
}

/** Where a limit comes from; `limit_source` on the wire. */
export type LimitSource =
  | "free_tier_daily"
  | "free_tier_per_minute"
  | "credits"
  | "key_limit"
  | "in_flight_budget"
  | "account_budget"
  | `${"key" | "account"}_${"requests_per_minute" | "tokens_per_minute" | "concurrency"}`;

export type RouterError =
  | {
      readonly kind: "bad_request";
      readonly message: string;
      readonly path?: string | undefined;
      readonly errorType?: ErrorType | undefined;
    }
  | { readonly kind: "unprocessable"; readonly message: string; readonly path?: string | undefined }
  | { readonly kind: "too_large"; readonly limitBytes: number }
  | { readonly kind: "overloaded"; readonly retryAfterS: number; readonly message: string }
  | { readonly kind: "unauthenticated"; readonly message: string }
  | {
      readonly kind: "forbidden";
      readonly message: string;
      readonly limitSource?: LimitSource | undefined;
      /** What is allowed, when the trouble is that something is not. */
      readonly allowed?: readonly string[] | undefined;
    }
  | {
      readonly kind: "insufficient_credit";
      readonly message: string;
      readonly limitSource: LimitSource;
      readonly affordableTokens: number | null;
      readonly requestedTokens: number | null;
    }
  | {
      readonly kind: "rate_limited";
      readonly message: string;
      readonly limitSource: LimitSource;
      readonly limit: number;
      readonly remaining: number;
      readonly resetMs: number;
      readonly retryAfterS: number;
    }
  | {
      readonly kind: "unknown_model";
      readonly model: string;
      readonly nearest: readonly string[];
      /** What is wrong with its variants, when that is the trouble. */
      readonly reason?: string | undefined;
    }
  /** `paid` is there, its `:free` listing is not. */
  | { readonly kind: "free_variant_ended"; readonly model: string; readonly paid: ModelId }
  | {
      readonly kind: "no_endpoints";
      readonly models: readonly string[];
      readonly exclusions: readonly Exclusion[];
      /** Seconds until the first region that lacks capacity alone reopens; null when there is none. */
      readonly retryAfterS: number | null;
      /** Why a router found no model to choose; absent: models were named or chosen. */
      readonly why?: string | undefined;
    }
  | { readonly kind: "not_found"; readonly message: string }
  | { readonly kind: "method_not_allowed"; readonly allowed: readonly string[] }
  | {
      readonly kind: "conflict";
      readonly message: string;
      /** Worth trying again after so long. */
      readonly retryAfterS?: number | undefined;
      /** The generation that was charged before. */
      readonly generationId?: string | undefined;
    }
  /** The last attempt's failure is passed on: nothing else may or can be tried. */
  | { readonly kind: "upstream"; readonly attempts: readonly FailedAttempt[]; readonly models: readonly string[] }
  | { readonly kind: "client_gone" }
  | {
      readonly kind: "catalog_refused";
      readonly faults: readonly { readonly path: string; readonly message: string }[];
    }
  | { readonly kind: "storage"; readonly message: string }
  | { readonly kind: "internal" };
