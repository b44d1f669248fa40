/**
 * What a branch of an AccountGate does: to its gate it is an isolate with a lease, to its isolates it is the gate. It admits
 * from its lease where that covers the request and asks its gate where it does not, so that it refuses nobody by itself;
 * it acknowledges a settlement once its gate has taken it. All money is the gate's and its rules are: this is the isolate's
 * own client (account-client.ts), which others use.
 * What it forgets when it dies is what an isolate forgets: its lease stays reserved, then returns to the tenant, and
 * settlements that nobody has acknowledged come again from the isolates.
 * Memory: the open generations of its isolates.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { AccountId, GenerationId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import { createBranches } from "../limits/branches.ts";
import { NEWS_MS } from "./account-branches.ts";
import { createAccountClient, type AccountClient } from "./account-client.ts";
import {
  HOLD_LIFE_MS,
  type AccountSpendRpc,
  type Admission,
  type AdmitRequest,
  type BranchCaller,
  type BranchNews,
  type Extension,
  type Settlement,
} from "./account-contract.ts";
import { createStanding } from "./standing.ts";

/** Isolates renew every 20 s; one that has said nothing for so long has died, and its hold is free again. */
const SILENT_MS = HOLD_LIFE_MS + 15_000;
/** How often the silent are looked for. */
const LOOK_MS = 5_000;

export interface AccountBranchPorts {
  readonly clock: Clock;
  readonly account: AccountId;
  /** Its name among the account's. */
  readonly branch: string;
  /** Names this life of it; no other one ever has the same. */
  readonly reporter: string;
  readonly gate: () => AccountSpendRpc;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

interface Open {
  heldNusd: NanoUsd;
  heardAtMs: EpochMs;
}

interface Memory extends AccountBranchPorts {
  readonly client: AccountClient;
  readonly open: Map<GenerationId, Open>;
  /** Those on their way to the gate: an isolate that asks again waits for the same. */
  readonly settling: Map<GenerationId, Promise<boolean>>;
  readonly isCalled: () => void;
  /** What to tell of the account's branches. */
  readonly news: () => BranchNews;
  lookedAtMs: EpochMs;
}

export function createAccountBranch(ports: AccountBranchPorts): AccountSpendRpc {
  const { clock } = ports;
  // Its own calls are all that it counts: how many branches there are its gate says.
  const calls = createBranches();
  let told: { readonly news: BranchNews; readonly atMs: EpochMs } = { news: {}, atMs: Number.NEGATIVE_INFINITY };
  const caller = (): BranchCaller => ({ branch: ports.branch, callsPerS: calls.callsPerS(clock()) });
  const hear = <T extends BranchNews>(answer: T): T => {
    if (answer.branches !== undefined) told = { news: { branches: answer.branches }, atMs: clock() };
    return answer;
  };
  const gate: AccountSpendRpc = {
    admit: async (request) => hear(await ports.gate().admit(request, caller())),
    settle: async (settlements, reports) => hear(await ports.gate().settle(settlements, reports, caller())),
    extend: (extension) => ports.gate().extend(extension),
    renew: (ids) => ports.gate().renew(ids),
  };
  const memory: Memory = {
    ...ports,
    client: createAccountClient({
      clock,
      gate: () => gate,
      reporter: ports.reporter,
      standing: createStanding(clock, null),
    }),
    open: new Map(),
    settling: new Map(),
    isCalled: () => calls.called(clock()),
    news: () => (clock() - told.atMs < NEWS_MS ? told.news : {}),
    lookedAtMs: clock(),
  };
  return {
    admit: (request) => admit(memory, request),
    extend: (extension) => extend(memory, extension),
    renew: (ids) => renew(memory, ids),
    settle: async (settlements) => {
      const acknowledged = await settle(memory, settlements);
      return { acknowledged, leases: [], ...memory.news() };
    },
  };
}

async function admit(memory: Memory, request: AdmitRequest): Promise<Admission> {
  const { client, account, open, clock } = memory;
  memory.isCalled();
  endSilent(memory);
  const admission = await client.admit(account, { ...request, lease: null });
  // Its isolate may never settle: what lies idle is given back all the same.
  memory.waitUntil(client.keep(account));
  if (admission.kind !== "admitted") return { ...admission, ...memory.news() };
  open.set(request.generationId, { heldNusd: admission.holdNusd, heardAtMs: clock() });
  // The isolate renews what it holds, however long the lease behind it may be spent from.
  return { ...admission, expiresAtMs: clock() + HOLD_LIFE_MS, lease: null, ...memory.news() };
}

async function extend(memory: Memory, { keyHash, generationId, totalNusd }: Extension): Promise<NanoUsd> {
  memory.isCalled();
  const known = memory.open.get(generationId);
  const heldNusd = known?.heldNusd ?? 0n;
  if (totalNusd <= heldNusd) return heldNusd;
  const generation = { keyHash, generationId };
  const nowNusd = await memory.client.extend(memory.account, generation, totalNusd - heldNusd);
  memory.open.set(generationId, { heldNusd: nowNusd, heardAtMs: memory.clock() });
  return nowNusd;
}

async function renew(memory: Memory, ids: readonly GenerationId[]): Promise<void> {
  const { client, account, open, clock } = memory;
  memory.isCalled();
  for (const id of ids) {
    const known = open.get(id);
    if (known === undefined) continue;
    known.heardAtMs = clock();
    await client.renew(account, id);
  }
  endSilent(memory);
  memory.waitUntil(client.keep(account));
}

/** @returns those that the gate has taken. */
async function settle(memory: Memory, settlements: readonly Settlement[]): Promise<readonly GenerationId[]> {
  const { client, account, waitUntil } = memory;
  memory.isCalled();
  const taken = await Promise.all(
    settlements.map(async (settlement) => ((await settleOnce(memory, settlement)) ? settlement.generationId : null)),
  );
  waitUntil(client.keep(account));
  endSilent(memory);
  return taken.filter((id) => id !== null);
}

function settleOnce({ client, account, open, settling }: Memory, settlement: Settlement): Promise<boolean> {
  const id = settlement.generationId;
  const known = settling.get(id);
  if (known !== undefined) return known;
  open.delete(id);
  client.forget(account, id);
  const settled = client.settle(account, settlement).finally(() => settling.delete(id));
  settling.set(id, settled);
  return settled;
}

/** What an isolate that died had open is free again, uncharged, as a hold of the gate's is that nobody renews. */
function endSilent(memory: Memory): void {
  const { client, account, open, clock } = memory;
  const nowMs = clock();
  if (nowMs - memory.lookedAtMs < LOOK_MS) return;
  memory.lookedAtMs = nowMs;
  for (const [id, { heardAtMs }] of open) {
    if (nowMs - heardAtMs < SILENT_MS) continue;
    open.delete(id);
    client.abandon(account, id);
    client.forget(account, id);
  }
}
