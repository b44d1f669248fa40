/**
 * The body of `POST /responses` as a client may send it: shapes and limits. `null` means "not set" everywhere; unknown
 * fields are allowed and kept by the parser, which also words the faults.
 * Fields and item types: ResponsesRequest of OpenRouter's OpenAPI file 1.0.0 and
 * https://platform.openai.com/docs/api-reference/responses/create (accessed 2026-11-21); counts that no document limits
 * are limited by us. Items of tools that a provider would run itself are known, so that they can be named when left out.
 */
import * as z from "zod";
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

const ITEMS_MAX = 10_000;
/** Parts of one item. */
const PARTS_MAX = 4_096;
const TOOLS_MAX = 1_024;

const id = z.string().max(512).nullish();
const status = z.string().max(32).nullish();

/** Both names of a breakpoint: OpenAI's own, and the one that other formats know. */
const breakpoint = {
  prompt_cache_breakpoint: z.looseObject({ mode: z.literal("explicit") }).nullish(),
  cache_control: cacheControl,
};
const textPart = z.looseObject({
  type: z.enum(["input_text", "output_text"]),
  text: z.string(),
  ...breakpoint,
});
const refusalPart = z.looseObject({ type: z.literal("refusal"), refusal: z.string() });
const imagePart = z.looseObject({
  type: z.literal("input_image"),
  image_url: imageUrl,
  detail: z.enum(["auto", "low", "high", "original"]).nullish(),
  ...breakpoint,
});
const filePart = z
  .looseObject({
    type: z.literal("input_file"),
    filename: z.string().max(1_024).nullish(),
    file_data: fileData.nullish(),
    file_url: fileData.nullish(),
    file_id: z.string().max(512).nullish(),
    ...breakpoint,
  })
  .refine((file) => [file.file_data, file.file_url, file.file_id].some((value) => typeof value === "string"), {
    error: "needs file_data (a data URL), file_url or file_id",
  });
const audioPart = z.looseObject({
  type: z.literal("input_audio"),
  input_audio: z.looseObject({ data: audioData, format: z.string().min(1).max(32) }),
  ...breakpoint,
});
const videoPart = z.looseObject({ type: z.literal("input_video"), video_url: videoUrl, ...breakpoint });

const userPart = z.discriminatedUnion("type", [textPart, imagePart, filePart, audioPart, videoPart]);
const assistantPart = z.discriminatedUnion("type", [textPart, refusalPart]);
const outputPart = z.discriminatedUnion("type", [textPart, imagePart, filePart]);
export type WirePart = z.infer<typeof userPart> | z.infer<typeof assistantPart>;

const messageType = z.literal("message").optional();
const messageItem = z.discriminatedUnion("role", [
  z.looseObject({
    type: messageType,
    role: z.enum(["system", "developer"]),
    content: z.union([z.string(), z.array(textPart).max(PARTS_MAX)]),
  }),
  z.looseObject({
    type: messageType,
    role: z.literal("user"),
    content: z.union([z.string(), z.array(userPart).max(PARTS_MAX)]),
  }),
  z.looseObject({
    type: messageType,
    id,
    status,
    role: z.literal("assistant"),
    content: z.union([z.string(), z.array(assistantPart).max(PARTS_MAX)]).nullish(),
  }),
]);

const reasoningItem = z.looseObject({
  type: z.literal("reasoning"),
  id,
  status,
  summary: z
    .array(z.looseObject({ type: z.literal("summary_text"), text: z.string() }))
    .max(PARTS_MAX)
    .nullish(),
  content: z
    .array(z.looseObject({ type: z.literal("reasoning_text"), text: z.string() }))
    .max(PARTS_MAX)
    .nullish(),
  encrypted_content: z.string().nullish(),
  signature: z.string().nullish(),
  format: z.string().max(64).nullish(),
});
export type WireReasoning = z.infer<typeof reasoningItem>;

const callItem = z.looseObject({
  type: z.literal("function_call"),
  id,
  status,
  call_id: callId,
  name: z.string().min(1).max(256),
  arguments: z.string(),
});
const callOutputItem = z.looseObject({
  type: z.literal("function_call_output"),
  id,
  status,
  call_id: callId,
  output: z.union([z.string(), z.array(outputPart).max(PARTS_MAX)]),
});
const imageItem = z.looseObject({
  type: z.literal("image_generation_call"),
  id,
  status,
  /** Base64 without a prefix. */
  result: z.string().nullish(),
});

/** Items of tools that run at a provider: they cannot be carried to another one. */
const serverItem = z.looseObject({
  type: z.enum([
    "web_search_call",
    "file_search_call",
    "computer_call",
    "code_interpreter_call",
    "mcp_list_tools",
    "mcp_call",
  ]),
});

const item = z.discriminatedUnion("type", [
  messageItem,
  reasoningItem,
  callItem,
  callOutputItem,
  imageItem,
  serverItem,
]);
export type WireItem = z.infer<typeof item>;

const tool = z.looseObject({
  type: z.string().check((context) => {
    if (context.value === "function") return;
    const message = 'must be "function"; server tools and custom tools are not available here';
    context.issues.push({ code: "custom", input: undefined, message });
  }),
  name: z.string().min(1).max(128),
  description: z.string().nullish(),
  parameters: jsonObject.nullish(),
  strict: z.boolean().nullish(),
  cache_control: cacheControl,
});
export type WireTool = z.infer<typeof tool>;

const namedTool = z.looseObject({ type: z.literal("function"), name: z.string().min(1).max(128) });
const toolChoice = z.union([
  z.enum(["none", "auto", "required"]),
  z.discriminatedUnion("type", [
    namedTool,
    z.looseObject({
      type: z.literal("allowed_tools"),
      mode: z.enum(["auto", "required"]),
      tools: z.array(namedTool).min(1).max(TOOLS_MAX),
    }),
  ]),
]);

const format = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("text") }),
  z.looseObject({ type: z.literal("json_object") }),
  z.looseObject({
    type: z.literal("json_schema"),
    name: z.string().min(1).max(64),
    schema: jsonObject,
    strict: z.boolean().nullish(),
    description: z.string().nullish(),
  }),
]);

const summary = z.enum(["auto", "concise", "detailed"]).nullish();

/** Fields of `Sampling` that are said in the same way; the parser copies exactly these. */
export const samplingShape = {
  temperature: between(0, 2),
  top_p: between(0, 1),
  top_k: wholeBetween(0, 1_000_000),
  frequency_penalty: between(-2, 2),
  presence_penalty: between(-2, 2),
  top_logprobs: wholeBetween(0, 20),
  seed: z.int().nullish(),
};

export const ResponsesBody = z.looseObject({
  ...samplingShape,
  input: z.union([z.string(), z.array(item).min(1).max(ITEMS_MAX)]),
  instructions: z.string().nullish(),
  model: modelName.nullish(),
  models: z.array(modelName).max(MODELS_MAX).nullish(),
  provider: jsonObject.nullish(),
  preset: presetName,
  stream: z.boolean().nullish(),
  stream_options: jsonObject.nullish(),
  max_output_tokens: tokens,
  max_tool_calls: wholeBetween(1, 1_000),
  tools: z.array(tool).max(TOOLS_MAX).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z
    .looseObject({ format: format.nullish(), verbosity: z.enum(["low", "medium", "high", "xhigh", "max"]).nullish() })
    .nullish(),
  reasoning: z
    .looseObject({
      effort,
      summary,
      generate_summary: summary,
      max_tokens: z.int().min(1).max(10_000_000).nullish(),
      enabled: z.boolean().nullish(),
    })
    .nullish(),
  modalities: z
    .array(z.enum(["text", "image"]))
    .max(2)
    .nullish(),
  include: z.array(z.string().max(64)).max(16).nullish(),
  truncation: z.enum(["auto", "disabled"]).nullish(),
  prompt_cache_key: z.string().max(1_024).nullish(),
  safety_identifier: z.string().max(256).nullish(),
  user: z.string().max(256).nullish(),
  session_id: z.string().max(256).nullish(),
  metadata: metadata.nullish(),
  cache_control: cacheControl,
  store: z.boolean().nullish(),
  background: z.boolean().nullish(),
  service_tier: z.string().max(32).nullish(),
  plugins,
});
export type ResponsesBody = z.infer<typeof ResponsesBody>;

/** Fields that need an answer kept here, and what to do instead: nothing is kept. */
export const STATEFUL_FIELDS = {
  previous_response_id: "send the conversation so far in input",
  conversation: "send the conversation so far in input",
  prompt: "send its text in instructions",
} as const;

/** Fields that mean something to us alone: never passed on, and reported when set. */
export const UNAVAILABLE_FIELDS = ["trace", "debug", "stop_server_tools_when", "transforms", "route"] as const;

/** Every top-level field that is not `extra`. */
export const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  ...Object.keys(ResponsesBody.shape),
  ...Object.keys(STATEFUL_FIELDS),
  ...UNAVAILABLE_FIELDS,
  "prompt_cache_options",
  "__proto__",
]);
