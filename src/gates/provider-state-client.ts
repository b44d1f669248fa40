/**
 * The isolate's side of providers' state: seals it for its account, keeps what is too long for an id in the account's gate,
 * and brings it back. Nothing but sealed bytes leaves the isolate; they open for the account they were sealed for, and for
 * no other.
 * A client may be back before its state has reached the gate: what is on its way is found here, and what another isolate
 * has on its way is waited for a little.
 */
import { bytesKey, openBytes, sealBytes } from "../accounts/seal-bytes.ts";
import type { Clock, EpochMs, RandomBytes } from "../core/clock.ts";
import type { AccountId, KeyHash } from "../core/ids.ts";
import { toBase64Url } from "../core/provider-state.ts";
import { assert } from "../core/result.ts";
import {
  REFS_MAX,
  type AccountProviderStateRpc,
  type ProviderStateCommand,
} from "./account-provider-state-contract.ts";

export interface ProviderStateClientPorts {
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly gate: (account: AccountId) => AccountProviderStateRpc;
  readonly settings: { readonly sealingSecret: string; readonly openingSecrets: readonly string[] };
}

/** Where a sealed state is. */
export interface KeptState {
  readonly ref: string;
  /** Ends when the gate has it, or nobody tries any more; never rejects. */
  readonly done: Promise<void>;
}

export interface FoundStates {
  /** Opened, by ref. */
  readonly states: ReadonlyMap<string, Uint8Array>;
  /** The account keeps nothing: what is not there never was. */
  readonly isZeroRetention: boolean;
}

export interface ProviderStateClient {
  seal(account: AccountId, plain: Uint8Array): Promise<Uint8Array>;
  /** Null for what was sealed for another account, or with another secret, or is nothing of the kind. */
  open(account: AccountId, sealed: Uint8Array): Promise<Uint8Array | null>;
  /** Keeps a sealed state in the gate. */
  keep(account: AccountId, sealed: Uint8Array): KeptState;
  /** What there is of `refs`, the newest REFS_MAX of them. Never rejects. */
  read(account: AccountId, keyHash: KeyHash, refs: readonly string[]): Promise<FoundStates>;
}

/** Accounts whose keys are remembered; the oldest leave first. */
const KEYS_MAX = 1_000;
/** States on their way to gates that are held here as well; the oldest leave first. */
const PENDING_MAX = 200;
/** Tries to keep a state, and the pause before the second, doubled from then on. */
const KEEP_TRIES = 4;
const KEEP_PAUSE_MS = 500;
/** A state that is younger may still be on its way from another isolate; the pauses between the looks for it. */
const YOUNG_MS = 10_000;
const YOUNG_PAUSES_MS = [100, 300, 900] as const;
const LABEL = "provider state";
/** Characters of the time at a ref's beginning: until the year 2059. */
const TIME_CHARS = 8;
const REF_RANDOM_BYTES = 16;

/** One client per isolate. */
export function createProviderStateClient(ports: ProviderStateClientPorts): ProviderStateClient {
  const { clock, random, gate, settings } = ports;
  // Account -> keys, the present secret's first; never stale, at most KEYS_MAX.
  const keys = new Map<AccountId, readonly CryptoKey[]>();
  // Account and ref -> sealed state that its gate has not acknowledged; at most PENDING_MAX, seconds old.
  const pending = new Map<string, Uint8Array>();

  const keysOf = async (account: AccountId): Promise<readonly CryptoKey[]> => {
    const known = keys.get(account);
    if (known !== undefined) return known;
    const secrets = [...new Set([settings.sealingSecret, ...settings.openingSecrets])];
    const made = await Promise.all(secrets.map((secret) => bytesKey(secret, `${LABEL} ${account}`)));
    makeRoom(keys, KEYS_MAX);
    keys.set(account, made);
    return made;
  };

  const open = async (account: AccountId, sealed: Uint8Array): Promise<Uint8Array | null> => {
    for (const key of await keysOf(account)) {
      const plain = await openBytes(sealed, key, LABEL);
      if (plain !== null) return plain;
    }
    return null;
  };

  const insist = async (account: AccountId, command: ProviderStateCommand, name: string): Promise<void> => {
    for (let tries = 0; tries < KEEP_TRIES; tries++) {
      if (tries > 0) await pause(KEEP_PAUSE_MS * 2 ** (tries - 1));
      const answer = await ask(gate(account), command);
      if (answer !== null) break;
    }
    pending.delete(name);
  };

  return {
    async seal(account, plain) {
      const [key] = await keysOf(account);
      assert(key !== undefined, "a deployment has a secret");
      return await sealBytes(plain, key, LABEL, random);
    },
    open,
    keep(account, sealed) {
      const ref = `${clock().toString(36).padStart(TIME_CHARS, "0")}${toBase64Url(random(REF_RANDOM_BYTES))}`;
      const name = `${account} ${ref}`;
      makeRoom(pending, PENDING_MAX);
      pending.set(name, sealed);
      return { ref, done: insist(account, { kind: "keep", state: { ref, sealed } }, name) };
    },
    async read(account, keyHash, refs) {
      const found = new Map<string, Uint8Array>();
      let isZeroRetention = false;
      const take = async (ref: string, sealed: Uint8Array): Promise<void> => {
        const plain = await open(account, sealed);
        if (plain !== null) found.set(ref, plain);
      };
      const wanted = newestFirst(refs).slice(0, REFS_MAX);
      for (const ref of wanted) {
        const sealed = pending.get(`${account} ${ref}`);
        if (sealed !== undefined) await take(ref, sealed);
      }
      for (const pauseMs of [...YOUNG_PAUSES_MS, null]) {
        const missing = wanted.filter((ref) => !found.has(ref));
        if (missing.length === 0) break;
        const answer = await ask(gate(account), { kind: "read", keyHash, refs: missing });
        if (answer?.kind !== "found") break;
        ({ isZeroRetention } = answer);
        for (const { ref, sealed } of answer.states) await take(ref, sealed);
        const isAwaited = missing.some((ref) => !found.has(ref) && clock() - timeOf(ref) < YOUNG_MS);
        if (pauseMs === null || isZeroRetention || !isAwaited) break;
        await pause(pauseMs);
      }
      return { states: found, isZeroRetention };
    },
  };
}

/** The gate's answer; null when it cannot be reached or refuses. */
async function ask(gate: AccountProviderStateRpc, command: ProviderStateCommand) {
  try {
    const answer = await gate.providerState(command);
    return answer.ok ? answer.value : null;
  } catch {
    return null;
  }
}

function newestFirst(refs: readonly string[]): readonly string[] {
  return [...new Set(refs)].toSorted((left, right) => (left < right ? 1 : -1));
}

/** When a ref was made. */
function timeOf(ref: string): EpochMs {
  return Number.parseInt(ref.slice(0, TIME_CHARS), 36) || 0;
}

function makeRoom(map: Map<string, unknown>, limit: number): void {
  const oldest = map.size >= limit ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
