/**
 * Cohere's answers as generation events: a stream of content and tool calls, and a whole message through the same steps.
 * Synchronous and never throwing. The plan before tool calls is reasoning; citations of documents become annotations.
 * Source: https://docs.cohere.com/v2/docs/streaming, https://docs.cohere.com/v2/reference/chat-stream (accessed 2026-11-21).
 */
import type { ChatRequest } from "../core/chat.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { FinishReason, GenerationEvent } from "../core/event.ts";
import { isObject, numberOf, parseJson, stringOf, type Json } from "../core/json.ts";
import type { SseFrame } from "../core/sse.ts";
import type { StreamDecoder, Target } from "./adapter.ts";
import { failureInMessage } from "./cohere-failure.ts";
import { COHERE_FORMAT, TOOL_PLAN_ID } from "./cohere-messages.ts";
import { cohereUsageOf } from "./cohere-usage.ts";
import { cutFailure, malformedFailure } from "./failure.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Tool calls that may be open at once; the API opens one. What is beyond is skipped. */
const OPEN_CALLS_MAX = 1_000;

/** Native finish reasons; one that is new ends like a normal answer and stays visible as the native reason. */
const FINISH: Readonly<Record<string, FinishReason>> = {
  COMPLETE: "stop",
  STOP_SEQUENCE: "stop",
  TOOL_CALL: "tool_calls",
  MAX_TOKENS: "length",
  ERROR_TOXIC: "content_filter",
  ERROR: "error",
  ERROR_LIMIT: "error",
  TIMEOUT: "error",
  USER_CANCEL: "error",
};

interface OpenCall {
  readonly index: number;
  hasInput: boolean;
}

interface Reading {
  readonly target: Target;
  /** Makes ids of calls that came without one differ between the turns of a conversation. */
  readonly turn: number;
  /** By the index on the wire. */
  readonly calls: Map<number, OpenCall>;
  readonly callIds: Set<string>;
  readonly annotations: Json[];
  hasStarted: boolean;
  upstreamId: string;
  /** What the entries of reasoning are: a plan first, then thinking, or the other way round. */
  readonly reasoning: Map<string, number>;
  toolCount: number;
  isOver: boolean;
}

/** A decoder for one stream. */
export function createCohereDecoder(request: ChatRequest, target: Target): StreamDecoder {
  const reading = newReading(request, target);
  return {
    feed(frame: SseFrame) {
      const out: GenerationEvent[] = [];
      if (reading.isOver || frame.data === "[DONE]") return out;
      const value = parseJson(frame.data);
      if (isObject(value)) readFrame(reading, value, frame, out);
      else fail(reading, malformedFailure("a frame is not a JSON object", frame.data, target.credential), out);
      return out;
    },
    isDone: () => reading.isOver,
    end() {
      const out: GenerationEvent[] = [];
      if (!reading.isOver) fail(reading, cutFailure(), out);
      return out;
    },
  };
}

/** The events of a whole message. */
export function decodeCohereReply(body: unknown, request: ChatRequest, target: Target): GenerationEvent[] {
  const out: GenerationEvent[] = [];
  const reading = newReading(request, target);
  const raw = JSON.stringify(body) ?? "";
  if (!isObject(body)) fail(reading, malformedFailure("it is not a JSON object", raw, target.credential), out);
  else if (isObject(body["message"])) {
    start(reading, body["id"], out);
    readWhole(reading, body["message"], out);
    pushLogprobs(body["logprobs"], out);
    finish(reading, body, raw, out);
  } else if (stringOf(body["message"]) !== undefined || isObject(body["error"])) {
    fail(reading, failureInMessage(messageOf(body), null, raw, target), out);
  } else fail(reading, malformedFailure("it has no message", raw, target.credential), out);
  return out;
}

function newReading(request: ChatRequest, target: Target): Reading {
  return {
    target,
    turn: request.messages.length,
    calls: new Map(),
    callIds: new Set(),
    annotations: [],
    hasStarted: false,
    upstreamId: "",
    reasoning: new Map(),
    toolCount: 0,
    isOver: false,
  };
}

function readFrame(reading: Reading, value: Fields, frame: SseFrame, out: GenerationEvent[]): void {
  const type = stringOf(value["type"]) ?? frame.event;
  const delta = isObject(value["delta"]) ? value["delta"] : {};
  const message = isObject(delta["message"]) ? delta["message"] : {};
  const index = numberOf(value["index"]) ?? 0;
  switch (type) {
    case "message-start":
      start(reading, value["id"], out);
      return;
    case "content-start":
    case "content-delta":
      if (isObject(message["content"])) readContent(reading, message["content"], out);
      if (isObject(value["logprobs"])) pushLogprobs([value["logprobs"]], out);
      return;
    case "tool-plan-delta":
      pushReasoning(reading, TOOL_PLAN_ID, message["tool_plan"], out);
      return;
    case "tool-call-start":
      if (isObject(message["tool_calls"])) openCall(reading, index, message["tool_calls"], out);
      return;
    case "tool-call-delta":
      if (isObject(message["tool_calls"])) extendCall(reading, index, message["tool_calls"], out);
      return;
    case "tool-call-end":
      closeCall(reading, index, out);
      return;
    case "citation-start":
      if (isObject(message["citations"])) keepCitation(reading, message["citations"]);
      return;
    case "message-end":
      finish(reading, delta, frame.data, out);
      return;
    default:
      // Errors of the platform in front come without a type.
      if (value["type"] === undefined && (stringOf(value["message"]) !== undefined || isObject(value["error"])))
        fail(reading, failureInMessage(messageOf(value), null, frame.data, reading.target), out);
  }
}

function messageOf(fields: Fields): string {
  const { error } = fields;
  return stringOf(fields["message"]) ?? (isObject(error) ? (stringOf(error["message"]) ?? "") : "");
}

function start(reading: Reading, id: unknown, out: GenerationEvent[]): void {
  if (reading.hasStarted) return;
  reading.hasStarted = true;
  reading.upstreamId = stringOf(id) ?? "";
  out.push({ type: "start", ...(reading.upstreamId === "" ? {} : { upstreamId: reading.upstreamId }) });
}

function readWhole(reading: Reading, message: Fields, out: GenerationEvent[]): void {
  pushReasoning(reading, TOOL_PLAN_ID, message["tool_plan"], out);
  const { content, tool_calls: calls, citations } = message;
  if (typeof content === "string") readContent(reading, { text: content }, out);
  for (const block of Array.isArray(content) ? content : []) if (isObject(block)) readContent(reading, block, out);
  for (const [index, call] of (Array.isArray(calls) ? calls : []).entries()) {
    if (!isObject(call)) continue;
    openCall(reading, index, call, out);
    closeCall(reading, index, out);
  }
  for (const citation of Array.isArray(citations) ? citations : []) {
    if (isObject(citation)) keepCitation(reading, citation);
  }
}

function readContent(reading: Reading, content: Fields, out: GenerationEvent[]): void {
  pushReasoning(reading, "", content["thinking"], out);
  const text = stringOf(content["text"]) ?? "";
  if (text !== "") out.push({ type: "text-delta", choice: 0, text });
}

/** One entry for the plan and one for the thinking, in order of appearance. */
function pushReasoning(reading: Reading, id: string, value: unknown, out: GenerationEvent[]): void {
  const text = stringOf(value) ?? "";
  if (text === "") return;
  const index = reading.reasoning.get(id) ?? reading.reasoning.size;
  reading.reasoning.set(id, index);
  const detail = {
    type: "reasoning.text",
    text,
    ...(id === "" ? {} : { id }),
    format: COHERE_FORMAT,
    index,
  } as const;
  out.push({ type: "reasoning-delta", choice: 0, detail });
}

function openCall(reading: Reading, wireIndex: number, call: Fields, out: GenerationEvent[]): void {
  if (reading.calls.size >= OPEN_CALLS_MAX) return;
  closeCall(reading, wireIndex, out);
  const body = isObject(call["function"]) ? call["function"] : {};
  const index = reading.toolCount++;
  let id = stringOf(call["id"]) || `call_${reading.upstreamId || reading.turn}_${index}`;
  if (reading.callIds.has(id)) id = `${id}_${index}`;
  reading.callIds.add(id);
  reading.calls.set(wireIndex, { index, hasInput: false });
  out.push({ type: "tool-start", choice: 0, index, id, name: stringOf(body["name"]) ?? "" });
  extendCall(reading, wireIndex, call, out);
}

function extendCall(reading: Reading, wireIndex: number, call: Fields, out: GenerationEvent[]): void {
  const open = reading.calls.get(wireIndex);
  const body = isObject(call["function"]) ? call["function"] : {};
  const text = stringOf(body["arguments"]) ?? "";
  if (open === undefined || text === "") return;
  open.hasInput = true;
  out.push({ type: "tool-input-delta", choice: 0, index: open.index, text });
}

/** A call without arguments gets none at all. */
function closeCall(reading: Reading, wireIndex: number, out: GenerationEvent[]): void {
  const open = reading.calls.get(wireIndex);
  reading.calls.delete(wireIndex);
  if (open?.hasInput === false) out.push({ type: "tool-input-delta", choice: 0, index: open.index, text: "{}" });
}

/** A citation of a document that the client gave, or of a tool's result: each source is one annotation. */
function keepCitation(reading: Reading, citation: Fields): void {
  const sources: readonly unknown[] = Array.isArray(citation["sources"]) ? citation["sources"] : [];
  for (const source of sources) {
    if (!isObject(source)) continue;
    const document = isObject(source["document"]) ? source["document"] : {};
    const id = stringOf(source["id"]) ?? "";
    reading.annotations.push({
      type: "url_citation",
      url_citation: {
        url: stringOf(document["url"]) ?? id,
        title: stringOf(document["title"]) ?? id,
        content: stringOf(citation["text"]) ?? "",
        start_index: numberOf(citation["start"]) ?? 0,
        end_index: numberOf(citation["end"]) ?? 0,
      },
    });
  }
}

/** One entry for each piece of text; `token_ids` may be several, whose probabilities are of the piece's tokens. */
function pushLogprobs(entries: unknown, out: GenerationEvent[]): void {
  const content = (Array.isArray(entries) ? entries : []).filter(isObject).map((entry) => ({
    token: stringOf(entry["text"]) ?? "",
    logprob: (Array.isArray(entry["logprobs"]) ? entry["logprobs"] : []).reduce<number>(
      (sum, one) => sum + (numberOf(one) ?? 0),
      0,
    ),
    bytes: null,
    top_logprobs: [],
  }));
  if (content.length > 0) out.push({ type: "logprobs", choice: 0, logprobs: { content, refusal: null } });
}

function finish(reading: Reading, ending: Fields, raw: string, out: GenerationEvent[]): void {
  for (const index of reading.calls.keys()) closeCall(reading, index, out);
  const native = stringOf(ending["finish_reason"]) ?? null;
  const reason = native !== null && Object.hasOwn(FINISH, native) ? FINISH[native] : undefined;
  const usage = cohereUsageOf(ending["usage"]);
  if (usage !== null) out.push({ type: "usage", usage });
  if (reason === "error" || stringOf(ending["error"]) !== undefined) {
    fail(reading, failureInMessage(stringOf(ending["error"]) ?? "", native, raw, reading.target), out);
    return;
  }
  reading.isOver = true;
  if (reading.annotations.length > 0) {
    out.push({ type: "annotations", choice: 0, annotations: reading.annotations });
  }
  const isPlain = reason === undefined || reason === "stop" || reason === "tool_calls";
  const plain = reading.toolCount > 0 ? "tool_calls" : "stop";
  out.push({ type: "finish", choice: 0, reason: isPlain ? plain : reason, nativeReason: native });
}

function fail(reading: Reading, failure: UpstreamFailure, out: GenerationEvent[]): void {
  reading.isOver = true;
  out.push({ type: "error", failure });
}
