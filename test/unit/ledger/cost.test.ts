import fc from "fast-check";
import { expect, test } from "vitest";
import { PICO_PER_NANO } from "../../../src/core/money.ts";
import type { Price } from "../../../src/core/price.ts";
import { completionTokens, NO_USAGE, promptTokens, type Usage, type Work } from "../../../src/core/usage.ts";
import { AFFORDABLE_TOKENS_MAX, affordableOutputTokens, costOf, worstCaseNusd } from "../../../src/ledger/cost.ts";

/** $1 and $2 per million tokens. */
const PLAIN: Price = { prompt: 1_000_000, completion: 2_000_000 };
const FULL: Price = {
  prompt: 1_000,
  completion: 2_000,
  request: 3_000,
  image: 4_000,
  image_output: 5_000,
  audio: 6_000,
  audio_output: 7_000,
  internal_reasoning: 8_000,
  input_cache_read: 9_000,
  input_cache_write: 10_000,
  input_cache_write_1h: 11_000,
  web_search: 12_000,
  image_token: 13_000,
  input_audio_cache: 14_000,
  hardware_second: 15_000,
  audio_second: 16_000,
  video_second: 17_000,
  image_made: 18_000,
  megapixel: 19_000,
  page: 20_000,
  character: 21_000,
  search_unit: 22_000,
};

test.each([
  { name: "text in and out", usage: { inputText: 1_000, outputText: 500 }, price: PLAIN, totalNusd: 2_000_000n },
  { name: "nothing used costs nothing", usage: {}, price: PLAIN, totalNusd: 0n },
  { name: "a request fee is charged once", usage: {}, price: { ...PLAIN, request: 5_000 }, totalNusd: 5n },
  {
    name: "cache reads without a price cost what the prompt costs",
    usage: { cacheRead: 10 },
    price: PLAIN,
    totalNusd: 10_000n,
  },
  {
    name: "cached audio without a price costs what other cache reads cost",
    usage: { cacheReadAudio: 10 },
    price: { ...PLAIN, input_cache_read: 100_000 },
    totalNusd: 1_000n,
  },
  {
    name: "tokens of an image may have a price of their own",
    usage: { inputImage: 10 },
    price: { ...PLAIN, image_token: 3_000_000 },
    totalNusd: 30_000n,
  },
  {
    name: "1.234 seconds of hardware at $0.001 a second",
    usage: { work: { hardwareMs: 1_234 } },
    price: { ...PLAIN, hardware_second: 1_000_000_000 },
    totalNusd: 1_234_000n,
  },
  {
    name: "a millisecond at a tenth of a cent an hour is rounded up",
    usage: { work: { hardwareMs: 1 } },
    price: { ...PLAIN, hardware_second: 278 },
    totalNusd: 1n,
  },
  {
    name: "images by the piece and by the pixel: 2 at $0.04, and 1024 x 1024 at $0.03 a megapixel",
    usage: { work: { imagesMade: 2, pixelsMade: 1_048_576 } },
    price: { ...PLAIN, image_made: 40_000_000_000, megapixel: 30_000_000_000 },
    totalNusd: 80_000_000n + 31_457_280n,
  },
  {
    name: "pages, characters, search units and seconds of sound and video",
    usage: { work: { pages: 3, characters: 100, searchUnits: 2, audioMs: 1_500, videoMs: 8_000 } },
    price: {
      ...PLAIN,
      page: 2_000_000_000,
      character: 15_000_000,
      search_unit: 2_000_000_000,
      audio_second: 100_000_000,
      video_second: 400_000_000_000,
    },
    totalNusd: 6_000_000n + 1_500_000n + 4_000_000n + 150_000n + 3_200_000_000n,
  },
  {
    name: "work without a price costs nothing beside the tokens",
    usage: { inputText: 1, work: { hardwareMs: 5_000, pages: 2 } },
    price: PLAIN,
    totalNusd: 1_000n,
  },
  {
    name: "cache writes without a price cost what the prompt costs",
    usage: { cacheWrite: 10 },
    price: PLAIN,
    totalNusd: 10_000n,
  },
  {
    name: "hour writes fall back to cache writes",
    usage: { cacheWrite1h: 10 },
    price: { ...PLAIN, input_cache_write: 1_250_000 },
    totalNusd: 12_500n,
  },
  {
    name: "hour writes without any write price cost what the prompt costs",
    usage: { cacheWrite1h: 10 },
    price: PLAIN,
    totalNusd: 10_000n,
  },
  {
    name: "reasoning without a price costs what the completion costs",
    usage: { outputReasoning: 10 },
    price: PLAIN,
    totalNusd: 20_000n,
  },
  {
    name: "input audio without a price costs what the prompt costs",
    usage: { inputAudio: 10 },
    price: PLAIN,
    totalNusd: 10_000n,
  },
  {
    name: "output audio and images without a price cost what the completion costs",
    usage: { outputAudio: 5, outputImage: 5 },
    price: PLAIN,
    totalNusd: 20_000n,
  },
  {
    name: "input image tokens cost what the prompt costs",
    usage: { inputImage: 10 },
    price: PLAIN,
    totalNusd: 10_000n,
  },
  {
    name: "one token of a tenth of a nano-dollar is rounded up",
    usage: { inputText: 1 },
    price: { prompt: 100, completion: 0 },
    totalNusd: 1n,
  },
  {
    name: "rounding happens once, not per bucket",
    usage: { inputText: 1, outputText: 1, cacheRead: 1 },
    price: { prompt: 300, completion: 300 },
    totalNusd: 1n,
  },
])("$name", ({ usage, price, totalNusd }) => {
  expect(costOf({ ...NO_USAGE, ...usage }, price).totalNusd).toBe(totalNusd);
});

test("every bucket has its own price", () => {
  const one: Usage = {
    inputText: 1,
    inputAudio: 1,
    inputImage: 1,
    cacheRead: 1,
    cacheWrite: 1,
    cacheWrite1h: 1,
    outputText: 1,
    outputReasoning: 1,
    outputAudio: 1,
    outputImage: 1,
    webSearches: 1,
    cacheReadAudio: 1,
    work: {
      hardwareMs: 1_000,
      audioMs: 1_000,
      videoMs: 1_000,
      imagesMade: 1,
      pixelsMade: 1_000_000,
      pages: 1,
      characters: 1,
      searchUnits: 1,
    },
  };
  // Each key of FULL once, one image and the request among them: 1 + 2 + ... + 22.
  expect(costOf(one, FULL, 1).totalNusd).toBe(253n);
});

test("a long prompt has the override's price only beyond its threshold, later overrides win per key", () => {
  const price: Price = {
    ...PLAIN,
    overrides: [
      { min_prompt_tokens: 100, prompt: 2_000_000, completion: 4_000_000 },
      { min_prompt_tokens: 200, prompt: 3_000_000, completion: undefined },
    ],
  };
  const costAt = (inputText: number) => costOf({ ...NO_USAGE, inputText, outputText: 1 }, price).totalNusd;
  expect(costAt(100)).toBe(102_000n);
  expect(costAt(101)).toBe(206_000n);
  expect(costAt(201)).toBe(607_000n);
});

test("the threshold counts every token of the prompt, cached ones too", () => {
  const price: Price = { ...PLAIN, overrides: [{ min_prompt_tokens: 100, prompt: 2_000_000 }] };
  expect(costOf({ ...NO_USAGE, inputText: 1, cacheRead: 100 }, price).totalNusd).toBe(202_000n);
});

const tokens = fc.nat({ max: 10_000_000 });
const pico = fc.nat({ max: 100_000_000_000 });
const maybePico = fc.option(pico, { nil: undefined });
const prices: fc.Arbitrary<Price> = fc.record({
  prompt: pico,
  completion: pico,
  request: maybePico,
  image: maybePico,
  image_output: maybePico,
  audio: maybePico,
  audio_output: maybePico,
  internal_reasoning: maybePico,
  input_cache_read: maybePico,
  input_cache_write: maybePico,
  input_cache_write_1h: maybePico,
  web_search: maybePico,
  image_token: maybePico,
  input_audio_cache: maybePico,
  hardware_second: maybePico,
  audio_second: maybePico,
  video_second: maybePico,
  image_made: maybePico,
  megapixel: maybePico,
  page: maybePico,
  character: maybePico,
  search_unit: maybePico,
  overrides: fc.option(
    fc.array(
      fc.record({
        min_prompt_tokens: fc.integer({ min: 1, max: 1_000_000 }),
        prompt: maybePico,
        completion: maybePico,
      }),
      { maxLength: 3 },
    ),
    { nil: undefined },
  ),
});
const units = fc.option(fc.nat({ max: 10_000_000 }), { nil: undefined });
const works: fc.Arbitrary<Work> = fc.record({
  hardwareMs: units,
  audioMs: units,
  videoMs: units,
  imagesMade: units,
  pixelsMade: units,
  pages: units,
  characters: units,
  searchUnits: units,
});
const usages: fc.Arbitrary<Usage> = fc.record({
  inputText: tokens,
  inputAudio: tokens,
  inputImage: tokens,
  cacheRead: tokens,
  cacheWrite: tokens,
  cacheWrite1h: tokens,
  outputText: tokens,
  outputReasoning: tokens,
  outputAudio: tokens,
  outputImage: tokens,
  webSearches: fc.nat({ max: 20 }),
  cacheReadAudio: fc.option(tokens, { nil: undefined }),
  work: fc.option(works, { nil: undefined }),
});
const RUNS = { numRuns: 300 };

test("the total is the exact cost rounded up once, and the shares add up to it", () => {
  fc.assert(
    fc.property(usages, prices, fc.nat({ max: 20 }), (usage, price, images) => {
      const { totalPusd, totalNusd, promptNusd, completionNusd } = costOf(usage, price, images);
      expect(totalNusd * PICO_PER_NANO >= totalPusd).toBe(true);
      expect((totalNusd - 1n) * PICO_PER_NANO < totalPusd).toBe(true);
      expect(promptNusd + completionNusd).toBe(totalNusd);
      expect(promptNusd >= 0n && completionNusd >= 0n).toBe(true);
    }),
    RUNS,
  );
});

test("one more token of any output never makes an answer cheaper", () => {
  const outputs = ["outputText", "outputReasoning", "outputAudio", "outputImage", "webSearches"] as const;
  fc.assert(
    fc.property(usages, prices, fc.constantFrom(...outputs), (usage, price, bucket) => {
      const more = costOf({ ...usage, [bucket]: usage[bucket] + 1 }, price).totalPusd;
      expect(more >= costOf(usage, price).totalPusd).toBe(true);
    }),
    RUNS,
  );
});

test("the worst case covers every plain answer within its bounds and never falls when a count rises", () => {
  fc.assert(
    fc.property(
      prices,
      tokens,
      tokens,
      fc.nat({ max: 20 }),
      fc.nat({ max: 100 }),
      (price, prompt, output, images, percent) => {
        const worst = worstCaseNusd(prompt, output, images, price);
        const used = Math.floor((prompt * percent) / 100);
        const usage = {
          ...NO_USAGE,
          inputText: used,
          cacheRead: prompt - used,
          outputText: Math.floor((output * percent) / 100),
        };
        expect(costOf(usage, price, images).totalNusd <= worst).toBe(true);
        expect(worstCaseNusd(prompt + 1, output, images, price) >= worst).toBe(true);
        expect(worstCaseNusd(prompt, output + 1, images, price) >= worst).toBe(true);
      },
    ),
    RUNS,
  );
});

test("with work, milliseconds and pixels too, the cost is the exact fraction rounded up once", () => {
  fc.assert(
    fc.property(works, prices, (work, price) => {
      const rate = (key: keyof Price): bigint => BigInt(typeof price[key] === "number" ? price[key] : 0);
      const by = (count: number | undefined, key: keyof Price): bigint => BigInt(count ?? 0) * rate(key);
      // In 1e-18 USD.
      const exact =
        (by(work.hardwareMs, "hardware_second") + by(work.audioMs, "audio_second") + by(work.videoMs, "video_second")) *
          1_000n +
        by(work.pixelsMade, "megapixel") +
        (by(work.imagesMade, "image_made") +
          by(work.pages, "page") +
          by(work.characters, "character") +
          by(work.searchUnits, "search_unit") +
          rate("request")) *
          1_000_000n;
      const { totalNusd } = costOf({ ...NO_USAGE, work }, { ...price, overrides: undefined });
      expect(totalNusd).toBe((exact + 999_999_999n) / 1_000_000_000n);
    }),
    RUNS,
  );
});

test("the buckets are disjoint: prompt and completion are their sums, work is in neither", () => {
  fc.assert(
    fc.property(usages, (usage) => {
      const { webSearches: _searches, work: _work, ...buckets } = usage;
      const sum = Object.values(buckets).reduce<number>((total, count) => total + (count ?? 0), 0);
      expect(promptTokens(usage) + completionTokens(usage)).toBe(sum);
    }),
    RUNS,
  );
});

test("the worst case covers the work that it names", () => {
  fc.assert(
    fc.property(works, prices, tokens, (work, price, prompt) => {
      const worst = worstCaseNusd(prompt, 0, 0, price, { work });
      expect(costOf({ ...NO_USAGE, inputText: prompt, work }, price).totalNusd <= worst).toBe(true);
    }),
    RUNS,
  );
});

test("the affordable tokens are the most that the hold covers", () => {
  fc.assert(
    fc.property(prices, tokens, fc.bigInt({ min: 0n, max: 10_000_000_000n }), (price, prompt, holdNusd) => {
      const affordable = affordableOutputTokens(holdNusd, prompt, price);
      if (worstCaseNusd(prompt, 0, 0, price) > holdNusd) expect(affordable).toBe(0);
      else if (affordable !== AFFORDABLE_TOKENS_MAX) {
        expect(worstCaseNusd(prompt, affordable, 0, price) <= holdNusd).toBe(true);
        expect(worstCaseNusd(prompt, affordable + 1, 0, price) > holdNusd).toBe(true);
      }
    }),
    RUNS,
  );
});

test("output that costs nothing is always affordable once the prompt is", () => {
  expect(affordableOutputTokens(1n, 1, { prompt: 1_000, completion: 0 })).toBe(AFFORDABLE_TOKENS_MAX);
  expect(affordableOutputTokens(0n, 1, { prompt: 1_000, completion: 0 })).toBe(0);
});

test("features raise the worst case to the dearest rate that they may bring", () => {
  const worst = (features: Parameters<typeof worstCaseNusd>[4]) => worstCaseNusd(10, 10, 0, FULL, features);
  // Dearest plain input is a cache write (10), dearest plain output is reasoning (8), plus the request (3).
  expect(worst({})).toBe(183n);
  expect(worst({ writesCache1h: true })).toBe(193n);
  expect(worst({ webSearchesMax: 2 })).toBe(207n);
});

test("a negative or broken count is a bug, not a price", () => {
  expect(() => costOf({ ...NO_USAGE, inputText: -1 }, PLAIN)).toThrow(/whole number/);
  expect(() => costOf({ ...NO_USAGE, inputText: 1.5 }, PLAIN)).toThrow(/whole number/);
});
