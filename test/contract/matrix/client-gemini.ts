/** A client of `generateContent`: what it sends, and how it reads parts. */
import type { JsonObject } from "../../../src/core/json.ts";
import { gemini, geminiArray } from "../../../src/dialects/gemini.ts";
import * as words from "./words.ts";
import { at, listAt, payloads, textAt, type Ask, type Client, type Heard } from "./words.ts";

function partsOf(ask: Ask): readonly unknown[] {
  const hello = { text: words.HELLO };
  switch (ask.feature) {
    case "image":
      return [hello, { inlineData: { mimeType: "image/png", data: words.PNG } }];
    case "PDF":
      return [hello, { inlineData: { mimeType: "application/pdf", data: words.PDF, displayName: "a.pdf" } }];
    case "audio":
      return [hello, { inlineData: { mimeType: "audio/wav", data: words.WAV } }];
    case "video":
      return [hello, { inlineData: { mimeType: "video/mp4", data: words.MP4 } }];
    default:
      return [hello];
  }
}

const TOOLED: ReadonlySet<string> = new Set(["one tool", "parallel tools", "tool result", "reasoning"]);

function body(ask: Ask): unknown {
  const { feature, heard } = ask;
  const results = (heard?.calls ?? []).map(({ id, name }, index) => ({
    functionResponse: { id, name, response: { output: words.RESULTS[index] } },
  }));
  const { name, description, parameters: parametersJsonSchema } = words.TOOL;
  return {
    systemInstruction: { parts: [{ text: words.SYSTEM }] },
    contents: [
      { role: "user", parts: partsOf(ask) },
      ...(heard === undefined ? [] : [{ role: "model", parts: heard.turn }]),
      ...(results.length === 0 ? [] : [{ role: "user", parts: results }]),
    ],
    generationConfig: {
      maxOutputTokens: feature === "reasoning" ? words.REASONING_LIMIT : words.LIMIT,
      ...(feature === "structured output"
        ? { responseMimeType: "application/json", responseJsonSchema: words.SCHEMA }
        : {}),
      ...(feature === "reasoning"
        ? { thinkingConfig: { includeThoughts: true, thinkingBudget: words.REASONING_BUDGET } }
        : {}),
    },
    ...(TOOLED.has(feature)
      ? { tools: [{ functionDeclarations: [{ name, description, parametersJsonSchema }] }] }
      : {}),
    ...(feature === "one tool" ? { toolConfig: { functionCallingConfig: { mode: "ANY" } } } : {}),
  };
}

const ENDS: Readonly<Record<string, Heard["end"]>> = {
  STOP: "stop",
  MAX_TOKENS: "length",
  SAFETY: "refusal",
  RECITATION: "refusal",
  PROHIBITED_CONTENT: "refusal",
  OTHER: "error",
};

function heardOf(parts: readonly unknown[], reason: string, usage: unknown, error: string | null): Heard {
  const joined = (isThought: boolean): string =>
    parts
      .filter((part) => (at(part, "thought") === true) === isThought)
      .map((part) => textAt(part, "text"))
      .join("");
  const calls = parts
    .map((part) => at(part, "functionCall"))
    .filter((call) => call !== undefined)
    .map((call) => ({
      id: textAt(call, "id"),
      name: textAt(call, "name"),
      input: at(call, "args") as JsonObject, // compared as a whole
    }));
  const end = error === null ? (ENDS[reason] ?? "?") : "error";
  const output = Number(at(usage, "candidatesTokenCount")) + Number(at(usage, "thoughtsTokenCount") ?? 0);
  return {
    text: joined(false),
    thought: joined(true),
    calls,
    refusal: "",
    end: end === "stop" && calls.length > 0 ? "tools" : end,
    tokens: usage === undefined ? null : [Number(at(usage, "promptTokenCount")), output],
    error,
    turn: parts,
  };
}

function heardOfChunks(chunks: readonly unknown[]): Heard {
  const reasons = chunks.map((chunk) => textAt(chunk, "candidates", 0, "finishReason"));
  const error = chunks.map((chunk) => at(chunk, "error", "message")).find((message) => message !== undefined);
  return heardOf(
    chunks.flatMap((chunk) => listAt(chunk, "candidates", 0, "content", "parts")),
    reasons.join(""),
    at(chunks.at(-1), "usageMetadata"),
    typeof error === "string" ? error : null,
  );
}

export const geminiClient: Client = {
  dialect: gemini,
  beside: (stream) => ({ model: "a/b", stream, header: () => null }),
  body,
  readReply(reply) {
    const candidate = at(reply, "candidates", 0);
    const message = at(candidate, "finishMessage");
    return heardOf(
      listAt(candidate, "content", "parts"),
      textAt(candidate, "finishReason"),
      at(reply, "usageMetadata"),
      typeof message === "string" ? message : null,
    );
  },
  readStream: (stream) => heardOfChunks(payloads(stream)),
  readRateLimit: (error) =>
    at(error, "error", "code") === 429 && at(error, "error", "status") === "RESOURCE_EXHAUSTED"
      ? textAt(error, "error", "message")
      : null,
  cannot: { "cache control": "generateContent has no breakpoints: its providers cache prompts by themselves" },
};

/** Without `?alt=sse` a stream is one JSON array. */
export const geminiArrayClient: Client = {
  ...geminiClient,
  dialect: geminiArray,
  readStream: (stream) => heardOfChunks(listAt({ chunks: JSON.parse(stream) as unknown }, "chunks")),
};
