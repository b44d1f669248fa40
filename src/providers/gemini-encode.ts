/**
 * A chat request as a body of Gemini's `generateContent`. The key travels in a header, never in the URL.
 * Nothing is dropped in silence: what the API or the endpoint cannot take is named in `warnings`. A schema is native,
 * except beside tools before Gemini 3, where the API refuses the two together: there one more tool, which the model must
 * call, stands for the answer.
 * Source: https://ai.google.dev/api/generate-content (accessed 2026-11-21). Token counts throughout.
 */
import type { ChatRequest, Sampling } from "../core/chat.ts";
import { isObject, type JsonObject } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EncodedRequest, Target } from "./adapter.ts";
import { freeToolName, jsonInstruction, leftOut, newNotes, type Notes, type WireObject } from "./echo.ts";
import { contentsOf, GEMINI_FORMAT, noteCache, type ContentsRules } from "./gemini-contents.ts";
import { thinkingConfigOf } from "./gemini-thinking.ts";

const STOP_MAX = 5;

/** Standard names and Gemini's; null: the API has no word for it. */
const SAMPLING: Readonly<Record<Exclude<keyof Sampling, "n">, string | null>> = {
  temperature: "temperature",
  top_p: "topP",
  top_k: "topK",
  frequency_penalty: "frequencyPenalty",
  presence_penalty: "presencePenalty",
  seed: "seed",
  logprobs: "responseLogprobs",
  top_logprobs: "logprobs",
  min_p: null,
  top_a: null,
  repetition_penalty: null,
  logit_bias: null,
  verbosity: null,
};

/** @returns an error sentence when the conversation holds something that Gemini has no form for. */
export function encodeGemini(request: ChatRequest, target: Target): Result<EncodedRequest, string> {
  const said = geminiBodyOf(request, target, { withIds: true });
  if (!said.ok) return said;
  const method = request.stream ? "streamGenerateContent?alt=sse" : "generateContent";
  return ok({
    url: `${target.baseUrl}/${pathOf(target.upstreamModel)}:${method}`,
    headers: {
      "content-type": "application/json",
      accept: request.stream ? "text/event-stream" : "application/json",
      "x-goog-api-key": target.credential,
    },
    body: JSON.stringify(said.value.body),
    warnings: said.value.warnings,
  });
}

/** The body alone, for whichever platform. @returns an error sentence when the conversation cannot be said. */
export function geminiBodyOf(
  request: ChatRequest,
  target: Target,
  platform: Pick<ContentsRules, "withIds">,
): Result<{ readonly body: WireObject; readonly warnings: readonly string[] }, string> {
  const notes = newNotes();
  const rules = { ...platform, generation: generationOf(target.upstreamModel) };
  const { system, contents } = contentsOf(request.messages, rules, notes);
  if (answerForm(request, target) === "instruction" && request.responseFormat !== undefined) {
    system.push({ text: jsonInstruction(request.responseFormat) });
    notes.warnings.add(
      `response_format ${request.responseFormat.kind} is asked for by an instruction here and not enforced.`,
    );
  }
  const declarations = declarationsOf(request, target, notes);
  const own = request.native?.format === GEMINI_FORMAT ? request.native.fields : {};
  const config = { ...ownConfigOf(own), ...generationConfigOf(request, target, notes) };
  const choice = declarations.length === 0 ? null : callingConfigOf(request, target, notes);
  if (request.cacheControl !== undefined) noteCache(notes);
  for (const name of Object.keys(request.extra))
    notes.warnings.add(`${name} is not known to this endpoint and was left out.`);
  if (notes.fault !== null) return err(notes.fault);
  const body: WireObject = {
    ...(system.length === 0 ? {} : { systemInstruction: { parts: system } }),
    contents: contents.map((content) => ({ role: content.role, parts: content.parts })),
    ...(declarations.length === 0 ? {} : { tools: [{ functionDeclarations: declarations }] }),
    ...(choice === null ? {} : { toolConfig: { functionCallingConfig: choice } }),
    ...(Object.keys(config).length === 0 ? {} : { generationConfig: config }),
    ...(own["safetySettings"] === undefined ? {} : { safetySettings: own["safetySettings"] }),
  };
  return ok({ body, warnings: [...notes.warnings] });
}

/** Settings in this API's own words, which a client that speaks it has given. */
function ownConfigOf(own: JsonObject): JsonObject {
  const config = own["generationConfig"];
  // A member of that name is written by the dialect alone, as an object.
  return isObject(config) ? (config as JsonObject) : {};
}

/** The major version of a Gemini model: 3 for "gemini-3.1-pro"; 0 for models that do not say. */
function generationOf(model: string): number {
  return Number(/gemini-(\d+)/.exec(model)?.[1] ?? 0);
}

/** The name of the tool that stands for a structured answer; null when the answer takes another form. */
export function jsonToolOf(request: ChatRequest, target: Target): string | null {
  return answerForm(request, target) === "tool" ? freeToolName(request.tools) : null;
}

/** How a structured answer is asked for; null when none is. */
function answerForm(request: ChatRequest, target: Target): "native" | "tool" | "instruction" | null {
  const format = request.responseFormat;
  if (format === undefined || format.kind === "text") return null;
  const hasTools = request.tools.length > 0 && takes(target, "tools") && request.toolChoice?.kind !== "none";
  // A call that the client forces is the answer; the API refuses a form of text beside it.
  if (hasTools && (request.toolChoice?.kind === "required" || request.toolChoice?.kind === "function")) return null;
  const isSupported = takes(target, format.kind === "json_schema" ? "structured_outputs" : "response_format");
  if (isSupported && (!hasTools || generationOf(target.upstreamModel) >= 3)) return "native";
  if (format.kind === "json_object" || !takes(target, "tools")) return "instruction";
  return "tool";
}

function takes(target: Target, parameter: string): boolean {
  return target.supportedParameters.includes(parameter);
}

/** A model's path segments; tuned models name their collection themselves. */
function pathOf(model: string): string {
  const path = model.includes("/") ? model : `models/${model}`;
  return path.split("/").map(encodeURIComponent).join("/");
}

function declarationsOf(request: ChatRequest, target: Target, notes: Notes): WireObject[] {
  if (!takes(target, "tools")) {
    if (request.tools.length > 0) leftOut(notes, "tools");
    return [];
  }
  const jsonTool = jsonToolOf(request, target);
  const declarations: WireObject[] = [];
  for (const tool of request.tools) {
    if (tool.strict === true)
      notes.warnings.add("strict tools are not supported by this endpoint; strict was left out.");
    if (tool.cacheControl !== undefined) noteCache(notes);
    declarations.push({
      name: tool.name,
      ...(tool.description === undefined ? {} : { description: tool.description }),
      ...(tool.parameters === undefined ? {} : { parametersJsonSchema: tool.parameters }),
    });
  }
  const format = request.responseFormat;
  if (jsonTool !== null && format?.kind === "json_schema") {
    const description = format.description ?? "Gives the final answer in the required form.";
    declarations.push({ name: jsonTool, description, parametersJsonSchema: format.schema });
  }
  return declarations;
}

function callingConfigOf(request: ChatRequest, target: Target, notes: Notes): WireObject | null {
  if (request.parallelToolCalls === false) leftOut(notes, "parallel_tool_calls");
  const jsonTool = jsonToolOf(request, target);
  if (jsonTool !== null) {
    const isOnly = request.tools.length === 0 || request.toolChoice?.kind === "none";
    return isOnly ? { mode: "ANY", allowedFunctionNames: [jsonTool] } : { mode: "ANY" };
  }
  switch (request.toolChoice?.kind) {
    case undefined:
      return null;
    case "auto":
      return { mode: "AUTO" };
    case "none":
      return { mode: "NONE" };
    case "required":
      return { mode: "ANY" };
    case "function":
      return { mode: "ANY", allowedFunctionNames: [request.toolChoice.name] };
    default:
      return request.toolChoice satisfies never;
  }
}

function generationConfigOf(request: ChatRequest, target: Target, notes: Notes): WireObject {
  const config: WireObject = {};
  for (const [name, wireName] of Object.entries(SAMPLING)) {
    // Own names of a constant table.
    const value = request.sampling[name as Exclude<keyof Sampling, "n">];
    if (value === undefined || value === false) continue;
    if (wireName === null || !takes(target, name)) leftOut(notes, name);
    else config[wireName] = value;
  }
  if (request.sampling.n !== undefined && request.sampling.n > 1) config["candidateCount"] = request.sampling.n;
  if (request.maxOutputTokens !== undefined) config["maxOutputTokens"] = request.maxOutputTokens;
  if (request.stop.length > 0) {
    if (request.stop.length > STOP_MAX)
      notes.warnings.add(`Only ${STOP_MAX} stop sequences are taken here; the rest was left out.`);
    if (takes(target, "stop")) config["stopSequences"] = request.stop.slice(0, STOP_MAX);
    else leftOut(notes, "stop");
  }
  if (answerForm(request, target) === "native") {
    config["responseMimeType"] = "application/json";
    if (request.responseFormat?.kind === "json_schema") config["responseJsonSchema"] = request.responseFormat.schema;
  }
  if (request.modalities !== undefined && request.modalities.some((modality) => modality !== "text")) {
    config["responseModalities"] = request.modalities.map((modality) => modality.toUpperCase());
  }
  const thinking = thinkingConfigOf(request, target, generationOf(target.upstreamModel), notes);
  if (thinking !== null) config["thinkingConfig"] = thinking;
  return config;
}
