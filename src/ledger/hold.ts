/**
 * The rules of prepaid money, as arithmetic: what may be held, what is charged, what the operator bears. Pure; amounts
 * in nano-dollars. The AccountGate calls these between reading and writing its storage, without waiting in between,
 * so that N requests at once with credit for k get exactly k holds.
 *   spendable = balance - open holds
 *   charge    = min(cost, hold + what balance and limits leave), and never more than the balance
 *   loss      = cost - charge, borne by the operator
 */
import type { LimitSource } from "../core/error.ts";
import type { NanoUsd } from "../core/money.ts";
import { assert } from "../core/result.ts";

export interface HoldRequest {
  readonly balanceNusd: NanoUsd;
  /** All open holds of the account. */
  readonly heldNusd: NanoUsd;
  /** What the key's limit leaves in its window, open holds of the key not yet taken off; null: no limit. */
  readonly keyRemainingNusd: NanoUsd | null;
  /** Open holds of the key. */
  readonly keyHeldNusd: NanoUsd;
  /** Worst case of the request. */
  readonly wantedNusd: NanoUsd;
  /** The least that makes sense. */
  readonly minimumNusd: NanoUsd;
  /** Held instead of `wantedNusd` where it is a small part of what is spendable; absent: nothing is. */
  readonly fullNusd?: NanoUsd | undefined;
}

/** What is held in full may be one part in so many of what is spendable: requests beside it must find some, too. */
const FULL_SHARE = 4n;

export type HoldVerdict =
  /** `leftNusd`: what is spendable beside it. */
  | { readonly kind: "held"; readonly amountNusd: NanoUsd; readonly leftNusd: NanoUsd }
  | { readonly kind: "short"; readonly spendableNusd: NanoUsd; readonly limitSource: LimitSource };

/**
 * How much to hold: the worst case if it is spendable, else all that is spendable, if that is at least the minimum; more
 * than the worst case only where there is plenty.
 * `limitSource` of a refusal names what binds: the in-flight budget when only open holds are in the way, of the account
 * or of the key, so that trying again makes sense; else whichever of the key's limit and the balance leaves less.
 */
export function holdVerdict(request: HoldRequest): HoldVerdict {
  assert(request.minimumNusd >= 0n, "a minimum is not negative");
  // A caller whose minimum is dearer than its worst case means the minimum.
  const leastNusd = request.wantedNusd > request.minimumNusd ? request.wantedNusd : request.minimumNusd;
  const creditNusd = request.balanceNusd - request.heldNusd;
  const limitNusd = request.keyRemainingNusd === null ? null : request.keyRemainingNusd - request.keyHeldNusd;
  const isLimitTighter = limitNusd !== null && limitNusd < creditNusd;
  const spendableNusd = isLimitTighter ? limitNusd : creditNusd;
  if (spendableNusd >= 0n && spendableNusd >= request.minimumNusd) {
    const fullNusd = request.fullNusd ?? leastNusd;
    const wantedNusd = fullNusd > leastNusd && fullNusd * FULL_SHARE <= spendableNusd ? fullNusd : leastNusd;
    const amountNusd = least(wantedNusd, spendableNusd);
    return { kind: "held", amountNusd, leftNusd: spendableNusd - amountNusd };
  }
  return { kind: "short", spendableNusd: spendableNusd > 0n ? spendableNusd : 0n, limitSource: limitSourceOf(request) };
}

/** What stands in the way of a request that got no hold. */
function limitSourceOf({ balanceNusd, keyRemainingNusd, minimumNusd }: HoldRequest): LimitSource {
  const wouldDo = (amountNusd: NanoUsd): boolean => amountNusd >= 0n && amountNusd >= minimumNusd;
  const isLimitShort = keyRemainingNusd !== null && !wouldDo(keyRemainingNusd);
  if (wouldDo(balanceNusd)) return isLimitShort ? "key_limit" : "in_flight_budget";
  return isLimitShort && keyRemainingNusd < balanceNusd ? "key_limit" : "credits";
}

export interface ChargeRequest {
  readonly costNusd: NanoUsd;
  /** The generation's own open hold; 0n when it has ended. */
  readonly holdNusd: NanoUsd;
  readonly balanceNusd: NanoUsd;
  /** All open holds, this one included. */
  readonly heldNusd: NanoUsd;
  /** What limits of the key and the account leave beyond their open holds; null: no limit. */
  readonly limitLeftNusd?: NanoUsd | null | undefined;
}

export interface Charge {
  /** What the tenant pays. */
  readonly chargedNusd: NanoUsd;
  /** What the operator bears. */
  readonly lossNusd: NanoUsd;
}

/**
 * The exact charge. Beyond its hold a generation takes only what neither the balance nor a limit has for others, so that
 * a limit is never passed: what an answer costs more is the operator's. A debit may have taken what was held: then a hold still reaches what is left of the balance, but
 * never below zero, and nobody else's hold is touched as long as the balance covers them.
 */
export function chargeOf(request: ChargeRequest): Charge {
  assert(request.costNusd >= 0n, "a cost is not negative");
  assert(request.holdNusd >= 0n && request.holdNusd <= request.heldNusd, "a hold is one of the open holds");
  const spendableNusd = request.balanceNusd - request.heldNusd;
  const beyondNusd = least(spendableNusd, request.limitLeftNusd ?? spendableNusd);
  const reachNusd = request.holdNusd + (beyondNusd > 0n ? beyondNusd : 0n);
  const leftNusd = request.balanceNusd > 0n ? request.balanceNusd : 0n;
  const chargedNusd = least(request.costNusd, least(reachNusd, leftNusd));
  return { chargedNusd, lossNusd: request.costNusd - chargedNusd };
}

function least(left: NanoUsd, right: NanoUsd): NanoUsd {
  return left < right ? left : right;
}
