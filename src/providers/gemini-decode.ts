/**
 * Gemini's answers as generation events: each chunk of a stream is a small whole answer, and a buffered one is read the
 * same way. Synchronous and never throwing. A chunk may give a finish reason before the last content, so endings wait
 * for the end of the body. Calls arrive whole; one without an id gets one that is unique in the conversation and the
 * same for every cut of the bytes.
 * Source: https://ai.google.dev/api/generate-content (accessed 2026-11-21).
 */
import type { ChatRequest, ReasoningDetail } from "../core/chat.ts";
import { hash32 } from "../core/clock.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { FinishReason, GenerationEvent } from "../core/event.ts";
import { isObject, numberOf, parseJson, stringOf, type Json } from "../core/json.ts";
import type { SseFrame } from "../core/sse.ts";
import type { StreamDecoder, Target } from "./adapter.ts";
import { cutFailure, failureOf, malformedFailure } from "./failure.ts";
import { GEMINI_FORMAT } from "./gemini-contents.ts";
import { jsonToolOf } from "./gemini-encode.ts";
import { errorObjectOf, failureOfErrorObject } from "./gemini-failure.ts";
import { geminiUsageOf } from "./gemini-usage.ts";

/** More choices than any request can ask for. */
const CHOICES_MAX = 128;

type Fields = Readonly<Record<string, unknown>>;

/** What is known of one candidate. */
interface Candidate {
  toolCount: number;
  reasoningCount: number;
  /** The entry that thought text goes on in; null after anything else. */
  thoughtIndex: number | null;
  hasContent: boolean;
  finishReason: string | null;
  finishMessage: string | null;
}

interface Reading {
  readonly target: Target;
  /** The tool that stands for a structured answer; null when there is none. */
  readonly jsonTool: string | null;
  /** Messages of the request: calls of different turns must not share an id. */
  readonly turn: number;
  readonly candidates: Map<number, Candidate>;
  readonly callIds: Set<string>;
  responseId: string | null;
  isOver: boolean;
}

/** Native finish reasons; one that is new ends like a normal answer and stays visible as the native reason. */
const FINISH: Readonly<Record<string, FinishReason>> = {
  STOP: "stop",
  FUNCTION_CALL: "tool_calls",
  MAX_TOKENS: "length",
  SAFETY: "content_filter",
  RECITATION: "content_filter",
  LANGUAGE: "content_filter",
  BLOCKLIST: "content_filter",
  PROHIBITED_CONTENT: "content_filter",
  SPII: "content_filter",
  IMAGE_SAFETY: "content_filter",
  IMAGE_PROHIBITED_CONTENT: "content_filter",
  IMAGE_RECITATION: "content_filter",
  MALFORMED_FUNCTION_CALL: "error",
  UNEXPECTED_TOOL_CALL: "error",
  TOO_MANY_TOOL_CALLS: "error",
  MISSING_THOUGHT_SIGNATURE: "error",
  MALFORMED_RESPONSE: "error",
  IMAGE_OTHER: "error",
  NO_IMAGE: "error",
  OTHER: "error",
};

/** A decoder for one stream. */
export function createGeminiDecoder(request: ChatRequest, target: Target): StreamDecoder {
  const reading = newReading(request, target);
  return {
    feed(frame: SseFrame) {
      const out: GenerationEvent[] = [];
      if (reading.isOver || frame.data === "[DONE]") return out;
      const value = parseJson(frame.data);
      const error = errorObjectOf(value);
      if (error !== null) fail(reading, failureOfErrorObject(error, frame.data, target), out);
      else if (isObject(value)) readChunk(reading, value, frame.data, out);
      else fail(reading, malformedFailure("a frame is not a JSON object", frame.data, target.credential), out);
      return out;
    },
    end() {
      const out: GenerationEvent[] = [];
      if (!reading.isOver) finish(reading, out);
      return out;
    },
  };
}

/** The events of a whole answer. */
export function decodeGeminiReply(body: unknown, request: ChatRequest, target: Target): GenerationEvent[] {
  const out: GenerationEvent[] = [];
  const reading = newReading(request, target);
  const error = errorObjectOf(body);
  const raw = JSON.stringify(body) ?? "";
  if (error !== null) fail(reading, failureOfErrorObject(error, raw, target), out);
  else if (!isObject(body)) fail(reading, malformedFailure("it is not a JSON object", raw, target.credential), out);
  else if (!Array.isArray(body["candidates"]) && !isObject(body["promptFeedback"])) {
    fail(reading, malformedFailure("it has no candidates", raw, target.credential), out);
  } else {
    readChunk(reading, body, raw, out);
    if (!reading.isOver) finish(reading, out);
  }
  return out;
}

function newReading(request: ChatRequest, target: Target): Reading {
  return {
    target,
    jsonTool: jsonToolOf(request, target),
    turn: request.messages.length,
    candidates: new Map(),
    callIds: new Set(),
    responseId: null,
    isOver: false,
  };
}

function readChunk(reading: Reading, chunk: Fields, raw: string, out: GenerationEvent[]): void {
  if (reading.responseId === null) {
    reading.responseId = stringOf(chunk["responseId"]) ?? "";
    const metadata = chunk["usageMetadata"];
    const serviceTier = isObject(metadata) ? stringOf(metadata["serviceTier"]) : undefined;
    out.push({
      type: "start",
      ...(reading.responseId === "" ? {} : { upstreamId: reading.responseId }),
      ...(serviceTier === undefined ? {} : { serviceTier }),
    });
  }
  const usage = geminiUsageOf(chunk["usageMetadata"]);
  if (usage !== null) out.push({ type: "usage", usage });
  const candidates = Array.isArray(chunk["candidates"]) ? chunk["candidates"] : [];
  const feedback = chunk["promptFeedback"];
  const blockReason = isObject(feedback) ? stringOf(feedback["blockReason"]) : undefined;
  if (blockReason !== undefined && candidates.length === 0) {
    const why = isObject(feedback) ? stringOf(feedback["blockReasonMessage"]) : undefined;
    fail(reading, blockedFailure(blockReason, why, raw, reading.target), out);
    return;
  }
  for (const candidate of candidates) if (isObject(candidate)) readCandidate(reading, candidate, out);
}

function readCandidate(reading: Reading, fields: Fields, out: GenerationEvent[]): void {
  const choice = choiceOf(fields["index"]);
  let candidate = reading.candidates.get(choice);
  if (candidate === undefined) {
    candidate = {
      toolCount: 0,
      reasoningCount: 0,
      thoughtIndex: null,
      hasContent: false,
      finishReason: null,
      finishMessage: null,
    };
    reading.candidates.set(choice, candidate);
  }
  const content = fields["content"];
  const parts = isObject(content) && Array.isArray(content["parts"]) ? content["parts"] : [];
  const before = out.length;
  for (const part of parts) if (isObject(part)) readPart(reading, candidate, choice, part, out);
  if (out.length > before) candidate.hasContent = true;
  const logprobs = logprobsOf(fields["logprobsResult"]);
  if (logprobs !== null) out.push({ type: "logprobs", choice, logprobs });
  candidate.finishReason = stringOf(fields["finishReason"]) ?? candidate.finishReason;
  candidate.finishMessage = stringOf(fields["finishMessage"]) ?? candidate.finishMessage;
}

/** An index that no answer can have is read as the first choice. */
function choiceOf(value: unknown): number {
  const index = numberOf(value) ?? 0;
  return Number.isInteger(index) && index >= 0 && index < CHOICES_MAX ? index : 0;
}

function readPart(reading: Reading, candidate: Candidate, choice: number, part: Fields, out: GenerationEvent[]): void {
  const text = stringOf(part["text"]);
  const signature = stringOf(part["thoughtSignature"]) ?? "";
  if (part["thought"] === true) {
    // Pictures among the thoughts are drafts: they are thought, not given.
    if (text !== undefined) readThought(candidate, choice, text, signature, out);
    return;
  }
  if (text !== "" || signature !== "") candidate.thoughtIndex = null;
  if (isObject(part["functionCall"])) {
    readCall(reading, candidate, choice, part["functionCall"], signature, out);
    return;
  }
  if (text !== undefined && text !== "") out.push({ type: "text-delta", choice, text });
  if (isObject(part["inlineData"])) readMedia(reading, choice, part["inlineData"], out);
  if (signature !== "") pushSignature(candidate, choice, signature, null, out);
}

function readThought(
  candidate: Candidate,
  choice: number,
  text: string,
  signature: string,
  out: GenerationEvent[],
): void {
  if (text === "" && signature === "") return;
  candidate.thoughtIndex ??= candidate.reasoningCount++;
  const detail: ReasoningDetail = {
    type: "reasoning.text",
    text,
    ...(signature === "" ? {} : { signature }),
    format: GEMINI_FORMAT,
    index: candidate.thoughtIndex,
  };
  // What follows a signature is not covered by it.
  if (signature !== "") candidate.thoughtIndex = null;
  out.push({ type: "reasoning-delta", choice, detail });
}

function pushSignature(
  candidate: Candidate,
  choice: number,
  data: string,
  id: string | null,
  out: GenerationEvent[],
): void {
  const index = candidate.reasoningCount++;
  const detail: ReasoningDetail = { type: "reasoning.encrypted", data, id, format: GEMINI_FORMAT, index };
  out.push({ type: "reasoning-delta", choice, detail });
}

function readCall(
  reading: Reading,
  candidate: Candidate,
  choice: number,
  call: Fields,
  signature: string,
  out: GenerationEvent[],
): void {
  const name = stringOf(call["name"]) ?? "";
  const input = JSON.stringify(call["args"] ?? {});
  if (name === reading.jsonTool) {
    out.push({ type: "text-delta", choice, text: input });
    return;
  }
  const index = candidate.toolCount++;
  const id = callIdOf(reading, choice, index, stringOf(call["id"]) ?? "", name + input);
  if (signature !== "") pushSignature(candidate, choice, signature, id, out);
  out.push({ type: "tool-start", choice, index, id, name });
  out.push({ type: "tool-input-delta", choice, index, text: input });
}

function callIdOf(reading: Reading, choice: number, index: number, given: string, call: string): string {
  const origin = reading.responseId || hash32(call).toString(36);
  let id = given === "" ? `call_${origin}_${reading.turn}_${choice}_${index}` : given;
  if (reading.callIds.has(id)) id = `${id}_${choice}_${index}`;
  reading.callIds.add(id);
  return id;
}

function readMedia(reading: Reading, choice: number, media: Fields, out: GenerationEvent[]): void {
  const mimeType = stringOf(media["mimeType"]) ?? "";
  const data = stringOf(media["data"]) ?? "";
  if (data === "") return;
  if (mimeType.startsWith("image/")) out.push({ type: "image", choice, url: `data:${mimeType};base64,${data}` });
  if (mimeType.startsWith("audio/"))
    out.push({ type: "audio-delta", choice, audio: { id: reading.responseId ?? "", data } });
}

function finish(reading: Reading, out: GenerationEvent[]): void {
  const candidates = [...reading.candidates].sort(([left], [right]) => left - right);
  if (candidates.length === 0 || candidates.some(([, candidate]) => candidate.finishReason === null)) {
    fail(reading, cutFailure(), out);
    return;
  }
  // An answer that failed before it gave anything is no answer: another endpoint may do better.
  const failed = candidates.every(([, candidate]) => !candidate.hasContent && finishOf(candidate) === "error");
  if (failed) {
    fail(reading, emptyFailure(candidates[0]?.[1], reading.target), out);
    return;
  }
  reading.isOver = true;
  for (const [choice, candidate] of candidates) {
    out.push({ type: "finish", choice, reason: finishOf(candidate), nativeReason: candidate.finishReason });
  }
}

function finishOf(candidate: Candidate): FinishReason {
  const native = candidate.finishReason ?? "";
  const reason = Object.hasOwn(FINISH, native) ? FINISH[native] : undefined;
  const ending = candidate.toolCount > 0 ? "tool_calls" : "stop";
  return reason === undefined || reason === "stop" || reason === "tool_calls" ? ending : reason;
}

function fail(reading: Reading, failure: UpstreamFailure, out: GenerationEvent[]): void {
  reading.isOver = true;
  out.push({ type: "error", failure });
}

function emptyFailure(candidate: Candidate | undefined, target: Target): UpstreamFailure {
  const reason = candidate?.finishReason ?? null;
  return failureOf({
    status: 200,
    errorType: "provider_unavailable",
    message: candidate?.finishMessage || `The provider gave no answer (${reason ?? "no reason"}).`,
    providerCode: reason,
    raw: null,
    retryAfterMs: null,
    credential: target.credential,
  });
}

function blockedFailure(blockReason: string, why: string | undefined, raw: string, target: Target): UpstreamFailure {
  return failureOf({
    status: 200,
    errorType: "content_policy_violation",
    message: why || `The provider blocked the prompt (${blockReason}).`,
    providerCode: blockReason,
    raw,
    retryAfterMs: null,
    credential: target.credential,
  });
}

/** Log probabilities in the form of chat completions; null when there are none. */
function logprobsOf(result: unknown): Json | null {
  if (!isObject(result) || !Array.isArray(result["chosenCandidates"])) return null;
  const top: readonly unknown[] = Array.isArray(result["topCandidates"]) ? result["topCandidates"] : [];
  const content = result["chosenCandidates"].filter(isObject).map((chosen, at) => {
    const others = top[at];
    const list: readonly unknown[] =
      isObject(others) && Array.isArray(others["candidates"]) ? others["candidates"] : [];
    return { ...logprobOf(chosen), top_logprobs: list.filter(isObject).map(logprobOf) };
  });
  return { content, refusal: null };
}

function logprobOf(candidate: Fields): { token: string; logprob: number; bytes: null } {
  return {
    token: stringOf(candidate["token"]) ?? "",
    logprob: numberOf(candidate["logProbability"]) ?? 0,
    bytes: null,
  };
}
