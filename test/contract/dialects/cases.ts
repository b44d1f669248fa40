/**
 * The recorded cases of test/fixtures/dialects/<dialect>/<case>/:
 * - about.json: source, the day it was read, and what stands in the path or the headers;
 * - body.json: what a client sends; request.json: the chat request that it becomes;
 * - events.json: an answer; stream.sse and reply.json: what the client hears of it.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ChatRequest } from "../../../src/core/chat.ts";
import type { GenerationEvent } from "../../../src/core/event.ts";
import type { Json } from "../../../src/core/json.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages.ts";
import { completions } from "../../../src/dialects/completions.ts";
import type { Beside, Dialect } from "../../../src/dialects/dialect.ts";
import { gemini, geminiArray } from "../../../src/dialects/gemini.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { openAiResponses } from "../../../src/dialects/openai-responses.ts";

/** Every dialect that answers a conversation, each form of its streams. Tasks have theirs in unit/dialects/tasks.test.ts. */
export const DIALECTS: readonly Dialect[] = [
  openAiChat,
  openAiResponses,
  anthropicMessages,
  gemini,
  geminiArray,
  completions,
];

export interface DialectCase {
  readonly name: string;
  readonly dialect: Dialect;
  readonly source: string;
  readonly accessed: string;
  readonly beside: Beside;
  readonly body: unknown;
  readonly request: ChatRequest;
  readonly events: readonly GenerationEvent[];
  readonly stream: string;
  readonly reply: Json;
}

const root = path.resolve(import.meta.dirname, "../../fixtures/dialects");

/** All cases. Throws when one is incomplete: a half-made fixture proves nothing. */
export function dialectCases(): readonly DialectCase[] {
  return DIALECTS.flatMap((dialect) =>
    readdirSync(path.join(root, dialect.name))
      .toSorted()
      .map((folder) => readCase(dialect, folder)),
  );
}

function readCase(dialect: Dialect, folder: string): DialectCase {
  const text = (file: string): string => readFileSync(path.join(root, dialect.name, folder, file), "utf8");
  // Fixtures are ours: their shape is what the tests prove.
  const read = <T>(file: string): T => JSON.parse(text(file)) as T;
  const about = read<{
    source: string;
    accessed: string;
    model?: string;
    stream?: boolean;
    headers?: Readonly<Record<string, string>>;
  }>("about.json");
  const { source, accessed, model, stream, headers } = about;
  return {
    name: `${dialect.name}/${folder}`,
    dialect,
    source,
    accessed,
    beside: { model, stream, header: (name) => headers?.[name] ?? null },
    body: read("body.json"),
    request: read("request.json"),
    events: read("events.json"),
    stream: text("stream.sse"),
    reply: read("reply.json"),
  };
}
