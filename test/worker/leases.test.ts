/**
 * Leases between a real gate and the isolates' client, on a clock that the test sets, ahead of the real one so that no
 * alarm rings by itself. Every call to the gate is counted, and may be lost, or left hanging.
 */
import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { expect, test, vi } from "vitest";
import type { Admission, AccountSpendRpc, AdmitRequest } from "../../src/gates/account-contract.ts";
import { createAccountClient, type AccountClient } from "../../src/gates/account-client.ts";
import { createStanding } from "../../src/gates/standing.ts";
import { SETTLE_MS, SPEND_MS } from "../../src/ledger/lease.ts";
import { generate } from "../../src/router/generate.ts";
import { inputOf, portsOf } from "../unit/router/spine.ts";
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

const WANTED = USD / 100n;

interface Isolate {
  readonly client: AccountClient;
  /** Calls of the gate so far, by name. */
  readonly calls: string[];
  /** What becomes of calls: they go through, are lost on their way or on their way back, or never end. */
  fate: "through" | "lost" | "unheard" | "hanging";
}

interface Scene {
  readonly account: TestAccount;
  readonly startMs: number;
  now(): number;
  /** Sets the time of isolates and gate, as milliseconds since the start. */
  at(elapsedMs: number): Promise<void>;
  isolate(): Isolate;
  audit(): Promise<Record<string, unknown>>;
}

async function newScene(creditNusd = 100n * USD): Promise<Scene> {
  const account = await newAccount(creditNusd);
  const startMs = Date.now() + 3_600_000;
  let nowMs = startMs;
  const at = async (elapsedMs: number): Promise<void> => {
    nowMs = startMs + elapsedMs;
    await setClock({ ...account, gate: gateOf(account.id) }, nowMs);
  };
  await at(0);
  return {
    account,
    startMs,
    at,
    now: () => nowMs,
    isolate() {
      const calls: string[] = [];
      const call = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
        calls.push(name);
        if (isolate.fate === "hanging") return await new Promise<T>(() => undefined);
        if (isolate.fate === "lost") throw new Error("the gate can't be reached");
        const answer = await work();
        if (isolate.fate === "unheard") throw new Error("the answer was lost");
        return answer;
      };
      const gate = (): AccountSpendRpc => ({
        admit: (one) => call("admit", async () => await gateOf(account.id).admit(one)),
        extend: (one) => call("extend", async () => await gateOf(account.id).extend(one)),
        renew: (ids) => call("renew", async () => await gateOf(account.id).renew(ids)),
        settle: (some, reports) => call("settle", async () => await gateOf(account.id).settle(some, reports)),
      });
      const standing = createStanding(() => nowMs, null);
      const client = createAccountClient({ clock: () => nowMs, gate, reporter: crypto.randomUUID(), standing });
      const isolate: Isolate = { client, calls, fate: "through" };
      return isolate;
    },
    async audit() {
      await runDurableObjectAlarm(gateOf(account.id));
      const audit = await gateOf(account.id).audit();
      if (!audit.ok) throw new Error(JSON.stringify(audit.error));
      const { faults, openHolds, openLeases, heldNusd, leasedNusd, unsettledCount, unsettledNusd } = audit.value;
      return { faults, openHolds, openLeases, heldNusd, leasedNusd, unsettledCount, unsettledNusd };
    },
  };
}

function wish({ account, now }: Scene): AdmitRequest {
  return request(account, { generationId: newGeneration(now()), wantedNusd: WANTED, minimumNusd: WANTED });
}

const isWarm = (admission: Admission | Promise<Admission>): admission is Admission => !(admission instanceof Promise);

/** One cold request, which brings the lease, settled at a tenth of its worst case. */
async function warmed(scene: Scene): Promise<Isolate> {
  const isolate = scene.isolate();
  const first = wish(scene);
  expect(await isolate.client.admit(scene.account.id, first)).toMatchObject({
    kind: "admitted",
    lease: { kind: "live" },
  });
  await settled(scene, isolate, first);
  return isolate;
}

async function settled(scene: Scene, { client }: Isolate, one: AdmitRequest, costNusd = WANTED / 10n): Promise<void> {
  const { account } = scene;
  client.forget(account.id, one.generationId);
  expect(await client.settle(account.id, settlement(account, one.generationId, costNusd))).toBe(true);
}

const EMPTY = {
  faults: [],
  openHolds: 0,
  openLeases: 0,
  heldNusd: 0n,
  leasedNusd: 0n,
  unsettledCount: 0,
  unsettledNusd: 0n,
};

test.each([true, false])(
  "a cold request awaits one call and the warm ones after it none (streamed: %s)",
  async (stream) => {
    const scene = await newScene();
    const isolate = scene.isolate();
    const work: Promise<unknown>[] = [];
    const body = {
      choices: [{ index: 0, [stream ? "delta" : "message"]: { content: "Hello" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 1, completion_tokens: 1 },
    };
    const ports = {
      ...portsOf([]),
      accounts: isolate.client,
      waitUntil: (one: Promise<unknown>) => void work.push(one),
      fetch: async () =>
        stream
          ? new Response(`data: ${JSON.stringify(body)}\n\ndata: [DONE]\n\n`, {
              headers: { "content-type": "text/event-stream" },
            })
          : Response.json(body),
    };
    const ask = async (): Promise<void> => {
      const input = inputOf({ stream, max_tokens: 100 });
      const asker = {
        ...input.asker,
        account: scene.account.id,
        keyHash: scene.account.keyHash,
        generationId: newGeneration(scene.now()),
      };
      const generated = await generate({ ...input, asker }, ports);
      expect(generated.kind).toBe(stream ? "stream" : "reply");
      if (generated.kind === "stream") expect(await new Response(generated.body).text()).toContain("Hello");
    };
    await ask();
    expect(isolate.calls).toEqual(["admit"]);
    // From here on a request that waits for the gate would never be answered.
    isolate.fate = "hanging";
    for (let count = 0; count < 20; count++) await ask();
    expect(isolate.calls.filter((name) => name !== "settle")).toEqual(["admit"]);
    // What hangs is given up by itself; here the gate comes back instead.
    isolate.fate = "through";
    await scene.at(2_000);
    await vi.waitUntil(async () => {
      const view = await scene.account.gate.view();
      return view.ok && view.value.totalUsageNusd === 21n * 2_000n;
    }, 10_000);
    expect(await scene.audit()).toMatchObject({ faults: [], openHolds: 0 });
  },
);

test("twenty cold requests at once get one lease, and it is not granted twenty times", async () => {
  const scene = await newScene(10_000n * USD);
  const { client, calls } = scene.isolate();
  const wishes = Array.from({ length: 20 }, () => wish(scene));
  const admissions = await Promise.all(wishes.map(async (one) => await client.admit(scene.account.id, one)));
  expect(admissions.every((one) => one.kind === "admitted")).toBe(true);
  expect(calls).toHaveLength(20);
  const { openLeases, leasedNusd } = await scene.audit();
  expect(openLeases).toBe(1);
  expect(leasedNusd).toBeLessThanOrEqual(24n * WANTED);
});

test("an idle isolate gives everything back by itself, and nothing remains", async () => {
  const scene = await newScene();
  const isolate = await warmed(scene);
  expect(await scene.audit()).toMatchObject({ faults: [], openHolds: 0, openLeases: 1 });
  const keeping = isolate.client.keep(scene.account.id);
  // A second keeper leaves at once.
  await isolate.client.keep(scene.account.id);
  await scene.at(1_500);
  await keeping;
  expect(isolate.calls).toEqual(["admit", "settle", "settle"]);
  expect(await scene.audit()).toEqual(EMPTY);
});

test("near zero nothing is lent, and every request asks the gate", async () => {
  const scene = await newScene(60n * WANTED);
  const { client } = scene.isolate();
  expect(await client.admit(scene.account.id, wish(scene))).toMatchObject({ kind: "admitted", lease: null });
  const second = client.admit(scene.account.id, wish(scene));
  expect(isWarm(second)).toBe(false);
  expect(await second).toMatchObject({ kind: "admitted" });
  expect(await scene.audit()).toMatchObject({ faults: [], openHolds: 2, openLeases: 0 });
});

test("an isolate spends from its lease until ten seconds after the gate's last word", async () => {
  const scene = await newScene();
  const { client } = await warmed(scene);
  await scene.at(SPEND_MS - 1);
  expect(isWarm(client.admit(scene.account.id, wish(scene)))).toBe(true);
  await scene.at(SPEND_MS);
  const late = client.admit(scene.account.id, wish(scene));
  expect(isWarm(late)).toBe(false);
  // That call brings the next ten seconds.
  await late;
  await scene.at(2 * SPEND_MS - 1);
  expect(isWarm(client.admit(scene.account.id, wish(scene)))).toBe(true);
});

test.each([
  {
    name: "a suspended account",
    error: "forbidden",
    change: async ({ gate }: TestAccount) => void (await gate.suspend(true)),
  },
  {
    name: "a disabled key",
    error: "unauthenticated",
    change: async ({ gate, keyHash }: TestAccount) => void (await gate.updateKey(keyHash, { disabled: true })),
  },
  {
    name: "a deleted key",
    error: "unauthenticated",
    change: async ({ gate, keyHash }: TestAccount) => void (await gate.deleteKey(keyHash)),
  },
])("$name is spent for until the next settle, and no longer than ten seconds", async ({ error, change }) => {
  const scene = await newScene();
  const [talking, silent] = [await warmed(scene), await warmed(scene)];
  const open = wish(scene);
  expect(isWarm(talking.client.admit(scene.account.id, open))).toBe(true);
  await change(scene.account);
  await settled(scene, talking, open);
  const refusal = { kind: "refused", error: { kind: error } };
  const next = talking.client.admit(scene.account.id, wish(scene));
  expect([isWarm(next), await next]).toEqual([false, expect.objectContaining({ kind: "refused" })]);
  await scene.at(SPEND_MS - 1);
  const late = wish(scene);
  expect(isWarm(silent.client.admit(scene.account.id, late))).toBe(true);
  await scene.at(SPEND_MS);
  expect(await silent.client.admit(scene.account.id, wish(scene))).toMatchObject(refusal);
  // What was opened before is settled as ever, and both leases can be closed.
  await settled(scene, silent, late);
  const keepers = [talking.client.keep(scene.account.id), silent.client.keep(scene.account.id)];
  await Promise.all(keepers);
  expect(await scene.audit()).toEqual(EMPTY);
});

test("a limit that leaves little more than what is lent ends the lease with the next settle, and is kept", async () => {
  const scene = await newScene();
  const isolate = await warmed(scene);
  const open = wish(scene);
  expect(isWarm(isolate.client.admit(scene.account.id, open))).toBe(true);
  const { leasedNusd } = await scene.audit();
  const limitNusd = WANTED / 10n + (leasedNusd as bigint);
  const changed = await scene.account.gate.updateKey(scene.account.keyHash, { limitNusd });
  expect(changed.ok).toBe(true);
  await settled(scene, isolate, open);
  let admitted = 0n;
  for (;;) {
    const next = isolate.client.admit(scene.account.id, wish(scene));
    expect(isWarm(next)).toBe(false);
    const admission = await next;
    if (admission.kind !== "admitted") {
      expect(admission).toMatchObject({ kind: "short", limitSource: "in_flight_budget" });
      break;
    }
    admitted += admission.holdNusd;
  }
  expect(admitted).toBeLessThanOrEqual(limitNusd - (2n * WANTED) / 10n);
  expect(admitted).toBeGreaterThan(limitNusd - (2n * WANTED) / 10n - WANTED);
});

test("a key is not spent for beyond its own end", async () => {
  const scene = await newScene();
  await scene.account.gate.updateKey(scene.account.keyHash, { expiresAtMs: scene.startMs + 3_000 });
  const { client } = await warmed(scene);
  await scene.at(2_999);
  expect(isWarm(client.admit(scene.account.id, wish(scene)))).toBe(true);
  await scene.at(3_000);
  const late = client.admit(scene.account.id, wish(scene));
  expect([isWarm(late), await late]).toEqual([false, expect.objectContaining({ kind: "refused" })]);
});

test("a stream of 150 s from a lease keeps its money across a restart of the gate and is charged exactly", async () => {
  const scene = await newScene();
  const isolate = await warmed(scene);
  const stream = wish(scene);
  expect(isWarm(isolate.client.admit(scene.account.id, stream))).toBe(true);
  const keeping = isolate.client.keep(scene.account.id);
  await scene.at(25_000);
  await keeping;
  for (let elapsedMs = 40_000; elapsedMs < 150_000; elapsedMs += 20_000) {
    await scene.at(elapsedMs);
    if (elapsedMs === 80_000) await evictDurableObject(gateOf(scene.account.id));
    await setClock({ ...scene.account, gate: gateOf(scene.account.id) }, scene.now());
    await isolate.client.renew(scene.account.id, stream.generationId);
  }
  // Only its own hold is left of the lease.
  expect(await scene.audit()).toEqual({ ...EMPTY, openLeases: 1, leasedNusd: WANTED });
  await scene.at(150_000);
  await settled(scene, isolate, stream, WANTED / 3n);
  const view = await gateOf(scene.account.id).view();
  expect(view).toMatchObject({ ok: true, value: { totalUsageNusd: WANTED / 10n + WANTED / 3n } });
  await scene.at(152_000);
  await isolate.client.keep(scene.account.id);
  expect(await scene.audit()).toEqual(EMPTY);
});

test("the gate hears of a lease whose streams go on and on, in time", async () => {
  const scene = await newScene();
  const isolate = await warmed(scene);
  const stream = wish(scene);
  expect(isWarm(isolate.client.admit(scene.account.id, stream))).toBe(true);
  for (let elapsedMs = 20_000; elapsedMs <= 2 * SETTLE_MS; elapsedMs += 20_000) {
    await scene.at(elapsedMs);
    await isolate.client.renew(scene.account.id, stream.generationId);
  }
  expect(isolate.calls.length).toBeLessThan(12);
  expect(await scene.audit()).toMatchObject({ faults: [], openLeases: 1, leasedNusd: WANTED });
});

test("what a dead isolate leaves returns to the tenant when no settle can come any more, and is counted", async () => {
  const scene = await newScene();
  const isolate = await warmed(scene);
  const lost = wish(scene);
  expect(isWarm(isolate.client.admit(scene.account.id, lost))).toBe(true);
  const { leasedNusd } = await scene.audit();
  expect(leasedNusd).toBeGreaterThan(WANTED);
  await evictDurableObject(gateOf(scene.account.id));
  await scene.at(SETTLE_MS - 1);
  expect(await scene.audit()).toMatchObject({ faults: [], openLeases: 1, leasedNusd });
  await scene.at(SETTLE_MS);
  expect(await scene.audit()).toEqual({ ...EMPTY, unsettledCount: 1, unsettledNusd: leasedNusd });
  const view = await gateOf(scene.account.id).view();
  expect(view).toMatchObject({ ok: true, value: { balanceNusd: 100n * USD - WANTED / 10n, leasedNusd: 0n } });
  // A settle that comes all the same is charged like that of an ended hold.
  await scene.at(SETTLE_MS + 1);
  await settled(scene, isolate, lost, WANTED / 2n);
  const after = await gateOf(scene.account.id).view();
  expect(after).toMatchObject({ ok: true, value: { totalUsageNusd: WANTED / 10n + WANTED / 2n } });
});

test("lost and unheard calls neither charge twice nor leave anything reserved", async () => {
  const scene = await newScene();
  const isolate = scene.isolate();
  isolate.fate = "unheard";
  expect(await isolate.client.admit(scene.account.id, wish(scene))).toMatchObject({ kind: "refused" });
  isolate.fate = "through";
  const first = wish(scene);
  expect(await isolate.client.admit(scene.account.id, first)).toMatchObject({ kind: "admitted" });
  const second = wish(scene);
  expect(isWarm(isolate.client.admit(scene.account.id, second))).toBe(true);
  isolate.fate = "unheard";
  const settling = [settled(scene, isolate, first), settled(scene, isolate, second)];
  await vi.waitUntil(() => isolate.calls.includes("settle"));
  isolate.fate = "through";
  await scene.at(2_000);
  await Promise.all(settling);
  const view = await gateOf(scene.account.id).view();
  expect(view).toMatchObject({ ok: true, value: { totalUsageNusd: WANTED / 5n } });
  await scene.at(4_000);
  await isolate.client.keep(scene.account.id);
  // The hold of the request that was refused here ends by itself.
  await scene.at(64_000);
  expect(await scene.audit()).toEqual(EMPTY);
});

test("an account that is short gets back what its own isolate has free before anybody is refused", async () => {
  const scene = await newScene(100n * WANTED);
  const isolate = await warmed(scene);
  const { leasedNusd } = await scene.audit();
  expect(leasedNusd).toBeGreaterThan(0n);
  const all = request(scene.account, {
    generationId: newGeneration(scene.now()),
    wantedNusd: 100n * WANTED - WANTED / 10n,
    minimumNusd: 100n * WANTED - WANTED / 10n,
  });
  expect(await isolate.client.admit(scene.account.id, all)).toMatchObject({
    kind: "admitted",
    holdNusd: all.wantedNusd,
  });
});
