/** Cohere's chat, version 2. Shapes: fixtures cohere. Its thinking is not signed. */
import { expect } from "vitest";
import * as words from "./words.ts";
import { at, frames, headers, listAt, pieces, type Answer, type Call, type Sent, type Wire } from "./words.ts";

const NATIVE: Readonly<Record<Answer["end"], string>> = {
  stop: "COMPLETE",
  length: "MAX_TOKENS",
  tools: "TOOL_CALL",
  refusal: "ERROR_TOXIC",
  broken: "ERROR",
};
const tokens = { input_tokens: words.INPUT_TOKENS, output_tokens: words.OUTPUT_TOKENS };
const usage = { billed_units: tokens, tokens };
const callJson = ({ id, name, input }: Call, written = JSON.stringify(input)): object => ({
  id,
  type: "function",
  function: { name, arguments: written },
});

function reply({ text, calls, thought, end }: Answer): unknown {
  const content = [
    ...(thought ? [{ type: "thinking", thinking: words.THOUGHT }] : []),
    ...(text === undefined ? [] : [{ type: "text", text }]),
  ];
  const message = {
    role: "assistant",
    ...(content.length === 0 ? {} : { content }),
    ...(calls === undefined ? {} : { tool_calls: calls.map((call) => callJson(call)) }),
  };
  return { id: "316f0604", message, finish_reason: NATIVE[end], usage };
}

function stream({ text, calls = [], thought, end }: Answer): string {
  const events: object[] = [{ id: "316f0604", type: "message-start", delta: { message: { role: "assistant" } } }];
  const add = (type: string, index: number, message: object): void => {
    events.push({ type, index, delta: { message } });
  };
  let index = 0;
  const block = (type: "thinking" | "text", said: string): void => {
    add("content-start", index, { content: { type, [type]: "" } });
    for (const piece of pieces(said)) add("content-delta", index, { content: { [type]: piece } });
    events.push({ type: "content-end", index: index++ });
  };
  if (thought) block("thinking", words.THOUGHT);
  if (text) block("text", text);
  for (const [position, call] of calls.entries()) {
    add("tool-call-start", position, { tool_calls: callJson(call, "") });
    for (const piece of pieces(JSON.stringify(call.input))) {
      add("tool-call-delta", position, { tool_calls: { function: { arguments: piece } } });
    }
    events.push({ type: "tool-call-end", index: position });
  }
  const error = end === "broken" ? { error: words.OVERLOADED } : {};
  return frames([...events, { type: "message-end", delta: { ...error, finish_reason: NATIVE[end], usage } }], true);
}

const user = (sent: Sent): unknown =>
  at(
    listAt(sent.body, "messages").find((one) => at(one, "role") === "user"),
    "content",
  );
const asksForTool = ({ body }: Sent): void => {
  expect(at(body, "tools")).toEqual([{ type: "function", function: words.TOOL }]);
};

export const cohereWire: Wire = {
  adapter: "cohere",
  target: { upstreamModel: "command-a-reasoning-08-2025" },
  signs: null,
  says: {
    text(sent) {
      expect(user(sent)).toBe(words.HELLO);
      expect(at(sent.body, "max_tokens")).toBe(words.LIMIT);
      expect(at(sent.body, "stream")).toBe(false);
    },
    stream: ({ body }) => expect(at(body, "stream")).toBe(true),
    "one tool"(sent) {
      asksForTool(sent);
      expect(at(sent.body, "tool_choice")).toBe("REQUIRED");
    },
    "parallel tools": asksForTool,
    "tool result"({ body }) {
      const [assistant, ...results] = listAt(body, "messages").slice(-3);
      expect(at(assistant, "tool_calls")).toEqual(words.CALLS.map((call) => callJson(call)));
      expect(results).toEqual(
        words.CALLS.map(({ id }, index) => ({ role: "tool", tool_call_id: id, content: words.RESULTS[index] })),
      );
    },
    "structured output"({ body }) {
      expect(at(body, "response_format")).toEqual({ type: "json_object", json_schema: words.SCHEMA });
    },
    reasoning({ body }) {
      expect(at(body, "thinking", "type")).toBe("enabled");
    },
    image(sent) {
      const image_url = { url: `data:image/png;base64,${words.PNG}` };
      expect(user(sent)).toEqual([
        { type: "text", text: words.HELLO },
        { type: "image_url", image_url },
      ]);
    },
    // The format has no breakpoints: the text goes on, and the client is told.
    "cache control"(sent) {
      expect(user(sent)).toEqual([
        { type: "text", text: words.BOOK },
        { type: "text", text: words.HELLO },
      ]);
      expect(sent.warnings.join(" ")).toContain("cache_control");
    },
  },
  echoesThought({ body }) {
    const assistant = listAt(body, "messages").find((one) => at(one, "role") === "assistant");
    expect(at(assistant, "content")).toEqual([{ type: "thinking", thinking: words.THOUGHT }]);
  },
  stream,
  reply,
  tooMany: { status: 429, headers: headers({}), body: JSON.stringify({ message: words.OVERLOADED }) },
  refusesInWords: false,
  refuses: {
    audio: {
      reason: "Cohere's format has no sound: the request is refused with a sentence, not sent without it",
      sentence: "takes no audio input",
    },
    video: {
      reason: "Cohere's format has no videos: the request is refused with a sentence, not sent without them",
      sentence: "takes no video input",
    },
    PDF: {
      reason:
        "Cohere's format has no documents but text: the request is refused with a sentence, not sent without them",
      sentence: "takes no files but text and images",
    },
  },
};
