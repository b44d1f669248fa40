/**
 * Our messages as Cohere's. A plan that the model made before its tool calls comes as reasoning and goes back as
 * `tool_plan`; thinking goes back as it came. Neither is signed. There is no refusal and no cache breakpoint to say.
 * Source: https://docs.cohere.com/v2/reference/chat (accessed 2026-11-21).
 */
import type { AssistantMessage, FilePart, Message, Part, ToolMessage, UserMessage } from "../core/chat.ts";
import {
  FAILED_TOOL,
  joinedReasoning,
  parseDataUrl,
  refuse,
  textOfBase64,
  type Notes,
  type WireObject,
} from "./echo.ts";

/** The id of the reasoning entry that is a plan of tools. */
export const TOOL_PLAN_ID = "tool_plan";
/** Unsigned text: whoever made it, nobody is asked to verify it. */
export const COHERE_FORMAT = "unknown";

/** The conversation in Cohere's form; what cannot be said goes to `notes`. */
export function messagesOf(messages: readonly Message[], notes: Notes): WireObject[] {
  return messages.flatMap((message) => {
    if (message.role !== "tool" && message.parts.some((part) => part.cacheControl !== undefined)) noteCache(notes);
    switch (message.role) {
      case "system":
      case "developer":
        return [{ role: "system", content: message.parts.map((part) => part.text).join("\n") }];
      case "user":
        return [userMessage(message, notes)];
      case "assistant":
        return [assistantMessage(message, notes)];
      case "tool":
        return [toolMessage(message, notes)];
      default:
        return message satisfies never;
    }
  });
}

/** Says once that breakpoints are not needed. */
export function noteCache(notes: Notes): void {
  notes.warnings.add("cache_control has no effect here: this provider caches prompts by itself.");
}

function userMessage(message: UserMessage, notes: Notes): WireObject {
  const content = contentOf(message.parts, notes);
  const first = content[0];
  if (first !== undefined && message.name !== undefined && typeof first["text"] === "string")
    first["text"] = `${message.name}: ${first["text"]}`;
  const isPlain = content.length === 1 && typeof first?.["text"] === "string";
  return { role: "user", content: isPlain ? first["text"] : content };
}

function contentOf(parts: readonly Part[], notes: Notes): WireObject[] {
  const content: WireObject[] = [];
  for (const part of parts) {
    const said = partOf(part, notes);
    if (said !== null) content.push(said);
  }
  return content;
}

function partOf(part: Part, notes: Notes): WireObject | null {
  switch (part.type) {
    case "text":
      return part.text === "" ? null : { type: "text", text: part.text };
    case "image": {
      const detail = part.detail === "original" ? "high" : part.detail;
      return { type: "image_url", image_url: { url: part.url, ...(detail === undefined ? {} : { detail }) } };
    }
    case "file":
      return filePart(part, notes);
    case "audio":
    case "video":
      return refuse(notes, `This provider takes no ${part.type} input.`);
    default:
      return part satisfies never;
  }
}

/** Text files are text; the API takes no other, and an image is one wherever it comes from. */
function filePart(part: FilePart, notes: Notes): WireObject | null {
  if (part.data?.startsWith("data:image/") === true) return { type: "image_url", image_url: { url: part.data } };
  const media = part.data === undefined ? null : parseDataUrl(part.data);
  const isText = media !== null && (media.mediaType.startsWith("text/") || media.mediaType === "application/json");
  const text = isText ? textOfBase64(media.base64) : null;
  if (text === null) return refuse(notes, "This provider takes no files but text and images.");
  return { type: "text", text: part.filename === undefined ? text : `${part.filename}:\n${text}` };
}

function assistantMessage(message: AssistantMessage, notes: Notes): WireObject {
  const content: WireObject[] = [];
  const plan: string[] = [];
  for (const detail of joinedReasoning(message.reasoning)) {
    if (detail.type !== "reasoning.text" || detail.signature || (detail.format ?? COHERE_FORMAT) !== COHERE_FORMAT) {
      notes.warnings.add("Reasoning of another provider cannot be sent back here and was left out.");
    } else if (detail.id === TOOL_PLAN_ID) plan.push(detail.text ?? "");
    else if (detail.text) content.push({ type: "thinking", thinking: detail.text });
  }
  for (const part of message.parts) {
    if (part.type !== "text")
      notes.warnings.add(`An ${part.type} in an earlier answer cannot be sent back here and was left out.`);
    else if (part.text !== "") content.push({ type: "text", text: part.text });
  }
  if (message.refusal !== undefined && message.refusal !== "") content.push({ type: "text", text: message.refusal });
  const calls = message.toolCalls.map(({ id, name, input }) => ({
    id,
    type: "function",
    function: { name, arguments: input.trim() === "" ? "{}" : input },
  }));
  const isPlain = content.length === 1 && content[0]?.["type"] === "text";
  return {
    role: "assistant",
    ...(content.length === 0 ? {} : { content: isPlain ? content[0]?.["text"] : content }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
    ...(plan.length === 0 || calls.length === 0 ? {} : { tool_plan: plan.join("\n") }),
  };
}

/** A result is text, or text in documents; pictures have no place in it. */
function toolMessage(message: ToolMessage, notes: Notes): WireObject {
  const texts: string[] = [];
  for (const part of message.parts) {
    if (part.cacheControl !== undefined) noteCache(notes);
    if (part.type === "text") texts.push(part.text);
    else refuse(notes, `This provider takes no ${part.type} in the result of a tool.`);
  }
  if (message.isError === true) notes.warnings.add(FAILED_TOOL);
  return { role: "tool", tool_call_id: message.toolCallId, content: texts.join("\n") };
}
