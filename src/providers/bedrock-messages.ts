/**
 * Our messages as Converse's system blocks and turns.
 * Keeps every cache breakpoint (a block of its own behind what it ends), every signed reasoning block byte for byte and
 * before the tool calls it led to. Roles alternate: neighbours of one role become one turn, results of tools first.
 * Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html (accessed 2026-11-21).
 */
import type { AssistantMessage, CacheControl, Message, Part, ReasoningDetail, ToolMessage } from "../core/chat.ts";
import { hash32 } from "../core/clock.ts";
import { isObject, stringOf } from "../core/json.ts";
import { redactedFormatOf, signatureFormatOf, vendorOf } from "./bedrock-names.ts";
import { fileBlock, imageBlock, videoBlock } from "./bedrock-media.ts";
import { joinedReasoning, refuse, toolInputOf, type Notes, type WireObject, writeTurn } from "./echo.ts";

export interface Turn {
  readonly role: "user" | "assistant";
  readonly content: WireObject[];
}

export interface Conversation {
  readonly system: WireObject[];
  readonly turns: Turn[];
  /** Names of tools that were called: the API wants them declared. */
  readonly called: ReadonlySet<string>;
}

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolUseBlock.html (accessed 2026-11-21). */
const TOOL_ID_CHARS_MAX = 64;

/** The conversation in blocks; what cannot be said goes to `notes`. */
export function conversationOf(messages: readonly Message[], model: string, notes: Notes): Conversation {
  const system: WireObject[] = [];
  const turns: Turn[] = [];
  const called = new Set<string>();
  for (const message of messages) {
    switch (message.role) {
      case "system":
      case "developer":
        if (turns.length > 0) notes.warnings.add("System messages after the first turn were moved to the beginning.");
        for (const part of message.parts) {
          if (part.text !== "") system.push({ text: part.text }, ...cachePoint(part.cacheControl, model, notes));
        }
        break;
      case "user": {
        const content = partBlocks(message.parts, model, notes);
        const first = content[0];
        const text = stringOf(first?.["text"]);
        if (first !== undefined && message.name !== undefined && text !== undefined)
          first["text"] = `${message.name}: ${text}`;
        add(turns, "user", content);
        break;
      }
      case "tool":
        addToolResult(turns, toolResult(message, model, notes));
        break;
      case "assistant":
        for (const call of message.toolCalls) called.add(call.name);
        add(turns, "assistant", assistantBlocks(message, model, notes));
        break;
      default:
        message satisfies never;
    }
  }
  if (turns[0]?.role !== "user") refuse(notes, "This provider needs a conversation that begins with the user.");
  nameDocuments(turns, notes);
  return { system, turns, called };
}

/**
 * A breakpoint behind a block; none for models that know no such thing.
 * Source: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html (accessed 2026-11-21).
 */
export function cachePoint(control: CacheControl | undefined, model: string, notes: Notes): WireObject[] {
  if (control === undefined) return [];
  const vendor = vendorOf(model);
  if (vendor !== "anthropic" && vendor !== "amazon" && vendor !== "") {
    notes.warnings.add("cache_control is not supported by this endpoint and was left out.");
    return [];
  }
  // One life only for the platform's own models.
  const ttl = vendor === "amazon" ? undefined : control.ttl;
  if (ttl !== control.ttl && control.ttl === "1h")
    notes.warnings.add("The ttl of cache_control is not supported by this endpoint and was left out.");
  return [{ cachePoint: { type: "default", ...(ttl === undefined ? {} : { ttl }) } }];
}

/** With a budget Claude refuses a conversation whose last answer goes on without thinking at its head. */
export function lacksThinking(turns: readonly Turn[]): boolean {
  const last = turns.at(-1);
  if (last?.role === "user" && !isObject(last.content[0]?.["toolResult"])) return false;
  const answer = turns.findLast((turn) => turn.role === "assistant");
  return answer !== undefined && !isObject(answer.content[0]?.["reasoningContent"]);
}

/** The id in the letters that the API takes, at most 64 of them. */
function toolIdOf(id: string): string {
  if (/^[\w-]+$/.test(id) && id.length <= TOOL_ID_CHARS_MAX) return id;
  const hash = hash32(id).toString(36);
  return `${id.replace(/[^\w-]/g, "_").slice(0, TOOL_ID_CHARS_MAX - hash.length - 1)}_${hash}`;
}

function add(turns: Turn[], role: Turn["role"], content: readonly WireObject[]): void {
  if (content.length === 0) return;
  const last = turns.at(-1);
  if (last?.role === role) last.content.push(...content);
  else turns.push({ role, content: [...content] });
}

function addToolResult(turns: Turn[], blocks: readonly WireObject[]): void {
  const last = turns.at(-1);
  if (last?.role !== "user") {
    turns.push({ role: "user", content: [...blocks] });
    return;
  }
  const firstOther = last.content.findIndex(
    (other) => !isObject(other["toolResult"]) && !isObject(other["cachePoint"]),
  );
  last.content.splice(firstOther === -1 ? last.content.length : firstOther, 0, ...blocks);
}

function partBlocks(parts: readonly Part[], model: string, notes: Notes): WireObject[] {
  const blocks: WireObject[] = [];
  for (const part of parts) {
    const block = partBlock(part, notes);
    if (block !== null) blocks.push(block, ...cachePoint(part.cacheControl, model, notes));
  }
  return blocks;
}

/** Empty texts are refused by the API and say nothing: they have no block. */
function partBlock(part: Part, notes: Notes): WireObject | null {
  switch (part.type) {
    case "text":
      return part.text === "" ? null : { text: part.text };
    case "image":
      if (part.detail !== undefined && part.detail !== "auto") {
        notes.warnings.add("The detail of an image cannot be set here and was left out.");
      }
      return imageBlock(part.url, notes);
    case "file":
      return fileBlock(part, notes);
    case "video":
      if (part.frames !== undefined) return refuse(notes, "This provider takes a video, not its frames.");
      if (part.range !== undefined) {
        notes.warnings.add("What of a video is looked at cannot be said here: all of it is sent.");
      }
      return videoBlock(part.url, notes);
    case "audio":
      return refuse(notes, "This provider takes no audio input.");
    default:
      return part satisfies never;
  }
}

function toolResult(message: ToolMessage, model: string, notes: Notes): WireObject[] {
  const content = partBlocks(
    message.parts.map((part) => ({ ...part, cacheControl: undefined })),
    model,
    notes,
  );
  const control = message.parts.findLast((part) => part.cacheControl !== undefined)?.cacheControl;
  // The API wants at least one block, and none of them blank.
  const said = content.length === 0 ? [{ text: "(empty)" }] : content;
  const status = message.isError === true ? { status: "error" } : {};
  const block = { toolResult: { toolUseId: toolIdOf(message.toolCallId), content: said, ...status } };
  return [block, ...cachePoint(control, model, notes)];
}

function assistantBlocks(message: AssistantMessage, model: string, notes: Notes): WireObject[] {
  return writeTurn<WireObject>(message, {
    reasoning: (details) => reasoningBlocks(details, model, notes),
    part(part) {
      if (part.type === "text") {
        return part.text.trim() === "" ? [] : [{ text: part.text }, ...cachePoint(part.cacheControl, model, notes)];
      }
      notes.warnings.add(`An ${part.type} in an earlier answer cannot be sent back here and was left out.`);
      return [];
    },
    call: (call) => [
      {
        toolUse: {
          toolUseId: toolIdOf(call.id),
          name: call.name,
          input: toolInputOf(call.name, call.input, notes),
        },
      },
      ...cachePoint(call.cacheControl, model, notes),
    ],
    refusal: (text) => [{ text }],
  });
}

function reasoningBlocks(details: readonly ReasoningDetail[], model: string, notes: Notes): WireObject[] {
  const blocks: WireObject[] = [];
  for (const detail of joinedReasoning(details)) {
    const isEncrypted = detail.type === "reasoning.encrypted";
    if (detail.format !== (isEncrypted ? redactedFormatOf(model) : signatureFormatOf(model))) {
      notes.warnings.add("Reasoning of another provider cannot be sent back here and was left out.");
    } else if (isEncrypted && detail.data !== undefined) {
      blocks.push({ reasoningContent: { redactedContent: detail.data } });
    } else if (detail.type === "reasoning.text" && detail.signature) {
      blocks.push({ reasoningContent: { reasoningText: { text: detail.text ?? "", signature: detail.signature } } });
    } else {
      notes.warnings.add("Reasoning without its signature cannot be sent back here and was left out.");
    }
  }
  return blocks;
}

/** The API wants the names of documents to differ, and a text beside them. */
function nameDocuments(turns: readonly Turn[], notes: Notes): void {
  const names = new Set<string>();
  for (const turn of turns) {
    const documents = documentsIn(turn.content);
    const nested = turn.content.flatMap(({ toolResult }) =>
      // Results of our own making: their content is blocks.
      isObject(toolResult) ? documentsIn(toolResult["content"] as readonly WireObject[]) : [],
    );
    for (const document of [...documents, ...nested]) {
      const given = stringOf(document["name"]) ?? "";
      let name = given;
      for (let count = 2; names.has(name); count++) name = `${given} (${count})`;
      names.add(name);
      document["name"] = name;
    }
    if (documents.length > 0 && !turn.content.some((block) => typeof block["text"] === "string")) {
      turn.content.unshift({ text: documents.map((document) => stringOf(document["name"]) ?? "").join(", ") });
      notes.warnings.add("A file needs a text beside it here: its name was added.");
    }
  }
}

function documentsIn(blocks: readonly WireObject[]): readonly WireObject[] {
  // Blocks of our own making.
  return blocks.flatMap(({ document }) => (isObject(document) ? [document as WireObject] : []));
}
