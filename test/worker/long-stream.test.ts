/**
 * A generation of 150 s and its hold. The isolate's client and the gate run on one clock that the test sets; it stands
 * ahead of the real one, so that no alarm rings by itself. What counts the 20 s in production is the router's timer.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import type { GenerationId } from "../../src/core/ids.ts";
import { createAccountClient, type AccountClient } from "../../src/gates/account-client.ts";
import type { AccountGate } from "../../src/gates/account-gate.ts";
import { createStanding } from "../../src/gates/standing.ts";
import { readGeneration } from "../../src/insight/generations.ts";
import { readBalance } from "../../src/ledger/books.ts";
import {
  gateOf,
  newAccount,
  newGeneration,
  request,
  setClock,
  settlement,
  USD,
  type TestAccount,
} from "./account-setup.ts";

const STORES = { db: env.DB, archive: env.ARCHIVE };

/** As src/router/generate.ts counts them. */
const RENEW_MS = 20_000;
const LENGTH_MS = 150_000;

interface Scene {
  readonly account: TestAccount;
  readonly client: AccountClient;
  /** Sets the time of isolate and gate, as milliseconds since the admission. */
  at(elapsedMs: number): Promise<void>;
  /** Whether the hold is there, after the gate's appointments were kept. */
  isHeld(): Promise<boolean>;
  /** Whether the isolate's calls are lost on their way. */
  cut(isCut: boolean): void;
  /** A gate that was put out or broke down, and comes back at the next call. */
  restart(how: "evicted" | "aborted"): Promise<void>;
}

async function newScene(): Promise<Scene> {
  const account = await newAccount(5n * USD);
  const startMs = Date.now() + 3_600_000;
  let nowMs = startMs;
  let isLost = false;
  const client = createAccountClient({
    reporter: crypto.randomUUID(),
    standing: createStanding(() => nowMs, null),
    clock: () => nowMs,
    gate(id) {
      if (isLost) throw new Error("the gate can't be reached");
      return gateOf(id);
    },
  });
  return {
    account,
    client,
    async at(elapsedMs) {
      nowMs = startMs + elapsedMs;
      await setClock({ ...account, gate: gateOf(account.id) }, nowMs);
    },
    async isHeld() {
      const gate = gateOf(account.id);
      await runDurableObjectAlarm(gate);
      const view = await gate.view();
      if (!view.ok) throw new Error(JSON.stringify(view.error));
      return view.value.heldNusd === USD;
    },
    cut(isCut) {
      isLost = isCut;
    },
    async restart(how) {
      const gate = gateOf(account.id);
      if (how === "evicted") await evictDurableObject(gate);
      else await expect(runInDurableObject(gate, (_gate: AccountGate, state) => state.abort("gone"))).rejects.toThrow();
      await setClock({ ...account, gate: gateOf(account.id) }, nowMs);
    },
  };
}

async function admitted({ account, client }: Scene): Promise<GenerationId> {
  const one = request(account, { generationId: newGeneration(Date.now() + 3_600_000) });
  expect(await client.admit(account.id, one)).toMatchObject({ kind: "admitted", holdNusd: USD });
  return one.generationId;
}

/** The charge in the books and at the gate, and what is left of it in flight. */
async function settledCharge({ account, client }: Scene, id: GenerationId, costNusd: bigint) {
  client.forget(account.id, id);
  expect(await client.settle(account.id, settlement(account, id, costNusd))).toBe(true);
  const gate = gateOf(account.id);
  await runDurableObjectAlarm(gate);
  const audit = await gate.audit();
  return {
    audit: audit.ok
      ? { faults: audit.value.faults, holds: audit.value.openHolds, outbox: audit.value.outboxCount }
      : audit,
    balanceNusd: (await readBalance(env.DB, account.id)).balanceNusd,
    chargedNusd: (await readGeneration(STORES, account.id, id))?.chargedNusd,
  };
}

const CLEAN = { faults: [], holds: 0, outbox: 0 };

test.each(["evicted", "aborted"] as const)(
  "a stream of 150 s keeps its hold while its gate is %s in the middle, and is charged exactly",
  async (how) => {
    const scene = await newScene();
    await scene.at(0);
    const id = await admitted(scene);
    for (let elapsedMs = RENEW_MS; elapsedMs < LENGTH_MS; elapsedMs += RENEW_MS) {
      await scene.at(elapsedMs);
      if (elapsedMs === 4 * RENEW_MS) await scene.restart(how);
      await scene.client.renew(scene.account.id, id);
      expect(await scene.isHeld()).toBe(true);
    }
    await scene.at(LENGTH_MS - 1_000);
    await scene.restart(how);
    expect(await scene.isHeld()).toBe(true);
    await scene.at(LENGTH_MS);
    expect(await settledCharge(scene, id, USD / 3n)).toEqual({
      audit: CLEAN,
      balanceNusd: 5n * USD - USD / 3n,
      chargedNusd: USD / 3n,
    });
  },
);

test("a renewal that doesn't reach the gate is made up for by the next", async () => {
  const scene = await newScene();
  await scene.at(0);
  const id = await admitted(scene);
  scene.cut(true);
  await scene.at(RENEW_MS);
  await scene.client.renew(scene.account.id, id);
  scene.cut(false);
  await scene.at(2 * RENEW_MS);
  await scene.client.renew(scene.account.id, id);
  await scene.at(5 * RENEW_MS - 1);
  expect(await scene.isHeld()).toBe(true);
  await scene.at(5 * RENEW_MS);
  expect(await scene.isHeld()).toBe(false);
});

test("a hold that nobody renews ends by the alarm after 60 s, across a restart", async () => {
  const scene = await newScene();
  await scene.at(0);
  await admitted(scene);
  await scene.restart("aborted");
  await scene.at(59_999);
  expect(await scene.isHeld()).toBe(true);
  await scene.at(60_000);
  expect(await scene.isHeld()).toBe(false);
});

test("a stream whose hold has ended is still charged exactly, from what is spendable", async () => {
  const scene = await newScene();
  await scene.at(0);
  const id = await admitted(scene);
  await scene.at(60_000);
  expect(await scene.isHeld()).toBe(false);
  await scene.at(LENGTH_MS);
  expect(await settledCharge(scene, id, USD / 3n)).toEqual({
    audit: CLEAN,
    balanceNusd: 5n * USD - USD / 3n,
    chargedNusd: USD / 3n,
  });
});
