/**
 * A plain pass-through in front of a provider's double that keeps each request's body as it came over the wire. A double
 * tells what it understood of a request, which leaves out what it has no use for: the bytes of a picture, a schema.
 * Answers go through piece by piece; when either side breaks off, so does the other.
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";

export interface Recorded {
  /** With its query. */
  readonly path: string;
  readonly body: string;
}

export interface Recorder {
  /** Without a path, e.g. `http://127.0.0.1:40123`. */
  readonly origin: string;
  /** Oldest first. */
  recorded(): readonly Recorded[];
  stop(): Promise<void>;
}

/** Listens on a free loopback port and passes everything on to `target`, an origin. */
export async function startWireRecorder(target: string): Promise<Recorder> {
  const recorded: Recorded[] = [];
  const server = createServer((asked, answer) => {
    const pieces: Buffer[] = [];
    asked.on("data", (piece: Buffer) => pieces.push(piece));
    asked.on("end", () => {
      const body = Buffer.concat(pieces);
      recorded.push({ path: asked.url ?? "", body: body.toString("utf8") });
      forward(target, asked, body, answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // listening on a port
  return {
    origin: `http://127.0.0.1:${port}`,
    recorded: () => recorded,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function forward(target: string, asked: IncomingMessage, body: Buffer, answer: ServerResponse): void {
  const onward = request(new URL(asked.url ?? "/", target), { method: asked.method, headers: asked.headers }, (got) => {
    answer.writeHead(got.statusCode ?? 502, got.headers);
    // What is small must not wait for more to come.
    answer.flushHeaders();
    // A break on either side ends both; there is nobody else to tell.
    pipeline(got, answer, () => undefined);
  });
  onward.on("error", () => answer.destroy());
  answer.on("close", () => onward.destroy());
  onward.end(body);
}
