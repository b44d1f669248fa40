/** Presets through the API: made, versioned, listed, deleted; used in every dialect; refused by name; never another's. */
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { asPresetId } from "../../src/core/ids.ts";
import { gateOf, USD } from "./account-setup.ts";
import { ask, askAt, dataOf, newTenant, publishForest, type Answer, type Tenant } from "./fixture.ts";

/** Bodies that went upstream, in order. */
let sent: Record<string, unknown>[] = [];

beforeAll(async () => {
  await publishForest();
  for (const slug of ["elm", "fir", "oak"]) {
    const credential = { credential: `key-of-${slug}-0123456789` };
    expect((await ask("PATCH", `/admin/providers/${slug}`, env.OPERATOR_KEY, credential)).status).toBe(200);
  }
});

beforeEach(() => {
  sent = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
    sent.push(JSON.parse(String(init?.body)) as Record<string, unknown>); // what our encoder wrote
    return Response.json({
      id: "up-1",
      choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 10, completion_tokens: 2 },
    });
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const UUID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
const HI = [{ role: "user", content: "Hi" }];
const BODY = {
  model: "forest/leaf",
  temperature: 0.25,
  max_tokens: 50,
  messages: [{ role: "system", content: "Be kind." }, ...HI],
  stream: true,
};
const CONFIG = { model: "forest/leaf", temperature: 0.25, max_tokens: 50 };

async function make(tenant: Tenant, slug = "kind", body: unknown = BODY, format = "chat/completions"): Promise<Answer> {
  return await ask("POST", `/presets/${slug}/${format}`, tenant.key, body);
}

const chat = (tenant: Pick<Tenant, "key">, body: Record<string, unknown>) =>
  ask("POST", "/chat/completions", tenant.key, { messages: HI, ...body });

const tool = (name: string, description: string) => ({ type: "function", function: { name, description } });

test("a preset is made, gets versions, and shows them; nothing is asked of a model or charged", async () => {
  const tenant = await newTenant(USD);
  const made = await make(tenant);
  const preset = {
    id: UUID,
    creator_user_id: null,
    workspace_id: tenant.id,
    name: "kind",
    slug: "kind",
    description: null,
    status: "active",
    status_updated_at: null,
    designated_version_id: UUID,
    created_at: TIME,
    updated_at: TIME,
  };
  const version = {
    id: UUID,
    preset_id: UUID,
    creator_id: tenant.id,
    version: 1,
    system_prompt: "Be kind.",
    config: CONFIG,
    created_at: TIME,
    updated_at: TIME,
  };
  expect(made).toMatchObject({ status: 200 });
  expect(made.body).toEqual({ data: { ...preset, designated_version: version } });
  expect(made.headers.get("cache-control")).toContain("no-store");

  const messages = { model: "forest/root", max_tokens: 9, system: "Be brief." };
  const second = await make(tenant, "kind", messages, "messages");
  const newer = { ...version, version: 2, system_prompt: "Be brief.", config: { model: "forest/root", max_tokens: 9 } };
  expect(second.body).toEqual({ data: { ...preset, designated_version: newer } });
  const third = await make(tenant, "kind", { instructions: "Be.", input: "Hi", temperature: 1 }, "responses");
  expect(third).toMatchObject({ status: 200, body: { data: { designated_version: { version: 3 } } } });

  expect((await ask("GET", "/presets/kind", tenant.managementKey)).body).toEqual(third.body);
  expect((await ask("GET", "/presets", tenant.key)).body).toEqual({ data: [preset], total_count: 1 });
  const versions = await ask("GET", "/presets/kind/versions", tenant.key);
  expect(versions.body).toEqual({
    data: [version, newer, { ...version, version: 3, system_prompt: "Be.", config: { temperature: 1 } }],
    total_count: 3,
  });
  expect(await ask("GET", "/presets/kind/versions/2", tenant.key)).toMatchObject({
    status: 200,
    body: { data: newer },
  });
  const page = await ask("GET", "/presets/kind/versions?offset=1&limit=1", tenant.key);
  expect(page.body).toEqual({ data: [newer], total_count: 3 });
  expect(sent).toEqual([]);
  expect(await gateOf(tenant.id).view()).toMatchObject({ value: { balanceNusd: USD, totalUsageNusd: 0n } });
});

test("presets are listed by pages, the last updated first", async () => {
  const tenant = await newTenant();
  for (const slug of ["a", "b", "c"]) await make(tenant, slug);
  // So that the next write is later than all of them.
  await vi.waitUntil(async () => {
    const [newest] = dataOf<readonly { slug: string; updated_at: string }[]>(await ask("GET", "/presets", tenant.key));
    return Date.now() > Date.parse(newest?.updated_at ?? "");
  });
  await make(tenant, "b");
  const slugs = async (query: string): Promise<unknown> => {
    const { data, total_count: count } = (await ask("GET", `/presets${query}`, tenant.key)).body as {
      data: { slug: string }[];
      total_count: number;
    }; // as every list has it
    return [count, ...data.map(({ slug }) => slug)];
  };
  expect(await slugs("?limit=1")).toEqual([3, "b"]);
  expect(await slugs("?offset=3")).toEqual([3]);
  for (const query of ["offset=-1", "limit=0", "limit=101", "limit=x"]) {
    expect((await ask("GET", `/presets?${query}`, tenant.key)).status).toBe(400);
    expect((await ask("GET", `/presets/b/versions?${query}`, tenant.key)).status).toBe(400);
  }
});

test.each([
  { name: "in the place of the model", body: { model: "@preset/kind" }, upstream: "leaf" },
  { name: "by the field", body: { preset: "kind" }, upstream: "leaf" },
  { name: "behind a model", body: { model: "forest/root@preset/kind" }, upstream: "root" },
])("a request names a preset $name, and gets what it says", async ({ body, upstream }) => {
  const tenant = await newTenant(10n * USD);
  const made = dataOf<{ id: string }>(await make(tenant));
  const answer = await chat(tenant, body);
  expect(answer).toMatchObject({ status: 200, body: { model: `forest/${upstream}` } });
  expect(sent).toEqual([
    expect.objectContaining({
      temperature: 0.25,
      max_tokens: 50,
      messages: [{ role: "system", content: "Be kind." }, ...HI],
    }),
  ]);
  expect(sent[0]).not.toHaveProperty("preset");
  const { id } = answer.body as { readonly id: string }; // as every answer has it
  await vi.waitFor(async () => {
    const record = await ask("GET", `/generation?id=${id}`, tenant.key);
    expect(record).toMatchObject({
      status: 200,
      body: { data: { preset_id: made.id, requested_model: `forest/${upstream}` } },
    });
  });
});

test("the request wins, tools are united, and its own instructions replace the preset's", async () => {
  const tenant = await newTenant(10n * USD);
  await make(tenant, "tools", { ...BODY, tools: [tool("one", "old"), tool("two", "old")] });
  await chat(tenant, {
    preset: "tools",
    temperature: 1,
    messages: [{ role: "system", content: "Own." }, ...HI],
    tools: [tool("three", "new"), tool("one", "new")],
  });
  expect(sent[0]).toMatchObject({
    temperature: 1,
    max_tokens: 50,
    messages: [{ role: "system", content: "Own." }, ...HI],
    tools: [tool("one", "new"), tool("two", "old"), tool("three", "new")],
  });
});

test("provider preferences of a preset hold", async () => {
  const tenant = await newTenant(10n * USD);
  await make(tenant, "pinned", { ...BODY, provider: { only: ["fir"] } });
  expect(await chat(tenant, { preset: "pinned" })).toMatchObject({ status: 200, body: { provider: "FIR" } });
  await make(tenant, "nowhere", { ...BODY, provider: { only: ["nobody"] } });
  expect((await chat(tenant, { preset: "nowhere" })).status).toBe(404);
  expect(sent).toHaveLength(1);
});

const DIALECTS = [
  { name: "responses", path: "/api/v1/responses", body: { model: "@preset/kind", input: "Hi" } },
  { name: "messages", path: "/api/v1/messages", body: { model: "@preset/kind", messages: HI } },
  { name: "completions", path: "/api/v1/completions", body: { model: "@preset/kind", prompt: "Hi" } },
  {
    name: "gemini",
    path: "/v1beta/models/@preset/kind:generateContent",
    body: { contents: [{ role: "user", parts: [{ text: "Hi" }] }] },
  },
] as const;

test.each(DIALECTS)("$name takes a preset", async ({ path, body }) => {
  const tenant = await newTenant(10n * USD);
  await make(tenant);
  expect(await askAt(path, "POST", tenant.key, body)).toMatchObject({ status: 200 });
  expect(sent).toEqual([
    expect.objectContaining({ temperature: 0.25, messages: [{ role: "system", content: "Be kind." }, ...HI] }),
  ]);
});

const COUNTS = [
  { path: "/api/v1/messages/count_tokens", body: { model: "@preset/kind", messages: HI }, field: "input_tokens" },
  {
    path: "/v1beta/models/@preset/kind:countTokens",
    body: { contents: [{ parts: [{ text: "Hi" }] }] },
    field: "totalTokens",
  },
] as const;

test.each(COUNTS)("$path counts the preset's instructions", async ({ path, body, field }) => {
  const tenant = await newTenant();
  await make(tenant, "kind", { ...BODY, messages: [{ role: "system", content: "Be kind. ".repeat(100) }] });
  const counted = await askAt(path, "POST", tenant.key, body);
  expect(counted.status).toBe(200);
  expect((counted.body as Record<string, number>)[field]).toBeGreaterThan(100);
});

test.each([
  { name: "chat", path: "/api/v1/chat/completions", body: { model: "@preset/none", messages: HI } },
  { name: "responses", path: "/api/v1/responses", body: { model: "@preset/none", input: "Hi" } },
  { name: "messages", path: "/api/v1/messages", body: { model: "@preset/none", messages: HI } },
  {
    name: "gemini",
    path: "/v1beta/models/@preset/none:generateContent",
    body: { contents: [{ parts: [{ text: "Hi" }] }] },
  },
])(
  "an unknown preset is a 404 in the words of $name that names it, and costs nothing",
  async ({ name, path, body }) => {
    const tenant = await newTenant(USD);
    const answer = await askAt(path, "POST", tenant.key, body);
    const message = expect.stringContaining('"none"');
    const shapes: Record<string, unknown> = {
      chat: { error: { code: 404, message } },
      responses: { error: { message } },
      messages: { type: "error", error: { type: "not_found_error", message } },
      gemini: { error: { code: 404, status: "NOT_FOUND", message } },
    };
    expect(answer).toMatchObject({ status: 404, body: shapes[name] });
    expect(sent).toEqual([]);
    expect(await gateOf(tenant.id).view()).toMatchObject({ value: { balanceNusd: USD, heldNusd: 0n } });
  },
);

test("a preset without a model serves requests that name one, and no others", async () => {
  const tenant = await newTenant(10n * USD);
  await make(tenant, "open", { temperature: 0.25 });
  expect(await chat(tenant, { preset: "open" })).toMatchObject({
    status: 400,
    body: { error: { message: expect.stringContaining("preset open has no model"), metadata: { path: "model" } } },
  });
  expect((await chat(tenant, { model: "forest/leaf@preset/open" })).status).toBe(200);
  expect(sent).toEqual([expect.objectContaining({ temperature: 0.25 })]);
});

test("a new version counts at once where it was made; a deleted preset is gone there, too", async () => {
  const tenant = await newTenant(10n * USD);
  await make(tenant);
  await chat(tenant, { preset: "kind" });
  await make(tenant, "kind", { ...BODY, temperature: 1 });
  await chat(tenant, { preset: "kind" });
  expect(sent.map(({ temperature }) => temperature)).toEqual([0.25, 1]);
  expect((await ask("DELETE", "/presets/kind", tenant.key)).body).toEqual({ deleted: true });
  expect((await chat(tenant, { preset: "kind" })).status).toBe(404);
  expect((await ask("DELETE", "/presets/kind", tenant.key)).status).toBe(404);
  const anew = await make(tenant);
  expect(anew).toMatchObject({ body: { data: { designated_version: { version: 1 } } } });
});

test("tenants never meet each other's presets", async () => {
  const [owner, stranger] = [await newTenant(10n * USD), await newTenant(10n * USD)];
  const made = await make(owner);
  expect((await chat(owner, { preset: "kind" })).status).toBe(200);
  for (const path of ["/presets/kind", "/presets/kind/versions", "/presets/kind/versions/1"]) {
    expect((await ask("GET", path, stranger.key)).status).toBe(404);
    expect((await ask("GET", path, stranger.managementKey)).status).toBe(404);
  }
  expect((await ask("DELETE", "/presets/kind", stranger.managementKey)).status).toBe(404);
  expect((await ask("GET", "/presets", stranger.key)).body).toEqual({ data: [], total_count: 0 });
  expect((await chat(stranger, { preset: "kind" })).status).toBe(404);
  expect((await chat(stranger, { model: "forest/leaf@preset/kind" })).status).toBe(404);
  expect(sent).toHaveLength(1);
  // The same slug is another preset.
  await make(stranger, "kind", { ...BODY, temperature: 1 });
  await chat(stranger, { preset: "kind" });
  await chat(owner, { preset: "kind" });
  expect(sent.map(({ temperature }) => temperature)).toEqual([0.25, 1, 0.25]);
  expect((await ask("GET", "/presets/kind", owner.key)).body).toEqual(made.body);
});

test.each([
  { who: "nobody", bearer: () => null, status: 401 },
  { who: "a forged key", bearer: () => "sk-wp-gl1000000000000-nothing", status: 401 },
  { who: "the operator", bearer: () => "operator-key-of-the-tests", status: 401 },
])("$who reaches no preset", async ({ bearer, status }) => {
  const tenant = await newTenant();
  await make(tenant);
  for (const path of ["/presets", "/presets/kind", "/presets/kind/versions", "/presets/kind/versions/1"]) {
    expect((await ask("GET", path, bearer())).status).toBe(status);
  }
  for (const format of ["chat/completions", "messages", "responses"]) {
    expect((await ask("POST", `/presets/kind/${format}`, bearer(), BODY)).status).toBe(status);
  }
  expect((await ask("DELETE", "/presets/kind", bearer())).status).toBe(status);
});

test.each<{ name: string; slug?: string; body?: unknown; path?: string; says?: string }>([
  { name: "a slug that is none", slug: "a%20b", path: "slug", says: "slug must have" },
  { name: "a long slug", slug: "a".repeat(65), path: "slug" },
  { name: "no JSON", body: "{" },
  { name: "a wrong type", body: { ...BODY, temperature: "hot" }, path: "temperature" },
  { name: "a wrong provider preference", body: { ...BODY, provider: { sort: "mood" } }, path: "provider.sort" },
  { name: "another preset", body: { ...BODY, model: "@preset/other" }, path: "model", says: "another preset" },
  {
    name: "too much",
    body: { ...BODY, messages: [{ role: "system", content: "é".repeat(40_000) }] },
    says: "at most 65536 bytes",
  },
])("$name makes no preset, and the fault is named", async ({ slug = "kind", body = BODY, path, says }) => {
  const tenant = await newTenant();
  const answer = await make(tenant, slug, body);
  expect(answer).toMatchObject({
    status: 400,
    body: {
      error: {
        metadata: { error_type: "invalid_request", ...(path === undefined ? {} : { path }) },
        ...(says === undefined ? {} : { message: expect.stringContaining(says) }),
      },
    },
  });
  expect((await ask("GET", "/presets", tenant.key)).body).toMatchObject({ total_count: 0 });
});

test.each(["0", "-1", "x", "1.5", "99999999999"])("version %s is refused", async (version) => {
  const tenant = await newTenant();
  await make(tenant);
  expect((await ask("GET", `/presets/kind/versions/${version}`, tenant.key)).status).toBe(400);
  expect(await ask("GET", "/presets/kind/versions/7", tenant.key)).toMatchObject({
    status: 404,
    body: { error: { message: expect.stringContaining("no version 7") } },
  });
});

/** Writes past the API, which would take its time. */
async function fill(tenant: Tenant, count: number, slugOf: (at: number) => string, config = "{}"): Promise<void> {
  for (let at = 0; at < count; at++) {
    const ids = { id: asPresetId(`p-${slugOf(at)}`), versionId: asPresetId(`${slugOf(at)} ${at}`) };
    const written = await gateOf(tenant.id).presets({
      kind: "write",
      slug: slugOf(at),
      ...ids,
      systemPrompt: null,
      config,
    });
    expect(written.ok).toBe(true);
  }
}

test("an account has at most 100 presets", async () => {
  const tenant = await newTenant();
  await fill(tenant, 100, (at) => `p${at}`);
  expect(await make(tenant)).toMatchObject({
    status: 409,
    body: { error: { message: expect.stringContaining("at most 100 presets") } },
  });
  expect((await make(tenant, "p7")).status).toBe(200);
});

test("a preset has at most 100 versions", async () => {
  const tenant = await newTenant();
  await fill(tenant, 100, () => "kind");
  expect(await make(tenant)).toMatchObject({
    status: 409,
    body: { error: { message: expect.stringContaining("at most 100 versions") } },
  });
  expect((await make(tenant, "another")).status).toBe(200);
});

test("all presets of an account have at most 16 MiB", async () => {
  const tenant = await newTenant();
  const config = JSON.stringify({ stop: ["x".repeat(65_000)] });
  await fill(tenant, 258, (at) => `p${at % 3}`, config);
  expect(
    await make(tenant, "p0", { ...BODY, messages: [{ role: "system", content: "x".repeat(60_000) }] }),
  ).toMatchObject({
    status: 409,
    body: { error: { message: expect.stringContaining("at most 16777216 bytes") } },
  });
});

test("a write that is repeated adds nothing", async () => {
  const tenant = await newTenant();
  const command = {
    kind: "write",
    slug: "kind",
    id: asPresetId("p-1"),
    versionId: asPresetId("v-1"),
    systemPrompt: null,
    config: "{}",
  } as const;
  const first = await gateOf(tenant.id).presets(command);
  expect(await gateOf(tenant.id).presets(command)).toEqual(first);
  expect((await ask("GET", "/presets/kind/versions", tenant.key)).body).toMatchObject({ total_count: 1 });
});
