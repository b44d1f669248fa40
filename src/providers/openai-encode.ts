/**
 * Our chat request as a body of the OpenAI-compatible family.
 * Keys come in a fixed order. A parameter that the endpoint does not take is left out and named in `warnings`; nothing
 * is clamped, defaulted or dropped in silence. A streaming request always asks for usage where it must be asked for.
 */
import type { ChatRequest, ReasoningEffort, ReasoningRequest, Sampling } from "../core/chat.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EncodedRequest, Target } from "./adapter.ts";
import { resolvedTarget } from "./openai-credential.ts";
import { encodeMessages, encodeTool, type Encoding } from "./openai-messages.ts";
import { EFFORTS, parseOpenAiQuirks, type OpenAiQuirks } from "./openai-quirks.ts";

interface Draft extends Encoding {
  readonly body: Map<string, unknown>;
  readonly supported: ReadonlySet<string>;
}

/** @returns a sentence when the quirks are faulty or a part cannot be said. */
export function encodeOpenAi(request: ChatRequest, given: Target): Result<EncodedRequest, string> {
  const parsed = parseOpenAiQuirks(given.quirks);
  if (!parsed.ok) return parsed;
  const quirks = parsed.value;
  const resolved = resolvedTarget(given, quirks);
  if (!resolved.ok) return resolved;
  const target = resolved.value;
  const draft: Draft = {
    quirks,
    warnings: new Set(),
    // A map, because a client's field may be called "__proto__".
    body: new Map(),
    supported: new Set(target.supportedParameters),
  };
  const messages = encodeMessages(request, draft);
  if (!messages.ok) return err(messages.error);
  const { body } = draft;
  body.set("model", target.upstreamModel);
  body.set("messages", messages.value);
  body.set("stream", request.stream ? true : undefined);
  if (request.stream && quirks.stream_usage === "include_usage") body.set("stream_options", { include_usage: true });
  if (request.maxOutputTokens !== undefined && takes(draft, "max_tokens", "max_completion_tokens")) {
    put(draft, quirks.max_tokens_field, request.maxOutputTokens);
  }
  putSampling(request.sampling, draft);
  if (request.stop.length > 0 && takes(draft, "stop")) put(draft, "stop", request.stop);
  putTools(request, draft);
  putResponseFormat(request, draft);
  if (request.reasoning !== undefined) putReasoning(request.reasoning, draft);
  if (request.modalities?.some((modality) => modality !== "text") && takesUnknown(draft, "modalities")) {
    body.set("modalities", request.modalities);
  }
  if (quirks.prompt_cache_key && request.promptCacheKey !== undefined)
    body.set("prompt_cache_key", request.promptCacheKey);
  if (target.userHash !== null && quirks.user_field !== "none") body.set(quirks.user_field, target.userHash);
  putExtra(request, draft);
  return ok({
    url: `${target.baseUrl}${pathOf(target.upstreamModel, quirks)}`,
    headers: headersOf(request, target, quirks),
    body: JSON.stringify(Object.fromEntries(body)),
    warnings: [...draft.warnings],
  });
}

function pathOf(model: string, { model_paths: paths, chat_path: path }: OpenAiQuirks): string {
  const own = Object.hasOwn(paths, model) ? paths[model] : undefined;
  return (own ?? path).replace("{model}", encodeURIComponent(model));
}

/** Headers of a request, credential included. */
export function headersOf(request: ChatRequest, target: Target, quirks: OpenAiQuirks): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: request.stream ? "text/event-stream" : "application/json",
    ...quirks.extra_headers,
  };
  if (quirks.auth === "bearer") headers.authorization = `Bearer ${target.credential}`;
  else if (quirks.auth !== "none") headers[quirks.auth] = target.credential;
  return headers;
}

/** Sets a parameter under the provider's name for it. */
function put(draft: Draft, name: string, value: unknown): void {
  draft.body.set(Object.hasOwn(draft.quirks.rename, name) ? (draft.quirks.rename[name] ?? name) : name, value);
}

/** Whether the endpoint takes a parameter, by any of its names; says so when it does not. */
function takes(draft: Draft, name: string, ...aliases: readonly string[]): boolean {
  const isListed = draft.supported.has(name) || aliases.some((alias) => draft.supported.has(alias));
  return (isListed && !draft.quirks.unsupported.includes(name)) || leaveOut(draft, name);
}

/** Whether a field that no catalog lists may be passed on. */
function takesUnknown(draft: Draft, name: string): boolean {
  return !draft.quirks.unsupported.includes(name) || leaveOut(draft, name);
}

function leaveOut(draft: Draft, name: string): false {
  draft.warnings.add(`${name} is not supported by this endpoint and was left out.`);
  return false;
}

const SAMPLING_ORDER = [
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "top_a",
  "frequency_penalty",
  "presence_penalty",
  "repetition_penalty",
  "seed",
  "logit_bias",
  "logprobs",
  "top_logprobs",
  "verbosity",
] as const satisfies readonly (keyof Sampling)[];

function putSampling(sampling: Sampling, draft: Draft): void {
  for (const name of SAMPLING_ORDER) {
    const value = sampling[name];
    if (value !== undefined && takes(draft, name)) put(draft, name, value);
  }
  // One choice is what everybody gives anyway; strict servers refuse to be told so.
  if (sampling.n !== undefined && sampling.n !== 1 && takesUnknown(draft, "n")) put(draft, "n", sampling.n);
}

function putTools(request: ChatRequest, draft: Draft): void {
  const hasTools = request.tools.length > 0 && takes(draft, "tools");
  if (hasTools)
    put(
      draft,
      "tools",
      request.tools.map((tool) => encodeTool(tool, draft)),
    );
  const choice = request.toolChoice;
  // Without tools there is nothing to choose; "auto" and parallel calls are the default everywhere.
  if (!hasTools) return;
  if (
    choice !== undefined &&
    (draft.supported.has("tool_choice") || choice.kind !== "auto") &&
    takes(draft, "tool_choice")
  ) {
    put(draft, "tool_choice", toolChoiceOf(choice, draft.quirks));
  }
  const parallel = request.parallelToolCalls;
  if (
    parallel !== undefined &&
    (draft.supported.has("parallel_tool_calls") || !parallel) &&
    takes(draft, "parallel_tool_calls")
  ) {
    put(draft, "parallel_tool_calls", parallel);
  }
}

function toolChoiceOf(choice: NonNullable<ChatRequest["toolChoice"]>, quirks: OpenAiQuirks): unknown {
  if (choice.kind === "function") return { type: "function", function: { name: choice.name } };
  return choice.kind === "required" ? quirks.required_tool_choice : choice.kind;
}

function putResponseFormat(request: ChatRequest, draft: Draft): void {
  const format = request.responseFormat;
  if (format === undefined || format.kind === "text") return;
  const { supported, quirks } = draft;
  const takesSchema = supported.has("structured_outputs") && !quirks.unsupported.includes("structured_outputs");
  if (format.kind === "json_schema" && takesSchema && !quirks.unsupported.includes("response_format")) {
    const { name, strict, description, schema } = format;
    const wire =
      quirks.json_schema_style === "openai"
        ? { type: "json_schema", json_schema: { name, description, strict, schema } }
        : { type: "json_object", schema };
    put(draft, "response_format", wire);
    return;
  }
  if (!takes(draft, "response_format")) return;
  put(draft, "response_format", { type: "json_object" });
  if (format.kind === "json_schema") {
    draft.warnings.add("structured_outputs is not supported by this endpoint: JSON was asked for without the schema.");
  }
}

function putReasoning(reasoning: ReasoningRequest, draft: Draft): void {
  const { effort, maxTokens, enabled } = reasoning;
  // `exclude` alone asks nothing of the upstream.
  if (effort === undefined && maxTokens === undefined && enabled === undefined) return;
  if (!takes(draft, "reasoning", "reasoning_effort")) return;
  const { quirks, body } = draft;
  const isOn = effort === undefined ? enabled !== false : effort !== "none";
  if (maxTokens !== undefined && quirks.reasoning_budget_field !== undefined) {
    body.set(quirks.reasoning_budget_field, maxTokens);
  } else if (maxTokens !== undefined && quirks.reasoning_style !== "openrouter" && quirks.reasoning_style !== "none") {
    draft.warnings.add("reasoning.max_tokens is not supported by this endpoint and was left out.");
  }
  switch (quirks.reasoning_style) {
    case "effort":
      putEffort(effort ?? (isOn ? undefined : "none"), draft);
      return;
    case "openrouter":
      body.set("reasoning", { effort, max_tokens: maxTokens, enabled });
      return;
    case "enable_thinking":
      body.set("enable_thinking", isOn);
      return;
    case "chat_template":
      body.set("chat_template_kwargs", { enable_thinking: isOn });
      return;
    case "thinking_type":
      body.set("thinking", { type: isOn ? "enabled" : "disabled" });
      // Some servers with a switch also weigh an effort; they list it.
      if (isOn && effort !== undefined && draft.supported.has("reasoning_effort")) putEffort(effort, draft);
      return;
    case "none":
      leaveOut(draft, "reasoning");
      return;
    default:
      quirks.reasoning_style satisfies never;
  }
}

/** The effort, or the nearest one that the provider understands. */
function putEffort(wanted: ReasoningEffort | undefined, draft: Draft): void {
  if (wanted === undefined) return;
  const known = draft.quirks.reasoning_efforts;
  if (known.includes(wanted)) {
    put(draft, "reasoning_effort", wanted);
    return;
  }
  const distance = (effort: ReasoningEffort): number => Math.abs(EFFORTS.indexOf(effort) - EFFORTS.indexOf(wanted));
  const nearest = known.reduce((best, effort) => (distance(effort) < distance(best) ? effort : best));
  put(draft, "reasoning_effort", nearest);
  draft.warnings.add(`reasoning.effort ${wanted} is not supported by this endpoint: ${nearest} was sent instead.`);
}

function putExtra(request: ChatRequest, draft: Draft): void {
  const { body, quirks } = draft;
  for (const [name, value] of Object.entries(request.extra)) {
    // What we know has its own rules above, and was parsed from the same body.
    if (body.has(name)) continue;
    if (!quirks.pass_extra || quirks.unsupported.includes(name)) leaveOut(draft, name);
    else body.set(name, value);
  }
  for (const [name, value] of Object.entries(quirks.extra_body)) if (!body.has(name)) body.set(name, value);
}
