/**
 * POST /webhooks/stripe: the payment provider says that something happened to a payment. The signature is the only
 * credential. An event is a hint: what is true is asked from the provider, and the account's gate books what is missing,
 * so that events may come twice, late or in any order. Whatever is not done is answered with an error, upon which the
 * provider delivers it again for three days.
 */
import type { Hono } from "hono";
import * as z from "zod";
import type { RouterError } from "../../core/error.ts";
import { placeOfAccount, type AccountId } from "../../core/ids.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { paymentsAt } from "../../gates/account-payments-client.ts";
import type { Payments } from "../../gates/payments.ts";
import type { PaymentEvent } from "../../ledger/payment-port.ts";
import { readShortText } from "../body.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { gateAnswer } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { paymentError, paymentsOf } from "../purchase-shape.ts";

const EVENT_BYTES_MAX = 512 * 1024;

const ReceivedBody = z.object({
  received: z.literal(true),
  purchase: z.string().nullable().describe("The purchase that it was about; null for what is none of ours"),
});

export const stripeWebhookOperation: Operation = {
  id: "stripeWebhook",
  method: "post",
  path: "/webhooks/stripe",
  summary: "Take an event of the payment provider, by its signature",
  auth: "public",
  responses: { 200: { description: "Taken, or taken before", body: ReceivedBody } },
};

export function registerStripeWebhook(app: Hono<AppEnv>): void {
  app.post("/webhooks/stripe", stripeWebhook);
}

async function stripeWebhook(context: AppContext): Promise<Response> {
  const payments = paymentsOf(context);
  if (!payments.ok) return fail(context, payments.error);
  const signature = context.req.header("stripe-signature");
  if (signature === undefined) {
    return fail(context, { kind: "bad_request", message: "The Stripe-Signature header is missing." });
  }
  const text = await readShortText(context.req.raw, EVENT_BYTES_MAX);
  if (!text.ok) return fail(context, text.error);
  const event = await payments.value.port.readEvent(text.value, signature, context.get("deps").clock());
  if (!event.ok) return fail(context, { kind: "bad_request", message: event.error });
  const taken = await takeEvent(context, payments.value, event.value);
  if (!taken.ok) return fail(context, taken.error);
  const answer: z.infer<typeof ReceivedBody> = { received: true, purchase: taken.value };
  return json(answer);
}

/** @returns the purchase's id, null when the event is none of ours. */
async function takeEvent(
  context: AppContext,
  { port }: Payments,
  event: PaymentEvent,
): Promise<Result<string | null, RouterError>> {
  switch (event.kind) {
    case "other":
      return ok(null);
    case "checkout-over": {
      const desk = deskOf(context, event.account);
      const ended = desk.ok ? await known(gateAnswer(desk.value.endPurchase(event.purchaseId))) : desk;
      return ended.ok ? ok(event.purchaseId) : ended;
    }
    case "payment": {
      const facts = await port.payment(event.paymentId, event.isReversal);
      if (!facts.ok) return err(paymentError(facts.error));
      if (facts.value === null) return ok(null);
      const desk = deskOf(context, facts.value.account);
      if (!desk.ok) return desk;
      const purchase = await known(gateAnswer(desk.value.recordPayment(facts.value)));
      return purchase.ok ? ok(purchase.value.id) : purchase;
    }
    default:
      return event satisfies never;
  }
}

function deskOf(context: AppContext, account: AccountId) {
  if (placeOfAccount(account) === undefined) return err(NO_ACCOUNT);
  context.get("wide").set({ account_id: account });
  return ok(paymentsAt(context.get("deps").accountGate(account)));
}

/** A gate takes an unknown account for a bad key; here nobody shows one. */
async function known<T>(answer: Promise<Result<T, RouterError>>): Promise<Result<T, RouterError>> {
  const result = await answer;
  return !result.ok && result.error.kind === "unauthenticated" ? err(NO_ACCOUNT) : result;
}

const NO_ACCOUNT: RouterError = {
  kind: "not_found",
  message: "There is no account with the id that the payment names",
};
