/**
 * Admission on a gate's memory: key, limits, hold and lease together. Synchronous from the first check to the last write,
 * so no other request can come in between: with credit for k, exactly k of any number of parallel requests are admitted.
 */
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { GenerationId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import { holdVerdict, type HoldVerdict } from "../ledger/hold.ts";
import { budgetError } from "../limits/budget.ts";
import { HOLD_LIFE_MS, type Admission, type AdmitRequest } from "./account-contract.ts";
import { freeVerdictOf, presentFree, takeFreePlace } from "./account-free.ts";
import { usableKey } from "./account-keys.ts";
import { answerReport, endExpiredLeases, hearReport, type Touched } from "./account-leases.ts";
import { budgetNow, judgeRates, restrictionOf } from "./account-limits.ts";
import {
  countInMinute,
  endExpiredHolds,
  keepHold,
  keepLeases,
  limitRemaining,
  newCounter,
  type AccountMemory,
} from "./account-memory.ts";
import { sinceMadeMs, wasSettled } from "./account-recent.ts";
import type { Hold, KeyRow } from "./account-rows.ts";

const SETTLED: RouterError = { kind: "conflict", message: "This generation was settled before." };

/** Key, limits, hold and lease together. */
export function admit(memory: AccountMemory, request: AdmitRequest, nowMs: EpochMs): Admission {
  const report = request.isFree ? null : (request.lease ?? null);
  if (report === null) return admitOne(memory, request, nowMs);
  const touched: Touched = new Set();
  return memory.store.atomically(() => {
    hearReport(memory, report, nowMs, touched);
    const admission = admitOne(memory, request, nowMs);
    const lease = admission.kind === "admitted" ? answerReport(memory, report, nowMs, touched) : null;
    keepLeases(memory, touched);
    return lease === null || admission.kind !== "admitted" ? admission : { ...admission, lease };
  });
}

function admitOne(memory: AccountMemory, request: AdmitRequest, nowMs: EpochMs): Admission {
  const key = usableKey(memory, request.keyHash, nowMs);
  if (!key.ok) return { kind: "refused", error: key.error };
  if (key.value.kind === "management") {
    return refused({ kind: "forbidden", message: "A management key can't be used for inference. Use an API key." });
  }
  const open = liveHold(memory, request.generationId, nowMs);
  if (open !== undefined) {
    const rest = spendVerdict(memory, key.value, NOTHING_MORE, nowMs);
    return rest.kind === "held" ? { ...admitted(open), leftNusd: rest.leftNusd } : admitted(open);
  }
  // An admission that was overtaken by its own settle: a hold would make the settle's repeat look new.
  if (wasSettled(memory, request.generationId, sinceMadeMs(request.generationId), nowMs)) return refused(SETTLED);
  const restriction = restrictionOf(memory.account, key.value, request.footprint);
  if (restriction !== null) return restriction;
  const rates = judgeRates(memory, key.value, request.footprint, nowMs);
  if (rates.kind === "refused") return rates;
  const account = presentFree(memory.account, nowMs);
  const free = request.isFree ? freeVerdictOf(account, nowMs) : null;
  if (free?.kind === "refused") return free;
  const verdict = spendVerdict(memory, key.value, request, nowMs);
  if (verdict.kind === "short") return shortOf(memory, verdict, nowMs);
  const hold: Hold = {
    id: request.generationId,
    counter: key.value.counter,
    amountNusd: verdict.amountNusd,
    expiresAtMs: nowMs + HOLD_LIFE_MS,
    freeAtMs: request.isFree ? nowMs : null,
    admittedAtMs: nowMs,
    tokens: rates.tokens,
  };
  if (request.isFree) takeFreePlace(memory, account, hold);
  else keepHold(memory, hold);
  countInMinute(memory, hold, { requests: 1, tokens: hold.tokens });
  return { ...admitted(hold), leftNusd: verdict.leftNusd };
}

/** Lengthens open holds to a whole life from now. */
export function renew(memory: AccountMemory, ids: readonly GenerationId[], nowMs: EpochMs): void {
  const open = ids.map((id) => memory.holds.get(id)).filter((hold) => hold !== undefined);
  memory.store.atomically(() => {
    for (const hold of open) keepHold(memory, { ...hold, expiresAtMs: nowMs + HOLD_LIFE_MS });
  });
}

/**
 * The open hold of a generation that asks about it, and so is alive: one whose time is over would be ended while room is
 * looked for, and what it held be given a second time to its own generation.
 */
export function liveHold(memory: AccountMemory, id: GenerationId, nowMs: EpochMs): Hold | undefined {
  const hold = memory.holds.get(id);
  if (hold !== undefined && hold.expiresAtMs <= nowMs) renew(memory, [id], nowMs);
  return memory.holds.get(id);
}

const NOTHING_MORE = { isFree: false, wantedNusd: 0n, minimumNusd: 0n };

type SpendRequest = Pick<AdmitRequest, "isFree" | "wantedNusd" | "minimumNusd" | "fullNusd">;

/** Of balance, budgets and the key's limit. */
export function spendVerdict(memory: AccountMemory, key: KeyRow, request: SpendRequest, nowMs: EpochMs): HoldVerdict {
  // What is free altogether needs no credit, and no limit of the key's stands against it.
  if (request.isFree && request.wantedNusd === 0n) return { kind: "held", amountNusd: 0n, leftNusd: 0n };
  const judged = () =>
    holdVerdict({
      balanceNusd: withinBudget(memory, nowMs),
      heldNusd: memory.heldNusd,
      keyRemainingNusd: limitRemaining(key, memory.counters.get(key.counter) ?? newCounter(nowMs), nowMs),
      keyHeldNusd: memory.heldByCounter.get(key.counter) ?? 0n,
      wantedNusd: request.wantedNusd,
      minimumNusd: request.minimumNusd,
      fullNusd: request.fullNusd,
    });
  const verdict = judged();
  if (verdict.kind === "held") return verdict;
  // The alarm may be late because D1 is slow: nobody is refused for a hold or lease whose time is over.
  endExpiredHolds(memory, nowMs);
  endExpiredLeases(memory, nowMs);
  return judged();
}

/** The balance, as far as the account's budgets let it be spent: open holds count against both alike. */
function withinBudget(memory: AccountMemory, nowMs: EpochMs): NanoUsd {
  const { balanceNusd } = memory.account;
  const budget = budgetNow(memory.account, nowMs);
  return budget === null || balanceNusd < budget.leftNusd ? balanceNusd : budget.leftNusd;
}

/** A shortage of credit, or the budget's own refusal where the budget is what lacks. */
function shortOf(memory: AccountMemory, verdict: HoldVerdict & { readonly kind: "short" }, nowMs: EpochMs): Admission {
  const budget = budgetNow(memory.account, nowMs);
  const isBudget = verdict.limitSource === "credits" && budget !== null && budget.leftNusd < memory.account.balanceNusd;
  return isBudget ? refused(budgetError(budget)) : verdict;
}

function admitted({ amountNusd, expiresAtMs, tokens }: Hold): Admission & { readonly kind: "admitted" } {
  return { kind: "admitted", holdNusd: amountNusd, expiresAtMs, tokens, lease: null };
}

function refused(error: RouterError): Admission {
  return { kind: "refused", error };
}
