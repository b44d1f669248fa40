/** The client's end of a stream in workerd, with time said aloud: comments through silence, and a reader who stalls. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createCancellation } from "../../src/router/cancellation.ts";
import { openClient } from "../../src/router/client-writer.ts";

const COMMENT = ": keep-alive\n\n";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A client, and what it has read so far if it reads at all. */
function clientOf(reads: boolean) {
  const cancellation = createCancellation(true);
  let ticks = 0;
  let silences = 0;
  const { readable, writer, discard } = openClient(COMMENT, () => Date.now(), cancellation, {
    onTick: () => void ticks++,
    onSilence: () => void silences++,
  });
  const read: { text: string; atMs: number }[] = [];
  const startedMs = Date.now();
  const done = reads
    ? (async () => {
        for await (const bytes of readable) {
          read.push({ text: new TextDecoder().decode(bytes), atMs: Date.now() - startedMs });
        }
      })()
    : Promise.resolve();
  return { cancellation, writer, discard, read, done, ticks: () => ticks, silences: () => silences };
}

test("a silence is broken by a comment within 15 s, again and again", async () => {
  const { writer, read, done, ticks, silences } = clientOf(true);
  await writer.write("data: one\n\n");
  await vi.advanceTimersByTimeAsync(61_000);
  await writer.write("data: two\n\n");
  await writer.close();
  await done;
  expect(read.map(({ text }) => text)).toEqual(["data: one\n\n", ...Array(6).fill(COMMENT), "data: two\n\n"]);
  for (const [at, { atMs }] of read.entries()) expect(atMs - (read[at - 1]?.atMs ?? 0)).toBeLessThanOrEqual(15_000);
  expect([ticks(), silences()]).toEqual([12, 6]);
});

test("a stream that is not handed out leaves no timer behind, and its first comment tells when it is time", async () => {
  const { discard, silences } = clientOf(false);
  await vi.advanceTimersByTimeAsync(9_000);
  expect(silences()).toBe(0);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(silences()).toBe(1);
  discard();
  expect(vi.getTimerCount()).toBe(0);
});

test("an answer that keeps talking has no comments in it", async () => {
  const { writer, read, done } = clientOf(true);
  for (let at = 0; at < 20; at++) {
    await writer.write(`data: ${at}\n\n`);
    await vi.advanceTimersByTimeAsync(3_000);
  }
  await writer.close();
  await done;
  expect(read.some(({ text }) => text.includes("keep-alive"))).toBe(false);
});

test("a client that reads nothing for 30 s has left: the write ends, and so does every later one", async () => {
  const { writer, cancellation } = clientOf(false);
  const abort = vi.fn<() => void>();
  cancellation.follow("stops", abort);
  let isBlocked = true;
  const write = writer.write("data: one\n\n").then(() => (isBlocked = false));
  await vi.advanceTimersByTimeAsync(29_000);
  expect([isBlocked, writer.isGone(), abort.mock.calls.length]).toEqual([true, false, 0]);
  await vi.advanceTimersByTimeAsync(6_000);
  await write;
  expect([writer.isGone(), cancellation.hasLeft(), abort.mock.calls.length]).toEqual([true, true, 1]);
  await writer.write("data: two\n\n");
  await writer.close();
  expect(vi.getTimerCount()).toBe(0);
});

test("a client that has left takes nothing, before or after", async () => {
  const { writer, cancellation } = clientOf(false);
  cancellation.leave();
  expect(writer.isGone()).toBe(true);
  await writer.write("data: one\n\n");
  await writer.close();
  expect(vi.getTimerCount()).toBe(0);
});

test("a stream that was closed leaves no timer behind", async () => {
  const { writer, done } = clientOf(true);
  await writer.write("data: one\n\n");
  await writer.close();
  await done;
  expect(vi.getTimerCount()).toBe(0);
});
