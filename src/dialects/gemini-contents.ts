/**
 * Gemini's contents as our messages. Input has passed the schema. Calls and their answers are matched by id, and where a
 * client sends none (older models give none) by name and order. Contents of the model that follow each other are one
 * message: clients keep the pieces of a stream as contents of their own.
 * Sources: https://ai.google.dev/api/caching#Content, https://ai.google.dev/gemini-api/docs/thought-signatures
 * (accessed 2026-11-21).
 */
import { isMark } from "../core/attachments.ts";
import type { AssistantMessage, Message, Part, PieceKind, ReasoningDetail, TextPart, ToolCall } from "../core/chat.ts";
import type { JsonObject } from "../core/json.ts";
import { ok, type Result } from "../core/result.ts";
import { isYouTube, videoRange } from "../core/video.ts";
import { refuse, type BadRequest, type Warn } from "./body.ts";
import { GEMINI_FORMAT, unpackReasoning } from "./gemini-reasoning.ts";
import type { GeminiBody, WireBlob, WireContent, WireFileData, WirePart } from "./gemini-schema.ts";

/** @returns `bad_request` for an answer to a call that nobody made, and for files where only text may stand. */
export function messagesOf(wire: GeminiBody, warn: Warn): Result<readonly Message[], BadRequest> {
  const messages: Message[] = [];
  const system: TextPart[] = [];
  for (const [at, part] of (wire.systemInstruction?.parts ?? []).entries()) {
    if (typeof part.text !== "string") {
      return refuse(`systemInstruction.parts[${at}] must be text`, `systemInstruction.parts[${at}]`);
    }
    system.push({ type: "text", text: part.text });
  }
  if (system.length > 0) messages.push({ role: "system", parts: system });
  const calls = createCallRecord();
  let open: OpenMessage | null = null;
  for (const [at, content] of wire.contents.entries()) {
    if (content.role === "model") {
      open ??= openMessage();
      addModelParts(open, content, at, calls, warn);
      continue;
    }
    if (open !== null) messages.push(closedMessage(open));
    open = null;
    const added = addUserParts(messages, content, at, calls, warn);
    if (!added.ok) return added;
  }
  if (open !== null) messages.push(closedMessage(open));
  return ok(messages);
}

/** Calls that have been made and not answered yet. */
interface CallRecord {
  /** The id of a new call. */
  add(name: string, id: string | null | undefined, at: number): string;
  /** The id of the call that is answered; undefined when there is none. */
  answer(name: string, id: string | null | undefined): string | undefined;
}

function createCallRecord(): CallRecord {
  const open: { readonly id: string; readonly name: string }[] = [];
  const seen = new Set<string>();
  let count = 0;
  return {
    add(name, given, at) {
      const id = given || `call_${at}_${count++}`;
      open.push({ id, name });
      seen.add(id);
      return id;
    },
    answer(name, given) {
      const found = open.findIndex((call) => (given ? call.id === given : call.name === name));
      if (found === -1) return given && seen.has(given) ? given : undefined;
      return open.splice(found, 1)[0]?.id;
    },
  };
}

interface OpenMessage {
  readonly parts: Part[];
  readonly calls: ToolCall[];
  readonly reasoning: ReasoningDetail[];
  readonly order: PieceKind[];
  /** Thought text that no signature has ended yet. */
  thought: string | null;
}

function openMessage(): OpenMessage {
  return { parts: [], calls: [], reasoning: [], order: [], thought: null };
}

function addModelParts(open: OpenMessage, content: WireContent, at: number, calls: CallRecord, warn: Warn): void {
  for (const part of content.parts ?? []) {
    const signature = part.thoughtSignature ?? "";
    if (part.thought === true) {
      addThought(open, part.text ?? "", signature);
      if (part.inlineData) warn(`contents[${at}] holds pictures among its thoughts, which were left out`);
      continue;
    }
    if (part.functionCall) {
      closeThought(open);
      const { name, id: given, args } = part.functionCall;
      const id = calls.add(name, given, at);
      // The signature stands before its call, as it is given out.
      addSignature(open, signature, id);
      open.calls.push({ id, name, input: JSON.stringify(args ?? {}) });
      open.order.push("call");
      continue;
    }
    const said = partOf(part);
    if (said !== null && !(said.type === "text" && said.text === "")) {
      closeThought(open);
      open.parts.push(said);
      open.order.push("part");
    }
    addSignature(open, signature, null);
  }
}

function addThought(open: OpenMessage, text: string, signature: string): void {
  open.thought = (open.thought ?? "") + text;
  if (signature !== "") closeThought(open, signature);
}

/** Ends the thought that is open. What another provider packed says whose it is; the rest is the model's own. */
function closeThought(open: OpenMessage, signature = ""): void {
  const text = open.thought;
  if (text === null) return;
  open.thought = null;
  const packed = signature === "" ? undefined : unpackReasoning(signature);
  if (packed === undefined) {
    if (text === "" && signature === "") return;
    pushReasoning(open, {
      type: "reasoning.text",
      text,
      ...(signature === "" ? {} : { signature }),
      format: GEMINI_FORMAT,
    });
    return;
  }
  const said =
    packed.type === "reasoning.text" && (text !== "" || packed.text === undefined)
      ? { text }
      : packed.type === "reasoning.summary" && text !== ""
        ? { summary: text }
        : {};
  pushReasoning(open, { ...packed, ...said });
}

/** A signature beside an answer or a call: an entry of its own, the call's by its id. */
function addSignature(open: OpenMessage, signature: string, id: string | null): void {
  if (signature === "") return;
  closeThought(open);
  pushReasoning(
    open,
    unpackReasoning(signature) ?? { type: "reasoning.encrypted", data: signature, id, format: GEMINI_FORMAT },
  );
}

function pushReasoning(open: OpenMessage, detail: ReasoningDetail): void {
  open.reasoning.push({ ...detail, index: open.reasoning.length });
  open.order.push("reasoning");
}

const USUAL_ORDER: readonly PieceKind[] = ["reasoning", "part", "call"];

function closedMessage(open: OpenMessage): AssistantMessage {
  closeThought(open);
  const { parts, calls, reasoning, order } = open;
  const places = order.map((kind) => USUAL_ORDER.indexOf(kind));
  const isUsual = places.every((place, at) => at === 0 || place >= (places[at - 1] ?? 0));
  return { role: "assistant", parts, toolCalls: calls, reasoning, ...(isUsual ? {} : { order }) };
}

/** Answers to calls come first: nothing may stand between a call and its answer. */
function addUserParts(
  messages: Message[],
  content: WireContent,
  at: number,
  calls: CallRecord,
  warn: Warn,
): Result<null, BadRequest> {
  const parts: Part[] = [];
  for (const [index, part] of (content.parts ?? []).entries()) {
    const path = `contents[${at}].parts[${index}]`;
    if (part.functionCall) return refuse(`${path}.functionCall must stand in a content of the role "model"`, path);
    if (part.functionResponse) {
      const { name, id } = part.functionResponse;
      const toolCallId = calls.answer(name, id);
      if (toolCallId === undefined) {
        return refuse(`${path}.functionResponse answers no functionCall of the contents before it`, path);
      }
      messages.push({ role: "tool", toolCallId, ...resultOf(part.functionResponse) });
      continue;
    }
    const said = partOf(part);
    if (part.videoMetadata && said?.type !== "video") warn(`${path}.videoMetadata is not passed on`);
    if (isResolutionLost(part, said)) warn(`${path}.mediaResolution is not passed on`);
    if (said !== null) parts.push(said);
  }
  if (parts.length > 0) messages.push({ role: "user", parts });
  return ok(null);
}

function resultOf(wire: NonNullable<WirePart["functionResponse"]>): { parts: readonly Part[]; isError?: true } {
  const response = (wire.response ?? {}) as JsonObject; // parsed from JSON
  const [first, ...rest] = Object.keys(response);
  const said = first === undefined || rest.length > 0 ? undefined : response[first];
  const isPlain = (first === "output" || first === "error") && typeof said === "string";
  const parts: Part[] = [{ type: "text", text: isPlain ? said : JSON.stringify(response) }];
  for (const { inlineData, fileData } of wire.parts ?? []) {
    if (inlineData) parts.push(mediaOf(inlineData));
    if (fileData) parts.push(remoteOf(fileData));
  }
  return first === "error" && rest.length === 0 ? { parts, isError: true } : { parts };
}

function partOf(wire: WirePart): Part | null {
  const media = wire.inlineData ? mediaOf(wire.inlineData) : wire.fileData ? remoteOf(wire.fileData) : null;
  if (media?.type === "image") {
    const detail = DETAILS[wire.mediaResolution?.level ?? ""];
    return detail === undefined ? media : { ...media, detail };
  }
  if (media?.type === "video") {
    const { startOffset, endOffset, fps } = wire.videoMetadata ?? {};
    return { ...media, ...videoRange(startOffset, endOffset, fps) };
  }
  if (media !== null) return media;
  return typeof wire.text === "string" ? { type: "text", text: wire.text } : null;
}

/** The resolutions that other formats have a word for. */
const DETAILS: Readonly<Record<string, "low" | "high">> = {
  MEDIA_RESOLUTION_LOW: "low",
  MEDIA_RESOLUTION_HIGH: "high",
};

function isResolutionLost({ mediaResolution }: WirePart, said: Part | null): boolean {
  const level = mediaResolution?.level ?? "MEDIA_RESOLUTION_UNSPECIFIED";
  if (level === "MEDIA_RESOLUTION_UNSPECIFIED") return false;
  return said?.type !== "image" || said.detail === undefined;
}

/** Short names of sound, where they differ from the media type's. */
const AUDIO_FORMATS: Readonly<Record<string, string>> = { mpeg: "mp3", "x-wav": "wav", wave: "wav", "vnd.wave": "wav" };

function mediaOf({ mimeType, data: given, displayName }: WireBlob): Part {
  const data = standardBase64(given);
  const [family = "", name = ""] = mimeType.toLowerCase().split("/");
  const url = `data:${mimeType};base64,${data}`;
  if (family === "image") return { type: "image", url };
  if (family === "video") return { type: "video", url };
  if (family === "audio") return { type: "audio", data, format: AUDIO_FORMATS[name] ?? name };
  return { type: "file", data: url, ...(typeof displayName === "string" ? { filename: displayName } : {}) };
}

/** Some clients send the URL-safe alphabet, which others than this API do not read. */
function standardBase64(data: string): string {
  return !/[-_]/.test(data) || isMark(data) ? data : data.replaceAll("-", "+").replaceAll("_", "/");
}

function remoteOf({ fileUri, mimeType, displayName }: WireFileData): Part {
  const family = mimeType?.toLowerCase().split("/")[0];
  const isHttp = /^https?:\/\//i.test(fileUri);
  if (isHttp && family === "image") return { type: "image", url: fileUri };
  if (isHttp && (family === "video" || isYouTube(fileUri))) return { type: "video", url: fileUri };
  return {
    type: "file",
    ...(isHttp ? { data: fileUri } : { fileId: fileUri }),
    ...(typeof displayName === "string" ? { filename: displayName } : {}),
  };
}
