/** What is billed when the provider says all, something or nothing of what it used. */
import { expect, test } from "vitest";
import { estimateCompletionTokens } from "../../../src/core/estimate.ts";
import type { GenerationEvent } from "../../../src/core/event.ts";
import { completionTokens, NO_USAGE, promptTokens, type Usage } from "../../../src/core/usage.ts";
import { createMeter } from "../../../src/router/meter.ts";
import type { Plausible } from "../../../src/router/plausible.ts";
import { PLAUSIBLE } from "./world.ts";

const PROMPT_ESTIMATE = 40;
const TEXT = "The quick brown fox jumps over the lazy dog.";
const REASONER: Plausible = { ...PLAUSIBLE, unseenTokens: PLAUSIBLE.unseenOfReasoner };
const TOKENS = estimateCompletionTokens(TEXT);

const say = (text: string): GenerationEvent => ({ type: "text-delta", choice: 0, text });
const used = (inputText: number, outputText: number, more: Partial<Usage> = {}): GenerationEvent => ({
  type: "usage",
  usage: { ...NO_USAGE, inputText, outputText, ...more },
});

test.each([
  {
    name: "whole, with usage: the usage",
    events: [say(TEXT), used(10, 9)],
    isComplete: true,
    expected: [10, 9, false],
  },
  {
    name: "whole, with usage twice: the last one, not the sum",
    events: [used(10, 1), say(TEXT), used(10, 9)],
    isComplete: true,
    expected: [10, 9, false],
  },
  {
    name: "whole, without usage: counted",
    events: [say(TEXT)],
    isComplete: true,
    expected: [PROMPT_ESTIMATE, TOKENS, true],
  },
  {
    name: "whole, with usage that forgets the completion: counted, the prompt as told",
    events: [say(TEXT), used(10, 0)],
    isComplete: true,
    expected: [10, TOKENS, true],
  },
  {
    name: "whole and empty, with usage: the usage",
    events: [used(10, 0)],
    isComplete: true,
    expected: [10, 0, false],
  },
  {
    name: "broken, without usage: counted",
    events: [say(TEXT)],
    isComplete: false,
    expected: [PROMPT_ESTIMATE, TOKENS, true],
  },
  {
    name: "broken, with usage of the beginning only: its prompt, and what was delivered",
    events: [used(10, 1), say(TEXT)],
    isComplete: false,
    expected: [10, TOKENS, true],
  },
  {
    name: "broken, with usage above what was delivered: the usage",
    events: [say("The"), used(10, 9)],
    isComplete: false,
    expected: [10, 9, true],
  },
  { name: "nothing at all: no completion", events: [], isComplete: false, expected: [PROMPT_ESTIMATE, 0, true] },
])("$name", ({ events, isComplete, expected }) => {
  const meter = createMeter(PROMPT_ESTIMATE, PLAUSIBLE);
  meter.add(events);
  const { usage, isEstimated } = meter.read(isComplete);
  expect([promptTokens(usage), completionTokens(usage), isEstimated]).toEqual(expected);
});

test("the disjoint buckets of a told prompt survive an estimate of the completion", () => {
  const meter = createMeter(PROMPT_ESTIMATE, PLAUSIBLE);
  meter.add([used(10, 1, { cacheRead: 90, cacheWrite: 5 }), say(TEXT)]);
  expect(meter.read(false).usage).toMatchObject({ inputText: 10, cacheRead: 90, cacheWrite: 5, outputText: TOKENS });
});

test("text, tool calls and reasoning are delivered; what came after the client left is not", () => {
  const meter = createMeter(PROMPT_ESTIMATE, PLAUSIBLE);
  meter.add([
    { type: "reasoning-delta", choice: 0, detail: { type: "reasoning.text", text: TEXT } },
    { type: "tool-start", choice: 0, index: 0, id: "call_1", name: "look" },
    { type: "tool-input-delta", choice: 0, index: 0, text: `{"at":1}` },
  ]);
  meter.addUndelivered([say(TEXT.repeat(100)), { type: "finish", choice: 0, reason: "stop", nativeReason: "stop" }]);
  const { usage } = meter.read(false);
  expect(usage.outputReasoning).toBe(TOKENS);
  expect(usage.outputText).toBe(estimateCompletionTokens(`look{"at":1}`));
  expect(meter.finish()).toEqual({ reason: "stop", nativeReason: "stop" });
});

test("usage that arrives after the client left is the usage", () => {
  const meter = createMeter(PROMPT_ESTIMATE, PLAUSIBLE);
  meter.add([say("The")]);
  meter.addUndelivered([say(TEXT), used(10, 12)]);
  expect(meter.read(true)).toEqual({ usage: { ...NO_USAGE, inputText: 10, outputText: 12 }, isEstimated: false });
});

test("a long answer in small pieces is counted like the whole, give or take a token a page", () => {
  const meter = createMeter(0, PLAUSIBLE);
  const pieces = 2_000;
  for (let at = 0; at < pieces; at++) meter.add([say(`${TEXT} `)]);
  const whole = estimateCompletionTokens(`${TEXT} `.repeat(pieces));
  const counted = completionTokens(meter.read(false).usage);
  expect(Math.abs(counted - whole)).toBeLessThanOrEqual((pieces * (TEXT.length + 1)) / 4_096 + 1);
});

test.each([
  { name: "an image", events: [{ type: "image", choice: 0, url: "data:image/png;base64,AA==" }] },
  { name: "audio", events: [{ type: "audio-delta", choice: 0, audio: { id: "a", data: "A".repeat(6_400) } }] },
] satisfies { name: string; events: GenerationEvent[] }[])(
  "$name that was delivered before the break is not free",
  ({ events }) => {
    const meter = createMeter(PROMPT_ESTIMATE, PLAUSIBLE);
    meter.add(events);
    const { usage, isEstimated } = meter.read(false);
    expect(completionTokens(usage)).toBeGreaterThan(0);
    expect(isEstimated).toBe(true);
  },
);

test("hardware that was busy is kept where tokens are counted", () => {
  const meter = createMeter(PROMPT_ESTIMATE, PLAUSIBLE);
  meter.add([say(TEXT), used(0, 0, { work: { hardwareMs: 1_500 } })]);
  for (const isComplete of [true, false]) {
    expect(meter.read(isComplete)).toMatchObject({
      usage: { inputText: PROMPT_ESTIMATE, outputText: TOKENS, work: { hardwareMs: 1_500 } },
      isEstimated: true,
    });
  }
});

const SEEN = TEXT.length + 128;

test.each([
  { name: "a count that the text can have: the count", told: [10, SEEN], plausible: PLAUSIBLE, expected: [10, SEEN] },
  { name: "a token more: our own count", told: [10, SEEN + 1], plausible: PLAUSIBLE, expected: [10, TOKENS, true] },
  { name: "a million million: our own count", told: [10, 1e12], plausible: PLAUSIBLE, expected: [10, TOKENS, true] },
  {
    name: "what a reasoner may have thought within the request's limit: the count",
    told: [10, SEEN + 500],
    plausible: REASONER,
    expected: [10, SEEN + 500],
  },
  {
    name: "beyond the request's limit, within the model's: cut to the request's",
    told: [10, SEEN + 8_000],
    plausible: REASONER,
    expected: [10, SEEN + 500, true],
  },
  {
    name: "beyond all that the model writes: our own count",
    told: [10, SEEN + 8_001],
    plausible: REASONER,
    expected: [10, TOKENS, true],
  },
  {
    name: "a prompt longer than can be: our own count of it",
    told: [1_001, 9],
    plausible: PLAUSIBLE,
    expected: [PROMPT_ESTIMATE, 9, true, true],
  },
  {
    name: "nonsense of both: our own counts",
    told: [1e12, 1e12],
    plausible: REASONER,
    expected: [PROMPT_ESTIMATE, TOKENS, true, true],
  },
])("believed is $name", ({ told: [inputText = 0, outputText = 0], plausible, expected }) => {
  const meter = createMeter(PROMPT_ESTIMATE, plausible);
  meter.add([say(TEXT), used(inputText, outputText)]);
  const { usage, isEstimated, isDoubted = false, isPromptEstimated = false } = meter.read(true);
  const [prompt, completion, isDoubtful = false, isPromptDoubtful = false] = expected;
  expect([promptTokens(usage), completionTokens(usage)]).toEqual([prompt, completion]);
  expect([isEstimated, isDoubted, isPromptEstimated]).toEqual([isDoubtful, isDoubtful, isPromptDoubtful]);
  expect(meter.deliveredTokens()).toBe(Math.max(TOKENS, Number(completion)));
});

test("what came after the client left is evidence for the provider's count, and so is reasoning that is shown", () => {
  const left = createMeter(PROMPT_ESTIMATE, PLAUSIBLE);
  left.add([say(TEXT)]);
  left.addUndelivered([say("x".repeat(10_000)), used(10, 5_000)]);
  expect(left.read(true)).toEqual({ usage: { ...NO_USAGE, inputText: 10, outputText: 5_000 }, isEstimated: false });
  const thinking = createMeter(PROMPT_ESTIMATE, PLAUSIBLE);
  thinking.add([
    { type: "reasoning-delta", choice: 0, detail: { type: "reasoning.encrypted", data: "AAAA" } },
    say(TEXT),
    used(10, 400),
  ]);
  expect(thinking.read(true).isEstimated).toBe(false);
});

test("searches without number are not charged, a buffered image and a minute of speech count what they may", () => {
  const meter = createMeter(PROMPT_ESTIMATE, PLAUSIBLE);
  meter.add([
    { type: "image", choice: 0, url: "data:image/png;base64,AA==" },
    { type: "audio-delta", choice: 0, audio: { data: "A".repeat(26_000) } },
    used(10, 0, { outputImage: 6_240, outputAudio: 1_000, webSearches: 1e12 }),
  ]);
  expect(meter.read(true)).toMatchObject({
    usage: { outputImage: 6_240, outputAudio: 1_000, webSearches: 0 },
    isEstimated: true,
    isDoubted: true,
  });
});
