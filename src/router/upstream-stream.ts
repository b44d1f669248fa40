/**
 * One upstream's answer as batches of generation events, as its bytes arrive (event-reader.ts decodes them).
 * Never rejects: what breaks on the way becomes an `error` event, once, and ends the stream.
 */
import type { Clock } from "../core/clock.ts";
import type { GenerationEvent } from "../core/event.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { SseFrame } from "../core/sse.ts";
import type { Framing, StreamDecoder } from "../providers/adapter.ts";
import { createBacklogReader, READ_BYTES } from "./backlog.ts";
import { createEventReader } from "./event-reader.ts";

/** Bounds of the pause before a read; backlog.ts and docs/benchmark.md say what they buy. */
const PAUSE_MS_MIN = 1;
const PAUSE_MS_STEADY = 10;
const PAUSE_MS_MAX = 16;
/** How long the body's end is waited for once the upstream has said that nothing follows: read to its end, the
 * connection can serve again. */
const LINGER_MS = 250;

export interface UpstreamStream {
  /** The next events, at least an empty batch per read; null once the stream is over. */
  next(): Promise<readonly GenerationEvent[] | null>;
  /** The body was read to its end: there is nothing left to be aborted. */
  isSpent(): boolean;
}

/**
 * Events of a streamed body.
 * @param failureOf words a broken body: the deadline that fired, or a cut connection.
 * @param last frames that follow the body, for answers whose end is told elsewhere; never rejects.
 */
export function createUpstreamStream(
  body: ReadableStream<Uint8Array>,
  decoder: StreamDecoder,
  framing: Framing,
  clock: Clock,
  failureOf: () => UpstreamFailure,
  last?: () => Promise<readonly SseFrame[]>,
): UpstreamStream {
  const reader = createBacklogReader(body, clock);
  const events = createEventReader(decoder, framing);
  let pauseMs = 0;
  /** More than one read takes has arrived: a large frame must not be paused for at each piece. */
  let isBehind = false;
  let isOver = false;
  let isSpent = false;

  const decode = (bytes: Uint8Array): GenerationEvent[] => {
    isBehind = bytes.byteLength === READ_BYTES;
    const decoded = events.feed(bytes);
    pauseMs = pauseAfter(events.frames(), pauseMs);
    isOver = events.isOver();
    return decoded;
  };

  const finish = (further: readonly SseFrame[]): GenerationEvent[] => {
    isOver = true;
    return events.end(further);
  };

  /** A body that breaks after the answer's own end has lost nothing. */
  const broken = (): GenerationEvent[] => {
    isOver = true;
    const ending = decoder.end();
    return ending.some((event) => event.type === "error") ? [{ type: "error", failure: failureOf() }] : ending;
  };

  return {
    async next() {
      if (isOver) return null;
      try {
        const isDone = decoder.isDone?.() === true;
        const bytes = await (isDone ? lingering(reader.read(0)) : reader.read(isBehind ? 0 : pauseMs));
        if (bytes instanceof Uint8Array) return decode(bytes);
        isSpent = bytes === null;
        return finish(last === undefined ? [] : await last());
      } catch {
        return broken();
      }
    },
    isSpent: () => isSpent,
  };
}

/** What `read` gives within LINGER_MS, else "late". */
async function lingering(read: Promise<Uint8Array | null>): Promise<Uint8Array | null | "late"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), LINGER_MS);
  });
  try {
    return await Promise.race([read, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Longer while several events come per pause, back to the least as soon as one comes alone. */
function pauseAfter(frames: number, pauseMs: number): number {
  if (frames <= 1) return PAUSE_MS_MIN;
  // Four events in each millisecond: nobody sees them come one by one.
  const isTorrent = frames >= 4 * Math.max(1, pauseMs);
  return Math.min(isTorrent ? PAUSE_MS_MAX : PAUSE_MS_STEADY, Math.max(PAUSE_MS_MIN, pauseMs * 2));
}

/** A whole answer, already decoded, in the form of a stream. */
export function streamOf(events: readonly GenerationEvent[]): UpstreamStream {
  let given = false;
  return {
    next() {
      const batch = given ? null : events;
      given = true;
      return Promise.resolve(batch);
    },
    isSpent: () => true,
  };
}
