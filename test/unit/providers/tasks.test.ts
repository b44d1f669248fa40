/** Tasks as providers are told them, and their replies: whole outcomes, exact usage, and no answer where one is missing. */
import { expect, test } from "vitest";
import type { ChatRequest } from "../../../src/core/chat.ts";
import { estimatePromptTokens, longestPromptTokens } from "../../../src/core/estimate.ts";
import { asProviderId } from "../../../src/core/ids.ts";
import type { Task } from "../../../src/core/task.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";
import type { Adapter, Target } from "../../../src/providers/adapter.ts";
import { gemini } from "../../../src/providers/gemini.ts";
import { openAiCompatible } from "../../../src/providers/openai-compatible.ts";

const target: Target = {
  provider: asProviderId("acme"),
  upstreamModel: "m",
  region: "global" as Target["region"],
  baseUrl: "https://acme.test/v1",
  credential: "test-credential-0123456789",
  supportedParameters: [],
  maxCompletionTokens: null,
  quirks: {},
  userHash: null,
};
const requestOf = (task: Task): ChatRequest => ({
  messages: [],
  task,
  stream: false,
  sampling: {},
  stop: [],
  tools: [],
  extra: {},
});
function said(adapter: Adapter, task: Task, change: Partial<Target> = {}) {
  const result = adapter.tasks?.[task.kind]?.encode(requestOf(task), { ...target, ...change });
  if (result === undefined) throw new Error("has no form for it");
  return result.ok
    ? { url: result.value.url, headers: result.value.headers, body: JSON.parse(result.value.body) as unknown }
    : result.error;
}
function heard(adapter: Adapter, task: Task, body: unknown) {
  return adapter.tasks?.[task.kind]?.decodeReply(body, requestOf(task), target);
}
const finish = { type: "finish", choice: 0, reason: "stop", nativeReason: null };

const two: Task = {
  kind: "embeddings",
  inputs: [
    { kind: "text", text: "hi" },
    { kind: "tokens", tokens: [1, 2] },
  ],
  dimensions: 8,
  inputType: "search_query",
  wantsBase64: true,
};
test("embeddings are asked for in OpenAI's form, as base64 where the endpoint can", () => {
  expect(said(openAiCompatible, two)).toMatchObject({
    url: "https://acme.test/v1/embeddings",
    headers: { authorization: "Bearer test-credential-0123456789", accept: "application/json" },
    body: { model: "m", input: ["hi", [1, 2]], dimensions: 8, input_type: "search_query" },
  });
  expect(said(openAiCompatible, two, { supportedParameters: ["encoding_format"] })).toMatchObject({
    body: { encoding_format: "base64" },
  });
  const picture: Task = { kind: "embeddings", inputs: [{ kind: "parts", parts: [{ type: "image", url: "u" }] }] };
  expect(said(openAiCompatible, picture)).toBe("This endpoint embeds text only.");
});

test("vectors are put in their inputs' order, with the provider's count", () => {
  const data = [
    { index: 1, embedding: "AAAA" },
    { index: 0, embedding: [1, 2] },
  ];
  expect(heard(openAiCompatible, two, { data, usage: { prompt_tokens: 5, total_tokens: 5 } })).toEqual([
    { type: "start" },
    { type: "outcome", outcome: { kind: "embeddings", vectors: [[1, 2], "AAAA"] } },
    { type: "usage", usage: { ...NO_USAGE, inputText: 5 } },
    finish,
  ]);
});

const ranked: Task = { kind: "rerank", query: "q", documents: [{ text: "one" }, { text: "two" }], topN: 1 };
test("documents are ranked in the common form, and the best are taken here", () => {
  expect(said(openAiCompatible, ranked)).toMatchObject({
    url: "https://acme.test/v1/rerank",
    body: { model: "m", query: "q", documents: ["one", "two"] },
  });
  const results = [
    { index: 0, relevance_score: 0.1 },
    { index: 1, relevance_score: 0.9 },
  ];
  const outcome = { type: "outcome", outcome: { kind: "rerank", results: [{ index: 1, score: 0.9 }] } };
  expect(heard(openAiCompatible, ranked, { id: "r", results, meta: { billed_units: { search_units: 1 } } })).toEqual([
    { type: "start", upstreamId: "r" },
    outcome,
    { type: "usage", usage: { ...NO_USAGE, work: { searchUnits: 1 } } },
    finish,
  ]);
  expect(heard(openAiCompatible, ranked, { data: results, usage: { total_tokens: 7 } })).toEqual([
    { type: "start" },
    outcome,
    { type: "usage", usage: { ...NO_USAGE, inputText: 7 } },
    finish,
  ]);
  expect(said(openAiCompatible, { ...ranked, documents: [{ image: "u" }] })).toBe("This endpoint ranks text only.");
});

test("texts are judged one by one, parts as one thing", () => {
  const texts: Task = { kind: "moderation", inputs: [{ type: "text", text: "a" }], isOne: false };
  expect(said(openAiCompatible, texts)).toMatchObject({
    url: "https://acme.test/v1/moderations",
    body: { input: ["a"] },
  });
  const one: Task = {
    kind: "moderation",
    inputs: [
      { type: "text", text: "a" },
      { type: "image", url: "u" },
    ],
    isOne: true,
  };
  expect(said(openAiCompatible, one)).toMatchObject({
    body: {
      input: [
        { type: "text", text: "a" },
        { type: "image_url", image_url: { url: "u" } },
      ],
    },
  });
  const results = [{ flagged: false, categories: {} }];
  expect(heard(openAiCompatible, one, { id: "modr-1", results })).toEqual([
    { type: "start", upstreamId: "modr-1" },
    { type: "outcome", outcome: { kind: "moderation", results } },
    finish,
  ]);
});

test("Gemini embeds in one batch; its form has no count, no tokens and no pictures", () => {
  const task: Task = {
    kind: "embeddings",
    inputs: [
      { kind: "text", text: "hi" },
      { kind: "text", text: "ho" },
    ],
    dimensions: 8,
    inputType: "search_document",
  };
  const one = (text: string) => ({
    model: "models/m",
    content: { parts: [{ text }] },
    outputDimensionality: 8,
    taskType: "RETRIEVAL_DOCUMENT",
  });
  expect(said(gemini, task)).toMatchObject({
    url: "https://acme.test/v1/models/m:batchEmbedContents",
    headers: { "x-goog-api-key": "test-credential-0123456789" },
    body: { requests: [one("hi"), one("ho")] },
  });
  expect(heard(gemini, task, { embeddings: [{ values: [1] }, { values: [2] }] })).toEqual([
    { type: "start" },
    { type: "outcome", outcome: { kind: "embeddings", vectors: [[1], [2]] } },
    finish,
  ]);
  expect(said(gemini, two)).toBe("This endpoint embeds text only.");
});

const verdicts: Task = { kind: "moderation", inputs: [{ type: "text", text: "a" }], isOne: false };
test.each<readonly [string, Adapter, Task, unknown]>([
  ["no object", openAiCompatible, two, 1],
  ["a vector too few", openAiCompatible, two, { data: [{ index: 0, embedding: [1] }] }],
  [
    "a vector twice",
    openAiCompatible,
    two,
    {
      data: [
        { index: 0, embedding: [1] },
        { index: 0, embedding: [1] },
      ],
    },
  ],
  [
    "a vector beyond",
    openAiCompatible,
    two,
    {
      data: [
        { index: 0, embedding: [1] },
        { index: 7, embedding: [1] },
      ],
    },
  ],
  ["a vector of words", openAiCompatible, two, { data: [{ embedding: ["a"] }, { embedding: [1] }] }],
  ["no results", openAiCompatible, ranked, { results: [] }],
  ["a document that nobody sent", openAiCompatible, ranked, { results: [{ index: 2, relevance_score: 1 }] }],
  ["no score", openAiCompatible, ranked, { results: [{ index: 0 }] }],
  ["no verdict", openAiCompatible, verdicts, { results: [] }],
  ["half a verdict", openAiCompatible, verdicts, { results: [{}] }],
  ["no values", gemini, { kind: "embeddings", inputs: [{ kind: "text", text: "a" }] }, { embeddings: [{}] }],
])("a reply with %s is none", (_name, adapter, task, body) => {
  expect(heard(adapter, task, body)).toMatchObject([
    { type: "error", failure: { scope: "endpoint", retry: "elsewhere" } },
  ]);
});

test("tasks are counted by all they hold, and fit by the longest", () => {
  const tokens = (task: Task): number => estimatePromptTokens(requestOf(task));
  expect(tokens(two)).toBeGreaterThanOrEqual(2);
  expect(
    tokens({ ...ranked, query: "a longer question", documents: Array.from({ length: 50 }, () => ({ text: "" })) }),
  ).toBeGreaterThan(
    4 * tokens({ ...ranked, query: "a longer question", documents: Array.from({ length: 5 }, () => ({ text: "" })) }),
  );
  expect(longestPromptTokens(requestOf(two), 500)).toBe(2);
  expect(longestPromptTokens({ ...requestOf(two), task: undefined }, 500)).toBe(500);
  expect(longestPromptTokens(requestOf(ranked), 500)).toBe(1);
});
