/**
 * Binary event streams made for tests, from lines of JSON: `{"event": type, "payload": ...}`,
 * `{"exception": type, "payload": ...}` or `{"error": code, "message": ...}`. Its own encoder with zlib's checksum, so
 * that it shares nothing with the reader it tests.
 */
import { crc32 } from "node:zlib";

interface Line {
  readonly event?: string;
  readonly exception?: string;
  readonly error?: string;
  readonly message?: string;
  readonly payload?: unknown;
}

/** The bytes of one line; `payload` stands for that of the line, as it is. */
export function eventStreamMessage(
  line: Line,
  payload = line.payload === undefined ? "" : JSON.stringify(line.payload),
): Buffer {
  const headers: Record<string, string> =
    line.exception !== undefined
      ? { ":message-type": "exception", ":exception-type": line.exception, ":content-type": "application/json" }
      : line.error !== undefined
        ? { ":message-type": "error", ":error-code": line.error, ":error-message": line.message ?? "" }
        : { ":event-type": line.event ?? "", ":content-type": "application/json", ":message-type": "event" };
  return encodeMessage(headers, payload);
}

function encodeMessage(headers: Readonly<Record<string, string>>, payload: string): Buffer {
  const encoded = Object.entries(headers).map(([name, value]) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(Buffer.byteLength(value));
    return Buffer.concat([
      Buffer.of(Buffer.byteLength(name)),
      Buffer.from(name),
      Buffer.of(7),
      length,
      Buffer.from(value),
    ]);
  });
  return rawMessage(Buffer.concat(encoded), Buffer.from(payload));
}

/** A message of these headers and this payload, with right checksums, also where its length is a lie. */
export function rawMessage(
  headers: Buffer,
  payload: Buffer,
  length = 12 + headers.length + payload.length + 4,
): Buffer {
  const prelude = Buffer.alloc(12);
  prelude.writeUInt32BE(length, 0);
  prelude.writeUInt32BE(headers.length, 4);
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
  const message = Buffer.concat([prelude, headers, payload]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(message));
  return Buffer.concat([message, checksum]);
}

/** The bytes of all lines of `text`. */
export function eventStreamOf(text: string): Uint8Array {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  // Fixtures are ours: their shape is what the tests prove.
  return new Uint8Array(Buffer.concat(lines.map((line) => eventStreamMessage(JSON.parse(line) as Line))));
}
