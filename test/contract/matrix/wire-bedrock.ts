/** Amazon Bedrock's Converse and its event stream, with a model of Anthropic's behind it. Shapes: fixtures bedrock. */
import { expect } from "vitest";
import * as words from "./words.ts";
import { at, headers, listAt, pieces, type Answer, type Sent, type Wire } from "./words.ts";

const NATIVE: Readonly<Record<Answer["end"], string>> = {
  stop: "end_turn",
  length: "max_tokens",
  tools: "tool_use",
  refusal: "guardrail_intervened",
  broken: "",
};
const usage = {
  inputTokens: words.INPUT_TOKENS,
  outputTokens: words.OUTPUT_TOKENS,
  totalTokens: words.INPUT_TOKENS + words.OUTPUT_TOKENS,
};
/** A guardrail says its own text. */
const textOf = ({ text, end }: Answer): string | undefined => (end === "refusal" ? words.REFUSAL : text);

function contentOf(answer: Answer): readonly object[] {
  const text = textOf(answer);
  const reasoningText = { text: words.THOUGHT, signature: words.SIGNATURE };
  return [
    ...(answer.thought ? [{ reasoningContent: { reasoningText } }] : []),
    ...(text === undefined ? [] : [{ text }]),
    ...(answer.calls ?? []).map(({ id, name, input }) => ({ toolUse: { toolUseId: id, name, input } })),
  ];
}

function stream(answer: Answer): string {
  const events: object[] = [{ event: "messageStart", payload: { role: "assistant" } }];
  let contentBlockIndex = 0;
  const block = (deltas: readonly object[], start?: object): void => {
    if (start !== undefined) events.push({ event: "contentBlockStart", payload: { contentBlockIndex, start } });
    for (const delta of deltas) events.push({ event: "contentBlockDelta", payload: { contentBlockIndex, delta } });
    events.push({ event: "contentBlockStop", payload: { contentBlockIndex: contentBlockIndex++ } });
  };
  if (answer.thought) {
    const texts = pieces(words.THOUGHT).map((text) => ({ reasoningContent: { text } }));
    block([...texts, { reasoningContent: { signature: words.SIGNATURE } }]);
  }
  const text = textOf(answer);
  if (text) block(pieces(text).map((piece) => ({ text: piece })));
  for (const { id, name, input } of answer.calls ?? []) {
    const inputs = pieces(JSON.stringify(input)).map((piece) => ({ toolUse: { input: piece } }));
    block(inputs, { toolUse: { name, toolUseId: id } });
  }
  const payload = { message: words.OVERLOADED };
  if (answer.end === "broken") events.push({ exception: "throttlingException", payload });
  else {
    events.push({ event: "messageStop", payload: { stopReason: NATIVE[answer.end] } });
    events.push({ event: "metadata", payload: { metrics: { latencyMs: 1 }, usage } });
  }
  return events.map((event) => `${JSON.stringify(event)}\n`).join("");
}

const user = (sent: Sent): unknown => at(sent.body, "messages", 0, "content");
const HELLO = { text: words.HELLO } as const;
const asksForTool = ({ body }: Sent): void => {
  const { name, description, parameters: json } = words.TOOL;
  expect(at(body, "toolConfig", "tools")).toEqual([{ toolSpec: { name, description, inputSchema: { json } } }]);
};

export const bedrockWire: Wire = {
  adapter: "bedrock",
  target: {
    region: "us-east-1",
    upstreamModel: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    baseUrl: "https://bedrock-runtime.us-east-1.amazonaws.com",
  },
  signs: "anthropic-claude-v1",
  says: {
    text(sent) {
      expect(user(sent)).toEqual([HELLO]);
      expect(at(sent.body, "inferenceConfig", "maxTokens")).toBe(words.LIMIT);
      expect(sent.url).toMatch(/\/converse$/);
    },
    stream: ({ url }) => expect(url).toMatch(/\/converse-stream$/),
    "one tool"(sent) {
      asksForTool(sent);
      expect(at(sent.body, "toolConfig", "toolChoice")).toEqual({ any: {} });
    },
    "parallel tools": asksForTool,
    "tool result"({ body }) {
      const [assistant, results] = listAt(body, "messages").slice(-2);
      expect(at(assistant, "content")).toEqual(
        words.CALLS.map(({ id, name, input }) => ({ toolUse: { toolUseId: id, name, input } })),
      );
      expect(at(results, "content")).toMatchObject(
        words.CALLS.map(({ id }, index) => ({
          toolResult: { toolUseId: id, content: [{ text: words.RESULTS[index] }] },
        })),
      );
    },
    "structured output"({ body }) {
      const schema: unknown = JSON.parse(
        String(at(body, "outputConfig", "textFormat", "structure", "jsonSchema", "schema")),
      );
      expect(schema).toEqual(words.SCHEMA);
    },
    reasoning({ body }) {
      expect(at(body, "additionalModelRequestFields", "thinking")).toEqual({
        type: "enabled",
        budget_tokens: words.REASONING_BUDGET,
      });
    },
    image: (sent) => expect(user(sent)).toEqual([HELLO, { image: { format: "png", source: { bytes: words.PNG } } }]),
    video: (sent) => expect(user(sent)).toEqual([HELLO, { video: { format: "mp4", source: { bytes: words.MP4 } } }]),
    PDF: (sent) =>
      expect(user(sent)).toMatchObject([HELLO, { document: { format: "pdf", source: { bytes: words.PDF } } }]),
    "cache control": (sent) =>
      expect(user(sent)).toEqual([{ text: words.BOOK }, { cachePoint: { type: "default" } }, HELLO]),
  },
  forcesTool({ body }) {
    const toolSpec = { name: words.JSON_TOOL, inputSchema: { json: words.SCHEMA } };
    expect(at(body, "toolConfig")).toMatchObject({
      tools: [{ toolSpec }],
      toolChoice: { tool: { name: words.JSON_TOOL } },
    });
  },
  echoesThought({ body }) {
    const reasoningText = { text: words.THOUGHT, signature: words.SIGNATURE };
    expect(at(body, "messages", 1, "content", 0)).toEqual({ reasoningContent: { reasoningText } });
  },
  stream,
  reply: (answer) => ({
    metrics: { latencyMs: 1 },
    output: { message: { role: "assistant", content: contentOf(answer) } },
    stopReason: NATIVE[answer.end],
    usage,
  }),
  tooMany: {
    status: 429,
    headers: headers({ "x-amzn-errortype": "ThrottlingException" }),
    body: JSON.stringify({ message: words.OVERLOADED }),
  },
  refusesInWords: true,
  refuses: {
    audio: {
      reason: "Converse has no sound among its blocks: the request is refused with a sentence, not sent without it",
      sentence: "takes no audio input",
    },
  },
};
