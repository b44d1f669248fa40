/**
 * Movements of credit through the gate, which alone may move a balance: the operator's credits and debits, purchases,
 * refunds, disputes, vouchers. In this order: stored as pending with its id, posted to D1 (idempotent), applied to the
 * balance in one transaction that also ends the pending state. A crash or an unreachable D1 at any point leaves a pending
 * row, which the alarm finishes. What takes may make the balance negative. Receipts are kept for good: the id of a cause
 * (an idempotency key, a payment) never comes to mean something else.
 */
import type { Clock } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import { NUSD_MAX, type NanoUsd } from "../core/money.ts";
import { assert, err, ok, type Result } from "../core/result.ts";
import { postCredit, readCredits } from "../ledger/books.ts";
import { creditEntryId, movementEffect, movementLines, type Movement } from "../ledger/entries.ts";
import type { CreditReceipt, CreditRequest } from "./account-contract.ts";
import { inTime } from "./account-flush.ts";
import { keepAccount, type AccountMemory } from "./account-memory.ts";
import type { CreditRow } from "./account-rows.ts";

const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

/** A movement with its entry's id, which names its cause. */
export interface NamedMovement extends Movement {
  readonly entryId: string;
  readonly reason: string;
}

/**
 * Takes the operator's credit or debit on record, as pending unless it is known.
 * @returns `conflict`, `bad_request`; throws what D1 throws.
 */
export async function recordCredit(
  memory: AccountMemory,
  request: CreditRequest,
  db: D1Database,
  clock: Clock,
): Promise<Result<CreditRow, RouterError>> {
  const refusal = faultOf(request);
  if (refusal !== undefined) return err({ kind: "bad_request", message: refusal });
  const movement: NamedMovement = {
    entryId: creditEntryId(memory.account.id, request.idempotencyKey),
    kind: request.amountNusd > 0n ? "credit" : "debit",
    amountNusd: request.amountNusd,
    feeNusd: 0n,
    reason: request.reason,
  };
  const rows = await recordMovements(memory, [movement], db, clock);
  return rows.ok ? ok(onlyOf(rows.value)) : rows;
}

/** The row of the one movement that was recorded. */
export function onlyOf([row]: readonly CreditRow[]): CreditRow {
  assert(row !== undefined, "a movement has a row");
  return row;
}

/**
 * Takes movements on record, those that are not known as pending, all in one transaction with what `alongside` writes.
 * @returns their rows in order; `conflict` for a known id with another amount, `bad_request` for one that the balance
 * can't hold: then nothing is recorded. Throws what D1 throws.
 */
export async function recordMovements(
  memory: AccountMemory,
  movements: readonly NamedMovement[],
  db: D1Database,
  clock: Clock,
  alongside: () => void = () => undefined,
): Promise<Result<readonly CreditRow[], RouterError>> {
  const isNew = ({ entryId }: NamedMovement): boolean => memory.store.readCredit(entryId) === undefined;
  const unknown = movements.filter(isNew).map(({ entryId }) => entryId);
  // The books may know what this gate doesn't: its storage was lost, and the balance it then took from D1 has it.
  const booked =
    unknown.length === 0 ? new Map<string, NanoUsd>() : await inTime(readCredits(db, memory.account.id, unknown));
  let afterNusd = memory.account.balanceNusd;
  const rows: CreditRow[] = [];
  for (const movement of movements) {
    const known = memory.store.readCredit(movement.entryId);
    const knownNusd = known?.amountNusd ?? booked.get(movement.entryId);
    if (knownNusd !== undefined && knownNusd !== movement.amountNusd) return conflict(knownNusd);
    if (knownNusd === undefined) afterNusd += movement.amountNusd;
    if (afterNusd > NUSD_MAX || afterNusd < -NUSD_MAX) {
      return err({ kind: "bad_request", message: "amount would take the balance beyond 9007199.254740991" });
    }
    const balanceAfterNusd = booked.has(movement.entryId) ? memory.account.balanceNusd : null;
    rows.push(known ?? { ...movement, createdAtMs: clock(), balanceAfterNusd });
  }
  memory.store.atomically(() => {
    alongside();
    for (const row of rows) if (unknown.includes(row.entryId)) memory.store.writeCredit(row);
  });
  for (const row of rows) if (row.balanceAfterNusd === null) memory.pendingCredits.set(row.entryId, row);
  return ok(rows);
}

/** Posts a pending movement and applies it. Throws what D1 throws; the row stays pending. */
export async function finishCredit(memory: AccountMemory, row: CreditRow, db: D1Database): Promise<CreditReceipt> {
  if (row.balanceAfterNusd !== null) return { entryId: row.entryId, balanceNusd: row.balanceAfterNusd };
  const { kind, amountNusd } = row;
  await inTime(
    postCredit(db, {
      id: row.entryId,
      kind,
      createdAtMs: row.createdAtMs,
      reason: row.reason,
      lines: movementLines(memory.account.id, row),
    }),
  );
  const { account } = memory;
  const balanceNusd = account.balanceNusd + amountNusd;
  const effect = movementEffect(kind, amountNusd);
  memory.store.atomically(() => {
    keepAccount(memory, {
      ...account,
      balanceNusd,
      creditsNusd: account.creditsNusd + effect.creditsNusd,
      debitsNusd: account.debitsNusd + effect.debitsNusd,
      refundedNusd: account.refundedNusd + effect.refundedNusd,
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

function faultOf(request: CreditRequest): string | undefined {
  const { length } = request.idempotencyKey;
  if (length === 0 || length > IDEMPOTENCY_KEY_LENGTH_MAX) {
    return `idempotency_key must have 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} characters`;
  }
  return request.amountNusd === 0n ? "amount must not be zero" : undefined;
}

function conflict(bookedNusd: NanoUsd): Result<never, RouterError> {
  return err({
    kind: "conflict",
    message: `This idempotency_key was used before, with another amount (${bookedNusd} nano-dollars).`,
  });
}
