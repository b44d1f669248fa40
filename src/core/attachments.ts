/**
 * Large media of a request, kept as the bytes that arrived: an image of 24 MB would else live as bytes, text, value and
 * text again, more than an isolate has. Long runs of base64 are cut out of the body's JSON, a short mark in the place of
 * each; values are made of the rest; `splice` puts the bytes back where the marks are, once the request has been written
 * for an upstream. The bytes stand inside a JSON string on both sides, so nothing is escaped.
 * Pure: the marks are given. Nobody may guess them, or a text could name one again and again and be sent with the media
 * in each place; and they are no base64, so that who decodes one is told that it cannot be read.
 */
/** Shorter base64 stays in its text: cutting it saves nothing. */
export const ATTACHMENT_BYTES_MIN = 32 * 1024;
/** How much before the data is looked at for what it is. */
const HEAD_BYTES_MAX = 128;
/** Text files are not among them: they are decoded where a provider takes text alone. */
const MEDIA_URL = /data:(?:image\/|audio\/|video\/|application\/pdf)[^"]*;base64,$/i;
const DATA_KEY = /"data"\s*:\s*"$/;

const MARK = /^_media-[0-9a-f]+_$/;

/** ASCII that is still to come, once. */
export interface Arriving {
  /** Characters; null when nobody has said how many. */
  readonly length: number | null;
  /** Rejects when it breaks off. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** A part of a text to be sent, that is there: text, or bytes that stand for themselves. */
export type WholeSegment = string | Uint8Array;
/** Any part of a text to be sent. */
export type Segment = WholeSegment | Arriving;

/** A body's large media, by mark. */
export interface Attachments {
  /** Characters that `text` has once the bytes are back in it. */
  charsOf(text: string): number;
  /** The text with its bytes back. */
  splice(text: string): readonly WholeSegment[];
  /** Nothing is sent any more: lets go of the bytes. */
  drop(): void;
}

/** A piece of a body that is base64; `end` is behind its last byte. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

const BASE64 = new Uint8Array(256);
for (const char of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_") {
  BASE64[char.charCodeAt(0)] = 1;
}
const QUOTE = 0x22;
const PADDING = 0x3d;
/** "-" and "_" stand for "+" and "/". */
const URL_SAFE = [
  [0x2d, 0x2b],
  [0x5f, 0x2f],
] as const;

/**
 * Where a body's JSON holds media of at least ATTACHMENT_BYTES_MIN: the rest of a string behind the head of a data URL, or
 * the string at a key `data`, if it is base64 to its end. Ascending. Looks at few bytes of what is not base64: a run that
 * long covers one in ATTACHMENT_BYTES_MIN of all places.
 */
export function findRuns(body: Uint8Array): readonly Run[] {
  const runs: Run[] = [];
  let from = 0;
  for (let at = ATTACHMENT_BYTES_MIN - 1; at < body.length; at += ATTACHMENT_BYTES_MIN) {
    if (BASE64[body[at] ?? 0] !== 1) continue;
    let start = at;
    while (start > from && BASE64[body[start - 1] ?? 0] === 1) start--;
    let end = at + 1;
    while (end < body.length && BASE64[body[end] ?? 0] === 1) end++;
    while (body[end] === PADDING) end++;
    if (end - start >= ATTACHMENT_BYTES_MIN && body[end] === QUOTE && isMedia(body, start)) runs.push({ start, end });
    from = end;
    // The next place to look at lies behind the run.
    at = Math.max(at, end - 1);
  }
  return runs;
}

function isMedia(body: Uint8Array, start: number): boolean {
  const head = String.fromCharCode(...body.subarray(Math.max(0, start - HEAD_BYTES_MAX), start));
  return MEDIA_URL.test(head) || DATA_KEY.test(head);
}

/**
 * A body's JSON as text, with a mark in the place of each run.
 * @param marks one for each run, all of one length, no two alike; letters, digits, `-` and `_` only.
 */
export function cutRuns(body: Uint8Array, runs: readonly Run[], marks: readonly string[]): string {
  const decoder = new TextDecoder();
  let text = "";
  let from = 0;
  for (const [index, run] of runs.entries()) {
    text += decoder.decode(body.subarray(from, run.start)) + (marks[index] ?? "");
    from = run.end;
  }
  return text + decoder.decode(body.subarray(from));
}

/** The attachments of a body; `marks` as for `cutRuns`. */
export function attachmentsOf(body: Uint8Array, runs: readonly Run[], marks: readonly string[]): Attachments {
  const byMark = new Map<string, Uint8Array>();
  for (const [index, { start, end }] of runs.entries()) {
    byMark.set(marks[index] ?? "", inStandardAlphabet(body.subarray(start, end)));
  }
  const pattern = patternOf(byMark);
  return {
    charsOf(text) {
      let chars = text.length;
      for (const [mark] of text.matchAll(pattern)) chars += (byMark.get(mark)?.length ?? mark.length) - mark.length;
      return chars;
    },
    splice: (text) => spliced(text, byMark),
    drop() {
      byMark.clear();
    },
  };
}

/** Random bytes of a mark. */
export const MARK_BYTES = 16;

/** A mark: as hard to guess as a key, and no base64. */
export function markOf(random: Uint8Array): string {
  return `_media-${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}_`;
}

/** True for what stands in the place of media. */
export function isMark(text: string): boolean {
  return text.startsWith("_media-") && MARK.test(text);
}

/** `text` with what stands behind the marks in their places. */
export function spliced<T extends Segment>(text: string, byMark: ReadonlyMap<string, T>): readonly (string | T)[] {
  if (byMark.size === 0) return [text];
  const segments: (string | T)[] = [];
  let from = 0;
  for (const { 0: mark, index } of text.matchAll(patternOf(byMark))) {
    segments.push(text.slice(from, index), byMark.get(mark) ?? mark);
    from = index + mark.length;
  }
  segments.push(text.slice(from));
  return segments;
}

function patternOf(byMark: ReadonlyMap<string, unknown>): RegExp {
  return new RegExp([...byMark.keys()].join("|"), "g");
}

/** Some clients send base64 of the URL-safe alphabet, which few providers read. Changes the bytes themselves. */
function inStandardAlphabet(base64: Uint8Array): Uint8Array {
  for (const [urlSafe, standard] of URL_SAFE) {
    for (let at = base64.indexOf(urlSafe); at !== -1; at = base64.indexOf(urlSafe, at + 1)) base64[at] = standard;
  }
  return base64;
}
