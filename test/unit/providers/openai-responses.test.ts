/** The Responses format beyond the recorded cases: quirks, what cannot be said, what errors mean, both ways round. */
import { describe, expect, test } from "vitest";
import { createCollector } from "../../../src/core/collect.ts";
import type { ChatRequest } from "../../../src/core/chat.ts";
import type { GenerationEvent } from "../../../src/core/event.ts";
import { createSseSplitter } from "../../../src/core/sse.ts";
import { openAiResponses as dialect } from "../../../src/dialects/openai-responses.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { openAiResponses } from "../../../src/providers/openai-responses.ts";
import { dialectCases } from "../../contract/dialects/cases.ts";
import { DEFAULT_TARGET, HELLO } from "../../contract/providers/cases.ts";

const REASONING = ["reasoning", "reasoning_effort"];
const ALL = ["tools", "tool_choice", "parallel_tool_calls", "max_tokens", "temperature", "top_p", "verbosity"].concat([
  "response_format",
  "structured_outputs",
  ...REASONING,
]);
const target: Target = { ...DEFAULT_TARGET, supportedParameters: ALL };

function encode(request: Partial<ChatRequest>, change: Partial<Target> = {}) {
  const encoded = openAiResponses.encode({ ...HELLO, ...request }, { ...target, ...change });
  if (!encoded.ok) throw new Error(encoded.error);
  const { url, headers, warnings } = encoded.value;
  return { url, headers, warnings, body: JSON.parse(encoded.value.body) as Record<string, unknown> };
}

const user = (...parts: ChatRequest["messages"][number]["parts"]): Partial<ChatRequest> => ({
  messages: [{ role: "user", parts }],
});

test.each<{ name: string; given: Partial<ChatRequest>; quirks?: Target["quirks"]; says: RegExp }>([
  { name: "a film", given: user({ type: "video", url: "https://example.com/a.mp4" }), says: /no video input/ },
  { name: "a file without content", given: user({ type: "file", filename: "a.pdf" }), says: /needs its data/ },
  { name: "a file that is no data URL", given: user({ type: "file", data: "data:nothing" }), says: /cannot be read/ },
  { name: "nothing", given: { messages: [] }, says: /at least one message/ },
  { name: "an answer of fifteen tokens", given: { maxOutputTokens: 15 }, says: /no max_tokens below 16/ },
  { name: "a quirk that is none", given: {}, quirks: { reasoning_style: "effort" }, says: /quirks/ },
  {
    name: "a credential without its part",
    given: {},
    quirks: { credential_parts: ["resource"] },
    says: /resource:secret/,
  },
])("$name cannot be said", ({ given, quirks = {}, says }) => {
  const baseUrl = "https://{resource}.provider.example/v1";
  const encoded = openAiResponses.encode({ ...HELLO, ...given }, { ...target, baseUrl, quirks });
  expect(encoded.ok ? "" : encoded.error).toMatch(says);
});

const SCHEMA = { kind: "json_schema", name: "a", schema: { type: "object" } } as const;
test.each<{ name: string; given: Partial<ChatRequest>; change?: Partial<Target>; body: object; warned: number }>([
  {
    name: "what the format has no word for is left out",
    given: { sampling: { top_k: 1, min_p: 0.1, seed: 1, logit_bias: { "1": 1 }, n: 2 }, modalities: ["text", "image"] },
    body: {},
    warned: 6,
  },
  {
    name: "a schema that the endpoint does not take is asked for as JSON",
    given: { responseFormat: SCHEMA },
    change: { supportedParameters: ["response_format"] },
    body: { text: { format: { type: "json_object" } } },
    warned: 1,
  },
  {
    name: "JSON that the endpoint does not take is left out",
    given: { responseFormat: { kind: "json_object" } },
    change: { supportedParameters: [] },
    body: {},
    warned: 1,
  },
  {
    name: "a model that does not reason is not asked for its reasoning",
    given: { reasoning: { effort: "low" } },
    change: { supportedParameters: [] },
    body: {},
    warned: 1,
  },
  {
    name: "no reasoning is the least of it",
    given: { reasoning: { enabled: false } },
    body: { reasoning: { effort: "low" } },
    warned: 1,
  },
  { name: "a budget has no word", given: { reasoning: { maxTokens: 2_000 } }, body: {}, warned: 1 },
  { name: "a wish to hide reasoning asks nothing", given: { reasoning: { exclude: true } }, body: {}, warned: 0 },
  {
    name: "a summary is asked for where the provider's data says so",
    given: { reasoning: { effort: "high" } },
    change: { quirks: { default_summary: "auto" } },
    body: { reasoning: { effort: "high", summary: "auto" } },
    warned: 0,
  },
  {
    name: "breakpoints are for those that read them",
    given: {
      ...user({ type: "text", text: "Hello", cacheControl: { type: "ephemeral" } }),
      tools: [{ name: "a", parameters: { type: "object" }, cacheControl: { type: "ephemeral" } }],
    },
    body: { tools: [{ type: "function", name: "a", parameters: { type: "object" }, strict: false }] },
    warned: 2,
  },
])("$name", ({ given, change, body, warned }) => {
  const said = encode(given, change);
  const rest = Object.entries(said.body).filter(
    ([name]) => !["model", "input", "include", "store", "stream"].includes(name),
  );
  expect(Object.fromEntries(rest)).toEqual(body);
  expect(said.warnings).toHaveLength(warned);
  expect(said.body["input"]).toEqual([{ role: "user", content: "Hello" }]);
  const reasons = (change?.supportedParameters ?? ALL).includes("reasoning");
  expect(said.body["include"]).toEqual(reasons ? ["reasoning.encrypted_content"] : undefined);
});

test("a provider's own address, header, path and fields are data", () => {
  const quirks = {
    credential_parts: ["resource"],
    auth: "api-key",
    responses_path: "/responses?api-version=preview",
    extra_headers: { "x-tier": "a" },
    extra_body: { truncation: "auto" },
    user_field: "user",
    strict_tools: false,
    reasoning_efforts: ["none", "high"],
    reasoning_format: "azure-openai-responses-v1",
  };
  const own = { data: "QQ==", id: "rs_1", index: 0 };
  const said = encode(
    {
      messages: [
        ...HELLO.messages,
        {
          role: "assistant",
          parts: [{ type: "text", text: "Hi" }],
          toolCalls: [],
          reasoning: [
            { type: "reasoning.encrypted", ...own, format: "azure-openai-responses-v1" },
            { type: "reasoning.encrypted", ...own, format: "openai-responses-v1" },
          ],
        },
      ],
      tools: [{ name: "a", strict: true }],
      reasoning: { effort: "none" },
      extra: { thing: 1 },
    },
    { baseUrl: "https://{resource}.provider.example/v1", credential: "acme:secret-0123", userHash: "h1", quirks },
  );
  expect(said.url).toBe("https://acme.provider.example/v1/responses?api-version=preview");
  expect(said.headers).toMatchObject({ "api-key": "secret-0123", "x-tier": "a" });
  expect(said.headers).not.toHaveProperty("authorization");
  expect(said.body).toMatchObject({ user: "h1", truncation: "auto", thing: 1, reasoning: { effort: "none" } });
  expect(said.body["tools"]).toEqual([{ type: "function", name: "a", parameters: { type: "object", properties: {} } }]);
  expect(said.body["input"]).toEqual([
    { role: "user", content: "Hello" },
    { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "QQ==" },
    { role: "assistant", content: [{ type: "output_text", text: "Hi" }] },
  ]);
  expect(said.warnings).toHaveLength(2);
  const failed = { status: 401, headers: new Headers(), body: '{"error":{"message":"bad key secret-0123"}}' };
  const failure = openAiResponses.classifyFailure(failed, { ...target, credential: "acme:secret-0123", quirks }, 0);
  expect(failure).toMatchObject({ scope: "credential", message: "bad key ***" });
});

test("every fault of the quirks is told with its path", () => {
  const faults = openAiResponses.quirkFaults({ auth: "magic", chat_path: "/chat" });
  expect(faults.map(({ path }) => path.join("."))).toEqual(["auth", "chat_path"]);
  expect(openAiResponses.quirkFaults({})).toEqual([]);
});

test("an id that is too long is shortened alike in the call and in its result", () => {
  const id = `call_${"x".repeat(200)}`;
  const { body } = encode({
    messages: [
      ...HELLO.messages,
      { role: "assistant", parts: [], toolCalls: [{ id, name: "a", input: "{}" }], reasoning: [] },
      { role: "tool", toolCallId: id, parts: [{ type: "text", text: "1" }] },
    ],
  });
  const [, call, output] = body["input"] as { call_id: string }[]; // what the adapter wrote
  expect(call?.call_id.length).toBeLessThanOrEqual(64);
  expect(output?.call_id).toBe(call?.call_id);
});

test.each([
  [400, { code: "context_length_exceeded", message: "too long" }, "request", "context_length_exceeded"],
  [400, { type: "invalid_request_error", message: "no" }, "request", "invalid_request"],
  [400, { code: "failed_to_download_image", message: "no" }, "request", "image_download_failed"],
  [400, { code: "image_content_policy_violation", message: "no" }, "request", "content_policy_violation"],
  [401, { code: "invalid_api_key", message: "no" }, "credential", "authentication"],
  [404, { code: "model_not_found", message: "no" }, "endpoint", "not_found"],
  [429, { code: "insufficient_quota", message: "no" }, "credential", "payment_required"],
  [429, { code: "rate_limit_exceeded", message: "no" }, "capacity", "rate_limit_exceeded"],
  [500, { type: "server_error", message: "no" }, "endpoint", "provider_unavailable"],
] as const)("%i %j", (status, error, scope, errorType) => {
  const failed = { status, headers: new Headers(), body: JSON.stringify({ error }) };
  expect(openAiResponses.classifyFailure(failed, target, 0)).toMatchObject({ scope, errorType });
});

test("two calls of one id are two calls, and input of no call is nobody's", () => {
  const call = { type: "function_call", call_id: "a", name: "f", arguments: "{}" };
  const nameless = { ...call, call_id: "" };
  const events = openAiResponses.decodeReply({ id: "r1", output: [call, call, nameless] }, HELLO, target);
  expect(events.flatMap((event) => (event.type === "tool-start" ? [event.id] : []))).toEqual(["a", "a_1", "call_r1_2"]);
  const stray = { event: "", data: '{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{"}' };
  expect(openAiResponses.createDecoder(HELLO, target).feed(stray)).toEqual([]);
});

test("tasks that are no conversation go to the paths of the family", () => {
  const request: ChatRequest = { ...HELLO, task: { kind: "embeddings", inputs: [{ kind: "text", text: "hi" }] } };
  const quirks = { auth: "api-key", reasoning_format: "x" };
  const encoded = openAiResponses.tasks?.embeddings?.encode(request, { ...target, quirks });
  expect(encoded).toMatchObject({ ok: true, value: { url: "https://provider.example/v1/embeddings" } });
  expect(encoded?.ok === true && encoded.value.headers["api-key"]).toBe(target.credential);
});

describe("what clients of this format say is said upstream as it was", () => {
  const png = "data:image/png;base64,iVBORw0KGgo=";
  const body = {
    model: "model",
    input: [
      { role: "system", content: "Be brief." },
      {
        role: "user",
        content: [
          { type: "input_text", text: "Look." },
          { type: "input_image", image_url: png, detail: "high" },
          { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,JVBE" },
        ],
      },
      { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "One." }], encrypted_content: "gA+/=" },
      { type: "function_call", call_id: "call_1", name: "a", arguments: '{"x":1}' },
      { type: "reasoning", id: "rs_2", summary: [], encrypted_content: "gBBB" },
      { type: "function_call", call_id: "call_2", name: "b", arguments: "{}" },
      { type: "function_call_output", call_id: "call_1", output: "18" },
      {
        type: "function_call_output",
        call_id: "call_2",
        output: [
          { type: "input_text", text: "See" },
          { type: "input_image", image_url: png },
        ],
      },
      { role: "assistant", content: [{ type: "output_text", text: "Done." }] },
      { role: "user", content: "Thanks" },
    ],
    tools: [{ type: "function", name: "a", description: "A", parameters: { type: "object" }, strict: true }],
    tool_choice: { type: "function", name: "a" },
    parallel_tool_calls: false,
    text: { format: { type: "json_schema", name: "n", strict: true, schema: { type: "object" } }, verbosity: "low" },
    reasoning: { effort: "high", summary: "detailed" },
    temperature: 0.5,
    top_p: 0.9,
    include: ["reasoning.encrypted_content"],
    max_output_tokens: 100,
    prompt_cache_key: "k",
    store: false,
    stream: true,
  };

  test("a whole request", () => {
    const parsed = dialect.parse(body);
    if (!parsed.ok) throw new Error(parsed.error.message);
    const said = encode(parsed.value.request);
    expect(said.body).toEqual(body);
    expect(said.warnings).toEqual([]);
  });

  test.each(dialectCases().filter(({ name }) => name.startsWith("openai-responses/")))(
    "the answer of $name is read as it was meant",
    ({ stream, reply, events }) => {
      const decoder = openAiResponses.createDecoder(HELLO, target);
      const splitter = createSseSplitter();
      const frames = [...splitter.feed(new TextEncoder().encode(stream)), ...splitter.end()];
      const streamed = [...frames.flatMap((frame) => decoder.feed(frame)), ...decoder.end()];
      expect(meaningOf(streamed)).toEqual(meaningOf(events));
      expect(meaningOf(openAiResponses.decodeReply(reply, HELLO, target))).toEqual(meaningOf(events));
    },
  );
});

/** What a client would see of a conversation's turn. */
function meaningOf(events: readonly GenerationEvent[]): object {
  const collector = createCollector();
  collector.add(events);
  const [choice] = collector.result().choices;
  const reasoning = choice?.reasoning.map(({ text }) => text ?? "").join("");
  return { text: choice?.text, reasoning, toolCalls: choice?.toolCalls, finish: choice?.finishReason };
}
