/**
 * What clients hear: chunks and replies as text, and the same bytes read by the schemas of @openrouter/sdk, by the
 * openai client and by the OpenRouter provider of the AI SDK.
 */
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { ChatResult$inboundSchema } from "@openrouter/sdk/models/chatresult.js";
import { ChatStreamChunk$inboundSchema } from "@openrouter/sdk/models/chatstreamchunk.js";
import * as fc from "fast-check";
import OpenAI from "openai";
import { expect, test } from "vitest";
import type { Collected, CollectedChoice, GenerationEvent } from "../../../src/core/event.ts";
import { asGenerationId } from "../../../src/core/ids.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";
import type { AnswerHead, AnswerTail, ErrorFace } from "../../../src/dialects/dialect.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";

const head: AnswerHead = {
  id: asGenerationId("gen-1-a"),
  createdS: 1_795_000_000,
  model: "a/b",
  provider: 'Acme "Fast"',
  excludeReasoning: false,
};
const tail: AnswerTail = {
  usage: {
    ...NO_USAGE,
    inputText: 10,
    cacheRead: 4,
    cacheWrite: 1,
    cacheWrite1h: 2,
    inputAudio: 3,
    outputText: 5,
    outputReasoning: 7,
    outputImage: 1,
    outputAudio: 2,
  },
  isEstimated: false,
  endedS: 1_700_000_001,
  costNusd: 120n,
  upstreamCostNusd: 100n,
  upstreamPromptCostNusd: 40n,
  upstreamCompletionCostNusd: 60n,
  isByok: false,
  metadata: null,
};
const USAGE = {
  prompt_tokens: 20,
  completion_tokens: 15,
  total_tokens: 35,
  cost: 0.00000012,
  is_byok: false,
  prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 3, audio_tokens: 3, video_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 7, audio_tokens: 2, image_tokens: 1 },
  cost_details: {
    upstream_inference_cost: 0.0000001,
    upstream_inference_prompt_cost: 0.00000004,
    upstream_inference_completions_cost: 0.00000006,
  },
};
const metadata = {
  requested: "a/b",
  strategy: "direct",
  region: null,
  summary: "available=1",
  attempt: 1,
  is_byok: false,
  endpoints: { total: 1, available: [{ provider: "Acme", model: "a/b", selected: true }] },
};
const face: ErrorFace = {
  status: 502,
  message: "The provider's answer was cut off before its end.",
  metadata: { error_type: "provider_unavailable", provider_name: "Acme", raw: null },
  availability: null,
};
const finish: GenerationEvent = { type: "finish", choice: 0, reason: "stop", nativeReason: "end_turn" };
const text = (said: string, choice = 0): GenerationEvent => ({ type: "text-delta", choice, text: said });

function streamed(events: readonly GenerationEvent[], change: { head?: AnswerHead; tail?: AnswerTail } = {}): string {
  const renderer = openAiChat.createStreamRenderer(change.head ?? head);
  return renderer.render(events) + renderer.end(change.tail ?? tail);
}
interface Chunk {
  readonly choices: readonly {
    readonly index: number;
    readonly delta: Record<string, unknown>;
    readonly finish_reason: string | null;
  }[];
  readonly [field: string]: unknown;
}
/** The chunks of a stream, each accepted by the client's schema first. */
function chunksOf(stream: string): Chunk[] {
  return stream
    .split("\n\n")
    .filter((frame) => frame !== "" && frame !== "data: [DONE]")
    .map((frame) => {
      expect(frame.startsWith("data: ")).toBe(true);
      const chunk = JSON.parse(frame.slice(6)) as Chunk;
      const checked = ChatStreamChunk$inboundSchema.safeParse(chunk);
      expect(checked.error?.issues).toBeUndefined();
      return chunk;
    });
}

test("a text answer, byte for byte", () => {
  const start = `data: {"id":"gen-1-a","object":"chat.completion.chunk","created":1795000000,"model":"a/b","provider":"Acme \\"Fast\\"",`;
  expect(streamed([text("Hel"), text(""), text("lo\n"), finish])).toBe(
    `${start}"choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}\n\n` +
      `${start}"choices":[{"index":0,"delta":{"role":"assistant","content":"lo\\n"},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}\n\n` +
      `${start}"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop","native_finish_reason":"end_turn","logprobs":null}]}\n\n` +
      `${start}"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null,"native_finish_reason":null,"logprobs":null}],"usage":${JSON.stringify(USAGE)}}\n\n` +
      "data: [DONE]\n\n",
  );
});

const base = { role: "assistant", content: "" };
const DELTAS: readonly {
  readonly name: string;
  readonly events: readonly GenerationEvent[];
  readonly expected: readonly object[];
}[] = [
  {
    name: "a refusal",
    events: [{ type: "refusal-delta", choice: 0, text: "no" }],
    expected: [{ ...base, refusal: "no" }],
  },
  {
    name: "reasoning with its signature, a summary and an encrypted entry",
    events: [
      {
        type: "reasoning-delta",
        choice: 0,
        detail: { type: "reasoning.text", text: "hm", index: 0, format: "anthropic-claude-v1" },
      },
      {
        type: "reasoning-delta",
        choice: 0,
        detail: { type: "reasoning.text", signature: "s==", index: 0, format: "anthropic-claude-v1" },
      },
      { type: "reasoning-delta", choice: 0, detail: { type: "reasoning.summary", summary: "so", id: null } },
      { type: "reasoning-delta", choice: 0, detail: { type: "reasoning.encrypted", data: "ENC", id: "r" } },
    ],
    expected: [
      {
        ...base,
        reasoning: "hm",
        reasoning_details: [{ type: "reasoning.text", text: "hm", format: "anthropic-claude-v1", index: 0 }],
      },
      {
        ...base,
        reasoning: null,
        reasoning_details: [{ type: "reasoning.text", signature: "s==", format: "anthropic-claude-v1", index: 0 }],
      },
      { ...base, reasoning: "so", reasoning_details: [{ type: "reasoning.summary", summary: "so", id: null }] },
      { ...base, reasoning: null, reasoning_details: [{ type: "reasoning.encrypted", data: "ENC", id: "r" }] },
    ],
  },
  {
    name: "interleaved tool calls; the one without arguments gets {} before the finish",
    events: [
      { type: "tool-start", choice: 0, index: 0, id: "c1", name: "f" },
      { type: "tool-start", choice: 0, index: 1, id: "c2", name: "g" },
      { type: "tool-input-delta", choice: 0, index: 0, text: '{"a":' },
      { type: "tool-input-delta", choice: 0, index: 1, text: "" },
      { type: "tool-input-delta", choice: 0, index: 0, text: "1}" },
      { type: "finish", choice: 0, reason: "tool_calls", nativeReason: null },
    ],
    expected: [
      { ...base, tool_calls: [{ index: 0, id: "c1", type: "function", function: { name: "f", arguments: "" } }] },
      { ...base, tool_calls: [{ index: 1, id: "c2", type: "function", function: { name: "g", arguments: "" } }] },
      { ...base, tool_calls: [{ index: 0, type: "function", function: { arguments: '{"a":' } }] },
      { ...base, tool_calls: [{ index: 0, type: "function", function: { arguments: "1}" } }] },
      { ...base, tool_calls: [{ index: 1, type: "function", function: { arguments: "{}" } }] },
    ],
  },
  {
    name: "an image",
    events: [{ type: "image", choice: 0, url: "data:image/png;base64,AA==" }],
    expected: [{ ...base, images: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }] }],
  },
  {
    name: "audio",
    events: [{ type: "audio-delta", choice: 0, audio: { id: "au", transcript: "hi" } }],
    expected: [{ ...base, audio: { id: "au", transcript: "hi" } }],
  },
  {
    name: "annotations",
    events: [
      { type: "annotations", choice: 0, annotations: [{ type: "url_citation", url_citation: { url: "https://e.x" } }] },
    ],
    expected: [{ ...base, annotations: [{ type: "url_citation", url_citation: { url: "https://e.x" } }] }],
  },
];

test.each(DELTAS)("$name becomes its delta", ({ events, expected }) => {
  const deltas = chunksOf(streamed(events)).flatMap((chunk) => chunk.choices.map((choice) => choice.delta));
  // The chunks that finish and that tell the usage say nothing.
  expect(deltas).toEqual([...expected, base, base]);
});

test("logprobs are a chunk of their own", () => {
  const logprobs = { content: [{ token: "a", logprob: -1, bytes: null, top_logprobs: [] }], refusal: null };
  expect(chunksOf(streamed([{ type: "logprobs", choice: 0, logprobs }]))[0]?.choices[0]).toMatchObject({
    delta: base,
    logprobs,
  });
});

test("every choice ends once, in the order it began, even where the upstream forgot it", () => {
  const chunks = chunksOf(
    streamed([text("b", 1), text("a"), { ...finish, choice: 1, reason: "length" }, finish, finish, text("c", 2)]),
  );
  const ends = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.finish_reason !== null);
  expect(ends.map((choice) => [choice.index, choice.finish_reason])).toEqual([
    [1, "length"],
    [0, "stop"],
    [2, "stop"],
  ]);
});

test("an answer without any event still ends well", () => {
  const chunks = chunksOf(streamed([]));
  expect(chunks.map((chunk) => chunk.choices.map((choice) => choice.finish_reason))).toEqual([["stop"], [null]]);
});

test("what the upstream says of itself is on every chunk from then on", () => {
  const chunks = chunksOf(
    streamed([
      { type: "start", systemFingerprint: "fp", serviceTier: "flex" },
      text("a"),
      { type: "start", upstreamId: "x" },
      finish,
    ]),
  );
  expect(chunks.map((chunk) => [chunk["system_fingerprint"], chunk["service_tier"]])).toEqual([
    ["fp", "flex"],
    ["fp", "flex"],
    ["fp", "flex"],
  ]);
});

test("usage comes once, at the last chunk, with the route explanation when it was asked for", () => {
  const usageEvent: GenerationEvent = { type: "usage", usage: NO_USAGE };
  const chunks = chunksOf(
    streamed([usageEvent, text("a"), usageEvent, finish, usageEvent], {
      tail: { ...tail, metadata, isEstimated: true },
    }),
  );
  expect(chunks.map((chunk) => "usage" in chunk)).toEqual([false, false, true]);
  expect(chunks[2]).toMatchObject({
    choices: [{ index: 0, delta: base, finish_reason: null }],
    usage: { ...USAGE, estimated: true },
    openrouter_metadata: metadata,
  });
});

test("who asks for the usage in OpenAI's words gets it in OpenAI's form, without a choice", () => {
  const body = { model: "a/b", messages: [{ role: "user", content: "Hi" }], stream: true };
  const echoOf = (stream_options: unknown) => {
    const parsed = openAiChat.parse({ ...body, stream_options });
    return parsed.ok ? parsed.value.echo : parsed.error;
  };
  const echo = { include_usage: true };
  expect(echoOf({ include_usage: true })).toEqual(echo);
  const chunks = chunksOf(streamed([text("a"), finish], { head: { ...head, echo } }));
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: USAGE });
  for (const other of [undefined, null, {}, { include_usage: false }]) expect(echoOf(other)).toBeUndefined();
});

test("reasoning that is not wanted is not shown", () => {
  const events: GenerationEvent[] = [
    { type: "reasoning-delta", choice: 0, detail: { type: "reasoning.text", text: "secret" } },
    text("a"),
    finish,
  ];
  expect(streamed(events, { head: { ...head, excludeReasoning: true } })).not.toContain("secret");
  expect(streamed(events)).toContain("secret");
});

test("a stream that breaks ends with one error event and no [DONE]", () => {
  const renderer = openAiChat.createStreamRenderer(head);
  const stream = renderer.render([text("par")]) + renderer.fail(face, tail);
  expect(stream).not.toContain("[DONE]");
  const chunks = chunksOf(stream);
  expect(chunks).toHaveLength(2);
  expect(chunks[1]).toEqual({
    id: "gen-1-a",
    object: "chat.completion.chunk",
    created: 1_795_000_000,
    model: "a/b",
    provider: 'Acme "Fast"',
    error: { code: 502, message: face.message, metadata: face.metadata },
    choices: [{ index: 0, delta: { content: "" }, finish_reason: "error", native_finish_reason: null }],
    usage: USAGE,
  });
});

test("a comment keeps the connection open", () => {
  expect(openAiChat.keepAlive).toBe(": WAYPOST PROCESSING\n\n");
});

test("any text survives rendering, in pieces of any cut", () => {
  const piece = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.nat(1), (pieces, choice) => {
      const stream = streamed(pieces.map((said) => text(said, choice)));
      expect(stream.endsWith("data: [DONE]\n\n")).toBe(true);
      const contents = stream
        .split("\n\n")
        .filter((frame) => frame.startsWith("data: {"))
        .map((frame) => (JSON.parse(frame.slice(6)) as Chunk).choices[0]?.delta["content"]);
      const said = contents.map((content) => (typeof content === "string" ? content : "")).join("");
      expect(said).toBe(pieces.join(""));
    }),
    { numRuns: 200 },
  );
});

const choice: CollectedChoice = {
  index: 0,
  text: "hello",
  refusal: "",
  reasoning: [],
  toolCalls: [],
  images: [],
  audio: null,
  annotations: [],
  logprobs: null,
  finishReason: "stop",
  nativeFinishReason: "end_turn",
};
const answer: Collected = {
  upstreamId: "x",
  systemFingerprint: null,
  serviceTier: null,
  choices: [choice],
  usage: null,
  failure: null,
  events: [],
};
const plain = { role: "assistant", content: "hello", refusal: null, reasoning: null };

const REPLIES: readonly {
  readonly name: string;
  readonly given: Collected;
  readonly message: object;
  readonly rest?: object;
  readonly head?: AnswerHead;
}[] = [
  {
    name: "text",
    given: answer,
    message: plain,
    rest: { finish_reason: "stop", native_finish_reason: "end_turn", logprobs: null },
  },
  {
    name: "several tool calls",
    given: {
      ...answer,
      choices: [
        {
          ...choice,
          text: "",
          finishReason: "tool_calls",
          toolCalls: [
            { id: "c1", name: "f", input: '{"a":1}' },
            { id: "c2", name: "g", input: "" },
          ],
        },
      ],
    },
    message: {
      ...plain,
      content: null,
      tool_calls: [
        { id: "c1", type: "function", function: { name: "f", arguments: '{"a":1}' } },
        { id: "c2", type: "function", function: { name: "g", arguments: "{}" } },
      ],
    },
    rest: { finish_reason: "tool_calls" },
  },
  {
    name: "reasoning",
    given: {
      ...answer,
      choices: [
        {
          ...choice,
          reasoning: [
            { type: "reasoning.text", text: "a", signature: "s", format: "anthropic-claude-v1", index: 0 },
            { type: "reasoning.encrypted", data: "E", format: "openai-responses-v1", index: 1 },
          ],
        },
      ],
    },
    message: {
      ...plain,
      reasoning: "a",
      reasoning_details: [
        { type: "reasoning.text", text: "a", signature: "s", format: "anthropic-claude-v1", index: 0 },
        { type: "reasoning.encrypted", data: "E", format: "openai-responses-v1", index: 1 },
      ],
    },
  },
  {
    name: "reasoning that is not wanted",
    given: { ...answer, choices: [{ ...choice, reasoning: [{ type: "reasoning.text", text: "a" }] }] },
    head: { ...head, excludeReasoning: true },
    message: plain,
  },
  {
    name: "images, audio and annotations",
    given: {
      ...answer,
      systemFingerprint: "fp",
      serviceTier: "flex",
      choices: [
        {
          ...choice,
          text: "",
          images: ["data:image/png;base64,AA=="],
          audio: { id: "au", data: "AA==" },
          annotations: [
            {
              type: "url_citation",
              url_citation: { url: "https://e.x", title: "t", content: "c", start_index: 0, end_index: 1 },
            },
          ],
        },
      ],
    },
    message: {
      ...plain,
      content: "",
      images: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }],
      audio: { id: "au", data: "AA==" },
      annotations: [
        {
          type: "url_citation",
          url_citation: { url: "https://e.x", title: "t", content: "c", start_index: 0, end_index: 1 },
        },
      ],
    },
  },
  {
    name: "a refusal",
    given: { ...answer, choices: [{ ...choice, text: "", refusal: "no" }] },
    message: { ...plain, content: null, refusal: "no" },
  },
  {
    name: "nothing at all",
    given: { ...answer, choices: [] },
    message: { ...plain, content: "" },
    rest: { finish_reason: "stop" },
  },
  {
    name: "a failure after a part",
    given: {
      ...answer,
      failure: {
        scope: "endpoint",
        retry: "elsewhere",
        status: 200,
        errorType: "provider_unavailable",
        message: "cut",
        providerCode: null,
        raw: null,
        retryAfterMs: null,
      },
    },
    message: plain,
    rest: {
      finish_reason: "error",
      error: { code: 502, message: face.message, metadata: { error_type: "provider_unavailable" } },
    },
  },
];

test.each(REPLIES)("a buffered answer of $name", ({ given, message, rest, head: ownHead }) => {
  const fault = given.failure === null ? null : face;
  const body = openAiChat.renderReply(ownHead ?? head, given, { ...tail, metadata }, fault);
  const reply = JSON.parse(JSON.stringify(body)) as { choices: object[] };
  expect(ChatResult$inboundSchema.safeParse(reply).error?.issues).toBeUndefined();
  expect(reply).toMatchObject({
    id: "gen-1-a",
    object: "chat.completion",
    created: 1_795_000_000,
    model: "a/b",
    provider: 'Acme "Fast"',
    system_fingerprint: given.systemFingerprint,
    service_tier: given.serviceTier,
    usage: USAGE,
    openrouter_metadata: metadata,
  });
  expect(reply.choices).toHaveLength(1);
  expect(reply.choices[0]).toMatchObject({ index: 0, message, ...rest });
  expect((reply.choices[0] as { message: object }).message).toEqual(message);
});

test("money is exact to the nano-dollar", () => {
  const reply = openAiChat.renderReply(head, answer, { ...tail, costNusd: 1_234_567_890_123_456n }, null);
  expect(JSON.stringify(reply)).toContain('"cost":1234567.890123456');
});

/** Serves `body` to a client, whatever it asks. */
const serving =
  (body: string, type: string): typeof fetch =>
  () =>
    Promise.resolve(new Response(body, { headers: { "Content-Type": type } }));
const answered: readonly GenerationEvent[] = [
  {
    type: "reasoning-delta",
    choice: 0,
    detail: { type: "reasoning.text", text: "hm", signature: "s", index: 0, format: "anthropic-claude-v1" },
  },
  text("Hi "),
  text("you"),
  { type: "tool-start", choice: 0, index: 0, id: "c1", name: "f" },
  { type: "tool-start", choice: 0, index: 1, id: "c2", name: "g" },
  { type: "tool-input-delta", choice: 0, index: 0, text: '{"a":1}' },
  { type: "finish", choice: 0, reason: "tool_calls", nativeReason: "tool_use" },
];

test("the openai client assembles a stream", async () => {
  const stream = openAiChat.keepAlive + streamed(answered);
  const client = new OpenAI({
    apiKey: "k",
    baseURL: "http://localhost/v1",
    fetch: serving(stream, "text/event-stream"),
  });
  const completion = await client.chat.completions
    .stream({ model: "a/b", messages: [{ role: "user", content: "hi" }] })
    .finalChatCompletion();
  expect(completion.choices[0]).toMatchObject({
    finish_reason: "tool_calls",
    message: {
      content: "Hi you",
      tool_calls: [
        { id: "c1", function: { name: "f", arguments: '{"a":1}' } },
        { id: "c2", function: { name: "g", arguments: "{}" } },
      ],
    },
  });
  expect(completion.usage).toMatchObject({ total_tokens: 35, cost: 0.00000012 });
});

test("the openai client hears of a stream that breaks", async () => {
  const renderer = openAiChat.createStreamRenderer(head);
  const stream = renderer.render([text("par")]) + renderer.fail(face, tail);
  const client = new OpenAI({
    apiKey: "k",
    baseURL: "http://localhost/v1",
    fetch: serving(stream, "text/event-stream"),
  });
  const chunks = await client.chat.completions.create({
    model: "a/b",
    messages: [{ role: "user", content: "hi" }],
    stream: true,
  });
  const read = async (): Promise<void> => {
    for await (const chunk of chunks) expect(chunk.choices[0]?.delta.content).toBe("par");
  };
  await expect(read()).rejects.toThrow(/cut off/);
});

const ask = { prompt: [{ role: "user" as const, content: [{ type: "text" as const, text: "hi" }] }] };

test("the AI SDK's provider reads a stream", async () => {
  const provider = createOpenRouter({ apiKey: "k", fetch: serving(streamed(answered), "text/event-stream") });
  const { stream } = await provider.chat("a/b").doStream(ask);
  const parts: { type: string; [field: string]: unknown }[] = [];
  for await (const one of stream) parts.push(one as (typeof parts)[number]); // a union of the SDK's, read loosely
  const texts = parts.filter((one) => one.type === "text-delta").map((one) => one["delta"]);
  const calls = parts.filter((one) => one.type === "tool-call").map((one) => [one["toolName"], one["input"]]);
  expect(parts.filter((one) => one.type === "error")).toEqual([]);
  expect(texts.join("")).toBe("Hi you");
  expect(calls).toEqual([
    ["f", '{"a":1}'],
    ["g", "{}"],
  ]);
  expect(parts.find((one) => one.type === "finish")).toMatchObject({
    providerMetadata: { openrouter: { provider: 'Acme "Fast"', usage: { totalTokens: 35, cost: 0.00000012 } } },
  });
});

test("the AI SDK's provider reads a buffered answer", async () => {
  const reply = JSON.stringify(openAiChat.renderReply(head, answer, tail, null));
  const provider = createOpenRouter({ apiKey: "k", fetch: serving(reply, "application/json") });
  const result = await provider.chat("a/b").doGenerate(ask);
  expect(result.content).toMatchObject([{ type: "text", text: "hello" }]);
  expect(result.providerMetadata).toMatchObject({ openrouter: { usage: { cost: 0.00000012 } } });
});
