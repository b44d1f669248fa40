/**
 * The isolate's side of the AccountGates: admissions one by one, settlements and renewals in batches.
 *
 * Settlements: each request queues its own and waits SETTLE_PAUSE_MS; the first to wake sends the whole queue of that
 * account. Entries stay queued, marked taken, until the gate acknowledges their ids; whoever finds one taken and
 * unacknowledged for RESEND_MS sends it again, which the gate's idempotency makes harmless. Every request waits for its
 * own entry only, at most SETTLE_MS_MAX. No promise crosses requests: what they share is this memory, by time.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { AccountId, GenerationId } from "../core/ids.ts";
import type { AccountGateRpc, Admission, AdmitRequest, Settlement } from "./account-contract.ts";

const SETTLE_PAUSE_MS = 20;
const RESEND_MS = 2_000;
/** How long the platform lets work go on after the answer. */
const SETTLE_MS_MAX = 25_000;
/** How often a request looks whether its entry was taken care of. */
const LOOK_MS = 50;
const RENEW_MS = 20_000;
/** Settlements in one call; a larger queue goes in several. */
const BATCH_MAX = 500;

interface Queued {
  readonly settlement: Settlement;
  /** When it was last sent; 0: not yet. */
  sentAtMs: EpochMs;
}

interface AccountState {
  /** Unacknowledged, by generation. */
  readonly queue: Map<GenerationId, Queued>;
  /** Open generations whose holds must live. */
  readonly open: Set<GenerationId>;
  renewedAtMs: EpochMs;
}

export interface AccountClientPorts {
  readonly clock: Clock;
  readonly gate: (account: AccountId) => AccountGateRpc;
}

export interface AccountClient {
  admit(account: AccountId, request: AdmitRequest): Promise<Admission>;
  settle(account: AccountId, settlement: Settlement): Promise<boolean>;
  renew(account: AccountId, generation: GenerationId): Promise<void>;
  forget(account: AccountId, generation: GenerationId): void;
}

/** One client per isolate. */
export function createAccountClient({ clock, gate }: AccountClientPorts): AccountClient {
  // Accounts with work under way; one leaves with its last generation.
  const accounts = new Map<AccountId, AccountState>();

  const stateOf = (account: AccountId): AccountState => {
    let state = accounts.get(account);
    if (state === undefined) {
      state = { queue: new Map(), open: new Set(), renewedAtMs: clock() };
      accounts.set(account, state);
    }
    return state;
  };
  const release = (account: AccountId, state: AccountState): void => {
    if (state.queue.size === 0 && state.open.size === 0) accounts.delete(account);
  };

  /** Sends what is unsent or was sent long ago; marks it before the call, so that others leave it alone. */
  const send = async (account: AccountId, state: AccountState): Promise<void> => {
    const nowMs = clock();
    const batch: Settlement[] = [];
    for (const queued of state.queue.values()) {
      if (nowMs - queued.sentAtMs < RESEND_MS) continue;
      queued.sentAtMs = nowMs;
      batch.push(queued.settlement);
      if (batch.length === BATCH_MAX) break;
    }
    if (batch.length === 0) return;
    try {
      const receipt = await gate(account).settle(batch);
      for (const id of receipt.acknowledged) state.queue.delete(id);
    } catch {
      // The gate restarted or cannot be reached; the entries stay queued and are sent again after RESEND_MS.
    }
  };

  return {
    async admit(account, request) {
      const admission = await gate(account).admit(request);
      if (admission.kind === "admitted" && !request.isFree) stateOf(account).open.add(request.generationId);
      return admission;
    },
    async settle(account, settlement) {
      const id = settlement.generationId;
      const state = stateOf(account);
      const queued: Queued = { settlement, sentAtMs: 0 };
      state.queue.set(id, queued);
      const endMs = clock() + SETTLE_MS_MAX;
      let pauseMs = SETTLE_PAUSE_MS;
      while (state.queue.has(id) && clock() < endMs) {
        await new Promise<void>((resolve) => setTimeout(resolve, pauseMs));
        pauseMs = LOOK_MS;
        if (state.queue.has(id) && clock() - queued.sentAtMs >= RESEND_MS) await send(account, state);
      }
      const isAcknowledged = !state.queue.delete(id);
      release(account, state);
      return isAcknowledged;
    },
    async renew(account, generation) {
      const state = stateOf(account);
      state.open.add(generation);
      const nowMs = clock();
      // Whoever comes first renews for all that is open here.
      if (nowMs - state.renewedAtMs < RENEW_MS / 2) return;
      const before = state.renewedAtMs;
      state.renewedAtMs = nowMs;
      try {
        await gate(account).renew([...state.open]);
      } catch {
        state.renewedAtMs = before;
      }
    },
    forget(account, generation) {
      const state = accounts.get(account);
      if (state === undefined) return;
      state.open.delete(generation);
      release(account, state);
    },
  };
}
