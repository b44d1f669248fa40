import fc from "fast-check";
import { expect, test } from "vitest";
import { editDistance, nearestNames } from "../../../src/catalog/nearest.ts";

const NAMES = ["openai/gpt-4o", "openai/gpt-4o-mini", "openai/gpt-5", "anthropic/claude-sonnet-4.5", "qwen/qwen3-32b"];

test.each([
  { wanted: "openai/gpt4o", first: "openai/gpt-4o" },
  { wanted: "gpt-5", first: "openai/gpt-5" },
  { wanted: "claude-sonnet-4-5", first: "anthropic/claude-sonnet-4.5" },
  { wanted: "alibaba/qwen3-32b", first: "qwen/qwen3-32b" },
  { wanted: "OpenAI/GPT-4o-mnii", first: "openai/gpt-4o-mini" },
])("the name nearest to $wanted is $first", ({ wanted, first }) => {
  expect(nearestNames(wanted, NAMES, 3)[0]).toBe(first);
});

test("nothing is near to a name that is like none", () => {
  expect(nearestNames("zzzz", NAMES, 3)).toEqual([]);
});

test("edit distance is a distance", () => {
  const text = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(text, text, text, (a, b, c) => {
      expect(editDistance(a, a)).toBe(0);
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
    }),
    { numRuns: 200 },
  );
});

test("ten thousand names are searched in bounded time", () => {
  const many = Array.from({ length: 20_000 }, (_, at) => `author-${at % 97}/model-${at}-instruct-with-a-long-name`);
  const before = performance.now();
  expect(nearestNames("author-5/model-17-instruct", many, 5).length).toBeGreaterThan(0);
  expect(performance.now() - before).toBeLessThan(1_000);
});
