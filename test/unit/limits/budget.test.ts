import fc from "fast-check";
import { expect, test } from "vitest";
import { budgetError, budgetFault, NO_BUDGETS, strictestBudgets, tightestBudget } from "../../../src/limits/budget.ts";

const USD = 1_000_000_000n;
const spent = { daily: 1n * USD, weekly: 2n * USD, monthly: 3n * USD, lifetime: 9n * USD };

test("the tightest budget is the one that leaves least, not the smallest", () => {
  expect(tightestBudget({ ...NO_BUDGETS, daily: 5n * USD, lifetime: 10n * USD }, spent)).toEqual({
    interval: "lifetime",
    limitNusd: 10n * USD,
    leftNusd: USD,
  });
  expect(tightestBudget(NO_BUDGETS, spent)).toBeNull();
});

test("a budget that is used up says which and how much", () => {
  expect(budgetError({ interval: "monthly", limitNusd: 500n * USD, leftNusd: 0n })).toMatchObject({
    kind: "forbidden",
    limitSource: "account_budget",
    message: expect.stringContaining("Workspace monthly budget of $500 exceeded."),
  });
});

test.each([
  { name: "nothing", budgets: NO_BUDGETS, fault: undefined },
  {
    name: "rising budgets",
    budgets: { daily: 2n * USD, weekly: 3n * USD, monthly: 4n * USD, lifetime: 10n * USD },
    fault: undefined,
  },
  { name: "exactly what is spent", budgets: { ...NO_BUDGETS, lifetime: 9n * USD }, fault: undefined },
  { name: "zero", budgets: { ...NO_BUDGETS, daily: 0n }, fault: "greater than 0" },
  {
    name: "a month like a day",
    budgets: { ...NO_BUDGETS, daily: 5n * USD, monthly: 5n * USD },
    fault: "larger than the daily",
  },
  { name: "less than is spent", budgets: { ...NO_BUDGETS, weekly: 2n * USD - 1n }, fault: "already spent: $2" },
])("$name", ({ budgets, fault }) => {
  const found = budgetFault(budgets, spent, 0n);
  if (fault === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(fault);
});

test("what running requests have reserved counts as spent", () => {
  expect(budgetFault({ ...NO_BUDGETS, weekly: 2n * USD }, spent, 1n)).toContain("reserved by running requests");
});

test("of two sets the stricter budget of each interval holds", () => {
  const amount = fc.option(fc.bigInt({ min: 1n, max: 9n }), { nil: null });
  const budgets = fc.record({ daily: amount, weekly: amount, monthly: amount, lifetime: amount });
  const nothing = { daily: 0n, weekly: 0n, monthly: 0n, lifetime: 0n };
  fc.assert(
    fc.property(budgets, budgets, (left, right) => {
      const both = tightestBudget(strictestBudgets(left, right), nothing)?.leftNusd;
      const each = [left, right].flatMap((one) => tightestBudget(one, nothing)?.leftNusd ?? []);
      expect(both).toEqual(each.length === 0 ? undefined : each.reduce((least, next) => (next < least ? next : least)));
    }),
  );
});
