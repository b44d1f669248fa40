/**
 * One choice of an answer: a delta of a stream or a whole message becomes events in the order reasoning, text,
 * media, tool calls, finish. Synchronous, no schema; what is not understood is passed over.
 */
import type { ReasoningDetail } from "../core/chat.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { FinishReason, GenerationEvent } from "../core/event.ts";
import { isObject, type Json } from "../core/json.ts";
import { failureOf, malformedFailure } from "./failure.ts";
import { failureInside, wireErrorOf } from "./openai-failure.ts";
import type { OpenAiQuirks } from "./openai-quirks.ts";
import { createToolCallAssembler, TOOL_CALLS_MAX, type ToolCallAssembler } from "./openai-tool-calls.ts";

export interface ChoiceReader {
  /** @returns the failure that ended the choice, if one did. */
  read(
    choice: Record<string, unknown>,
    chunk: Record<string, unknown>,
    isWhole: boolean,
    out: GenerationEvent[],
  ): UpstreamFailure | undefined;
  /** Finishes the choice if the upstream did not. */
  close(out: GenerationEvent[]): void;
  isFinished(): boolean;
}

/** Native finish reasons of the family in lower case; an unknown one is an ordinary end and keeps its native name. */
const FINISH_REASONS: ReadonlyMap<string, FinishReason> = new Map(
  Object.entries({
    stop: "stop",
    eos: "stop",
    eos_token: "stop",
    end: "stop",
    end_turn: "stop",
    stop_sequence: "stop",
    complete: "stop",
    completed: "stop",
    length: "length",
    max_tokens: "length",
    max_length: "length",
    max_output_tokens: "length",
    max_completion_tokens: "length",
    model_length: "length",
    model_context_window_exceeded: "length",
    context_length_exceeded: "length",
    tool_calls: "tool_calls",
    tool_call: "tool_calls",
    tool_use: "tool_calls",
    function_call: "tool_calls",
    content_filter: "content_filter",
    safety: "content_filter",
    recitation: "content_filter",
    sensitive: "content_filter",
    refusal: "content_filter",
    guardrails: "content_filter",
    error: "error",
    abort: "error",
    network_error: "error",
    insufficient_system_resource: "error",
  } as const),
);

/** A reader for the choice with this index. */
export function createChoiceReader(
  choice: number,
  quirks: OpenAiQuirks,
  credential: string,
  idSeed: () => string,
): ChoiceReader {
  // Most answers call no tool.
  let tools: ToolCallAssembler | undefined;
  let isFinished = false;
  let lastDetail: ReasoningDetail | undefined;
  let citations: readonly Json[] = [];

  const readTools = (entries: readonly unknown[], isWhole: boolean, out: GenerationEvent[]): boolean => {
    if (entries.length === 0) return true;
    tools ??= createToolCallAssembler(choice, idSeed);
    return tools.read(entries, isWhole, out);
  };

  const finish = (native: string | null, out: GenerationEvent[]): void => {
    isFinished = true;
    tools?.finish(out);
    if (citations.length > 0) out.push({ type: "annotations", choice, annotations: citations });
    const mapped = native === null ? "stop" : (FINISH_REASONS.get(native.toLowerCase()) ?? "stop");
    // Several servers say "stop" after tool calls, and clients then do not run them.
    const reason = mapped === "stop" && tools !== undefined && tools.count() > 0 ? "tool_calls" : mapped;
    out.push({ type: "finish", choice, reason, nativeReason: native });
  };

  const readReasoning = (delta: Record<string, unknown>, isWhole: boolean, out: GenerationEvent[]): void => {
    const details = delta.reasoning_details;
    if (Array.isArray(details) && details.length > 0) {
      for (let at = 0; at < details.length; at++) {
        const detail = detailOf(details[at], lastDetail, isWhole ? at : undefined);
        if (detail === undefined) continue;
        lastDetail = detail;
        out.push({ type: "reasoning-delta", choice, detail });
      }
      return;
    }
    for (const field of quirks.reasoning_fields) {
      const text = delta[field];
      if (typeof text !== "string" || text === "") continue;
      out.push({ type: "reasoning-delta", choice, detail: plainReasoning(text) });
      return;
    }
  };

  return {
    read(wire, chunk, isWhole, out) {
      if (isFinished) return undefined;
      const delta = isObject(wire.delta) ? wire.delta : isObject(wire.message) ? wire.message : undefined;
      if (delta !== undefined) {
        readReasoning(delta, isWhole, out);
        readContent(delta.content, choice, out);
        readMedia(delta, choice, out);
        if (Array.isArray(delta.tool_calls) && !readTools(delta.tool_calls, isWhole, out)) {
          return malformedFailure(`it has more than ${TOOL_CALLS_MAX} tool calls`, null, credential);
        }
        // The form of 2023: one call, no id.
        if (isObject(delta.function_call)) readTools([{ index: 0, function: delta.function_call }], isWhole, out);
      } else if (typeof wire.text === "string") readContent(wire.text, choice, out);
      if (isObject(wire.logprobs)) out.push({ type: "logprobs", choice, logprobs: asJson(wire.logprobs) });
      if (quirks.citations) citations = citationsOf(chunk) ?? citations;
      const native = wire.finish_reason;
      const failure = failureOfChoice(wire, native, credential);
      if (failure !== undefined) return failure;
      if (typeof native === "string" && native !== "") finish(native, out);
      return undefined;
    },
    close(out) {
      if (!isFinished) finish(null, out);
    },
    isFinished: () => isFinished,
  };
}

/** An error that a choice carries, or says only by its finish reason. */
function failureOfChoice(
  wire: Record<string, unknown>,
  native: unknown,
  credential: string,
): UpstreamFailure | undefined {
  if (isObject(wire.error) || (typeof wire.error === "string" && wire.error !== "")) {
    const found = wireErrorOf({ error: wire.error });
    if (found !== undefined) return failureInside(found, JSON.stringify(wire.error), credential);
  }
  if (typeof native !== "string" || FINISH_REASONS.get(native.toLowerCase()) !== "error") return undefined;
  return failureOf({
    status: 200,
    errorType: native === "insufficient_system_resource" ? "provider_overloaded" : "provider_unavailable",
    message: "The provider ended the answer with an error.",
    providerCode: native,
    raw: null,
    retryAfterMs: null,
    credential,
  });
}

/** Text, or a list of parts: text, thinking, images. */
function readContent(content: unknown, choice: number, out: GenerationEvent[]): void {
  if (typeof content === "string") {
    if (content !== "") out.push({ type: "text-delta", choice, text: content });
    return;
  }
  if (!Array.isArray(content)) return;
  for (const part of content as readonly unknown[]) {
    if (!isObject(part)) continue;
    if (typeof part.text === "string") {
      if (part.text !== "") out.push({ type: "text-delta", choice, text: part.text });
    } else if (part.thinking !== undefined) {
      const text = thinkingText(part.thinking);
      if (text !== "") out.push({ type: "reasoning-delta", choice, detail: plainReasoning(text) });
    } else if (part.image_url !== undefined) readImage(part, choice, out);
  }
}

function thinkingText(thinking: unknown): string {
  if (typeof thinking === "string") return thinking;
  if (!Array.isArray(thinking)) return "";
  let text = "";
  for (const part of thinking as readonly unknown[])
    if (isObject(part) && typeof part.text === "string") text += part.text;
  return text;
}

function plainReasoning(text: string): ReasoningDetail {
  return { type: "reasoning.text", text, format: "unknown", index: 0 };
}

function readMedia(delta: Record<string, unknown>, choice: number, out: GenerationEvent[]): void {
  const { refusal, images, audio, annotations } = delta;
  if (typeof refusal === "string" && refusal !== "") out.push({ type: "refusal-delta", choice, text: refusal });
  if (Array.isArray(images)) for (const image of images as readonly unknown[]) readImage(image, choice, out);
  if (isObject(audio)) out.push({ type: "audio-delta", choice, audio: asJson(audio) });
  if (Array.isArray(annotations) && annotations.length > 0) {
    out.push({ type: "annotations", choice, annotations: annotations.map(asJson) });
  }
}

/** `{image_url: {url}}`, `{image_url}`, `{url}`, `{b64_json}` or the URL itself. */
function readImage(image: unknown, choice: number, out: GenerationEvent[]): void {
  const value = isObject(image) ? (image.image_url ?? image.url) : image;
  const inner = isObject(value) ? value.url : value;
  if (typeof inner === "string" && inner !== "") out.push({ type: "image", choice, url: inner });
  else if (isObject(image) && typeof image.b64_json === "string" && image.b64_json !== "") {
    out.push({ type: "image", choice, url: `data:image/png;base64,${image.b64_json}` });
  }
}

/** An entry of `reasoning_details`; without an index it continues the last one of its kind, or begins the next. */
function detailOf(
  entry: unknown,
  last: ReasoningDetail | undefined,
  position: number | undefined,
): ReasoningDetail | undefined {
  if (!isObject(entry)) return undefined;
  const { type } = entry;
  if (type !== "reasoning.text" && type !== "reasoning.summary" && type !== "reasoning.encrypted") return undefined;
  const id = textOrNull(entry.id);
  const continues = last !== undefined && last.type === type && (id ?? null) === (last.id ?? null);
  const next = last === undefined ? 0 : continues ? (last.index ?? 0) : (last.index ?? 0) + 1;
  const index = typeof entry.index === "number" ? entry.index : (position ?? next);
  const { summary, data } = entry;
  const text = textOrNull(entry.text);
  const signature = textOrNull(entry.signature);
  return {
    type,
    ...(text === undefined ? {} : { text }),
    ...(signature === undefined ? {} : { signature }),
    ...(typeof summary === "string" ? { summary } : {}),
    ...(typeof data === "string" ? { data } : {}),
    ...(id === undefined ? {} : { id }),
    format: textOrNull(entry.format) ?? "unknown",
    index,
  };
}

function textOrNull(value: unknown): string | null | undefined {
  return typeof value === "string" || value === null ? value : undefined;
}

/** Sources beside the choices, as annotations; undefined when the chunk names none. */
function citationsOf(chunk: Record<string, unknown>): readonly Json[] | undefined {
  const sources = Array.isArray(chunk.search_results) ? chunk.search_results : chunk.citations;
  if (!Array.isArray(sources) || sources.length === 0) return undefined;
  const found: Json[] = [];
  for (const source of sources as readonly unknown[]) {
    const url = isObject(source) ? source.url : source;
    if (typeof url !== "string") continue;
    const title = isObject(source) && typeof source.title === "string" ? source.title : url;
    found.push({ type: "url_citation", url_citation: { url, title, content: "", start_index: 0, end_index: 0 } });
  }
  return found;
}

/** What came out of JSON.parse is JSON. */
function asJson(value: unknown): Json {
  return value as Json;
}
