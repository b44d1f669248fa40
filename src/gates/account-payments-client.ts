/** The callers' side of a gate's payments: one function a command, so that nobody else takes answers apart. */
import type { RouterError } from "../core/error.ts";
import { assert, ok, type Result } from "../core/result.ts";
import type { AccountPayments, AccountPaymentsRpc, PaymentAnswer } from "./account-payments-contract.ts";

/** The payments of the account behind a gate. Rejects when the gate can't be reached. */
export function paymentsAt(gate: AccountPaymentsRpc): AccountPayments {
  return {
    beginPurchase: async (purchase) =>
      from(await gate.payment({ kind: "begin-purchase", purchase }), ({ customerId }) =>
        customerId === undefined ? undefined : { customerId },
      ),
    endPurchase: async (purchaseId) => from(await gate.payment({ kind: "end-purchase", purchaseId }), () => null),
    recordPayment: async (facts) =>
      from(await gate.payment({ kind: "record-payment", facts }), ({ purchases }) => purchases?.[0]),
    listPurchases: async (page) =>
      from(await gate.payment({ kind: "list-purchases", page }), ({ purchases }) => purchases),
    readPurchase: async (purchaseId) =>
      from(await gate.payment({ kind: "read-purchase", purchaseId }), ({ purchases }) => purchases?.[0]),
    autoTopUp: async (change) => from(await gate.payment({ kind: "top-up", change }), ({ topUp }) => topUp),
    takeVoucher: async (voucherId, amountNusd) =>
      from(await gate.payment({ kind: "take-voucher", voucherId, amountNusd }), ({ receipt }) => receipt),
  };
}

function from<T>(
  answer: Result<PaymentAnswer, RouterError>,
  part: (answer: PaymentAnswer) => T | undefined,
): Result<T, RouterError> {
  if (!answer.ok) return answer;
  const value = part(answer.value);
  assert(value !== undefined, "a command's answer has its part");
  return ok(value);
}
