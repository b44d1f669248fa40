/**
 * The soak's upstream: obeys the wish in the prompt, word by word or in a fault of fault-upstream.ts, and keeps a
 * journal of the usage that it told, from which the client works out what an answer must cost. Every provider of the
 * soak is a path of it. Bounded: one small journal entry per attempt, bodies of at most BODY_BYTES_MAX.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { isObject, numberOf, parseJson, stringOf } from "../../src/core/json.ts";
import { playFault, type Call } from "../e2e/fault-upstream.ts";
import { wordsOf, type Wish } from "./plan.ts";

/** As the wire names them. */
export interface ToldUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  readonly completion_tokens_details: { readonly reasoning_tokens: number };
}

/** One attempt as the upstream saw it. */
export interface JournalEntry {
  readonly provider: string;
  readonly mode: string;
  /** What it billed; null until that was written to the connection. */
  told: ToldUsage | null;
}

/** Attempts by the number of the wish. */
export type Journal = ReadonlyMap<number, readonly JournalEntry[]>;

export interface SoakUpstream {
  readonly journal: Journal;
  baseUrlOf(provider: string): string;
  /** Answers that are neither complete nor given up. */
  openCount(): number;
  stop(): Promise<void>;
}

const BODY_BYTES_MAX = 1024 * 1024;
/** Faults whose answer is whole, usage and all. */
const TELLING = new Set(["json-to-stream", "done-hang", "done-reset", "late-300"]);

/** Starts one on a free port. */
export async function startSoakUpstream(): Promise<SoakUpstream> {
  const journal = new Map<number, JournalEntry[]>();
  const sockets = new Set<Socket>();
  let openCount = 0;
  const server = createServer((request, response) => {
    openCount++;
    response.once("close", () => openCount--);
    void answer(request, response, journal);
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The soak's upstream has no port.");
  return {
    journal,
    baseUrlOf: (provider) => `http://127.0.0.1:${address.port}/${provider}/v1`,
    openCount: () => openCount,
    stop() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, journal: Map<number, JournalEntry[]>) {
  // A caller that is killed closes in the middle of anything.
  response.on("error", () => undefined);
  const body = await bodyOf(request);
  const wish = body === undefined ? undefined : wishOf(body);
  if (body === undefined || wish === undefined) return;
  const provider = request.url?.split("/")[1] ?? "";
  const before = journal.get(wish.number) ?? [];
  const mode = before.length < wish.faultCount ? wish.fault : "ok";
  const entry: JournalEntry = { provider, mode, told: null };
  journal.set(wish.number, [...before, entry]);
  const limit = numberOf(body["max_tokens"]) ?? numberOf(body["max_completion_tokens"]) ?? wish.wordCount;
  const count = Math.max(1, Math.min(wish.wordCount, limit));
  const usage: ToldUsage = {
    prompt_tokens: wish.promptTokens,
    completion_tokens: count + wish.reasoningTokens,
    prompt_tokens_details: { cached_tokens: wish.cachedTokens },
    completion_tokens_details: { reasoning_tokens: wish.reasoningTokens },
  };
  const words = wordsOf(provider, wish, count);
  const isStreamed = body["stream"] === true;
  if (mode === "ok") {
    const reason = count < wish.wordCount ? "length" : wish.isTool ? "tool_calls" : "stop";
    const paced: Paced = { response, wish, words, usage, reason, tell: () => (entry.told = usage) };
    return isStreamed ? streamed(paced) : buffered(paced);
  }
  if (TELLING.has(mode)) entry.told = usage;
  const call: Call = {
    model: mode,
    isStreamed,
    authorization: "",
    body: {},
    atMs: Date.now(),
    closedAtMs: null,
    isComplete: false,
    wordCount: 0,
    words,
    usage: { ...usage },
  };
  await playFault(mode, response, call);
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) throw new Error("A body of the soak is larger than any that it sends.");
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  const body = parseJson(Buffer.concat(chunks).toString("utf8"));
  return isObject(body) ? body : undefined;
}

function wishOf(body: Record<string, unknown>): Wish | undefined {
  const messages: readonly unknown[] = Array.isArray(body["messages"]) ? body["messages"] : [];
  const last = messages.at(-1);
  const content = isObject(last) ? stringOf(last["content"]) : undefined;
  const wish = parseJson(content?.split("\n")[0] ?? "");
  return isObject(wish) ? (wish as unknown as Wish) : undefined; // the soak wrote it itself
}

interface Paced {
  readonly response: ServerResponse;
  readonly wish: Wish;
  readonly words: readonly string[];
  readonly usage: ToldUsage;
  readonly reason: string;
  readonly tell: () => void;
}

async function streamed({ response, wish, words, usage, reason, tell }: Paced): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const [at, word] of words.entries()) {
    if (response.destroyed) return;
    response.write(frame({ choices: [choice(wish.isTool ? toolDelta(wish, word, at) : { content: word }, null)] }));
    await pause(wish.pauseMs);
  }
  if (response.destroyed) return;
  if (wish.isTool) response.write(frame({ choices: [choice(toolDelta(wish, '"}', words.length), null)] }));
  tell();
  response.end(`${frame({ choices: [choice({}, reason)] })}${frame({ choices: [], usage })}data: [DONE]\n\n`);
}

async function buffered({ response, wish, words, usage, reason, tell }: Paced): Promise<void> {
  await pause(Math.min(900, wish.pauseMs * words.length));
  if (response.destroyed) return;
  const text = words.join("");
  const message = wish.isTool
    ? {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "call_1", type: "function", function: { name: "note", arguments: `{"text":"${text}"}` } }],
      }
    : { role: "assistant", content: text };
  tell();
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ id: "up-1", choices: [{ index: 0, message, finish_reason: reason }], usage }));
}

/** The argument's JSON in pieces, one a word. */
function toolDelta({ number }: Wish, piece: string, at: number): object {
  const start = at === 0 ? { id: `call_${number}`, type: "function" } : {};
  const named = at === 0 ? { name: "note", arguments: `{"text":"${piece}` } : { arguments: piece };
  return { tool_calls: [{ index: 0, ...start, function: named }] };
}

function choice(delta: object, finishReason: string | null): object {
  return { index: 0, delta, finish_reason: finishReason };
}

function frame(body: object): string {
  return `data: ${JSON.stringify({ id: "up-1", ...body })}\n\n`;
}

function pause(waitMs: number): Promise<void> {
  return waitMs <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, waitMs));
}
