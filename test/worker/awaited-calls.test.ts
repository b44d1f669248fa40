/**
 * How many calls of Durable Objects an answer waits for, counted at the bindings of the whole Worker (test/bench/counting.ts
 * counts the benchmark's in the same way): every call but `admit` is held for longer than this test may last, so that an
 * answer that waited for one would never come.
 */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import worker from "../../src/worker.ts";
import { COUNTS_PATH, countBundle, HOLD_PATH, type Counts, type Entry } from "../bench/counting.ts";
import { USD } from "./account-setup.ts";
import { newTenant, publishForest, type Tenant } from "./fixture.ts";

const HELD_MS = 600_000;

// The counters take whatever a bundle exports and the platform binds.
const counted = countBundle(worker as unknown as Entry, {}).entry;

async function send(path: string, init?: RequestInit): Promise<Response> {
  const request = new Request(`https://waypost.test${path}`, init);
  return await counted.fetch(request, { ...env }, createExecutionContext());
}

const counts = async (): Promise<Counts> => await (await send(COUNTS_PATH)).json<Counts>();

async function chat(tenant: Tenant, stream: boolean, model = "forest/leaf"): Promise<void> {
  const answer = await send("/api/v1/chat/completions", {
    method: "POST",
    headers: { Authorization: `Bearer ${tenant.key}`, "Content-Type": "application/json" },
    body: JSON.stringify({
      model,
      messages: [{ role: "user", content: "Hi" }],
      max_tokens: 50,
      stream,
    }),
  });
  expect(answer.status).toBe(200);
  expect(await answer.text()).toContain("Hello");
}

beforeAll(async () => {
  await publishForest();
  for (const slug of ["elm", "fir", "oak"]) {
    // Through the counted Worker from the first request on: an isolate keeps the bindings that it was first given.
    const set = await send(`/api/v1/admin/providers/${slug}`, {
      method: "PATCH",
      headers: { Authorization: `Bearer ${env.OPERATOR_KEY}`, "Content-Type": "application/json" },
      body: JSON.stringify({ credential: `key-of-${slug}-0123456789` }),
    });
    expect(set.status).toBe(200);
  }
  vi.stubGlobal("fetch", async (_url: string, init: RequestInit) => {
    const { stream } = JSON.parse(String(init.body)) as { stream?: boolean }; // what our encoder wrote
    const usage = { prompt_tokens: 10, completion_tokens: 2 };
    const said = { content: "Hello" };
    const choice = { index: 0, ...(stream === true ? { delta: said } : { message: said }), finish_reason: "stop" };
    const body = { id: "up-1", choices: [choice], usage };
    return stream === true
      ? new Response(`data: ${JSON.stringify(body)}\n\ndata: [DONE]\n\n`, {
          headers: { "Content-Type": "text/event-stream" },
        })
      : Response.json(body);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(() => {
  vi.unstubAllGlobals();
});

test("a key's first request waits for one call of an object, those after it for none", async () => {
  const [first, tenant] = [await newTenant(100n * USD), await newTenant(100n * USD)];
  // The isolate's first request learns the state of the model's providers; that calls are seen at all shows here.
  await send(`${HOLD_PATH}?ms=0`);
  await chat(first, false);
  const [learning] = (await counts()).awaited;
  expect(learning).toBeGreaterThan(1);
  await send(`${HOLD_PATH}?ms=${HELD_MS}`);
  for (const stream of [false, true, false, true, false, true]) await chat(tenant, stream);
  expect((await counts()).awaited.slice(1)).toEqual([1, 0, 0, 0, 0, 0]);
});

test("a request that names a preset waits for no call either, once its isolate has a copy", async () => {
  const tenant = await newTenant(100n * USD);
  await send(`${HOLD_PATH}?ms=0`);
  // However slow this machine is, the copy stays young.
  vi.spyOn(Date, "now").mockReturnValue(Date.now());
  const made = await send("/api/v1/presets/kind/chat/completions", {
    method: "POST",
    headers: { Authorization: `Bearer ${tenant.key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ model: "forest/leaf", temperature: 0.5 }),
  });
  expect(made.status).toBe(200);
  await chat(tenant, false, "@preset/kind");
  const { awaited: before, methods } = await counts();
  expect(methods["presets"]).toBe(2);
  await send(`${HOLD_PATH}?ms=${HELD_MS}`);
  for (const stream of [false, true, false, true]) await chat(tenant, stream, "@preset/kind");
  const after = await counts();
  expect(after.awaited.slice(before.length)).toEqual([0, 0, 0, 0]);
  expect(after.methods["presets"]).toBe(2);
});
