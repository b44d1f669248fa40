import fc from "fast-check";
import { expect, test } from "vitest";
import { asAccountId, asGenerationId, asProviderId } from "../../../src/core/ids.ts";
import {
  creditEntryId,
  MOVEMENT_KINDS,
  movementEffect,
  movementEntryId,
  movementLines,
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
      fc.record({
        kind: fc.constantFrom(...MOVEMENT_KINDS),
        amountNusd: fc.bigInt({ min: -1_000n, max: 1_000n }),
        feeNusd: fc.bigInt({ min: -1_000n, max: 1_000n }),
      }),
      (movements, credit) => {
        const all = movements.flatMap(({ part, ...rest }) =>
          generationLines(account, { ...rest, chargedNusd: (rest.costNusd * BigInt(part)) / 100n }),
        );
        const joined = joinedLines([...all, ...movementLines(account, credit)]);
        expect(sumOf(joined)).toBe(0n);
        expect(joined.every((line) => line.amountNusd !== 0n)).toBe(true);
        expect(new Set(joined.map((line) => line.account)).size).toBe(joined.length);
      },
    ),
    { numRuns: 200 },
  );
});

test.each([
  {
    name: "a purchase moves clearing to the tenant and the fee",
    movement: { kind: "purchase", amountNusd: 10n, feeNusd: 1n },
    lines: { clearing: -11n, fee: 1n, "tenant:gl10000000000abc": 10n },
  },
  {
    name: "a refund takes both back",
    movement: { kind: "refund", amountNusd: -10n, feeNusd: -1n },
    lines: { refund: 11n, fee: -1n, "tenant:gl10000000000abc": -10n },
  },
  {
    name: "a refund of the fee alone leaves the tenant alone",
    movement: { kind: "refund", amountNusd: 0n, feeNusd: -1n },
    lines: { refund: 1n, fee: -1n },
  },
  {
    name: "a won dispute gives back what it took",
    movement: { kind: "dispute", amountNusd: 10n, feeNusd: 0n },
    lines: { refund: -10n, "tenant:gl10000000000abc": 10n },
  },
  {
    name: "a voucher comes from the operator's promotion",
    movement: { kind: "voucher", amountNusd: 5n, feeNusd: 0n },
    lines: { promotion: -5n, "tenant:gl10000000000abc": 5n },
  },
] as const)("$name", ({ movement, lines }) => {
  const made = movementLines(account, movement).map((line) => [line.account, line.amountNusd]);
  expect(Object.fromEntries(made)).toEqual(lines);
});

test.each([
  { kind: "credit", amountNusd: 3n, effect: [3n, 0n, 0n] },
  { kind: "purchase", amountNusd: 3n, effect: [3n, 0n, 0n] },
  { kind: "voucher", amountNusd: 3n, effect: [3n, 0n, 0n] },
  { kind: "debit", amountNusd: -3n, effect: [0n, 3n, 0n] },
  { kind: "refund", amountNusd: -3n, effect: [0n, 3n, 3n] },
  { kind: "dispute", amountNusd: 3n, effect: [0n, -3n, -3n] },
] as const)("a $kind of $amountNusd counts toward credits, debits and refunds by its kind", (given) => {
  const { creditsNusd, debitsNusd, refundedNusd } = movementEffect(given.kind, given.amountNusd);
  expect([creditsNusd, debitsNusd, refundedNusd]).toEqual(given.effect);
  expect(creditsNusd - debitsNusd).toBe(given.amountNusd);
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
  expect(movementEntryId(account, "purchase", "pi_1")).toBe("gl10000000000abc/purchase/pi_1");
});
