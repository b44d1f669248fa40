/**
 * One upstream's answer as batches of generation events: bytes -> frames -> adapter decoder.
 * Never rejects: what breaks on the way becomes an `error` event, once, and ends the stream.
 */
import type { GenerationEvent } from "../core/event.ts";
import type { UpstreamFailure } from "../core/error.ts";
import { createSseSplitter } from "../core/sse.ts";
import type { StreamDecoder } from "../providers/adapter.ts";
import { malformedFailure } from "../providers/failure.ts";
import { createBacklogReader } from "./backlog.ts";

/** Bounds of the pause before a read; see backlog.ts for what they buy. */
const PAUSE_MS_MIN = 1;
const PAUSE_MS_MAX = 4;

export interface UpstreamStream {
  /** The next events, at least an empty batch per read; null once the stream is over. */
  next(): Promise<readonly GenerationEvent[] | null>;
}

/**
 * Events of a streamed body.
 * @param failureOf words a broken body: the deadline that fired, or a cut connection.
 */
export function createUpstreamStream(
  body: ReadableStream<Uint8Array>,
  decoder: StreamDecoder,
  failureOf: () => UpstreamFailure,
): UpstreamStream {
  const reader = createBacklogReader(body);
  const splitter = createSseSplitter();
  let pauseMs = 0;
  let isOver = false;

  const decode = (bytes: Uint8Array): GenerationEvent[] => {
    const events: GenerationEvent[] = [];
    const frames = splitter.feed(bytes);
    for (const frame of frames) {
      for (const event of decoder.feed(frame)) {
        events.push(event);
        if (event.type === "error") {
          isOver = true;
          return events;
        }
      }
    }
    pauseMs = frames.length > 1 ? Math.min(PAUSE_MS_MAX, pauseMs * 2) : PAUSE_MS_MIN;
    pauseMs = Math.max(PAUSE_MS_MIN, pauseMs);
    if (splitter.overflow()) {
      isOver = true;
      events.push({ type: "error", failure: malformedFailure("an event was too large", null, "") });
    }
    return events;
  };

  const finish = (): GenerationEvent[] => {
    isOver = true;
    const events = splitter.end().flatMap((frame) => decoder.feed(frame));
    events.push(...decoder.end());
    const at = events.findIndex((event) => event.type === "error");
    return at === -1 ? events : events.slice(0, at + 1);
  };

  return {
    async next() {
      if (isOver) return null;
      try {
        const bytes = await reader.read(pauseMs);
        return bytes === null ? finish() : decode(bytes);
      } catch {
        isOver = true;
        return [{ type: "error", failure: failureOf() }];
      }
    },
  };
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
  };
}
