/**
 * What clients of Gemini's API hear, in one piece and in chunks of either framing; and that what Gemini itself says and is
 * told goes through us and back without a loss.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createCollector } from "../../../src/core/collect.ts";
import type { GenerationEvent } from "../../../src/core/event.ts";
import { asGenerationId, asProviderId, asRequestId } from "../../../src/core/ids.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";
import type { AnswerHead, AnswerTail, ErrorFace } from "../../../src/dialects/dialect.ts";
import { gemini, geminiArray } from "../../../src/dialects/gemini.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { gemini as adapter } from "../../../src/providers/gemini.ts";
import { geminiUsageOf } from "../../../src/providers/gemini-usage.ts";

const head: AnswerHead = {
  id: asGenerationId("gen-1-a"),
  createdS: 1_795_000_000,
  model: "a/b",
  provider: "Acme",
  excludeReasoning: false,
  echo: { includeThoughts: true },
};
const tail: AnswerTail = {
  usage: { ...NO_USAGE, inputText: 10, cacheRead: 4, inputAudio: 3, outputText: 5, outputReasoning: 7, outputImage: 1 },
  isEstimated: false,
  endedS: 1_795_000_001,
  costNusd: 120n,
  upstreamCostNusd: 100n,
  upstreamPromptCostNusd: 40n,
  upstreamCompletionCostNusd: 60n,
  isByok: false,
  metadata: null,
};
const usageMetadata = {
  promptTokenCount: 17,
  candidatesTokenCount: 6,
  thoughtsTokenCount: 7,
  totalTokenCount: 30,
  cachedContentTokenCount: 4,
  cacheTokensDetails: [{ modality: "TEXT", tokenCount: 4 }],
  promptTokensDetails: [
    { modality: "TEXT", tokenCount: 14 },
    { modality: "AUDIO", tokenCount: 3 },
  ],
  candidatesTokensDetails: [
    { modality: "TEXT", tokenCount: 5 },
    { modality: "IMAGE", tokenCount: 1 },
  ],
  cost: 0.00000012,
  isByok: false,
};
const names = { modelVersion: "a/b", responseId: "gen-1-a" };
const target: Target = {
  provider: asProviderId("google-ai-studio"),
  upstreamModel: "gemini-2.5-flash",
  baseUrl: "https://x.test/v1beta",
  credential: "test-credential-0123456789",
  supportedParameters: ["tools", "reasoning", "temperature", "top_p", "stop", "structured_outputs", "response_format"],
  maxCompletionTokens: null,
  quirks: {},
  userHash: null,
};
const stop: GenerationEvent = { type: "finish", choice: 0, reason: "stop", nativeReason: "end_turn" };

interface Chunk {
  readonly candidates?: readonly {
    readonly index: number;
    readonly finishReason?: string;
    readonly content?: { readonly parts: readonly JsonObject[] };
  }[];
  readonly usageMetadata?: JsonObject;
  readonly error?: JsonObject;
}

function reply(events: readonly GenerationEvent[], over: Partial<AnswerHead> = {}, fault: ErrorFace | null = null) {
  const collector = createCollector();
  collector.add(events);
  return gemini.renderReply({ ...head, ...over }, collector.result(), tail, fault) as unknown as Required<Chunk>; // asserted by the tests
}
function replyParts(events: readonly GenerationEvent[], over: Partial<AnswerHead> = {}): readonly JsonObject[] {
  return reply(events, over).candidates[0]?.content?.parts ?? [];
}
function eventStream(events: readonly GenerationEvent[]): readonly Chunk[] {
  const renderer = gemini.createStreamRenderer(head);
  const text = events.map((event) => renderer.render([event])).join(gemini.keepAlive) + renderer.end(tail);
  return text
    .split("\r\n\r\n")
    .filter((frame) => frame !== "")
    .map((frame) => JSON.parse(frame.slice("data: ".length)) as Chunk); // asserted by the tests
}
function arrayStream(events: readonly GenerationEvent[]): readonly Chunk[] {
  const renderer = geminiArray.createStreamRenderer(head);
  const pieces = events.map((event) => renderer.render([event]));
  const { keepAlive } = geminiArray;
  return JSON.parse(keepAlive + pieces.join(keepAlive) + renderer.end(tail)) as Chunk[]; // asserted by the tests
}
/** Pieces of one text or thought as one part, as a client that keeps parts would read them. */
function merged(parts: readonly JsonObject[]): readonly JsonObject[] {
  const out: JsonObject[] = [];
  for (const part of parts) {
    const last = out.at(-1);
    const isNext =
      typeof last?.["text"] === "string" && typeof part["text"] === "string" && last["thought"] === part["thought"];
    if (isNext && last["thoughtSignature"] === undefined)
      out[out.length - 1] = { ...last, ...part, text: `${last["text"]}${part["text"]}` };
    else out.push(part);
  }
  return out;
}

const answered: readonly GenerationEvent[] = [
  { type: "start", upstreamId: "up" },
  { type: "text-delta", choice: 0, text: "Hel" },
  { type: "text-delta", choice: 0, text: "lo\u2028" },
  { type: "tool-start", choice: 0, index: 0, id: "c0", name: "f" },
  { type: "tool-start", choice: 0, index: 1, id: "c1", name: "g" },
  { type: "tool-input-delta", choice: 0, index: 1, text: '{"b"' },
  { type: "tool-input-delta", choice: 0, index: 0, text: '{"a":1}' },
  { type: "tool-input-delta", choice: 0, index: 1, text: ":2}" },
  { type: "finish", choice: 0, reason: "tool_calls", nativeReason: "tool_calls" },
];
const answeredParts = [
  { text: "Hello\u2028" },
  { functionCall: { id: "c0", name: "f", args: { a: 1 } } },
  { functionCall: { id: "c1", name: "g", args: { b: 2 } } },
];

test("a whole answer has text in one part, whole calls, counts that add up, and what it cost", () => {
  expect(reply(answered)).toEqual({
    candidates: [{ content: { parts: answeredParts, role: "model" }, finishReason: "STOP", index: 0 }],
    usageMetadata,
    ...names,
  });
});

test.each([
  { framing: "events", read: eventStream },
  { framing: "an array", read: arrayStream },
])("a stream of $framing says the same in chunks, usage once and last", ({ read }) => {
  const chunks = read(answered);
  const candidates = chunks.flatMap((chunk) => chunk.candidates ?? []);
  expect(merged(candidates.flatMap(({ content }) => content?.parts ?? []))).toEqual(answeredParts);
  expect(candidates.map(({ finishReason }) => finishReason).filter(Boolean)).toEqual(["STOP"]);
  expect(chunks.filter((chunk) => chunk.usageMetadata !== undefined)).toEqual([chunks.at(-1)]);
  expect(chunks.at(-1)).toMatchObject({ candidates: [{ finishReason: "STOP" }], usageMetadata });
  // A chat of Google's SDK forgets a turn with a chunk that has no parts.
  for (const chunk of chunks) {
    expect(chunk).toMatchObject(names);
    for (const { content } of chunk.candidates ?? [{}]) expect(content?.parts.length).toBeGreaterThan(0);
  }
});

test("a stream without a word is a whole answer all the same", () => {
  const expected = [{ candidates: [{ content: { parts: [{ text: "" }] }, finishReason: "STOP", index: 0 }] }];
  expect(eventStream([])).toMatchObject(expected);
  expect(arrayStream([])).toMatchObject(expected);
});

const finishes = [
  ["stop", "end_turn", "STOP"],
  ["tool_calls", null, "STOP"],
  ["length", "max_tokens", "MAX_TOKENS"],
  ["content_filter", "refusal", "SAFETY"],
  ["content_filter", "RECITATION", "RECITATION"],
  ["content_filter", "STOP", "SAFETY"],
  ["error", "MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL"],
  ["error", "overloaded", "OTHER"],
] as const;
test.each(finishes)("%s (%s upstream) ends as %s", (reason, nativeReason, expected) => {
  const events: GenerationEvent[] = [{ type: "finish", choice: 0, reason, nativeReason }];
  expect(reply(events).candidates[0]).toMatchObject({ finishReason: expected });
  expect(eventStream(events)[0]?.candidates?.[0]).toMatchObject({ finishReason: expected });
});

test("a model that refuses in words was stopped for safety", () => {
  const events: GenerationEvent[] = [{ type: "refusal-delta", choice: 0, text: "No." }, stop];
  expect(reply(events).candidates[0]).toMatchObject({ finishReason: "SAFETY", content: { parts: [{ text: "No." }] } });
  expect(eventStream(events).at(-1)?.candidates?.[0]).toMatchObject({ finishReason: "SAFETY" });
});

test("pictures, sound and log probabilities have the API's shape", () => {
  const events: GenerationEvent[] = [
    { type: "image", choice: 0, url: "data:image/png;base64,QUJD" },
    { type: "audio-delta", choice: 0, audio: { data: "QUJD", format: "wav", transcript: "hi" } },
    {
      type: "logprobs",
      choice: 0,
      logprobs: { content: [{ token: "a", logprob: -0.5, top_logprobs: [{ token: "b", logprob: -1 }] }] },
    },
    stop,
  ];
  expect(reply(events).candidates[0]).toMatchObject({
    content: {
      parts: [
        { inlineData: { mimeType: "image/png", data: "QUJD" } },
        { inlineData: { mimeType: "audio/wav", data: "QUJD" } },
        { text: "hi" },
      ],
    },
    logprobsResult: {
      chosenCandidates: [{ token: "a", logProbability: -0.5 }],
      topCandidates: [{ candidates: [{ token: "b", logProbability: -1 }] }],
    },
  });
});

const foreign: readonly GenerationEvent[] = [
  {
    type: "reasoning-delta",
    choice: 0,
    detail: { type: "reasoning.text", text: "hm", format: "anthropic-claude-v1", index: 0 },
  },
  {
    type: "reasoning-delta",
    choice: 0,
    detail: { type: "reasoning.text", signature: "s+/=", format: "anthropic-claude-v1", index: 0 },
  },
  {
    type: "reasoning-delta",
    choice: 0,
    detail: { type: "reasoning.encrypted", data: "d==", format: "anthropic-claude-v1", index: 1 },
  },
  { type: "text-delta", choice: 0, text: "So." },
  { type: "tool-start", choice: 0, index: 0, id: "c0", name: "f" },
  stop,
];
const foreignReasoning = [
  { type: "reasoning.text", text: "hm", signature: "s+/=", format: "anthropic-claude-v1", index: 0 },
  { type: "reasoning.encrypted", data: "d==", format: "anthropic-claude-v1", index: 1 },
];
test.each([true, false])("another provider's reasoning comes back whole, shown or not (%s)", (includeThoughts) => {
  const parts = replyParts(foreign, { echo: { includeThoughts } });
  expect(parts.some((part) => part["thought"] === true)).toBe(includeThoughts);
  const streamed = eventStream(foreign).flatMap((chunk) => chunk.candidates ?? []);
  for (const model of [parts, streamed.flatMap(({ content }) => content?.parts ?? [])]) {
    const user = { parts: [{ text: "hi" }] };
    const back = gemini.parse(
      { contents: [user, { role: "model", parts: model }, user] },
      { model: "a/b", header: () => null },
    );
    if (!back.ok) throw new Error(back.error.message);
    expect(back.value.request.messages[1]).toMatchObject({
      reasoning: foreignReasoning,
      parts: [{ type: "text", text: "So." }],
      toolCalls: [{ id: "c0", name: "f", input: "{}" }],
    });
  }
});

const face: ErrorFace = {
  status: 429,
  message: "Slow down",
  metadata: { error_type: "rate_limit_exceeded", retry_after_seconds: 3, path: "contents", limit: 20 },
  availability: { code: "x" },
};
const error = {
  code: 429,
  message: "Slow down",
  status: "RESOURCE_EXHAUSTED",
  details: [
    {
      "@type": "type.googleapis.com/google.rpc.ErrorInfo",
      reason: "RATE_LIMIT_EXCEEDED",
      domain: "waypost",
      metadata: { limit: "20", availability: '{"code":"x"}' },
    },
    {
      "@type": "type.googleapis.com/google.rpc.BadRequest",
      fieldViolations: [{ field: "contents", description: "Slow down" }],
    },
    { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "3s" },
  ],
};
test("errors have the API's shape, before an answer and in the middle of one", () => {
  const requestInfo = { "@type": "type.googleapis.com/google.rpc.RequestInfo", requestId: "req-1" };
  const context = { requestId: asRequestId("req-1"), generationId: null, metadata: null };
  expect(gemini.renderError(face, context)).toEqual({ error: { ...error, details: [...error.details, requestInfo] } });
  const [events, array] = [gemini, geminiArray].map((dialect) => {
    const renderer = dialect.createStreamRenderer(head);
    return renderer.render([{ type: "text-delta", choice: 0, text: "Hel" }]) + renderer.fail(face, tail);
  });
  expect(JSON.parse(events?.split("\r\n\r\n").at(-2)?.slice("data: ".length) ?? "")).toMatchObject({
    error,
    usageMetadata,
  });
  expect((JSON.parse(array ?? "") as Chunk[]).at(-1)).toMatchObject({ error, usageMetadata });
  expect(reply([{ type: "text-delta", choice: 0, text: "Hel" }], {}, face).candidates).toEqual([
    {
      content: { parts: [{ text: "Hel" }], role: "model" },
      finishReason: "OTHER",
      finishMessage: "Slow down",
      index: 0,
    },
  ]);
});

test("counts go there and back", () => {
  expect(geminiUsageOf(reply([]).usageMetadata)).toEqual(tail.usage);
});

const words = fc.string({ minLength: 1, maxLength: 8, unit: "grapheme" });
const signature = fc.base64String({ minLength: 4, maxLength: 24 });
const signed = <T extends JsonObject>(part: fc.Arbitrary<T>) =>
  fc
    .tuple(part, fc.option(signature, { nil: undefined }))
    .map(([held, thoughtSignature]) => (thoughtSignature === undefined ? held : { ...held, thoughtSignature }));
const thought = signed(words.map((text) => ({ text, thought: true })));
const text = signed(words.map((said) => ({ text: said })));
const call = signed(
  fc
    .record({ name: fc.constantFrom("f", "g"), args: fc.dictionary(words, fc.integer(), { maxKeys: 3 }) })
    .map((functionCall) => ({ functionCall })),
);
/** Gives each call an id of its own. */
const named = (parts: readonly JsonObject[], prefix: string): readonly JsonObject[] =>
  parts.map(
    (part, at) =>
      part["functionCall"] === undefined
        ? part
        : { ...part, functionCall: { id: `${prefix}${at}`, ...(part["functionCall"] as JsonObject) } }, // made above
  );

test("what Gemini answers reaches a client of its API part by part, byte by byte", () => {
  const answers = fc.array(fc.oneof(thought, text, call), { minLength: 1, maxLength: 8 });
  const request = { messages: [], stream: false, sampling: {}, stop: [], tools: [], extra: {} };
  fc.assert(
    fc.property(answers, (made) => {
      const parts = named(made, "c");
      const events = adapter.decodeReply(
        { candidates: [{ content: { parts, role: "model" }, finishReason: "STOP" }], responseId: "r" },
        request,
        target,
      );
      expect(merged(replyParts(events))).toEqual(merged(parts));
      for (const read of [eventStream, arrayStream]) {
        const streamed = read(events).flatMap((chunk) => chunk.candidates ?? []);
        const said = streamed.flatMap(({ content }) => content?.parts ?? []);
        expect(merged(said.filter((part) => part["text"] !== "" || part["thoughtSignature"] !== undefined))).toEqual(
          merged(parts),
        );
      }
    }),
    { numRuns: 300 },
  );
});

test("what a client of the API tells a Gemini model reaches it part by part, byte by byte", () => {
  const turn = fc.record({
    asked: fc.array(
      fc.oneof(
        words.map((said) => ({ text: said })),
        fc.constant({ inlineData: { mimeType: "image/png", data: "QUJD" } }),
      ),
      { minLength: 1, maxLength: 3 },
    ),
    thoughts: fc.array(signed(words.map((said) => ({ text: said, thought: true }))), { maxLength: 1 }),
    said: fc.array(text, { maxLength: 1 }),
    calls: fc.array(call, { maxLength: 3 }),
  });
  fc.assert(
    fc.property(fc.array(turn, { minLength: 1, maxLength: 4 }), (turns) => {
      const contents: JsonObject[] = [];
      for (const [at, { asked, thoughts, said, calls }] of turns.entries()) {
        contents.push({ role: "user", parts: asked });
        const model = named([...thoughts, ...said, ...calls], `c${at}-`);
        if (model.length === 0) continue;
        contents.push({ role: "model", parts: model });
        const answers = model.flatMap(({ functionCall }) =>
          functionCall === undefined ? [] : [functionCall as JsonObject],
        ); // made above
        const responses = answers.map(({ id, name }) => ({
          functionResponse: { id, name, response: { output: "done" } },
        }));
        if (responses.length > 0) contents.push({ role: "user", parts: responses as unknown as JsonObject[] }); // plain JSON
      }
      const parsed = gemini.parse({ contents }, { model: "google/gemini-2.5-flash", header: () => null });
      if (!parsed.ok) throw new Error(parsed.error.message);
      const encoded = adapter.encode(parsed.value.request, target);
      if (!encoded.ok) throw new Error(encoded.error);
      expect(JSON.parse(encoded.value.body)).toEqual({ contents });
      expect(encoded.value.warnings).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
