/** Three databases: accounts are made, spend, and are walked through in the one that their id names. */
import { createExecutionContext, runDurableObjectAlarm, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { asAccountId, asKeyHash, newAccountId, type AccountId } from "../../src/core/ids.ts";
import { systemRandomBytes } from "../../src/core/system.ts";
import { importKeySecrets, issueKey } from "../../src/accounts/keys.ts";
import { openBooks } from "../../src/ledger/shards.ts";
import worker from "../../src/worker.ts";
import { gateOf, request, settlement, USD, type TestAccount } from "./account-setup.ts";

const books = openBooks({ ...env });

/** A call to the worker as it runs with the default of NEW_ACCOUNTS: the newest database. */
async function call(method: string, path: string, bearer: string, body?: unknown) {
  const context = createExecutionContext();
  const { NEW_ACCOUNTS: _, ...plain } = env as typeof env & { readonly NEW_ACCOUNTS: string };
  const response = await worker.fetch(
    new Request(`https://waypost.test/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${bearer}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }) as Parameters<typeof worker.fetch>[0],
    // workerd on one machine has no jurisdictions.
    { ...plain, PLACE: "none" },
    context,
  );
  const text = await response.text();
  await waitOnExecutionContext(context);
  return { status: response.status, body: JSON.parse(text) as Record<string, unknown> };
}
const operate = async (method: string, path: string, body?: unknown) =>
  await call(method, `/admin${path}`, env.OPERATOR_KEY, body);

interface Made extends TestAccount {
  readonly key: string;
}

async function make(region?: "eu" | "us"): Promise<Made> {
  const made = await operate("POST", "/accounts", { name: "Sharded", ...(region === undefined ? {} : { region }) });
  expect(made.status).toBe(201);
  const { data, key } = made.body as { data: { id: string }; key: string };
  const id = asAccountId(data.id);
  const rows = await books
    .of(id)
    .db.prepare("SELECT hash FROM initial_keys WHERE account_id = ? AND kind = 'inference'")
    .bind(id)
    .all<{ hash: string }>();
  const keyHash = asKeyHash(rows.results[0]?.hash ?? "");
  return { id, key, keyHash, managementHash: keyHash, gate: gateOf(id) };
}

const countIn = async (db: D1Database, id: AccountId) =>
  await db
    .prepare(
      `SELECT (SELECT COUNT(*) FROM accounts WHERE id = ?1) AS accounts,
        (SELECT COUNT(*) FROM generations WHERE account_id = ?1) AS generations,
        (SELECT COUNT(*) FROM balances WHERE account = 'tenant:' || ?1) AS balances`,
    )
    .bind(id)
    .first();

test.each([
  { name: "an account goes to the newest database", region: undefined, shard: "gl2" },
  { name: "an eu account goes to the eu database", region: "eu" as const, shard: "eu2" },
  { name: "a region without a database of its own is in the first", region: "us" as const, shard: "us1" },
])("$name, spends there, and nowhere else is a trace of it", async ({ region, shard }) => {
  const account = await make(region);
  expect(account.id.slice(0, 3)).toBe(shard);
  const credit = { amount: "5", idempotency_key: "start", reason: "test" };
  expect((await operate("POST", `/accounts/${account.id}/credits`, credit)).status).toBe(200);
  const one = request(account, { wantedNusd: USD, minimumNusd: USD });
  expect(await account.gate.admit(one)).toMatchObject({ kind: "admitted" });
  await account.gate.settle([settlement(account, one.generationId, USD)]);
  await runDurableObjectAlarm(account.gate);
  const home = shard === "us1" ? "gl1" : shard;
  for (const { name, db } of books.shards) {
    const each = name === home ? 1 : 0;
    expect(await countIn(db, account.id), name).toEqual({ accounts: each, generations: each, balances: each });
  }
  expect((await call("GET", `/generation?id=${one.generationId}`, account.key)).body).toMatchObject({
    data: { id: one.generationId, total_cost: 1 },
  });
  expect((await operate("GET", `/accounts/${account.id}`)).body).toMatchObject({ data: { balance: "4" } });
});

test("the operator's list and the audit walk every database", async () => {
  const made = [await make(), await make("eu"), await make("us")].map(({ id }) => id);
  const listed: string[] = [];
  const audited = new Set<string>();
  for (const [path, take] of [
    [
      "/accounts",
      (body: Record<string, unknown>) => listed.push(...(body["data"] as { id: string }[]).map(({ id }) => id)),
    ],
    ["/audit", (body: Record<string, unknown>) => audited.add(String(body["shard"]))],
  ] as const) {
    let cursor = "";
    for (let page = 0; page < 10 && cursor !== "null"; page++) {
      const reply = await operate("GET", `${path}?cursor=${encodeURIComponent(cursor)}`);
      expect(reply.status).toBe(200);
      if (path === "/audit")
        expect(reply.body).toMatchObject({ ok: true, totals: { balances: { margin: expect.any(String) } } });
      take(reply.body);
      cursor = String(reply.body["cursor"]);
    }
    expect(cursor).toBe("null");
  }
  expect(listed).toEqual(expect.arrayContaining(made));
  expect(new Set(listed).size).toBe(listed.length);
  expect([...audited]).toEqual(["gl1", "eu2", "gl2"]);
});

test("an account whose database is not bound is refused as unreachable, not as unknown, and not served elsewhere", async () => {
  const id = newAccountId("gl", 7, systemRandomBytes);
  const key = await issueKey(id, await importKeySecrets(env.WAYPOST_SECRET), systemRandomBytes);
  expect((await call("GET", "/credits", key.text)).status).toBe(503);
  expect((await operate("GET", `/accounts/${id}`)).status).toBe(503);
});

test("an account in another database than its id says is a fault of the audit", async () => {
  await env.DB.prepare("INSERT INTO accounts (id, name, created_at_ms) VALUES ('gl20000000000abc', 'lost', 0)").run();
  const page = await operate("GET", "/audit");
  expect(page.body).toMatchObject({
    ok: false,
    checks: expect.arrayContaining([{ name: "accounts_are_in_their_database", ok: false, detail: "gl2" }]),
  });
  await env.DB.prepare("DELETE FROM accounts WHERE id = 'gl20000000000abc'").run();
});
