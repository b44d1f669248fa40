/**
 * The body of `POST /chat/completions` as a client may send it: shapes and limits. zod checks once and copies no text.
 * `null` means "not set" everywhere. Unknown fields are allowed and kept by the parser, which also words the faults.
 * Field names, enums and lengths of names, session_id and stop: ChatRequest of OpenRouter's OpenAPI file 1.0.0, which
 * @openrouter/sdk 1.3.19 is made from. Ranges of sampling parameters are those of its documentation as we know it;
 * counts that no document limits are limited by us.
 */
import * as z from "zod";
import { DURATION } from "../core/video.ts";
import { plugins } from "./plugins.ts";
import {
  audioData,
  between,
  cacheControl,
  callId,
  effort,
  fileData,
  imageUrl,
  jsonObject,
  metadata,
  modelName,
  MODELS_MAX,
  presetName,
  tokens,
  videoUrl,
  wholeBetween,
} from "./schema.ts";

const MESSAGES_MAX = 10_000;
/** Parts, tool calls, reasoning entries of one message. */
const PARTS_MAX = 4_096;
const TOOLS_MAX = 1_024;
/** The newest models take 512 and some more; the provider says where its own limit lies. */
const FRAMES_MAX = 2_048;
const name = z.string().max(256).nullish();

/** A breakpoint has two names: OpenAI's own, and the one that other formats know. */
const textPart = z.looseObject({
  type: z.literal("text"),
  text: z.string(),
  prompt_cache_breakpoint: z.looseObject({ mode: z.literal("explicit") }).nullish(),
  cache_control: cacheControl,
});
const imagePart = z.looseObject({
  type: z.literal("image_url"),
  image_url: z.looseObject({ url: imageUrl, detail: z.enum(["auto", "low", "high", "original"]).nullish() }),
  cache_control: cacheControl,
});
const audioPart = z.looseObject({
  type: z.literal("input_audio"),
  input_audio: z.looseObject({ data: audioData, format: z.string().min(1).max(32) }),
  cache_control: cacheControl,
});
const video = z.looseObject({ url: videoUrl });
const fps = z.number().positive().max(60).nullish();
const duration = z.string().regex(DURATION, 'must be seconds such as "12.5s"').nullish();
/** `fps` as Qwen takes it, `video_metadata` with the names of Gemini. */
const videoShape = {
  video_url: video,
  fps,
  video_metadata: z.looseObject({ fps, start_offset: duration, end_offset: duration }).nullish(),
  cache_control: cacheControl,
};
const videoPart = z.looseObject({ type: z.literal("video_url"), ...videoShape });
/** The older spelling of `video_url`. */
const inputVideoPart = z.looseObject({ type: z.literal("input_video"), ...videoShape });
/** A video as pictures, in order: Qwen's own form. */
const framesPart = z.looseObject({
  type: z.literal("video"),
  video: z.array(imageUrl).min(1).max(FRAMES_MAX),
  fps,
  cache_control: cacheControl,
});
const filePart = z.looseObject({
  type: z.literal("file"),
  file: z
    .looseObject({
      filename: z.string().max(1_024).nullish(),
      file_data: fileData.nullish(),
      file_id: z.string().max(512).nullish(),
    })
    .refine((file) => typeof file.file_data === "string" || typeof file.file_id === "string", {
      error: "needs file_data (a URL or data URL) or file_id",
    }),
  cache_control: cacheControl,
});
export const part = z.discriminatedUnion("type", [
  textPart,
  imagePart,
  audioPart,
  videoPart,
  inputVideoPart,
  framesPart,
  filePart,
]);
export type WirePart = z.infer<typeof part>;

const textContent = z.union([z.string(), z.array(textPart).max(PARTS_MAX)]);
const anyContent = z.union([z.string(), z.array(part).max(PARTS_MAX)]);

const toolCall = z.looseObject({
  id: callId,
  type: z.literal("function").nullish(),
  function: z.looseObject({ name: z.string().min(1).max(256), arguments: z.string().nullish() }),
});

/** Entries of a type we do not know are kept out of the conversation and reported. */
const reasoningDetail = z.looseObject({
  type: z.string().max(64),
  text: z.string().nullish(),
  signature: z.string().nullish(),
  summary: z.string().nullish(),
  data: z.string().nullish(),
  id: z.string().nullish(),
  format: z.string().max(64).nullish(),
  index: z.number().nullish(),
});
export type WireReasoningDetail = z.infer<typeof reasoningDetail>;

const assistantMessage = z.looseObject({
  role: z.literal("assistant"),
  content: anyContent.nullish(),
  name,
  refusal: z.string().nullish(),
  reasoning: z.string().nullish(),
  reasoning_content: z.string().nullish(),
  reasoning_details: z.array(reasoningDetail).max(PARTS_MAX).nullish(),
  tool_calls: z.array(toolCall).max(PARTS_MAX).nullish(),
  images: z
    .array(z.looseObject({ image_url: z.looseObject({ url: imageUrl }) }))
    .max(PARTS_MAX)
    .nullish(),
  cache_control: cacheControl,
});
export type WireAssistantMessage = z.infer<typeof assistantMessage>;

const message = z.discriminatedUnion("role", [
  z.looseObject({ role: z.literal("system"), content: textContent, name, cache_control: cacheControl }),
  z.looseObject({ role: z.literal("developer"), content: textContent, name, cache_control: cacheControl }),
  z.looseObject({ role: z.literal("user"), content: anyContent, name, cache_control: cacheControl }),
  assistantMessage,
  z.looseObject({
    role: z.literal("tool"),
    content: anyContent,
    tool_call_id: callId,
    cache_control: cacheControl,
  }),
]);
export type WireMessage = z.infer<typeof message>;

const tool = z.looseObject({
  type: z.string().check((context) => {
    if (context.value === "function") return;
    const message = 'must be "function"; server tools and custom tools are not available here';
    context.issues.push({ code: "custom", input: undefined, message });
  }),
  function: z.looseObject({
    name: z.string().min(1).max(64),
    description: z.string().nullish(),
    parameters: jsonObject.nullish(),
    strict: z.boolean().nullish(),
  }),
  cache_control: cacheControl,
});
export type WireTool = z.infer<typeof tool>;

const toolChoice = z.union([
  z.enum(["none", "auto", "required"]),
  z.looseObject({ type: z.literal("function"), function: z.looseObject({ name: z.string().min(1).max(64) }) }),
]);

const responseFormat = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("text") }),
  z.looseObject({ type: z.literal("json_object") }),
  z.looseObject({
    type: z.literal("json_schema"),
    json_schema: z.looseObject({
      name: z.string().min(1).max(64),
      schema: jsonObject.nullish(),
      strict: z.boolean().nullish(),
      description: z.string().nullish(),
    }),
  }),
]);

const reasoning = z.looseObject({
  effort,
  max_tokens: z.int().min(1).max(10_000_000).nullish(),
  exclude: z.boolean().nullish(),
  enabled: z.boolean().nullish(),
  summary: z.enum(["auto", "concise", "detailed"]).nullish(),
});

/** Fields of `Sampling`; the parser copies exactly these. */
export const samplingShape = {
  temperature: between(0, 2),
  top_p: between(0, 1),
  top_k: wholeBetween(0, 1_000_000),
  min_p: between(0, 1),
  top_a: between(0, 1),
  frequency_penalty: between(-2, 2),
  presence_penalty: between(-2, 2),
  repetition_penalty: between(0, 2),
  seed: z.int().nullish(),
  logit_bias: z
    .record(z.string().max(64), z.number().min(-100).max(100))
    .refine((bias) => Object.keys(bias).length <= 2_048, { error: "must have at most 2048 entries" })
    .nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: wholeBetween(0, 20),
  verbosity: z.enum(["low", "medium", "high", "xhigh", "max"]).nullish(),
  n: wholeBetween(1, 128),
};

export const ChatBody = z.looseObject({
  ...samplingShape,
  messages: z.array(message).min(1).max(MESSAGES_MAX),
  model: modelName.nullish(),
  models: z.array(modelName).max(MODELS_MAX).nullish(),
  provider: jsonObject.nullish(),
  preset: presetName,
  stream: z.boolean().nullish(),
  max_tokens: tokens,
  max_completion_tokens: tokens,
  stop: z.union([z.string().max(1_024), z.array(z.string().max(1_024)).max(4)]).nullish(),
  tools: z.array(tool).max(TOOLS_MAX).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: responseFormat.nullish(),
  reasoning: reasoning.nullish(),
  reasoning_effort: effort,
  include_reasoning: z.boolean().nullish(),
  modalities: z
    .array(z.enum(["text", "image", "audio"]))
    .max(3)
    .nullish(),
  user: z.string().max(256).nullish(),
  metadata: metadata.nullish(),
  session_id: z.string().max(256).nullish(),
  prompt_cache_key: z.string().max(1_024).nullish(),
  cache_control: cacheControl,
  usage: jsonObject.nullish(),
  stream_options: jsonObject.nullish(),
  transforms: z.array(z.string().max(64)).max(16).nullish(),
  route: z.string().max(64).nullish(),
  plugins,
});
export type ChatBody = z.infer<typeof ChatBody>;

/** Fields that mean something to us alone: never passed on, and reported when set. */
export const UNAVAILABLE_FIELDS = [
  "prompt",
  "cache_enabled",
  "cache_ttl_seconds",
  "trace",
  "debug",
  "max_tool_calls",
  "stop_server_tools_when",
] as const;

/** Every top-level field that is not `extra`. */
export const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  ...Object.keys(ChatBody.shape),
  ...UNAVAILABLE_FIELDS,
  "__proto__",
]);
