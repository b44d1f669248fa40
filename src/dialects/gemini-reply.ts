/**
 * A whole answer as Gemini's `GenerateContentResponse`, and what streams use as well: parts, usage, finish reasons, the
 * error object. Money, `estimated` and `is_byok` stand in `usageMetadata`, which clients of the API skip. Counts are in
 * the API's way: the prompt holds what was read from the cache, thoughts stand beside the candidates.
 * Sources: https://ai.google.dev/api/generate-content, https://google.aip.dev/193 (accessed 2026-11-21).
 */
import type { Collected, FinishReason } from "../core/event.ts";
import { isObject, numberOf, stringOf, type Json, type JsonObject } from "../core/json.ts";
import { usdNumber } from "../core/money.ts";
import { cachedTokens, completionTokens, promptTokens, type Usage } from "../core/usage.ts";
import type { AnswerHead, AnswerTail, ErrorContext, ErrorFace } from "./dialect.ts";
import { createPartMaker, type PartMaker } from "./gemini-parts.ts";

/** What an answer can end with, by our reason; the upstream's own word stands where it is one of the API's. */
const FINISH: Readonly<Record<FinishReason, { readonly usual: string; readonly own: ReadonlySet<string> }>> = {
  stop: { usual: "STOP", own: new Set() },
  tool_calls: { usual: "STOP", own: new Set() },
  length: { usual: "MAX_TOKENS", own: new Set() },
  content_filter: {
    usual: "SAFETY",
    own: new Set([
      "SAFETY",
      "RECITATION",
      "LANGUAGE",
      "BLOCKLIST",
      "PROHIBITED_CONTENT",
      "SPII",
      "IMAGE_SAFETY",
      "IMAGE_PROHIBITED_CONTENT",
      "IMAGE_RECITATION",
    ]),
  },
  error: {
    usual: "OTHER",
    own: new Set([
      "MALFORMED_FUNCTION_CALL",
      "UNEXPECTED_TOOL_CALL",
      "TOO_MANY_TOOL_CALLS",
      "IMAGE_OTHER",
      "NO_IMAGE",
      "OTHER",
    ]),
  },
};

/** `finishReason` of a candidate. A model that refused in words was stopped for safety, whatever it calls that. */
export function finishReasonOf(reason: FinishReason, nativeReason: string | null, hasRefused: boolean): string {
  if (hasRefused && reason === "stop") return "SAFETY";
  const { usual, own } = FINISH[reason];
  return nativeReason !== null && own.has(nativeReason) ? nativeReason : usual;
}

/** True where the client asked to see what the model thought. */
export function showsThoughts(head: AnswerHead): boolean {
  return head.echo?.["includeThoughts"] === true && !head.excludeReasoning;
}

interface OpenCandidate {
  readonly maker: PartMaker;
  readonly parts: JsonObject[];
  finish: { readonly reason: FinishReason; readonly nativeReason: string | null } | null;
  logprobs: Json[];
}

/** The body of a buffered answer. A `fault` ends every candidate of it. */
export function renderGeminiReply(
  head: AnswerHead,
  answer: Collected,
  tail: AnswerTail,
  fault: ErrorFace | null,
): JsonObject {
  const candidates = new Map<number, OpenCandidate>();
  const openOf = (choice: number): OpenCandidate => {
    const known = candidates.get(choice);
    if (known !== undefined) return known;
    const fresh = { maker: createPartMaker(showsThoughts(head)), parts: [], finish: null, logprobs: [] };
    candidates.set(choice, fresh);
    return fresh;
  };
  openOf(0);
  for (const event of answer.events) {
    if (!("choice" in event)) continue;
    const open = openOf(event.choice);
    if (event.type === "finish") open.finish = event;
    else if (event.type === "logprobs") open.logprobs.push(event.logprobs);
    else open.parts.push(...open.maker.add(event));
  }
  const ordered = [...candidates].sort(([left], [right]) => left - right);
  return {
    candidates: ordered.map(([index, open]) => candidateJson(index, open, tail, fault)),
    usageMetadata: usageMetadataOf(tail),
    ...namesOf(head),
    ...(tail.metadata === null ? {} : { openrouter_metadata: tail.metadata }),
  };
}

function candidateJson(index: number, open: OpenCandidate, tail: AnswerTail, fault: ErrorFace | null): JsonObject {
  open.parts.push(...open.maker.end());
  const { reason, nativeReason } = open.finish ?? tail.cut ?? { reason: "stop" as const, nativeReason: null };
  const logprobs = logprobsResultOf(open.logprobs);
  return {
    content: { parts: joinedText(open.parts), role: "model" },
    finishReason: fault === null ? finishReasonOf(reason, nativeReason, open.maker.hasRefused()) : "OTHER",
    ...(fault === null ? {} : { finishMessage: fault.message }),
    index,
    ...(logprobs === null ? {} : { logprobsResult: logprobs }),
  };
}

/** Pieces of one text are one part: clients read `parts[0].text`. */
function joinedText(parts: readonly JsonObject[]): readonly JsonObject[] {
  const out: Record<string, Json>[] = [];
  for (const part of parts) {
    const last = out.at(-1);
    const [before, text] = [stringOf(last?.["text"]), stringOf(part["text"])];
    const isNext = last?.["thought"] === part["thought"] && last?.["thoughtSignature"] === undefined;
    // A signature of its own stands on an empty text behind the answer, and covers what stands before it.
    if (isNext && last !== undefined && before !== undefined && text !== undefined) {
      Object.assign(last, part, { text: before + text });
    } else out.push({ ...part });
  }
  return out;
}

/** Who answered: the concrete model, and the generation's id. */
export function namesOf(head: AnswerHead): { readonly modelVersion: string; readonly responseId: string } {
  return { modelVersion: head.model, responseId: head.id };
}

/** Counts and money of an answer. */
export function usageMetadataOf(tail: AnswerTail): JsonObject {
  const { usage } = tail;
  const [prompt, completion] = [promptTokens(usage), completionTokens(usage)];
  const cached = cachedTokens(usage);
  const thoughts = usage.outputReasoning;
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: completion - thoughts,
    ...(thoughts === 0 ? {} : { thoughtsTokenCount: thoughts }),
    totalTokenCount: prompt + completion,
    ...(cached === 0 ? {} : { cachedContentTokenCount: cached, cacheTokensDetails: detailsOf(cacheKinds(usage)) }),
    promptTokensDetails: detailsOf(promptKinds(usage)),
    ...(completion === thoughts ? {} : { candidatesTokensDetails: detailsOf(candidateKinds(usage)) }),
    cost: usdNumber(tail.costNusd),
    isByok: tail.isByok,
    ...(tail.isEstimated ? { estimated: true } : {}),
  };
}

type Kinds = Readonly<Record<"TEXT" | "IMAGE" | "AUDIO", number>>;

function promptKinds(usage: Usage): Kinds {
  return {
    TEXT: usage.inputText + usage.cacheRead + usage.cacheWrite + usage.cacheWrite1h,
    IMAGE: usage.inputImage,
    AUDIO: usage.inputAudio + (usage.cacheReadAudio ?? 0),
  };
}

function cacheKinds(usage: Usage): Kinds {
  return { TEXT: usage.cacheRead, IMAGE: 0, AUDIO: usage.cacheReadAudio ?? 0 };
}

function candidateKinds(usage: Usage): Kinds {
  return { TEXT: usage.outputText, IMAGE: usage.outputImage, AUDIO: usage.outputAudio };
}

function detailsOf(kinds: Kinds): Json {
  return Object.entries(kinds)
    .filter(([, tokenCount]) => tokenCount > 0)
    .map(([modality, tokenCount]) => ({ modality, tokenCount }));
}

/** Log probabilities of OpenAI's form in the API's; null when there are none. */
export function logprobsResultOf(pieces: readonly Json[]): JsonObject | null {
  const chosen: Json[] = [];
  const top: Json[] = [];
  for (const piece of pieces) {
    if (!isObject(piece) || !Array.isArray(piece["content"])) continue;
    for (const token of piece["content"] as readonly unknown[]) {
      if (!isObject(token)) continue;
      chosen.push(logprobOf(token));
      const others: readonly unknown[] = Array.isArray(token["top_logprobs"]) ? token["top_logprobs"] : [];
      top.push({ candidates: others.filter(isObject).map(logprobOf) });
    }
  }
  return chosen.length === 0 ? null : { chosenCandidates: chosen, topCandidates: top };
}

function logprobOf(token: Record<string, unknown>): JsonObject {
  return { token: stringOf(token["token"]) ?? "", logProbability: numberOf(token["logprob"]) ?? 0 };
}

/** RPC codes by HTTP status: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto. */
const STATUS: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  402: "FAILED_PRECONDITION",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  405: "UNIMPLEMENTED",
  408: "DEADLINE_EXCEEDED",
  409: "ABORTED",
  412: "FAILED_PRECONDITION",
  413: "INVALID_ARGUMENT",
  422: "INVALID_ARGUMENT",
  429: "RESOURCE_EXHAUSTED",
  499: "CANCELLED",
  500: "INTERNAL",
  501: "UNIMPLEMENTED",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

const RPC = "type.googleapis.com/google.rpc";

/** The body of an error. */
export function renderGeminiError(
  face: ErrorFace,
  { requestId, metadata }: Pick<ErrorContext, "requestId" | "metadata">,
): JsonObject {
  const error = errorJson(face, requestId);
  return metadata === null ? { error } : { error, openrouter_metadata: metadata };
}

/** The `error` object of an answer, in a body and in a stream alike. What we say of it more stands in `details`. */
export function errorJson(face: ErrorFace, requestId: string | null = null): JsonObject {
  const { status: code, message, metadata, availability } = face;
  const { error_type: errorType, path, retry_after_seconds: retryAfterS, ...rest } = metadata;
  const facts = { ...rest, ...(availability === null ? {} : { availability }) };
  const details: JsonObject[] = [
    {
      "@type": `${RPC}.ErrorInfo`,
      reason: textOf(errorType ?? "unmapped").toUpperCase(),
      domain: "waypost",
      // A map of texts, by its type.
      metadata: Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, textOf(value)])),
    },
  ];
  if (typeof path === "string") {
    details.push({ "@type": `${RPC}.BadRequest`, fieldViolations: [{ field: path, description: message }] });
  }
  if (typeof retryAfterS === "number") details.push({ "@type": `${RPC}.RetryInfo`, retryDelay: `${retryAfterS}s` });
  if (requestId !== null) details.push({ "@type": `${RPC}.RequestInfo`, requestId });
  return { code, message, status: STATUS[code] ?? "UNKNOWN", details };
}

function textOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
