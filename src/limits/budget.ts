/**
 * Budgets of an account: what it may spend in a UTC day, week and month, and in all. Pure; amounts in nano-dollars.
 * Open holds count as spent, so that no number of parallel requests passes a budget.
 * Rules and wording: https://openrouter.ai/docs/api-reference/workspaces (stored contract read 2026-11-21).
 */
import type { RouterError } from "../core/error.ts";
import { formatUsd, type NanoUsd } from "../core/money.ts";

export const BUDGET_INTERVALS = ["daily", "weekly", "monthly", "lifetime"] as const;
export type BudgetInterval = (typeof BUDGET_INTERVALS)[number];

/** Limits by interval; null: none. */
export type Budgets = Readonly<Record<BudgetInterval, NanoUsd | null>>;
/** Charges in the present windows. */
export type Spent = Readonly<Record<BudgetInterval, NanoUsd>>;

export const NO_BUDGETS: Budgets = { daily: null, weekly: null, monthly: null, lifetime: null };

export interface TightestBudget {
  readonly interval: BudgetInterval;
  readonly limitNusd: NanoUsd;
  /** Open holds not taken off; may be negative. */
  readonly leftNusd: NanoUsd;
}

/** Budgets as strict as both. */
export function strictestBudgets(left: Budgets, right: Budgets): Budgets {
  const least = (interval: BudgetInterval): NanoUsd | null => {
    const [one, other] = [left[interval], right[interval]];
    return one === null || other === null ? (one ?? other) : one < other ? one : other;
  };
  return { daily: least("daily"), weekly: least("weekly"), monthly: least("monthly"), lifetime: least("lifetime") };
}

/** The budget that leaves least; null when there is none. */
export function tightestBudget(budgets: Budgets, spent: Spent): TightestBudget | null {
  let tightest: TightestBudget | null = null;
  for (const interval of BUDGET_INTERVALS) {
    const limitNusd = budgets[interval];
    if (limitNusd === null) continue;
    const leftNusd = limitNusd - spent[interval];
    if (tightest === null || leftNusd < tightest.leftNusd) tightest = { interval, limitNusd, leftNusd };
  }
  return tightest;
}

/** The 403 of a budget that is used up. */
export function budgetError({ interval, limitNusd }: TightestBudget): RouterError {
  const message = `Workspace ${interval} budget of $${formatUsd(limitNusd)} exceeded. Raise the budget, or wait until it resets.`;
  return { kind: "forbidden", message, limitSource: "account_budget" };
}

/**
 * What is wrong with new budgets, as a sentence: a longer interval must have the larger budget, and none may be below
 * what is spent or reserved already, since no request that was let through can be taken back.
 */
export function budgetFault(budgets: Budgets, spent: Spent, heldNusd: NanoUsd): string | undefined {
  let shorter: { readonly interval: BudgetInterval; readonly limitNusd: NanoUsd } | null = null;
  for (const interval of BUDGET_INTERVALS) {
    const limitNusd = budgets[interval];
    if (limitNusd === null) continue;
    if (limitNusd <= 0n) return `the ${interval} budget must be greater than 0`;
    if (shorter !== null && limitNusd <= shorter.limitNusd) {
      return `the ${interval} budget must be larger than the ${shorter.interval} one ($${formatUsd(shorter.limitNusd)})`;
    }
    const fault = spentFault(limitNusd, spent[interval], heldNusd);
    if (fault !== undefined) return `the ${interval} budget ${fault}`;
    shorter = { interval, limitNusd };
  }
  return undefined;
}

/** Why a limit of money can't be set below what it already covers; undefined when it is not. */
export function spentFault(limitNusd: NanoUsd, spentNusd: NanoUsd, heldNusd: NanoUsd): string | undefined {
  if (limitNusd >= spentNusd + heldNusd) return undefined;
  const reserved =
    heldNusd === 0n
      ? ""
      : `, and $${formatUsd(heldNusd)} more are reserved by running requests; what they leave is free in seconds`;
  return `of $${formatUsd(limitNusd)} is below what is already spent: $${formatUsd(spentNusd)}${reserved}`;
}
