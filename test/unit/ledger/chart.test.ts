/** The chart of accounts: what it knows, in code and in SQL alike. */
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { CHART, classOf, classSql } from "../../../src/ledger/chart.ts";

const db = new DatabaseSync(":memory:");

test.each([
  { account: "tenant:gl10000000000abc", expected: "tenants" },
  { account: "provider:mistral", expected: "providers" },
  { account: "margin", expected: "margin" },
  { account: "fee", expected: "fee" },
  { account: "operator-loss", expected: "operator_loss" },
  { account: "promotion", expected: "promotion" },
  { account: "refund", expected: "refund" },
  { account: "clearing", expected: "clearing" },
  { account: "operator_loss", expected: undefined },
  { account: "margins", expected: undefined },
  { account: "tenant:", expected: undefined },
  { account: "tenants", expected: undefined },
  { account: "Tenant:gl1", expected: undefined },
  { account: "", expected: undefined },
])("$account is of the class $expected", ({ account, expected }) => {
  expect(classOf(account)).toBe(expected);
  expect(db.prepare(`SELECT ${classSql("account")} AS class FROM (SELECT ?1 AS account)`).get(account)).toEqual({
    class: expected ?? null,
  });
});

test("no two rows of the chart share a name", () => {
  expect(new Set(CHART.map(({ name }) => name)).size).toBe(CHART.length);
});
