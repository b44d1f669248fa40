/**
 * The bytes of one streamed answer as generation events, by batches: bytes -> frames -> adapter decoder, past the frames
 * where the decoder knows a run of them by its looks. Synchronous; equal for every cut of the bytes. An `error` event is the
 * last thing it ever gives, whatever follows on the wire.
 * Held are one unfinished frame (core/sse.ts and core/event-stream.ts have its limit) and what the decoder must keep.
 */
import type { GenerationEvent } from "../core/event.ts";
import { createEventStreamSplitter } from "../core/event-stream.ts";
import { createSseSplitter, type FrameRun, type SseFrame } from "../core/sse.ts";
import type { Framing, StreamDecoder } from "../providers/adapter.ts";
import { malformedFailure } from "../providers/failure.ts";

export interface EventReader {
  /** The events that `bytes` completes. */
  feed(bytes: Uint8Array): GenerationEvent[];
  /** What the end of the body means, `further` frames behind it. */
  end(further?: readonly SseFrame[]): GenerationEvent[];
  /** An error was given: nothing follows. */
  isOver(): boolean;
  /** Frames that the last `feed` completed, in a run or one by one. */
  frames(): number;
}

/** A reader of one answer. */
export function createEventReader(decoder: StreamDecoder, framing: Framing): EventReader {
  const splitter = framing === "sse" ? createSseSplitter() : createEventStreamSplitter();
  let isOver = false;
  let frames = 0;

  /** Takes `decoded` up to the first error. */
  const take = (decoded: readonly GenerationEvent[], into: GenerationEvent[]): void => {
    for (const event of decoded) {
      if (isOver) return;
      into.push(event);
      isOver = event.type === "error";
    }
  };

  const decode = (found: readonly SseFrame[], into: GenerationEvent[]): void => {
    frames += found.length;
    for (const frame of found) if (!isOver) take(decoder.feed(frame), into);
  };
  /** The batch that a `feed` is making: a run goes into it behind the frames found before. */
  let current: GenerationEvent[] = [];
  const run: FrameRun = (text, from, found) => {
    if (found.length > 0) decode(found.splice(0), current);
    const before = current.length;
    const to = isOver ? from : (decoder.run?.(text, from, current) ?? from);
    for (let at = before; at < current.length; at++) frames += deltasIn(current[at]);
    return to;
  };

  return {
    feed(bytes) {
      const events: GenerationEvent[] = [];
      current = events;
      frames = 0;
      decode(splitter.feed(bytes, decoder.run === undefined ? undefined : run), events);
      const fault = splitter.fault();
      if (fault !== null) take([{ type: "error", failure: malformedFailure(fault, null, "") }], events);
      return events;
    },
    end(further = []) {
      const events: GenerationEvent[] = [];
      for (const frame of [...splitter.end(), ...further]) if (!isOver) take(decoder.feed(frame), events);
      if (!isOver) take(decoder.end(), events);
      isOver = true;
      return events;
    },
    isOver: () => isOver,
    frames: () => frames,
  };
}

/** Frames that a run made one event of. */
function deltasIn(event: GenerationEvent | undefined): number {
  return event?.type === "text-delta" ? (event.pieces?.length ?? 1) : 1;
}
