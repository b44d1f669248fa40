/** Purchases through Stripe: checkout, signed events in any order, refunds, disputes, and what bad input gets. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { NANO_PER_USD } from "../../src/core/money.ts";
import type { AccountGate } from "../../src/gates/account-gate.ts";
import { failWrites } from "./account-setup.ts";
import { ask, dataOf, newTenant, type Tenant } from "./fixture.ts";
import { balanceOf, bought, checkout, deliver, linesOf, stripe, URLS, useStripe } from "./payments-setup.ts";

useStripe();

const USD = NANO_PER_USD;
const purchases = async (tenant: Tenant) =>
  dataOf<Record<string, unknown>[]>(await ask("GET", "/credits/purchases", tenant.managementKey));
const credits = async (tenant: Tenant) =>
  dataOf<{ total_credits: number }>(await ask("GET", "/credits", tenant.managementKey)).total_credits;

test("a checkout that is paid becomes credit and a fee, in /credits, the ledger and the list of purchases", async () => {
  const tenant = await newTenant();
  const made = await checkout(tenant, { amount: "20.00" });
  expect(made).toMatchObject({ fee: 1.1, total: 21.1, url: expect.stringContaining("https://checkout.stripe.test/") });
  expect(stripe.calls.at(-1)).toMatchObject({
    idempotencyKey: made.id,
    fields: {
      mode: "payment",
      "line_items[0][price_data][unit_amount]": "2000",
      "line_items[1][price_data][unit_amount]": "110",
      "allowed_payment_method_types[0]": "card",
      "metadata[waypost_account]": tenant.id,
    },
  });
  expect(await purchases(tenant)).toMatchObject([{ id: made.id, status: "open", paid_at: null, entry_id: null }]);
  const { paymentId, events } = stripe.pay(made.sessionId);
  for (const event of events) expect(await deliver(event)).toMatchObject({ status: 200, body: { purchase: made.id } });
  expect(await balanceOf(tenant)).toBe(20n * USD);
  expect(await credits(tenant)).toBe(20);
  expect(await linesOf(tenant, ["purchase"])).toEqual({
    "tenant:me": 20e9,
    fee: 1.1e9,
    clearing: -21.1e9,
  });
  expect(await purchases(tenant)).toMatchObject([
    {
      id: made.id,
      source: "checkout",
      status: "paid",
      credits: 20,
      fee: 1.1,
      total: 21.1,
      payment_id: paymentId,
      receipt_url: expect.stringContaining("https://pay.stripe.test/receipts/"),
      refunded: 0,
      entry_id: `${tenant.id}/purchase/${paymentId}`,
    },
  ]);
  const one = await ask("GET", `/credits/purchases/${made.id}`, tenant.managementKey);
  expect(dataOf(one)).toEqual((await purchases(tenant))[0]);
});

test("ten dollars bought raise the day's free requests, and their refund takes them back", async () => {
  const tenant = await newTenant();
  const limit = async () =>
    dataOf<{ free_model_daily_requests: { limit: number } }>(await ask("GET", "/key", tenant.key))
      .free_model_daily_requests.limit;
  expect(await limit()).toBe(50);
  const { paymentId } = await bought(tenant);
  expect(await limit()).toBe(1000);
  const [event] = stripe.refund(paymentId, 1000).events;
  if (event !== undefined) await deliver(event);
  expect(await limit()).toBe(50);
});

test.each([
  { name: "card", methods: ["card"], fee: 0.8 },
  { name: "stablecoin", methods: ["crypto"], fee: 0.5 },
  { name: "either", methods: ["crypto", "card"], fee: 0.8 },
])("the fee of $10 by $name is $fee", async ({ methods, fee }) => {
  const made = await checkout(await newTenant(), { payment_method_types: methods });
  expect(made.fee).toBe(fee);
  const { fields } = stripe.calls.at(-1) ?? { fields: {} };
  expect(Object.entries(fields).filter(([field]) => field.startsWith("allowed_"))).toHaveLength(methods.length);
});

test("events that come twice, in the other order, and before the checkout's answer credit once", async () => {
  const tenant = await newTenant();
  const handle = stripe.handle;
  let early: Promise<{ status: number }> | undefined;
  Object.assign(stripe, {
    handle: async (request: Request) => {
      const reply = await handle(request);
      const sessionId = [...stripe.sessions.keys()].at(-1);
      // The payer is faster than the answer to the one who asked for the page.
      if (early === undefined && sessionId !== undefined) {
        const { events } = stripe.pay(sessionId);
        early = Promise.all(events.toReversed().map((event) => deliver(event))).then(async (answers) => {
          for (const event of events) await deliver(event);
          return { status: Math.max(...answers.map(({ status }) => status)) };
        });
        await early;
      }
      return reply;
    },
  });
  await checkout(tenant);
  expect(await early).toEqual({ status: 200 });
  expect(await balanceOf(tenant)).toBe(10n * USD);
  expect(await purchases(tenant)).toMatchObject([{ status: "paid" }]);
});

test("a payment whose purchase the gate has lost is credited by what the payment carries, once", async () => {
  const tenant = await newTenant();
  const { events, paymentId } = await bought(tenant);
  const part = stripe.refund(paymentId, 300);
  for (const event of part.events) await deliver(event);
  await runInDurableObject(tenant.gate, async (_gate: AccountGate, state) => {
    await state.storage.deleteAlarm();
    await state.storage.deleteAll();
  });
  await evictDurableObject(tenant.gate);
  for (const event of [...events, ...part.events]) expect(await deliver(event)).toMatchObject({ status: 200 });
  expect(await balanceOf(tenant)).toBe(7n * USD);
  expect(await purchases(tenant)).toMatchObject([{ status: "paid", payment_id: paymentId, refunded: 3 }]);
});

describe("refunds and disputes", () => {
  test("a partial refund takes credit, the rest of the payment takes the fee last, each once", async () => {
    const tenant = await newTenant();
    const { paymentId } = await bought(tenant);
    const part = stripe.refund(paymentId, 400);
    for (const event of [...part.events, ...part.events]) expect(await deliver(event)).toMatchObject({ status: 200 });
    expect(await balanceOf(tenant)).toBe(6n * USD);
    const rest = stripe.refund(paymentId, 680);
    for (const event of [...rest.events.toReversed(), ...part.events]) await deliver(event);
    expect(await balanceOf(tenant)).toBe(0n);
    expect(await linesOf(tenant, ["purchase", "refund"])).toEqual({
      "tenant:me": 0,
      fee: 0,
      clearing: -10.8e9,
      refund: 10.8e9,
    });
    expect(await credits(tenant)).toBe(0);
    expect(await purchases(tenant)).toMatchObject([{ refunded: 10.8, total: 10.8 }]);
  });

  test("a refund of credit that is spent makes the balance negative", async () => {
    const tenant = await newTenant();
    const { paymentId } = await bought(tenant);
    await tenant.gate.credit({ idempotencyKey: "spent", amountNusd: -8n * USD, reason: "spent" });
    for (const event of stripe.refund(paymentId, 1000).events) await deliver(event);
    expect(await balanceOf(tenant)).toBe(-8n * USD);
  });

  test("a refund that comes before the payment's own events finds the credit made first", async () => {
    const tenant = await newTenant();
    const made = await checkout(tenant);
    const { paymentId, events } = stripe.pay(made.sessionId);
    const back = stripe.refund(paymentId, 250);
    for (const event of [...back.events, ...events]) expect(await deliver(event)).toMatchObject({ status: 200 });
    expect(await balanceOf(tenant)).toBe(7_500_000_000n);
  });

  test("a refund that fails comes back, and older news of it change nothing", async () => {
    const tenant = await newTenant();
    const { paymentId } = await bought(tenant);
    const back = stripe.refund(paymentId, 1000);
    for (const event of back.events) await deliver(event);
    expect(await balanceOf(tenant)).toBe(0n);
    const failed = stripe.failRefund(back.refundId);
    for (const event of [failed, failed, ...back.events]) await deliver(event);
    expect(await balanceOf(tenant)).toBe(10n * USD);
    expect(await purchases(tenant)).toMatchObject([{ refunded: 0 }]);
  });

  test.each([
    { name: "won", status: "won" as const, afterwards: 10n * USD, disputed: 0 },
    { name: "lost", status: "lost" as const, afterwards: 0n, disputed: 10.8 },
  ])("a dispute takes the payment when it is opened; $name, the balance is $afterwards", async (given) => {
    const tenant = await newTenant();
    const { paymentId } = await bought(tenant);
    const { disputeId, event } = stripe.dispute(paymentId, 1080);
    await deliver(event);
    expect(await balanceOf(tenant)).toBe(0n);
    expect(await linesOf(tenant, ["dispute"])).toEqual({ "tenant:me": -10e9, fee: -0.8e9, refund: 10.8e9 });
    const closed = stripe.closeDispute(disputeId, given.status);
    for (const news of [closed, closed, event]) await deliver(news);
    expect(await balanceOf(tenant)).toBe(given.afterwards);
    expect(await purchases(tenant)).toMatchObject([{ disputed: given.disputed }]);
  });

  test("a bank's inquiry takes nothing", async () => {
    const tenant = await newTenant();
    const { paymentId } = await bought(tenant);
    const { disputeId, event } = stripe.dispute(paymentId, 1080, "warning_needs_response");
    await deliver(event);
    await deliver(stripe.closeDispute(disputeId, "warning_closed"));
    expect(await balanceOf(tenant)).toBe(10n * USD);
  });
});

describe("D1 is away when the event comes", () => {
  test.each([
    { name: "before it heard of the credit", fault: "before" as const },
    { name: "after it took the credit", fault: "after" as const },
  ])("$name: Stripe is told to come again, the gate goes on by itself, the credit comes once", async ({ fault }) => {
    const tenant = await newTenant();
    const made = await checkout(tenant);
    const { events } = stripe.pay(made.sessionId);
    const [event] = events;
    if (event === undefined) throw new Error("no event");
    await failWrites(tenant, [fault]);
    expect(await deliver(event)).toMatchObject({ status: 503 });
    expect(await purchases(tenant)).toMatchObject([{ status: "processing" }]);
    await evictDurableObject(tenant.gate);
    await tenant.gate.view();
    await runDurableObjectAlarm(tenant.gate);
    expect(await balanceOf(tenant)).toBe(10n * USD);
    for (const again of events) expect(await deliver(again)).toMatchObject({ status: 200 });
    expect(await balanceOf(tenant)).toBe(10n * USD);
    expect(await purchases(tenant)).toMatchObject([{ status: "paid" }]);
  });

  test("Stripe's own API away when the event comes: told to come again, nothing is marked", async () => {
    const tenant = await newTenant();
    const made = await checkout(tenant);
    const { events } = stripe.pay(made.sessionId);
    stripe.faults.push(500, 500);
    const [event] = events;
    if (event === undefined) throw new Error("no event");
    expect(await deliver(event)).toMatchObject({ status: 503 });
    expect(await deliver(event)).toMatchObject({ status: 200 });
    expect(await balanceOf(tenant)).toBe(10n * USD);
  });
});

describe("a checkout with bad input is refused, and nothing is noted", () => {
  test.each([
    { name: "a negative amount", body: { amount: -10 }, says: "must not be negative" },
    { name: "nothing", body: { amount: 0 }, says: "at least 5" },
    { name: "less than the minimum", body: { amount: "4.99" }, says: "at least 5" },
    { name: "more than the maximum", body: { amount: "10000.01" }, says: "at most 10000" },
    { name: "parts of a cent", body: { amount: "10.001" }, says: "whole cents" },
    { name: "less than a nano-dollar", body: { amount: "10.0000000001" }, says: "at most 9 fraction digits" },
    { name: "an overflowing amount", body: { amount: "99999999999" }, says: "at most 9007199.25" },
    { name: "a number that overflows", body: { amount: 1e300 }, says: "decimal number" },
    { name: "a text that is none", body: { amount: "ten" }, says: "decimal number" },
    { name: "an unknown method", body: { payment_method_types: ["cheque"] }, says: "payment_method_types" },
    { name: "no method", body: { payment_method_types: [] }, says: "payment_method_types" },
    {
      name: "stablecoins to be kept",
      body: { payment_method_types: ["crypto"], save_payment_method: true },
      says: "card",
    },
    { name: "a plain http page", body: { success_url: "http://shop.test/" }, says: "success_url must be an https URL" },
    { name: "a script for a page", body: { cancel_url: "javascript:alert(1)" }, says: "cancel_url must be an https" },
    { name: "credentials in a page", body: { cancel_url: "https://me:pw@shop.test/" }, says: "without credentials" },
    { name: "a currency", body: { currency: "eur" }, says: "currency is not a field" },
  ])("$name", async ({ body, says }) => {
    const tenant = await newTenant();
    const answer = await ask("POST", "/credits/checkout", tenant.managementKey, { amount: 10, ...URLS, ...body });
    expect(answer).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining(says) } } });
    expect(await purchases(tenant)).toEqual([]);
    expect(stripe.calls).toEqual([]);
  });

  test("http pages on this machine are for development", async () => {
    await checkout(await newTenant(), { success_url: "http://localhost:3000/ok", cancel_url: "http://127.0.0.1/no" });
  });

  test("an inference key, no key", async () => {
    const tenant = await newTenant();
    const body = { amount: 10, ...URLS };
    expect(await ask("POST", "/credits/checkout", tenant.key, body)).toMatchObject({ status: 403 });
    expect(await ask("POST", "/credits/checkout", null, body)).toMatchObject({ status: 401 });
  });

  test("Stripe refuses: 400 with its code, the purchase is over; Stripe away: 503", async () => {
    const tenant = await newTenant();
    stripe.faults.push(400);
    const refused = await ask("POST", "/credits/checkout", tenant.managementKey, { amount: 10, ...URLS });
    expect(refused).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining("api_error") } } });
    expect(await purchases(tenant)).toMatchObject([{ status: "expired" }]);
    stripe.faults.push(500, 500);
    const away = await ask("POST", "/credits/checkout", tenant.managementKey, { amount: 10, ...URLS });
    expect(away.status).toBe(503);
    expect(away.headers.get("retry-after")).toBe("5");
  });

  test("the 51st open checkout is refused until one is over", async () => {
    const tenant = await newTenant();
    const first = await checkout(tenant);
    for (let at = 1; at < 50; at++) await checkout(tenant);
    const body = { amount: 10, ...URLS };
    expect(await ask("POST", "/credits/checkout", tenant.managementKey, body)).toMatchObject({ status: 409 });
    expect(await deliver(stripe.expire(first.sessionId))).toMatchObject({ status: 200 });
    await checkout(tenant);
  });
});

describe("an event that is not right changes nothing", () => {
  const paid = async () => {
    const tenant = await newTenant();
    const made = await checkout(tenant);
    const [event] = stripe.pay(made.sessionId).events;
    if (event === undefined) throw new Error("no event");
    return { tenant, event, body: JSON.stringify(event) };
  };

  test.each([
    { name: "no signature", signature: async () => null, says: "header is missing" },
    {
      name: "a forged one",
      signature: async (body: string) => await stripe.sign(body, Date.now(), "whsec_guess"),
      says: "does not match",
    },
    {
      name: "one of another body",
      signature: async (body: string) => await stripe.sign(`${body} `),
      says: "does not match",
    },
    {
      name: "an old one",
      signature: async (body: string) => await stripe.sign(body, Date.now() - 301_000),
      says: "300 seconds",
    },
    { name: "nonsense", signature: async () => "t=1,v2=00", says: "does not match" },
  ])("signature: $name", async ({ signature, says }) => {
    const { tenant, event, body } = await paid();
    const answer = await deliver(event, { body, signature: await signature(body) });
    expect(answer).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining(says) } } });
    expect(await balanceOf(tenant)).toBe(0n);
    expect(await purchases(tenant)).toMatchObject([{ status: "open" }]);
  });

  test.each([
    { name: "no JSON", body: "{" },
    { name: "no event", body: "[]" },
  ])("signed, but $name: 400", async ({ body }) => {
    const { event } = await paid();
    expect(await deliver(event, { body })).toMatchObject({ status: 400 });
  });

  test("a body that is too large is not read", async () => {
    const { event } = await paid();
    expect(await deliver(event, { body: " ".repeat(600_000) })).toMatchObject({ status: 413 });
  });

  const metadata = (account: string, credit = "10", fee = "0.8") => ({
    waypost_account: account,
    waypost_purchase: "pur-1",
    waypost_credit: credit,
    waypost_fee: fee,
  });
  const news = (payment: { readonly id: string }) => ({
    id: "evt_x",
    type: "payment_intent.succeeded",
    data: { object: { ...payment } },
  });

  test.each([
    { name: "another currency", given: { amount: 1080, currency: "eur" }, says: "not in US dollars" },
    { name: "less money than was ordered", given: { amount: 1079 }, says: "not what was ordered" },
    { name: "more money than was ordered", given: { amount: 1081 }, says: "not what was ordered" },
  ])("$name: 422", async ({ given, says }) => {
    const { tenant } = await paid();
    const answer = await deliver(news(stripe.foreignPayment({ ...given, metadata: metadata(tenant.id) })));
    expect(answer).toMatchObject({ status: 422, body: { error: { message: expect.stringContaining(says) } } });
    expect(await balanceOf(tenant)).toBe(0n);
  });

  test.each([
    { name: "a negative credit", credit: "-10", fee: "20.8" },
    { name: "a text for a credit", credit: "ten", fee: "0.8" },
    { name: "an overflowing credit", credit: "9007199.254740991", fee: "1" },
  ])("$name: 422", async ({ credit, fee }) => {
    const { tenant } = await paid();
    const payment = stripe.foreignPayment({ amount: 1080, metadata: metadata(tenant.id, credit, fee) });
    expect(await deliver(news(payment))).toMatchObject({ status: 422 });
    expect(await balanceOf(tenant)).toBe(0n);
  });

  test.each([
    { name: "an account that is none", account: "gl1zzzzzzzzzzzzz" },
    { name: "a text that can't be one", account: "nobody" },
  ])("$name: 404, so that Stripe shows it", async ({ account }) => {
    const payment = stripe.foreignPayment({ amount: 1080, metadata: metadata(account) });
    expect(await deliver(news(payment))).toMatchObject({ status: 404 });
    const { results } = await env.DB.prepare("SELECT id FROM entries WHERE id LIKE ?").bind(`${account}%`).all();
    expect(results).toEqual([]);
  });

  test("what belongs to another product of the operator's is passed over", async () => {
    const payment = stripe.foreignPayment({ amount: 500, metadata: { order: "7" } });
    expect(await deliver(news(payment))).toMatchObject({ status: 200, body: { purchase: null } });
    for (const event of stripe.refund(payment.id, 100).events) {
      expect(await deliver(event)).toMatchObject({ status: 200, body: { purchase: null } });
    }
    const odd = { id: "evt_y", type: "customer.created", data: { object: { id: "cus_1", object: "customer" } } };
    expect(await deliver(odd)).toMatchObject({ status: 200, body: { purchase: null } });
  });
});
