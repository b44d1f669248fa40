import { expect, test } from "vitest";
import { byokTermsOf } from "../../../src/gates/account-byok-terms.ts";

const USD = 1_000_000_000n;

test.each([
  { name: "nothing said", env: {}, feeBps: 500, freeUsd: 25_000n },
  {
    name: "both said",
    env: { WAYPOST_BYOK_FEE_BPS: "250", WAYPOST_BYOK_FREE_USD_MONTHLY: "7" },
    feeBps: 250,
    freeUsd: 7n,
  },
  {
    name: "no fee, no allowance",
    env: { WAYPOST_BYOK_FEE_BPS: "0", WAYPOST_BYOK_FREE_USD_MONTHLY: "0" },
    feeBps: 0,
    freeUsd: 0n,
  },
  {
    name: "nonsense counts as nothing said",
    env: { WAYPOST_BYOK_FEE_BPS: "10001", WAYPOST_BYOK_FREE_USD_MONTHLY: "-1" },
    feeBps: 500,
    freeUsd: 25_000n,
  },
])("$name", ({ env, feeBps, freeUsd }) => {
  expect(byokTermsOf(env)).toEqual({ feeBps, freeMonthlyNusd: freeUsd * USD });
});
