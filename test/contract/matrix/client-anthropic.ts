/** A client of the Messages API: what it sends, and how it reads blocks. */
import type { JsonObject } from "../../../src/core/json.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages.ts";
import * as words from "./words.ts";
import { at, listAt, payloads, textAt, type Ask, type Client, type Heard } from "./words.ts";

function contentOf(ask: Ask): unknown {
  const hello = { type: "text", text: words.HELLO };
  switch (ask.feature) {
    case "image":
      return [hello, { type: "image", source: { type: "base64", media_type: "image/png", data: words.PNG } }];
    case "PDF":
      return [
        hello,
        {
          type: "document",
          title: "a.pdf",
          source: { type: "base64", media_type: "application/pdf", data: words.PDF },
        },
      ];
    case "cache control":
      return [{ type: "text", text: words.BOOK, cache_control: { type: "ephemeral" } }, hello];
    default:
      return words.HELLO;
  }
}

const TOOLED: ReadonlySet<string> = new Set(["one tool", "parallel tools", "tool result", "reasoning"]);

function body(ask: Ask): unknown {
  const { feature, stream, heard } = ask;
  const results = (heard?.calls ?? []).map(({ id }, index) => ({
    type: "tool_result",
    tool_use_id: id,
    content: words.RESULTS[index],
  }));
  const { name, description, parameters } = words.TOOL;
  return {
    model: "a/b",
    stream,
    system: words.SYSTEM,
    max_tokens: feature === "reasoning" ? words.REASONING_LIMIT : words.LIMIT,
    messages: [
      { role: "user", content: contentOf(ask) },
      ...(heard === undefined ? [] : [{ role: "assistant", content: heard.turn }]),
      ...(results.length === 0 ? [] : [{ role: "user", content: results }]),
    ],
    ...(TOOLED.has(feature) ? { tools: [{ name, description, input_schema: parameters }] } : {}),
    ...(feature === "one tool" ? { tool_choice: { type: "any" } } : {}),
    ...(feature === "parallel tools" ? { tool_choice: { type: "auto", disable_parallel_tool_use: false } } : {}),
    ...(feature === "structured output"
      ? { output_config: { format: { type: "json_schema", schema: words.SCHEMA } } }
      : {}),
    ...(feature === "reasoning" ? { thinking: { type: "enabled", budget_tokens: words.REASONING_BUDGET } } : {}),
  };
}

const ENDS: Readonly<Record<string, Heard["end"]>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  pause_turn: "stop",
  tool_use: "tools",
  refusal: "refusal",
};

function heardOf(blocks: readonly unknown[], end: unknown, usage: unknown, error: unknown): Heard {
  const ofType = (type: string): readonly unknown[] => blocks.filter((block) => at(block, "type") === type);
  const joined = (type: string, name: string): string =>
    ofType(type)
      .map((block) => textAt(block, name))
      .join("");
  const input = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"].map((name) =>
    Number(at(usage, name)),
  );
  const hasFailed = error !== null && error !== undefined;
  return {
    text: joined("text", "text"),
    thought: joined("thinking", "thinking"),
    calls: ofType("tool_use").map((block) => ({
      id: textAt(block, "id"),
      name: textAt(block, "name"),
      input: at(block, "input") as JsonObject, // compared as a whole
    })),
    refusal: textAt(end, "stop_details", "explanation"),
    end: hasFailed ? "error" : (ENDS[textAt(end, "stop_reason")] ?? "?"),
    tokens: usage === undefined ? null : [input.reduce((sum, one) => sum + one, 0), Number(at(usage, "output_tokens"))],
    error: hasFailed ? textAt(error, "message") : null,
    turn: blocks,
  };
}

/** The pieces of a block by their type: to which member they are added. */
const PIECES: Readonly<Record<string, readonly [member: string, piece: string]>> = {
  text_delta: ["text", "text"],
  thinking_delta: ["thinking", "thinking"],
  signature_delta: ["signature", "signature"],
  input_json_delta: ["json", "partial_json"],
};

function readStream(stream: string): Heard {
  const blocks: Record<string, unknown>[] = [];
  let end: unknown;
  let usage: unknown;
  let error: unknown;
  for (const event of payloads(stream)) {
    const block = blocks[Number(at(event, "index"))];
    switch (at(event, "type")) {
      case "content_block_start":
        blocks[Number(at(event, "index"))] = { ...(at(event, "content_block") as object) };
        break;
      case "content_block_delta": {
        const [member, piece] = PIECES[textAt(event, "delta", "type")] ?? ["", ""];
        if (block !== undefined) block[member] = textAt(block, member) + textAt(event, "delta", piece);
        break;
      }
      case "content_block_stop":
        if (block !== undefined && block["type"] === "tool_use") {
          block["input"] = JSON.parse(textAt(block, "json")) as unknown;
          delete block["json"];
        }
        break;
      case "message_delta":
        end = at(event, "delta");
        usage = at(event, "usage");
        break;
      case "error":
        error = at(event, "error");
        usage = at(event, "usage");
        break;
      default:
    }
  }
  return heardOf(blocks, end, usage, error);
}

export const anthropicClient: Client = {
  dialect: anthropicMessages,
  beside: () => ({ header: (name) => (name === "anthropic-version" ? "2023-06-01" : null) }),
  body,
  readReply: (reply) => heardOf(listAt(reply, "content"), reply, at(reply, "usage"), at(reply, "error")),
  readStream,
  readRateLimit: (error) =>
    at(error, "type") === "error" && at(error, "error", "type") === "rate_limit_error"
      ? textAt(error, "error", "message")
      : null,
  cannot: {
    audio: "the Messages API has no sound among its blocks",
    video: "the Messages API has no videos among its blocks",
  },
};
