/** Bodies of `POST /responses`: what each part becomes, what is refused with which words, what is said to be left out. */
import { expect, test } from "vitest";
import type { ChatRequest, Message } from "../../../src/core/chat.ts";
import { DEPTH_MAX } from "../../../src/dialects/body.ts";
import type { ParsedBody } from "../../../src/dialects/dialect.ts";
import { openAiResponses } from "../../../src/dialects/openai-responses.ts";

function parsed(change: Record<string, unknown>): ParsedBody {
  const result = openAiResponses.parse({ model: "a/b", input: "Hi", ...change });
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

const PNG = "data:image/png;base64,QUJD";
const PDF = "data:application/pdf;base64,QUJD";

const ITEMS: readonly { readonly name: string; readonly input: unknown; readonly messages: readonly Message[] }[] = [
  { name: "a string", input: "Hi", messages: [{ role: "user", parts: [{ type: "text", text: "Hi" }] }] },
  {
    name: "messages of all roles, with and without a type",
    input: [
      { role: "system", content: "S" },
      { type: "message", role: "developer", content: [{ type: "input_text", text: "D" }] },
      { role: "user", content: "U" },
      {
        type: "message",
        role: "assistant",
        id: "msg_1",
        status: "completed",
        content: [{ type: "output_text", text: "A" }],
      },
    ],
    messages: [
      { role: "system", parts: [{ type: "text", text: "S" }] },
      { role: "developer", parts: [{ type: "text", text: "D" }] },
      { role: "user", parts: [{ type: "text", text: "U" }] },
      { role: "assistant", parts: [{ type: "text", text: "A" }], toolCalls: [], reasoning: [] },
    ],
  },
  {
    name: "every kind of part, with breakpoints of both spellings",
    input: [
      {
        role: "user",
        content: [
          { type: "input_text", text: "a", prompt_cache_breakpoint: { mode: "explicit" } },
          { type: "input_image", image_url: PNG, detail: "high", cache_control: { type: "ephemeral", ttl: "1h" } },
          { type: "input_file", filename: "a.pdf", file_data: PDF },
          { type: "input_file", file_url: "https://a.example/b.pdf" },
          { type: "input_file", file_id: "file-1" },
          { type: "input_audio", input_audio: { data: "QUJD", format: "wav" } },
          { type: "input_video", video_url: "https://a.example/v.mp4" },
        ],
      },
    ],
    messages: [
      {
        role: "user",
        parts: [
          { type: "text", text: "a", cacheControl: { type: "ephemeral" } },
          { type: "image", url: PNG, detail: "high", cacheControl: { type: "ephemeral", ttl: "1h" } },
          { type: "file", filename: "a.pdf", data: PDF },
          { type: "file", data: "https://a.example/b.pdf" },
          { type: "file", fileId: "file-1" },
          { type: "audio", data: "QUJD", format: "wav" },
          { type: "video", url: "https://a.example/v.mp4" },
        ],
      },
    ],
  },
  {
    name: "a turn with reasoning, text, parallel calls and their results, one with an image",
    input: [
      { role: "user", content: "U" },
      { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "T" }], encrypted_content: "QQ==" },
      { role: "assistant", content: "A" },
      { type: "function_call", call_id: "c1", name: "f", arguments: '{"x":1}' },
      { type: "function_call", call_id: "c2", name: "g", arguments: "" },
      { type: "function_call_output", call_id: "c1", output: "18" },
      { type: "function_call_output", call_id: "c2", output: [{ type: "input_image", image_url: PNG }] },
    ],
    messages: [
      { role: "user", parts: [{ type: "text", text: "U" }] },
      {
        role: "assistant",
        parts: [{ type: "text", text: "A" }],
        toolCalls: [
          { id: "c1", name: "f", input: '{"x":1}' },
          { id: "c2", name: "g", input: "{}" },
        ],
        reasoning: [
          { type: "reasoning.summary", summary: "T", id: "rs_1", format: "openai-responses-v1", index: 0 },
          { type: "reasoning.encrypted", data: "QQ==", id: "rs_1", format: "openai-responses-v1", index: 0 },
        ],
      },
      { role: "tool", toolCallId: "c1", parts: [{ type: "text", text: "18" }] },
      { role: "tool", toolCallId: "c2", parts: [{ type: "image", url: PNG }] },
    ],
  },
  {
    name: "a refusal, a signed thought of another provider, and an image that was generated",
    input: [
      {
        type: "reasoning",
        content: [{ type: "reasoning_text", text: "T" }],
        summary: [],
        signature: "c2ln",
        format: "anthropic-claude-v1",
      },
      { role: "assistant", content: [{ type: "refusal", refusal: "No." }] },
      { type: "image_generation_call", id: "ig_1", status: "completed", result: "/9j/AAAA" },
    ],
    messages: [
      {
        role: "assistant",
        parts: [{ type: "image", url: "data:image/jpeg;base64,/9j/AAAA" }],
        toolCalls: [],
        reasoning: [{ type: "reasoning.text", text: "T", signature: "c2ln", format: "anthropic-claude-v1", index: 0 }],
        refusal: "No.",
      },
    ],
  },
  {
    name: "two answers in a row are two turns",
    input: [
      { role: "assistant", content: "A" },
      { role: "assistant", content: "B" },
    ],
    messages: [
      { role: "assistant", parts: [{ type: "text", text: "A" }], toolCalls: [], reasoning: [] },
      { role: "assistant", parts: [{ type: "text", text: "B" }], toolCalls: [], reasoning: [] },
    ],
  },
];

test.each(ITEMS)("input: $name", ({ input, messages }) => {
  expect(parsed({ input }).request.messages).toEqual(messages);
});

const FIELDS: readonly { readonly name: string; readonly body: object; readonly request: Partial<ChatRequest> }[] = [
  {
    name: "instructions come first",
    body: { instructions: "Be brief." },
    request: {
      messages: [
        { role: "system", parts: [{ type: "text", text: "Be brief." }] },
        { role: "user", parts: [{ type: "text", text: "Hi" }] },
      ],
    },
  },
  {
    name: "tools with a choice",
    body: {
      tools: [{ type: "function", name: "f", description: "d", parameters: { type: "object" }, strict: true }],
      tool_choice: { type: "function", name: "f" },
      parallel_tool_calls: false,
    },
    request: {
      tools: [{ name: "f", description: "d", parameters: { type: "object" }, strict: true }],
      toolChoice: { kind: "function", name: "f" },
      parallelToolCalls: false,
    },
  },
  {
    name: "allowed tools are the only ones",
    body: {
      tools: ["f", "g"].map((name) => ({ type: "function", name })),
      tool_choice: { type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "g" }] },
    },
    request: { tools: [{ name: "g" }], toolChoice: { kind: "required" } },
  },
  {
    name: "a schema for the text",
    body: {
      text: { format: { type: "json_schema", name: "n", schema: { type: "object" }, strict: true }, verbosity: "low" },
    },
    request: {
      responseFormat: { kind: "json_schema", name: "n", schema: { type: "object" }, strict: true },
      sampling: { verbosity: "low" },
    },
  },
  {
    name: "reasoning",
    body: { reasoning: { effort: "high", summary: "auto" } },
    request: { reasoning: { effort: "high", summary: "auto" } },
  },
  { name: "a budget", body: { reasoning: { max_tokens: 2048 } }, request: { reasoning: { maxTokens: 2048 } } },
  {
    name: "sampling and limits",
    body: {
      temperature: 0.5,
      top_p: 0.9,
      top_k: 5,
      presence_penalty: 1,
      seed: 7,
      max_output_tokens: 50,
      top_logprobs: 2,
    },
    request: {
      sampling: {
        temperature: 0.5,
        top_p: 0.9,
        top_k: 5,
        presence_penalty: 1,
        seed: 7,
        top_logprobs: 2,
        logprobs: true,
      },
      maxOutputTokens: 50,
    },
  },
  {
    name: "logprobs by include",
    body: { include: ["message.output_text.logprobs"] },
    request: { sampling: { logprobs: true } },
  },
  {
    name: "who asks",
    body: { safety_identifier: "u-1", prompt_cache_key: "k", metadata: { a: "b" } },
    request: { user: "u-1", promptCacheKey: "k", metadata: { a: "b" } },
  },
  {
    name: "what nobody knows, in the client's order, and nothing that was known",
    body: {
      zeta: 1,
      store: false,
      background: false,
      include: [],
      stream_options: {},
      alpha: { b: [2] },
      truncation: "disabled",
    },
    request: { extra: { zeta: 1, alpha: { b: [2] } } },
  },
];

test.each(FIELDS)("$name", ({ body, request }) => {
  expect(parsed(body as Record<string, unknown>).request).toMatchObject(request);
});

test("models, provider and session are those of every dialect", () => {
  expect(
    parsed({ model: "a/b", models: ["a/b", "c/d:nitro"], provider: { order: ["x"] }, session_id: "s" }),
  ).toMatchObject({ models: ["a/b", "c/d:nitro"], provider: { order: ["x"] }, sessionId: "s", warnings: [] });
});

const user = (part: object): object => ({ input: [{ role: "user", content: [part] }] });
let nested: unknown = 1;
for (let depth = 0; depth < DEPTH_MAX; depth++) nested = [nested];

test.each([
  { name: "no object", body: [], path: undefined, words: /JSON object/ },
  { name: "no model", change: { model: null }, path: "model", words: /No models/ },
  { name: "no input", change: { input: null }, path: "input", words: /Input required/ },
  { name: "an empty input", change: { input: [] }, path: "input", words: /at least 1 entry/ },
  { name: "a store", change: { store: true }, path: "store", words: /not stored/ },
  { name: "a background response", change: { background: true }, path: "background", words: /not stored/ },
  {
    name: "a response before",
    change: { previous_response_id: "resp_1" },
    path: "previous_response_id",
    words: /conversation so far/,
  },
  {
    name: "a stored conversation",
    change: { conversation: "conv_1" },
    path: "conversation",
    words: /conversation so far/,
  },
  { name: "a stored prompt", change: { prompt: { id: "p" } }, path: "prompt", words: /instructions/ },
  {
    name: "a stored item",
    change: { input: [{ type: "item_reference", id: "x" }] },
    path: "input[0]",
    words: /send the item itself/,
  },
  {
    name: "an unknown item",
    change: { input: [{ type: "dance" }] },
    path: "input[0].type",
    words: /"message", "reasoning", "function_call"/,
  },
  {
    name: "an unknown role",
    change: { input: [{ role: "judge", content: "x" }] },
    path: "input[0].role",
    words: /"assistant"/,
  },
  {
    name: "an unknown part",
    change: user({ type: "smell" }),
    path: "input[0].content[0].type",
    words: /"input_image"/,
  },
  {
    name: "an image of the system",
    change: { input: [{ role: "system", content: [{ type: "input_image", image_url: PNG }] }] },
    path: "input[0].content[0].type",
    words: /"input_text"/,
  },
  {
    name: "a broken data URL",
    change: user({ type: "input_image", image_url: "data:image/png;base64" }),
    path: "input[0].content[0].image_url",
    words: /data URL/,
  },
  {
    name: "an image that is none",
    change: user({ type: "input_image", image_url: PDF }),
    path: "input[0].content[0].image_url",
    words: /holds no image/,
  },
  {
    name: "a file without content",
    change: user({ type: "input_file", filename: "a" }),
    path: "input[0].content[0]",
    words: /needs file_data/,
  },
  {
    name: "a server tool",
    change: { tools: [{ type: "web_search", name: "w" }] },
    path: "tools[0].type",
    words: /server tools/,
  },
  {
    name: "an allowed tool that is not there",
    change: {
      tools: [],
      tool_choice: { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "f" }] },
    },
    path: "tool_choice.tools[0].name",
    words: /names no tool/,
  },
  {
    name: "effort and budget at once",
    change: { reasoning: { effort: "low", max_tokens: 9 } },
    path: "reasoning.effort",
    words: /exclude each other/,
  },
  { name: "a hot temperature", change: { temperature: 3 }, path: "temperature", words: /at most 2/ },
  { name: "nesting beyond the limit", change: { zeta: nested }, path: "zeta", words: /nested/ },
])("$name is refused by name", ({ body, change, path, words }) => {
  const result = openAiResponses.parse(body ?? { model: "a/b", input: "Hi", ...change });
  expect(result).toMatchObject({ ok: false, error: { kind: "bad_request", message: expect.stringMatching(words) } });
  expect(result.ok ? undefined : result.error.path).toBe(path);
});

test.each([
  {
    name: "items of server tools",
    change: {
      input: [
        { role: "user", content: "x" },
        { type: "web_search_call", id: "w" },
      ],
    },
    words: /^input\[1\] \(web_search_call\)/,
  },
  { name: "automatic truncation", change: { truncation: "auto" }, words: /^truncation/ },
  { name: "a limit of server tool calls", change: { max_tool_calls: 3 }, words: /^max_tool_calls/ },
  { name: "another tier", change: { service_tier: "priority" }, words: /^service_tier/ },
  { name: "plugins", change: { plugins: [{ id: "web" }] }, words: /^The plugin "web"/ },
  { name: "traces", change: { trace: {} }, words: /^trace / },
])("$name are taken, and said to be left out", ({ change, words }) => {
  expect(parsed(change).warnings).toEqual([expect.stringMatching(words)]);
});
