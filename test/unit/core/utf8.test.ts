/** The same text for every cut of the bytes, whole characters or not. */
import { expect, test } from "vitest";
import { createUtf8Decoder } from "../../../src/core/utf8.ts";

const BOM = "\uFEFF";
const TEXTS = ["", "plain\n", "한국어\n\n", "🦊", `${BOM}data: é\n`, `a${BOM}b\n${BOM}c\n`, `${BOM}${BOM}\n`];

function decoded(pieces: readonly Uint8Array[]): string {
  const decoder = createUtf8Decoder();
  return pieces.map((piece) => decoder.decode(piece)).join("") + decoder.end();
}

test.each(TEXTS)("%j", (text) => {
  const bytes = new TextEncoder().encode(text);
  const whole = new TextDecoder().decode(bytes);
  expect(decoded([...bytes].map((byte) => Uint8Array.of(byte)))).toBe(whole);
  for (let one = 0; one <= bytes.length; one++) {
    for (let two = one; two <= bytes.length; two++) {
      expect(decoded([bytes.subarray(0, one), bytes.subarray(one, two), bytes.subarray(two)])).toBe(whole);
    }
  }
});

test("what is no UTF-8, and a character that never ends, become replacement characters as the platform makes them", () => {
  const bytes = Uint8Array.of(0x61, 0xff, 0x62, 0xe2, 0x82);
  const whole = new TextDecoder().decode(bytes);
  for (let at = 0; at <= bytes.length; at++) {
    expect(decoded([bytes.subarray(0, at), bytes.subarray(at)])).toBe(whole);
  }
});
