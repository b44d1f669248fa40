/** One upstream's body in workerd, read by chunk and by backlog: the same events, one end, and what is left of it. */
import { expect, test } from "vitest";
import type { GenerationEvent } from "../../src/core/event.ts";
import type { StreamDecoder } from "../../src/providers/adapter.ts";
import { timeoutFailure } from "../../src/router/deadlines.ts";
import { createUpstreamStream, type UpstreamStream } from "../../src/router/upstream-stream.ts";

const FAILURE = timeoutFailure("idle");
const frame = (data: string): string => `data: ${data}\n\n`;
const WORDS = Array.from({ length: 20_000 }, (_, at) => `word ${at}`);
const WHOLE = WORDS.map(frame).join("");

/** Each frame is a word; `[DONE]` says that nothing follows. */
function wordsOf(): StreamDecoder {
  let isDone = false;
  return {
    feed({ data }): GenerationEvent[] {
      if (isDone) return [];
      isDone = data === "[DONE]";
      return isDone ? [] : [{ type: "text-delta", choice: 0, text: data }];
    },
    isDone: () => isDone,
    end: () => (isDone ? [] : [{ type: "error", failure: FAILURE }]),
  };
}

function streamOf(body: ReadableStream<Uint8Array> | null, isFast: boolean): UpstreamStream {
  if (body === null) throw new Error("a body was expected");
  return createUpstreamStream({ body, framing: "sse", isFast, failureOf: () => FAILURE }, wordsOf(), Date.now);
}

/** Writes texts one by one, and closes unless the last is null. */
async function write(writable: WritableStream, texts: readonly (string | null)[]): Promise<void> {
  const writer = writable.getWriter();
  for (const text of texts) {
    if (text === null) return;
    await writer.write(new TextEncoder().encode(text));
  }
  await writer.close();
}

async function readAll(stream: UpstreamStream): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
    events.push(...batch);
    if (events.length < WORDS.length) expect(stream.isOver()).toBe(false);
  }
  return events;
}

const textsOf = (events: readonly GenerationEvent[]): string[] =>
  events.map((event) => (event.type === "text-delta" ? event.text : event.type));

test.each([{ isFast: false }, { isFast: true }])("a whole answer, known as fast: $isFast", async ({ isFast }) => {
  const stream = streamOf(new Response(WHOLE + frame("[DONE]")).body, isFast);
  expect(textsOf(await readAll(stream))).toEqual(WORDS);
  expect([stream.isOver(), await stream.next()]).toEqual([true, null]);
});

test.each([{ isFast: false }, { isFast: true }])(
  "an answer that is cut, known as fast: $isFast",
  async ({ isFast }) => {
    const stream = streamOf(new Response(WHOLE).body, isFast);
    expect(textsOf(await readAll(stream))).toEqual([...WORDS, "error"]);
    expect([stream.isOver(), stream.isSpent(), stream.linger()]).toEqual([true, true, null]);
  },
);

test("what follows the end is read for the connection's sake, and is nobody's", async () => {
  const { readable, writable } = new IdentityTransformStream();
  const stream = streamOf(readable, false);
  const writing = write(writable, [frame("one") + frame("[DONE]"), frame("two"), ": bye\n\n"]);
  expect([textsOf((await stream.next()) ?? []), stream.isOver(), await stream.next()]).toEqual([["one"], true, null]);
  expect(await stream.linger()).toBe(true);
  expect(stream.isSpent()).toBe(true);
  await writing;
});

test("a body that stays open after the end is waited for a moment, and is not spent", async () => {
  const { readable, writable } = new IdentityTransformStream();
  const stream = streamOf(readable, false);
  const writing = write(writable, [frame("one") + frame("[DONE]"), null]);
  expect([textsOf((await stream.next()) ?? []), stream.isOver(), await stream.next()]).toEqual([["one"], true, null]);
  const startedMs = Date.now();
  expect(await stream.linger()).toBe(false);
  expect(Date.now() - startedMs).toBeLessThan(2_000);
  expect(stream.isSpent()).toBe(false);
  await writing;
});
