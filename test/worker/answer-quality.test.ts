/**
 * Two endpoints of one model in workerd, the cheaper of which answers broken tool calls: what is measured of real answers,
 * streamed and not, moves requests with tools and `:exacto` to the other one, and nothing else.
 */
import { env, exports } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { USD } from "./account-setup.ts";
import { ask, newTenant, providerGateOf, type Tenant } from "./fixture.ts";

const MODEL = "craft/tools";
const SECRET = "words-of-a-tenant";
const TOOL = {
  type: "function",
  function: {
    name: "look",
    parameters: { type: "object", properties: { at: { type: "string" } }, required: ["at"] },
  },
};
/** Longer than an isolate and a gate keep figures. */
const WHILE_MS = 10_000;
/** Far more than are needed where nothing is slow, and less than two hours. */
const TURNS_MAX = 60;

let tenant: Tenant;
/** Hosts that were called, in order, and those that fail. */
let called: string[] = [];
let down: ReadonlySet<string> = new Set();

beforeAll(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const provider = (slug: string) => ({
    slug,
    name: slug,
    adapter: "openai-compatible",
    base_url: `https://${slug}.test/v1`,
    regions: [{ id: "here", latitude: null, longitude: null, jurisdiction: null, source: "test" }],
    data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
    cancellation: { policy: "stops", source: "test" },
  });
  const endpoint = (slug: string, price: number) => ({
    tag: slug,
    provider: slug,
    upstream_model: "tools",
    price: { prompt: price, completion: price },
    price_source: "test",
    context_length: 32_000,
    max_completion_tokens: 1_000,
    supported_parameters: ["max_tokens", "tools", "tool_choice", "response_format"],
    input_modalities: ["text"],
  });
  const published = await ask("PUT", "/admin/catalog", env.OPERATOR_KEY, {
    version: 1,
    providers: [provider("sloppy"), provider("careful")],
    models: [
      {
        id: MODEL,
        canonical_slug: MODEL,
        name: "Tools",
        created_s: 1_790_000_000,
        input_modalities: ["text"],
        output_modalities: ["text"],
        // The price alone would decide for the sloppy one, ten thousand million times against once.
        endpoints: [endpoint("sloppy", 1_000), endpoint("careful", 100_000_000)],
      },
    ],
  });
  expect(published.status).toBe(200);
  for (const slug of ["sloppy", "careful"]) {
    const credential = { credential: `${slug}-credential-of-the-test` };
    expect((await ask("PATCH", `/admin/providers/${slug}`, env.OPERATOR_KEY, credential)).status).toBe(200);
  }
  tenant = await newTenant(USD);
});
afterAll(() => {
  vi.useRealTimers();
});

beforeEach(() => {
  called = [];
  down = new Set();
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const host = new URL(String(input)).hostname.split(".")[0] ?? "";
    called.push(host);
    if (down.has(host)) return new Response("{}", { status: 500 });
    const body = JSON.parse(String(init?.body)) as { readonly stream?: boolean; readonly tools?: unknown }; // our encoder's
    return body.tools === undefined ? words() : calls(host === "careful", body.stream === true);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const USAGE = { prompt_tokens: 3, completion_tokens: 3 };

function words(): Response {
  const message = { role: "assistant", content: "Hello" };
  return Response.json({ choices: [{ index: 0, message, finish_reason: "stop" }], usage: USAGE });
}

/** A call of the tool; a broken one ends before its last bracket. */
function calls(isWhole: boolean, isStreamed: boolean): Response {
  const text = JSON.stringify({ at: SECRET }).slice(0, isWhole ? undefined : -1);
  const call = (given: string) => ({
    index: 0,
    id: "call-1",
    type: "function",
    function: { name: "look", arguments: given },
  });
  if (!isStreamed) {
    const message = { role: "assistant", content: null, tool_calls: [call(text)] };
    return Response.json({ choices: [{ index: 0, message, finish_reason: "tool_calls" }], usage: USAGE });
  }
  const chunk = (delta: object, finish: string | null = null) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  const more = (given: string) => ({ tool_calls: [{ index: 0, function: { arguments: given } }] });
  const frames = [
    chunk({ role: "assistant", tool_calls: [call(text.slice(0, 4))] }),
    ...(text.slice(4).match(/.{1,5}/g) ?? []).map((piece) => chunk(more(piece))),
    chunk({}, "tool_calls"),
    `data: ${JSON.stringify({ choices: [], usage: USAGE })}\n\n`,
    "data: [DONE]\n\n",
  ];
  return new Response(frames.join(""), { headers: { "Content-Type": "text/event-stream" } });
}

async function send(
  more: Record<string, unknown> = {},
): Promise<{ readonly text: string; readonly warning: string | null }> {
  const response = await exports.default.fetch(
    new Request("https://waypost.test/api/v1/chat/completions", {
      method: "POST",
      headers: {
        Authorization: `Bearer ${tenant.key}`,
        "Content-Type": "application/json",
        "X-OpenRouter-Metadata": "enabled",
      },
      body: JSON.stringify({ model: MODEL, max_tokens: 10, messages: [{ role: "user", content: "Hi" }], ...more }),
    }),
  );
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return { text, warning: response.headers.get("X-Waypost-Warning") };
}

/** Time passes, and requests carry reports and figures to and fro, until `host` alone serves such requests. */
async function learnt(host: string, more: Record<string, unknown>): Promise<void> {
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    vi.setSystemTime(Date.now() + WHILE_MS);
    await send();
    // The call to the gate goes on behind the answer.
    await new Promise((resolve) => setTimeout(resolve, 20));
    if ([...(await hostsOf(2, more))].join(" ") === host) return;
  }
  expect.fail(`${host} was not learnt`);
}

async function hostsOf(count: number, more: Record<string, unknown> = {}): Promise<ReadonlySet<string>> {
  called = [];
  for (let at = 0; at < count; at++) await send(more);
  return new Set(called);
}

test("before anything was measured the price decides, and exacto says so", async () => {
  const { warning } = await send({ model: `${MODEL}:exacto`, tools: [TOOL] });
  expect(warning).toContain("exacto: no endpoint has enough tool-call statistics yet");
  expect(await hostsOf(12, { tools: [TOOL] })).toEqual(new Set(["sloppy"]));
  expect(await hostsOf(12, { tools: [TOOL], stream: true })).toEqual(new Set(["sloppy"]));
});

test("what was broken is learnt: requests with tools and exacto go to the other endpoint, plain ones do not", async () => {
  await learnt("careful", { tools: [TOOL] });
  expect(await hostsOf(5, { tools: [TOOL] })).toEqual(new Set(["careful"]));
  expect(await hostsOf(5, { tools: [TOOL], stream: true })).toEqual(new Set(["careful"]));
  expect(await hostsOf(5, { model: `${MODEL}:exacto` })).toEqual(new Set(["careful"]));
  expect(await hostsOf(5)).toEqual(new Set(["sloppy"]));
  expect(await hostsOf(5, { model: `${MODEL}:floor`, tools: [TOOL] })).toEqual(new Set(["sloppy"]));
  expect((await send({ model: `${MODEL}:exacto`, tools: [TOOL] })).warning).toBeNull();
});

test("the explanation and the listing say why, in tiers and shares", async () => {
  const { text } = await send({ tools: [TOOL] });
  expect(JSON.parse(text)).toMatchObject({
    openrouter_metadata: {
      endpoints: {
        available: [
          { endpoint: "careful", quality: "unproven", selected: true },
          { endpoint: "sloppy", quality: "poor", selected: false },
        ],
      },
    },
  });
  const listing = await ask("GET", `/models/${MODEL}/endpoints`);
  expect(listing).toMatchObject({
    status: 200,
    body: {
      data: {
        endpoints: [
          { tag: "sloppy", tool_calls: { tier: "poor", success_last_2h: 0 }, structured_outputs: { tier: "unproven" } },
          { tag: "careful", tool_calls: { tier: "unproven" } },
        ],
      },
    },
  });
});

test("the endpoint that was set back still answers when the other one fails", async () => {
  down = new Set(["careful"]);
  called = [];
  expect((await send({ tools: [TOOL] })).text).toContain(SECRET);
  expect(called).toEqual(["careful", "sloppy"]);
});

test("structured output that cannot be read counts by itself, and nothing but counts reaches a gate", async () => {
  const format = { type: "json_object" };
  expect(await hostsOf(25, { response_format: format })).toEqual(new Set(["sloppy"]));
  // The other one has failed a moment ago, which weighs more.
  expect(await hostsOf(5, { response_format: format })).toEqual(new Set(["sloppy"]));
  await learnt("careful", { response_format: format });
  expect(await hostsOf(5, { response_format: format })).toEqual(new Set(["careful"]));
  const gate = providerGateOf("sloppy", "here");
  const kept = await runInDurableObject(gate, async (instance, state) => {
    const snapshot = await instance.snapshot(MODEL);
    return { snapshot, stored: JSON.stringify([...state.storage.kv.list()]) };
  });
  expect(kept.snapshot.endpoints).toMatchObject([
    { health: { toolCalls: { good: 0, bad: expect.any(Number) }, structured: { good: 0, bad: expect.any(Number) } } },
  ]);
  expect(kept.stored).toContain('"toolCalls"');
  for (const text of [JSON.stringify(kept.snapshot), kept.stored]) {
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain("Hello");
  }
});

test("after two hours the endpoint is tried again", async () => {
  vi.setSystemTime(Date.now() + 125 * 60_000);
  await learnt("sloppy", { tools: [TOOL] });
});
