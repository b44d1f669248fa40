/**
 * Many requests at once through three services that share one account's gate: never more than the credit is spent, and
 * nearly all of it is, with and without leases. Every answer costs exactly its worst case (trio.ts).
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod";
import { formatUsd } from "../../src/core/money.ts";
import { alone } from "./alone.ts";
import { makeTenant, type Tenant } from "./tenant.ts";
import { MODEL, PRICE_NUSD, startTrio, type Trio } from "./trio.ts";

const MAX_TOKENS = 100;
const WORST_NUSD = BigInt(MAX_TOKENS * PRICE_NUSD);

let trio: Trio;
alone();
beforeAll(async () => {
  trio = await startTrio();
});
afterAll(async () => {
  await trio.stop();
});

/** An account with credit for so many worst cases. */
async function tenantWith(worstCases: number): Promise<Tenant> {
  const server = { apiBase: trio.apis[0] ?? "", operatorKey: trio.operatorKey };
  return await makeTenant(server, formatUsd(BigInt(worstCases) * WORST_NUSD));
}

interface Served {
  readonly status: number;
  readonly id: string;
  readonly service: number;
}

/** One request through a service; every other one is streamed. Its output may not be cut. */
async function ask(tenant: Tenant, number: number): Promise<Served> {
  const service = number % trio.apis.length;
  const response = await fetch(`${trio.apis[service]}/chat/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${tenant.key}`,
      "content-type": "application/json",
      "x-waypost-no-clamp": "1",
    },
    body: JSON.stringify({
      model: MODEL,
      max_tokens: MAX_TOKENS,
      stream: Math.floor(number / trio.apis.length) % 2 === 0,
      messages: [{ role: "user", content: "Fill it." }],
    }),
  });
  await response.text();
  return { status: response.status, id: response.headers.get("x-generation-id") ?? "", service };
}

/** `count` requests, `atOnce` of them open at a time. */
async function askMany(tenant: Tenant, count: number, atOnce: number): Promise<readonly Served[]> {
  const served: Served[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) served.push(await ask(tenant, next++));
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return served;
}

const Money = z.looseObject({
  data: z.looseObject({ balance: z.string(), total_usage: z.string(), held: z.string(), leased: z.string() }),
});

async function moneyOf({ account }: Tenant) {
  return Money.parse(await operate(`/admin/accounts/${account}`)).data;
}

async function operate(route: string): Promise<unknown> {
  const response = await fetch(`${trio.apis[0]}${route}`, { headers: { authorization: `Bearer ${trio.operatorKey}` } });
  expect(response.status).toBe(200);
  return await response.json();
}

const count = (served: readonly Served[], status: number): number =>
  served.filter((one) => one.status === status).length;

/** All that was lent comes back, and what was spent is what was served, to the nano-dollar. */
async function expectSpent(tenant: Tenant, credits: number, answers: number): Promise<void> {
  await expect
    .poll(async () => await moneyOf(tenant), { timeout: 20_000, interval: 200 })
    .toMatchObject({
      held: "0",
      leased: "0",
      total_usage: formatUsd(BigInt(answers) * WORST_NUSD),
      balance: formatUsd(BigInt(credits - answers) * WORST_NUSD),
    });
  expect(await operate("/admin/audit")).toMatchObject({ ok: true });
}

test("500 requests at once with credit for 50 worst cases: never more than the credit, and at least 48 are served", async () => {
  const tenant = await tenantWith(50);
  const served = await askMany(tenant, 500, 500);
  const answers = count(served, 200);
  expect(answers + count(served, 402)).toBe(500);
  expect(answers).toBeGreaterThanOrEqual(48);
  expect(answers).toBeLessThanOrEqual(50);
  await expectSpent(tenant, 50, answers);
  console.log(JSON.stringify({ requests: 500, credits: 50, answers }));
});

test("a rich account is served from leases by all three services, each answer charged once", async () => {
  const credits = 200_000;
  const tenant = await tenantWith(credits);
  const served = await askMany(tenant, 1_500, 120);
  expect(count(served, 200)).toBe(1_500);
  await expectSpent(tenant, credits, 1_500);
  const warm = trio.apis.map((_, at) => served.filter((one) => one.service === at && trio.leased.has(one.id)).length);
  for (const requests of warm) expect(requests).toBeGreaterThan(250);
  console.log(JSON.stringify({ requests: 1_500, credits, warm }));
});

test("an account that runs dry while three services hold leases of it spends all of its credit and not more", async () => {
  const credits = 1_000;
  const tenant = await tenantWith(credits);
  const first = await askMany(tenant, 1_400, 60);
  const warm = first.filter((one) => trio.leased.has(one.id)).length;
  expect(count(first, 200) + count(first, 402)).toBe(1_400);
  expect(count(first, 200)).toBeLessThanOrEqual(credits);
  expect(count(first, 200)).toBeGreaterThanOrEqual(credits * 0.96);
  // What leases held when the others were refused is there for whoever asks once they are given back.
  await expect.poll(async () => (await moneyOf(tenant)).leased, { timeout: 20_000 }).toBe("0");
  const rest = await askMany(tenant, 100, 4);
  expect(count(first, 200) + count(rest, 200)).toBe(credits);
  await expectSpent(tenant, credits, credits);
  console.log(JSON.stringify({ requests: 1_400, credits, answers: count(first, 200), warm, rest: count(rest, 200) }));
});
