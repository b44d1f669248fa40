/** What a generation costs and what is recorded of it; what an account must be able to pay before it begins. */
import { expect, test } from "vitest";
import { asAccountId, asByokId, asGenerationId, asKeyHash, asRequestId } from "../../../src/core/ids.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import type { ChatRequest } from "../../../src/core/chat.ts";
import { clampTo, needOf, shortError } from "../../../src/router/admission.ts";
import { plan } from "../../../src/router/plan.ts";
import type { Candidate } from "../../../src/router/score.ts";
import { billOf, leftBill, NO_BILL, settlementOf, type Asker, type Ending } from "../../../src/router/settlement.ts";
import { entryOf, inputOf, NOW } from "./world.ts";

const ASKER: Asker = {
  account: asAccountId("gl10123456789abc"),
  keyHash: asKeyHash("0".repeat(64)),
  requestId: asRequestId("req-1"),
  generationId: asGenerationId("gen-1"),
  receivedAtMs: NOW,
  httpReferer: null,
  appTitle: null,
  origin: null,
  userAgent: null,
  externalUser: null,
  sessionId: null,
  clientPlace: null,
};

/** Candidates with these prices, in dollars per million tokens. */
function candidatesAt(...prices: readonly (readonly [number, number])[]): readonly Candidate[] {
  const wishes = prices.map(([prompt, completion], at) => ({
    tag: `p${at}`,
    prompt: prompt * 1_000_000,
    completion: completion * 1_000_000,
  }));
  return plan(inputOf([entryOf("test/m", wishes)])).candidates;
}

function only(candidates: readonly Candidate[]): Candidate {
  const [candidate] = candidates;
  if (candidate === undefined) throw new Error("no candidate");
  return candidate;
}

function requestOf(more: Record<string, unknown>): ChatRequest {
  const parsed = openAiChat.parse({ model: "m", messages: [{ role: "user", content: "Hi" }], ...more });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value.request;
}

const CANDIDATE = only(candidatesAt([1, 2]));

test.each([
  { name: "whole", isComplete: true, outputText: 5, nusd: 20_000n },
  { name: "broken with tokens", isComplete: false, outputText: 5, nusd: 20_000n },
  { name: "broken without a token", isComplete: false, outputText: 0, nusd: 0n },
])("$name costs $nusd", ({ isComplete, outputText, nusd }) => {
  const usage = { ...NO_USAGE, inputText: 10, outputText };
  const bill = billOf({ usage, isEstimated: false }, CANDIDATE, 0, isComplete);
  expect([bill.charged.totalNusd, bill.upstream.totalNusd]).toEqual([nusd, nusd]);
});

test.each([
  { name: "the operator's credential", byok: undefined, charged: 27_000n, upstream: 27_000n, surcharge: 7_000n },
  { name: "an own one", byok: { id: "b", feeBps: 500 }, charged: 1_000n, upstream: 27_000n, surcharge: undefined },
])("an answer that was left, with $name, costs its surcharge", ({ byok, charged, upstream, surcharge }) => {
  const provider = {
    ...CANDIDATE.provider,
    cancellation: { policy: "bills_surcharge", surcharge: 5_000_000, surcharge_bps: 1_000, source: "test" } as const,
  };
  const pin = byok === undefined ? {} : { byok: { ...byok, id: asByokId(byok.id) } };
  const candidate: Candidate = { ...CANDIDATE, provider, ...pin };
  const bill = billOf({ usage: { ...NO_USAGE, inputText: 10, outputText: 5 }, isEstimated: true }, candidate, 0, false);
  const left = leftBill(bill, candidate);
  expect([left.charged.totalNusd, left.upstream.totalNusd, left.surchargeNusd]).toEqual([charged, upstream, surcharge]);
  expect(leftBill(bill, CANDIDATE)).toBe(bill);
  const ending: Ending = { ...ENDING, candidate, bill: left, cancelled: true, cancellation: "aborted" };
  expect(settlementOf(ASKER, ending).record).toMatchObject({
    cancellation: "aborted",
    cancellationPolicy: "bills_surcharge",
    surchargeNusd: Number(surcharge ?? 0n),
  });
});

const ENDING: Ending = {
  candidate: CANDIDATE,
  attempts: [
    {
      provider: "p0",
      providerName: "P",
      endpoint: "p0",
      region: "virginia",
      model: "test/m",
      status: 200,
      outcome: "ok",
      latencyMs: 5,
    },
  ],
  byok: [],
  bill: billOf({ usage: { ...NO_USAGE, inputText: 10, outputText: 5 }, isEstimated: true }, CANDIDATE, 0, false),
  requestedModel: "test/m:nitro",
  streamed: true,
  isFree: false,
  refundsFreeTier: false,
  cancelled: false,
  cancellation: null,
  finishReason: "error",
  nativeFinishReason: null,
  upstreamId: null,
  firstAtMs: NOW + 100,
  endedAtMs: NOW + 400,
  catalogVersion: "v1",
};

test("a settlement carries the charge and the whole story", () => {
  expect(settlementOf(ASKER, ENDING)).toMatchObject({
    generationId: "gen-1",
    costNusd: 20_000n,
    refundsFreeTier: false,
    record: {
      model: "test/m",
      requestedModel: "test/m:nitro",
      estimated: true,
      costNusd: 20_000,
      latencyMs: 100,
      generationTimeMs: 300,
    },
  });
});

test("a generation that nobody answered is free, has no speed, and gives a free-tier place back", () => {
  const nobody = { ...ENDING, candidate: null, bill: NO_BILL, firstAtMs: null, finishReason: null };
  expect(settlementOf(ASKER, { ...nobody, isFree: true, refundsFreeTier: true })).toMatchObject({
    costNusd: 0n,
    refundsFreeTier: true,
    record: { model: "test/m:nitro", provider: null, latencyMs: 400, generationTimeMs: 0 },
  });
  expect(settlementOf(ASKER, { ...nobody, attempts: [] }).record).toBe(null);
});

test("a count that is nonsense is settled all the same", () => {
  const usage = { ...NO_USAGE, outputText: 1e12 };
  const dear = {
    ...CANDIDATE,
    endpoint: { ...CANDIDATE.endpoint, price: { prompt: 0, completion: 1_000_000_000_000 } },
  };
  const bill = billOf({ usage, isEstimated: false }, dear, 0, true);
  expect(settlementOf(ASKER, { ...ENDING, bill }).record?.costNusd).toBe(Number.MAX_SAFE_INTEGER);
});

test("what an upstream says of itself is cut to a bound", () => {
  const { record } = settlementOf(ASKER, {
    ...ENDING,
    upstreamId: "i".repeat(9_999),
    nativeFinishReason: "s".repeat(9_999),
  });
  expect([record?.upstreamId?.length, record?.nativeFinishReason?.length]).toEqual([256, 256]);
});

test.each([
  {
    name: "the dearest candidate",
    prices: [
      [1, 2],
      [3, 4],
      [2, 2],
    ],
    body: { max_tokens: 100 },
    wanted: 10 * 3_000 + 100 * 4_000,
  },
  {
    name: "the model's maximum, when the client names none",
    prices: [[1, 2]],
    body: {},
    wanted: 10 * 1_000 + 8_000 * 2_000,
  },
  { name: "every choice", prices: [[1, 2]], body: { max_tokens: 100, n: 3 }, wanted: 10 * 1_000 + 300 * 2_000 },
  { name: "nothing where nothing costs", prices: [[0, 0]], body: {}, wanted: 0 },
] as const)("the worst case holds $name", ({ prices, body, wanted }) => {
  expect(needOf(requestOf(body), candidatesAt(...prices), 10).wantedNusd).toBe(BigInt(wanted));
});

test("a hold below the worst case cuts the output to what it covers; a whole one cuts nothing", () => {
  const request = requestOf({ max_tokens: 100 });
  const need = needOf(request, candidatesAt([1, 2]), 10);
  expect(clampTo(request, need, need.wantedNusd, 10)).toBe(null);
  expect(clampTo(request, need, 10_000n + 2_000n * 7n, 10)?.maxOutputTokens).toBe(7);
  const three = requestOf({ max_tokens: 100, n: 3 });
  expect(clampTo(three, needOf(three, candidatesAt([1, 2]), 10), 10_000n + 2_000n * 7n, 10)?.maxOutputTokens).toBe(2);
});

test("too little for anything says how much is affordable", () => {
  const need = needOf(requestOf({ max_tokens: 100 }), candidatesAt([1, 2]), 10);
  const short = (spendableNusd: bigint) =>
    shortError({ kind: "short", spendableNusd, limitSource: "credits" }, need, 10);
  expect(short(10_000n + 2_000n * 7n)).toMatchObject({
    kind: "insufficient_credit",
    affordableTokens: 7,
    requestedTokens: 100,
  });
  expect(short(9_999n)).toMatchObject({ affordableTokens: 0, limitSource: "credits" });
});
