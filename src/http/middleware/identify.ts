/**
 * Who asks, as the account's gate sees it: whether the key may be used, its kind, its account. One call to the gate;
 * routes that read something of the account anyway ask for both at once.
 */
import type { RouterError } from "../../core/error.ts";
import type { KeyHash } from "../../core/ids.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { AccountByokRpc } from "../../gates/account-byok-contract.ts";
import type { AccountDeskRpc, Identity } from "../../gates/account-contract.ts";
import type { AccountPaymentsRpc } from "../../gates/account-payments-contract.ts";
import type { AccountPresetsRpc } from "../../gates/account-presets-contract.ts";
import type { AppContext } from "../context.ts";
import { authenticate, type Caller } from "./authenticate.ts";
import { stored } from "../stored.ts";

/** What the management routes ask of a gate. */
type Desk = AccountDeskRpc & AccountByokRpc & AccountPaymentsRpc & AccountPresetsRpc;

/** A caller whose key may be used now. */
export interface Identified extends Identity {
  readonly caller: Caller;
  /** The gate of the caller's own account: nothing of another account can be reached through it. */
  readonly gate: Desk;
}

/** An answer of a gate. @returns what the gate says, or `storage` when it cannot be reached. */
export async function gateAnswer<T>(work: Promise<Result<T, RouterError>>): Promise<Result<T, RouterError>> {
  const answer = await stored(work);
  return answer.ok ? answer.value : answer;
}

/** @returns `unauthenticated`, `forbidden` for a suspended account, `storage`. */
export async function identify(context: AppContext): Promise<Result<Identified, RouterError>> {
  const caller = await authenticate(context);
  if (!caller.ok) return caller;
  const gate = deskOf(context, caller.value);
  const identity = await gateAnswer(gate.identify(caller.value.keyHash));
  return identity.ok ? ok({ ...identity.value, caller: caller.value, gate }) : identity;
}

/** The same for routes that manage keys. @returns also `forbidden` for an inference key. */
export async function identifyManager(context: AppContext): Promise<Result<Identified, RouterError>> {
  const identified = await identify(context);
  if (!identified.ok || identified.value.key.kind === "management") return identified;
  return err({ kind: "forbidden", message: "Only management keys can perform this operation" });
}

/** The desk of a caller's account. */
export function deskOf(context: AppContext, caller: Caller): Desk {
  return context.get("deps").accountGate(caller.account);
}

/** Headers of an answer that is for its caller alone. */
export const PRIVATE = { "Cache-Control": "private, no-store" } as const;

/**
 * Why a management key may not end itself: nobody could manage the account's keys any more. Rotating it is the way.
 * @returns `conflict`, or undefined when `hash` is another key.
 */
export function ownKeyFault({ key }: Identified, hash: KeyHash, verb: string): RouterError | undefined {
  if (key.hash !== hash) return undefined;
  return {
    kind: "conflict",
    message: `The management key that asks can't be ${verb}. Rotate it, then use the new one.`,
  };
}
