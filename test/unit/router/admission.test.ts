/** What a request may cost at most, and what a client hears when the account cannot cover it. */
import { expect, test } from "vitest";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { faceOf } from "../../../src/http/respond.ts";
import { clampTo, needOf, shortError } from "../../../src/router/admission.ts";
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

test("a hold that is not whole cuts the output to what it covers", () => {
  const { need, request } = needFor({});
  expect(clampTo(request, need, need.wantedNusd, PROMPT_TOKENS)).toBe(null);
  expect(clampTo(request, need, need.wantedNusd - 100n, PROMPT_TOKENS)?.maxOutputTokens).toBe(50);
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
