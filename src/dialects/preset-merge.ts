/**
 * A request and the preset that it names, as one request. The request wins, field by field: what it says of a field
 * replaces what the preset says of it, whole (`provider` included). Four fields are more than one value:
 * - models: those that the request names, if any, else the preset's; `model` and `models` are one list;
 * - tools: the preset's, then the request's; of two functions with one name the request's, in the preset's place;
 * - instructions: the preset's stand before the conversation when the request has none of its own, wherever they stand;
 * - plugins: by their id.
 * Pure; once a request, on values that are parsed already.
 */
import type { ChatRequest, FunctionTool, Message } from "../core/chat.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { ok, type Result } from "../core/result.ts";
import { given, refuse, type BadRequest } from "./body.ts";
import type { ParsedBody } from "./dialect.ts";

/** @returns `bad_request` where neither names a model. */
export function withPreset(own: ParsedBody, preset: ParsedBody): Result<ParsedBody, BadRequest> {
  const models = own.models.length > 0 ? own.models : preset.models;
  if (models.length === 0) {
    return refuse(`The preset ${own.preset ?? ""} has no model: name one in "model"`, "model");
  }
  const usable = own.takesTools === false ? withoutTools(preset) : preset;
  return ok({
    ...own,
    request: requestOf(own.request, usable.request),
    models,
    provider: own.provider ?? usable.provider,
    ...given("auto", own.auto ?? usable.auto),
    warnings: [...new Set([...own.warnings, ...usable.warnings])],
    ...given("echo", own.echo && echoOf(own.echo, usable.request)),
  });
}

function requestOf(own: ChatRequest, preset: ChatRequest): ChatRequest {
  return {
    ...own,
    messages: messagesOf(own.messages, preset.messages),
    sampling: { ...preset.sampling, ...own.sampling },
    stop: own.stop.length > 0 ? own.stop : preset.stop,
    tools: toolsOf(own.tools, preset.tools),
    ...given("maxOutputTokens", own.maxOutputTokens ?? preset.maxOutputTokens),
    ...given("toolChoice", own.toolChoice ?? preset.toolChoice),
    ...given("parallelToolCalls", own.parallelToolCalls ?? preset.parallelToolCalls),
    ...given("responseFormat", own.responseFormat ?? preset.responseFormat),
    ...given("reasoning", own.reasoning ?? preset.reasoning),
    ...given("modalities", own.modalities ?? preset.modalities),
  };
}

function messagesOf(own: readonly Message[], preset: readonly Message[]): readonly Message[] {
  return own.some(({ role }) => role === "system" || role === "developer") ? own : [...preset, ...own];
}

function toolsOf(own: readonly FunctionTool[], preset: readonly FunctionTool[]): readonly FunctionTool[] {
  if (preset.length === 0) return own;
  const byName = new Map(preset.map((tool) => [tool.name, tool]));
  // A key that is there keeps its place.
  for (const tool of own) byName.set(tool.name, tool);
  return [...byName.values()];
}

function withoutTools(preset: ParsedBody): ParsedBody {
  const { toolChoice, parallelToolCalls: _parallel, modalities: _modalities, ...request } = preset.request;
  if (request.tools.length === 0 && toolChoice === undefined) return { ...preset, request };
  const warning = "The preset's tools were left out: this format has no tools";
  return { ...preset, request: { ...request, tools: [] }, warnings: [...preset.warnings, warning] };
}

/** An answer that repeats its parameters repeats those of the preset where the request has none. */
function echoOf(echo: JsonObject, { sampling, maxOutputTokens }: ChatRequest): JsonObject {
  const filled: Record<string, Json> = { ...echo };
  for (const [name, value] of Object.entries({ ...sampling, max_output_tokens: maxOutputTokens })) {
    if (filled[name] === null && value !== undefined) filled[name] = value as Json; // numbers and texts of a preset
  }
  return filled;
}
