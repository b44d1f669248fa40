/**
 * The routes of the other dialects inside workerd: the same spine behind each, with answers, streams and errors in the
 * client's own shape, whichever part of the house fails; what fails costs nothing.
 */
import { env, exports } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { USD } from "./account-setup.ts";
import { ask, newTenant, publishForest, type Tenant } from "./fixture.ts";

/** What the upstream does next. */
let upstream: { status: number; isCut: boolean };

beforeAll(async () => {
  await publishForest();
  for (const slug of ["elm", "fir", "oak"]) {
    await ask("PATCH", `/admin/providers/${slug}`, env.OPERATOR_KEY, { credential: `key-of-${slug}-0123456789` });
  }
});
beforeEach(() => {
  upstream = { status: 200, isCut: false };
  vi.stubGlobal("fetch", async (_url: string, init: RequestInit) => {
    const { status, isCut } = upstream;
    if (status !== 200) return Response.json({ error: { message: "The provider says no." } }, { status });
    const usage = { prompt_tokens: 10, completion_tokens: 2 };
    const { stream } = JSON.parse(await new Response(init.body as BodyInit).text()) as { stream?: boolean }; // our own
    if (stream !== true) {
      const message = { role: "assistant", content: "Hello" };
      return Response.json({ id: "up-1", choices: [{ index: 0, message, finish_reason: "stop" }], usage });
    }
    const frames = [
      { id: "up-1", choices: [{ index: 0, delta: { content: "Hel" } }] },
      { id: "up-1", choices: [{ index: 0, delta: { content: "lo" } }] },
      ...(isCut ? [] : [{ id: "up-1", choices: [{ index: 0, delta: {}, finish_reason: "stop" }], usage }]),
    ];
    const text = frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join("");
    return new Response(text + (isCut ? "" : "data: [DONE]\n\n"), { headers: { "Content-Type": "text/event-stream" } });
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

interface Heard {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

const MODEL = { model: "forest/leaf" };
/** A model of its own for what makes its provider look ill. */
const ROOT = { model: "forest/root" };
const DIALECTS = {
  "/responses": { input: "Hi", max_output_tokens: 50 },
  "/messages": { messages: [{ role: "user", content: "Hi" }], max_tokens: 50 },
} as const;
type Path = keyof typeof DIALECTS;
const PATHS = Object.keys(DIALECTS) as Path[]; // keys of our own constant

async function send(path: string, headers: Record<string, string>, body: unknown, method = "POST"): Promise<Heard> {
  const response = await exports.default.fetch(
    new Request(`https://waypost.test/api/v1${path}`, {
      method,
      headers: { "Content-Type": "application/json", ...headers },
      ...(method === "GET" ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    }),
  );
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const heard = (path: Path, tenant: Tenant, change: object = {}): Promise<Heard> =>
  send(path, { Authorization: `Bearer ${tenant.key}` }, { ...MODEL, ...DIALECTS[path], ...change });

async function charged(tenant: Tenant): Promise<bigint> {
  const view = async () => {
    const answer = await tenant.gate.view();
    return answer.ok ? answer.value : undefined;
  };
  await vi.waitFor(async () => expect((await view())?.heldNusd).toBe(0n), { timeout: 15_000 });
  return (await view())?.totalUsageNusd ?? -1n;
}

/** The type of an error where the path's clients look for it. */
function errorTypeIn(path: string, text: string): unknown {
  const body = JSON.parse(text) as {
    type?: string;
    error: { type?: string; error_type?: string };
    error_type?: string;
  };
  if (!path.startsWith("/messages")) return body.error_type;
  expect(body.type).toBe("error");
  expect(body.error.type).toMatch(/_error$/);
  return body.error.error_type;
}

test("both dialects answer, streamed and buffered, and are charged what they say", async () => {
  for (const path of PATHS) {
    const tenant = await newTenant(USD);
    const buffered = await heard(path, tenant);
    expect(buffered.status).toBe(200);
    expect(buffered.text).toContain("Hello");
    const { id, usage } = JSON.parse(buffered.text) as { id: string; usage: { cost: number } };
    expect(buffered.headers.get("X-Generation-Id")).toBe(id);
    const streamed = await heard(path, tenant, { stream: true });
    expect(streamed.headers.get("Content-Type")).toMatch(/^text\/event-stream/);
    expect(streamed.headers.get("X-Generation-Id")).toMatch(/^gen-/);
    expect(streamed.text).toContain(path === "/messages" ? "event: message_stop" : "event: response.completed");
    const cost = Number(/"cost":([\d.e-]+)/.exec(streamed.text)?.[1]);
    expect(await charged(tenant)).toBe(BigInt(Math.round((usage.cost + cost) * 1e9)));
  }
});

test("a key is taken where clients of each API put it", async () => {
  const tenant = await newTenant(USD);
  for (const headers of [{ "x-api-key": tenant.key }, { "x-goog-api-key": tenant.key }]) {
    for (const path of PATHS) {
      expect((await send(path, headers, { ...MODEL, ...DIALECTS[path] })).status).toBe(200);
    }
  }
  // Not in the address, where this API's clients never put it.
  const inQuery = await send(`/messages?key=${tenant.key}`, {}, { ...MODEL, ...DIALECTS["/messages"] });
  expect(inQuery.status).toBe(401);
});

const FAULTS: readonly {
  readonly name: string;
  readonly change?: object;
  readonly status: number;
  readonly type: string;
}[] = [
  { name: "a body of the wrong type", change: { temperature: "hot" }, status: 400, type: "invalid_request" },
  { name: "an unknown model", change: { model: "forest/leav" }, status: 400, type: "invalid_request" },
  { name: "no endpoint left", change: { provider: { only: ["nobody"] } }, status: 404, type: "not_found" },
];

test.each(FAULTS)("$name is said in the dialect's own shape and costs nothing", async ({ change, status, type }) => {
  const tenant = await newTenant(USD);
  for (const path of PATHS) {
    const answer = await heard(path, tenant, change);
    expect(answer.status, path).toBe(status);
    expect(errorTypeIn(path, answer.text), path).toBe(type);
  }
  expect(await charged(tenant)).toBe(0n);
});

test("so is what fails before a body is read, and a method or path that is not there", async () => {
  const tenant = await newTenant(USD);
  const bearer = { Authorization: `Bearer ${tenant.key}` };
  const cases = [
    { headers: {}, body: {}, status: 401, type: "authentication" },
    { headers: { "x-api-key": "sk-wp-gl1000000000000-nothing" }, body: {}, status: 401, type: "authentication" },
    { headers: { Authorization: `Bearer ${tenant.managementKey}` }, status: 403, type: "permission_denied" },
    { headers: bearer, body: "{", status: 400, type: "invalid_request" },
    { headers: { ...bearer, "Idempotency-Key": "x".repeat(256) }, body: {}, status: 400, type: "invalid_request" },
    { headers: bearer, method: "GET", status: 405, type: "invalid_request" },
  ];
  for (const path of PATHS) {
    for (const { headers, body, status, type, method } of cases) {
      const answer = await send(path, headers, body ?? { ...MODEL, ...DIALECTS[path] }, method);
      expect(answer.status, path).toBe(status);
      expect(errorTypeIn(path, answer.text), path).toBe(type);
      expect(answer.headers.get("X-Request-Id")).toMatch(/^req-/);
    }
  }
  const nowhere = await send("/messages/batches", bearer, {});
  expect(nowhere.status).toBe(404);
  expect(errorTypeIn("/messages", nowhere.text)).toBe("not_found");
});

test("an account without credit hears it in its dialect", async () => {
  const poor = await newTenant();
  for (const path of PATHS) {
    const answer = await heard(path, poor);
    expect(answer.status).toBe(402);
    expect(errorTypeIn(path, answer.text)).toBe("payment_required");
  }
  expect(JSON.parse((await heard("/messages", poor)).text)).toMatchObject({ error: { type: "billing_error" } });
});

test("a provider that fails is heard in the dialect, with the generation's id, and costs nothing", async () => {
  const tenant = await newTenant(USD);
  upstream.status = 400;
  for (const path of PATHS) {
    for (const stream of [false, true]) {
      const answer = await heard(path, tenant, { ...ROOT, stream });
      expect(answer.status).toBe(400);
      expect(errorTypeIn(path, answer.text)).toBe("invalid_request");
      const id = answer.headers.get("X-Generation-Id");
      expect(id).toMatch(/^gen-/);
      if (path === "/messages") expect(JSON.parse(answer.text)).toMatchObject({ request_id: id });
    }
  }
  expect(await charged(tenant)).toBe(0n);
});

test("a stream that breaks ends with the dialect's own error, and costs what was delivered", async () => {
  upstream.isCut = true;
  const tails = {
    "/responses": /event: response\.failed\ndata: .*\n\ndata: \[DONE\]\n\n$/,
    "/messages": /event: error\ndata: .*\n\n$/,
  };
  for (const path of PATHS) {
    const tenant = await newTenant(USD);
    const { text } = await heard(path, tenant, { ...ROOT, stream: true });
    expect(text).toContain('"delta"');
    expect(text).toMatch(tails[path]);
    expect(text.match(/"error":\{"(code|type)":"(server_error|api_error)"/g)).toHaveLength(1);
    expect(await charged(tenant)).toBeGreaterThan(0n);
  }
});

test("tokens of a prompt are counted without asking anybody, for keys that may ask", async () => {
  const tenant = await newTenant();
  const body = { ...MODEL, messages: [{ role: "user", content: "word ".repeat(400) }] };
  upstream.status = 500;
  const counted = await send("/messages/count_tokens", { "x-api-key": tenant.key }, body);
  expect(counted.status).toBe(200);
  const { input_tokens: tokens } = JSON.parse(counted.text) as { input_tokens: number };
  expect(tokens).toBeGreaterThanOrEqual(400);
  expect(tokens).toBeLessThan(700);
  const refused = [
    { key: tenant.managementKey, change: {}, status: 403 },
    { key: tenant.key, change: { model: "forest/leav" }, status: 400 },
    { key: tenant.key, change: { messages: [] }, status: 400 },
  ];
  for (const { key, change, status } of refused) {
    const answer = await send("/messages/count_tokens", { "x-api-key": key }, { ...body, ...change });
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ type: "error" });
  }
  expect(await charged(tenant)).toBe(0n);
});

test("a repeat of the same Idempotency-Key gets the same answer, in each dialect", async () => {
  const tenant = await newTenant(USD);
  for (const path of PATHS) {
    const headers = { Authorization: `Bearer ${tenant.key}`, "Idempotency-Key": "one" };
    const body = { ...MODEL, ...DIALECTS[path] };
    const first = await send(path, { ...headers, "Idempotency-Key": `one ${path}` }, body);
    const again = await send(path, { ...headers, "Idempotency-Key": `one ${path}` }, body);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("Idempotent-Replayed")).toBe("true");
  }
});
