/**
 * `POST /rerank`: documents ordered by how well they answer a query. What clients say and hear.
 * Shape: the rerank operation of OpenRouter's OpenAPI file 1.0.0; `return_documents` and limits are Cohere's
 * (https://docs.cohere.com/reference/rerank, accessed 2026-11-21).
 */
import * as z from "zod";
import type { Part } from "../core/chat.ts";
import type { JsonObject } from "../core/json.ts";
import { usdNumber } from "../core/money.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { RerankDocument, RerankTask } from "../core/task.ts";
import { promptTokens } from "../core/usage.ts";
import { openBody, refuse, type BadRequest } from "./body.ts";
import type { AnswerHead, AnswerTail, Dialect, ParsedBody } from "./dialect.ts";
import { faultOf } from "./fault.ts";
import { imageUrl } from "./schema.ts";
import { outcomeOf, taskBody, taskDialect, taskFields } from "./task.ts";

const DOCUMENTS_MAX = 10_000;
export const RerankBody = z.looseObject({
  ...taskFields,
  query: z.string().min(1),
  documents: z
    .array(
      z.union([
        z.string(),
        z
          .looseObject({ text: z.string().nullish(), image: imageUrl.nullish() })
          .refine((one) => typeof one.text === "string" || typeof one.image === "string", {
            error: "needs text or image",
          }),
      ]),
    )
    .min(1)
    .max(DOCUMENTS_MAX),
  top_n: z.int().min(1).nullish(),
  return_documents: z.boolean().nullish(),
});
const KNOWN: ReadonlySet<string> = new Set(Object.keys(RerankBody.shape));

/** @returns `bad_request` with the path of the first fault. */
function parseRerank(sent: unknown): Result<ParsedBody, BadRequest> {
  const opened = openBody(sent);
  if (!opened.ok) return opened;
  const checked = RerankBody.safeParse(opened.value);
  if (!checked.success) return err(faultOf(checked.error.issues, opened.value));
  const wire = checked.data;
  if ([wire.model, ...(wire.models ?? [])].every((name) => name === null || name === undefined)) {
    return refuse('No models provided: name one in "model", or several in "models"', "model");
  }
  const documents = wire.documents.map((one): RerankDocument => {
    if (typeof one === "string") return { text: one };
    return {
      ...(typeof one.text === "string" ? { text: one.text } : {}),
      ...(typeof one.image === "string" ? { image: one.image } : {}),
    };
  });
  const task: RerankTask = {
    kind: "rerank",
    query: wire.query,
    documents,
    ...(wire.top_n === null || wire.top_n === undefined ? {} : { topN: wire.top_n }),
  };
  const parsed = taskBody(wire, KNOWN, task, [[{ type: "text", text: wire.query }], ...documents.map(partsOf)]);
  return ok({
    ...parsed,
    echo: wire.return_documents === false ? {} : { documents: documents.map(shown) },
  });
}

/** A document as it is shown again. */
function shown({ text, image }: RerankDocument): JsonObject {
  return { ...(text === undefined ? {} : { text }), ...(image === undefined ? {} : { image }) };
}

function partsOf({ text, image }: RerankDocument): readonly Part[] {
  return [
    ...(text === undefined ? [] : [{ type: "text" as const, text }]),
    ...(image === undefined ? [] : [{ type: "image" as const, url: image }]),
  ];
}

/** The body of an answer. */
function renderReply(head: AnswerHead, answer: Parameters<Dialect["renderReply"]>[1], tail: AnswerTail): JsonObject {
  const { results } = outcomeOf(answer, "rerank");
  const documents = head.echo?.["documents"];
  const { usage } = tail;
  return {
    id: head.id,
    model: head.model,
    provider: head.provider,
    results: results.map(({ index, score }) => ({
      index,
      relevance_score: score,
      ...(Array.isArray(documents) ? { document: (documents[index] ?? {}) as JsonObject } : {}), // made above
    })),
    usage: {
      ...(usage.work?.searchUnits === undefined ? {} : { search_units: usage.work.searchUnits }),
      total_tokens: promptTokens(usage),
      cost: usdNumber(tail.costNusd),
      is_byok: tail.isByok,
      ...(tail.isEstimated ? { estimated: true } : {}),
    },
    ...(tail.metadata === null ? {} : { openrouter_metadata: tail.metadata }),
  };
}

export const rerank = { ...taskDialect, name: "rerank", parse: parseRerank, renderReply } satisfies Dialect;
