/**
 * Converse's answers as generation events: a stream of content blocks, and a whole message through the same steps.
 * Synchronous and never throwing. Blocks of text and reasoning open with their first delta, those of tools by name.
 * The usage comes after the stop reason; what a guardrail says in place of the model is the answer, and filtered.
 * Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html (accessed 2026-11-21).
 */
import type { ChatRequest, ReasoningDetail } from "../core/chat.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { FinishReason, GenerationEvent } from "../core/event.ts";
import { isObject, numberOf, parseJson, stringOf } from "../core/json.ts";
import type { SseFrame } from "../core/sse.ts";
import type { StreamDecoder, Target } from "./adapter.ts";
import { jsonToolOf } from "./answer-form.ts";
import { failureOfException } from "./bedrock-failure.ts";
import { redactedFormatOf, signatureFormatOf } from "./bedrock-names.ts";
import { bedrockUsageOf } from "./bedrock-usage.ts";
import { cutFailure, failureOf, malformedFailure } from "./failure.ts";

/** Content blocks that may be open at once; the API opens one. What is beyond is skipped. */
const OPEN_BLOCKS_MAX = 1_000;
/** How the splitter names exceptions and errors of the stream itself. */
const TROUBLE = /^(?:exception|error) (.*)$/s;

type Fields = Readonly<Record<string, unknown>>;

/** An open block; `toolIndex` is null for the call that stands for a structured answer. */
type Block =
  | { readonly kind: "reasoning"; readonly index: number }
  | { readonly kind: "tool"; readonly toolIndex: number | null; hasInput: boolean };

/** Native stop reasons; one that is new ends like a normal answer and stays visible as the native reason. */
const FINISH: Readonly<Record<string, FinishReason>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  pause_turn: "stop",
  tool_use: "tool_calls",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  guardrail_intervened: "content_filter",
  content_filtered: "content_filter",
  refusal: "content_filter",
  malformed_model_output: "error",
  malformed_tool_use: "error",
};

interface Reading {
  readonly target: Target;
  /** The tool that stands for a structured answer; null when there is none. */
  readonly jsonTool: string | null;
  readonly signatureFormat: string;
  readonly redactedFormat: string;
  /** Makes ids of calls that came without one differ between the turns of a conversation. */
  readonly turn: number;
  readonly blocks: Map<number, Block>;
  readonly callIds: Set<string>;
  hasStarted: boolean;
  hasContent: boolean;
  reasoningCount: number;
  toolCount: number;
  hasStopped: boolean;
  hasUsage: boolean;
  hasFailed: boolean;
}

/** A decoder for one stream. */
export function createBedrockDecoder(request: ChatRequest, target: Target): StreamDecoder {
  const reading = newReading(request, target);
  return {
    feed(frame: SseFrame) {
      const out: GenerationEvent[] = [];
      if (reading.hasFailed) return out;
      const trouble = TROUBLE.exec(frame.event);
      const value = parseJson(frame.data);
      if (trouble !== null) fail(reading, failureOfException(trouble[1] ?? "", frame.data, target), out);
      else if (isObject(value)) readFrame(reading, frame.event, value, out);
      else fail(reading, malformedFailure("a frame is not a JSON object", frame.data, target.credential), out);
      return out;
    },
    isDone: () => reading.hasFailed || (reading.hasStopped && reading.hasUsage),
    end() {
      const out: GenerationEvent[] = [];
      if (!reading.hasFailed && !reading.hasStopped) fail(reading, cutFailure(), out);
      return out;
    },
  };
}

/** The events of a whole message. */
export function decodeBedrockReply(body: unknown, request: ChatRequest, target: Target): GenerationEvent[] {
  const out: GenerationEvent[] = [];
  const reading = newReading(request, target);
  const raw = JSON.stringify(body) ?? "";
  const output = isObject(body) ? body["output"] : undefined;
  const message = isObject(output) ? output["message"] : undefined;
  if (!isObject(body)) fail(reading, malformedFailure("it is not a JSON object", raw, target.credential), out);
  else if (isObject(message) && Array.isArray(message["content"])) {
    start(reading, out);
    for (const [index, block] of (message["content"] as readonly unknown[]).entries()) {
      if (isObject(block)) readWholeBlock(reading, index, block, out);
    }
    pushUsage(body["usage"], out);
    stop(reading, stringOf(body["stopReason"]) ?? null, out);
  } else if (stringOf(body["message"]) !== undefined || body["__type"] !== undefined || isObject(body["Output"])) {
    fail(reading, failureOfException(null, raw, target), out);
  } else fail(reading, malformedFailure("it has no message", raw, target.credential), out);
  return out;
}

function newReading(request: ChatRequest, target: Target): Reading {
  return {
    target,
    jsonTool: jsonToolOf(request, target),
    signatureFormat: signatureFormatOf(target.upstreamModel),
    redactedFormat: redactedFormatOf(target.upstreamModel),
    turn: request.messages.length,
    blocks: new Map(),
    callIds: new Set(),
    hasStarted: false,
    hasContent: false,
    reasoningCount: 0,
    toolCount: 0,
    hasStopped: false,
    hasUsage: false,
    hasFailed: false,
  };
}

function readFrame(reading: Reading, event: string, value: Fields, out: GenerationEvent[]): void {
  start(reading, out);
  if (event === "metadata") {
    pushUsage(value["usage"], out);
    reading.hasUsage = true;
    return;
  }
  // Nothing but the usage follows the stop.
  if (reading.hasStopped) return;
  const index = numberOf(value["contentBlockIndex"]) ?? 0;
  switch (event) {
    case "contentBlockDelta":
      if (isObject(value["delta"])) extendBlock(reading, index, value["delta"], out);
      return;
    case "contentBlockStart": {
      const opening = value["start"];
      if (isObject(opening) && isObject(opening["toolUse"])) openTool(reading, index, opening["toolUse"], out);
      return;
    }
    case "contentBlockStop":
      closeBlock(reading, index, out);
      return;
    case "messageStop":
      stop(reading, stringOf(value["stopReason"]) ?? null, out);
      return;
    default:
  }
}

function start(reading: Reading, out: GenerationEvent[]): void {
  if (!reading.hasStarted) out.push({ type: "start" });
  reading.hasStarted = true;
}

function extendBlock(reading: Reading, index: number, delta: Fields, out: GenerationEvent[]): void {
  pushText(reading, delta["text"], out);
  const { toolUse, reasoningContent } = delta;
  if (isObject(reasoningContent)) readReasoning(reading, index, reasoningContent, out);
  if (isObject(toolUse)) {
    const block = reading.blocks.get(index);
    if (block?.kind === "tool") pushInput(reading, block, stringOf(toolUse["input"]) ?? "", out);
  }
}

function readWholeBlock(reading: Reading, index: number, block: Fields, out: GenerationEvent[]): void {
  pushText(reading, block["text"], out);
  const { toolUse, reasoningContent } = block;
  if (isObject(reasoningContent)) {
    const text = reasoningContent["reasoningText"];
    readReasoning(reading, index, isObject(text) ? { ...reasoningContent, ...text } : reasoningContent, out);
  }
  if (isObject(toolUse)) {
    openTool(reading, index, toolUse, out);
    const open = reading.blocks.get(index);
    if (open?.kind === "tool") pushInput(reading, open, JSON.stringify(toolUse["input"] ?? {}), out);
  }
  closeBlock(reading, index, out);
}

function pushText(reading: Reading, value: unknown, out: GenerationEvent[]): void {
  const text = stringOf(value) ?? "";
  if (text === "") return;
  reading.hasContent = true;
  out.push({ type: "text-delta", choice: 0, text });
}

/** `redactedContent` is an entry of its own: it is whole, and another than the text beside it. */
function readReasoning(reading: Reading, index: number, fields: Fields, out: GenerationEvent[]): void {
  const text = stringOf(fields["text"]) ?? "";
  const signature = stringOf(fields["signature"]) ?? "";
  if (text !== "" || signature !== "") {
    const detail: ReasoningDetail = {
      type: "reasoning.text",
      ...(text === "" ? {} : { text }),
      ...(signature === "" ? {} : { signature }),
      format: reading.signatureFormat,
      index: reasoningIndex(reading, index),
    };
    reading.hasContent = true;
    out.push({ type: "reasoning-delta", choice: 0, detail });
  }
  const data = stringOf(fields["redactedContent"]) ?? "";
  if (data === "") return;
  reading.hasContent = true;
  const entry = { data, format: reading.redactedFormat, index: reading.reasoningCount++ };
  out.push({ type: "reasoning-delta", choice: 0, detail: { type: "reasoning.encrypted", ...entry } });
}

function reasoningIndex(reading: Reading, index: number): number {
  const open = reading.blocks.get(index);
  if (open?.kind === "reasoning") return open.index;
  const fresh = reading.reasoningCount++;
  if (reading.blocks.size < OPEN_BLOCKS_MAX) reading.blocks.set(index, { kind: "reasoning", index: fresh });
  return fresh;
}

function openTool(reading: Reading, index: number, tool: Fields, out: GenerationEvent[]): void {
  if (reading.blocks.size >= OPEN_BLOCKS_MAX) return;
  closeBlock(reading, index, out);
  const name = stringOf(tool["name"]) ?? "";
  const toolIndex = name === reading.jsonTool ? null : reading.toolCount++;
  reading.blocks.set(index, { kind: "tool", toolIndex, hasInput: false });
  if (toolIndex === null) return;
  let id = stringOf(tool["toolUseId"]) || `tooluse_${reading.turn}_${toolIndex}`;
  if (reading.callIds.has(id)) id = `${id}_${toolIndex}`;
  reading.callIds.add(id);
  reading.hasContent = true;
  out.push({ type: "tool-start", choice: 0, index: toolIndex, id, name });
}

function pushInput(
  reading: Reading,
  block: Extract<Block, { kind: "tool" }>,
  text: string,
  out: GenerationEvent[],
): void {
  if (text === "") return;
  block.hasInput = true;
  if (block.toolIndex === null) pushText(reading, text, out);
  else out.push({ type: "tool-input-delta", choice: 0, index: block.toolIndex, text });
}

/** A call without arguments gets none at all. */
function closeBlock(reading: Reading, index: number, out: GenerationEvent[]): void {
  const block = reading.blocks.get(index);
  reading.blocks.delete(index);
  if (block?.kind === "tool" && !block.hasInput) pushInput(reading, block, "{}", out);
}

function pushUsage(fields: unknown, out: GenerationEvent[]): void {
  const usage = bedrockUsageOf(fields);
  if (usage !== null) out.push({ type: "usage", usage });
}

function stop(reading: Reading, native: string | null, out: GenerationEvent[]): void {
  for (const index of reading.blocks.keys()) closeBlock(reading, index, out);
  const reason = native !== null && Object.hasOwn(FINISH, native) ? FINISH[native] : undefined;
  // An answer that failed before it gave anything is no answer: another endpoint may do better.
  if (reason === "error" && !reading.hasContent) {
    fail(reading, emptyFailure(native ?? "", reading.target), out);
    return;
  }
  reading.hasStopped = true;
  const ending = reading.toolCount > 0 ? "tool_calls" : "stop";
  // The call of our own tool for structured answers is no tool call of the client's.
  const isPlain = reason === undefined || reason === "stop" || reason === "tool_calls";
  out.push({ type: "finish", choice: 0, reason: isPlain ? ending : reason, nativeReason: native });
}

function fail(reading: Reading, failure: UpstreamFailure, out: GenerationEvent[]): void {
  reading.hasFailed = true;
  out.push({ type: "error", failure });
}

function emptyFailure(native: string, target: Target): UpstreamFailure {
  return failureOf({
    status: 200,
    errorType: "provider_unavailable",
    message: `The provider gave no answer (${native}).`,
    providerCode: native,
    raw: null,
    retryAfterMs: null,
    credential: target.credential,
  });
}
