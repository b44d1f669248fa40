/**
 * Messages and content blocks of Anthropic's format in our own words. Results of tools, which stand in messages of the
 * user there, become messages of their own; a turn of the assistant keeps the order of its blocks. Input has passed the
 * schema, so nothing fails here; what cannot be carried is reported. Text is never changed.
 */
import type {
  AssistantMessage,
  CacheControl,
  Message,
  Part,
  PieceKind,
  ReasoningDetail,
  TextPart,
  ToolCall,
} from "../core/chat.ts";
import type {
  WireAssistantBlock,
  WireDocument,
  WireImage,
  WireMessage,
  WireServerBlock,
  WireToolResult,
  WireUserBlock,
} from "./anthropic-messages-schema.ts";
import { cacheControlOf, type Warn, type WireCacheControl } from "./body.ts";
import { base64OfText, unwrapReasoning } from "./reasoning-envelope.ts";

/** Whose signatures are meant where nothing else is said: those of the API whose form this is. */
export const ANTHROPIC_FORMAT = "anthropic-claude-v1";

/** The conversation that `wire` holds. */
export function messagesOf(wire: readonly WireMessage[], warn: Warn): Message[] {
  return wire.flatMap((message, at): readonly Message[] => {
    switch (message.role) {
      case "user":
        return userMessages(message.content, at, warn);
      case "assistant":
        return [assistantMessage(message.content, at, warn)];
      case "system":
        return [{ role: "system", parts: textParts(message.content) }];
      default:
        return message satisfies never;
    }
  });
}

type WireText = { readonly text: string; readonly cache_control?: WireCacheControl };

/** Blocks of text alone, as `system` has them. */
export function textParts(content: string | readonly WireText[]): TextPart[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  return content.map((block) => ({ type: "text", text: block.text, ...cached(block) }));
}

function cached(wire: { readonly cache_control?: WireCacheControl }): { cacheControl?: CacheControl } {
  const cacheControl = cacheControlOf(wire.cache_control);
  return cacheControl === undefined ? {} : { cacheControl };
}

/** What stands between results of tools is a message of the user of its own. */
function userMessages(content: string | readonly WireUserBlock[], at: number, warn: Warn): Message[] {
  if (typeof content === "string") return [{ role: "user", parts: [{ type: "text", text: content }] }];
  const messages: Message[] = [];
  let parts: Part[] = [];
  const flush = (): void => {
    if (parts.length > 0) messages.push({ role: "user", parts });
    parts = [];
  };
  for (const block of content) {
    if (block.type === "tool_result") {
      flush();
      messages.push(toolMessage(block, warn));
    } else if (isServerBlock(block)) {
      warnOfServerBlock(block, at, warn);
    } else {
      parts.push(...partsOf(block, warn));
    }
  }
  flush();
  return messages;
}

type PartBlock = Exclude<WireUserBlock, WireServerBlock | WireToolResult>;

function isServerBlock(block: WireUserBlock): block is WireServerBlock {
  return !PART_TYPES.has(block.type);
}
const PART_TYPES: ReadonlySet<string> = new Set(["text", "image", "document", "search_result", "tool_result"]);

function warnOfServerBlock(block: WireServerBlock, at: number, warn: Warn): void {
  warn(`messages[${at}] holds a block of type ${block.type} of another provider, which was left out`);
}

function toolMessage(wire: WireToolResult, warn: Warn): Message {
  const content = wire.content ?? [];
  const parts: Part[] =
    typeof content === "string" ? [{ type: "text", text: content }] : content.flatMap((block) => partsOf(block, warn));
  const last = parts.at(-1);
  // A breakpoint behind the whole result stands at its last part, unless that one has its own.
  if (last !== undefined && last.cacheControl === undefined) parts[parts.length - 1] = { ...last, ...cached(wire) };
  return { role: "tool", toolCallId: wire.tool_use_id, parts, ...(wire.is_error === true ? { isError: true } : {}) };
}

function partsOf(block: PartBlock, warn: Warn): Part[] {
  switch (block.type) {
    case "text":
      return [{ type: "text", text: block.text, ...cached(block) }];
    case "image":
      return [imagePart(block)];
    case "document":
      return documentParts(block, warn);
    case "search_result": {
      warnOfCitations(block.citations, warn);
      const text = [`${block.title} (${block.source})`, ...block.content.map((part) => part.text)].join("\n");
      return [{ type: "text", text, ...cached(block) }];
    }
    default:
      return block satisfies never;
  }
}

function imagePart(block: WireImage): Part {
  const { source } = block;
  const url = source.type === "url" ? source.url : `data:${source.media_type};base64,${source.data}`;
  return { type: "image", url, ...cached(block) };
}

/** What is said about a document is text before it; a document of blocks is its blocks. */
function documentParts(block: WireDocument, warn: Warn): Part[] {
  warnOfCitations(block.citations, warn);
  const { source } = block;
  const about: Part[] = typeof block.context === "string" ? [{ type: "text", text: block.context }] : [];
  const filename = typeof block.title === "string" ? { filename: block.title } : {};
  switch (source.type) {
    case "base64":
      return [
        ...about,
        { type: "file", ...filename, data: `data:${source.media_type};base64,${source.data}`, ...cached(block) },
      ];
    case "text": {
      const data = `data:text/plain;base64,${base64OfText(source.data)}`;
      return [...about, { type: "file", ...filename, data, ...cached(block) }];
    }
    case "url":
      return [...about, { type: "file", ...filename, data: source.url, ...cached(block) }];
    case "file":
      return [...about, { type: "file", ...filename, fileId: source.file_id, ...cached(block) }];
    case "content": {
      const title: Part[] = typeof block.title === "string" ? [{ type: "text", text: block.title }] : [];
      const parts: Part[] =
        typeof source.content === "string"
          ? [{ type: "text", text: source.content }]
          : source.content.flatMap((inner) => partsOf(inner, warn));
      const last = parts.at(-1);
      if (last !== undefined) parts[parts.length - 1] = { ...last, ...cached(block) };
      return [...about, ...title, ...parts];
    }
    default:
      return source satisfies never;
  }
}

function warnOfCitations(
  citations: { readonly enabled?: boolean | null | undefined } | null | undefined,
  warn: Warn,
): void {
  if (citations?.enabled === true) warn("Citations of documents are not available: none are given");
}

function assistantMessage(content: string | readonly WireAssistantBlock[], at: number, warn: Warn): AssistantMessage {
  const parts: Part[] = [];
  const toolCalls: ToolCall[] = [];
  const reasoning: ReasoningDetail[] = [];
  const order: PieceKind[] = [];
  if (typeof content === "string") {
    return { role: "assistant", parts: content === "" ? [] : [{ type: "text", text: content }], toolCalls, reasoning };
  }
  let thoughts = 0;
  for (const block of content) {
    switch (block.type) {
      case "thinking":
      case "redacted_thinking":
        for (const detail of thoughtsOf(block, thoughts++)) {
          reasoning.push(detail);
          order.push("reasoning");
        }
        break;
      case "tool_use":
        toolCalls.push({ id: block.id, name: block.name, input: inputText(block.input), ...cached(block) });
        order.push("call");
        break;
      case "text":
      case "image":
        parts.push(...partsOf(block, warn));
        order.push("part");
        break;
      default:
        warnOfServerBlock(block, at, warn);
    }
  }
  return { role: "assistant", parts, toolCalls, reasoning, ...(isUsual(order) ? {} : { order }) };
}

/** Reasoning, then parts, then calls: an order that needs no telling. */
function isUsual(order: readonly PieceKind[]): boolean {
  const rank = { reasoning: 0, part: 1, call: 2 } as const;
  return order.every((kind, at) => at === 0 || rank[kind] >= rank[order[at - 1] ?? kind]);
}

/** A text is arguments that were no JSON when they were shown. */
function inputText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value ?? {});
}

type ThoughtBlock = Extract<WireAssistantBlock, { type: "thinking" | "redacted_thinking" }>;

/** An envelope says whose it is, and gets back the text that is shown beside it. */
function thoughtsOf(block: ThoughtBlock, index: number): ReasoningDetail[] {
  if (block.type === "redacted_thinking") {
    const wrapped = unwrapReasoning(block.data);
    if (wrapped !== undefined) return wrapped.map((detail) => ({ ...detail, index }));
    return [{ type: "reasoning.encrypted", data: block.data, format: ANTHROPIC_FORMAT, index }];
  }
  const { thinking: text } = block;
  const signature = block.signature ?? "";
  const wrapped = unwrapReasoning(signature);
  if (wrapped !== undefined) return wrapped.map((detail) => ({ ...withText(detail, text), index }));
  if (signature !== "") return [{ type: "reasoning.text", text, signature, format: ANTHROPIC_FORMAT, index }];
  return text === "" ? [] : [{ type: "reasoning.text", text, format: "unknown", index }];
}

function withText(detail: ReasoningDetail, text: string): ReasoningDetail {
  if (detail.type === "reasoning.text" && text !== "") return { ...detail, text };
  return detail.type === "reasoning.summary" ? { ...detail, summary: text } : detail;
}
