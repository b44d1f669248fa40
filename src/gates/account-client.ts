/**
 * The isolate's side of the AccountGates. A warm paid request spends from a lease and calls nobody; any other is admitted
 * by the gate. Settlements go in batches, with a report of the leases.
 *
 * Settlements: whoever queues the first one of an account waits SETTLE_PAUSE_MS and sends the whole queue; those that
 * join meanwhile only look later whether theirs was taken care of. Entries stay queued until the gate acknowledges their
 * ids; whoever finds one unsent when it looks, or unacknowledged for 2 s, sends it again, which the gate's idempotency
 * makes harmless. A busy account's are gathered for longer, since a call and its transaction cost some milliseconds,
 * whatever they bring; where many isolates serve one account its gate asks them to gather for up to 8 s, so that it gets
 * some 300 calls a second and no more. Every request waits for its own entry only, at most SETTLE_MS_MAX.
 * Leases: of the requests that are settled, one an account stays as keeper and gives back what has become idle.
 * No promise crosses requests: what they share is this memory, by time.
 */
import { NO_BYOK } from "../accounts/byok.ts";
import type { Clock } from "../core/clock.ts";
import type { AccountId, GenerationId, KeyHash } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import type { IsolateLease } from "../ledger/lease.ts";
import type { Admission, AccountSpendRpc, AdmitRequest, Settlement } from "./account-contract.ts";
import {
  abandon,
  admitFromLease,
  askForLease,
  dueCall,
  enqueue,
  extendFromLease,
  extensionOf,
  gatherMsOf,
  giveUp,
  idleCall,
  isAtRest,
  isDue,
  newIsolateAccount,
  renewalCall,
  takeAdmission,
  takeExtension,
  takeReceipt,
  type IsolateAccount,
  type SettleCall,
} from "./account-isolate.ts";
import type { Standing } from "./standing.ts";

const SETTLE_PAUSE_MS = 20;
/**
 * The same once the last call brought BUSY_BATCH or more: an answer is in the books well within 250 ms even so. An account
 * of many isolates gathers for longer where its gate asks for it.
 */
const SETTLE_PAUSE_BUSY_MS = 60;
const BUSY_BATCH = 8;
/** What stands beside a settlement waits no longer than this: it is news, if not urgent. */
const BESIDE_MS_MAX = 150;
/** When a request looks whether its entry was taken care of: the sender's pause and a call have then passed. */
const LOOK_MS = 50;
/** How long the platform lets work go on after the answer. */
const SETTLE_MS_MAX = 25_000;
/** Asked for every 5 to 20 s, sent at the first chance after this. */
const RENEW_MS = 19_000;
/** How often a keeper looks, for how long it keeps others from keeping, and when it goes in any case. */
const KEEP_LOOK_MS = 500;
const KEEP_MS = 18_000;
const KEEP_MS_MAX = 24_000;
/** A keeper that has not looked for so long has died with its request, or leaves soon. */
const KEEPER_LATE_MS = 2_000;

const GATE_GONE: Admission = {
  kind: "refused",
  error: { kind: "storage", message: "The account's ledger cannot be reached right now. Try again in a second." },
};

export interface AccountClientPorts {
  readonly clock: Clock;
  readonly gate: (account: AccountId) => AccountSpendRpc;
  /** Names this isolate; no other one ever has the same. */
  readonly reporter: string;
  readonly standing: Standing;
}

export type RunningGeneration = Pick<AdmitRequest, "keyHash" | "generationId">;

export interface AccountClient {
  /** Not a promise when the isolate's lease covers the request: nothing was called. */
  admit(account: AccountId, request: AdmitRequest): Admission | Promise<Admission>;
  /** True once the gate has durably taken it. `beside` is called when the settlement has been queued for a while. */
  settle(account: AccountId, settlement: Settlement, beside?: () => void): Promise<boolean>;
  /** Not a promise when the isolate's lease covers it. Never rejects. */
  extend(account: AccountId, generation: RunningGeneration, moreNusd: NanoUsd): NanoUsd | Promise<NanoUsd>;
  renew(account: AccountId, generation: GenerationId): Promise<void>;
  forget(account: AccountId, generation: GenerationId): void;
  abandon(account: AccountId, generation: GenerationId): void;
  /** Whether a request that waits for the gate may be sent upstream meanwhile; a promise when the colo is asked. */
  isTrusted(account: AccountId, key: KeyHash, wantedNusd: NanoUsd): boolean | Promise<boolean>;
  /** A trusted request was refused. */
  distrust(account: AccountId, key: KeyHash): Promise<void>;
  /** Looks after the account's leases until they are given back, unless another request does. At most 25 s. */
  keep(account: AccountId): Promise<void>;
}

interface Memory extends AccountClientPorts {
  /** Accounts with work under way or a lease; one leaves with its last. */
  readonly accounts: Map<AccountId, IsolateAccount>;
  leaseCount: number;
}

/** One client per isolate. */
export function createAccountClient(ports: AccountClientPorts): AccountClient {
  const memory: Memory = { ...ports, accounts: new Map(), leaseCount: 0 };
  return {
    admit(account, request) {
      const state = memory.accounts.get(account);
      const admission = state === undefined ? null : admitFromLease(state, request, memory.clock());
      return admission ?? admitByGate(memory, account, request);
    },
    settle: (account, settlement, beside) => settle(memory, account, settlement, beside),
    extend(account, generation, moreNusd) {
      const state = memory.accounts.get(account);
      const leased = state === undefined ? null : extendFromLease(state, generation, moreNusd, memory.clock());
      return leased ?? extendByGate(memory, account, generation, moreNusd);
    },
    renew: (account, generation) => renew(memory, account, generation),
    forget(account, generation) {
      const state = memory.accounts.get(account);
      if (state === undefined) return;
      state.open.delete(generation);
      release(memory, account, state);
    },
    abandon(account, generation) {
      const state = memory.accounts.get(account);
      if (state !== undefined) abandon(state, generation, memory.clock());
    },
    isTrusted(account, key, wantedNusd) {
      if (memory.standing.isBarred(account, key)) return false;
      const lease = memory.accounts.get(account)?.leases.get(key);
      // A lease that has run out of time or money still tells of its account.
      const coverNusd = lease === undefined ? 0n : coverOf(lease);
      if (coverNusd > 0n && coverNusd >= wantedNusd) return true;
      return memory.standing.isTrusted(account, key, wantedNusd);
    },
    distrust: (account, key) => memory.standing.distrust(account, key),
    keep: (account) => keep(memory, account),
  };
}

/** One call does key, limits, hold and lease; a second one only when the account is short while this isolate has some. */
async function admitByGate(memory: Memory, account: AccountId, request: AdmitRequest): Promise<Admission> {
  const admission = await askGate(memory, account, request, false);
  const freeNusd = memory.accounts.get(account)?.leases.get(request.keyHash)?.freeNusd ?? 0n;
  if (admission.kind !== "short" || freeNusd === 0n) return admission;
  return await askGate(memory, account, request, true);
}

async function askGate(
  memory: Memory,
  account: AccountId,
  request: AdmitRequest,
  givesAll: boolean,
): Promise<Admission> {
  const { clock, reporter } = memory;
  const state = stateOf(memory, account);
  const newId = (): string => `${reporter}.${++memory.leaseCount}`;
  const sentAtMs = clock();
  const asking = { ...request, lease: askForLease(state, request, newId, givesAll, sentAtMs) };
  const admission = await admitTwice(memory, account, asking);
  const after = stateOf(memory, account);
  takeAdmission(after, asking, admission, sentAtMs, clock());
  release(memory, account, after);
  return admission ?? GATE_GONE;
}

/**
 * A gate that restarts under a call loses the answer, perhaps not the hold: asking again with the same id finds it.
 * @returns null when it fails twice; nobody is served on credit that nobody has checked.
 */
async function admitTwice({ gate }: Memory, account: AccountId, request: AdmitRequest): Promise<Admission | null> {
  for (let tries = 0; tries < 2; tries++) {
    try {
      return await gate(account).admit(request);
    } catch {
      // Nothing to tell apart: a restart, an eviction and an overload are all worth one more try.
    }
  }
  return null;
}

/** A gate that doesn't answer twice holds no more, as far as anybody knows. */
async function extendByGate(
  memory: Memory,
  account: AccountId,
  generation: RunningGeneration,
  moreNusd: NanoUsd,
): Promise<NanoUsd> {
  const state = stateOf(memory, account);
  const extension = extensionOf(state, generation, moreNusd);
  let heldNusd = 0n;
  for (let tries = 0; tries < 2; tries++) {
    try {
      heldNusd = await memory.gate(account).extend(extension);
      break;
    } catch {
      // As in admitTwice.
    }
  }
  const nowNusd = takeExtension(state, extension, heldNusd);
  release(memory, account, state);
  return nowNusd;
}

async function settle(
  memory: Memory,
  account: AccountId,
  settlement: Settlement,
  beside?: () => void,
): Promise<boolean> {
  const { clock } = memory;
  const id = settlement.generationId;
  const state = stateOf(memory, account);
  const nowMs = clock();
  const queued = enqueue(state, settlement, nowMs);
  const endMs = nowMs + SETTLE_MS_MAX;
  const isSender = state.sendDueMs < nowMs;
  if (isSender) {
    const pauseMs = state.lastBatch >= BUSY_BATCH ? SETTLE_PAUSE_BUSY_MS : SETTLE_PAUSE_MS;
    state.sendDueMs = nowMs + Math.max(pauseMs, gatherMsOf(state));
  }
  // The others look when the sender's call must have come back.
  let pauseMs = isSender ? state.sendDueMs - nowMs : Math.max(LOOK_MS, state.sendDueMs - nowMs + LOOK_MS);
  if (pauseMs > BESIDE_MS_MAX) {
    beside?.();
    beside = undefined;
  }
  while (state.queue.has(id) && clock() < endMs) {
    await sleep(pauseMs);
    pauseMs = LOOK_MS;
    beside?.();
    beside = undefined;
    if (state.queue.has(id) && isDue(queued, clock())) await send(memory, account, state, dueCall(state, clock()));
  }
  const isAcknowledged = !state.queue.has(id);
  giveUp(state, id);
  release(memory, account, state);
  return isAcknowledged;
}

async function send(
  { gate, clock }: Memory,
  account: AccountId,
  state: IsolateAccount,
  call: SettleCall | null,
): Promise<void> {
  if (call === null) return;
  try {
    const receipt = await gate(account).settle(call.settlements, call.reports);
    takeReceipt(state, call, receipt, clock());
  } catch {
    // The gate restarted or cannot be reached; the entries stay queued and are sent again.
    takeReceipt(state, call, null, clock());
  }
}

/** What the lease's key may be trusted with; own provider credentials, that another isolate may not know, rule it out. */
function coverOf(lease: IsolateLease): NanoUsd {
  return lease.state === "live" && lease.byokToken === NO_BYOK ? lease.keepNusd : 0n;
}

/** Whoever comes first after RENEW_MS renews for all that is open here. */
async function renew(memory: Memory, account: AccountId, generation: GenerationId): Promise<void> {
  const state = stateOf(memory, account);
  const nowMs = memory.clock();
  if (state.leased.has(generation)) await send(memory, account, state, renewalCall(state, nowMs));
  else if (!state.open.has(generation)) state.open.set(generation, 0n);
  if (!state.open.has(generation)) return;
  if (nowMs - state.renewedAtMs < RENEW_MS) return;
  const before = state.renewedAtMs;
  state.renewedAtMs = nowMs;
  try {
    await memory.gate(account).renew([...state.open.keys()]);
  } catch {
    state.renewedAtMs = before;
  }
}

/** A keeper leaves when nothing is lent, or when another has taken over; the last one gives everything back. */
async function keep(memory: Memory, account: AccountId): Promise<void> {
  const { clock } = memory;
  const state = memory.accounts.get(account);
  const startMs = clock();
  if (state === undefined || state.leases.size === 0 || startMs - state.keptAtMs < KEEPER_LATE_MS) return;
  const self = ++state.keeper;
  state.keptAtMs = startMs;
  let isLast = false;
  for (const lease of state.leases.values()) await memory.standing.trust(account, lease.keyHash, coverOf(lease));
  while (state.leases.size > 0 && !isLast) {
    await sleep(KEEP_LOOK_MS);
    if (state.keeper !== self) return;
    const nowMs = clock();
    if (nowMs - startMs < KEEP_MS) state.keptAtMs = nowMs;
    isLast = nowMs - startMs >= KEEP_MS_MAX;
    await send(memory, account, state, idleCall(state, isLast, nowMs));
  }
  state.keptAtMs = 0;
  release(memory, account, state);
}

function stateOf({ accounts, clock }: Memory, account: AccountId): IsolateAccount {
  let state = accounts.get(account);
  if (state === undefined) {
    state = newIsolateAccount(clock());
    accounts.set(account, state);
  }
  return state;
}

function release({ accounts }: Memory, account: AccountId, state: IsolateAccount): void {
  if (isAtRest(state) && accounts.get(account) === state) accounts.delete(account);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
