/**
 * Reading a request's body: once, within limits, as JSON.
 * One body is at most BODY_BYTES_MAX; all bodies in flight in this isolate at most IN_FLIGHT_BYTES_MAX, because an isolate
 * has 128 MB and a body lives several times over (bytes, text, values) while it is parsed; large media stay bytes
 * (core/attachments.ts). Routes ask who is calling before they read.
 */
import { attachmentsOf, cutRuns, findRuns, MARK_BYTES, markOf, type Attachments } from "../core/attachments.ts";
import type { RandomBytes } from "../core/clock.ts";
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
/** A body declared no longer than this counts whole from the start and is read in one piece. */
const SMALL_BYTES_MAX = 64 * 1024;
/** A larger body is read in pieces of so many bytes, each counted as it is there. */
const PIECE_BYTES = 1024 * 1024;

// Bytes of the bodies that this isolate is reading and parsing now, as far as they have arrived.
let inFlightBytes = 0;

export interface ReadBody {
  readonly value: unknown;
  /** What was cut out of `value`; null for nearly all. */
  readonly attachments: Attachments | null;
  /** SHA-256 of the body, in hexadecimal; null unless it was asked for. */
  readonly digest: string | null;
  /** The body is no longer held in memory by its reader. */
  release(): void;
}

const TOO_LARGE: RouterError = { kind: "too_large", limitBytes: BODY_BYTES_MAX };
const OVERLOADED: RouterError = {
  kind: "overloaded",
  retryAfterS: 1,
  message: "Too many large requests are being read here at once. Try again in a second.",
};

/**
 * The text of a body that says how long it is, and is no longer than `limitBytes`: for callers who have no key to show.
 * @returns `too_large`, `bad_request` for a body that breaks off.
 */
export async function readShortText(request: Request, limitBytes: number): Promise<Result<string, RouterError>> {
  const declared = Number(request.headers.get("content-length") ?? Number.NaN);
  // The platform cuts a body off at the length that it declared.
  if (!(declared <= limitBytes)) return err({ kind: "too_large", limitBytes });
  try {
    return ok(await request.text());
  } catch {
    return err({ kind: "bad_request", message: "The body broke off." });
  }
}

export interface ReadOptions {
  readonly wantsDigest?: boolean;
  /** Makes the marks of media that is cut out; without it everything stays where it is. */
  readonly randomBytes?: RandomBytes;
}

/** @returns `too_large`, `overloaded` or `bad_request`; call `release` when the body's values are sent or dropped. */
export async function readJson(
  request: Request,
  { wantsDigest = false, randomBytes }: ReadOptions = {},
): Promise<Result<ReadBody, RouterError>> {
  const share = openShare();
  const declared = Number(request.headers.get("content-length") ?? Number.NaN);
  const fault = share.faultOf(declared);
  if (fault !== undefined) {
    await discard(request.body);
    return err(fault);
  }
  try {
    const body = await readText(request, declared, share, randomBytes);
    if (!body.ok) {
      share.release();
      return body;
    }
    const { text, bytes, attachments } = body.value;
    const value = JSON.parse(text) as unknown;
    const digest = wantsDigest ? await sha256(bytes ?? text) : null;
    return ok({ value, attachments, digest, release: share.release });
  } catch {
    share.release();
    return err({
      kind: "bad_request",
      message: "The body is not valid JSON. Send a JSON object with Content-Type: application/json.",
    });
  }
}

/** SHA-256 of bytes, or of a text's UTF-8, in hexadecimal. */
export async function sha256(content: string | Uint8Array): Promise<string> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What one body holds of the bytes in flight. */
interface Share {
  /** Why the body may not grow by so many bytes; NaN is unknown, and no fault. */
  faultOf(moreBytes: number): RouterError | undefined;
  take(bytes: number): void;
  release(): void;
}

function openShare(): Share {
  let heldBytes = 0;
  return {
    faultOf(moreBytes) {
      if (heldBytes + moreBytes > BODY_BYTES_MAX) return TOO_LARGE;
      // One alone always fits.
      return inFlightBytes > heldBytes && inFlightBytes + moreBytes > IN_FLIGHT_BYTES_MAX ? OVERLOADED : undefined;
    },
    take(bytes) {
      heldBytes += bytes;
      inFlightBytes += bytes;
    },
    release() {
      inFlightBytes -= heldBytes;
      heldBytes = 0;
    },
  };
}

/** A body as text; the bytes and what was cut out of them only of a large one. */
interface BodyText {
  readonly text: string;
  readonly bytes: Uint8Array | null;
  readonly attachments: Attachments | null;
}

async function readText(
  request: Request,
  declaredBytes: number,
  share: Share,
  randomBytes: RandomBytes | undefined,
): Promise<Result<BodyText, RouterError>> {
  // Before `body` is looked at: the stream object behind it is dearer than a small body.
  if (declaredBytes <= SMALL_BYTES_MAX) {
    share.take(declaredBytes);
    return ok({ text: await request.text(), bytes: null, attachments: null });
  }
  if (request.body === null) return ok({ text: "", bytes: null, attachments: null });
  const read = await readBytes(request.body, declaredBytes, share);
  if (!read.ok) return read;
  const bytes = read.value;
  const runs = randomBytes === undefined ? [] : findRuns(bytes);
  if (runs.length === 0 || randomBytes === undefined) {
    return ok({ text: new TextDecoder().decode(bytes), bytes, attachments: null });
  }
  // A mark for each, although they may be of equal bytes: two are as good as one.
  const marks = runs.map(() => markOf(randomBytes(MARK_BYTES)));
  return ok({ text: cutRuns(bytes, runs, marks), bytes, attachments: attachmentsOf(bytes, runs, marks) });
}

/**
 * The bytes of a body, in one piece of memory. Counted as they arrive, so that neither a missing length nor a slow sender
 * makes a false count; memory that was declared but not yet written to costs nothing.
 */
async function readBytes(
  body: ReadableStream,
  declaredBytes: number,
  share: Share,
): Promise<Result<Uint8Array, RouterError>> {
  const reader = body.getReader({ mode: "byob" });
  let bytes = new Uint8Array(Number.isNaN(declaredBytes) ? PIECE_BYTES : declaredBytes);
  let filled = 0;
  for (;;) {
    if (filled === bytes.length) {
      // The platform cuts a body off at the length that it declared.
      if (filled === declaredBytes) return ok(bytes);
      const longer = new Uint8Array(2 * filled);
      longer.set(bytes);
      bytes = longer;
    }
    const room = bytes.subarray(filled, filled + PIECE_BYTES);
    const { value, done } = await reader.readAtLeast(room.length, room);
    // Its memory was taken from `bytes`, and comes back.
    if (value !== undefined) bytes = new Uint8Array(value.buffer);
    const arrived = value?.byteLength ?? 0;
    const fault = share.faultOf(arrived);
    if (fault !== undefined) {
      // Before the rest is thrown away, which may take its time.
      share.release();
      bytes = new Uint8Array();
      reader.releaseLock();
      await discard(body);
      return err(fault);
    }
    share.take(arrived);
    filled += arrived;
    if (done) return ok(bytes.subarray(0, filled));
  }
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
