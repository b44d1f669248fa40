/** Limits through the API: set, shown, refused; and what a request hears that meets one. */
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { USD } from "./account-setup.ts";
import { ask, dataOf, newTenant, publishForest, type Tenant } from "./fixture.ts";

const OPERATOR = env.OPERATOR_KEY;

beforeAll(async () => await publishForest());

const limitsOf = async (tenant: Tenant) => await ask("GET", `/keys/${tenant.keyHash}`, tenant.managementKey);

test("a key is made with limits, shows them, and a change names only some of them", async () => {
  const tenant = await newTenant();
  const limits = {
    requests_per_minute: 60,
    tokens_per_minute: 100_000,
    max_concurrency: 5,
    allowed_models: ["forest/leaf", "grove/*"],
    allowed_providers: ["elm"],
  };
  const made = await ask("POST", "/keys", tenant.managementKey, { name: "limited", ...limits });
  expect(made).toMatchObject({ status: 201, body: { data: limits } });
  const { hash } = dataOf<{ hash: string }>(made);
  const changed = await ask("PATCH", `/keys/${hash}`, tenant.managementKey, {
    requests_per_minute: null,
    allowed_models: ["forest/root"],
  });
  const now = { ...limits, requests_per_minute: null, allowed_models: ["forest/root"] };
  expect(changed).toMatchObject({ status: 200, body: { data: now } });
  const { key } = made.body as { key: string }; // as the first line matches
  expect((await ask("GET", "/key", key)).body).toMatchObject({ data: now });
});

test.each([
  { field: "requests_per_minute", value: -1 },
  { field: "requests_per_minute", value: 0 },
  { field: "requests_per_minute", value: 1.5 },
  { field: "requests_per_minute", value: "10" },
  { field: "requests_per_minute", value: 1e9 + 1 },
  { field: "tokens_per_minute", value: -5 },
  { field: "tokens_per_minute", value: 2 ** 60 },
  { field: "max_concurrency", value: 0.5 },
  { field: "max_concurrency", value: 1e300 },
  { field: "allowed_models", value: [] },
  { field: "allowed_models", value: "forest/leaf" },
  { field: "allowed_models", value: ["leaf"], path: "allowed_models[0]" },
  { field: "allowed_models", value: ["*"], path: "allowed_models[0]" },
  { field: "allowed_models", value: Array.from({ length: 101 }, (_, at) => `a/${at}`) },
  { field: "allowed_providers", value: ["El m"], path: "allowed_providers[0]" },
])("$field: $value is refused by every route that takes it, and nothing is changed", async ({ field, value, path }) => {
  const tenant = await newTenant();
  const before = (await limitsOf(tenant)).body;
  const body = { [field]: value };
  const answers = [
    await ask("POST", "/keys", tenant.managementKey, { name: "a", ...body }),
    await ask("PATCH", `/keys/${tenant.keyHash}`, tenant.managementKey, { name: "renamed", ...body }),
    await ask("PATCH", "/workspaces/default/limits", tenant.managementKey, body),
    await ask("PATCH", `/admin/accounts/${tenant.id}`, OPERATOR, { name: "renamed", ...body }),
  ];
  for (const answer of answers) {
    expect(answer).toMatchObject({ status: 400, body: { error: { metadata: { path: path ?? field } } } });
  }
  expect((await limitsOf(tenant)).body).toEqual(before);
  expect((await ask("GET", `/admin/accounts/${tenant.id}`, OPERATOR)).body).toMatchObject({
    data: { name: "Tenant", limits: { requests_per_minute: null } },
  });
  expect((await ask("GET", "/keys", tenant.managementKey)).body).toMatchObject({ total_count: 2 });
});

test("a key's limit below what is spent is refused with both amounts", async () => {
  const tenant = await newTenant(10n * USD);
  await tenant.gate.admit({
    keyHash: tenant.keyHash,
    generationId: "gen-1-0" as never, // any id
    isFree: false,
    wantedNusd: 2n * USD,
    minimumNusd: 2n * USD,
    footprint: { models: [], providers: [], tokens: { wanted: 1, minimum: 1 } },
  });
  const answer = await ask("PATCH", `/keys/${tenant.keyHash}`, tenant.managementKey, { limit: 1.5 });
  expect(answer).toMatchObject({
    status: 400,
    body: {
      error: { metadata: { path: "limit" }, message: expect.stringMatching(/\$1\.5 is below .*\$2 more are reserved/) },
    },
  });
  expect((await limitsOf(tenant)).body).toMatchObject({ data: { limit: null } });
});

test("the operator limits an account; its tenant sees that, and sets its own beside it", async () => {
  const tenant = await newTenant();
  const budgets = { daily: "5", weekly: null, monthly: 100, lifetime: null };
  const set = await ask("PATCH", `/admin/accounts/${tenant.id}`, OPERATOR, { max_concurrency: 9, budgets });
  const operator = { max_concurrency: 9, budgets: { daily: "5", weekly: null, monthly: "100", lifetime: null } };
  expect(set).toMatchObject({
    status: 200,
    body: { data: { limits: operator, tenant_limits: { max_concurrency: null } } },
  });
  expect(await ask("PATCH", "/workspaces/default/limits", tenant.managementKey, { max_concurrency: 3 })).toMatchObject({
    status: 200,
    body: { data: { max_concurrency: 3, operator } },
  });
  expect((await ask("GET", `/workspaces/${tenant.id}/limits`, tenant.managementKey)).body).toMatchObject({
    data: { max_concurrency: 3, operator },
  });
  expect((await ask("GET", `/admin/accounts/${tenant.id}`, OPERATOR)).body).toMatchObject({
    data: { limits: operator, tenant_limits: { max_concurrency: 3 } },
  });
});

test("workspace budgets are set, listed and removed; removing again is no error", async () => {
  const tenant = await newTenant();
  const path = "/workspaces/default/budgets";
  const budget = { limit_usd: 0.1, workspace_id: tenant.id, spent_usd: 0, created_at: expect.any(String) };
  expect(await ask("PUT", `${path}/daily`, tenant.managementKey, { limit_usd: 0.1 })).toMatchObject({
    status: 200,
    body: { data: { ...budget, reset_interval: "daily" }, include_byok_in_budgets: false },
  });
  expect((await ask("PUT", `${path}/lifetime`, tenant.managementKey, { limit_usd: "7" })).body).toMatchObject({
    data: { limit_usd: 7, reset_interval: null },
  });
  const { body } = await ask("GET", `/workspaces/${tenant.id}/budgets`, tenant.managementKey);
  expect(body).toMatchObject({
    data: [
      { ...budget, reset_interval: "daily" },
      { limit_usd: 7, reset_interval: null },
    ],
  });
  for (let at = 0; at < 2; at++) {
    expect(await ask("DELETE", `${path}/daily`, tenant.managementKey)).toMatchObject({
      status: 200,
      body: { deleted: true },
    });
  }
  expect((await ask("GET", path, tenant.managementKey)).body).toMatchObject({ data: [{ limit_usd: 7 }] });
});

test.each([
  { name: "a negative budget", path: "daily", body: { limit_usd: -1 }, field: "limit_usd" },
  { name: "a budget of zero", path: "daily", body: { limit_usd: 0 }, field: "limit_usd" },
  { name: "a budget beyond the nano-dollar", path: "daily", body: { limit_usd: "0.0000000001" }, field: "limit_usd" },
  { name: "an overflowing budget", path: "daily", body: { limit_usd: 1e10 }, field: "limit_usd" },
  { name: "a month below the week", path: "monthly", body: { limit_usd: 5 }, field: "limit_usd" },
  { name: "an unknown interval", path: "hourly", body: { limit_usd: 5 }, field: "interval" },
  { name: "another currency", path: "daily", body: { limit_usd: 5, currency: "EUR" }, field: "currency" },
])("$name is refused", async ({ path, body, field }) => {
  const tenant = await newTenant();
  await ask("PUT", "/workspaces/default/budgets/weekly", tenant.managementKey, { limit_usd: 6 });
  expect(await ask("PUT", `/workspaces/default/budgets/${path}`, tenant.managementKey, body)).toMatchObject({
    status: 400,
    body: { error: { metadata: { path: field } } },
  });
  expect((await ask("GET", "/workspaces/default/budgets", tenant.managementKey)).body).toMatchObject({
    data: [{ limit_usd: 6, reset_interval: "weekly" }],
  });
});

test("limits of an account are for its own management key", async () => {
  const tenant = await newTenant();
  const other = await newTenant();
  const body = { limit_usd: 1 };
  expect((await ask("PUT", `/workspaces/${tenant.id}/budgets/daily`, other.managementKey, body)).status).toBe(404);
  expect((await ask("PUT", "/workspaces/default/budgets/daily", tenant.key, body)).status).toBe(403);
  expect((await ask("PATCH", `/workspaces/${tenant.id}/limits`, other.managementKey, {})).status).toBe(404);
  expect((await ask("GET", "/workspaces/default/limits", tenant.key)).status).toBe(403);
});

// From here on a provider answers.
let called: string[] = [];

beforeEach(() => {
  called = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    called.push(`${new URL(url).hostname} ${JSON.stringify(JSON.parse(String(init.body)).max_tokens ?? null)}`);
    return Response.json({
      id: "up-1",
      choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 10, completion_tokens: 2 },
    });
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** Providers need a credential before anything is routed to them. */
beforeAll(async () => {
  for (const slug of ["elm", "fir", "oak"]) {
    const set = await ask("PATCH", `/admin/providers/${slug}`, OPERATOR, { credential: `key-of-${slug}-0123456789` });
    expect(set.status).toBe(200);
  }
});

const chat = async (tenant: Tenant, body: Record<string, unknown> = {}) =>
  await ask("POST", "/chat/completions", tenant.key, {
    model: "forest/leaf",
    messages: [{ role: "user", content: "Hello" }],
    max_tokens: 50,
    ...body,
  });
const limit = async (tenant: Tenant, limits: Record<string, unknown>) =>
  expect((await ask("PATCH", `/keys/${tenant.keyHash}`, tenant.managementKey, limits)).status).toBe(200);

test("of three parallel requests with a limit of two a minute two are answered; the third hears when to come back", async () => {
  const tenant = await newTenant(USD);
  await limit(tenant, { requests_per_minute: 2 });
  const answers = await Promise.all([chat(tenant), chat(tenant), chat(tenant)]);
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 429]);
  const refused = answers.find(({ status }) => status === 429);
  const reset = refused?.headers.get("x-ratelimit-reset");
  expect(Number(reset) % 60_000).toBe(0);
  expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  expect(refused?.body).toMatchObject({
    error: {
      code: 429,
      message: "Rate limit exceeded: this key may make 2 requests a minute.",
      metadata: {
        error_type: "rate_limit_exceeded",
        limit_source: "key_requests_per_minute",
        remedy_hint: expect.any(String),
        headers: { "X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset },
      },
    },
  });
});

test("one after the other is one at a time", async () => {
  const tenant = await newTenant(USD);
  await limit(tenant, { max_concurrency: 1 });
  for (let at = 0; at < 5; at++) expect((await chat(tenant)).status).toBe(200);
});

test("a limit of tokens below the usual reservation cuts the output and says so", async () => {
  const tenant = await newTenant(USD);
  await limit(tenant, { tokens_per_minute: 200 });
  const answer = await chat(tenant, { max_tokens: undefined });
  expect(answer.status).toBe(200);
  const cut = Number(answer.headers.get("x-waypost-max-tokens"));
  expect(cut).toBeGreaterThan(100);
  expect(cut).toBeLessThan(200);
  expect(called).toEqual([expect.stringContaining(` ${cut}`)]);
});

test("a model that the key may not use is a 403 that names it and the allowed ones", async () => {
  const tenant = await newTenant(USD);
  await limit(tenant, { allowed_models: ["grove/*", "forest/root"] });
  const answer = await chat(tenant);
  expect(answer).toMatchObject({
    status: 403,
    body: {
      error: {
        message: expect.stringMatching(/forest\/leaf.*grove\/\*, forest\/root/),
        metadata: { error_type: "permission_denied", allowed_models: ["grove/*", "forest/root"] },
      },
    },
  });
  expect(called).toEqual([]);
});

test("of several models those that are not allowed are dropped with a warning, the others serve", async () => {
  const tenant = await newTenant(USD);
  await limit(tenant, { allowed_models: ["forest/root"] });
  const answer = await chat(tenant, { models: ["forest/leaf", "forest/root"] });
  expect(answer).toMatchObject({ status: 200, body: { model: "forest/root" } });
  expect(answer.headers.get("x-waypost-warning")).toContain("forest/leaf was not tried: this API key may not use it.");
});

test("a provider that is not allowed is never called, and the exclusion says why", async () => {
  const tenant = await newTenant(USD);
  await limit(tenant, { allowed_providers: ["elm"] });
  for (let at = 0; at < 4; at++) expect((await chat(tenant)).status).toBe(200);
  expect(new Set(called.map((one) => one.split(" ")[0]))).toEqual(new Set(["elm.test"]));
  await limit(tenant, { allowed_providers: ["oak"] });
  expect(await chat(tenant)).toMatchObject({
    status: 404,
    body: {
      error: {
        metadata: {
          exclusions: expect.arrayContaining([
            expect.objectContaining({ reason: "allowed_providers", detail: "this API key may use oak" }),
          ]),
        },
      },
    },
  });
});

test("a budget that is used up answers 403", async () => {
  const tenant = await newTenant(USD);
  await ask("PUT", "/workspaces/default/budgets/daily", tenant.managementKey, { limit_usd: "0.000000001" });
  expect(await chat(tenant)).toMatchObject({
    status: 403,
    body: {
      error: {
        message: expect.stringContaining("Workspace daily budget"),
        metadata: { limit_source: "account_budget" },
      },
    },
  });
  expect(called).toEqual([]);
});
