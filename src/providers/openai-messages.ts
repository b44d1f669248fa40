/**
 * The conversation and the tools in OpenAI's wire form. Key order is the same for the same conversation, so that a
 * provider's prompt cache sees the same prefix. What cannot be said is left out and named, once per kind.
 */
import type {
  AssistantMessage,
  CacheControl,
  ChatRequest,
  FunctionTool,
  Message,
  Part,
  ReasoningDetail,
  VideoPart,
} from "../core/chat.ts";
import { err, ok, type Result } from "../core/result.ts";
import { FAILED_TOOL } from "./echo.ts";
import type { OpenAiQuirks } from "./openai-quirks.ts";

/** A value on its way into JSON; undefined members are left out by JSON.stringify. */
export type Wire = Record<string, unknown>;

/** What an encoder needs beside the request: the rules, and where to say what was left out. */
export interface Encoding {
  readonly quirks: OpenAiQuirks;
  /** Sentences; a set, because one per kind is enough. */
  readonly warnings: Set<string>;
}

/** @returns a sentence when a part has no content that could be sent. */
export function encodeMessages(request: ChatRequest, encoding: Encoding): Result<readonly Wire[], string> {
  const out: Wire[] = [];
  const last = request.messages.length - 1;
  for (const [at, message] of request.messages.entries()) {
    const automatic = at === last ? request.cacheControl : undefined;
    const content = encodeContent(message, automatic, encoding);
    if (!content.ok) return content;
    out.push(encodeMessage(message, content.value, encoding));
  }
  return ok(out);
}

function encodeMessage(message: Message, content: unknown, encoding: Encoding): Wire {
  switch (message.role) {
    case "system":
    case "developer": {
      const wanted = encoding.quirks.system_role;
      return { role: wanted === "as_is" ? message.role : wanted, content, name: message.name };
    }
    case "user":
      return { role: "user", content, name: message.name };
    case "assistant":
      return {
        role: "assistant",
        // A turn that only called tools has no content.
        content: content === "" && message.toolCalls.length > 0 ? null : content,
        refusal: message.refusal,
        name: message.name,
        ...encodeReasoning(message, encoding),
        tool_calls:
          message.toolCalls.length === 0 ? undefined : message.toolCalls.map((call) => encodeToolCall(call, encoding)),
      };
    case "tool":
      if (message.isError === true) encoding.warnings.add(FAILED_TOOL);
      return { role: "tool", tool_call_id: message.toolCallId, content };
    default:
      return message satisfies never;
  }
}

function encodeToolCall(call: AssistantMessage["toolCalls"][number], encoding: Encoding): Wire {
  if (call.cacheControl !== undefined)
    encoding.warnings.add("cache_control of earlier tool calls has no form here and was left out.");
  return { id: call.id, type: "function", function: { name: call.name, arguments: call.input } };
}

/** A plain string where possible: some servers take nothing else for roles other than user. */
function encodeContent(
  message: Message,
  automatic: CacheControl | undefined,
  encoding: Encoding,
): Result<unknown, string> {
  const parts = sayable(message, encoding);
  const isText = parts.every((part) => part.type === "text");
  const joins = encoding.quirks.text_content === "join" && isText;
  const only = parts[0];
  if (only === undefined) return ok("");
  if (isText && (joins || parts.length === 1)) {
    const isPlain = cacheControlOf(parts.at(-1)?.cacheControl ?? automatic, encoding) === undefined;
    if (isPlain || joins) return ok(parts.map((part) => (part.type === "text" ? part.text : "")).join("\n"));
  }
  const out: Wire[] = [];
  for (const [at, part] of parts.entries()) {
    const encoded = encodePart(part, encoding);
    if (encoded === undefined) return err("A file part needs its data or the id of a file.");
    const wanted = part.cacheControl ?? (at === parts.length - 1 ? automatic : undefined);
    out.push({ ...encoded, cache_control: cacheControlOf(wanted, encoding) });
  }
  return ok(out);
}

/** The parts that the format knows for the message's role. */
function sayable(message: Message, encoding: Encoding): readonly Part[] {
  if (message.role !== "assistant") return message.parts.flatMap((part) => asPictures(part, encoding));
  const kept = message.parts.filter((part) => part.type === "text");
  if (kept.length < message.parts.length) {
    encoding.warnings.add(
      "Media in earlier answers of the assistant cannot be sent to this endpoint and were left out.",
    );
  }
  return kept;
}

/** The frames of a video as pictures, where nobody would know them for a video. */
function asPictures(part: Part, { quirks, warnings }: Encoding): readonly Part[] {
  if (part.type !== "video" || part.frames === undefined || quirks.video_frames) return [part];
  warnings.add("The frames of a video are sent as pictures here, one after the other.");
  const { frames, cacheControl } = part;
  const last = frames.length - 1;
  return frames.map((url, at) => ({ type: "image", url, ...(at === last ? { cacheControl } : {}) }));
}

function encodePart(part: Part, encoding: Encoding): Wire | undefined {
  switch (part.type) {
    case "text":
      return { type: "text", text: part.text };
    case "image":
      return { type: "image_url", image_url: { url: part.url, detail: part.detail } };
    case "audio":
      return { type: "input_audio", input_audio: { data: audioData(part.data, encoding), format: part.format } };
    case "video":
      return encodeVideo(part, encoding);
    case "file":
      if (part.data === undefined && part.fileId === undefined) return undefined;
      return { type: "file", file: { filename: part.filename, file_data: part.data, file_id: part.fileId } };
    default:
      return part satisfies never;
  }
}

function audioData(base64: string, { quirks }: Encoding): string {
  return quirks.audio_data === "data_url" ? `data:;base64,${base64}` : base64;
}

function encodeVideo({ url, range, frames }: VideoPart, { quirks, warnings }: Encoding): Wire {
  const { startS, endS, fps } = range ?? {};
  if (startS !== undefined || endS !== undefined) {
    warnings.add("Where a video begins and ends cannot be said here: all of it is sent.");
  }
  if (!quirks.video_frames) {
    if (fps !== undefined) warnings.add("The frame rate of a video cannot be set here and was left out.");
    return { type: "video_url", video_url: { url } };
  }
  return frames === undefined ? { type: "video_url", video_url: { url }, fps } : { type: "video", video: frames, fps };
}

function cacheControlOf(wanted: CacheControl | undefined, encoding: Encoding): Wire | undefined {
  if (wanted === undefined) return undefined;
  if (encoding.quirks.cache_control) return { type: wanted.type, ttl: wanted.ttl };
  encoding.warnings.add("cache_control is not read by this endpoint and was left out.");
  return undefined;
}

/** Earlier reasoning, as far as this provider can read it. */
function encodeReasoning(message: AssistantMessage, encoding: Encoding): Wire {
  if (message.reasoning.length === 0) return {};
  const { reasoning_echo: echo, reasoning_formats: formats } = encoding.quirks;
  const readable = message.reasoning.filter((detail) => formats.includes(detail.format ?? "unknown"));
  if (echo === "none" || readable.length < message.reasoning.length) {
    encoding.warnings.add("Reasoning of earlier answers that this endpoint cannot read was left out.");
  }
  if (echo === "none" || readable.length === 0) return {};
  if (echo === "reasoning_details") return { reasoning_details: readable.map(encodeDetail) };
  return { [echo]: readable.map((detail) => detail.text ?? detail.summary ?? "").join("") };
}

/** Byte-exact and with a fixed order of keys: signatures cover what was signed. */
function encodeDetail(detail: ReasoningDetail): Wire {
  const { type, text, signature, summary, data, id, format, index } = detail;
  return { type, text, signature, summary, data, id, format, index };
}

/** A function tool. */
export function encodeTool(tool: FunctionTool, encoding: Encoding): Wire {
  const strict = encoding.quirks.strict_tools ? tool.strict : undefined;
  if (tool.strict === true && strict === undefined) {
    encoding.warnings.add("strict in tools is not taken by this endpoint and was left out.");
  }
  return {
    type: "function",
    function: { name: tool.name, description: tool.description, parameters: tool.parameters, strict },
    cache_control: cacheControlOf(tool.cacheControl, encoding),
  };
}
