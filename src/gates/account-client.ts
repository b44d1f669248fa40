/**
 * The isolate's side of the AccountGates: admissions one by one, settlements and renewals in batches.
 *
 * Settlements: whoever queues the first one of an account waits SETTLE_PAUSE_MS and sends the whole queue; those that
 * join meanwhile only look later whether theirs was taken care of. Entries stay queued until the gate acknowledges their
 * ids; whoever finds one unsent when it looks, or unacknowledged for RESEND_MS, sends it again, which the gate's
 * idempotency makes harmless. Every request waits for its own entry only, at most SETTLE_MS_MAX. No promise crosses
 * requests: what they share is this memory, by time.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { AccountId, GenerationId } from "../core/ids.ts";
import type { Admission, AccountSpendRpc, AdmitRequest, Settlement } from "./account-contract.ts";

const SETTLE_PAUSE_MS = 20;
/** When a request looks whether its entry was taken care of: the sender's pause and a call have then passed. */
const LOOK_MS = 50;
const RESEND_MS = 2_000;
/** How long the platform lets work go on after the answer. */
const SETTLE_MS_MAX = 25_000;
/** Asked for every 5 to 20 s, sent at the first chance after this. */
const RENEW_MS = 19_000;
/** Settlements in one call; a larger queue goes in several. */
const BATCH_MAX = 500;

const GATE_GONE: Admission = {
  kind: "refused",
  error: { kind: "storage", message: "The account's ledger cannot be reached right now. Try again in a second." },
};

interface Queued {
  readonly settlement: Settlement;
  /** When it was last sent; 0: not yet. */
  sentAtMs: EpochMs;
}

interface AccountState {
  /** Unacknowledged, by generation. */
  readonly queue: Map<GenerationId, Queued>;
  /** When somebody is to send the queue; in the past: nobody is. */
  sendDueMs: EpochMs;
  /** Open generations whose holds must live. */
  readonly open: Set<GenerationId>;
  renewedAtMs: EpochMs;
}

export interface AccountClientPorts {
  readonly clock: Clock;
  readonly gate: (account: AccountId) => AccountSpendRpc;
}

export interface AccountClient {
  admit(account: AccountId, request: AdmitRequest): Promise<Admission>;
  /** True once the gate has durably taken it. */
  settle(account: AccountId, settlement: Settlement): Promise<boolean>;
  renew(account: AccountId, generation: GenerationId): Promise<void>;
  forget(account: AccountId, generation: GenerationId): void;
}

interface Memory extends AccountClientPorts {
  /** Accounts with work under way; one leaves with its last generation. */
  readonly accounts: Map<AccountId, AccountState>;
}

/** One client per isolate. */
export function createAccountClient(ports: AccountClientPorts): AccountClient {
  const memory: Memory = { ...ports, accounts: new Map() };
  return {
    async admit(account, request) {
      const admission = await admitTwice(memory, account, request);
      if (admission.kind === "admitted") stateOf(memory, account).open.add(request.generationId);
      return admission;
    },
    settle: (account, settlement) => settle(memory, account, settlement),
    renew: (account, generation) => renew(memory, account, generation),
    forget(account, generation) {
      const state = memory.accounts.get(account);
      if (state === undefined) return;
      state.open.delete(generation);
      release(memory, account, state);
    },
  };
}

/**
 * A gate that restarts under a call loses the answer, perhaps not the hold: asking again with the same id finds it.
 * @returns a refusal when it fails twice; nobody is served on credit that nobody has checked.
 */
async function admitTwice({ gate }: Memory, account: AccountId, request: AdmitRequest): Promise<Admission> {
  for (let tries = 0; tries < 2; tries++) {
    try {
      return await gate(account).admit(request);
    } catch {
      // Nothing to tell apart: a restart, an eviction and an overload are all worth one more try.
    }
  }
  return GATE_GONE;
}

async function settle(memory: Memory, account: AccountId, settlement: Settlement): Promise<boolean> {
  const { clock } = memory;
  const id = settlement.generationId;
  const state = stateOf(memory, account);
  const queued: Queued = { settlement, sentAtMs: 0 };
  state.queue.set(id, queued);
  const nowMs = clock();
  const endMs = nowMs + SETTLE_MS_MAX;
  const isSender = state.sendDueMs < nowMs;
  if (isSender) state.sendDueMs = nowMs + SETTLE_PAUSE_MS;
  let pauseMs = isSender ? SETTLE_PAUSE_MS : LOOK_MS;
  while (state.queue.has(id) && clock() < endMs) {
    await new Promise<void>((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = LOOK_MS;
    if (state.queue.has(id) && clock() - queued.sentAtMs >= RESEND_MS) await send(memory, account, state);
  }
  const isAcknowledged = !state.queue.delete(id);
  release(memory, account, state);
  return isAcknowledged;
}

/** Sends what is unsent or was sent long ago; marks it before the call, so that others leave it alone. */
async function send({ clock, gate }: Memory, account: AccountId, state: AccountState): Promise<void> {
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
}

/** Whoever comes first after RENEW_MS renews for all that is open here. */
async function renew(memory: Memory, account: AccountId, generation: GenerationId): Promise<void> {
  const state = stateOf(memory, account);
  state.open.add(generation);
  const nowMs = memory.clock();
  if (nowMs - state.renewedAtMs < RENEW_MS) return;
  const before = state.renewedAtMs;
  state.renewedAtMs = nowMs;
  try {
    await memory.gate(account).renew([...state.open]);
  } catch {
    state.renewedAtMs = before;
  }
}

function stateOf({ accounts, clock }: Memory, account: AccountId): AccountState {
  let state = accounts.get(account);
  if (state === undefined) {
    state = { queue: new Map(), sendDueMs: 0, open: new Set(), renewedAtMs: clock() };
    accounts.set(account, state);
  }
  return state;
}

function release({ accounts }: Memory, account: AccountId, state: AccountState): void {
  if (state.queue.size === 0 && state.open.size === 0) accounts.delete(account);
}
