/** The legacy completions: what they take, refuse and report, and their chunks and bodies as the openai client reads them. */
import OpenAI from "openai";
import { expect, test } from "vitest";
import { createCollector } from "../../../src/core/collect.ts";
import type { GenerationEvent } from "../../../src/core/event.ts";
import { asGenerationId } from "../../../src/core/ids.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";
import { completions } from "../../../src/dialects/completions.ts";
import type { AnswerHead, AnswerTail, ErrorFace } from "../../../src/dialects/dialect.ts";

function parsed(change: object) {
  const result = completions.parse({ model: "a/b", prompt: "Once", ...change });
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

test.each([
  ["text", "Once"],
  ["a list of one", ["Once"]],
])("a prompt as %s is one message", (_name, prompt) => {
  expect(parsed({ prompt, max_tokens: 9, stop: "x", temperature: 0.5, seed: 7, stream: true })).toMatchObject({
    models: ["a/b"],
    request: {
      messages: [{ role: "user", parts: [{ type: "text", text: "Once" }] }],
      maxOutputTokens: 9,
      stop: ["x"],
      sampling: { temperature: 0.5, seed: 7 },
      stream: true,
      extra: {},
    },
    warnings: [],
  });
});

test.each([
  [0, { logprobs: true }],
  [3, { logprobs: true, top_logprobs: 3 }],
  [true, { logprobs: true }],
  [false, {}],
  [null, {}],
])("logprobs %s asks for %o", (logprobs, sampling) => {
  expect(parsed({ logprobs }).request.sampling).toEqual(sampling);
});

test("what a conversation cannot do is reported", () => {
  expect(parsed({ suffix: "end", echo: true, best_of: 3 }).warnings).toEqual([
    "suffix is not available and was left out",
    "echo is not available and was left out",
    "best_of is not available and was left out",
  ]);
  expect(parsed({ suffix: "", echo: false, best_of: 1 }).warnings).toEqual([]);
});

test.each([
  [{ prompt: undefined }, 'Input required: specify "prompt"', "prompt"],
  [{ prompt: "" }, "prompt must not be empty", "prompt"],
  [{ prompt: { a: 1 } }, "prompt must be a string, or a list of one", "prompt"],
  [{ prompt: ["a", "b"] }, "prompt must be a string, or a list of one: send one request for each prompt", "prompt"],
  [{ prompt: [1, 2] }, "prompt must be text: tokens of one model mean nothing to another", "prompt"],
  [{ prompt: [[1], [2]] }, "prompt must be text: tokens of one model mean nothing to another", "prompt"],
  [{ logprobs: 21 }, "logprobs must be a whole number from 0 to 20", "logprobs"],
  [{ messages: [] }, "messages is not available in /completions: use /chat/completions", "messages"],
  [{ tools: [] }, "tools is not available in /completions: use /chat/completions", "tools"],
  [{ temperature: 9 }, "temperature must be at most 2", "temperature"],
])("refuses %o", (change, message, path) => {
  const result = completions.parse({ model: "a/b", prompt: "Once", ...change });
  expect(result).toMatchObject({ ok: false, error: { kind: "bad_request", message, path } });
});

const head: AnswerHead = {
  id: asGenerationId("gen-1-a"),
  createdS: 1_795_000_000,
  model: "a/b",
  provider: "Acme",
  excludeReasoning: false,
};
const tail: AnswerTail = {
  usage: { ...NO_USAGE, inputText: 10, outputText: 5 },
  isEstimated: false,
  endedS: 1_795_000_001,
  costNusd: 120n,
  upstreamCostNusd: 100n,
  upstreamPromptCostNusd: 40n,
  upstreamCompletionCostNusd: 60n,
  isByok: false,
  metadata: null,
};
const logprobs = {
  content: [
    { token: "He", logprob: -0.5, top_logprobs: [{ token: "Ha", logprob: -1 }] },
    { token: "llo", logprob: -0.25, top_logprobs: [] },
  ],
};
const legacy = {
  tokens: ["He", "llo"],
  token_logprobs: [-0.5, -0.25],
  top_logprobs: [{ Ha: -1 }, {}],
  text_offset: [0, 2],
};
const events: readonly GenerationEvent[] = [
  { type: "reasoning-delta", choice: 0, detail: { type: "reasoning.text", text: "hm" } },
  { type: "text-delta", choice: 0, text: "He" },
  { type: "text-delta", choice: 0, text: 'll"o' },
  { type: "logprobs", choice: 0, logprobs },
  { type: "finish", choice: 0, reason: "length", nativeReason: "max_tokens" },
];
const face: ErrorFace = { status: 502, message: "Broke", metadata: { error_type: "server" }, availability: null };

test("a body has text, reasoning, log probabilities and what it cost", () => {
  const collector = createCollector();
  collector.add(events);
  expect(completions.renderReply(head, collector.result(), tail, null)).toMatchObject({
    id: "gen-1-a",
    object: "text_completion",
    created: 1_795_000_000,
    model: "a/b",
    provider: "Acme",
    choices: [
      {
        index: 0,
        text: 'Hell"o',
        reasoning: "hm",
        logprobs: legacy,
        finish_reason: "length",
        native_finish_reason: "max_tokens",
      },
    ],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, cost: 0.00000012 },
  });
  expect(completions.renderReply(head, createCollector().result(), tail, face)).toMatchObject({
    choices: [{ text: "", finish_reason: "error" }],
  });
});

async function streamed(text: string): Promise<OpenAI.Completion[]> {
  const client = new OpenAI({
    apiKey: "k",
    baseURL: "https://x.test",
    fetch: () => Promise.resolve(new Response(text, { headers: { "Content-Type": completions.streamType } })),
  });
  const chunks: OpenAI.Completion[] = [];
  for await (const chunk of await client.completions.create({ model: "a/b", prompt: "Once", stream: true })) {
    chunks.push(chunk);
  }
  return chunks;
}

test("the openai client reads a stream, keep-alive and all, to its usage", async () => {
  const renderer = completions.createStreamRenderer(head);
  const pieces = events.map((event) => renderer.render([event]) + completions.keepAlive);
  const chunks = await streamed(pieces.join("") + renderer.end(tail));
  const choices = chunks.flatMap((chunk) => chunk.choices);
  expect(choices.map(({ text }) => text).join("")).toBe('Hell"o');
  expect(choices.map(({ finish_reason: reason }) => reason).filter((reason) => reason !== null)).toEqual(["length"]);
  expect(choices.find((choice) => choice.logprobs !== null)?.logprobs).toEqual(legacy);
  expect(chunks.map(({ usage }) => usage?.total_tokens).filter(Boolean)).toEqual([15]);
  for (const chunk of chunks) expect(chunk).toMatchObject({ id: "gen-1-a", object: "text_completion" });
});

test("a stream without a word ends all the same, and one that broke with its error", async () => {
  const empty = await streamed(completions.createStreamRenderer(head).end(tail));
  expect(empty[0]?.choices).toMatchObject([{ index: 0, text: "", finish_reason: "stop" }]);
  const renderer = completions.createStreamRenderer(head);
  await expect(streamed(renderer.render(events.slice(1, 2)) + renderer.fail(face, tail))).rejects.toThrow("Broke");
});
