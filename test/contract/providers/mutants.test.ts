/**
 * Broken and hostile streams, spread evenly over every recorded stream of every wire family and rendered by every dialect
 * in turn; ordeal.ts says what is asked of them. These are the first of the 100,000 that `npm test` runs in a step of its
 * own; `npm run mutants -- --streams 5000000 --seed 7` runs others, as many as wanted.
 */
import { describe, expect, test } from "vitest";
import { MESSAGE_BYTES_MAX } from "../../../src/core/event-stream.ts";
import { ADAPTERS } from "../../../src/providers/registry.ts";
import { createEventReader } from "../../../src/router/event-reader.ts";
import { DIALECTS } from "../dialects/cases.ts";
import { DEFAULT_TARGET, HELLO } from "./cases.ts";
import { rawMessage } from "./event-stream.ts";
import { EMPTY_TALLY, ordeal, stocks } from "./ordeal.ts";

const STREAMS = 10_000;
const all = stocks();
const each = Math.ceil(STREAMS / all.length);
const total = { ...EMPTY_TALLY };

describe.each(ADAPTERS.map(({ name }) => ({ name })))("mutated streams of $name", ({ name }) => {
  test("crash nothing, keep their order and charge no more than was delivered", { timeout: 300_000 }, () => {
    const own = all.filter(({ one }) => one.adapter.name === name);
    expect(own.length).toBeGreaterThan(0);
    for (const stock of own) expect(ordeal(stock, DIALECTS, each, "1", total)).toBeNull();
  });
});

test("so many have been tried, and of every kind", () => {
  expect(total.streams).toBeGreaterThanOrEqual(STREAMS);
  // Were the mutations tame, or nonsense from end to end, little of it would have been proved.
  expect(total.charged / total.streams).toBeGreaterThan(0.3);
  expect(total.broken / total.streams).toBeGreaterThan(0.1);
  expect(total.doubted / total.streams).toBeGreaterThan(0.01);
  expect(total.events / total.streams).toBeGreaterThan(3);
});

const MEBIBYTE = new Uint8Array(1024 * 1024).fill(120);
/** Of binary messages: a length as long as may be, with the right checksum, and nothing else that is true. */
const PRELUDE = rawMessage(Buffer.alloc(0), Buffer.alloc(0), MESSAGE_BYTES_MAX).subarray(0, 12);

test.each(ADAPTERS.map((adapter) => ({ name: adapter.name, adapter })))(
  "an event of $name that never ends is given up at the limit, with one error and nothing after it",
  ({ adapter }) => {
    const framing = adapter.framing ?? "sse";
    const reader = createEventReader(adapter.createDecoder(HELLO, DEFAULT_TARGET), framing);
    reader.feed(framing === "sse" ? new TextEncoder().encode("data: ") : new Uint8Array(PRELUDE));
    const counts = Array.from({ length: 40 }, () => reader.feed(MEBIBYTE)).map((events) => events.length);
    const limit = counts.indexOf(1);
    expect(limit).toBeGreaterThanOrEqual(31);
    expect(limit).toBeLessThanOrEqual(32);
    expect(counts.filter((events) => events > 0)).toEqual([1]);
    expect(reader.isOver()).toBe(true);
    expect(reader.end()).toEqual([]);
  },
);
