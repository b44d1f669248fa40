/**
 * Embeddings, reranking and moderation in the forms that OpenAI-compatible servers share: `/embeddings` and
 * `/moderations` as OpenAI has them, `/rerank` as Cohere had it first. Vectors are asked for as base64 where the client
 * wants them so and the endpoint lists `encoding_format`, else as numbers. An outcome that is not of its input's length is
 * no answer.
 * Sources: https://platform.openai.com/docs/api-reference/embeddings, .../moderations,
 * https://docs.cohere.com/reference/rerank (accessed 2026-11-21).
 */
import type { ChatRequest } from "../core/chat.ts";
import type { GenerationEvent } from "../core/event.ts";
import { isObject, numberOf, stringOf, type Json } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EmbeddingInput, EmbeddingsTask, ModerationTask, Outcome, RerankTask } from "../core/task.ts";
import { NO_USAGE, type Usage } from "../core/usage.ts";
import type { EncodedRequest, Target, TaskCodec } from "./adapter.ts";
import { malformedFailure } from "./failure.ts";
import { resolvedTarget } from "./openai-credential.ts";
import { headersOf } from "./openai-encode.ts";
import { parseOpenAiQuirks, type OpenAiQuirks } from "./openai-quirks.ts";
import { usageOf } from "./usage-openai.ts";

type Fields = Readonly<Record<string, unknown>>;

/** How one kind of task is said, and how its outcome reads: null is no outcome. */
interface Form<T> {
  readonly path: string;
  body(task: T, target: Target): Result<{ readonly [field: string]: unknown }, string>;
  outcomeOf(reply: Fields, task: T): Outcome | null;
}

const embeddings: Form<EmbeddingsTask> = {
  path: "/embeddings",
  body(task, target) {
    const input = inputOf(task.inputs);
    if (!input.ok) return input;
    const takesFormat = target.supportedParameters.includes("encoding_format");
    return ok({
      input: input.value,
      dimensions: task.dimensions,
      ...(takesFormat ? { encoding_format: task.wantsBase64 === true ? "base64" : "float" } : {}),
      input_type: task.inputType,
    });
  },
  outcomeOf(reply, task) {
    const rows: readonly unknown[] = Array.isArray(reply["data"]) ? reply["data"] : [];
    const vectors: (readonly number[] | string | undefined)[] = task.inputs.map(() => undefined);
    for (const [at, row] of rows.entries()) {
      if (!isObject(row)) return null;
      const vector = vectorOf(row["embedding"]);
      if (vector === null) return null;
      vectors[numberOf(row["index"]) ?? at] = vector;
    }
    const whole = vectors.filter((vector) => vector !== undefined);
    return rows.length === task.inputs.length && whole.length === vectors.length && whole.length === rows.length
      ? { kind: "embeddings", vectors: whole }
      : null;
  },
};

/** A list of texts, or of lists of tokens; things of several parts have no common form. */
function inputOf(inputs: readonly EmbeddingInput[]): Result<Json, string> {
  const out: Json[] = [];
  for (const input of inputs) {
    if (input.kind === "text") out.push(input.text);
    else if (input.kind === "tokens") out.push(input.tokens);
    else {
      const texts = input.parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
      if (texts.length < input.parts.length) return err("This endpoint embeds text only.");
      out.push(texts.join("\n"));
    }
  }
  return ok(out);
}

/** Some servers send numbers whatever was asked for. */
function vectorOf(value: unknown): readonly number[] | string | null {
  if (typeof value === "string") return value;
  if (!Array.isArray(value) || !value.every((number) => typeof number === "number")) return null;
  return value as readonly number[]; // just checked
}

const rerank: Form<RerankTask> = {
  path: "/rerank",
  // All are asked for, and the best are taken here: providers do not agree how a limit is called.
  body({ query, documents }) {
    const texts: string[] = [];
    for (const { text, image } of documents) {
      if (image !== undefined || text === undefined) return err("This endpoint ranks text only.");
      texts.push(text);
    }
    return ok({ query, documents: texts });
  },
  outcomeOf(reply, task) {
    const rows: readonly unknown[] | undefined = [reply["results"], reply["data"]].find(Array.isArray);
    if (rows === undefined || rows.length === 0) return null;
    const results: { index: number; score: number }[] = [];
    for (const row of rows) {
      const index = isObject(row) ? numberOf(row["index"]) : undefined;
      const score = isObject(row) ? (numberOf(row["relevance_score"]) ?? numberOf(row["score"])) : undefined;
      if (index === undefined || score === undefined || task.documents[index] === undefined) return null;
      results.push({ index, score });
    }
    results.sort((left, right) => right.score - left.score);
    return { kind: "rerank", results: task.topN === undefined ? results : results.slice(0, task.topN) };
  },
};

const moderation: Form<ModerationTask> = {
  path: "/moderations",
  body({ inputs, isOne }) {
    if (!isOne) return ok({ input: inputs.map((input) => (input.type === "text" ? input.text : "")) });
    return ok({
      input: inputs.map((input) =>
        input.type === "text"
          ? { type: "text", text: input.text }
          : { type: "image_url", image_url: { url: input.url } },
      ),
    });
  },
  outcomeOf(reply, task) {
    const results: readonly unknown[] = Array.isArray(reply["results"]) ? reply["results"] : [];
    const isWhole = results.length === (task.isOne ? 1 : task.inputs.length);
    const isRead = results.every((result) => isObject(result) && typeof result["flagged"] === "boolean");
    return isWhole && isRead ? { kind: "moderation", results: results as readonly Json[] } : null; // parsed from JSON
  },
};

function codecOf<T>(form: Form<T>, taskOf: (request: ChatRequest) => T): TaskCodec {
  return {
    encode(request, target) {
      const quirks = parseOpenAiQuirks(target.quirks);
      if (!quirks.ok) return quirks;
      const resolved = resolvedTarget(target, quirks.value);
      if (!resolved.ok) return resolved;
      const said = form.body(taskOf(request), target);
      return said.ok ? ok(encoded(form.path, said.value, request, resolved.value, quirks.value)) : said;
    },
    decodeReply(body, request, target) {
      const quirks = parseOpenAiQuirks(target.quirks);
      const reply = isObject(body) ? body : {};
      const outcome = quirks.ok ? form.outcomeOf(reply, taskOf(request)) : null;
      if (outcome === null || !quirks.ok) return [malformed(body, target)];
      return eventsOf(outcome, reply, usageIn(reply, quirks.value));
    },
  };
}

function encoded(
  path: string,
  said: object,
  request: ChatRequest,
  target: Target,
  quirks: OpenAiQuirks,
): EncodedRequest {
  const user = target.userHash === null || quirks.user_field === "none" ? {} : { [quirks.user_field]: target.userHash };
  return {
    url: `${target.baseUrl}${path}`,
    headers: headersOf(request, target, quirks),
    body: JSON.stringify({ model: target.upstreamModel, ...said, ...user }),
    warnings: [],
  };
}

/** The error event of a reply that holds no outcome. */
export function malformed(body: unknown, target: Target): GenerationEvent {
  const raw = JSON.stringify(body) ?? "";
  return { type: "error", failure: malformedFailure("it holds no result for each input", raw, target.credential) };
}

/** The events of a task that was done. */
export function eventsOf(outcome: Outcome, reply: Fields, usage: Usage | undefined): GenerationEvent[] {
  const upstreamId = stringOf(reply["id"]);
  return [
    { type: "start", ...(upstreamId === undefined ? {} : { upstreamId }) },
    { type: "outcome", outcome },
    ...(usage === undefined ? [] : [{ type: "usage" as const, usage }]),
    { type: "finish", choice: 0, reason: "stop", nativeReason: null },
  ];
}

/** Tokens as OpenAI counts them, and what Cohere bills: units of search, which stand beside or instead of tokens. */
function usageIn(reply: Fields, quirks: OpenAiQuirks): Usage | undefined {
  const meta = isObject(reply["meta"]) ? reply["meta"] : {};
  const billed = isObject(meta["billed_units"]) ? meta["billed_units"] : {};
  const usage = isObject(reply["usage"]) ? reply["usage"] : {};
  const tokens = usageOf(reply["usage"], quirks) ?? usageOf(meta["tokens"], quirks);
  const searchUnits = numberOf(billed["search_units"]) ?? numberOf(usage["search_units"]) ?? 0;
  if (tokens === undefined && searchUnits === 0) return undefined;
  const isCount = Number.isSafeInteger(searchUnits) && searchUnits > 0;
  return { ...(tokens ?? NO_USAGE), ...(isCount ? { work: { searchUnits } } : {}) };
}

function taskOfKind<K extends EmbeddingsTask | RerankTask | ModerationTask>(kind: K["kind"]) {
  return (request: ChatRequest): K => {
    const { task } = request;
    if (task?.kind !== kind) throw new Error("a task is said by the codec of its kind");
    return task as K; // of that kind, as just checked
  };
}

export const openAiTasks = {
  embeddings: codecOf(embeddings, taskOfKind<EmbeddingsTask>("embeddings")),
  rerank: codecOf(rerank, taskOfKind<RerankTask>("rerank")),
  moderation: codecOf(moderation, taskOfKind<ModerationTask>("moderation")),
};
