/**
 * What an AccountGate answers about a tenant's own provider credentials (BYOK), as types. A credential crosses this wire
 * sealed, in both directions; the gate itself can't open one.
 */
import type { ByokGrant } from "../accounts/byok.ts";
import type { RouterError } from "../core/error.ts";
import type { ByokId, KeyHash, ModelId, ProviderId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import type { Result } from "../core/result.ts";

/** Why a credential failed when it was last used; gone once it has answered again. */
export interface ByokFault {
  readonly atMs: number;
  /** An error type of core/error.ts. */
  readonly type: string;
  /** The provider's HTTP status; 0 when it gave none. */
  readonly status: number;
}

/** A credential as shown: never the secret, sealed or not. */
export interface ByokView {
  readonly id: ByokId;
  readonly provider: ProviderId;
  readonly label: string;
  readonly name: string | null;
  readonly disabled: boolean;
  /** Used after the operator's shared credential. */
  readonly isFallback: boolean;
  /** The shared credential is never used where this one applies. */
  readonly alwaysUse: boolean;
  /** Within the provider, ascending. */
  readonly sortOrder: number;
  readonly allowedModels: readonly ModelId[] | null;
  readonly allowedKeyHashes: readonly KeyHash[] | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number | null;
  readonly lastError: ByokFault | null;
}

export interface NewByok {
  readonly id: ByokId;
  readonly provider: ProviderId;
  readonly label: string;
  readonly sealed: string;
  readonly name: string | null;
  readonly disabled: boolean;
  readonly isFallback: boolean;
  readonly alwaysUse: boolean;
  /** Null: behind the provider's others. */
  readonly sortOrder: number | null;
  readonly allowedModels: readonly ModelId[] | null;
  readonly allowedKeyHashes: readonly KeyHash[] | null;
}

/** Absent: unchanged; null: cleared. A new secret comes with its label. */
export interface ByokChange {
  readonly secret?: { readonly sealed: string; readonly label: string } | undefined;
  readonly name?: string | null | undefined;
  readonly disabled?: boolean | undefined;
  readonly isFallback?: boolean | undefined;
  readonly alwaysUse?: boolean | undefined;
  readonly sortOrder?: number | undefined;
  readonly allowedModels?: readonly ModelId[] | null | undefined;
  readonly allowedKeyHashes?: readonly KeyHash[] | null | undefined;
}

/** How one credential fared in one attempt. */
export interface ByokOutcome {
  readonly id: ByokId;
  /** Null: it answered. A failure that is the request's own fault is no outcome at all. */
  readonly error: { readonly type: string; readonly status: number } | null;
}

/** What a settlement says of credentials; absent where none was tried. */
export interface ByokUse {
  readonly outcomes: readonly ByokOutcome[];
  /** The list price of what one of them served: what the monthly allowance counts. 0n: none served. */
  readonly listNusd: NanoUsd;
  /** What the provider bills the tenant for it. */
  readonly upstreamNusd: NanoUsd;
}

/** What a manager may ask for. All but `list` answer the one credential as it is now; `delete` answers none. */
export type ByokCommand =
  | { readonly kind: "list" }
  | { readonly kind: "read"; readonly id: ByokId }
  /** Repeating it, by id, answers the credential as it is. */
  | { readonly kind: "create"; readonly fresh: NewByok }
  | { readonly kind: "update"; readonly id: ByokId; readonly change: ByokChange }
  /** Wipes the sealed secret. */
  | { readonly kind: "delete"; readonly id: ByokId };

export interface AccountByokRpc {
  /**
   * Manages credentials. `not_found` names an unknown one, another account's among them; `bad_request` a key hash that
   * is not the account's, a contradiction, or one credential too many.
   */
  byok(command: ByokCommand): Promise<Result<readonly ByokView[], RouterError>>;
  /** What an isolate must know before it plans; null when `token` is still the state. */
  byokGrant(token: string): Promise<Result<ByokGrant | null, RouterError>>;
}
