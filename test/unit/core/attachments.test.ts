/** What is cut out of a body comes back where it was, byte for byte; nothing else is ever cut. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ATTACHMENT_BYTES_MIN,
  attachmentsOf,
  cutRuns,
  findRuns,
  isMark,
  type Segment,
} from "../../../src/core/attachments.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const LONG = "QUJD".repeat(ATTACHMENT_BYTES_MIN / 4);
const url = (data: string, type = "image/png") => `data:${type};base64,${data}`;

function cut(json: string) {
  const body = bytesOf(json);
  const runs = findRuns(body);
  const marks = runs.map((_, index) => `_media-${String(index).padStart(32, "0")}_`);
  return { runs, text: cutRuns(body, runs, marks), attachments: attachmentsOf(body, runs, marks) };
}

const whole = (segments: readonly Segment[]) =>
  segments.map((part) => (part instanceof Uint8Array ? new TextDecoder().decode(part) : part)).join("");

test("media in the URL-safe alphabet come back in the standard one", () => {
  const { text, attachments } = cut(JSON.stringify({ data: `${LONG}-_-_` }));
  expect(whole(attachments.splice(text))).toBe(JSON.stringify({ data: `${LONG}+/+/` }));
  expect(isMark(String((JSON.parse(text) as { data: string }).data))).toBe(true);
  expect(isMark("_media-")).toBe(false);
});

describe("what is cut", () => {
  test.each([
    ["an image", { url: url(LONG) }],
    ["a picture of another type", { url: url(LONG, "image/svg+xml") }],
    ["a document", { file_data: url(LONG, "application/pdf") }],
    ["a video with parameters", { url: url(LONG, "video/mp4;codecs=avc1") }],
    ["audio at its key", { input_audio: { data: LONG, format: "wav" } }],
    ["padded data", { data: `${LONG}QQ==` }],
    ["data behind other data", { a: [{ data: LONG }, { url: url(LONG) }] }],
  ])("%s", (_name, value) => {
    for (const json of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
      const { text, attachments, runs } = cut(json);
      expect(runs.length).toBeGreaterThan(0);
      expect(text.length).toBeLessThan(500);
      expect(() => JSON.parse(text) as unknown).not.toThrow();
      expect(whole(attachments.splice(text))).toBe(json);
      expect(attachments.charsOf(text)).toBe(json.length);
    }
  });
});

describe("what stays", () => {
  test.each([
    ["short data", { data: LONG.slice(0, -1) }],
    ["text", { text: "word ".repeat(ATTACHMENT_BYTES_MIN) }],
    ["text without a space", { text: LONG }],
    ["a text file, which may have to be decoded", { file_data: url(LONG, "text/plain") }],
    ["a data URL of JSON", { file_data: url(LONG, "application/json") }],
    ["data that is not base64 to its end", { data: `${LONG}!` }],
    ["data that begins behind an escape", { data: `\n${LONG}` }],
    ["a long number", null],
  ])("%s", (_name, value) => {
    const json = value === null ? `[1,${"1".repeat(2 * ATTACHMENT_BYTES_MIN)},"x"]` : JSON.stringify(value);
    expect(cut(json).runs).toEqual([]);
  });

  test("a quote within a string begins no value", () => {
    // Inside one string: \"data\":\"QUJD...
    const json = JSON.stringify({ text: `{"data":"${LONG}"}` });
    expect(cut(json).runs).toEqual([]);
  });
});

test("data is found wherever it lies", () => {
  for (const shift of [0, 1, 2, 100, ATTACHMENT_BYTES_MIN - 1, ATTACHMENT_BYTES_MIN, ATTACHMENT_BYTES_MIN + 1]) {
    expect(cut(JSON.stringify({ text: " ".repeat(shift), data: LONG })).runs).toHaveLength(1);
  }
});

test("any body has the same value after it was cut, parsed, written and spliced", () => {
  const media = fc
    .tuple(fc.integer({ min: 0, max: 2 * ATTACHMENT_BYTES_MIN }), fc.constantFrom("data", "url"))
    .map(([length, kind]) =>
      kind === "data" ? { data: "A".repeat(length) } : { url: url("b/+9".repeat(length / 4)) },
    );
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          media,
          fc.json().map((json) => JSON.parse(json) as unknown),
        ),
        { maxLength: 6 },
      ),
      (value) => {
        const { text, attachments } = cut(JSON.stringify(value));
        const written = JSON.stringify({ model: "m", content: JSON.parse(text) as unknown });
        expect(whole(attachments.splice(written))).toBe(JSON.stringify({ model: "m", content: value }));
      },
    ),
    { numRuns: 200 },
  );
});

test("what is dropped is not sent", () => {
  const { text, attachments } = cut(JSON.stringify({ data: LONG }));
  attachments.drop();
  expect(whole(attachments.splice(text))).toBe(text);
});
