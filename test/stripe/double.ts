/**
 * A double of Stripe that speaks its wire, for tests without the network: form-encoded requests, idempotency keys, errors
 * as Stripe words them, events signed by Stripe's scheme. Strict where Stripe is: an unknown parameter, a wrong key, an
 * amount that is no number are refused. What a payer, a bank or the operator's dashboard would do are functions of it.
 * Wire: https://docs.stripe.com/api, signatures: https://docs.stripe.com/webhooks/signature (stored copies read 2026-11-21).
 */

export interface DoubleOptions {
  readonly apiKey: string;
  readonly webhookSecret: string;
}

type Fields = Record<string, string>;
type Thing = Record<string, unknown> & { readonly id: string };

export interface StripeEvent {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly object: Record<string, unknown> };
}

export type StripeDouble = ReturnType<typeof createStripeDouble>;

/** Parameters that each call may have; `*` is any key or index. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  "POST /v1/checkout/sessions": [
    "mode",
    "line_items[*][quantity]",
    "line_items[*][price_data][currency]",
    "line_items[*][price_data][unit_amount]",
    "line_items[*][price_data][product_data][name]",
    "allowed_payment_method_types[*]",
    "success_url",
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_creation",
    "metadata[*]",
    "payment_intent_data[metadata][*]",
    "payment_intent_data[setup_future_usage]",
  ],
  "POST /v1/payment_intents": [
    "amount",
    "currency",
    "customer",
    "payment_method",
    "allowed_payment_method_types[*]",
    "off_session",
    "confirm",
    "error_on_requires_action",
    "description",
    "metadata[*]",
    "expand[*]",
  ],
  "GET /v1/payment_intents/*": ["expand[*]"],
  "GET /v1/refunds": ["payment_intent", "limit"],
  "GET /v1/disputes": ["payment_intent", "limit"],
};

export function createStripeDouble(options: DoubleOptions) {
  const sessions = new Map<string, Thing>();
  const intents = new Map<string, Thing>();
  const refunds: Thing[] = [];
  const disputes: Thing[] = [];
  const replies = new Map<string, { readonly asked: string; readonly reply: Response }>();
  const calls: { readonly call: string; readonly fields: Fields; readonly idempotencyKey: string | null }[] = [];
  /** The next calls fail so: a status, or "lost" after the call was done. */
  const faults: (number | "lost")[] = [];
  let made = 0;
  const id = (prefix: string): string => `${prefix}_${String((made += 1)).padStart(6, "0")}`;
  const nowS = (): number => Math.floor(Date.now() / 1000);

  function intentOf(given: { amount: number; metadata: Fields; currency?: string } & Record<string, unknown>): Thing {
    const { amount, metadata, ...rest } = given;
    const charge = {
      id: id("ch"),
      object: "charge",
      amount,
      amount_refunded: 0,
      disputed: false,
      paid: true,
      metadata,
      currency: "usd",
      receipt_url: `https://pay.stripe.test/receipts/${made}`,
    };
    const intent: Thing = {
      id: id("pi"),
      object: "payment_intent",
      amount,
      amount_received: amount,
      currency: "usd",
      created: nowS(),
      status: "succeeded",
      customer: null,
      payment_method: null,
      setup_future_usage: null,
      last_payment_error: null,
      latest_charge: charge,
      metadata,
      ...rest,
    };
    intents.set(intent.id, intent);
    return intent;
  }

  function createSession(fields: Fields): Response {
    const amounts = Object.entries(fields).filter(([name]) => name.endsWith("[unit_amount]"));
    if (amounts.some(([, cents]) => !/^[1-9]\d*$/.test(cents))) return refusal(400, "parameter_invalid_integer");
    if (fields["mode"] !== "payment") return refusal(400, "parameter_invalid");
    if (Object.values(subset(fields, "allowed_payment_method_types")).includes("unactivated")) {
      return refusal(400, "payment_method_unactivated");
    }
    const session: Thing = {
      id: id("cs_test"),
      object: "checkout.session",
      status: "open",
      payment_status: "unpaid",
      currency: "usd",
      amount_total: amounts.reduce((sum, [, cents]) => sum + Number(cents), 0),
      metadata: subset(fields, "metadata"),
      customer: fields["customer"] ?? null,
      payment_intent: null,
      url: `https://checkout.stripe.test/c/pay/${made}`,
      success_url: fields["success_url"],
      // What the payment will be made of; Stripe doesn't show it.
      intent_metadata: subset(fields, "payment_intent_data[metadata]"),
      intent_setup: fields["payment_intent_data[setup_future_usage]"] ?? null,
      customer_creation: fields["customer_creation"] ?? null,
    };
    sessions.set(session.id, session);
    return Response.json(session);
  }

  /** Off-session: the method's name says how the bank answers. */
  function createIntent(fields: Fields): Response {
    const amount = Number(fields["amount"]);
    if (!Number.isSafeInteger(amount) || amount < 50) return refusal(400, "amount_too_small");
    if (fields["off_session"] !== "true" || fields["confirm"] !== "true") return refusal(400, "parameter_missing");
    const { customer, payment_method: method } = fields;
    const common = { amount, metadata: subset(fields, "metadata"), customer, payment_method: method };
    if (method === "pm_declined") {
      const intent = intentOf({
        ...common,
        status: "requires_payment_method",
        amount_received: 0,
        latest_charge: null,
      });
      intent["last_payment_error"] = { code: "card_declined", decline_code: "insufficient_funds" };
      return Response.json(
        {
          error: {
            type: "card_error",
            code: "card_declined",
            decline_code: "insufficient_funds",
            message: "Your card has insufficient funds.",
            payment_intent: intent,
          },
        },
        { status: 402 },
      );
    }
    if (method === "pm_slow") return Response.json(intentOf({ ...common, status: "processing", amount_received: 0 }));
    return Response.json(intentOf(common));
  }

  function answer(call: string, path: string, fields: Fields): Response {
    switch (call) {
      case "POST /v1/checkout/sessions":
        return createSession(fields);
      case "POST /v1/payment_intents":
        return createIntent(fields);
      case "GET /v1/payment_intents/*": {
        const intent = intents.get(path.split("/").at(-1) ?? "");
        if (intent === undefined) return refusal(404, "resource_missing");
        const isExpanded = Object.values(fields).includes("latest_charge");
        const charge = intent["latest_charge"] as Thing | null;
        return Response.json(isExpanded ? intent : { ...intent, latest_charge: charge?.id ?? null });
      }
      case "GET /v1/refunds":
      case "GET /v1/disputes": {
        const all = call.endsWith("refunds") ? refunds : disputes;
        const data = all.filter((one) => one["payment_intent"] === fields["payment_intent"]).toReversed();
        return Response.json({ object: "list", data, has_more: false, url: path });
      }
      default:
        return refusal(404, "resource_missing");
    }
  }

  async function handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    // workerd warns of forms that are read as text.
    const text = new TextDecoder().decode(await request.arrayBuffer());
    const fields = Object.fromEntries(request.method === "GET" ? url.searchParams : new URLSearchParams(text));
    const path = url.pathname;
    const call = `${request.method} ${path.replace(/^(\/v1\/payment_intents)\/[^/]+$/, "$1/*")}`;
    const idempotencyKey = request.headers.get("idempotency-key");
    calls.push({ call, fields, idempotencyKey });
    if (request.headers.get("authorization") !== `Bearer ${options.apiKey}`) return refusal(401, "api_key_expired");
    if (request.method === "POST" && !/x-www-form-urlencoded/.test(request.headers.get("content-type") ?? "")) {
      return refusal(400, "parameter_invalid");
    }
    const known = KNOWN[call];
    const patterns = (known ?? []).map((name) => new RegExp(`^${escaped(name).replaceAll("\\*", "[^\\]]+")}$`));
    const unknown = Object.keys(fields).find((name) => !patterns.some((pattern) => pattern.test(name)));
    if (known !== undefined && unknown !== undefined) return refusal(400, "parameter_unknown", unknown);
    const fault = faults.shift();
    if (typeof fault === "number") return refusal(fault, fault === 429 ? "rate_limit" : "api_error");
    if (idempotencyKey !== null && request.method === "POST") {
      const kept = replies.get(idempotencyKey);
      if (kept !== undefined && kept.asked !== text) return refusal(400, "idempotency_error");
      if (kept !== undefined) return kept.reply.clone();
    }
    const reply = answer(call, path, fields);
    if (idempotencyKey !== null && request.method === "POST") {
      replies.set(idempotencyKey, { asked: text, reply: reply.clone() });
    }
    if (fault === "lost") throw new TypeError("The connection was lost");
    return reply;
  }

  function event(type: string, object: Record<string, unknown>): StripeEvent {
    return { id: id("evt"), type, data: { object: { ...object } } };
  }

  function intentFor(paymentId: string): Thing {
    const intent = intents.get(paymentId);
    if (intent === undefined) throw new Error(`There is no payment ${paymentId}`);
    return intent;
  }

  return {
    handle,
    calls,
    faults,
    sessions,
    intents,
    /** Another product of the operator's, or a payment that never had a checkout here. */
    foreignPayment: (given: Parameters<typeof intentOf>[0]) => intentOf(given),
    /** The payer pays; `method` is what is charged later, when it is kept. @returns the events, in Stripe's usual order. */
    pay(sessionId: string, method = "pm_card"): { readonly paymentId: string; readonly events: StripeEvent[] } {
      const session = sessions.get(sessionId);
      if (session === undefined) throw new Error(`There is no session ${sessionId}`);
      const isNew = session["customer"] === null && session["customer_creation"] === "always";
      const customer = isNew ? id("cus") : session["customer"];
      const intent = intentOf({
        amount: session["amount_total"] as number,
        metadata: session["intent_metadata"] as Fields,
        setup_future_usage: session["intent_setup"],
        customer,
        payment_method: method,
      });
      const { intent_metadata: _metadata, intent_setup: _setup, ...shown } = session;
      const paid = {
        ...shown,
        id: sessionId,
        customer,
        status: "complete",
        payment_status: "paid",
        payment_intent: intent.id,
      };
      sessions.set(sessionId, { ...session, ...paid });
      const unexpanded = { ...intent, latest_charge: (intent["latest_charge"] as Thing).id };
      return {
        paymentId: intent.id,
        events: [event("payment_intent.succeeded", unexpanded), event("checkout.session.completed", paid)],
      };
    },
    expire(sessionId: string): StripeEvent {
      return event("checkout.session.expired", { ...sessions.get(sessionId), status: "expired" });
    },
    refund(paymentId: string, cents: number): { readonly refundId: string; readonly events: StripeEvent[] } {
      const intent = intentFor(paymentId);
      const charge = intent["latest_charge"] as Record<string, unknown>;
      charge["amount_refunded"] = (charge["amount_refunded"] as number) + cents;
      const refund: Thing = {
        id: id("re"),
        object: "refund",
        amount: cents,
        currency: "usd",
        created: nowS() + made,
        status: "succeeded",
        payment_intent: paymentId,
        metadata: {},
      };
      refunds.push(refund);
      const events = [
        event("charge.refunded", { ...charge, payment_intent: paymentId }),
        event("refund.created", refund),
      ];
      return { refundId: refund.id, events };
    },
    failRefund(refundId: string): StripeEvent {
      const refund = refunds.find((one) => one.id === refundId);
      if (refund === undefined) throw new Error(`There is no refund ${refundId}`);
      refund["status"] = "failed";
      const charge = intentFor(refund["payment_intent"] as string)["latest_charge"] as Record<string, unknown>;
      charge["amount_refunded"] = (charge["amount_refunded"] as number) - (refund["amount"] as number);
      return event("refund.failed", refund);
    },
    dispute(paymentId: string, cents: number, status = "needs_response") {
      const charge = intentFor(paymentId)["latest_charge"] as Record<string, unknown>;
      charge["disputed"] = true;
      const dispute: Thing = {
        id: id("du"),
        object: "dispute",
        amount: cents,
        currency: "usd",
        created: nowS() + made,
        status,
        payment_intent: paymentId,
        metadata: {},
      };
      disputes.push(dispute);
      return { disputeId: dispute.id, event: event("charge.dispute.created", dispute) };
    },
    closeDispute(disputeId: string, status: "won" | "lost" | "warning_closed"): StripeEvent {
      const dispute = disputes.find((one) => one.id === disputeId);
      if (dispute === undefined) throw new Error(`There is no dispute ${disputeId}`);
      dispute["status"] = status;
      return event("charge.dispute.closed", dispute);
    },
    /** The bank answers an off-session payment later. */
    settle(paymentId: string): StripeEvent {
      const intent = intentFor(paymentId);
      Object.assign(intent, { status: "succeeded", amount_received: intent["amount"] });
      return event("payment_intent.succeeded", intent);
    },
    /** The `Stripe-Signature` of a body. */
    async sign(body: string, atMs = Date.now(), secret = options.webhookSecret): Promise<string> {
      const seconds = Math.floor(atMs / 1000);
      const bytes = new TextEncoder();
      const key = await crypto.subtle.importKey("raw", bytes.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, [
        "sign",
      ]);
      const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes.encode(`${seconds}.${body}`)));
      const hex = Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join("");
      return `t=${seconds},v1=${hex}`;
    },
  };
}

/** The fields below a prefix: `metadata[a]` -> `a`. */
function subset(fields: Fields, prefix: string): Fields {
  const found = Object.entries(fields).filter(([name]) => name.startsWith(`${prefix}[`));
  return Object.fromEntries(found.map(([name, value]) => [name.slice(prefix.length + 1, -1), value]));
}

function refusal(status: number, code: string, param?: string): Response {
  const type = status === 401 ? "authentication_error" : status >= 500 ? "api_error" : "invalid_request_error";
  return Response.json({ error: { type, code, message: `Refused: ${code}`, param } }, { status });
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
