/** What a key learns of itself and its account: limits, credits, generations. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { readGeneration } from "../../src/insight/generations.ts";
import { newGeneration, request, settlement, USD } from "./account-setup.ts";
import { ask, dataOf, newTenant, type Tenant } from "./fixture.ts";

const STORES = { db: env.DB, archive: env.ARCHIVE };

/** Holds and settles one generation of `costNusd`. */
async function generate(tenant: Tenant, costNusd: bigint, given: Parameters<typeof settlement>[3] = {}) {
  const admitted = request(tenant, { wantedNusd: costNusd, minimumNusd: costNusd });
  expect(await tenant.gate.admit(admitted)).toMatchObject({ kind: "admitted" });
  await tenant.gate.settle([settlement(tenant, admitted.generationId, costNusd, given)]);
  return admitted.generationId;
}

test("a key reads its own limit and usage, under the old name too", async () => {
  const tenant = await newTenant(20n * USD);
  await tenant.gate.updateKey(tenant.keyHash, { limitNusd: 2n * USD, limitReset: "daily" });
  await generate(tenant, 250_000_001n);
  const answer = await ask("GET", "/key", tenant.key);
  expect(answer.body).toEqual({
    data: {
      label: expect.stringMatching(/^sk-wp-/),
      limit: 2,
      limit_remaining: 1.749999999,
      limit_reset: "daily",
      requests_per_minute: null,
      tokens_per_minute: null,
      max_concurrency: null,
      allowed_models: null,
      allowed_providers: null,
      include_byok_in_limit: false,
      usage: 0.250000001,
      usage_daily: 0.250000001,
      usage_weekly: 0.250000001,
      usage_monthly: 0.250000001,
      byok_usage: 0,
      byok_usage_daily: 0,
      byok_usage_weekly: 0,
      byok_usage_monthly: 0,
      creator_user_id: null,
      expires_at: null,
      is_management_key: false,
      is_provisioning_key: false,
      workspace_id: tenant.id,
      organization_id: null,
      allowed_data_regions: ["global", "europe", "us"],
      is_free_tier: false,
      rate_limit: { requests: -1, interval: "10s", note: expect.any(String) },
      free_model_daily_requests: { limit: 1_000, used: 0, remaining: 1_000 },
    },
  });
  expect((await ask("GET", "/auth/key", tenant.key)).body).toEqual(answer.body);
  expect((await ask("GET", "/key", tenant.managementKey)).body).toMatchObject({
    data: { is_management_key: true, usage: 0 },
  });
});

test("an account that never bought is of the free tier", async () => {
  const { key } = await newTenant();
  expect((await ask("GET", "/key", key)).body).toMatchObject({
    data: { is_free_tier: true, free_model_daily_requests: { limit: 50, used: 0, remaining: 50 } },
  });
});

test("credits and usage are exact to the nano-dollar, for either kind of key", async () => {
  const tenant = await newTenant(12_345_678_901n);
  await generate(tenant, 1n);
  await generate(tenant, 2_000_000_000n);
  for (const key of [tenant.key, tenant.managementKey]) {
    const answer = await ask("GET", "/credits", key);
    expect(answer.body).toEqual({ data: { total_credits: 12.345678901, total_usage: 2.000000001 } });
  }
});

test("a generation is shown with its cost, tokens and every attempt, from the gate and then from the books", async () => {
  const tenant = await newTenant(5n * USD);
  const admitted = request(tenant);
  await tenant.gate.admit(admitted);
  const attempt = {
    provider: "elm",
    providerName: "Elm",
    endpoint: "elm",
    region: "fra",
    model: "forest/leaf",
    latencyMs: 12,
  };
  const plain = settlement(tenant, admitted.generationId, 1_500_000n);
  if (plain.record === null) throw new Error("a settlement of these tests has a record");
  const made = {
    ...plain.record,
    attempts: [
      { ...attempt, status: 0, outcome: "timeout" },
      { ...attempt, status: 200, outcome: "ok" },
    ],
    estimated: true,
    cancelled: true,
    dataRegion: "eu" as const,
  };
  await tenant.gate.settle([{ ...plain, record: made }]);
  const path = `/generation?id=${admitted.generationId}`;
  const fresh = await ask("GET", path, tenant.key);
  expect(fresh).toMatchObject({ status: 200 });
  expect(fresh.body).toMatchObject({
    data: {
      id: admitted.generationId,
      total_cost: 0.0015,
      usage: 0.0015,
      upstream_inference_cost: 0.00135,
      tokens_prompt: 10,
      tokens_completion: 20,
      native_tokens_prompt: 10,
      native_tokens_cached: 0,
      estimated: true,
      cancelled: true,
      streamed: true,
      origin: "",
      data_region: "europe",
      latency: 100,
      generation_time: 200,
      provider_responses: [
        { provider_name: "Elm", status: null, outcome: "timeout", latency: 12 },
        { provider_name: "Elm", status: 200, outcome: "ok", model_permaslug: "forest/leaf" },
      ],
    },
  });
  expect(await readGeneration(STORES, tenant.id, admitted.generationId)).toBeUndefined();
  await runDurableObjectAlarm(tenant.gate);
  expect(await readGeneration(STORES, tenant.id, admitted.generationId)).toBeDefined();
  expect((await ask("GET", path, tenant.key)).body).toEqual(fresh.body);
});

test("what was charged is shown, not what it would have cost", async () => {
  const tenant = await newTenant(USD);
  const admitted = request(tenant, { wantedNusd: USD, minimumNusd: USD });
  await tenant.gate.admit(admitted);
  await tenant.gate.settle([settlement(tenant, admitted.generationId, 3n * USD)]);
  const { total_cost: charged } = dataOf<{ total_cost: number }>(
    await ask("GET", `/generation?id=${admitted.generationId}`, tenant.key),
  );
  expect(charged).toBe(1);
});

test("a generation that is settled a moment after it is asked for is still found", async () => {
  const tenant = await newTenant(5n * USD);
  const admitted = request(tenant);
  await tenant.gate.admit(admitted);
  const asked = ask("GET", `/generation?id=${admitted.generationId}`, tenant.key);
  await new Promise((resolve) => setTimeout(resolve, 120));
  await tenant.gate.settle([settlement(tenant, admitted.generationId, 1_000n)]);
  expect(await asked).toMatchObject({ status: 200, body: { data: { total_cost: 0.000001 } } });
});

test.each([
  { name: "unknown", id: newGeneration() },
  { name: "old and unknown", id: "gen-1700000000-00000000000000000000" },
  { name: "malformed", id: "gen-x' OR 1=1" },
])("a generation id that is $name is not found", async ({ id }) => {
  const { key } = await newTenant();
  expect(await ask("GET", `/generation?id=${encodeURIComponent(id)}`, key)).toMatchObject({
    status: 404,
    body: { error: { code: 404, metadata: { error_type: "not_found" } } },
  });
});

test("a generation needs an id", async () => {
  const { key } = await newTenant();
  expect(await ask("GET", "/generation", key)).toMatchObject({
    status: 400,
    body: { error: { metadata: { path: "id" } } },
  });
});
