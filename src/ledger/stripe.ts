/**
 * The payment port over Stripe's API. The SDK is loaded by the first call that needs it: it is two fifths of the
 * bundle's text, and no other request pays for it. Every call carries an idempotency key where it writes, and has
 * CALL_TIMEOUT_MS. Stripe's messages may quote what we sent, so only codes leave this file.
 */
import * as z from "zod";
import type { EpochMs } from "../core/clock.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Fetch } from "../core/system.ts";
import type {
  ChargeOrder,
  CheckoutOrder,
  PaymentEvent,
  PaymentFacts,
  PaymentFault,
  PaymentPort,
  PurchaseOrder,
} from "./payment-port.ts";
import type { PaymentSettings } from "./payment-settings.ts";
import { centsOf } from "./purchase.ts";
import {
  ErrorObject,
  EventObject,
  eventOf,
  factsOf,
  metadataOf,
  PaymentIntentObject,
  ReversalList,
  reversalsOf,
  SessionObject,
  wasReversed,
} from "./stripe-wire.ts";

const CALL_TIMEOUT_MS = 20_000;
const RETRIES = 1;
/** An event is signed with its time; older ones are replays. Stripe signs a repeated delivery anew. */
const TOLERANCE_S = 300;
/** Refunds, and disputes, of one payment that are looked at. */
const REVERSALS_MAX = 100;

export interface StripePorts {
  readonly settings: PaymentSettings;
  readonly fetch: Fetch;
}

/** A payment port; holds nothing, so it may be made as often as wanted. */
export function createStripePort(ports: StripePorts): PaymentPort {
  return {
    checkout: (order) => answered(() => checkout(ports, order)),
    charge: (order) => answered(() => charge(ports, order)),
    payment: (paymentId, withReversals) => answered(() => payment(ports, paymentId, withReversals)),
    readEvent: (text, signature, nowMs) => readEvent(ports.settings.webhookSecret, text, signature, nowMs),
  };
}

async function clientOf({ settings, fetch: send }: StripePorts) {
  const { Stripe } = await import("stripe");
  const { baseUrl } = settings;
  const isPlain = baseUrl?.protocol === "http:";
  return new Stripe(settings.apiKey, {
    httpClient: Stripe.createFetchHttpClient(send),
    maxNetworkRetries: RETRIES,
    timeout: CALL_TIMEOUT_MS,
    telemetry: false,
    ...(baseUrl === null
      ? {}
      : {
          host: baseUrl.hostname,
          port: baseUrl.port === "" ? (isPlain ? 80 : 443) : Number(baseUrl.port),
          protocol: isPlain ? "http" : "https",
        }),
  });
}

async function checkout(
  ports: StripePorts,
  order: CheckoutOrder,
): Promise<Result<{ readonly id: string; readonly url: string }, PaymentFault>> {
  const stripe = await clientOf(ports);
  const metadata = metadataOf(order);
  const { customerId, savesMethod } = order;
  const session = await stripe.checkout.sessions.create(
    {
      mode: "payment",
      line_items: [item("Credits", order.creditNusd), ...(order.feeNusd > 0n ? [item("Fee", order.feeNusd)] : [])],
      allowed_payment_method_types: [...order.methods],
      success_url: order.successUrl,
      cancel_url: order.cancelUrl,
      client_reference_id: order.account,
      ...(customerId === null
        ? { customer_creation: savesMethod ? ("always" as const) : ("if_required" as const) }
        : { customer: customerId }),
      metadata,
      payment_intent_data: { metadata, ...(savesMethod ? { setup_future_usage: "off_session" as const } : {}) },
    },
    { idempotencyKey: order.purchaseId },
  );
  const { id, url } = SessionObject.parse(session);
  return ok({ id, url });
}

async function charge(ports: StripePorts, order: ChargeOrder): Promise<Result<PaymentFacts, PaymentFault>> {
  const stripe = await clientOf(ports);
  const intent = PaymentIntentObject.parse(
    await stripe.paymentIntents.create(
      {
        amount: centsOf(order.creditNusd + order.feeNusd),
        currency: "usd",
        customer: order.customerId,
        payment_method: order.methodId,
        allowed_payment_method_types: ["card"],
        off_session: true,
        confirm: true,
        // The tenant isn't there to confirm anything.
        error_on_requires_action: true,
        description: "Credits, automatic top-up",
        metadata: metadataOf(order),
        expand: ["latest_charge"],
      },
      { idempotencyKey: order.purchaseId },
    ),
  );
  const facts = factsOf(intent);
  if (!facts.ok || facts.value !== null) return facts as Result<PaymentFacts, PaymentFault>; // null is ruled out
  return err({ kind: "mismatch", message: `The payment ${intent.id} came back without its metadata.` });
}

async function payment(
  ports: StripePorts,
  paymentId: string,
  withReversals: boolean,
): Promise<Result<PaymentFacts | null, PaymentFault>> {
  const stripe = await clientOf(ports);
  const intent = PaymentIntentObject.parse(
    await stripe.paymentIntents.retrieve(paymentId, { expand: ["latest_charge"] }),
  );
  const facts = factsOf(intent);
  if (!facts.ok || facts.value === null || facts.value.status !== "paid") return facts;
  if (!withReversals && !wasReversed(intent)) return facts;
  const asked = { payment_intent: paymentId, limit: REVERSALS_MAX };
  const refunds = ReversalList.parse(await stripe.refunds.list(asked));
  const disputes = ReversalList.parse(await stripe.disputes.list(asked));
  const reversals = [...reversalsOf("refund", refunds), ...reversalsOf("dispute", disputes)].toSorted(
    (one, other) => one.createdAtMs - other.createdAtMs || (one.id < other.id ? -1 : 1),
  );
  return ok({ ...facts.value, reversals });
}

async function readEvent(
  secret: string,
  text: string,
  signature: string,
  nowMs: EpochMs,
): Promise<Result<PaymentEvent, string>> {
  const { Stripe } = await import("stripe");
  try {
    const crypto = Stripe.createSubtleCryptoProvider();
    const event: unknown = await Stripe.webhooks.constructEventAsync(
      text,
      signature,
      secret,
      TOLERANCE_S,
      crypto,
      nowMs,
    );
    const parsed = EventObject.safeParse(event);
    return parsed.success ? ok(eventOf(parsed.data)) : err("The body is no event that this API version knows.");
  } catch (error) {
    const says = error instanceof Error ? error.message : "";
    if (error instanceof SyntaxError) return err("The body is not JSON.");
    return err(
      says.startsWith("Timestamp outside")
        ? `The event was signed more than ${TOLERANCE_S} seconds ago.`
        : "The Stripe-Signature header does not match the body.",
    );
  }
}

function item(name: string, amountNusd: PurchaseOrder["creditNusd"]) {
  return {
    quantity: 1,
    price_data: { currency: "usd", unit_amount: centsOf(amountNusd), product_data: { name } },
  };
}

/** The SDK throws, and so do our schemas for a reply that is none; here that becomes a value. Bugs stay thrown. */
async function answered<T>(call: () => Promise<Result<T, PaymentFault>>): Promise<Result<T, PaymentFault>> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof z.ZodError) return err({ kind: "unreachable", code: "malformed_reply" });
    const parsed = ErrorObject.safeParse(error);
    if (!parsed.success) throw error;
    return err(faultOf(parsed.data));
  }
}

/** https://docs.stripe.com/error-handling (stored copy read 2026-11-21). */
function faultOf({ type, code, decline_code: declineCode }: ErrorObject): PaymentFault {
  switch (type) {
    case "StripeCardError":
      return { kind: "declined", code: declineCode ?? code ?? "card_declined" };
    case "StripeInvalidRequestError":
      return { kind: "refused", code: code ?? "invalid_request" };
    // A bad key or a missing permission is the operator's to mend: until then it is as if nobody answered.
    default:
      return { kind: "unreachable", code: code ?? type };
  }
}
