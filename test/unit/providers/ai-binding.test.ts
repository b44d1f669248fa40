/** What becomes of a request that goes to the platform's binding, and of one that does not. */
import { expect, test, vi } from "vitest";
import { aiBindingIn, BINDING_BASE_URL, withAiBinding, type AiBinding } from "../../../src/providers/ai-binding.ts";

const CHAT = `${BINDING_BASE_URL}/chat/completions`;
const post = (body: unknown, signal = new AbortController().signal): RequestInit => ({
  method: "POST",
  headers: { authorization: "Bearer nothing" },
  body: JSON.stringify(body),
  signal,
});
const network = vi.fn(async () => new Response("network"));

test("only what is addressed to the binding goes there, with what it knows and nothing else", async () => {
  const run = vi.fn<AiBinding["run"]>(async () => new Response("bound", { status: 202 }));
  const fetch = withAiBinding(network, { run }, "front");
  expect(await (await fetch("https://api.test/chat/completions", post({}))).text()).toBe("network");
  const init = post({ model: "@cf/m", messages: [], stream: true, stream_options: {}, user: "x" });
  const response = await fetch(CHAT, init);
  expect([response.status, await response.text()]).toEqual([202, "bound"]);
  const options = { returnRawResponse: true, signal: init.signal, gateway: { id: "front" } };
  expect(run.mock.calls).toEqual([["@cf/m", { messages: [], stream: true }, options]]);
  expect(JSON.stringify(run.mock.calls)).not.toContain("nothing");
});

test("a body in pieces is put together first", async () => {
  const run = vi.fn<AiBinding["run"]>(async () => ({ response: "ok" }));
  const body = new Blob(['{"model":"@cf/m",', '"messages":[]}']).stream();
  const response = await withAiBinding(network, { run }, undefined)(CHAT, { ...post({}), body });
  expect([run.mock.calls[0]?.[0], await response.json()]).toEqual(["@cf/m", { response: "ok" }]);
});

test.each([
  { name: "another path", url: `${BINDING_BASE_URL}/embeddings`, body: { model: "m" }, status: 404 },
  { name: "a request without a model", url: CHAT, body: {}, status: 400 },
])("$name is refused without a call", async ({ url, body, status }) => {
  const run = vi.fn<AiBinding["run"]>();
  expect((await withAiBinding(network, { run }, undefined)(url, post(body))).status).toBe(status);
  expect(run).not.toHaveBeenCalled();
});

test("what it throws is an answer in the platform's own form; what was aborted is no answer", async () => {
  const run: AiBinding["run"] = () => Promise.reject(new Error("3040: Capacity temporarily exceeded"));
  const fetch = withAiBinding(network, { run }, undefined);
  const response = await fetch(CHAT, post({ model: "m" }));
  expect([response.status, await response.json()]).toEqual([
    500,
    { success: false, errors: [{ code: 3040, message: "3040: Capacity temporarily exceeded" }] },
  ]);
  await expect(fetch(CHAT, post({ model: "m" }, AbortSignal.abort()))).rejects.toThrow();
});

test("a deployment has the binding when it has something by that name that runs", () => {
  const binding = { run: async () => new Response() };
  expect(aiBindingIn({ AI: binding })).toBe(binding);
  for (const env of [{}, { AI: "text" }, { AI: null }, { AI: {} }, Object.create({ AI: binding })]) {
    expect(aiBindingIn(env as object)).toBeNull();
  }
  expect(withAiBinding(network, null, undefined)).toBe(network);
});
