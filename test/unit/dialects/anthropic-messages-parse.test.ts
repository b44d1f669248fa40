/** Bodies of `POST /messages`: what each part becomes, what is refused with which words, what is said to be left out. */
import { expect, test } from "vitest";
import type { ChatRequest, Message } from "../../../src/core/chat.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages.ts";
import type { ParsedBody } from "../../../src/dialects/dialect.ts";

const HI = [{ role: "user", content: "Hi" }];

function parse(change: Record<string, unknown>, headers: Record<string, string> = {}) {
  const body = { model: "a/b", max_tokens: 9, messages: HI, ...change };
  return anthropicMessages.parse(body, { header: (name) => headers[name] ?? null });
}

function parsed(change: Record<string, unknown>, headers?: Record<string, string>): ParsedBody {
  const result = parse(change, headers);
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

const ephemeral = { type: "ephemeral" } as const;
const hour = { type: "ephemeral", ttl: "1h" } as const;
const pdf = { type: "base64", media_type: "application/pdf", data: "JVBE" };

const CONVERSATIONS: readonly {
  readonly name: string;
  readonly messages: unknown;
  readonly expected: readonly Message[];
}[] = [
  { name: "text", messages: HI, expected: [{ role: "user", parts: [{ type: "text", text: "Hi" }] }] },
  {
    name: "images and documents of every source, with breakpoints",
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "See", cache_control: ephemeral },
          { type: "image", source: { type: "base64", media_type: "image/webp", data: "QUJD" }, cache_control: hour },
          { type: "image", source: { type: "url", url: "https://a.example/i.png" } },
          { type: "document", source: pdf, title: "a.pdf", cache_control: ephemeral },
          { type: "document", source: { type: "url", url: "https://a.example/b.pdf" }, context: "The contract." },
          { type: "document", source: { type: "text", media_type: "text/plain", data: "Grüße" } },
          { type: "document", source: { type: "file", file_id: "file_1" } },
          { type: "document", source: { type: "content", content: [{ type: "text", text: "C" }] }, title: "T" },
        ],
      },
    ],
    expected: [
      {
        role: "user",
        parts: [
          { type: "text", text: "See", cacheControl: ephemeral },
          { type: "image", url: "data:image/webp;base64,QUJD", cacheControl: hour },
          { type: "image", url: "https://a.example/i.png" },
          { type: "file", filename: "a.pdf", data: "data:application/pdf;base64,JVBE", cacheControl: ephemeral },
          { type: "text", text: "The contract." },
          { type: "file", data: "https://a.example/b.pdf" },
          { type: "file", data: `data:text/plain;base64,${Buffer.from("Grüße").toString("base64")}` },
          { type: "file", fileId: "file_1" },
          { type: "text", text: "T" },
          { type: "text", text: "C" },
        ],
      },
    ],
  },
  {
    name: "thinking between calls, and the results of tools before what the user says",
    messages: [
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "One", signature: "c2ln" },
          { type: "tool_use", id: "t1", name: "f", input: { b: 1, a: [2] } },
          { type: "redacted_thinking", data: "EmwK" },
          { type: "tool_use", id: "t2", name: "g", input: {}, cache_control: ephemeral },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "t1", content: "18", cache_control: hour },
          {
            type: "tool_result",
            tool_use_id: "t2",
            is_error: true,
            content: [
              { type: "text", text: "no" },
              { type: "image", source: { type: "base64", media_type: "image/png", data: "QUJD" } },
              { type: "document", source: pdf },
            ],
          },
          { type: "tool_result", tool_use_id: "t3" },
          { type: "text", text: "Go on." },
        ],
      },
    ],
    expected: [
      {
        role: "assistant",
        parts: [],
        toolCalls: [
          { id: "t1", name: "f", input: '{"b":1,"a":[2]}' },
          { id: "t2", name: "g", input: "{}", cacheControl: ephemeral },
        ],
        reasoning: [
          { type: "reasoning.text", text: "One", signature: "c2ln", format: "anthropic-claude-v1", index: 0 },
          { type: "reasoning.encrypted", data: "EmwK", format: "anthropic-claude-v1", index: 1 },
        ],
        order: ["reasoning", "call", "reasoning", "call"],
      },
      { role: "tool", toolCallId: "t1", parts: [{ type: "text", text: "18", cacheControl: hour }] },
      {
        role: "tool",
        toolCallId: "t2",
        isError: true,
        parts: [
          { type: "text", text: "no" },
          { type: "image", url: "data:image/png;base64,QUJD" },
          { type: "file", data: "data:application/pdf;base64,JVBE" },
        ],
      },
      { role: "tool", toolCallId: "t3", parts: [] },
      { role: "user", parts: [{ type: "text", text: "Go on." }] },
    ],
  },
  {
    name: "thought without a signature, a beginning to go on from, and a system message",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hi" },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "Hm", signature: "" },
          { type: "text", text: "{" },
        ],
      },
    ],
    expected: [
      { role: "system", parts: [{ type: "text", text: "Be brief." }] },
      { role: "user", parts: [{ type: "text", text: "Hi" }] },
      {
        role: "assistant",
        parts: [{ type: "text", text: "{" }],
        toolCalls: [],
        reasoning: [{ type: "reasoning.text", text: "Hm", format: "unknown", index: 0 }],
      },
    ],
  },
  {
    name: "a search result is text",
    messages: [
      {
        role: "user",
        content: [
          { type: "search_result", source: "https://a.example", title: "A", content: [{ type: "text", text: "x" }] },
        ],
      },
    ],
    expected: [{ role: "user", parts: [{ type: "text", text: "A (https://a.example)\nx" }] }],
  },
];

test.each(CONVERSATIONS)("messages: $name", ({ messages, expected }) => {
  expect(parsed({ messages }).request.messages).toEqual(expected);
});

const FIELDS: readonly { readonly name: string; readonly body: object; readonly request: Partial<ChatRequest> }[] = [
  {
    name: "system blocks come first, each with its breakpoint",
    body: {
      system: [
        { type: "text", text: "S", cache_control: hour },
        { type: "text", text: "T" },
      ],
    },
    request: {
      messages: [
        {
          role: "system",
          parts: [
            { type: "text", text: "S", cacheControl: hour },
            { type: "text", text: "T" },
          ],
        },
        { role: "user", parts: [{ type: "text", text: "Hi" }] },
      ],
    },
  },
  {
    name: "tools, one of which must be called, one at a time",
    body: {
      tools: [
        { name: "f", description: "d", input_schema: { type: "object" }, strict: true, cache_control: ephemeral },
      ],
      tool_choice: { type: "any", disable_parallel_tool_use: true },
    },
    request: {
      tools: [{ name: "f", description: "d", parameters: { type: "object" }, strict: true, cacheControl: ephemeral }],
      toolChoice: { kind: "required" },
      parallelToolCalls: false,
    },
  },
  {
    name: "a certain tool",
    body: { tools: [{ type: "custom", name: "f", input_schema: {} }], tool_choice: { type: "tool", name: "f" } },
    request: { toolChoice: { kind: "function", name: "f" } },
  },
  {
    name: "a budget of thinking",
    body: { thinking: { type: "enabled", budget_tokens: 2048 } },
    request: { reasoning: { enabled: true, maxTokens: 2048 } },
  },
  {
    name: "adaptive thinking with an effort, not shown",
    body: { thinking: { type: "adaptive", display: "omitted" }, output_config: { effort: "max" } },
    request: { reasoning: { enabled: true, effort: "max", exclude: true } },
  },
  { name: "no thinking", body: { thinking: { type: "disabled" } }, request: { reasoning: { enabled: false } } },
  {
    name: "an effort without thinking",
    body: { output_config: { effort: "low" } },
    request: { sampling: { verbosity: "low" } },
  },
  {
    name: "a schema for the answer",
    body: { output_config: { format: { type: "json_schema", schema: { type: "object" } } } },
    request: { responseFormat: { kind: "json_schema", name: "response", schema: { type: "object" }, strict: true } },
  },
  {
    name: "sampling and stops",
    body: { temperature: 0.5, top_p: 0.9, top_k: 5, stop_sequences: ["A", "B", "C", "D", "E"], stream: true },
    request: {
      sampling: { temperature: 0.5, top_p: 0.9, top_k: 5 },
      stop: ["A", "B", "C", "D", "E"],
      maxOutputTokens: 9,
      stream: true,
    },
  },
  {
    name: "the automatic breakpoint, and who asks",
    body: { cache_control: hour, metadata: { user_id: "u-1" } },
    request: { cacheControl: hour, user: "u-1" },
  },
  { name: "what nobody knows", body: { zeta: { a: 1 }, service_tier: "auto" }, request: { extra: { zeta: { a: 1 } } } },
];

test.each(FIELDS)("$name", ({ body, request }) => {
  expect(parsed(body as Record<string, unknown>).request).toMatchObject(request);
});

test("both versions of the API are taken, and none as well", () => {
  for (const version of ["2023-06-01", "2026-10-21"]) parsed({ temperature: 0.5 }, { "anthropic-version": version });
  parsed({});
});

test("fallbacks are further models", () => {
  expect(parsed({ fallbacks: [{ model: "c/d" }, { model: "a/b" }] }).models).toEqual(["a/b", "c/d"]);
});

test("trial features that change no price are passed on; those that need no passing on are not spoken of", () => {
  const headers = {
    "anthropic-beta": "interleaved-thinking-2025-05-14, claude-code-20250219,context-1m-2025-08-07",
    "x-anthropic-beta": "fine-grained-tool-streaming-2025-05-14",
  };
  const { request, warnings } = parsed({}, headers);
  expect(request.betas).toEqual(["interleaved-thinking-2025-05-14", "fine-grained-tool-streaming-2025-05-14"]);
  expect(warnings).toEqual([expect.stringContaining("context-1m-2025-08-07")]);
});

const user = (block: object): object => ({ messages: [{ role: "user", content: [block] }] });
const image = (source: object): object => user({ type: "image", source });

test.each([
  {
    name: "another version",
    change: {},
    headers: { "anthropic-version": "2021-01-01" },
    path: "anthropic-version",
    words: /2023-06-01/,
  },
  { name: "no model", change: { model: null }, path: "model", words: /No models/ },
  { name: "no messages", change: { messages: [] }, path: "messages", words: /at least 1/ },
  {
    name: "messages of the system alone",
    change: { messages: [{ role: "system", content: "x" }] },
    path: "messages",
    words: /nothing that can be sent/,
  },
  {
    name: "an unknown role",
    change: { messages: [{ role: "tool", content: "x" }] },
    path: "messages[0].role",
    words: /"user"/,
  },
  {
    name: "an unknown block",
    change: user({ type: "smell" }),
    path: "messages[0].content[0].type",
    words: /"document"/,
  },
  {
    name: "an image that is none",
    change: image({ type: "base64", media_type: "text/html", data: "QUJD" }),
    path: "messages[0].content[0].source.media_type",
    words: /images/,
  },
  {
    name: "an image without data",
    change: image({ type: "base64", media_type: "image/png", data: "" }),
    path: "messages[0].content[0].source.data",
    words: /at least 1/,
  },
  {
    name: "an image of a file",
    change: image({ type: "file", file_id: "f" }),
    path: "messages[0].content[0].source.type",
    words: /"base64", "url"/,
  },
  {
    name: "a broken address",
    change: image({ type: "url", url: "ftp://a" }),
    path: "messages[0].content[0].source.url",
    words: /http/,
  },
  {
    name: "a provider's own tool",
    change: { tools: [{ type: "bash_20250124", name: "bash", input_schema: {} }] },
    path: "tools[0].type",
    words: /"custom"/,
  },
  {
    name: "a tool without a schema",
    change: { tools: [{ name: "f" }] },
    path: "tools[0].input_schema",
    words: /object/,
  },
  {
    name: "servers of tools",
    change: { mcp_servers: [{ url: "https://a" }] },
    path: "mcp_servers",
    words: /not available/,
  },
  {
    name: "fallbacks beside models",
    change: { models: ["a/b"], fallbacks: [{ model: "c/d" }] },
    path: "fallbacks",
    words: /exclude/,
  },
  { name: "a hot temperature", change: { temperature: "hot" }, path: "temperature", words: /number/ },
])("$name is refused by name", ({ change, headers, path, words }) => {
  const result = parse(change as Record<string, unknown>, headers);
  expect(result).toMatchObject({ ok: false, error: { kind: "bad_request", message: expect.stringMatching(words) } });
  expect(result.ok ? undefined : result.error.path).toBe(path);
});

test.each([
  {
    name: "blocks of another provider's tools",
    change: { messages: [...HI, { role: "assistant", content: [{ type: "server_tool_use", id: "s" }] }] },
    words: /^messages\[1\].*server_tool_use/,
  },
  {
    name: "citations",
    change: user({ type: "document", source: pdf, citations: { enabled: true } }),
    words: /^Citations/,
  },
  { name: "context management", change: { context_management: { edits: [] } }, words: /^context_management/ },
  {
    name: "tools that are to be loaded later",
    change: { tools: [{ name: "f", input_schema: {}, defer_loading: true }] },
    words: /^tools\[0\]\.defer_loading/,
  },
  { name: "plugins", change: { plugins: [{ id: "web" }] }, words: /^The plugin "web"/ },
])("$name are taken, and said to be left out", ({ change, words }) => {
  expect(parsed(change as Record<string, unknown>).warnings).toEqual([expect.stringMatching(words)]);
});
