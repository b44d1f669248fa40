/**
 * The operator's credits and debits through the gate, which alone may move a balance. In this order: stored as pending
 * with its id, posted to D1 (idempotent), applied to the balance in one transaction that also ends the pending state.
 * A crash or an unreachable D1 at any point leaves a pending row, which the alarm finishes. A debit may make the balance
 * negative. Receipts are kept for good: an idempotency key never comes to mean something else.
 */
import type { Clock } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import { NUSD_MAX, type NanoUsd } from "../core/money.ts";
import { err, ok, type Result } from "../core/result.ts";
import { postCredit, readCredit } from "../ledger/books.ts";
import { creditEntryId, creditLines } from "../ledger/entries.ts";
import type { CreditReceipt, CreditRequest } from "./account-contract.ts";
import { inTime } from "./account-flush.ts";
import { keepAccount, type AccountMemory } from "./account-memory.ts";
import type { CreditRow } from "./account-rows.ts";

const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

/**
 * Takes a credit on record, as pending unless it is known.
 * @returns `conflict`, `bad_request`; throws what D1 throws.
 */
export async function recordCredit(
  memory: AccountMemory,
  request: CreditRequest,
  db: D1Database,
  clock: Clock,
): Promise<Result<CreditRow, RouterError>> {
  const refusal = faultOf(memory, request);
  if (refusal !== undefined) return err({ kind: "bad_request", message: refusal });
  const entryId = creditEntryId(memory.account.id, request.idempotencyKey);
  const known = memory.store.readCredit(entryId);
  if (known !== undefined) return known.amountNusd === request.amountNusd ? ok(known) : conflict(known.amountNusd);
  const fresh: CreditRow = {
    entryId,
    amountNusd: request.amountNusd,
    reason: request.reason,
    createdAtMs: clock(),
    balanceAfterNusd: null,
  };
  // The books know it although this gate doesn't: its storage was lost, and the balance it then took from D1 has it.
  const bookedNusd = await inTime(readCredit(db, memory.account.id, entryId));
  if (bookedNusd !== undefined && bookedNusd !== request.amountNusd) return conflict(bookedNusd);
  const row = bookedNusd === undefined ? fresh : { ...fresh, balanceAfterNusd: memory.account.balanceNusd };
  memory.store.writeCredit(row);
  if (row.balanceAfterNusd === null) memory.pendingCredits.set(entryId, row);
  return ok(row);
}

/** Posts a pending credit and applies it. Throws what D1 throws; the row stays pending. */
export async function finishCredit(memory: AccountMemory, row: CreditRow, db: D1Database): Promise<CreditReceipt> {
  if (row.balanceAfterNusd !== null) return { entryId: row.entryId, balanceNusd: row.balanceAfterNusd };
  const { amountNusd } = row;
  await inTime(
    postCredit(db, {
      id: row.entryId,
      kind: amountNusd > 0n ? "credit" : "debit",
      createdAtMs: row.createdAtMs,
      reason: row.reason,
      lines: creditLines(memory.account.id, amountNusd),
    }),
  );
  const { account } = memory;
  const balanceNusd = account.balanceNusd + amountNusd;
  memory.store.atomically(() => {
    keepAccount(memory, {
      ...account,
      balanceNusd,
      creditsNusd: account.creditsNusd + (amountNusd > 0n ? amountNusd : 0n),
      debitsNusd: account.debitsNusd + (amountNusd < 0n ? -amountNusd : 0n),
    });
    memory.store.writeCredit({ ...row, balanceAfterNusd: balanceNusd });
  });
  memory.pendingCredits.delete(row.entryId);
  return { entryId: row.entryId, balanceNusd };
}

/** Credits that were begun and not finished, oldest first. */
export function pendingCredits(memory: AccountMemory): readonly CreditRow[] {
  return [...memory.pendingCredits.values()].toSorted((left, right) => left.createdAtMs - right.createdAtMs);
}

function faultOf(memory: AccountMemory, request: CreditRequest): string | undefined {
  const { length } = request.idempotencyKey;
  if (length === 0 || length > IDEMPOTENCY_KEY_LENGTH_MAX) {
    return `idempotency_key must have 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} characters`;
  }
  if (request.amountNusd === 0n) return "amount must not be zero";
  const afterNusd: NanoUsd = memory.account.balanceNusd + request.amountNusd;
  if (afterNusd > NUSD_MAX || afterNusd < -NUSD_MAX) return "amount would take the balance beyond 9007199.254740991";
  return undefined;
}

function conflict(bookedNusd: NanoUsd): Result<never, RouterError> {
  return err({
    kind: "conflict",
    message: `This idempotency_key was used before, with another amount (${bookedNusd} nano-dollars).`,
  });
}
