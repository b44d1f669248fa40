/**
 * A request's body with its media in place again, sent piece by piece: the media's bytes are never copied, and the length
 * is said, because some providers take no body of unknown length.
 */
import type { Segment } from "../core/attachments.ts";

/** Longest piece written at once: a slow upstream holds no more than that beside the media itself. */
const WRITE_BYTES_MAX = 256 * 1024;

/** The body of segments, for `fetch`. It breaks off, without a word to anybody, when the upstream takes no more. */
export function splicedBody(segments: readonly Segment[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const pieces = segments.map((segment) => (typeof segment === "string" ? encoder.encode(segment) : segment));
  const { readable, writable } = new FixedLengthStream(pieces.reduce((sum, piece) => sum + piece.length, 0));
  void writeAll(pieces, writable.getWriter());
  return readable as ReadableStream<Uint8Array>;
}

async function writeAll(pieces: readonly Uint8Array[], writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
  try {
    for (const piece of pieces) {
      for (let from = 0; from < piece.length; from += WRITE_BYTES_MAX) {
        await writer.write(piece.subarray(from, from + WRITE_BYTES_MAX));
      }
    }
    await writer.close();
  } catch {
    // The upstream has answered early, or is gone: the attempt says which.
  }
}
