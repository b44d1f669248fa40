/** Ids that carry a provider's state: whatever it holds comes back as it was, and nobody else's id is taken for one. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ReasoningDetail } from "../../../src/core/chat.ts";
import {
  fromBase64Url,
  ID_CHARS_MAX,
  packState,
  readStatefulId,
  statefulId,
  toBase64Url,
  unpackState,
  type CallState,
} from "../../../src/core/provider-state.ts";

const bytes = fc.uint8Array({ maxLength: 300 });
const base64 = bytes.map((some) => btoa(String.fromCharCode(...some)));
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  base64,
  base64.map((some) => some.replaceAll("=", "")),
  bytes.map(toBase64Url),
  fc.constantFrom("", "A", "====", "\ud800", "\ufeffa", "\u0000"),
);
const nullable = fc.option(fc.oneof(text, fc.constant(null)), { nil: undefined });
const detail: fc.Arbitrary<ReasoningDetail> = fc
  .record({
    type: fc.constantFrom("reasoning.text", "reasoning.summary", "reasoning.encrypted"),
    text: nullable,
    signature: nullable,
    summary: fc.option(text, { nil: undefined }),
    data: fc.option(text, { nil: undefined }),
    id: fc.oneof(nullable, fc.constant("call_own")),
    format: nullable,
    index: fc.option(fc.nat(), { nil: undefined }),
  })
  .map((members) => {
    const known = Object.entries(members).filter(([, value]) => value !== undefined);
    return Object.fromEntries(known) as unknown as ReasoningDetail; // the members that are there
  });
const state: fc.Arbitrary<CallState> = fc.record({
  callId: fc.oneof(fc.constant("call_own"), text),
  entries: fc.array(fc.record({ detail, at: fc.nat() }), { maxLength: 4 }),
});

test("a state comes back as it was packed, whatever characters it holds", () => {
  fc.assert(
    fc.property(state, (given) => {
      expect(unpackState(packState(given))).toEqual(given);
    }),
    { seed: 21, numRuns: 1_000 },
  );
});

test("what is base64 takes its bytes and no more", () => {
  const data = btoa(String.fromCharCode(...new Uint8Array(600).map((_, at) => (at * 37) % 256)));
  const packed = packState({
    callId: "call_1",
    entries: [
      { detail: { type: "reasoning.encrypted", data, id: "call_1", format: "google-gemini-v1", index: 0 }, at: 0 },
    ],
  });
  expect(packed.length).toBeLessThan(600 + 45);
});

test("bytes that are no state are none, and no cut of one is", () => {
  fc.assert(
    fc.property(bytes, (some) => void unpackState(some)),
    { seed: 22, numRuns: 2_000 },
  );
  const whole = packState({
    callId: "call_1",
    entries: [{ detail: { type: "reasoning.text", text: "Hm…", signature: "c2ln", index: 3 }, at: 70_000 }],
  });
  for (let length = 0; length < whole.length; length++) expect(unpackState(whole.subarray(0, length))).toBeUndefined();
  expect(unpackState(Uint8Array.from([...whole, 0]))).toBeUndefined();
});

test("an id is legal in every dialect, begins with the provider's own where that is, and leads back to the rest", () => {
  const callId = fc.oneof(
    fc.string({ unit: "binary", minLength: 1 }),
    fc.stringMatching(/^[\w-]{1,80}$/),
    fc.constantFrom("functions.get_weather:0", "a_wps1i_b", ".wps1g_x", "_wps1", "😀", "x".repeat(65)),
  );
  const kind = fc.constantFrom("inline", "gate", "none");
  fc.assert(
    fc.property(callId, kind, fc.uint8Array({ minLength: 1, maxLength: 600 }), (own, which, some) => {
      const rest = which === "none" ? "" : toBase64Url(some);
      const id = statefulId(own, which, rest);
      expect(id).toMatch(/^[a-zA-Z0-9_-]+$/);
      const read = readStatefulId(id);
      expect(read).toMatchObject({ kind: which, rest });
      expect(read?.front.length).toBeLessThanOrEqual(64);
      if (/^[\w-]{1,64}$/.test(own) && !own.includes("_wps1")) expect(read?.front).toBe(own);
      expect(statefulId(own, which, rest)).toBe(id);
      if (which !== "none") expect(fromBase64Url(rest)).toEqual(some);
    }),
    { seed: 23, numRuns: 1_000 },
  );
});

test("two calls whose names differ in letters that ids cannot have get two fronts", () => {
  const fronts = ["f.x:0", "f.x:1", "f_x:0", "f x 0"].map((own) => readStatefulId(statefulId(own, "none", ""))?.front);
  expect(new Set(fronts).size).toBe(4);
});

test.each([
  "call_1",
  "toolu_01A",
  "functions.get_weather:0",
  "_wps1i_abc",
  "call_wps1",
  "call_wps1i",
  "call_wps1i_",
  "call_wps1x_abc",
  "call_wps1n_abc",
  "call_wps1i_a.b",
  `call_wps1i_${"a".repeat(ID_CHARS_MAX)}`,
  `${"c".repeat(65)}_wps1i_abc`,
])("%s is nobody's id but the client's", (id) => {
  expect(readStatefulId(id)).toBeUndefined();
});
