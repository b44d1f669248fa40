/** Gemini's paths: where they stand, how a model is named in them, where a key may stand, and errors in their own shape. */
import { env, exports } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { USD } from "./account-setup.ts";
import { ask, dataOf, newTenant, publishForest, type Tenant } from "./fixture.ts";

const BODY = { contents: [{ parts: [{ text: "hi" }] }] };
const CALL = "forest/leaf:generateContent";

let tenant: Tenant;
beforeAll(async () => {
  await publishForest();
  for (const slug of ["elm", "fir", "oak"]) {
    expect(
      (await ask("PATCH", `/admin/providers/${slug}`, env.OPERATOR_KEY, { credential: "of-the-test" })).status,
    ).toBe(200);
  }
  tenant = await newTenant(USD);
});

const sent = vi.fn<(url: string, body: unknown) => void>();
beforeEach(() => {
  sent.mockClear();
  vi.stubGlobal("fetch", async (input: string | URL | Request, init?: RequestInit) => {
    const body = JSON.parse(await new Response(init?.body).text()) as { stream?: boolean };
    sent(input instanceof Request ? input.url : String(input), body);
    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
    if (body.stream === true) {
      const chunk = (delta: object, finish: string | null) =>
        `data: ${JSON.stringify({ id: "up", choices: [{ index: 0, delta, finish_reason: finish }], usage })}\n\n`;
      const text = `${chunk({ content: "Hel" }, null)}${chunk({ content: "lo" }, "stop")}data: [DONE]\n\n`;
      return new Response(text, { headers: { "Content-Type": "text/event-stream" } });
    }
    return Response.json({
      id: "up",
      choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
      usage,
    });
  });
});
afterEach(() => vi.unstubAllGlobals());

interface Got {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}
async function post(path: string, body: unknown, headers: Record<string, string> = {}, method = "POST"): Promise<Got> {
  const response = await exports.default.fetch(
    new Request(`https://waypost.test${path}`, {
      method,
      headers: { "Content-Type": "application/json", ...headers },
      ...(method === "POST" ? { body: JSON.stringify(body) } : {}),
    }),
  );
  return { status: response.status, headers: response.headers, text: await response.text() };
}
const key = (): Record<string, string> => ({ "x-goog-api-key": tenant.key });

test.each(["/v1beta", "/api/v1beta", "/v1", "/api/v1"])(
  "%s/models answers with the model in the path",
  async (base) => {
    for (const model of ["forest/leaf", "forest%2Fleaf", "models/forest/leaf"]) {
      const got = await post(`${base}/models/${model}:generateContent`, BODY, key());
      expect({ status: got.status, body: JSON.parse(got.text) as unknown }).toMatchObject({
        status: 200,
        body: {
          candidates: [{ content: { role: "model", parts: [{ text: "Hello" }] }, finishReason: "STOP", index: 0 }],
          usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 },
          modelVersion: "forest/leaf",
          responseId: got.headers.get("x-generation-id"),
        },
      });
    }
    expect(sent).toHaveBeenCalledTimes(3);
  },
);

test("streams are events where they are asked for, else one array, and cost what they say", async () => {
  const path = "/v1beta/models/forest/leaf:streamGenerateContent";
  const events = await post(`${path}?alt=sse`, BODY, key());
  expect(events.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const array = await post(path, BODY, key());
  expect(array.headers.get("content-type")).toBe("application/json; charset=utf-8");
  const frames = events.text.split("\r\n\r\n").filter((frame) => frame !== "");
  for (const chunks of [
    frames.map((frame) => JSON.parse(frame.slice(6)) as unknown),
    JSON.parse(array.text) as unknown[],
  ]) {
    expect(chunks).toMatchObject([
      { candidates: [{ content: { parts: [{ text: "Hel" }] } }] },
      { candidates: [{ content: { parts: [{ text: "lo" }] } }] },
      { candidates: [{ finishReason: "STOP" }], usageMetadata: { totalTokenCount: 5 } },
    ]);
  }
  const last = (JSON.parse(array.text) as { usageMetadata?: { cost: number }; responseId: string }[]).at(-1);
  await expect
    .poll(async () => (await ask("GET", `/generation?id=${last?.responseId ?? ""}`, tenant.key)).status, {
      timeout: 20_000,
    })
    .toBe(200);
  const record = dataOf<object>(await ask("GET", `/generation?id=${last?.responseId ?? ""}`, tenant.key));
  expect(record).toMatchObject({ total_cost: last?.usageMetadata?.cost, streamed: true, model: "forest/leaf" });
});

test("a key is taken from the query here, and nowhere else", async () => {
  expect((await post(`/v1beta/models/${CALL}?key=${tenant.key}`, BODY)).status).toBe(200);
  expect((await ask("GET", `/key?key=${tenant.key}`)).status).toBe(401);
});

test("tokens are counted for nothing, of contents and of a whole request", async () => {
  const path = "/v1beta/models/forest/leaf:countTokens";
  const alone = await post(path, BODY, key());
  const whole = await post(path, { generateContentRequest: { model: "models/forest/leaf", ...BODY } }, key());
  expect(JSON.parse(alone.text)).toEqual(JSON.parse(whole.text));
  expect(JSON.parse(alone.text)).toMatchObject({ totalTokens: expect.any(Number) });
  expect(sent).not.toHaveBeenCalled();
});

test("what only Gemini's models take is named when it was left out", async () => {
  const body = { ...BODY, safetySettings: [{ category: "C", threshold: "BLOCK_NONE" }] };
  const got = await post(`/v1beta/models/${CALL}`, body, key());
  expect(got.headers.get("x-waypost-warning")).toContain("safetySettings is not supported by this endpoint");
});

test.each([
  { name: "no key", path: CALL, headers: {}, status: 401, rpc: "UNAUTHENTICATED", message: "Missing Authentication" },
  { name: "a bad body", path: CALL, body: { contents: 1 }, status: 400, rpc: "INVALID_ARGUMENT", message: "contents" },
  { name: "no model", path: "a/none:generateContent", status: 400, rpc: "INVALID_ARGUMENT", message: "a/none" },
  {
    name: "no model to count for",
    path: "a/none:countTokens",
    status: 400,
    rpc: "INVALID_ARGUMENT",
    message: "a/none",
  },
  { name: "no method", path: "forest/leaf:embed", status: 404, rpc: "NOT_FOUND", message: "embed" },
  {
    name: "another verb",
    path: CALL.replace("forest/", ""),
    verb: "GET",
    status: 405,
    rpc: "UNIMPLEMENTED",
    message: "",
  },
])(
  "$name is an error of the API's own shape, and costs nothing",
  async ({ path, headers, body, status, rpc, message, verb }) => {
    const got = await post(`/v1beta/models/${path}`, body ?? BODY, headers ?? key(), verb);
    expect({ status: got.status, body: JSON.parse(got.text) as unknown }).toMatchObject({
      status,
      body: {
        error: { code: status, status: rpc, message: expect.stringContaining(message), details: expect.any(Array) },
      },
    });
    expect(sent).not.toHaveBeenCalled();
  },
);
