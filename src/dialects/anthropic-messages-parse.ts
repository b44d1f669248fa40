/**
 * A body of `POST /messages` to a chat request. Nothing is defaulted or clamped; what is accepted but not honoured is
 * reported in `warnings`; fields we do not know go on in `extra`. Limits: those of `body.ts` and the schema.
 * Versions and trial features: https://platform.claude.com/docs/en/api/versioning and .../api/beta-headers
 * (accessed 2026-11-21). An effort without thinking is what other formats call verbosity; with adaptive thinking it is the
 * effort of reasoning.
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
import type { JsonObject } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import { messagesOf, textParts } from "./anthropic-messages-input.ts";
import {
  KNOWN_FIELDS,
  MessagesBody,
  REFUSED_FIELDS,
  samplingShape,
  UNAVAILABLE_FIELDS,
  type WireTool,
} from "./anthropic-messages-schema.ts";
import {
  cacheControlOf,
  createWarnings,
  extraOf,
  given,
  openBody,
  refuse,
  type BadRequest,
  type Warn,
} from "./body.ts";
import type { Beside, ParsedBody } from "./dialect.ts";
import { faultOf } from "./fault.ts";
import { namesOf, type Named } from "./named.ts";
import { autoWishesOf, warnOfPlugins } from "./plugins.ts";

/**
 * Answers are the same in both. The newer one takes no temperature, top_p and top_k; they are taken here, since other
 * models than Anthropic's have a use for them.
 */
const VERSIONS: ReadonlySet<string> = new Set(["2023-06-01", "2026-10-21"]);
const SAMPLING_FIELDS = Object.keys(samplingShape) as (keyof typeof samplingShape)[]; // keys of our own constant
/** The only form that a structured answer has here has no name for it. */
const FORMAT_NAME = "response";

/** Trial features that change neither price nor format of an answer: passed on to providers that know them. */
const PASSED_BETAS: ReadonlySet<string> = new Set([
  "interleaved-thinking-2025-05-14",
  "fine-grained-tool-streaming-2025-05-14",
]);
/** Beginnings of those that need no passing on: on trial no more, done here, or only the name of a client. */
const NEEDLESS_BETAS =
  /^(claude-code|oauth|prompt-caching|extended-cache-ttl|pdfs|token-counting|messages|message-batches|output-128k|token-efficient-tools|structured-outputs|effort|adaptive-thinking|files-api)-/;
const BETAS_MAX = 32;

/** @returns `bad_request` with the path of the first fault. */
export function parseAnthropicMessages(body: unknown, beside?: Pick<Beside, "header">): Result<ParsedBody, BadRequest> {
  const version = beside?.header("anthropic-version") ?? null;
  if (version !== null && !VERSIONS.has(version)) {
    return refuse(`anthropic-version must be ${[...VERSIONS].join(" or ")}`, "anthropic-version");
  }
  const opened = openBody(body);
  if (!opened.ok) return opened;
  const refused = REFUSED_FIELDS.find((field) => opened.value[field] !== undefined && opened.value[field] !== null);
  if (refused !== undefined) return refuse(`${refused} is not available here`, refused);
  const checked = MessagesBody.safeParse(body);
  if (!checked.success) return err(faultOf(checked.error.issues, body));
  const wire = checked.data;
  const named = namedIn(wire);
  if (!named.ok) return named;
  const { warnings, warn } = createWarnings();
  const messages = conversationOf(wire, warn);
  if (messages.every(({ role }) => role === "system"))
    return refuse("messages holds nothing that can be sent", "messages");
  const betas = betasOf(opened.value["betas"], beside, warn);
  const request: ChatRequest = {
    messages,
    stream: wire.stream === true,
    sampling: samplingOf(wire),
    stop: wire.stop_sequences ?? [],
    tools: (wire.tools ?? []).map(toolOf),
    ...given("maxOutputTokens", wire.max_tokens),
    ...given("toolChoice", toolChoiceOf(wire)),
    ...given("parallelToolCalls", parallelOf(wire)),
    ...given("responseFormat", responseFormatOf(wire)),
    ...given("reasoning", reasoningOf(wire)),
    ...given("cacheControl", cacheControlOf(wire.cache_control)),
    ...given("user", wire.user ?? wire.metadata?.user_id),
    ...(betas.length === 0 ? {} : { betas }),
    extra: extraOf(opened.value, KNOWN_FIELDS),
  };
  warnOfUnavailable(wire, warn);
  const provider = (wire.provider ?? null) as JsonObject | null; // parsed from JSON
  return ok({
    request,
    ...named.value,
    provider,
    sessionId: wire.session_id ?? null,
    mustNameLimit: true,
    ...given("auto", autoWishesOf(wire.plugins)),
    warnings: warnings(),
  });
}

function namedIn(wire: MessagesBody): Result<Named, BadRequest> {
  const { fallbacks } = wire;
  const hasFallbacks = fallbacks !== null && fallbacks !== undefined;
  if (hasFallbacks && wire.models !== null && wire.models !== undefined) {
    return refuse("fallbacks and models exclude each other: set one of them", "fallbacks");
  }
  return namesOf(hasFallbacks ? { ...wire, models: fallbacks.map(({ model }) => model) } : wire);
}

function conversationOf(wire: MessagesBody, warn: Warn): Message[] {
  const messages = messagesOf(wire.messages, warn);
  const system = textParts(wire.system ?? "");
  return system.length === 0 ? messages : [{ role: "system", parts: system }, ...messages];
}

function samplingOf(wire: MessagesBody): Sampling {
  const sampling: Record<string, unknown> = {};
  for (const field of SAMPLING_FIELDS) {
    const value = wire[field];
    if (value !== null && value !== undefined) sampling[field] = value;
  }
  const effort = wire.output_config?.effort ?? undefined;
  if (effort !== undefined && wire.thinking?.type !== "adaptive") sampling["verbosity"] = effort;
  return sampling as Sampling; // the schema of each field is the type of each field
}

function toolOf(wire: WireTool): FunctionTool {
  return {
    name: wire.name,
    ...given("description", wire.description),
    parameters: wire.input_schema as JsonObject, // parsed from JSON
    ...given("strict", wire.strict),
    ...given("cacheControl", cacheControlOf(wire.cache_control)),
  };
}

function toolChoiceOf(wire: MessagesBody): ToolChoice | undefined {
  const choice = wire.tool_choice;
  if (choice === null || choice === undefined) return undefined;
  switch (choice.type) {
    case "auto":
    case "none":
      return { kind: choice.type };
    case "any":
      return { kind: "required" };
    case "tool":
      return { kind: "function", name: choice.name };
    default:
      return choice satisfies never;
  }
}

function parallelOf({ tool_choice: choice }: MessagesBody): boolean | undefined {
  if (choice === null || choice === undefined || choice.type === "none") return undefined;
  const single = choice.disable_parallel_tool_use;
  return single === null || single === undefined ? undefined : !single;
}

function responseFormatOf(wire: MessagesBody): ResponseFormat | undefined {
  const format = wire.output_config?.format ?? wire.output_format;
  if (format === null || format === undefined) return undefined;
  return { kind: "json_schema", name: FORMAT_NAME, schema: format.schema as JsonObject, strict: true }; // parsed from JSON
}

/** Thinking that is not shown is asked for all the same: its signature is shown. */
function reasoningOf(wire: MessagesBody): ReasoningRequest | undefined {
  const { thinking } = wire;
  if (thinking === null || thinking === undefined) return undefined;
  if (thinking.type === "disabled") return { enabled: false };
  const hidden = thinking.display === "omitted" ? { exclude: true } : {};
  if (thinking.type === "enabled") return { enabled: true, maxTokens: thinking.budget_tokens, ...hidden };
  return { enabled: true, ...given("effort", wire.output_config?.effort), ...hidden };
}

/** Those that the header and the body name; OpenRouter has a header of its own for them. */
function betasOf(named: unknown, beside: Pick<Beside, "header"> | undefined, warn: Warn): string[] {
  const header = (name: string): readonly string[] => beside?.header(name)?.split(",") ?? [];
  const listed: readonly unknown[] = Array.isArray(named) ? named : [];
  const all = [...header("anthropic-beta"), ...header("x-anthropic-beta"), ...listed]
    .map((beta) => String(beta).trim().slice(0, 64))
    .filter((beta) => beta !== "");
  const betas: string[] = [];
  for (const beta of new Set(all.slice(0, BETAS_MAX))) {
    if (PASSED_BETAS.has(beta)) betas.push(beta);
    else if (!NEEDLESS_BETAS.test(beta)) warn(`The beta feature ${JSON.stringify(beta)} is not passed on`);
  }
  return betas;
}

function warnOfUnavailable(wire: MessagesBody, warn: Warn): void {
  warnOfPlugins(wire.plugins, warn);
  const tier = wire.service_tier;
  if (tier !== null && tier !== undefined && tier !== "auto" && tier !== "standard_only") {
    warn("service_tier is not available: the default tier was used");
  }
  for (const [at, tool] of (wire.tools ?? []).entries()) {
    if (tool["defer_loading"] === true) warn(`tools[${at}].defer_loading is not available: the tool is there at once`);
  }
  for (const field of UNAVAILABLE_FIELDS) {
    if (wire[field] !== undefined && wire[field] !== null) warn(`${field} is not available and was left out`);
  }
}
