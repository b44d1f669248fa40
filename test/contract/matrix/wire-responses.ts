/** OpenAI's Responses API upstream, without its store. Its reasoning is encrypted, and shown as a summary. */
import { expect } from "vitest";
import * as words from "./words.ts";
import { at, frames, headers, listAt, pieces, textAt, type Answer, type Sent, type Wire } from "./words.ts";

const ENCRYPTED = "reasoning.encrypted_content";
const usage = {
  input_tokens: words.INPUT_TOKENS,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: words.OUTPUT_TOKENS,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: words.INPUT_TOKENS + words.OUTPUT_TOKENS,
};
const THOUGHT = {
  id: "rs_1",
  type: "reasoning",
  summary: [{ type: "summary_text", text: words.THOUGHT }],
  encrypted_content: words.SIGNATURE,
} as const;

function itemsOf({ thought, text, calls = [], end }: Answer): readonly object[] {
  const content = [
    ...(text ? [{ type: "output_text", text, annotations: [] }] : []),
    ...(end === "refusal" ? [{ type: "refusal", refusal: words.REFUSAL }] : []),
  ];
  return [
    ...(thought ? [THOUGHT] : []),
    ...(content.length === 0 ? [] : [{ id: "msg_1", type: "message", role: "assistant", content }]),
    ...calls.map(({ id, name, input }, index) => ({
      id: `fc_${index}`,
      type: "function_call",
      call_id: id,
      name,
      arguments: JSON.stringify(input),
    })),
  ];
}

function responseOf(answer: Answer): object {
  const isCut = answer.end === "length";
  return {
    id: "resp_1",
    object: "response",
    status: isCut ? "incomplete" : "completed",
    incomplete_details: isCut ? { reason: "max_output_tokens" } : null,
    error: null,
    output: itemsOf(answer),
    usage,
  };
}

/** An item as it begins, and the events of its pieces. */
function piecesOf(item: object): readonly [object, readonly object[]] {
  const deltas = (type: string, text: string): readonly object[] => pieces(text).map((delta) => ({ type, delta }));
  switch (at(item, "type")) {
    case "reasoning":
      return [
        { ...item, summary: [], encrypted_content: "" },
        deltas("response.reasoning_summary_text.delta", words.THOUGHT),
      ];
    case "function_call":
      return [{ ...item, arguments: "" }, deltas("response.function_call_arguments.delta", textAt(item, "arguments"))];
    default: {
      const part = at(item, "content", 0);
      const said = textAt(part, "text") || textAt(part, "refusal");
      const type = at(part, "type") === "refusal" ? "response.refusal.delta" : "response.output_text.delta";
      return [{ ...item, content: [] }, deltas(type, said)];
    }
  }
}

function stream(answer: Answer): string {
  const response = { id: "resp_1", object: "response", status: "in_progress", output: [] };
  const events: object[] = [{ type: "response.created", response }];
  for (const [index, item] of itemsOf(answer).entries()) {
    const [opening, deltas] = piecesOf(item);
    events.push({ type: "response.output_item.added", output_index: index, item: opening });
    for (const delta of deltas)
      events.push({ ...delta, output_index: index, content_index: 0, item_id: at(item, "id") });
    events.push({ type: "response.output_item.done", output_index: index, item });
  }
  if (answer.end === "broken") {
    const error = { code: "server_error", message: words.OVERLOADED };
    events.push({ type: "response.failed", response: { ...response, status: "failed", error } });
  } else {
    const whole = responseOf(answer);
    events.push({ type: `response.${textAt(whole, "status")}`, response: whole });
  }
  return frames(
    events.map((event, sequence_number) => ({ ...event, sequence_number })),
    true,
  );
}

const user = (sent: Sent): unknown =>
  at(
    listAt(sent.body, "input").find((one) => at(one, "role") === "user"),
    "content",
  );
const HELLO = { type: "input_text", text: words.HELLO } as const;
const asksForTool = ({ body }: Sent): void => {
  expect(at(body, "tools")).toEqual([{ type: "function", ...words.TOOL, strict: false }]);
};

export const responsesWire: Wire = {
  adapter: "openai-responses",
  target: { quirks: { default_summary: "auto", cache_breakpoints: true } },
  signs: "openai-responses-v1",
  says: {
    text(sent) {
      expect(user(sent)).toBe(words.HELLO);
      expect(sent.body).toMatchObject({ max_output_tokens: words.LIMIT, store: false, stream: false });
      expect(sent.url).toMatch(/\/responses$/);
    },
    stream: ({ body }) => expect(at(body, "stream")).toBe(true),
    "one tool"(sent) {
      asksForTool(sent);
      expect(at(sent.body, "tool_choice")).toBe("required");
    },
    "parallel tools": asksForTool,
    "tool result"({ body }) {
      expect(listAt(body, "input").slice(-4)).toEqual([
        ...words.CALLS.map(({ id, name, input }) => ({
          type: "function_call",
          call_id: id,
          name,
          arguments: JSON.stringify(input),
        })),
        ...words.CALLS.map(({ id }, index) => ({
          type: "function_call_output",
          call_id: id,
          output: words.RESULTS[index],
        })),
      ]);
    },
    "structured output"({ body }) {
      expect(at(body, "text", "format")).toMatchObject({ type: "json_schema", schema: words.SCHEMA });
    },
    reasoning({ body }) {
      expect(at(body, "reasoning", "summary")).toBe("auto");
      expect(listAt(body, "include")).toContain(ENCRYPTED);
    },
    image: (sent) =>
      expect(user(sent)).toEqual([HELLO, { type: "input_image", image_url: `data:image/png;base64,${words.PNG}` }]),
    audio: (sent) =>
      expect(user(sent)).toEqual([HELLO, { type: "input_audio", input_audio: { data: words.WAV, format: "wav" } }]),
    PDF(sent) {
      const file_data = `data:application/pdf;base64,${words.PDF}`;
      expect(user(sent)).toEqual([HELLO, { type: "input_file", filename: "a.pdf", file_data }]);
    },
    "cache control"(sent) {
      const prompt_cache_breakpoint = { mode: "explicit" };
      expect(user(sent)).toEqual([{ type: "input_text", text: words.BOOK, prompt_cache_breakpoint }, HELLO]);
    },
  },
  echoesThought: ({ body }) =>
    expect(listAt(body, "input").filter((one) => at(one, "type") === "reasoning")).toEqual([THOUGHT]),
  stream,
  reply: responseOf,
  tooMany: {
    status: 429,
    headers: headers({}),
    body: JSON.stringify({ error: { message: words.OVERLOADED, type: "requests", code: "rate_limit_exceeded" } }),
  },
  refusesInWords: true,
  refuses: {
    video: {
      reason: "OpenAI's format has no videos: the request is refused with a sentence, not sent without them",
      sentence: "takes no video input",
    },
  },
};
