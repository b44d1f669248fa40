/** Binary event streams: recorded and made messages, every cut, and what does not add up. */
import { expect, test } from "vitest";
import { createEventStreamSplitter, MESSAGE_BYTES_MAX } from "../../../src/core/event-stream.ts";
import type { SseFrame } from "../../../src/core/sse.ts";
import { eventStreamMessage, rawMessage } from "../../contract/providers/event-stream.ts";

/** Recorded: https://github.com/vercel/ai, packages/amazon-bedrock, model-stream-error-exception.eventstream.base64.txt */
const RECORDED =
  "AAAA3QAAAGfHkZB6DTptZXNzYWdlLXR5cGUHAAlleGNlcHRpb24POmV4Y2VwdGlvbi10eXBlBwAZbW9kZWxTdHJlYW1FcnJvckV4Y2VwdGlvbg06Y29udGVudC10eXBlBwAQYXBwbGljYXRpb24vanNvbnsibWVzc2FnZSI6Ik1vZGVsIFN0cmVhbSBFcnJvciIsIm9yaWdpbmFsU3RhdHVzQ29kZSI6NTAwLCJvcmlnaW5hbE1lc3NhZ2UiOiJUaGUgbW9kZWwgc3RyZWFtIGZhaWxlZC4ifVczQxM=";
const DELTA = { contentBlockIndex: 0, delta: { text: "grün 🌱" } };

function split(pieces: readonly Uint8Array[]): { frames: SseFrame[]; fault: string | null } {
  const splitter = createEventStreamSplitter();
  const frames = [...pieces.flatMap((piece) => splitter.feed(piece)), ...splitter.end()];
  return { frames, fault: splitter.fault() };
}

test("a recorded exception is read", () => {
  expect(split([Buffer.from(RECORDED, "base64")])).toEqual({
    frames: [
      {
        event: "exception modelStreamErrorException",
        data: '{"message":"Model Stream Error","originalStatusCode":500,"originalMessage":"The model stream failed."}',
      },
    ],
    fault: null,
  });
});

test("messages are the same wherever the bytes are cut, and bytes that are used again change nothing", () => {
  const bytes = Buffer.concat([
    eventStreamMessage({ event: "contentBlockDelta", payload: DELTA }),
    eventStreamMessage({ event: "ping" }),
    eventStreamMessage({ error: "Lost", message: "gone" }),
  ]);
  const whole = split([bytes]);
  expect(whole).toEqual({
    frames: [
      { event: "contentBlockDelta", data: JSON.stringify(DELTA) },
      { event: "ping", data: "" },
      { event: "error Lost", data: '{"message":"gone"}' },
    ],
    fault: null,
  });
  for (let at = 0; at <= bytes.length; at++) {
    const first = Uint8Array.from(bytes.subarray(0, at));
    const splitter = createEventStreamSplitter();
    const frames = splitter.feed(first);
    first.fill(0);
    frames.push(...splitter.feed(Uint8Array.from(bytes.subarray(at))), ...splitter.end());
    expect(frames, `cut at byte ${at}`).toEqual(whole.frames);
  }
  expect(split([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
});

test("a changed byte anywhere is a fault, and nothing behind it is believed", () => {
  const first = eventStreamMessage({ event: "a", payload: 1 });
  const second = eventStreamMessage({ event: "b", payload: 2 });
  const third = eventStreamMessage({ event: "c", payload: 3 });
  for (let at = 0; at < second.length; at++) {
    const broken = Uint8Array.from(second);
    broken[at] = (broken[at] ?? 0) ^ 0x20;
    const { frames, fault } = split([Buffer.concat([first, broken, third])]);
    expect(frames, `byte ${at}`).toEqual([{ event: "a", data: "1" }]);
    expect(fault, `byte ${at}`).toMatch(/checksum/);
  }
});

test("what is left of a message that was cut off says nothing", () => {
  const message = eventStreamMessage({ event: "a", payload: 1 });
  for (let at = 0; at < message.length; at++) {
    expect(split([message.subarray(0, at)])).toEqual({ frames: [], fault: null });
  }
});

test("a message that says it is longer than the limit is not waited for", () => {
  const long = rawMessage(Buffer.alloc(0), Buffer.alloc(0), MESSAGE_BYTES_MAX + 1);
  expect(split([long])).toEqual({ frames: [], fault: "an event was too large" });
});

test.each([
  { name: "a type that nobody knows", header: [1, 97, 10, 0, 0] },
  { name: "a name that runs over the end", header: [9, 97, 7] },
  { name: "a value that runs over the end", header: [1, 97, 7, 0, 9, 98] },
  { name: "a length that runs over the end", header: [1, 97, 7, 0] },
])("headers with $name are a fault", ({ header }) => {
  expect(split([rawMessage(Buffer.from(header), Buffer.from("{}"))])).toEqual({
    frames: [],
    fault: "the headers of a message cannot be read",
  });
});

test("headers of every other type are passed over", () => {
  const typed = [
    [0],
    [1],
    [2, 9],
    [3, 9, 9],
    [4, 9, 9, 9, 9],
    [5, 9, 9, 9, 9, 9, 9, 9, 9],
    [6, 0, 2, 9, 9],
    [8, 9, 9, 9, 9, 9, 9, 9, 9],
    [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
  ].flatMap((value) => [1, 120, ...value]);
  const name = ":event-type";
  const event = [name.length, ...Buffer.from(name), 7, 0, 4, ...Buffer.from("done")];
  expect(split([rawMessage(Buffer.from([...typed, ...event]), Buffer.from("{}"))])).toEqual({
    frames: [{ event: "done", data: "{}" }],
    fault: null,
  });
});
