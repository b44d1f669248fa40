/**
 * What an AccountGate says to D1: one after the other, at the pace that D1 bears, and tried again until it has answered.
 * Memory of one gate: what waits is in its storage, so a restart only forgets how slow D1 was.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import { err, ok, type Result } from "../core/result.ts";
import { finishCredit, pendingCredits } from "./account-credit.ts";
import { FIRST_PACE, flushOnce, waitMs, type Pace } from "./account-flush.ts";
import type { AccountMemory } from "./account-memory.ts";

/** Failed flushes in a row from which the audit tells; before, it is a hiccup that the next try may end. */
const FAILURES_TOLD = 5;
/** Flushes in one go; a longer outbox goes on with the next. */
const FLUSHES_MAX = 10;

export const NO_BOOKS: RouterError = {
  kind: "storage",
  message: "The books can't be reached at the moment. Try again.",
};

export interface PostingPorts {
  readonly clock: Clock;
  readonly books: () => D1Database;
  readonly opened: () => Promise<Result<AccountMemory, RouterError>>;
}

export interface Posting {
  /** Runs work that talks to D1, after what was begun before. @returns `storage` when D1 fails. */
  inTurn<T>(work: (memory: AccountMemory) => Promise<Result<T, RouterError>>): Promise<Result<T, RouterError>>;
  /** Posts all that waits for D1, as far as it answers. */
  catchUp(): Promise<void>;
  /** When what waits is to be posted. */
  dueMs(): EpochMs;
  /** When to try again what has failed just now. */
  retryAtMs(): EpochMs;
  /** What D1 said to the last try, once that is no hiccup any more; for the audit. */
  trouble(): string | null;
}

export function createPosting({ clock, books, opened }: PostingPorts): Posting {
  let turn: Promise<unknown> = Promise.resolve();
  let pace: Pace = FIRST_PACE;
  let trouble: string | null = null;

  const inTurn: Posting["inTurn"] = async <T>(work: (memory: AccountMemory) => Promise<Result<T, RouterError>>) => {
    const before = turn;
    const run = async (): Promise<Result<T, RouterError>> => {
      await before;
      const memory = await opened();
      return memory.ok ? await work(memory.value) : memory;
    };
    const result = run().catch((error: unknown): Result<T, RouterError> => {
      trouble = error instanceof Error ? error.message : String(error);
      return err(NO_BOOKS);
    });
    turn = result;
    return await result;
  };

  return {
    inTurn,
    async catchUp() {
      const done = await inTurn(async (memory) => {
        for (const credit of pendingCredits(memory)) await finishCredit(memory, credit, books());
        for (let at = 0; at < FLUSHES_MAX; at++) {
          const { flushed, latencyMs } = await flushOnce(memory, books(), clock);
          if (!flushed) break;
          pace = { latencyMs, failures: 0, flushedAtMs: clock() };
        }
        return ok(null);
      });
      pace = { ...pace, failures: done.ok ? 0 : pace.failures + 1 };
      if (done.ok) trouble = null;
    },
    dueMs: () => clock() + waitMs(pace, clock()),
    retryAtMs: () => clock() + waitMs({ ...pace, failures: 1 }, clock()),
    trouble: () => (pace.failures < FAILURES_TOLD ? null : trouble),
  };
}
