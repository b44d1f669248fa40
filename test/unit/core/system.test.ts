/** The pool of randomness: nothing is handed out twice, whatever is asked for. */
import { expect, test } from "vitest";
import { systemRandomBytes } from "../../../src/core/system.ts";

test("gives as many bytes as asked for, across the pool's end and beyond its size", () => {
  for (const length of [0, 1, 20, 4_095, 4_096, 4_097, 65_536]) expect(systemRandomBytes(length)).toHaveLength(length);
});

test("no two draws share memory or content", () => {
  const draws = Array.from({ length: 2_000 }, () => systemRandomBytes(16));
  expect(new Set(draws.map((bytes) => bytes.buffer)).size).toBe(draws.length);
  expect(new Set(draws.map((bytes) => bytes.join(" "))).size).toBe(draws.length);
  // Sixteen zeros once in 2^128 draws: a drawn part of the pool is never drawn again.
  expect(draws.every((bytes) => bytes.some((byte) => byte !== 0))).toBe(true);
});
