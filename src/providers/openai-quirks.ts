/**
 * What providers of the OpenAI-compatible family do differently, as data: the catalog's `quirks` of a provider is
 * parsed here, once per catalog value. An absent key means: as OpenAI's own API does it. An unknown key is a fault,
 * so that a typing error in the catalog is found when it is published.
 */
import * as z from "zod";
import type { JsonObject } from "../core/json.ts";
import { quirkReader } from "./quirks.ts";

/** Names of reasoning efforts, weakest first. */
export const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const;

const name = z.string().min(1).max(64);
const headerName = z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,64}$/, "must be the name of a header");
const headerValue = z.string().regex(/^[\x20-\x7e]{0,200}$/, "must be at most 200 printable ASCII characters");

export const OpenAiQuirksSchema = z.strictObject({
  // Where and how to call.
  /** Path after the base URL. `{model}` stands for the upstream model, for deployments that are named in the path. */
  chat_path: z.string().regex(/^\//, "must begin with a slash").max(200).default("/chat/completions"),
  /** Paths of single upstream models, for example a deployment with an API version of its own. */
  model_paths: z
    .record(z.string().min(1).max(200), z.string().regex(/^\//, "must begin with a slash").max(200))
    .default({}),
  /** The credential is `part:...:secret`; each part named here stands in the base URL as `{part}`. */
  credential_parts: z
    .array(z.string().regex(/^[a-z_]{1,20}$/, "must be lower case letters"))
    .max(3)
    .default([]),
  /** Header that carries the credential: `Authorization: Bearer`, `x-api-key` or `api-key`; `none` for open servers. */
  auth: z.enum(["bearer", "x-api-key", "api-key", "none"]).default("bearer"),
  /** Fixed headers, for example an API version. Never a secret: the catalog is public. */
  extra_headers: z.record(headerName, headerValue).default({}),
  /** Fixed fields of the body, for example `{"service_tier": "auto"}`; the client's own fields win. */
  extra_body: z.record(name, z.json()).default({}),

  // Parameters.
  /** Field for the limit of the completion. */
  max_tokens_field: z.enum(["max_tokens", "max_completion_tokens"]).default("max_tokens"),
  /** Parameters and unknown fields (by our name) that this provider refuses: left out, with a warning. */
  unsupported: z.array(name).max(100).default([]),
  /** Our name to the provider's, for example `{"seed": "random_seed"}`. */
  rename: z.record(name, name).default({}),
  /** False where unknown fields are refused (422): they are left out, with a warning. */
  pass_extra: z.boolean().default(true),
  /** Field for the hash of the end user. */
  user_field: z.enum(["user", "safety_identifier", "user_id", "none"]).default("user"),
  /** The provider routes by `prompt_cache_key`. */
  prompt_cache_key: z.boolean().default(false),
  /** The provider reads `cache_control` on content parts and tools; elsewhere it is left out, with a warning. */
  cache_control: z.boolean().default(false),
  /** The provider takes `strict` in function tools; elsewhere it is left out, with a warning when it was true. */
  strict_tools: z.boolean().default(true),
  /** Word for "some tool must be called". */
  required_tool_choice: z.enum(["required", "any"]).default("required"),
  /** `schema`: structured output is asked for as `{type: "json_object", schema}`. */
  json_schema_style: z.enum(["openai", "schema"]).default("openai"),

  // Messages.
  /** Role sent for system and developer messages; `as_is` keeps each. Most providers know `system` only. */
  system_role: z.enum(["as_is", "system", "developer"]).default("as_is"),
  /** `join`: content of several texts is sent as one string with line breaks, for servers that take no lists. */
  text_content: z.enum(["auto", "join"]).default("auto"),

  // Reasoning.
  /**
   * How reasoning is asked for: `effort` = `reasoning_effort`; `openrouter` = `reasoning: {effort | max_tokens | enabled}`;
   * `enable_thinking` = that boolean in the body; `chat_template` = the same inside `chat_template_kwargs`;
   * `thinking_type` = `thinking: {type: "enabled" | "disabled"}`; `none` = it cannot be controlled.
   */
  reasoning_style: z
    .enum(["effort", "openrouter", "enable_thinking", "chat_template", "thinking_type", "none"])
    .default("effort"),
  /** Efforts that are understood; another one becomes the nearest, with a warning. */
  reasoning_efforts: z.array(z.enum(EFFORTS)).min(1).default(["low", "medium", "high"]),
  /** Body field for a token budget of reasoning, for example `thinking_budget`. */
  reasoning_budget_field: name.optional(),
  /** Fields of a message that hold reasoning text; the first that is not empty counts. */
  reasoning_fields: z.array(name).max(4).default(["reasoning_content", "reasoning"]),
  /** Where earlier reasoning is sent back; `none` leaves it out, with a warning. */
  reasoning_echo: z.enum(["none", "reasoning_content", "reasoning", "reasoning_details"]).default("none"),
  /** Formats of reasoning entries that this provider can read; entries of others are left out, with a warning. */
  reasoning_formats: z.array(name).default(["unknown"]),

  // Media.
  /** `fps` and lists of frames are understood beside `video_url`: Qwen's own form. Elsewhere a list goes as pictures. */
  video_frames: z.boolean().default(false),
  /** `data_url`: audio is sent as a data URL instead of the base64 alone. */
  audio_data: z.enum(["base64", "data_url"]).default("base64"),
  /** Kinds that must stand in the request: the provider fetches no addresses of them. */
  inline_media: z.array(z.enum(["image", "video", "file"])).default(["file"]),
  /** The largest of them, in bytes. */
  inline_bytes_max: z.int().positive().default(20_000_000),

  // Answers.
  /** `include_usage`: usage must be asked for; `always`: it comes unasked; `never`: it never comes in a stream. */
  stream_usage: z.enum(["include_usage", "always", "never"]).default("include_usage"),
  /** Second place of usage in a chunk, dotted, for example `x_groq.usage`. */
  usage_at: z.string().max(100).optional(),
  /** False where `prompt_tokens` leaves out what was read from and written to the cache. */
  prompt_includes_cache: z.boolean().default(true),
  /** False where `completion_tokens` leaves out reasoning. */
  completion_includes_reasoning: z.boolean().default(true),
  /** Field of usage that counts searches billed one by one, instead of `num_search_queries`. */
  searches_field: name.optional(),
  /** Answers carry `search_results` or `citations` beside `choices`: they become annotations. */
  citations: z.boolean().default(false),
});

export type OpenAiQuirks = z.infer<typeof OpenAiQuirksSchema>;

/** `parse`: the quirks of a provider, or what is wrong with them first; `faults`: all that is. */
export const { parse: parseOpenAiQuirks, faults: openAiQuirkFaults } = quirkReader(OpenAiQuirksSchema);

const DEFAULT_QUIRKS: OpenAiQuirks = OpenAiQuirksSchema.parse({});

/** The quirks of a provider for reading its answers; faulty ones were refused when the request was encoded. */
export function readingQuirks(quirks: JsonObject): OpenAiQuirks {
  const result = parseOpenAiQuirks(quirks);
  return result.ok ? result.value : DEFAULT_QUIRKS;
}
