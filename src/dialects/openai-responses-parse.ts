/**
 * A body of `POST /responses` to a chat request. Stateless, as OpenRouter's: what needs an answer kept here is refused with
 * what to do instead. Nothing is defaulted or clamped; what is accepted but not honoured is reported in `warnings`; fields
 * we do not know go on in `extra`. Limits: those of `body.ts` and `openai-responses-schema.ts`.
 */
import type {
  ChatRequest,
  FunctionTool,
  Message,
  ReasoningRequest,
  ResponseFormat,
  Sampling,
  ToolChoice,
} from "../core/chat.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import {
  cacheControlOf,
  createWarnings,
  extraOf,
  given,
  isOrdinaryTier,
  openBody,
  refuse,
  type BadRequest,
  type Warn,
} from "./body.ts";
import type { ParsedBody } from "./dialect.ts";
import { faultOf } from "./fault.ts";
import { namesOf } from "./named.ts";
import { messagesOf } from "./openai-responses-input.ts";
import {
  KNOWN_FIELDS,
  ResponsesBody,
  samplingShape,
  STATEFUL_FIELDS,
  UNAVAILABLE_FIELDS,
  type WireTool,
} from "./openai-responses-schema.ts";
import { autoWishesOf, warnOfPlugins } from "./plugins.ts";

const SAMPLING_FIELDS = Object.keys(samplingShape) as (keyof typeof samplingShape)[]; // keys of our own constant
const LOGPROBS_INCLUDE = "message.output_text.logprobs";

/** @returns `bad_request` with the path of the first fault. */
export function parseOpenAiResponses(body: unknown): Result<ParsedBody, BadRequest> {
  const opened = openBody(body);
  if (!opened.ok) return opened;
  const stateful = statefulFault(opened.value);
  if (stateful !== undefined) return stateful;
  const { input } = opened.value;
  if (input === undefined || input === null) return refuse('Input required: specify "input"', "input");
  const checked = ResponsesBody.safeParse(body);
  if (!checked.success) return err(faultOf(checked.error.issues, body));
  const wire = checked.data;
  const named = namesOf(wire);
  if (!named.ok) return named;
  const { warnings, warn } = createWarnings();
  const reasoning = reasoningOf(wire);
  if (!reasoning.ok) return reasoning;
  const tools = toolsOf(wire);
  if (!tools.ok) return tools;
  const messages = conversationOf(wire, warn);
  if (messages.length === 0) return refuse("input holds nothing that can be sent", "input");
  const request: ChatRequest = {
    messages,
    stream: wire.stream === true,
    sampling: samplingOf(wire),
    stop: [],
    tools: tools.value,
    ...given("maxOutputTokens", wire.max_output_tokens),
    ...given("toolChoice", toolChoiceOf(wire)),
    ...given("parallelToolCalls", wire.parallel_tool_calls),
    ...given("responseFormat", responseFormatOf(wire)),
    ...given("reasoning", reasoning.value),
    ...given("modalities", wire.modalities),
    ...given("cacheControl", cacheControlOf(wire.cache_control)),
    ...given("promptCacheKey", wire.prompt_cache_key),
    ...given("user", wire.user ?? wire.safety_identifier),
    ...given("metadata", wire.metadata),
    extra: extraOf(opened.value, KNOWN_FIELDS),
  };
  warnOfUnavailable(wire, warn);
  return ok({
    request,
    ...named.value,
    provider: (wire.provider ?? null) as JsonObject | null, // parsed from JSON
    sessionId: wire.session_id ?? null,
    ...given("auto", autoWishesOf(wire.plugins)),
    warnings: warnings(),
    echo: echoOf(wire),
  });
}

/** Nothing is kept here: what refers to something kept is refused, never taken for a conversation without it. */
function statefulFault(body: Readonly<Record<string, unknown>>): ReturnType<typeof refuse> | undefined {
  for (const [field, remedy] of Object.entries(STATEFUL_FIELDS)) {
    const value = body[field];
    if (value !== undefined && value !== null) {
      return refuse(`${field} is not available: responses are not stored here; ${remedy}`, field);
    }
  }
  if (body["store"] === true) return refuse("store must be false: responses are not stored here", "store");
  if (body["background"] === true)
    return refuse("background must be false: responses are not stored here", "background");
  const items: readonly unknown[] = Array.isArray(body["input"]) ? body["input"] : [];
  const at = items.findIndex((item) => (item as { type?: unknown } | null)?.type === "item_reference");
  if (at === -1) return undefined;
  return refuse(`input[${at}] refers to an item, but items are not stored here: send the item itself`, `input[${at}]`);
}

function conversationOf(wire: ResponsesBody, warn: Warn): Message[] {
  const { instructions, input } = wire;
  const messages: Message[] =
    typeof input === "string" ? [{ role: "user", parts: [{ type: "text", text: input }] }] : messagesOf(input, warn);
  if (typeof instructions !== "string" || instructions === "") return messages;
  return [{ role: "system", parts: [{ type: "text", text: instructions }] }, ...messages];
}

function samplingOf(wire: ResponsesBody): Sampling {
  const sampling: Record<string, unknown> = {};
  for (const field of SAMPLING_FIELDS) {
    const value = wire[field];
    if (value !== null && value !== undefined) sampling[field] = value;
  }
  const verbosity = wire.text?.verbosity ?? undefined;
  if (verbosity !== undefined) sampling["verbosity"] = verbosity;
  const wantsLogprobs = wire.include?.includes(LOGPROBS_INCLUDE) === true || (wire.top_logprobs ?? 0) > 0;
  if (wantsLogprobs) sampling["logprobs"] = true;
  return sampling as Sampling; // the schema of each field is the type of each field
}

/** `allowed_tools` narrows the choice, which other formats can only say by naming no others. */
function toolsOf(wire: ResponsesBody): Result<FunctionTool[], BadRequest> {
  const tools = (wire.tools ?? []).map(toolOf);
  const choice = wire.tool_choice;
  if (typeof choice !== "object" || choice === null || choice.type !== "allowed_tools") return ok(tools);
  const names = new Set(tools.map((tool) => tool.name));
  const at = choice.tools.findIndex(({ name }) => !names.has(name));
  if (at !== -1) return refuse(`tool_choice.tools[${at}].name names no tool of tools`, `tool_choice.tools[${at}].name`);
  const allowed = new Set(choice.tools.map(({ name }) => name));
  return ok(tools.filter(({ name }) => allowed.has(name)));
}

function toolOf(wire: WireTool): FunctionTool {
  return {
    name: wire.name,
    ...given("description", wire.description),
    ...given("parameters", wire.parameters as JsonObject | null | undefined), // parsed from JSON
    ...given("strict", wire.strict),
    ...given("cacheControl", cacheControlOf(wire.cache_control)),
  };
}

function toolChoiceOf(wire: ResponsesBody): ToolChoice | undefined {
  const choice = wire.tool_choice;
  if (choice === null || choice === undefined) return undefined;
  if (typeof choice === "string") return { kind: choice };
  return choice.type === "function" ? { kind: "function", name: choice.name } : { kind: choice.mode };
}

function responseFormatOf(wire: ResponsesBody): ResponseFormat | undefined {
  const format = wire.text?.format;
  if (format === null || format === undefined) return undefined;
  if (format.type !== "json_schema") return { kind: format.type };
  return {
    kind: "json_schema",
    name: format.name,
    schema: format.schema as JsonObject, // parsed from JSON
    ...given("strict", format.strict),
    ...given("description", format.description),
  };
}

function reasoningOf(wire: ResponsesBody): Result<ReasoningRequest | undefined, BadRequest> {
  const { reasoning } = wire;
  if (reasoning === null || reasoning === undefined) return ok(undefined);
  const effort = reasoning.effort ?? undefined;
  const maxTokens = reasoning.max_tokens ?? undefined;
  if (effort !== undefined && maxTokens !== undefined) {
    return refuse("reasoning.effort and reasoning.max_tokens exclude each other: set one of them", "reasoning.effort");
  }
  return ok({
    ...given("effort", effort),
    ...given("maxTokens", maxTokens),
    ...given("enabled", reasoning.enabled),
    ...given("summary", reasoning.summary ?? reasoning.generate_summary),
  });
}

function warnOfUnavailable(wire: ResponsesBody, warn: Warn): void {
  warnOfPlugins(wire.plugins, warn);
  if (wire.truncation === "auto") warn('truncation "auto" is not available: the whole input was sent');
  if (wire.max_tool_calls !== null && wire.max_tool_calls !== undefined) {
    warn("max_tool_calls counts calls of server tools, of which there are none here");
  }
  if (wire.service_tier !== null && wire.service_tier !== undefined && !isOrdinaryTier(wire.service_tier)) {
    warn("service_tier is not available: the default tier was used");
  }
  for (const field of UNAVAILABLE_FIELDS) {
    if (wire[field] !== undefined && wire[field] !== null) warn(`${field} is not available and was left out`);
  }
}

/** Parameters that a response repeats, with what counts where the client said nothing. */
function echoOf(wire: ResponsesBody): JsonObject {
  const echo = {
    instructions: wire.instructions ?? null,
    max_output_tokens: wire.max_output_tokens ?? null,
    max_tool_calls: wire.max_tool_calls ?? null,
    metadata: wire.metadata ?? null,
    parallel_tool_calls: wire.parallel_tool_calls ?? true,
    previous_response_id: null,
    prompt_cache_key: wire.prompt_cache_key ?? null,
    reasoning: { effort: wire.reasoning?.effort ?? null, summary: wire.reasoning?.summary ?? null },
    safety_identifier: wire.safety_identifier ?? null,
    store: false,
    background: false,
    temperature: wire.temperature ?? null,
    text: {
      format: wire.text?.format ?? { type: "text" },
      ...(wire.text?.verbosity === undefined ? {} : { verbosity: wire.text.verbosity }),
    },
    tool_choice: wire.tool_choice ?? "auto",
    tools: wire.tools ?? [],
    top_logprobs: wire.top_logprobs ?? 0,
    top_p: wire.top_p ?? null,
    presence_penalty: wire.presence_penalty ?? null,
    frequency_penalty: wire.frequency_penalty ?? null,
    truncation: "disabled",
    user: wire.user ?? null,
  };
  return echo as { readonly [key: string]: Json }; // parsed from JSON
}
