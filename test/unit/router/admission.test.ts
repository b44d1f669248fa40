/** What a request may cost at most, and what a client hears when the account cannot cover it. */
import { expect, test } from "vitest";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { faceOf } from "../../../src/http/respond.ts";
import { askedAmounts, clampTo, coverOf, holdWayOf, needOf, shortError } from "../../../src/router/admission.ts";
import { plan } from "../../../src/router/plan.ts";
import { entryOf, inputOf } from "./world.ts";

const PROMPT_TOKENS = 1_000;
/** Pico-dollars per token. */
const PRICE = {
  prompt: 1_000,
  completion: 2_000,
  input_cache_write: 1_250,
  input_cache_write_1h: 3_000,
  audio: 5_000,
  image_output: 40_000,
};

function needFor(change: object, model: Record<string, unknown> = {}) {
  const parsed = openAiChat.parse({
    model: "a/b",
    max_tokens: 100,
    messages: [{ role: "user", content: "hi" }],
    ...change,
  });
  if (!parsed.ok) throw new Error("the request is not one");
  const entry = entryOf("a/b", [{ tag: "acme", endpoint: { price: PRICE } }], model);
  const { candidates } = plan(inputOf([entry]));
  return { need: needOf(parsed.value.request, candidates, PROMPT_TOKENS), request: parsed.value.request };
}

const sound = { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } };
test.each([
  { name: "a plain request", given: {}, model: {}, perPrompt: 1_250, perOutput: 2_000 },
  {
    name: "a cache write for an hour",
    given: { cache_control: { type: "ephemeral", ttl: "1h" } },
    model: {},
    perPrompt: 3_000,
    perOutput: 2_000,
  },
  {
    name: "a cache write for an hour in a part",
    given: {
      messages: [
        { role: "user", content: [{ type: "text", text: "x", cache_control: { type: "ephemeral", ttl: "1h" } }] },
      ],
    },
    model: {},
    perPrompt: 3_000,
    perOutput: 2_000,
  },
  {
    name: "sound in the prompt",
    given: { messages: [{ role: "user", content: [sound] }] },
    model: {},
    perPrompt: 5_000,
    perOutput: 2_000,
  },
  {
    name: "a model that may give pictures",
    given: {},
    model: { output_modalities: ["text", "image"] },
    perPrompt: 1_250,
    perOutput: 40_000,
  },
  {
    name: "a model that gives pictures, asked for text alone",
    given: { modalities: ["text"] },
    model: { output_modalities: ["text", "image"] },
    perPrompt: 1_250,
    perOutput: 2_000,
  },
])("$name is held for at its dearest rates", ({ given, model, perPrompt, perOutput }) => {
  const { need } = needFor(given, model);
  expect(need.wantedNusd).toBe(BigInt(PROMPT_TOKENS * perPrompt + 100 * perOutput) / 1_000n);
  expect(need.minimumNusd).toBe(BigInt(PROMPT_TOKENS * perPrompt + perOutput) / 1_000n);
});

test("where hardware is paid by the second, all that a generation may take is held for", () => {
  const price = { prompt: 0, completion: 0, hardware_second: 1_400_000_000 };
  const { candidates } = plan(inputOf([entryOf("a/b", [{ tag: "acme", endpoint: { price } }])]));
  const { request } = needFor({});
  // 900 seconds at $0.0014.
  for (const way of ["whole", "steps"] as const) {
    expect(needOf(request, candidates, PROMPT_TOKENS, way).minimumNusd).toBe(1_260_000_000n);
  }
});

test("a hold that is not whole cuts the output to what it covers", () => {
  const { need, request } = needFor({});
  expect(clampTo(request, need, need.wantedNusd, PROMPT_TOKENS)).toBe(null);
  expect(clampTo(request, need, need.wantedNusd - 100n, PROMPT_TOKENS)?.maxOutputTokens).toBe(50);
});

const STREAM = { stream: true, max_tokens: 50_000 };
const REASONS = { endpoint: { price: PRICE, supported_parameters: ["max_tokens", "reasoning"] } };

test.each([
  { name: "a stream of text", given: STREAM, way: "steps" },
  { name: "an answer in one piece", given: { max_tokens: 50_000 }, way: "whole" },
  { name: "a stream that must not be cut", given: STREAM, refusesClamp: true, way: "whole" },
  { name: "a model that may reason unseen", given: STREAM, wish: REASONS, way: "whole" },
  {
    name: "a model that is told not to reason",
    given: { ...STREAM, reasoning: { enabled: false } },
    wish: REASONS,
    way: "steps",
  },
  { name: "a model that always reasons", given: STREAM, model: { reasoning_mandatory: true }, way: "whole" },
  {
    name: "a model that may give pictures",
    given: STREAM,
    model: { output_modalities: ["text", "image"] },
    way: "whole",
  },
  {
    name: "a model that gives pictures, asked for text alone",
    given: { ...STREAM, modalities: ["text"] },
    model: { output_modalities: ["text", "image"] },
    way: "steps",
  },
])("$name is held for: $way", ({ given, model = {}, wish = { endpoint: {} }, refusesClamp = false, way }) => {
  const { request } = needFor(given);
  const { candidates } = plan(inputOf([entryOf("a/b", [{ tag: "acme", ...wish }], model)]));
  expect(holdWayOf(request, candidates, refusesClamp)).toBe(way);
});

/** A prompt of 1,000 tokens at 1.25 and output at 2 nano-dollars a token. */
const worst = (tokens: number): bigint => BigInt(1_250 + 2 * tokens);

test.each([
  { name: "a limited answer", given: { max_tokens: 5_000 }, wanted: 5_000, full: undefined },
  { name: "an answer without a limit", given: { max_tokens: undefined }, wanted: 8_192, full: 20_000 },
  { name: "a long stream", given: STREAM, wanted: 2_048, full: undefined },
  { name: "a short stream", given: { ...STREAM, max_tokens: 300 }, wanted: 300, full: undefined },
])("$name asks for $wanted tokens, or $full", ({ given, wanted, full }) => {
  const { request } = needFor(given);
  const endpoint = { price: PRICE, max_completion_tokens: 20_000 };
  const { candidates } = plan(inputOf([entryOf("a/b", [{ tag: "acme", endpoint }])]));
  const need = needOf(request, candidates, PROMPT_TOKENS, holdWayOf(request, candidates, false));
  expect(askedAmounts(need, false)).toEqual({
    wantedNusd: worst(wanted),
    minimumNusd: worst(1),
    ...(full === undefined ? {} : { fullNusd: worst(full) }),
  });
  const whole = worst(request.maxOutputTokens ?? 20_000);
  expect(askedAmounts(need, true)).toEqual({ wantedNusd: whole, minimumNusd: whole });
});

test.each([
  { name: "the credit beside a first step counts", hold: worst(2_048), left: 20_000n, tokens: 12_048 },
  { name: "of a step that is not whole only the step", hold: worst(2_000), left: 20_000n, tokens: 2_000 },
  { name: "credit that nobody told of is not cut for", hold: worst(2_048), left: undefined, tokens: null },
  { name: "credit that is enough is not cut for", hold: worst(2_048), left: 2n * 47_952n, tokens: null },
])("a stream's output is cut to what is known to be affordable: $name", ({ hold, left, tokens }) => {
  const { request } = needFor({ ...STREAM });
  const { candidates } = plan(
    inputOf([entryOf("a/b", [{ tag: "acme", endpoint: { price: PRICE, max_completion_tokens: null } }])]),
  );
  const need = needOf(request, candidates, PROMPT_TOKENS, "steps");
  const cover = coverOf(need, { holdNusd: hold, leftNusd: left });
  expect(clampTo(request, need, cover, PROMPT_TOKENS)?.maxOutputTokens ?? null).toBe(tokens);
});

test.each([
  {
    name: "some output",
    spendableNusd: 1_290n,
    limitSource: "credits",
    message:
      "This request requires more credits, or fewer max_tokens. You requested up to 100 tokens, but can only afford 20. Add credits to continue.",
  },
  {
    name: "no output under a key's limit",
    spendableNusd: 10n,
    limitSource: "key_limit",
    message:
      "This request requires more credits, or fewer max_tokens. You requested up to 100 tokens, but can only afford 0. Not even the prompt is affordable. The key's limit leaves no more.",
  },
  {
    name: "no output while requests run",
    spendableNusd: 10n,
    limitSource: "in_flight_budget",
    message:
      "This request requires more credits, or fewer max_tokens. You requested up to 100 tokens, but can only afford 0. Not even the prompt is affordable. The rest is reserved by requests that are running.",
  },
] as const)("a 402 with credit for $name says everything once", ({ spendableNusd, limitSource, message }) => {
  const { need } = needFor({});
  const error = shortError({ kind: "short", spendableNusd, limitSource }, need, PROMPT_TOKENS);
  expect(faceOf(error)).toMatchObject({ status: 402, message, metadata: { limit_source: limitSource } });
});
