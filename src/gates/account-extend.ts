/** More for a generation that runs: the gate's side of rolling holds (ledger/step.ts). Synchronous, like admission. */
import type { EpochMs } from "../core/clock.ts";
import type { NanoUsd } from "../core/money.ts";
import { HOLD_LIFE_MS, type Extension } from "./account-contract.ts";
import { usableKey } from "./account-keys.ts";
import { keepHold, type AccountMemory } from "./account-memory.ts";
import { isKnown } from "./account-recent.ts";
import { liveHold, spendVerdict } from "./account-admit.ts";

/**
 * Holds more for a generation that runs, as far as it is spendable, and opens a hold for one that has none here: its
 * isolate's lease holds the rest, or nobody renewed it. @returns what is held then, in all.
 */
export function extend(memory: AccountMemory, extension: Extension, nowMs: EpochMs): NanoUsd {
  const { generationId: id, keyHash, totalNusd } = extension;
  const open = liveHold(memory, id, nowMs);
  const heldNusd = open?.amountNusd ?? 0n;
  const key = usableKey(memory, keyHash, nowMs);
  if (totalNusd <= heldNusd || !key.ok || key.value.kind === "management") return heldNusd;
  // It came late: its generation has been settled.
  if (open === undefined && isKnown(memory, id, nowMs)) return 0n;
  const wish = { isFree: false, wantedNusd: totalNusd - heldNusd, minimumNusd: 1n };
  const verdict = spendVerdict(memory, key.value, wish, nowMs);
  if (verdict.kind === "short") return heldNusd;
  const { counter } = key.value;
  const hold = open ?? { id, counter, amountNusd: 0n, expiresAtMs: 0, freeAtMs: null, admittedAtMs: nowMs, tokens: 0 };
  const amountNusd = heldNusd + verdict.amountNusd;
  memory.store.atomically(() => keepHold(memory, { ...hold, amountNusd, expiresAtMs: nowMs + HOLD_LIFE_MS }));
  return amountNusd;
}
