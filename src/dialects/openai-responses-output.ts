/**
 * The items of a Responses answer while it comes: generation events in, stream events and finished items out. One machine
 * for both ways of answering, so that a stream and a buffered answer hold the same items: a buffered one tells its events
 * to nobody.
 *
 * Text and refusals share a message; reasoning entries with one index are one item; what follows something else begins a
 * new item, so that the order is the model's own. A call stays open as long as its arguments are not whole, for providers
 * that mix the pieces of parallel calls.
 */
import type { ReasoningDetail } from "../core/chat.ts";
import type { GenerationEvent } from "../core/event.ts";
import { isObject, parseJson, stringOf, type Json, type JsonObject } from "../core/json.ts";
import {
  appendReasoning,
  closeReasoning,
  OPENAI_FORMAT,
  placeOf,
  type Done,
  type Emit,
  type ItemStatus,
  type ReasoningItem,
} from "./openai-responses-reasoning.ts";

export interface ResponseOutput {
  take(event: GenerationEvent): void;
  /** Ends what is open; the last item gets `status`. */
  close(status: ItemStatus): void;
  /** Finished items, in their order. */
  items(): readonly JsonObject[];
}

interface MessagePart {
  readonly type: "output_text" | "refusal";
  text: string;
  readonly annotations: Json[];
  readonly logprobs: Json[];
}
interface MessageItem {
  readonly kind: "message";
  readonly id: string;
  readonly at: number;
  readonly parts: MessagePart[];
}
interface CallItem {
  readonly kind: "call";
  readonly id: string;
  readonly at: number;
  readonly callId: string;
  readonly name: string;
  input: string;
}

/** What is known of an answer while it is written. */
interface Writing {
  readonly id: string;
  readonly emit: Emit;
  readonly done: Done;
  /** Message or reasoning; calls are kept apart, because several may be open. */
  open: MessageItem | ReasoningItem | null;
  readonly calls: Map<number, CallItem>;
  count: number;
}

/** `id` is the generation's: ids of items are made of it. */
export function createOutput(id: string, excludeReasoning: boolean, emit: Emit): ResponseOutput {
  const items: JsonObject[] = [];
  const done: Done = (at, item) => {
    items[at] = item;
    emit("response.output_item.done", { output_index: at, item });
  };
  const writing: Writing = { id, emit, done, open: null, calls: new Map(), count: 0 };
  return {
    items: () => items,
    take(event) {
      if ("choice" in event && event.choice !== 0) return;
      if (event.type === "reasoning-delta" && excludeReasoning) return;
      take(writing, event);
    },
    close(status) {
      closeOpen(writing, status);
      closeCalls(writing, status, false);
    },
  };
}

function take(writing: Writing, event: GenerationEvent): void {
  const { emit, calls } = writing;
  switch (event.type) {
    case "text-delta":
      if (event.text !== "") appendText(openMessage(writing), "output_text", event.text, emit);
      return;
    case "refusal-delta":
      if (event.text !== "") appendText(openMessage(writing), "refusal", event.text, emit);
      return;
    case "annotations":
      annotate(openMessage(writing), event.annotations, emit);
      return;
    case "logprobs":
      noteLogprobs(openMessage(writing), event.logprobs, emit);
      return;
    case "reasoning-delta":
      appendReasoning(openReasoning(writing, event.detail), event.detail, emit);
      return;
    case "tool-start": {
      const { index, id: callId, name } = event;
      const at = next(writing);
      const call: CallItem = { kind: "call", id: `fc_${writing.id}_${at}`, at, callId, name, input: "" };
      calls.set(index, call);
      added(writing, at, { ...callJson(call), status: "in_progress" });
      return;
    }
    case "tool-input-delta": {
      const call = calls.get(event.index);
      if (call !== undefined && event.text !== "") appendInput(call, event.text, emit);
      return;
    }
    case "image":
      addImage(writing, event.url);
      return;
    // Audio is not among the modalities of this API; the rest is the renderer's.
    case "audio-delta":
    case "start":
    case "outcome":
    case "usage":
    case "finish":
    case "error":
      return;
    default:
      event satisfies never;
  }
}

/** Room for an item that comes after all that is whole. */
function next(writing: Writing): number {
  closeOpen(writing, "completed");
  closeCalls(writing, "completed", true);
  return writing.count++;
}

function added({ emit }: Writing, at: number, item: JsonObject): void {
  emit("response.output_item.added", { output_index: at, item });
}

function closeOpen(writing: Writing, status: ItemStatus): void {
  const { open, emit, done } = writing;
  if (open?.kind === "message") closeMessage(open, status, emit, done);
  if (open?.kind === "reasoning") closeReasoning(open, status, emit, done);
  writing.open = null;
}

/** With `wholeOnly`, those whose arguments have an end. */
function closeCalls({ calls, emit, done }: Writing, status: ItemStatus, wholeOnly: boolean): void {
  for (const [index, call] of calls) {
    if (wholeOnly && parseJson(call.input) === undefined) continue;
    calls.delete(index);
    closeCall(call, status, emit, done);
  }
}

function openMessage(writing: Writing): MessageItem {
  if (writing.open?.kind === "message") return writing.open;
  const at = next(writing);
  const item: MessageItem = { kind: "message", id: `msg_${writing.id}_${at}`, at, parts: [] };
  writing.open = item;
  added(writing, at, { id: item.id, type: "message", status: "in_progress", role: "assistant", content: [] });
  return item;
}

function openReasoning(writing: Writing, detail: ReasoningDetail): ReasoningItem {
  const index = detail.index ?? 0;
  if (writing.open?.kind === "reasoning" && writing.open.index === index) return writing.open;
  const at = next(writing);
  // Encrypted content is bound to the item that it came with.
  const given = detail.format === OPENAI_FORMAT ? detail.id : null;
  const item: ReasoningItem = {
    kind: "reasoning",
    id: given ?? `rs_${writing.id}_${at}`,
    at,
    index,
    details: new Map(),
  };
  writing.open = item;
  added(writing, at, { id: item.id, type: "reasoning", status: "in_progress", summary: [] });
  return item;
}

function addImage(writing: Writing, url: string): void {
  const at = next(writing);
  const item = { id: `ig_${writing.id}_${at}`, type: "image_generation_call" };
  added(writing, at, { ...item, status: "in_progress", result: null });
  writing.emit("response.image_generation_call.completed", { output_index: at, item_id: item.id });
  writing.done(at, { ...item, status: "completed", result: url.slice(url.indexOf(",") + 1) });
}

/** The part of this type that is open; another one is ended first. */
function partOf(item: MessageItem, type: MessagePart["type"], emit: Emit): MessagePart {
  const last = item.parts.at(-1);
  if (last?.type === type) return last;
  closePart(item, emit);
  const part: MessagePart = { type, text: "", annotations: [], logprobs: [] };
  item.parts.push(part);
  emit("response.content_part.added", { ...placeOf(item), content_index: item.parts.length - 1, part: partJson(part) });
  return part;
}

function appendText(item: MessageItem, type: MessagePart["type"], text: string, emit: Emit): void {
  const part = partOf(item, type, emit);
  part.text += text;
  const place = { ...placeOf(item), content_index: item.parts.length - 1, delta: text };
  if (type === "refusal") emit("response.refusal.delta", place);
  else emit("response.output_text.delta", { ...place, logprobs: [] });
}

function annotate(item: MessageItem, annotations: readonly Json[], emit: Emit): void {
  const part = partOf(item, "output_text", emit);
  for (const given of annotations) {
    const annotation = annotationOf(given);
    if (annotation === undefined) continue;
    part.annotations.push(annotation);
    emit("response.output_text.annotation.added", {
      ...placeOf(item),
      content_index: item.parts.length - 1,
      annotation_index: part.annotations.length - 1,
      annotation,
    });
  }
}

/** Chat completions nest what a citation says; here it stands beside the type. */
function annotationOf(given: Json): JsonObject | undefined {
  if (!isObject(given)) return undefined;
  const type = stringOf(given["type"]);
  if (type === undefined) return undefined;
  const nested = given[type];
  return { ...(isObject(nested) ? nested : given), type } as JsonObject; // parts of a JSON value
}

/** Logprobs of tokens come beside their text; they are told with the part's end. */
function noteLogprobs(item: MessageItem, logprobs: Json, emit: Emit): void {
  const content = isObject(logprobs) ? logprobs["content"] : undefined;
  if (!Array.isArray(content)) return;
  const part = partOf(item, "output_text", emit);
  for (const entry of content as readonly Json[]) part.logprobs.push(withBytes(entry));
}

/** The bytes of a token are never null in this API. */
function withBytes(entry: Json): Json {
  if (!isObject(entry)) return entry;
  const top = Array.isArray(entry["top_logprobs"]) ? (entry["top_logprobs"] as readonly Json[]) : []; // from JSON
  return { ...entry, bytes: entry["bytes"] ?? [], top_logprobs: top.map(withoutTop) } as JsonObject;
}

function withoutTop(entry: Json): Json {
  return isObject(entry) ? ({ ...entry, bytes: entry["bytes"] ?? [] } as JsonObject) : entry; // from JSON
}

function closePart(item: MessageItem, emit: Emit): void {
  const part = item.parts.at(-1);
  if (part === undefined) return;
  const place = { ...placeOf(item), content_index: item.parts.length - 1 };
  if (part.type === "refusal") emit("response.refusal.done", { ...place, refusal: part.text });
  else emit("response.output_text.done", { ...place, text: part.text, logprobs: part.logprobs });
  emit("response.content_part.done", { ...place, part: partJson(part) });
}

function closeMessage(item: MessageItem, status: ItemStatus, emit: Emit, done: Done): void {
  closePart(item, emit);
  done(item.at, { id: item.id, type: "message", status, role: "assistant", content: item.parts.map(partJson) });
}

function partJson({ type, text, annotations, logprobs }: MessagePart): JsonObject {
  return type === "refusal"
    ? { type, refusal: text }
    : { type, text, annotations: [...annotations], logprobs: [...logprobs] };
}

function appendInput(call: CallItem, text: string, emit: Emit): void {
  call.input += text;
  emit("response.function_call_arguments.delta", { ...placeOf(call), delta: text });
}

function closeCall(call: CallItem, status: ItemStatus, emit: Emit, done: Done): void {
  // A call without arguments is one with none: clients parse the text as JSON.
  if (call.input === "") appendInput(call, "{}", emit);
  const { name, input } = call;
  emit("response.function_call_arguments.done", { ...placeOf(call), name, arguments: input });
  done(call.at, { ...callJson(call), status });
}

function callJson({ id, callId, name, input }: CallItem): JsonObject {
  return { id, type: "function_call", call_id: callId, name, arguments: input };
}
