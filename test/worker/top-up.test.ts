/** Automatic top-up: when it buys, what it may charge, and what ends it. */
import { evictDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { NANO_PER_USD } from "../../src/core/money.ts";
import { failWrites, request, setClock, settlement } from "./account-setup.ts";
import { ask, dataOf, newTenant, type Tenant } from "./fixture.ts";
import { balanceOf, bought, deliver, ring, stripe, useStripe, watch } from "./payments-setup.ts";

useStripe();

const USD = NANO_PER_USD;
const HOUR_MS = 3_600_000;
const PATH = "/credits/auto-top-up";
const ON = { enabled: true, threshold: 5, amount: 20 };

const settings = async (tenant: Tenant) =>
  dataOf<Record<string, unknown>>(await ask("GET", PATH, tenant.managementKey));
const charges = () => stripe.calls.filter(({ call }) => call === "POST /v1/payment_intents");

/** A tenant with $10 and a card that was kept. */
async function saver(method = "pm_card"): Promise<Tenant> {
  const tenant = await newTenant();
  await bought(tenant, { save_payment_method: true }, method);
  await watch(tenant);
  return tenant;
}

async function enable(tenant: Tenant, body: Record<string, unknown> = ON): Promise<void> {
  const answer = await ask("PUT", PATH, tenant.managementKey, body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
}

/** Spends by a generation, as any request does. */
async function spend(tenant: Tenant, costNusd: bigint): Promise<void> {
  const one = request(tenant, { wantedNusd: costNusd, minimumNusd: costNusd });
  expect(await tenant.gate.admit(one)).toMatchObject({ kind: "admitted" });
  await tenant.gate.settle([settlement(tenant, one.generationId, costNusd)]);
}

async function purchases(tenant: Tenant) {
  const all = dataOf<{ source: string; status: string }[]>(
    await ask("GET", "/credits/purchases", tenant.managementKey),
  );
  return all.filter(({ source }) => source === "auto_top_up");
}

test("a settlement that leaves less than the threshold buys credit by the card that was kept, once", async () => {
  const tenant = await saver();
  await enable(tenant);
  await ring(tenant);
  expect(charges()).toEqual([]);
  await spend(tenant, 6n * USD);
  await ring(tenant);
  await ring(tenant);
  expect(charges()).toHaveLength(1);
  expect(charges()[0]).toMatchObject({
    fields: {
      amount: "2110",
      currency: "usd",
      customer: expect.stringMatching(/^cus_/),
      payment_method: "pm_card",
      off_session: "true",
      confirm: "true",
      error_on_requires_action: "true",
    },
  });
  expect(await balanceOf(tenant)).toBe(24n * USD);
  expect(await purchases(tenant)).toMatchObject([
    { status: "paid", credits: 20, fee: 1.1, receipt_url: expect.stringContaining("receipts") },
  ]);
  expect(await settings(tenant)).toMatchObject({
    enabled: true,
    charging: false,
    charged_this_month: 21.1,
    stopped: null,
  });
  // Its event comes as well.
  const paid = [...stripe.intents.values()].at(-1);
  expect(await deliver({ id: "evt_t", type: "payment_intent.succeeded", data: { object: paid ?? {} } })).toMatchObject({
    status: 200,
  });
  expect(await balanceOf(tenant)).toBe(24n * USD);
});

test("enabling it below the threshold buys at once", async () => {
  const tenant = await saver();
  await enable(tenant, { ...ON, threshold: 15 });
  await ring(tenant);
  expect(await balanceOf(tenant)).toBe(30n * USD);
});

test("what takes the balance to nothing without a settlement buys as well", async () => {
  const tenant = await saver();
  await enable(tenant);
  await ring(tenant);
  await tenant.gate.credit({ idempotencyKey: "taken", amountNusd: -12n * USD, reason: "taken" });
  await ring(tenant);
  expect(await balanceOf(tenant)).toBe(18n * USD);
});

test("a declined card ends it until the tenant enables it again", async () => {
  const tenant = await saver("pm_declined");
  await enable(tenant, { ...ON, threshold: 15 });
  await ring(tenant);
  expect(await settings(tenant)).toMatchObject({
    enabled: false,
    charging: false,
    charged_this_month: 0,
    stopped: { code: "insufficient_funds", at: expect.any(String) },
  });
  expect(await purchases(tenant)).toMatchObject([{ status: "failed" }]);
  await spend(tenant, USD);
  await ring(tenant);
  expect(charges()).toHaveLength(1);
  expect(await balanceOf(tenant)).toBe(9n * USD);
  await setClock(tenant, Date.now() + HOUR_MS);
  await enable(tenant, { enabled: true });
  await ring(tenant);
  expect(charges()).toHaveLength(2);
  expect(charges()[1]?.idempotencyKey).not.toBe(charges()[0]?.idempotencyKey);
});

test("the monthly cap is never passed, and the next month goes on by itself", async () => {
  const tenant = await saver();
  await setClock(tenant, Date.UTC(2026, 10, 15));
  await enable(tenant, { ...ON, threshold: 1000, amount: 20, monthly_cap: 50 });
  for (let at = 0; at < 5; at++) {
    await setClock(tenant, Date.UTC(2026, 10, 15) + at * HOUR_MS);
    await ring(tenant);
  }
  expect(charges()).toHaveLength(2);
  expect(await balanceOf(tenant)).toBe(50n * USD);
  await setClock(tenant, Date.UTC(2026, 11, 1));
  await ring(tenant);
  expect(charges()).toHaveLength(3);
  expect(await settings(tenant)).toMatchObject({ monthly_cap: 50, charged_this_month: 21.1 });
});

test.each([
  { name: "Stripe fails", faults: [500, 500] },
  { name: "Stripe has too much to do", faults: [429] },
  { name: "the key is refused for now", faults: [401] },
])("$name: the same payment is tried again later", async ({ faults }) => {
  const tenant = await saver();
  const startMs = Date.now();
  stripe.faults.push(...faults);
  await enable(tenant, { ...ON, threshold: 15 });
  await ring(tenant);
  expect(await settings(tenant)).toMatchObject({ enabled: true, charging: true, stopped: null });
  expect(await balanceOf(tenant)).toBe(10n * USD);
  await setClock(tenant, startMs + HOUR_MS);
  await ring(tenant);
  expect(await balanceOf(tenant)).toBe(30n * USD);
  expect(new Set(charges().map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1);
});

test("Stripe's answer is lost after it charged: the second try hears of the same payment", async () => {
  const tenant = await saver();
  stripe.faults.push("lost");
  await enable(tenant, { ...ON, threshold: 15 });
  await ring(tenant);
  await setClock(tenant, Date.now() + HOUR_MS);
  await ring(tenant);
  expect([...stripe.intents.values()].filter((intent) => intent["amount"] === 2110)).toHaveLength(1);
  expect(await balanceOf(tenant)).toBe(30n * USD);
});

test("D1 away after the charge, and the gate gone: credited once it is back, charged once", async () => {
  const tenant = await saver();
  await enable(tenant, { ...ON, threshold: 15 });
  await failWrites(tenant, ["before"]);
  await ring(tenant);
  await evictDurableObject(tenant.gate);
  await watch(tenant);
  await ring(tenant);
  expect(await balanceOf(tenant)).toBe(30n * USD);
  expect(charges()).toHaveLength(1);
});

test("a payment that the bank is slow with waits for its event, and nothing else is charged meanwhile", async () => {
  const tenant = await saver("pm_slow");
  await enable(tenant, { ...ON, threshold: 15 });
  await ring(tenant);
  await setClock(tenant, Date.now() + 10 * 60_000);
  await ring(tenant);
  expect(await settings(tenant)).toMatchObject({ charging: true });
  expect(charges()).toHaveLength(1);
  const slow = [...stripe.intents.values()].at(-1);
  expect(await deliver(stripe.settle(slow?.id ?? ""))).toMatchObject({ status: 200 });
  expect(await balanceOf(tenant)).toBe(30n * USD);
  expect(await settings(tenant)).toMatchObject({ charging: false, enabled: true });
});

test("after 20 hours without an answer it ends, since asking again could charge again", async () => {
  const tenant = await saver();
  stripe.faults.push(...Array.from({ length: 20 }, () => 500));
  await enable(tenant, { ...ON, threshold: 15 });
  await ring(tenant);
  await setClock(tenant, Date.now() + 21 * HOUR_MS);
  await ring(tenant);
  expect(await settings(tenant)).toMatchObject({ enabled: false, stopped: { code: "api_error" } });
});

test.each([
  { name: "no card was kept", kept: false, body: ON, status: 409, says: "no card to charge" },
  { name: "no amount", kept: true, body: { enabled: true, threshold: 5 }, status: 400, says: "amount is required" },
  { name: "an amount below the minimum", kept: true, body: { ...ON, amount: 1 }, status: 400, says: "at least 5" },
  { name: "a negative threshold", kept: true, body: { ...ON, threshold: -1 }, status: 400, says: "negative" },
  { name: "a cap below one purchase", kept: true, body: { ...ON, monthly_cap: 21 }, status: 400, says: "monthly_cap" },
  { name: "no boolean", kept: true, body: { ...ON, enabled: "yes" }, status: 400, says: "enabled" },
])("settings with $name are refused", async ({ kept, body, status, says }) => {
  const tenant = kept ? await saver() : await newTenant();
  const answer = await ask("PUT", PATH, tenant.managementKey, body);
  expect(answer).toMatchObject({ status, body: { error: { message: expect.stringContaining(says) } } });
  expect(await settings(tenant)).toMatchObject({ enabled: false, has_payment_method: kept });
});

test("an inference key may not read the settings", async () => {
  const tenant = await newTenant();
  expect(await ask("GET", PATH, tenant.key)).toMatchObject({ status: 403 });
});
