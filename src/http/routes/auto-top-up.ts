/** GET and PUT /credits/auto-top-up: credit that is bought by itself when the balance falls under a threshold. */
import type { Hono } from "hono";
import * as z from "zod";
import type { RouterError } from "../../core/error.ts";
import { usdNumber } from "../../core/money.ts";
import type { Result } from "../../core/result.ts";
import { paymentsAt } from "../../gates/account-payments-client.ts";
import type { TopUpView } from "../../gates/account-payments-contract.ts";
import { purchasePrice } from "../../ledger/purchase.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { UsdLimit } from "../limits-shape.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { paymentsOf } from "../purchase-shape.ts";
import { readStrict } from "../strict-body.ts";

const TopUpChange = z.strictObject({
  enabled: z.boolean(),
  threshold: UsdLimit.optional().describe("USD: a balance below it is topped up"),
  amount: UsdLimit.optional().describe("USD of credit to buy, in whole cents; the fee comes on top"),
  monthly_cap: UsdLimit.nullable()
    .optional()
    .describe("USD charged in a UTC month at most, fees included; null: no cap"),
});

const TopUpBody = z.object({
  data: z.object({
    enabled: z.boolean(),
    threshold: z.number(),
    amount: z.number(),
    monthly_cap: z.number().nullable(),
    charged_this_month: z.number().describe("USD, fees included"),
    has_payment_method: z.boolean().describe("A checkout with `save_payment_method` was paid"),
    charging: z.boolean().describe("A payment is under way"),
    stopped: z
      .object({ code: z.string(), at: z.string() })
      .nullable()
      .describe("Why it ended itself; enable it again to go on"),
  }),
});

export const autoTopUpOperations: readonly Operation[] = [
  {
    id: "readAutoTopUp",
    method: "get",
    path: "/credits/auto-top-up",
    summary: "Read the settings of automatic top-up",
    auth: "management",
    responses: { 200: { description: "The settings", body: TopUpBody } },
  },
  {
    id: "updateAutoTopUp",
    method: "put",
    path: "/credits/auto-top-up",
    summary: "Change the settings of automatic top-up",
    auth: "management",
    request: TopUpChange,
    responses: { 200: { description: "The settings as they are now", body: TopUpBody } },
  },
];

export function registerAutoTopUp(app: Hono<AppEnv>): void {
  app.get("/credits/auto-top-up", readAutoTopUp);
  app.put("/credits/auto-top-up", updateAutoTopUp);
}

async function readAutoTopUp(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  return answer(context, await gateAnswer(paymentsAt(caller.value.gate).autoTopUp(null)));
}

async function updateAutoTopUp(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const payments = paymentsOf(context);
  if (!payments.ok) return fail(context, payments.error);
  const body = await readStrict(context.req.raw, TopUpChange);
  if (!body.ok) return fail(context, body.error);
  const { enabled, threshold, amount, monthly_cap: cap } = body.value;
  const price = amount === undefined ? undefined : purchasePrice(amount, ["card"], payments.value.terms);
  if (price?.ok === false)
    return fail(context, { kind: "bad_request", message: `amount ${price.error}`, path: "amount" });
  if (price?.ok === true && typeof cap === "bigint" && cap < price.value.creditNusd + price.value.feeNusd) {
    const message = "monthly_cap must cover the amount and its fee once";
    return fail(context, { kind: "bad_request", message, path: "monthly_cap" });
  }
  const change = { isEnabled: enabled, thresholdNusd: threshold, amountNusd: amount, monthlyCapNusd: cap };
  return answer(context, await gateAnswer(paymentsAt(caller.value.gate).autoTopUp(change)));
}

function answer(context: AppContext, view: Result<TopUpView, RouterError>): Response {
  if (!view.ok) return fail(context, view.error);
  const { stopped, ...topUp } = view.value;
  const body: z.infer<typeof TopUpBody> = {
    data: {
      enabled: topUp.isEnabled,
      threshold: usdNumber(topUp.thresholdNusd),
      amount: usdNumber(topUp.amountNusd),
      monthly_cap: topUp.monthlyCapNusd === null ? null : usdNumber(topUp.monthlyCapNusd),
      charged_this_month: usdNumber(topUp.chargedThisMonthNusd),
      has_payment_method: topUp.hasMethod,
      charging: topUp.isCharging,
      stopped: stopped === null ? null : { code: stopped.code, at: new Date(stopped.atMs).toISOString() },
    },
  };
  return json(body, 200, PRIVATE);
}
