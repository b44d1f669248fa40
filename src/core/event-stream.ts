/**
 * Binary event streams (`application/vnd.amazon.eventstream`), synchronous and by batches: bytes of any cut in, whole
 * messages out. A message is length, length of its headers, checksum of both, headers, payload, checksum of everything;
 * one that does not add up is a fault, and nothing after it is believed.
 * A message comes out as a frame: `data` is its payload as text, `event` its type; an exception's is `exception <type>`,
 * an error's `error <code>` with the message as JSON.
 * Source: https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html and
 * https://smithy.io/2.0/aws/amazon-eventstream.html (accessed 2026-11-21).
 */
import type { FrameSplitter, SseFrame } from "./sse.ts";

/** Longest message kept in memory, in bytes: as long as the longest server-sent event. */
export const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;

const PRELUDE_BYTES = 12;
const CHECKSUM_BYTES = 4;
const STRING_TYPE = 7;
/** Bytes of a header's value by its type; null: two bytes of length come first. */
const VALUE_BYTES: readonly (number | null)[] = [0, 0, 1, 2, 4, 8, null, null, 8, 16];

const decoder = new TextDecoder();
// The checksum of each byte value; 256 numbers, made once.
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** A new splitter for one stream. */
export function createEventStreamSplitter(): FrameSplitter {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  /** Bytes without which nothing more can be said. */
  let neededBytes = PRELUDE_BYTES;
  let fault: string | null = null;

  const keep = (rest: Uint8Array): void => {
    // A copy: the bytes belong to the reader, which uses them again.
    held = rest.length === 0 ? [] : [rest.slice()];
    heldBytes = rest.length;
  };

  return {
    feed(bytes) {
      if (fault !== null) return [];
      // Pieces of one long message are joined once, at its end.
      if (heldBytes + bytes.length < neededBytes) {
        held.push(bytes.slice());
        heldBytes += bytes.length;
        return [];
      }
      const all = heldBytes === 0 ? bytes : joined(held, heldBytes, bytes);
      const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
      const out: SseFrame[] = [];
      let at = 0;
      neededBytes = PRELUDE_BYTES;
      while (fault === null && all.length - at >= PRELUDE_BYTES) {
        const length = messageLength(all, view, at);
        if (typeof length === "string") {
          fault = length;
        } else if (all.length - at < length) {
          neededBytes = length;
          break;
        } else {
          fault = readMessage(all, view, at, length, out);
          at += length;
        }
      }
      keep(all.subarray(fault === null ? at : all.length));
      return out;
    },
    // What is left of a message that was cut off says nothing.
    end: () => [],
    fault: () => fault,
  };
}

function joined(pieces: readonly Uint8Array[], piecesBytes: number, last: Uint8Array): Uint8Array {
  const all = new Uint8Array(piecesBytes + last.length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  all.set(last, at);
  return all;
}

/** Length in bytes of the message that begins at `at`, or why it is none. */
function messageLength(all: Uint8Array, view: DataView, at: number): number | string {
  const length = view.getUint32(at);
  if (crc32(all, at, at + 8) !== view.getUint32(at + 8)) return "the checksum of a message's length is wrong";
  if (length > MESSAGE_BYTES_MAX) return "an event was too large";
  const least = PRELUDE_BYTES + view.getUint32(at + 4) + CHECKSUM_BYTES;
  return length < least ? "a message is shorter than its headers" : length;
}

/** Adds the message's frame to `out`. @returns why it cannot be read, else null. */
function readMessage(all: Uint8Array, view: DataView, at: number, length: number, out: SseFrame[]): string | null {
  const end = at + length - CHECKSUM_BYTES;
  if (crc32(all, at, end) !== view.getUint32(end)) return "the checksum of a message is wrong";
  const payloadAt = at + PRELUDE_BYTES + view.getUint32(at + 4);
  const headers = headersOf(all, view, at + PRELUDE_BYTES, payloadAt);
  if (headers === null) return "the headers of a message cannot be read";
  const data = decoder.decode(all.subarray(payloadAt, end));
  switch (headers.get(":message-type")) {
    case "exception":
      out.push({ event: `exception ${headers.get(":exception-type") ?? ""}`, data });
      break;
    case "error": {
      const message = headers.get(":error-message") ?? "";
      out.push({ event: `error ${headers.get(":error-code") ?? ""}`, data: JSON.stringify({ message }) });
      break;
    }
    default:
      out.push({ event: headers.get(":event-type") ?? "", data });
  }
  return null;
}

/** Headers whose value is text; null when they run over their end or have a type that nobody knows. */
function headersOf(all: Uint8Array, view: DataView, from: number, end: number): ReadonlyMap<string, string> | null {
  const headers = new Map<string, string>();
  let at = from;
  while (at < end) {
    const nameEnd = at + 1 + view.getUint8(at);
    if (nameEnd + 1 > end) return null;
    const type = view.getUint8(nameEnd);
    let valueAt = nameEnd + 1;
    let valueBytes = VALUE_BYTES[type];
    if (valueBytes === undefined) return null;
    if (valueBytes === null) {
      if (valueAt + 2 > end) return null;
      valueBytes = view.getUint16(valueAt);
      valueAt += 2;
    }
    if (valueAt + valueBytes > end) return null;
    if (type === STRING_TYPE) {
      const name = decoder.decode(all.subarray(at + 1, nameEnd));
      headers.set(name, decoder.decode(all.subarray(valueAt, valueAt + valueBytes)));
    }
    at = valueAt + valueBytes;
  }
  return headers;
}

/** CRC-32 (ISO-HDLC) of the bytes from `from` up to `to`. */
function crc32(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0xffffffff;
  for (let at = from; at < to; at++) crc = (CRC_TABLE[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
