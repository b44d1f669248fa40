/** Managing keys through the API: made, shown once, limited, changed, rotated, ended. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { asKeyHash } from "../../src/core/ids.ts";
import { KEYS_PER_PAGE } from "../../src/http/routes/list-keys.ts";
import { ask, dataOf, newTenant, type Answer } from "./fixture.ts";

const KEY = {
  hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  name: "mine",
  label: expect.stringMatching(/^sk-wp-.{3}\.\.\..{3}$/),
  disabled: false,
  limit: null,
  limit_remaining: null,
  limit_reset: null,
  requests_per_minute: null,
  tokens_per_minute: null,
  max_concurrency: null,
  allowed_models: null,
  allowed_providers: null,
  include_byok_in_limit: false,
  usage: 0,
  usage_daily: 0,
  usage_weekly: 0,
  usage_monthly: 0,
  byok_usage: 0,
  byok_usage_daily: 0,
  byok_usage_weekly: 0,
  byok_usage_monthly: 0,
  created_at: expect.any(String),
  updated_at: null,
  creator_user_id: null,
  expires_at: null,
  is_management_key: false,
  external_user: null,
};

interface Made {
  readonly key: string;
  readonly hash: string;
}
const madeIn = (answer: Answer): Made => {
  expect(answer.status).toBe(201);
  return { key: (answer.body as { key: string }).key, hash: dataOf<{ hash: string }>(answer).hash }; // as the first test matches
};

test("a key is made, shown once, works, and is found by its hash", async () => {
  const tenant = await newTenant();
  const answer = await ask("POST", "/keys", tenant.managementKey, { name: "mine" });
  expect(answer.body).toEqual({ data: { ...KEY, workspace_id: tenant.id }, key: expect.stringMatching(/^sk-wp-/) });
  expect(answer.headers.get("cache-control")).toContain("no-store");
  const { key, hash } = madeIn(answer);
  expect((await ask("GET", "/key", key)).status).toBe(200);
  const read = await ask("GET", `/keys/${hash}`, tenant.managementKey);
  expect(read.body).toEqual({ data: { ...KEY, workspace_id: tenant.id } });
  const list = await ask("GET", "/keys", tenant.managementKey);
  expect(list.body).toMatchObject({ total_count: 3 });
  expect(JSON.stringify([read.body, list.body])).not.toContain(key);
});

test.each([
  { limit: 10, shown: 10 },
  { limit: 0.1, shown: 0.1 },
  { limit: "12.50", shown: 12.5 },
  { limit: "0.000000001", shown: 1e-9 },
  { limit: 0, shown: 0 },
  { limit: null, shown: null },
])("a limit of $limit is kept exactly", async ({ limit, shown }) => {
  const { managementKey } = await newTenant();
  const answer = await ask("POST", "/keys", managementKey, {
    name: "capped",
    limit,
    limit_reset: "weekly",
    expires_at: "2099-01-01T00:00:00+01:00",
  });
  expect(answer.body).toMatchObject({
    data: { limit: shown, limit_remaining: shown, limit_reset: "weekly", expires_at: "2098-12-31T23:00:00.000Z" },
  });
});

test.each([
  { name: "no name", body: {}, path: "name" },
  { name: "an empty name", body: { name: "" }, path: "name" },
  { name: "a long name", body: { name: "x".repeat(101) }, path: "name" },
  { name: "a name with a control character", body: { name: "a\u0000b" }, path: "name" },
  { name: "a negative limit", body: { name: "a", limit: -1 }, path: "limit" },
  { name: "a limit that is no exact amount", body: { name: "a", limit: 0.1 + 0.2 }, path: "limit" },
  { name: "a limit with an exponent", body: { name: "a", limit: "1e3" }, path: "limit" },
  { name: "a limit of another type", body: { name: "a", limit: true }, path: "limit" },
  { name: "an unknown reset", body: { name: "a", limit_reset: "hourly" }, path: "limit_reset" },
  { name: "an end without a zone", body: { name: "a", expires_at: "2099-01-01" }, path: "expires_at" },
  { name: "an end that is over", body: { name: "a", expires_at: "2020-01-01T00:00:00Z" }, path: "expires_at" },
  {
    name: "own provider keys in the limit",
    body: { name: "a", include_byok_in_limit: true },
    path: "include_byok_in_limit",
  },
  { name: "an unknown field", body: { name: "a", limitt: 1 }, path: "limitt" },
])("a key with $name is refused and the field is named", async ({ body, path }) => {
  const { managementKey } = await newTenant();
  expect(await ask("POST", "/keys", managementKey, body)).toMatchObject({
    status: 400,
    body: { error: { code: 400, metadata: { error_type: "invalid_request", path } } },
  });
  expect((await ask("GET", "/keys", managementKey)).body).toMatchObject({ total_count: 2 });
});

test.each(["", "{", "[]", "null"])("the body %j is refused", async (body) => {
  const { managementKey, keyHash } = await newTenant();
  expect((await ask("POST", "/keys", managementKey, body)).status).toBe(400);
  expect((await ask("PATCH", `/keys/${keyHash}`, managementKey, body)).status).toBe(400);
  expect((await ask("POST", `/keys/${keyHash}/rotate`, managementKey, body)).status).toBe(400);
});

test("a change sets what it names, null clears, the rest stays", async () => {
  const { managementKey } = await newTenant();
  const { hash } = madeIn(await ask("POST", "/keys", managementKey, { name: "mine", limit: 5, limit_reset: "daily" }));
  const change = async (body: unknown) => await ask("PATCH", `/keys/${hash}`, managementKey, body);
  expect((await change({ name: "renamed" })).body).toMatchObject({
    data: { name: "renamed", limit: 5, limit_reset: "daily" },
  });
  expect((await change({ limit: null, limit_reset: null })).body).toMatchObject({
    data: { name: "renamed", limit: null, limit_remaining: null, limit_reset: null, updated_at: expect.any(String) },
  });
  expect(await change({ hash: "x" })).toMatchObject({ status: 400, body: { error: { metadata: { path: "hash" } } } });
  expect(await change({ name: null })).toMatchObject({ status: 400, body: { error: { metadata: { path: "name" } } } });
});

test("a disabled key is refused at once, is hidden from the list, and can be enabled again", async () => {
  const { managementKey } = await newTenant();
  const { key, hash } = madeIn(await ask("POST", "/keys", managementKey, { name: "mine" }));
  await ask("PATCH", `/keys/${hash}`, managementKey, { disabled: true });
  expect(await ask("GET", "/key", key)).toMatchObject({ status: 401, body: { error: { code: 401 } } });
  expect((await ask("GET", "/keys", managementKey)).body).toMatchObject({ total_count: 2 });
  expect((await ask("GET", "/keys?include_disabled=true", managementKey)).body).toMatchObject({ total_count: 3 });
  await ask("PATCH", `/keys/${hash}`, managementKey, { disabled: false });
  expect((await ask("GET", "/key", key)).status).toBe(200);
});

test("a deleted key is gone, also for the second who deletes it", async () => {
  const { managementKey } = await newTenant();
  const { key, hash } = madeIn(await ask("POST", "/keys", managementKey, { name: "mine" }));
  expect(await ask("DELETE", `/keys/${hash}`, managementKey)).toMatchObject({ status: 200, body: { deleted: true } });
  expect((await ask("GET", "/key", key)).status).toBe(401);
  expect((await ask("GET", `/keys/${hash}`, managementKey)).status).toBe(404);
  expect((await ask("DELETE", `/keys/${hash}`, managementKey)).status).toBe(404);
});

test("the management key that asks can't end itself, but can be rotated", async () => {
  const { managementKey, managementHash } = await newTenant();
  const path = `/keys/${managementHash}`;
  expect((await ask("DELETE", path, managementKey)).status).toBe(409);
  expect((await ask("PATCH", path, managementKey, { disabled: true })).status).toBe(409);
  const next = madeIn(await ask("POST", `${path}/rotate`, managementKey, { overlap_s: 60 }));
  expect((await ask("DELETE", path, next.key)).status).toBe(200);
  expect((await ask("GET", "/keys", managementKey)).status).toBe(401);
});

test("rotating gives a successor with the same name and limit; the old key ends with the overlap", async () => {
  const { managementKey } = await newTenant();
  const old = madeIn(await ask("POST", "/keys", managementKey, { name: "mine", limit: "2.5", limit_reset: "monthly" }));
  const rotated = await ask("POST", `/keys/${old.hash}/rotate`, managementKey, { overlap_s: 3_600 });
  expect(rotated.body).toMatchObject({ data: { name: "mine", limit: 2.5, limit_reset: "monthly", expires_at: null } });
  const next = madeIn(rotated);
  expect([(await ask("GET", "/key", old.key)).status, (await ask("GET", "/key", next.key)).status]).toEqual([200, 200]);
  const { expires_at: end } = dataOf<{ expires_at: string }>(await ask("GET", `/keys/${old.hash}`, managementKey));
  expect(Math.abs(Date.parse(end) - Date.now() - 3_600_000)).toBeLessThan(60_000);
  const last = madeIn(await ask("POST", `/keys/${next.hash}/rotate`, managementKey, { overlap_s: 0 }));
  expect((await ask("GET", "/key", next.key)).status).toBe(401);
  expect((await ask("GET", "/key", last.key)).status).toBe(200);
});

test.each([
  { name: "disabled", change: { disabled: true }, says: '{"disabled": false}', remedy: { disabled: false } },
  {
    name: "expired",
    change: { expiresAtMs: Date.UTC(2026, 0, 1) },
    says: '{"expires_at": null}',
    remedy: { expires_at: null },
  },
])("a key that is $name is not rotated to one that is so too, and the remedy is named", async (given) => {
  const { managementKey, gate } = await newTenant();
  const { hash } = madeIn(await ask("POST", "/keys", managementKey, { name: "mine" }));
  // Through the gate: the API refuses an end that has passed, a key's own just comes.
  expect(await gate.updateKey(asKeyHash(hash), given.change)).toMatchObject({ ok: true });
  expect(await ask("POST", `/keys/${hash}/rotate`, managementKey, { overlap_s: 60 })).toMatchObject({
    status: 409,
    body: { error: { message: expect.stringContaining(given.says), metadata: { error_type: "conflict" } } },
  });
  await ask("PATCH", `/keys/${hash}`, managementKey, given.remedy);
  const next = madeIn(await ask("POST", `/keys/${hash}/rotate`, managementKey, { overlap_s: 60 }));
  expect((await ask("GET", "/key", next.key)).status).toBe(200);
});

test.each([{}, { overlap_s: -1 }, { overlap_s: 1.5 }, { overlap_s: "60" }, { overlap_s: 2_592_001 }])(
  "rotating with %j is refused and changes nothing",
  async (body) => {
    const { managementKey, keyHash } = await newTenant();
    expect(await ask("POST", `/keys/${keyHash}/rotate`, managementKey, body)).toMatchObject({
      status: 400,
      body: { error: { metadata: { path: "overlap_s" } } },
    });
    expect((await ask("GET", "/keys", managementKey)).body).toMatchObject({ total_count: 2 });
  },
);

test("keys come in pages", async () => {
  const { managementKey } = await newTenant();
  for (let at = 2; at <= KEYS_PER_PAGE; at++) await ask("POST", "/keys", managementKey, { name: `key ${at}` });
  const first = await ask("GET", "/keys", managementKey);
  expect(first.body).toMatchObject({ total_count: KEYS_PER_PAGE + 1 });
  expect(dataOf<unknown[]>(first)).toHaveLength(KEYS_PER_PAGE);
  expect(dataOf<unknown[]>(await ask("GET", `/keys?offset=${KEYS_PER_PAGE}`, managementKey))).toHaveLength(1);
  expect((await ask("GET", "/keys?offset=-1", managementKey)).status).toBe(400);
  expect((await ask("GET", "/keys?include_disabled=yes", managementKey)).status).toBe(400);
});

test("a key's text is nowhere in D1", async () => {
  const { key } = await newTenant();
  const rows = await env.DB.prepare("SELECT * FROM initial_keys").all();
  expect(rows.results.length).toBeGreaterThan(0);
  expect(JSON.stringify(rows.results)).not.toContain(key);
});
