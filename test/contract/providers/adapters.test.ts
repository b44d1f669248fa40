/**
 * What every adapter of the registry promises, proved on every recorded case: the request as the provider wants it,
 * the same events for every cut and every spelling of the stream (server-sent events and binary messages alike), and no
 * exception for anything a broken provider sends. Broken streams are in mutants.test.ts.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom, type Random } from "../../../src/core/clock.ts";
import type { GenerationEvent } from "../../../src/core/event.ts";
import { ADAPTERS } from "../../../src/providers/registry.ts";
import { createEventReader } from "../../../src/router/event-reader.ts";
import { CREDENTIAL, DEFAULT_TARGET, HELLO, recordedCases, streamBytes, type RecordedCase } from "./cases.ts";
import { faultIn } from "./legal.ts";

const cases = recordedCases();
const streams = cases.flatMap((one) => (one.stream === null ? [] : [{ ...one, stream: one.stream }]));
const replies = cases.filter((one) => one.stream === null);
const MUTATIONS_PER_CASE = 250;

const textStreams = streams.filter((one) => one.adapter.framing !== "event-stream");

function decode(one: RecordedCase, pieces: readonly Uint8Array[]): GenerationEvent[] {
  const reader = createEventReader(one.adapter.createDecoder(one.request, one.target), one.adapter.framing ?? "sse");
  const events = pieces.flatMap((piece) => reader.feed(piece));
  events.push(...reader.end());
  return events;
}

test.each(ADAPTERS.map((adapter) => ({ name: adapter.name })))(
  "$name has recorded cases, streamed and buffered",
  ({ name }) => {
    expect(streams.filter((one) => one.adapter.name === name).length).toBeGreaterThan(0);
    expect(replies.filter((one) => one.adapter.name === name).length).toBeGreaterThan(0);
  },
);

describe.each(cases)("$name", (one) => {
  test("names its source and the day it was read", () => {
    expect(one.source).toMatch(/^https:\/\//);
    expect(one.accessed).toMatch(/^\d{4}-\d{2}-\d{2}$/);
  });

  test("is sent as the provider wants it, byte for byte", () => {
    const encoded = one.adapter.encode(one.request, one.target);
    if (!encoded.ok) throw new Error(encoded.error);
    expect({ ...encoded.value, body: JSON.parse(encoded.value.body) as unknown }).toEqual(one.wire);
    expect(encoded.value.body).toBe(JSON.stringify(one.wire.body));
    expect(encoded.value.body + encoded.value.url).not.toContain(one.target.credential);
  });
});

describe.each(streams)("the stream of $name", (one) => {
  const bytes = streamBytes(one, one.stream);

  test("means the same wherever it is cut", () => {
    const whole = JSON.stringify(decode(one, [bytes]));
    expect(JSON.parse(whole)).toEqual(one.events);
    for (let at = 1; at < bytes.length; at++) {
      const cut = JSON.stringify(decode(one, [bytes.subarray(0, at), bytes.subarray(at)]));
      if (cut !== whole) expect(cut, `cut at byte ${at}`).toBe(whole);
    }
  });

  test("means the same byte by byte", () => {
    expect(
      decode(
        one,
        [...bytes].map((byte) => Uint8Array.of(byte)),
      ),
    ).toEqual(one.events);
  });

  test("keeps the order of events when it is cut off anywhere", () => {
    for (let at = 0; at < bytes.length; at++) {
      const fault = faultIn(decode(one, [bytes.subarray(0, at)]));
      if (fault !== null) expect(fault, `cut off at byte ${at}`).toBeNull();
    }
  });
});

describe.each(textStreams)("the spelling of $name", (one) => {
  test.each([
    { spelling: "CRLF line ends", text: one.stream.replaceAll("\n", "\r\n") },
    { spelling: "CR line ends", text: one.stream.replaceAll("\n", "\r") },
    { spelling: "no blank line at the end", text: one.stream.trimEnd() },
    { spelling: "no [DONE]", text: one.stream.replace("data: [DONE]\n\n", "") },
    { spelling: "no space after the colon", text: one.stream.replaceAll(/^(data|event): (?! )/gm, "$1:") },
    { spelling: "comments between events", text: one.stream.replaceAll("\n\n", "\n\n: keep-alive\n\n") },
    { spelling: "a byte order mark", text: `\uFEFF${one.stream}` },
  ])("means the same with $spelling", ({ text }) => {
    expect(decode(one, [streamBytes(one, text)])).toEqual(one.events);
    expect(
      decode(
        one,
        [...streamBytes(one, text)].map((byte) => Uint8Array.of(byte)),
      ),
    ).toEqual(one.events);
  });
});

describe.each(replies)("the reply of $name", (one) => {
  test("means the recorded events", () => {
    expect(one.adapter.decodeReply(one.reply, one.request, one.target)).toEqual(one.events);
  });

  test("never throws and stays well-formed when values are changed", () => {
    const random = seededRandom(one.name);
    for (let turn = 0; turn < MUTATIONS_PER_CASE; turn++) {
      const events = one.adapter.decodeReply(mutatedValue(one.reply, random), one.request, one.target);
      expect(faultIn(events)).toBeNull();
    }
  });
});

describe.each(ADAPTERS.map((adapter) => ({ name: adapter.name, adapter })))("$name", ({ name, adapter }) => {
  const request = cases.find((one) => one.adapter.name === name)?.request ?? HELLO;
  const target = DEFAULT_TARGET;

  test("reads any JSON as a reply without throwing", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        const events = adapter.decodeReply(body, request, target);
        expect(faultIn(events)).toBeNull();
        expect(events.length, "nothing at all is never an answer").toBeGreaterThan(0);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test("classifies every status and body, and never repeats the credential", () => {
    const body = fc.oneof(
      fc.constant(""),
      fc.string(),
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc
        .string()
        .map((text) => JSON.stringify({ error: { message: `${text} ${CREDENTIAL} ${text}`, code: CREDENTIAL } })),
      fc.string().map((text) => `<html>${text}${CREDENTIAL}</html>`),
    );
    const headers = { get: (header: string) => (header === "retry-after" ? "2" : null) };
    fc.assert(
      fc.property(fc.integer({ min: 300, max: 599 }), body, (status, text) => {
        const failure = adapter.classifyFailure({ status, headers, body: text }, target, 0);
        expect(failure.status).toBe(status);
        expect(JSON.stringify(failure)).not.toContain(CREDENTIAL);
        expect(failure.message).not.toBe("");
        expect((failure.raw ?? "").length).toBeLessThanOrEqual(2_000);
      }),
      { seed: 2, numRuns: 300 },
    );
  });
});

const ODD_VALUES: readonly unknown[] = [
  null,
  0,
  -1,
  1e308,
  2.5,
  "",
  "x",
  "__proto__",
  true,
  [],
  {},
  [null],
  [[{}]],
  { index: "0" },
];

function mutatedValue(value: unknown, random: Random): unknown {
  if (typeof value !== "object" || value === null || random() < 0.08) {
    return ODD_VALUES[Math.floor(random() * ODD_VALUES.length)];
  }
  const keys = Object.keys(value);
  const chosen = keys[Math.floor(random() * keys.length)];
  const entries = Object.entries(value).map(([key, member]) => [
    key,
    key === chosen ? mutatedValue(member, random) : member,
  ]);
  return Array.isArray(value) ? entries.map(([, member]) => member) : Object.fromEntries(entries);
}
