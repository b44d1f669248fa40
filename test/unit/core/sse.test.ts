import fc from "fast-check";
import { expect, test } from "vitest";
import { createSseSplitter, FRAME_CHARS_MAX, sseData, type SseFrame } from "../../../src/core/sse.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
function split(...pieces: readonly Uint8Array[]): SseFrame[] {
  const splitter = createSseSplitter();
  return [...pieces.flatMap((piece) => splitter.feed(piece)), ...splitter.end()];
}
const data = (...texts: readonly string[]): SseFrame[] => texts.map((text) => ({ event: "", data: text }));

test.each([
  { name: "LF", text: "data: a\n\ndata: b\n\n", expected: data("a", "b") },
  { name: "CRLF", text: "data: a\r\n\r\ndata: b\r\n\r\n", expected: data("a", "b") },
  { name: "CR", text: "data: a\r\rdata: b\r\r", expected: data("a", "b") },
  { name: "line ends of all kinds", text: "data: a\r\n\ndata: b\r\rdata: c\n\r\n", expected: data("a", "b", "c") },
  { name: "no space, and two spaces", text: "data:a\n\ndata:  b\n\n", expected: data("a", " b") },
  { name: "several data lines", text: "data: a\ndata: b\ndata\ndata:\n\n", expected: data("a\nb\n\n") },
  {
    name: "comments and unknown fields",
    text: ": hi\nid: 1\nretry: 5\ndata: a\n: bye\n\n: alone\n\n",
    expected: data("a"),
  },
  {
    name: "names of events",
    text: "event: x\ndata: a\n\ndata: b\n\nevent:y\ndata: c\n\n",
    expected: [
      { event: "x", data: "a" },
      { event: "", data: "b" },
      { event: "y", data: "c" },
    ],
  },
  { name: "an event without data", text: "event: x\n\ndata: a\n\n", expected: data("a") },
  { name: "no blank line at the end", text: "data: a\n\ndata: b", expected: data("a", "b") },
  { name: "one line end at the end", text: "data: a\n\ndata: b\r", expected: data("a", "b") },
  { name: "a byte order mark", text: "\uFEFFdata: a\n\n", expected: data("a") },
  { name: "letters of several bytes", text: "data: é😀漢\n\n", expected: data("é😀漢") },
  { name: "nothing", text: "", expected: [] },
])("$name is read the same wherever it is cut", ({ text, expected }) => {
  const bytes = bytesOf(text);
  expect(split(bytes)).toEqual(expected);
  expect(split(...[...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
  for (let at = 0; at <= bytes.length; at++) {
    for (let to = at; to <= bytes.length; to++) {
      expect(split(bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)), `${at} ${to}`).toEqual(expected);
    }
  }
});

test("what was written is read back, for any text, line end and cut", () => {
  const line = fc.string({ unit: "grapheme" }).filter((text) => !/[\r\n\uFEFF]/.test(text));
  const cuts = fc.array(fc.nat(400), { maxLength: 6 });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 5 }), fc.constantFrom("\n", "\r\n", "\r"), cuts, (texts, lineEnd, at) => {
      const bytes = bytesOf(texts.map((text) => sseData(text).replaceAll("\n", lineEnd)).join(""));
      const places = [0, ...at.map((place) => Math.min(place, bytes.length)), bytes.length].toSorted(
        (left, right) => left - right,
      );
      const pieces = places.slice(1).map((to, index) => bytes.subarray(places[index], to));
      expect(split(...pieces)).toEqual(data(...texts));
    }),
    { seed: 4, numRuns: 500 },
  );
});

test("a frame that never ends is reported and dropped, and nothing more is decoded", () => {
  const splitter = createSseSplitter();
  const megabytes = bytesOf("x".repeat(8 * 1024 * 1024));
  splitter.feed(bytesOf("data: "));
  for (let length = megabytes.length; length < FRAME_CHARS_MAX; length += megabytes.length) {
    expect(splitter.feed(megabytes)).toEqual([]);
    expect(splitter.fault()).toBeNull();
  }
  expect(splitter.feed(megabytes)).toEqual([]);
  expect(splitter.fault()).toBe("an event was too large");
  expect(splitter.feed(bytesOf("\n\ndata: a\n\n"))).toEqual([]);
  expect(splitter.end()).toEqual([]);
});

test("bytes that are no UTF-8 do not stop the stream", () => {
  expect(split(Uint8Array.of(0xff, 0xfe), bytesOf("\n\ndata: a\n\n"))).toEqual(data("a"));
});
