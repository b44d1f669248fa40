/**
 * Items of a Responses conversation in our own words. What stands between two turns of the user or results of tools is one
 * turn of the assistant, with the order of its pieces. A message of the assistant that follows another one without a call
 * between them begins a turn of its own, so that the items, read in order, are always the same.
 * Input has passed the schema, so nothing fails here; what cannot be carried is reported. Text is never copied or changed.
 */
import type { CacheControl, Message, Part, PieceKind, ReasoningDetail, TextPart, ToolCall } from "../core/chat.ts";
import { cacheControlOf, type Warn } from "./body.ts";
import { reasoningOf } from "./openai-responses-reasoning.ts";
import type { WireItem, WirePart } from "./openai-responses-schema.ts";

/** A turn of the assistant while its items come. */
interface OpenTurn {
  readonly parts: Part[];
  readonly toolCalls: ToolCall[];
  readonly reasoning: ReasoningDetail[];
  readonly order: PieceKind[];
  refusal: string;
  /** Items of reasoning so far. */
  reasoningItems: number;
}

/** The conversation that `items` hold. */
export function messagesOf(items: readonly WireItem[], warn: Warn): Message[] {
  const messages: Message[] = [];
  let turn: OpenTurn | null = null;
  const close = (): void => {
    if (turn !== null) messages.push(closedTurn(turn));
    turn = null;
  };
  const opened = (): OpenTurn =>
    (turn ??= { parts: [], toolCalls: [], reasoning: [], order: [], refusal: "", reasoningItems: 0 });
  for (const [at, item] of items.entries()) {
    if (isOfAssistant(item)) {
      if (beginsTurn(item, turn)) close();
      addToTurn(opened(), item);
    } else if (item.type === "function_call_output") {
      close();
      messages.push({ role: "tool", toolCallId: item.call_id, parts: partsOf(item.output) });
    } else if ("role" in item && item.role !== undefined) {
      close();
      messages.push(messageOf(item as Extract<WireItem, { role: "user" | "system" | "developer" }>));
    } else {
      warn(`input[${at}] (${String(item.type)}) belongs to a tool of another provider and was left out`);
    }
  }
  close();
  return messages;
}

type AssistantItem = Extract<
  WireItem,
  { readonly role: "assistant" } | { readonly type: "reasoning" | "function_call" | "image_generation_call" }
>;

function isOfAssistant(item: WireItem): item is AssistantItem {
  if ("role" in item && item.role === "assistant") return true;
  return item.type === "reasoning" || item.type === "function_call" || item.type === "image_generation_call";
}

function beginsTurn(item: AssistantItem, turn: OpenTurn | null): boolean {
  return (
    (item.type ?? "message") === "message" && turn !== null && turn.parts.length > 0 && turn.toolCalls.length === 0
  );
}

function addToTurn(turn: OpenTurn, item: AssistantItem): void {
  switch (item.type) {
    case "reasoning":
      for (const detail of reasoningOf(item, turn.reasoningItems++)) {
        turn.reasoning.push(detail);
        turn.order.push("reasoning");
      }
      return;
    case "function_call":
      turn.toolCalls.push({ id: item.call_id, name: item.name, input: item.arguments === "" ? "{}" : item.arguments });
      turn.order.push("call");
      return;
    case "image_generation_call":
      if (typeof item.result === "string" && item.result !== "") {
        turn.parts.push({ type: "image", url: `data:${imageTypeOf(item.result)};base64,${item.result}` });
        turn.order.push("part");
      }
      return;
    default: {
      const content = item.content ?? [];
      if (typeof content !== "string") {
        for (const part of content) if (part.type === "refusal") turn.refusal += part.refusal;
      }
      for (const part of content === "" ? [] : partsOf(content)) {
        turn.parts.push(part);
        turn.order.push("part");
      }
    }
  }
}

/** The order is told only where it is not the usual one. */
function closedTurn({ parts, toolCalls, reasoning, order, refusal }: OpenTurn): Message {
  const ranks = order.map((kind) => (kind === "reasoning" ? 0 : kind === "part" ? 1 : 2));
  const isUsual = ranks.every((rank, at) => at === 0 || rank >= (ranks[at - 1] ?? 0));
  return {
    role: "assistant",
    parts,
    toolCalls,
    reasoning,
    ...(refusal === "" ? {} : { refusal }),
    ...(isUsual ? {} : { order }),
  };
}

function messageOf(item: Extract<WireItem, { readonly role: "user" | "system" | "developer" }>): Message {
  if (item.role === "user") return { role: "user", parts: partsOf(item.content) };
  // The schema lets no other parts into these roles.
  return { role: item.role, parts: partsOf(item.content) as TextPart[] };
}

function partsOf(content: string | readonly WirePart[]): Part[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return content.flatMap((part) => partOf(part) ?? []);
}

/** Undefined for a refusal, which is no part with us. */
function partOf(wire: WirePart): Part | undefined {
  switch (wire.type) {
    case "input_text":
    case "output_text":
      return { type: "text", text: wire.text, ...cached(wire) };
    case "refusal":
      return undefined;
    case "input_image":
      return {
        type: "image",
        url: wire.image_url,
        ...(wire.detail === null || wire.detail === undefined ? {} : { detail: wire.detail }),
        ...cached(wire),
      };
    case "input_file": {
      const data = wire.file_data ?? wire.file_url;
      return {
        type: "file",
        ...(typeof wire.filename === "string" ? { filename: wire.filename } : {}),
        ...(typeof data === "string" ? { data } : {}),
        ...(typeof wire.file_id === "string" ? { fileId: wire.file_id } : {}),
        ...cached(wire),
      };
    }
    case "input_audio":
      return { type: "audio", data: wire.input_audio.data, format: wire.input_audio.format, ...cached(wire) };
    case "input_video":
      return { type: "video", url: wire.video_url, ...cached(wire) };
    default:
      return wire satisfies never;
  }
}

/** OpenAI's own name for a breakpoint, and the one that other formats know. */
function cached(wire: Exclude<WirePart, { readonly type: "refusal" }>): { cacheControl?: CacheControl } {
  const given = cacheControlOf(wire.cache_control);
  if (given !== undefined) return { cacheControl: given };
  const isBreakpoint = wire.prompt_cache_breakpoint?.mode === "explicit";
  return isBreakpoint ? { cacheControl: { type: "ephemeral" } } : {};
}

/** The media type of an image by the first characters of its base64. */
function imageTypeOf(base64: string): string {
  if (base64.startsWith("/9j/")) return "image/jpeg";
  if (base64.startsWith("UklGR")) return "image/webp";
  return base64.startsWith("R0lGOD") ? "image/gif" : "image/png";
}
