/**
 * An API key as the API shows it, and the fields by which it is changed. Money is JSON numbers in USD, exact to the
 * nano-dollar; times are ISO 8601. A key's own text is shown once, when it is made, and never again.
 */
import * as z from "zod";
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { AccountId } from "../core/ids.ts";
import { usdNumber } from "../core/money.ts";
import type { KeyView } from "../gates/account-contract.ts";
import { limitFields, limitsBody, limitsShape, UsdLimit } from "./limits-shape.ts";

const KEY_NAME_CHARS_MAX = 100;

const usd = z.number().describe("USD");
const time = z.string().describe("ISO 8601");

/** What `GET /key` and the key routes have in common. */
const shared = {
  label: z.string().describe("The key's beginning and end"),
  limit: usd.nullable(),
  limit_remaining: usd.nullable(),
  limit_reset: z.enum(["daily", "weekly", "monthly"]).nullable(),
  ...limitsShape,
  include_byok_in_limit: z.boolean(),
  usage: usd,
  usage_daily: usd,
  usage_weekly: usd,
  usage_monthly: usd,
  byok_usage: usd,
  byok_usage_daily: usd,
  byok_usage_weekly: usd,
  byok_usage_monthly: usd,
  creator_user_id: z.string().nullable(),
  expires_at: time.nullable(),
  is_management_key: z.boolean(),
};

export const KeyShape = z.object({
  ...shared,
  hash: z.string().describe("SHA-256 of the key, in lower-case hexadecimal"),
  name: z.string(),
  disabled: z.boolean(),
  created_at: time,
  updated_at: time.nullable(),
  workspace_id: z.string().describe("The account"),
  external_user: z.null(),
});
export type KeyShape = z.infer<typeof KeyShape>;

export const OwnKeyShape = z.object({
  ...shared,
  is_free_tier: z.boolean().describe("The account has no credits bought or granted"),
  is_provisioning_key: z.boolean(),
  workspace_id: z.string().describe("The account"),
  organization_id: z.null(),
  allowed_data_regions: z.array(z.enum(["global", "europe", "us"])).describe("Where requests may be served"),
  rate_limit: z.object({ requests: z.int(), interval: z.string(), note: z.string() }),
  free_model_daily_requests: z.object({ limit: z.int(), used: z.int(), remaining: z.int() }),
});
export type OwnKeyShape = z.infer<typeof OwnKeyShape>;

export const IssuedKeyShape = z.object({ data: KeyShape, key: z.string().describe("The key itself, shown only here") });

/** A key of `account` as shown. */
export function keyBody(view: KeyView, account: AccountId): KeyShape {
  return {
    hash: view.hash,
    name: view.name,
    disabled: view.disabled,
    ...sharedBody(view),
    created_at: isoTime(view.createdAtMs),
    updated_at: view.updatedAtMs === null ? null : isoTime(view.updatedAtMs),
    workspace_id: account,
    external_user: null,
  };
}

/** What a key and its owner's view of it have in common. */
export function sharedBody(view: KeyView): Pick<KeyShape, keyof typeof shared> {
  return {
    label: view.label,
    limit: view.limitNusd === null ? null : usdNumber(view.limitNusd),
    limit_remaining: view.limitRemainingNusd === null ? null : usdNumber(view.limitRemainingNusd),
    limit_reset: view.limitReset,
    ...limitsBody(view.limits),
    include_byok_in_limit: false,
    usage: usdNumber(view.usageNusd),
    usage_daily: usdNumber(view.usageDailyNusd),
    usage_weekly: usdNumber(view.usageWeeklyNusd),
    usage_monthly: usdNumber(view.usageMonthlyNusd),
    byok_usage: usdNumber(view.byokUsageNusd),
    byok_usage_daily: usdNumber(view.byokUsageDailyNusd),
    byok_usage_weekly: usdNumber(view.byokUsageWeeklyNusd),
    byok_usage_monthly: usdNumber(view.byokUsageMonthlyNusd),
    creator_user_id: null,
    expires_at: view.expiresAtMs === null ? null : isoTime(view.expiresAtMs),
    is_management_key: view.kind === "management",
  };
}

/** The fields of a key that its manager decides. */
export const keyFields = {
  name: z
    .string()
    .min(1)
    .max(KEY_NAME_CHARS_MAX)
    .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text), "must not hold control characters"),
  limit: UsdLimit.nullable().optional().describe("USD; null: none"),
  limit_reset: z.enum(["daily", "weekly", "monthly"]).nullable().optional().describe("UTC; weeks start on Monday"),
  ...limitFields,
  expires_at: z.iso
    .datetime({ offset: true, error: "must be a time such as 2027-12-31T23:59:59Z, or null" })
    .nullable()
    .optional(),
  include_byok_in_limit: z.literal(false).optional().describe("A key's limit counts credits only"),
};

/** Epoch ms of an `expires_at` that was checked; undefined and null stay what they are. */
export function expiryMs(text: string | null | undefined): number | null | undefined {
  return typeof text === "string" ? Date.parse(text) : text;
}

/** An `expires_at` that is over already: a `bad_request`. Disable or delete a key to end it now. */
export function expiryFault(text: string | null | undefined, nowMs: EpochMs): RouterError | undefined {
  const atMs = expiryMs(text);
  if (typeof atMs !== "number" || atMs > nowMs) return undefined;
  return { kind: "bad_request", message: "expires_at must be in the future", path: "expires_at" };
}

function isoTime(atMs: number): string {
  return new Date(atMs).toISOString();
}
