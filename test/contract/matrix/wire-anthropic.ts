/** Anthropic's Messages API. Shapes: fixtures anthropic. */
import { expect } from "vitest";
import * as words from "./words.ts";
import { at, frames, headers, listAt, pieces, type Answer, type Sent, type Wire } from "./words.ts";

const NATIVE: Readonly<Record<Answer["end"], string>> = {
  stop: "end_turn",
  length: "max_tokens",
  tools: "tool_use",
  refusal: "refusal",
  broken: "",
};
const usage = { input_tokens: words.INPUT_TOKENS, output_tokens: words.OUTPUT_TOKENS };
const HEAD = { id: "msg_1", type: "message", role: "assistant", model: "claude-sonnet-4-5" } as const;

function blocksOf({ text, calls = [], thought }: Answer): readonly object[] {
  return [
    ...(thought ? [{ type: "thinking", thinking: words.THOUGHT, signature: words.SIGNATURE }] : []),
    ...(text === undefined ? [] : [{ type: "text", text }]),
    ...calls.map(({ id, name, input }) => ({ type: "tool_use", id, name, input })),
  ];
}

function endOf(end: Answer["end"]): object {
  const details = { type: "refusal", category: "cyber", explanation: words.REFUSAL };
  return { stop_reason: NATIVE[end], stop_sequence: null, stop_details: end === "refusal" ? details : null };
}

/** The opening of a block, and its pieces. */
function piecesOf(block: object): readonly [object, readonly object[]] {
  const two = (name: string): readonly [string, string] => pieces(String(at(block, name)));
  switch (at(block, "type")) {
    case "thinking":
      return [
        { type: "thinking", thinking: "", signature: "" },
        [
          ...two("thinking").map((thinking) => ({ type: "thinking_delta", thinking })),
          { type: "signature_delta", signature: words.SIGNATURE },
        ],
      ];
    case "text":
      return [{ type: "text", text: "" }, two("text").map((text) => ({ type: "text_delta", text }))];
    default: {
      const input = pieces(JSON.stringify(at(block, "input")));
      return [{ ...block, input: {} }, input.map((partial_json) => ({ type: "input_json_delta", partial_json }))];
    }
  }
}

function stream(answer: Answer): string {
  const start = { ...HEAD, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } };
  const events: object[] = [{ type: "message_start", message: start }];
  for (const [index, block] of blocksOf(answer).entries()) {
    const [opening, deltas] = piecesOf(block);
    events.push({ type: "content_block_start", index, content_block: opening });
    for (const delta of deltas) events.push({ type: "content_block_delta", index, delta });
    events.push({ type: "content_block_stop", index });
  }
  const error = { type: "overloaded_error", message: words.OVERLOADED };
  if (answer.end === "broken") return frames([...events, { type: "error", error }], true);
  events.push({ type: "message_delta", delta: endOf(answer.end), usage: { output_tokens: words.OUTPUT_TOKENS } });
  return frames([...events, { type: "message_stop" }], true);
}

const user = (sent: Sent): unknown => at(sent.body, "messages", 0, "content");
const HELLO = { type: "text", text: words.HELLO } as const;
const asksForTool = ({ body }: Sent): void => {
  const { name, description, parameters: input_schema } = words.TOOL;
  expect(at(body, "tools")).toEqual([{ name, description, input_schema }]);
};

export const anthropicWire: Wire = {
  adapter: "anthropic",
  target: { upstreamModel: "claude-sonnet-4-5" },
  signs: "anthropic-claude-v1",
  says: {
    text(sent) {
      expect(user(sent)).toEqual([HELLO]);
      expect(at(sent.body, "max_tokens")).toBe(words.LIMIT);
      expect(at(sent.body, "stream")).not.toBe(true);
    },
    stream: ({ body }) => expect(at(body, "stream")).toBe(true),
    "one tool"(sent) {
      asksForTool(sent);
      expect(at(sent.body, "tool_choice", "type")).toBe("any");
    },
    "parallel tools": asksForTool,
    "tool result"({ body }) {
      const [assistant, results] = listAt(body, "messages").slice(-2);
      expect(at(assistant, "content")).toEqual(
        words.CALLS.map(({ id, name, input }) => ({ type: "tool_use", id, name, input })),
      );
      expect(listAt(results, "content")).toMatchObject(
        words.CALLS.map(({ id }) => ({ type: "tool_result", tool_use_id: id })),
      );
      for (const result of words.RESULTS) expect(JSON.stringify(results)).toContain(JSON.stringify(result));
    },
    "structured output"({ body }) {
      expect(at(body, "output_config", "format")).toEqual({ type: "json_schema", schema: words.SCHEMA });
    },
    reasoning({ body }) {
      expect(at(body, "thinking")).toEqual({ type: "enabled", budget_tokens: words.REASONING_BUDGET });
    },
    image(sent) {
      const source = { type: "base64", media_type: "image/png", data: words.PNG };
      expect(user(sent)).toEqual([HELLO, { type: "image", source }]);
    },
    PDF(sent) {
      const source = { type: "base64", media_type: "application/pdf", data: words.PDF };
      expect(user(sent)).toMatchObject([HELLO, { type: "document", source, title: "a.pdf" }]);
    },
    "cache control"(sent) {
      const book = { type: "text", text: words.BOOK, cache_control: { type: "ephemeral" } };
      expect(user(sent)).toEqual([book, HELLO]);
    },
  },
  forcesTool({ body }) {
    expect(at(body, "tools")).toMatchObject([{ name: words.JSON_TOOL, input_schema: words.SCHEMA }]);
    expect(at(body, "tool_choice")).toMatchObject({ type: "tool", name: words.JSON_TOOL });
  },
  echoesThought({ body }) {
    const thinking = { type: "thinking", thinking: words.THOUGHT, signature: words.SIGNATURE };
    expect(at(body, "messages", 1, "content", 0)).toEqual(thinking);
  },
  stream,
  reply: (answer) => ({ ...HEAD, content: blocksOf(answer), ...endOf(answer.end), usage }),
  tooMany: {
    status: 429,
    headers: headers({}),
    body: JSON.stringify({ type: "error", error: { type: "rate_limit_error", message: words.OVERLOADED } }),
  },
  refusesInWords: true,
  refuses: {
    audio: {
      reason: "Anthropic's format has no sound: the request is refused with a sentence, not sent without it",
      sentence: "takes no audio input",
    },
    video: {
      reason: "Anthropic's format has no videos: the request is refused with a sentence, not sent without them",
      sentence: "takes no video input",
    },
  },
};
