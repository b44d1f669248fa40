/**
 * What clients of `POST /messages` hear. Every stream is read by the official client's own accumulator; a stream and a
 * buffered answer hold the same; what it says can be sent back.
 */
import Anthropic from "@anthropic-ai/sdk";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { AssistantMessage, ReasoningDetail } from "../../../src/core/chat.ts";
import type { FinishReason, GenerationEvent } from "../../../src/core/event.ts";
import { asGenerationId } from "../../../src/core/ids.ts";
import type { AnswerTail, ErrorFace } from "../../../src/dialects/dialect.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages.ts";
import { call, collected, FACE, finish, HEAD, input, reasoning, refusal, TAIL, text } from "./answers.ts";

interface Wire {
  readonly type: string;
  readonly [member: string]: unknown;
}

/** One event per call of `render`, as they may come. */
function streamed(
  events: readonly GenerationEvent[],
  end: { tail?: AnswerTail; fault?: ErrorFace; hides?: boolean } = {},
): string {
  const renderer = anthropicMessages.createStreamRenderer({ ...HEAD, excludeReasoning: end.hides === true });
  const body = events.map((event) => renderer.render([event])).join("");
  const tail = end.tail ?? TAIL;
  return body + (end.fault === undefined ? renderer.end(tail) : renderer.fail(end.fault, tail));
}

function eventsOf(stream: string): Wire[] {
  return stream
    .split("\n\n")
    .slice(0, -1)
    .map((frame) => {
      const [, name = "", json = ""] = /^event: (.*)\ndata: (.*)$/.exec(frame) ?? [];
      const event = JSON.parse(json) as Wire;
      expect(event.type).toBe(name);
      return event;
    });
}

/** What the official client's stream helper makes of it. */
async function read(stream: string): Promise<Anthropic.Message> {
  const client = new Anthropic({
    apiKey: "none",
    maxRetries: 0,
    fetch: async () => new Response(stream, { headers: { "Content-Type": "text/event-stream" } }),
  });
  return await client.messages
    .stream({ model: "a/b", max_tokens: 9, messages: [{ role: "user", content: "Hi" }] })
    .finalMessage();
}

const signed = (index: number, said: string, signature: string): GenerationEvent[] => [
  reasoning({ type: "reasoning.text", text: said, format: "anthropic-claude-v1", index }),
  reasoning({ type: "reasoning.text", signature, format: "anthropic-claude-v1", index }),
];

const ANSWERS: readonly {
  readonly name: string;
  readonly events: readonly GenerationEvent[];
  readonly types: string;
}[] = [
  { name: "text", events: [text("Hel"), text("lo"), finish("stop")], types: "text" },
  { name: "nothing", events: [finish("stop")], types: "" },
  { name: "a refusal and nothing else", events: [refusal("I "), refusal("can't."), finish("stop")], types: "text" },
  {
    name: "a refusal behind text",
    events: [text("Well, "), refusal("no."), finish("content_filter", "refusal")],
    types: "text",
  },
  {
    name: "signed thinking, text, one call",
    events: [
      ...signed(0, "Hm.", "c2ln"),
      text("I look."),
      call(0, "toolu_1", "f"),
      input(0, '{"a":'),
      input(0, "1}"),
      finish("tool_calls"),
    ],
    types: "thinking text tool_use",
  },
  {
    name: "thinking between calls, and redacted thinking",
    events: [
      ...signed(0, "First.", "c2ln"),
      call(0, "toolu_1", "f"),
      input(0, "{}"),
      ...signed(1, "Then.", "bW9y"),
      reasoning({ type: "reasoning.encrypted", data: "EmwK", format: "anthropic-claude-v1", index: 2 }),
      call(1, "toolu_2", "g"),
      finish("tool_calls"),
    ],
    types: "thinking tool_use thinking redacted_thinking tool_use",
  },
  {
    name: "parallel calls whose pieces are mixed",
    events: [
      call(0, "call_1", "f"),
      call(1, "call_2", "g"),
      input(0, '{"a"'),
      input(1, '{"b"'),
      input(0, ":1}"),
      input(1, ":2}"),
      finish("tool_calls"),
    ],
    types: "tool_use tool_use",
  },
  {
    name: "thought of another provider, without a signature",
    events: [
      reasoning({ type: "reasoning.text", text: "Hm.", format: "unknown", index: 0 }),
      text("So."),
      finish("stop"),
    ],
    types: "thinking text",
  },
  {
    name: "a summary with its encrypted content, of another provider",
    events: [
      reasoning({
        type: "reasoning.summary",
        summary: "Thought.",
        id: "rs_1",
        format: "openai-responses-v1",
        index: 0,
      }),
      reasoning({ type: "reasoning.encrypted", data: "QUJD", id: "rs_1", format: "openai-responses-v1", index: 0 }),
      text("So."),
      finish("stop"),
    ],
    types: "thinking text",
  },
  {
    name: "a citation of the web",
    events: [
      text("See."),
      {
        type: "annotations",
        choice: 0,
        annotations: [
          {
            type: "url_citation",
            url_citation: { url: "https://a.example", title: "A", content: "c", start_index: 0, end_index: 4 },
          },
        ],
      },
      finish("stop"),
    ],
    types: "text",
  },
  {
    name: "an image",
    events: [{ type: "image", choice: 0, url: "https://a.example/i.png" }, finish("stop")],
    types: "text",
  },
];

test.each(ANSWERS)(
  "$name: the official client reads the stream, and it holds what a buffered answer holds",
  async ({ events, types }) => {
    const reply = anthropicMessages.renderReply(HEAD, collected(events), TAIL, null);
    const content = reply["content"] as readonly { readonly type: string }[];
    expect(content.map(({ type }) => type).join(" ")).toBe(types);
    const message = await read(streamed(events));
    // The client keeps its own notes beside the blocks.
    expect(message.content).toMatchObject(content as unknown as object[]);
    expect(message).toMatchObject({
      id: "gen-1-a",
      role: "assistant",
      model: "a/b",
      stop_reason: reply["stop_reason"],
    });
    expect(message.usage).toMatchObject({ input_tokens: 10, output_tokens: 12 });
  },
);

test("blocks come one after the other, unless the pieces of calls are mixed", () => {
  const order = (events: readonly GenerationEvent[]): string =>
    eventsOf(streamed(events))
      .filter(({ type }) => type === "content_block_start" || type === "content_block_stop")
      .map(({ type, index }) => `${type === "content_block_start" ? "+" : "-"}${String(index)}`)
      .join(" ");
  const [first, second] = [call(0, "a", "f"), call(1, "b", "g")];
  expect(order([text("x"), first, input(0, "{}"), second, input(1, '{"a":1}'), finish("tool_calls")])).toBe(
    "+0 -0 +1 -1 +2 -2",
  );
  expect(order([first, second, input(0, "{}"), input(1, "{}"), finish("tool_calls")])).toBe("+0 +1 -0 -1");
});

test("a text answer, event by event", () => {
  const usage = { ...TAIL.usage, outputText: 1 };
  const events = eventsOf(
    streamed([
      { type: "start", upstreamId: "u" },
      { type: "usage", usage },
      text("Hel"),
      text("lo"),
      finish("stop", "end_turn"),
    ]),
  );
  const counts = {
    input_tokens: 10,
    cache_creation_input_tokens: 3,
    cache_read_input_tokens: 4,
    cache_creation: { ephemeral_5m_input_tokens: 1, ephemeral_1h_input_tokens: 2 },
    server_tool_use: null,
    service_tier: "standard",
    inference_geo: null,
  };
  expect(events).toEqual([
    {
      type: "message_start",
      message: {
        id: "gen-1-a",
        type: "message",
        role: "assistant",
        model: "a/b",
        provider: "Acme",
        content: [],
        container: null,
        stop_reason: null,
        stop_sequence: null,
        stop_details: null,
        usage: { ...counts, output_tokens: 0, output_tokens_details: { thinking_tokens: 0 } },
      },
    },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "", citations: null } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hel" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "lo" } },
    { type: "content_block_stop", index: 0 },
    {
      type: "message_delta",
      delta: {
        stop_reason: "end_turn",
        stop_sequence: null,
        stop_details: null,
        container: null,
        native_finish_reason: "end_turn",
      },
      usage: {
        ...counts,
        output_tokens: 12,
        output_tokens_details: { thinking_tokens: 7 },
        cost: 0.00000012,
        is_byok: false,
        cost_details: {
          upstream_inference_cost: 0.0000001,
          upstream_inference_prompt_cost: 0.00000004,
          upstream_inference_completions_cost: 0.00000006,
        },
      },
    },
    { type: "message_stop" },
  ]);
});

const ENDS: readonly { readonly reason: FinishReason; readonly native: string | null; readonly stop: string | null }[] =
  [
    { reason: "stop", native: null, stop: "end_turn" },
    { reason: "stop", native: "STOP", stop: "end_turn" },
    { reason: "stop", native: "stop_sequence", stop: "stop_sequence" },
    { reason: "stop", native: "pause_turn", stop: "pause_turn" },
    { reason: "length", native: "MAX_TOKENS", stop: "max_tokens" },
    { reason: "length", native: "model_context_window_exceeded", stop: "model_context_window_exceeded" },
    { reason: "tool_calls", native: "tool_use", stop: "tool_use" },
    { reason: "content_filter", native: "SAFETY", stop: "refusal" },
  ];

test.each(ENDS)("$reason ($native) is $stop", async ({ reason, native, stop }) => {
  const events = [text("x"), finish(reason, native)];
  const reply = anthropicMessages.renderReply(HEAD, collected(events), TAIL, null);
  expect(reply).toMatchObject({ stop_reason: stop, native_finish_reason: native });
  expect(await read(streamed(events))).toMatchObject({ stop_reason: stop });
});

test("the stop sequence that was met is named", async () => {
  const events: GenerationEvent[] = [
    text("x"),
    { type: "finish", choice: 0, reason: "stop", nativeReason: "stop_sequence", stopSequence: "END" },
  ];
  const expected = { stop_reason: "stop_sequence", stop_sequence: "END" };
  expect(anthropicMessages.renderReply(HEAD, collected(events), TAIL, null)).toMatchObject(expected);
  expect(await read(streamed(events))).toMatchObject(expected);
});

test("a refusal is told with its reason, whatever the provider calls its end", async () => {
  const events = [text("Well."), refusal("Not that."), finish("stop")];
  const expected = {
    stop_reason: "refusal",
    stop_details: { type: "refusal", explanation: "Not that." },
    content: [{ text: "Well." }],
  };
  expect(anthropicMessages.renderReply(HEAD, collected(events), TAIL, null)).toMatchObject(expected);
  expect(await read(streamed(events))).toMatchObject(expected);
});

test("an answer that was cut for lack of credit ends by its length", () => {
  const tail = { ...TAIL, cut: { reason: "length", nativeReason: "credit_exhausted" } } as const;
  expect(eventsOf(streamed([text("x")], { tail })).at(-2)).toMatchObject({
    delta: { stop_reason: "max_tokens", native_finish_reason: "credit_exhausted" },
  });
});

const TYPES: readonly (readonly [type: string, expected: string])[] = [
  ["invalid_request", "invalid_request_error"],
  ["context_length_exceeded", "invalid_request_error"],
  ["content_policy_violation", "invalid_request_error"],
  ["unprocessable", "invalid_request_error"],
  ["payload_too_large", "invalid_request_error"],
  ["conflict", "invalid_request_error"],
  ["authentication", "authentication_error"],
  ["payment_required", "billing_error"],
  ["permission_denied", "permission_error"],
  ["not_found", "not_found_error"],
  ["rate_limit_exceeded", "rate_limit_error"],
  ["provider_overloaded", "overloaded_error"],
  ["timeout", "timeout_error"],
  ["provider_unavailable", "api_error"],
  ["server", "api_error"],
  ["unmapped", "api_error"],
];

test.each(TYPES)("%s is an %s, before an answer and within one", async (type, expected) => {
  const face: ErrorFace = { ...FACE, metadata: { error_type: type } };
  const error = { type: expected, message: FACE.message, error_type: type };
  const context = { requestId: null, generationId: asGenerationId("gen-1-a"), metadata: null };
  expect(anthropicMessages.renderError(face, context)).toEqual({
    type: "error",
    error,
    request_id: "gen-1-a",
    metadata: { error_type: type },
  });
  const stream = streamed([text("Half")], { fault: face });
  expect(eventsOf(stream).at(-1)).toMatchObject({
    type: "error",
    error,
    usage: { cost: 0.00000012 },
    request_id: "gen-1-a",
  });
  expect(eventsOf(stream).filter((event) => event.type === "error")).toHaveLength(1);
  await expect(read(stream)).rejects.toThrow(FACE.message);
});

test("a buffered answer that broke keeps what was delivered, and says why", () => {
  expect(anthropicMessages.renderReply(HEAD, collected([text("Half")]), TAIL, FACE)).toMatchObject({
    content: [{ type: "text", text: "Half" }],
    stop_reason: null,
    error: { type: "api_error", message: FACE.message },
  });
});

test("an answer that its provider ended with an error is one error event", async () => {
  const stream = streamed([text("x"), finish("error", "OTHER")]);
  expect(eventsOf(stream).at(-1)).toMatchObject({ type: "error", error: { type: "api_error" } });
  await expect(read(stream)).rejects.toThrow(/ended the answer/);
});

test("the ping is skipped by the client wherever it comes", async () => {
  const frames = streamed([text("a"), text("b"), finish("stop")]).split(/(?<=\n\n)/);
  const message = await read(frames.map((frame) => anthropicMessages.keepAlive + frame).join(""));
  expect(message.content).toMatchObject([{ type: "text", text: "ab" }]);
});

test("thinking that is not shown keeps its signature", () => {
  const events = [
    ...signed(0, "Hm.", "c2ln"),
    reasoning({ type: "reasoning.text", text: "Plain.", format: "unknown", index: 1 }),
    text("x"),
    finish("stop"),
  ];
  const stream = streamed(events, { hides: true });
  expect(stream).not.toMatch(/Hm\.|Plain/);
  const reply = anthropicMessages.renderReply({ ...HEAD, excludeReasoning: true }, collected(events), TAIL, null);
  expect(reply["content"]).toEqual([
    { type: "thinking", thinking: "", signature: "c2ln" },
    { type: "text", text: "x", citations: null },
  ]);
});

function sentBack(content: unknown): AssistantMessage {
  const again = anthropicMessages.parse({ model: "a/b", messages: [{ role: "assistant", content }] });
  if (!again.ok) throw new Error(again.error.message);
  expect(again.value.request.messages).toHaveLength(1);
  return again.value.request.messages[0] as AssistantMessage; // its role is checked by the matchers
}

const withoutIndex = (details: readonly ReasoningDetail[]): unknown =>
  details.map((detail) => ({ ...detail, index: undefined }));

const ROUND_TRIPS: readonly { readonly name: string; readonly details: readonly ReasoningDetail[] }[] = [
  {
    name: "Anthropic's signed thinking",
    details: [
      { type: "reasoning.text", text: "Ünïcode\n\u0000 𝄞", signature: "EqQB+/==", format: "anthropic-claude-v1" },
    ],
  },
  {
    name: "Anthropic's redacted thinking",
    details: [{ type: "reasoning.encrypted", data: "EmwKAhgB", format: "anthropic-claude-v1" }],
  },
  {
    name: "OpenAI's summary and encrypted content",
    details: [
      { type: "reasoning.summary", summary: "Thought.", id: "rs_1", format: "openai-responses-v1" },
      { type: "reasoning.encrypted", data: "gAAAA+/=", id: "rs_1", format: "openai-responses-v1" },
    ],
  },
  {
    name: "OpenAI's encrypted content alone",
    details: [{ type: "reasoning.encrypted", data: "gAAAA", id: "rs_1", format: "openai-responses-v1" }],
  },
  {
    name: "Gemini's signature of a call",
    details: [{ type: "reasoning.encrypted", data: "CsMB", id: "toolu_1", format: "google-gemini-v1" }],
  },
  {
    name: "Gemini's signed thought",
    details: [{ type: "reasoning.text", text: "Hm.", signature: "CsMB", format: "google-gemini-v1" }],
  },
  { name: "thought without any signature", details: [{ type: "reasoning.text", text: "Plain.", format: "unknown" }] },
];

test.each(ROUND_TRIPS)("$name comes back byte-exact", async ({ details }) => {
  const events = [
    ...details.map((detail) => reasoning({ ...detail, index: 0 })),
    call(0, "toolu_1", "f"),
    input(0, '{"a":1}'),
    finish("tool_calls"),
  ];
  const reply = anthropicMessages.renderReply(HEAD, collected(events), TAIL, null);
  for (const content of [reply["content"], (await read(streamed(events))).content]) {
    const message = sentBack(content);
    expect(withoutIndex(message.reasoning)).toEqual(details);
    expect(message.toolCalls).toEqual([{ id: "toolu_1", name: "f", input: '{"a":1}' }]);
  }
});

test("what is sent back keeps the order of its pieces, whatever it is", () => {
  const piece = fc.oneof(
    fc.string({ minLength: 1 }).map((said) => ({ kind: "part" as const, said })),
    fc.string({ minLength: 1 }).map((said) => ({ kind: "reasoning" as const, said })),
    fc.json().map((said) => ({ kind: "call" as const, said: JSON.stringify({ v: said }) })),
  );
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 12 }), (pieces) => {
      let [calls, thoughts] = [0, 0];
      const events = pieces.flatMap(({ kind, said }): GenerationEvent[] => {
        if (kind === "part") return [text(said)];
        if (kind === "reasoning") return signed(thoughts++, said, `sig${thoughts}`);
        return [call(calls, `call_${calls}`, "f"), input(calls++, said)];
      });
      const reply = anthropicMessages.renderReply(HEAD, collected([...events, finish("stop")]), TAIL, null);
      const { reasoning: thought, parts, toolCalls, order } = sentBack(reply["content"]);
      const usual = [...thought.map(() => "reasoning"), ...parts.map(() => "part"), ...toolCalls.map(() => "call")];
      const at = { reasoning: 0, part: 0, call: 0 };
      const back = (order ?? usual).map((kind) => {
        if (kind === "reasoning") return { kind, said: thought[at.reasoning++]?.text };
        if (kind === "call") return { kind, said: toolCalls[at.call++]?.input };
        const part = parts[at.part++];
        return { kind, said: part?.type === "text" ? part.text : undefined };
      });
      const joined: { kind: string; said: string }[] = [];
      for (const { kind, said } of pieces) {
        const last = joined.at(-1);
        if (kind === "part" && last?.kind === "part") last.said += said;
        else joined.push({ kind, said });
      }
      expect(back).toEqual(joined);
    }),
    { numRuns: 300 },
  );
});
