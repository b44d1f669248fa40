/** Router models through the API: what they choose, what they cost, why, and that every limit holds for what they choose. */
import { env, exports } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { ask, askAt, newTenant, type Tenant } from "./fixture.ts";
import { gateOf, USD } from "./account-setup.ts";

/** Upstream models that were called, in order. */
let called: string[] = [];

interface Wish {
  readonly id: string;
  /** Pico-dollars per token. */
  readonly price: number;
  readonly parameters?: readonly string[];
  readonly inputs?: readonly string[];
  readonly more?: Record<string, unknown>;
}

function model({ id, price, parameters = [], inputs = [], more = {} }: Wish) {
  return {
    id,
    canonical_slug: id,
    name: id,
    created_s: 1_790_000_000,
    input_modalities: ["text", ...inputs],
    output_modalities: ["text"],
    endpoints: [
      {
        tag: "pond",
        provider: "pond",
        upstream_model: id,
        price: { prompt: price, completion: price },
        price_source: "test",
        context_length: 32_000,
        max_completion_tokens: 100,
        supported_parameters: ["max_tokens", ...parameters],
        input_modalities: ["text", ...inputs],
      },
    ],
    ...more,
  };
}

/** A millionth of a dollar per token and up: the cheapest one, one that sees, one that uses tools, the dearest. */
const CHEAP = "pond/cheap";
const SEES = "pond/sees";
const TOOLS = "pond/tools";
const DEAR = "pond/dear";
const GIFTS = ["pond/gift:free", "pond/present:free"];

beforeAll(async () => {
  const published = await ask("PUT", "/admin/catalog", env.OPERATOR_KEY, {
    version: 1,
    providers: [
      {
        slug: "pond",
        name: "Pond",
        adapter: "openai-compatible",
        base_url: "https://pond.test/v1",
        regions: [{ id: "here", latitude: null, longitude: null, jurisdiction: null, source: "test" }],
        data_policy: { training: false, retains_prompts: true, retention_days: 30, zdr: false, source: "test" },
        cancellation: { policy: "stops", source: "test" },
      },
    ],
    models: [
      model({ id: CHEAP, price: 1_000_000 }),
      model({ id: SEES, price: 2_000_000, inputs: ["image"] }),
      model({ id: TOOLS, price: 3_000_000, parameters: ["tools", "tool_choice"] }),
      model({ id: DEAR, price: 1_000_000_000 }),
      model({ id: "pond/vectors", price: 1, more: { output_modalities: ["embeddings"] } }),
      model({ id: GIFTS[0] ?? "", price: 0 }),
      model({ id: GIFTS[1] ?? "", price: 0, parameters: ["tools"] }),
    ],
  });
  expect(published.status).toBe(200);
  const credential = { credential: "pond-credential-of-the-test" };
  expect((await ask("PATCH", "/admin/providers/pond", env.OPERATOR_KEY, credential)).status).toBe(200);
});

beforeEach(() => {
  called = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
    const { model: upstream } = JSON.parse(String(init?.body)) as { readonly model: string }; // what our encoder wrote
    called.push(upstream);
    return Response.json({
      id: "up-1",
      choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 1_000, completion_tokens: 100 },
    });
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const IMAGE = [{ type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } }];
const TOOL = { type: "function", function: { name: "look", parameters: { type: "object" } } };

const send = (tenant: Pick<Tenant, "key">, name: string, more: Record<string, unknown> = {}) =>
  ask("POST", "/chat/completions", tenant.key, {
    model: name,
    max_tokens: 10,
    messages: [{ role: "user", content: "Hi" }],
    ...more,
  });

test.each(["waypost/auto", "openrouter/auto"])(
  "%s serves small talk with the cheapest model, at its price",
  async (name) => {
    const tenant = await newTenant(10n * USD);
    const answer = await send(tenant, name);
    // A thousand tokens of prompt and a thousand of completion at a millionth of a dollar each.
    expect(answer).toMatchObject({ status: 200, body: { model: CHEAP, usage: { cost: 0.0011 } } });
    expect(called).toEqual([CHEAP]);
    const { id } = answer.body as { readonly id: string }; // as every answer has it
    await vi.waitFor(async () => {
      const record = await ask("GET", `/generation?id=${id}`, tenant.key);
      expect(record).toMatchObject({
        status: 200,
        body: { data: { model: CHEAP, requested_model: name, router: "waypost/auto", total_cost: 0.0011 } },
      });
    });
  },
);

test("routers are listed, counted and read, and have no endpoints of their own", async () => {
  const list = (await ask("GET", "/models")).body as { data: { id: string; pricing: object }[]; total_count: number }; // as the list has it
  const routers = list.data.filter(({ id }) => /^(waypost|openrouter)/.test(id));
  const chosen = { prompt: "-1", completion: "-1" };
  const nothing = { prompt: "0", completion: "0" };
  expect(routers.map(({ id, pricing }) => [id, pricing])).toEqual([
    ["waypost/auto", chosen],
    ["openrouter/auto", chosen],
    ["waypost/free", nothing],
    ["openrouter/free", nothing],
  ]);
  expect((await ask("GET", "/models/count")).body).toEqual({ data: { count: list.total_count } });
  for (const name of ["waypost/auto", "openrouter/auto", "OpenRouter/Auto:nitro"]) {
    expect((await ask("GET", `/model/${name}`)).body).toEqual({ data: routers[0] });
    expect(await ask("GET", `/models/${name}/endpoints`)).toMatchObject({
      status: 200,
      body: { data: { id: "waypost/auto", endpoints: [] } },
    });
  }
  expect((await ask("GET", "/model/waypost/fast")).status).toBe(404);
});

test("a preset may name a router, and say what it chooses from", async () => {
  const tenant = await newTenant(10n * USD);
  const body = {
    model: "openrouter/auto",
    plugins: [{ id: "auto-router", cost_tier: "max", excluded_models: ["pond/t*"] }],
  };
  expect((await ask("POST", "/presets/dear/chat/completions", tenant.key, body)).status).toBe(200);
  const answer = await send(tenant, "@preset/dear");
  expect(answer).toMatchObject({ status: 200, body: { model: DEAR } });
  const { id } = answer.body as { readonly id: string }; // as every answer has it
  await vi.waitFor(async () => {
    const record = await ask("GET", `/generation?id=${id}`, tenant.key);
    expect(record).toMatchObject({ status: 200, body: { data: { model: DEAR, router: "waypost/auto" } } });
  });
});

test("what the request needs decides before the price", async () => {
  const tenant = await newTenant(10n * USD);
  const seen = await send(tenant, "waypost/auto", { messages: [{ role: "user", content: IMAGE }] });
  expect(seen).toMatchObject({ status: 200, body: { model: SEES } });
  expect(await send(tenant, "waypost/auto", { tools: [TOOL] })).toMatchObject({ body: { model: TOOLS } });
  const dear = { plugins: [{ id: "auto-router", cost_tier: "max", excluded_models: ["pond/t*"] }] };
  expect(await send(tenant, "waypost/auto", dear)).toMatchObject({ body: { model: DEAR } });
});

test("the route explanation says what was chosen, and why", async () => {
  const tenant = await newTenant(10n * USD);
  const body = { model: "openrouter/auto", max_tokens: 10, messages: [{ role: "user", content: IMAGE }] };
  const response = await exports.default.fetch(
    new Request("https://waypost.test/api/v1/chat/completions", {
      method: "POST",
      headers: {
        Authorization: `Bearer ${tenant.key}`,
        "Content-Type": "application/json",
        "X-OpenRouter-Metadata": "enabled",
      },
      body: JSON.stringify(body),
    }),
  );
  expect(await response.json()).toMatchObject({
    model: SEES,
    openrouter_metadata: {
      requested: "openrouter/auto",
      strategy: "auto",
      router: {
        name: "waypost/auto",
        task: "general",
        needs: ["vision"],
        band: { name: "low", from_percent: 0, to_percent: 20 },
        able: 1,
        left_out: { "takes no image input": 3, free: 2 },
        models: [SEES],
        reason: expect.stringContaining("vision"),
      },
    },
  });
});

test("nothing is called that the request, its data policy or its key rules out", async () => {
  const tenant = await newTenant(10n * USD);
  const refused = await send(tenant, "waypost/auto", { provider: { max_price: { prompt: 0.5 } } });
  expect(refused).toMatchObject({
    status: 404,
    body: { error: { message: expect.stringContaining("No models match your request and model restrictions") } },
  });
  expect((await send(tenant, "waypost/auto", { provider: { zdr: true } })).status).toBe(404);
  expect((await send(tenant, "waypost/free", { provider: { data_collection: "deny" } })).status).toBe(404);
  expect(called).toEqual([]);

  const limits = { name: "limited", allowed_models: [DEAR] };
  const made = await ask("POST", "/keys", tenant.managementKey, limits);
  const { key } = made.body as { readonly key: string }; // shown once, here
  expect(await send({ key }, "waypost/auto")).toMatchObject({ status: 200, body: { model: DEAR } });
  expect(called).toEqual([DEAR]);
  expect((await send({ key }, "waypost/free")).status).toBe(404);
  expect(called).toEqual([DEAR]);
});

test("without credit nothing paid is chosen for nothing", async () => {
  const tenant = await newTenant();
  expect((await send(tenant, "waypost/auto")).status).toBe(402);
  expect(called).toEqual([]);
});

test.each(["waypost/free", "openrouter/free"])(
  "%s draws a free model and counts against the free tier",
  async (name) => {
    const tenant = await newTenant();
    expect(await send(tenant, name)).toMatchObject({ status: 200, body: { usage: { cost: 0 } } });
    expect(GIFTS).toContain(called[0]);
    called = [];
    expect((await send(tenant, name, { tools: [TOOL] })).status).toBe(200);
    expect(called).toEqual(["pond/present:free"]);
    expect((await send(tenant, name, { messages: [{ role: "user", content: IMAGE }] })).status).toBe(404);
    await vi.waitFor(async () => {
      const view = await gateOf(tenant.id).view();
      expect(view.ok && view.value).toMatchObject({ freeUsedToday: 2, balanceNusd: 0n });
    });
  },
);

test("a session keeps its model, and other sessions find others", async () => {
  const tenant = await newTenant();
  for (let turn = 0; turn < 3; turn++) await send(tenant, "waypost/free", { session_id: "one" });
  expect(new Set(called).size).toBe(1);
  for (let session = 0; session < 16; session++) await send(tenant, "waypost/free", { session_id: `other ${session}` });
  expect(new Set(called).size).toBe(2);
});

test("a router is a fallback like any model, and no model for vectors", async () => {
  const tenant = await newTenant(10n * USD);
  const both = { models: [DEAR, "waypost/auto"], model: undefined, provider: { max_price: { prompt: 10 } } };
  expect(await send(tenant, "", both)).toMatchObject({ status: 200, body: { model: CHEAP } });
  const vectors = await ask("POST", "/embeddings", tenant.key, { model: "waypost/auto", input: "a" });
  expect(vectors).toMatchObject({ status: 400, body: { error: { metadata: { path: "model" } } } });
  expect((await send(tenant, "waypost/auto:free")).status).toBeGreaterThanOrEqual(400);
  const wrong = await send(tenant, "waypost/auto", { plugins: [{ id: "auto-router", cost_tier: "huge" }] });
  expect(wrong.status).toBe(400);
});

test("other dialects reach a router, and count for it", async () => {
  const tenant = await newTenant(10n * USD);
  const body = { model: "waypost/auto", max_tokens: 10, messages: [{ role: "user", content: "Hi" }] };
  expect(await ask("POST", "/messages", tenant.key, body)).toMatchObject({ status: 200, body: { model: CHEAP } });
  expect((await ask("POST", "/messages/count_tokens", tenant.key, body)).status).toBe(200);
  const responses = { model: "waypost/auto", input: "Hi" };
  expect(await ask("POST", "/responses", tenant.key, responses)).toMatchObject({ status: 200, body: { model: CHEAP } });
  const contents = { contents: [{ role: "user", parts: [{ text: "Hi" }] }] };
  const path = "/api/v1/models/waypost/auto";
  expect((await askAt(`${path}:generateContent`, "POST", tenant.key, contents)).status).toBe(200);
  expect((await askAt(`${path}:countTokens`, "POST", tenant.key, contents)).status).toBe(200);
  expect(called).toEqual([CHEAP, CHEAP, CHEAP]);
});
