/**
 * Own provider credentials against a real server and two upstreams that keep what they were sent: whose credential
 * arrives, what is charged for it, and who hears of its failures. The month's free allowance is nothing here.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { isObject } from "../../src/core/json.ts";
import {
  ask,
  call,
  chargeOf,
  costAt,
  CREDENTIALS,
  generationOf,
  newAccount,
  readStream,
  startFaultWorld,
  until,
  type FaultWorld,
  type TestAccount,
} from "./fault-world.ts";

const OWN = "own-credential-of-a-tenant-0011";
const REFUSED = "refused-credential-of-a-tenant-22";
/** Of what every good answer bills: 10 and 5 tokens. */
const [NEAR_LIST, FAR_LIST] = [costAt("near", 10, 5), costAt("far", 10, 5)];
/** 5%, rounded up. */
const feeOf = (listNusd: bigint): bigint => (listNusd * 500n + 9_999n) / 10_000n;

let world: FaultWorld;

beforeAll(async () => {
  world = await startFaultWorld(
    new Map([
      ["test/one", [{ provider: "near", mode: "picky" }]],
      [
        "test/two",
        [
          { provider: "near", mode: "ok" },
          { provider: "far", mode: "picky" },
        ],
      ],
      ["test/bare", [{ provider: "bare", mode: "ok" }]],
    ]),
    { WAYPOST_BYOK_FREE_USD_MONTHLY: "0" },
  );
});
afterAll(async () => {
  await world.stop();
});

async function give(account: TestAccount, body: Record<string, unknown>): Promise<string> {
  const made = await call(world.server, "POST", "/byok", account.managementKey, body);
  expect(made.status).toBe(201);
  const { body: answer } = made;
  return isObject(answer) && isObject(answer["data"]) ? String(answer["data"]["id"]) : "";
}

/** Credentials that arrived at both upstreams since `mark()`. */
function mark(): () => readonly string[] {
  const before = { near: world.near.calls.length, far: world.far.calls.length };
  return () => [
    ...world.near.calls.slice(before.near).map((one) => `near ${one.authorization.slice(7)}`),
    ...world.far.calls.slice(before.far).map((one) => `far ${one.authorization.slice(7)}`),
  ];
}

test("an own credential arrives, and its fee is all that is charged", async () => {
  const account = await newAccount(world);
  await give(account, { provider: "near", key: OWN, always_use: true });
  const arrived = mark();
  const answer = await ask(world, account, { model: "test/one" }, undefined, { "x-openrouter-metadata": "enabled" });
  expect(answer.status).toBe(200);
  const body = (await answer.json()) as { id: string }; // matched next
  expect(body).toMatchObject({
    usage: {
      is_byok: true,
      cost: Number(feeOf(NEAR_LIST)) / 1e9,
      cost_details: { upstream_inference_cost: Number(NEAR_LIST) / 1e9 },
    },
    openrouter_metadata: { is_byok: true },
  });
  expect(arrived()).toEqual([`near ${OWN}`]);
  expect(await chargeOf(world, account)).toBe(feeOf(NEAR_LIST));
  expect(await generationOf(world, account, body.id)).toMatchObject({
    is_byok: true,
    total_cost: Number(feeOf(NEAR_LIST)) / 1e9,
    upstream_inference_cost: Number(NEAR_LIST) / 1e9,
    provider_responses: [{ is_byok: true, status: 200 }],
  });
  expect((await call(world.server, "GET", "/key", account.key)).body).toMatchObject({
    data: { usage: Number(feeOf(NEAR_LIST)) / 1e9, byok_usage_monthly: Number(NEAR_LIST) / 1e9 },
  });
});

test("streamed, it is the same", async () => {
  const account = await newAccount(world);
  await give(account, { provider: "near", key: OWN });
  const arrived = mark();
  const stream = await readStream(await ask(world, account, { model: "test/one", stream: true }));
  expect(stream).toMatchObject({ isDone: true, usage: { is_byok: true, cost: Number(feeOf(NEAR_LIST)) / 1e9 } });
  expect(arrived()).toEqual([`near ${OWN}`]);
  expect(await chargeOf(world, account)).toBe(feeOf(NEAR_LIST));
});

test("it goes first though its endpoint is the dearer one; refused, the shared ones serve", async () => {
  const [account, unlucky] = [await newAccount(world), await newAccount(world)];
  await give(account, { provider: "far", key: OWN });
  const id = await give(unlucky, { provider: "far", key: REFUSED });
  const arrived = mark();
  expect((await ask(world, account, { model: "test/two" })).status).toBe(200);
  expect(arrived()).toEqual([`far ${OWN}`]);
  expect(await chargeOf(world, account)).toBe(feeOf(FAR_LIST));

  const after = mark();
  expect((await ask(world, unlucky, { model: "test/two", provider: { sort: "price" } })).status).toBe(200);
  expect(after()).toEqual([`near ${CREDENTIALS.near}`, `far ${REFUSED}`]);
  expect(await chargeOf(world, unlucky)).toBe(NEAR_LIST);
  expect((await call(world.server, "GET", `/byok/${id}`, unlucky.managementKey)).body).toMatchObject({
    data: { last_error: { type: "authentication", status: 401 } },
  });
});

test("always_use: refused, nothing is served on the operator's account, and nobody else is any the worse", async () => {
  const [account, other] = [await newAccount(world), await newAccount(world)];
  const id = await give(account, { provider: "near", key: REFUSED, always_use: true });
  const arrived = mark();
  for (let at = 0; at < 12; at++) {
    const answer = await ask(world, account, { model: "test/one", stream: at % 2 === 0 });
    expect(answer.status).toBe(502);
    expect(await answer.json()).toMatchObject({
      error: { message: expect.stringContaining("refused your own credential (401)"), metadata: { is_byok: true } },
    });
  }
  expect(new Set(arrived())).toEqual(new Set([`near ${REFUSED}`]));
  expect(await chargeOf(world, account)).toBe(0n);
  // Twelve refusals in a row would have taken the operator's credential out, once isolates have reported them.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect((await ask(world, other, { model: "test/one" })).status).toBe(200);
  const providers = (await call(world.server, "GET", "/admin/providers", world.server.operatorKey)).body;
  const near =
    isObject(providers) && Array.isArray(providers["data"])
      ? (providers["data"] as unknown[]).find((one) => isObject(one) && one["slug"] === "near")
      : undefined;
  expect(near).toMatchObject({ credential_state: "usable", regions: [{ breaker: "closed" }] });
  // A new secret, and the credential is well again.
  await call(world.server, "PATCH", `/byok/${id}`, account.managementKey, { key: OWN });
  expect((await ask(world, account, { model: "test/one" })).status).toBe(200);
  expect(arrived().at(-1)).toBe(`near ${OWN}`);
});

test("a provider that the operator has no credential for is reached by the tenant alone", async () => {
  const [account, other] = [await newAccount(world), await newAccount(world)];
  await give(account, { provider: "bare", key: OWN });
  const arrived = mark();
  expect((await ask(world, account, { model: "test/bare" })).status).toBe(200);
  expect((await ask(world, other, { model: "test/bare" })).status).toBe(404);
  expect(arrived()).toEqual([`near ${OWN}`]);
});

test("filters: a key that a credential does not name is served by the shared one", async () => {
  const account = await newAccount(world);
  const made = await call(world.server, "POST", "/keys", account.managementKey, { name: "second" });
  const second = made.body as { key: string; data: { hash: string } }; // as the API answers
  await give(account, { provider: "near", key: OWN, always_use: true, allowed_api_key_hashes: [second.data.hash] });
  const arrived = mark();
  expect((await ask(world, account, { model: "test/one" })).status).toBe(200);
  expect((await ask(world, { ...account, key: second.key }, { model: "test/one" })).status).toBe(200);
  expect(arrived()).toEqual([`near ${CREDENTIALS.near}`, `near ${OWN}`]);
});

test("what the tenant changes counts within a lease's ten seconds", async () => {
  const account = await newAccount(world);
  const arrived = mark();
  const served = async (): Promise<string | undefined> => {
    expect((await ask(world, account, { model: "test/one" })).status).toBe(200);
    return arrived().at(-1);
  };
  expect(await served()).toBe(`near ${CREDENTIALS.near}`);
  const id = await give(account, { provider: "near", key: OWN, always_use: true });
  const change = async (body: unknown) =>
    expect((await call(world.server, "PATCH", `/byok/${id}`, account.managementKey, body)).status).toBe(200);
  expect(
    await until(async () => ((await served()) === `near ${OWN}` ? true : undefined), "the credential", 11_000),
  ).toBe(true);
  await change({ disabled: true });
  expect(
    await until(async () => ((await served()) === `near ${OWN}` ? undefined : true), "the shared one", 11_000),
  ).toBe(true);
  await change({ disabled: false, is_fallback: true, always_use: false });
  expect(await served()).toBe(`near ${CREDENTIALS.near}`);
});

test("afterwards the books are right, and the fees are in them", async () => {
  const audit = await until(async () => {
    const { body } = await call(world.server, "GET", "/admin/audit", world.server.operatorKey);
    return isObject(body) && body["outbox"] === 0 ? body : undefined;
  }, "an empty outbox");
  expect(audit).toMatchObject({ ok: true });
  expect(JSON.stringify(audit)).toMatch(/"fee":"?0\.0000\d+/);
});
