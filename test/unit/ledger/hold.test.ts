import fc from "fast-check";
import { expect, test } from "vitest";
import { chargeOf, holdVerdict } from "../../../src/ledger/hold.ts";

const BASE = {
  balanceNusd: 100n,
  heldNusd: 0n,
  keyRemainingNusd: null,
  keyHeldNusd: 0n,
  wantedNusd: 60n,
  minimumNusd: 10n,
};

test.each([
  {
    name: "the worst case is held when it is spendable",
    given: {},
    expected: { kind: "held", amountNusd: 60n, leftNusd: 40n },
  },
  {
    name: "all that is spendable is held when that is at least the minimum",
    given: { heldNusd: 70n },
    expected: { kind: "held", amountNusd: 30n, leftNusd: 0n },
  },
  {
    name: "exactly the minimum will do",
    given: { heldNusd: 90n },
    expected: { kind: "held", amountNusd: 10n, leftNusd: 0n },
  },
  {
    name: "below the minimum other requests in flight are named",
    given: { heldNusd: 91n },
    expected: { kind: "short", spendableNusd: 9n, limitSource: "in_flight_budget" },
  },
  {
    name: "below the minimum without holds credits are named",
    given: { balanceNusd: 9n },
    expected: { kind: "short", spendableNusd: 9n, limitSource: "credits" },
  },
  {
    name: "a negative balance spends nothing, not even for nothing",
    given: { balanceNusd: -1n, wantedNusd: 0n, minimumNusd: 0n },
    expected: { kind: "short", spendableNusd: 0n, limitSource: "credits" },
  },
  {
    name: "a balance of zero admits what costs nothing",
    given: { balanceNusd: 0n, wantedNusd: 0n, minimumNusd: 0n },
    expected: { kind: "held", amountNusd: 0n, leftNusd: 0n },
  },
  {
    name: "the key's limit caps the hold",
    given: { keyRemainingNusd: 40n },
    expected: { kind: "held", amountNusd: 40n, leftNusd: 0n },
  },
  {
    name: "open holds count against the key's limit, and will give it back",
    given: { heldNusd: 35n, keyRemainingNusd: 40n, keyHeldNusd: 35n },
    expected: { kind: "short", spendableNusd: 5n, limitSource: "in_flight_budget" },
  },
  {
    name: "a limit that would not do without any holds is named",
    given: { heldNusd: 5n, keyRemainingNusd: 9n, keyHeldNusd: 5n },
    expected: { kind: "short", spendableNusd: 4n, limitSource: "key_limit" },
  },
  {
    name: "credit that would not do without any holds is named, whatever the limit's holds",
    given: { balanceNusd: 9n, heldNusd: 5n, keyRemainingNusd: 15n, keyHeldNusd: 15n },
    expected: { kind: "short", spendableNusd: 0n, limitSource: "credits" },
  },
  {
    name: "an exhausted limit is named even with credit left",
    given: { keyRemainingNusd: -5n },
    expected: { kind: "short", spendableNusd: 0n, limitSource: "key_limit" },
  },
  {
    name: "credit is named when it is tighter than the limit",
    given: { balanceNusd: 5n, keyRemainingNusd: 6n },
    expected: { kind: "short", spendableNusd: 5n, limitSource: "credits" },
  },
  {
    name: "a minimum above the worst case is what is held",
    given: { wantedNusd: 5n },
    expected: { kind: "held", amountNusd: 10n, leftNusd: 90n },
  },
  {
    name: "more than the worst case is held where it is a quarter of what is spendable",
    given: { wantedNusd: 20n, fullNusd: 25n },
    expected: { kind: "held", amountNusd: 25n, leftNusd: 75n },
  },
  {
    name: "more than a quarter is not held in advance",
    given: { wantedNusd: 20n, fullNusd: 26n },
    expected: { kind: "held", amountNusd: 20n, leftNusd: 80n },
  },
])("$name", ({ given, expected }) => {
  expect(holdVerdict({ ...BASE, ...given })).toEqual(expected);
});

test("only what ends with the open holds is called so: without them the same request is held", () => {
  const amount = fc.bigInt({ min: -20n, max: 200n });
  const held = fc.bigInt({ min: 0n, max: 200n });
  fc.assert(
    fc.property(amount, held, fc.option(amount), held, held, (balanceNusd, heldNusd, keyRemainingNusd, a, b) => {
      const keyHeldNusd = a < heldNusd ? a : heldNusd;
      const request = { balanceNusd, heldNusd, keyRemainingNusd, keyHeldNusd, wantedNusd: b, minimumNusd: b };
      const verdict = holdVerdict(request);
      if (verdict.kind === "held") return;
      const alone = holdVerdict({ ...request, heldNusd: 0n, keyHeldNusd: 0n });
      expect(alone.kind === "held").toBe(verdict.limitSource === "in_flight_budget");
    }),
  );
});

test.each([
  {
    name: "a cost within the hold is charged",
    given: { costNusd: 5n, holdNusd: 10n, balanceNusd: 100n, heldNusd: 10n },
    charged: 5n,
  },
  {
    name: "a cost beyond the hold takes what is spendable",
    given: { costNusd: 50n, holdNusd: 10n, balanceNusd: 40n, heldNusd: 30n },
    charged: 20n,
  },
  {
    name: "without a hold only what is spendable is taken",
    given: { costNusd: 50n, holdNusd: 0n, balanceNusd: 40n, heldNusd: 30n },
    charged: 10n,
  },
  {
    name: "a debit during the hold leaves the rest of the balance",
    given: { costNusd: 9n, holdNusd: 10n, balanceNusd: 5n, heldNusd: 20n },
    charged: 5n,
  },
  {
    name: "a negative balance pays nothing",
    given: { costNusd: 9n, holdNusd: 10n, balanceNusd: -5n, heldNusd: 10n },
    charged: 0n,
  },
  {
    name: "nothing costs nothing",
    given: { costNusd: 0n, holdNusd: 10n, balanceNusd: 100n, heldNusd: 10n },
    charged: 0n,
  },
])("$name", ({ given, charged }) => {
  expect(chargeOf(given)).toEqual({ chargedNusd: charged, lossNusd: given.costNusd - charged });
});

const amount = fc.bigInt({ min: 0n, max: 1_000n });

test("no charge makes a balance negative, exceeds the cost, or eats what others hold", () => {
  fc.assert(
    fc.property(
      amount,
      amount,
      amount,
      fc.bigInt({ min: -500n, max: 3_000n }),
      (costNusd, holdNusd, othersNusd, balanceNusd) => {
        const { chargedNusd, lossNusd } = chargeOf({
          costNusd,
          holdNusd,
          balanceNusd,
          heldNusd: holdNusd + othersNusd,
        });
        expect(chargedNusd >= 0n && lossNusd >= 0n).toBe(true);
        expect(chargedNusd + lossNusd).toBe(costNusd);
        if (chargedNusd > 0n) expect(balanceNusd - chargedNusd >= 0n).toBe(true);
        if (balanceNusd >= holdNusd + othersNusd) expect(balanceNusd - chargedNusd >= othersNusd).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
});
