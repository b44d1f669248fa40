/**
 * A chat request as a body of the Responses API.
 * Keys come in a fixed order. What the format has no word for, or the endpoint does not take, is left out and named in
 * `warnings`; nothing is clamped, defaulted or dropped in silence. Answers are never stored at the provider.
 * Source: https://platform.openai.com/docs/api-reference/responses/create (accessed 2026-11-21). Token counts throughout.
 */
import type { ChatRequest, FunctionTool, ReasoningEffort, ReasoningRequest, Sampling } from "../core/chat.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EncodedRequest, Target } from "./adapter.ts";
import { leftOut, newNotes, refuse, wantsReasoning, type Notes } from "./echo.ts";
import { resolvedTarget } from "./openai-credential.ts";
import { EFFORTS } from "./openai-quirks.ts";
import { inputItems } from "./openai-responses-input.ts";
import { parseResponsesQuirks, type ResponsesQuirks } from "./openai-responses-quirks.ts";

/** The API refuses a lower limit of the answer. */
const OUTPUT_TOKENS_MIN = 16;
const ENCRYPTED_REASONING = "reasoning.encrypted_content";
const LOGPROBS = "message.output_text.logprobs";

/** Standard names that this API has no word for. */
const UNKNOWN_SAMPLING = [
  "top_k",
  "min_p",
  "top_a",
  "frequency_penalty",
  "presence_penalty",
  "repetition_penalty",
  "seed",
  "logit_bias",
] as const satisfies readonly (keyof Sampling)[];

/** Fields of chat completions that this API refuses. */
const CHAT_ONLY: ReadonlySet<string> = new Set([
  "audio",
  "function_call",
  "functions",
  "modalities",
  "prediction",
  "web_search_options",
]);

interface Draft {
  readonly request: ChatRequest;
  readonly supported: ReadonlySet<string>;
  readonly quirks: ResponsesQuirks;
  readonly notes: Notes;
  /** A map, because a client's field may be called "__proto__". */
  readonly body: Map<string, unknown>;
}

/** @returns a sentence when the quirks are faulty or the request has no form in this API. */
export function encodeResponses(request: ChatRequest, given: Target): Result<EncodedRequest, string> {
  const parsed = parseResponsesQuirks(given.quirks);
  if (!parsed.ok) return parsed;
  const quirks = parsed.value;
  const resolved = resolvedTarget(given, quirks);
  if (!resolved.ok) return resolved;
  const target = resolved.value;
  const notes = newNotes();
  const supported = new Set(target.supportedParameters);
  const draft: Draft = { request, supported, quirks, notes, body: new Map() };
  const { body } = draft;
  body.set("model", target.upstreamModel);
  body.set("input", inputItems(request, quirks, notes));
  putTools(draft);
  putText(draft);
  putReasoning(draft);
  putSampling(draft);
  putInclude(draft);
  putLimit(draft);
  if (request.promptCacheKey !== undefined && !quirks.unsupported.includes("prompt_cache_key"))
    body.set("prompt_cache_key", request.promptCacheKey);
  if (target.userHash !== null && quirks.user_field !== "none") body.set(quirks.user_field, target.userHash);
  body.set("store", false);
  body.set("stream", request.stream);
  putExtra(draft);
  noteUnknown(draft);
  if (notes.fault !== null) return err(notes.fault);
  return ok({
    url: `${target.baseUrl}${quirks.responses_path}`,
    headers: headersOf(request, target, quirks),
    body: JSON.stringify(Object.fromEntries(body)),
    warnings: [...notes.warnings],
  });
}

function headersOf(request: ChatRequest, target: Target, quirks: ResponsesQuirks): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: request.stream ? "text/event-stream" : "application/json",
    ...quirks.extra_headers,
  };
  if (quirks.auth === "bearer") headers["authorization"] = `Bearer ${target.credential}`;
  else if (quirks.auth !== "none") headers[quirks.auth] = target.credential;
  return headers;
}

/** Whether the endpoint takes a parameter, by any of its names; says so when it does not. */
function takes(draft: Draft, name: string, ...aliases: readonly string[]): boolean {
  if (lists(draft, name, ...aliases)) return true;
  leftOut(draft.notes, name);
  return false;
}

function lists({ supported, quirks }: Draft, name: string, ...aliases: readonly string[]): boolean {
  return [name, ...aliases].some((each) => supported.has(each)) && !quirks.unsupported.includes(name);
}

function putTools(draft: Draft): void {
  const { request, body } = draft;
  if (request.tools.length === 0 || !takes(draft, "tools")) return;
  const tools = request.tools.map((tool) => toolOf(tool, draft));
  body.set("tools", tools);
  const { toolChoice: choice, parallelToolCalls: parallel } = request;
  // "auto" and parallel calls are the default; an endpoint that lists neither is told neither.
  if (choice !== undefined && (choice.kind !== "auto" || lists(draft, "tool_choice")) && takes(draft, "tool_choice")) {
    body.set("tool_choice", choice.kind === "function" ? { type: "function", name: choice.name } : choice.kind);
  }
  if (parallel === undefined || (parallel && !lists(draft, "parallel_tool_calls"))) return;
  if (takes(draft, "parallel_tool_calls")) body.set("parallel_tool_calls", parallel);
}

/** Without `strict` the API would rewrite the schema into its strict form: it is always said. */
function toolOf(tool: FunctionTool, { quirks, notes }: Draft): Record<string, unknown> {
  if (tool.cacheControl !== undefined) notes.warnings.add("cache_control on tools has no form here and was left out.");
  if (tool.strict === true && !quirks.strict_tools)
    notes.warnings.add("strict in tools is not taken by this endpoint and was left out.");
  return {
    type: "function",
    name: tool.name,
    description: tool.description,
    parameters: tool.parameters ?? { type: "object", properties: {} },
    strict: quirks.strict_tools ? (tool.strict ?? false) : undefined,
  };
}

/** `text`: the form of the answer and how wordy it is. */
function putText(draft: Draft): void {
  const { verbosity } = draft.request.sampling;
  const format = formatOf(draft);
  const wanted = verbosity !== undefined && takes(draft, "verbosity") ? verbosity : undefined;
  if (format !== undefined || wanted !== undefined) draft.body.set("text", { format, verbosity: wanted });
}

function formatOf(draft: Draft): unknown {
  const { request, notes } = draft;
  const format = request.responseFormat;
  if (format === undefined || format.kind === "text") return undefined;
  if (format.kind === "json_schema" && lists(draft, "structured_outputs")) {
    const { name, description, strict, schema } = format;
    return { type: "json_schema", name, description, strict, schema };
  }
  if (!takes(draft, "response_format")) return undefined;
  if (format.kind === "json_schema") {
    notes.warnings.add("structured_outputs is not supported by this endpoint: JSON was asked for without the schema.");
  }
  return { type: "json_object" };
}

function putReasoning(draft: Draft): void {
  const wanted = draft.request.reasoning;
  if (wanted === undefined) return;
  const { effort, maxTokens, enabled } = wanted;
  const isSaid = effort !== undefined || maxTokens !== undefined || enabled !== undefined;
  const summary = summaryOf(wanted, draft.quirks);
  // `exclude` alone asks nothing of the upstream.
  if ((!isSaid && summary === undefined) || !takes(draft, "reasoning", "reasoning_effort")) return;
  if (maxTokens !== undefined)
    draft.notes.warnings.add("reasoning.max_tokens is not supported by this endpoint and was left out.");
  const named = effort ?? (enabled === false ? "none" : undefined);
  const sent = named === undefined ? undefined : nearestEffort(named, draft);
  if (sent !== undefined || summary !== undefined) draft.body.set("reasoning", { effort: sent, summary });
}

function summaryOf(reasoning: ReasoningRequest, quirks: ResponsesQuirks): string | undefined {
  if (reasoning.summary !== undefined) return reasoning.summary;
  return wantsReasoning(reasoning) && reasoning.exclude !== true ? quirks.default_summary : undefined;
}

/** The effort, or the nearest one that the provider understands. */
function nearestEffort(wanted: ReasoningEffort, { quirks, notes }: Draft): ReasoningEffort {
  const known = quirks.reasoning_efforts;
  if (known.includes(wanted)) return wanted;
  const distance = (effort: ReasoningEffort): number => Math.abs(EFFORTS.indexOf(effort) - EFFORTS.indexOf(wanted));
  const nearest = known.reduce((best, effort) => (distance(effort) < distance(best) ? effort : best));
  notes.warnings.add(`reasoning.effort ${wanted} is not supported by this endpoint: ${nearest} was sent instead.`);
  return nearest;
}

function putSampling(draft: Draft): void {
  const { sampling } = draft.request;
  for (const name of ["temperature", "top_p"] as const) {
    const value = sampling[name];
    if (value !== undefined && takes(draft, name)) draft.body.set(name, value);
  }
  if (sampling.top_logprobs !== undefined && takes(draft, "top_logprobs", "logprobs"))
    draft.body.set("top_logprobs", sampling.top_logprobs);
}

/** What is not in an answer unless asked for. Models that do not reason refuse to be asked for their reasoning. */
function putInclude(draft: Draft): void {
  const { sampling } = draft.request;
  const include: string[] = [];
  if (lists(draft, "reasoning", "reasoning_effort", "include_reasoning")) include.push(ENCRYPTED_REASONING);
  if (sampling.logprobs === true && takes(draft, "logprobs")) include.push(LOGPROBS);
  if (include.length > 0) draft.body.set("include", include);
}

function putLimit(draft: Draft): void {
  const { request, body, notes } = draft;
  const limit = request.maxOutputTokens;
  if (limit === undefined || !takes(draft, "max_tokens", "max_completion_tokens")) return;
  if (limit < OUTPUT_TOKENS_MIN) refuse(notes, `This endpoint takes no max_tokens below ${OUTPUT_TOKENS_MIN}.`);
  body.set("max_output_tokens", limit);
}

function putExtra({ request, quirks, notes, body }: Draft): void {
  for (const [name, value] of Object.entries(request.extra)) {
    // What we know has its own rules above, and was parsed from the same body.
    if (body.has(name)) continue;
    if (!quirks.pass_extra || CHAT_ONLY.has(name) || quirks.unsupported.includes(name)) leftOut(notes, name);
    else body.set(name, value);
  }
  for (const [name, value] of Object.entries(quirks.extra_body)) if (!body.has(name)) body.set(name, value);
}

function noteUnknown({ request, notes }: Draft): void {
  for (const name of UNKNOWN_SAMPLING) if (request.sampling[name] !== undefined) leftOut(notes, name);
  if (request.stop.length > 0) leftOut(notes, "stop");
  if ((request.sampling.n ?? 1) > 1) notes.warnings.add("n is not supported by this endpoint; one choice is given.");
  if (request.modalities?.some((modality) => modality !== "text") === true) leftOut(notes, "modalities");
}
