import { expect, test } from "vitest";
import { createCollector } from "../../../src/core/collect.ts";
import type { UpstreamFailure } from "../../../src/core/error.ts";
import type { CollectedChoice, GenerationEvent } from "../../../src/core/event.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";

function collect(...batches: readonly (readonly GenerationEvent[])[]) {
  const collector = createCollector();
  for (const batch of batches) collector.add(batch);
  return collector.result();
}
const failure: UpstreamFailure = {
  scope: "endpoint",
  retry: "elsewhere",
  status: 200,
  errorType: "provider_unavailable",
  message: "m",
  providerCode: null,
  raw: null,
  retryAfterMs: null,
};
const empty: CollectedChoice = {
  index: 0,
  text: "",
  refusal: "",
  reasoning: [],
  toolCalls: [],
  images: [],
  audio: null,
  annotations: [],
  logprobs: null,
  finishReason: null,
  nativeFinishReason: null,
};

test("no events are an empty answer", () => {
  expect(collect()).toEqual({
    upstreamId: null,
    systemFingerprint: null,
    serviceTier: null,
    choices: [],
    usage: null,
    failure: null,
    events: [],
  });
});

test.each<{ name: string; events: readonly GenerationEvent[]; expected: Partial<CollectedChoice> }>([
  {
    name: "text in order",
    events: [
      { type: "text-delta", choice: 0, text: "a" },
      { type: "text-delta", choice: 0, text: "b" },
    ],
    expected: { text: "ab" },
  },
  {
    name: "a refusal",
    events: [
      { type: "refusal-delta", choice: 0, text: "n" },
      { type: "refusal-delta", choice: 0, text: "o" },
    ],
    expected: { refusal: "no" },
  },
  {
    name: "reasoning by index and type, with its signature",
    events: [
      { type: "reasoning-delta", choice: 0, detail: { type: "reasoning.text", text: "a", format: "f", index: 0 } },
      { type: "reasoning-delta", choice: 0, detail: { type: "reasoning.encrypted", data: "x", index: 0 } },
      { type: "reasoning-delta", choice: 0, detail: { type: "reasoning.text", text: "b", index: 0 } },
      { type: "reasoning-delta", choice: 0, detail: { type: "reasoning.text", text: null, signature: "s", index: 0 } },
      { type: "reasoning-delta", choice: 0, detail: { type: "reasoning.text", text: "c", index: 1 } },
    ],
    expected: {
      reasoning: [
        { type: "reasoning.text", text: "ab", format: "f", signature: "s", index: 0 },
        { type: "reasoning.encrypted", data: "x", index: 0 },
        { type: "reasoning.text", text: "c", index: 1 },
      ],
    },
  },
  {
    name: "interleaved tool calls by index; without input they get {}",
    events: [
      { type: "tool-start", choice: 0, index: 1, id: "b", name: "g" },
      { type: "tool-start", choice: 0, index: 0, id: "a", name: "f" },
      { type: "tool-input-delta", choice: 0, index: 0, text: '{"x"' },
      { type: "tool-input-delta", choice: 0, index: 7, text: "lost" },
      { type: "tool-input-delta", choice: 0, index: 0, text: ":1}" },
    ],
    expected: {
      toolCalls: [
        { id: "a", name: "f", input: '{"x":1}' },
        { id: "b", name: "g", input: "{}" },
      ],
    },
  },
  {
    name: "images and annotations",
    events: [
      { type: "image", choice: 0, url: "u" },
      { type: "annotations", choice: 0, annotations: [1] },
      { type: "annotations", choice: 0, annotations: [2] },
    ],
    expected: { images: ["u"], annotations: [1, 2] },
  },
  {
    name: "audio of several pieces, padded ones decoded first",
    events: [
      { type: "audio-delta", choice: 0, audio: { id: "a1", data: btoa("hell"), transcript: "Hel" } },
      { type: "audio-delta", choice: 0, audio: { data: btoa("o"), transcript: "lo", expires_at: 5 } },
    ],
    expected: { audio: { id: "a1", data: btoa("hello"), transcript: "Hello", expires_at: 5 } },
  },
  {
    name: "audio that is no base64 as it came",
    events: [
      { type: "audio-delta", choice: 0, audio: { data: "?=" } },
      { type: "audio-delta", choice: 0, audio: { data: "!" } },
    ],
    expected: { audio: { data: "?=!" } },
  },
  {
    name: "logprobs of several pieces",
    events: [
      { type: "logprobs", choice: 0, logprobs: { content: [1], refusal: null } },
      { type: "logprobs", choice: 0, logprobs: { content: [2], refusal: null } },
    ],
    expected: { logprobs: { content: [1, 2], refusal: null } },
  },
  {
    name: "the finish with its native reason",
    events: [{ type: "finish", choice: 0, reason: "length", nativeReason: "max_tokens" }],
    expected: { finishReason: "length", nativeFinishReason: "max_tokens" },
  },
])("$name is collected, in one batch or event by event", ({ events, expected }) => {
  expect(collect(events).choices).toEqual([{ ...empty, ...expected }]);
  expect(collect(...events.map((event) => [event]))).toEqual(collect(events));
});

test("facts are kept, the last usage wins, the first failure stays, choices are in order", () => {
  const result = collect(
    [
      { type: "start", upstreamId: "u" },
      { type: "start", systemFingerprint: "f", serviceTier: "t" },
    ],
    [
      { type: "usage", usage: { ...NO_USAGE, inputText: 1 } },
      { type: "usage", usage: { ...NO_USAGE, inputText: 2 } },
    ],
    [
      { type: "text-delta", choice: 1, text: "b" },
      { type: "text-delta", choice: 0, text: "a" },
    ],
    [
      { type: "error", failure },
      { type: "error", failure: { ...failure, message: "later" } },
    ],
  );
  expect(result).toMatchObject({
    upstreamId: "u",
    systemFingerprint: "f",
    serviceTier: "t",
    usage: { inputText: 2 },
    failure: { message: "m" },
  });
  expect(result.choices.map((choice) => choice.text)).toEqual(["a", "b"]);
});
