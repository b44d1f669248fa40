/**
 * The limits of keys and of the account itself, on a gate's memory: who is let through, what is counted, how limits are
 * changed. Synchronous. Counts cost no row of their own: an open hold's row says when it was let through and with how many
 * tokens; what has ended is in the rows of key and account that a settle writes. A woken gate adds the two.
 * An account has limits of the tenant's own and of the operator's; both hold.
 */
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { NanoUsd } from "../core/money.ts";
import { err, ok, type Result } from "../core/result.ts";
import { completionTokens, promptTokens } from "../core/usage.ts";
import {
  budgetFault,
  BUDGET_INTERVALS,
  NO_BUDGETS,
  strictestBudgets,
  tightestBudget,
  type BudgetInterval,
  type Budgets,
  type Spent,
  type TightestBudget,
} from "../limits/budget.ts";
import {
  bothAllow,
  hasRates,
  isAllowed,
  minuteAt,
  minuteWith,
  NO_COUNT,
  NO_LIMITS,
  rateVerdict,
  strictest,
  type RateSubject,
  type RateVerdict,
  type TenantLimits,
} from "../limits/tenant-limits.ts";
import { windowAt } from "../limits/window.ts";
import type {
  AccountLimitsChange,
  AccountLimitsView,
  Admission,
  Footprint,
  LimitsChange,
  LimitsOwner,
  Settlement,
} from "./account-contract.ts";
import {
  ACCOUNT_MINUTE,
  countInMinute,
  counterAt,
  endExpiredHolds,
  keepAccount,
  limitRemaining,
  newCounter,
  type AccountMemory,
} from "./account-memory.ts";
import type { AccountLimitsRow, AccountRow, Hold, KeyRow } from "./account-rows.ts";

export const NO_ACCOUNT_LIMITS: AccountLimitsRow = { limits: NO_LIMITS, budgets: {}, zeroRetention: false };
const NO_WINDOW = { id: "", nusd: 0n };
export const NO_SPENT: AccountRow["spent"] = { daily: NO_WINDOW, weekly: NO_WINDOW, monthly: NO_WINDOW };

/**
 * Whether each request of this key must be counted or judged by the gate: there are limits beside the key's spend limit.
 * Such a key is never lent anything.
 */
export function hasRateLimits(key: KeyRow, account: AccountRow): boolean {
  const limits = strictest(key.limits, accountLimits(account));
  return (
    hasRates(limits) ||
    limits.allowedModels !== null ||
    limits.allowedProviders !== null ||
    accountBudgets(account) !== NO_BUDGETS
  );
}

/** Null when the key may use all of it; a refusal when it may use none of the models named; else what it may use. */
export function restrictionOf(account: AccountRow, key: KeyRow, footprint: Footprint): Admission | null {
  const allowedModels = bothAllow(key.limits.allowedModels, accountLimits(account).allowedModels);
  const allowedProviders = bothAllow(key.limits.allowedProviders, accountLimits(account).allowedProviders);
  const models = footprint.models.filter((model) => isAllowed(model, allowedModels));
  if (models.length === 0 && footprint.models.length > 0 && footprint.isChosen !== true) {
    return { kind: "refused", error: notAllowed(footprint.models, allowedModels ?? []) };
  }
  const isWhole =
    models.length === footprint.models.length &&
    footprint.providers.every((provider) => isAllowed(provider, allowedProviders));
  return isWhole ? null : { kind: "restricted", restriction: { allowedModels, allowedProviders } };
}

/** The 403 of a key that may not use any of `models`. */
function notAllowed(models: readonly string[], allowed: readonly string[]): RouterError {
  const named = models.length === 1 ? `the model ${models[0]}` : `any of the models ${models.join(", ")}`;
  const message = `This API key may not use ${named}. It may use: ${allowed.join(", ") || "none"}.`;
  return { kind: "forbidden", message, allowed };
}

/** Whether one more request may go now; holds whose time is over stand in nobody's way. */
export function judgeRates(memory: AccountMemory, key: KeyRow, footprint: Footprint, nowMs: EpochMs): RateVerdict {
  const judged = (): RateVerdict => rateVerdict(subjectsOf(memory, key, nowMs), footprint.tokens, nowMs);
  const verdict = judged();
  if (verdict.kind === "allowed") return verdict;
  endExpiredHolds(memory, nowMs);
  return judged();
}

function subjectsOf(memory: AccountMemory, key: KeyRow, nowMs: EpochMs): readonly RateSubject[] {
  const minute = (id: string) => minuteAt(memory.minutes.get(id) ?? NO_COUNT, nowMs);
  return [
    { owner: "key", limits: key.limits, minute: minute(key.counter), open: memory.openByCounter.get(key.counter) ?? 0 },
    {
      owner: "account",
      limits: accountLimits(memory.account),
      minute: minute(ACCOUNT_MINUTE),
      open: memory.holds.size,
    },
  ];
}

/**
 * The end of a request that was let through: what it did not use of its tokens goes back to its minute, and its count
 * moves from its hold to the account, in memory. Both are written by the settle that this is part of.
 * @returns whether the key's counter must be written.
 */
export function countEnded(memory: AccountMemory, hold: Hold, settlement: Settlement): boolean {
  const usage = settlement.record?.usage;
  const used = usage === undefined ? 0 : promptTokens(usage) + completionTokens(usage);
  // A count that is none must not keep the gate from waking up.
  const tokens = Number.isSafeInteger(used) && used >= 0 ? used : hold.tokens;
  countInMinute(memory, hold, { requests: 0, tokens: tokens - hold.tokens });
  const ended = { requests: 1, tokens };
  if (hasRates(accountLimits(memory.account))) {
    memory.account = { ...memory.account, minute: minuteWith(memory.account.minute, ended, hold.admittedAtMs) };
  }
  const counter = memory.counters.get(hold.counter);
  if (counter === undefined) return false;
  memory.counters.set(hold.counter, { ...counter, minute: minuteWith(counter.minute, ended, hold.admittedAtMs) });
  // A key without such limits needs the count only while the gate is awake, in case it gets one.
  const key = memory.keys.get(settlement.keyHash);
  return key !== undefined && hasRates(key.limits);
}

/** The account with one more charge in its windows. */
export function spentWith(account: AccountRow, chargedNusd: NanoUsd, nowMs: EpochMs): AccountRow["spent"] {
  const added = (interval: "daily" | "weekly" | "monthly") => {
    const { id } = windowAt(interval, nowMs);
    const window = account.spent[interval];
    return { id, nusd: (window.id === id ? window.nusd : 0n) + chargedNusd };
  };
  return { daily: added("daily"), weekly: added("weekly"), monthly: added("monthly") };
}

/** What the account was charged in the present windows, and in all. */
export function spentNow(account: AccountRow, nowMs: EpochMs): Spent {
  const present = (interval: "daily" | "weekly" | "monthly"): NanoUsd => {
    const window = account.spent[interval];
    return window.id === windowAt(interval, nowMs).id ? window.nusd : 0n;
  };
  return {
    daily: present("daily"),
    weekly: present("weekly"),
    monthly: present("monthly"),
    lifetime: account.usageNusd,
  };
}

/** The budget of the account that leaves least now, open holds not taken off; null when it has none. */
export function budgetNow(account: AccountRow, nowMs: EpochMs): TightestBudget | null {
  const budgets = accountBudgets(account);
  return budgets === NO_BUDGETS ? null : tightestBudget(budgets, spentNow(account, nowMs));
}

/** What the key's limit and the account's budgets leave beyond their open holds; null without any of them. */
export function limitLeft(memory: AccountMemory, key: KeyRow | undefined, nowMs: EpochMs): NanoUsd | null {
  const budget = budgetNow(memory.account, nowMs);
  const byBudget = budget === null ? null : budget.leftNusd - memory.heldNusd;
  if (key === undefined) return byBudget;
  const remainingNusd = limitRemaining(key, memory.counters.get(key.counter) ?? newCounter(nowMs), nowMs);
  if (remainingNusd === null) return byBudget;
  const byKey = remainingNusd - (memory.heldByCounter.get(key.counter) ?? 0n);
  return byBudget === null || byKey < byBudget ? byKey : byBudget;
}

/** The money limit of a key that a change would leave below what is spent; undefined when it would not. */
export function keyLimitLeft(
  memory: AccountMemory,
  key: KeyRow,
  nowMs: EpochMs,
): { spentNusd: NanoUsd; heldNusd: NanoUsd } {
  const counter = counterAt(memory.counters.get(key.counter) ?? newCounter(nowMs), nowMs);
  return {
    spentNusd: key.limitReset === null ? counter.totalNusd : counter[key.limitReset].nusd,
    heldNusd: memory.heldByCounter.get(key.counter) ?? 0n,
  };
}

/** Limits with what a change names. */
export function limitsWith(limits: TenantLimits, change: LimitsChange | undefined): TenantLimits {
  if (change === undefined) return limits;
  const kept = <T>(next: T | undefined, present: T): T => (next === undefined ? present : next);
  return {
    requestsPerMin: kept(change.requestsPerMin, limits.requestsPerMin),
    tokensPerMin: kept(change.tokensPerMin, limits.tokensPerMin),
    maxConcurrency: kept(change.maxConcurrency, limits.maxConcurrency),
    allowedModels: kept(change.allowedModels, limits.allowedModels),
    allowedProviders: kept(change.allowedProviders, limits.allowedProviders),
  };
}

/** Changes the limits and budgets of the account that belong to `owner`. @returns `bad_request`; then nothing changed. */
export function limitAccount(
  memory: AccountMemory,
  owner: LimitsOwner,
  change: AccountLimitsChange,
  nowMs: EpochMs,
): Result<null, RouterError> {
  const name = owner === "tenant" ? "tenantLimits" : "operatorLimits";
  const before = memory.account[name];
  const budgets: AccountLimitsRow["budgets"] = { ...before.budgets };
  for (const interval of BUDGET_INTERVALS) {
    const limitNusd = change.budgets?.[interval];
    if (limitNusd === undefined) continue;
    const createdAtMs = before.budgets[interval]?.createdAtMs ?? nowMs;
    budgets[interval] = limitNusd === null ? undefined : { limitNusd, createdAtMs, updatedAtMs: nowMs };
  }
  const changesBudgets = change.budgets !== undefined && Object.values(change.budgets).some((limit) => limit !== null);
  const fault = changesBudgets
    ? budgetFault(limitsOf(budgets), spentNow(memory.account, nowMs), memory.heldNusd)
    : undefined;
  if (fault !== undefined) return err({ kind: "bad_request", message: sentence(fault), path: "budgets" });
  const limits = limitsWith(before.limits, change.limits);
  const zeroRetention = change.zeroRetention ?? before.zeroRetention;
  keepAccount(memory, { ...memory.account, [name]: { limits, budgets, zeroRetention } });
  return ok(null);
}

/** Whether the tenant or the operator wants no answer of the account kept. */
export function isZeroRetention({ tenantLimits, operatorLimits }: AccountRow): boolean {
  return tenantLimits.zeroRetention || operatorLimits.zeroRetention;
}

/** The account's limits as shown. */
export function accountLimitsViews(account: AccountRow): Readonly<Record<LimitsOwner, AccountLimitsView>> {
  return { tenant: account.tenantLimits, operator: account.operatorLimits };
}

function accountLimits({ tenantLimits, operatorLimits }: AccountRow): TenantLimits {
  return strictest(tenantLimits.limits, operatorLimits.limits);
}

function accountBudgets({ tenantLimits, operatorLimits }: AccountRow): Budgets {
  if (isEmpty(tenantLimits.budgets) && isEmpty(operatorLimits.budgets)) return NO_BUDGETS;
  return strictestBudgets(limitsOf(tenantLimits.budgets), limitsOf(operatorLimits.budgets));
}

function isEmpty(budgets: AccountLimitsRow["budgets"]): boolean {
  return BUDGET_INTERVALS.every((interval) => budgets[interval] === undefined);
}

function limitsOf(budgets: AccountLimitsRow["budgets"]): Budgets {
  const limit = (interval: BudgetInterval): NanoUsd | null => budgets[interval]?.limitNusd ?? null;
  return {
    ...NO_BUDGETS,
    daily: limit("daily"),
    weekly: limit("weekly"),
    monthly: limit("monthly"),
    lifetime: limit("lifetime"),
  };
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
