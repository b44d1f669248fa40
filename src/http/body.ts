/**
 * Reading a request's body: once, within limits, as JSON.
 * One body is at most BODY_BYTES_MAX; all bodies in flight in this isolate at most IN_FLIGHT_BYTES_MAX, because an isolate
 * has 128 MB and a body lives several times over (bytes, text, values) while it is parsed.
 */
import type { RouterError } from "../core/error.ts";
import { err, ok, type Result } from "../core/result.ts";

export const BODY_BYTES_MAX = 25 * 1024 * 1024;
export const IN_FLIGHT_BYTES_MAX = 32 * 1024 * 1024;
/**
 * A body that is refused is still read up to here and thrown away, for at most DISCARD_MS: an answer to a client that is
 * still sending is often lost with the connection, and it would see a broken pipe instead of the reason.
 */
const DISCARD_BYTES_MAX = 4 * BODY_BYTES_MAX;
const DISCARD_MS = 10_000;
/** Bodies of unknown length count as this long until they are read. */
const UNKNOWN_BYTES = 64 * 1024;

// Bytes of the bodies that this isolate is reading and parsing now.
let inFlightBytes = 0;

export interface ReadBody {
  readonly value: unknown;
  /** The body is no longer held in memory by its reader. */
  release(): void;
}

const OVERLOADED: RouterError = {
  kind: "overloaded",
  retryAfterS: 1,
  message: "Too many large requests are being read here at once. Try again in a second.",
};

/** @returns `too_large`, `overloaded` or `bad_request`; call `release` when the body's values are sent or dropped. */
export async function readJson(request: Request): Promise<Result<ReadBody, RouterError>> {
  const tooLarge: RouterError = { kind: "too_large", limitBytes: BODY_BYTES_MAX };
  const declared = request.headers.get("content-length");
  const expected = declared === null ? UNKNOWN_BYTES : Number(declared);
  const isTooLarge = expected > BODY_BYTES_MAX;
  if (isTooLarge || (inFlightBytes > 0 && inFlightBytes + expected > IN_FLIGHT_BYTES_MAX)) {
    await discard(request.body);
    return err(isTooLarge ? tooLarge : OVERLOADED);
  }

  let held = expected;
  inFlightBytes += held;
  const release = (): void => {
    inFlightBytes -= held;
    held = 0;
  };
  try {
    const text = declared === null ? await readCounted(request) : await request.text();
    if (text === null) {
      release();
      return err(tooLarge);
    }
    return ok({ value: JSON.parse(text) as unknown, release });
  } catch {
    release();
    return err({
      kind: "bad_request",
      message: "The body is not valid JSON. Send a JSON object with Content-Type: application/json.",
    });
  }
}

/** The text of a body without a declared length; null when it is too large. */
async function readCounted(request: Request): Promise<string | null> {
  if (request.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    bytes += read.value.byteLength;
    if (bytes > BODY_BYTES_MAX) {
      reader.releaseLock();
      await discard(request.body);
      return null;
    }
    text += decoder.decode(read.value, { stream: true });
  }
  return text + decoder.decode();
}

/** Reads what is left of a body and keeps nothing of it. Never rejects: the client may be gone. */
async function discard(body: Request["body"]): Promise<void> {
  if (body === null) return;
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  const timer = setTimeout(() => void reader.cancel().catch(() => undefined), DISCARD_MS);
  try {
    let bytes = 0;
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      bytes += read.value.byteLength;
      if (bytes > DISCARD_BYTES_MAX) return;
    }
  } catch {
    // Gone: nobody is left to answer.
  } finally {
    clearTimeout(timer);
  }
}
