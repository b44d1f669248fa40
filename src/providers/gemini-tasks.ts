/**
 * Embeddings by Gemini's `batchEmbedContents`. The API counts nothing: usage is our own estimate.
 * Source: https://ai.google.dev/api/embeddings (accessed 2026-11-21).
 */
import { isObject, type Json } from "../core/json.ts";
import { err, ok } from "../core/result.ts";
import type { EmbeddingInput } from "../core/task.ts";
import type { TaskCodec } from "./adapter.ts";
import { geminiUsageOf } from "./gemini-usage.ts";
import { eventsOf, malformed } from "./openai-tasks.ts";

/** Common words for what an input is for, as the API has them; its own go through. */
const TASK_TYPES: Readonly<Record<string, string>> = {
  search_query: "RETRIEVAL_QUERY",
  query: "RETRIEVAL_QUERY",
  search_document: "RETRIEVAL_DOCUMENT",
  document: "RETRIEVAL_DOCUMENT",
  passage: "RETRIEVAL_DOCUMENT",
  classification: "CLASSIFICATION",
  clustering: "CLUSTERING",
};

const embeddings: TaskCodec = {
  encode({ task }, target) {
    if (task?.kind !== "embeddings") return err("This endpoint gives embeddings only.");
    const model = target.upstreamModel.includes("/") ? target.upstreamModel : `models/${target.upstreamModel}`;
    const requests: Json[] = [];
    for (const input of task.inputs) {
      const text = textOf(input);
      if (text === null) return err("This endpoint embeds text only.");
      requests.push({
        model,
        content: { parts: [{ text }] },
        ...(task.dimensions === undefined ? {} : { outputDimensionality: task.dimensions }),
        ...(task.inputType === undefined ? {} : { taskType: TASK_TYPES[task.inputType] ?? task.inputType }),
      });
    }
    return ok({
      url: `${target.baseUrl}/${model.split("/").map(encodeURIComponent).join("/")}:batchEmbedContents`,
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        "x-goog-api-key": target.credential,
      },
      body: JSON.stringify({ requests }),
      warnings: [],
    });
  },
  decodeReply(body, { task }, target) {
    const reply = isObject(body) ? body : {};
    const rows: readonly unknown[] = Array.isArray(reply["embeddings"]) ? reply["embeddings"] : [];
    const vectors = rows.filter(isObject).map((row) => row["values"]);
    const isWhole = task?.kind === "embeddings" && vectors.length === task.inputs.length;
    if (!isWhole || !vectors.every(isVector)) return [malformed(body, target)];
    return eventsOf({ kind: "embeddings", vectors }, reply, geminiUsageOf(reply["usageMetadata"]) ?? undefined);
  },
};

function textOf(input: EmbeddingInput): string | null {
  if (input.kind !== "parts") return input.kind === "text" ? input.text : null;
  const texts = input.parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
  return texts.length === input.parts.length ? texts.join("\n") : null;
}

function isVector(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length > 0 && value.every((number) => typeof number === "number");
}

export const geminiTasks = { embeddings };
