/** Embeddings, rerank and moderations: what clients may say, every fault with its field, and what they hear. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createCollector } from "../../../src/core/collect.ts";
import { asGenerationId } from "../../../src/core/ids.ts";
import type { Outcome } from "../../../src/core/task.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";
import type { AnswerHead, AnswerTail, Dialect } from "../../../src/dialects/dialect.ts";
import { base64Of, embeddings, numbersOf } from "../../../src/dialects/embeddings.ts";
import { moderations } from "../../../src/dialects/moderations.ts";
import { rerank } from "../../../src/dialects/rerank.ts";

const header = () => null;
const model = "a/b";
const png = "data:image/png;base64,iVBORw0KGgo=";

function parsed(dialect: Dialect, body: object) {
  const result = dialect.parse({ model, ...body }, { header });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

const text = (said: string) => ({ kind: "text", text: said });
const taken = [
  ["a text", { input: "hi" }, [text("hi")], [[{ type: "text", text: "hi" }]]],
  ["texts", { input: ["hi", "ho"] }, [text("hi"), text("ho")], [[{ type: "text" }], [{ type: "text" }]]],
  ["tokens", { input: [1, 2] }, [{ kind: "tokens", tokens: [1, 2] }], [[{ type: "text", text: "" }]]],
  [
    "lists of tokens",
    { input: [[1], [2, 3]] },
    [
      { kind: "tokens", tokens: [1] },
      { kind: "tokens", tokens: [2, 3] },
    ],
    [[{ text: "" }], [{ text: "" }]],
  ],
  [
    "things of parts",
    {
      input: [
        {
          content: [
            { type: "text", text: "hi" },
            { type: "image_url", image_url: { url: png } },
          ],
        },
      ],
    },
    [
      {
        kind: "parts",
        parts: [
          { type: "text", text: "hi" },
          { type: "image", url: png },
        ],
      },
    ],
    [
      [
        { type: "text", text: "hi" },
        { type: "image", url: png },
      ],
    ],
  ],
] as const;
test.each(taken)("embeddings take %s", (_name, body, inputs, parts) => {
  expect(parsed(embeddings, body)).toMatchObject({
    models: [model],
    request: { task: { kind: "embeddings", inputs }, messages: parts.map((one) => ({ role: "user", parts: one })) },
    warnings: [],
  });
});

test("embeddings carry what they are for, and name what they don't know", () => {
  const given = {
    input: "hi",
    dimensions: 8,
    encoding_format: "base64",
    input_type: "search_query",
    user: "u",
    foo: 1,
  };
  expect(parsed(embeddings, { ...given, provider: { only: ["x"] }, session_id: "s" })).toMatchObject({
    request: {
      task: { dimensions: 8, wantsBase64: true, inputType: "search_query" },
      modalities: ["embeddings"],
      stream: false,
      user: "u",
      extra: {},
    },
    provider: { only: ["x"] },
    sessionId: "s",
    warnings: ["foo is not passed on"],
  });
});

test("rerank takes texts and pictures, and counts the query", () => {
  expect(parsed(rerank, { query: "q", documents: ["one", { text: "two", image: png }], top_n: 1 })).toMatchObject({
    request: {
      task: { kind: "rerank", query: "q", documents: [{ text: "one" }, { text: "two", image: png }], topN: 1 },
      messages: [
        { parts: [{ text: "q" }] },
        { parts: [{ text: "one" }] },
        { parts: [{ text: "two" }, { type: "image", url: png }] },
      ],
      modalities: ["rerank"],
    },
    echo: { documents: [{ text: "one" }, { text: "two", image: png }] },
  });
});

test("moderations judge each text alone, and parts as one thing; nobody has to name a model", () => {
  expect(parsed(moderations, { input: ["a", "b"] }).request.task).toMatchObject({
    inputs: [{ text: "a" }, { text: "b" }],
    isOne: false,
  });
  const thing = [
    { type: "text", text: "a" },
    { type: "image_url", image_url: { url: png } },
  ];
  expect(parsed(moderations, { input: thing }).request.task).toMatchObject({
    inputs: [
      { type: "text", text: "a" },
      { type: "image", url: png },
    ],
    isOne: true,
  });
  expect(parsed(moderations, { model: undefined, input: "a" }).models).toEqual(["openai/omni-moderation-latest"]);
});

const faults: readonly (readonly [string, Dialect, unknown, string, string | undefined])[] = [
  ["no object", embeddings, 1, "The body must be a JSON object", undefined],
  ["no input", embeddings, { model }, "input is required: what to embed", "input"],
  ["no model", embeddings, { input: "hi" }, "No models provided", "model"],
  ["an empty text", embeddings, { model, input: "" }, "input must have at least 1 character", "input"],
  ["an empty text in a list", embeddings, { model, input: ["a", ""] }, "input[1]", "input[1]"],
  ["an empty list", embeddings, { model, input: [] }, "input must have at least 1 entry", "input"],
  ["part of a token", embeddings, { model, input: [1.5] }, "input[0]", "input[0]"],
  ["no dimensions", embeddings, { model, input: "a", dimensions: 0 }, "dimensions must be at least 1", "dimensions"],
  [
    "a strange format",
    embeddings,
    { model, input: "a", encoding_format: "hex" },
    'encoding_format must be one of "float", "base64"',
    "encoding_format",
  ],
  ["no query", rerank, { model, documents: ["a"] }, "query is required: a string", "query"],
  ["no documents", rerank, { model, query: "q", documents: [] }, "documents must have at least 1 entry", "documents"],
  ["an empty document", rerank, { model, query: "q", documents: [{}] }, "documents[0]", "documents[0]"],
  ["no best", rerank, { model, query: "q", documents: ["a"], top_n: 0 }, "top_n must be at least 1", "top_n"],
  ["nothing to judge", moderations, {}, "input is required: what to judge", "input"],
  ["a file to judge", moderations, { input: [{ type: "file" }] }, "input[0]", "input[0].type"],
];
test.each(faults)("refuses %s and names the field", (_name, dialect, body, message, path) => {
  expect(dialect.parse(body, { header })).toMatchObject({
    ok: false,
    error: { kind: "bad_request", message: expect.stringContaining(message), ...(path === undefined ? {} : { path }) },
  });
});

const head: AnswerHead = {
  id: asGenerationId("gen-1-a"),
  createdS: 1_795_000_000,
  model,
  provider: "Acme",
  excludeReasoning: false,
};
const tail: AnswerTail = {
  usage: { ...NO_USAGE, inputText: 10, work: { searchUnits: 2 } },
  isEstimated: false,
  endedS: 1_795_000_001,
  costNusd: 120n,
  upstreamCostNusd: 100n,
  upstreamPromptCostNusd: 100n,
  upstreamCompletionCostNusd: 0n,
  isByok: false,
  metadata: null,
};
function reply(dialect: Dialect, outcome: Outcome, echo: AnswerHead["echo"], over: Partial<AnswerTail> = {}) {
  const collector = createCollector();
  collector.add([{ type: "outcome", outcome }]);
  return dialect.renderReply({ ...head, echo }, collector.result(), { ...tail, ...over }, null);
}

test.each([
  ["numbers", false, [0.5, -1]],
  ["base64", true, base64Of([0.5, -1])],
])("vectors come as %s, whatever the provider gave", (_name, wantsBase64, embedding) => {
  const outcome: Outcome = { kind: "embeddings", vectors: [[0.5, -1], base64Of([0.5, -1])] };
  expect(reply(embeddings, outcome, { wantsBase64 })).toEqual({
    object: "list",
    id: "gen-1-a",
    model,
    provider: "Acme",
    data: [0, 1].map((index) => ({ object: "embedding", index, embedding })),
    usage: {
      prompt_tokens: 10,
      total_tokens: 10,
      cost: 0.00000012,
      is_byok: false,
      cost_details: {
        upstream_inference_cost: 0.0000001,
        upstream_inference_prompt_cost: 0.0000001,
        upstream_inference_completions_cost: 0,
      },
    },
  });
});

test("base64 of 32-bit floats goes there and back", () => {
  fc.assert(
    fc.property(fc.array(fc.float({ noNaN: true })), (numbers) => {
      expect(numbersOf(base64Of(numbers))).toEqual(numbers);
    }),
  );
  expect(numbersOf("?")).toEqual([]);
});

test("prompts of several kinds are told apart", () => {
  const usage = { ...NO_USAGE, inputText: 3, inputImage: 4 };
  expect(reply(embeddings, { kind: "embeddings", vectors: [[1]] }, {}, { usage, isEstimated: true })).toMatchObject({
    usage: { prompt_tokens: 7, prompt_tokens_details: { text_tokens: 3, image_tokens: 4 }, estimated: true },
  });
});

test("ranked documents are shown with their scores, unless nobody wants them", () => {
  const outcome: Outcome = {
    kind: "rerank",
    results: [
      { index: 1, score: 0.9 },
      { index: 0, score: 0.1 },
    ],
  };
  expect(reply(rerank, outcome, { documents: [{ text: "one" }, { text: "two" }] })).toEqual({
    id: "gen-1-a",
    model,
    provider: "Acme",
    results: [
      { index: 1, relevance_score: 0.9, document: { text: "two" } },
      { index: 0, relevance_score: 0.1, document: { text: "one" } },
    ],
    usage: { search_units: 2, total_tokens: 10, cost: 0.00000012, is_byok: false },
  });
  expect(reply(rerank, outcome, {})).toMatchObject({ results: [{ index: 1, relevance_score: 0.9 }, { index: 0 }] });
});

test("verdicts are the provider's own", () => {
  const results = [{ flagged: true, categories: { hate: true }, category_scores: { hate: 0.9 } }];
  expect(reply(moderations, { kind: "moderation", results }, undefined)).toEqual({
    id: "gen-1-a",
    model,
    provider: "Acme",
    results,
  });
});
