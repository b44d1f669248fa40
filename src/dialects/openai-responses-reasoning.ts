/**
 * Reasoning items of the Responses format, both ways: a client's item as entries of ours, and entries as they come as the
 * stream events and the item that they make. Text is shown as content, summaries as summary; what is signed or encrypted
 * comes back byte-exact.
 */
import type { ReasoningDetail } from "../core/chat.ts";
import type { JsonObject } from "../core/json.ts";
import type { WireReasoning } from "./openai-responses-schema.ts";
import { unwrapReasoning, wrapReasoning } from "./reasoning-envelope.ts";

/** Whose encrypted reasoning is meant where nothing else is said: that of the API whose form this is. */
export const OPENAI_FORMAT = "openai-responses-v1";

/** Takes one stream event without its number. */
export type Emit = (type: string, members: JsonObject) => void;

export type ItemStatus = "completed" | "incomplete";

/** Keeps a finished item and tells of it. */
export type Done = (at: number, item: JsonObject) => void;

export interface ReasoningItem {
  readonly kind: "reasoning";
  readonly id: string;
  readonly at: number;
  readonly index: number;
  /** One entry of each type: its pieces are joined. */
  readonly details: Map<ReasoningDetail["type"], ReasoningDetail>;
}
export function placeOf(item: { readonly id: string; readonly at: number }): { item_id: string; output_index: number } {
  return { item_id: item.id, output_index: item.at };
}

/** An envelope says all; else what stands beside the encrypted content. `index` makes the entries of one item one. */
export function reasoningOf(item: WireReasoning, index: number): ReasoningDetail[] {
  const wrapped = typeof item.encrypted_content === "string" ? unwrapReasoning(item.encrypted_content) : undefined;
  if (wrapped !== undefined) return wrapped.map((detail) => ({ ...detail, index }));
  const hasSecret = typeof item.encrypted_content === "string" && item.encrypted_content !== "";
  const format = item.format ?? (hasSecret ? OPENAI_FORMAT : "unknown");
  const common = { ...(typeof item.id === "string" ? { id: item.id } : {}), format, index };
  const details: ReasoningDetail[] = [];
  for (const { text: summary } of item.summary ?? []) details.push({ type: "reasoning.summary", summary, ...common });
  const texts = item.content ?? [];
  for (const [at, { text }] of texts.entries()) {
    const signature = at === texts.length - 1 ? (item.signature ?? undefined) : undefined;
    details.push({ type: "reasoning.text", text, ...(signature === undefined ? {} : { signature }), ...common });
  }
  if (hasSecret) details.push({ type: "reasoning.encrypted", data: item.encrypted_content ?? "", ...common });
  return details;
}

/** Tells of one piece, and keeps it. */
export function appendReasoning(item: ReasoningItem, detail: ReasoningDetail, emit: Emit): void {
  const before = item.details.get(detail.type);
  const isNew = before === undefined;
  const place = placeOf(item);
  if (detail.type === "reasoning.text" && typeof detail.text === "string" && detail.text !== "") {
    if (before?.text === undefined) {
      emit("response.content_part.added", { ...place, content_index: 0, part: { type: "reasoning_text", text: "" } });
    }
    emit("response.reasoning_text.delta", { ...place, content_index: 0, delta: detail.text });
  }
  if (detail.type === "reasoning.summary" && typeof detail.summary === "string") {
    const part = { ...place, summary_index: 0 };
    if (isNew) emit("response.reasoning_summary_part.added", { ...part, part: { type: "summary_text", text: "" } });
    if (detail.summary !== "") emit("response.reasoning_summary_text.delta", { ...part, delta: detail.summary });
  }
  item.details.set(detail.type, isNew ? known(detail) : joined(before, detail));
}

/** Without members that say nothing, so that "is there text yet" is one question. */
function known(detail: ReasoningDetail): ReasoningDetail {
  const { text, ...rest } = detail;
  return typeof text === "string" && text !== "" ? { ...rest, text } : rest;
}

function joined(before: ReasoningDetail, next: ReasoningDetail): ReasoningDetail {
  const text = `${before.text ?? ""}${next.text ?? ""}`;
  const signature = `${before.signature ?? ""}${next.signature ?? ""}`;
  return {
    ...before,
    ...(text === "" ? {} : { text }),
    ...(signature === "" ? {} : { signature }),
    ...(next.summary === undefined ? {} : { summary: `${before.summary ?? ""}${next.summary}` }),
    ...(next.data === undefined ? {} : { data: `${before.data ?? ""}${next.data}` }),
    ...(next.id === undefined || next.id === null ? {} : { id: next.id }),
    ...(next.format === undefined || next.format === null ? {} : { format: next.format }),
  };
}

/** Ends an item with all that its pieces made. */
export function closeReasoning(item: ReasoningItem, status: ItemStatus, emit: Emit, done: Done): void {
  const place = placeOf(item);
  const text = item.details.get("reasoning.text")?.text ?? undefined;
  const summary = item.details.get("reasoning.summary")?.summary;
  if (text !== undefined) {
    emit("response.reasoning_text.done", { ...place, content_index: 0, text });
    emit("response.content_part.done", { ...place, content_index: 0, part: { type: "reasoning_text", text } });
  }
  if (summary !== undefined) {
    emit("response.reasoning_summary_text.done", { ...place, summary_index: 0, text: summary });
    emit("response.reasoning_summary_part.done", {
      ...place,
      summary_index: 0,
      part: { type: "summary_text", text: summary },
    });
  }
  done(item.at, {
    id: item.id,
    type: "reasoning",
    status,
    summary: summary === undefined ? [] : [{ type: "summary_text", text: summary }],
    ...(text === undefined ? {} : { content: [{ type: "reasoning_text", text }] }),
    ...secretsOf(item),
  });
}

/**
 * What must come back byte-exact. OpenAI's own encrypted content stands as it is, under its own item's id; everything that
 * another provider signed or encrypted, in an envelope, since most clients send back nothing else.
 */
function secretsOf({ id, details }: ReasoningItem): JsonObject {
  const entries = [...details.values()];
  const format = entries.find((detail) => typeof detail.format === "string")?.format ?? undefined;
  const isKnown = format !== undefined && format !== "unknown";
  const named = isKnown ? { format } : {};
  const signature = details.get("reasoning.text")?.signature ?? undefined;
  const secret = details.get("reasoning.encrypted");
  if (signature === undefined && secret === undefined) return named;
  const isPlain = format === OPENAI_FORMAT && signature === undefined && (secret?.id ?? id) === id;
  return {
    encrypted_content: isPlain ? (secret?.data ?? "") : wrapReasoning(entries),
    ...(signature === undefined ? {} : { signature }),
    ...named,
  };
}
