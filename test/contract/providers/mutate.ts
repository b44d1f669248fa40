/**
 * Makes broken and hostile streams of recorded ones: the same seed makes the same stream. Changed are bytes (flipped,
 * cut, doubled, no UTF-8, a line that does not end), the order of events (dropped, doubled, swapped, a second end, junk
 * between), and values (of another type or size, missing, numbers that are none, usage that repeats or grows).
 */
import type { Random } from "../../../src/core/clock.ts";
import type { RecordedCase } from "./cases.ts";
import { eventStreamMessage } from "./event-stream.ts";

/** A recorded stream, taken apart once. */
export interface Stock {
  readonly one: RecordedCase & { readonly stream: string };
  readonly frames: readonly Frame[];
}

/** One event: its bytes, and the value they hold where they are JSON. */
interface Frame {
  readonly bytes: Uint8Array;
  readonly value: unknown;
  /** The same event with other JSON for its value. */
  readonly written: (json: string) => Uint8Array;
}

const encoder = new TextEncoder();
/** Longest line without an end; the limit itself is tried in a test of its own. */
const LONG_LINE_CHARS = 20_000;
const JUNK_DEPTH = 300;

const NUMBERS: readonly string[] = [
  "0",
  "-1",
  "-0",
  "2.5",
  "1e3",
  "123456789",
  "1000000000000",
  "9007199254740993",
  "-9007199254740993",
  "1e308",
  "1e999",
  "NaN",
  "Infinity",
  '"12"',
  "null",
];
const VALUES: readonly string[] = [
  ...NUMBERS,
  '""',
  '"x"',
  '"__proto__"',
  '"\\ud800"',
  '"\\u0000"',
  "true",
  "false",
  "[]",
  "{}",
  "[null]",
  "[[{}]]",
  '{"index":"0"}',
  '{"__proto__":{"type":"text"}}',
  "undefined",
  `${"[".repeat(JUNK_DEPTH)}${"]".repeat(JUNK_DEPTH)}`,
  `${'{"a":'.repeat(JUNK_DEPTH)}1${"}".repeat(JUNK_DEPTH)}`,
];
const JUNK: readonly string[] = [
  "{}",
  "[]",
  "null",
  "0",
  '"x"',
  "[DONE]",
  '{"type":"error"}',
  '{"type":"ping"}',
  "{",
  "",
];

/** Takes a recorded stream apart. */
export function stockOf(one: RecordedCase & { readonly stream: string }): Stock {
  return { one, frames: one.adapter.framing === "event-stream" ? messagesOf(one.stream) : eventsOf(one.stream) };
}

function eventsOf(stream: string): Frame[] {
  return stream
    .split(/(?<=\n\n)/)
    .filter((text) => text !== "")
    .map((text) => {
      const data = /^data: ?(.*)$/m.exec(text)?.[1] ?? "";
      const [before = "", after = ""] = data === "" ? [text] : text.split(data);
      return {
        bytes: encoder.encode(text),
        value: valueOf(data),
        written: (json) => encoder.encode(`${data === "" ? "data: " : before}${json}${after === "" ? "\n\n" : after}`),
      };
    });
}

function messagesOf(stream: string): Frame[] {
  const lines = stream.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => {
    const head = JSON.parse(line) as { readonly payload?: unknown }; // fixtures are ours
    return {
      bytes: new Uint8Array(eventStreamMessage(head)),
      value: head.payload,
      written: (json) => new Uint8Array(eventStreamMessage(head, json)),
    };
  });
}

function valueOf(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}

/** The bytes of a mutated stream, in the pieces in which they arrive. */
export function mutated({ frames }: Stock, random: Random): readonly Uint8Array[] {
  const below = (limit: number): number => Math.floor(random() * limit);
  const list = [...frames];
  for (let changes = 1 + below(3); changes > 0; changes--) {
    if (random() < 0.55) changeValue(list, random);
    else changeOrder(list, random);
  }
  const bytes = Buffer.concat(list.map((frame) => frame.bytes));
  return pieces(random() < 0.3 ? changeBytes(bytes, random) : bytes, random);
}

/** Writes one event with a value changed somewhere within, or with a grown usage behind it. */
function changeValue(list: Frame[], random: Random): void {
  const at = Math.floor(random() * list.length);
  const frame = list[at];
  if (frame === undefined || frame.value === undefined) return;
  const hasUsage = /usage|tokens/i.test(JSON.stringify(frame.value));
  const json = hasUsage && random() < 0.5 ? withCounts(frame.value, random) : withChange(frame.value, random);
  const bytes = frame.written(json);
  // Sometimes beside the event itself: counted twice, or corrected.
  if (hasUsage && random() < 0.4) list.splice(at + (random() < 0.5 ? 0 : 1), 0, { ...frame, bytes });
  else list[at] = { ...frame, bytes };
}

/** JSON of `value` with one member replaced or left out. */
function withChange(value: unknown, random: Random): string {
  const isLeaf = typeof value !== "object" || value === null || Object.keys(value).length === 0;
  if (isLeaf || random() < 0.06) return VALUES[Math.floor(random() * VALUES.length)] ?? "null";
  const keys = Object.keys(value);
  const chosen = keys[Math.floor(random() * keys.length)];
  const isDropped = random() < 0.15;
  const members: string[] = [];
  for (const [key, member] of Object.entries(value)) {
    if (key === chosen && isDropped) continue;
    const json = key === chosen ? withChange(member, random) : JSON.stringify(member);
    members.push(Array.isArray(value) ? json : `${JSON.stringify(key)}:${json}`);
  }
  return Array.isArray(value) ? `[${members.join(",")}]` : `{${members.join(",")}}`;
}

/** JSON of `value` with its numbers replaced or multiplied. */
function withCounts(value: unknown, random: Random): string {
  const factor = 10 ** Math.floor(random() * 13);
  return JSON.stringify(value).replaceAll(/(?<=:)\d+/g, (digits) => {
    if (random() < 0.5) return digits;
    return random() < 0.5 ? String(Number(digits) * factor) : (NUMBERS[Math.floor(random() * NUMBERS.length)] ?? "0");
  });
}

function changeOrder(list: Frame[], random: Random): void {
  const at = Math.floor(random() * list.length);
  const to = Math.floor(random() * (list.length + 1));
  const length = 1 + Math.floor(random() * 3);
  const frame = list[at];
  if (frame === undefined) return;
  const kind = random();
  if (kind < 0.2) list.splice(at, length);
  else if (kind < 0.4) list.splice(to, 0, ...list.slice(at, at + length));
  else if (kind < 0.6) list.splice(to, 0, ...list.splice(at, 1));
  else if (kind < 0.7) list.push(...list.slice(-length));
  else if (kind < 0.75) list.push(...list);
  else if (kind < 0.85) list.length = at + 1;
  else list.splice(to, 0, { ...frame, bytes: frame.written(JUNK[Math.floor(random() * JUNK.length)] ?? "") });
}

function changeBytes(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length === 0) return bytes;
  const out = Buffer.from(bytes);
  const at = Math.floor(random() * out.length);
  const length = 1 + Math.floor(random() * 40);
  const around = (middle: Uint8Array, behind = at): Uint8Array =>
    Buffer.concat([out.subarray(0, at), middle, out.subarray(behind)]);
  const kind = random();
  if (kind < 0.3) {
    for (let flips = 1 + Math.floor(random() * 4); flips > 0; flips--) {
      const flipped = Math.floor(random() * out.length);
      out[flipped] = (out[flipped] ?? 0) ^ (1 << Math.floor(random() * 8));
    }
    return out;
  }
  if (kind < 0.45) return around(Buffer.alloc(0), at + length);
  if (kind < 0.6) return around(out.subarray(at, at + length));
  if (kind < 0.7) return around(Buffer.of(10, 10));
  if (kind < 0.85) return around(Buffer.of(0xff, 0xc3, 0xe2, 0x82, 0xf0, 0x9f, 0xed, 0xa0, 0x80));
  if (kind < 0.88) return around(Buffer.alloc(LONG_LINE_CHARS, "x"));
  return out.subarray(0, at);
}

/** Cut up to three times: equality of all cuts is another test's. */
function pieces(bytes: Uint8Array, random: Random): readonly Uint8Array[] {
  if (bytes.length < 2) return [bytes];
  const cuts = Array.from({ length: Math.floor(random() * 4) }, () => 1 + Math.floor(random() * (bytes.length - 1)));
  const ends = [0, ...cuts.toSorted((left, right) => left - right), bytes.length];
  return ends.slice(1).map((end, at) => bytes.subarray(ends[at], end));
}
