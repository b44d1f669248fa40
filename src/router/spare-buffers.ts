/**
 * Buffers of streams that have done with them, for those that need some. A new one is cleared first, and its size hastens
 * the next full collection: 100 KiB of them a stream were an eighth of what a short, fast stream cost (measured on workerd
 * 2026-11-22). What another stream has left in one is never seen: whoever takes it looks at nothing but what was put in.
 */

/** Kept of each size: as many as are likely to be given back at once. */
const SPARES_MAX = 32;

export interface SpareBuffers {
  /** Its contents are anybody's. */
  take(): ArrayBuffer;
  /** Nobody else holds it any more, nor a view of it, nor does the platform. */
  give(buffer: ArrayBuffer): void;
}

/** Isolate memory: up to SPARES_MAX buffers of `bytes` each. */
function createSpareBuffers(bytes: number): SpareBuffers {
  const spares: ArrayBuffer[] = [];
  return {
    take: () => spares.pop() ?? new ArrayBuffer(bytes),
    give(buffer) {
      if (spares.length < SPARES_MAX) spares.push(buffer);
    },
  };
}

/** For what one read takes of a body. */
export const READ_BYTES = 16 * 1024;
export const readBuffers = createSpareBuffers(READ_BYTES);

/** For what goes by at once: a batch on its way to a client, or bytes that nobody looks at. */
export const BATCH_BYTES = 64 * 1024;
export const batchBuffers = createSpareBuffers(BATCH_BYTES);
