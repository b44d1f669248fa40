/**
 * The free tier's places of an account (limits/free-tier.ts has the rule): counted in its row, taken with a hold that
 * remembers when, so that each can be given back once.
 */
import type { EpochMs } from "../core/clock.ts";
import { freeTierVerdict, type FreeTierVerdict } from "../limits/free-tier.ts";
import { windowAt } from "../limits/window.ts";
import { boughtNusd, keepAccount, keepHold, type AccountMemory } from "./account-memory.ts";
import type { AccountRow, Hold } from "./account-rows.ts";

/** The account with its free-tier counts in the present windows. */
export function presentFree(account: AccountRow, nowMs: EpochMs): AccountRow {
  const minute = windowAt("minute", nowMs).id;
  const day = windowAt("daily", nowMs).id;
  if (account.freeMinute.id === minute && account.freeDay.id === day) return account;
  return {
    ...account,
    freeMinute: account.freeMinute.id === minute ? account.freeMinute : { id: minute, count: 0 },
    freeDay: account.freeDay.id === day ? account.freeDay : { id: day, count: 0 },
  };
}

/** Whether the account has a free place left; `account` as of now (`presentFree`). */
export function freeVerdictOf(account: AccountRow, nowMs: EpochMs): FreeTierVerdict {
  return freeTierVerdict(
    {
      balanceNusd: account.balanceNusd,
      boughtNusd: boughtNusd(account),
      usedThisMinute: account.freeMinute.count,
      usedToday: account.freeDay.count,
    },
    nowMs,
  );
}

/** The hold's row remembers the place that was taken with it, so that it can be given back once. */
export function takeFreePlace(memory: AccountMemory, account: AccountRow, hold: Hold): void {
  memory.store.atomically(() => {
    keepAccount(memory, {
      ...account,
      freeMinute: { ...account.freeMinute, count: account.freeMinute.count + 1 },
      freeDay: { ...account.freeDay, count: account.freeDay.count + 1 },
    });
    keepHold(memory, hold);
  });
}

/** Gives a free place back to the windows it was taken from, as far as they still run. */
export function refunded(account: AccountRow, hold: Hold | undefined, nowMs: EpochMs): AccountRow {
  const takenAtMs = hold?.freeAtMs ?? null;
  if (takenAtMs === null) return account;
  const present = presentFree(account, nowMs);
  const less = (window: { readonly id: string; readonly count: number }, takenId: string) =>
    window.id === takenId ? { ...window, count: Math.max(0, window.count - 1) } : window;
  return {
    ...present,
    freeMinute: less(present.freeMinute, windowAt("minute", takenAtMs).id),
    freeDay: less(present.freeDay, windowAt("daily", takenAtMs).id),
  };
}
