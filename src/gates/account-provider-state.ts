/**
 * Providers' state of tool calls (see account-provider-state-contract.ts), on the gate's storage. Synchronous.
 * Kept for KEPT_MS. All of an account takes at most TOTAL_BYTES_MAX: the oldest go first. An account with zero retention
 * keeps nothing, and loses what was kept before.
 */
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import { ok, type Result } from "../core/result.ts";
import { usableKey } from "./account-keys.ts";
import { isZeroRetention } from "./account-limits.ts";
import type { AccountMemory } from "./account-memory.ts";
import {
  REFS_MAX,
  STATE_BYTES_MAX,
  type ProviderStateAnswer,
  type ProviderStateCommand,
  type SealedState,
} from "./account-provider-state-contract.ts";
import { openProviderStateStore, type ProviderStateStore } from "./account-provider-state-store.ts";

/** How long a state is kept: a conversation that rests longer goes on without it. */
export const KEPT_MS = 7 * 86_400_000;
export const TOTAL_BYTES_MAX = 32 * 1024 * 1024;
/** Bytes of one read: an RPC carries 32 MiB. */
const READ_BYTES_MAX = 8 * 1024 * 1024;
const REF_CHARS_MAX = 64;

export interface ProviderStates {
  answer(
    memory: AccountMemory,
    command: ProviderStateCommand,
    nowMs: EpochMs,
  ): Result<ProviderStateAnswer, RouterError>;
  /** Forgets what is older than KEPT_MS. */
  forget(nowMs: EpochMs): void;
  /** When there is something to forget; null: never. */
  nextDueMs(): EpochMs | null;
}

interface Holding {
  readonly store: ProviderStateStore;
  /** False until the first one makes the table. */
  isOpen: boolean;
  count: number;
  sizeBytes: number;
}

/** Providers' state of one account. */
export function createProviderStates(storage: DurableObjectStorage): ProviderStates {
  const store = openProviderStateStore(storage);
  const holding: Holding = { store, isOpen: store.exists(), count: 0, sizeBytes: 0 };
  if (holding.isOpen) Object.assign(holding, store.totals());
  return {
    answer(memory, command, nowMs) {
      const keepsNothing = isZeroRetention(memory.account);
      if (keepsNothing) empty(holding);
      if (command.kind === "keep") return ok(keepsNothing ? WITHHELD : keep(holding, command.state, nowMs));
      const key = usableKey(memory, command.keyHash, nowMs);
      if (!key.ok) return key;
      return ok({ kind: "found", states: read(holding, command.refs), isZeroRetention: keepsNothing });
    },
    forget(nowMs) {
      for (let oldest = first(holding); oldest !== undefined; oldest = first(holding)) {
        if (oldest.createdAtMs + KEPT_MS > nowMs) return;
        remove(holding, oldest);
      }
    },
    nextDueMs() {
      const oldest = first(holding);
      return oldest === undefined ? null : oldest.createdAtMs + KEPT_MS;
    },
  };
}

const WITHHELD: ProviderStateAnswer = { kind: "withheld" };

function keep(holding: Holding, state: SealedState, nowMs: EpochMs): ProviderStateAnswer {
  const { store } = holding;
  const sizeBytes = state.sealed.byteLength;
  if (sizeBytes > STATE_BYTES_MAX || state.ref.length > REF_CHARS_MAX) return WITHHELD;
  if (!holding.isOpen) store.create();
  holding.isOpen = true;
  // The answer was lost, and it is sent again.
  if (store.has(state.ref)) return { kind: "kept" };
  store.write(state, nowMs);
  holding.count++;
  holding.sizeBytes += sizeBytes;
  while (holding.sizeBytes > TOTAL_BYTES_MAX) {
    const oldest = first(holding);
    if (oldest === undefined) break;
    remove(holding, oldest);
  }
  return { kind: "kept" };
}

function read({ store, count }: Holding, refs: readonly string[]): SealedState[] {
  const states: SealedState[] = [];
  if (count === 0) return states;
  let bytes = 0;
  for (const ref of refs.slice(0, REFS_MAX)) {
    const sealed = store.read(ref);
    if (sealed === undefined) continue;
    bytes += sealed.byteLength;
    if (bytes > READ_BYTES_MAX) break;
    states.push({ ref, sealed });
  }
  return states;
}

function first({ store, count }: Holding): ReturnType<ProviderStateStore["oldest"]> {
  return count === 0 ? undefined : store.oldest();
}

function remove(holding: Holding, { ref, sizeBytes }: { readonly ref: string; readonly sizeBytes: number }): void {
  holding.store.delete(ref);
  holding.count--;
  holding.sizeBytes -= sizeBytes;
}

function empty(holding: Holding): void {
  if (holding.count === 0) return;
  holding.store.deleteAll();
  holding.count = 0;
  holding.sizeBytes = 0;
}
