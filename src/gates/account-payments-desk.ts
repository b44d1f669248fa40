/**
 * The gate's side of payments: which rule a command runs, what goes through D1 in turn, and when the alarm buys credit.
 * The gate lends it its ways; it keeps nothing but whether a top-up is under way in this life of the gate.
 */
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import { newPurchaseId } from "../core/ids.ts";
import { ok, type Result } from "../core/result.ts";
import { systemRandomBytes } from "../core/system.ts";
import type { PaymentFacts } from "../ledger/payment-port.ts";
import type { CreditReceipt } from "./account-contract.ts";
import type { AccountMemory } from "./account-memory.ts";
import {
  beginPurchase,
  endPurchase,
  listPurchases,
  readPurchase,
  recordPayment,
  recordVoucher,
} from "./account-payments.ts";
import type { PaymentAnswer, PaymentCommand } from "./account-payments-contract.ts";
import type { CreditRow } from "./account-rows.ts";
import { beginTopUp, changeTopUp, failTopUp, runTopUp, topUpDueMs } from "./account-top-up.ts";
import type { Payments } from "./payments.ts";

type Answer = Result<PaymentAnswer, RouterError>;

export interface PaymentsDeskPorts {
  /** Null: this deployment takes no payments. */
  payments(): Payments | null;
  books(): D1Database;
  clock(): EpochMs;
  /** Runs a synchronous rule on the account. */
  with<T>(rule: (memory: AccountMemory) => T): Promise<Result<T, RouterError>>;
  /** Runs work that talks to D1, after what was begun before. */
  inTurn<T>(work: (memory: AccountMemory) => Promise<Result<T, RouterError>>): Promise<Result<T, RouterError>>;
  /** Finishes a movement that was recorded. */
  finish(memory: AccountMemory, row: CreditRow): Promise<CreditReceipt>;
  wakeBy(atMs: EpochMs | null): void;
  waitUntil(work: Promise<unknown>): void;
}

export interface PaymentsDesk {
  answer(command: PaymentCommand): Promise<Answer>;
  /** When the alarm is to ring for a top-up; null: not until something changes. */
  dueMs(memory: AccountMemory): EpochMs | null;
  /** Buys credit if it is due, in the background: nothing waits for the payment provider. */
  topUp(memory: AccountMemory): void;
}

/** One desk per gate. */
export function createPaymentsDesk(ports: PaymentsDeskPorts): PaymentsDesk {
  let isToppingUp = false;
  const dueMs = (memory: AccountMemory): EpochMs | null =>
    ports.payments() === null || isToppingUp ? null : topUpDueMs(memory, ports.clock());
  return {
    dueMs,
    answer: async (command) => {
      const answer = await answerTo(ports, command);
      // A command may have kept a card, enabled a top-up, or ended one.
      await ports.with((memory) => ports.wakeBy(dueMs(memory)));
      return answer;
    },
    topUp(memory) {
      const payments = ports.payments();
      if (payments === null || isToppingUp) return;
      const order = beginTopUp(memory, payments.terms, ports.clock(), newPurchaseId(ports.clock(), systemRandomBytes));
      if (order === null) return;
      isToppingUp = true;
      const work = runTopUp(order, payments.port, {
        record: async (facts) => await record(ports, facts),
        fail: async (fault) => await ports.with(() => failTopUp(memory, order, fault, ports.clock())),
      });
      ports.waitUntil(
        work.finally(() => {
          isToppingUp = false;
          ports.wakeBy(dueMs(memory));
        }),
      );
    },
  };
}

async function answerTo(ports: PaymentsDeskPorts, command: PaymentCommand): Promise<Answer> {
  switch (command.kind) {
    case "begin-purchase":
      return await flat(ports, (memory) => beginPurchase(memory, command.purchase, ports.clock()));
    case "end-purchase":
      return await flat(ports, (memory) => ok({ customerId: endPurchase(memory, command.purchaseId) }));
    case "record-payment":
      return await record(ports, command.facts);
    case "list-purchases":
      return await flat(ports, (memory) => ok({ purchases: listPurchases(memory, command.page) }));
    case "read-purchase":
      return await flat(ports, (memory) => purchaseIn(memory, command.purchaseId));
    case "top-up":
      return await flat(ports, (memory) => {
        const topUp = changeTopUp(memory, command.change, ports.clock());
        return topUp.ok ? ok({ topUp: topUp.value }) : topUp;
      });
    case "take-voucher":
      return await ports.inTurn(async (memory) => {
        const { voucherId, amountNusd } = command;
        const row = await recordVoucher(memory, voucherId, amountNusd, ports.books(), ports.clock);
        return row.ok ? ok({ receipt: await ports.finish(memory, row.value) }) : row;
      });
    default:
      return command satisfies never;
  }
}

async function record(ports: PaymentsDeskPorts, facts: PaymentFacts): Promise<Answer> {
  return await ports.inTurn(async (memory): Promise<Answer> => {
    const rows = await recordPayment(memory, facts, ports.books(), ports.clock);
    if (!rows.ok) return rows;
    for (const row of rows.value) await ports.finish(memory, row);
    return purchaseIn(memory, facts.purchaseId);
  });
}

function purchaseIn(memory: AccountMemory, purchaseId: string): Answer {
  const purchase = readPurchase(memory, purchaseId);
  return purchase.ok ? ok({ purchases: [purchase.value] }) : purchase;
}

async function flat(ports: PaymentsDeskPorts, rule: (memory: AccountMemory) => Answer): Promise<Answer> {
  const answer = await ports.with(rule);
  return answer.ok ? answer.value : answer;
}
