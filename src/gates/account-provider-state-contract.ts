/**
 * What providers must see again of an account's tool calls, where it is too long for the ids of the calls. The gate sees
 * sealed bytes and random names, never a word of an answer. One RPC with one command each.
 */
import type { RouterError } from "../core/error.ts";
import type { KeyHash } from "../core/ids.ts";
import type { Result } from "../core/result.ts";

/** Of one state, sealed; a row of the storage holds 2 MB. */
export const STATE_BYTES_MAX = 1024 * 1024;
/** States of one read. */
export const REFS_MAX = 128;

export interface SealedState {
  /** Made by the isolate that keeps it: the time of day in letters that sort, then a random text. */
  readonly ref: string;
  readonly sealed: Uint8Array;
}

export type ProviderStateCommand =
  /** Repeating it changes nothing. */
  | { readonly kind: "keep"; readonly state: SealedState }
  /** At most REFS_MAX of them are looked for, the first ones. */
  | { readonly kind: "read"; readonly keyHash: KeyHash; readonly refs: readonly string[] };

export type ProviderStateAnswer =
  | { readonly kind: "kept" }
  /** Zero retention, or too large: nothing was kept. */
  | { readonly kind: "withheld" }
  /** Those of `refs` that are there. `isZeroRetention`: the account keeps nothing. */
  | { readonly kind: "found"; readonly states: readonly SealedState[]; readonly isZeroRetention: boolean };

export interface AccountProviderStateRpc {
  /** @returns what `identify` refuses with, for a read whose key may not be used. */
  providerState(command: ProviderStateCommand): Promise<Result<ProviderStateAnswer, RouterError>>;
}
