/**
 * Our messages as Gemini's system instruction and contents.
 * A thought signature goes back on the very part it came with: the reasoning entry that holds it carries the id of its
 * tool call, parallel calls each their own. Gemini 3 refuses a tool step whose first call is unsigned, so there the
 * documented placeholder stands in when a conversation comes from another provider or a client lost the signature.
 * Sources: https://ai.google.dev/api/caching#Content, https://ai.google.dev/gemini-api/docs/thought-signatures
 * (accessed 2026-11-21).
 */
import type {
  AssistantMessage,
  ImagePart,
  Message,
  Part,
  ReasoningDetail,
  ToolMessage,
  UserMessage,
  VideoPart,
} from "../core/chat.ts";
import { stringOf } from "../core/json.ts";
import { durationOf, isYouTube } from "../core/video.ts";
import { joinedReasoning, parseDataUrl, refuse, toolInputOf, type Notes, type WireObject } from "./echo.ts";

/** Who can read the signatures of this format. */
export const GEMINI_FORMAT = "google-gemini-v1";
/** https://ai.google.dev/gemini-api/docs/thought-signatures, FAQ (accessed 2026-11-21). */
const SIGNATURE_PLACEHOLDER = "skip_thought_signature_validator";

interface Content {
  readonly role: "user" | "model";
  readonly parts: WireObject[];
}

interface Contents {
  readonly system: WireObject[];
  readonly contents: Content[];
}

/** How a platform and a model take the parts. */
export interface ContentsRules {
  /** 3 for Gemini 3.x, 0 when unknown. */
  readonly generation: number;
  /** Calls and their answers carry ids; else the platform refuses them and goes by name and order. */
  readonly withIds: boolean;
}

/** The conversation in parts; what cannot be said goes to `notes`. */
export function contentsOf(messages: readonly Message[], rules: ContentsRules, notes: Notes): Contents {
  const system: WireObject[] = [];
  const contents: Content[] = [];
  const toolNames = new Map<string, string>();
  for (const message of rules.withIds ? messages : inCallOrder(messages)) {
    if (message.role !== "tool" && message.parts.some((part) => part.cacheControl !== undefined)) noteCache(notes);
    switch (message.role) {
      case "system":
      case "developer":
        if (contents.length > 0)
          notes.warnings.add("System messages after the first turn were moved to the beginning.");
        for (const part of message.parts) if (part.text !== "") system.push({ text: part.text });
        break;
      case "user":
        add(contents, { role: "user", parts: userParts(message, rules, notes) });
        break;
      case "assistant":
        for (const call of message.toolCalls) toolNames.set(call.id, call.name);
        add(contents, { role: "model", parts: modelParts(message, rules, notes) });
        break;
      case "tool":
        addToolResponse(contents, responseParts(message, toolNames, rules, notes));
        break;
      default:
        message satisfies never;
    }
  }
  if (contents.length === 0) refuse(notes, "This provider needs at least one message that is not a system message.");
  return { system, contents };
}

/** Results in the order of their calls: without ids, two calls of one name are told apart by nothing else. */
function inCallOrder(messages: readonly Message[]): readonly Message[] {
  const order = new Map<string, number>();
  for (const message of messages) {
    if (message.role === "assistant") for (const call of message.toolCalls) order.set(call.id, order.size);
  }
  const sorted = [...messages];
  for (let from = 0; from < sorted.length; from++) {
    let to = from;
    while (sorted[to]?.role === "tool") to++;
    const results = sorted.slice(from, to).filter((message) => message.role === "tool");
    const place = (result: ToolMessage): number => order.get(result.toolCallId) ?? order.size;
    sorted.splice(from, results.length, ...results.toSorted((left, right) => place(left) - place(right)));
    from = to;
  }
  return sorted;
}

/** Says once that breakpoints are not needed. */
export function noteCache(notes: Notes): void {
  notes.warnings.add("cache_control has no effect here: this provider caches prompts by itself.");
}

function add(contents: Content[], content: Content): void {
  if (content.parts.length > 0) contents.push(content);
}

/** All answers of one step go into one content, as the calls did. */
function addToolResponse(contents: Content[], parts: readonly WireObject[]): void {
  const last = contents.at(-1);
  if (last?.role === "user" && last.parts[0]?.["functionResponse"] !== undefined) last.parts.push(...parts);
  else if (parts.length > 0) contents.push({ role: "user", parts: [...parts] });
}

function userParts(message: UserMessage, rules: ContentsRules, notes: Notes): WireObject[] {
  const parts = message.parts.flatMap((part) => partsOf(part, rules, notes));
  const first = parts[0];
  const text = stringOf(first?.["text"]);
  if (first !== undefined && message.name !== undefined && text !== undefined)
    first["text"] = `${message.name}: ${text}`;
  return parts;
}

/** One part, or none; a video that came as pictures is as many. */
function partsOf(part: Part, rules: ContentsRules, notes: Notes): WireObject[] {
  if (part.type === "video" && part.frames !== undefined) {
    notes.warnings.add("The frames of a video are sent as pictures here, one after the other.");
    return part.frames.map((url) => mediaPart(url, "image", notes)).filter((said) => said !== null);
  }
  const said = partOf(part, rules, notes);
  return said === null ? [] : [said];
}

function partOf(part: Part, rules: ContentsRules, notes: Notes): WireObject | null {
  switch (part.type) {
    case "text":
      return part.text === "" ? null : { text: part.text };
    case "image":
      return withResolution(mediaPart(part.url, "image", notes), part, rules, notes);
    case "video":
      return videoPart(part, rules, notes);
    case "audio":
      return { inlineData: { mimeType: audioType(part.format), data: part.data } };
    case "file":
      if (part.fileId !== undefined) return { fileData: { fileUri: part.fileId } };
      if (part.data === undefined) return refuse(notes, "A file needs file_data or file_id.");
      return mediaPart(part.data, "file", notes);
    default:
      return part satisfies never;
  }
}

/** https://ai.google.dev/gemini-api/docs/generate-content/media-resolution (excerpt read 2026-11-21): from Gemini 3 on. */
const RESOLUTIONS = { low: "MEDIA_RESOLUTION_LOW", high: "MEDIA_RESOLUTION_HIGH" } as const;

function withResolution(
  media: WireObject | null,
  { detail }: ImagePart,
  { generation }: ContentsRules,
  notes: Notes,
): WireObject | null {
  if (media === null || detail === undefined || detail === "auto") return media;
  if (generation >= 3 && detail !== "original") return { ...media, mediaResolution: { level: RESOLUTIONS[detail] } };
  notes.warnings.add("The detail of an image cannot be set here and was left out.");
  return media;
}

/** Vertex AI wants the type of every address; a page of YouTube has none of its own. */
function videoPart({ url, range }: VideoPart, { withIds }: ContentsRules, notes: Notes): WireObject | null {
  const media =
    isYouTube(url) && !withIds ? { fileData: { mimeType: "video/mp4", fileUri: url } } : mediaPart(url, "video", notes);
  if (media === null || range === undefined) return media;
  const { startS, endS, fps } = range;
  const videoMetadata = {
    ...(startS === undefined ? {} : { startOffset: durationOf(startS) }),
    ...(endS === undefined ? {} : { endOffset: durationOf(endS) }),
    ...(fps === undefined ? {} : { fps }),
  };
  return { ...media, videoMetadata };
}

function mediaPart(url: string, what: "image" | "video" | "file", notes: Notes): WireObject | null {
  if (!url.startsWith("data:")) {
    const mimeType = typeOfUrl(url);
    return { fileData: { ...(mimeType === undefined ? {} : { mimeType }), fileUri: url } };
  }
  const media = parseDataUrl(url);
  if (media === null) return refuse(notes, `The data URL of the ${what} cannot be read.`);
  return { inlineData: { mimeType: media.mediaType, data: media.base64 } };
}

/** Types that the API takes: https://ai.google.dev/gemini-api/docs/file-input-methods (accessed 2026-11-21). */
const TYPE_BY_ENDING: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  heic: "image/heic",
  heif: "image/heif",
  gif: "image/gif",
  mp4: "video/mp4",
  mov: "video/quicktime",
  webm: "video/webm",
  mpeg: "video/mpeg",
  mpg: "video/mpeg",
  pdf: "application/pdf",
  txt: "text/plain",
  md: "text/markdown",
  csv: "text/csv",
  html: "text/html",
  json: "application/json",
};

function typeOfUrl(url: string): string | undefined {
  const ending = /\.([a-z0-9]{2,5})(?:[?#]|$)/i.exec(url)?.[1]?.toLowerCase();
  return ending !== undefined && Object.hasOwn(TYPE_BY_ENDING, ending) ? TYPE_BY_ENDING[ending] : undefined;
}

function audioType(format: string): string {
  if (format === "pcm16") return "audio/pcm";
  return `audio/${format.toLowerCase()}`;
}

function responseParts(
  message: ToolMessage,
  toolNames: ReadonlyMap<string, string>,
  rules: ContentsRules,
  notes: Notes,
): readonly WireObject[] {
  const { generation, withIds } = rules;
  const name = toolNames.get(message.toolCallId);
  if (name === undefined) {
    refuse(notes, "A tool message answers a call that is not in the conversation.");
    return [];
  }
  const texts: string[] = [];
  const media: WireObject[] = [];
  for (const part of message.parts) {
    if (part.cacheControl !== undefined) noteCache(notes);
    if (part.type === "text") texts.push(part.text);
    else media.push(...partsOf(part, rules, notes));
  }
  // Older models take media beside the response, not inside it.
  const isInside = generation >= 3 && media.length > 0;
  // The API tells results from errors by the key.
  const response = { [message.isError === true ? "error" : "output"]: texts.join("\n") };
  const answer = {
    ...(withIds ? { id: message.toolCallId } : {}),
    name,
    response,
    ...(isInside ? { parts: media } : {}),
  };
  return [{ functionResponse: answer }, ...(isInside ? [] : media)];
}

function modelParts(message: AssistantMessage, rules: ContentsRules, notes: Notes): WireObject[] {
  const { generation, withIds } = rules;
  const reasoning = joinedReasoning(message.reasoning).filter((detail) => isOurs(detail, notes));
  const parts: WireObject[] = thoughtParts(reasoning);
  for (const part of message.parts) parts.push(...partsOf(part, rules, notes));
  if (message.refusal !== undefined && message.refusal !== "") parts.push({ text: message.refusal });
  const calls: WireObject[] = message.toolCalls.map((call) => {
    const args = toolInputOf(call.name, call.input, notes);
    const functionCall = { ...(withIds ? { id: call.id } : {}), name: call.name, args };
    const signature = reasoning.find((detail) => detail.id === call.id && detail.data !== undefined)?.data;
    return { functionCall, ...(signature === undefined ? {} : { thoughtSignature: signature }) };
  });
  const known = new Set(message.toolCalls.map((call) => call.id));
  for (const detail of reasoning) {
    if (detail.data === undefined || (typeof detail.id === "string" && known.has(detail.id))) continue;
    signLoose(detail.data, parts, calls);
  }
  const first = calls[0];
  if (generation >= 3 && first !== undefined && calls.every((call) => call["thoughtSignature"] === undefined)) {
    first["thoughtSignature"] = SIGNATURE_PLACEHOLDER;
    notes.warnings.add(
      "An earlier tool call came without its thought signature; the model goes on without that reasoning.",
    );
  }
  return [...parts, ...calls];
}

/** A signature that names no call: it came on the last part without one; a client may have lost the id on the way. */
function signLoose(signature: string, parts: WireObject[], calls: readonly WireObject[]): void {
  const text = parts.findLast((part) => part["thought"] === undefined && part["thoughtSignature"] === undefined);
  const place = text ?? calls.find((call) => call["thoughtSignature"] === undefined);
  if (place === undefined) parts.push({ text: "", thoughtSignature: signature });
  else place["thoughtSignature"] = signature;
}

function thoughtParts(reasoning: readonly ReasoningDetail[]): WireObject[] {
  return reasoning
    .filter((detail) => detail.type === "reasoning.text" && Boolean(detail.text))
    .map((detail) => ({
      text: detail.text ?? "",
      thought: true,
      ...(detail.signature ? { thoughtSignature: detail.signature } : {}),
    }));
}

function isOurs(detail: ReasoningDetail, notes: Notes): boolean {
  if (detail.format === GEMINI_FORMAT) return true;
  notes.warnings.add("Reasoning of another provider cannot be sent back here and was left out.");
  return false;
}
