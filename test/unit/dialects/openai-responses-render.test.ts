/**
 * What clients of `POST /responses` hear. Every stream is read by the official client's own accumulator, which refuses
 * events out of their order; a stream and a buffered answer hold the same; what it says can be sent back.
 */
import OpenAI from "openai";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { AssistantMessage, ReasoningDetail } from "../../../src/core/chat.ts";
import type { FinishReason, GenerationEvent } from "../../../src/core/event.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import type { AnswerTail, ErrorFace } from "../../../src/dialects/dialect.ts";
import { openAiResponses } from "../../../src/dialects/openai-responses.ts";
import { call, collected, FACE, finish, HEAD, input, reasoning, refusal, TAIL, text } from "./answers.ts";

const parsed = openAiResponses.parse({ model: "a/b", input: "Hi", temperature: 0.5, metadata: { order: "7" } });
if (!parsed.ok) throw new Error(parsed.error.message);
const head = { ...HEAD, echo: parsed.value.echo };

interface Wire {
  readonly type: string;
  readonly sequence_number: number;
  readonly [member: string]: unknown;
}

/** One event per call of `render`, as they may come. */
function streamed(events: readonly GenerationEvent[], end: { tail?: AnswerTail; fault?: ErrorFace } = {}): string {
  const renderer = openAiResponses.createStreamRenderer(head);
  const body = events.map((event) => renderer.render([event])).join("");
  const tail = end.tail ?? TAIL;
  return body + (end.fault === undefined ? renderer.end(tail) : renderer.fail(end.fault, tail));
}

function eventsOf(stream: string): Wire[] {
  const frames = stream.split("\n\n").slice(0, -1);
  expect(frames.at(-1)).toBe("data: [DONE]");
  return frames.slice(0, -1).map((frame, at) => {
    const [, name = "", json = ""] = /^event: (.*)\ndata: (.*)$/.exec(frame) ?? [];
    const event = JSON.parse(json) as Wire;
    expect(event).toMatchObject({ type: name, sequence_number: at });
    return event;
  });
}

/** What the official client's stream helper makes of it; it throws at the first event that does not fit. */
async function read(stream: string): Promise<JsonObject> {
  const client = new OpenAI({
    apiKey: "none",
    fetch: async () => new Response(stream, { headers: { "Content-Type": "text/event-stream" } }),
  });
  const response = await client.responses.stream({ model: "a/b", input: "Hi" }).finalResponse();
  return response as unknown as JsonObject; // the accumulator's snapshot of our JSON
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
  { name: "text", events: [text("Hel"), text("lo"), finish("stop")], types: "message" },
  { name: "nothing", events: [finish("stop")], types: "" },
  {
    name: "a refusal",
    events: [refusal("I "), refusal("can't."), finish("content_filter", "refusal")],
    types: "message",
  },
  { name: "a refusal behind text", events: [text("Well, "), refusal("no."), finish("stop")], types: "message" },
  {
    name: "signed reasoning, text, one call",
    events: [
      ...signed(0, "Hm.", "c2ln"),
      text("I look."),
      call(0, "call_1", "f"),
      input(0, '{"a":'),
      input(0, "1}"),
      finish("tool_calls"),
    ],
    types: "reasoning message function_call",
  },
  {
    name: "parallel calls one after the other, the second without arguments",
    events: [call(0, "call_1", "f"), input(0, '{"a":1}'), call(1, "call_2", "g"), finish("tool_calls")],
    types: "function_call function_call",
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
    types: "function_call function_call",
  },
  {
    name: "a summary and its encrypted content, twice, with text between",
    events: [
      reasoning({
        type: "reasoning.summary",
        summary: "First ",
        id: "rs_up1",
        format: "openai-responses-v1",
        index: 0,
      }),
      reasoning({
        type: "reasoning.summary",
        summary: "thought.",
        id: "rs_up1",
        format: "openai-responses-v1",
        index: 0,
      }),
      reasoning({ type: "reasoning.encrypted", data: "QUJD", id: "rs_up1", format: "openai-responses-v1", index: 0 }),
      text("So."),
      reasoning({ type: "reasoning.encrypted", data: "REVG", id: "rs_up2", format: "openai-responses-v1", index: 1 }),
      call(0, "call_1", "f"),
      input(0, "{}"),
      finish("tool_calls"),
    ],
    types: "reasoning message reasoning function_call",
  },
  {
    name: "a citation and logprobs",
    events: [
      text("See."),
      {
        type: "annotations",
        choice: 0,
        annotations: [
          {
            type: "url_citation",
            url_citation: { url: "https://a.example", title: "A", start_index: 0, end_index: 4 },
          },
        ],
      },
      {
        type: "logprobs",
        choice: 0,
        logprobs: { content: [{ token: "See", logprob: -0.1, bytes: null, top_logprobs: [] }] },
      },
      finish("stop"),
    ],
    types: "message",
  },
  {
    name: "an image",
    events: [text("Here:"), { type: "image", choice: 0, url: "data:image/png;base64,QUJD" }, finish("stop")],
    types: "message image_generation_call",
  },
];

test.each(ANSWERS)(
  "$name: the official client reads the stream, and it holds what a buffered answer holds",
  async ({ events, types }) => {
    const stream = streamed(events);
    const last = eventsOf(stream).at(-1);
    const reply = openAiResponses.renderReply(head, collected(events), TAIL, null);
    expect(last?.["response"]).toEqual(reply);
    const output = reply["output"] as readonly { type: string; id: string }[];
    expect(output.map(({ type }) => type).join(" ")).toBe(types);
    expect(new Set(output.map(({ id }) => id)).size).toBe(output.length);
    const snapshot = await read(stream);
    expect(snapshot["output"]).toMatchObject(output as unknown as object[]);
  },
);

test("a text answer, event by event", () => {
  const place = { item_id: "msg_gen-1-a_0", output_index: 0, content_index: 0 };
  const events = eventsOf(
    streamed([
      { type: "start", upstreamId: "u", serviceTier: "default" },
      text("Hel"),
      text("lo"),
      finish("stop", "end"),
    ]),
  );
  expect(events.map(({ type }) => type.replace("response.", ""))).toEqual([
    "created",
    "in_progress",
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
    "completed",
  ]);
  expect(events[0]?.["response"]).toMatchObject({
    id: "gen-1-a",
    status: "in_progress",
    output: [],
    service_tier: "default",
  });
  expect(events[4]).toMatchObject({ ...place, delta: "Hel", logprobs: [] });
  expect(events[6]).toMatchObject({ ...place, text: "Hello" });
  expect(events[9]?.["response"]).toMatchObject({
    id: "gen-1-a",
    object: "response",
    created_at: 1_795_000_000,
    completed_at: 1_795_000_002,
    status: "completed",
    error: null,
    incomplete_details: null,
    model: "a/b",
    output_text: "Hello",
    temperature: 0.5,
    metadata: { order: "7" },
    store: false,
    tools: [],
    tool_choice: "auto",
    parallel_tool_calls: true,
    native_finish_reason: "end",
    usage: {
      input_tokens: 17,
      input_tokens_details: { cached_tokens: 4, cache_write_tokens: 3 },
      output_tokens: 12,
      output_tokens_details: { reasoning_tokens: 7 },
      total_tokens: 29,
      cost: 0.00000012,
      is_byok: false,
      cost_details: { upstream_inference_cost: 0.0000001 },
    },
  });
});

const ENDS: readonly { readonly reason: FinishReason; readonly status: string; readonly incomplete: string | null }[] =
  [
    { reason: "stop", status: "completed", incomplete: null },
    { reason: "tool_calls", status: "completed", incomplete: null },
    { reason: "length", status: "incomplete", incomplete: "max_output_tokens" },
    { reason: "content_filter", status: "incomplete", incomplete: "content_filter" },
    { reason: "error", status: "failed", incomplete: null },
  ];

test.each(ENDS)("an answer that ends by $reason is $status", async ({ reason, status, incomplete }) => {
  const stream = streamed([text("x"), finish(reason, "native")]);
  const last = eventsOf(stream).at(-1);
  const expected = {
    status,
    incomplete_details: incomplete === null ? null : { reason: incomplete },
    native_finish_reason: "native",
    completed_at: status === "completed" ? TAIL.endedS : null,
    output: [{ status: status === "completed" ? "completed" : "incomplete" }],
  };
  expect(last).toMatchObject({ type: `response.${status}`, response: expected });
  expect(openAiResponses.renderReply(head, collected([text("x"), finish(reason, "native")]), TAIL, null)).toMatchObject(
    expected,
  );
  expect(await read(stream)).toMatchObject({ status });
});

test("an answer that was cut for lack of credit is incomplete, and says why", () => {
  const tail = { ...TAIL, cut: { reason: "length", nativeReason: "credit_exhausted" } } as const;
  const last = eventsOf(streamed([text("x")], { tail })).at(-1);
  expect(last).toMatchObject({ type: "response.incomplete", response: { native_finish_reason: "credit_exhausted" } });
});

const faceOf = (errorType: string): ErrorFace => ({ ...FACE, metadata: { error_type: errorType } });

test.each([
  { type: "provider_unavailable", status: "failed", code: "server_error" },
  { type: "rate_limit_exceeded", status: "failed", code: "rate_limit_exceeded" },
  { type: "invalid_request", status: "failed", code: "invalid_prompt" },
  { type: "content_policy_violation", status: "failed", code: "image_content_policy_violation" },
  { type: "timeout", status: "failed", code: "server_error" },
  { type: "token_limit_exceeded", status: "incomplete", code: null },
  { type: "context_length_exceeded", status: "incomplete", code: null },
])("a stream that breaks by $type ends $status, with what was delivered", async ({ type, status, code }) => {
  const stream = streamed([text("Half")], { fault: faceOf(type) });
  expect(eventsOf(stream).at(-1)).toMatchObject({
    type: `response.${status}`,
    response: {
      status,
      output: [{ type: "message", status: "incomplete", content: [{ text: "Half" }] }],
      error: code === null ? null : { code, message: FACE.message },
      ...(code === null ? { incomplete_details: { reason: "max_output_tokens" } } : { error_type: type }),
      usage: { cost: 0.00000012 },
    },
  });
  expect(await read(stream)).toMatchObject({ status, output_text: "Half" });
});

test("a stream that breaks before anything was said is whole as well", async () => {
  const renderer = openAiResponses.createStreamRenderer(head);
  const stream = renderer.fail(FACE, TAIL);
  expect(eventsOf(stream).map(({ type }) => type)).toEqual([
    "response.created",
    "response.in_progress",
    "response.failed",
  ]);
  expect(await read(stream)).toMatchObject({ status: "failed", output: [] });
});

test("an error before anything was sent is the API's own, with its type at the top", () => {
  expect(openAiResponses.renderError(FACE, { metadata: null })).toEqual({
    error: { code: 502, message: FACE.message, metadata: FACE.metadata },
    error_type: "provider_unavailable",
  });
});

test("reasoning that is excluded is left out", () => {
  const renderer = openAiResponses.createStreamRenderer({ ...head, excludeReasoning: true });
  const stream = renderer.render([...signed(0, "Hm.", "c2ln"), text("x"), finish("stop")]) + renderer.end(TAIL);
  expect(stream).not.toMatch(/Hm|c2ln|"type":"reasoning"/);
});

// What a client sends back: the output as it is, or what most keep of it.
const ofItems = (output: unknown, keep: readonly string[] | null): unknown =>
  keep === null
    ? output
    : (output as readonly Record<string, unknown>[]).map((item) =>
        Object.fromEntries(Object.entries(item).filter(([name]) => keep.includes(name))),
      );
const USUAL_MEMBERS = ["type", "id", "role", "content", "summary", "encrypted_content", "call_id", "name", "arguments"];

function sentBack(events: readonly GenerationEvent[], keep: readonly string[] | null = null): AssistantMessage {
  const reply = openAiResponses.renderReply(head, collected(events), TAIL, null);
  const again = openAiResponses.parse({ model: "a/b", input: ofItems(reply["output"], keep) });
  if (!again.ok) throw new Error(again.error.message);
  expect(again.value.request.messages).toHaveLength(1);
  return again.value.request.messages[0] as AssistantMessage; // its role is checked by the matchers
}

const withoutIndex = (details: readonly ReasoningDetail[]): unknown =>
  details.map((detail) => ({ ...detail, index: undefined }));

const ROUND_TRIPS: readonly { readonly name: string; readonly detail: ReasoningDetail }[] = [
  {
    name: "OpenAI's encrypted content",
    detail: { type: "reasoning.encrypted", data: "gAAAA+/=", id: "rs_0a", format: "openai-responses-v1" },
  },
  {
    name: "Azure's",
    detail: { type: "reasoning.encrypted", data: "gAAAA", id: "rs_0a", format: "azure-openai-responses-v1" },
  },
  {
    name: "Anthropic's signed thinking",
    detail: { type: "reasoning.text", text: "Ünïcode\n\u0000 𝄞", signature: "EqQB+/==", format: "anthropic-claude-v1" },
  },
  {
    name: "Anthropic's redacted thinking",
    detail: { type: "reasoning.encrypted", data: "EmwKAhgB", format: "anthropic-claude-v1" },
  },
  {
    name: "Gemini's signature of a call",
    detail: { type: "reasoning.encrypted", data: "CsMB", id: "call_1", format: "google-gemini-v1" },
  },
  {
    name: "thought without any signature",
    detail: { type: "reasoning.text", text: "Plain.", id: "rs_gen-1-a_0", format: "unknown" },
  },
];

test.each(ROUND_TRIPS)(
  "$name comes back byte-exact, also from clients that keep the usual members alone",
  ({ detail }) => {
    const events = [
      reasoning({ ...detail, index: 0 }),
      call(0, "call_1", "f"),
      input(0, '{"a":1}'),
      finish("tool_calls"),
    ];
    for (const keep of [null, USUAL_MEMBERS]) {
      const message = sentBack(events, keep);
      expect(withoutIndex(message.reasoning)).toEqual([detail]);
      expect(message.toolCalls).toEqual([{ id: "call_1", name: "f", input: '{"a":1}' }]);
    }
  },
);

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
      const stream = streamed([...events, finish("stop")]);
      const response = eventsOf(stream).at(-1)?.["response"] as { output: readonly unknown[] };
      const again = openAiResponses.parse({ model: "a/b", input: response.output });
      if (!again.ok) throw new Error(again.error.message);
      const read = again.value.request.messages.flatMap((message) => {
        if (message.role !== "assistant") throw new Error("another role");
        const { reasoning: thought, parts, toolCalls } = message;
        const usual = [...thought.map(() => "reasoning"), ...parts.map(() => "part"), ...toolCalls.map(() => "call")];
        const at = { reasoning: 0, part: 0, call: 0 };
        return (message.order ?? usual).map((kind) => {
          if (kind === "reasoning") return { kind, said: thought[at.reasoning++]?.text };
          if (kind === "call") return { kind, said: toolCalls[at.call++]?.input };
          const part = parts[at.part++];
          return { kind, said: part?.type === "text" ? part.text : undefined };
        });
      });
      expect(read).toEqual(joinedTexts(pieces));
    }),
    { numRuns: 300 },
  );
});

/** Text behind text is one text. */
function joinedTexts(pieces: readonly { kind: string; said: string }[]): unknown {
  const out: { kind: string; said: string }[] = [];
  for (const { kind, said } of pieces) {
    const last = out.at(-1);
    if (kind === "part" && last?.kind === "part") last.said += said;
    else out.push({ kind, said });
  }
  return out;
}
