/**
 * A provider's capacity under parallel load, through a real server: the operator's limit is never overshot, whoever waits
 * is served fairly and refused honestly, a limit that nobody has set is learnt, and one bad credential harms nobody.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { isObject } from "../../src/core/json.ts";
import { alone } from "./alone.ts";
import { startCapacityUpstream, type CapacityUpstream } from "./capacity-upstream.ts";
import { serve, type Server } from "./serve.ts";

const SLOTS = 4;
const ANSWER_MS = 250;
/** What the learnt provider really takes. */
const LEARNT = 6;
const PROVIDERS = ["slots", "learn", "pair"] as const;

let server: Server;
let upstream: CapacityUpstream;

alone();
beforeAll(async () => {
  upstream = await startCapacityUpstream({
    takes: { "slots-key": 100, "learn-key": LEARNT, "pair-good": 100 },
    answerMs: ANSWER_MS,
    retryAfterS: 1,
  });
  const env: Record<string, string> = {
    SLOTS_API_KEY: "slots-key",
    LEARN_API_KEY: "learn-key",
    PAIR_API_KEY: "pair-bad, pair-good",
  };
  for (const provider of PROVIDERS) env[`${provider.toUpperCase()}_BASE_URL`] = upstream.baseUrl;
  server = await serve({ env });
  const published = await call("PUT", "/admin/catalog", server.operatorKey, catalog());
  expect(published.status).toBe(200);
});
afterAll(async () => {
  await server.stop();
  await upstream.close();
});
beforeEach(() => upstream.reset());

function catalog(): unknown {
  const policy = { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" };
  const endpoint = (provider: string, prompt: number) => ({
    tag: provider,
    provider,
    upstream_model: "one",
    price: { prompt, completion: prompt },
    price_source: "test",
    context_length: 128_000,
    max_completion_tokens: 1_000,
    supported_parameters: ["max_tokens"],
    input_modalities: ["text"],
  });
  const model = (id: string, provider: string, prompt: number) => ({
    id,
    canonical_slug: id,
    name: id,
    created_s: 1_760_000_000,
    input_modalities: ["text"],
    output_modalities: ["text"],
    endpoints: [endpoint(provider, prompt)],
  });
  return {
    version: 1,
    providers: PROVIDERS.map((slug) => ({
      slug,
      name: slug,
      adapter: "openai-compatible",
      base_url: "https://unused.example/v1",
      regions: [{ id: "one", latitude: 50, longitude: 8, jurisdiction: null, source: "test" }],
      data_policy: policy,
      cancellation: { policy: "stops", source: "test" },
      ...(slug === "slots" ? { capacity: { concurrency: SLOTS } } : {}),
    })),
    models: [
      model("test/slots", "slots", 1_000_000),
      model("test/slots:free", "slots", 0),
      model("test/learn", "learn", 1_000_000),
      model("test/pair", "pair", 1_000_000),
    ],
  };
}

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

async function call(method: string, path: string, key: string, body?: unknown): Promise<Reply> {
  const response = await fetch(`${server.apiBase}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** The key of a new account with a dollar. */
async function newKey(): Promise<string> {
  const { body } = await call("POST", "/admin/accounts", server.operatorKey, { name: "case" });
  if (!isObject(body) || !isObject(body["data"])) throw new Error("No account was made");
  const credit = { amount: "1", idempotency_key: "start", reason: "test" };
  await call("POST", `/admin/accounts/${String(body["data"]["id"])}/credits`, server.operatorKey, credit);
  return String(body["key"]);
}

const ask = (key: string, model: string): Promise<Reply> =>
  call("POST", "/chat/completions", key, { model, max_tokens: 20, messages: [{ role: "user", content: "Hi" }] });
const many = <T>(count: number, make: (at: number) => Promise<T>): Promise<T>[] =>
  Array.from({ length: count }, (_, at) => make(at));
const statusesOf = (replies: readonly Reply[]): Record<number, number> => {
  const counts: Record<number, number> = {};
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

test("the operator's limit holds; a small account is served beside a large one; the rest hears an honest 429", async () => {
  const [crowd, single] = [await newKey(), await newKey()];
  const startedMs = Date.now();
  const loud = many(60, () => ask(crowd, "test/slots"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const quiet = many(4, () => ask(single, "test/slots"));
  const [loudReplies, quietReplies] = [await Promise.all(loud), await Promise.all(quiet)];
  // What is waited for is counted in answers, and those of a busy machine take longer.
  const waitMaxS = Math.max(10, (3 * (Date.now() - startedMs)) / 1_000);
  expect(upstream.seen()["slots-key"]).toMatchObject({ throttled: 0, refused: 0 });
  expect(upstream.seen()["slots-key"]?.runningMax).toBe(SLOTS);
  expect(statusesOf(quietReplies)).toEqual({ 200: 4 });
  const loudCounts = statusesOf(loudReplies);
  expect((loudCounts[200] ?? 0) + (loudCounts[429] ?? 0)).toBe(60);
  expect(loudCounts[200]).toBeGreaterThanOrEqual(8);
  expect(loudCounts[429]).toBeGreaterThanOrEqual(20);
  for (const { status, headers, body } of loudReplies) {
    if (status !== 429) continue;
    expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(Number(headers.get("retry-after"))).toBeLessThanOrEqual(waitMaxS);
    expect(body).toMatchObject({ error: { code: 429, metadata: { error_type: "rate_limit_exceeded" } } });
  }
});

test("paid passes before free when capacity is short", async () => {
  const key = await newKey();
  const order: string[] = [];
  const note = async (kind: string, model: string): Promise<void> => {
    const { status } = await ask(key, model);
    order.push(`${kind} ${status}`);
  };
  const free = many(14, () => note("free", "test/slots:free"));
  await new Promise((resolve) => setTimeout(resolve, 150));
  const paid = many(8, () => note("paid", "test/slots"));
  await Promise.all([...free, ...paid]);
  const firstPaid = order.indexOf("paid 200");
  const lastPaid = order.lastIndexOf("paid 200");
  expect(order.filter((one) => one === "paid 200")).toHaveLength(8);
  // Those that had a slot when the first paid one came, and nobody else.
  expect(firstPaid).toBeLessThanOrEqual(SLOTS);
  expect(order.slice(firstPaid, lastPaid).filter((one) => one === "free 200").length).toBeLessThanOrEqual(1);
});

test("one bad credential of two: every request is served, the breaker stays closed, the operator is told", async () => {
  const key = await newKey();
  for (let round = 0; round < 3; round++) {
    expect(statusesOf(await Promise.all(many(10, () => ask(key, "test/pair"))))).toEqual({ 200: 10 });
  }
  const before = upstream.seen()["pair-bad"]?.refused ?? 0;
  expect(before).toBeGreaterThanOrEqual(2);
  expect(statusesOf(await Promise.all(many(20, () => ask(key, "test/pair"))))).toEqual({ 200: 20 });
  expect(upstream.seen()["pair-bad"]?.refused).toBe(before);
  expect(await toldOfPair(key)).toMatchObject({
    credential_state: "degraded",
    credentials: {
      in_use: [
        { id: "environment-1", state: "refused", refused_in: ["one"] },
        { id: "environment-2", state: "usable", refused_in: [] },
      ],
    },
    regions: [{ breaker: "closed", endpoints: [{ breaker: { state: "closed", failures: 0 } }] }],
  });
  expect(upstream.seen()["pair-bad"]?.refused).toBe(before);
});

/**
 * What the operator is told of the provider, once its gate has heard of the second refusal: an isolate reports at most
 * once a second, with the next request that ends after it.
 */
async function toldOfPair(key: string): Promise<unknown> {
  const untilMs = Date.now() + 10_000;
  for (;;) {
    const { body } = await call("GET", "/admin/providers", server.operatorKey);
    expect(JSON.stringify(body)).not.toContain("pair-bad");
    const providers: readonly unknown[] = isObject(body) && Array.isArray(body["data"]) ? body["data"] : [];
    const pair = providers.find((one) => isObject(one) && one["slug"] === "pair");
    if (Date.now() > untilMs || (isObject(pair) && pair["credential_state"] !== "usable")) return pair;
    expect((await ask(key, "test/pair")).status).toBe(200);
  }
}

test("a limit that nobody has set is learnt from the 429s, and Retry-After is passed on", async () => {
  const key = await newKey();
  const throttled: number[] = [];
  const served: number[] = [];
  for (let round = 0; round < 8; round++) {
    upstream.reset();
    const replies = await Promise.all(many(24, () => ask(key, "test/learn")));
    served.push(statusesOf(replies)[200] ?? 0);
    throttled.push(upstream.seen()["learn-key"]?.throttled ?? 0);
    for (const { status, headers } of replies) {
      expect([200, 429]).toContain(status);
      if (status === 429) expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    }
    await new Promise((resolve) => setTimeout(resolve, 1_100));
  }
  expect(throttled[0]).toBeGreaterThanOrEqual(10);
  // Each of the last rounds finds the limit by at most a few probes of it, and serves what fits within the wait.
  for (const count of throttled.slice(-3)) expect(count).toBeLessThanOrEqual(3);
  for (const count of served.slice(-3)) expect(count).toBeGreaterThanOrEqual(LEARNT);
}, 120_000);
