import { expect, test } from "vitest";
import type { ChatRequest, ReasoningRequest } from "../../../src/core/chat.ts";
import { asProviderId } from "../../../src/core/ids.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { encodeOpenAi } from "../../../src/providers/openai-encode.ts";
import { parseOpenAiQuirks } from "../../../src/providers/openai-quirks.ts";

const ALL = [
  "max_tokens",
  "temperature",
  "top_k",
  "seed",
  "stop",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "response_format",
  "structured_outputs",
  "reasoning",
  "verbosity",
];
const HELLO: ChatRequest = {
  messages: [{ role: "user", parts: [{ type: "text", text: "Hi" }] }],
  stream: false,
  sampling: {},
  stop: [],
  tools: [],
  extra: {},
};

function encode(change: Partial<ChatRequest>, quirks: JsonObject = {}, target: Partial<Target> = {}) {
  const result = encodeOpenAi(
    { ...HELLO, ...change },
    {
      provider: asProviderId("p"),
      upstreamModel: "org/m:1",
      baseUrl: "https://p.example/v1",
      credential: "my-own-credential",
      supportedParameters: ALL,
      maxCompletionTokens: null,
      quirks,
      userHash: null,
      ...target,
    },
  );
  if (!result.ok) throw new Error(result.error);
  const { model: _model, messages: _messages, ...body } = JSON.parse(result.value.body) as Record<string, unknown>;
  return { ...result.value, body, text: result.value.body, messages: _messages };
}
const tool = { name: "f", parameters: { type: "object" } };
const left = (name: string): string => `${name} is not supported by this endpoint and was left out.`;

test.each([
  { name: "a bare request says nothing of its own", change: {}, quirks: {}, body: {}, warnings: [] },
  {
    name: "a stream asks for usage",
    change: { stream: true },
    quirks: {},
    body: { stream: true, stream_options: { include_usage: true } },
    warnings: [],
  },
  {
    name: "a stream does not ask where usage comes unasked",
    change: { stream: true },
    quirks: { stream_usage: "always" },
    body: { stream: true },
    warnings: [],
  },
  {
    name: "the limit goes into the provider's field",
    change: { maxOutputTokens: 9 },
    quirks: { max_tokens_field: "max_completion_tokens" },
    body: { max_completion_tokens: 9 },
    warnings: [],
  },
  {
    name: "an unlisted parameter is left out and named",
    change: { sampling: { min_p: 0.1, temperature: 1 } },
    quirks: {},
    body: { temperature: 1 },
    warnings: [left("min_p")],
  },
  {
    name: "a listed parameter that the provider refuses is left out and named",
    change: { sampling: { top_k: 5 }, extra: { safe_prompt: true, x: 1 } },
    quirks: { unsupported: ["top_k", "safe_prompt"] },
    body: { x: 1 },
    warnings: [left("top_k"), left("safe_prompt")],
  },
  {
    name: "zero and false are values",
    change: { sampling: { temperature: 0, seed: 0 } },
    quirks: {},
    body: { temperature: 0, seed: 0 },
    warnings: [],
  },
  {
    name: "a parameter goes under the provider's name",
    change: { sampling: { seed: 3 } },
    quirks: { rename: { seed: "random_seed" } },
    body: { random_seed: 3 },
    warnings: [],
  },
  {
    name: "unknown fields are passed on and cannot replace ours",
    change: { extra: { model: "other", prediction: null, stream: true } },
    quirks: {},
    body: { prediction: null },
    warnings: [],
  },
  {
    name: "strict servers get no unknown fields",
    change: { extra: { prediction: 1 } },
    quirks: { pass_extra: false },
    body: {},
    warnings: [left("prediction")],
  },
  {
    name: "fixed fields yield to the client's",
    change: { extra: { a: 1 } },
    quirks: { extra_body: { a: 2, b: 3 } },
    body: { a: 1, b: 3 },
    warnings: [],
  },
  {
    name: "a schema is asked for natively",
    change: { responseFormat: { kind: "json_schema", name: "n", schema: { type: "object" } } },
    quirks: {},
    body: { response_format: { type: "json_schema", json_schema: { name: "n", schema: { type: "object" } } } },
    warnings: [],
  },
  {
    name: "a schema is asked for in the older way",
    change: { responseFormat: { kind: "json_schema", name: "n", schema: { type: "object" } } },
    quirks: { json_schema_style: "schema" },
    body: { response_format: { type: "json_object", schema: { type: "object" } } },
    warnings: [],
  },
  {
    name: "a schema that cannot be asked for becomes JSON, and says so",
    change: { responseFormat: { kind: "json_schema", name: "n", schema: {} } },
    quirks: { unsupported: ["structured_outputs"] },
    body: { response_format: { type: "json_object" } },
    warnings: ["structured_outputs is not supported by this endpoint: JSON was asked for without the schema."],
  },
  {
    name: "tools that are not taken take their choice with them",
    change: { tools: [tool], toolChoice: { kind: "auto" }, parallelToolCalls: true },
    quirks: { unsupported: ["tools"] },
    body: {},
    warnings: [left("tools")],
  },
  {
    name: "media are asked for, text alone goes without saying",
    change: { modalities: ["image", "text"] },
    quirks: {},
    body: { modalities: ["image", "text"] },
    warnings: [],
  },
  {
    name: "one choice goes without saying, several are asked for",
    change: { sampling: { n: 2 } },
    quirks: {},
    body: { n: 2 },
    warnings: [],
  },
  {
    name: "a key for the prompt cache goes only where it is read",
    change: { promptCacheKey: "k" },
    quirks: { prompt_cache_key: true },
    body: { prompt_cache_key: "k" },
    warnings: [],
  },
  {
    name: "a key for the prompt cache is no loss elsewhere",
    change: { promptCacheKey: "k" },
    quirks: {},
    body: {},
    warnings: [],
  },
] as const)("$name", ({ change, quirks, body, warnings }) => {
  const encoded = encode(change as Partial<ChatRequest>, quirks as JsonObject);
  expect(encoded.body).toEqual(body);
  expect(encoded.warnings).toEqual(warnings);
});

test("defaults that the endpoint does not list are not worth a warning, deviations from them are", () => {
  const supportedParameters = ["tools"];
  expect(
    encode({ tools: [tool], toolChoice: { kind: "auto" }, parallelToolCalls: true }, {}, { supportedParameters })
      .warnings,
  ).toEqual([]);
  expect(
    encode({ tools: [tool], toolChoice: { kind: "none" }, parallelToolCalls: false }, {}, { supportedParameters })
      .warnings,
  ).toEqual([left("tool_choice"), left("parallel_tool_calls")]);
});

test.each<{ style: string; reasoning: ReasoningRequest; quirks: JsonObject; body: object; warnings: number }>([
  { style: "effort", reasoning: { effort: "high" }, quirks: {}, body: { reasoning_effort: "high" }, warnings: 0 },
  { style: "effort", reasoning: { effort: "max" }, quirks: {}, body: { reasoning_effort: "high" }, warnings: 1 },
  { style: "effort", reasoning: { enabled: true }, quirks: {}, body: {}, warnings: 0 },
  {
    style: "effort",
    reasoning: { enabled: false },
    quirks: { reasoning_efforts: ["none", "high"] },
    body: { reasoning_effort: "none" },
    warnings: 0,
  },
  { style: "effort", reasoning: { exclude: true }, quirks: {}, body: {}, warnings: 0 },
  { style: "effort", reasoning: { maxTokens: 100 }, quirks: {}, body: {}, warnings: 1 },
  {
    style: "openrouter",
    reasoning: { effort: "low", maxTokens: 5 },
    quirks: {},
    body: { reasoning: { effort: "low", max_tokens: 5 } },
    warnings: 0,
  },
  {
    style: "enable_thinking",
    reasoning: { effort: "none" },
    quirks: {},
    body: { enable_thinking: false },
    warnings: 0,
  },
  {
    style: "enable_thinking",
    reasoning: { maxTokens: 5 },
    quirks: { reasoning_budget_field: "thinking_budget" },
    body: { thinking_budget: 5, enable_thinking: true },
    warnings: 0,
  },
  {
    style: "chat_template",
    reasoning: { enabled: true },
    quirks: {},
    body: { chat_template_kwargs: { enable_thinking: true } },
    warnings: 0,
  },
  {
    style: "thinking_type",
    reasoning: { enabled: false },
    quirks: {},
    body: { thinking: { type: "disabled" } },
    warnings: 0,
  },
  { style: "none", reasoning: { effort: "high" }, quirks: {}, body: {}, warnings: 1 },
])("reasoning $reasoning in the style $style becomes $body", ({ style, reasoning, quirks, body, warnings }) => {
  const encoded = encode({ reasoning }, { ...quirks, reasoning_style: style });
  expect(encoded.body).toEqual(body);
  expect(encoded.warnings.length).toBe(warnings);
});

test.each([
  { auth: "bearer", headers: { authorization: "Bearer my-own-credential" } },
  { auth: "api-key", headers: { "api-key": "my-own-credential" } },
  { auth: "x-api-key", headers: { "x-api-key": "my-own-credential" } },
  { auth: "none", headers: {} },
])("the credential travels as $auth and nowhere else", ({ auth, headers }) => {
  const encoded = encode({ stream: true }, { auth, extra_headers: { "x-version": "1" } });
  expect(encoded.headers).toEqual({
    "content-type": "application/json",
    accept: "text/event-stream",
    "x-version": "1",
    ...headers,
  });
  expect(encoded.text + encoded.url).not.toContain("my-own-credential");
});

test("a model in the path is escaped", () => {
  expect(encode({}, { chat_path: "/deployments/{model}/chat" }).url).toBe(
    "https://p.example/v1/deployments/org%2Fm%3A1/chat",
  );
});

test("only the hash of the end user goes upstream", () => {
  const encoded = encode({ user: "alice" }, { user_field: "user_id" }, { userHash: "h4sh" });
  expect(encoded.body).toEqual({ user_id: "h4sh" });
  expect(encoded.text).not.toContain("alice");
  expect(encode({ user: "alice" }, { user_field: "none" }, { userHash: "h4sh" }).body).toEqual({});
});

test("breakpoints of the prompt cache are kept on every level where they are read, and named where they are not", () => {
  const cacheControl = { type: "ephemeral", ttl: "1h" } as const;
  const change: Partial<ChatRequest> = {
    messages: [
      { role: "system", parts: [{ type: "text", text: "S", cacheControl }] },
      {
        role: "user",
        parts: [
          { type: "text", text: "A" },
          { type: "text", text: "B" },
        ],
      },
    ],
    tools: [{ ...tool, cacheControl }],
    cacheControl: { type: "ephemeral" },
  };
  const kept = encode(change, { cache_control: true });
  expect(kept.messages).toEqual([
    { role: "system", content: [{ type: "text", text: "S", cache_control: cacheControl }] },
    {
      role: "user",
      content: [
        { type: "text", text: "A" },
        { type: "text", text: "B", cache_control: { type: "ephemeral" } },
      ],
    },
  ]);
  expect(kept.body.tools).toMatchObject([{ cache_control: cacheControl }]);
  const lost = encode(change);
  expect(lost.text).not.toContain("cache_control");
  expect(lost.warnings).toEqual(["cache_control is not read by this endpoint and was left out."]);
});

test.each([
  { echo: "none", expected: {}, warnings: 1 },
  { echo: "reasoning_content", expected: { reasoning_content: "ab" }, warnings: 1 },
  {
    echo: "reasoning_details",
    expected: {
      reasoning_details: [
        { type: "reasoning.text", text: "a", signature: "s", format: "unknown", index: 0 },
        { type: "reasoning.summary", summary: "b", index: 1 },
      ],
    },
    warnings: 1,
  },
])("earlier reasoning is sent back as $echo, foreign entries never", ({ echo, expected, warnings }) => {
  const encoded = encode(
    {
      messages: [
        {
          role: "assistant",
          parts: [{ type: "text", text: "Done" }],
          toolCalls: [],
          reasoning: [
            { type: "reasoning.text", text: "a", signature: "s", format: "unknown", index: 0 },
            { type: "reasoning.summary", summary: "b", index: 1 },
            { type: "reasoning.encrypted", data: "foreign", format: "anthropic-claude-v1", index: 2 },
          ],
        },
      ],
    },
    { reasoning_echo: echo },
  );
  expect(encoded.messages).toEqual([{ role: "assistant", content: "Done", ...expected }]);
  expect(encoded.warnings.length).toBe(warnings);
});

test("media in an assistant's turn are left out and named; a turn of tools alone has no content", () => {
  const encoded = encode({
    messages: [
      {
        role: "assistant",
        parts: [{ type: "image", url: "https://x/y.png" }],
        toolCalls: [{ id: "1", name: "f", input: "{}" }],
        reasoning: [],
      },
      { role: "assistant", parts: [], toolCalls: [], reasoning: [], refusal: "No" },
    ],
  });
  expect(encoded.messages).toEqual([
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }],
    },
    { role: "assistant", content: "", refusal: "No" },
  ]);
  expect(encoded.warnings).toEqual([
    "Media in earlier answers of the assistant cannot be sent to this endpoint and were left out.",
  ]);
});

test("the same request gives the same bytes", () => {
  const change: Partial<ChatRequest> = { sampling: { seed: 1, temperature: 0.5 }, tools: [tool], maxOutputTokens: 5 };
  const reordered: Partial<ChatRequest> = {
    maxOutputTokens: 5,
    tools: [tool],
    sampling: { temperature: 0.5, seed: 1 },
  };
  expect(encode(change).text).toBe(encode(reordered).text);
  expect(Object.keys(encode(change).body)).toEqual(["max_tokens", "temperature", "seed", "tools"]);
});

test("a client's field called __proto__ is only a field", () => {
  const extra = JSON.parse('{"__proto__": {"model": "x"}}') as ChatRequest["extra"];
  expect(encode({ extra }).text).toContain('"__proto__":{"model":"x"}');
});

test("a file without data or id cannot be said", () => {
  const result = encodeOpenAi(
    { ...HELLO, messages: [{ role: "user", parts: [{ type: "file", filename: "a.pdf" }] }] },
    {
      provider: asProviderId("p"),
      upstreamModel: "m",
      baseUrl: "https://p.example/v1",
      credential: "c",
      supportedParameters: [],
      maxCompletionTokens: null,
      quirks: {},
      userHash: null,
    },
  );
  expect(result).toEqual({ ok: false, error: "A file part needs its data or the id of a file." });
});

test("a typing error in quirks is a fault with its path, and is found once per value", () => {
  const quirks = { reasoning_stile: "effort" };
  expect(parseOpenAiQuirks(quirks)).toMatchObject({ ok: false, error: expect.stringContaining("reasoning_stile") });
  expect(parseOpenAiQuirks({ auth: "basic" })).toMatchObject({
    ok: false,
    error: expect.stringContaining("quirks.auth"),
  });
  expect(parseOpenAiQuirks(quirks)).toBe(parseOpenAiQuirks(quirks));
});
