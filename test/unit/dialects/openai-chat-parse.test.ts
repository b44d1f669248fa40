/** What a client may say: every field's translation, every fault's sentence and path, every warning. */
import { expect, test } from "vitest";
import type { ParsedBody } from "../../../src/dialects/dialect.ts";
import type { RouterError } from "../../../src/core/error.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { DEPTH_MAX } from "../../../src/dialects/body.ts";

const hi = [{ role: "user", content: "hi" }];
const part = (content: unknown) => ({ messages: [{ role: "user", content: [content] }] });
const png = "data:image/png;base64,iVBORw0KGgo=";

function parsed(change: object): ParsedBody {
  const result = openAiChat.parse({ model: "a/b", messages: hi, ...change });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}
function fault(body: unknown): RouterError & { kind: "bad_request" } {
  const result = openAiChat.parse(body);
  if (result.ok || result.error.kind !== "bad_request") throw new Error("was not refused");
  return result.error;
}
/** A value nested `levels` deep. */
function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
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
  });
});

test("null means not set, in every field", () => {
  const names =
    "models provider stream temperature top_p top_k min_p top_a frequency_penalty presence_penalty repetition_penalty seed " +
    "logit_bias logprobs top_logprobs verbosity n max_tokens max_completion_tokens stop tools tool_choice parallel_tool_calls " +
    "response_format reasoning reasoning_effort include_reasoning modalities user metadata session_id prompt_cache_key " +
    "cache_control usage stream_options transforms route plugins prompt preset trace debug something_else";
  const nulls = Object.fromEntries(names.split(" ").map((name) => [name, null]));
  expect(parsed(nulls)).toEqual(parsed({}));
});

const TRANSLATED: readonly { readonly name: string; readonly given: object; readonly expected: object }[] = [
  {
    name: "sampling parameters keep their names",
    given: {
      temperature: 0,
      top_p: 0.5,
      top_k: 3,
      seed: -7,
      logit_bias: { "50256": -100 },
      n: 2,
      verbosity: "low",
      top_logprobs: 20,
      logprobs: true,
    },
    expected: {
      sampling: {
        temperature: 0,
        top_p: 0.5,
        top_k: 3,
        seed: -7,
        logit_bias: { "50256": -100 },
        n: 2,
        verbosity: "low",
        top_logprobs: 20,
        logprobs: true,
      },
    },
  },
  { name: "max_tokens limits the output", given: { max_tokens: 5 }, expected: { maxOutputTokens: 5 } },
  {
    name: "max_completion_tokens limits the output",
    given: { max_completion_tokens: 6 },
    expected: { maxOutputTokens: 6 },
  },
  { name: "one stop text is a list of one", given: { stop: "\n" }, expected: { stop: ["\n"] } },
  { name: "several stop texts stay", given: { stop: ["a", "b"] }, expected: { stop: ["a", "b"] } },
  {
    name: "tools keep schema, strictness and breakpoint",
    given: {
      tools: [
        {
          type: "function",
          function: { name: "f", description: "d", parameters: { type: "object", z: 1, a: 2 }, strict: true },
          cache_control: { type: "ephemeral", ttl: "1h" },
        },
        { type: "function", function: { name: "g" } },
      ],
    },
    expected: {
      tools: [
        {
          name: "f",
          description: "d",
          parameters: { type: "object", z: 1, a: 2 },
          strict: true,
          cacheControl: { type: "ephemeral", ttl: "1h" },
        },
        { name: "g" },
      ],
    },
  },
  { name: "a word chooses tools", given: { tool_choice: "required" }, expected: { toolChoice: { kind: "required" } } },
  {
    name: "a name chooses a tool",
    given: { tool_choice: { type: "function", function: { name: "f" } } },
    expected: { toolChoice: { kind: "function", name: "f" } },
  },
  { name: "parallel calls may be off", given: { parallel_tool_calls: false }, expected: { parallelToolCalls: false } },
  {
    name: "JSON may be asked for",
    given: { response_format: { type: "json_object" } },
    expected: { responseFormat: { kind: "json_object" } },
  },
  {
    name: "a JSON schema is kept",
    given: {
      response_format: { type: "json_schema", json_schema: { name: "s", strict: true, schema: { type: "object" } } },
    },
    expected: { responseFormat: { kind: "json_schema", name: "s", strict: true, schema: { type: "object" } } },
  },
  {
    name: "a missing JSON schema allows anything",
    given: { response_format: { type: "json_schema", json_schema: { name: "s" } } },
    expected: { responseFormat: { kind: "json_schema", name: "s", schema: {} } },
  },
  {
    name: "reasoning has its fields",
    given: { reasoning: { max_tokens: 2_000, exclude: true, enabled: true } },
    expected: { reasoning: { maxTokens: 2_000, exclude: true, enabled: true } },
  },
  {
    name: "reasoning_effort is a shorthand",
    given: { reasoning_effort: "high" },
    expected: { reasoning: { effort: "high" } },
  },
  {
    name: "reasoning_effort may agree with reasoning.effort",
    given: { reasoning_effort: "low", reasoning: { effort: "low" } },
    expected: { reasoning: { effort: "low" } },
  },
  {
    name: "include_reasoning false hides it",
    given: { include_reasoning: false },
    expected: { reasoning: { exclude: true } },
  },
  { name: "include_reasoning true asks for it", given: { include_reasoning: true }, expected: { reasoning: {} } },
  {
    name: "modalities, user and cache key go on",
    given: { modalities: ["text", "image"], user: "u", prompt_cache_key: "k" },
    expected: { modalities: ["text", "image"], user: "u", promptCacheKey: "k" },
  },
  {
    name: "a breakpoint for all goes on",
    given: { cache_control: { type: "ephemeral" } },
    expected: { cacheControl: { type: "ephemeral" } },
  },
  {
    name: "unknown fields go on in their order",
    given: { zeta: { b: 1, a: [null] }, service_tier: "default", alpha: 0 },
    expected: { extra: { zeta: { b: 1, a: [null] }, service_tier: "default", alpha: 0 } },
  },
  {
    name: "streaming is asked for",
    given: { stream: true, stream_options: { include_usage: true }, usage: { include: true } },
    expected: { stream: true, extra: {} },
  },
];

test.each(TRANSLATED)("$name", ({ given, expected }) => {
  const { request, warnings } = parsed(given);
  expect(request).toMatchObject(expected);
  expect(warnings).toEqual([]);
});

test("the order of unknown fields is the client's", () => {
  expect(Object.keys(parsed({ zeta: 1, service_tier: "auto", alpha: 0 }).request.extra)).toEqual([
    "zeta",
    "service_tier",
    "alpha",
  ]);
});

test("a __proto__ in the body is no prototype", () => {
  const body = JSON.parse(
    '{"model":"a/b","messages":[{"role":"user","content":"hi"}],"__proto__":{"admin":true}}',
  ) as object;
  const result = openAiChat.parse(body);
  expect(result.ok && Object.getPrototypeOf(result.value.request.extra)).toBe(Object.prototype);
  expect(result.ok && "admin" in result.value.request.extra).toBe(false);
});

test("model comes before models, each once, and provider and session are kept", () => {
  const found = parsed({ models: ["c/d", "a/b", "c/d"], provider: { order: ["x"] }, session_id: "s" });
  expect(found).toMatchObject({ models: ["a/b", "c/d"], provider: { order: ["x"] }, sessionId: "s" });
});

const MESSAGES: readonly { readonly name: string; readonly given: object; readonly expected: object }[] = [
  {
    name: "a system message with a breakpoint for the whole of it",
    given: { role: "system", content: "be kind", cache_control: { type: "ephemeral" }, name: "n" },
    expected: {
      role: "system",
      parts: [{ type: "text", text: "be kind", cacheControl: { type: "ephemeral" } }],
      name: "n",
    },
  },
  {
    name: "a developer message in parts",
    given: {
      role: "developer",
      content: [
        { type: "text", text: "a" },
        { type: "text", text: "b" },
      ],
    },
    expected: {
      role: "developer",
      parts: [
        { type: "text", text: "a" },
        { type: "text", text: "b" },
      ],
    },
  },
  {
    name: "a user message with every kind of part",
    given: {
      role: "user",
      content: [
        { type: "text", text: "look", cache_control: { type: "ephemeral", ttl: "5m" } },
        { type: "text", text: "here", prompt_cache_breakpoint: { mode: "explicit" } },
        { type: "image_url", image_url: { url: "https://example.com/a.png", detail: "low" } },
        { type: "image_url", image_url: { url: png } },
        { type: "input_audio", input_audio: { data: "UklG", format: "wav" } },
        { type: "video_url", video_url: { url: "https://example.com/a.mp4" } },
        { type: "input_video", video_url: { url: "data:video/mp4;base64,AAAA" } },
        { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBE" } },
        { type: "file", file: { file_id: "file-1" } },
      ],
    },
    expected: {
      role: "user",
      parts: [
        { type: "text", text: "look", cacheControl: { type: "ephemeral", ttl: "5m" } },
        { type: "text", text: "here", cacheControl: { type: "ephemeral" } },
        { type: "image", url: "https://example.com/a.png", detail: "low" },
        { type: "image", url: png },
        { type: "audio", data: "UklG", format: "wav" },
        { type: "video", url: "https://example.com/a.mp4" },
        { type: "video", url: "data:video/mp4;base64,AAAA" },
        { type: "file", filename: "a.pdf", data: "data:application/pdf;base64,JVBE" },
        { type: "file", fileId: "file-1" },
      ],
    },
  },
  {
    name: "an assistant message with calls and no content; empty arguments are {}",
    given: {
      role: "assistant",
      content: null,
      tool_calls: [
        { id: "c1", type: "function", function: { name: "f", arguments: '{"a": 1}' } },
        { id: "c2", type: "function", function: { name: "g", arguments: "" } },
      ],
    },
    expected: {
      role: "assistant",
      parts: [],
      reasoning: [],
      toolCalls: [
        { id: "c1", name: "f", input: '{"a": 1}' },
        { id: "c2", name: "g", input: "{}" },
      ],
    },
  },
  {
    name: "an assistant message with the images it made and a refusal",
    given: {
      role: "assistant",
      content: "see",
      images: [{ type: "image_url", image_url: { url: png } }],
      refusal: "no",
    },
    expected: {
      role: "assistant",
      parts: [
        { type: "text", text: "see" },
        { type: "image", url: png },
      ],
      toolCalls: [],
      reasoning: [],
      refusal: "no",
    },
  },
  {
    name: "reasoning entries win over the plain text and stay as they were",
    given: {
      role: "assistant",
      content: "x",
      reasoning: "plain",
      reasoning_details: [
        { type: "reasoning.text", text: "a", signature: "s==", format: "anthropic-claude-v1", index: 0, id: null },
        { type: "reasoning.encrypted", data: "ENC", id: "r1", format: "openai-responses-v1", index: 1 },
      ],
    },
    expected: {
      role: "assistant",
      parts: [{ type: "text", text: "x" }],
      toolCalls: [],
      reasoning: [
        { type: "reasoning.text", text: "a", signature: "s==", format: "anthropic-claude-v1", index: 0, id: null },
        { type: "reasoning.encrypted", data: "ENC", id: "r1", format: "openai-responses-v1", index: 1 },
      ],
    },
  },
  {
    name: "pieces of a streamed entry are joined, encrypted ones never",
    given: {
      role: "assistant",
      reasoning_details: [
        { type: "reasoning.text", text: "a", index: 0, format: "anthropic-claude-v1" },
        { type: "reasoning.text", text: "b", index: 0 },
        { type: "reasoning.text", signature: "sig", index: 0 },
        { type: "reasoning.text", text: "c", index: 1 },
        { type: "reasoning.encrypted", data: "E", index: 2 },
        { type: "reasoning.encrypted", data: "F", index: 2 },
        { type: "reasoning.summary", summary: "one" },
        { type: "reasoning.summary", summary: "two" },
      ],
    },
    expected: {
      role: "assistant",
      parts: [],
      toolCalls: [],
      reasoning: [
        { type: "reasoning.text", text: "ab", signature: "sig", index: 0, format: "anthropic-claude-v1" },
        { type: "reasoning.text", text: "c", index: 1 },
        { type: "reasoning.encrypted", data: "E", index: 2 },
        { type: "reasoning.encrypted", data: "F", index: 2 },
        { type: "reasoning.summary", summary: "one" },
        { type: "reasoning.summary", summary: "two" },
      ],
    },
  },
  {
    name: "reasoning_content alone becomes one entry",
    given: { role: "assistant", content: "x", reasoning_content: "because" },
    expected: {
      role: "assistant",
      parts: [{ type: "text", text: "x" }],
      toolCalls: [],
      reasoning: [{ type: "reasoning.text", text: "because" }],
    },
  },
  {
    name: "a tool message",
    given: { role: "tool", tool_call_id: "c1", content: [{ type: "text", text: "42" }], name: "f" },
    expected: { role: "tool", toolCallId: "c1", parts: [{ type: "text", text: "42" }] },
  },
];

test.each(MESSAGES)("message: $name", ({ given, expected }) => {
  expect(parsed({ messages: [given] }).request.messages).toEqual([expected]);
});

const WARNED: readonly { readonly name: string; readonly given: object; readonly expected: readonly string[] }[] = [
  {
    name: "two output limits",
    given: { max_tokens: 1, max_completion_tokens: 2 },
    expected: ["max_tokens was ignored because max_completion_tokens is set, too"],
  },
  {
    name: "a plugin that is on",
    given: { plugins: [{ id: "web" }, { id: "moderation", enabled: false }] },
    expected: ['The plugin "web" is not available and was left out'],
  },
  {
    name: "transforms",
    given: { transforms: ["middle-out"] },
    expected: ["transforms are not available: the messages are sent as they are"],
  },
  { name: "no transforms", given: { transforms: [], route: "fallback" }, expected: [] },
  {
    name: "the old route",
    given: { route: "sort" },
    expected: ["route is not available: use provider.sort with partition none"],
  },
  {
    name: "a cache of answers",
    given: { cache_enabled: true, trace: { trace_id: "t" } },
    expected: ["cache_enabled is not available and was left out", "trace is not available and was left out"],
  },
  { name: "metadata", given: { metadata: { a: "b" } }, expected: ["metadata is not passed on and not kept"] },
  // Passed on, it would be billed to the operator at a price that no endpoint lists.
  {
    name: "a service tier with a price of its own",
    given: { service_tier: "priority" },
    expected: ["service_tier is not available: the default tier was used"],
  },
  {
    name: "a summary of reasoning",
    given: { reasoning: { summary: "concise" } },
    expected: ["reasoning.summary is not passed on"],
  },
  { name: "a mode of reasoning", given: { reasoning: { mode: "pro" } }, expected: ["reasoning.mode is not passed on"] },
  {
    name: "an entry of reasoning from elsewhere",
    given: {
      messages: [{ role: "assistant", content: "x", reasoning_details: [{ type: "reasoning.server_tool_call" }] }],
    },
    expected: ["messages[0].reasoning_details holds an entry of a type that is not known and was left out"],
  },
];

test.each(WARNED)("$name is reported as far as it is not honoured", ({ given, expected }) => {
  const { warnings, request } = parsed(given);
  expect(warnings).toEqual(expected);
  expect(request.extra).toEqual({});
});

/** A body that would be fine but for `change`. */
const body = (change: object): object => ({ model: "a/b", messages: hi, ...change });

const REFUSED: readonly {
  readonly name: string;
  readonly given: unknown;
  readonly path?: string;
  readonly message: string;
  readonly type?: string;
}[] = [
  { name: "an array", given: [], message: "The body must be a JSON object" },
  { name: "null", given: null, message: "The body must be a JSON object" },
  { name: "no input", given: {}, path: "messages", message: 'Input required: specify "prompt" or "messages"' },
  {
    name: "the legacy prompt",
    given: { prompt: "hi" },
    path: "messages",
    message: '"prompt" is not taken here: send it as messages: [{"role": "user", "content": ...}]',
  },
  {
    name: "no message",
    given: body({ messages: [] }),
    path: "messages",
    message: "messages must have at least 1 entry",
  },
  {
    name: "messages that are text",
    given: body({ messages: "hi" }),
    path: "messages",
    message: "messages must be an array, not a string",
  },
  {
    name: "no model",
    given: body({ model: undefined }),
    path: "model",
    message: 'No models provided: name one in "model", or several in "models"',
  },
  {
    name: "an empty model",
    given: body({ model: "" }),
    path: "model",
    message: "model must have at least 1 character",
  },
  {
    name: "an unknown role",
    given: body({ messages: [...hi, { role: "robot", content: "x" }] }),
    path: "messages[1].role",
    message: 'messages[1].role must be one of "system", "developer", "user", "assistant", "tool"',
  },
  {
    name: "a message that is text",
    given: body({ messages: ["hi"] }),
    path: "messages[0]",
    message: "messages[0] must be an object, not a string",
  },
  {
    name: "a user without content",
    given: body({ messages: [{ role: "user" }] }),
    path: "messages[0].content",
    message: "messages[0].content is required: a string or an array",
  },
  {
    name: "content that is a number",
    given: body({ messages: [{ role: "user", content: 5 }] }),
    path: "messages[0].content",
    message: "messages[0].content must be a string or an array, not a number",
  },
  {
    name: "a tool result for no call",
    given: body({ messages: [{ role: "tool", content: "x" }] }),
    path: "messages[0].tool_call_id",
    message: "messages[0].tool_call_id is required: a string",
  },
  {
    name: "a part of an unknown type",
    given: body(part({ type: "picture" })),
    path: "messages[0].content[0].type",
    message:
      'messages[0].content[0].type must be one of "text", "image_url", "input_audio", "video_url", "input_video", "video", "file"',
  },
  {
    name: "a text part without text",
    given: body(part({ type: "text" })),
    path: "messages[0].content[0].text",
    message: "messages[0].content[0].text is required: a string",
  },
  {
    name: "an image in a system message",
    given: body({ messages: [{ role: "system", content: [{ type: "image_url", image_url: { url: png } }] }] }),
    path: "messages[0].content[0].type",
    message: 'messages[0].content[0].type must be "text"',
  },
  {
    name: "an image by ftp",
    given: body(part({ type: "image_url", image_url: { url: "ftp://example.com/a.png" } })),
    path: "messages[0].content[0].image_url.url",
    message:
      "messages[0].content[0].image_url.url must be an http(s) URL or a data URL such as data:image/png;base64,...",
    type: "invalid_image",
  },
  {
    name: "an image URL that is none",
    given: body(part({ type: "image_url", image_url: { url: "https://" } })),
    path: "messages[0].content[0].image_url.url",
    message:
      "messages[0].content[0].image_url.url is not a valid URL; it must be an http(s) URL or a data URL such as data:image/png;base64,...",
    type: "invalid_image",
  },
  {
    name: "a data URL that is not base64",
    given: body(part({ type: "image_url", image_url: { url: "data:image/png,abc" } })),
    path: "messages[0].content[0].image_url.url",
    message:
      "messages[0].content[0].image_url.url is not a well-formed base64 data URL; it must be an http(s) URL or a data URL such as data:image/png;base64,...",
    type: "invalid_image",
  },
  {
    name: "a data URL without data",
    given: body(part({ type: "image_url", image_url: { url: "data:image/png;base64," } })),
    path: "messages[0].content[0].image_url.url",
    message:
      "messages[0].content[0].image_url.url is a data URL without data; it must be an http(s) URL or a data URL such as data:image/png;base64,...",
    type: "invalid_image",
  },
  {
    name: "a PDF as an image",
    given: body(part({ type: "image_url", image_url: { url: "data:application/pdf;base64,JVBE" } })),
    path: "messages[0].content[0].image_url.url",
    message:
      "messages[0].content[0].image_url.url holds no image; it must be an http(s) URL or a data URL such as data:image/png;base64,...",
    type: "unsupported_image_format",
  },
  {
    name: "an image in place of its object",
    given: body(part({ type: "image_url", image_url: png })),
    path: "messages[0].content[0].image_url",
    message: "messages[0].content[0].image_url must be an object, not a string",
  },
  {
    name: "audio by URL",
    given: body(part({ type: "input_audio", input_audio: { data: "https://example.com/a.wav", format: "wav" } })),
    path: "messages[0].content[0].input_audio.data",
    message: "messages[0].content[0].input_audio.data must be base64; audio URLs are not supported",
  },
  {
    name: "audio with a prefix",
    given: body(part({ type: "input_audio", input_audio: { data: "data:audio/wav;base64,UklG", format: "wav" } })),
    path: "messages[0].content[0].input_audio.data",
    message: "messages[0].content[0].input_audio.data must be the base64 alone, without a data: prefix",
  },
  {
    name: "a file that is empty",
    given: body(part({ type: "file", file: { filename: "a.pdf" } })),
    path: "messages[0].content[0].file",
    message: "messages[0].content[0].file needs file_data (a URL or data URL) or file_id",
  },
  {
    name: "arguments that are an object",
    given: body({
      messages: [{ role: "assistant", tool_calls: [{ id: "c", function: { name: "f", arguments: { a: 1 } } }] }],
    }),
    path: "messages[0].tool_calls[0].function.arguments",
    message: "messages[0].tool_calls[0].function.arguments must be a string, not an object",
  },
  { name: "too hot", given: body({ temperature: 2.1 }), path: "temperature", message: "temperature must be at most 2" },
  {
    name: "too cold",
    given: body({ temperature: -1 }),
    path: "temperature",
    message: "temperature must be at least 0",
  },
  {
    name: "a temperature as text",
    given: body({ temperature: "1" }),
    path: "temperature",
    message: "temperature must be a number, not a string",
  },
  {
    name: "half a token",
    given: body({ max_tokens: 1.5 }),
    path: "max_tokens",
    message: "max_tokens must be a whole number",
  },
  {
    name: "no token",
    given: body({ max_completion_tokens: 0 }),
    path: "max_completion_tokens",
    message: "max_completion_tokens must be at least 1",
  },
  {
    name: "too many logprobs",
    given: body({ top_logprobs: 21 }),
    path: "top_logprobs",
    message: "top_logprobs must be at most 20",
  },
  {
    name: "five stops",
    given: body({ stop: ["a", "b", "c", "d", "e"] }),
    path: "stop",
    message: "stop must have at most 4 entries",
  },
  {
    name: "a stop that is a number",
    given: body({ stop: ["a", 1] }),
    path: "stop[1]",
    message: "stop[1] must be a string, not a number",
  },
  {
    name: "streaming as text",
    given: body({ stream: "yes" }),
    path: "stream",
    message: "stream must be a boolean, not a string",
  },
  {
    name: "a server tool",
    given: body({ tools: [{ type: "openrouter:web_search" }] }),
    path: "tools[0].type",
    message: 'tools[0].type must be "function"; server tools and custom tools are not available here',
  },
  {
    name: "a tool without a name",
    given: body({ tools: [{ type: "function", function: {} }] }),
    path: "tools[0].function.name",
    message: "tools[0].function.name is required: a string",
  },
  {
    name: "a tool with a name that is too long",
    given: body({ tools: [{ type: "function", function: { name: "f".repeat(65) } }] }),
    path: "tools[0].function.name",
    message: "tools[0].function.name must have at most 64 characters",
  },
  {
    name: "tool parameters that are a list",
    given: body({ tools: [{ type: "function", function: { name: "f", parameters: [] } }] }),
    path: "tools[0].function.parameters",
    message: "tools[0].function.parameters must be an object",
  },
  {
    name: "an unknown tool choice",
    given: body({ tool_choice: "any" }),
    path: "tool_choice",
    message: 'tool_choice must be one of "none", "auto", "required" or an object, not a string',
  },
  {
    name: "an unknown format",
    given: body({ response_format: { type: "xml" } }),
    path: "response_format.type",
    message: 'response_format.type must be one of "text", "json_object", "json_schema"',
  },
  {
    name: "a schema without a name",
    given: body({ response_format: { type: "json_schema", json_schema: { schema: {} } } }),
    path: "response_format.json_schema.name",
    message: "response_format.json_schema.name is required: a string",
  },
  {
    name: "an unknown effort",
    given: body({ reasoning: { effort: "huge" } }),
    path: "reasoning.effort",
    message: 'reasoning.effort must be one of "max", "xhigh", "high", "medium", "low", "minimal", "none"',
  },
  {
    name: "two efforts",
    given: body({ reasoning_effort: "low", reasoning: { effort: "high" } }),
    path: "reasoning_effort",
    message: "reasoning_effort contradicts reasoning.effort: set one of them",
  },
  {
    name: "an effort and a budget",
    given: body({ reasoning: { effort: "high", max_tokens: 2_000 } }),
    path: "reasoning.effort",
    message: "reasoning.effort and reasoning.max_tokens exclude each other: set one of them",
  },
  {
    name: "17 pairs of metadata",
    given: body({ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`k${at}`, "v"])) }),
    path: "metadata",
    message: "metadata must have at most 16 pairs",
  },
  {
    name: "a metadata value that is too long",
    given: body({ metadata: { a: "x".repeat(513) } }),
    path: "metadata.a",
    message: "metadata.a must have at most 512 characters",
  },
  {
    name: "a metadata value that is a number",
    given: body({ metadata: { a: 1 } }),
    path: "metadata.a",
    message: "metadata.a must be a string, not a number",
  },
  {
    name: "a metadata key that is too long",
    given: body({ metadata: { ["k".repeat(65)]: "v" } }),
    path: `metadata.${"k".repeat(64)}`,
    message: `metadata.${"k".repeat(64)} has a key that is not allowed: must have at most 64 characters`,
  },
  {
    name: "a long session id",
    given: body({ session_id: "s".repeat(257) }),
    path: "session_id",
    message: "session_id must have at most 256 characters",
  },
  {
    name: "a provider that is text",
    given: body({ provider: "openai" }),
    path: "provider",
    message: "provider must be an object",
  },
  {
    name: "an unknown modality",
    given: body({ modalities: ["smell"] }),
    path: "modalities[0]",
    message: 'modalities[0] must be one of "text", "image", "audio"',
  },
  {
    name: "too many models",
    given: body({ models: Array.from({ length: 17 }, (_, at) => `a/${at}`) }),
    path: "models",
    message: "models must have at most 16 entries",
  },
  {
    name: "a strange breakpoint",
    given: body({ cache_control: { type: "forever" } }),
    path: "cache_control.type",
    message: 'cache_control.type must be "ephemeral"',
  },
  {
    name: "deep nesting in an unknown field",
    given: body({ zeta: nested(DEPTH_MAX) }),
    path: "zeta",
    message: "zeta is nested more than 64 levels deep",
  },
  {
    name: "deep nesting in a tool",
    given: body({ tools: [{ type: "function", function: { name: "f", parameters: { a: nested(100_000) } } }] }),
    path: "tools",
    message: "tools is nested more than 64 levels deep",
  },
];

test.each(REFUSED)("$name is refused", ({ given, path, message, type }) => {
  const found = fault(given);
  expect(found.message).toBe(message);
  expect(found.path).toBe(path);
  expect(found.errorType).toBe(type);
});

test("nesting up to the limit is taken", () => {
  expect(parsed({ zeta: nested(DEPTH_MAX - 1) }).request.extra).toHaveProperty("zeta");
});

test("more messages than the limit are refused", () => {
  const messages = Array.from({ length: 10_001 }, () => hi[0]);
  expect(fault({ model: "a/b", messages }).message).toBe("messages must have at most 10000 entries");
});

test("an image of 25 MB is the very same string, looked at only at its start", () => {
  const url = `data:image/png;base64,${"A".repeat(25_000_000)}`;
  // Makes one flat string of it, as JSON.parse would.
  expect(url.charCodeAt(url.length - 1)).toBe(65);
  const startMs = performance.now();
  const { request } = parsed(part({ type: "image_url", image_url: { url } }));
  const tookMs = performance.now() - startMs;
  const image = request.messages[0]?.parts[0];
  expect(image?.type === "image" && image.url === url).toBe(true);
  expect(tookMs).toBeLessThan(100);
});
