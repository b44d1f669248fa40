/** The operator's accounts and credits, through the API. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { operator } from "./admin-setup.ts";
import { gateOf } from "./account-setup.ts";
import { hashKey } from "../../src/accounts/keys.ts";
import { asAccountId } from "../../src/core/ids.ts";

interface Made {
  readonly data: { readonly id: string };
  readonly key: string;
  readonly management_key: string;
}

async function newAccount(body: Record<string, unknown> = { name: "Acme" }): Promise<Made> {
  const made = await operator("POST", "/accounts", body);
  expect(made.status).toBe(201);
  return made.body as unknown as Made; // its shape is what the first test checks
}

const credit = (id: string, amount: unknown, key: unknown = "first", more: Record<string, unknown> = {}) =>
  operator("POST", `/accounts/${id}/credits`, { amount, idempotency_key: key, reason: "test", ...more });

test("an account is made with two working keys, which are stored as hashes only", async () => {
  const made = await newAccount();
  expect(made).toEqual({
    data: {
      id: expect.stringMatching(/^gl1[0-9a-z]{13}$/),
      name: "Acme",
      region: null,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    },
    management_key: expect.stringMatching(/^sk-wp-gl1/),
    key: expect.stringMatching(/^sk-wp-gl1/),
  });
  const gate = gateOf(asAccountId(made.data.id));
  expect(await gate.identify(await hashKey(made.key))).toMatchObject({
    ok: true,
    value: { key: { kind: "inference" } },
  });
  expect(await gate.identify(await hashKey(made.management_key))).toMatchObject({
    ok: true,
    value: { key: { kind: "management" }, account: { name: "Acme" } },
  });
  const rows = await env.DB.prepare("SELECT * FROM initial_keys WHERE account_id = ?").bind(made.data.id).all();
  expect(rows.results).toHaveLength(2);
  expect(JSON.stringify(rows.results)).not.toContain(made.key.slice(30));
  expect(JSON.stringify(rows.results)).not.toContain(made.management_key.slice(30));
});

test.each([
  { region: "eu", id: /^eu1/ },
  { region: "us", id: /^us1/ },
])("an account pinned to $region has it in its id", async ({ region, id }) => {
  const made = await newAccount({ name: "Pinned", region });
  expect(made.data).toMatchObject({ id: expect.stringMatching(id), region });
});

test("credits come to the balance, a negative amount takes, and the same request under /v1 is the same", async () => {
  const { data } = await newAccount();
  const given = await credit(data.id, "12.50");
  expect(given).toMatchObject({
    status: 200,
    body: { data: { balance: "12.5", entry_id: `${data.id}/credit/first` } },
  });
  expect((await credit(data.id, "-20", "second")).body).toMatchObject({ data: { balance: "-7.5" } });
  const read = await operator("GET", `/accounts/${data.id}`);
  expect(read).toMatchObject({
    status: 200,
    body: {
      data: {
        id: data.id,
        name: "Acme",
        suspended: false,
        balance: "-7.5",
        held: "0",
        total_credits: "-7.5",
        total_usage: "0",
      },
    },
  });
});

test("a repeated credit answers the same and moves nothing, also when it comes ten times at once", async () => {
  const { data } = await newAccount();
  const replies = await Promise.all(Array.from({ length: 10 }, async () => await credit(data.id, "3")));
  expect(new Set(replies.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  await credit(data.id, "1", "other");
  expect((await credit(data.id, "3")).text).toBe(replies[0]?.text);
  expect((await operator("GET", `/accounts/${data.id}`)).body).toMatchObject({ data: { balance: "4" } });
});

test("a known idempotency key with another amount is a conflict and moves nothing", async () => {
  const { data } = await newAccount();
  await credit(data.id, "3");
  expect(await credit(data.id, "4")).toMatchObject({ status: 409, body: { error: { code: 409 } } });
  expect((await operator("GET", `/accounts/${data.id}`)).body).toMatchObject({ data: { balance: "3" } });
});

test("an idempotency key may have 255 characters of any script", async () => {
  const { data } = await newAccount();
  const key = "ключ/".repeat(51);
  expect((await credit(data.id, "1", key)).body).toMatchObject({ data: { entry_id: `${data.id}/credit/${key}` } });
  expect((await credit(data.id, "1", key)).status).toBe(200);
});

test.each([
  { name: "zero", amount: "0", says: "amount must not be zero" },
  { name: "minus zero", amount: "-0.000", says: "amount must not be zero" },
  { name: "finer than a nano-dollar", amount: "1.0000000001", says: "amount must be a decimal number" },
  { name: "beyond what the books hold", amount: "9007199.254740992", says: "amount must be at most" },
  { name: "a number", amount: 12.5, says: "amount must be a string, not a number" },
  { name: "absent", amount: undefined, says: "amount is required" },
  { name: "in exponents", amount: "1e3", says: "amount must be a decimal number" },
  { name: "empty", amount: "", says: "amount must be a decimal number" },
])("an amount that is $name is refused by name", async ({ amount, says }) => {
  const { data } = await newAccount();
  const reply = await credit(data.id, amount);
  expect(reply).toMatchObject({
    status: 400,
    body: { error: { message: expect.stringContaining(says), metadata: { path: "amount" } } },
  });
});

test("a credit that would overflow the balance is refused by name", async () => {
  const { data } = await newAccount();
  await credit(data.id, "9007199");
  const reply = await credit(data.id, "1", "second");
  expect(reply).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining("amount") } } });
});

test.each([
  { name: "an unknown field", body: { name: "A", colour: "red" }, says: "colour is not a field", path: "colour" },
  { name: "no name", body: {}, says: "name is required", path: "name" },
  { name: "an empty name", body: { name: "" }, says: "name must", path: "name" },
  {
    name: "an unknown region",
    body: { name: "A", region: "mars" },
    says: 'region must be one of "eu", "us"',
    path: "region",
  },
  {
    name: "a control character",
    body: { name: "A\u0000" },
    says: "name must not hold control characters",
    path: "name",
  },
])("an account with $name is refused", async ({ body, says, path }) => {
  const reply = await operator("POST", "/accounts", body);
  expect(reply).toMatchObject({
    status: 400,
    body: { error: { message: expect.stringContaining(says), metadata: { error_type: "invalid_request", path } } },
  });
});

test("an unknown field is answered with the fields there are", async () => {
  const reply = await operator("POST", "/accounts", { name: "A", colour: "red" });
  expect(reply.body).toMatchObject({
    error: { message: "colour is not a field of this body. Remove it; the fields of this body are name, region." },
  });
});

test.each([
  { name: "not JSON", body: "{" },
  { name: "a list", body: [] },
  { name: "null", body: "null" },
])("a body that is $name is a 400 that says so", async ({ body }) => {
  const reply = await operator("POST", "/accounts", body);
  expect(reply).toMatchObject({ status: 400, body: { error: { message: expect.stringMatching(/^The body /) } } });
});

test.each([
  { name: "an idempotency key of 256 characters", more: { idempotency_key: "x".repeat(256) }, path: "idempotency_key" },
  { name: "an empty idempotency key", more: { idempotency_key: "" }, path: "idempotency_key" },
  { name: "half a surrogate pair as key", more: { idempotency_key: "\ud800" }, path: "idempotency_key" },
  { name: "no reason", more: { reason: undefined }, path: "reason" },
  { name: "an unknown field", more: { note: "x" }, path: "note" },
])("a credit with $name is refused", async ({ more, path }) => {
  const { data } = await newAccount();
  const reply = await credit(data.id, "1", "key", more);
  expect(reply).toMatchObject({ status: 400, body: { error: { metadata: { path } } } });
});

test("a suspended account's keys are refused until it is reinstated; its name can change", async () => {
  const { data, key } = await newAccount();
  const gate = gateOf(asAccountId(data.id));
  const off = await operator("PATCH", `/accounts/${data.id}`, { suspended: true, name: "Acme Ltd" });
  expect(off).toMatchObject({ status: 200, body: { data: { suspended: true, name: "Acme Ltd", balance: "0" } } });
  expect(await gate.identify(await hashKey(key))).toMatchObject({ ok: false, error: { kind: "forbidden" } });
  expect((await operator("GET", `/accounts/${data.id}`)).body).toMatchObject({
    data: { suspended: true, name: "Acme Ltd" },
  });
  await operator("PATCH", `/accounts/${data.id}`, { suspended: false });
  expect(await gate.identify(await hashKey(key))).toMatchObject({ ok: true, value: { account: { name: "Acme Ltd" } } });
});

test.each([
  { name: "nothing to change", body: {}, says: "changes nothing" },
  { name: "an unknown field", body: { balance: "1" }, says: "balance is not a field" },
  { name: "a text for a boolean", body: { suspended: "yes" }, says: "suspended must be a boolean, not a string" },
])("a change of an account with $name is refused", async ({ body, says }) => {
  const { data } = await newAccount();
  const reply = await operator("PATCH", `/accounts/${data.id}`, body);
  expect(reply).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining(says) } } });
});

test.each([
  { name: "an unknown account", id: "gl1aaaaaaaaaaaaa" },
  { name: "a text that is no id", id: "nobody" },
])("$name is not found, whatever is asked of it", async ({ id }) => {
  const replies = await Promise.all([
    operator("GET", `/accounts/${id}`),
    operator("PATCH", `/accounts/${id}`, { suspended: true }),
    credit(id, "1"),
  ]);
  expect(replies.map(({ status }) => status)).toEqual([404, 404, 404]);
});

test("accounts come in pages, each once", async () => {
  const createdAtMs = Date.now();
  const ids = Array.from({ length: 250 }, (_, at) => `gl1${String(at).padStart(13, "0")}`);
  await env.DB.batch(
    ids.map((id) =>
      env.DB.prepare("INSERT INTO accounts (id, name, is_suspended, created_at_ms) VALUES (?, 'Page', 0, ?)").bind(
        id,
        createdAtMs,
      ),
    ),
  );
  const seen: string[] = [];
  let cursor = "";
  for (let page = 0; page < 10 && cursor !== "null"; page++) {
    const reply = await operator("GET", `/accounts?cursor=${cursor}`);
    expect(reply.status).toBe(200);
    seen.push(...(reply.body["data"] as { id: string }[]).map(({ id }) => id)); // a page is a list of accounts
    cursor = String(reply.body["cursor"]);
  }
  expect(cursor).toBe("null");
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen).toEqual(expect.arrayContaining(ids));
});

test("a cursor that is none is a 400 that names it", async () => {
  for (const path of ["/accounts?cursor=x", "/audit?cursor=x"]) {
    expect(await operator("GET", path)).toMatchObject({
      status: 400,
      body: { error: { metadata: { path: "cursor" } } },
    });
  }
});

test("the audit holds after credits and debits, says its totals, and its pages end", async () => {
  const { data } = await newAccount();
  await credit(data.id, "10");
  await credit(data.id, "-4", "back");
  const first = await operator("GET", "/audit");
  expect(first).toMatchObject({
    status: 200,
    body: { ok: true, open_holds: 0, open_leases: 0, outbox: 0, totals: { accounts: expect.any(Number) } },
  });
  expect(first.body["checks"]).toEqual(
    expect.arrayContaining([expect.objectContaining({ name: "gates_match_books", ok: true })]),
  );
  let cursor = String(first.body["cursor"]);
  for (let page = 0; page < 10 && cursor !== "null"; page++) {
    const next = await operator("GET", `/audit?cursor=${cursor}`);
    expect(next.body).toMatchObject({ ok: true });
    cursor = String(next.body["cursor"]);
  }
  expect(cursor).toBe("null");
});
