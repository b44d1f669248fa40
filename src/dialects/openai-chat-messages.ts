/**
 * Messages and parts of the OpenAI chat format in our own words. Input has passed the schema, so nothing fails here;
 * what cannot be carried is reported in `warnings`. Text is never copied or changed.
 */
import type { CacheControl, Message, Part, ReasoningDetail, TextPart, ToolCall, VideoRange } from "../core/chat.ts";
import { videoRange } from "../core/video.ts";
import { cacheControlOf, type Warn, type WireCacheControl } from "./body.ts";
import type { WireAssistantMessage, WireMessage, WirePart, WireReasoningDetail } from "./openai-chat-schema.ts";

/** One message. `at` is its place in `messages`, for warnings. */
export function messageOf(wire: WireMessage, at: number, warn: Warn): Message {
  switch (wire.role) {
    case "system":
    case "developer":
      return { role: wire.role, parts: textPartsOf(wire.content, wire.cache_control), ...named(wire.name) };
    case "user":
      return { role: "user", parts: partsOf(wire.content, wire.cache_control), ...named(wire.name) };
    case "assistant":
      return assistantOf(wire, at, warn);
    case "tool":
      return { role: "tool", toolCallId: wire.tool_call_id, parts: partsOf(wire.content, wire.cache_control) };
    default:
      return wire satisfies never;
  }
}

function named(name: string | null | undefined): { name?: string } {
  return name === null || name === undefined ? {} : { name };
}

function cached(wire: WireCacheControl): { cacheControl?: CacheControl } {
  const cacheControl = cacheControlOf(wire);
  return cacheControl === undefined ? {} : { cacheControl };
}

type WireTextPart = WirePart & { type: "text" };

function textPartsOf(content: string | readonly WireTextPart[], cacheControl: WireCacheControl): TextPart[] {
  if (typeof content === "string") return [{ type: "text", text: content, ...cached(cacheControl) }];
  const parts = content.map(textPartOf);
  return withBreakpoint(parts, cacheControl);
}

function partsOf(content: string | readonly WirePart[], cacheControl: WireCacheControl): Part[] {
  if (typeof content === "string") return [{ type: "text", text: content, ...cached(cacheControl) }];
  return withBreakpoint(content.map(partOf), cacheControl);
}

/** A breakpoint given for the whole message stands at its last part, unless that part has its own. */
function withBreakpoint<T extends Part>(parts: T[], cacheControl: WireCacheControl): T[] {
  const last = parts[parts.length - 1];
  if (last !== undefined && last.cacheControl === undefined)
    parts[parts.length - 1] = { ...last, ...cached(cacheControl) };
  return parts;
}

function textPartOf({ text, cache_control: cache, prompt_cache_breakpoint: breakpoint }: WireTextPart): TextPart {
  const wanted = cache ?? (breakpoint?.mode === "explicit" ? { type: "ephemeral" as const } : undefined);
  return { type: "text", text, ...cached(wanted) };
}

/** One part in our own words. */
export function partOf(wire: WirePart): Part {
  const cache = cached(wire.cache_control);
  switch (wire.type) {
    case "text":
      return textPartOf(wire);
    case "image_url": {
      const { url, detail } = wire.image_url;
      return { type: "image", url, ...(detail === null || detail === undefined ? {} : { detail }), ...cache };
    }
    case "input_audio":
      return { type: "audio", data: wire.input_audio.data, format: wire.input_audio.format, ...cache };
    case "video_url":
    case "input_video":
      return { type: "video", url: wire.video_url.url, ...rangeOf(wire), ...cache };
    case "video":
      return { type: "video", url: wire.video[0] ?? "", frames: wire.video, ...rangeOf(wire), ...cache };
    case "file": {
      const { filename, file_data: data, file_id: fileId } = wire.file;
      return {
        type: "file",
        ...(typeof filename === "string" ? { filename } : {}),
        ...(typeof data === "string" ? { data } : {}),
        ...(typeof fileId === "string" ? { fileId } : {}),
        ...cache,
      };
    }
    default:
      return wire satisfies never;
  }
}

interface WireRange {
  readonly fps?: number | null | undefined;
  readonly video_metadata?:
    | {
        readonly fps?: number | null | undefined;
        readonly start_offset?: string | null | undefined;
        readonly end_offset?: string | null | undefined;
      }
    | null
    | undefined;
}

function rangeOf({ fps, video_metadata: metadata }: WireRange): { readonly range?: VideoRange } {
  return videoRange(metadata?.start_offset, metadata?.end_offset, metadata?.fps ?? fps);
}

function assistantOf(wire: WireAssistantMessage, at: number, warn: Warn): Message {
  const hasContent = typeof wire.content === "string" ? wire.content !== "" : Array.isArray(wire.content);
  const parts: Part[] = hasContent ? partsOf(wire.content ?? "", wire.cache_control) : [];
  for (const image of wire.images ?? []) parts.push({ type: "image", url: image.image_url.url });
  if (wire["audio"] !== undefined && wire["audio"] !== null) warn(`messages[${at}].audio is not passed on`);
  return {
    role: "assistant",
    parts,
    toolCalls: (wire.tool_calls ?? []).map(toolCallOf),
    reasoning: reasoningOf(wire, at, warn),
    ...(typeof wire.refusal === "string" ? { refusal: wire.refusal } : {}),
    ...named(wire.name),
  };
}

function toolCallOf(wire: NonNullable<WireAssistantMessage["tool_calls"]>[number]): ToolCall {
  const input = wire.function.arguments;
  return {
    id: wire.id,
    name: wire.function.name,
    input: input === null || input === undefined || input === "" ? "{}" : input,
  };
}

/** The entries win over the plain text; both say the same, the entries with signatures. */
function reasoningOf(wire: WireAssistantMessage, at: number, warn: Warn): ReasoningDetail[] {
  const entries = wire.reasoning_details ?? [];
  if (entries.length === 0) {
    const text = wire.reasoning ?? wire.reasoning_content ?? "";
    return text === "" ? [] : [{ type: "reasoning.text", text }];
  }
  const details: ReasoningDetail[] = [];
  for (const entry of entries) {
    const detail = detailOf(entry);
    if (detail === undefined) {
      warn(`messages[${at}].reasoning_details holds an entry of a type that is not known and was left out`);
      continue;
    }
    const last = details[details.length - 1];
    if (last !== undefined && isContinuation(last, detail)) details[details.length - 1] = joined(last, detail);
    else details.push(detail);
  }
  return details;
}

function detailOf(wire: WireReasoningDetail): ReasoningDetail | undefined {
  const common = {
    ...(wire.id === undefined ? {} : { id: wire.id }),
    ...(wire.format === undefined ? {} : { format: wire.format }),
    ...(wire.index === undefined || wire.index === null ? {} : { index: wire.index }),
  };
  switch (wire.type) {
    case "reasoning.text":
      return {
        type: "reasoning.text",
        ...(wire.text === undefined ? {} : { text: wire.text }),
        ...(wire.signature === undefined ? {} : { signature: wire.signature }),
        ...common,
      };
    case "reasoning.summary":
      return { type: "reasoning.summary", summary: wire.summary ?? "", ...common };
    case "reasoning.encrypted":
      return { type: "reasoning.encrypted", data: wire.data ?? "", ...common };
    default:
      return undefined;
  }
}

/** Clients that kept the pieces of a stream send them back as pieces: the same entry, told by its index. */
function isContinuation(last: ReasoningDetail, next: ReasoningDetail): boolean {
  if (next.type === "reasoning.encrypted" || last.type !== next.type) return false;
  if (next.index === undefined || last.index !== next.index) return false;
  return typeof last.id !== "string" || typeof next.id !== "string" || last.id === next.id;
}

function joined(last: ReasoningDetail, next: ReasoningDetail): ReasoningDetail {
  const signature = `${last.signature ?? ""}${next.signature ?? ""}`;
  return {
    ...last,
    ...(last.type === "reasoning.text" ? { text: `${last.text ?? ""}${next.text ?? ""}` } : {}),
    ...(last.type === "reasoning.summary" ? { summary: `${last.summary ?? ""}${next.summary ?? ""}` } : {}),
    ...(signature === "" ? {} : { signature }),
    ...(typeof last.id !== "string" && typeof next.id === "string" ? { id: next.id } : {}),
    ...(typeof last.format !== "string" && typeof next.format === "string" ? { format: next.format } : {}),
  };
}
