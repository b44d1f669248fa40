/**
 * Costs that somebody else has worked out, and costs worked out by hand from published price rows, to the nano-dollar.
 * `published` is the figure as the provider's page shows it: where that is rounded, the exact cost rounds to it.
 * Prices are USD per million tokens, or per unit, as of November 2026.
 */
import { describe, expect, test } from "vitest";
import { formatUsd, PICO_PER_NANO, type NanoUsd } from "../../../src/core/money.ts";
import { priceAtTime, type ListedPrice, type Price, type PriceName } from "../../../src/core/price.ts";
import { NO_USAGE, type Usage } from "../../../src/core/usage.ts";
import { costOf } from "../../../src/ledger/cost.ts";

const PER_TOKEN: ReadonlySet<PriceName> = new Set([
  "prompt",
  "completion",
  "image_token",
  "image_output",
  "audio",
  "audio_output",
  "input_audio_cache",
  "internal_reasoning",
  "input_cache_read",
  "input_cache_write",
  "input_cache_write_1h",
]);

type Usd = { readonly [name in PriceName]?: number };

/** USD as pages write them (per million tokens, else per unit) as pico-dollars. */
function keysOf(usd: Usd): { readonly [name in PriceName]?: number } {
  const entries = Object.entries(usd) as [PriceName, number][]; // the names are those of `usd`
  return Object.fromEntries(
    entries.map(([name, value]) => [name, Math.round(value * (PER_TOKEN.has(name) ? 1e6 : 1e12))]),
  );
}

const priceOf = (usd: Usd): Price => ({ prompt: 0, completion: 0, ...keysOf(usd) });

function costNusd(usage: Partial<Usage>, price: Price, images = 0): NanoUsd {
  const { totalNusd, totalPusd } = costOf({ ...NO_USAGE, ...usage }, price, images);
  // None of these leaves a part of a nano-dollar, so nothing hides in the rounding.
  expect(totalNusd * PICO_PER_NANO).toBe(totalPusd);
  return totalNusd;
}

const CLAUDE = "https://platform.claude.com/docs/en/about-claude/pricing";
const GEMINI = "https://ai.google.dev/gemini-api/docs/pricing";
const GPT_IMAGE = "https://developers.openai.com/api/docs/guides/image-generation (calculating costs)";
/** 25 tokens of sound are a second (the same page). */
const MINUTE_OF_AUDIO = 25 * 60;

interface Example {
  readonly name: string;
  readonly source: string;
  readonly usd: Usd;
  readonly usage: Partial<Usage>;
  /** As the page shows it, in dollars. */
  readonly published: string;
  readonly exact: NanoUsd;
}

const PUBLISHED: readonly Example[] = [
  {
    name: "a session of an hour: 50,000 x $5 + 15,000 x $25, and $0.08 for the session",
    source: `${CLAUDE} (worked example)`,
    usd: { prompt: 5, completion: 25, request: 0.08 },
    usage: { inputText: 50_000, outputText: 15_000 },
    published: "0.705",
    exact: 705_000_000n,
  },
  {
    name: "the same with 40,000 tokens read from the cache, at a tenth",
    source: `${CLAUDE} (worked example)`,
    usd: { prompt: 5, input_cache_read: 0.5, completion: 25, request: 0.08 },
    usage: { inputText: 10_000, cacheRead: 40_000, outputText: 15_000 },
    published: "0.525",
    exact: 525_000_000n,
  },
  {
    name: "10,000 support tickets of 3,700 tokens",
    source: `${CLAUDE} (customer support agent)`,
    usd: { prompt: 1, completion: 5 },
    usage: { inputText: 10_000 * 3_700 },
    published: "37.00",
    exact: 37_000_000_000n,
  },
  {
    name: "an image of 1092 x 1092 pixels, 1,590 tokens",
    source: "https://platform.claude.com/docs/en/build-with-claude/vision (cost per image at $3)",
    usd: { prompt: 3, completion: 15 },
    usage: { inputImage: 1_590 },
    published: "0.0048",
    exact: 4_770_000n,
  },
  {
    name: "an image of 1000 x 1000 pixels, 1,334 tokens",
    source: "https://platform.claude.com/docs/en/build-with-claude/vision (cost per image at $3)",
    usd: { prompt: 3, completion: 15 },
    usage: { inputImage: 1_334 },
    published: "0.004",
    exact: 4_002_000n,
  },
  {
    name: "a picture up to 1024 x 1024, 1,290 tokens of output at $30",
    source: `${GEMINI} (Gemini 2.5 Flash Image)`,
    usd: { prompt: 0.3, completion: 2.5, image_output: 30 },
    usage: { outputImage: 1_290 },
    published: "0.039",
    exact: 38_700_000n,
  },
  {
    name: "a picture of 1K or 2K, 1,120 tokens of output at $120",
    source: `${GEMINI} (Gemini 3 Pro Image)`,
    usd: { prompt: 2, completion: 12, image_output: 120 },
    usage: { outputImage: 1_120 },
    published: "0.134",
    exact: 134_400_000n,
  },
  {
    name: "a picture of 4K, 2,000 tokens of output at $120",
    source: `${GEMINI} (Gemini 3 Pro Image)`,
    usd: { prompt: 2, completion: 12, image_output: 120 },
    usage: { outputImage: 2_000 },
    published: "0.24",
    exact: 240_000_000n,
  },
  {
    name: "an image to look at, 560 tokens of input at $2",
    source: `${GEMINI} (Gemini 3 Pro Image)`,
    usd: { prompt: 2, completion: 12, image_output: 120 },
    usage: { inputImage: 560 },
    published: "0.0011",
    exact: 1_120_000n,
  },
  {
    name: "a picture of 1K, 1,120 tokens of output at $30",
    source: `${GEMINI} (Gemini 3.1 Flash-Lite Image)`,
    usd: { prompt: 0.25, completion: 1.5, image_output: 30 },
    usage: { outputImage: 1_120 },
    published: "0.0336",
    exact: 33_600_000n,
  },
  {
    name: "a minute of speech heard at $3.50",
    source: `${GEMINI} (Gemini 3.5 Live Translate)`,
    usd: { audio: 3.5, audio_output: 21 },
    usage: { inputAudio: MINUTE_OF_AUDIO },
    published: "0.0053",
    exact: 5_250_000n,
  },
  {
    name: "a minute of speech said at $21",
    source: `${GEMINI} (Gemini 3.5 Live Translate)`,
    usd: { audio: 3.5, audio_output: 21 },
    usage: { outputAudio: MINUTE_OF_AUDIO },
    published: "0.0315",
    exact: 31_500_000n,
  },
  {
    name: "a minute heard and said again",
    source: `${GEMINI} (Gemini 3.5 Live Translate)`,
    usd: { audio: 3.5, audio_output: 21 },
    usage: { inputAudio: MINUTE_OF_AUDIO, outputAudio: MINUTE_OF_AUDIO },
    published: "0.0368",
    exact: 36_750_000n,
  },
  {
    name: "a minute of speech said at $12",
    source: `${GEMINI} (Gemini 3.1 Flash Live)`,
    usd: { prompt: 0.75, completion: 4.5, audio: 3, audio_output: 12 },
    usage: { outputAudio: MINUTE_OF_AUDIO },
    published: "0.018",
    exact: 18_000_000n,
  },
  {
    name: "a square picture of low quality, 272 tokens at $40",
    source: GPT_IMAGE,
    usd: { prompt: 5, completion: 0, image_token: 10, image_output: 40 },
    usage: { outputImage: 272 },
    published: "0.011",
    exact: 10_880_000n,
  },
  {
    name: "a square picture of medium quality, 1,056 tokens at $40",
    source: GPT_IMAGE,
    usd: { prompt: 5, completion: 0, image_token: 10, image_output: 40 },
    usage: { outputImage: 1_056 },
    published: "0.042",
    exact: 42_240_000n,
  },
  {
    name: "30 searches at $5 per thousand",
    source: "https://openrouter.ai/perplexity/sonar-deep-research (notes on pricing)",
    usd: { prompt: 2, completion: 8, web_search: 0.005 },
    usage: { webSearches: 30 },
    published: "0.15",
    exact: 150_000_000n,
  },
];

describe("examples that providers publish", () => {
  test("there are at least twelve", () => {
    expect(PUBLISHED.length).toBeGreaterThanOrEqual(12);
  });

  test.each(PUBLISHED)("$name: $published ($source)", ({ usd, usage, published, exact }) => {
    const cost = costNusd(usage, priceOf(usd));
    expect(cost).toBe(exact);
    const digits = published.split(".")[1]?.length ?? 0;
    expect(roundedTo(cost, digits)).toBe(published);
  });
});

/** Half up, in integers. */
function roundedTo(amountNusd: NanoUsd, digits: number): string {
  const unit = 10n ** BigInt(9 - digits);
  const rounded = ((amountNusd + unit / 2n) / unit) * unit;
  const [whole = "", fraction = ""] = formatUsd(rounded).split(".");
  return digits === 0 ? whole : `${whole}.${fraction.padEnd(digits, "0")}`;
}

interface ByHand {
  readonly name: string;
  /** The published row. */
  readonly source: string;
  readonly price: Price;
  readonly usage: Partial<Usage>;
  readonly images?: number;
  /** Nano-dollars: USD per million tokens are thousands of nano-dollars per thousand tokens, so 1 token at $1 is 1,000. */
  readonly arithmetic: readonly (readonly [number, number])[];
  readonly exact: NanoUsd;
}

const SONNET: Price = {
  ...priceOf({ prompt: 3, completion: 15, input_cache_read: 0.3, input_cache_write: 3.75, input_cache_write_1h: 6 }),
  overrides: [
    {
      min_prompt_tokens: 200_000,
      ...keysOf({
        prompt: 6,
        completion: 22.5,
        input_cache_read: 0.6,
        input_cache_write: 7.5,
        input_cache_write_1h: 12,
      }),
    },
  ],
};
const SONNET_ROW = "claude-sonnet-4.5: 3 / 3.75 / 6 / 0.30 / 15; beyond 200K 6 / 7.50 / 12 / 0.60 / 22.50";
const GEMINI_PRO: Price = {
  ...priceOf({ prompt: 1.25, completion: 10, input_cache_read: 0.125 }),
  overrides: [{ min_prompt_tokens: 200_000, ...keysOf({ prompt: 2.5, completion: 15, input_cache_read: 0.25 }) }],
};
const GEMINI_PRO_ROW = `${GEMINI} gemini-2.5-pro: 1.25 / 10, cached 0.125; beyond 200K 2.50 / 15, cached 0.25`;
const GPT_56: Price = {
  ...priceOf({ prompt: 5, completion: 30, input_cache_read: 0.5, input_cache_write: 6.25 }),
  overrides: [
    {
      min_prompt_tokens: 272_000,
      ...keysOf({ prompt: 10, completion: 45, input_cache_read: 1, input_cache_write: 12.5 }),
    },
  ],
};
const GPT_56_ROW =
  "developers.openai.com/api/docs/pricing gpt-5.6-sol: 5 / 0.50 / 6.25 / 30; beyond 272K 10 / 1 / 12.50 / 45";
const FLASH = priceOf({ prompt: 0.3, completion: 2.5, audio: 1, input_cache_read: 0.03, input_audio_cache: 0.1 });
const FLASH_ROW = `${GEMINI} gemini-2.5-flash: 0.30, audio 1, cached 0.03, cached audio 0.10 / 2.50`;
const REALTIME = priceOf({
  prompt: 4,
  completion: 24,
  input_cache_read: 0.4,
  image_token: 5,
  audio: 32,
  input_audio_cache: 0.4,
  audio_output: 64,
});
const REALTIME_ROW =
  "developers.openai.com/api/docs/pricing gpt-realtime-2.1: text 4 / 0.40 / 24, audio 32 / 0.40 / 64, image 5";
const SONAR = priceOf({ prompt: 2, completion: 8, internal_reasoning: 3, web_search: 0.005 });
const SONAR_ROW =
  "https://docs.perplexity.ai/getting-started/pricing sonar-deep-research: 2 / 8, reasoning 3, $5 per 1K searches";
const V4_PRO: ListedPrice = {
  ...priceOf({ prompt: 0.66, input_cache_read: 0.022, completion: 1.98 }),
  overrides: [
    { utc_start: 100, utc_end: 400, ...keysOf({ prompt: 1.32, input_cache_read: 0.044, completion: 3.96 }) },
    { utc_start: 600, utc_end: 1000, ...keysOf({ prompt: 1.32, input_cache_read: 0.044, completion: 3.96 }) },
  ],
};
const V4_ROW =
  "https://api-docs.deepseek.com/quick_start/pricing deepseek-v4-pro: 0.66 / 0.022 / 1.98; 01-04 and 06-10 UTC twice that";
const at = (time: string): Price => priceAtTime(V4_PRO, Date.parse(`2026-11-21T${time}Z`));

const BY_HAND: readonly ByHand[] = [
  {
    name: "a cache that is written for five minutes",
    source: SONNET_ROW,
    price: SONNET,
    usage: { inputText: 21, cacheWrite: 188_086, outputText: 393 },
    arithmetic: [
      [21, 3_000],
      [188_086, 3_750],
      [393, 15_000],
    ],
    exact: 711_280_500n,
  },
  {
    name: "the same cache read",
    source: SONNET_ROW,
    price: SONNET,
    usage: { inputText: 21, cacheRead: 188_086, outputText: 393 },
    arithmetic: [
      [21, 3_000],
      [188_086, 300],
      [393, 15_000],
    ],
    exact: 62_383_800n,
  },
  {
    name: "a cache that is written for an hour, beside one for five minutes",
    source: SONNET_ROW,
    price: SONNET,
    usage: { inputText: 2_048, cacheRead: 1_800, cacheWrite: 148, cacheWrite1h: 100, outputText: 503 },
    arithmetic: [
      [2_048, 3_000],
      [1_800, 300],
      [148, 3_750],
      [100, 6_000],
      [503, 15_000],
    ],
    exact: 15_384_000n,
  },
  {
    name: "a long prompt of which most is cached: the whole of it counts for the threshold",
    source: SONNET_ROW,
    price: SONNET,
    usage: { inputText: 1_000, cacheRead: 199_001, outputText: 1_000 },
    arithmetic: [
      [1_000, 6_000],
      [199_001, 600],
      [1_000, 22_500],
    ],
    exact: 147_900_600n,
  },
  {
    name: "the last prompt at the short price",
    source: SONNET_ROW,
    price: SONNET,
    usage: { inputText: 1_000, cacheRead: 199_000, outputText: 1_000 },
    arithmetic: [
      [1_000, 3_000],
      [199_000, 300],
      [1_000, 15_000],
    ],
    exact: 77_700_000n,
  },
  {
    name: "a search during an answer, with the cache written and read",
    source: `${CLAUDE} web search $10 per 1,000; usage as that page shows it; ${SONNET_ROW}`,
    price: { ...SONNET, web_search: 10_000_000_000 },
    usage: { inputText: 105, cacheRead: 7_123, cacheWrite: 7_345, outputText: 6_039, webSearches: 1 },
    arithmetic: [
      [105, 3_000],
      [7_123, 300],
      [7_345, 3_750],
      [6_039, 15_000],
      [1, 10_000_000],
    ],
    exact: 130_580_650n,
  },
  {
    name: "a prompt of exactly 200,000 tokens",
    source: GEMINI_PRO_ROW,
    price: GEMINI_PRO,
    usage: { inputText: 200_000, outputText: 1_000 },
    arithmetic: [
      [200_000, 1_250],
      [1_000, 10_000],
    ],
    exact: 260_000_000n,
  },
  {
    name: "one token more",
    source: GEMINI_PRO_ROW,
    price: GEMINI_PRO,
    usage: { inputText: 200_001, outputText: 1_000 },
    arithmetic: [
      [200_001, 2_500],
      [1_000, 15_000],
    ],
    exact: 515_002_500n,
  },
  {
    name: "thinking costs what text costs where it has no price of its own",
    source: GEMINI_PRO_ROW,
    price: GEMINI_PRO,
    usage: { inputText: 1_234, outputReasoning: 5_678, outputText: 910 },
    arithmetic: [
      [1_234, 1_250],
      [5_678, 10_000],
      [910, 10_000],
    ],
    exact: 67_422_500n,
  },
  {
    name: "cached and long at once",
    source: GEMINI_PRO_ROW,
    price: GEMINI_PRO,
    usage: { inputText: 50_000, cacheRead: 400_000, outputText: 2_000 },
    arithmetic: [
      [50_000, 2_500],
      [400_000, 250],
      [2_000, 15_000],
    ],
    exact: 255_000_000n,
  },
  {
    name: "a cache written implicitly, a long context with reasoning",
    source: GPT_56_ROW,
    price: GPT_56,
    usage: { inputText: 2_000, cacheRead: 270_000, cacheWrite: 4_096, outputReasoning: 3_000, outputText: 500 },
    arithmetic: [
      [2_000, 10_000],
      [270_000, 1_000],
      [4_096, 12_500],
      [3_000, 45_000],
      [500, 45_000],
    ],
    exact: 498_700_000n,
  },
  {
    name: "the same just below the threshold",
    source: GPT_56_ROW,
    price: GPT_56,
    usage: { inputText: 2_000, cacheRead: 265_904, cacheWrite: 4_096, outputReasoning: 3_000, outputText: 500 },
    arithmetic: [
      [2_000, 5_000],
      [265_904, 500],
      [4_096, 6_250],
      [3_000, 30_000],
      [500, 30_000],
    ],
    exact: 273_552_000n,
  },
  {
    name: "text, an image and speech of one prompt, each at its price",
    source: FLASH_ROW,
    price: FLASH,
    usage: { inputText: 800, inputImage: 258, inputAudio: 1_920, outputText: 300 },
    arithmetic: [
      [800, 300],
      [258, 300],
      [1_920, 1_000],
      [300, 2_500],
    ],
    exact: 2_987_400n,
  },
  {
    name: "cached text and cached speech",
    source: FLASH_ROW,
    price: FLASH,
    usage: { inputText: 100, cacheRead: 10_000, cacheReadAudio: 19_200, outputText: 40 },
    arithmetic: [
      [100, 300],
      [10_000, 30],
      [19_200, 100],
      [40, 2_500],
    ],
    exact: 2_350_000n,
  },
  {
    name: "a spoken turn: speech, its cached past, an image, and speech back",
    source: REALTIME_ROW,
    price: REALTIME,
    usage: {
      inputText: 119,
      cacheRead: 64,
      inputImage: 765,
      inputAudio: 300,
      cacheReadAudio: 1_280,
      outputText: 47,
      outputAudio: 602,
    },
    arithmetic: [
      [119, 4_000],
      [64, 400],
      [765, 5_000],
      [300, 32_000],
      [1_280, 400],
      [47, 24_000],
      [602, 64_000],
    ],
    exact: 54_094_600n,
  },
  {
    name: "reasoning at a price of its own, and searches",
    source: SONAR_ROW,
    price: SONAR,
    usage: { inputText: 33 + 20_016, outputText: 7_163, outputReasoning: 73_997, webSearches: 18 },
    arithmetic: [
      [20_049, 2_000],
      [7_163, 8_000],
      [73_997, 3_000],
      [18, 5_000_000],
    ],
    exact: 409_393_000n,
  },
  {
    name: "at the dear hours",
    source: V4_ROW,
    price: at("03:59:59"),
    usage: { inputText: 12_000, cacheRead: 88_000, outputText: 2_500 },
    arithmetic: [
      [12_000, 1_320],
      [88_000, 44],
      [2_500, 3_960],
    ],
    exact: 29_612_000n,
  },
  {
    name: "the same request a second later",
    source: V4_ROW,
    price: at("04:00:00"),
    usage: { inputText: 12_000, cacheRead: 88_000, outputText: 2_500 },
    arithmetic: [
      [12_000, 660],
      [88_000, 22],
      [2_500, 1_980],
    ],
    exact: 14_806_000n,
  },
  {
    name: "12.5 seconds on an A100 with 80 GB",
    source: "https://replicate.com/pricing gpu-a100-large: $0.001400 a second",
    price: priceOf({ hardware_second: 0.0014 }),
    usage: { work: { hardwareMs: 12_500 } },
    // A millisecond is 1,400 nano-dollars.
    arithmetic: [[12_500, 1_400]],
    exact: 17_500_000n,
  },
  {
    name: "29 pages of a document",
    source: "https://mistral.ai/products/mistral-ocr: $1 per 1,000 pages",
    price: priceOf({ page: 0.001 }),
    usage: { work: { pages: 29 } },
    arithmetic: [[29, 1_000_000]],
    exact: 29_000_000n,
  },
  {
    name: "1,234 characters spoken",
    source: "https://developers.openai.com/api/docs/pricing tts-1: $15 per million characters",
    price: priceOf({ character: 0.000015 }),
    usage: { work: { characters: 1_234 } },
    arithmetic: [[1_234, 15_000]],
    exact: 18_510_000n,
  },
  {
    name: "two images by the piece beside their tokens, and a fee for the request",
    source: "a row of our own with every fee: 0.80 / 1.60, image $0.0012, request $0.0005",
    price: priceOf({ prompt: 0.8, completion: 1.6, image: 0.0012, request: 0.0005 }),
    usage: { inputText: 500, inputImage: 1_536, outputText: 200 },
    images: 2,
    arithmetic: [
      [500, 800],
      [1_536, 800],
      [200, 1_600],
      [2, 1_200_000],
      [1, 500_000],
    ],
    exact: 4_848_800n,
  },
];

describe("costs by hand from published rows", () => {
  test("there are at least eighteen", () => {
    expect(BY_HAND.length).toBeGreaterThanOrEqual(18);
  });

  test.each(BY_HAND)("$name ($source)", ({ price, usage, images = 0, arithmetic, exact }) => {
    // The steps add up to the result that was written down, and the code says the same.
    expect(arithmetic.reduce((sum, [count, each]) => sum + BigInt(count) * BigInt(each), 0n)).toBe(exact);
    expect(costNusd(usage, price, images)).toBe(exact);
  });
});
