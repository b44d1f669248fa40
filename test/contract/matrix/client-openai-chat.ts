/** A client of the chat completions, and of the legacy completions beside them. */
import { completions as completionsDialect } from "../../../src/dialects/completions.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import * as words from "./words.ts";
import { at, callOf, listAt, payloads, textAt, type Ask, type Call, type Client, type Heard } from "./words.ts";

const NO_HEADERS = { header: () => null };
const dataUrl = (type: string, base64: string): string => `data:${type};base64,${base64}`;

function contentOf(ask: Ask): unknown {
  switch (ask.feature) {
    case "image":
      return [
        { type: "text", text: words.HELLO },
        { type: "image_url", image_url: { url: dataUrl("image/png", words.PNG) } },
      ];
    case "PDF":
      return [
        { type: "text", text: words.HELLO },
        { type: "file", file: { filename: "a.pdf", file_data: dataUrl("application/pdf", words.PDF) } },
      ];
    case "audio":
      return [
        { type: "text", text: words.HELLO },
        { type: "input_audio", input_audio: { data: words.WAV, format: "wav" } },
      ];
    case "video":
      return [
        { type: "text", text: words.HELLO },
        { type: "video_url", video_url: { url: dataUrl("video/mp4", words.MP4) } },
      ];
    case "cache control":
      return [
        { type: "text", text: words.BOOK, cache_control: { type: "ephemeral" } },
        { type: "text", text: words.HELLO },
      ];
    default:
      return words.HELLO;
  }
}

/** Fields that are the same in both formats. */
function common({ feature, stream }: Ask): object {
  const json_schema = { name: "answer", schema: words.SCHEMA, strict: true };
  return {
    model: "a/b",
    stream,
    max_tokens: feature === "reasoning" ? words.REASONING_LIMIT : words.LIMIT,
    ...(feature === "structured output" ? { response_format: { type: "json_schema", json_schema } } : {}),
    ...(feature === "reasoning" ? { reasoning: { max_tokens: words.REASONING_BUDGET } } : {}),
  };
}

const TOOLED: ReadonlySet<string> = new Set(["one tool", "parallel tools", "tool result", "reasoning"]);

function body(ask: Ask): unknown {
  const { heard, feature } = ask;
  const results = (heard?.calls ?? []).map(({ id }, index) => ({
    role: "tool",
    tool_call_id: id,
    content: words.RESULTS[index],
  }));
  return {
    ...common(ask),
    messages: [
      { role: "system", content: words.SYSTEM },
      { role: "user", content: contentOf(ask) },
      ...(heard?.turn ?? []),
      ...results,
    ],
    ...(TOOLED.has(feature) ? { tools: [{ type: "function", function: words.TOOL }] } : {}),
    ...(feature === "one tool" ? { tool_choice: "required" } : {}),
    ...(feature === "parallel tools" ? { parallel_tool_calls: true } : {}),
  };
}

const ENDS: Readonly<Record<string, Heard["end"]>> = {
  stop: "stop",
  length: "length",
  tool_calls: "tools",
  content_filter: "refusal",
  error: "error",
};

/** One message, whole or put together, as it was heard. */
function heardOf(message: Readonly<Record<string, unknown>>, finish: string, usage: unknown, error: unknown): Heard {
  const calls = listAt(message, "tool_calls").map((call): Call =>
    callOf(textAt(call, "id"), textAt(call, "function", "name"), textAt(call, "function", "arguments")),
  );
  const refusal = textAt(message, "refusal");
  const input = at(usage, "prompt_tokens");
  const output = at(usage, "completion_tokens");
  return {
    text: textAt(message, "content"),
    thought: textAt(message, "reasoning"),
    calls,
    refusal,
    end: refusal !== "" ? "refusal" : (ENDS[finish] ?? "?"),
    tokens: typeof input === "number" && typeof output === "number" ? [input, output] : null,
    error: error === undefined ? null : textAt(error, "message"),
    turn: [message],
  };
}

function readReply(reply: unknown): Heard {
  const choice = at(reply, "choices", 0);
  const message = at(choice, "message") as Readonly<Record<string, unknown>>; // read member by member
  return heardOf(message, textAt(choice, "finish_reason"), at(reply, "usage"), at(choice, "error"));
}

function readStream(stream: string): Heard {
  const message = { role: "assistant", content: "", reasoning: "", refusal: "" };
  const details: unknown[] = [];
  const calls: { id: string; type: "function"; function: { name: string; arguments: string } }[] = [];
  let finish = "";
  let usage: unknown;
  let error: unknown;
  for (const chunk of payloads(stream)) {
    usage = at(chunk, "usage") ?? usage;
    error = at(chunk, "error") ?? error;
    const choice = at(chunk, "choices", 0);
    finish = textAt(choice, "finish_reason") || finish;
    for (const name of ["content", "reasoning", "refusal"] as const) message[name] += textAt(choice, "delta", name);
    details.push(...listAt(choice, "delta", "reasoning_details"));
    for (const call of listAt(choice, "delta", "tool_calls")) {
      const index = Number(at(call, "index"));
      calls[index] ??= { id: textAt(call, "id"), type: "function", function: { name: "", arguments: "" } };
      calls[index].function.name += textAt(call, "function", "name");
      calls[index].function.arguments += textAt(call, "function", "arguments");
    }
  }
  const whole = {
    ...message,
    refusal: message.refusal === "" ? null : message.refusal,
    ...(details.length === 0 ? {} : { reasoning_details: details }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
  return heardOf(whole, finish, usage, error);
}

const readRateLimit = (error: unknown): string | null =>
  at(error, "error", "code") === 429 ? textAt(error, "error", "message") : null;

export const chatClient: Client = {
  dialect: openAiChat,
  beside: () => NO_HEADERS,
  body,
  readReply,
  readStream,
  readRateLimit,
  cannot: {},
};

/** A choice of a text is read as a message whose content is the text. */
function asMessage(text: string, reasoning: string): Readonly<Record<string, unknown>> {
  return { role: "assistant", content: text, reasoning };
}

const NO_TOOLS = "legacy completions have no tools";
const NO_PARTS = "legacy completions have no parts";

export const completionsClient: Client = {
  dialect: completionsDialect,
  beside: () => NO_HEADERS,
  body: (ask) => ({ ...common(ask), prompt: words.HELLO }),
  readReply(reply) {
    const choice = at(reply, "choices", 0);
    const message = asMessage(textAt(choice, "text"), textAt(choice, "reasoning"));
    return heardOf(message, textAt(choice, "finish_reason"), at(reply, "usage"), at(choice, "error"));
  },
  readStream(stream) {
    const chunks = payloads(stream);
    const joined = (name: string): string => chunks.map((chunk) => textAt(chunk, "choices", 0, name)).join("");
    const last = chunks.at(-1);
    return heardOf(
      asMessage(joined("text"), joined("reasoning")),
      joined("finish_reason"),
      at(last, "usage"),
      at(last, "error"),
    );
  },
  readRateLimit,
  cannot: {
    "one tool": NO_TOOLS,
    "parallel tools": NO_TOOLS,
    "tool result": NO_TOOLS,
    reasoning: "legacy completions have one prompt and no earlier turns: nothing can be sent back",
    image: NO_PARTS,
    PDF: NO_PARTS,
    audio: NO_PARTS,
    video: NO_PARTS,
    "cache control": NO_PARTS,
  },
  refusalIsText: true,
};
