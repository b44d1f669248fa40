/** Which answers keep the form that was asked for, and of which nothing is said. */
import { expect, test } from "vitest";
import type { ChatRequest } from "../../../src/core/chat.ts";
import type { FinishReason, GenerationEvent } from "../../../src/core/event.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import type { Judged } from "../../../src/limits/quality.ts";
import { judge } from "../../../src/router/judge.ts";
import { createMeter } from "../../../src/router/meter.ts";
import { witnessFor } from "../../../src/router/witness.ts";
import { PLAUSIBLE } from "./world.ts";

const LOOK = {
  type: "function",
  function: {
    name: "look",
    parameters: { type: "object", properties: { at: { type: "string" } }, required: ["at"] },
  },
};
const WAIT = { type: "function", function: { name: "wait" } };
const JSON_MODE = { type: "json_object" };
const SCHEMA = {
  type: "json_schema",
  json_schema: { name: "x", schema: { type: "object", required: ["a"], properties: { a: { type: "integer" } } } },
};
const BOTH = ["tools", "response_format", "structured_outputs"];

function requestOf(body: Record<string, unknown>): ChatRequest {
  const parsed = openAiChat.parse({ model: "a/b", messages: [{ role: "user", content: "Hi" }], ...body });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value.request;
}

const say = (text: string, choice = 0): GenerationEvent => ({ type: "text-delta", choice, text });
const finish = (reason: FinishReason): GenerationEvent => ({ type: "finish", choice: 0, reason, nativeReason: null });
/** A call whose arguments come in pieces of three characters. */
const call = (name: string, input: string, index = 0): GenerationEvent[] => [
  { type: "tool-start", choice: 0, index, id: `id-${index}`, name },
  ...(input.match(/[^]{1,3}/g) ?? []).map((text): GenerationEvent => ({
    type: "tool-input-delta",
    choice: 0,
    index,
    text,
  })),
];

function judged(
  body: Record<string, unknown>,
  events: readonly GenerationEvent[],
  supported = BOTH,
): Judged | undefined {
  const request = requestOf(body);
  const meter = createMeter(1, PLAUSIBLE, witnessFor(request));
  for (const event of events) meter.add([event]);
  return meter.witness === null ? undefined : judge(meter.witness.read(), request, supported);
}

test.each<{
  name: string;
  body: Record<string, unknown>;
  events: GenerationEvent[];
  supported?: string[];
  is: Judged | undefined;
}>([
  { name: "nothing was asked for", body: {}, events: [say("{"), finish("stop")], is: undefined },
  { name: "a call that fits", body: { tools: [LOOK] }, events: call("look", '{"at":"sea"}'), is: { toolCalls: true } },
  {
    name: "arguments that are no JSON",
    body: { tools: [LOOK] },
    events: call("look", '{"at":"sea"'),
    is: { toolCalls: false },
  },
  {
    name: "a tool that was not offered",
    body: { tools: [LOOK] },
    events: call("Look", '{"at":"sea"}'),
    is: { toolCalls: false },
  },
  { name: "a missing argument", body: { tools: [LOOK] }, events: call("look", "{}"), is: { toolCalls: false } },
  {
    name: "an argument of another type",
    body: { tools: [LOOK] },
    events: call("look", '{"at":1}'),
    is: { toolCalls: false },
  },
  {
    name: "no arguments for a tool that takes none",
    body: { tools: [WAIT] },
    events: call("wait", ""),
    is: { toolCalls: true },
  },
  {
    name: "no arguments where one is required",
    body: { tools: [LOOK] },
    events: call("look", ""),
    is: { toolCalls: false },
  },
  {
    name: "one wrong call of two",
    body: { tools: [LOOK, WAIT] },
    events: [...call("wait", "{}"), ...call("look", "[", 1)],
    is: { toolCalls: false },
  },
  { name: "words instead of a call", body: { tools: [LOOK] }, events: [say("No."), finish("stop")], is: undefined },
  {
    name: "words where a call was required",
    body: { tools: [LOOK], tool_choice: "required" },
    events: [say("No."), finish("stop")],
    is: { toolCalls: false },
  },
  {
    name: "a call that was cut for its length",
    body: { tools: [LOOK] },
    events: [...call("look", '{"at":"s'), finish("length")],
    is: undefined,
  },
  {
    name: "a call at its usual end",
    body: { tools: [LOOK] },
    events: [...call("look", "{"), finish("tool_calls")],
    is: { toolCalls: false },
  },
  {
    name: "a filtered answer",
    body: { response_format: JSON_MODE },
    events: [say("{"), finish("content_filter")],
    is: undefined,
  },
  {
    name: "a refusal",
    body: { response_format: SCHEMA },
    events: [{ type: "refusal-delta", choice: 0, text: "I won't." }, finish("stop")],
    is: undefined,
  },
  {
    name: "JSON",
    body: { response_format: JSON_MODE },
    events: [say('{"b":'), say("[1]}"), finish("stop")],
    is: { structured: true },
  },
  {
    name: "JSON in a fence",
    body: { response_format: JSON_MODE },
    events: [say("```json\n{}\n```")],
    is: { structured: false },
  },
  { name: "no text at all", body: { response_format: JSON_MODE }, events: [finish("stop")], is: { structured: false } },
  {
    name: "what fits the schema",
    body: { response_format: SCHEMA },
    events: [say('{"a":1}')],
    is: { structured: true },
  },
  {
    name: "what does not fit",
    body: { response_format: SCHEMA },
    events: [say('{"a":"1"}')],
    is: { structured: false },
  },
  {
    name: "a schema that was never promised",
    body: { response_format: SCHEMA },
    events: [say('{"b":1}')],
    supported: ["response_format"],
    is: { structured: true },
  },
  {
    name: "nothing promised",
    body: { response_format: JSON_MODE },
    events: [say("x")],
    supported: ["tools"],
    is: undefined,
  },
  {
    name: "one broken choice of two",
    body: { response_format: JSON_MODE, n: 2 },
    events: [say("{}"), say("{", 1)],
    is: { structured: false },
  },
  {
    name: "a call instead of structured output",
    body: { tools: [LOOK], response_format: SCHEMA },
    events: [say("Let me see"), ...call("look", '{"at":"sea"}')],
    is: { toolCalls: true },
  },
  {
    name: "structured output where a tool could have been called",
    body: { tools: [LOOK], response_format: SCHEMA },
    events: [say('{"a":1}')],
    is: { structured: true },
  },
])("$name", ({ body, events, supported, is }) => {
  expect(judged(body, events, supported)).toEqual(is);
});

test("an answer that is too long to keep is not judged, and one just within is", () => {
  const input = (chars: number): string => JSON.stringify({ at: "x".repeat(chars - '{"at":""}'.length) });
  const pieces = (text: string): GenerationEvent[] => call("look", text).concat(finish("tool_calls"));
  expect(judged({ tools: [LOOK] }, pieces(input(64 * 1024)))).toEqual({ toolCalls: true });
  expect(judged({ tools: [LOOK] }, pieces(input(64 * 1024 + 1)))).toBeUndefined();
  const many = Array.from({ length: 65 }, (_, index) => call("wait", "{}", index)).flat();
  expect(judged({ tools: [WAIT] }, many)).toBeUndefined();
  // Text that nobody asked to be JSON costs nothing and hides nothing.
  const talk = Array.from({ length: 100 }, () => say("y".repeat(1_000)));
  expect(judged({ tools: [LOOK] }, [...talk, ...call("look", "{")])).toEqual({ toolCalls: false });
});

test("only requests with tools or structured output have a witness", () => {
  expect(createMeter(1, PLAUSIBLE).witness).toBeNull();
  expect(witnessFor(requestOf({}))).toBeNull();
  expect(witnessFor(requestOf({ response_format: { type: "text" } }))).toBeNull();
  expect(witnessFor(requestOf({ tools: [WAIT] }))).not.toBeNull();
  expect(witnessFor(requestOf({ response_format: JSON_MODE }))).not.toBeNull();
});
