/**
 * Answers of the Responses API as generation events: a stream of typed events, and a whole response through the same
 * reader. Synchronous and never throwing; events that are not known are passed over. A response that failed, an `error`
 * event, a part that is not JSON and an end without a last event are failures; what was counted until then still counts.
 * Source: https://platform.openai.com/docs/api-reference/responses-streaming (accessed 2026-11-21).
 *
 * | status | reason | finish |
 * |---|---|---|
 * | completed | - | stop, or tool_calls where functions were called |
 * | incomplete | max_output_tokens | length |
 * | incomplete | content_filter | content_filter |
 * | failed, cancelled | - | an error |
 */
import type { UpstreamFailure } from "../core/error.ts";
import type { FinishReason, GenerationEvent } from "../core/event.ts";
import { isObject, numberOf, parseJson, stringOf } from "../core/json.ts";
import type { SseFrame } from "../core/sse.ts";
import type { StreamDecoder, Target } from "./adapter.ts";
import { cutFailure, malformedFailure } from "./failure.ts";
import { failureInside, wireErrorOf } from "./openai-failure.ts";
import { readingQuirks } from "./openai-quirks.ts";
import { createItemReader, type ItemReader } from "./openai-responses-items.ts";
import { familyQuirks, readingResponsesQuirks } from "./openai-responses-quirks.ts";
import { usageOf } from "./usage-openai.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Native reasons of an incomplete response; one that is new is a limit, since the answer is not whole. */
const INCOMPLETE: Readonly<Record<string, FinishReason>> = {
  max_output_tokens: "length",
  max_tokens: "length",
  content_filter: "content_filter",
};

/** What is known of one response while it is read. */
interface Reading {
  readonly target: Target;
  readonly items: ItemReader;
  upstreamId: string | null;
  isOver: boolean;
}

/** A decoder for one stream. */
export function createResponsesDecoder(target: Target): StreamDecoder {
  const reading = newReading(target);
  return {
    feed(frame: SseFrame) {
      const out: GenerationEvent[] = [];
      if (reading.isOver || frame.data === "" || frame.data.trim() === "[DONE]" || frame.event === "ping") return out;
      const value = parseJson(frame.data);
      if (isObject(value)) readFrame(reading, value, frame, out);
      else
        fail(reading, malformedFailure("a part of the stream is no JSON object", frame.data, target.credential), out);
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

/** The events of a whole response. */
export function decodeResponsesReply(body: unknown, target: Target): GenerationEvent[] {
  const out: GenerationEvent[] = [];
  const reading = newReading(target);
  if (!isObject(body)) {
    fail(reading, malformedFailure("it is no JSON object", null, target.credential), out);
  } else if (hasFailed(body)) {
    failWith(reading, body, JSON.stringify(body), out);
  } else if (!Array.isArray(body["output"])) {
    fail(reading, malformedFailure("it has no output", JSON.stringify(body), target.credential), out);
  } else {
    start(reading, body, out);
    finish(reading, body, out);
  }
  return out;
}

function newReading(target: Target): Reading {
  const { reasoning_format: format } = readingResponsesQuirks(target.quirks);
  const reading: Reading = {
    target,
    items: createItemReader(format, () => reading.upstreamId ?? "0"),
    upstreamId: null,
    isOver: false,
  };
  return reading;
}

function readFrame(reading: Reading, value: Fields, frame: SseFrame, out: GenerationEvent[]): void {
  const type = stringOf(value["type"]) ?? frame.event;
  const response = isObject(value["response"]) ? value["response"] : undefined;
  switch (type) {
    case "response.created":
    case "response.queued":
    case "response.in_progress":
      if (response !== undefined) start(reading, response, out);
      return;
    case "response.output_item.added":
    case "response.output_item.done": {
      const isWhole = type === "response.output_item.done";
      reading.items.readItem(numberOf(value["output_index"]) ?? 0, value["item"], isWhole, out);
      return;
    }
    case "response.completed":
    case "response.incomplete":
    case "response.failed":
    case "response.cancelled":
      return readEnd(reading, type, response ?? {}, frame.data, out);
    case "error":
      return failWith(reading, value, frame.data, out);
    default:
      if (isPiece(type)) reading.items.readPiece(type, value, out);
      else if (isObject(value["error"])) failWith(reading, value, frame.data, out);
  }
}

/** Events of message, reasoning and calls; those of tools that run at the provider begin otherwise. */
function isPiece(type: string): boolean {
  return /^response\.(output_text|refusal|function_call_arguments|reasoning_text|reasoning_summary_text)\./.test(type);
}

function readEnd(reading: Reading, type: string, response: Fields, raw: string, out: GenerationEvent[]): void {
  start(reading, response, out);
  const status = type.slice("response.".length);
  if (status === "failed" || status === "cancelled" || hasFailed(response)) failWith(reading, response, raw, out);
  else finish(reading, { ...response, status }, out);
}

function hasFailed(body: Fields): boolean {
  const { error, status, type } = body;
  if (status === "failed" || status === "cancelled" || type === "error" || isObject(error)) return true;
  return typeof error === "string" && error !== "";
}

/** Announces the response's id once. */
function start(reading: Reading, response: Fields, out: GenerationEvent[]): void {
  const id = stringOf(response["id"]) ?? "";
  if (reading.upstreamId !== null || id === "") return;
  reading.upstreamId = id;
  out.push({ type: "start", upstreamId: id });
}

/** The end of a response: what its items say beyond their pieces, the tier that served it, usage, and why it ended. */
function finish(reading: Reading, response: Fields, out: GenerationEvent[]): void {
  const { items } = reading;
  // In a stream its items have come one by one.
  if (items.itemCount() === 0 && Array.isArray(response["output"])) {
    for (const [at, item] of (response["output"] as readonly unknown[]).entries()) items.readItem(at, item, true, out);
  }
  items.finish(out);
  reading.isOver = true;
  const serviceTier = stringOf(response["service_tier"]);
  if (serviceTier !== undefined) {
    out.push({
      type: "start",
      ...(reading.upstreamId === null ? {} : { upstreamId: reading.upstreamId }),
      serviceTier,
    });
  }
  pushUsage(reading, response, out);
  const details = response["incomplete_details"];
  const native = (isObject(details) ? stringOf(details["reason"]) : undefined) ?? null;
  if (response["status"] === "incomplete") {
    const known = native !== null && Object.hasOwn(INCOMPLETE, native) ? INCOMPLETE[native] : undefined;
    out.push({ type: "finish", choice: 0, reason: known ?? "length", nativeReason: native ?? "incomplete" });
    return;
  }
  const reason = items.callCount() > 0 ? "tool_calls" : "stop";
  out.push({ type: "finish", choice: 0, reason, nativeReason: stringOf(response["status"]) ?? null });
}

/** A failure in the provider's words; what it counted comes before it. */
function failWith(reading: Reading, body: Fields, raw: string, out: GenerationEvent[]): void {
  pushUsage(reading, body, out);
  const unsaid = { message: undefined, code: undefined, type: undefined, httpStatus: undefined };
  fail(reading, failureInside(wireErrorOf(body) ?? unsaid, raw, reading.target.credential), out);
}

function pushUsage({ target }: Reading, response: Fields, out: GenerationEvent[]): void {
  const usage = usageOf(response["usage"], readingQuirks(familyQuirks(target.quirks)));
  if (usage !== undefined) out.push({ type: "usage", usage });
}

function fail(reading: Reading, failure: UpstreamFailure, out: GenerationEvent[]): void {
  reading.isOver = true;
  out.push({ type: "error", failure });
}
