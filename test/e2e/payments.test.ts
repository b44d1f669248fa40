/**
 * Payments through a real `npm start` and a double of Stripe behind a real socket: the README's checkout, events, a kill
 * in the middle of them, a refund, an automatic top-up. In the end the audit holds.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod";
import { serve, type Server } from "./serve.ts";
import { startStripe, type StripeServer } from "./stripe-server.ts";
import { makeTenant, type Tenant } from "./tenant.ts";

const README = readFileSync(path.resolve(import.meta.dirname, "../../README.md"), "utf8");
const Credits = z.looseObject({ data: z.looseObject({ total_credits: z.number() }) });
const Purchases = z.looseObject({
  data: z.array(
    z.looseObject({ id: z.string(), status: z.string(), source: z.string(), receipt_url: z.string().nullable() }),
  ),
});

let stripe: StripeServer;
let server: Server;

beforeAll(async () => {
  stripe = await startStripe();
  server = await serve({ env: stripe.env });
});
afterAll(async () => {
  await server?.stop();
  await stripe?.stop();
});

async function call(tenant: Tenant, method: string, route: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(`${server.apiBase}${route}`, {
    method,
    headers: { Authorization: `Bearer ${tenant.managementKey}`, "Content-Type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  expect(answer.ok, text).toBe(true);
  return JSON.parse(text) as unknown;
}

const credits = async (tenant: Tenant): Promise<number> =>
  Credits.parse(await call(tenant, "GET", "/credits")).data.total_credits;
const purchases = async (tenant: Tenant) => Purchases.parse(await call(tenant, "GET", "/credits/purchases")).data;

async function pay(tenant: Tenant, amount: number) {
  const pages = { success_url: "https://shop.test/thanks", cancel_url: "https://shop.test/" };
  await call(tenant, "POST", "/credits/checkout", { amount, save_payment_method: true, ...pages });
  return stripe.double.pay([...stripe.double.sessions.keys()].at(-1) ?? "");
}

test("the README's checkout is paid, and is credit, with a receipt", async () => {
  const tenant = await makeTenant(server, "1");
  const block = /^```sh\n([^`]*\/credits\/checkout[^`]*)^```$/m.exec(README)?.[1] ?? "no block";
  const command = block
    .replaceAll("http://127.0.0.1:8787", server.url)
    .replace("MANAGEMENT_KEY=sk-wp-...", `MANAGEMENT_KEY=${tenant.managementKey}`);
  // Not the synchronous way: the double answers in this very process.
  const { stdout } = await promisify(execFile)("sh", ["-ec", command]);
  expect(stdout).toContain('"url":"https://checkout.stripe.test/');
  const { events } = stripe.double.pay([...stripe.double.sessions.keys()].at(-1) ?? "");
  for (const event of [...events, ...events]) expect(await stripe.deliver(server.apiBase, event)).toBe(200);
  expect(await credits(tenant)).toBe(26);
  expect(await purchases(tenant)).toMatchObject([
    { status: "paid", credits: 25, fee: 1.38, receipt_url: expect.stringContaining("https://pay.stripe.test/") },
  ]);
});

test("the server is killed while events come: each purchase is credited once", async () => {
  const tenant = await makeTenant(server, "1");
  const paid = [await pay(tenant, 10), await pay(tenant, 20), await pay(tenant, 30)];
  const events = paid.flatMap((one) => one.events);
  // Killed when the first of them is through: some are booked, some half, some not.
  const early = events.map((event) => stripe.deliver(server.apiBase, event));
  await Promise.race(early);
  await server.kill();
  await Promise.all(early);
  server = await server.restart();
  for (const event of events) expect(await stripe.deliver(server.apiBase, event, 20)).toBe(200);
  expect(await credits(tenant)).toBe(61);
  expect((await purchases(tenant)).map(({ status }) => status)).toEqual(["paid", "paid", "paid"]);
});

test("a refund in Stripe's dashboard takes credit", async () => {
  const tenant = await makeTenant(server, "1");
  const { paymentId, events } = await pay(tenant, 10);
  for (const event of [...events, ...stripe.double.refund(paymentId, 400).events]) {
    expect(await stripe.deliver(server.apiBase, event)).toBe(200);
  }
  expect(await credits(tenant)).toBe(7);
});

test("a balance below the threshold is topped up by itself", async () => {
  const tenant = await makeTenant(server, "1");
  for (const event of (await pay(tenant, 10)).events) await stripe.deliver(server.apiBase, event);
  await call(tenant, "PUT", "/credits/auto-top-up", { enabled: true, threshold: 20, amount: 50, monthly_cap: 60 });
  const endMs = Date.now() + 10_000;
  while ((await credits(tenant)) < 61 && Date.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await credits(tenant)).toBe(61);
  expect((await purchases(tenant))[0]).toMatchObject({ source: "auto_top_up", status: "paid" });
});

test("the audit holds, and the books have payments, fees and refunds", async () => {
  const answer = await fetch(`${server.apiBase}/admin/audit`, {
    headers: { Authorization: `Bearer ${server.operatorKey}` },
  });
  expect(await answer.json()).toMatchObject({
    ok: true,
    totals: { balances: { clearing: expect.stringMatching(/^-/), fee: expect.stringMatching(/^\d/), refund: "4" } },
  });
});
