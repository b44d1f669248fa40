/**
 * Limits of keys and accounts as the API shows them, and the fields by which they are set. Money is USD, exact to the
 * nano-dollar. Names are those of the API that we are compatible with where it has them.
 */
import * as z from "zod";
import { formatUsd, parseUsd, usdNumber, type NanoUsd } from "../core/money.ts";
import type { AccountLimitsView, AccountView, LimitsChange } from "../gates/account-contract.ts";
import { BUDGET_INTERVALS, type BudgetInterval } from "../limits/budget.ts";
import { ALLOWED_MAX, RATE_MAX, type TenantLimits } from "../limits/tenant-limits.ts";

const NAME_CHARS_MAX = 200;

const count = z.int().nullable();
const list = z.array(z.string()).nullable();

/** Limits as shown; null: none. */
export const limitsShape = {
  requests_per_minute: count.describe("In a UTC minute"),
  tokens_per_minute: count.describe("Prompt and completion, in a UTC minute"),
  max_concurrency: count.describe("Requests that run at the same time"),
  allowed_models: list.describe("Ids as GET /models lists them, or `author/*`"),
  allowed_providers: list.describe("Slugs as GET /providers lists them"),
};
export const LimitsShape = z.object(limitsShape);
export type LimitsShape = z.infer<typeof LimitsShape>;

/** Limits as the API shows them. */
export function limitsBody(limits: TenantLimits): LimitsShape {
  return {
    requests_per_minute: limits.requestsPerMin,
    tokens_per_minute: limits.tokensPerMin,
    max_concurrency: limits.maxConcurrency,
    allowed_models: limits.allowedModels === null ? null : [...limits.allowedModels],
    allowed_providers: limits.allowedProviders === null ? null : [...limits.allowedProviders],
  };
}

const rate = (what: string) =>
  z
    .int({ error: "must be a whole number, or null for no limit" })
    .min(1, "must be at least 1, or null for no limit")
    .max(RATE_MAX, `must be at most ${RATE_MAX}, or null for no limit`)
    .nullable()
    .optional()
    .describe(what);
const names = (pattern: RegExp, form: string) =>
  z
    .array(z.string().max(NAME_CHARS_MAX).regex(pattern, form))
    .min(1, "must name at least one, or be null to allow all")
    .max(ALLOWED_MAX)
    .nullable()
    .optional();

/** The fields that set limits; absent: unchanged, null: none. */
export const limitFields = {
  requests_per_minute: rate("Requests in a UTC minute"),
  tokens_per_minute: rate("Prompt and completion tokens in a UTC minute"),
  max_concurrency: rate("Requests that run at the same time"),
  allowed_models: names(
    /^[^/\s*]+\/(?:\*|[^/\s*]+)$/,
    "must be a model's id, such as author/slug, or author/* for all of an author's",
  ).describe("Ids as GET /models lists them, or `author/*`; null: all"),
  allowed_providers: names(/^[a-z0-9-]+$/, "must be a provider's slug").describe("Slugs; null: all"),
};

/** The limits that a body sets. */
export function limitsOf(body: z.infer<z.ZodObject<typeof limitFields>>): LimitsChange {
  return {
    requestsPerMin: body.requests_per_minute,
    tokensPerMin: body.tokens_per_minute,
    maxConcurrency: body.max_concurrency,
    allowedModels: body.allowed_models,
    allowedProviders: body.allowed_providers,
  };
}

/** USD as a JSON number or a decimal string; read by its decimal text, so that no float ever holds it. */
export const UsdLimit = z.union([z.number(), z.string()]).transform((value, context): NanoUsd => {
  const parsed = parseUsd(String(value));
  if (parsed.ok && parsed.value >= 0n) return parsed.value;
  context.issues.push({
    code: "custom",
    input: value,
    message: parsed.ok ? "must not be negative" : parsed.error,
  });
  return z.NEVER;
});

const usdText = z.string().nullable().describe("Decimal USD; null: none");
const BudgetsShape = z.object({ daily: usdText, weekly: usdText, monthly: usdText, lifetime: usdText });

/** An account's limits as its operator sees them. */
export const AccountLimitsShape = z.object({ ...limitsShape, budgets: BudgetsShape, zero_retention: z.boolean() });

export const zeroRetentionField = z
  .boolean()
  .optional()
  .describe("Keep no answer, not even for a repeat with the same Idempotency-Key");

export function accountLimitsBody({
  limits,
  budgets,
  zeroRetention,
}: AccountLimitsView): z.infer<typeof AccountLimitsShape> {
  const limit = (interval: BudgetInterval): string | null => {
    const budget = budgets[interval];
    return budget === undefined ? null : formatUsd(budget.limitNusd);
  };
  return {
    ...limitsBody(limits),
    budgets: {
      daily: limit("daily"),
      weekly: limit("weekly"),
      monthly: limit("monthly"),
      lifetime: limit("lifetime"),
    },
    zero_retention: zeroRetention,
  };
}

const budget = UsdLimit.nullable().optional().describe("USD, greater than 0; null: none");

/** The field that sets budgets. */
export const budgetsField = z
  .strictObject({ daily: budget, weekly: budget, monthly: budget, lifetime: budget })
  .optional()
  .describe("What the account may spend in a UTC day, week, month, and in all; each larger than the one before");

/** One budget as the API shows it. */
export const BudgetShape = z.object({
  id: z.string(),
  workspace_id: z.string().describe("The account"),
  limit_usd: z.number(),
  reset_interval: z.enum(["daily", "weekly", "monthly"]).nullable().describe("Null: for the account's life"),
  spent_usd: z.number().describe("Charged in the present interval"),
  created_at: z.string(),
  updated_at: z.string(),
});

/** The tenant's own budgets of an account. */
export function budgetBodies(view: AccountView): readonly z.infer<typeof BudgetShape>[] {
  return BUDGET_INTERVALS.flatMap((interval) => {
    const found = view.limits.tenant.budgets[interval];
    if (found === undefined) return [];
    return [
      {
        id: `${view.id}/${interval}`,
        workspace_id: view.id,
        limit_usd: usdNumber(found.limitNusd),
        reset_interval: interval === "lifetime" ? null : interval,
        spent_usd: usdNumber(view.spentNusd[interval]),
        created_at: new Date(found.createdAtMs).toISOString(),
        updated_at: new Date(found.updatedAtMs).toISOString(),
      },
    ];
  });
}
