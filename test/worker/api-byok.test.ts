/** Own provider credentials through the API: given, never shown, listed, changed, deleted, refused. */
import { runInDurableObject } from "cloudflare:test";
import { beforeAll, expect, test } from "vitest";
import type { AccountGate } from "../../src/gates/account-gate.ts";
import { gateOf, request, settlement, type TestAccount } from "./account-setup.ts";
import { ask, dataOf, newTenant, publishForest, type Answer, type Tenant } from "./fixture.ts";

const SECRET = "sk-planted-byok-0123456789-AbCd";
const SHOWN = {
  id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
  provider: "oak",
  label: "sk-...AbCd",
  name: null,
  disabled: false,
  is_fallback: false,
  always_use: false,
  sort_order: 0,
  allowed_models: null,
  allowed_api_key_hashes: null,
  allowed_user_ids: null,
  workspace_id: null,
  last_error: null,
  created_at: expect.any(String),
  updated_at: null,
};

beforeAll(async () => {
  await publishForest();
});

interface Shown {
  readonly id: string;
}

async function give(tenant: Tenant, given: Record<string, unknown> = {}): Promise<Answer> {
  return await ask("POST", "/byok", tenant.managementKey, { provider: "oak", key: SECRET, ...given });
}

test("a credential goes in, and its label comes out", async () => {
  const tenant = await newTenant();
  const made = await give(tenant);
  expect(made).toMatchObject({ status: 201, body: { data: SHOWN } });
  expect(made.body).toEqual({ data: SHOWN });
  expect(made.headers.get("cache-control")).toContain("no-store");
  const { id } = dataOf<Shown>(made);
  expect((await ask("GET", `/byok/${id}`, tenant.managementKey)).body).toEqual({ data: SHOWN });
  const list = await ask("GET", "/byok", tenant.managementKey);
  expect(list.body).toEqual({ data: [SHOWN], total_count: 1 });
  expect(JSON.stringify([made.body, list.body])).not.toContain(SECRET);
});

test("what the gate keeps is sealed", async () => {
  const tenant = await newTenant();
  await give(tenant);
  const rows = await runInDurableObject(tenant.gate, (_gate: AccountGate, state) =>
    state.storage.sql.exec("SELECT value FROM byok").toArray(),
  );
  expect(JSON.stringify(rows)).toContain('\\"sealed\\":\\"v1.');
  expect(JSON.stringify(rows)).not.toContain(SECRET);
  expect(JSON.stringify(rows)).not.toContain(btoa(SECRET).slice(0, 20));
});

test("credentials of a provider queue up; others are left out by ?provider, pages by offset and limit", async () => {
  const tenant = await newTenant();
  await give(tenant, { name: "first" });
  await give(tenant, { name: "second" });
  await give(tenant, { name: "before", sort_order: 0 });
  await give(tenant, { name: "elsewhere", provider: "elm" });
  const names = async (query: string): Promise<unknown> => {
    const answer = await ask("GET", `/byok${query}`, tenant.managementKey);
    const { data, total_count: count } = answer.body as { data: { name: string }[]; total_count: number }; // as matched above
    return [count, ...data.map(({ name }) => name)];
  };
  expect(await names("")).toEqual([4, "elsewhere", expect.any(String), expect.any(String), "second"]);
  expect(await names("?provider=elm")).toEqual([1, "elsewhere"]);
  expect(await names("?provider=oak&offset=2&limit=5")).toEqual([3, "second"]);
  expect(await names("?provider=nobody")).toEqual([0]);
});

test("a change sets what it names, null clears, a new secret has a new label", async () => {
  const tenant = await newTenant();
  const { id } = dataOf<Shown>(await give(tenant, { name: "mine", allowed_models: ["forest/root"] }));
  const change = async (body: unknown) => await ask("PATCH", `/byok/${id}`, tenant.managementKey, body);
  expect((await change({ disabled: true, sort_order: 7 })).body).toMatchObject({
    data: { name: "mine", disabled: true, sort_order: 7, allowed_models: ["forest/root"], label: "sk-...AbCd" },
  });
  expect((await change({ name: null, allowed_models: null, key: "another-credential-1234" })).body).toMatchObject({
    data: { name: null, disabled: true, allowed_models: null, label: "ano...1234", updated_at: expect.any(String) },
  });
  const filter = { allowed_api_key_hashes: [tenant.keyHash] };
  expect((await change(filter)).body).toMatchObject({ data: filter });
  expect((await change({})).status).toBe(200);
});

test("a deleted credential is gone", async () => {
  const tenant = await newTenant();
  const { id } = dataOf<Shown>(await give(tenant));
  expect((await ask("DELETE", `/byok/${id}`, tenant.managementKey)).body).toEqual({ deleted: true });
  expect((await ask("DELETE", `/byok/${id}`, tenant.managementKey)).status).toBe(404);
  expect((await ask("GET", "/byok", tenant.managementKey)).body).toEqual({ data: [], total_count: 0 });
  const rows = await runInDurableObject(tenant.gate, (_gate: AccountGate, state) =>
    state.storage.sql.exec("SELECT value FROM byok").toArray(),
  );
  expect(rows).toEqual([]);
});

test.each<{ name: string; body: Record<string, unknown>; path: string }>([
  { name: "an unknown provider", body: { provider: "nobody" }, path: "provider" },
  { name: "no provider", body: { provider: undefined }, path: "provider" },
  { name: "no credential", body: { key: undefined }, path: "key" },
  { name: "an empty credential", body: { key: "" }, path: "key" },
  { name: "a huge credential", body: { key: "x".repeat(8_193) }, path: "key" },
  { name: "a credential that no header holds", body: { key: "a\r\nb" }, path: "key" },
  { name: "a credential of spaces", body: { key: "   " }, path: "key" },
  { name: "a credential of another type", body: { key: { api_key: "x" } }, path: "key" },
  { name: "an unknown model", body: { allowed_models: ["forest/root", "no/such"] }, path: "allowed_models[1]" },
  { name: "a filter of no models", body: { allowed_models: [] }, path: "allowed_models" },
  {
    name: "too many models",
    body: { allowed_models: Array.from({ length: 101 }, () => "a/b") },
    path: "allowed_models",
  },
  { name: "a filter of no keys", body: { allowed_api_key_hashes: [] }, path: "allowed_api_key_hashes" },
  { name: "a hash that is none", body: { allowed_api_key_hashes: ["abc"] }, path: "allowed_api_key_hashes[0]" },
  {
    name: "a foreign key's hash",
    body: { allowed_api_key_hashes: ["f".repeat(64)] },
    path: "allowed_api_key_hashes[0]",
  },
  { name: "members", body: { allowed_user_ids: ["user_1"] }, path: "allowed_user_ids" },
  { name: "fallback and always", body: { is_fallback: true, always_use: true }, path: "always_use" },
  { name: "a negative order", body: { sort_order: -1 }, path: "sort_order" },
  { name: "a base URL", body: { base_url: "http://169.254.169.254/" }, path: "base_url" },
])("a credential with $name is refused, the field is named, nothing is kept", async ({ body, path }) => {
  const tenant = await newTenant();
  const answer = await give(tenant, body);
  expect(answer).toMatchObject({ status: 400, body: { error: { metadata: { error_type: "invalid_request", path } } } });
  expect(JSON.stringify(answer.body)).not.toContain(SECRET);
  expect((await ask("GET", "/byok", tenant.managementKey)).body).toMatchObject({ total_count: 0 });
});

test.each([
  { body: { is_fallback: true }, path: "always_use" },
  { body: { allowed_api_key_hashes: ["f".repeat(64)] }, path: "allowed_api_key_hashes[0]" },
  { body: { allowed_models: ["no/such"] }, path: "allowed_models[0]" },
  { body: { key: "" }, path: "key" },
  { body: { provider: "elm" }, path: "provider" },
])("a change to $body is refused and changes nothing", async ({ body, path }) => {
  const tenant = await newTenant();
  const { id } = dataOf<Shown>(await give(tenant, { always_use: true }));
  expect(await ask("PATCH", `/byok/${id}`, tenant.managementKey, body)).toMatchObject({
    status: 400,
    body: { error: { metadata: { path } } },
  });
  expect((await ask("GET", `/byok/${id}`, tenant.managementKey)).body).toEqual({
    data: { ...SHOWN, always_use: true },
  });
});

test("another tenant's credential is not there", async () => {
  const [owner, stranger] = [await newTenant(), await newTenant()];
  const { id } = dataOf<Shown>(await give(owner));
  for (const [method, body] of [["GET"], ["PATCH", { disabled: true }], ["PATCH", { key: "k" }], ["DELETE"]] as const) {
    expect((await ask(method, `/byok/${id}`, stranger.managementKey, body)).status).toBe(404);
  }
  expect((await ask("GET", `/byok/${id}`, owner.managementKey)).body).toEqual({ data: SHOWN });
});

test.each([
  { who: "nobody", bearer: () => null, status: 401 },
  { who: "an inference key", bearer: (tenant: Tenant) => tenant.key, status: 403 },
  { who: "the operator", bearer: () => "operator-key-of-the-tests", status: 401 },
])("$who reaches no credential", async ({ bearer, status }) => {
  const tenant = await newTenant();
  const { id } = dataOf<Shown>(await give(tenant));
  const key = bearer(tenant);
  const body = { provider: "oak", key: SECRET };
  expect((await ask("GET", "/byok", key)).status).toBe(status);
  expect((await ask("POST", "/byok", key, body)).status).toBe(status);
  expect((await ask("GET", `/byok/${id}`, key)).status).toBe(status);
  expect((await ask("PATCH", `/byok/${id}`, key, { disabled: true })).status).toBe(status);
  expect((await ask("DELETE", `/byok/${id}`, key)).status).toBe(status);
});

test.each(["offset=-1", "offset=x", "limit=0", "limit=101", "limit=1.5"])("?%s is refused", async (query) => {
  const tenant = await newTenant();
  expect((await ask("GET", `/byok?${query}`, tenant.managementKey)).status).toBe(400);
});

test("an account has at most 50 credentials", async () => {
  const tenant = await newTenant();
  for (let at = 0; at < 50; at++) expect((await give(tenant)).status).toBe(201);
  expect(await give(tenant)).toMatchObject({
    status: 400,
    body: { error: { message: expect.stringContaining("at most 50") } },
  });
});

const admitted = async (account: TestAccount, byokToken?: string) => {
  const wanted = { wantedNusd: 0n, minimumNusd: 0n, ...(byokToken === undefined ? {} : { byokToken }) };
  const answer = await account.gate.admit(request(account, wanted));
  if (answer.kind !== "admitted" && answer.kind !== "byok") throw new Error(`not admitted: ${answer.kind}`);
  return answer.kind === "byok" ? answer.grant : undefined;
};

test("a plan made with another list than the present one is not admitted, and gets it", async () => {
  const tenant = await newTenant();
  expect(await admitted(tenant)).toBeUndefined();
  const { id } = dataOf<Shown>(await give(tenant));
  const first = await admitted(tenant);
  expect(first).toMatchObject({ feeBps: 0, credentials: [{ id, provider: "oak", alwaysUse: false }] });
  expect(JSON.stringify(first)).not.toContain(SECRET);
  expect(await admitted(tenant, first?.token)).toBeUndefined();
  await ask("PATCH", `/byok/${id}`, tenant.managementKey, { always_use: true });
  const second = await admitted(tenant, first?.token);
  expect(second).toMatchObject({ credentials: [{ id, alwaysUse: true }] });
  // A disabled one is as good as none, and what an isolate held of it is taken back.
  await ask("PATCH", `/byok/${id}`, tenant.managementKey, { disabled: true });
  expect(await admitted(tenant)).toBeUndefined();
  expect(await admitted(tenant, second?.token)).toEqual({ token: "", feeBps: 0, credentials: [] });
  // No token ever comes back for another state.
  await ask("PATCH", `/byok/${id}`, tenant.managementKey, { disabled: false });
  expect([first?.token, second?.token]).not.toContain((await admitted(tenant))?.token);
});

test("a token outlives a restart of the gate", async () => {
  const tenant = await newTenant();
  await give(tenant);
  const token = (await admitted(tenant))?.token;
  await runInDurableObject(tenant.gate, (_gate: AccountGate, state) => state.abort("restart")).catch(() => undefined);
  const again = { ...tenant, gate: gateOf(tenant.id) };
  expect(await admitted(again, token)).toBeUndefined();
});

test("a rotated key's successor may use what the key might", async () => {
  const tenant = await newTenant();
  const made = await give(tenant, { allowed_api_key_hashes: [tenant.keyHash], always_use: true });
  const rotated = await ask("POST", `/keys/${tenant.keyHash}/rotate`, tenant.managementKey, { overlap_s: 60 });
  const { hash } = dataOf<{ hash: string }>(rotated);
  const { id } = dataOf<Shown>(made);
  expect((await ask("GET", `/byok/${id}`, tenant.managementKey)).body).toMatchObject({
    data: { allowed_api_key_hashes: [tenant.keyHash, hash] },
  });
});

test("the month's allowance is free, then the fee is told, then the next month is free again", async () => {
  const tenant = await newTenant(10n ** 9n);
  const { id } = dataOf<Shown>(await give(tenant));
  const nowMs = Date.UTC(2026, 10, 21, 12);
  const at = (ms: number, freeMonthlyNusd = 1_000n) =>
    runInDurableObject(tenant.gate, (gate: AccountGate) => {
      gate.clock = () => ms;
      gate.byokTerms = { feeBps: 500, freeMonthlyNusd };
    });
  await at(nowMs);
  const first = await admitted(tenant);
  expect(first?.feeBps).toBe(0);
  const settle = async (listNusd: bigint, costNusd: bigint): Promise<void> => {
    const asked = request(tenant, { wantedNusd: 0n, minimumNusd: 0n });
    await tenant.gate.admit(asked);
    const { record, ...rest } = settlement(tenant, asked.generationId, costNusd);
    if (record === null) throw new Error("no record");
    const byok = { outcomes: [{ id: id as never, error: null }], listNusd, upstreamNusd: listNusd - 1n }; // an id of the API
    await tenant.gate.settle([{ ...rest, upstreamCostNusd: 0n, byok, record: { ...record, isByok: true } }]);
  };
  await settle(999n, 0n);
  expect(await admitted(tenant, first?.token)).toBeUndefined();
  await settle(1n, 0n);
  const second = await admitted(tenant, first?.token);
  expect(second).toMatchObject({ feeBps: 500, credentials: [{ id }] });
  await settle(1_000n, 50n);
  expect((await ask("GET", "/key", tenant.key)).body).toMatchObject({
    data: { usage: 50e-9, byok_usage: 1_997e-9, byok_usage_monthly: 1_997e-9, byok_usage_daily: 1_997e-9 },
  });
  expect(await tenant.gate.audit()).toMatchObject({ ok: true, value: { ok: true } });
  await at(Date.UTC(2026, 11, 1));
  expect(await admitted(tenant, second?.token)).toMatchObject({ feeBps: 0 });
});

test("a failure is told where the credential is, and gone when it has answered again", async () => {
  const tenant = await newTenant();
  const { id } = dataOf<Shown>(await give(tenant));
  const settle = async (error: { type: string; status: number } | null): Promise<unknown> => {
    const asked = request(tenant, { wantedNusd: 0n, minimumNusd: 0n });
    await tenant.gate.admit(asked);
    const byok = { outcomes: [{ id: id as never, error }], listNusd: 0n, upstreamNusd: 0n }; // an id of the API
    await tenant.gate.settle([{ ...settlement(tenant, asked.generationId, 0n), byok }]);
    return dataOf<{ last_error: unknown }>(await ask("GET", `/byok/${id}`, tenant.managementKey)).last_error;
  };
  expect(await settle({ type: "authentication", status: 401 })).toEqual({
    type: "authentication",
    status: 401,
    at: expect.any(String),
  });
  expect(await settle({ type: "timeout", status: 0 })).toMatchObject({ type: "timeout", status: null });
  expect(await settle(null)).toBeNull();
  const token = (await admitted(tenant))?.token;
  await settle({ type: "authentication", status: 401 });
  // What became of it changes nothing of how it is to be used.
  expect(await admitted(tenant, token)).toBeUndefined();
});
