/** Frames that a decoder knows by their looks, and all others: the same events, whatever the cuts. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { oneByOne, type GenerationEvent } from "../../../src/core/event.ts";
import type { ChatRequest } from "../../../src/core/chat.ts";
import type { StreamDecoder, Target } from "../../../src/providers/adapter.ts";
import { createOpenAiDecoder } from "../../../src/providers/openai-decode.ts";
import { createEventReader } from "../../../src/router/event-reader.ts";

// What the decoder reads of them.
const request = { messages: [], tools: [], stream: true } as unknown as ChatRequest;
const target = { quirks: {}, credential: "sk-upstream", upstreamModel: "one" } as unknown as Target;

const json = (delta: object, index = 0, finish: string | null = null): string =>
  JSON.stringify({ id: "c1", model: "m", choices: [{ index, delta, finish_reason: finish }] });
const frame = (data: string, end = "\n"): string => `data: ${data}${end}${end}`;

const texts = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[a-z ]{1,6}$/) },
  fc.constantFrom("", '"', "\\", "\n", "é", "😀", "data: ", '"}}]}\n\n', "\u0000", "\u2028"),
);
const frames = fc.oneof(
  { weight: 8, arbitrary: texts.map((content) => frame(json({ content }))) },
  texts.map((content) => frame(json({ content }), "\r\n")),
  texts.map((content) => frame(json({ content }, 1))),
  texts.map((content) => `event: chunk\n${frame(json({ content }))}`),
  texts.map((content) => `data:${json({ content })}\n\n`),
  texts.map((content) => `data: ${json({ content })}\ndata: \n\n`),
  texts.map((content) => frame(json({ role: "assistant", content }))),
  fc.constantFrom(
    ": ping\n\n",
    "\n",
    "id: 7\n",
    "event: x\n",
    frame("{"),
    frame("[DONE]"),
    frame(json({}, 0, "stop")),
    frame('{"error":{"message":"no"}}'),
    frame('{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}'),
  ),
);

function eventsOf(pieces: readonly Uint8Array[], decoder: StreamDecoder): readonly GenerationEvent[] {
  const reader = createEventReader(decoder, "sse");
  return oneByOne([...pieces.flatMap((piece) => reader.feed(piece)), ...reader.end()]);
}

test("a run of frames gives the events that each would give", () => {
  fc.assert(
    fc.property(fc.array(frames, { maxLength: 24 }), fc.array(fc.nat(2_000), { maxLength: 5 }), (stream, cuts) => {
      const bytes = new TextEncoder().encode(stream.join(""));
      const places = [0, ...cuts.map((at) => Math.min(at, bytes.length)), bytes.length].toSorted((a, b) => a - b);
      const pieces = places.slice(1).map((to, index) => bytes.subarray(places[index], to));
      const { feed, end, isDone } = createOpenAiDecoder(request, target);
      const oneByOne: StreamDecoder = { feed, end, ...(isDone === undefined ? {} : { isDone }) };
      expect(eventsOf(pieces, createOpenAiDecoder(request, target))).toEqual(eventsOf(pieces, oneByOne));
    }),
    { numRuns: 2_000 },
  );
});

test("frames are counted, however they were read", () => {
  const reader = createEventReader(createOpenAiDecoder(request, target), "sse");
  const said = ["a", "b", "\n", "c", "d"].map((content) => frame(json({ content }))).join("");
  const events = reader.feed(new TextEncoder().encode(`: hello\n\n${said}${frame("[DONE]")}`));
  expect(oneByOne(events).map((event) => (event.type === "text-delta" ? event.text : event.type))).toEqual([
    "start",
    "a",
    "b",
    "\n",
    "c",
    "d",
    "finish",
  ]);
  expect(reader.frames()).toBe(6);
  expect(reader.feed(new TextEncoder().encode(": bye\n\n"))).toEqual([]);
  expect(reader.frames()).toBe(0);
});
