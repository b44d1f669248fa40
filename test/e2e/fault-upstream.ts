/**
 * An upstream on loopback that speaks OpenAI chat and misbehaves as the model's name in the request says: before the
 * headers, before the first token, in the middle, at the end. It counts its connections and keeps every call with the
 * time at which the caller closed it, so that a test can tell an abort from a drain.
 *
 * Every good answer says WORDS, one word a chunk, and bills USAGE. A mode may carry a number: `late-9000`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { isObject, parseJson, stringOf } from "../../src/core/json.ts";

/** What every good answer says. */
export const WORDS: readonly string[] = ["one ", "two ", "three ", "four ", "five "];
/** What every good answer bills. */
export const USAGE = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
/** Words that are sent before an answer breaks. */
export const BROKEN_AFTER = 3;
/** Pause between two words of a `slow` answer, and how many there are. */
const SLOW_PAUSE_MS = 50;
export const SLOW_WORDS = 40;

export interface Call {
  readonly model: string;
  readonly isStreamed: boolean;
  readonly authorization: string;
  readonly body: Record<string, unknown>;
  readonly atMs: number;
  /** When the connection of this call was closed or its answer was complete; null: neither yet. */
  closedAtMs: number | null;
  /** The answer was sent to its end. */
  isComplete: boolean;
  /** Words sent so far. */
  wordCount: number;
  /** What a good answer says, one word a chunk, and what it bills. */
  readonly words: readonly string[];
  readonly usage: Readonly<Record<string, unknown>>;
}

export interface FaultUpstream {
  /** With `/v1`. */
  readonly baseUrl: string;
  readonly calls: readonly Call[];
  /** Calls for this model, in order. */
  callsOf(model: string): readonly Call[];
  openConnections(): number;
  close(): Promise<void>;
}

/** Starts one on a free port. */
export async function startFaultUpstream(): Promise<FaultUpstream> {
  const calls: Call[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => void answer(request, response, calls));
  server.keepAliveTimeout = 1_000;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The fault upstream has no port.");
  return {
    baseUrl: `http://127.0.0.1:${address.port}/v1`,
    calls,
    callsOf: (model) => calls.filter((call) => call.model === model),
    openConnections: () => sockets.size,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, calls: Call[]): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const parsed = parseJson(Buffer.concat(chunks).toString("utf8"));
  const body = isObject(parsed) ? parsed : {};
  const call: Call = {
    model: stringOf(body["model"]) ?? "",
    isStreamed: body["stream"] === true,
    authorization: request.headers.authorization ?? "",
    body,
    atMs: Date.now(),
    closedAtMs: null,
    isComplete: false,
    wordCount: 0,
    words: WORDS,
    usage: USAGE,
  };
  calls.push(call);
  response.once("finish", () => (call.isComplete = true));
  response.once("close", () => (call.closedAtMs ??= Date.now()));
  await playFault(call.model, response, call);
}

/** Answers a call in a mode of this file, with the call's own words and usage. A mode that does not exist is a 404. */
export async function playFault(name: string, response: ServerResponse, call: Call): Promise<void> {
  response.on("error", () => undefined);
  const [mode = "", number = ""] = name.split(/-(?=\d+$)/);
  const misbehave = MODES[mode];
  if (misbehave === undefined) return json(response, 404, error(`There is no mode ${mode}.`, "model_not_found"));
  await misbehave(response, call, Number(number));
}

type Mode = (response: ServerResponse, call: Call, number: number) => void | Promise<void>;

const MODES: Readonly<Record<string, Mode>> = {
  ok: (response, call) => whole(response, call),
  /** A 401 for a credential that begins with `refused`, else an answer. */
  picky: (response, call) =>
    call.authorization.startsWith("Bearer refused")
      ? json(response, 401, error("Incorrect API key provided.", "invalid_api_key"))
      : whole(response, call),
  /** Answers a stream with one JSON body. */
  "json-to-stream": (response, call) => json(response, 200, reply(call)),
  /** `[DONE]`, and then the connection stays open. */
  "done-hang": (response, call) => words(response, call, call.words.length, () => response.write(ending(call.usage))),
  /** `[DONE]`, and then a reset instead of the end of the body. */
  "done-reset": (response, call) =>
    words(response, call, call.words.length, () =>
      response.write(ending(call.usage), () => setTimeout(() => cut(response), 20)),
    ),
  /** A finish, and no usage. */
  "no-usage": (response, call) =>
    words(response, call, call.words.length, () => response.end(`${finish()}data: [DONE]\n\n`)),
  /** Starts after so many milliseconds. */
  late: async (response, call, waitMs) => {
    await pause(waitMs);
    return whole(response, call);
  },
  /** A 500 after so many milliseconds. */
  "late-status": async (response, _call, waitMs) => {
    await pause(waitMs);
    json(response, 500, error("Too late.", "server_error"));
  },
  /** Forty words, 50 ms apart. */
  slow: (response, call) => slowly(response, call),
  /** Words without a pause and without end, as fast as they are taken. */
  flood: async (response, call) => {
    response.writeHead(200, SSE);
    const text = chunk({ content: "x".repeat(4_000) });
    while (!response.destroyed) {
      call.wordCount++;
      if (!response.write(text)) await drained(response);
    }
  },
  /** An answer whose facts are absurdly long. */
  "long-facts": (response, call) => {
    const id = "i".repeat(100_000);
    const choice = { index: 0, finish_reason: "s".repeat(100_000), native_finish_reason: "s".repeat(100_000) };
    if (!call.isStreamed)
      return json(response, 200, { id, choices: [{ ...choice, message: { content: "one" } }], usage: USAGE });
    const frame = JSON.stringify({ id, choices: [{ ...choice, delta: { content: "one" } }], usage: USAGE });
    end(response, 200, "text/event-stream", `data: ${frame}\n\ndata: [DONE]\n\n`);
  },

  reset: (response) => void response.socket?.resetAndDestroy(),
  closed: (response) => void response.socket?.destroy(),
  /** 429 with so many seconds. */
  "limited-after": (response, _call, seconds) =>
    json(response, 429, error("Slow down.", "rate_limit_exceeded"), { "retry-after": String(seconds) }),
  limited: (response) => json(response, 429, error("Slow down.", "rate_limit_exceeded")),
  /** Any status with an error body. */
  status: (response, _call, status) => json(response, status, error(`Upstream said ${status}.`, "server_error")),
  "bad-request": (response) => json(response, 400, error("temperature must be at most 2.", "invalid_value")),
  "too-long": (response) =>
    json(response, 400, error("This model's maximum context length is 10 tokens.", "context_length_exceeded")),
  /** The caller's credential, in the error body. */
  echo: (response, call, status) =>
    json(response, status, error(`Rejected ${call.authorization} (${call.authorization.slice(7)}).`, "server_error")),
  /** The same inside a 200. */
  "echo-inside": (response, call) => {
    const text = JSON.stringify(error(`Rejected ${call.authorization}.`, "server_error"));
    if (!call.isStreamed) return end(response, 200, "application/json", text);
    end(response, 200, "text/event-stream", `data: ${text}\n\n`);
  },
  /** The same after the first words. */
  "echo-after": (response, call) =>
    words(response, call, BROKEN_AFTER, () =>
      response.end(`data: ${JSON.stringify(error(`Rejected ${call.authorization}.`, "server_error"))}\n\n`),
    ),
  /** A malformed frame that repeats the credential. */
  "echo-malformed": (response, call) =>
    end(
      response,
      200,
      call.isStreamed ? "text/event-stream" : "application/json",
      `data: {"auth ${call.authorization}\n\n`,
    ),
  /** The credential in headers, too. */
  "echo-headers": (response, call) =>
    json(response, 307, error(`Moved, ${call.authorization}.`, "server_error"), {
      location: `https://elsewhere.example/?key=${call.authorization.slice(7)}`,
      "x-request-id": call.authorization,
      "set-cookie": `auth=${call.authorization.slice(7)}`,
    }),
  "error-inside": (response, call) => {
    const text = JSON.stringify(error("The engine is broken.", "server_error"));
    if (!call.isStreamed) return end(response, 200, "application/json", text);
    end(response, 200, "text/event-stream", `data: ${text}\n\n`);
  },
  empty: (response, call) => end(response, 200, call.isStreamed ? "text/event-stream" : "application/json", ""),
  html: (response) => end(response, 200, "text/html", "<html><body>Welcome to nginx!</body></html>"),
  /** An error page of 10 MB. */
  "huge-error": (response) => end(response, 500, "text/html", "x".repeat(10 * 1024 * 1024)),
  /** A 500 whose body never ends. */
  "endless-error": (response) => {
    response.writeHead(500, { "content-type": "application/json" });
    response.write(`{"error":{"message":"`);
  },
  /** An answer without an end: one frame or one JSON string of 48 MB. */
  huge: (response, call) => {
    response.writeHead(200, { "content-type": call.isStreamed ? "text/event-stream" : "application/json" });
    response.write(call.isStreamed ? `data: {"choices":[{"delta":{"content":"` : `{"choices":[{"message":{"content":"`);
    return flood(response, 48);
  },

  /** No headers. */
  "stall-headers": () => undefined,
  /** Headers and a role, no token; buffered, the headers and half a body. */
  "stall-first": (response, call) => {
    if (!call.isStreamed) return half(response, call);
    response.writeHead(200, SSE);
    response.write(chunk({ role: "assistant", content: "" }));
  },
  "cut-first": (response, call) => {
    response.writeHead(200, call.isStreamed ? SSE : JSON_TYPE);
    response.write(call.isStreamed ? chunk({ role: "assistant", content: "" }) : `{"choices":[`);
    setTimeout(() => cut(response), 20);
  },
  "malformed-first": (response, call) =>
    end(response, 200, call.isStreamed ? "text/event-stream" : "application/json", `data: {"choices": [oops\n\n`),
  /** Comments (buffered: spaces) without end, and never an event. */
  "drip-first": (response, call) => {
    response.writeHead(200, call.isStreamed ? SSE : JSON_TYPE);
    return drip(response, call.isStreamed ? ": still here\n\n" : " ");
  },

  "stall-after": (response, call) => words(response, call, BROKEN_AFTER, () => undefined),
  "cut-after": (response, call) => words(response, call, BROKEN_AFTER, () => setTimeout(() => cut(response), 20)),
  /** The body ends as if all were well, without a finish. */
  "end-early": (response, call) => words(response, call, BROKEN_AFTER, () => response.end()),
  "malformed-after": (response, call) =>
    words(response, call, BROKEN_AFTER, () => response.end(`data: {"choices": [oops\n\n`)),
  "error-after": (response, call) =>
    words(response, call, BROKEN_AFTER, () =>
      response.end(`data: ${JSON.stringify(error("The engine broke.", "server_error"))}\n\n`),
    ),
  "drip-after": (response, call) => words(response, call, BROKEN_AFTER, () => drip(response, ": still here\n\n")),
  /** A word every so many milliseconds, without end. */
  endless: async (response, call, waitMs) => {
    response.writeHead(200, SSE);
    for (let at = 0; !response.destroyed; at++) {
      word(response, call, at);
      await pause(waitMs);
    }
  },
};

const SSE = { "content-type": "text/event-stream" };
const JSON_TYPE = { "content-type": "application/json" };

function error(message: string, code: string): { error: Record<string, string> } {
  return { error: { message, type: code, code } };
}

function end(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { "content-type": type });
  response.end(text);
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { ...JSON_TYPE, ...headers });
  response.end(JSON.stringify(body));
}

function reply({ words: said, usage }: Call): unknown {
  const message = { role: "assistant", content: said.join("") };
  return {
    id: "up-1",
    object: "chat.completion",
    choices: [{ index: 0, message, finish_reason: "stop" }],
    usage,
  };
}

function chunk(delta: Record<string, string>): string {
  return `data: ${JSON.stringify({ id: "up-1", choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`;
}

function finish(): string {
  return `data: ${JSON.stringify({ id: "up-1", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}\n\n`;
}

function ending(usage: Call["usage"]): string {
  return `${finish()}data: ${JSON.stringify({ id: "up-1", choices: [], usage })}\n\ndata: [DONE]\n\n`;
}

function word(response: ServerResponse, call: Call, at: number): void {
  response.write(chunk({ content: call.words[at % call.words.length] ?? "" }));
  call.wordCount++;
}

function whole(response: ServerResponse, call: Call): void {
  if (!call.isStreamed) return json(response, 200, reply(call));
  return words(response, call, call.words.length, () => response.end(ending(call.usage)));
}

/** So many words and then `next`; a buffered answer that breaks stops in the middle of its body instead. */
function words(response: ServerResponse, call: Call, count: number, next: () => unknown): void {
  if (!call.isStreamed) {
    response.writeHead(200, JSON_TYPE);
    response.write(JSON.stringify(reply(call)).slice(0, 60));
    // `next` speaks in frames; in a JSON body they are garbage, an end is a cut.
    next();
    return;
  }
  response.writeHead(200, SSE);
  for (let at = 0; at < count; at++) word(response, call, at);
  next();
}

async function slowly(response: ServerResponse, call: Call): Promise<void> {
  if (call.isStreamed) response.writeHead(200, SSE);
  for (let at = 0; at < SLOW_WORDS; at++) {
    if (response.destroyed) return;
    if (call.isStreamed) word(response, call, at);
    else call.wordCount++;
    await pause(SLOW_PAUSE_MS);
  }
  if (call.isStreamed) response.end(ending({ prompt_tokens: 10, completion_tokens: SLOW_WORDS }));
  else json(response, 200, reply(call));
}

function half(response: ServerResponse, call: Call): void {
  response.writeHead(200, JSON_TYPE);
  response.write(JSON.stringify(reply(call)).slice(0, 60));
}

function cut(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}

async function drip(response: ServerResponse, text: string): Promise<void> {
  while (!response.destroyed) {
    response.write(text);
    await pause(100);
  }
}

/** So many MiB without a line end, as fast as they are taken. */
async function flood(response: ServerResponse, sizeMib: number): Promise<void> {
  const piece = Buffer.alloc(1024 * 1024, 120);
  for (let at = 0; at < sizeMib && !response.destroyed; at++) {
    if (!response.write(piece)) await drained(response);
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off("drain", go).off("close", go);
      resolve();
    };
    response.once("drain", go).once("close", go);
  });
}

function pause(waitMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, waitMs));
}
