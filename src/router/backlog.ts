/**
 * Reads an upstream's body by backlog instead of by chunk.
 *
 * In a stream the price is the number of times JavaScript is woken. A plain body gives one upstream chunk a read, however
 * large the view, so a fast stream of small events costs a wake each. A tee'd branch buffers: while the other branch is
 * drained natively (`pipeTo` an identity stream whose readable is discarded in large reads), one BYOB read of the buffered
 * branch takes everything that has arrived. A pause before each read lets a backlog gather (measured on workerd
 * 2026-11-02, 16 streams of 200 small events: no pause 0.25 of a bare pass-through, 1 ms 0.6, 2 ms 0.83, 4 ms 0.93); the
 * caller lengthens it only while events come faster than it, so an event that comes alone is awaited and not delayed.
 *
 * The tee has no backpressure of its own, so the draining stops while more than AHEAD_BYTES_MAX is unread here: a client
 * that reads nothing stops the upstream instead of filling the isolate.
 */

/** Bytes taken at most by one read. */
export const READ_BYTES = 16 * 1024;
/** Bytes drained natively in one go. */
const DRAIN_BYTES = 64 * 1024;
/** How far the draining may be ahead of the reading. */
const AHEAD_BYTES_MAX = 1024 * 1024;

export interface BacklogReader {
  /**
   * Waits `pauseMs`, then takes what has arrived; null at the end. The bytes are valid until the next read.
   * Rejects when the body breaks or is aborted.
   */
  read(pauseMs: number): Promise<Uint8Array | null>;
}

/** A reader of `body`. To stop it, abort the fetch that the body came from. */
export function createBacklogReader(body: ReadableStream<Uint8Array>): BacklogReader {
  const [kept, drained] = body.tee();
  const reader = kept.getReader({ mode: "byob" });
  let readBytes = 0;
  let drainedBytes = 0;
  let buffer = new ArrayBuffer(READ_BYTES);
  let wakeDrain: (() => void) | null = null;

  const drain = async (): Promise<void> => {
    const identity = new IdentityTransformStream();
    const piped = drained.pipeTo(identity.writable);
    const sink = identity.readable.getReader({ mode: "byob" });
    let view = new Uint8Array(DRAIN_BYTES);
    for (;;) {
      const { value, done } = await sink.readAtLeast(DRAIN_BYTES, view);
      if (value !== undefined) drainedBytes += value.byteLength;
      if (done || value === undefined) break;
      view = new Uint8Array(value.buffer, 0, DRAIN_BYTES);
      if (drainedBytes - readBytes > AHEAD_BYTES_MAX) {
        await new Promise<void>((resolve) => {
          wakeDrain = resolve;
        });
      }
    }
    await piped;
  };
  // The same failure reaches `read` through the other branch, where it is handled.
  drain().catch(() => {});

  return {
    async read(pauseMs) {
      if (pauseMs > 0) await new Promise<void>((resolve) => setTimeout(resolve, pauseMs));
      const { value, done } = await reader.read(new Uint8Array(buffer, 0, READ_BYTES));
      if (done || value === undefined) return null;
      buffer = value.buffer as ArrayBuffer; // a BYOB read hands back the buffer it was given
      readBytes += value.byteLength;
      if (wakeDrain !== null && drainedBytes - readBytes <= AHEAD_BYTES_MAX) {
        wakeDrain();
        wakeDrain = null;
      }
      return value;
    },
  };
}
