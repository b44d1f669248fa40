/** The fee of one's own provider credential: basis points of the list price, rounded up once, and always held for. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { priceShare } from "../../../src/core/price.ts";
import { asAccountId, asProviderId } from "../../../src/core/ids.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";
import { costOf, feeOf, worstCaseNusd } from "../../../src/ledger/cost.ts";
import { generationLines } from "../../../src/ledger/entries.ts";

const PRICE = { prompt: 1_000_000, completion: 3_000_000 };

test.each([
  { name: "5% of $0.0007", usage: { inputText: 100, outputText: 200 }, bps: 500, nusd: 35_000n },
  { name: "nothing at 0", usage: { inputText: 100, outputText: 200 }, bps: 0, nusd: 0n },
  { name: "all of it at 10,000", usage: { inputText: 100, outputText: 200 }, bps: 10_000, nusd: 700_000n },
  { name: "a part of a nano-dollar is one", usage: { inputText: 1 }, bps: 1, nusd: 1n },
  { name: "nothing of nothing", usage: {}, bps: 500, nusd: 0n },
])("$name", ({ usage, bps, nusd }) => {
  expect(feeOf(costOf({ ...NO_USAGE, ...usage }, PRICE), bps).totalNusd).toBe(nusd);
});

test("a fee is never above its share rounded up, its parts add up, and the worst case covers it", () => {
  const pico = fc.integer({ min: 0, max: 10 ** 9 });
  const tokens = fc.integer({ min: 0, max: 10 ** 6 });
  fc.assert(
    fc.property(
      fc.record({ prompt: pico, completion: pico, request: pico, inputText: tokens, outputText: tokens }),
      fc.option(fc.record({ min_prompt_tokens: tokens, prompt: pico, completion: pico }), { nil: undefined }),
      fc.integer({ min: 0, max: 10_000 }),
      ({ inputText, outputText, ...keys }, override, bps) => {
        const price = override === undefined ? keys : { ...keys, overrides: [override] };
        const list = costOf({ ...NO_USAGE, inputText, outputText }, price);
        const fee = feeOf(list, bps);
        const exact = list.totalPusd * BigInt(bps);
        expect(fee.totalNusd * 10_000_000n >= exact && (fee.totalNusd - 1n) * 10_000_000n < exact).toBe(true);
        expect(fee.promptNusd + fee.completionNusd).toBe(fee.totalNusd);
        expect(fee.promptNusd >= 0n && fee.completionNusd >= 0n).toBe(true);
        expect(worstCaseNusd(inputText, outputText, 0, priceShare(price, bps)) >= fee.totalNusd).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
});

test.each([
  {
    name: "the fee goes from the tenant to fee, and no provider is owed",
    given: { costNusd: 35n, chargedNusd: 35n },
    expected: { "tenant:gl10000000000abc": -35n, fee: 35n },
  },
  {
    name: "what credit doesn't cover is the operator's loss",
    given: { costNusd: 35n, chargedNusd: 5n },
    expected: { "tenant:gl10000000000abc": -5n, fee: 35n, "operator-loss": -30n },
  },
  { name: "a free one moves nothing", given: { costNusd: 0n, chargedNusd: 0n }, expected: {} },
])("$name", ({ given, expected }) => {
  const provider = asProviderId("mistral");
  const movement = { ...given, provider, upstreamCostNusd: 0n, isByok: true };
  const lines = generationLines(asAccountId("gl10000000000abc"), movement);
  expect(Object.fromEntries(lines.map((line) => [line.account, line.amountNusd]))).toEqual(expected);
});

test("a provider's bill for a tenant's own credential is never booked", () => {
  const movement = { provider: null, costNusd: 1n, chargedNusd: 1n, upstreamCostNusd: 1n, isByok: true };
  expect(() => generationLines(asAccountId("gl10000000000abc"), movement)).toThrow("the tenant pays the provider");
});
