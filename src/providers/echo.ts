/**
 * What adapters share about sending a conversation back to a provider: data URLs taken apart, reasoning entries joined,
 * tool arguments parsed, and the notes that an encoder takes on its way.
 * Pure. Text is never changed here; what cannot be read is reported, not guessed.
 */
import type {
  AssistantMessage,
  FunctionTool,
  Part,
  ReasoningDetail,
  ReasoningEffort,
  ReasoningRequest,
  ResponseFormat,
  ToolCall,
} from "../core/chat.ts";
import { isObject, parseJson, type Json, type JsonObject } from "../core/json.ts";

/** An object of a wire body; undefined fields vanish in JSON. */
export type WireObject = { [key: string]: Json | WireObject | readonly WireObject[] | undefined };

/** What an encoder has to say: sentences about what was left out, and why the request cannot be said at all. */
export interface Notes {
  /** In order of appearance, each once. */
  readonly warnings: Set<string>;
  /** The first reason; null while there is none. */
  fault: string | null;
}

/** Empty notes for one request. */
export function newNotes(): Notes {
  return { warnings: new Set(), fault: null };
}

/** Keeps `sentence` as the fault unless there is one already. */
export function refuse(notes: Notes, sentence: string): null {
  notes.fault ??= sentence;
  return null;
}

/** Notes that `name` was left out. */
export function leftOut(notes: Notes, name: string): void {
  notes.warnings.add(`${name} is not supported by this endpoint and was left out.`);
}

/**
 * Share of max_tokens that an effort may spend on reasoning, where the provider wants a budget.
 * Source: https://openrouter.ai/docs/use-cases/reasoning-tokens (accessed 2026-11-21).
 */
export const SHARE_OF_EFFORT: Readonly<Record<Exclude<ReasoningEffort, "none">, number>> = {
  minimal: 0.1,
  low: 0.2,
  medium: 0.5,
  high: 0.8,
  xhigh: 0.95,
  max: 0.95,
};

/** True when the client asks the model to reason. `exclude` or `summary` alone do not. */
export function wantsReasoning(reasoning: ReasoningRequest | undefined): boolean {
  if (reasoning === undefined || reasoning.enabled === false || reasoning.effort === "none") return false;
  return reasoning.enabled === true || reasoning.effort !== undefined || (reasoning.maxTokens ?? 0) > 0;
}

/** How the pieces of a turn are written; reasoning in one go where its place is the usual one. */
interface PieceWriter<T> {
  reasoning(details: readonly ReasoningDetail[]): readonly T[];
  part(part: Part): readonly T[];
  call(call: ToolCall): readonly T[];
  refusal(text: string): readonly T[];
}

/**
 * A turn of the assistant, piece by piece, in the order in which the model made them: thinking between calls is signed for
 * its place. Without an order: reasoning, parts, a refusal, calls.
 */
export function writeTurn<T>(message: AssistantMessage, write: PieceWriter<T>): T[] {
  const { reasoning, parts, toolCalls, refusal = "", order } = message;
  const refused = refusal === "" ? [] : write.refusal(refusal);
  if (order === undefined) {
    return [
      ...write.reasoning(reasoning),
      ...parts.flatMap((part) => write.part(part)),
      ...refused,
      ...toolCalls.flatMap((call) => write.call(call)),
    ];
  }
  const next = { reasoning: 0, part: 0, call: 0 };
  const pieces = order.flatMap((kind) => {
    const at = next[kind]++;
    if (kind === "reasoning") return write.reasoning(reasoning.slice(at, at + 1));
    if (kind === "part") return parts.slice(at, at + 1).flatMap((part) => write.part(part));
    return toolCalls.slice(at, at + 1).flatMap((call) => write.call(call));
  });
  return [...pieces, ...refused];
}

/** For formats where a result of a tool is its words alone. */
export const FAILED_TOOL = "That a tool has failed has no form here: only what it said was sent.";

/** A name, free among `tools`, for the tool that stands for a structured answer. */
export function freeToolName(tools: readonly FunctionTool[]): string {
  let name = "json_response";
  while (tools.some((tool) => tool.name === name)) name += "_";
  return name;
}

/** How a model is asked for JSON where nothing enforces it. */
export function jsonInstruction(format: ResponseFormat): string {
  const plain = "Respond with one JSON object and nothing else: no prose, no code fence.";
  return format.kind === "json_schema"
    ? `${plain} It must be valid against this JSON schema: ${JSON.stringify(format.schema)}`
    : plain;
}

/** A data URL's parts; `base64` has no prefix. */
interface DataUrl {
  readonly mediaType: string;
  readonly base64: string;
}

/** The parts of a data URL, percent-encoded ones turned into base64; null when `url` is none or cannot be read. */
export function parseDataUrl(url: string): DataUrl | null {
  if (!url.startsWith("data:")) return null;
  const comma = url.indexOf(",");
  if (comma === -1) return null;
  const [type = "", ...attributes] = url.slice(5, comma).split(";");
  const mediaType = type === "" ? "text/plain" : type.toLowerCase();
  const content = url.slice(comma + 1);
  if (attributes.some((attribute) => attribute.trim().toLowerCase() === "base64"))
    return { mediaType, base64: content };
  try {
    const bytes = new TextEncoder().encode(decodeURIComponent(content));
    let binary = "";
    for (const byte of bytes) binary += String.fromCharCode(byte);
    return { mediaType, base64: btoa(binary) };
  } catch {
    return null;
  }
}

/** The UTF-8 text behind base64; null when it is not base64. */
export function textOfBase64(base64: string): string | null {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
  } catch {
    return null;
  }
}

/**
 * Reasoning as whole entries: a client that stored a stream piece by piece sends pieces with the same index, and a
 * signature belongs to the text before it. A piece after a signature or without an index begins a new entry.
 */
export function joinedReasoning(details: readonly ReasoningDetail[]): readonly ReasoningDetail[] {
  const joined: ReasoningDetail[] = [];
  for (const detail of details) {
    const last = joined.at(-1);
    if (last !== undefined && continues(last, detail)) joined[joined.length - 1] = joinOf(last, detail);
    else joined.push(detail);
  }
  return joined;
}

function continues(last: ReasoningDetail, next: ReasoningDetail): boolean {
  if (last.index === undefined || last.index !== next.index || last.type !== next.type) return false;
  if ((last.format ?? next.format) !== (next.format ?? last.format)) return false;
  return !last.signature && (last.id ?? null) === (next.id ?? null);
}

function joinOf(left: ReasoningDetail, right: ReasoningDetail): ReasoningDetail {
  const text = glued(left.text, right.text);
  const summary = glued(left.summary, right.summary);
  const data = glued(left.data, right.data);
  const signature = glued(left.signature, right.signature);
  return {
    ...left,
    ...(text === undefined ? {} : { text }),
    ...(summary === undefined ? {} : { summary }),
    ...(data === undefined ? {} : { data }),
    ...(signature === undefined ? {} : { signature }),
    format: left.format ?? right.format,
  };
}

function glued(left: string | null | undefined, right: string | null | undefined): string | undefined {
  return typeof left === "string" || typeof right === "string" ? (left ?? "") + (right ?? "") : undefined;
}

/**
 * A tool call's arguments as an object, for formats that take nothing else. Text that is no JSON object is kept whole
 * under `arguments`, and noted.
 */
export function toolInputOf(name: string, input: string, notes: Notes): JsonObject {
  if (input.trim() === "") return {};
  const parsed = parseJson(input);
  // Checked to be an object of JSON: it comes from JSON.parse.
  if (isObject(parsed)) return parsed as JsonObject;
  notes.warnings.add(`The arguments of an earlier call of ${name} are not a JSON object; they were sent as text.`);
  return { arguments: input };
}
