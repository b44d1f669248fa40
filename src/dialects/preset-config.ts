/**
 * A preset's content: made of a body that could have been sent, read back as a request without a conversation.
 * It is kept in the words of chat completions, whichever format it came in, so that one preset serves all of them; what it
 * can hold is what `parseOpenAiChat` reads, which also says what is wrong with it. The system prompt stands beside it.
 */
import type { ChatRequest, FunctionTool, ResponseFormat, ToolChoice } from "../core/chat.ts";
import type { RouterError } from "../core/error.ts";
import { isObject, stringOf, type Json, type JsonObject } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import { given, openBody, refuse } from "./body.ts";
import type { Dialect, ParsedBody } from "./dialect.ts";
import { hasPreset } from "./named.ts";
import { parseOpenAiChat } from "./openai-chat-parse.ts";
import { samplingShape } from "./openai-chat-schema.ts";

export interface PresetContent {
  /** Fields of chat completions, without messages. */
  readonly config: JsonObject;
  readonly systemPrompt: string | null;
}

/** What a preset keeps of a body as it is: said in the same way in every format. */
const VERBATIM: readonly string[] = [
  ..."model models provider plugins cache_enabled cache_ttl_seconds".split(" "),
  ...Object.keys(samplingShape),
];
/** What a preset keeps of a body beside that, by the name of the dialect. Nothing else of a body is looked at. */
const OWN_FIELDS: Readonly<Record<string, string>> = {
  "openai-chat":
    "max_tokens max_completion_tokens stop parallel_tool_calls response_format modalities reasoning reasoning_effort " +
    "include_reasoning",
  "openai-responses": "max_output_tokens parallel_tool_calls text modalities reasoning include instructions",
  "anthropic-messages": "fallbacks max_tokens stop_sequences thinking output_config output_format system",
};
/** Where the conversation stands, of which only the instructions at its beginning are kept. */
const CONVERSATIONS: Readonly<Record<string, string>> = {
  "openai-chat": "messages",
  "openai-responses": "input",
  "anthropic-messages": "messages",
};

/** Stands for the preset that is being made, where a dialect wants a model named; a slug that no body names by accident. */
const ITSELF = "new";
/** Stands for the conversation. */
const SOMEBODY = { role: "user", content: "..." };

/**
 * A preset's content from an inference body of `dialect`. The conversation, `stream` and whatever a preset has no room for
 * are passed over.
 * @returns `bad_request` with the path of the first fault.
 */
export function presetContentOf(dialect: Dialect, body: unknown): Result<PresetContent, RouterError> {
  const opened = openBody(body);
  if (!opened.ok) return opened;
  const fields = [...VERBATIM, "tools", "tool_choice", ...(OWN_FIELDS[dialect.name] ?? "").split(" ")];
  const picked = Object.fromEntries(
    fields.flatMap((field) => {
      const value = opened.value[field];
      return value === undefined || value === null ? [] : [[field, value]];
    }),
  );
  const nested = nestedPreset(opened.value);
  if (nested !== undefined) return refuse(`${nested}: a preset can't be made of another preset`, nested);
  const conversation = CONVERSATIONS[dialect.name] ?? "messages";
  const messages = [...instructionsIn(opened.value[conversation]), SOMEBODY];
  const parsed = dialect.parse({ ...picked, [conversation]: messages, preset: ITSELF }, { header: () => null });
  if (!parsed.ok) return parsed;
  const systemPrompt = systemPromptOf(parsed.value.request);
  const config = { ...verbatim(picked), ...configOf(parsed.value.request) };
  // What one format may say and the other may not (more stop sequences, longer names) is refused now, not at each use.
  const readable = presetBodyOf({ config, systemPrompt });
  return readable.ok ? ok({ config, systemPrompt }) : readable;
}

/** A preset as a request that says nothing but its instructions. */
export function presetBodyOf({ config, systemPrompt }: PresetContent): Result<ParsedBody, RouterError> {
  const messages = [{ role: "system", content: systemPrompt ?? "" }];
  const parsed = parseOpenAiChat({ ...config, messages, preset: ITSELF });
  if (!parsed.ok) return err(parsed.error);
  const { request, preset: _itself, ...rest } = parsed.value;
  return ok({ ...rest, request: systemPrompt === null ? { ...request, messages: [] } : request });
}

/** The field in which a body names a preset. */
function nestedPreset(body: Readonly<Record<string, unknown>>): string | undefined {
  if (body["preset"] !== undefined && body["preset"] !== null) return "preset";
  const names = (field: string): readonly unknown[] => (Array.isArray(body[field]) ? body[field] : [body[field]]);
  return ["model", "models", "fallbacks"].find((field) =>
    names(field).some((one) => hasPreset(stringOf(isObject(one) ? one["model"] : one) ?? "")),
  );
}

/** The instructions at the beginning of a conversation, each as it was sent. */
function instructionsIn(conversation: unknown): readonly unknown[] {
  if (!Array.isArray(conversation)) return [];
  const items: readonly unknown[] = conversation;
  const end = items.findIndex((item) => !isObject(item) || (item["role"] !== "system" && item["role"] !== "developer"));
  return end === -1 ? items : items.slice(0, end);
}

function systemPromptOf({ messages }: ChatRequest): string | null {
  const texts = messages.flatMap((message) =>
    message.role === "system" || message.role === "developer" ? message.parts.map(({ text }) => text) : [],
  );
  const prompt = texts.filter((text) => text !== "").join("\n\n");
  return prompt === "" ? null : prompt;
}

function verbatim(picked: Readonly<Record<string, unknown>>): JsonObject {
  const { fallbacks } = picked;
  const kept = Object.fromEntries(VERBATIM.flatMap((field) => (field in picked ? [[field, picked[field]]] : [])));
  const models = Array.isArray(fallbacks) ? { models: fallbacks.map(({ model }: { model: Json }) => model) } : {};
  return { ...kept, ...models } as JsonObject; // parsed from JSON
}

/** A request in the words of chat completions. Its conversation, and what a preset has no room for, stay out. */
function configOf(request: ChatRequest): JsonObject {
  const { reasoning } = request;
  const config = {
    ...request.sampling,
    ...given("max_tokens", request.maxOutputTokens),
    ...(request.stop.length === 0 ? {} : { stop: request.stop }),
    ...(request.tools.length === 0 ? {} : { tools: request.tools.map(toolOf) }),
    ...given("tool_choice", choiceOf(request.toolChoice)),
    ...given("parallel_tool_calls", request.parallelToolCalls),
    ...given("response_format", formatOf(request.responseFormat)),
    ...given(
      "reasoning",
      reasoning && { ...without(reasoning, "maxTokens"), ...given("max_tokens", reasoning.maxTokens) },
    ),
    ...given("modalities", request.modalities),
  };
  return config as JsonObject; // made of what was parsed from JSON
}

function without<Value extends object, Key extends keyof Value>(value: Value, key: Key): Omit<Value, Key> {
  const { [key]: _left, ...rest } = value;
  return rest;
}

function toolOf({ cacheControl, ...definition }: FunctionTool): object {
  return { type: "function", function: definition, ...given("cache_control", cacheControl) };
}

function choiceOf(choice: ToolChoice | undefined): Json | undefined {
  if (choice === undefined) return undefined;
  return choice.kind === "function" ? { type: "function", function: { name: choice.name } } : choice.kind;
}

function formatOf(format: ResponseFormat | undefined): object | undefined {
  if (format === undefined) return undefined;
  if (format.kind !== "json_schema") return { type: format.kind };
  const { kind, ...schema } = format;
  return { type: kind, [kind]: schema };
}
