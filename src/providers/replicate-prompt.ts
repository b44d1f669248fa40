/**
 * A conversation as the prompt of a model that takes one text. Pure, and the same for every model:
 * - what the system says before anybody else is `system`;
 * - a single user message is the prompt, word for word;
 * - of several messages each begins with who says it (`User:`, `Assistant:`, `System:`), a blank line stands between two,
 *   and the last line is `Assistant:`, which the model goes on from. A conversation that ends with the assistant's own
 *   words ends with them.
 * Pictures go along beside the text, in their order. What a text cannot say is a fault, never left out: tools, files,
 * sound, video. Reasoning of an earlier turn stays behind, with a warning.
 */
import type { AssistantMessage, Message, Part, UserMessage } from "../core/chat.ts";
import { refuse, type Notes } from "./echo.ts";

/** What a prompt is made of. */
export interface RenderedPrompt {
  readonly system: string;
  readonly prompt: string;
  /** Addresses and data URLs. */
  readonly images: readonly string[];
}

const BETWEEN = "\n\n";

/** The conversation as one text; what cannot be said in it goes to `notes`. */
export function renderedPrompt(messages: readonly Message[], notes: Notes): RenderedPrompt {
  const opening = messages.findIndex(({ role }) => role !== "system" && role !== "developer");
  const rest = opening === -1 ? [] : messages.slice(opening);
  const images: string[] = [];
  const system = messages.slice(0, messages.length - rest.length).map((message) => textOf(message, images, notes));
  if (rest.length === 0) refuse(notes, "This provider needs at least one message beside the system's.");
  const [only] = rest;
  const isPlain = rest.length === 1 && only?.role === "user" && only.name === undefined;
  const prompt = isPlain ? textOf(only, images, notes) : transcript(rest, images, notes);
  return { system: system.filter((text) => text !== "").join(BETWEEN), prompt, images };
}

function transcript(messages: readonly Message[], images: string[], notes: Notes): string {
  const lines = messages.map((message) => `${speakerOf(message)}: ${textOf(message, images, notes)}`);
  return [...lines, ...(messages.at(-1)?.role === "assistant" ? [] : ["Assistant:"])].join(BETWEEN);
}

function speakerOf(message: Message): string {
  switch (message.role) {
    case "system":
    case "developer":
      return "System";
    case "user":
      return message.name === undefined ? "User" : `User (${message.name})`;
    case "assistant":
      return "Assistant";
    case "tool":
      return "Tool";
    default:
      return message satisfies never;
  }
}

function textOf(message: Message, images: string[], notes: Notes): string {
  switch (message.role) {
    case "system":
    case "developer":
    case "user":
      return partsOf(message.parts, images, notes);
    case "assistant":
      return assistantText(message, images, notes);
    case "tool":
      return refuse(notes, "This provider takes no tools, and so no results of them.") ?? "";
    default:
      return message satisfies never;
  }
}

function assistantText(message: AssistantMessage, images: string[], notes: Notes): string {
  if (message.toolCalls.length > 0) refuse(notes, "This provider takes no tools, and so no calls of them.");
  if (message.reasoning.length > 0) {
    notes.warnings.add("Reasoning of an earlier answer cannot be sent back here and was left out.");
  }
  return partsOf(message.parts, images, notes) + (message.refusal ?? "");
}

function partsOf(parts: UserMessage["parts"], images: string[], notes: Notes): string {
  const texts: string[] = [];
  for (const part of parts) {
    if (part.cacheControl !== undefined) noteCache(notes);
    const text = partText(part, images, notes);
    if (text !== "") texts.push(text);
  }
  return texts.join("\n");
}

/** Says once that breakpoints are not taken. */
export function noteCache(notes: Notes): void {
  notes.warnings.add("cache_control has no effect here: this provider has no prompt cache.");
}

function partText(part: Part, images: string[], notes: Notes): string {
  switch (part.type) {
    case "text":
      return part.text;
    case "image":
      images.push(part.url);
      return "";
    case "file":
      if (part.data?.startsWith("data:image/") === true) {
        images.push(part.data);
        return "";
      }
      return refuse(notes, "This provider takes no files but images.") ?? "";
    case "audio":
    case "video":
      return refuse(notes, `This provider takes no ${part.type} input.`) ?? "";
    default:
      return part satisfies never;
  }
}
