/**
 * The keys of one account, on a gate's memory: who may come in, and create, change, delete, rotate. Synchronous.
 * A key that was rotated shares its usage count with its successor, so that rotating never doubles a limit.
 * At most KEYS_MAX keys an account.
 */
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { KeyHash } from "../core/ids.ts";
import { err, ok, type Result } from "../core/result.ts";
import { spentFault } from "../limits/budget.ts";
import { NO_LIMITS } from "../limits/tenant-limits.ts";
import type { KeyChange, KeyView, NewKey, RotatedKey } from "./account-contract.ts";
import { keyLimitLeft, limitsWith } from "./account-limits.ts";
import { counterAt, limitRemaining, newCounter, type AccountMemory } from "./account-memory.ts";
import type { KeyRow } from "./account-rows.ts";

const KEYS_MAX = 1_000;

const NO_KEY: RouterError = { kind: "not_found", message: "There is no API key with that hash." };

/** The key if it may be used now. @returns `unauthenticated`, or `forbidden` when the account is suspended. */
export function usableKey(memory: AccountMemory, hash: KeyHash, nowMs: EpochMs): Result<KeyRow, RouterError> {
  const key = memory.keys.get(hash);
  if (key === undefined) return err({ kind: "unauthenticated", message: "No valid API key was given." });
  if (key.disabled) return err({ kind: "unauthenticated", message: "This API key is disabled." });
  if (key.expiresAtMs !== null && key.expiresAtMs <= nowMs) {
    return err({ kind: "unauthenticated", message: "This API key has expired." });
  }
  if (memory.account.isSuspended) return err({ kind: "forbidden", message: "This account is suspended." });
  return ok(key);
}

/** A key as shown: usage of the present windows, never the secret. */
export function keyView(memory: AccountMemory, key: KeyRow, nowMs: EpochMs): KeyView {
  const counter = counterAt(memory.counters.get(key.counter) ?? newCounter(nowMs), nowMs);
  const byok = counterAt(memory.byok.usage.get(key.counter) ?? newCounter(nowMs), nowMs);
  const remainingNusd = limitRemaining(key, counter, nowMs);
  return {
    hash: key.hash,
    kind: key.kind,
    name: key.name,
    label: key.label,
    disabled: key.disabled,
    limitNusd: key.limitNusd,
    limitRemainingNusd: remainingNusd !== null && remainingNusd < 0n ? 0n : remainingNusd,
    limitReset: key.limitReset,
    limits: key.limits,
    usageNusd: counter.totalNusd,
    usageDailyNusd: counter.daily.nusd,
    usageWeeklyNusd: counter.weekly.nusd,
    usageMonthlyNusd: counter.monthly.nusd,
    byokUsageNusd: byok.totalNusd,
    byokUsageDailyNusd: byok.daily.nusd,
    byokUsageWeeklyNusd: byok.weekly.nusd,
    byokUsageMonthlyNusd: byok.monthly.nusd,
    createdAtMs: key.createdAtMs,
    updatedAtMs: key.updatedAtMs,
    expiresAtMs: key.expiresAtMs,
  };
}

/** All keys, oldest first. */
export function listKeys(memory: AccountMemory, nowMs: EpochMs): readonly KeyView[] {
  return [...memory.keys.values()]
    .toSorted((left, right) => left.createdAtMs - right.createdAtMs || (left.hash < right.hash ? -1 : 1))
    .map((key) => keyView(memory, key, nowMs));
}

/** One key. @returns `not_found`. */
export function readKey(memory: AccountMemory, hash: KeyHash, nowMs: EpochMs): Result<KeyView, RouterError> {
  const key = memory.keys.get(hash);
  return key === undefined ? err(NO_KEY) : ok(keyView(memory, key, nowMs));
}

/** Adds a key; repeating it answers the key as it is. @returns `bad_request` when there are too many. */
export function createKey(memory: AccountMemory, fresh: NewKey, nowMs: EpochMs): Result<KeyView, RouterError> {
  const known = memory.keys.get(fresh.hash);
  if (known !== undefined) return ok(keyView(memory, known, nowMs));
  if (memory.keys.size >= KEYS_MAX) return tooMany();
  const key: KeyRow = {
    ...fresh,
    limits: limitsWith(NO_LIMITS, fresh.limits),
    counter: fresh.hash,
    disabled: false,
    createdAtMs: nowMs,
    updatedAtMs: null,
  };
  memory.store.atomically(() => {
    memory.store.writeCounter(key.counter, newCounter(nowMs));
    memory.store.writeKey(key);
  });
  memory.counters.set(key.counter, newCounter(nowMs));
  memory.keys.set(key.hash, key);
  return ok(keyView(memory, key, nowMs));
}

/**
 * Changes what the change names. @returns `not_found`; `bad_request` for a limit below what its window has already spent
 * or reserved: then nothing is changed.
 */
export function updateKey(
  memory: AccountMemory,
  hash: KeyHash,
  change: KeyChange,
  nowMs: EpochMs,
): Result<KeyView, RouterError> {
  const key = memory.keys.get(hash);
  if (key === undefined) return err(NO_KEY);
  const changed: KeyRow = {
    ...key,
    name: change.name ?? key.name,
    disabled: change.disabled ?? key.disabled,
    limitNusd: change.limitNusd === undefined ? key.limitNusd : change.limitNusd,
    limitReset: change.limitReset === undefined ? key.limitReset : change.limitReset,
    limits: limitsWith(key.limits, change.limits),
    expiresAtMs: change.expiresAtMs === undefined ? key.expiresAtMs : change.expiresAtMs,
    updatedAtMs: nowMs,
  };
  const isMoneyMoved = changed.limitNusd !== key.limitNusd || changed.limitReset !== key.limitReset;
  if (isMoneyMoved && changed.limitNusd !== null) {
    const { spentNusd, heldNusd } = keyLimitLeft(memory, changed, nowMs);
    const fault = spentFault(changed.limitNusd, spentNusd, heldNusd);
    if (fault !== undefined) return err({ kind: "bad_request", message: `A limit ${fault}.`, path: "limit" });
  }
  return ok(keep(memory, changed, nowMs));
}

/** Deletes a key at once; its open holds are still settled. @returns `not_found`. */
export function deleteKey(memory: AccountMemory, hash: KeyHash): Result<null, RouterError> {
  const key = memory.keys.get(hash);
  if (key === undefined) return err(NO_KEY);
  const isShared = [...memory.keys.values()].some((other) => other.hash !== hash && other.counter === key.counter);
  memory.store.atomically(() => {
    memory.store.deleteKey(hash);
    if (!isShared) memory.store.deleteCounter(key.counter);
  });
  memory.keys.delete(hash);
  if (!isShared) {
    memory.counters.delete(key.counter);
    memory.minutes.delete(key.counter);
  }
  return ok(null);
}

/**
 * Adds the successor of a key and lets the old one end `overlapS` seconds from now, or at its own end if that is sooner.
 * @returns `not_found`, `conflict` for a key that cannot be used any more, as its successor could not; `bad_request` when
 * there are too many keys.
 */
export function rotateKey(
  memory: AccountMemory,
  hash: KeyHash,
  next: RotatedKey,
  overlapS: number,
  nowMs: EpochMs,
): Result<KeyView, RouterError> {
  const old = memory.keys.get(hash);
  if (old === undefined) return err(NO_KEY);
  const known = memory.keys.get(next.hash);
  if (known !== undefined) return ok(keyView(memory, known, nowMs));
  if (old.disabled) return err(ended("is disabled", '{"disabled": false}'));
  if (old.expiresAtMs !== null && old.expiresAtMs <= nowMs) return err(ended("has expired", '{"expires_at": null}'));
  if (memory.keys.size >= KEYS_MAX) return tooMany();
  const endMs = nowMs + Math.max(0, overlapS) * 1_000;
  const fresh: KeyRow = { ...old, ...next, createdAtMs: nowMs, updatedAtMs: null };
  const ending = { ...old, expiresAtMs: Math.min(old.expiresAtMs ?? endMs, endMs), updatedAtMs: nowMs };
  memory.store.atomically(() => {
    memory.store.writeKey(ending);
    memory.store.writeKey(fresh);
  });
  memory.keys.set(ending.hash, ending);
  memory.keys.set(fresh.hash, fresh);
  return ok(keyView(memory, fresh, nowMs));
}

function keep(memory: AccountMemory, key: KeyRow, nowMs: EpochMs): KeyView {
  memory.store.writeKey(key);
  memory.keys.set(key.hash, key);
  return keyView(memory, key, nowMs);
}

function ended(how: string, remedy: string): RouterError {
  const message = `The key ${how}, and its successor would be so too. Send PATCH ${remedy} first, or create a new key.`;
  return { kind: "conflict", message };
}

function tooMany(): Result<never, RouterError> {
  return err({ kind: "bad_request", message: `An account has at most ${KEYS_MAX} API keys. Delete one first.` });
}
