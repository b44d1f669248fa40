/**
 * Gemini's `embedContent` and `batchEmbedContents`: what clients of Google's SDKs say and hear, for every model that gives
 * vectors. One content is one vector. A batch is one task: what its requests are for must be the same in all.
 * Source: https://ai.google.dev/api/embeddings (accessed 2026-11-21); the types of @google/genai 2.32.0.
 */
import * as z from "zod";
import type { Part } from "../core/chat.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { usdNumber } from "../core/money.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EmbeddingInput, EmbeddingsTask } from "../core/task.ts";
import { promptTokens } from "../core/usage.ts";
import { createWarnings, openBody, refuse, type BadRequest, type Warn } from "./body.ts";
import type { AnswerHead, AnswerTail, Beside, Dialect, ParsedBody } from "./dialect.ts";
import { numbersOf } from "./embeddings.ts";
import { faultOf } from "./fault.ts";
import { messagesOf } from "./gemini-contents.ts";
import { modelNamed } from "./gemini-parse.ts";
import { renderGeminiError } from "./gemini-reply.ts";
import { camelKeys, wireContent } from "./gemini-schema.ts";
import { jsonObject } from "./schema.ts";
import { INPUTS_MAX, outcomeOf, taskBody, taskDialect } from "./task.ts";

/** The API's words for what an input is for, in those that other providers know; the rest go on as they are. */
const INPUT_TYPES: Readonly<Record<string, string>> = {
  RETRIEVAL_QUERY: "search_query",
  RETRIEVAL_DOCUMENT: "search_document",
  CLASSIFICATION: "classification",
  CLUSTERING: "clustering",
};

const item = {
  content: wireContent,
  taskType: z.string().min(1).max(64).nullish(),
  outputDimensionality: z.int().min(1).max(65_536).nullish(),
  title: z.string().max(1_024).nullish(),
};
const EmbedItem = z.looseObject(item);
type EmbedItem = z.infer<typeof EmbedItem>;
const routing = { provider: jsonObject.nullish(), sessionId: z.string().max(256).nullish() };

const EmbedBody = z.looseObject({ ...item, ...routing });
const BatchBody = z.looseObject({ ...routing, requests: z.array(EmbedItem).min(1).max(INPUTS_MAX) });
/** Fields that are known, and those that only repeat the path. */
const KNOWN: ReadonlySet<string> = new Set([...Object.keys(item), ...Object.keys(routing), "requests", "model"]);

/** @returns `bad_request` with the path of the first fault. */
function parseOne(sent: unknown, beside: Beside): Result<ParsedBody, BadRequest> {
  const opened = openBody(sent);
  if (!opened.ok) return opened;
  const body = camelKeys(opened.value);
  const checked = EmbedBody.safeParse(body);
  if (!checked.success) return err(faultOf(checked.error.issues, body));
  return parsedOf(checked.data, [checked.data], beside, (_at, field) => field);
}

/** @returns `bad_request` with the path of the first fault. */
function parseBatch(sent: unknown, beside: Beside): Result<ParsedBody, BadRequest> {
  const opened = openBody(sent);
  if (!opened.ok) return opened;
  const body = camelKeys(opened.value);
  const checked = BatchBody.safeParse(body);
  if (!checked.success) return err(faultOf(checked.error.issues, body));
  return parsedOf(checked.data, checked.data.requests, beside, (at, field) => `requests[${at}].${field}`);
}

interface Routing {
  readonly provider?: unknown;
  readonly sessionId?: string | null | undefined;
}

function parsedOf(
  wire: Routing & Readonly<Record<string, unknown>>,
  items: readonly EmbedItem[],
  beside: Beside,
  pathOf: (at: number, field: string) => string,
): Result<ParsedBody, BadRequest> {
  const { warn, warnings } = createWarnings();
  const inputs: EmbeddingInput[] = [];
  for (const [at, { content }] of items.entries()) {
    const parts = partsOf(content, warn);
    if (!parts.ok) return refuse(parts.error.message, pathOf(at, "content"));
    if (parts.value.length === 0) return refuse("content must hold at least one part", pathOf(at, "content"));
    inputs.push(inputOf(parts.value));
  }
  for (const field of ["taskType", "outputDimensionality"] as const) {
    const at = items.findIndex((one) => (one[field] ?? null) !== (items[0]?.[field] ?? null));
    if (at !== -1) return refuse(`${field} must be the same in all requests of a batch`, pathOf(at, field));
  }
  if (items.some(({ title }) => title)) warn("title is not passed on");
  const { taskType, outputDimensionality } = items[0] ?? {};
  const task: EmbeddingsTask = {
    kind: "embeddings",
    inputs,
    ...(outputDimensionality ? { dimensions: outputDimensionality } : {}),
    ...(taskType ? { inputType: INPUT_TYPES[taskType] ?? taskType } : {}),
  };
  const named = modelNamed(beside.model ?? "");
  const provider = (wire.provider ?? null) as JsonObject | null; // parsed from JSON
  const { sessionId = null, ...rest } = wire;
  const { request, warnings: unknown } = taskBody({ ...rest, provider }, KNOWN, task, inputs.map(countedParts));
  return ok({
    request,
    models: named === "" ? [] : [named],
    provider,
    sessionId,
    warnings: [...warnings(), ...unknown],
  });
}

/** The parts of one content, as those of a message. */
function partsOf(content: EmbedItem["content"], warn: Warn): Result<readonly Part[], BadRequest> {
  const messages = messagesOf({ contents: [{ ...content, role: "user" }] }, warn);
  return messages.ok ? ok(messages.value.flatMap(({ parts }) => parts)) : messages;
}

function inputOf(parts: readonly Part[]): EmbeddingInput {
  const texts = parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
  return texts.length === parts.length ? { kind: "text", text: texts.join("\n") } : { kind: "parts", parts };
}

function countedParts(input: EmbeddingInput): readonly Part[] {
  if (input.kind === "parts") return input.parts;
  return [{ type: "text", text: input.kind === "text" ? input.text : "" }];
}

function vectorsOf(answer: Parameters<Dialect["renderReply"]>[1]): readonly JsonObject[] {
  const { vectors } = outcomeOf(answer, "embeddings");
  return vectors.map((vector) => ({ values: typeof vector === "string" ? numbersOf(vector) : vector }));
}

function tailOf(head: AnswerHead, tail: AnswerTail): JsonObject {
  const count = promptTokens(tail.usage);
  return {
    usageMetadata: { promptTokenCount: count, totalTokenCount: count, cost: usdNumber(tail.costNusd) },
    modelVersion: head.model,
    responseId: head.id,
    ...(tail.metadata === null ? {} : { openrouter_metadata: tail.metadata }),
  };
}

type RenderReply = Dialect["renderReply"];
const replyToOne: RenderReply = (head, answer, tail): Json => ({
  embedding: vectorsOf(answer)[0] ?? null,
  ...tailOf(head, tail),
});
const replyToBatch: RenderReply = (head, answer, tail): Json => ({
  embeddings: vectorsOf(answer),
  ...tailOf(head, tail),
});

/** `embedContent`: one content. */
export const geminiEmbed = {
  ...taskDialect,
  name: "gemini-embed",
  parse: parseOne,
  renderReply: replyToOne,
  renderError: renderGeminiError,
} satisfies Dialect;

/** `batchEmbedContents`: what the SDKs send for any number of contents. */
export const geminiEmbedBatch = {
  ...geminiEmbed,
  name: "gemini-embed-batch",
  parse: parseBatch,
  renderReply: replyToBatch,
} satisfies Dialect;
