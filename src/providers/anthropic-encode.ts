/**
 * A chat request as a body of Anthropic's Messages API.
 * Nothing is dropped in silence: what the API or the endpoint cannot take is named in `warnings`. Structured output is
 * native where the endpoint offers it, else one more tool that the model must call and that is read back as text.
 * Source: https://platform.claude.com/docs/en/api/messages (accessed 2026-11-21). Token counts throughout.
 */
import type { ChatRequest, FunctionTool } from "../core/chat.ts";
import type { JsonObject } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EncodedRequest, Target } from "./adapter.ts";
import { cacheOf, conversationOf, type Conversation } from "./anthropic-messages.ts";
import { effortOf, lacksThinking, thinkingPlanOf, versionOf, type ThinkingPlan } from "./anthropic-thinking.ts";
import { answerForm, answerSchema, jsonToolOf, strictSchema, takes } from "./answer-form.ts";
import { jsonInstruction, leftOut, newNotes, type Notes, type WireObject } from "./echo.ts";

/** https://platform.claude.com/docs/en/api/versioning (accessed 2026-11-21). */
const ANTHROPIC_VERSION = "2023-06-01";
/** https://platform.claude.com/docs/en/build-with-claude/files (accessed 2026-11-21). */
const FILES_BETA = "files-api-2025-04-14";
/** https://platform.claude.com/docs/en/build-with-claude/prompt-caching (accessed 2026-11-21). */
const BREAKPOINTS_MAX = 4;

/** Standard names that the Messages API has no word for. */
const UNKNOWN_SAMPLING = [
  "min_p",
  "top_a",
  "frequency_penalty",
  "presence_penalty",
  "repetition_penalty",
  "seed",
  "logit_bias",
  "logprobs",
  "top_logprobs",
] as const;

/** @returns an error sentence when the conversation holds something that Anthropic has no form for. */
export function encodeAnthropic(request: ChatRequest, target: Target): Result<EncodedRequest, string> {
  const said = anthropicBodyOf(request, target);
  if (!said.ok) return said;
  return ok({
    url: `${target.baseUrl}/messages`,
    headers: {
      "content-type": "application/json",
      accept: request.stream ? "text/event-stream" : "application/json",
      "x-api-key": target.credential,
      "anthropic-version": ANTHROPIC_VERSION,
      ...betaHeaderOf(request, said.value),
    },
    body: JSON.stringify(said.value.body),
    warnings: said.value.warnings,
  });
}

/** What is said, on whichever platform. */
export interface AnthropicBody {
  readonly body: WireObject;
  readonly refersToFiles: boolean;
  readonly warnings: readonly string[];
}

/** The body alone. @returns an error sentence when the conversation cannot be said. */
export function anthropicBodyOf(request: ChatRequest, target: Target): Result<AnthropicBody, string> {
  const notes = newNotes();
  const conversation = conversationOf(request.messages, notes);
  const tools = toolsOf(request, target, notes);
  const choice = toolChoiceOf(request, target, notes);
  const forcesTool = choice?.["type"] === "any" || choice?.["type"] === "tool";
  const plan = thinkingPlanOf(request, target, { forcesTool, lacksThinking: lacksThinking(conversation.turns) }, notes);
  instruct(request, target, conversation, notes);
  placeBreakpoint(request, conversation, tools, notes);
  const output = outputConfigOf(request, target, plan, notes);
  const stop = stopOf(request, target, notes);
  noteUnknown(request, notes);
  if (notes.fault !== null) return err(notes.fault);
  const body: WireObject = {
    model: target.upstreamModel,
    max_tokens: plan.maxTokens,
    ...(conversation.system.length === 0 ? {} : { system: conversation.system }),
    messages: conversation.turns.map((turn) => ({ role: turn.role, content: turn.content })),
    ...(tools.length === 0 ? {} : { tools }),
    ...(choice === null ? {} : { tool_choice: choice }),
    ...(plan.thinking === null ? {} : { thinking: plan.thinking }),
    ...(output === null ? {} : { output_config: output }),
    ...samplingOf(request, target, plan, notes),
    ...(stop.length === 0 ? {} : { stop_sequences: stop }),
    ...(target.userHash === null ? {} : { metadata: { user_id: target.userHash } }),
    stream: request.stream,
  };
  return ok({ body, refersToFiles: conversation.refersToFiles, warnings: [...notes.warnings] });
}

/** Trial features as a header: what the conversation needs, and what the client names. */
export function betaHeaderOf(
  { betas = [] }: ChatRequest,
  { refersToFiles }: Pick<AnthropicBody, "refersToFiles">,
): { readonly "anthropic-beta"?: string } {
  const all = [...(refersToFiles ? [FILES_BETA] : []), ...betas];
  return all.length === 0 ? {} : { "anthropic-beta": all.join(",") };
}

/** Asks for JSON in words where nothing enforces it. */
function instruct(request: ChatRequest, target: Target, conversation: Conversation, notes: Notes): void {
  if (request.responseFormat === undefined || answerForm(request, target) !== "instruction") return;
  conversation.system.push({ type: "text", text: jsonInstruction(request.responseFormat) });
  notes.warnings.add(
    `response_format ${request.responseFormat.kind} is asked for by an instruction here and not enforced.`,
  );
}

function toolsOf(request: ChatRequest, target: Target, notes: Notes): WireObject[] {
  if (!takes(target, "tools")) {
    if (request.tools.length > 0) leftOut(notes, "tools");
    return [];
  }
  const tools = request.tools.map((tool) => toolOf(tool, target, notes));
  const jsonTool = jsonToolOf(request, target);
  const format = request.responseFormat;
  if (jsonTool === null || format?.kind !== "json_schema") return tools;
  const description = format.description ?? "Gives the final answer in the required form.";
  return [...tools, { name: jsonTool, description, input_schema: schemaOf(format.schema) }];
}

function toolOf(tool: FunctionTool, target: Target, notes: Notes): WireObject {
  const strict = strictSchema(tool, schemaOf(tool.parameters), target, notes);
  return {
    name: tool.name,
    ...(tool.description === undefined ? {} : { description: tool.description }),
    input_schema: strict ?? schemaOf(tool.parameters),
    ...(strict === null ? {} : { strict: true }),
    ...cacheOf(tool.cacheControl),
  };
}

/** The API wants an object schema even of a tool without arguments. */
export function schemaOf(schema: JsonObject | undefined): JsonObject {
  if (schema === undefined) return { type: "object", properties: {} };
  return schema["type"] === undefined ? { type: "object", ...schema } : schema;
}

function toolChoiceOf(request: ChatRequest, target: Target, notes: Notes): WireObject | null {
  const jsonTool = jsonToolOf(request, target);
  const single = request.parallelToolCalls === false ? { disable_parallel_tool_use: true } : {};
  if (jsonTool !== null) {
    const isOnly = request.tools.length === 0 || request.toolChoice?.kind === "none";
    return isOnly ? { type: "tool", name: jsonTool, disable_parallel_tool_use: true } : { type: "any", ...single };
  }
  if (request.tools.length === 0 || !takes(target, "tools")) {
    if (request.toolChoice?.kind === "required" || request.toolChoice?.kind === "function") {
      notes.warnings.add("tool_choice without tools was left out.");
    }
    return null;
  }
  switch (request.toolChoice?.kind) {
    case undefined:
      return request.parallelToolCalls === false ? { type: "auto", ...single } : null;
    case "auto":
      return { type: "auto", ...single };
    case "required":
      return { type: "any", ...single };
    case "none":
      return { type: "none" };
    case "function":
      return { type: "tool", name: request.toolChoice.name, ...single };
    default:
      return request.toolChoice satisfies never;
  }
}

/** The automatic breakpoint: on the last block that can be cached, unless the client has used all of them. */
function placeBreakpoint(
  request: ChatRequest,
  conversation: Conversation,
  tools: readonly WireObject[],
  notes: Notes,
): void {
  if (request.cacheControl === undefined) return;
  const own = [...tools, ...conversation.system, ...conversation.turns.flatMap((turn) => turn.content)];
  const nested = own.flatMap((block) =>
    // Only results of tools have content, and theirs is blocks of ours.
    Array.isArray(block["content"]) ? (block["content"] as readonly WireObject[]) : [],
  );
  const last = own.findLast((block) => block["type"] !== "thinking" && block["type"] !== "redacted_thinking");
  if (last === undefined || last["cache_control"] !== undefined) return;
  if ([...own, ...nested].filter((block) => block["cache_control"] !== undefined).length >= BREAKPOINTS_MAX) {
    notes.warnings.add(`The automatic cache breakpoint was left out: only ${BREAKPOINTS_MAX} are allowed.`);
    return;
  }
  Object.assign(last, cacheOf(request.cacheControl));
}

function outputConfigOf(request: ChatRequest, target: Target, plan: ThinkingPlan, notes: Notes): WireObject | null {
  const verbosity = request.sampling.verbosity;
  let effort = plan.effort;
  if (verbosity !== undefined && takes(target, "verbosity")) {
    const own = effortOf(verbosity, versionOf(target.upstreamModel));
    if (effort !== null && effort !== own)
      notes.warnings.add(`verbosity and reasoning share one effort here; ${own} was sent.`);
    effort = own;
  } else if (verbosity !== undefined) {
    leftOut(notes, "verbosity");
  }
  const schema = answerSchema(request, target, notes);
  if (effort === null && schema === null) return null;
  return {
    ...(effort === null ? {} : { effort }),
    ...(schema === null ? {} : { format: { type: "json_schema", schema } }),
  };
}

function stopOf(request: ChatRequest, target: Target, notes: Notes): readonly string[] {
  if (request.stop.length === 0 || takes(target, "stop")) {
    const stop = request.stop.filter((text) => text.trim() !== "");
    if (stop.length < request.stop.length)
      notes.warnings.add("stop sequences of white space are refused here and were left out.");
    return stop;
  }
  leftOut(notes, "stop");
  return [];
}

/**
 * temperature, top_p and top_k as far as the model takes them: thinking fixes them, 4.1 and later take one of the first
 * two, 4.7 and later none (https://platform.claude.com/docs/en/about-claude/models/migration-guide, accessed 2026-11-21).
 */
export function samplingOf(request: ChatRequest, target: Target, plan: ThinkingPlan, notes: Notes): WireObject {
  const version = versionOf(target.upstreamModel) ?? 0;
  const isThinking = plan.thinking !== null && plan.thinking["type"] !== "disabled";
  const out: WireObject = {};
  for (const name of ["temperature", "top_p", "top_k"] as const) {
    const value = request.sampling[name];
    if (value === undefined) continue;
    const isDefault = name !== "top_k" && value === 1;
    if (!isDefault && (version >= 407 || !takes(target, name))) {
      leftOut(notes, name);
    } else if (isThinking && !isDefault && !(name === "top_p" && value >= 0.95)) {
      notes.warnings.add(`${name} cannot be set together with reasoning here and was left out.`);
    } else if (name === "top_p" && out["temperature"] !== undefined && version >= 401) {
      notes.warnings.add("top_p cannot be set together with temperature here and was left out.");
    } else if (name === "temperature" && value > 1) {
      notes.warnings.add(`temperature ${value} is above this endpoint's range; 1 was sent.`);
      out[name] = 1;
    } else {
      out[name] = value;
    }
  }
  return out;
}

function noteUnknown(request: ChatRequest, notes: Notes): void {
  for (const name of UNKNOWN_SAMPLING) {
    const value = request.sampling[name];
    if (value !== undefined && value !== false) leftOut(notes, name);
  }
  if ((request.sampling.n ?? 1) > 1) notes.warnings.add("n is not supported by this endpoint; one choice is given.");
  if (request.modalities?.some((modality) => modality !== "text") === true) {
    notes.warnings.add("modalities other than text are not supported by this endpoint and were left out.");
  }
  for (const name of Object.keys(request.extra))
    notes.warnings.add(`${name} is not known to this endpoint and was left out.`);
}
