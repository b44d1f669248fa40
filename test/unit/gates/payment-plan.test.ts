/** From facts of a payment to movements: in any order, however often, and never back from what was undone. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { asAccountId } from "../../../src/core/ids.ts";
import { paymentPlan } from "../../../src/gates/account-payments.ts";
import type { PurchaseRow } from "../../../src/gates/account-payments-store.ts";
import type { PaymentFacts, Reversal } from "../../../src/ledger/payment-port.ts";

const account = asAccountId("gl10000000000abc");
const FACTS: PaymentFacts = {
  account,
  purchaseId: "pur-1",
  paymentId: "pi_1",
  status: "paid",
  creditNusd: 1_000n,
  feeNusd: 80n,
  createdAtMs: 1,
  receiptUrl: null,
  failureCode: null,
  saved: null,
  reversals: [],
};

const reversal = (id: string, state: Reversal["state"], amountNusd = 400n): Reversal => ({
  id,
  kind: id.startsWith("re") ? "refund" : "dispute",
  amountNusd,
  createdAtMs: 2,
  state,
});

/** What the plans of these facts book in all, each entry once. */
function booked(all: readonly PaymentFacts[]) {
  const entries = new Map<string, { readonly amountNusd: bigint; readonly feeNusd: bigint }>();
  let row: PurchaseRow | undefined;
  for (const facts of all) {
    const { purchase, movements } = paymentPlan(account, row, facts, 5);
    row = purchase;
    for (const { entryId, amountNusd, feeNusd } of movements) {
      const known = entries.get(entryId);
      if (known !== undefined) expect({ entryId, amountNusd, feeNusd }).toEqual({ entryId, ...known });
      entries.set(entryId, { amountNusd, feeNusd });
    }
  }
  return {
    row,
    entries: [...entries.keys()],
    balance: [...entries.values()].reduce((sum, { amountNusd }) => sum + amountNusd, 0n),
    fee: [...entries.values()].reduce((sum, { feeNusd }) => sum + feeNusd, 0n),
  };
}

test.each([
  { name: "a payment", facts: [FACTS, FACTS], balance: 1_000n, fee: 80n },
  { name: "one that isn't paid", facts: [{ ...FACTS, status: "open" as const }], balance: 0n, fee: 0n },
  { name: "a refund", facts: [{ ...FACTS, reversals: [reversal("re_1", "taken")] }], balance: 600n, fee: 80n },
  {
    name: "two refunds beyond the credit",
    facts: [{ ...FACTS, reversals: [reversal("re_1", "taken"), reversal("re_2", "taken", 680n)] }],
    balance: 0n,
    fee: 0n,
  },
  {
    name: "a refund that failed before it was heard of",
    facts: [
      { ...FACTS, reversals: [reversal("re_1", "undone")] },
      { ...FACTS, reversals: [reversal("re_1", "taken")] },
    ],
    balance: 1_000n,
    fee: 80n,
  },
  {
    name: "a dispute that was won, and older news of it",
    facts: [
      { ...FACTS, reversals: [reversal("du_1", "taken", 1_080n)] },
      { ...FACTS, reversals: [reversal("du_1", "undone", 1_080n)] },
      { ...FACTS, reversals: [reversal("du_1", "taken", 1_080n)] },
    ],
    balance: 1_000n,
    fee: 80n,
  },
  { name: "an inquiry", facts: [{ ...FACTS, reversals: [reversal("du_1", "none")] }], balance: 1_000n, fee: 80n },
])("$name leaves $balance and a fee of $fee", ({ facts, balance, fee }) => {
  expect(booked(facts)).toMatchObject({ balance, fee });
});

test("whatever order and repetition the news comes in, the latest truth is what is booked in the end", () => {
  const states = fc.record({ re_1: fc.boolean(), re_2: fc.boolean(), du_1: fc.boolean() });
  fc.assert(
    fc.property(states, fc.array(fc.nat(3), { maxLength: 12 }), (undone, order) => {
      // Truth grows: payment, then each reversal is taken, then some are undone.
      const taken = Object.keys(undone).map((id) => reversal(id, "taken", 300n));
      const final = Object.entries(undone).map(([id, is]) => reversal(id, is ? "undone" : "taken", 300n));
      const stages = [
        FACTS,
        { ...FACTS, reversals: taken.slice(0, 1) },
        { ...FACTS, reversals: taken },
        { ...FACTS, reversals: final },
      ];
      const news = [...order.flatMap((at) => stages[at] ?? []), { ...FACTS, reversals: final }];
      const gone = 300n * BigInt(Object.values(undone).filter((is) => !is).length);
      expect(booked(news)).toMatchObject({ balance: 1_000n - gone, fee: 80n });
    }),
    { numRuns: 300 },
  );
});
