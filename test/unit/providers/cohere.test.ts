/** Cohere beyond the recorded cases: what it cannot say, what its errors mean, what it bills. */
import { describe, expect, test } from "vitest";
import type { ChatRequest } from "../../../src/core/chat.ts";
import type { EmbeddingsTask } from "../../../src/core/task.ts";
import { cohere } from "../../../src/providers/cohere.ts";
import { cohereUsageOf } from "../../../src/providers/cohere-usage.ts";
import { DEFAULT_TARGET, HELLO } from "../../contract/providers/cases.ts";

const target = {
  ...DEFAULT_TARGET,
  upstreamModel: "command-a-03-2025",
  supportedParameters: ["tools", "reasoning", "max_tokens"],
};

function encode(request: Partial<ChatRequest>): { body: unknown; warnings: readonly string[] } {
  const encoded = cohere.encode({ ...HELLO, ...request }, target);
  if (!encoded.ok) throw new Error(encoded.error);
  return { body: JSON.parse(encoded.value.body) as unknown, warnings: encoded.value.warnings };
}

describe("what cannot be said is refused", () => {
  test.each<{ name: string; given: Partial<ChatRequest>; says: RegExp }>([
    {
      name: "audio",
      given: { messages: [{ role: "user", parts: [{ type: "audio", data: "AA==", format: "wav" }] }] },
      says: /audio/,
    },
    {
      name: "a PDF",
      given: { messages: [{ role: "user", parts: [{ type: "file", data: "data:application/pdf;base64,AA==" }] }] },
      says: /no files but text/,
    },
    {
      name: "an uploaded file",
      given: { messages: [{ role: "user", parts: [{ type: "file", fileId: "file-1" }] }] },
      says: /no files but text/,
    },
    {
      name: "a picture in a tool's result",
      given: {
        messages: [{ role: "tool", toolCallId: "a", parts: [{ type: "image", url: "data:image/png;base64,AA==" }] }],
      },
      says: /image in the result/,
    },
    { name: "nothing", given: { messages: [] }, says: /at least one message/ },
  ])("$name", ({ given, says }) => {
    const encoded = cohere.encode({ ...HELLO, ...given }, target);
    expect(encoded.ok ? "" : encoded.error).toMatch(says);
  });
});

test.each<{ name: string; given: Partial<ChatRequest>; thinking: unknown; warned: number }>([
  {
    name: "an effort, as a share of the limit",
    given: { reasoning: { effort: "low" }, maxOutputTokens: 1_000 },
    thinking: { type: "enabled", token_budget: 200 },
    warned: 0,
  },
  {
    name: "a budget",
    given: { reasoning: { maxTokens: 300 } },
    thinking: { type: "enabled", token_budget: 300 },
    warned: 0,
  },
  { name: "no limit to share", given: { reasoning: { enabled: true } }, thinking: { type: "enabled" }, warned: 0 },
  { name: "none", given: { reasoning: { effort: "none" } }, thinking: { type: "disabled" }, warned: 0 },
  { name: "a wish to hide it only", given: { reasoning: { exclude: true } }, thinking: undefined, warned: 0 },
])("reasoning: $name", ({ given, thinking, warned }) => {
  const { body, warnings } = encode(given);
  expect((body as { thinking?: unknown }).thinking).toEqual(thinking); // what the adapter wrote
  expect(warnings).toHaveLength(warned);
});

test("one tool of several cannot be named, and calls cannot be kept to one", () => {
  const tools = [{ name: "a" }, { name: "b" }];
  const { body, warnings } = encode({ tools, toolChoice: { kind: "function", name: "a" }, parallelToolCalls: false });
  expect(body).toMatchObject({ tool_choice: "REQUIRED" });
  expect(warnings).toHaveLength(2);
});

test.each([
  [400, "invalid request: message is required", "request", "invalid_request"],
  [
    400,
    "too many tokens: total number of tokens in the prompt cannot exceed 128000",
    "request",
    "context_length_exceeded",
  ],
  [400, "invalid request: unable to fetch image url", "request", "image_download_failed"],
  [401, "invalid api token", "credential", "authentication"],
  [402, "Please add or update your payment method to continue", "credential", "payment_required"],
  [403, "forbidden", "credential", "permission_denied"],
  [404, "model 'x' not found", "endpoint", "not_found"],
  [422, "invalid type", "request", "unprocessable"],
  [429, "too many requests", "capacity", "rate_limit_exceeded"],
  [429, "You are using a Trial key, which is limited to 1000 API calls / month.", "credential", "payment_required"],
  [498, "blocked input", "request", "content_policy_violation"],
  [499, "request cancelled", "endpoint", "provider_unavailable"],
  [500, "internal server error", "endpoint", "provider_unavailable"],
  [501, "not implemented", "endpoint", "not_found"],
  [503, "service unavailable", "endpoint", "provider_overloaded"],
  [504, "", "endpoint", "timeout"],
] as const)("%i %s", (status, message, scope, errorType) => {
  const body = message === "" ? "<html>" : JSON.stringify({ message });
  expect(cohere.classifyFailure({ status, headers: new Headers(), body }, target, 0)).toMatchObject({
    scope,
    errorType,
  });
});

test.each([
  {
    name: "what is billed, and nothing of the template",
    wire: {
      billed_units: { input_tokens: 5, output_tokens: 2 },
      tokens: { input_tokens: 500, output_tokens: 5 },
      cached_tokens: 448,
    },
    usage: { inputText: 5, cacheRead: 0, outputText: 2 },
  },
  {
    name: "tokens where nothing is said of billing",
    wire: { tokens: { input_tokens: 500, output_tokens: 5 }, cached_tokens: 448 },
    usage: { inputText: 52, cacheRead: 448, outputText: 5 },
  },
  {
    name: "a cache that is larger than the prompt",
    wire: { tokens: { input_tokens: 5, output_tokens: 5 }, cached_tokens: 448 },
    usage: { inputText: 0, cacheRead: 5, outputText: 5 },
  },
])("usage is $name", ({ wire, usage }) => {
  expect(cohereUsageOf(wire)).toMatchObject(usage);
});

test("usage without counts is none", () => {
  expect(cohereUsageOf({ billed_units: {}, tokens: {} })).toBeNull();
});

const embed = (change: Partial<EmbeddingsTask>): ChatRequest => ({
  ...HELLO,
  task: { kind: "embeddings", inputs: [{ kind: "text", text: "hi" }], ...change },
});

test("embeddings are asked for in the API's words, and what they are for is said when nobody has", () => {
  const encoded = cohere.tasks?.embeddings?.encode(
    embed({
      inputs: [
        { kind: "text", text: "hi" },
        { kind: "parts", parts: [{ type: "image", url: "data:image/png;base64,AA==" }] },
      ],
      dimensions: 256,
      inputType: "query",
      wantsBase64: true,
    }),
    target,
  );
  expect(encoded).toMatchObject({ ok: true, value: { url: `${target.baseUrl}/v2/embed`, warnings: [] } });
  expect(encoded?.ok === true && JSON.parse(encoded.value.body)).toEqual({
    model: "command-a-03-2025",
    inputs: [
      { content: [{ type: "text", text: "hi" }] },
      { content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }] },
    ],
    input_type: "search_query",
    embedding_types: ["base64"],
    output_dimension: 256,
  });
  const unsaid = cohere.tasks?.embeddings?.encode(embed({}), target);
  expect(unsaid).toMatchObject({ ok: true, value: { warnings: [expect.stringContaining("search_document")] } });
});

test.each<{ name: string; change: Partial<EmbeddingsTask> }>([
  { name: "tokens", change: { inputs: [{ kind: "tokens", tokens: [1] }] } },
  { name: "a file", change: { inputs: [{ kind: "parts", parts: [{ type: "file", fileId: "f" }] }] } },
  { name: "too many", change: { inputs: Array.from({ length: 97 }, () => ({ kind: "text" as const, text: "a" })) } },
])("$name cannot be embedded here", ({ change }) => {
  expect(cohere.tasks?.embeddings?.encode(embed(change), target).ok).toBe(false);
});

test.each<{ name: string; embeddings: unknown; kind: string }>([
  { name: "numbers", embeddings: { float: [[0.1, 0.2]] }, kind: "outcome" },
  { name: "base64", embeddings: { base64: ["AACAPw=="] }, kind: "outcome" },
  { name: "a vector too few", embeddings: { float: [] }, kind: "error" },
  { name: "no vectors", embeddings: { float: [[]] }, kind: "error" },
  { name: "nothing", embeddings: null, kind: "error" },
])("a reply with $name", ({ embeddings, kind }) => {
  const meta = { api_version: { version: "2" }, billed_units: { input_tokens: 3 } };
  const events = cohere.tasks?.embeddings?.decodeReply({ id: "e", embeddings, meta }, embed({}), target) ?? [];
  expect(events.map((event) => event.type)).toContain(kind);
  expect(events.some((event) => event.type === "usage" && event.usage.inputText === 3)).toBe(kind === "outcome");
});

test("documents are ranked in the form that others have taken over, at its own address, and billed by the search", () => {
  const request: ChatRequest = {
    ...HELLO,
    task: { kind: "rerank", query: "q", documents: [{ text: "a" }, { text: "b" }], topN: 1 },
  };
  const encoded = cohere.tasks?.rerank?.encode(request, { ...target, userHash: "abc" });
  expect(encoded).toMatchObject({ ok: true, value: { url: `${target.baseUrl}/v2/rerank` } });
  expect(encoded?.ok === true && JSON.parse(encoded.value.body)).toEqual({
    model: "command-a-03-2025",
    query: "q",
    documents: ["a", "b"],
  });
  const reply = {
    id: "07734bd2-2473-4f07-94e1-0d9f0e6843cf",
    results: [
      { index: 1, relevance_score: 0.99 },
      { index: 0, relevance_score: 0.1 },
    ],
    meta: { api_version: { version: "2" }, billed_units: { search_units: 1 } },
  };
  expect(cohere.tasks?.rerank?.decodeReply(reply, request, target)).toMatchObject([
    { type: "start" },
    { type: "outcome", outcome: { kind: "rerank", results: [{ index: 1, score: 0.99 }] } },
    { type: "usage", usage: { work: { searchUnits: 1 } } },
    { type: "finish" },
  ]);
});
