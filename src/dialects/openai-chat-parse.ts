/**
 * A client's body to a chat request: checked once by the schema, then put in our own words.
 * Nothing is defaulted or clamped; what is accepted but not honoured is reported in `warnings`; fields we do not know
 * go on in `extra`, in the client's order. Limits: those of `body.ts`; the counts and lengths of `openai-chat-schema.ts`;
 * the size of the whole is the caller's business.
 */
import type {
  ChatRequest,
  FunctionTool,
  ReasoningRequest,
  ResponseFormat,
  Sampling,
  ToolChoice,
} from "../core/chat.ts";
import type { JsonObject } from "../core/json.ts";
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
import { messageOf } from "./openai-chat-messages.ts";
import { ChatBody, KNOWN_FIELDS, samplingShape, UNAVAILABLE_FIELDS, type WireTool } from "./openai-chat-schema.ts";
import { autoWishesOf, warnOfPlugins } from "./plugins.ts";

const SAMPLING_FIELDS = Object.keys(samplingShape) as (keyof typeof samplingShape)[]; // keys of our own constant

/** @returns `bad_request` with the path of the first fault. */
export function parseOpenAiChat(body: unknown): Result<ParsedBody, BadRequest> {
  const opened = openBody(body);
  if (!opened.ok) return opened;
  const { messages } = opened.value;
  if (messages === undefined || messages === null) return refuse(missingInput(opened.value), "messages");
  const checked = ChatBody.safeParse(body);
  if (!checked.success) return err(faultOf(checked.error.issues, body));
  const wire = checked.data;

  const named = namesOf(wire);
  if (!named.ok) return named;
  const { warnings, warn } = createWarnings();
  const reasoning = reasoningOf(wire, warn);
  if (!reasoning.ok) return reasoning;
  const request: ChatRequest = {
    messages: wire.messages.map((message, at) => messageOf(message, at, warn)),
    stream: wire.stream === true,
    sampling: samplingOf(wire),
    stop: typeof wire.stop === "string" ? [wire.stop] : (wire.stop ?? []),
    tools: (wire.tools ?? []).map(toolOf),
    ...given("maxOutputTokens", maxTokensOf(wire, warn)),
    ...given("toolChoice", toolChoiceOf(wire)),
    ...given("parallelToolCalls", wire.parallel_tool_calls),
    ...given("responseFormat", responseFormatOf(wire)),
    ...given("reasoning", reasoning.value),
    ...given("modalities", wire.modalities),
    ...given("cacheControl", cacheControlOf(wire.cache_control)),
    ...given("promptCacheKey", wire.prompt_cache_key),
    ...given("user", wire.user),
    ...given("metadata", wire.metadata),
    extra: extraOf(opened.value, KNOWN_FIELDS),
  };
  warnOfUnavailable(wire, warn);
  const provider = (wire.provider ?? null) as JsonObject | null; // parsed from JSON
  return ok({
    request,
    ...named.value,
    provider,
    sessionId: wire.session_id ?? null,
    ...given("auto", autoWishesOf(wire.plugins)),
    warnings: warnings(),
    // The usage comes in any case; this says in whose form.
    ...(wire.stream_options?.["include_usage"] === true ? { echo: { include_usage: true } } : {}),
  });
}

function missingInput(body: Record<string, unknown>): string {
  if (typeof body["prompt"] !== "string") return 'Input required: specify "prompt" or "messages"';
  return '"prompt" is not taken here: send it as messages: [{"role": "user", "content": ...}]';
}

function samplingOf(wire: ChatBody): Sampling {
  const sampling: Record<string, unknown> = {};
  for (const field of SAMPLING_FIELDS) {
    const value = wire[field];
    if (value !== null && value !== undefined) sampling[field] = value;
  }
  return sampling as Sampling; // the schema of each field is the type of each field
}

function maxTokensOf(wire: ChatBody, warn: Warn): number | undefined {
  const older = wire.max_tokens ?? undefined;
  const newer = wire.max_completion_tokens ?? undefined;
  if (older !== undefined && newer !== undefined && older !== newer) {
    warn("max_tokens was ignored because max_completion_tokens is set, too");
  }
  return newer ?? older;
}

function toolOf(wire: WireTool): FunctionTool {
  const { name, description, parameters, strict } = wire.function;
  return {
    name,
    ...given("description", description),
    ...given("parameters", parameters as JsonObject | null | undefined), // parsed from JSON
    ...given("strict", strict),
    ...given("cacheControl", cacheControlOf(wire.cache_control)),
  };
}

function toolChoiceOf(wire: ChatBody): ToolChoice | undefined {
  const choice = wire.tool_choice;
  if (choice === null || choice === undefined) return undefined;
  return typeof choice === "string" ? { kind: choice } : { kind: "function", name: choice.function.name };
}

function responseFormatOf(wire: ChatBody): ResponseFormat | undefined {
  const format = wire.response_format;
  if (format === null || format === undefined) return undefined;
  if (format.type !== "json_schema") return { kind: format.type };
  const { name, schema, strict, description } = format.json_schema;
  return {
    kind: "json_schema",
    name,
    // Without a schema anything is allowed, which is what {} says.
    schema: (schema ?? {}) as JsonObject, // parsed from JSON
    ...given("strict", strict),
    ...given("description", description),
  };
}

/** `reasoning`, `reasoning_effort` and `include_reasoning` as one; the first two must not contradict each other. */
function reasoningOf(wire: ChatBody, warn: Warn): Result<ReasoningRequest | undefined, BadRequest> {
  const { reasoning } = wire;
  const shorthand = wire.reasoning_effort ?? undefined;
  const effort = reasoning?.effort ?? undefined;
  if (shorthand !== undefined && effort !== undefined && shorthand !== effort) {
    return refuse("reasoning_effort contradicts reasoning.effort: set one of them", "reasoning_effort");
  }
  const wanted = effort ?? shorthand;
  const maxTokens = reasoning?.max_tokens ?? undefined;
  if (wanted !== undefined && maxTokens !== undefined) {
    const path = effort === undefined ? "reasoning_effort" : "reasoning.effort";
    return refuse(`${path} and reasoning.max_tokens exclude each other: set one of them`, path);
  }
  const include = wire.include_reasoning ?? undefined;
  if ((reasoning ?? undefined) === undefined && wanted === undefined && include === undefined) return ok(undefined);
  for (const field of ["context", "mode", "summary"]) {
    if (reasoning?.[field] !== undefined && reasoning[field] !== null) warn(`reasoning.${field} is not passed on`);
  }
  return ok({
    ...given("effort", wanted),
    ...given("maxTokens", maxTokens),
    ...given("enabled", reasoning?.enabled),
    ...given("exclude", reasoning?.exclude ?? (include === false ? true : undefined)),
  });
}

function warnOfUnavailable(wire: ChatBody, warn: Warn): void {
  warnOfPlugins(wire.plugins, warn);
  if ((wire.transforms ?? []).length > 0) warn("transforms are not available: the messages are sent as they are");
  if (wire.route === "sort") warn("route is not available: use provider.sort with partition none");
  const tier = wire["service_tier"];
  if (tier !== undefined && tier !== null && !isOrdinaryTier(tier)) {
    warn("service_tier is not available: the default tier was used");
  }
  if (wire.metadata !== undefined && wire.metadata !== null) warn("metadata is not passed on and not kept");
  for (const field of UNAVAILABLE_FIELDS) {
    if (wire[field] !== undefined && wire[field] !== null) warn(`${field} is not available and was left out`);
  }
}
