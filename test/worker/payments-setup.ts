/** Payments in worker tests: the double in the network's place, its events delivered as Stripe delivers them. */
import { runInDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { afterEach, beforeEach, expect } from "vitest";
import type { NanoUsd } from "../../src/core/money.ts";
import type { AccountGate } from "../../src/gates/account-gate.ts";
import { readBalance } from "../../src/ledger/books.ts";
import { env } from "cloudflare:workers";
import { createStripeDouble, type StripeDouble, type StripeEvent } from "../stripe/double.ts";
import { ask, dataOf, type Answer, type Tenant } from "./fixture.ts";

const OPTIONS = { apiKey: "sk_test_of_the_tests", webhookSecret: "whsec_of_the_tests" };

/** The double of the running test. */
export let stripe: StripeDouble = createStripeDouble(OPTIONS);

/** Puts a fresh double at http://stripe.test before each test. */
export function useStripe(): void {
  const network = globalThis.fetch;
  beforeEach(() => {
    stripe = createStripeDouble(OPTIONS);
    globalThis.fetch = (async (input: RequestInfo | URL, init?: RequestInit) => {
      const request = new Request(input, init);
      if (new URL(request.url).host !== "stripe.test") throw new Error(`No network: ${request.url}`);
      return await stripe.handle(request);
    }) as typeof fetch;
  });
  afterEach(() => {
    globalThis.fetch = network;
  });
}

export interface Delivery {
  readonly signature?: string | null;
  readonly body?: string;
}

/** Delivers an event as Stripe does. */
export async function deliver(event: StripeEvent, { signature, body }: Delivery = {}): Promise<Answer> {
  const text = body ?? JSON.stringify(event);
  const header = signature === undefined ? await stripe.sign(text) : signature;
  const response = await exports.default.fetch(
    new Request("https://waypost.test/api/v1/webhooks/stripe", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(header === null ? {} : { "Stripe-Signature": header }) },
      body: text,
    }),
  );
  return { status: response.status, headers: response.headers, body: await response.json() };
}

export const URLS = { success_url: "https://shop.test/thanks", cancel_url: "https://shop.test/" };

/** A checkout, made and not paid. */
export async function checkout(tenant: Tenant, body: Record<string, unknown> = {}) {
  const made = await ask("POST", "/credits/checkout", tenant.managementKey, { amount: 10, ...URLS, ...body });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const sessionId = [...stripe.sessions.keys()].at(-1) ?? "";
  return { ...dataOf<{ id: string; url: string; total: number; fee: number }>(made), sessionId };
}

/** A checkout that was paid, all its events delivered. */
export async function bought(tenant: Tenant, body: Record<string, unknown> = {}, method = "pm_card") {
  const made = await checkout(tenant, body);
  const { paymentId, events } = stripe.pay(made.sessionId, method);
  for (const event of events) expect(await deliver(event)).toMatchObject({ status: 200 });
  return { ...made, paymentId, events };
}

/** The tenant's balance as the gate has it, which must be what the books have. */
export async function balanceOf(tenant: Tenant): Promise<NanoUsd> {
  const audit = await tenant.gate.audit();
  if (!audit.ok) throw new Error(JSON.stringify(audit.error));
  expect(audit.value.faults).toEqual([]);
  expect((await readBalance(env.DB, tenant.id)).balanceNusd).toBe(audit.value.gateBalanceNusd);
  return audit.value.gateBalanceNusd;
}

/** The lines of the account's entries of these kinds, summed by ledger account. */
export async function linesOf(tenant: Tenant, kinds: readonly string[]): Promise<Record<string, number>> {
  const { results } = await env.DB.prepare(
    `SELECT l.account, SUM(l.amount_nusd) AS sum FROM lines l JOIN entries e ON e.id = l.entry_id
     WHERE e.id > ?1 || '/' AND e.id < ?1 || '0' AND e.kind IN (SELECT value FROM json_each(?2)) GROUP BY l.account`,
  )
    .bind(tenant.id, JSON.stringify(kinds))
    .all<{ account: string; sum: number }>();
  return Object.fromEntries(results.map(({ account, sum }) => [account.replace(tenant.id, "me"), sum]));
}

// What the gates have left to do in the background, by account; the alarm may also ring by itself.
const left = new Map<string, Promise<unknown>[]>();
const watched = new WeakSet<object>();

/** Remembers from now on what the gate leaves to do in the background. Again after an eviction. */
export async function watch(tenant: Tenant): Promise<void> {
  await runInDurableObject(tenant.gate, (_gate: AccountGate, state) => {
    if (watched.has(state)) return;
    watched.add(state);
    const waitUntil = state.waitUntil.bind(state);
    state.waitUntil = (work) => {
      left.set(tenant.id, [...(left.get(tenant.id) ?? []), work]);
      waitUntil(work);
    };
  });
}

/** Rings the gate's alarm, if it has not rung by itself, and waits for the work that it leaves behind. */
export async function ring(tenant: Tenant): Promise<void> {
  await watch(tenant);
  await runDurableObjectAlarm(tenant.gate);
  await runInDurableObject(tenant.gate, async (_gate: AccountGate) => {
    await Promise.all(left.get(tenant.id) ?? []);
  });
}
