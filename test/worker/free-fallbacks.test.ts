/** Free and paid models in one request: each way of serving it needs its own leave, and takes nothing of the other's. */
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { ask, newTenant, type Tenant } from "./fixture.ts";
import { gateOf, USD } from "./account-setup.ts";

const FREE = "lake/gift:free";
const PAID = "lake/paid";
/** Tokens that the upstream says it wrote: $1 each at `PAID`. */
const OUTPUT_TOKENS = 2;

/** Upstream models that were called, in order, and those that fail. */
let called: string[] = [];
let down: readonly string[] = [];

function model(id: string, upstream: string, price: number) {
  return {
    id,
    canonical_slug: id,
    name: upstream,
    created_s: 1_790_000_000,
    input_modalities: ["text"],
    output_modalities: ["text"],
    endpoints: [
      {
        tag: "lake",
        provider: "lake",
        upstream_model: upstream,
        price: { prompt: 0, completion: price },
        price_source: "test",
        context_length: 32_000,
        max_completion_tokens: 100,
        supported_parameters: ["max_tokens"],
        input_modalities: ["text"],
      },
    ],
  };
}

beforeAll(async () => {
  const published = await ask("PUT", "/admin/catalog", env.OPERATOR_KEY, {
    version: 1,
    providers: [
      {
        slug: "lake",
        name: "Lake",
        adapter: "openai-compatible",
        base_url: "https://lake.test/v1",
        regions: [{ id: "here", latitude: null, longitude: null, jurisdiction: null, source: "test" }],
        data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
        cancellation: { policy: "stops", source: "test" },
      },
    ],
    models: [model(FREE, "gift", 0), model(PAID, "paid", 1_000_000_000_000)],
  });
  expect(published.status).toBe(200);
  const credential = { credential: "lake-credential-of-the-test" };
  expect((await ask("PATCH", "/admin/providers/lake", env.OPERATOR_KEY, credential)).status).toBe(200);
});

beforeEach(() => {
  called = [];
  down = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
    const { model: upstream } = JSON.parse(String(init?.body)) as { readonly model: string }; // what our encoder wrote
    called.push(upstream);
    if (down.includes(upstream)) return new Response("{}", { status: 500 });
    const message = { role: "assistant", content: "Hello" };
    return Response.json({
      id: "up-1",
      choices: [{ index: 0, message, finish_reason: "stop" }],
      usage: { prompt_tokens: 1, completion_tokens: OUTPUT_TOKENS },
    });
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const hello = (tenant: Tenant, models: readonly string[]) =>
  ask("POST", "/chat/completions", tenant.key, {
    models,
    max_tokens: OUTPUT_TOKENS,
    messages: [{ role: "user", content: "Hello" }],
  });

async function settled(tenant: Tenant) {
  // The settlement is sent 20 ms after the answer.
  const view = async () => {
    const answer = await gateOf(tenant.id).view();
    return answer.ok ? answer.value : undefined;
  };
  await vi.waitFor(async () => expect((await view())?.heldNusd).toBe(0n), { timeout: 2_000 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  return await view();
}

test("a free model that answers is counted, and its paid fallback costs nothing", async () => {
  const tenant = await newTenant(10n * USD);
  expect((await hello(tenant, [FREE, PAID])).status).toBe(200);
  expect(called).toEqual(["gift"]);
  expect(await settled(tenant)).toMatchObject({ freeUsedToday: 1, balanceNusd: 10n * USD });
});

test("a free model behind an excluded paid one is counted", async () => {
  const tenant = await newTenant();
  const answer = await ask("POST", "/chat/completions", tenant.key, {
    models: [PAID, FREE],
    provider: { max_price: { completion: 0 } },
    messages: [{ role: "user", content: "Hello" }],
  });
  expect(answer.status).toBe(200);
  expect(called).toEqual(["gift"]);
  expect(await settled(tenant)).toMatchObject({ freeUsedToday: 1 });
});

test("a paid fallback of a free model is paid, and gives the free place back", async () => {
  const tenant = await newTenant(10n * USD);
  down = ["gift"];
  expect((await hello(tenant, [FREE, PAID])).status).toBe(200);
  expect(called).toEqual(["gift", "paid"]);
  expect(await settled(tenant)).toMatchObject({ freeUsedToday: 0, balanceNusd: 8n * USD });
});

test("without credit the paid fallback is left out, not given away", async () => {
  const tenant = await newTenant();
  down = ["gift"];
  expect((await hello(tenant, [FREE, PAID])).status).toBeGreaterThanOrEqual(500);
  expect(called).toEqual(["gift"]);
  down = [];
  const answer = await hello(tenant, [PAID, FREE]);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("X-Waypost-Warning")).toContain(PAID);
});

test("beyond the free tier's limit the paid models go on alone", async () => {
  const tenant = await newTenant(10n * USD);
  const gate = gateOf(tenant.id);
  await Promise.all(Array.from({ length: 20 }, async () => await hello(tenant, [FREE])));
  called = [];
  expect((await hello(tenant, [FREE])).status).toBe(429);
  const answer = await hello(tenant, [FREE, PAID]);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("X-Waypost-Warning")).toContain(FREE);
  expect(called).toEqual(["paid"]);
  expect((await gate.view()).ok).toBe(true);
  expect(await settled(tenant)).toMatchObject({ freeUsedToday: 20, balanceNusd: 8n * USD });
});
