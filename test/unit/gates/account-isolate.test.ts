/** What an isolate makes of a gate's words that come late, with the gate's real rules. */
import { expect, test } from "vitest";
import { asGenerationId, type GenerationId } from "../../../src/core/ids.ts";
import { finishCredit, pendingCredits, recordCredit } from "../../../src/gates/account-credit.ts";
import type { AdmitRequest } from "../../../src/gates/account-contract.ts";
import { admitFromLease, askForLease, newIsolateAccount, takeAdmission } from "../../../src/gates/account-isolate.ts";
import { endExpiredLeases } from "../../../src/gates/account-leases.ts";
import type { AccountMemory } from "../../../src/gates/account-memory.ts";
import { admit } from "../../../src/gates/account-admit.ts";
import { SETTLE_MS } from "../../../src/ledger/lease.ts";
import { KEYS, openGround } from "../../model/gate.ts";

const START = 1_800_000_000_000;
const [KEY] = KEYS;
let count = 0;

/** A gate whose account has 100,000 nano-dollars. */
async function newGate(): Promise<AccountMemory> {
  const account = openGround().newAccount(1_000n, START);
  const memory = account.load();
  const credit = { idempotencyKey: "credit", amountNusd: 100_000n, reason: "" };
  const row = await recordCredit(memory, credit, account.books.db, () => START);
  expect(row.ok).toBe(true);
  for (const pending of pendingCredits(memory)) await finishCredit(memory, pending, account.books.db);
  return memory;
}

function requestOf(wantedNusd: bigint): AdmitRequest {
  return {
    keyHash: KEY,
    generationId: nextId(),
    isFree: false,
    wantedNusd,
    minimumNusd: wantedNusd,
    footprint: { models: [], providers: [], tokens: { wanted: 1, minimum: 1 } },
  };
}

function nextId(): GenerationId {
  return asGenerationId(`gen-1800000000-${String(count++).padStart(20, "0")}`);
}

/** An isolate whose requests get lease ids in order; `send` makes the message, `hear` takes its answer. */
function newIsolate() {
  const state = newIsolateAccount(START);
  let leases = 0;
  const newId = (): string => `isolate.${++leases}`;
  return {
    state,
    send: (wantedNusd: bigint, nowMs: number): AdmitRequest => {
      const request = requestOf(wantedNusd);
      expect(admitFromLease(state, request, nowMs)).toBeNull();
      return { ...request, lease: askForLease(state, request, newId, false, nowMs) };
    },
    freeNusd: () => [...state.leases.values()].reduce((sum, lease) => sum + lease.freeNusd, 0n),
  };
}

test("a lease that its gate has ended is not spent from, even where a late message has opened it anew", async () => {
  const gate = await newGate();
  const { state, send, freeNusd } = newIsolate();
  const late = send(1n, START);
  const first = send(100n, START);
  takeAdmission(state, first, admit(gate, first, START), START, START);
  expect(freeNusd()).toBeGreaterThan(100n);

  const laterMs = START + SETTLE_MS;
  endExpiredLeases(gate, laterMs);
  expect(gate.leases.size).toBe(0);
  takeAdmission(state, late, admit(gate, late, laterMs), START, laterMs);
  expect(freeNusd()).toBe(0n);

  const next = send(100n, laterMs);
  takeAdmission(state, next, admit(gate, next, laterMs), laterMs, laterMs);
  const [lease] = state.leases.values();
  expect(lease?.state).toBe("live");
  expect(lease?.freeNusd).toBe(lease && gate.leases.get(lease.id)?.reservedNusd);
});
