/** What Converse can and cannot say, beyond the recorded cases: names, media, vendors, choices. */
import { describe, expect, test } from "vitest";
import type { ChatRequest, Part } from "../../../src/core/chat.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { bedrock } from "../../../src/providers/bedrock.ts";
import { DEFAULT_TARGET, HELLO } from "../../contract/providers/cases.ts";

const ALL = [
  "temperature",
  "top_p",
  "top_k",
  "stop",
  "max_tokens",
  "tools",
  "tool_choice",
  "reasoning",
  "structured_outputs",
];
const TOOL = { name: "look", parameters: { type: "object", properties: {} } };

function targetOf(over: Partial<Target> = {}): Target {
  return {
    ...DEFAULT_TARGET,
    upstreamModel: "anthropic.claude-sonnet-4-5-20250929-v1:0",
    region: "us-east-1",
    baseUrl: "https://bedrock-runtime.us-east-1.amazonaws.com",
    supportedParameters: ALL,
    ...over,
  };
}

function encode(
  request: Partial<ChatRequest>,
  over: Partial<Target> = {},
): { url: string; body: unknown; warnings: readonly string[] } {
  const encoded = bedrock.encode({ ...HELLO, ...request }, targetOf(over));
  if (!encoded.ok) throw new Error(encoded.error);
  const { url, body, warnings } = encoded.value;
  return { url, body: JSON.parse(body) as unknown, warnings };
}

function refusal(request: Partial<ChatRequest>, over: Partial<Target> = {}): string {
  const encoded = bedrock.encode({ ...HELLO, ...request }, targetOf(over));
  return encoded.ok ? "" : encoded.error;
}

describe("the model in the path", () => {
  test.each([
    { model: "amazon.nova-pro-v1:0", region: "us-east-1", path: "amazon.nova-pro-v1%3A0" },
    { model: "{geo}.amazon.nova-pro-v1:0", region: "us-west-2", path: "us.amazon.nova-pro-v1%3A0" },
    { model: "{geo}.amazon.nova-pro-v1:0", region: "eu-central-1", path: "eu.amazon.nova-pro-v1%3A0" },
    { model: "{geo}.amazon.nova-pro-v1:0", region: "ap-south-1", path: "apac.amazon.nova-pro-v1%3A0" },
    { model: "{geo}.amazon.nova-pro-v1:0", region: "us-gov-west-1", path: "us-gov.amazon.nova-pro-v1%3A0" },
    {
      model: "global.anthropic.claude-opus-4-5-20251101-v1:0",
      region: "eu-west-1",
      path: "global.anthropic.claude-opus-4-5-20251101-v1%3A0",
    },
    {
      model: "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0",
      region: "eu-west-1",
      path: "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Feu.amazon.nova-pro-v1%3A0",
    },
  ])("$model in $region", ({ model, region, path }) => {
    const { url } = encode({}, { upstreamModel: model, region });
    expect(url).toBe(`https://bedrock-runtime.us-east-1.amazonaws.com/model/${path}/converse`);
  });

  test("a region without a profile is a reason to go elsewhere", () => {
    expect(refusal({}, { upstreamModel: "{geo}.amazon.nova-pro-v1:0", region: "sa-east-1" })).toMatch(/sa-east-1/);
  });
});

describe("what cannot be said is refused", () => {
  const user = (...parts: readonly Part[]): Partial<ChatRequest> => ({ messages: [{ role: "user", parts }] });
  test.each([
    {
      name: "an image on the web",
      given: user({ type: "image", url: "https://example.com/a.png" }),
      says: /bytes, not an address/,
    },
    { name: "a broken data URL", given: user({ type: "image", url: "data:image/png" }), says: /cannot be read/ },
    {
      name: "an image of another type",
      given: user({ type: "image", url: "data:image/tiff;base64,AA==" }),
      says: /image\/tiff/,
    },
    { name: "an uploaded file", given: user({ type: "file", fileId: "file-1" }), says: /file_data/ },
    {
      name: "a file of another type",
      given: user({ type: "file", data: "data:application/zip;base64,AA==" }),
      says: /application\/zip/,
    },
    { name: "audio", given: user({ type: "audio", data: "AA==", format: "wav" }), says: /audio/ },
    {
      name: "a conversation that the assistant begins",
      given: {
        messages: [
          { role: "assistant" as const, parts: [{ type: "text" as const, text: "Hi" }], toolCalls: [], reasoning: [] },
        ],
      },
      says: /begins with the user/,
    },
    { name: "nothing", given: { messages: [] }, says: /begins with the user/ },
  ])("$name", ({ given, says }) => {
    expect(refusal(given)).toMatch(says);
  });

  test("a faulty quirk", () => {
    expect(refusal({}, { quirks: { guardrail: { guardrailVersion: "1" } } })).toMatch(/guardrailIdentifier/);
    expect(bedrock.quirkFaults({ guard: 1 })).toEqual([{ path: ["guard"], message: "is not a quirk of this adapter" }]);
  });
});

test("a video and a picture among the files are media", () => {
  const parts: Part[] = [
    { type: "video", url: "data:video/3gpp;base64,AAAA" },
    { type: "file", data: "data:image/webp;base64,AAAA" },
  ];
  expect(encode({ messages: [{ role: "user", parts }] }).body).toEqual({
    messages: [
      {
        role: "user",
        content: [
          { video: { format: "three_gp", source: { bytes: "AAAA" } } },
          { image: { format: "webp", source: { bytes: "AAAA" } } },
        ],
      },
    ],
  });
});

describe("tool choices", () => {
  const tools = [TOOL];
  test.each([
    {
      name: "none, at Claude",
      given: { toolChoice: { kind: "none" as const } },
      toolChoice: undefined,
      additional: { tool_choice: { type: "none" } },
    },
    {
      name: "required",
      given: { toolChoice: { kind: "required" as const } },
      toolChoice: { any: {} },
      additional: undefined,
    },
    {
      name: "one named call at most, at Claude",
      given: { toolChoice: { kind: "function" as const, name: "look" }, parallelToolCalls: false },
      toolChoice: undefined,
      additional: { tool_choice: { type: "tool", name: "look", disable_parallel_tool_use: true } },
    },
  ])("$name", ({ given, toolChoice, additional }) => {
    expect(encode({ tools, ...given }).body).toMatchObject({
      toolConfig: toolChoice === undefined ? {} : { toolChoice },
      ...(additional === undefined ? {} : { additionalModelRequestFields: additional }),
    });
  });

  test("none, elsewhere, leaves the tools out", () => {
    const { body, warnings } = encode(
      { tools, toolChoice: { kind: "none" } },
      { upstreamModel: "amazon.nova-pro-v1:0" },
    );
    expect(body).not.toHaveProperty("toolConfig");
    expect(warnings).toEqual([]);
  });

  test("earlier calls have their tools declared, with a warning", () => {
    const messages: ChatRequest["messages"] = [
      { role: "user", parts: [{ type: "text", text: "Look." }] },
      { role: "assistant", parts: [], toolCalls: [{ id: "a", name: "look", input: "{}" }], reasoning: [] },
      { role: "tool", toolCallId: "a", parts: [{ type: "text", text: "seen" }] },
    ];
    const { body, warnings } = encode({ messages });
    expect(body).toMatchObject({ toolConfig: { tools: [{ toolSpec: { name: "look" } }] } });
    expect(warnings).toHaveLength(1);
  });
});

describe("reasoning in the vendor's words", () => {
  test.each([
    {
      model: "amazon.nova-2-lite-v1:0",
      effort: "low" as const,
      fields: { reasoningConfig: { type: "enabled", maxReasoningEffort: "low" } },
      inference: { maxTokens: 9, temperature: 0.5 },
      warned: 0,
    },
    {
      model: "amazon.nova-2-lite-v1:0",
      effort: "high" as const,
      fields: { reasoningConfig: { type: "enabled", maxReasoningEffort: "high" } },
      inference: undefined,
      warned: 2,
    },
    {
      model: "amazon.nova-2-lite-v1:0",
      effort: "none" as const,
      fields: { reasoningConfig: { type: "disabled" } },
      inference: { maxTokens: 9, temperature: 0.5 },
      warned: 0,
    },
    {
      model: "openai.gpt-oss-120b-1:0",
      effort: "minimal" as const,
      fields: { reasoning_effort: "low" },
      inference: { maxTokens: 9, temperature: 0.5 },
      warned: 1,
    },
    {
      model: "deepseek.r1-v1:0",
      effort: "low" as const,
      fields: undefined,
      inference: { maxTokens: 9, temperature: 0.5 },
      warned: 1,
    },
    {
      model: "us.anthropic.claude-opus-4-7-20260101-v1:0",
      effort: "xhigh" as const,
      fields: { thinking: { type: "adaptive", display: "summarized" }, output_config: { effort: "xhigh" } },
      inference: { maxTokens: 9 },
      warned: 1,
    },
  ])("$model with $effort", ({ model, effort, fields, inference, warned }) => {
    const { body, warnings } = encode(
      { reasoning: { effort }, maxOutputTokens: 9, sampling: { temperature: 0.5 } },
      { upstreamModel: model },
    );
    expect(body).toEqual({
      messages: [{ role: "user", content: [{ text: "Hello" }] }],
      ...(inference === undefined ? {} : { inferenceConfig: inference }),
      ...(fields === undefined ? {} : { additionalModelRequestFields: fields }),
    });
    expect(warnings).toHaveLength(warned);
  });
});

test("the automatic breakpoint gives way when four are set, and one that is there already is enough", () => {
  const cached = (text: string): Part => ({ type: "text", text, cacheControl: { type: "ephemeral" } });
  const four = [cached("a"), cached("b"), cached("c"), cached("d"), { type: "text" as const, text: "e" }];
  const automatic = { cacheControl: { type: "ephemeral" as const } };
  expect(encode({ messages: [{ role: "user", parts: four }], ...automatic }).warnings).toHaveLength(1);
  const { body } = encode({ messages: [{ role: "user", parts: [cached("a")] }], ...automatic });
  expect(body).toEqual({ messages: [{ role: "user", content: [{ text: "a" }, { cachePoint: { type: "default" } }] }] });
});

test("trial features that the client names are fields of Claude's own, and of nobody else's", () => {
  const betas = ["interleaved-thinking-2025-05-14", "fine-grained-tool-streaming-2025-05-14"];
  expect(encode({ betas }).body).toMatchObject({ additionalModelRequestFields: { anthropic_beta: betas } });
  const nova = encode({ betas }, { upstreamModel: "amazon.nova-pro-v1:0" });
  expect(JSON.stringify(nova.body)).not.toContain("beta");
  expect(encode({}).body).not.toHaveProperty("additionalModelRequestFields");
});

test("fields of the model's own pass, but never over ours", () => {
  const { body } = encode({
    sampling: { top_k: 5 },
    extra: { additionalModelRequestFields: { top_k: 9, anthropic_beta: ["context-1m-2025-08-07"] } },
  });
  expect(body).toMatchObject({ additionalModelRequestFields: { top_k: 5, anthropic_beta: ["context-1m-2025-08-07"] } });
});

test("documents have names of their own, those in the results of tools as well", () => {
  const file: Part = { type: "file", filename: "a.pdf", data: "data:application/pdf;base64,AA==" };
  const { body, warnings } = encode({
    messages: [
      { role: "user", parts: [{ type: "text", text: "Read." }, file] },
      { role: "assistant", parts: [], toolCalls: [{ id: "a", name: "look", input: "{}" }], reasoning: [] },
      { role: "tool", toolCallId: "a", parts: [file] },
    ],
    tools: [TOOL],
  });
  expect([...JSON.stringify(body).matchAll(/"name":"(a pdf[^"]*)"/g)].map(([, name]) => name)).toEqual([
    "a pdf",
    "a pdf (2)",
  ]);
  expect(warnings).toEqual([]);
});

test("a turn keeps the order of its pieces, and a tool that failed says so", () => {
  const format = "anthropic-claude-v1";
  const { body } = encode({
    messages: [
      ...HELLO.messages,
      {
        role: "assistant",
        parts: [{ type: "text", text: "And there." }],
        toolCalls: [
          { id: "t1", name: "look", input: "{}" },
          { id: "t2", name: "look", input: "{}", cacheControl: { type: "ephemeral" } },
        ],
        reasoning: [
          { type: "reasoning.text", text: "One.", signature: "c2ln", format, index: 0 },
          { type: "reasoning.text", text: "Two.", signature: "bW9y", format, index: 1 },
        ],
        order: ["reasoning", "call", "reasoning", "part", "call"],
      },
      { role: "tool", toolCallId: "t1", parts: [{ type: "text", text: "18" }] },
      { role: "tool", toolCallId: "t2", parts: [{ type: "text", text: "no" }], isError: true },
    ],
    tools: [TOOL],
  });
  const { messages } = body as { messages: readonly { content: readonly object[] }[] }; // what the encoder wrote
  expect(messages[1]?.content).toEqual([
    { reasoningContent: { reasoningText: { text: "One.", signature: "c2ln" } } },
    { toolUse: { toolUseId: "t1", name: "look", input: {} } },
    { reasoningContent: { reasoningText: { text: "Two.", signature: "bW9y" } } },
    { text: "And there." },
    { toolUse: { toolUseId: "t2", name: "look", input: {} } },
    { cachePoint: { type: "default" } },
  ]);
  expect(messages[2]?.content).toEqual([
    { toolResult: { toolUseId: "t1", content: [{ text: "18" }] } },
    { toolResult: { toolUseId: "t2", content: [{ text: "no" }], status: "error" } },
  ]);
});
