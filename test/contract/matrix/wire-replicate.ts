/**
 * Replicate's predictions: one prompt in, one text out. Shapes: fixtures replicate. A stream ends with the prediction's last
 * state, which whoever follows it has asked for.
 */
import { expect } from "vitest";
import { STATE_FRAME } from "../../../src/providers/adapter.ts";
import * as words from "./words.ts";
import { at, headers, pieces, textAt, type Answer, type Sent, type Wire } from "./words.ts";

function state({ text }: Answer): object {
  return {
    id: "gm3qorzdhgbfurvjtvhg6dckhu",
    status: "succeeded",
    output: pieces(text ?? ""),
    error: null,
    metrics: { input_token_count: words.INPUT_TOKENS, output_token_count: words.OUTPUT_TOKENS, predict_time: 0.4 },
  };
}

function frame(event: string, data: string): string {
  const lines = data.split("\n").map((line) => `data: ${line}\n`);
  return `event: ${event}\nid: 1:0\n${lines.join("")}\n`;
}

function stream(answer: Answer): string {
  const output = answer.text ? pieces(answer.text).map((piece) => frame("output", piece)) : [];
  if (answer.end === "broken") return [...output, frame("error", words.OVERLOADED)].join("");
  return [...output, frame("done", "{}"), frame(STATE_FRAME, JSON.stringify(state(answer)))].join("");
}

const input = (sent: Sent, name: string): unknown => at(sent.body, "input", name);
const cannot = (what: string, sentence: string): { readonly reason: string; readonly sentence: string } => ({
  reason: `a prompt cannot say ${what}: the request is refused with a sentence, so that another endpoint takes it`,
  sentence,
});
const tools = cannot("tools", "takes no tools");

export const replicateWire: Wire = {
  adapter: "replicate",
  target: { upstreamModel: "meta/meta-llama-3-70b-instruct" },
  signs: null,
  says: {
    text(sent) {
      expect(sent.url).toContain("/models/meta/meta-llama-3-70b-instruct/predictions");
      expect(textAt(sent.body, "input", "prompt")).toContain(words.HELLO);
      expect(input(sent, "max_tokens")).toBe(words.LIMIT);
      expect(at(sent.body, "stream")).toBe(undefined);
    },
    stream: ({ body }) => expect(at(body, "stream")).toBe(true),
    image(sent) {
      expect(input(sent, "prompt")).toBe(words.HELLO);
      expect(input(sent, "images")).toEqual([`data:image/png;base64,${words.PNG}`]);
    },
    // There are no breakpoints: the text goes on, and the client is told.
    "cache control"(sent) {
      expect(input(sent, "prompt")).toBe(`${words.BOOK}\n${words.HELLO}`);
      expect(sent.warnings.join(" ")).toContain("cache_control");
    },
  },
  echoesThought: () => undefined,
  stream,
  reply: state,
  tooMany: {
    status: 429,
    headers: headers({}),
    body: JSON.stringify({ detail: words.OVERLOADED, status: 429, retry_after: 5 }),
  },
  refusesInWords: false,
  untold: {
    refusal: "a model that refuses says so in its text; what the provider refuses is a failed prediction, an error",
    length: "no reason of the end is told; an answer of as many tokens as were allowed counts as cut (fixture length)",
  },
  refuses: {
    "one tool": tools,
    "parallel tools": tools,
    "tool result": tools,
    "structured output": cannot("a structured answer", "no structured answers"),
    reasoning: cannot("reasoning", "reasoning cannot be asked for"),
    PDF: cannot("documents", "takes no files but images"),
    audio: cannot("sound", "takes no audio input"),
    video: cannot("videos", "takes no video input"),
  },
};
