/**
 * A chat request as a body of Bedrock's Converse and ConverseStream.
 * Nothing is dropped in silence: what the API, the model's vendor or the endpoint cannot take is named in `warnings`.
 * What Converse has no word for goes into the vendor's own fields where those are documented.
 * Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (accessed 2026-11-21).
 * Token counts throughout.
 */
import type { ChatRequest, FunctionTool } from "../core/chat.ts";
import { isObject, type Json } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EncodedRequest, Target } from "./adapter.ts";
import { answerForm, answerSchema, jsonToolOf, strictSchema, takes } from "./answer-form.ts";
import { samplingOf, schemaOf } from "./anthropic-encode.ts";
import { thinkingPlanOf, type ThinkingPlan } from "./anthropic-thinking.ts";
import { cachePoint, conversationOf, lacksThinking, type Conversation } from "./bedrock-messages.ts";
import { modelPathOf, vendorOf } from "./bedrock-names.ts";
import { parseBedrockQuirks, type BedrockQuirks } from "./bedrock-quirks.ts";
import { awsCredentialOf } from "./bedrock-sign.ts";
import { jsonInstruction, leftOut, newNotes, wantsReasoning, type Notes, type WireObject } from "./echo.ts";

/** https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html (accessed 2026-11-21). */
const BREAKPOINTS_MAX = 4;
const STOP_MAX = 4;
/** Fields of Converse that a client may set by their own name. */
const OWN_FIELDS: readonly string[] = [
  "guardrailConfig",
  "performanceConfig",
  "requestMetadata",
  "serviceTier",
  "additionalModelResponseFieldPaths",
];
/** Standard names that neither Converse nor a vendor's documented fields know. */
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
  "verbosity",
] as const;

/** What a request becomes, beside its messages. */
interface Draft {
  readonly vendor: string;
  readonly inference: WireObject;
  /** Fields of the model's own. */
  readonly additional: WireObject;
  readonly notes: Notes;
}

/** @returns an error sentence when the quirks are faulty or the conversation cannot be said. */
export function encodeBedrock(request: ChatRequest, target: Target): Result<EncodedRequest, string> {
  const quirks = parseBedrockQuirks(target.quirks);
  if (!quirks.ok) return quirks;
  const path = modelPathOf(target);
  if (!path.ok) return path;
  const notes = newNotes();
  const draft: Draft = { vendor: vendorOf(target.upstreamModel), inference: {}, additional: {}, notes };
  const conversation = conversationOf(request.messages, target.upstreamModel, notes);
  const tools = toolsOf(request, target, conversation, notes);
  putReasoning(request, target, conversation, draft);
  const choice = tools.length === 0 ? null : toolChoiceOf(request, target, draft);
  instruct(request, target, conversation, notes);
  placeBreakpoint(request, target, conversation, tools, notes);
  putStop(request, target, draft);
  const own = ownFieldsOf(request, quirks.value, draft);
  if (notes.fault !== null) return err(notes.fault);
  const body: WireObject = {
    ...(conversation.system.length === 0 ? {} : { system: conversation.system }),
    messages: conversation.turns.map(({ role, content }) => ({ role, content })),
    ...(Object.keys(draft.inference).length === 0 ? {} : { inferenceConfig: draft.inference }),
    ...(tools.length === 0 ? {} : { toolConfig: { tools, ...(choice === null ? {} : { toolChoice: choice }) } }),
    ...outputConfigOf(request, target, notes),
    ...(Object.keys(draft.additional).length === 0 ? {} : { additionalModelRequestFields: draft.additional }),
    ...own,
  };
  return ok({
    url: `${target.baseUrl}/model/${path.value}/${request.stream ? "converse-stream" : "converse"}`,
    headers: headersOf(request, target),
    body: JSON.stringify(body),
    warnings: [...notes.warnings],
  });
}

/** A key of Bedrock's own is said here; a signature comes last, over everything. */
function headersOf(request: ChatRequest, target: Target): Record<string, string> {
  const credential = awsCredentialOf(target.credential);
  return {
    "content-type": "application/json",
    accept: request.stream ? "application/vnd.amazon.eventstream" : "application/json",
    ...(credential.kind === "api_key" ? { authorization: `Bearer ${credential.key}` } : {}),
  };
}

function toolsOf(request: ChatRequest, target: Target, conversation: Conversation, notes: Notes): WireObject[] {
  if (!takes(target, "tools")) {
    if (request.tools.length > 0) leftOut(notes, "tools");
    return [];
  }
  const isHidden = request.toolChoice?.kind === "none" && conversation.called.size === 0;
  const offered = isHidden && vendorOf(target.upstreamModel) !== "anthropic" ? [] : request.tools;
  const tools = offered.flatMap((tool) => [
    toolOf(tool, target, notes),
    ...cachePoint(tool.cacheControl, target.upstreamModel, notes),
  ]);
  const jsonTool = jsonToolOf(request, target);
  const format = request.responseFormat;
  if (jsonTool !== null && format?.kind === "json_schema") {
    const description = format.description ?? "Gives the final answer in the required form.";
    tools.push({ toolSpec: { name: jsonTool, description, inputSchema: { json: schemaOf(format.schema) } } });
  }
  if (tools.length > 0 || conversation.called.size === 0) return tools;
  notes.warnings.add("Earlier tool calls need their tools declared here: bare declarations were added.");
  return [...conversation.called].map((name) => ({ toolSpec: { name, inputSchema: { json: schemaOf(undefined) } } }));
}

function toolOf(tool: FunctionTool, target: Target, notes: Notes): WireObject {
  const strict = strictSchema(tool, schemaOf(tool.parameters), target, notes);
  return {
    toolSpec: {
      name: tool.name,
      ...(tool.description ? { description: tool.description } : {}),
      inputSchema: { json: strict ?? schemaOf(tool.parameters) },
      ...(strict === null ? {} : { strict: true }),
    },
  };
}

/** Claude's own field says what Converse cannot: no call at all, and one call at most. The two exclude each other. */
function toolChoiceOf(request: ChatRequest, target: Target, draft: Draft): WireObject | null {
  const choice = plainChoiceOf(request, target);
  const isClaude = draft.vendor === "anthropic";
  const isSingle = request.parallelToolCalls === false;
  if (isClaude && (choice.kind === "none" || isSingle)) {
    const type = { none: "none", auto: "auto", any: "any", tool: "tool" }[choice.kind];
    draft.additional["tool_choice"] = {
      type,
      ...(choice.kind === "tool" ? { name: choice.name } : {}),
      ...(isSingle && choice.kind !== "none" ? { disable_parallel_tool_use: true } : {}),
    };
    return null;
  }
  if (isSingle) leftOut(draft.notes, "parallel_tool_calls");
  switch (choice.kind) {
    case "none":
      draft.notes.warnings.add("tool_choice none cannot be said here once tools were called; it was left out.");
      return null;
    case "auto":
      return request.toolChoice === undefined ? null : { auto: {} };
    case "any":
      return { any: {} };
    case "tool":
      return { tool: { name: choice.name } };
    default:
      return choice satisfies never;
  }
}

type PlainChoice = { readonly kind: "none" | "auto" | "any" } | { readonly kind: "tool"; readonly name: string };

function plainChoiceOf(request: ChatRequest, target: Target): PlainChoice {
  const jsonTool = jsonToolOf(request, target);
  const wanted = request.toolChoice;
  if (jsonTool !== null) {
    const isOnly = request.tools.length === 0 || wanted?.kind === "none";
    return isOnly ? { kind: "tool", name: jsonTool } : { kind: "any" };
  }
  if (wanted === undefined || wanted.kind === "auto") return { kind: "auto" };
  if (wanted.kind === "function") return { kind: "tool", name: wanted.name };
  return { kind: wanted.kind === "required" ? "any" : "none" };
}

/** Limits, sampling and reasoning, each in the words of the model's vendor. */
function putReasoning(request: ChatRequest, target: Target, conversation: Conversation, draft: Draft): void {
  const { vendor, inference, additional, notes } = draft;
  for (const name of UNKNOWN_SAMPLING) {
    const value = request.sampling[name];
    if (value !== undefined && value !== false) leftOut(notes, name);
  }
  if ((request.sampling.n ?? 1) > 1) notes.warnings.add("n is not supported by this endpoint; one choice is given.");
  if (request.modalities?.some((modality) => modality !== "text") === true) {
    notes.warnings.add("modalities other than text are not supported by this endpoint and were left out.");
  }
  if (vendor === "anthropic") {
    const choice = plainChoiceOf(request, target).kind;
    const limits = {
      forcesTool: choice === "any" || choice === "tool",
      lacksThinking: lacksThinking(conversation.turns),
    };
    putClaude(request, target, thinkingPlanOf(request, target, limits, notes), draft);
    return;
  }
  if (request.maxOutputTokens !== undefined) inference["maxTokens"] = request.maxOutputTokens;
  const { temperature, top_p: topP, top_k: topK } = request.sampling;
  if (temperature !== undefined && listed(target, "temperature", notes)) inference["temperature"] = temperature;
  if (topP !== undefined && listed(target, "top_p", notes)) inference["topP"] = topP;
  if (topK !== undefined && listed(target, "top_k", notes)) {
    // https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html (accessed 2026-11-21)
    if (vendor === "amazon") additional["inferenceConfig"] = { topK };
    else additional["top_k"] = topK;
  }
  if (request.reasoning !== undefined) putEffort(request, target, draft);
}

function listed(target: Target, name: string, notes: Notes): boolean {
  if (takes(target, name)) return true;
  leftOut(notes, name);
  return false;
}

function putClaude(request: ChatRequest, target: Target, plan: ThinkingPlan, draft: Draft): void {
  const { inference, additional, notes } = draft;
  // Without a limit the model's own holds; thinking has to know one.
  if (request.maxOutputTokens !== undefined || plan.thinking !== null) inference["maxTokens"] = plan.maxTokens;
  const sampling = samplingOf(request, target, plan, notes);
  if (sampling["temperature"] !== undefined) inference["temperature"] = sampling["temperature"];
  if (sampling["top_p"] !== undefined) inference["topP"] = sampling["top_p"];
  if (sampling["top_k"] !== undefined) additional["top_k"] = sampling["top_k"];
  if (plan.thinking !== null) additional["thinking"] = plan.thinking;
  if (plan.effort !== null) additional["output_config"] = { effort: plan.effort };
  // The field of the Messages API on Bedrock, which Converse passes on (our own knowledge).
  if (request.betas !== undefined && request.betas.length > 0) additional["anthropic_beta"] = request.betas;
}

/**
 * An effort for the vendors that document one; the others reason by themselves or not at all.
 * Sources: https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html,
 * https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html (accessed 2026-11-21).
 */
function putEffort(request: ChatRequest, target: Target, { vendor, inference, additional, notes }: Draft): void {
  const { reasoning } = request;
  if (reasoning === undefined) return;
  const isOn = wantsReasoning(reasoning);
  const isOff = reasoning.enabled === false || reasoning.effort === "none";
  if (!isOn && !isOff) return;
  if (!takes(target, "reasoning") || (vendor !== "amazon" && vendor !== "openai")) {
    // Where there is no switch, to be told to reason changes nothing.
    if (isOff || reasoning.effort !== undefined || reasoning.maxTokens !== undefined) leftOut(notes, "reasoning");
    return;
  }
  if (reasoning.maxTokens !== undefined)
    notes.warnings.add("reasoning.max_tokens is not supported by this endpoint and was left out.");
  const wanted = reasoning.effort ?? "medium";
  const effort = wanted === "minimal" ? "low" : wanted === "xhigh" || wanted === "max" ? "high" : wanted;
  if (isOn && effort !== wanted)
    notes.warnings.add(`Reasoning effort ${wanted} is not known here; ${effort} was sent instead.`);
  if (vendor === "openai") {
    if (isOff) leftOut(notes, "reasoning");
    else additional["reasoning_effort"] = effort;
    return;
  }
  additional["reasoningConfig"] = isOff ? { type: "disabled" } : { type: "enabled", maxReasoningEffort: effort };
  if (isOff || effort !== "high") return;
  for (const name of ["maxTokens", "temperature", "topP"]) {
    if (inference[name] === undefined) continue;
    delete inference[name];
    notes.warnings.add(`${name} cannot be set together with high reasoning effort here and was left out.`);
  }
}

/** Asks for JSON in words where nothing enforces it. */
function instruct(request: ChatRequest, target: Target, conversation: Conversation, notes: Notes): void {
  if (request.responseFormat === undefined || answerForm(request, target) !== "instruction") return;
  conversation.system.push({ text: jsonInstruction(request.responseFormat) });
  notes.warnings.add(
    `response_format ${request.responseFormat.kind} is asked for by an instruction here and not enforced.`,
  );
}

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_JsonSchemaDefinition.html: the schema is text. */
function outputConfigOf(request: ChatRequest, target: Target, notes: Notes): WireObject {
  const format = request.responseFormat;
  const schema = answerSchema(request, target, notes);
  if (format?.kind !== "json_schema" || schema === null) return {};
  const { name, description } = format;
  const jsonSchema = { schema: JSON.stringify(schema), name, ...(description === undefined ? {} : { description }) };
  return { outputConfig: { textFormat: { type: "json_schema", structure: { jsonSchema } } } };
}

/** The automatic breakpoint: at the end of everything, unless the client has used all of them. */
function placeBreakpoint(
  request: ChatRequest,
  target: Target,
  conversation: Conversation,
  tools: readonly WireObject[],
  notes: Notes,
): void {
  if (request.cacheControl === undefined) return;
  const all = [...tools, ...conversation.system, ...conversation.turns.flatMap((turn) => turn.content)];
  if (isObject(all.at(-1)?.["cachePoint"])) return;
  if (all.filter((block) => isObject(block["cachePoint"])).length >= BREAKPOINTS_MAX) {
    notes.warnings.add(`The automatic cache breakpoint was left out: only ${BREAKPOINTS_MAX} are allowed.`);
    return;
  }
  conversation.turns.at(-1)?.content.push(...cachePoint(request.cacheControl, target.upstreamModel, notes));
}

function putStop(request: ChatRequest, target: Target, { inference, notes }: Draft): void {
  if (request.stop.length === 0) return;
  if (!takes(target, "stop")) {
    leftOut(notes, "stop");
    return;
  }
  const stop = request.stop.filter((text) => text.trim() !== "");
  if (stop.length < request.stop.length)
    notes.warnings.add("stop sequences of white space are refused here and were left out.");
  if (stop.length > STOP_MAX)
    notes.warnings.add(`Only ${STOP_MAX} stop sequences are taken here; the rest was left out.`);
  if (stop.length > 0) inference["stopSequences"] = stop.slice(0, STOP_MAX);
}

/** Fields of Converse by their own name: the operator's, then the client's; anything else is named and left out. */
function ownFieldsOf(request: ChatRequest, quirks: BedrockQuirks, { additional, notes }: Draft): WireObject {
  const own: Record<string, Json> = {};
  for (const [name, value] of Object.entries(request.extra)) {
    if (OWN_FIELDS.includes(name)) own[name] = value;
    else if (name === "additionalModelRequestFields" && isObject(value)) {
      for (const [field, inner] of Object.entries(value)) additional[field] ??= inner;
    } else notes.warnings.add(`${name} is not known to this endpoint and was left out.`);
  }
  // What the operator guards is not for a client to unguard.
  if (quirks.guardrail !== undefined) {
    if (own["guardrailConfig"] !== undefined) notes.warnings.add("guardrailConfig is set by the operator here.");
    own["guardrailConfig"] = quirks.guardrail;
  }
  return own;
}
