/**
 * Embeddings and reranking at Cohere. What an input is for must be said there; without the client's word it is a document.
 * Sources: https://docs.cohere.com/v2/reference/embed, https://docs.cohere.com/v2/reference/rerank (accessed 2026-11-21).
 */
import { isObject, numberOf, type Json } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EmbeddingInput } from "../core/task.ts";
import { NO_USAGE, type Usage } from "../core/usage.ts";
import type { Target, TaskCodec } from "./adapter.ts";
import { eventsOf, malformed, openAiTasks } from "./openai-tasks.ts";

/** Inputs of one call. */
const INPUTS_MAX = 96;

/** Common words for what an input is for, as the API has them; its own go through. */
const INPUT_TYPES: Readonly<Record<string, string>> = {
  query: "search_query",
  document: "search_document",
  passage: "search_document",
};

const embeddings: TaskCodec = {
  encode({ task }, target) {
    if (task?.kind !== "embeddings") return err("This endpoint gives embeddings only.");
    if (task.inputs.length > INPUTS_MAX) return err(`This endpoint embeds at most ${INPUTS_MAX} inputs at once.`);
    const inputs: Json[] = [];
    for (const input of task.inputs) {
      const content = contentOf(input);
      if (!content.ok) return content;
      inputs.push({ content: content.value });
    }
    const body = {
      model: target.upstreamModel,
      inputs,
      input_type: task.inputType === undefined ? "search_document" : (INPUT_TYPES[task.inputType] ?? task.inputType),
      embedding_types: [task.wantsBase64 === true ? "base64" : "float"],
      ...(task.dimensions === undefined ? {} : { output_dimension: task.dimensions }),
    };
    return ok({
      url: `${target.baseUrl}/v2/embed`,
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        authorization: `Bearer ${target.credential}`,
      },
      body: JSON.stringify(body),
      warnings: task.inputType === undefined ? ["input_type is needed here; search_document was sent."] : [],
    });
  },
  decodeReply(body, { task }, target) {
    const reply = isObject(body) ? body : {};
    const byType = isObject(reply["embeddings"]) ? reply["embeddings"] : {};
    const rows: readonly unknown[] = [byType["base64"], byType["float"]].find(Array.isArray) ?? [];
    const isWhole = task?.kind === "embeddings" && rows.length === task.inputs.length;
    if (!isWhole || !rows.every(isVector)) return [malformed(body, target)];
    return eventsOf({ kind: "embeddings", vectors: rows }, reply, usageOf(reply["meta"]));
  },
};

function contentOf(input: EmbeddingInput): Result<Json, string> {
  if (input.kind === "text") return ok([{ type: "text", text: input.text }]);
  if (input.kind === "tokens") return err("This endpoint embeds texts and images, not tokens.");
  const content: Json[] = [];
  for (const part of input.parts) {
    if (part.type === "text") content.push({ type: "text", text: part.text });
    else if (part.type === "image") content.push({ type: "image_url", image_url: { url: part.url } });
    else return err("This endpoint embeds texts and images only.");
  }
  return ok(content);
}

function isVector(value: unknown): value is readonly number[] | string {
  if (typeof value === "string") return value !== "";
  return Array.isArray(value) && value.length > 0 && value.every((number) => typeof number === "number");
}

/** What is billed: tokens of texts, and of images. */
function usageOf(meta: unknown): Usage | undefined {
  const billed = isObject(meta) && isObject(meta["billed_units"]) ? meta["billed_units"] : {};
  const inputText = countOf(billed["input_tokens"]);
  const inputImage = countOf(billed["image_tokens"]);
  return inputText + inputImage === 0 ? undefined : { ...NO_USAGE, inputText, inputImage };
}

function countOf(value: unknown): number {
  const count = numberOf(value) ?? 0;
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

/** The form that others have taken over, at its own address; it knows no end users. */
const rerank: TaskCodec = {
  encode: (request, target) => openAiTasks.rerank.encode(request, plain(target)),
  decodeReply: (body, request, target) => openAiTasks.rerank.decodeReply(body, request, plain(target)),
};

function plain(target: Target): Target {
  return { ...target, baseUrl: `${target.baseUrl}/v2`, userHash: null, quirks: {} };
}

export const cohereTasks = { embeddings, rerank };
