/**
 * Predictions as generation events. A stream has the text alone (`output`), and how it ended (`done`, `error`); what it
 * used, and by which name the provider knows it, is in the prediction's last state, which follows the stream as a frame
 * of its own. A buffered answer is that state. Both go through the same steps, synchronous and never throwing.
 * The format does not say why a model stopped: an answer of as many tokens as were allowed counts as cut.
 * Source: https://replicate.com/docs/topics/predictions/streaming (accessed 2026-11-21).
 */
import type { ChatRequest } from "../core/chat.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { GenerationEvent } from "../core/event.ts";
import { isObject, numberOf, parseJson, stringOf } from "../core/json.ts";
import type { SseFrame } from "../core/sse.ts";
import { NO_USAGE, type Usage } from "../core/usage.ts";
import { STATE_FRAME, type StreamDecoder, type Target } from "./adapter.ts";
import { cutFailure, malformedFailure } from "./failure.ts";
import { detailOf, failureOfPrediction } from "./replicate-failure.ts";

type Fields = Readonly<Record<string, unknown>>;

/** More than any answer can use; a larger number is no count. */
const COUNT_MAX = 1e12;

interface Reading {
  readonly target: Target;
  readonly limit: number | null;
  /** The text so far: a stream that was cut is completed from the state. */
  text: string;
  /** The upstream's own word for the end; null: it has not ended. */
  ended: string | null;
  outputTokens: number;
  isOver: boolean;
}

/** A decoder for one stream. */
export function createReplicateDecoder(request: ChatRequest, target: Target): StreamDecoder {
  const reading = newReading(request, target);
  return {
    feed(frame: SseFrame) {
      const out: GenerationEvent[] = [];
      if (!reading.isOver) readFrame(reading, frame, out);
      return out;
    },
    isDone: () => reading.ended !== null || reading.isOver,
    end() {
      const out: GenerationEvent[] = [];
      if (reading.isOver) return out;
      if (reading.ended === null) fail(reading, cutFailure(), out);
      else finish(reading, out);
      return out;
    },
  };
}

/** The events of a prediction that is over. */
export function decodeReplicateReply(body: unknown, request: ChatRequest, target: Target): GenerationEvent[] {
  const out: GenerationEvent[] = [];
  const reading = newReading(request, target);
  const raw = JSON.stringify(body) ?? "";
  if (!isObject(body)) fail(reading, malformedFailure("it is not a JSON object", raw, target.credential), out);
  else if (stringOf(body["status"]) === undefined) {
    const detail = detailOf(body);
    const failure =
      detail === undefined
        ? malformedFailure("it is no prediction", raw, target.credential)
        : failureOfPrediction(detail, "", raw, target);
    fail(reading, failure, out);
  } else {
    readState(reading, body, out);
    if (!reading.isOver && reading.ended === null)
      fail(reading, malformedFailure("the prediction is not over", null, target.credential), out);
    else if (!reading.isOver) finish(reading, out);
  }
  return out;
}

function newReading(request: ChatRequest, target: Target): Reading {
  return { target, limit: request.maxOutputTokens ?? null, text: "", ended: null, outputTokens: 0, isOver: false };
}

function readFrame(reading: Reading, frame: SseFrame, out: GenerationEvent[]): void {
  const { event, data } = frame;
  if (event === STATE_FRAME) {
    const state = parseJson(data);
    if (isObject(state)) readState(reading, state, out);
    return;
  }
  if (reading.ended !== null) return;
  switch (event) {
    case "output":
      pushText(reading, data, out);
      return;
    case "error": {
      const body = parseJson(data);
      fail(reading, failureOfPrediction(detailOf(body) ?? data, "failed", data, reading.target), out);
      return;
    }
    case "done": {
      const body = parseJson(data);
      endAs(reading, (isObject(body) ? stringOf(body["reason"]) : undefined) ?? "succeeded", data, out);
      return;
    }
    default: {
      // The log of the model is not the answer; what has no name and a detail is an error of the server in front.
      const detail = event === "" ? detailOf(parseJson(data)) : undefined;
      if (detail !== undefined) fail(reading, failureOfPrediction(detail, "", data, reading.target), out);
    }
  }
}

function readState(reading: Reading, state: Fields, out: GenerationEvent[]): void {
  const id = stringOf(state["id"]) ?? "";
  if (id !== "") out.push({ type: "start", upstreamId: id });
  const text = outputText(state["output"]);
  const status = stringOf(state["status"]) ?? "";
  // The rest of a state repeats the prompt, which belongs in no error.
  const raw = JSON.stringify({ status, error: stringOf(state["error"]) ?? null });
  if (text === null && status === "succeeded") {
    fail(reading, malformedFailure("its output is not text", raw, reading.target.credential), out);
    return;
  }
  // What of the whole has not come yet: all of it, or the rest of a stream that was cut.
  if (text !== null && reading.ended === null && text.startsWith(reading.text))
    pushText(reading, text.slice(reading.text.length), out);
  const usage = usageOf(state["metrics"]);
  if (usage !== null) {
    reading.outputTokens = usage.outputText;
    out.push({ type: "usage", usage });
  }
  if (reading.ended === null && (text === null || text === reading.text))
    endAs(reading, status, raw, out, stringOf(state["error"]));
}

/** Null for what is no text. */
function outputText(output: unknown): string | null {
  if (output === null || output === undefined) return "";
  if (typeof output === "string") return output;
  return Array.isArray(output) && output.every((piece) => typeof piece === "string") ? output.join("") : null;
}

/** Counts of tokens where the model gives them, and the time that its hardware was busy. */
function usageOf(metrics: unknown): Usage | null {
  if (!isObject(metrics)) return null;
  const inputText = count(metrics["input_token_count"]);
  const outputText = count(metrics["output_token_count"]);
  const hardwareMs = count((numberOf(metrics["predict_time"]) ?? 0) * 1_000);
  if (inputText + outputText + hardwareMs === 0) return null;
  return { ...NO_USAGE, inputText, outputText, ...(hardwareMs === 0 ? {} : { work: { hardwareMs } }) };
}

function count(value: unknown): number {
  const number = numberOf(value) ?? 0;
  return number > 0 && number <= COUNT_MAX ? Math.round(number) : 0;
}

function pushText(reading: Reading, text: string, out: GenerationEvent[]): void {
  if (text === "") return;
  reading.text += text;
  out.push({ type: "text-delta", choice: 0, text });
}

/** `word`: a state, or the reason that ended a stream. A state that is not the last one ends nothing. */
function endAs(reading: Reading, word: string, raw: string, out: GenerationEvent[], error = ""): void {
  switch (word) {
    case "succeeded":
      reading.ended = word;
      return;
    case "failed":
    case "error":
    case "canceled":
    case "aborted":
      fail(reading, failureOfPrediction(error, word, raw, reading.target), out);
      return;
    default:
  }
}

function finish(reading: Reading, out: GenerationEvent[]): void {
  reading.isOver = true;
  const isCut = reading.limit !== null && reading.outputTokens >= reading.limit;
  out.push({ type: "finish", choice: 0, reason: isCut ? "length" : "stop", nativeReason: reading.ended });
}

function fail(reading: Reading, failure: UpstreamFailure, out: GenerationEvent[]): void {
  reading.isOver = true;
  out.push({ type: "error", failure });
}
