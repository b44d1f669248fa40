/** Guesses of tokens: near a reference estimator, on the high side for prompts, and cheap for large bodies. */
import * as fc from "fast-check";
import { estimateTokenCount } from "tokenx";
import { expect, test } from "vitest";
import type { ChatRequest, Part } from "../../../src/core/chat.ts";
import { estimateCompletionTokens, estimatePromptTokens, SAMPLE_CHARS_MAX } from "../../../src/core/estimate.ts";

const request = (parts: readonly Part[], change: Partial<ChatRequest> = {}): ChatRequest => ({
  messages: [{ role: "user", parts }],
  stream: false,
  sampling: {},
  stop: [],
  tools: [],
  extra: {},
  ...change,
});
const said = (text: string): Part => ({ type: "text", text });

const PROSE =
  "The committee will meet again on Thursday to consider whether the proposal, which was first made in March, should be put to the members. Nobody expects an easy answer. ";
const CODE =
  "export function sum(values: readonly number[]): number {\n  let total = 0;\n  for (const value of values) total += value;\n  return total;\n}\n";
const CHINESE = "委员会将于星期四再次开会，讨论三月份首次提出的建议是否应提交成员表决。没有人期待简单的答案。";
const JAPANESE = "委員会は木曜日に再び開かれ、三月に初めて出された提案を会員に諮るべきかどうかを検討します。";
const KOREAN = "위원회는 목요일에 다시 모여 삼월에 처음 나온 제안을 회원들에게 부칠지 논의할 예정입니다.";
const JSON_TEXT = JSON.stringify(
  Array.from({ length: 20 }, (_, at) => ({ id: at, name: `item ${at}`, price: at * 1.25, tags: ["a", "b"] })),
);

test.each([
  { name: "English prose", text: PROSE.repeat(20) },
  { name: "TypeScript", text: CODE.repeat(20) },
  { name: "Chinese", text: CHINESE.repeat(20) },
  { name: "Japanese", text: JAPANESE.repeat(20) },
  { name: "Korean", text: KOREAN.repeat(20) },
  { name: "JSON", text: JSON_TEXT },
])("$name is guessed near the reference, the prompt above it", ({ text }) => {
  const reference = estimateTokenCount(text);
  const completion = estimateCompletionTokens(text);
  expect(completion / reference).toBeGreaterThan(0.8);
  expect(completion / reference).toBeLessThan(1.6);
  expect(estimatePromptTokens(request([said(text)]))).toBeGreaterThanOrEqual(Math.max(reference, completion));
});

test("no text is no token, any text is at least one", () => {
  expect(estimateCompletionTokens("")).toBe(0);
  expect(estimateCompletionTokens(" ")).toBe(1);
});

test.each<{ name: string; part: Part; least: number; most: number }>([
  { name: "an image", part: { type: "image", url: "https://e.x/a.png" }, least: 1_200, most: 1_500 },
  {
    name: "a 20 MB image",
    part: { type: "image", url: `data:image/png;base64,${"A".repeat(20_000_000)}` },
    least: 1_200,
    most: 1_500,
  },
  {
    name: "10 s of plain audio",
    part: { type: "audio", data: "A".repeat(426_667), format: "wav" },
    least: 320,
    most: 500,
  },
  {
    name: "a PDF of 100 kB",
    part: { type: "file", data: `data:application/pdf;base64,${"A".repeat(133_333)}` },
    least: 10_000,
    most: 15_000,
  },
  { name: "a file by URL", part: { type: "file", data: "https://e.x/a.pdf" }, least: 10_000, most: 15_000 },
  { name: "a video by URL", part: { type: "video", url: "https://e.x/a.mp4" }, least: 20_000, most: 25_000 },
  {
    name: "a video of 1 MB",
    part: { type: "video", url: `data:video/mp4;base64,${"A".repeat(1_333_333)}` },
    least: 2_000,
    most: 3_000,
  },
])("$name counts between $least and $most", ({ part, least, most }) => {
  const tokens = estimatePromptTokens(request([part]));
  expect(tokens).toBeGreaterThanOrEqual(least);
  expect(tokens).toBeLessThanOrEqual(most);
});

test("tools, schema, calls and reasoning count as well", () => {
  const bare = estimatePromptTokens(request([said("hi")]));
  const tools = [{ name: "f", description: PROSE, parameters: { type: "object", description: PROSE } }];
  const responseFormat = { kind: "json_schema", name: "s", schema: { description: PROSE } } as const;
  const messages: ChatRequest["messages"] = [
    {
      role: "assistant",
      parts: [said("hi")],
      toolCalls: [{ id: "c", name: "f", input: JSON_TEXT }],
      reasoning: [{ type: "reasoning.text", text: PROSE }],
    },
  ];
  for (const change of [{ tools }, { responseFormat }, { messages }]) {
    expect(estimatePromptTokens(request([said("hi")], change))).toBeGreaterThan(bare + 30);
  }
});

test("a long text is sampled: within 5% of the whole, and fast", () => {
  const long = (PROSE + CODE + CHINESE).repeat(Math.ceil((10 * SAMPLE_CHARS_MAX) / (PROSE + CODE + CHINESE).length));
  let whole = 0;
  for (let at = 0; at < long.length; at += SAMPLE_CHARS_MAX)
    whole += estimateCompletionTokens(long.slice(at, at + SAMPLE_CHARS_MAX));
  expect(Math.abs(estimateCompletionTokens(long) / whole - 1)).toBeLessThan(0.05);
  const huge = "x".repeat(25_000_000);
  // Makes one flat string of it, as JSON.parse would.
  expect(huge.charCodeAt(huge.length - 1)).toBe(120);
  const startMs = performance.now();
  estimateCompletionTokens(huge);
  expect(performance.now() - startMs).toBeLessThan(50);
});

test("more text is never fewer tokens", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (one, two) => {
      expect(estimateCompletionTokens(one + two)).toBeGreaterThanOrEqual(estimateCompletionTokens(one));
    }),
  );
});
