/** Embeddings, rerank, moderations and legacy completions on the spine: fallback, exact cost, record, repeats, errors. */
import { env, exports } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { USD } from "./account-setup.ts";
import { ask, askAt, dataOf, newTenant, type Tenant } from "./fixture.ts";

const endpoint = (provider: string, price: object, context = 1_000) => ({
  tag: provider,
  provider,
  upstream_model: "m",
  price: { prompt: 0, completion: 0, ...price },
  price_source: "test",
  context_length: context,
  max_completion_tokens: null,
  supported_parameters: [],
  input_modalities: ["text"],
});
const model = (id: string, output: string, endpoints: readonly object[]) => ({
  id,
  canonical_slug: id,
  name: id,
  created_s: 1_790_000_000,
  input_modalities: ["text"],
  output_modalities: [output],
  endpoints,
});

let tenant: Tenant;
beforeAll(async () => {
  const providers = ["first", "second", "claude"].map((slug) => ({
    slug,
    name: slug.toUpperCase(),
    adapter: slug === "claude" ? "anthropic" : "openai-compatible",
    base_url: `https://${slug}.test/v1`,
    regions: [{ id: "here", latitude: null, longitude: null, jurisdiction: null, source: "test" }],
    data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
    cancellation: { policy: "stops", source: "test" },
  }));
  const models = [
    // $0.02 per million tokens; the price of the second one orders it behind the first.
    model("vec/small", "embeddings", [endpoint("first", { prompt: 20_000 }), endpoint("second", { prompt: 20_000 })]),
    model("vec/dear", "embeddings", [endpoint("first", { prompt: 9_000_000_000_000 })]),
    model("vec/none", "embeddings", [endpoint("claude", { prompt: 20_000 })]),
    // $2 per thousand searches.
    model("rank/one", "rerank", [endpoint("second", { search_unit: 2_000_000_000 })]),
    model("openai/omni-moderation-latest", "moderation", [endpoint("first", {})]),
    model("talk/one", "text", [endpoint("first", { prompt: 1_000_000, completion: 2_000_000 }, 100_000)]),
  ];
  expect((await ask("PUT", "/admin/catalog", env.OPERATOR_KEY, { version: 1, providers, models })).status).toBe(200);
  for (const { slug } of providers) {
    const patch = { credential: "of-the-test" };
    expect((await ask("PATCH", `/admin/providers/${slug}`, env.OPERATOR_KEY, patch)).status).toBe(200);
  }
  tenant = await newTenant(USD);
});

interface Asked {
  readonly url: string;
  readonly body: { readonly input?: string | readonly unknown[]; readonly documents?: readonly unknown[] };
}
const asked: Asked[] = [];
/** Paths that answer 500. */
const broken = new Set<string>();
beforeEach(() => {
  asked.length = 0;
  broken.clear();
  vi.stubGlobal("fetch", async (input: string | URL | Request, init?: RequestInit) => {
    const url = input instanceof Request ? input.url : String(input);
    const body = JSON.parse(await new Response(init?.body).text()) as Asked["body"];
    asked.push({ url, body });
    if (broken.has(url)) return Response.json({ error: { message: "No." } }, { status: 500 });
    return Response.json(replyTo(url, body));
  });
});
afterEach(() => vi.unstubAllGlobals());

function replyTo(url: string, { input = [], documents = [] }: Asked["body"]): object {
  const inputs = typeof input === "string" ? [input] : input;
  if (url.endsWith("/embeddings")) {
    const data = inputs.map((_, index) => ({ object: "embedding", index, embedding: [index, 0.5] }));
    return { object: "list", data, usage: { prompt_tokens: 50, total_tokens: 50 } };
  }
  if (url.endsWith("/rerank")) {
    const results = documents.map((_, index) => ({ index, relevance_score: index / 10 }));
    return { id: "r-1", results, meta: { billed_units: { search_units: 1 } } };
  }
  if (url.endsWith("/moderations")) return { id: "modr", results: inputs.map(() => ({ flagged: false })) };
  return {
    id: "up",
    choices: [{ index: 0, message: { role: "assistant", content: "upon a time" }, finish_reason: "stop" }],
    usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
  };
}

const post = (path: string, body: unknown, key = tenant.key) => ask("POST", path, key, body);

/** The record of an answer, once it is settled. */
async function recordOf(body: unknown): Promise<object> {
  const path = `/generation?id=${(body as { id: string }).id}`; // asserted by whoever asks
  await expect.poll(async () => (await ask("GET", path, tenant.key)).status, { timeout: 20_000 }).toBe(200);
  return dataOf<object>(await ask("GET", path, tenant.key));
}

test("vectors come from the second provider when the first one fails, and cost their tokens", async () => {
  broken.add("https://first.test/v1/embeddings").add("https://second.test/v1/embeddings");
  expect((await post("/embeddings", { model: "vec/small", input: "hi" })).status).toBe(503);
  broken.delete("https://second.test/v1/embeddings");
  const answer = await post("/embeddings", { model: "vec/small", input: ["hi", "ho"] });
  expect(answer).toMatchObject({
    status: 200,
    body: {
      object: "list",
      model: "vec/small",
      provider: "SECOND",
      data: [
        { object: "embedding", index: 0, embedding: [0, 0.5] },
        { object: "embedding", index: 1, embedding: [1, 0.5] },
      ],
      // 50 tokens x 20,000 pico-dollars.
      usage: { prompt_tokens: 50, total_tokens: 50, cost: 0.000001 },
    },
  });
  expect(await recordOf(answer.body)).toMatchObject({
    api_type: "embeddings",
    total_cost: 0.000001,
    native_tokens_prompt: 50,
    native_tokens_completion: 0,
    estimated: false,
    streamed: false,
  });
});

test("Google's clients get vectors of any model, in their own form and for the same price", async () => {
  const post = (call: string, body: unknown) => askAt(`/v1beta/models/vec/small:${call}`, "POST", tenant.key, body);
  const requests = ["hi", "ho"].map((text) => ({ content: { parts: [{ text }] } }));
  const batch = await post("batchEmbedContents", { requests });
  expect(batch).toMatchObject({
    status: 200,
    body: {
      embeddings: [{ values: [0, 0.5] }, { values: [1, 0.5] }],
      usageMetadata: { promptTokenCount: 50, totalTokenCount: 50, cost: 0.000001 },
      modelVersion: "vec/small",
    },
  });
  const { responseId } = batch.body as { responseId: string }; // asserted by the record
  expect(await recordOf({ id: responseId })).toMatchObject({ api_type: "embeddings", total_cost: 0.000001 });
  expect(await post("embedContent", requests[0])).toMatchObject({
    status: 200,
    body: { embedding: { values: [0, 0.5] } },
  });
  expect(await post("embedContent", {})).toMatchObject({
    status: 400,
    body: { error: { status: "INVALID_ARGUMENT" } },
  });
});

test("a repeated request gets the same vectors, and is charged once", async () => {
  const send = async () => {
    const response = await exports.default.fetch(
      new Request("https://waypost.test/api/v1/embeddings", {
        method: "POST",
        headers: {
          Authorization: `Bearer ${tenant.key}`,
          "Content-Type": "application/json",
          "Idempotency-Key": "one",
        },
        body: JSON.stringify({ model: "vec/small", input: "hi", encoding_format: "base64" }),
      }),
    );
    return { replayed: response.headers.get("idempotent-replayed"), text: await response.text() };
  };
  const first = await send();
  expect(JSON.parse(first.text)).toMatchObject({ data: [{ embedding: "AAAAAAAAAD8=" }] });
  await recordOf(JSON.parse(first.text));
  expect(await send()).toEqual({ replayed: "true", text: first.text });
  expect(asked).toHaveLength(1);
});

test("ranking costs its units of search", async () => {
  const answer = await post("/rerank", {
    model: "rank/one",
    query: "q",
    documents: ["one", { text: "two" }],
    top_n: 1,
  });
  expect(answer).toMatchObject({
    status: 200,
    body: {
      model: "rank/one",
      provider: "SECOND",
      results: [{ index: 1, relevance_score: 0.1, document: { text: "two" } }],
      usage: { search_units: 1, cost: 0.002 },
    },
  });
  expect(await recordOf(answer.body)).toMatchObject({ api_type: "rerank", total_cost: 0.002 });
});

test("judging is free, also for who has nothing", async () => {
  const poor = await newTenant();
  const answer = await post("/moderations", { input: ["a", "b"] }, poor.key);
  expect(answer).toMatchObject({
    status: 200,
    body: { model: "openai/omni-moderation-latest", results: [{ flagged: false }, { flagged: false }] },
  });
});

test("a text is continued, in the older form", async () => {
  const answer = await post("/completions", { model: "talk/one", prompt: "Once", max_tokens: 10, suffix: "." });
  expect(answer).toMatchObject({
    status: 200,
    body: {
      object: "text_completion",
      choices: [{ index: 0, text: "upon a time", finish_reason: "stop" }],
      usage: { prompt_tokens: 3, completion_tokens: 4, cost: 0.000011 },
    },
  });
  expect(answer.headers.get("x-waypost-warning")).toContain("suffix is not available");
  expect(asked[0]).toMatchObject({ body: { messages: [{ role: "user", content: "Once" }] } });
});

const refused = [
  ["a model that talks", "/embeddings", { model: "talk/one", input: "a" }, 404, "embeddings"],
  [
    "talk of a model of vectors",
    "/chat/completions",
    { model: "vec/small", messages: [{ role: "user", content: "a" }] },
    404,
    "vec/small",
  ],
  ["a format without vectors", "/embeddings", { model: "vec/none", input: "a" }, 404, "vec/none"],
  ["too long a text", "/embeddings", { model: "vec/small", input: "long ".repeat(2_000) }, 404, "vec/small"],
  ["no credit", "/embeddings", { model: "vec/dear", input: "a" }, 402, "prompt is affordable"],
  ["an unknown model", "/rerank", { model: "rank/none", query: "q", documents: ["a"] }, 400, "rank/none"],
  ["a bad field", "/moderations", { input: 1 }, 400, "input"],
] as const;
test.each(refused)("%s is refused before anything is sent or charged", async (_name, path, body, status, message) => {
  const answer = await post(path, body);
  expect(answer).toMatchObject({ status, body: { error: { code: status, message: expect.any(String) } } });
  expect(JSON.stringify(answer.body)).toContain(message);
  expect(asked).toHaveLength(0);
});

test("models that give embeddings have a list of their own", async () => {
  const listed = dataOf<readonly { id: string }[]>(await ask("GET", "/embeddings/models"));
  expect(listed.map(({ id }) => id).toSorted()).toEqual(["vec/dear", "vec/none", "vec/small"]);
  const ids = async (outputs: string) =>
    dataOf<readonly { id: string }[]>(await ask("GET", `/models?output_modalities=${outputs}`)).map(({ id }) => id);
  expect(await ids("rerank")).toEqual(["rank/one"]);
  expect(await ids("all")).not.toContain("openai/omni-moderation-latest");
  expect(await ids("moderation")).toEqual(["openai/omni-moderation-latest"]);
});

test("many short texts fit where one long one does not", async () => {
  const input = Array.from({ length: 300 }, () => "a few words of text");
  expect((await post("/embeddings", { model: "vec/small", input })).status).toBe(200);
});
