/**
 * A request's body with its media in place again, sent piece by piece: the media's bytes are never copied, and the length
 * is said where it is known, because some providers take no body of unknown length.
 */
import type { Segment } from "../core/attachments.ts";

/** Longest piece written at once: a slow upstream holds no more than that beside the media itself. */
const WRITE_BYTES_MAX = 256 * 1024;

/** The body of segments, for `fetch`; it breaks off when one of them does. */
export function splicedBody(segments: readonly Segment[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const pieces = segments.map((segment) => (typeof segment === "string" ? encoder.encode(segment) : segment));
  const total = pieces.reduce<number | null>(
    (sum, { length }) => (sum === null || length === null ? null : sum + length),
    0,
  );
  const { readable, writable } = total === null ? new IdentityTransformStream() : new FixedLengthStream(total);
  void writeAll(pieces, writable.getWriter());
  return readable as ReadableStream<Uint8Array>;
}

async function writeAll(
  pieces: readonly Exclude<Segment, string>[],
  writer: WritableStreamDefaultWriter<Uint8Array>,
): Promise<void> {
  try {
    for (const piece of pieces) {
      for await (const bytes of piece instanceof Uint8Array ? [piece] : piece.pieces) await write(bytes, writer);
    }
    await writer.close();
  } catch (error) {
    // Either the upstream has answered early or is gone, and the attempt says which; or what was arriving broke off, and
    // the upstream must not take what it has for the whole.
    await writer.abort(error).catch(() => undefined);
  }
}

async function write(bytes: Uint8Array, writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
  for (let from = 0; from < bytes.length; from += WRITE_BYTES_MAX) {
    await writer.write(bytes.subarray(from, from + WRITE_BYTES_MAX));
  }
}
