import { expect, test } from "vitest";
import type { ChatRequest, Message, ReasoningDetail } from "../../../src/core/chat.ts";
import { asProviderId } from "../../../src/core/ids.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { gemini } from "../../../src/providers/gemini.ts";

const TARGET: Target = {
  provider: asProviderId("google-ai-studio"),
  upstreamModel: "gemini-2.5-flash",
  baseUrl: "https://generativelanguage.googleapis.com/v1beta",
  credential: "test-credential-0123456789",
  supportedParameters: ["temperature", "top_p", "stop", "tools", "reasoning", "structured_outputs", "response_format"],
  maxCompletionTokens: null,
  quirks: {},
  userHash: null,
};
const HELLO: Message = { role: "user", parts: [{ type: "text", text: "Hello" }] };
const BASE: ChatRequest = { messages: [HELLO], stream: false, sampling: {}, stop: [], tools: [], extra: {} };
const TOOL = { name: "look", parameters: { type: "object", properties: {} } };
const SCHEMA = { kind: "json_schema", name: "answer", schema: { type: "object" } } as const;

function encoded(change: Partial<ChatRequest>, target: Partial<Target> = {}) {
  const result = gemini.encode({ ...BASE, ...change }, { ...TARGET, ...target });
  if (!result.ok) throw new Error(result.error);
  return { ...result.value, body: JSON.parse(result.value.body) as Record<string, unknown> };
}

function answer(reasoning: readonly ReasoningDetail[], ...ids: readonly string[]): readonly Message[] {
  const toolCalls = ids.map((id) => ({ id, name: "look", input: "{}" }));
  return [HELLO, { role: "assistant", parts: [{ type: "text", text: "So." }], toolCalls, reasoning }, HELLO];
}

test.each([
  { model: "gemini-2.5-flash", stream: true, url: "/models/gemini-2.5-flash:streamGenerateContent?alt=sse" },
  { model: "gemini-2.5-flash", stream: false, url: "/models/gemini-2.5-flash:generateContent" },
  { model: "tunedModels/my model", stream: false, url: "/tunedModels/my%20model:generateContent" },
])("$model goes to $url with the key in a header", ({ model, stream, url }) => {
  const request = encoded({ stream }, { upstreamModel: model });
  expect(request.url).toBe(TARGET.baseUrl + url);
  expect(request.headers["x-goog-api-key"]).toBe(TARGET.credential);
  expect(request.url + JSON.stringify(request.body)).not.toContain(TARGET.credential);
});

test.each([
  {
    name: "an effort before Gemini 3 is a share of the limit",
    model: "gemini-2.5-pro",
    given: { maxOutputTokens: 10_000, reasoning: { effort: "high" } as const },
    config: { includeThoughts: true, thinkingBudget: 8_000 },
  },
  {
    name: "a budget is kept within the model's range",
    model: "gemini-2.5-flash",
    given: { reasoning: { maxTokens: 90_000 } },
    config: { includeThoughts: true, thinkingBudget: 24_576 },
  },
  {
    name: "enabled alone leaves the budget to the model",
    model: "gemini-2.5-flash",
    given: { reasoning: { enabled: true } },
    config: { includeThoughts: true, thinkingBudget: -1 },
  },
  {
    name: "none is no thinking",
    model: "gemini-2.5-flash",
    given: { reasoning: { effort: "none" } as const },
    config: { thinkingBudget: 0 },
  },
  {
    name: "none is the least where thinking cannot be turned off",
    model: "gemini-2.5-pro",
    given: { reasoning: { effort: "none" } as const },
    config: { thinkingBudget: 128 },
  },
  {
    name: "excluded thoughts are not sent",
    model: "gemini-2.5-flash",
    given: { reasoning: { maxTokens: 500, exclude: true } },
    config: { thinkingBudget: 500 },
  },
  {
    name: "an effort for Gemini 3 is a level",
    model: "gemini-3.1-pro-preview",
    given: { reasoning: { effort: "medium" } as const },
    config: { includeThoughts: true, thinkingLevel: "medium" },
  },
  {
    name: "xhigh is the highest level",
    model: "gemini-3.1-pro-preview",
    given: { reasoning: { effort: "xhigh" } as const },
    config: { includeThoughts: true, thinkingLevel: "high" },
  },
  {
    name: "minimal is low where it is not known",
    model: "gemini-3.7-flash",
    given: { reasoning: { effort: "minimal" } as const },
    config: { includeThoughts: true, thinkingLevel: "low" },
  },
  {
    name: "minimal is minimal where it is known",
    model: "gemini-3-flash-preview",
    given: { reasoning: { effort: "minimal" } as const },
    config: { includeThoughts: true, thinkingLevel: "minimal" },
  },
  {
    name: "a budget for Gemini 3 stands alone",
    model: "gemini-3-pro-preview",
    given: { reasoning: { maxTokens: 900 } },
    config: { includeThoughts: true, thinkingBudget: 900 },
  },
])("$name", ({ model, given, config }) => {
  expect(encoded(given, { upstreamModel: model }).body["generationConfig"]).toMatchObject({ thinkingConfig: config });
});

test.each([
  {
    name: "native beside tools from Gemini 3 on",
    model: "gemini-3-pro-preview",
    given: { tools: [TOOL] },
    config: { responseJsonSchema: SCHEMA.schema },
    choice: undefined,
  },
  {
    name: "native when tools are forbidden",
    model: "gemini-2.5-flash",
    given: { tools: [TOOL], toolChoice: { kind: "none" } as const },
    config: { responseJsonSchema: SCHEMA.schema },
    choice: { functionCallingConfig: { mode: "NONE" } },
  },
  {
    name: "a tool among the others before",
    model: "gemini-2.5-flash",
    given: { tools: [TOOL] },
    config: undefined,
    choice: { functionCallingConfig: { mode: "ANY" } },
  },
  {
    name: "nothing beside a call that the client forces",
    model: "gemini-3-pro-preview",
    given: { tools: [TOOL], toolChoice: { kind: "required" } as const },
    config: undefined,
    choice: { functionCallingConfig: { mode: "ANY" } },
  },
])("a structured answer is $name", ({ model, given, config, choice }) => {
  const { body } = encoded({ ...given, responseFormat: SCHEMA }, { upstreamModel: model });
  if (config === undefined) expect(JSON.stringify(body)).not.toContain("responseMimeType");
  else expect(body["generationConfig"]).toMatchObject({ ...config, responseMimeType: "application/json" });
  expect(body["toolConfig"]).toEqual(choice);
});

test("without tools of its own the structured answer is the one tool allowed", () => {
  const { body } = encoded({ responseFormat: SCHEMA }, { supportedParameters: ["tools"] });
  expect(body["toolConfig"]).toEqual({
    functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["json_response"] },
  });
});

test.each([
  {
    name: "a sampling parameter without a word for it",
    given: { sampling: { min_p: 0.1, logit_bias: { "1": 2 }, verbosity: "low" } as const },
    named: ["min_p", "logit_bias", "verbosity"],
  },
  { name: "a parameter that the endpoint does not take", given: { sampling: { seed: 1 } }, named: ["seed"] },
  { name: "more stop sequences than five", given: { stop: ["1", "2", "3", "4", "5", "6"] }, named: ["Only 5 stop"] },
  { name: "an unknown field", given: { extra: { safe_prompt: true } }, named: ["safe_prompt"] },
  { name: "a breakpoint", given: { cacheControl: { type: "ephemeral" } as const }, named: ["cache_control"] },
  { name: "strict tools", given: { tools: [{ ...TOOL, strict: true }] }, named: ["strict"] },
  {
    name: "json_object beside tools",
    given: { tools: [TOOL], responseFormat: { kind: "json_object" } as const },
    named: ["json_object"],
  },
  {
    name: "reasoning of another provider",
    given: { messages: answer([{ type: "reasoning.text", text: "x", signature: "y", format: "anthropic-claude-v1" }]) },
    named: ["another provider"],
  },
])("a warning names $name", ({ given, named }) => {
  const { warnings } = encoded(given);
  for (const words of named) expect(warnings.join(" ")).toContain(words);
});

test("a tool message that answers no call cannot be said here", () => {
  const messages: Message[] = [HELLO, { role: "tool", toolCallId: "lost", parts: [{ type: "text", text: "x" }] }];
  expect(gemini.encode({ ...BASE, messages }, TARGET).ok).toBe(false);
});

test("a signature whose id was lost goes to the text, else to the first unsigned call", () => {
  const detail: ReasoningDetail = { type: "reasoning.encrypted", data: "c2ln", format: "google-gemini-v1" };
  const [, withText] = encoded({ messages: answer([detail], "a", "b") }).body["contents"] as readonly unknown[];
  expect(withText).toMatchObject({
    parts: [{ text: "So.", thoughtSignature: "c2ln" }, { functionCall: { id: "a" } }, {}],
  });
  const bare = answer([detail], "a", "b").map((message) =>
    message.role === "assistant" ? { ...message, parts: [] } : message,
  );
  const [, withoutText] = encoded({ messages: bare }).body["contents"] as readonly unknown[];
  expect(withoutText).toMatchObject({
    parts: [{ functionCall: { id: "a" }, thoughtSignature: "c2ln" }, { functionCall: { id: "b" } }],
  });
});

test("a placeholder signs only a step of which no call is signed, and only from Gemini 3 on", () => {
  const signed: ReasoningDetail = { type: "reasoning.encrypted", data: "c2ln", id: "a", format: "google-gemini-v1" };
  const body = (reasoning: readonly ReasoningDetail[], model: string) =>
    JSON.stringify(encoded({ messages: answer(reasoning, "a", "b") }, { upstreamModel: model }).body);
  expect(body([], "gemini-3-pro-preview").match(/skip_thought_signature_validator/g)).toHaveLength(1);
  expect(body([signed], "gemini-3-pro-preview")).not.toContain("skip_thought_signature_validator");
  expect(body([], "gemini-2.5-flash")).not.toContain("skip_thought_signature_validator");
});

test("a tool that failed answers under another key", () => {
  const messages: readonly Message[] = [
    ...answer([], "a", "b").slice(0, 2),
    { role: "tool", toolCallId: "a", parts: [{ type: "text", text: "18" }] },
    { role: "tool", toolCallId: "b", parts: [{ type: "text", text: "no" }], isError: true },
  ];
  const { contents } = encoded({ messages, tools: [TOOL] }).body as { contents: readonly { parts: unknown }[] };
  expect(contents.at(-1)?.parts).toMatchObject([
    { functionResponse: { response: { output: "18" } } },
    { functionResponse: { response: { error: "no" } } },
  ]);
});
