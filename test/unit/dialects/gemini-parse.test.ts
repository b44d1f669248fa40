/** What a client of Gemini's API may say: every field's translation, every fault's sentence and path, every warning. */
import { expect, test } from "vitest";
import type { RouterError } from "../../../src/core/error.ts";
import type { ParsedBody } from "../../../src/dialects/dialect.ts";
import { gemini } from "../../../src/dialects/gemini.ts";
import { packReasoning, unpackReasoning } from "../../../src/dialects/gemini-reasoning.ts";

const header = () => null;
const contents = [{ role: "user", parts: [{ text: "hi" }] }];

function parsed(change: object, path: { model?: string; stream?: boolean } = {}): ParsedBody {
  const result = gemini.parse({ contents, ...change }, { model: "a/b", header, ...path });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}
function fault(body: unknown): RouterError & { kind: "bad_request" } {
  const result = gemini.parse(body, { model: "a/b", header });
  if (result.ok || result.error.kind !== "bad_request") throw new Error("was not refused");
  return result.error;
}

test("a small request sets nothing that was not asked for", () => {
  expect(parsed({})).toEqual({
    request: {
      messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
      stream: false,
      sampling: {},
      stop: [],
      tools: [],
      extra: {},
    },
    models: ["a/b"],
    provider: null,
    sessionId: null,
    warnings: [],
    echo: { includeThoughts: false },
  });
});

test.each([
  ["google/gemini-2.5-flash", "google/gemini-2.5-flash"],
  ["gemini-2.5-flash", "google/gemini-2.5-flash"],
  ["gemini-2.5-flash:free", "google/gemini-2.5-flash:free"],
  ["models/gemini-2.5-flash", "google/gemini-2.5-flash"],
  ["models/openai/gpt-4o", "openai/gpt-4o"],
  ["some-alias", "some-alias"],
])("the path's model %s means %s", (model, expected) => {
  expect(parsed({}, { model, stream: true })).toMatchObject({ models: [expected], request: { stream: true } });
});

const both = [
  {
    name: "the system instruction, as content and as text",
    given: { systemInstruction: { parts: [{ text: "Be brief." }] } },
    expect: { messages: [{ role: "system", parts: [{ type: "text", text: "Be brief." }] }, {}] },
  },
  {
    name: "one part without its array",
    given: { systemInstruction: "Be brief.", contents: { parts: { text: "hi" } } },
    expect: { messages: [{ role: "system" }, { role: "user", parts: [{ type: "text", text: "hi" }] }] },
  },
  {
    name: "fields as the proto files write them",
    given: {
      system_instruction: { parts: { text: "Be brief." } },
      generation_config: { max_output_tokens: 9, stop_sequences: ["x"], thinking_config: { thinking_budget: 100 } },
      contents: [{ parts: [{ inline_data: { mime_type: "image/png", data: "QUJD" } }] }],
    },
    expect: {
      messages: [{ role: "system" }, { parts: [{ type: "image", url: "data:image/png;base64,QUJD" }] }],
      maxOutputTokens: 9,
      stop: ["x"],
      reasoning: { maxTokens: 100, exclude: true },
    },
  },
  {
    name: "sampling by our names",
    given: {
      generationConfig: {
        temperature: 0.5,
        topP: 0.9,
        topK: 40,
        seed: 7,
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        responseLogprobs: true,
        logprobs: 3,
        candidateCount: 2,
      },
    },
    expect: {
      sampling: {
        temperature: 0.5,
        top_p: 0.9,
        top_k: 40,
        seed: 7,
        presence_penalty: 0.1,
        frequency_penalty: 0.2,
        logprobs: true,
        top_logprobs: 3,
        n: 2,
      },
    },
  },
  {
    name: "media by their family, URL-safe base64 in the standard alphabet",
    given: {
      contents: [
        {
          parts: [
            { inlineData: { mimeType: "image/jpeg", data: "_9j_-A==" } },
            { inlineData: { mimeType: "audio/mpeg", data: "QUJD" } },
            { inlineData: { mimeType: "video/mp4", data: "QUJD" } },
            { inlineData: { mimeType: "application/pdf", data: "QUJD", displayName: "a.pdf" } },
            { fileData: { fileUri: "https://x.test/a.png", mimeType: "image/png" } },
            { fileData: { fileUri: "https://x.test/a.pdf", mimeType: "application/pdf" } },
            { fileData: { fileUri: "gs://bucket/a", mimeType: "video/mp4" } },
          ],
        },
      ],
    },
    expect: {
      messages: [
        {
          role: "user",
          parts: [
            { type: "image", url: "data:image/jpeg;base64,/9j/+A==" },
            { type: "audio", data: "QUJD", format: "mp3" },
            { type: "video", url: "data:video/mp4;base64,QUJD" },
            { type: "file", data: "data:application/pdf;base64,QUJD", filename: "a.pdf" },
            { type: "image", url: "https://x.test/a.png" },
            { type: "file", data: "https://x.test/a.pdf" },
            { type: "file", fileId: "gs://bucket/a" },
          ],
        },
      ],
    },
  },
  {
    name: "tools with either kind of schema",
    given: {
      tools: [
        {
          functionDeclarations: [
            {
              name: "f",
              description: "d",
              parameters: {
                type: "OBJECT",
                properties: {
                  type: { type: "STRING", enum: ["a"], format: "enum", nullable: true },
                  list: { type: "ARRAY", items: { type: "INTEGER" }, minItems: "2" },
                },
                propertyOrdering: ["list", "type"],
                required: ["list"],
              },
            },
            { name: "g", parametersJsonSchema: { type: "object", properties: { nullable: { type: "null" } } } },
          ],
        },
      ],
      toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["g"] } },
    },
    expect: {
      tools: [
        {
          name: "f",
          description: "d",
          parameters: {
            type: "object",
            properties: {
              type: { type: ["string", "null"], enum: ["a", null] },
              list: { type: "array", items: { type: "integer" }, minItems: 2 },
            },
            required: ["list"],
          },
        },
        { name: "g", parameters: { type: "object", properties: { nullable: { type: "null" } } } },
      ],
      toolChoice: { kind: "function", name: "g" },
    },
  },
  {
    name: "of several allowed functions nothing but these",
    given: {
      tools: [{ functionDeclarations: [{ name: "f" }, { name: "g" }, { name: "h" }] }],
      toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["f", "h"] } },
    },
    expect: { tools: [{ name: "f" }, { name: "h" }], toolChoice: { kind: "required" } },
  },
  {
    name: "a structured answer",
    given: { generationConfig: { responseMimeType: "application/json", responseSchema: { type: "STRING" } } },
    expect: { responseFormat: { kind: "json_schema", name: "response", schema: { type: "string" } } },
  },
  {
    name: "a JSON schema as it is, also in the older spelling",
    given: { generationConfig: { _responseJsonSchema: { type: "string", snake_key: 1 } } },
    expect: { responseFormat: { kind: "json_schema", schema: { type: "string", snake_key: 1 } } },
  },
  {
    name: "JSON without a schema",
    given: { generationConfig: { responseMimeType: "application/json" } },
    expect: { responseFormat: { kind: "json_object" } },
  },
  {
    name: "a level of thinking that is shown",
    given: { generationConfig: { thinkingConfig: { thinkingLevel: "LOW", includeThoughts: true } } },
    expect: { reasoning: { effort: "low" } },
  },
  {
    name: "no thinking",
    given: { generationConfig: { thinkingConfig: { thinkingBudget: 0 } } },
    expect: { reasoning: { enabled: false, exclude: true } },
  },
  {
    name: "as much thinking as the model wants",
    given: { generationConfig: { thinkingConfig: { thinkingBudget: -1, includeThoughts: true } } },
    expect: { reasoning: { enabled: true } },
  },
  {
    name: "modalities of the answer",
    given: { generationConfig: { responseModalities: ["TEXT", "IMAGE"] } },
    expect: { modalities: ["text", "image"] },
  },
  {
    name: "what no other format can say, for those who can",
    given: {
      safetySettings: [{ category: "C", threshold: "BLOCK_NONE" }],
      generationConfig: { speechConfig: { voiceConfig: {} }, mediaResolution: "LOW" },
    },
    expect: {
      native: {
        format: "google-gemini-v1",
        fields: {
          safetySettings: [{ category: "C", threshold: "BLOCK_NONE" }],
          generationConfig: { speechConfig: { voiceConfig: {} }, mediaResolution: "LOW" },
        },
      },
    },
  },
] as const;
test.each(both)("takes $name", ({ given, expect: expected }) => {
  expect(parsed(given).request).toMatchObject(expected);
});

test("calls and answers are matched by id, and by name where there is none", () => {
  const call = (name: string, id?: string) => ({ functionCall: { name, args: { a: 1 }, ...(id ? { id } : {}) } });
  const reply = (name: string, response: object, id?: string) => ({
    functionResponse: { name, response, ...(id ? { id } : {}) },
  });
  const { messages } = parsed({
    contents: [
      ...contents,
      { role: "model", parts: [call("f"), call("f"), call("g", "own")] },
      {
        role: "user",
        parts: [
          { text: "and?" },
          reply("f", { output: "one" }),
          reply("g", { error: "broke" }, "own"),
          reply("f", { a: 2 }),
        ],
      },
    ],
  }).request;
  expect(messages.slice(1)).toEqual([
    {
      role: "assistant",
      parts: [],
      reasoning: [],
      toolCalls: [
        { id: "call_1_0", name: "f", input: '{"a":1}' },
        { id: "call_1_1", name: "f", input: '{"a":1}' },
        { id: "own", name: "g", input: '{"a":1}' },
      ],
    },
    { role: "tool", toolCallId: "call_1_0", parts: [{ type: "text", text: "one" }] },
    { role: "tool", toolCallId: "own", parts: [{ type: "text", text: "broke" }], isError: true },
    { role: "tool", toolCallId: "call_1_1", parts: [{ type: "text", text: '{"a":2}' }] },
    { role: "user", parts: [{ type: "text", text: "and?" }] },
  ]);
});

test("signatures stand with what they came on, and pieces of a stream are one message", () => {
  const { messages } = parsed({
    contents: [
      ...contents,
      { role: "model", parts: [{ text: "hm", thought: true }] },
      { role: "model", parts: [{ text: "mm", thought: true, thoughtSignature: "S1==" }] },
      { role: "model", parts: [{ text: "answer" }, { text: "", thoughtSignature: "S2-_" }] },
      { role: "model", parts: [{ functionCall: { name: "f", id: "c" }, thoughtSignature: "S3" }] },
      ...contents,
    ],
  }).request;
  expect(messages).toHaveLength(3);
  expect(messages[1]).toEqual({
    role: "assistant",
    parts: [{ type: "text", text: "answer" }],
    toolCalls: [{ id: "c", name: "f", input: "{}" }],
    reasoning: [
      { type: "reasoning.text", text: "hmmm", signature: "S1==", format: "google-gemini-v1", index: 0 },
      { type: "reasoning.encrypted", data: "S2-_", id: null, format: "google-gemini-v1", index: 1 },
      { type: "reasoning.encrypted", data: "S3", id: "c", format: "google-gemini-v1", index: 2 },
    ],
    order: ["reasoning", "part", "reasoning", "reasoning", "call"],
  });
});

test("packed reasoning comes back whole, whatever alphabet its base64 is sent in", () => {
  const detail = {
    type: "reasoning.text",
    text: "ä?>~ÿ",
    signature: "sig/+=",
    id: null,
    format: "anthropic-claude-v1",
    index: 3,
  } as const;
  const packed = packReasoning(detail);
  expect(unpackReasoning(packed)).toEqual(detail);
  expect(unpackReasoning(packed.replaceAll("+", "-").replaceAll("/", "_"))).toEqual(detail);
  expect(unpackReasoning("CiQBjz1rXw==")).toBeUndefined();
  expect(unpackReasoning(btoa("waypost-reasoning/1:\n{"))).toBeUndefined();
});

const oneOf = "text, inlineData, fileData, functionCall, functionResponse";
test.each([
  ["no object", [], "The body must be a JSON object", undefined],
  ["no contents", {}, "contents is required: an array", "contents"],
  ["empty contents", { contents: [] }, "contents must have at least 1 entry", "contents"],
  ["no part at all", { contents: [{ parts: [] }] }, "contents must hold at least one part", "contents"],
  [
    "an unknown role",
    { contents: [{ role: "assistant", parts: [] }] },
    'contents[0].role must be one of "user", "model", "function", "tool"',
    "contents[0].role",
  ],
  [
    "an empty part",
    { contents: [{ parts: [{ foo: 1 }] }] },
    `contents[0].parts[0] must hold one of ${oneOf}`,
    "contents[0].parts[0]",
  ],
  [
    "two things in one part",
    { contents: [{ parts: [{ text: "a", functionCall: { name: "f" } }] }] },
    `contents[0].parts[0] holds more than one of ${oneOf}`,
    "contents[0].parts[0]",
  ],
  [
    "code to run",
    { contents: [{ parts: [{ executableCode: { language: "PYTHON", code: "1" } }] }] },
    "contents[0].parts[0] holds executableCode: nothing runs code or tools for the model here",
    "contents[0].parts[0]",
  ],
  [
    "a data URL for base64",
    { contents: [{ parts: [{ inlineData: { mimeType: "image/png", data: "data:image/png;base64,AA" } }] }] },
    "contents[0].parts[0].inlineData.data must be the base64 alone, without a data: prefix",
    "contents[0].parts[0].inlineData.data",
  ],
  [
    "no media type",
    { contents: [{ parts: [{ inlineData: { mimeType: "png", data: "AA" } }] }] },
    "contents[0].parts[0].inlineData.mimeType is not valid: must be a media type such as image/png",
    "contents[0].parts[0].inlineData.mimeType",
  ],
  [
    "an answer to no call",
    { contents: [{ parts: [{ functionResponse: { name: "f", response: {} } }] }] },
    "contents[0].parts[0].functionResponse answers no functionCall of the contents before it",
    "contents[0].parts[0]",
  ],
  [
    "a call of the user's",
    { contents: [{ parts: [{ functionCall: { name: "f" } }] }] },
    'contents[0].parts[0].functionCall must stand in a content of the role "model"',
    "contents[0].parts[0]",
  ],
  [
    "a picture as instruction",
    { contents, systemInstruction: { parts: [{ inlineData: { mimeType: "image/png", data: "AA" } }] } },
    "systemInstruction.parts[0] must be text",
    "systemInstruction.parts[0]",
  ],
  [
    "a search tool",
    { contents, tools: [{ googleSearch: {} }] },
    "tools[0] holds googleSearch: only functionDeclarations are available here",
    "tools[0]",
  ],
  [
    "an undeclared function",
    { contents, toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["f"] } } },
    "toolConfig.functionCallingConfig.allowedFunctionNames names a function that tools do not declare",
    "toolConfig.functionCallingConfig.allowedFunctionNames",
  ],
  [
    "both schemas",
    { contents, generationConfig: { responseSchema: { type: "STRING" }, responseJsonSchema: {} } },
    "generationConfig.responseSchema and generationConfig.responseJsonSchema exclude each other: set one of them",
    "generationConfig.responseSchema",
  ],
  [
    "both ways to limit thinking",
    { contents, generationConfig: { thinkingConfig: { thinkingBudget: 5, thinkingLevel: "LOW" } } },
    "generationConfig.thinkingConfig must not hold both thinkingBudget and thinkingLevel",
    "generationConfig.thinkingConfig",
  ],
  [
    "too hot",
    { contents, generationConfig: { temperature: 3 } },
    "generationConfig.temperature must be at most 2",
    "generationConfig.temperature",
  ],
  [
    "a cached content",
    { contents, cachedContent: "cachedContents/1" },
    "cachedContent is not available here: send the contents themselves",
    "cachedContent",
  ],
])("refuses %s and names the field", (_name, body, message, path) => {
  expect(fault(body)).toMatchObject({ message, ...(path === undefined ? {} : { path }) });
});

test("what is accepted and not honoured is said, once each", () => {
  const { warnings } = parsed({
    labels: { a: "b" },
    store: true,
    toolConfig: { functionCallingConfig: { mode: "VALIDATED" } },
    contents: [
      {
        parts: [
          { fileData: { fileUri: "https://x.test/a.pdf", mimeType: "application/pdf" }, videoMetadata: { fps: 1 } },
          { text: "Look.", mediaResolution: { level: "MEDIA_RESOLUTION_HIGH" } },
        ],
      },
    ],
  });
  expect(warnings).toEqual([
    "contents[0].parts[0].videoMetadata is not passed on",
    "contents[0].parts[1].mediaResolution is not passed on",
    "The function calling mode VALIDATED is not available here: AUTO was used",
    "labels is not passed on",
    "store is not passed on",
  ]);
});
