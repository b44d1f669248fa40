import { expect, test } from "vitest";
import type { ChatRequest, Message, ReasoningDetail } from "../../../src/core/chat.ts";
import { asProviderId } from "../../../src/core/ids.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { anthropic } from "../../../src/providers/anthropic.ts";
import { versionOf } from "../../../src/providers/anthropic-thinking.ts";

const TARGET: Target = {
  provider: asProviderId("anthropic"),
  upstreamModel: "claude-sonnet-4-5-20250929",
  baseUrl: "https://api.anthropic.com/v1",
  credential: "test-credential-0123456789",
  supportedParameters: [
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "tools",
    "tool_choice",
    "reasoning",
    "structured_outputs",
  ],
  maxCompletionTokens: null,
  quirks: {},
  userHash: null,
};
const HELLO: Message = { role: "user", parts: [{ type: "text", text: "Hello" }] };
const BASE: ChatRequest = { messages: [HELLO], stream: false, sampling: {}, stop: [], tools: [], extra: {} };
const TOOL = { name: "look", parameters: { type: "object", properties: {} } };
const SCHEMA = { kind: "json_schema", name: "answer", schema: { type: "object" } } as const;
const SIGNED: ReasoningDetail = {
  type: "reasoning.text",
  text: "Hm.",
  signature: "c2ln",
  format: "anthropic-claude-v1",
};

/** Messages of a tool loop whose last assistant turn carries `reasoning`. */
function toolLoop(reasoning: readonly ReasoningDetail[]): readonly Message[] {
  return [
    HELLO,
    { role: "assistant", parts: [], toolCalls: [{ id: "call_1", name: "look", input: "{}" }], reasoning },
    { role: "tool", toolCallId: "call_1", parts: [{ type: "text", text: "seen" }] },
  ];
}

function encoded(change: Partial<ChatRequest>, target: Partial<Target> = {}) {
  const result = anthropic.encode({ ...BASE, ...change }, { ...TARGET, ...target });
  if (!result.ok) throw new Error(result.error);
  return { ...result.value, body: JSON.parse(result.value.body) as Record<string, unknown> };
}

test.each([
  { name: "without any limit asks for 4096 tokens", given: {}, target: {}, expected: { max_tokens: 4096 } },
  {
    name: "without the client's limit asks for the model's",
    given: {},
    target: { maxCompletionTokens: 64000 },
    expected: { max_tokens: 64000 },
  },
  {
    name: "keeps the client's limit",
    given: { maxOutputTokens: 7 },
    target: { maxCompletionTokens: 64000 },
    expected: { max_tokens: 7 },
  },
  {
    name: "says that parallel calls are not wanted",
    given: { tools: [TOOL], parallelToolCalls: false },
    target: {},
    expected: { tool_choice: { type: "auto", disable_parallel_tool_use: true } },
  },
  {
    name: "forbids tools",
    given: { tools: [TOOL], toolChoice: { kind: "none" } as const },
    target: {},
    expected: { tool_choice: { type: "none" } },
  },
  {
    name: "forces one tool",
    given: { tools: [TOOL], toolChoice: { kind: "function", name: "look" } as const },
    target: {},
    expected: { tool_choice: { type: "tool", name: "look" } },
  },
  {
    name: "lets the model choose between tools and the structured answer",
    given: { tools: [TOOL], responseFormat: SCHEMA },
    target: { supportedParameters: ["tools"] },
    expected: { tool_choice: { type: "any" } },
  },
  {
    name: "turns thinking off when told so",
    given: { reasoning: { effort: "none" } as const },
    target: {},
    expected: { thinking: { type: "disabled" } },
  },
  {
    name: "sends a verbosity as effort",
    given: { sampling: { verbosity: "low" } as const },
    target: { supportedParameters: ["verbosity"] },
    expected: { output_config: { effort: "low" } },
  },
])("a request $name", ({ given, target, expected }) => {
  expect(encoded(given, target).body).toMatchObject(expected);
});

test.each([
  { effort: "max", maxTokens: 10_000, budget: 9_500 },
  { effort: "high", maxTokens: 10_000, budget: 8_000 },
  { effort: "medium", maxTokens: 10_000, budget: 5_000 },
  { effort: "low", maxTokens: 10_000, budget: 2_000 },
  { effort: "minimal", maxTokens: 5_000, budget: 1_024 },
  { effort: "max", maxTokens: 500_000, budget: 128_000 },
  { effort: "high", maxTokens: 1_100, budget: 1_024 },
] as const)("effort $effort of $maxTokens tokens is a budget of $budget", ({ effort, maxTokens, budget }) => {
  const { body, warnings } = encoded({ maxOutputTokens: maxTokens, reasoning: { effort } });
  expect(body["thinking"]).toEqual({ type: "enabled", budget_tokens: budget });
  expect(body["max_tokens"]).toBe(maxTokens);
  expect(warnings).toEqual([]);
});

test.each([
  {
    name: "a budget beyond max_tokens shrinks below it",
    given: { maxOutputTokens: 4000, reasoning: { maxTokens: 5000 } },
    thinking: { type: "enabled", budget_tokens: 3800 },
    warning: "does not fit max_tokens 4000",
  },
  {
    name: "an answer too short to think is not lengthened",
    given: { maxOutputTokens: 1000, reasoning: { effort: "high" } as const },
    thinking: undefined,
    warning: "needs more than 1024 max_tokens",
  },
  {
    name: "a forced tool wins over thinking",
    given: {
      maxOutputTokens: 4000,
      reasoning: { effort: "high" } as const,
      tools: [TOOL],
      toolChoice: { kind: "required" } as const,
    },
    thinking: undefined,
    warning: "forced tool call",
  },
  {
    name: "a tool loop of another provider goes on without thinking",
    given: {
      maxOutputTokens: 4000,
      reasoning: { effort: "high" } as const,
      tools: [TOOL],
      messages: toolLoop([{ ...SIGNED, format: "google-gemini-v1" }]),
    },
    thinking: undefined,
    warning: "does not carry its own signed reasoning",
  },
  {
    name: "a tool loop of our own goes on thinking",
    given: {
      maxOutputTokens: 4000,
      reasoning: { effort: "high" } as const,
      tools: [TOOL],
      messages: toolLoop([SIGNED]),
    },
    thinking: { type: "enabled", budget_tokens: 3200 },
    warning: undefined,
  },
])("$name", ({ given, thinking, warning }) => {
  const { body, warnings } = encoded(given);
  expect(body["thinking"]).toEqual(thinking);
  expect(body["max_tokens"]).toBe(given.maxOutputTokens);
  if (warning === undefined) expect(warnings).toEqual([]);
  else expect(warnings.join(" ")).toContain(warning);
});

test.each([
  { model: "claude-opus-4-7", effort: "xhigh", sent: "xhigh", warned: false },
  { model: "claude-opus-4-6", effort: "xhigh", sent: "high", warned: true },
  { model: "claude-sonnet-5", effort: "minimal", sent: "low", warned: true },
] as const)("$model thinks adaptively with effort $sent when asked for $effort", ({ model, effort, sent, warned }) => {
  const { body, warnings } = encoded({ reasoning: { effort } }, { upstreamModel: model });
  expect(body["thinking"]).toEqual({ type: "adaptive", display: "summarized" });
  expect(body["output_config"]).toEqual({ effort: sent });
  expect(warnings.length > 0).toBe(warned);
});

test.each([
  { model: "claude-opus-4-7", version: 407 },
  { model: "claude-opus-4-1-20250805", version: 401 },
  { model: "claude-sonnet-4-20250514", version: 400 },
  { model: "claude-3-7-sonnet-20250219", version: 307 },
  { model: "claude-opus-4-10", version: 410 },
  { model: "claude-fable-5", version: 500 },
  { model: "MiniMax-M2", version: null },
])("$model is version $version", ({ model, version }) => {
  expect(versionOf(model)).toBe(version);
});

test.each([
  {
    name: "a sampling parameter without a word for it",
    given: { sampling: { seed: 1, logit_bias: { "1": 2 }, min_p: 0.1 } },
    named: ["seed", "logit_bias", "min_p"],
  },
  { name: "more than one choice", given: { sampling: { n: 2 } }, named: ["n is not supported"] },
  { name: "an unknown field", given: { extra: { safe_prompt: true } }, named: ["safe_prompt"] },
  { name: "a temperature above the range", given: { sampling: { temperature: 1.5 } }, named: ["temperature 1.5"] },
  { name: "top_p beside temperature", given: { sampling: { temperature: 0.5, top_p: 0.9 } }, named: ["top_p"] },
  { name: "a stop of white space", given: { stop: ["\n"] }, named: ["stop"] },
  {
    name: "json_object, which is only asked for",
    given: { responseFormat: { kind: "json_object" } as const },
    named: ["json_object"],
  },
  {
    name: "a choice of tools without tools",
    given: { toolChoice: { kind: "required" } as const },
    named: ["tool_choice"],
  },
  {
    name: "arguments that are no object",
    given: {
      messages: [
        HELLO,
        { role: "assistant", parts: [], reasoning: [], toolCalls: [{ id: "a", name: "look", input: "[1" }] },
        HELLO,
      ] satisfies Message[],
    },
    named: ["arguments"],
  },
  {
    name: "a prefill that ends in white space",
    given: {
      messages: [
        HELLO,
        { role: "assistant", parts: [{ type: "text", text: "So " }], reasoning: [], toolCalls: [] },
      ] satisfies Message[],
    },
    named: ["White space"],
  },
  {
    name: "a late system message",
    given: { messages: [HELLO, { role: "system", parts: [{ type: "text", text: "Late" }] }] satisfies Message[] },
    named: ["System messages"],
  },
])("a warning names $name", ({ given, named }) => {
  const { warnings } = encoded(given);
  for (const words of named) expect(warnings.join(" ")).toContain(words);
});

test.each([
  {
    name: "audio",
    messages: [{ role: "user", parts: [{ type: "audio", data: "UklGRg==", format: "wav" }] }] satisfies Message[],
  },
  {
    name: "video",
    messages: [{ role: "user", parts: [{ type: "video", url: "https://example.com/a.mp4" }] }] satisfies Message[],
  },
  {
    name: "an unreadable data URL",
    messages: [{ role: "user", parts: [{ type: "image", url: "data:nothing" }] }] satisfies Message[],
  },
  {
    name: "nothing but a system message",
    messages: [{ role: "system", parts: [{ type: "text", text: "Be." }] }] satisfies Message[],
  },
])("a conversation with $name cannot be said here", ({ messages }) => {
  expect(anthropic.encode({ ...BASE, messages }, TARGET).ok).toBe(false);
});

test("an automatic breakpoint is left out when the client has used all four", () => {
  const part = { type: "text", text: "x", cacheControl: { type: "ephemeral" } } as const;
  const { body, warnings } = encoded({
    messages: [{ role: "user", parts: [part, part, part, part, { type: "text", text: "end" }] }],
    cacheControl: { type: "ephemeral" },
  });
  expect(JSON.stringify(body).match(/cache_control/g)).toHaveLength(4);
  expect(warnings.join(" ")).toContain("breakpoint");
});

test("a breakpoint inside a tool result is kept and counted", () => {
  const loop = toolLoop([]).with(2, {
    role: "tool",
    toolCallId: "call_1",
    parts: [{ type: "text", text: "seen", cacheControl: { type: "ephemeral", ttl: "1h" } }],
  });
  expect(JSON.stringify(encoded({ messages: loop }).body)).toContain(
    '"text":"seen","cache_control":{"type":"ephemeral","ttl":"1h"}',
  );
});

test("the tool of a structured answer never takes a name of the client's", () => {
  const { body } = encoded(
    { tools: [{ name: "json_response" }], responseFormat: SCHEMA },
    { supportedParameters: ["tools"] },
  );
  expect(body["tools"]).toMatchObject([{ name: "json_response" }, { name: "json_response_" }]);
});

test.each([
  { name: "a list", schema: { type: "array", items: { type: "string" } } },
  { name: "a union", schema: { anyOf: [{ type: "object" }, { type: "object" }] } },
])("the schema of $name, which no tool can have, is asked for by an instruction", ({ schema }) => {
  const { body, warnings } = encoded(
    { responseFormat: { ...SCHEMA, schema }, sampling: {} },
    { supportedParameters: ["tools"] },
  );
  expect(body["tools"]).toBeUndefined();
  expect(JSON.stringify(body["system"])).toContain(JSON.stringify(JSON.stringify(schema)).slice(1, -1));
  expect(warnings.join(" ")).toContain("not enforced");
});

test("a file of the Files API asks for the beta and nothing else does", () => {
  const messages: Message[] = [{ role: "user", parts: [{ type: "file", fileId: "file_1" }] }];
  expect(encoded({ messages }).headers["anthropic-beta"]).toBe("files-api-2025-04-14");
  expect(encoded({}).headers["anthropic-beta"]).toBeUndefined();
});
