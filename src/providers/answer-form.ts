/**
 * How a structured answer is asked for in formats of content blocks: natively where the endpoint offers it and its grammar
 * holds the schema, else as one more tool that the model must call and whose input is read back as text, else in words.
 * Pure.
 */
import type { ChatRequest, FunctionTool } from "../core/chat.ts";
import type { JsonObject } from "../core/json.ts";
import type { Target } from "./adapter.ts";
import { freeToolName, type Notes } from "./echo.ts";
import { enforcedSchema, looseningOf, type EnforcedSchema } from "./enforced-schema.ts";

/** Whether the endpoint takes a parameter, by its name in `supported_parameters`. */
export function takes(target: Target, parameter: string): boolean {
  return target.supportedParameters.includes(parameter);
}

/** The name of the tool that stands for a structured answer; null when the answer takes another form. */
export function jsonToolOf(request: ChatRequest, target: Target): string | null {
  return answerForm(request, target) === "tool" ? freeToolName(request.tools) : null;
}

/** How a structured answer is asked for; null when none is, or when the client forces a call, which is the answer then. */
export function answerForm(request: ChatRequest, target: Target): "native" | "tool" | "instruction" | null {
  const format = request.responseFormat;
  if (format === undefined || format.kind === "text") return null;
  if (format.kind !== "json_schema") return "instruction";
  if (takes(target, "structured_outputs") && enforcedSchema(format.schema) !== null) return "native";
  if (!takes(target, "tools") || !isToolSchema(format.schema)) return "instruction";
  const isForced = request.toolChoice?.kind === "function" || request.toolChoice?.kind === "required";
  return isForced && request.tools.length > 0 ? null : "tool";
}

/** The schema that the endpoint is to enforce of the answer; null when it is to enforce none. */
export function answerSchema(request: ChatRequest, target: Target, notes: Notes): JsonObject | null {
  const format = request.responseFormat;
  if (format?.kind !== "json_schema" || answerForm(request, target) !== "native") return null;
  return loosely("response_format", enforcedSchema(format.schema), notes);
}

/** The schema of a tool whose input the endpoint is to enforce; null when it cannot, or is not asked to. */
export function strictSchema(
  { name, strict }: FunctionTool,
  schema: JsonObject,
  target: Target,
  notes: Notes,
): JsonObject | null {
  if (strict !== true) return null;
  if (!takes(target, "structured_outputs")) {
    notes.warnings.add("strict tools are not supported by this endpoint; strict was left out.");
    return null;
  }
  // A tool that names no input takes none.
  const saysMore = ["properties", "anyOf", "oneOf", "allOf", "$ref"].some((key) => Object.hasOwn(schema, key));
  const enforced = enforcedSchema(saysMore ? schema : { ...schema, properties: {} });
  if (enforced === null) notes.warnings.add(`strict of tool ${name} was left out: its schema cannot be enforced here.`);
  return loosely(`tool ${name}`, enforced, notes);
}

function loosely(what: string, enforced: EnforcedSchema | null, notes: Notes): JsonObject | null {
  if (enforced === null) return null;
  const warning = looseningOf(what, enforced);
  if (warning !== null) notes.warnings.add(warning);
  return enforced.schema;
}

/** The API takes an object, and no union, as the input of a tool. */
function isToolSchema(schema: JsonObject): boolean {
  const isObjectSchema = schema["type"] === undefined || schema["type"] === "object";
  return isObjectSchema && !["anyOf", "oneOf", "allOf"].some((union) => Object.hasOwn(schema, union));
}
