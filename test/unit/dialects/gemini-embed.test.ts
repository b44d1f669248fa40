/** `embedContent` and `batchEmbedContents`: what clients of Google's SDKs may say, every fault with its field, and what they hear. */
import { expect, test } from "vitest";
import type { Outcome } from "../../../src/core/task.ts";
import { geminiEmbed, geminiEmbedBatch } from "../../../src/dialects/gemini-embed.ts";
import { collected, FACE, HEAD, TAIL } from "./answers.ts";

const beside = { model: "models/gemini-embedding-001", stream: false, header: () => null };
const content = (...texts: string[]) => ({ parts: texts.map((text) => ({ text })) });
const png = { inlineData: { mimeType: "image/png", data: "iVBORw0KGgo=" } };

test.each([
  {
    name: "one content",
    dialect: geminiEmbed,
    body: { content: content("hi") },
    inputs: [{ kind: "text", text: "hi" }],
    more: {},
  },
  {
    name: "a content of several texts is one input",
    dialect: geminiEmbed,
    body: { content: content("hi", "ho") },
    inputs: [{ kind: "text", text: "hi\nho" }],
    more: {},
  },
  {
    name: "a bare text",
    dialect: geminiEmbed,
    body: { content: "hi" },
    inputs: [{ kind: "text", text: "hi" }],
    more: {},
  },
  {
    name: "a query of so many dimensions, spelled the other way",
    dialect: geminiEmbed,
    body: { content: content("hi"), task_type: "RETRIEVAL_QUERY", output_dimensionality: 256 },
    inputs: [{ kind: "text", text: "hi" }],
    more: { inputType: "search_query", dimensions: 256 },
  },
  {
    name: "a batch",
    dialect: geminiEmbedBatch,
    body: {
      requests: ["hi", "ho"].map((text) => ({
        model: "models/x",
        content: content(text),
        taskType: "SEMANTIC_SIMILARITY",
      })),
    },
    inputs: [
      { kind: "text", text: "hi" },
      { kind: "text", text: "ho" },
    ],
    more: { inputType: "SEMANTIC_SIMILARITY" },
  },
  {
    name: "a picture",
    dialect: geminiEmbed,
    body: { content: { parts: [{ text: "hi" }, png] } },
    inputs: [
      {
        kind: "parts",
        parts: [
          { type: "text", text: "hi" },
          { type: "image", url: "data:image/png;base64,iVBORw0KGgo=" },
        ],
      },
    ],
    more: {},
  },
])("$name is taken", ({ dialect, body, inputs, more }) => {
  const parsed = dialect.parse(body, beside);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  const { request, models, warnings } = parsed.value;
  expect(request.task).toEqual({ kind: "embeddings", inputs, ...more });
  expect(request.messages).toHaveLength(inputs.length);
  expect([models, warnings, request.modalities, request.stream]).toEqual([
    ["google/gemini-embedding-001"],
    [],
    ["embeddings"],
    false,
  ]);
});

test.each([
  { name: "nothing", dialect: geminiEmbed, body: {}, path: "content" },
  { name: "a content without parts", dialect: geminiEmbed, body: { content: { parts: [] } }, path: "content" },
  {
    name: "no dimension",
    dialect: geminiEmbed,
    body: { content: content("hi"), outputDimensionality: 0 },
    path: "outputDimensionality",
  },
  { name: "a batch of nothing", dialect: geminiEmbedBatch, body: { requests: [] }, path: "requests" },
  {
    name: "a batch without content",
    dialect: geminiEmbedBatch,
    body: { requests: [{ content: content("hi") }, { content: {} }] },
    path: "requests[1].content",
  },
  {
    name: "a batch for two purposes",
    dialect: geminiEmbedBatch,
    body: { requests: [{ content: content("hi") }, { content: content("ho"), taskType: "CLUSTERING" }] },
    path: "requests[1].taskType",
  },
])("$name is refused, and the field is named", ({ dialect, body, path }) => {
  const parsed = dialect.parse(body, beside);
  expect(parsed.ok ? "taken" : parsed.error).toMatchObject({ kind: "bad_request", path });
});

test("what has no place in other providers' forms is named", () => {
  const body = { content: content("hi"), title: "A book", autoTruncate: true };
  const parsed = geminiEmbed.parse(body, beside);
  expect(parsed.ok && parsed.value.warnings).toEqual(["title is not passed on", "autoTruncate is not passed on"]);
});

test("vectors are numbers, whatever the provider gave, and the cost stands beside them", () => {
  const outcome: Outcome = { kind: "embeddings", vectors: [[0.5, -1], "AACAPwAAAEA="] };
  const answer = collected([{ type: "outcome", outcome }]);
  expect(geminiEmbedBatch.renderReply(HEAD, answer, TAIL, null)).toMatchObject({
    embeddings: [{ values: [0.5, -1] }, { values: [1, 2] }],
    usageMetadata: { cost: expect.any(Number) },
    modelVersion: HEAD.model,
    responseId: HEAD.id,
  });
  expect(geminiEmbed.renderReply(HEAD, answer, TAIL, null)).toMatchObject({ embedding: { values: [0.5, -1] } });
});

test("errors are Google's", () => {
  const context = { requestId: null, generationId: null, metadata: null };
  expect(geminiEmbed.renderError({ ...FACE, status: 400 }, context)).toMatchObject({
    error: { code: 400, status: "INVALID_ARGUMENT" },
  });
});
