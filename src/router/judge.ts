/**
 * Whether an answer kept the form that was asked for: its tool calls could be run, its structured output could be read.
 * Judged once, when the answer is whole; only the verdicts leave the isolate, as counts of its endpoint. Pure.
 *
 * A request's calls are bad when the arguments of any of them are no JSON, its name was not offered, or the arguments do
 * not fit the tool's schema; schemas that say nothing admit everything. Source:
 * https://openrouter.ai/docs/guides/routing/auto-exacto (read 2026-11-21). Besides, no call at all where one was required.
 * Structured output is bad when it is no JSON, or does not fit its schema where the endpoint promises to keep to one. What
 * was refused, or cut for its length or by a filter, is not judged.
 */
import type { ChatRequest, ResponseFormat } from "../core/chat.ts";
import { parseJson } from "../core/json.ts";
import { fitsSchema } from "../core/schema-fit.ts";
import type { Judged } from "../limits/quality.ts";
import type { Testimony } from "./witness.ts";

/** @returns undefined where there is nothing to judge. */
export function judge(
  testimony: Testimony | null,
  { tools, toolChoice, responseFormat }: Pick<ChatRequest, "tools" | "toolChoice" | "responseFormat">,
  supportedParameters: readonly string[],
): Judged | undefined {
  if (testimony === null || testimony.isCut || testimony.isRefusal) return undefined;
  const toolCalls = tools.length === 0 ? undefined : judgeCalls(testimony, tools, toolChoice);
  const structured =
    responseFormat === undefined || testimony.calls.length > 0
      ? undefined
      : judgeText(testimony.texts, responseFormat, supportedParameters);
  if (toolCalls === undefined && structured === undefined) return undefined;
  return {
    ...(toolCalls === undefined ? {} : { toolCalls }),
    ...(structured === undefined ? {} : { structured }),
  };
}

function judgeCalls(
  { calls }: Testimony,
  tools: ChatRequest["tools"],
  toolChoice: ChatRequest["toolChoice"],
): boolean | undefined {
  if (calls.length === 0) {
    return toolChoice?.kind === "required" || toolChoice?.kind === "function" ? false : undefined;
  }
  return calls.every(({ name, input }) => {
    const tool = tools.find((one) => one.name === name);
    // No arguments at all are an empty object, as they are to the client.
    const given = parseJson(input === "" ? "{}" : input);
    return tool !== undefined && given !== undefined && fitsSchema(given, tool.parameters ?? {});
  });
}

function judgeText(
  texts: readonly string[],
  format: ResponseFormat,
  supportedParameters: readonly string[],
): boolean | undefined {
  const keepsSchemas = supportedParameters.includes("structured_outputs");
  if (format.kind === "text" || (!keepsSchemas && !supportedParameters.includes("response_format"))) return undefined;
  const schema = format.kind === "json_schema" && keepsSchemas ? format.schema : {};
  return (
    texts.length > 0 &&
    texts.every((text) => {
      const given = parseJson(text);
      return given !== undefined && fitsSchema(given, schema);
    })
  );
}
