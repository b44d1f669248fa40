/**
 * How a structured answer is asked for in formats of content blocks: natively where the endpoint offers it, else as one
 * more tool that the model must call and whose input is read back as text, else in words. Pure.
 */
import type { ChatRequest } from "../core/chat.ts";
import type { JsonObject } from "../core/json.ts";
import type { Target } from "./adapter.ts";
import { freeToolName } from "./echo.ts";

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
  if (takes(target, "structured_outputs")) return "native";
  if (!takes(target, "tools") || !isToolSchema(format.schema)) return "instruction";
  const isForced = request.toolChoice?.kind === "function" || request.toolChoice?.kind === "required";
  return isForced && request.tools.length > 0 ? null : "tool";
}

/** The API takes an object, and no union, as the input of a tool. */
function isToolSchema(schema: JsonObject): boolean {
  const isObjectSchema = schema["type"] === undefined || schema["type"] === "object";
  return isObjectSchema && !["anyOf", "oneOf", "allOf"].some((union) => Object.hasOwn(schema, union));
}
