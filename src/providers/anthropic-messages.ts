/**
 * Our messages as Anthropic's system blocks and turns.
 * Keeps every cache breakpoint, every signed thinking block byte for byte and before the tool calls it led to. Reasoning
 * that another provider signed is left out and said so: a foreign signature is refused. Results of tools come first in
 * their user turn, all of one step together: the API refuses them in any other place.
 * Source: https://platform.claude.com/docs/en/api/messages (accessed 2026-11-21).
 */
import type {
  AssistantMessage,
  CacheControl,
  FilePart,
  Message,
  Part,
  ReasoningDetail,
  ToolCall,
  ToolMessage,
  UserMessage,
} from "../core/chat.ts";
import { hash32 } from "../core/clock.ts";
import { stringOf } from "../core/json.ts";
import {
  joinedReasoning,
  parseDataUrl,
  refuse,
  textOfBase64,
  toolInputOf,
  type Notes,
  type WireObject,
  writeTurn,
} from "./echo.ts";

/** Who can read the signatures of this format. */
export const ANTHROPIC_FORMAT = "anthropic-claude-v1";

/** The user's stands before the text. */
const NAMELESS = "name in messages has no form here but for the user's, and was left out.";

export interface Turn {
  readonly role: "user" | "assistant";
  readonly content: WireObject[];
}

export interface Conversation {
  readonly system: WireObject[];
  readonly turns: Turn[];
  /** A file of the Files API is referred to, which needs a beta header. */
  readonly refersToFiles: boolean;
}

/** The conversation in blocks; what cannot be said goes to `notes`. */
export function conversationOf(messages: readonly Message[], notes: Notes): Conversation {
  const system: WireObject[] = [];
  const turns: Turn[] = [];
  let refersToFiles = false;
  for (const message of messages) {
    switch (message.role) {
      case "system":
      case "developer":
        if (turns.length > 0) notes.warnings.add("System messages after the first turn were moved to the beginning.");
        if (message.name !== undefined) notes.warnings.add(NAMELESS);
        for (const part of message.parts) if (part.text !== "") system.push(textBlock(part.text, part.cacheControl));
        break;
      case "user":
        refersToFiles ||= message.parts.some((part) => part.type === "file" && part.fileId !== undefined);
        addUser(turns, userBlocks(message, notes));
        break;
      case "tool":
        addToolResult(turns, toolResult(message, notes));
        break;
      case "assistant":
        if (message.name !== undefined) notes.warnings.add(NAMELESS);
        addAssistant(turns, assistantBlocks(message, notes));
        break;
      default:
        message satisfies never;
    }
  }
  if (turns.length === 0) refuse(notes, "This provider needs at least one message that is not a system message.");
  trimPrefill(turns, notes);
  return { system, turns, refersToFiles };
}

/** A breakpoint in Anthropic's words, to spread into a block. */
export function cacheOf(control: CacheControl | undefined): WireObject {
  if (control === undefined) return {};
  return { cache_control: { type: "ephemeral", ...(control.ttl === undefined ? {} : { ttl: control.ttl }) } };
}

/** The id in the letters that Anthropic takes; other providers' ids may hold dots and colons. */
function toolIdOf(id: string): string {
  if (/^[\w-]+$/.test(id)) return id;
  return `${id.replace(/[^\w-]/g, "_")}_${hash32(id).toString(36)}`;
}

function addUser(turns: Turn[], content: WireObject[]): void {
  if (content.length === 0) return;
  const last = turns.at(-1);
  if (last?.role === "user" && last.content[0]?.["type"] === "tool_result") last.content.push(...content);
  else turns.push({ role: "user", content });
}

function addToolResult(turns: Turn[], block: WireObject): void {
  const last = turns.at(-1);
  if (last?.role !== "user") {
    turns.push({ role: "user", content: [block] });
    return;
  }
  const firstOther = last.content.findIndex((other) => other["type"] !== "tool_result");
  last.content.splice(firstOther === -1 ? last.content.length : firstOther, 0, block);
}

function addAssistant(turns: Turn[], content: WireObject[]): void {
  if (content.length > 0) turns.push({ role: "assistant", content });
}

function textBlock(text: string, control?: CacheControl): WireObject {
  return { type: "text", text, ...cacheOf(control) };
}

function userBlocks(message: UserMessage, notes: Notes): WireObject[] {
  const blocks: WireObject[] = [];
  for (const part of message.parts) {
    const block = partBlock(part, notes);
    if (block !== null) blocks.push(block);
  }
  const first = blocks[0];
  if (message.name !== undefined && first?.["type"] === "text")
    first["text"] = `${message.name}: ${stringOf(first["text"]) ?? ""}`;
  return blocks;
}

/** Empty texts are refused by the API and say nothing: they have no block. */
function partBlock(part: Part, notes: Notes): WireObject | null {
  switch (part.type) {
    case "text":
      return part.text === "" ? null : textBlock(part.text, part.cacheControl);
    case "image": {
      if (part.detail !== undefined && part.detail !== "auto") {
        notes.warnings.add("The detail of an image cannot be set here and was left out.");
      }
      const source = mediaSource(part.url, "image", notes);
      return source === null ? null : { type: "image", source, ...cacheOf(part.cacheControl) };
    }
    case "file":
      return fileBlock(part, notes);
    case "audio":
    case "video":
      return refuse(notes, `This provider takes no ${part.type} input.`);
    default:
      return part satisfies never;
  }
}

function mediaSource(url: string, what: string, notes: Notes): WireObject | null {
  if (!url.startsWith("data:")) return { type: "url", url };
  const media = parseDataUrl(url);
  if (media === null) return refuse(notes, `The data URL of the ${what} cannot be read.`);
  return { type: "base64", media_type: media.mediaType, data: media.base64 };
}

function fileBlock(part: FilePart, notes: Notes): WireObject | null {
  const title = part.filename === undefined ? {} : { title: part.filename };
  const document = (source: WireObject): WireObject => ({
    type: "document",
    source,
    ...title,
    ...cacheOf(part.cacheControl),
  });
  if (part.fileId !== undefined) return document({ type: "file", file_id: part.fileId });
  if (part.data === undefined) return refuse(notes, "A file needs file_data or file_id.");
  if (!part.data.startsWith("data:")) return document({ type: "url", url: part.data });
  const media = parseDataUrl(part.data);
  if (media === null) return refuse(notes, "The data URL of the file cannot be read.");
  if (media.mediaType.startsWith("image/")) {
    return {
      type: "image",
      source: { type: "base64", media_type: media.mediaType, data: media.base64 },
      ...cacheOf(part.cacheControl),
    };
  }
  if (media.mediaType === "application/pdf") {
    return document({ type: "base64", media_type: media.mediaType, data: media.base64 });
  }
  const text =
    media.mediaType.startsWith("text/") || media.mediaType === "application/json" ? textOfBase64(media.base64) : null;
  if (text === null) return refuse(notes, `This provider takes no files of type ${media.mediaType}.`);
  return document({ type: "text", media_type: "text/plain", data: text });
}

function toolResult(message: ToolMessage, notes: Notes): WireObject {
  const content: WireObject[] = [];
  for (const part of message.parts) {
    const block = partBlock(part, notes);
    if (block !== null) content.push(block);
  }
  return {
    type: "tool_result",
    tool_use_id: toolIdOf(message.toolCallId),
    ...(content.length === 0 ? {} : { content }),
    ...(message.isError === true ? { is_error: true } : {}),
  };
}

function assistantBlocks(message: AssistantMessage, notes: Notes): WireObject[] {
  return writeTurn(message, {
    reasoning: (details) => thinkingBlocks(details, notes),
    part: (part) => answerBlock(part, notes),
    call: (call) => [toolUse(call, notes)],
    refusal: (text) => [textBlock(text)],
  });
}

function answerBlock(part: Part, notes: Notes): WireObject[] {
  if (part.type === "text") return part.text === "" ? [] : [textBlock(part.text, part.cacheControl)];
  notes.warnings.add(`An ${part.type} in an earlier answer cannot be sent back here and was left out.`);
  return [];
}

function toolUse(call: ToolCall, notes: Notes): WireObject {
  return {
    type: "tool_use",
    id: toolIdOf(call.id),
    name: call.name,
    input: toolInputOf(call.name, call.input, notes),
    ...cacheOf(call.cacheControl),
  };
}

function thinkingBlocks(details: readonly ReasoningDetail[], notes: Notes): WireObject[] {
  const blocks: WireObject[] = [];
  for (const detail of joinedReasoning(details)) {
    if (detail.format !== ANTHROPIC_FORMAT) {
      notes.warnings.add("Reasoning of another provider cannot be sent back here and was left out.");
    } else if (detail.type === "reasoning.encrypted" && detail.data !== undefined) {
      blocks.push({ type: "redacted_thinking", data: detail.data });
    } else if (detail.type === "reasoning.text" && detail.signature) {
      blocks.push({ type: "thinking", thinking: detail.text ?? "", signature: detail.signature });
    } else {
      notes.warnings.add("Reasoning without its signature cannot be sent back here and was left out.");
    }
  }
  return blocks;
}

/** A last turn of the assistant is a beginning to go on from; the API refuses white space at its end. */
function trimPrefill(turns: readonly Turn[], notes: Notes): void {
  const last = turns.at(-1);
  const block = last?.role === "assistant" ? last.content.at(-1) : undefined;
  if (block?.["type"] !== "text") return;
  const text = stringOf(block["text"]) ?? "";
  if (text.trimEnd() === text) return;
  block["text"] = text.trimEnd();
  notes.warnings.add("White space at the end of the last assistant message was left out.");
}
