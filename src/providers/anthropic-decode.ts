/**
 * Anthropic's answers as generation events: a stream of content blocks, and a whole message through the same steps.
 * Synchronous and never throwing. Unknown events and block types are skipped, as Anthropic asks of its readers; what the
 * provider runs itself (searches) shows in usage and citations only. A structured answer that was asked for as a tool
 * call comes out as text.
 * Source: https://platform.claude.com/docs/en/build-with-claude/streaming (accessed 2026-11-21). Counts are tokens.
 */
import type { ChatRequest, ReasoningDetail } from "../core/chat.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { FinishReason, GenerationEvent } from "../core/event.ts";
import { isObject, numberOf, parseJson, stringOf, type Json } from "../core/json.ts";
import type { SseFrame } from "../core/sse.ts";
import { completionTokens, promptTokens, type Usage } from "../core/usage.ts";
import type { StreamDecoder, Target } from "./adapter.ts";
import { jsonToolOf } from "./answer-form.ts";
import { failureOfErrorObject } from "./anthropic-failure.ts";
import { ANTHROPIC_FORMAT } from "./anthropic-messages.ts";
import { createUsageReader } from "./anthropic-usage.ts";
import { cutFailure, malformedFailure } from "./failure.ts";

/** Content blocks that may be open at once; the API opens one. What is beyond is skipped. */
const OPEN_BLOCKS_MAX = 1_000;

type Fields = Readonly<Record<string, unknown>>;

/** `toolIndex` is null for the call that stands for a structured answer. */
type ToolBlock = {
  readonly kind: "tool";
  readonly toolIndex: number | null;
  hasInput: boolean;
  readonly input: unknown;
};

/** An open content block. */
type Block =
  | { readonly kind: "text"; readonly startLength: number; readonly citations: Fields[] }
  | { readonly kind: "thinking"; readonly reasoningIndex: number }
  | ToolBlock;

/** Native stop reasons; one that is new ends like a normal answer and stays visible as the native reason. */
const FINISH: Readonly<Record<string, FinishReason>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  pause_turn: "stop",
  compaction: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  tool_use: "tool_calls",
  refusal: "content_filter",
};

/** What is known of one message while it is read. */
interface Reading {
  readonly target: Target;
  /** The tool that stands for a structured answer; null when there is none. */
  readonly jsonTool: string | null;
  readonly readUsage: (usage: unknown) => Usage | null;
  readonly blocks: Map<number, Block>;
  readonly callIds: Set<string>;
  hasStarted: boolean;
  upstreamId: string;
  textLength: number;
  reasoningCount: number;
  toolCount: number;
  stopReason: string | null;
  stopSequence: string | null;
  refusal: string | null;
  isOver: boolean;
}

/** A decoder for one stream. */
export function createAnthropicDecoder(request: ChatRequest, target: Target): StreamDecoder {
  const reading = newReading(request, target);
  return {
    feed(frame: SseFrame) {
      const out: GenerationEvent[] = [];
      if (reading.isOver || frame.event === "ping" || frame.data === "[DONE]") return out;
      const value = parseJson(frame.data);
      if (isObject(value)) readFrame(reading, value, frame.data, out);
      else fail(reading, malformedFailure("a frame is not a JSON object", frame.data, target.credential), out);
      return out;
    },
    isDone: () => reading.isOver,
    end() {
      const out: GenerationEvent[] = [];
      if (reading.isOver) return out;
      if (reading.stopReason !== null) finish(reading, out);
      else fail(reading, cutFailure(), out);
      return out;
    },
  };
}

/** The events of a whole message. */
export function decodeAnthropicReply(body: unknown, request: ChatRequest, target: Target): GenerationEvent[] {
  const out: GenerationEvent[] = [];
  const reading = newReading(request, target);
  if (!isObject(body)) {
    fail(reading, malformedFailure("it is not a JSON object", null, target.credential), out);
  } else if (isObject(body["error"])) {
    fail(reading, failureOfErrorObject(body["error"], JSON.stringify(body), target), out);
  } else if (!Array.isArray(body["content"])) {
    fail(reading, malformedFailure("it has no content", JSON.stringify(body), target.credential), out);
  } else {
    startMessage(reading, body, true, out);
    finish(reading, out);
  }
  return out;
}

function newReading(request: ChatRequest, target: Target): Reading {
  return {
    target,
    jsonTool: jsonToolOf(request, target),
    readUsage: createUsageReader(),
    blocks: new Map(),
    callIds: new Set(),
    hasStarted: false,
    upstreamId: "",
    textLength: 0,
    reasoningCount: 0,
    toolCount: 0,
    stopReason: null,
    stopSequence: null,
    refusal: null,
    isOver: false,
  };
}

function readFrame(reading: Reading, value: Fields, raw: string, out: GenerationEvent[]): void {
  const index = numberOf(value["index"]) ?? 0;
  switch (value["type"]) {
    case "content_block_delta":
      if (isObject(value["delta"])) extendBlock(reading, index, value["delta"], out);
      return;
    case "content_block_start":
      openBlock(reading, index, value["content_block"], out);
      return;
    case "content_block_stop":
      closeBlock(reading, index, out);
      return;
    case "message_start":
      if (isObject(value["message"])) startMessage(reading, value["message"], false, out);
      return;
    case "message_delta":
      if (isObject(value["delta"])) keepStop(reading, value["delta"]);
      readUsage(reading, value["usage"], out);
      return;
    case "message_stop":
      finish(reading, out);
      return;
    default:
      if (isObject(value["error"])) fail(reading, failureOfErrorObject(value["error"], raw, reading.target), out);
  }
}

/**
 * The head of a message, which is all of a buffered one. In a stream its output count is a placeholder: it is shown as
 * none until the true one comes, so that a stream that breaks off is not billed by it.
 */
function startMessage(reading: Reading, message: Fields, isWhole: boolean, out: GenerationEvent[]): void {
  const fields = isObject(message["usage"]) ? message["usage"] : {};
  const usage = reading.readUsage(fields);
  // Some upstreams send the head twice.
  if (reading.hasStarted) return;
  reading.hasStarted = true;
  reading.upstreamId = stringOf(message["id"]) ?? "";
  const serviceTier = stringOf(fields["service_tier"]);
  out.push({ type: "start", upstreamId: reading.upstreamId, ...(serviceTier === undefined ? {} : { serviceTier }) });
  if (usage !== null) pushUsage(isWhole ? usage : { ...usage, outputText: 0, outputReasoning: 0 }, out);
  // In a stream a continued message brings what it begins with.
  const content: readonly unknown[] = Array.isArray(message["content"]) ? message["content"] : [];
  for (const [at, block] of content.entries()) {
    openBlock(reading, -1 - at, block, out);
    closeBlock(reading, -1 - at, out);
  }
  keepStop(reading, message);
}

function openBlock(reading: Reading, index: number, block: unknown, out: GenerationEvent[]): void {
  if (!isObject(block) || reading.blocks.size >= OPEN_BLOCKS_MAX) return;
  switch (block["type"]) {
    case "text": {
      const citations = Array.isArray(block["citations"]) ? block["citations"].filter(isObject) : [];
      reading.blocks.set(index, { kind: "text", startLength: reading.textLength, citations });
      pushText(reading, block["text"], out);
      return;
    }
    case "thinking": {
      const reasoningIndex = reading.reasoningCount++;
      reading.blocks.set(index, { kind: "thinking", reasoningIndex });
      pushThinking(reasoningIndex, block, out);
      return;
    }
    case "redacted_thinking": {
      const data = stringOf(block["data"]) ?? "";
      const detail = {
        type: "reasoning.encrypted",
        data,
        format: ANTHROPIC_FORMAT,
        index: reading.reasoningCount++,
      } as const;
      out.push({ type: "reasoning-delta", choice: 0, detail });
      return;
    }
    case "tool_use":
      openTool(reading, index, block, out);
  }
}

function openTool(reading: Reading, index: number, block: Fields, out: GenerationEvent[]): void {
  const name = stringOf(block["name"]) ?? "";
  const isAnswer = name === reading.jsonTool;
  const toolIndex = isAnswer ? null : reading.toolCount++;
  reading.blocks.set(index, { kind: "tool", toolIndex, hasInput: false, input: block["input"] });
  if (toolIndex === null) return;
  let id = stringOf(block["id"]) || `toolu_${reading.upstreamId}_${toolIndex}`;
  if (reading.callIds.has(id)) id = `${id}_${toolIndex}`;
  reading.callIds.add(id);
  out.push({ type: "tool-start", choice: 0, index: toolIndex, id, name });
}

function extendBlock(reading: Reading, index: number, delta: Fields, out: GenerationEvent[]): void {
  const block = reading.blocks.get(index);
  if (block?.kind === "text") {
    if (isObject(delta["citation"])) block.citations.push(delta["citation"]);
    else pushText(reading, delta["text"], out);
  } else if (block?.kind === "thinking") {
    pushThinking(block.reasoningIndex, delta, out);
  } else if (block?.kind === "tool") {
    pushToolInput(reading, block, stringOf(delta["partial_json"]) ?? "", out);
  }
}

function closeBlock(reading: Reading, index: number, out: GenerationEvent[]): void {
  const block = reading.blocks.get(index);
  reading.blocks.delete(index);
  // Whole input comes with the block itself in a buffered reply; without arguments nothing comes at all.
  if (block?.kind === "tool" && !block.hasInput) pushToolInput(reading, block, JSON.stringify(block.input ?? {}), out);
  if (block?.kind === "text") {
    const annotations = citationsOf(block.citations, block.startLength, reading.textLength);
    if (annotations.length > 0) out.push({ type: "annotations", choice: 0, annotations });
  }
}

function pushText(reading: Reading, text: unknown, out: GenerationEvent[]): void {
  if (typeof text !== "string" || text === "") return;
  reading.textLength += text.length;
  out.push({ type: "text-delta", choice: 0, text });
}

function pushThinking(index: number, fields: Fields, out: GenerationEvent[]): void {
  const text = stringOf(fields["thinking"]) ?? "";
  const signature = stringOf(fields["signature"]) ?? "";
  if (text === "" && signature === "") return;
  const detail: ReasoningDetail = {
    type: "reasoning.text",
    ...(text === "" ? {} : { text }),
    ...(signature === "" ? {} : { signature }),
    format: ANTHROPIC_FORMAT,
    index,
  };
  out.push({ type: "reasoning-delta", choice: 0, detail });
}

function pushToolInput(reading: Reading, block: ToolBlock, text: string, out: GenerationEvent[]): void {
  if (text === "") return;
  block.hasInput = true;
  if (block.toolIndex === null) pushText(reading, text, out);
  else out.push({ type: "tool-input-delta", choice: 0, index: block.toolIndex, text });
}

function readUsage(reading: Reading, fields: unknown, out: GenerationEvent[]): void {
  const usage = reading.readUsage(fields);
  if (usage !== null) pushUsage(usage, out);
}

/** Zeros say that the provider did not count. */
function pushUsage(usage: Usage, out: GenerationEvent[]): void {
  if (promptTokens(usage) + completionTokens(usage) > 0) out.push({ type: "usage", usage });
}

/** The last stop reason wins. */
function keepStop(reading: Reading, facts: Fields): void {
  reading.stopReason = stringOf(facts["stop_reason"]) ?? reading.stopReason;
  reading.stopSequence = stringOf(facts["stop_sequence"]) ?? reading.stopSequence;
  const details = facts["stop_details"];
  if (isObject(details)) reading.refusal = stringOf(details["explanation"]) ?? reading.refusal;
}

function finish(reading: Reading, out: GenerationEvent[]): void {
  for (const index of reading.blocks.keys()) closeBlock(reading, index, out);
  reading.isOver = true;
  const { stopReason, stopSequence, refusal } = reading;
  if (stopReason === "refusal" && refusal !== null) out.push({ type: "refusal-delta", choice: 0, text: refusal });
  out.push({
    type: "finish",
    choice: 0,
    reason: finishOf(stopReason, reading.toolCount > 0),
    nativeReason: stopReason,
    ...(stopSequence === null ? {} : { stopSequence }),
  });
}

function fail(reading: Reading, failure: UpstreamFailure, out: GenerationEvent[]): void {
  reading.isOver = true;
  out.push({ type: "error", failure });
}

function finishOf(stopReason: string | null, hasTools: boolean): FinishReason {
  const reason = stopReason !== null && Object.hasOwn(FINISH, stopReason) ? FINISH[stopReason] : undefined;
  // The call of our own tool for structured answers is no tool call of the client's.
  if (reason === "tool_calls") return hasTools ? "tool_calls" : "stop";
  return reason ?? (hasTools ? "tool_calls" : "stop");
}

/**
 * Citations of web searches in the form of chat completions. Those of documents don't occur: they must be turned on per
 * document, which no request of ours does.
 */
function citationsOf(citations: readonly Fields[], startIndex: number, endIndex: number): Json[] {
  return citations
    .filter((citation) => typeof citation["url"] === "string")
    .map((citation) => ({
      type: "url_citation",
      url_citation: {
        url: stringOf(citation["url"]) ?? "",
        title: stringOf(citation["title"]) ?? "",
        content: stringOf(citation["cited_text"]) ?? "",
        start_index: startIndex,
        end_index: endIndex,
      },
    }));
}
