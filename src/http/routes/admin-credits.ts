/** POST /admin/accounts/{id}/credits: the operator gives credit, or takes it with a negative amount; once per key. */
import type { Hono } from "hono";
import * as z from "zod";
import { formatUsd, parseUsd } from "../../core/money.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import type { Operation } from "../operation.ts";
import { asked } from "../stored.ts";
import { readStrict } from "../strict-body.ts";
import { accountOf } from "./admin-accounts.ts";

const Credit = z.strictObject({
  /** Decimal USD. A string: a JSON number would have been rounded before it got here. */
  amount: z.string().describe('Decimal USD such as "12.50"; negative takes'),
  // Part of the entry's id in the books, so it must come back from there as it went in.
  idempotency_key: z
    .string()
    .min(1)
    .max(255)
    .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text), "must not hold control characters"),
  reason: z.string().min(1).max(500),
});

export const grantCreditOperation: Operation = {
  id: "grantCredit",
  method: "post",
  path: "/admin/accounts/{id}/credits",
  summary: "Give credit to an account, or take it; once per idempotency key",
  auth: "operator",
  request: Credit,
  responses: {
    200: {
      description: "Booked; a repeat is answered the same",
      body: z.object({ data: z.object({ balance: z.string(), entry_id: z.string() }) }),
    },
  },
};

export function registerAdminCredits(admin: Hono<AppEnv>): void {
  admin.post("/accounts/:id/credits", postCredit);
}

async function postCredit(context: AppContext): Promise<Response> {
  const body = await readStrict(context.req.raw, Credit);
  if (!body.ok) return fail(context, body.error);
  const amount = parseUsd(body.value.amount);
  if (!amount.ok || amount.value === 0n) {
    const fault = amount.ok ? "must not be zero" : amount.error;
    return fail(context, { kind: "bad_request", message: `amount ${fault}`, path: "amount" });
  }
  const account = await accountOf(context);
  if (!account.ok) return fail(context, account.error);
  const { idempotency_key: idempotencyKey, reason } = body.value;
  const request = { idempotencyKey, amountNusd: amount.value, reason };
  const gate = context.get("deps").accountGate(account.value.id);
  const receipt = await asked(async () => await gate.credit(request));
  if (!receipt.ok) return fail(context, receipt.error);
  return json({ data: { balance: formatUsd(receipt.value.balanceNusd), entry_id: receipt.value.entryId } });
}
