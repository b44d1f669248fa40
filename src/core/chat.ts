/**
 * A chat request in our own words: what every dialect is parsed into and every adapter encodes from.
 * Sampling parameters keep the field's standard names (those of `supported_parameters` in the catalog), so that
 * capability checks and warnings need no second list. Unknown fields travel in `extra` and are passed on.
 */
import type { Json, JsonObject } from "./json.ts";
import type { Task } from "./task.ts";

/** A breakpoint for the provider's prompt cache. */
export interface CacheControl {
  readonly type: "ephemeral";
  readonly ttl?: "5m" | "1h" | undefined;
}

interface Cacheable {
  readonly cacheControl?: CacheControl | undefined;
}

export interface TextPart extends Cacheable {
  readonly type: "text";
  readonly text: string;
}
/** `url` is http(s) or a data URL. */
export interface ImagePart extends Cacheable {
  readonly type: "image";
  readonly url: string;
  readonly detail?: "auto" | "low" | "high" | "original" | undefined;
}
/** `data` is base64 without a prefix, `format` a short name such as "wav" or "mp3". */
export interface AudioPart extends Cacheable {
  readonly type: "audio";
  readonly data: string;
  readonly format: string;
}
/** `url` is http(s) or a data URL. */
export interface VideoPart extends Cacheable {
  readonly type: "video";
  readonly url: string;
  readonly range?: VideoRange | undefined;
  /** Pictures that stand for the video, in order, `url` the first of them: some models take a video so. */
  readonly frames?: readonly string[] | undefined;
}
/** What of a video is looked at, in seconds from its start, and how many frames of each second. Absent: all; as usual. */
export interface VideoRange {
  readonly startS?: number | undefined;
  readonly endS?: number | undefined;
  readonly fps?: number | undefined;
}
/** `data` is http(s) or a data URL. */
export interface FilePart extends Cacheable {
  readonly type: "file";
  readonly filename?: string | undefined;
  readonly data?: string | undefined;
  readonly fileId?: string | undefined;
}
export type Part = TextPart | ImagePart | AudioPart | VideoPart | FilePart;
export type PartType = Part["type"];

/**
 * Reasoning as it must be echoed: byte-exact and in order. `format` names who can read the signature or the encrypted
 * data (`anthropic-claude-v1`, `google-gemini-v1`, ...), so that a foreign one can be dropped on a switch.
 */
export interface ReasoningDetail {
  readonly type: "reasoning.text" | "reasoning.summary" | "reasoning.encrypted";
  readonly text?: string | null | undefined;
  readonly signature?: string | null | undefined;
  readonly summary?: string | undefined;
  readonly data?: string | undefined;
  readonly id?: string | null | undefined;
  readonly format?: string | null | undefined;
  readonly index?: number | undefined;
}

/** `input` is the arguments as the model wrote them: JSON text, `{}` when it wrote nothing. */
export interface ToolCall extends Cacheable {
  readonly id: string;
  readonly name: string;
  readonly input: string;
}

export interface SystemMessage {
  readonly role: "system" | "developer";
  readonly parts: readonly TextPart[];
  readonly name?: string | undefined;
}
export interface UserMessage {
  readonly role: "user";
  readonly parts: readonly Part[];
  readonly name?: string | undefined;
}
export interface AssistantMessage {
  readonly role: "assistant";
  readonly parts: readonly Part[];
  readonly toolCalls: readonly ToolCall[];
  readonly reasoning: readonly ReasoningDetail[];
  readonly refusal?: string | undefined;
  readonly name?: string | undefined;
  /**
   * How its pieces stood, where that is known: each word takes the next entry of `reasoning`, `parts` or `toolCalls`.
   * Absent: reasoning, then parts, then calls. A wire format that cannot say it keeps to that order.
   */
  readonly order?: readonly PieceKind[] | undefined;
}
export type PieceKind = "reasoning" | "part" | "call";
export interface ToolMessage {
  readonly role: "tool";
  readonly toolCallId: string;
  readonly parts: readonly Part[];
  /** The tool failed; its parts say how. */
  readonly isError?: boolean | undefined;
}
export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

export interface FunctionTool extends Cacheable {
  readonly name: string;
  readonly description?: string | undefined;
  /** JSON Schema of the arguments. */
  readonly parameters?: JsonObject | undefined;
  readonly strict?: boolean | undefined;
}

export type ToolChoice =
  | { readonly kind: "none" | "auto" | "required" }
  | { readonly kind: "function"; readonly name: string };

export type ResponseFormat =
  | { readonly kind: "text" | "json_object" }
  | {
      readonly kind: "json_schema";
      readonly name: string;
      readonly schema: JsonObject;
      readonly strict?: boolean | undefined;
      readonly description?: string | undefined;
    };

export type ReasoningEffort = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";

/** What the client wants of reasoning. `exclude` keeps it out of the answer, not out of the bill. */
export interface ReasoningRequest {
  readonly effort?: ReasoningEffort | undefined;
  readonly maxTokens?: number | undefined;
  readonly enabled?: boolean | undefined;
  readonly exclude?: boolean | undefined;
  /** How a provider that hides its reasoning is to sum it up. */
  readonly summary?: "auto" | "concise" | "detailed" | undefined;
}

/**
 * Scalars that go upstream under their own name when given. Absent means absent: nothing is defaulted.
 * Limits are checked by the dialect.
 */
export interface Sampling {
  readonly temperature?: number | undefined;
  readonly top_p?: number | undefined;
  readonly top_k?: number | undefined;
  readonly min_p?: number | undefined;
  readonly top_a?: number | undefined;
  readonly frequency_penalty?: number | undefined;
  readonly presence_penalty?: number | undefined;
  readonly repetition_penalty?: number | undefined;
  readonly seed?: number | undefined;
  readonly logit_bias?: Readonly<Record<string, number>> | undefined;
  readonly logprobs?: boolean | undefined;
  readonly top_logprobs?: number | undefined;
  readonly verbosity?: "low" | "medium" | "high" | "xhigh" | "max" | undefined;
  readonly n?: number | undefined;
}

/** What only providers of one wire format understand, in its own words. Others leave it out, with a warning. */
export interface NativeFields {
  /** Names who understands them, as in `ReasoningDetail`. */
  readonly format: string;
  readonly fields: JsonObject;
}

export interface ChatRequest {
  readonly messages: readonly Message[];
  readonly stream: boolean;
  readonly sampling: Sampling;
  /** Tokens of the completion, reasoning included; absent means the model's own maximum. */
  readonly maxOutputTokens?: number | undefined;
  readonly stop: readonly string[];
  readonly tools: readonly FunctionTool[];
  readonly toolChoice?: ToolChoice | undefined;
  readonly parallelToolCalls?: boolean | undefined;
  readonly responseFormat?: ResponseFormat | undefined;
  readonly reasoning?: ReasoningRequest | undefined;
  readonly modalities?: readonly string[] | undefined;
  /** Automatic breakpoint at the last cacheable block. */
  readonly cacheControl?: CacheControl | undefined;
  readonly promptCacheKey?: string | undefined;
  /** End-user id; only its hash ever goes upstream. */
  readonly user?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Trial features by their provider's own names, which other providers need not know. */
  readonly betas?: readonly string[] | undefined;
  readonly native?: NativeFields | undefined;
  /** What is wanted instead of an answer to the messages, which then hold the task's texts for whoever counts them. */
  readonly task?: Task | undefined;
  /** Fields that we do not know, in the client's order, passed on to OpenAI-like upstreams. */
  readonly extra: Readonly<Record<string, Json>>;
}

/**
 * The names (as in a model's `supported_parameters`) of what this request asks for, in a fixed order.
 * Used for `require_parameters`, for the soft filter and for `X-Waypost-Warning`.
 */
export function requestedParameters(request: ChatRequest): readonly string[] {
  const names: string[] = Object.entries(request.sampling)
    .filter(([name, value]) => value !== undefined && name !== "n")
    .map(([name]) => name);
  if (request.maxOutputTokens !== undefined) names.push("max_tokens");
  if (request.stop.length > 0) names.push("stop");
  if (request.tools.length > 0) names.push("tools");
  if (request.toolChoice !== undefined) names.push("tool_choice");
  if (request.parallelToolCalls !== undefined) names.push("parallel_tool_calls");
  if (request.responseFormat !== undefined && request.responseFormat.kind !== "text") names.push("response_format");
  if (request.responseFormat?.kind === "json_schema") names.push("structured_outputs");
  if (request.reasoning !== undefined) names.push("reasoning");
  return names;
}

/** The kinds of parts other than text that the conversation holds; an endpoint must take them all. */
export function inputModalities(messages: readonly Message[]): ReadonlySet<PartType> {
  const found = new Set<PartType>();
  for (const message of messages) for (const part of message.parts) if (part.type !== "text") found.add(part.type);
  return found;
}
