/**
 * The little HTTP/1.1 that the benchmark's two ends need, on bytes that are already here: whole messages out of an
 * accumulator that grows. Cheap on purpose: a client or an upstream that costs more than the thing measured measures
 * itself. No trailers, no continuation, no upgrade.
 */

/** Bytes of one connection, not yet consumed. `bytes` is valid up to `length`. */
export interface Accumulator {
  bytes: Buffer;
  length: number;
}

export interface Message {
  /** First line: of a request or of a status. */
  readonly startLine: string;
  /** Header block as received, without the first line. */
  readonly headers: string;
  /** The body, chunk framing removed. A view where possible: copy it to keep it. */
  readonly body: Buffer;
  /** Bytes that the message took; what follows belongs to the next one. */
  readonly size: number;
}

/** What a look at the accumulator found. */
export type Reading =
  | { readonly kind: "whole"; readonly message: Message }
  | { readonly kind: "partial" }
  | { readonly kind: "broken"; readonly reason: string };

const PARTIAL: Reading = { kind: "partial" };
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

/** An empty accumulator of `sizeBytes`. */
export function createAccumulator(sizeBytes: number): Accumulator {
  return { bytes: Buffer.allocUnsafe(sizeBytes), length: 0 };
}

/** Appends the first `count` bytes of `from`. */
export function append(into: Accumulator, from: Uint8Array, count: number): void {
  if (into.length + count > into.bytes.length) {
    const larger = Buffer.allocUnsafe(Math.max(into.bytes.length * 2, into.length + count));
    into.bytes.copy(larger, 0, 0, into.length);
    into.bytes = larger;
  }
  into.bytes.set(count === from.length ? from : from.subarray(0, count), into.length);
  into.length += count;
}

/** Drops the first `count` bytes. */
export function consume(from: Accumulator, count: number): void {
  from.bytes.copy(from.bytes, 0, count, from.length);
  from.length -= count;
}

/** Where the body begins, or -1 while the header block is incomplete. */
export function bodyStart(from: Accumulator): number {
  const at = from.bytes.indexOf("\r\n\r\n", 0, "latin1");
  return at === -1 || at + 4 > from.length ? -1 : at + 4;
}

/** The first whole message of the accumulator, if it is there. */
export function readMessage(from: Accumulator): Reading {
  const start = bodyStart(from);
  if (start === -1) return PARTIAL;
  const head = from.bytes.toString("latin1", 0, start - 4);
  const lineEnd = head.indexOf("\r\n");
  const startLine = lineEnd === -1 ? head : head.slice(0, lineEnd);
  const headers = lineEnd === -1 ? "" : head.slice(lineEnd + 2);
  const declared = /^content-length: *(\d+)/im.exec(headers);
  if (declared !== null) {
    const size = start + Number(declared[1]);
    if (from.length < size) return PARTIAL;
    return { kind: "whole", message: { startLine, headers, body: from.bytes.subarray(start, size), size } };
  }
  if (!/^transfer-encoding: *chunked/im.test(headers)) {
    return startLine.startsWith("HTTP/")
      ? { kind: "broken", reason: "a response with neither a length nor chunks" }
      : { kind: "whole", message: { startLine, headers, body: Buffer.alloc(0), size: start } };
  }
  // Almost every read ends inside the body: look at its end before walking the chunks.
  if (from.bytes.compare(LAST_CHUNK, 0, 5, Math.max(start, from.length - 5), from.length) !== 0) return PARTIAL;
  return readChunks(from, start, startLine, headers);
}

function readChunks(from: Accumulator, start: number, startLine: string, headers: string): Reading {
  const body = Buffer.allocUnsafe(from.length - start);
  let filled = 0;
  let at = start;
  while (at < from.length) {
    const lineEnd = from.bytes.indexOf(10, at);
    if (lineEnd === -1 || lineEnd >= from.length) return PARTIAL;
    const sizeBytes = Number.parseInt(from.bytes.toString("latin1", at, lineEnd), 16);
    if (Number.isNaN(sizeBytes)) return { kind: "broken", reason: "a chunk without a size" };
    if (sizeBytes === 0) {
      const message = { startLine, headers, body: body.subarray(0, filled), size: lineEnd + 3 };
      return message.size > from.length ? PARTIAL : { kind: "whole", message };
    }
    at = lineEnd + 1;
    if (at + sizeBytes + 2 > from.length) return PARTIAL;
    filled += from.bytes.copy(body, filled, at, at + sizeBytes);
    at += sizeBytes + 2;
  }
  return PARTIAL;
}

/** The status of a response's first line; 0 if it is none. */
export function statusOf(startLine: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(startLine)?.[1] ?? 0);
}

/** `payload` as one chunk of a chunked body. */
export function chunk(payload: string): Buffer {
  const bytes = Buffer.from(payload);
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
}
