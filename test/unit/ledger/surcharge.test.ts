/** What an answer costs that was left, at a provider that takes a surcharge for it: exact, and held for. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { NO_USAGE } from "../../../src/core/usage.ts";
import { affordableOutputTokens, costOf, withSurcharge, worstCaseNusd } from "../../../src/ledger/cost.ts";

const PRICE = { prompt: 1_000_000, completion: 3_000_000 };
const USED = { ...NO_USAGE, inputText: 100, outputText: 200 };

test.each([
  { name: "a fixed amount", surcharge: { fixedPusd: 5_000_000, bps: 0 }, nusd: 705_000n },
  { name: "a tenth", surcharge: { fixedPusd: 0, bps: 1_000 }, nusd: 770_000n },
  { name: "both", surcharge: { fixedPusd: 5_000_000, bps: 1_000 }, nusd: 775_000n },
  { name: "a part of a nano-dollar is one", surcharge: { fixedPusd: 1, bps: 0 }, nusd: 700_001n },
])("$name on $0.0007", ({ surcharge, nusd }) => {
  const cost = withSurcharge(costOf(USED, PRICE), surcharge);
  expect([cost.totalNusd, cost.promptNusd + cost.completionNusd]).toEqual([nusd, nusd]);
});

test("what costs nothing has no surcharge", () => {
  const free = costOf(USED, { prompt: 0, completion: 0 });
  expect(withSurcharge(free, { fixedPusd: 1_000_000, bps: 1_000 })).toEqual(free);
});

test("the worst case covers the surcharge, and what is affordable is covered by its hold", () => {
  const pico = fc.integer({ min: 0, max: 10 ** 8 });
  const tokens = fc.integer({ min: 0, max: 10 ** 5 });
  fc.assert(
    fc.property(
      fc.record({ prompt: pico, completion: pico, request: pico }),
      fc.record({ fixedPusd: pico, bps: fc.integer({ min: 0, max: 10_000 }) }),
      tokens,
      tokens,
      (price, surcharge, inputText, outputText) => {
        const left = withSurcharge(costOf({ ...NO_USAGE, inputText, outputText }, price), surcharge);
        const held = worstCaseNusd(inputText, outputText, 0, price, { surcharge });
        expect(held >= left.totalNusd).toBe(true);
        expect(affordableOutputTokens(held, inputText, price, 0, { surcharge })).toBeGreaterThanOrEqual(outputText);
      },
    ),
  );
});
