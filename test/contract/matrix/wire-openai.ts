/** Providers that speak the chat completions, with all that quirks allow. Shapes: fixtures openai, azure, deepseek. */
import { expect } from "vitest";
import * as words from "./words.ts";
import { at, frames, headers, listAt, pieces, textAt, type Answer, type Call, type Sent, type Wire } from "./words.ts";

const usage = {
  prompt_tokens: words.INPUT_TOKENS,
  completion_tokens: words.OUTPUT_TOKENS,
  total_tokens: words.INPUT_TOKENS + words.OUTPUT_TOKENS,
};
const NATIVE: Readonly<Record<Answer["end"], string>> = {
  stop: "stop",
  length: "length",
  tools: "tool_calls",
  refusal: "stop",
  broken: "",
};
const DETAIL = { type: "reasoning.text", format: "anthropic-claude-v1", index: 0 } as const;
const callJson = ({ id, name, input }: Call, index?: number): object => ({
  index,
  id,
  type: "function",
  function: { name, arguments: JSON.stringify(input) },
});

function reply(answer: Answer): unknown {
  const { text, calls, thought, end } = answer;
  const message = {
    role: "assistant",
    content: text ?? null,
    refusal: end === "refusal" ? words.REFUSAL : null,
    ...(thought ? { reasoning_details: [{ ...DETAIL, text: words.THOUGHT, signature: words.SIGNATURE }] } : {}),
    ...(calls === undefined ? {} : { tool_calls: calls.map((call) => callJson(call)) }),
  };
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    choices: [{ index: 0, message, finish_reason: NATIVE[end] }],
    usage,
  };
}

function stream({ text, calls = [], thought, end }: Answer): string {
  const chunk = (delta: object, finish: string | null = null): object => ({
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
  const chunks: object[] = [];
  if (thought) {
    for (const piece of pieces(words.THOUGHT)) chunks.push(chunk({ reasoning_details: [{ ...DETAIL, text: piece }] }));
    chunks.push(chunk({ reasoning_details: [{ ...DETAIL, signature: words.SIGNATURE }] }));
  }
  for (const piece of text ? pieces(text) : []) chunks.push(chunk({ content: piece }));
  if (end === "refusal") for (const refusal of pieces(words.REFUSAL)) chunks.push(chunk({ refusal }));
  for (const [index, call] of calls.entries()) {
    const [first, second] = pieces(JSON.stringify(call.input));
    chunks.push(chunk({ tool_calls: [{ ...callJson(call, index), function: { name: call.name, arguments: first } }] }));
    chunks.push(chunk({ tool_calls: [{ index, function: { arguments: second } }] }));
  }
  if (end === "broken") return frames([...chunks, { error: { message: words.OVERLOADED, code: 429 } }]);
  return `${frames([...chunks, chunk({}, NATIVE[end]), { id: "chatcmpl-1", choices: [], usage }])}data: [DONE]\n\n`;
}

const user = (sent: Sent): unknown => listAt(sent.body, "messages").find((one) => at(one, "role") === "user");
const asksForTool = ({ body }: Sent): void => {
  expect(at(body, "tools")).toEqual([{ type: "function", function: words.TOOL }]);
};

export const openAiWire: Wire = {
  adapter: "openai-compatible",
  signs: "anthropic-claude-v1",
  target: {
    quirks: {
      system_role: "system",
      cache_control: true,
      reasoning_style: "openrouter",
      reasoning_echo: "reasoning_details",
      reasoning_formats: ["anthropic-claude-v1"],
    },
  },
  says: {
    text(sent) {
      expect(user(sent)).toEqual({ role: "user", content: words.HELLO });
      expect(at(sent.body, "max_tokens")).toBe(words.LIMIT);
      expect(at(sent.body, "stream")).toBeUndefined();
    },
    stream(sent) {
      expect(sent.body).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    },
    "one tool"(sent) {
      asksForTool(sent);
      expect(at(sent.body, "tool_choice")).toBe("required");
    },
    "parallel tools": asksForTool,
    "tool result"({ body }) {
      const [assistant, ...results] = listAt(body, "messages").slice(-3);
      expect(at(assistant, "tool_calls")).toEqual(
        words.CALLS.map(({ id, name, input }) => ({
          id,
          type: "function",
          function: { name, arguments: JSON.stringify(input) },
        })),
      );
      expect(results).toEqual(
        words.CALLS.map(({ id }, index) => ({ role: "tool", tool_call_id: id, content: words.RESULTS[index] })),
      );
    },
    "structured output"({ body }) {
      expect(at(body, "response_format", "type")).toBe("json_schema");
      expect(at(body, "response_format", "json_schema", "schema")).toEqual(words.SCHEMA);
    },
    reasoning({ body }) {
      expect(at(body, "reasoning", "max_tokens")).toBe(words.REASONING_BUDGET);
    },
    image(sent) {
      const image_url = { url: `data:image/png;base64,${words.PNG}` };
      expect(at(user(sent), "content")).toEqual([
        { type: "text", text: words.HELLO },
        { type: "image_url", image_url },
      ]);
    },
    audio(sent) {
      const input_audio = { data: words.WAV, format: "wav" };
      expect(at(user(sent), "content")).toEqual([
        { type: "text", text: words.HELLO },
        { type: "input_audio", input_audio },
      ]);
    },
    video(sent) {
      const video_url = { url: `data:video/mp4;base64,${words.MP4}` };
      expect(at(user(sent), "content")).toEqual([
        { type: "text", text: words.HELLO },
        { type: "video_url", video_url },
      ]);
    },
    PDF(sent) {
      const file = { filename: "a.pdf", file_data: `data:application/pdf;base64,${words.PDF}` };
      expect(at(user(sent), "content")).toEqual([
        { type: "text", text: words.HELLO },
        { type: "file", file },
      ]);
    },
    "cache control"(sent) {
      expect(at(user(sent), "content")).toEqual([
        { type: "text", text: words.BOOK, cache_control: { type: "ephemeral" } },
        { type: "text", text: words.HELLO },
      ]);
    },
  },
  echoesThought({ body }) {
    const details = listAt(body, "messages").flatMap((message) => listAt(message, "reasoning_details"));
    expect(details.map((detail) => textAt(detail, "text"))).toEqual([words.THOUGHT]);
    expect(details.map((detail) => textAt(detail, "signature"))).toEqual([words.SIGNATURE]);
  },
  stream,
  reply,
  tooMany: {
    status: 429,
    headers: headers({}),
    body: JSON.stringify({ error: { message: words.OVERLOADED, type: "requests", code: "rate_limit_exceeded" } }),
  },
  refusesInWords: true,
  refuses: {},
};
