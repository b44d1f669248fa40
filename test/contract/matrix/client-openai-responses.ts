/** A client of the Responses API: what it sends, and how it reads items and events. */
import { openAiResponses } from "../../../src/dialects/openai-responses.ts";
import * as words from "./words.ts";
import { at, callOf, listAt, payloads, textAt, type Ask, type Client, type Heard } from "./words.ts";

function contentOf(ask: Ask): unknown {
  const hello = { type: "input_text", text: words.HELLO };
  switch (ask.feature) {
    case "image":
      return [hello, { type: "input_image", image_url: `data:image/png;base64,${words.PNG}` }];
    case "PDF":
      return [hello, { type: "input_file", filename: "a.pdf", file_data: `data:application/pdf;base64,${words.PDF}` }];
    case "audio":
      return [hello, { type: "input_audio", input_audio: { data: words.WAV, format: "wav" } }];
    case "video":
      return [hello, { type: "input_video", video_url: `data:video/mp4;base64,${words.MP4}` }];
    case "cache control":
      return [{ type: "input_text", text: words.BOOK, cache_control: { type: "ephemeral" } }, hello];
    default:
      return words.HELLO;
  }
}

const TOOLED: ReadonlySet<string> = new Set(["one tool", "parallel tools", "tool result", "reasoning"]);

function body(ask: Ask): unknown {
  const { feature, stream, heard } = ask;
  const results = (heard?.calls ?? []).map(({ id }, index) => ({
    type: "function_call_output",
    call_id: id,
    output: words.RESULTS[index],
  }));
  const format = { type: "json_schema", name: "answer", schema: words.SCHEMA, strict: true };
  return {
    model: "a/b",
    stream,
    instructions: words.SYSTEM,
    max_output_tokens: feature === "reasoning" ? words.REASONING_LIMIT : words.LIMIT,
    input: [{ role: "user", content: contentOf(ask) }, ...(heard?.turn ?? []), ...results],
    ...(TOOLED.has(feature) ? { tools: [{ type: "function", ...words.TOOL }] } : {}),
    ...(feature === "one tool" ? { tool_choice: "required" } : {}),
    ...(feature === "parallel tools" ? { parallel_tool_calls: true } : {}),
    ...(feature === "structured output" ? { text: { format } } : {}),
    ...(feature === "reasoning" ? { reasoning: { max_tokens: words.REASONING_BUDGET } } : {}),
  };
}

const INCOMPLETE: Readonly<Record<string, Heard["end"]>> = { max_output_tokens: "length", content_filter: "refusal" };

function endOf(response: unknown, hasCalls: boolean, hasRefused: boolean): Heard["end"] {
  switch (at(response, "status")) {
    case "completed":
      return hasRefused ? "refusal" : hasCalls ? "tools" : "stop";
    case "incomplete":
      return INCOMPLETE[textAt(response, "incomplete_details", "reason")] ?? "?";
    case "failed":
      return "error";
    default:
      return "?";
  }
}

/** A whole response object. */
function readReply(response: unknown): Heard {
  const items = listAt(response, "output");
  const ofType = (type: string): readonly unknown[] => items.filter((item) => at(item, "type") === type);
  const parts = ofType("message").flatMap((item) => listAt(item, "content"));
  const calls = ofType("function_call").map((item) =>
    callOf(textAt(item, "call_id"), textAt(item, "name"), textAt(item, "arguments")),
  );
  const refusal = parts.map((part) => textAt(part, "refusal")).join("");
  const input = at(response, "usage", "input_tokens");
  const output = at(response, "usage", "output_tokens");
  const error = at(response, "error");
  return {
    text: parts.map((part) => textAt(part, "text")).join(""),
    thought: ofType("reasoning")
      .flatMap((item) => [...listAt(item, "summary"), ...listAt(item, "content")])
      .map((part) => textAt(part, "text"))
      .join(""),
    calls,
    refusal,
    end: endOf(response, calls.length > 0, refusal !== ""),
    tokens: typeof input === "number" && typeof output === "number" ? [input, output] : null,
    error: error === null || error === undefined ? null : textAt(error, "message"),
    turn: items,
  };
}

/** The pieces of the stream, beside what its last event says of the whole: the two must agree. */
function readStream(stream: string): Heard {
  const events = payloads(stream);
  const joined = (type: string): string =>
    events
      .filter((event) => at(event, "type") === type)
      .map((event) => textAt(event, "delta"))
      .join("");
  const whole = readReply(at(events.at(-1), "response"));
  const done = events.filter((event) => at(event, "type") === "response.output_item.done");
  // Pieces of parallel calls may come in turns.
  const isWhole = whole.turn.every((item, index) => {
    const ofItem = events.filter(
      (event) => at(event, "output_index") === index && /arguments.delta$/.test(textAt(event, "type")),
    );
    return ofItem.map((event) => textAt(event, "delta")).join("") === textAt(item, "arguments");
  });
  return {
    ...whole,
    text: joined("response.output_text.delta"),
    thought: joined("response.reasoning_text.delta") + joined("response.reasoning_summary_text.delta"),
    refusal: joined("response.refusal.delta"),
    end: isWhole ? whole.end : "?",
    turn: done.map((event) => at(event, "item")),
  };
}

export const responsesClient: Client = {
  dialect: openAiResponses,
  beside: () => ({ header: () => null }),
  body,
  readReply,
  readStream,
  readRateLimit: (error) =>
    at(error, "error", "code") === 429 && at(error, "error_type") === "rate_limit_exceeded"
      ? textAt(error, "error", "message")
      : null,
  cannot: {},
};
