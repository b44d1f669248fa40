/**
 * One upstream's answer as batches of generation events, as its bytes arrive (event-reader.ts decodes them).
 * Never rejects: what breaks on the way becomes an `error` event, once, and ends the stream.
 */
import type { Clock } from "../core/clock.ts";
import type { GenerationEvent } from "../core/event.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { SseFrame } from "../core/sse.ts";
import type { Framing, StreamDecoder } from "../providers/adapter.ts";
import { createBacklogReader } from "./backlog.ts";
import { createEventReader } from "./event-reader.ts";

/** Bounds of the pause before a read; backlog.ts and docs/benchmark.md say what they buy. */
const PAUSE_MS_MIN = 1;
const PAUSE_MS_MAX = 20;
/** So many events in one read are a torrent: nobody sees them come one by one. */
const TORRENT_FRAMES = 4;
/** How long the body's end is waited for once the upstream has said that nothing follows. */
const LINGER_MS = 250;

export interface UpstreamStream {
  /** The next events, at least an empty batch per read; null once the stream is over. */
  next(): Promise<readonly GenerationEvent[] | null>;
  /** Nothing follows the events that were given. */
  isOver(): boolean;
  /** The body was read to its end: there is nothing left to be aborted. */
  isSpent(): boolean;
  /**
   * Waits for the end of a body whose upstream has said that nothing follows, so that its connection can serve again: what
   * is left of it is being read. Resolves within LINGER_MS to what `isSpent` says then; never rejects. Null: the upstream
   * has said no such thing.
   */
  linger(): Promise<boolean> | null;
}

/** The body of a streamed answer, and what is known of it. */
export interface StreamedBody {
  readonly body: ReadableStream<Uint8Array>;
  readonly framing: Framing;
  /** Its endpoint was measured as faster than anybody reads. */
  readonly isFast: boolean;
  /** Words a broken body: the deadline that fired, or a cut connection. */
  failureOf(): UpstreamFailure;
  /** Frames that follow the body, for answers whose end is told elsewhere; never rejects. */
  readonly last?: (() => Promise<readonly SseFrame[]>) | undefined;
}

/** Events of a streamed body. */
export function createUpstreamStream(
  { body, framing, isFast, failureOf, last }: StreamedBody,
  decoder: StreamDecoder,
  clock: Clock,
): UpstreamStream {
  const reader = createBacklogReader(body, clock, isFast);
  const events = createEventReader(decoder, framing);
  let pauseMs = 0;
  let isOver = false;
  let isSpent = false;
  /** Once the upstream has said that nothing follows, nor does `last`: the body's end. It may go on, or stay open. */
  let ending: Promise<void> | null = null;

  const finish = (further: readonly SseFrame[]): GenerationEvent[] => {
    isOver = true;
    return events.end(further);
  };

  const decode = (bytes: Uint8Array): GenerationEvent[] => {
    const decoded = events.feed(bytes);
    pauseMs = pauseAfter(events.frames(), pauseMs);
    isOver = events.isOver();
    if (isOver || last !== undefined || decoder.isDone?.() !== true) return decoded;
    ending = reader.rest().then(() => {
      isSpent = true;
    });
    // Nobody need hear of it.
    ending.catch(() => {});
    decoded.push(...finish([]));
    return decoded;
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
        // Only where `last` follows is there still something to come.
        const isTold = decoder.isDone?.() === true;
        // Where more than one read takes has arrived, a large frame must not be paused for at each piece.
        const bytes = await (isTold ? within(reader.read(0), LINGER_MS) : reader.read(reader.isBehind() ? 0 : pauseMs));
        if (bytes instanceof Uint8Array) return decode(bytes);
        isSpent = bytes === null;
        return finish(last === undefined ? [] : await last());
      } catch {
        return broken();
      }
    },
    isOver: () => isOver,
    isSpent: () => isSpent,
    linger() {
      if (ending === null) return null;
      return within(ending, LINGER_MS).then(
        () => isSpent,
        () => false,
      );
    },
  };
}

/** What `work` gives within `limitMs`, else "late"; rejects as it does. The work itself goes on. */
async function within<T>(work: Promise<T>, limitMs: number): Promise<T | "late"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Longer while several events come per pause, at once where many do; back to the least as soon as one comes alone. */
function pauseAfter(frames: number, pauseMs: number): number {
  if (frames <= 1) return PAUSE_MS_MIN;
  if (frames >= TORRENT_FRAMES) return PAUSE_MS_MAX;
  return Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, pauseMs * 2));
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
    isOver: () => given,
    isSpent: () => true,
    linger: () => null,
  };
}
