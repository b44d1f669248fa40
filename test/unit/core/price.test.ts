/** Prices by time of day and by length of the prompt, and shares of them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { hasHours, PRICE_KEYS, priceAt, priceAtTime, priceShare, withMarkup } from "../../../src/core/price.ts";
import type { ListedPrice } from "../../../src/core/price.ts";

const at = (time: string): number => Date.parse(`2026-11-21T${time}Z`);
/** Cheap at night, dearer from 201 tokens on, and dearer still when both hold. */
const HOURLY: ListedPrice = {
  prompt: 100,
  completion: 200,
  overrides: [
    { min_prompt_tokens: 200, prompt: 150 },
    { utc_start: 1630, utc_end: 30, prompt: 50, completion: 100 },
    { min_prompt_tokens: 400, utc_start: 1630, utc_end: 30, prompt: 75 },
  ],
};

test.each([
  { time: "00:29:59.999", tokens: 1, prompt: 50, completion: 100, why: "the window wraps past midnight" },
  { time: "00:30:00.000", tokens: 1, prompt: 100, completion: 200, why: "its end is outside" },
  { time: "12:00:00", tokens: 200, prompt: 100, completion: 200, why: "a threshold is strict" },
  { time: "12:00:00", tokens: 201, prompt: 150, completion: 200, why: "beyond it one key is replaced" },
  { time: "16:29:59.999", tokens: 1, prompt: 100, completion: 200, why: "before the window" },
  { time: "16:30:00", tokens: 0, prompt: 50, completion: 100, why: "its beginning is inside, for any prompt" },
  { time: "23:59:59", tokens: 300, prompt: 50, completion: 100, why: "later overrides win" },
  { time: "23:59:59", tokens: 401, prompt: 75, completion: 100, why: "all conditions of one must hold" },
])("at $time a prompt of $tokens tokens costs $prompt: $why", ({ time, tokens, prompt, completion }) => {
  expect(priceAt(priceAtTime(HOURLY, at(time)), tokens)).toEqual({ prompt, completion });
});

test.each([
  { start: 0, end: 2400 - 1 - 40, time: "23:58:00", is: true },
  { start: 100, end: 400, time: "03:59:59", is: true },
  { start: 100, end: 400, time: "04:00:00", is: false },
  { start: 1200, end: 2400, time: "23:59:59", is: true },
  { start: 1200, end: 2400, time: "00:00:00", is: false },
  { start: 2200, end: 600, time: "05:59:00", is: true },
  { start: 2200, end: 600, time: "06:00:00", is: false },
])("from $start to $end holds $time: $is", ({ start, end, time, is }) => {
  const price = { prompt: 2, completion: 2, overrides: [{ utc_start: start, utc_end: end, prompt: 1 }] };
  expect(priceAt(priceAtTime(price, at(time)), 5).prompt).toBe(is ? 1 : 2);
});

test("each minute of a day is inside exactly one of two windows that meet", () => {
  fc.assert(
    fc.property(fc.nat(1_439), fc.nat(1_439), fc.nat(86_399_999), (one, other, ms) => {
      fc.pre(one !== other);
      const clock = (minute: number): number => Math.floor(minute / 60) * 100 + (minute % 60);
      const [start, end] = [clock(one), clock(other)];
      const price = {
        prompt: 0,
        completion: 0,
        overrides: [
          { utc_start: start, utc_end: end, prompt: 1 },
          { utc_start: end, utc_end: start, completion: 1 },
        ],
      };
      const keys = priceAt(priceAtTime(price, at("00:00:00") + ms), 1);
      expect(keys.prompt + keys.completion).toBe(1);
    }),
  );
});

test("a price without hours is the same all day", () => {
  const price = { prompt: 1, completion: 2, overrides: [{ min_prompt_tokens: 10, prompt: 3 }] };
  expect([hasHours(price), hasHours(HOURLY)]).toEqual([false, true]);
  expect(priceAtTime(price, at("03:00:00"))).toEqual(price);
});

test("later overrides win key by key, strictly above their size", () => {
  const price = {
    prompt: 1,
    completion: 2,
    overrides: [
      { min_prompt_tokens: 10, prompt: 3 },
      { min_prompt_tokens: 20, completion: 4, request: 5 },
    ],
  };
  expect(priceAt(price, 10)).toEqual({ prompt: 1, completion: 2 });
  expect(priceAt(price, 11)).toEqual({ prompt: 3, completion: 2 });
  expect(priceAt(price, 21)).toEqual({ prompt: 3, completion: 4, request: 5 });
});

test("a markup raises every key, rounded up, and leaves conditions alone", () => {
  const whole = Object.fromEntries(PRICE_KEYS.map((key) => [key, 101]));
  const price = {
    ...whole,
    prompt: 101,
    completion: 101,
    overrides: [{ min_prompt_tokens: 200, utc_start: 100, utc_end: 400, ...whole }],
  };
  const raised = Object.fromEntries(PRICE_KEYS.map((key) => [key, 112]));
  expect(withMarkup(price, 1_000)).toEqual({
    ...raised,
    overrides: [{ min_prompt_tokens: 200, utc_start: 100, utc_end: 400, ...raised }],
  });
  expect(priceShare({ prompt: 3, completion: 0 }, 5_000)).toEqual({ prompt: 2, completion: 0 });
});
