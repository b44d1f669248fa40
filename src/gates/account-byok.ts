/**
 * A tenant's own provider credentials on a gate's memory: kept, changed, handed out, and what became of them. The secrets
 * are sealed before they come here and the gate can't open them. Synchronous.
 *
 * Every change makes a new version; the token of the present state (version and fee) is what isolates plan with. A plan
 * made with another token is not admitted: the gate answers with the list, and the isolate plans anew, so that no request
 * is ever served by a credential that the tenant has ruled out. An account without enabled credentials has the token that
 * an isolate has which knows nothing, so for it nothing is sent and nobody asks twice.
 *
 * Fee: basis points of the list price, free of charge as long as the month's usage at list price, all settled, is below
 * the allowance. A generation keeps the fee it was admitted with; so the one that reaches the allowance, and those that
 * run at that moment, are still free.
 */
import { NO_BYOK, type ByokGrant } from "../accounts/byok.ts";
import type { EpochMs } from "../core/clock.ts";
import { compareText } from "../core/compare.ts";
import type { RouterError } from "../core/error.ts";
import type { KeyHash } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import { assert, err, ok, type Result } from "../core/result.ts";
import type { ByokChange, ByokCommand, ByokOutcome, ByokUse, ByokView, NewByok } from "./account-byok-contract.ts";
import type { ByokRow } from "./account-byok-rows.ts";
import { counterAt, counterWith, newCounter, type AccountMemory } from "./account-memory.ts";

/** What the operator asks for it. */
export interface ByokTerms {
  readonly feeBps: number;
  /** List price a month that is free of the fee. */
  readonly freeMonthlyNusd: NanoUsd;
}

/** Credentials of one account. */
const CREDENTIALS_MAX = 50;
/** The same failure is written once in so long: a row written for every refused request would cost more than it tells. */
const SAME_FAULT_MS = 60_000;
/** The account's own count, at list price, beside those of its keys, which are hashes. */
const ACCOUNT_USAGE = "account";

const NO_CREDENTIAL: RouterError = { kind: "not_found", message: "There is no BYOK credential with that id." };

/** The account's present grant, unless `token` names it already. */
export function byokGrant(
  memory: AccountMemory,
  token: string,
  terms: ByokTerms,
  nowMs: EpochMs,
): ByokGrant | undefined {
  const { rows, version } = memory.byok;
  if (rows.size === 0 && token === NO_BYOK) return undefined;
  const enabled = [...rows.values()].filter((row) => !row.disabled);
  if (enabled.length === 0) {
    return token === NO_BYOK ? undefined : { token: NO_BYOK, feeBps: 0, credentials: [] };
  }
  const feeBps = feeBpsAt(memory, terms, nowMs);
  const present = `${version}.${feeBps}`;
  if (token === present) return undefined;
  const credentials = enabled.map(
    ({ id, provider, sealed, isFallback, alwaysUse, sortOrder, allowedModels, allowedKeyHashes }) => ({
      id,
      provider,
      sealed,
      isFallback,
      alwaysUse,
      sortOrder,
      allowedModels,
      allowedKeyHashes,
    }),
  );
  return { token: present, feeBps, credentials };
}

function feeBpsAt(memory: AccountMemory, terms: ByokTerms, nowMs: EpochMs): number {
  const usage = memory.byok.usage.get(ACCOUNT_USAGE);
  const monthNusd = usage === undefined ? 0n : counterAt(usage, nowMs).monthly.nusd;
  return monthNusd < terms.freeMonthlyNusd ? 0 : terms.feeBps;
}

/** Runs a manager's command. @returns `not_found`, `bad_request`. */
export function manageByok(
  memory: AccountMemory,
  command: ByokCommand,
  nowMs: EpochMs,
): Result<readonly ByokView[], RouterError> {
  switch (command.kind) {
    case "list":
      return ok(listed(memory));
    case "create":
      return created(memory, command.fresh, nowMs);
    case "read":
    case "update":
    case "delete": {
      const row = memory.byok.rows.get(command.id);
      if (row === undefined) return err(NO_CREDENTIAL);
      if (command.kind === "read") return ok([viewOf(row)]);
      return command.kind === "update" ? updated(memory, row, command.change, nowMs) : deleted(memory, row);
    }
    default:
      return command satisfies never;
  }
}

/** All credentials: by provider, then in the order of use. */
function listed(memory: AccountMemory): readonly ByokView[] {
  return [...memory.byok.rows.values()]
    .toSorted(
      (left, right) =>
        compareText(left.provider, right.provider) ||
        left.sortOrder - right.sortOrder ||
        compareText(left.id, right.id),
    )
    .map(viewOf);
}

function created(memory: AccountMemory, fresh: NewByok, nowMs: EpochMs): Result<readonly ByokView[], RouterError> {
  const known = memory.byok.rows.get(fresh.id);
  if (known !== undefined) return ok([viewOf(known)]);
  if (memory.byok.rows.size >= CREDENTIALS_MAX) {
    const message = `An account has at most ${CREDENTIALS_MAX} BYOK credentials. Delete one first.`;
    return err({ kind: "bad_request", message });
  }
  const last = [...memory.byok.rows.values()]
    .filter((row) => row.provider === fresh.provider)
    .reduce((most, row) => Math.max(most, row.sortOrder), -1);
  const row: ByokRow = {
    ...fresh,
    sortOrder: fresh.sortOrder ?? last + 1,
    allowedModels: listOf(fresh.allowedModels),
    allowedKeyHashes: listOf(fresh.allowedKeyHashes),
    createdAtMs: nowMs,
    updatedAtMs: null,
    lastError: null,
  };
  return faultOf(memory, row, fresh.allowedKeyHashes) ?? ok([keep(memory, row)]);
}

/** A new secret starts without a fault. */
function updated(
  memory: AccountMemory,
  old: ByokRow,
  change: ByokChange,
  nowMs: EpochMs,
): Result<readonly ByokView[], RouterError> {
  const { secret, allowedModels, allowedKeyHashes } = change;
  const row: ByokRow = {
    ...old,
    name: change.name === undefined ? old.name : change.name,
    disabled: change.disabled ?? old.disabled,
    isFallback: change.isFallback ?? old.isFallback,
    alwaysUse: change.alwaysUse ?? old.alwaysUse,
    sortOrder: change.sortOrder ?? old.sortOrder,
    allowedModels: allowedModels === undefined ? old.allowedModels : listOf(allowedModels),
    allowedKeyHashes: allowedKeyHashes === undefined ? old.allowedKeyHashes : listOf(allowedKeyHashes),
    ...(secret === undefined ? {} : { ...secret, lastError: null }),
    updatedAtMs: nowMs,
  };
  return faultOf(memory, row, allowedKeyHashes ?? null) ?? ok([keep(memory, row)]);
}

function deleted(memory: AccountMemory, { id }: ByokRow): Result<readonly ByokView[], RouterError> {
  const { byok } = memory;
  memory.store.atomically(() => {
    byok.store.deleteCredential(id);
    byok.store.writeVersion(byok.version + 1);
  });
  byok.rows.delete(id);
  byok.version += 1;
  return ok([]);
}

function listOf<T>(values: readonly T[] | null): T[] | null {
  return values === null ? null : [...values];
}

/** The successor of a rotated key may use what the key might: else `always_use` would end unseen. */
export function passByokOn(memory: AccountMemory, from: KeyHash, to: KeyHash): void {
  for (const row of memory.byok.rows.values()) {
    const { allowedKeyHashes } = row;
    if (allowedKeyHashes === null || !allowedKeyHashes.includes(from) || allowedKeyHashes.includes(to)) continue;
    keep(memory, { ...row, allowedKeyHashes: [...allowedKeyHashes, to] });
  }
}

/**
 * Books what a settlement says of credentials: faults as they are seen in the API, and usage. Runs within the
 * settlement's transaction; a credential deleted meanwhile is passed over.
 */
export function noteByok(memory: AccountMemory, use: ByokUse, keyCounter: string | undefined, nowMs: EpochMs): void {
  const { byok } = memory;
  for (const outcome of use.outcomes) {
    const row = byok.rows.get(outcome.id);
    if (row === undefined || !isNews(row, outcome, nowMs)) continue;
    const changed = { ...row, lastError: outcome.error === null ? null : { ...outcome.error, atMs: nowMs } };
    byok.store.writeCredential(changed);
    byok.rows.set(row.id, changed);
  }
  // An account that never had a credential has no tables; nobody else can say that one of its own served.
  if (use.listNusd === 0n || !byok.store.exists()) return;
  count(memory, ACCOUNT_USAGE, use.listNusd, nowMs);
  if (keyCounter !== undefined) count(memory, keyCounter, use.upstreamNusd, nowMs);
}

function isNews(row: ByokRow, { error }: ByokOutcome, nowMs: EpochMs): boolean {
  const last = row.lastError;
  if (error === null || last === null) return error !== last;
  return last.type !== error.type || last.status !== error.status || nowMs - last.atMs >= SAME_FAULT_MS;
}

function count(memory: AccountMemory, id: string, amountNusd: NanoUsd, nowMs: EpochMs): void {
  const counted = counterWith(memory.byok.usage.get(id) ?? newCounter(nowMs), amountNusd, nowMs);
  memory.byok.store.writeUsage(id, counted);
  memory.byok.usage.set(id, counted);
}

/** What stands against a row; undefined when nothing does. `named`: the hashes that were given just now. */
function faultOf(
  memory: AccountMemory,
  row: ByokRow,
  named: readonly KeyHash[] | null,
): Result<never, RouterError> | undefined {
  if (row.isFallback && row.alwaysUse) {
    const message = "always_use leaves no shared credential that is_fallback could come after. Set one of them.";
    return err({ kind: "bad_request", message, path: "always_use" });
  }
  const foreign = named?.findIndex((hash) => !memory.keys.has(hash)) ?? -1;
  if (foreign === -1) return undefined;
  const path = `allowed_api_key_hashes[${foreign}]`;
  return err({ kind: "bad_request", message: `${path} is not the hash of a key of this account`, path });
}

function keep(memory: AccountMemory, row: ByokRow): ByokView {
  const { byok } = memory;
  memory.store.atomically(() => {
    byok.store.create();
    byok.store.writeCredential(row);
    byok.store.writeVersion(byok.version + 1);
  });
  byok.rows.set(row.id, row);
  byok.version += 1;
  return viewOf(row);
}

function viewOf(row: ByokRow): ByokView {
  const { sealed, ...shown } = row;
  assert(sealed !== "", "a credential is sealed before it comes here");
  return shown;
}
