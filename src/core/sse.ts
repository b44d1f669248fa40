/**
 * Server-sent events, both ways, synchronous and by batches: bytes of any cut in, whole frames out.
 * Follows the WHATWG event-stream rules where upstreams differ in practice: CR, LF and CRLF line ends, `data:` with or
 * without a space, comments, several data lines, a missing blank line at the end, a BOM, cuts inside a UTF-8 sequence.
 * Source: https://html.spec.whatwg.org/multipage/server-sent-events.html (accessed 2026-11-21).
 */
import { createUtf8Decoder } from "./utf8.ts";

/** One dispatched event. `event` is "" when the upstream gave none. */
export interface SseFrame {
  readonly event: string;
  readonly data: string;
}

/** Longest frame kept in memory; a longer one is a fault and dropped. 32 MiB: an image as base64. */
export const FRAME_CHARS_MAX = 32 * 1024 * 1024;

/**
 * Takes whole frames off `text` at `from`, where a frame begins, as long as it knows them by their looks. `found` are the
 * frames before them: whoever takes some sees to those first, and empties it. @returns where the next frame begins.
 */
export type FrameRun = (text: string, from: number, found: SseFrame[]) => number;

/** Cuts the bytes of one stream into frames. */
export interface FrameSplitter {
  /** Frames that `bytes` completes, without those that `run` took; only text has any to take. */
  feed(bytes: Uint8Array, run?: FrameRun): SseFrame[];
  /** The frame left over when the stream ended without its own end of it. */
  end(): SseFrame[];
  /** Why nothing more is decoded, to follow "malformed:"; null while all is well. */
  fault(): string | null;
}

/** Lines of one event so far. */
interface EventLines {
  /** Takes one line; a blank one completes the event. */
  take(line: string, out: SseFrame[]): void;
  /** Characters held. */
  length(): number;
  /** The next line is the first of an event. */
  isEmpty(): boolean;
  drop(): void;
}

function createEventLines(): EventLines {
  let event = "";
  let data = "";
  let hasData = false;
  const drop = (): void => {
    event = "";
    data = "";
    hasData = false;
  };
  return {
    take(line, out) {
      if (line === "") {
        if (hasData) out.push({ event, data });
        drop();
      } else if (line.startsWith("data:")) {
        const value = line.charCodeAt(5) === 32 ? line.slice(6) : line.slice(5);
        data = hasData ? `${data}\n${value}` : value;
        hasData = true;
      } else if (line.startsWith("event:")) {
        event = line.charCodeAt(6) === 32 ? line.slice(7) : line.slice(6);
      } else if (line === "data") {
        data = hasData ? `${data}\n` : "";
        hasData = true;
      }
    },
    length: () => data.length,
    isEmpty: () => !hasData && event === "",
    drop,
  };
}

/** A new splitter for one stream. */
export function createSseSplitter(): FrameSplitter {
  const decoder = createUtf8Decoder();
  const lines = createEventLines();
  let rest: string[] = [];
  let restLength = 0;
  let overflowed = false;

  const keep = (text: string): void => {
    rest = text === "" ? [] : [text];
    restLength = text.length;
  };
  const overflow = (): void => {
    overflowed = true;
    keep("");
    lines.drop();
  };
  /** Takes whole lines off `text`; what is left becomes the rest. */
  const drain = (text: string, isLast: boolean, run?: FrameRun): SseFrame[] => {
    const out: SseFrame[] = [];
    keep(text.slice(takeLines(text, isLast, lines, out, run)));
    return out;
  };

  return {
    feed(bytes, run) {
      if (overflowed) return [];
      const text = decoder.decode(bytes);
      // Pieces of one long line are joined once, at its end: a large image must not be copied with every read.
      const endsHeldReturn = restLength > 0 && rest[rest.length - 1]?.endsWith("\r") === true;
      if (!endsHeldReturn && !text.includes("\n") && !text.includes("\r")) {
        if (text !== "") rest.push(text);
        restLength += text.length;
        if (restLength + lines.length() > FRAME_CHARS_MAX) overflow();
        return [];
      }
      const frames = drain(restLength === 0 ? text : rest.join("") + text, false, run);
      if (lines.length() > FRAME_CHARS_MAX) overflow();
      return frames;
    },
    end() {
      if (overflowed) return [];
      const out = drain(rest.join("") + decoder.end(), true);
      if (restLength > 0) lines.take(rest.join(""), out);
      keep("");
      lines.take("", out);
      return out;
    },
    fault: () => (overflowed ? "an event was too large" : null),
  };
}

/** Gives every whole line of `text` to `lines`, or the frame it begins to `run`. @returns where the unfinished rest begins. */
function takeLines(text: string, isLast: boolean, lines: EventLines, out: SseFrame[], run?: FrameRun): number {
  let from = 0;
  let back = text.indexOf("\r");
  let feed = text.indexOf("\n");
  while (back !== -1 || feed !== -1) {
    const to = run !== undefined && lines.isEmpty() ? run(text, from, out) : from;
    if (to > from) {
      from = to;
      if (back !== -1 && back < from) back = text.indexOf("\r", from);
      feed = text.indexOf("\n", from);
      continue;
    }
    const isReturn = back !== -1 && (feed === -1 || back < feed);
    const at = isReturn ? back : feed;
    // A CR at the very end may be half of a CRLF: wait for the next bytes.
    if (isReturn && at === text.length - 1 && !isLast) break;
    lines.take(text.slice(from, at), out);
    from = isReturn && text.charCodeAt(at + 1) === 10 ? at + 2 : at + 1;
    if (isReturn) back = text.indexOf("\r", from);
    if (feed !== -1 && feed < from) feed = text.indexOf("\n", from);
  }
  return from;
}

/** A frame with an `event:` line, for formats that name their events. */
export function sseEvent(event: string, json: string): string {
  return `event: ${event}\ndata: ${json}\n\n`;
}

/** A `data:` frame as sent to clients: LF only, no `id:` line (old clients break on one after a comment). */
export function sseData(json: string): string {
  return `data: ${json}\n\n`;
}
