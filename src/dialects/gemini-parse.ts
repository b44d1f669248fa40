/**
 * A body of `generateContent` to a chat request. The model stands in the path, and so does whether a stream is wanted.
 * Nothing is clamped; what is accepted but not honoured is reported. Schemas of the API's own kind become JSON Schema,
 * which every other provider takes. What only providers of this format understand goes on in `native`.
 */
import type {
  ChatRequest,
  FunctionTool,
  ReasoningRequest,
  ResponseFormat,
  Sampling,
  ToolChoice,
} from "../core/chat.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import { createWarnings, given, openBody, refuse, type BadRequest, type Warn } from "./body.ts";
import type { Beside, ParsedBody } from "./dialect.ts";
import { faultOf } from "./fault.ts";
import { messagesOf } from "./gemini-contents.ts";
import { jsonSchemaOf } from "./gemini-json-schema.ts";
import { GEMINI_FORMAT } from "./gemini-reasoning.ts";
import { namesAmong } from "./named.ts";
import { camelKeys, GeminiBody, type WireConfig, type WireDeclaration } from "./gemini-schema.ts";

/** Fields of `generationConfig` by our names. */
const SAMPLING = {
  temperature: "temperature",
  topP: "top_p",
  topK: "top_k",
  presencePenalty: "presence_penalty",
  frequencyPenalty: "frequency_penalty",
  seed: "seed",
  responseLogprobs: "logprobs",
  logprobs: "top_logprobs",
  candidateCount: "n",
} as const satisfies { readonly [field in keyof WireConfig]?: keyof Sampling };

/** Fields of `generationConfig` that have a word of ours; the others are the format's own. */
const COMMON_CONFIG: ReadonlySet<string> = new Set([
  ...Object.keys(SAMPLING),
  "maxOutputTokens",
  "stopSequences",
  "responseMimeType",
  "responseSchema",
  "responseJsonSchema",
  "responseModalities",
  "thinkingConfig",
]);

/** Fields beside the schema's own that mean something only to us, or that change nothing. */
const KNOWN_FIELDS: ReadonlySet<string> = new Set([...Object.keys(GeminiBody.shape), "model"]);

/** The name of a JSON schema, which this format does not give and others want. */
const SCHEMA_NAME = "response";

/** @returns `bad_request` with the path of the first fault. */
export function parseGemini(sent: unknown, beside: Beside): Result<ParsedBody, BadRequest> {
  const opened = openBody(sent);
  if (!opened.ok) return opened;
  const body = camelKeys(opened.value);
  const checked = GeminiBody.safeParse(body);
  if (!checked.success) return err(faultOf(checked.error.issues, body));
  const wire = checked.data;
  if (wire.cachedContent) {
    return refuse("cachedContent is not available here: send the contents themselves", "cachedContent");
  }
  const { warn, warnings } = createWarnings();
  const messages = messagesOf(wire, warn);
  if (!messages.ok) return messages;
  if (!messages.value.some((message) => message.role !== "system")) {
    return refuse("contents must hold at least one part", "contents");
  }
  const config = wire.generationConfig ?? {};
  if (config.responseSchema && config.responseJsonSchema) {
    return refuse(
      "generationConfig.responseSchema and generationConfig.responseJsonSchema exclude each other: set one of them",
      "generationConfig.responseSchema",
    );
  }
  const model = modelNamed(beside.model ?? "");
  const named = namesAmong([...new Set([...(model === "" ? [] : [model]), ...(wire.models ?? [])])], wire.preset);
  if (!named.ok) return named;
  const declarations = (wire.tools ?? []).flatMap((tool) => tool.functionDeclarations ?? []);
  const choice = choiceOf(wire, declarations, warn);
  if (!choice.ok) return choice;
  const request: ChatRequest = {
    messages: messages.value,
    stream: beside.stream === true,
    sampling: samplingOf(config),
    stop: config.stopSequences ?? [],
    tools: choice.value.declarations.map(toolOf),
    ...given("maxOutputTokens", config.maxOutputTokens),
    ...given("toolChoice", choice.value.toolChoice),
    ...given("responseFormat", responseFormatOf(config)),
    ...given("reasoning", reasoningOf(config)),
    ...given(
      "modalities",
      config.responseModalities?.map((kind) => kind.toLowerCase()),
    ),
    ...given("user", wire.user),
    ...given("native", nativeOf(wire, config)),
    extra: {},
  };
  for (const field of Object.keys(wire)) {
    if (!KNOWN_FIELDS.has(field) && wire[field] !== null) warn(`${field.slice(0, 64)} is not passed on`);
  }
  return ok({
    request,
    ...named.value,
    provider: (wire.provider ?? null) as JsonObject | null, // parsed from JSON
    sessionId: wire.sessionId ?? null,
    warnings: warnings(),
    echo: { includeThoughts: config.thinkingConfig?.includeThoughts === true },
  });
}

/** `models/` may stand before a name; the vendor's own names may come without their author. */
export function modelNamed(model: string): string {
  const name = model.startsWith("models/") ? model.slice("models/".length) : model;
  const [base = ""] = name.split("@");
  return !base.includes("/") && /^(gemini|gemma)-/.test(base) ? `google/${name}` : name;
}

function samplingOf(config: WireConfig): Sampling {
  const sampling: Record<string, unknown> = {};
  for (const [field, name] of Object.entries(SAMPLING)) {
    const value = config[field];
    if (value !== null && value !== undefined) sampling[name] = value;
  }
  return sampling as Sampling; // the schema of each field is the type of each field
}

function toolOf({ name, description, parameters, parametersJsonSchema }: WireDeclaration): FunctionTool {
  const schema = parametersJsonSchema ?? (parameters ? jsonSchemaOf(parameters as JsonObject) : undefined);
  return { name, ...given("description", description), ...given("parameters", schema as JsonObject | undefined) }; // parsed from JSON
}

interface Choice {
  readonly declarations: readonly WireDeclaration[];
  readonly toolChoice: ToolChoice | undefined;
}

/** Of several functions that alone may be called, the others are not even shown to the model: no other format says it. */
function choiceOf(wire: GeminiBody, declarations: readonly WireDeclaration[], warn: Warn): Result<Choice, BadRequest> {
  const calling = wire.toolConfig?.functionCallingConfig;
  const names = calling?.allowedFunctionNames ?? [];
  const unknown = names.find((name) => !declarations.some((declaration) => declaration.name === name));
  if (unknown !== undefined) {
    const path = "toolConfig.functionCallingConfig.allowedFunctionNames";
    return refuse(`${path} names a function that tools do not declare`, path);
  }
  const mode = calling?.mode ?? undefined;
  switch (mode) {
    case "ANY": {
      const [only, ...more] = names;
      if (only !== undefined && more.length === 0) {
        return ok({ declarations, toolChoice: { kind: "function", name: only } });
      }
      const allowed = declarations.filter(({ name }) => names.includes(name));
      return ok({ declarations: names.length === 0 ? declarations : allowed, toolChoice: { kind: "required" } });
    }
    case "NONE":
      return ok({ declarations, toolChoice: { kind: "none" } });
    case "VALIDATED":
      warn("The function calling mode VALIDATED is not available here: AUTO was used");
      return ok({ declarations, toolChoice: { kind: "auto" } });
    case "AUTO":
      return ok({ declarations, toolChoice: { kind: "auto" } });
    case "MODE_UNSPECIFIED":
    case undefined:
      return ok({ declarations, toolChoice: undefined });
    default:
      return mode satisfies never;
  }
}

function responseFormatOf(config: WireConfig): ResponseFormat | undefined {
  const schema =
    config.responseJsonSchema ??
    (config.responseSchema ? jsonSchemaOf(config.responseSchema as JsonObject) : undefined);
  if (schema !== undefined) return { kind: "json_schema", name: SCHEMA_NAME, schema: schema as JsonObject }; // parsed from JSON
  return config.responseMimeType === "application/json" ? { kind: "json_object" } : undefined;
}

const EFFORTS = { MINIMAL: "minimal", LOW: "low", MEDIUM: "medium", HIGH: "high" } as const;

/** A budget of 0 turns thinking off, -1 leaves its length to the model. Thoughts are shown only where they are asked for. */
function reasoningOf({ thinkingConfig }: WireConfig): ReasoningRequest | undefined {
  if (thinkingConfig === null || thinkingConfig === undefined) return undefined;
  const { includeThoughts, thinkingBudget: budget, thinkingLevel } = thinkingConfig;
  const level = thinkingLevel?.toUpperCase() ?? "";
  const effort = Object.entries(EFFORTS).find(([name]) => name === level)?.[1];
  return {
    ...given("effort", effort),
    ...(budget === 0 ? { enabled: false } : budget === -1 ? { enabled: true } : given("maxTokens", budget)),
    ...(includeThoughts === true ? {} : { exclude: true }),
  };
}

/** Settings that no other format has a word for. */
function nativeOf(wire: GeminiBody, config: WireConfig): ChatRequest["native"] {
  const own: Record<string, Json> = {};
  for (const [field, value] of Object.entries(config)) {
    if (!COMMON_CONFIG.has(field) && value !== null) own[field] = value as Json; // parsed from JSON
  }
  const fields: Record<string, Json> = {};
  if (wire.safetySettings?.length) fields["safetySettings"] = wire.safetySettings as Json; // parsed from JSON
  if (Object.keys(own).length > 0) fields["generationConfig"] = own;
  return Object.keys(fields).length === 0 ? undefined : { format: GEMINI_FORMAT, fields };
}
