/** A fast body in workerd: what ends the pause in which it gathers before its time. */
import { expect, test } from "vitest";
import { createBacklogReader } from "../../src/router/backlog.ts";

/** Longer than any test may take. */
const FOREVER_MS = 600_000;

/** A reader that knows its body as fast, and the body's other end. */
function fastBody() {
  let source: ReadableByteStreamController | undefined;
  const body = new ReadableStream({
    type: "bytes",
    start(controller) {
      source = controller;
    },
  });
  const say = (text: string): void => source?.enqueue(new TextEncoder().encode(text));
  return { reader: createBacklogReader(body, Date.now, true), say, source };
}

test("a body's end ends the pause, and what is left of it is read without another", { timeout: 10_000 }, async () => {
  const { reader, say, source } = fastBody();
  say("one ");
  const reading = reader.read(FOREVER_MS);
  say("two");
  source?.close();
  let text = "";
  for (let bytes = await reading; bytes !== null; bytes = await reader.read(FOREVER_MS)) {
    text += new TextDecoder().decode(bytes);
  }
  expect(text).toBe("one two");
  await reader.rest();
});

test("so does a body that breaks", { timeout: 10_000 }, async () => {
  const { reader, say, source } = fastBody();
  say("one");
  const reading = reader.read(FOREVER_MS);
  source?.error(new Error("cut"));
  await expect(reading.then(() => reader.read(FOREVER_MS))).rejects.toThrow("cut");
});
