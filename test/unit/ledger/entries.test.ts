import fc from "fast-check";
import { expect, test } from "vitest";
import { asAccountId, asGenerationId, asProviderId } from "../../../src/core/ids.ts";
import {
  creditEntryId,
  creditLines,
  generationLines,
  joinedLines,
  sumOf,
  usageEntryId,
} from "../../../src/ledger/entries.ts";

const account = asAccountId("gl10000000000abc");
const provider = asProviderId("mistral");

test.each([
  {
    name: "a generation moves credit to the provider and to margin",
    given: { provider, costNusd: 110n, chargedNusd: 110n, upstreamCostNusd: 100n },
    expected: { "tenant:gl10000000000abc": -110n, "provider:mistral": 100n, margin: 10n },
  },
  {
    name: "what credit doesn't cover is the operator's loss, and margin is whole",
    given: { provider, costNusd: 110n, chargedNusd: 30n, upstreamCostNusd: 100n },
    expected: { "tenant:gl10000000000abc": -30n, "provider:mistral": 100n, margin: 10n, "operator-loss": -80n },
  },
  {
    name: "a bill above the cost is the operator's loss",
    given: { provider, costNusd: 0n, chargedNusd: 0n, upstreamCostNusd: 100n },
    expected: { "provider:mistral": 100n, "operator-loss": -100n },
  },
  {
    name: "a free generation moves nothing",
    given: { provider, costNusd: 0n, chargedNusd: 0n, upstreamCostNusd: 0n },
    expected: {},
  },
  {
    name: "a cost without a provider is owed to nobody in particular",
    given: { provider: null, costNusd: 5n, chargedNusd: 5n, upstreamCostNusd: 3n },
    expected: { "tenant:gl10000000000abc": -5n, "provider:unknown": 3n, margin: 2n },
  },
])("$name", ({ given, expected }) => {
  const lines = generationLines(account, given);
  expect(Object.fromEntries(lines.map((line) => [line.account, line.amountNusd]))).toEqual(expected);
});

test("every movement, and any sum of movements, sums to zero", () => {
  const amount = fc.bigInt({ min: 0n, max: 10n ** 15n });
  const movement = fc.record({
    provider: fc.constantFrom(provider, asProviderId("groq"), null),
    costNusd: amount,
    part: fc.nat({ max: 100 }),
    upstreamCostNusd: amount,
  });
  fc.assert(
    fc.property(
      fc.array(movement, { maxLength: 20 }),
      fc.bigInt({ min: -1_000n, max: 1_000n }),
      (movements, creditNusd) => {
        const all = movements.flatMap(({ part, ...rest }) =>
          generationLines(account, { ...rest, chargedNusd: (rest.costNusd * BigInt(part)) / 100n }),
        );
        const joined = joinedLines([...all, ...creditLines(account, creditNusd)]);
        expect(sumOf(joined)).toBe(0n);
        expect(joined.every((line) => line.amountNusd !== 0n)).toBe(true);
        expect(new Set(joined.map((line) => line.account)).size).toBe(joined.length);
      },
    ),
    { numRuns: 200 },
  );
});

test("unbalanced lines are never joined into an entry", () => {
  expect(() => joinedLines([{ account: "margin", amountNusd: 1n }])).toThrow(/sums to zero/);
});

test("a charge above the cost is a bug", () => {
  expect(() => generationLines(account, { provider, costNusd: 1n, chargedNusd: 2n, upstreamCostNusd: 0n })).toThrow(
    /between/,
  );
});

test("entry ids begin with the account, so that they sort with it", () => {
  expect(usageEntryId(account, asGenerationId("gen-1-a"))).toBe("gl10000000000abc/gen-1-a");
  expect(creditEntryId(account, "first")).toBe("gl10000000000abc/credit/first");
});
