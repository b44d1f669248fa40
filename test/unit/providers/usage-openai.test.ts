import fc from "fast-check";
import { expect, test } from "vitest";
import { completionTokens, NO_USAGE, promptTokens, type Usage } from "../../../src/core/usage.ts";
import { OpenAiQuirksSchema } from "../../../src/providers/openai-quirks.ts";
import { usageOf } from "../../../src/providers/usage-openai.ts";

const quirks = OpenAiQuirksSchema.parse({});
const usage = (buckets: Partial<Usage>): Usage => ({ ...NO_USAGE, ...buckets });

test.each([
  {
    name: "cached and audio tokens are taken out of the prompt, reasoning out of the completion",
    wire: {
      prompt_tokens: 100,
      completion_tokens: 50,
      total_tokens: 150,
      prompt_tokens_details: {
        cached_tokens: 60,
        audio_tokens: 10,
        image_tokens: 3,
        video_tokens: 2,
        cache_write_tokens: 20,
      },
      completion_tokens_details: { reasoning_tokens: 30, audio_tokens: 4, image_tokens: 6 },
    },
    expected: {
      inputText: 5,
      inputAudio: 10,
      inputImage: 5,
      cacheRead: 60,
      cacheWrite: 20,
      outputText: 10,
      outputReasoning: 30,
      outputAudio: 4,
      outputImage: 6,
    },
  },
  {
    name: "cache hits under their old name",
    wire: { prompt_tokens: 100, completion_tokens: 1, prompt_cache_hit_tokens: 64, prompt_cache_miss_tokens: 36 },
    expected: { inputText: 36, cacheRead: 64, outputText: 1 },
  },
  {
    name: "cached tokens beside the prompt tokens",
    wire: { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110, cached_tokens: 80 },
    expected: { inputText: 20, cacheRead: 80, outputText: 10 },
  },
  {
    name: "reasoning on top of the completion, as the total proves",
    wire: {
      prompt_tokens: 291,
      completion_tokens: 26,
      total_tokens: 513,
      completion_tokens_details: { reasoning_tokens: 196 },
    },
    expected: { inputText: 291, outputText: 26, outputReasoning: 196 },
  },
  {
    name: "more reasoning than completion can only be on top of it",
    wire: { prompt_tokens: 5, completion_tokens: 3, completion_tokens_details: { reasoning_tokens: 9 } },
    expected: { inputText: 5, outputText: 3, outputReasoning: 9 },
  },
  {
    name: "writes to the cache for an hour beside those for five minutes",
    wire: {
      prompt_tokens: 100,
      completion_tokens: 1,
      prompt_tokens_details: { cache_creation_input_tokens: 70, cache_creation: { ephemeral_1h_input_tokens: 40 } },
    },
    expected: { inputText: 30, cacheWrite: 30, cacheWrite1h: 40, outputText: 1 },
  },
  {
    name: "searches that are billed one by one",
    wire: { prompt_tokens: 1, completion_tokens: 1, num_search_queries: 3 },
    expected: { inputText: 1, outputText: 1, webSearches: 3 },
  },
  {
    name: "the names of the newer API",
    wire: { input_tokens: 7, output_tokens: 8, output_tokens_details: { reasoning_tokens: 2 } },
    expected: { inputText: 7, outputText: 6, outputReasoning: 2 },
  },
  {
    name: "a prompt that only the total tells",
    wire: { completion_tokens: 4, total_tokens: 10 },
    expected: { inputText: 6, outputText: 4 },
  },
  {
    name: "more cached tokens than prompt: cut, not counted twice",
    wire: { prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 99 } },
    expected: { cacheRead: 10, outputText: 1 },
  },
  {
    name: "negative and broken counts are none",
    wire: { prompt_tokens: -5, completion_tokens: 2.9, prompt_tokens_details: { cached_tokens: "8" } },
    expected: { outputText: 2 },
  },
])("$name", ({ wire, expected }) => {
  expect(usageOf(wire, quirks)).toEqual(usage(expected));
});

test.each([
  { name: "null", wire: null },
  { name: "a placeholder of zeros", wire: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } },
  { name: "an object without counts", wire: { queue_time: 0.1 } },
  { name: "a list", wire: [1, 2] },
])("$name is no usage", ({ wire }) => {
  expect(usageOf(wire, quirks)).toBeUndefined();
});

test("a provider that counts the cache beside the prompt is billed for both", () => {
  const beside = OpenAiQuirksSchema.parse({ prompt_includes_cache: false });
  const wire = {
    prompt_tokens: 10,
    completion_tokens: 1,
    prompt_tokens_details: { cached_tokens: 90, cache_write_tokens: 5 },
  };
  expect(usageOf(wire, beside)).toEqual(usage({ inputText: 10, cacheRead: 90, cacheWrite: 5, outputText: 1 }));
});

test("searches may be counted in a field of the provider's own", () => {
  const own = OpenAiQuirksSchema.parse({ searches_field: "num_sources_used" });
  expect(
    usageOf({ prompt_tokens: 1, completion_tokens: 1, num_sources_used: 4, num_search_queries: 9 }, own)?.webSearches,
  ).toBe(4);
});

test("the buckets always add up to the provider's totals", () => {
  const count = fc.integer({ min: 0, max: 1_000_000 });
  const wires = fc.record({
    prompt: fc.integer({ min: 1, max: 1_000_000 }),
    completion: count,
    cached: count,
    written: count,
    hour: count,
    audioIn: count,
    imageIn: count,
    reasoning: count,
    audioOut: count,
    imageOut: count,
    includes: fc.boolean(),
    onTop: fc.boolean(),
  });
  fc.assert(
    fc.property(wires, (given) => {
      const rules = OpenAiQuirksSchema.parse({
        prompt_includes_cache: given.includes,
        completion_includes_reasoning: !given.onTop,
      });
      const found = usageOf(
        {
          prompt_tokens: given.prompt,
          completion_tokens: given.completion,
          prompt_tokens_details: {
            cached_tokens: given.cached,
            cache_write_tokens: given.written,
            audio_tokens: given.audioIn,
            image_tokens: given.imageIn,
            cache_creation: { ephemeral_1h_input_tokens: given.hour },
          },
          completion_tokens_details: {
            reasoning_tokens: given.reasoning,
            audio_tokens: given.audioOut,
            image_tokens: given.imageOut,
          },
        },
        rules,
      );
      const written = Math.max(given.written, given.hour);
      const isOnTop = given.onTop || given.reasoning > given.completion;
      expect(promptTokens(found ?? NO_USAGE)).toBe(given.prompt + (given.includes ? 0 : given.cached + written));
      expect(completionTokens(found ?? NO_USAGE)).toBe(given.completion + (isOnTop ? given.reasoning : 0));
      expect(Object.values(found ?? {}).every((bucket) => bucket >= 0)).toBe(true);
    }),
    { seed: 3, numRuns: 500 },
  );
});
