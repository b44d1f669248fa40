/**
 * The items of a Responses answer as generation events, whichever way they come: piece by piece, or whole. What a whole
 * item says beyond its pieces is given then, so that a provider that leaves pieces out loses nothing, and nothing comes
 * twice. Synchronous and never throwing; items of tools that run at the provider are passed over.
 */
import type { ReasoningDetail } from "../core/chat.ts";
import type { GenerationEvent } from "../core/event.ts";
import { isObject, numberOf, stringOf, type Json } from "../core/json.ts";
import { TOOL_CALLS_MAX } from "./openai-tool-calls.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Items of one answer; what is beyond is skipped. */
const ITEMS_MAX = 10_000;

/** Texts that items are made of. */
type TextKind = "text" | "refusal" | "input" | "summary" | "reasoning" | "secret";

interface Item {
  /** By kind and number of a part: how many characters, or entries, were given. */
  readonly given: Map<string, number>;
  /** Place among the calls; null as long as it is no call. */
  callIndex: number | null;
  /** Place among the items of reasoning; null as long as it is none. */
  reasoningIndex: number | null;
  id: string;
}

export interface ItemReader {
  /** A piece of an item: an event of this type. */
  readPiece(type: string, event: Fields, out: GenerationEvent[]): void;
  /** An item as it begins (`isWhole` false) or as it is. */
  readItem(at: number, item: unknown, isWhole: boolean, out: GenerationEvent[]): void;
  /** Gives "{}" to calls that never got input. */
  finish(out: GenerationEvent[]): void;
  callCount(): number;
  itemCount(): number;
}

/** What is known of one answer. */
interface Reading {
  readonly format: string;
  readonly seed: () => string;
  readonly items: Map<number, Item>;
  readonly callIds: Set<string>;
  calls: number;
  reasonings: number;
}

/** @param format names who can read the encrypted reasoning. @param seed makes ids where the provider gives none. */
export function createItemReader(format: string, seed: () => string): ItemReader {
  const reading: Reading = { format, seed, items: new Map(), callIds: new Set(), calls: 0, reasonings: 0 };
  return {
    readPiece: (type, event, out) => readPiece(reading, type, event, out),
    readItem: (at, item, isWhole, out) => {
      if (isObject(item)) readItem(reading, at, item, isWhole, out);
    },
    finish(out) {
      for (const { callIndex, given } of reading.items.values()) {
        if (callIndex !== null && (given.get("input 0") ?? 0) === 0) pushInput(callIndex, "{}", out);
      }
    },
    callCount: () => reading.calls,
    itemCount: () => reading.items.size,
  };
}

function readPiece(reading: Reading, type: string, event: Fields, out: GenerationEvent[]): void {
  const item = itemAt(reading, numberOf(event["output_index"]) ?? 0);
  if (item === undefined) return;
  item.id ||= stringOf(event["item_id"]) ?? "";
  const part = numberOf(event["content_index"]) ?? numberOf(event["summary_index"]) ?? 0;
  const delta = stringOf(event["delta"]) ?? "";
  switch (type) {
    case "response.output_text.delta":
      giveLogprobs(item, event["logprobs"], out);
      return give(reading, item, "text", part, delta, out);
    case "response.output_text.done":
      return giveRest(reading, item, "text", part, event["text"], out);
    case "response.refusal.delta":
      return give(reading, item, "refusal", part, delta, out);
    case "response.refusal.done":
      return giveRest(reading, item, "refusal", part, event["refusal"], out);
    case "response.function_call_arguments.delta":
      return give(reading, item, "input", 0, delta, out);
    case "response.function_call_arguments.done":
      return giveRest(reading, item, "input", 0, event["arguments"], out);
    case "response.reasoning_summary_text.delta":
      return give(reading, item, "summary", part, delta, out);
    case "response.reasoning_summary_text.done":
      return giveRest(reading, item, "summary", part, event["text"], out);
    case "response.reasoning_text.delta":
      return give(reading, item, "reasoning", part, delta, out);
    case "response.reasoning_text.done":
      return giveRest(reading, item, "reasoning", part, event["text"], out);
    case "response.output_text.annotation.added":
      return giveAnnotations(item, part, [event["annotation"]], out);
  }
}

function readItem(reading: Reading, at: number, wire: Fields, isWhole: boolean, out: GenerationEvent[]): void {
  const item = itemAt(reading, at);
  if (item === undefined) return;
  item.id = stringOf(wire["id"]) ?? item.id;
  switch (wire["type"]) {
    case "function_call":
      openCall(reading, item, wire, out);
      return giveRest(reading, item, "input", 0, wire["arguments"], out);
    case "message":
      for (const [part, content] of listOf(wire["content"]).entries()) readContent(reading, item, part, content, out);
      return;
    case "reasoning":
      for (const [part, { text }] of listOf(wire["summary"]).entries())
        giveRest(reading, item, "summary", part, text, out);
      for (const [part, { text }] of listOf(wire["content"]).entries())
        giveRest(reading, item, "reasoning", part, text, out);
      // At its beginning it may not be the whole of it.
      if (isWhole) giveRest(reading, item, "secret", 0, wire["encrypted_content"], out);
      return;
    case "image_generation_call":
      if (isWhole) giveImage(item, wire, out);
  }
}

function readContent(reading: Reading, item: Item, part: number, content: Fields, out: GenerationEvent[]): void {
  if (content["type"] === "refusal") {
    giveRest(reading, item, "refusal", part, content["refusal"], out);
    return;
  }
  if (content["type"] !== "output_text") return;
  if (!item.given.has("logprobs")) giveLogprobs(item, content["logprobs"], out);
  giveRest(reading, item, "text", part, content["text"], out);
  const annotations: readonly unknown[] = Array.isArray(content["annotations"]) ? content["annotations"] : [];
  giveAnnotations(item, part, annotations.slice(item.given.get(`annotations ${part}`) ?? 0), out);
}

function itemAt({ items }: Reading, at: number): Item | undefined {
  const known = items.get(at);
  if (known !== undefined || items.size >= ITEMS_MAX) return known;
  const item: Item = { given: new Map(), callIndex: null, reasoningIndex: null, id: "" };
  items.set(at, item);
  return item;
}

function openCall(reading: Reading, item: Item, wire: Fields, out: GenerationEvent[]): void {
  if (item.callIndex !== null || reading.calls >= TOOL_CALLS_MAX) return;
  const index = reading.calls++;
  item.callIndex = index;
  let id = stringOf(wire["call_id"]) || `call_${reading.seed()}_${index}`;
  while (reading.callIds.has(id)) id = `${id}_${index}`;
  reading.callIds.add(id);
  out.push({ type: "tool-start", choice: 0, index, id, name: stringOf(wire["name"]) ?? "" });
}

/** What a whole text says beyond the pieces of it. */
function giveRest(
  reading: Reading,
  item: Item,
  kind: TextKind,
  part: number,
  whole: unknown,
  out: GenerationEvent[],
): void {
  if (typeof whole !== "string") return;
  give(reading, item, kind, part, whole.slice(item.given.get(`${kind} ${part}`) ?? 0), out);
}

function give(reading: Reading, item: Item, kind: TextKind, part: number, text: string, out: GenerationEvent[]): void {
  // Input before its call, or of none, is nobody's.
  if (text === "" || (kind === "input" && item.callIndex === null)) return;
  const key = `${kind} ${part}`;
  const before = item.given.get(key) ?? 0;
  item.given.set(key, before + text.length);
  // Parts of a summary are paragraphs of one text with us.
  const spaced = before === 0 && part > 0 ? `\n\n${text}` : text;
  switch (kind) {
    case "text":
      out.push({ type: "text-delta", choice: 0, text });
      return;
    case "refusal":
      out.push({ type: "refusal-delta", choice: 0, text });
      return;
    case "input":
      if (item.callIndex !== null) pushInput(item.callIndex, text, out);
      return;
    case "summary":
      return giveReasoning(reading, item, { type: "reasoning.summary", summary: spaced }, out);
    case "reasoning":
      return giveReasoning(reading, item, { type: "reasoning.text", text: spaced }, out);
    case "secret":
      return giveReasoning(reading, item, { type: "reasoning.encrypted", data: text }, out);
    default:
      kind satisfies never;
  }
}

function pushInput(index: number, text: string, out: GenerationEvent[]): void {
  out.push({ type: "tool-input-delta", choice: 0, index, text });
}

function giveReasoning(reading: Reading, item: Item, detail: ReasoningDetail, out: GenerationEvent[]): void {
  item.reasoningIndex ??= reading.reasonings++;
  const id = item.id === "" ? {} : { id: item.id };
  const whole = { ...detail, ...id, format: reading.format, index: item.reasoningIndex };
  out.push({ type: "reasoning-delta", choice: 0, detail: whole });
}

function giveLogprobs(item: Item, logprobs: unknown, out: GenerationEvent[]): void {
  if (!Array.isArray(logprobs) || logprobs.length === 0) return;
  item.given.set("logprobs", 1);
  out.push({ type: "logprobs", choice: 0, logprobs: { content: logprobs as Json[] } }); // from JSON.parse
}

/** Here a citation stands beside its type; chat completions nest it. */
function giveAnnotations(item: Item, part: number, wires: readonly unknown[], out: GenerationEvent[]): void {
  const key = `annotations ${part}`;
  item.given.set(key, (item.given.get(key) ?? 0) + wires.length);
  const annotations: Json[] = [];
  for (const wire of wires) {
    const type = isObject(wire) ? stringOf(wire["type"]) : undefined;
    if (!isObject(wire) || type === undefined) continue;
    const { type: _type, ...rest } = wire;
    annotations.push({ type, [type]: rest as Json }); // from JSON.parse
  }
  if (annotations.length > 0) out.push({ type: "annotations", choice: 0, annotations });
}

function giveImage(item: Item, wire: Fields, out: GenerationEvent[]): void {
  const base64 = stringOf(wire["result"]) ?? "";
  if (base64 === "" || item.given.has("image")) return;
  item.given.set("image", 1);
  const format = /^(png|jpeg|webp)$/.exec(stringOf(wire["output_format"]) ?? "")?.[0] ?? "png";
  out.push({ type: "image", choice: 0, url: `data:image/${format};base64,${base64}` });
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
