/**
 * The benchmark's upstream: an OpenAI-compatible server that costs as little as Node allows (raw sockets, prebuilt
 * bytes), in its own process. Run alone: `node test/bench/upstream.ts [port]`; it prints `{"port":...}`.
 *
 *   POST .../chat/completions   the answers of `answers.ts`, by model name
 *   GET  /stats                 `{requests, big: [{writtenBytes, ended, closed}]}`, the big answers oldest first
 *
 * Every event of a stream is its own socket write in its own turn of the event loop, so that it reaches the proxy as
 * its own chunk. A big answer writes only while the socket takes it. Ends when its parent's IPC channel closes.
 */
import net from "node:net";
import {
  BIG_EVENT_BYTES,
  BUFFERED_TEXT,
  SLOW_GAP_MS,
  benchModel,
  fastPiece,
  monotonicUs,
  slowPiece,
  usageOf,
  type BenchModel,
} from "./answers.ts";
import { append, chunk, consume, createAccumulator, readMessage, type Message } from "./http-bytes.ts";

interface BigAnswer {
  readonly socket: net.Socket;
  readonly startBytes: number;
  ended: boolean;
  closed: boolean;
  finalBytes: number;
}

const CREATED_S = 1_790_000_000;
const LAST_CHUNK = Buffer.from("0\r\n\r\n");
const STREAM_HEAD = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n" +
    "transfer-encoding: chunked\r\n\r\n",
);
const bigAnswers: BigAnswer[] = [];
let requests = 0;

const jsonResponse = (status: string, value: unknown): Buffer => {
  const body = JSON.stringify(value);
  return Buffer.from(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
};

const sseChunk = (name: string, delta: object, rest: object = {}): Buffer =>
  chunk(
    `data: ${JSON.stringify({
      id: "chatcmpl-bench",
      object: "chat.completion.chunk",
      created: CREATED_S,
      model: name,
      choices: [{ index: 0, delta, finish_reason: null }],
      ...rest,
    })}\n\n`,
  );

/** Prebuilt parts of one model's answers. */
interface Prebuilt {
  readonly model: BenchModel;
  readonly reply: Buffer;
  readonly role: Buffer;
  readonly pieces: readonly Buffer[];
  /** A slow event with a placeholder, and where the placeholder begins. */
  readonly stamped: Buffer;
  readonly stampAt: number;
  readonly tail: Buffer;
}

function prebuild(name: string, model: BenchModel): Prebuilt {
  const usage = usageOf(model);
  const stamped = sseChunk(name, { content: slowPiece(0) });
  const big = model.mode === "big" ? sseChunk(name, { content: "x".repeat(BIG_EVENT_BYTES) }) : undefined;
  const pieceOf = (index: number): Buffer => big ?? sseChunk(name, { content: fastPiece(index) });
  return {
    model,
    reply: jsonResponse("200 OK", {
      id: "chatcmpl-bench",
      object: "chat.completion",
      created: CREATED_S,
      model: name,
      choices: [{ index: 0, message: { role: "assistant", content: BUFFERED_TEXT }, finish_reason: "stop" }],
      usage,
    }),
    role: sseChunk(name, { role: "assistant", content: "" }),
    pieces: model.mode === "slow" ? [] : Array.from({ length: model.events }, (_, index) => pieceOf(index)),
    stamped,
    stampAt: stamped.indexOf(slowPiece(0)) + 1,
    tail: Buffer.concat([
      sseChunk(name, {}, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
      sseChunk(name, {}, { choices: [], usage }),
      chunk("data: [DONE]\n\n"),
      LAST_CHUNK,
    ]),
  };
}

/** By model name; as many as the bench asks for, at most 20. */
const prebuiltByName = new Map<string, Prebuilt>();

function prebuiltOf(name: string): Prebuilt | undefined {
  const known = prebuiltByName.get(name);
  if (known !== undefined) return known;
  const model = benchModel(name);
  if (model === undefined || prebuiltByName.size >= 20) return undefined;
  const made = prebuild(name, model);
  prebuiltByName.set(name, made);
  return made;
}

function streamFast(socket: net.Socket, built: Prebuilt, done: () => void): void {
  let next = 0;
  const step = (): void => {
    const piece = built.pieces[next];
    next += 1;
    if (socket.destroyed) return;
    if (piece === undefined) {
      socket.write(built.tail);
      done();
      return;
    }
    socket.write(piece);
    setImmediate(step);
  };
  setImmediate(step);
}

function streamSlow(socket: net.Socket, built: Prebuilt, done: () => void): void {
  let sent = 0;
  const timer = setInterval(() => {
    if (socket.destroyed) {
      clearInterval(timer);
      return;
    }
    if (sent === built.model.events) {
      clearInterval(timer);
      socket.write(built.tail);
      done();
      return;
    }
    sent += 1;
    const event = Buffer.from(built.stamped);
    event.write(String(monotonicUs()).padStart(15, "0"), built.stampAt, "latin1");
    socket.write(event);
  }, SLOW_GAP_MS);
}

function streamBig(socket: net.Socket, built: Prebuilt, done: () => void): void {
  const answer: BigAnswer = {
    socket,
    startBytes: socket.bytesWritten,
    ended: false,
    closed: false,
    finalBytes: 0,
  };
  bigAnswers.push(answer);
  let next = 0;
  const onClose = (): void => {
    answer.closed = true;
    answer.finalBytes = socket.bytesWritten - socket.writableLength - answer.startBytes;
  };
  const pour = (): void => {
    for (;;) {
      const piece = built.pieces[next];
      if (socket.destroyed) return;
      if (piece === undefined) break;
      next += 1;
      if (!socket.write(piece)) {
        socket.once("drain", pour);
        return;
      }
    }
    answer.ended = true;
    socket.off("close", onClose);
    socket.write(built.tail, onClose);
    done();
  };
  socket.once("close", onClose);
  pour();
}

function stats(): unknown {
  return {
    requests,
    big: bigAnswers.map((answer) => ({
      writtenBytes: answer.closed
        ? answer.finalBytes
        : answer.socket.bytesWritten - answer.socket.writableLength - answer.startBytes,
      ended: answer.ended,
      closed: answer.closed,
    })),
  };
}

/** Answers one request; `done` when the next may be read. */
function answer(socket: net.Socket, message: Message, done: () => void): void {
  if (message.startLine.startsWith("GET /stats")) {
    socket.write(jsonResponse("200 OK", stats()));
    return done();
  }
  if (!/^POST \S*\/chat\/completions/.test(message.startLine)) {
    socket.write(jsonResponse("404 Not Found", { error: { message: `no ${message.startLine}`, code: 404 } }));
    return done();
  }
  requests += 1;
  const body = message.body.toString("latin1");
  const name = /"model"\s*:\s*"([^"]+)"/.exec(body)?.[1] ?? "";
  const built = prebuiltOf(name);
  if (built === undefined) {
    socket.write(jsonResponse("400 Bad Request", { error: { message: `no model ${name}`, code: 400 } }));
    return done();
  }
  if (!/"stream"\s*:\s*true/.test(body)) {
    socket.write(built.reply);
    return done();
  }
  socket.write(STREAM_HEAD);
  socket.write(built.role);
  if (built.model.mode === "slow") return streamSlow(socket, built, done);
  if (built.model.mode === "big") return streamBig(socket, built, done);
  return streamFast(socket, built, done);
}

function serve(socket: net.Socket): void {
  const inbox = createAccumulator(8 * 1024);
  let isBusy = false;
  const next = (): void => {
    if (isBusy || inbox.length === 0) return;
    const reading = readMessage(inbox);
    if (reading.kind === "broken") socket.destroy();
    if (reading.kind !== "whole") return;
    isBusy = true;
    answer(socket, reading.message, () => {
      isBusy = false;
      setImmediate(next);
    });
    consume(inbox, reading.message.size);
  };
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes) => {
    append(inbox, bytes, bytes.length);
    next();
  });
}

const server = net.createServer(serve);
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", 4_096, () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  if (process.send === undefined) process.stdout.write(`${JSON.stringify({ port })}\n`);
  else process.send({ port });
});
// Ctrl-C reaches the whole group; with a parent, that decides when this ends.
if (process.send !== undefined) process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(0));
