/**
 * A chat request as a body of Cohere's chat, version 2.
 * Nothing is dropped in silence: what the API or the endpoint cannot take is named in `warnings`. A schema is native; the
 * API refuses it beside tools, so there it is asked for in words.
 * Source: https://docs.cohere.com/v2/reference/chat (accessed 2026-11-21). Token counts throughout.
 */
import type { ChatRequest, FunctionTool, Sampling } from "../core/chat.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EncodedRequest, Target } from "./adapter.ts";
import { takes } from "./answer-form.ts";
import { messagesOf, noteCache } from "./cohere-messages.ts";
import {
  jsonInstruction,
  leftOut,
  newNotes,
  SHARE_OF_EFFORT,
  wantsReasoning,
  type Notes,
  type WireObject,
} from "./echo.ts";

const STOP_MAX = 5;

/** Standard names and Cohere's; null: the API has no word for it. */
const SAMPLING: Readonly<Record<Exclude<keyof Sampling, "n">, string | null>> = {
  temperature: "temperature",
  top_p: "p",
  top_k: "k",
  frequency_penalty: "frequency_penalty",
  presence_penalty: "presence_penalty",
  seed: "seed",
  logprobs: "logprobs",
  top_logprobs: null,
  min_p: null,
  top_a: null,
  repetition_penalty: null,
  logit_bias: null,
  verbosity: null,
};
/** Fields of the API that a client may set by their own name. */
const OWN_FIELDS: readonly string[] = ["documents", "citation_options", "safety_mode", "priority"];

/** @returns an error sentence when the conversation holds something that Cohere has no form for. */
export function encodeCohere(request: ChatRequest, target: Target): Result<EncodedRequest, string> {
  const notes = newNotes();
  const messages = messagesOf(request.messages, notes);
  if (messages.length === 0) notes.fault ??= "This provider needs at least one message.";
  const tools = toolsOf(request, target, notes);
  const format = responseFormatOf(request, target, tools.length > 0, messages, notes);
  const body: WireObject = {
    model: target.upstreamModel,
    messages,
    stream: request.stream,
    ...(tools.length === 0 ? {} : { tools, ...toolChoiceOf(request, notes) }),
    ...(tools.length > 0 && request.tools.some((tool) => tool.strict === true) ? { strict_tools: true } : {}),
    ...(format === null ? {} : { response_format: format }),
    ...(request.maxOutputTokens === undefined ? {} : { max_tokens: request.maxOutputTokens }),
    ...stopOf(request, target, notes),
    ...samplingOf(request, target, notes),
    ...thinkingOf(request, target, notes),
  };
  if (request.cacheControl !== undefined) noteCache(notes);
  if (request.modalities?.some((modality) => modality !== "text") === true) {
    notes.warnings.add("modalities other than text are not supported by this endpoint and were left out.");
  }
  for (const [name, value] of Object.entries(request.extra)) {
    if (OWN_FIELDS.includes(name)) body[name] = value;
    else notes.warnings.add(`${name} is not known to this endpoint and was left out.`);
  }
  if (notes.fault !== null) return err(notes.fault);
  return ok({
    url: `${target.baseUrl}/v2/chat`,
    headers: {
      "content-type": "application/json",
      accept: request.stream ? "text/event-stream" : "application/json",
      authorization: `Bearer ${target.credential}`,
    },
    body: JSON.stringify(body),
    warnings: [...notes.warnings],
  });
}

function toolsOf(request: ChatRequest, target: Target, notes: Notes): WireObject[] {
  if (request.tools.length === 0 || takes(target, "tools")) return request.tools.map((tool) => toolOf(tool, notes));
  leftOut(notes, "tools");
  return [];
}

function toolOf(tool: FunctionTool, notes: Notes): WireObject {
  if (tool.cacheControl !== undefined) noteCache(notes);
  return {
    type: "function",
    function: {
      name: tool.name,
      ...(tool.description === undefined ? {} : { description: tool.description }),
      parameters: tool.parameters ?? { type: "object", properties: {} },
    },
  };
}

/** The API knows REQUIRED and NONE; left alone the model chooses. */
function toolChoiceOf(request: ChatRequest, notes: Notes): WireObject {
  if (request.parallelToolCalls === false) leftOut(notes, "parallel_tool_calls");
  switch (request.toolChoice?.kind) {
    case undefined:
    case "auto":
      return {};
    case "none":
      return { tool_choice: "NONE" };
    case "required":
      return { tool_choice: "REQUIRED" };
    case "function":
      if (request.tools.length > 1)
        notes.warnings.add("tool_choice cannot name one of several tools here; some call was required instead.");
      return { tool_choice: "REQUIRED" };
    default:
      return request.toolChoice satisfies never;
  }
}

function responseFormatOf(
  request: ChatRequest,
  target: Target,
  hasTools: boolean,
  messages: WireObject[],
  notes: Notes,
): WireObject | null {
  const format = request.responseFormat;
  if (format === undefined || format.kind === "text") return null;
  const isSupported = takes(target, format.kind === "json_schema" ? "structured_outputs" : "response_format");
  if (isSupported && !hasTools) {
    return { type: "json_object", ...(format.kind === "json_schema" ? { json_schema: format.schema } : {}) };
  }
  messages.unshift({ role: "system", content: jsonInstruction(format) });
  notes.warnings.add(`response_format ${format.kind} is asked for by an instruction here and not enforced.`);
  return null;
}

function stopOf(request: ChatRequest, target: Target, notes: Notes): WireObject {
  if (request.stop.length === 0) return {};
  if (!takes(target, "stop")) {
    leftOut(notes, "stop");
    return {};
  }
  if (request.stop.length > STOP_MAX)
    notes.warnings.add(`Only ${STOP_MAX} stop sequences are taken here; the rest was left out.`);
  return { stop_sequences: request.stop.slice(0, STOP_MAX) };
}

function samplingOf(request: ChatRequest, target: Target, notes: Notes): WireObject {
  const out: WireObject = {};
  for (const [name, wireName] of Object.entries(SAMPLING)) {
    // Own names of a constant table.
    const value = request.sampling[name as Exclude<keyof Sampling, "n">];
    if (value === undefined || value === false) continue;
    if (wireName === null || !takes(target, name)) leftOut(notes, name);
    else out[wireName] = value;
  }
  if ((request.sampling.n ?? 1) > 1) notes.warnings.add("n is not supported by this endpoint; one choice is given.");
  return out;
}

/** https://docs.cohere.com/docs/reasoning (accessed 2026-11-21): on or off, and a budget in tokens. */
function thinkingOf(request: ChatRequest, target: Target, notes: Notes): WireObject {
  const { reasoning } = request;
  if (reasoning === undefined) return {};
  const isOff = reasoning.enabled === false || reasoning.effort === "none";
  if (!wantsReasoning(reasoning) && !isOff) return {};
  if (!takes(target, "reasoning")) {
    if (!isOff) leftOut(notes, "reasoning");
    return {};
  }
  if (isOff) return { thinking: { type: "disabled" } };
  const limit = request.maxOutputTokens ?? target.maxCompletionTokens;
  const { effort } = reasoning;
  const share = effort === undefined || effort === "none" ? null : SHARE_OF_EFFORT[effort];
  const budget = reasoning.maxTokens ?? (share === null || limit === null ? null : Math.floor(limit * share));
  return { thinking: { type: "enabled", ...(budget === null ? {} : { token_budget: budget }) } };
}
