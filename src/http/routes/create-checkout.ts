/**
 * POST /credits/checkout: a page of the payment provider where a chosen amount of credit is paid. The purchase is noted
 * before the provider hears of it, so that a payment's event may come before this answer does.
 */
import type { Hono } from "hono";
import * as z from "zod";
import { newPurchaseId } from "../../core/ids.ts";
import { usdNumber } from "../../core/money.ts";
import { paymentsAt } from "../../gates/account-payments-client.ts";
import { PAYMENT_METHODS, purchasePrice } from "../../ledger/purchase.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { UsdLimit } from "../limits-shape.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { paymentError, paymentsOf, PurchaseShape } from "../purchase-shape.ts";
import { readStrict } from "../strict-body.ts";

const URL_CHARS_MAX = 2_048;
const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

const ReturnUrl = z
  .string()
  .max(URL_CHARS_MAX)
  .refine(isReturnUrl, "must be an https URL without credentials; http only to localhost");

const NewCheckout = z.strictObject({
  amount: UsdLimit.describe("USD of credit, in whole cents; the fee comes on top"),
  payment_method_types: z
    .array(z.enum(PAYMENT_METHODS))
    .min(1)
    .max(PAYMENT_METHODS.length)
    .optional()
    .describe("`crypto`: stablecoins. Default: card"),
  save_payment_method: z.boolean().optional().describe("Keep the card, for automatic top-up"),
  success_url: ReturnUrl.describe("Where the payer goes after paying"),
  cancel_url: ReturnUrl.describe("Where the payer goes otherwise"),
});

const CheckoutBody = z.object({
  data: PurchaseShape.pick({ id: true, credits: true, fee: true, total: true, currency: true }).extend({
    url: z.string().describe("The page where it is paid, for 24 hours"),
  }),
});

export const createCheckoutOperation: Operation = {
  id: "createCheckout",
  method: "post",
  path: "/credits/checkout",
  summary: "Buy credit: make a page where it is paid",
  auth: "management",
  request: NewCheckout,
  responses: { 201: { description: "The page", body: CheckoutBody } },
};

export function registerCreateCheckout(app: Hono<AppEnv>): void {
  app.post("/credits/checkout", createCheckout);
}

async function createCheckout(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const payments = paymentsOf(context);
  if (!payments.ok) return fail(context, payments.error);
  const body = await readStrict(context.req.raw, NewCheckout);
  if (!body.ok) return fail(context, body.error);
  const { amount, save_payment_method: savesMethod = false, ...given } = body.value;
  const methods = [...new Set(given.payment_method_types ?? ["card" as const])];
  if (savesMethod && methods.includes("crypto")) {
    const message = "save_payment_method works with payment_method_types card alone";
    return fail(context, { kind: "bad_request", message, path: "save_payment_method" });
  }
  const price = purchasePrice(amount, methods, payments.value.terms);
  if (!price.ok) return fail(context, { kind: "bad_request", message: `amount ${price.error}`, path: "amount" });
  const { account, gate } = caller.value;
  const desk = paymentsAt(gate);
  const purchaseId = newPurchaseId(deps.clock(), deps.randomBytes);
  const begun = await gateAnswer(desk.beginPurchase({ ...price.value, id: purchaseId, methods }));
  if (!begun.ok) return fail(context, begun.error);
  const page = await payments.value.port.checkout({
    ...price.value,
    purchaseId,
    account: account.id,
    methods,
    savesMethod,
    customerId: begun.value.customerId,
    successUrl: given.success_url,
    cancelUrl: given.cancel_url,
  });
  if (!page.ok) {
    if (page.error.kind !== "unreachable") await gateAnswer(desk.endPurchase(purchaseId));
    return fail(context, paymentError(page.error));
  }
  const { creditNusd, feeNusd } = price.value;
  const answer: z.infer<typeof CheckoutBody> = {
    data: {
      id: purchaseId,
      url: page.value.url,
      credits: usdNumber(creditNusd),
      fee: usdNumber(feeNusd),
      total: usdNumber(creditNusd + feeNusd),
      currency: "usd",
    },
  };
  return json(answer, 201, PRIVATE);
}

function isReturnUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null) return false;
  const { protocol, hostname, username, password } = url;
  if (username !== "" || password !== "") return false;
  return protocol === "https:" || (protocol === "http:" && LOOPBACK.has(hostname));
}
