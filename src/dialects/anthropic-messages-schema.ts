/**
 * The body of `POST /messages` as a client may send it: shapes and limits. `null` means "not set" everywhere; unknown
 * fields are allowed and kept by the parser, which also words the faults.
 * Fields and block types: https://platform.claude.com/docs/en/api/messages (accessed 2026-11-21) and MessagesRequest of
 * OpenRouter's OpenAPI file 1.0.0; counts that no document limits are limited by us. Blocks of tools that a provider runs
 * itself are known, so that they can be named when left out.
 */
import * as z from "zod";
import { plugins } from "./plugins.ts";
import {
  between,
  cacheControl,
  callId,
  fileData,
  imageUrl,
  jsonObject,
  modelName,
  MODELS_MAX,
  presetName,
  tokens,
  wholeBetween,
} from "./schema.ts";

const MESSAGES_MAX = 10_000;
/** Blocks of one message. */
const BLOCKS_MAX = 4_096;
const TOOLS_MAX = 1_024;
const STOPS_MAX = 256;

const citations = z.looseObject({ enabled: z.boolean().nullish() }).nullish();
const base64 = z.string().min(1);

const textBlock = z.looseObject({ type: z.literal("text"), text: z.string(), cache_control: cacheControl });

const imageMedia = z.string().check((context) => {
  if (/^image\/[a-z0-9.+-]+$/i.test(context.value)) return;
  const message = "must be a media type of images, such as image/png";
  context.issues.push({ code: "custom", input: undefined, message, params: { errorType: "unsupported_image_format" } });
});
const imageBlock = z.looseObject({
  type: z.literal("image"),
  source: z.discriminatedUnion("type", [
    z.looseObject({ type: z.literal("base64"), media_type: imageMedia, data: base64 }),
    z.looseObject({ type: z.literal("url"), url: imageUrl }),
  ]),
  cache_control: cacheControl,
});
export type WireImage = z.infer<typeof imageBlock>;

const documentBlock = z.looseObject({
  type: z.literal("document"),
  source: z.discriminatedUnion("type", [
    z.looseObject({
      type: z.literal("base64"),
      media_type: z.string().regex(/^[a-z0-9.+-]+\/[a-z0-9.+-]+$/i),
      data: base64,
    }),
    z.looseObject({ type: z.literal("text"), media_type: z.string().nullish(), data: z.string() }),
    z.looseObject({ type: z.literal("url"), url: fileData }),
    z.looseObject({ type: z.literal("file"), file_id: z.string().min(1).max(512) }),
    z.looseObject({
      type: z.literal("content"),
      content: z.union([z.string(), z.array(z.discriminatedUnion("type", [textBlock, imageBlock])).max(BLOCKS_MAX)]),
    }),
  ]),
  title: z.string().max(1_024).nullish(),
  context: z.string().nullish(),
  citations,
  cache_control: cacheControl,
});
export type WireDocument = z.infer<typeof documentBlock>;

const searchResultBlock = z.looseObject({
  type: z.literal("search_result"),
  source: z.string(),
  title: z.string(),
  content: z.array(textBlock).max(BLOCKS_MAX),
  citations,
  cache_control: cacheControl,
});

const toolUseBlock = z.looseObject({
  type: z.literal("tool_use"),
  id: callId,
  name: z.string().min(1).max(256),
  input: z.unknown(),
  cache_control: cacheControl,
});
const toolResultBlock = z.looseObject({
  type: z.literal("tool_result"),
  tool_use_id: callId,
  content: z
    .union([
      z.string(),
      z.array(z.discriminatedUnion("type", [textBlock, imageBlock, documentBlock, searchResultBlock])).max(BLOCKS_MAX),
    ])
    .nullish(),
  is_error: z.boolean().nullish(),
  cache_control: cacheControl,
});
export type WireToolResult = z.infer<typeof toolResultBlock>;

const thinkingBlock = z.looseObject({
  type: z.literal("thinking"),
  thinking: z.string(),
  signature: z.string().nullish(),
});
const redactedBlock = z.looseObject({ type: z.literal("redacted_thinking"), data: z.string() });

/** Blocks of tools and features that run at a provider: they cannot be carried to another one. */
const serverBlock = z.looseObject({
  type: z.enum([
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "compaction",
    "container_upload",
  ]),
});

export type WireServerBlock = z.infer<typeof serverBlock>;

const userBlock = z.discriminatedUnion("type", [
  textBlock,
  imageBlock,
  documentBlock,
  searchResultBlock,
  toolResultBlock,
  serverBlock,
]);
export type WireUserBlock = z.infer<typeof userBlock>;
const assistantBlock = z.discriminatedUnion("type", [
  textBlock,
  imageBlock,
  thinkingBlock,
  redactedBlock,
  toolUseBlock,
  serverBlock,
]);
export type WireAssistantBlock = z.infer<typeof assistantBlock>;

const message = z.discriminatedUnion("role", [
  z.looseObject({ role: z.literal("user"), content: z.union([z.string(), z.array(userBlock).max(BLOCKS_MAX)]) }),
  z.looseObject({
    role: z.literal("assistant"),
    content: z.union([z.string(), z.array(assistantBlock).max(BLOCKS_MAX)]),
  }),
  z.looseObject({ role: z.literal("system"), content: z.union([z.string(), z.array(textBlock).max(BLOCKS_MAX)]) }),
]);
export type WireMessage = z.infer<typeof message>;

const tool = z.looseObject({
  type: z
    .string()
    .check((context) => {
      if (context.value === "custom") return;
      const say = 'must be "custom" or left out; tools that a provider runs itself are not available here';
      context.issues.push({ code: "custom", input: undefined, message: say });
    })
    .nullish(),
  name: z.string().min(1).max(128),
  description: z.string().nullish(),
  input_schema: jsonObject,
  strict: z.boolean().nullish(),
  cache_control: cacheControl,
});
export type WireTool = z.infer<typeof tool>;

const single = z.boolean().nullish();
const toolChoice = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("auto"), disable_parallel_tool_use: single }),
  z.looseObject({ type: z.literal("any"), disable_parallel_tool_use: single }),
  z.looseObject({ type: z.literal("none") }),
  z.looseObject({ type: z.literal("tool"), name: z.string().min(1).max(128), disable_parallel_tool_use: single }),
]);

const display = z.enum(["summarized", "omitted"]).nullish();
const thinking = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("enabled"), budget_tokens: z.int().min(1).max(10_000_000), display }),
  z.looseObject({ type: z.literal("adaptive"), display }),
  z.looseObject({ type: z.literal("disabled") }),
]);

const schemaFormat = z.looseObject({ type: z.literal("json_schema"), schema: jsonObject });

/** Fields of `Sampling` that are said in the same way; the parser copies exactly these. */
export const samplingShape = {
  temperature: between(0, 2),
  top_p: between(0, 1),
  top_k: wholeBetween(0, 1_000_000),
};

export const MessagesBody = z.looseObject({
  ...samplingShape,
  model: modelName.nullish(),
  models: z.array(modelName).max(MODELS_MAX).nullish(),
  fallbacks: z
    .array(z.looseObject({ model: modelName }))
    .max(3)
    .nullish(),
  messages: z.array(message).min(1).max(MESSAGES_MAX),
  system: z.union([z.string(), z.array(textBlock).max(BLOCKS_MAX)]).nullish(),
  max_tokens: tokens,
  stream: z.boolean().nullish(),
  stop_sequences: z.array(z.string().max(1_024)).max(STOPS_MAX).nullish(),
  tools: z.array(tool).max(TOOLS_MAX).nullish(),
  tool_choice: toolChoice.nullish(),
  thinking: thinking.nullish(),
  output_config: z
    .looseObject({
      effort: z.enum(["low", "medium", "high", "xhigh", "max"]).nullish(),
      format: schemaFormat.nullish(),
    })
    .nullish(),
  /** The name of `output_config.format` while it was on trial. */
  output_format: schemaFormat.nullish(),
  cache_control: cacheControl,
  metadata: z.looseObject({ user_id: z.string().max(256).nullish() }).nullish(),
  user: z.string().max(256).nullish(),
  session_id: z.string().max(256).nullish(),
  provider: jsonObject.nullish(),
  preset: presetName,
  service_tier: z.string().max(32).nullish(),
  plugins,
});
export type MessagesBody = z.infer<typeof MessagesBody>;

/** What counting asks: the same body, of which nothing is generated. */
export const CountBody = MessagesBody.omit({ stream: true });

/** Fields whose work cannot be left out without changing the answer: refused when set. */
export const REFUSED_FIELDS = ["mcp_servers", "container"] as const;

/** Fields that mean something to one provider or to us alone: never passed on, and reported when set. */
export const UNAVAILABLE_FIELDS = [
  "context_management",
  "speed",
  "inference_geo",
  "trace",
  "route",
  "stop_server_tools_when",
] as const;

/** Every top-level field that is not `extra`. */
export const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  ...Object.keys(MessagesBody.shape),
  ...REFUSED_FIELDS,
  ...UNAVAILABLE_FIELDS,
  "betas",
  "__proto__",
]);
