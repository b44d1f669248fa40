/**
 * Answers of models that the platform runs itself and that have no `choices`: `{response, tool_calls, usage}`, the whole of it
 * or, in a stream, the next piece. Here they become a choice, which the readers of the family know. The form does not say
 * why an answer ended.
 * Source: the output types of `Ai.run` in @cloudflare/workers-types.
 */
import { isObject, numberOf } from "../core/json.ts";

type Fields = Record<string, unknown>;

/** The same answer with choices; itself where it has them, or is no answer of this form. `isWhole`: no piece of a stream. */
export function withChoices(answer: Fields, isWhole: boolean): Fields {
  const { response, tool_calls: calls } = answer;
  if (answer["choices"] !== undefined || (response === undefined && !Array.isArray(calls))) return answer;
  const toolCalls = (Array.isArray(calls) ? calls : []).filter(isObject).map(toolCall);
  const message = { content: textOf(response), ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }) };
  const finish_reason = toolCalls.length > 0 ? "tool_calls" : isWhole || isLast(answer) ? "stop" : null;
  return { ...answer, choices: [{ index: 0, [isWhole ? "message" : "delta"]: message, finish_reason }] };
}

/** The last piece of a stream says nothing but what it all used. */
function isLast({ response, usage }: Fields): boolean {
  return response === "" && isObject(usage) && (numberOf(usage["completion_tokens"]) ?? 0) > 0;
}

/** A structured answer comes as the value that it is. */
function textOf(response: unknown): string | null {
  if (response === undefined || response === null) return null;
  return typeof response === "string" ? response : JSON.stringify(response);
}

/** Name and arguments stand in the call itself, or in its `function` as elsewhere. */
function toolCall(call: Fields, index: number): Fields {
  if (isObject(call["function"])) return { index, ...call };
  const { name, arguments: input = {} } = call;
  const text = typeof input === "string" ? input : JSON.stringify(input);
  return { index, type: "function", function: { name, arguments: text } };
}
