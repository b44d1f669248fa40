/** POST /credits/redeem: a voucher's code becomes credit, once per account. */
import type { Hono } from "hono";
import * as z from "zod";
import { hashVoucherCode } from "../../accounts/voucher-code.ts";
import { usdNumber } from "../../core/money.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { readStrict } from "../strict-body.ts";

const Redeem = z.strictObject({ code: z.string().min(1).max(100) });
const RedeemBody = z.object({
  data: z.object({ credits: z.number().describe("USD of credit"), balance: z.number().describe("USD, right after") }),
});

export const redeemVoucherOperation: Operation = {
  id: "redeemVoucher",
  method: "post",
  path: "/credits/redeem",
  summary: "Redeem a voucher",
  auth: "management",
  request: Redeem,
  responses: { 200: { description: "Credited", body: RedeemBody } },
};

export function registerRedeemVoucher(app: Hono<AppEnv>): void {
  app.post("/credits/redeem", redeemVoucher);
}

async function redeemVoucher(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const body = await readStrict(context.req.raw, Redeem);
  if (!body.ok) return fail(context, body.error);
  const codeHash = await hashVoucherCode(body.value.code);
  const redeemed = await gateAnswer(context.get("deps").voucherGate().redeem(codeHash, caller.value.account.id));
  if (!redeemed.ok) return fail(context, redeemed.error);
  const { amountNusd, balanceNusd } = redeemed.value;
  const answer: z.infer<typeof RedeemBody> = {
    data: { credits: usdNumber(amountNusd), balance: usdNumber(balanceNusd) },
  };
  return json(answer, 200, PRIVATE);
}
