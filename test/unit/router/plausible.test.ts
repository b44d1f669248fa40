/** How much the counts of an answer may be, by what was asked of whom. */
import { expect, test } from "vitest";
import type { ChatRequest, Part } from "../../../src/core/chat.ts";
import { estimateCompletionTokens } from "../../../src/core/estimate.ts";
import { plan } from "../../../src/router/plan.ts";
import { plausibleOf } from "../../../src/router/plausible.ts";
import { entryOf, inputOf } from "./world.ts";

const PROMPT_ESTIMATE = 100;
const OF_TEXT = 7 * PROMPT_ESTIMATE + 32_768;

function plausible(more: Partial<ChatRequest>, endpoint: Record<string, unknown> = {}, parts: readonly Part[] = []) {
  const [found] = plan(inputOf([entryOf("test/m", [{ tag: "a" }])])).candidates;
  if (found === undefined) throw new Error("no candidate");
  const candidate = { ...found, endpoint: { ...found.endpoint, ...endpoint } };
  const request: ChatRequest = {
    messages: [{ role: "user", parts: [{ type: "text", text: "Hello" }, ...parts] }],
    stream: true,
    sampling: {},
    stop: [],
    tools: [],
    extra: {},
    ...more,
  };
  return plausibleOf(request, candidate, PROMPT_ESTIMATE);
}

const REASONS = { supported_parameters: ["reasoning", "max_tokens"] };
const VIDEO: Part = { type: "video", url: "https://example.com/a.mp4" };

test.each([
  { name: "a prompt of text is as long as its text", given: plausible({}), prompt: OF_TEXT },
  { name: "nor longer than the context", given: plausible({}, { context_length: 9_000 }), prompt: 9_000 },
  { name: "of media only the context says", given: plausible({}, {}, [VIDEO]), prompt: 128_000 },
  {
    name: "many things to embed may be longer than the context of each",
    given: plausible({ task: { kind: "embeddings", inputs: [] } }, { context_length: 500 }),
    prompt: OF_TEXT,
  },
])("$name", ({ given, prompt }) => {
  expect(given.promptTokensMax).toBe(prompt);
});

test.each([
  { name: "a model that does not reason shows all it writes", given: plausible({}), unseen: [0, 0] },
  { name: "a reasoner may hide its longest answer", given: plausible({}, REASONS), unseen: [8_000, 8_000] },
  {
    name: "no more is allowed than was asked for, of each choice",
    given: plausible({ maxOutputTokens: 100, sampling: { n: 3 } }, REASONS),
    unseen: [300, 24_000],
  },
  {
    name: "who asks for the moon gets what the model can",
    given: plausible({ maxOutputTokens: 1e9 }, REASONS),
    unseen: [8_000, 8_000],
  },
  {
    name: "reasoning that is switched off is none",
    given: plausible({ reasoning: { enabled: false } }, REASONS),
    unseen: [0, 0],
  },
  {
    name: "where the longest answer is not known, it is the context",
    given: plausible({}, { ...REASONS, max_completion_tokens: null }),
    unseen: [127_900, 128_000],
  },
])("$name", ({ given: { unseenTokens }, unseen }) => {
  expect([unseenTokens.allowed, unseenTokens.possible]).toEqual(unseen);
});

test("seven times our estimate is never less than the bytes of a character, whatever it is", () => {
  for (let code = 1; code < 0x1_0000; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    // Sixty of a kind: an estimate is rounded up once.
    const text = String.fromCharCode(code).repeat(60);
    const bytes = new TextEncoder().encode(text).byteLength;
    if (7 * estimateCompletionTokens(text) < bytes) expect.fail(`U+${code.toString(16)}: ${bytes} bytes`);
  }
  expect(7 * estimateCompletionTokens("\u{1F600}".repeat(60))).toBeGreaterThanOrEqual(240);
});
