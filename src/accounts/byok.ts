/**
 * BYOK: a tenant's own provider credentials, as its gate hands them to isolates, and the rules of using them. Pure.
 * Order of use: prioritised credentials, then the operator's shared one, then those marked `isFallback`; within each,
 * by `sortOrder`. A credential with `alwaysUse` takes the shared one away from every request that it applies to.
 * A credential applies to a request by its provider, and by model and API key where it names some.
 * Credentials travel sealed, bound to account and provider (seal.ts); a plain one exists in isolate memory only.
 */
import type { AccountId, ByokId, KeyHash, ModelId, ProviderId } from "../core/ids.ts";

/** One enabled credential, sealed. */
export interface SealedByok {
  readonly id: ByokId;
  readonly provider: ProviderId;
  readonly sealed: string;
  readonly isFallback: boolean;
  readonly alwaysUse: boolean;
  readonly sortOrder: number;
  /** Null: every model. */
  readonly allowedModels: readonly ModelId[] | null;
  /** Null: every API key of the account. */
  readonly allowedKeyHashes: readonly KeyHash[] | null;
}

/** What a gate tells an isolate that knows another `token`: all enabled credentials and the fee of the moment. */
export interface ByokGrant {
  /** Names this very state; NO_BYOK when there is no enabled credential. */
  readonly token: string;
  /** Basis points of the list price; 0 while the month's free allowance lasts. */
  readonly feeBps: number;
  readonly credentials: readonly SealedByok[];
}

/** An opened credential. `secret` is null when no WAYPOST_SECRET opens it: it excludes, but cannot serve. */
export interface OpenByok extends Omit<SealedByok, "sealed"> {
  readonly secret: string | null;
}

/** The credentials that apply to a request at one provider, in the order of use. */
export interface ByokChoice {
  /** Only those that can be used. */
  readonly usable: readonly OpenByok[];
  /** The operator's shared credential must not be used. */
  readonly isOnly: boolean;
}

/** The token of an account without enabled credentials, and what an isolate says that knows nothing. */
export const NO_BYOK = "";
/** Credentials that one request tries at one provider; the rest of the order is not reached. */
export const BYOK_PER_PROVIDER_MAX = 4;

/** Which of `credentials` apply; null when none does. */
export function byokChoice(
  credentials: readonly OpenByok[],
  request: { readonly provider: ProviderId; readonly model: ModelId; readonly keyHash: KeyHash },
): ByokChoice | null {
  const applying = credentials.filter(
    (one) =>
      one.provider === request.provider &&
      (one.allowedModels === null || one.allowedModels.includes(request.model)) &&
      (one.allowedKeyHashes === null || one.allowedKeyHashes.includes(request.keyHash)),
  );
  if (applying.length === 0) return null;
  const usable = applying
    .filter((one) => one.secret !== null)
    .toSorted(
      (left, right) =>
        Number(left.isFallback) - Number(right.isFallback) ||
        left.sortOrder - right.sortOrder ||
        (left.id < right.id ? -1 : 1),
    );
  return { usable: usable.slice(0, BYOK_PER_PROVIDER_MAX), isOnly: applying.some((one) => one.alwaysUse) };
}

/** What a credential is sealed for: neither another account nor another provider can open it. */
export function byokContext(account: AccountId, provider: ProviderId): string {
  return `byok ${account} ${provider}`;
}

/** Below this a beginning and an end would tell too much. */
const LABEL_CHARS_MIN = 20;

/** The credential as it may be shown: `sk-...AbCd`; a short one or a JSON document shows nothing of itself. */
export function byokLabel(secret: string): string {
  if (secret.startsWith("{") || secret.startsWith("[")) return "{...}";
  return secret.length < LABEL_CHARS_MIN ? "..." : `${secret.slice(0, 3)}...${secret.slice(-4)}`;
}
