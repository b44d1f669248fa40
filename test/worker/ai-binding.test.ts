/**
 * A provider that the platform's own binding reaches: with the binding there it is asked so, needs no credential, and is
 * charged as ever; the operator's own address and a tenant's own credential go by REST; without any it cannot be reached.
 */
import { env, exports } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { BINDING_BASE_URL } from "../../src/providers/ai-binding.ts";
import { USD } from "./account-setup.ts";
import { ask, askAt, dataOf, newTenant, type Tenant } from "./fixture.ts";

interface Run {
  readonly model: string;
  readonly input: { readonly messages?: unknown; readonly stream?: boolean };
  readonly options: { readonly returnRawResponse?: boolean; readonly gateway?: unknown; readonly signal?: unknown };
}
const runs: Run[] = [];
let answer: (run: Run) => Promise<Response> = () => Promise.reject(new Error("3040: Capacity temporarily exceeded"));
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const sse = (...frames: readonly object[]): Response =>
  new Response([...frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`), "data: [DONE]\n\n"].join(""), {
    headers: { "content-type": "text/event-stream" },
  });

/** The binding's double: what miniflare has none of without an account. */
const AI = {
  run(model: string, input: Run["input"], options: Run["options"]): Promise<Response> {
    const run = { model, input, options };
    runs.push(run);
    return answer(run);
  },
};

let tenant: Tenant;
beforeAll(async () => {
  // Before the first request: an isolate reads its bindings once.
  Object.assign(env, { AI, WAYPOST_AI_GATEWAY: "front" });
  const provider = {
    slug: "cloudflare",
    name: "Cloudflare",
    adapter: "openai-compatible",
    base_url: "https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1",
    quirks: { credential_parts: ["account"] },
    regions: [{ id: "global", latitude: null, longitude: null, jurisdiction: null, source: "test" }],
    data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
    cancellation: { policy: "stops", source: "test" },
  };
  const endpoint = {
    tag: "cloudflare",
    provider: "cloudflare",
    upstream_model: "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    price: { prompt: 1_000_000, completion: 2_000_000 },
    price_source: "test",
    context_length: 24_000,
    max_completion_tokens: null,
    supported_parameters: ["max_tokens", "tools"],
    input_modalities: ["text"],
  };
  const model = {
    id: "meta-llama/llama",
    canonical_slug: "meta-llama/llama",
    name: "Llama",
    created_s: 1_790_000_000,
    input_modalities: ["text"],
    output_modalities: ["text"],
    endpoints: [endpoint],
  };
  const catalog = { version: 1, providers: [provider], models: [model] };
  expect((await ask("PUT", "/admin/catalog", env.OPERATOR_KEY, catalog)).status).toBe(200);
  tenant = await newTenant(USD);
});

const fetched: string[] = [];
beforeEach(() => {
  runs.length = 0;
  fetched.length = 0;
  vi.stubGlobal("fetch", async (input: string | URL | Request) => {
    fetched.push(input instanceof Request ? input.url : String(input));
    return Response.json({ choices: [{ index: 0, message: { content: "by REST" }, finish_reason: "stop" }], usage });
  });
});
afterEach(() => vi.unstubAllGlobals());

const MESSAGES = [{ role: "user", content: "hi" }];
const chat = (body: object = {}, key = tenant.key) =>
  ask("POST", "/chat/completions", key, { model: "meta-llama/llama", messages: MESSAGES, ...body });

test("a conversation goes to the binding, and no further; it costs its tokens", async () => {
  answer = async () => Response.json({ response: "Hello", usage });
  const got = await chat({ max_tokens: 50 });
  expect(got).toMatchObject({
    status: 200,
    body: {
      choices: [{ message: { content: "Hello" }, finish_reason: "stop" }],
      // 10 x $1 and 5 x $2 per million.
      usage: { prompt_tokens: 10, completion_tokens: 5, cost: 0.00002 },
    },
  });
  expect(fetched).toEqual([]);
  expect(runs).toEqual([
    {
      model: "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
      input: { messages: MESSAGES, max_tokens: 50 },
      options: { returnRawResponse: true, gateway: { id: "front" }, signal: expect.any(AbortSignal) },
    },
  ]);
});

test("models that have choices answer through the same decoder", async () => {
  answer = async () =>
    Response.json({ id: "x", choices: [{ index: 0, message: { content: "Hi" }, finish_reason: "length" }], usage });
  expect(await chat()).toMatchObject({
    status: 200,
    body: { choices: [{ message: { content: "Hi" }, finish_reason: "length" }] },
  });
});

test("a stream comes piece by piece, and its usage with it", async () => {
  answer = async () => sse({ response: "Hel" }, { response: "lo" }, { response: "", usage });
  const response = await streamOf();
  expect([...response.matchAll(/"content":"([^"]+)"/g)].map(([, text]) => text).join("")).toBe("Hello");
  expect(response).toContain('"completion_tokens":5');
  expect(runs[0]?.input).toMatchObject({ stream: true });
  expect(runs[0]?.input).not.toHaveProperty("stream_options");
});

async function streamOf(): Promise<string> {
  const response = await exports.default.fetch(
    new Request("https://waypost.test/api/v1/chat/completions", {
      method: "POST",
      headers: { Authorization: `Bearer ${tenant.key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ model: "meta-llama/llama", messages: MESSAGES, stream: true }),
    }),
  );
  return response.text();
}

test("what the binding throws is the provider's failure, and costs nothing", async () => {
  answer = () => Promise.reject(new Error("3040: Capacity temporarily exceeded, please try again."));
  const got = await chat();
  expect(got.status).toBeGreaterThanOrEqual(429);
  expect(JSON.stringify(got.body)).toContain("Cloudflare");
  expect(runs.length).toBeGreaterThan(0);
  expect(fetched).toEqual([]);
});

test("a tenant's own credential goes by REST, to the tenant's own account", async () => {
  const own = { provider: "cloudflare", key: "0123abcd:its-own-secret-token", name: "own" };
  const other = await newTenant(USD);
  expect((await ask("POST", "/byok", other.managementKey, own)).status).toBe(201);
  const got = await chat({}, other.key);
  expect(got).toMatchObject({ status: 200, body: { choices: [{ message: { content: "by REST" } }] } });
  expect(fetched).toEqual(["https://api.cloudflare.com/client/v4/accounts/0123abcd/ai/v1/chat/completions"]);
  expect(runs).toEqual([]);
});

test("the operator sees that it can be reached, and no address of the binding leaves", async () => {
  const view = await ask("GET", "/admin/providers", env.OPERATOR_KEY);
  expect(dataOf<object[]>(view)).toMatchObject([{ slug: "cloudflare", credential_state: "usable" }]);
  const endpoints = await askAt("/api/v1/models/meta-llama/llama/endpoints", "GET", tenant.key);
  expect(JSON.stringify([view.body, endpoints.body])).not.toContain(BINDING_BASE_URL);
});
