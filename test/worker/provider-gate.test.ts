/** ProviderGate in workerd: what a report costs it, how soon a change is seen, who may probe, who gets its capacity. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { beforeEach, expect, test } from "vitest";
import { HOME_REGION, type ProviderSnapshot, type SyncAnswer } from "../../src/gates/provider-contract.ts";
import type { ProviderGate } from "../../src/gates/provider-gate.ts";
import type { CapacityAnswer, CapacityAsk, PoolName } from "../../src/limits/capacity-desk.ts";
import type { LeaseWish } from "../../src/limits/capacity.ts";
import type { Outcome } from "../../src/limits/health.ts";
import { providerGateOf } from "./fixture.ts";

const START_MS = Date.UTC(2026, 10, 21, 12);
const SUCCESS: Outcome = { kind: "success", bucket: null, ttftMs: 100, tokens: 10, durationMs: 1_000 };
const FAILURE: Outcome = { kind: "failure", scope: "endpoint", status: 500, retryAfterMs: null };
const REFUSED: Outcome = { kind: "failure", scope: "credential", status: 401, retryAfterMs: null };
const THROTTLED: Outcome = { kind: "failure", scope: "capacity", status: 429, retryAfterMs: 2_000 };

let gate: DurableObjectStub<ProviderGate>;
let provider = "";
let at = 0;
beforeEach(() => {
  provider = `gate-test-${at++}`;
  gate = providerGateOf(provider, "here");
});

const setClock = async (nowMs: number, of = gate): Promise<void> =>
  await runInDurableObject(of, (instance) => {
    instance.clock = () => nowMs;
  });
const report = async (tag: string, outcome: Outcome, more: Record<string, unknown> = {}): Promise<SyncAnswer> =>
  await gate.sync({ reporter: "one", outcomes: [{ model: "a/b", tag, outcome, ...more }], wants: [], probes: [] });
const look = async (wants: readonly (readonly [string, number])[], reporter = "one"): Promise<SyncAnswer> =>
  await gate.sync({ reporter, outcomes: [], wants, probes: [] });
const countsOf = ({ endpoints }: ProviderSnapshot): Record<string, number> =>
  Object.fromEntries(endpoints.map(({ tag, health }) => [tag, health.requestCount30m]));

test("successes of half a second share one computation; after it they are counted", async () => {
  await setClock(START_MS);
  await report("x", SUCCESS);
  expect(countsOf(await gate.snapshot())).toEqual({ x: 1 });
  await setClock(START_MS + 400);
  await report("x", SUCCESS);
  await report("y", SUCCESS);
  expect(countsOf(await gate.snapshot())).toEqual({ x: 1, y: 1 });
  await setClock(START_MS + 600);
  expect(countsOf(await gate.snapshot("a/b"))).toEqual({ x: 2, y: 1 });
  expect(countsOf(await gate.snapshot("a"))).toEqual({});
});

test("a failure is seen at once, and leaves what is known of other endpoints as it is", async () => {
  await setClock(START_MS);
  for (const tag of ["x", "y"]) await report(tag, SUCCESS);
  await gate.snapshot();
  for (const tag of ["y", "y"]) await report(tag, SUCCESS);
  await report("x", FAILURE);
  const after = await gate.snapshot();
  expect(countsOf(after)).toEqual({ x: 2, y: 1 });
  expect(after.endpoints.find(({ tag }) => tag === "x")?.health).toMatchObject({ lastFailureMs: START_MS });
});

test("an isolate gets what it asks for and has not got, however many endpoints there are", async () => {
  await setClock(START_MS);
  for (const tag of ["x", "y", "z"]) await report(tag, SUCCESS);
  const first = await look([
    ["a/b x", 0],
    ["a/b y", 0],
    ["a/b unknown", 0],
  ]);
  expect(first.endpoints.map(({ tag }) => tag)).toEqual(["x", "y"]);
  const wants = first.endpoints.map(({ tag, version }) => [`a/b ${tag}`, version] as const);
  expect((await look(wants)).endpoints).toEqual([]);
  await report("y", SUCCESS);
  expect((await look(wants)).endpoints).toEqual([]);
  await report("x", FAILURE);
  expect((await look(wants)).endpoints.map(({ tag }) => tag)).toEqual(["x"]);
  await setClock(START_MS + 5_000);
  expect(countsOf(await look(wants))).toEqual({ x: 2, y: 2 });
});

test("versions begin anew after a restart, and what is known outlives it", async () => {
  await report("x", FAILURE);
  await setClock(Date.now() + 20_000);
  await report("x", FAILURE, { credential: "environment-1" });
  const [before] = (await look([["a/b x", 0]])).endpoints;
  await evictDurableObject(gate);
  await setClock(Date.now() + 60_000);
  const [after] = (await look([["a/b x", before?.version ?? 0]])).endpoints;
  expect(after?.health.breaker).toEqual({ kind: "closed", failures: 2 });
});

test("a failure outlives a restart ten seconds after the last save, though only successes came since", async () => {
  await setClock(START_MS);
  await report("x", SUCCESS);
  await setClock(START_MS + 5_000);
  for (let time = 0; time < 5; time++) await report("x", FAILURE);
  await setClock(START_MS + 12_000);
  await report("y", SUCCESS);
  await evictDurableObject(gate);
  await setClock(START_MS + 13_000);
  const { endpoints } = await gate.snapshot();
  expect(endpoints.find(({ tag }) => tag === "x")?.health.breaker).toMatchObject({ kind: "open" });
});

test("a broken endpoint is probed by one isolate at a time, and closed by its success", async () => {
  await setClock(START_MS);
  for (let count = 0; count < 5; count++) await report("x", FAILURE);
  const probe = async (reporter: string): Promise<readonly string[]> =>
    (await gate.sync({ reporter, outcomes: [], wants: [], probes: ["a/b x", "a/b y"] })).leaves;
  expect(await probe("one")).toEqual([]);
  await setClock(START_MS + 10_000);
  expect([await probe("one"), await probe("two"), await probe("one")]).toEqual([["a/b x"], [], []]);
  expect((await gate.snapshot()).endpoints[0]?.health.breaker.kind).toBe("half-open");
  // The isolate with the leave has died: after half a minute another one may.
  await setClock(START_MS + 40_000);
  expect([await probe("two"), await probe("three")]).toEqual([["a/b x"], []]);
  await report("x", FAILURE);
  expect((await gate.snapshot()).endpoints[0]?.health.breaker).toMatchObject({
    kind: "open",
    untilMs: START_MS + 60_000,
  });
  await setClock(START_MS + 60_000);
  expect(await probe("two")).toEqual(["a/b x"]);
  await report("x", SUCCESS);
  expect((await gate.snapshot()).endpoints[0]?.health.breaker.kind).toBe("closed");
});

test("a credential is out after a second refusal, alone, and one isolate a minute may try it", async () => {
  await setClock(START_MS);
  const kinds = async (): Promise<Record<string, string>> =>
    Object.fromEntries((await gate.snapshot()).credentials.map(({ id, breaker }) => [id, breaker.kind]));
  await report("x", REFUSED, { credential: "environment-1" });
  await report("x", SUCCESS, { credential: "environment-2" });
  expect(await kinds()).toEqual({ "environment-1": "closed", "environment-2": "closed" });
  await report("y", REFUSED, { credential: "environment-1" });
  expect(await kinds()).toEqual({ "environment-1": "open", "environment-2": "closed" });
  for (let count = 0; count < 10; count++) await report("x", REFUSED, { credential: "environment-1" });
  expect((await gate.snapshot()).endpoints.map(({ health }) => health.breaker.kind)).toEqual(["closed", "closed"]);
  const probe = async (): Promise<readonly string[]> =>
    (await gate.sync({ reporter: "one", outcomes: [], wants: [], probes: ["environment-1"] })).leaves;
  await setClock(START_MS + 59_999);
  expect(await probe()).toEqual([]);
  await setClock(START_MS + 60_000);
  expect([await probe(), await probe()]).toEqual([["environment-1"], []]);
  await report("x", SUCCESS, { credential: "environment-1" });
  expect(await kinds()).toEqual({ "environment-1": "closed", "environment-2": "closed" });
});

test("a 429 closes the endpoint for its credential, and teaches how many may run at once", async () => {
  await setClock(START_MS);
  await report("x", THROTTLED, { credential: "environment-1", inFlight: 20 });
  const [standing] = (await look([["a/b x", 0]])).endpoints;
  expect(standing).toMatchObject({
    closings: { "environment-1": START_MS + 2_000 },
    limits: { "environment-1": 10 },
    health: { breaker: { kind: "closed", failures: 0 } },
  });
});

test("the operator's switch and the number of reporters are never remembered", async () => {
  await setClock(START_MS);
  expect(await report("x", SUCCESS)).toMatchObject({ isDisabled: false, nextInMs: 1_000 });
  await gate.configure({ isDisabled: true, credentialSealed: "sealed" });
  expect(await gate.snapshot()).toMatchObject({ isDisabled: true, credentialSealed: "sealed" });
  expect(countsOf(await gate.snapshot())).toEqual({ x: 1 });
  await Promise.all(Array.from({ length: 600 }, (_, isolate) => look([], `isolate ${isolate}`)));
  expect((await gate.snapshot()).nextInMs).toBe(2_004);
});

const poolOf = (concurrency: number, isShared = false): PoolName => ({ pool: "key", rule: { concurrency }, isShared });
const askOf = (permit: number, more: Partial<CapacityAsk> = {}): CapacityAsk => ({
  holder: "one",
  permit,
  account: "a",
  isPaid: true,
  tokens: 0,
  pools: [poolOf(2)],
  waitMs: 2_000,
  ...more,
});
/** What a holder says whose first `ended` permits are over. */
const wishOf = (arrived: readonly number[], slotsHeld: number): LeaseWish => ({
  holder: "one",
  slotsHeld,
  arrived,
  back: [],
  tokensOver: 0,
  want: { slots: 0, requests: 0, tokens: 0 },
  onwardMs: 0,
});

test("who finds no slot waits, and is served in turn: paid before free, accounts one after the other", async () => {
  await Promise.all([gate.ask(askOf(1)), gate.ask(askOf(2))]);
  const order: string[] = [];
  const wait = async (name: string, ask: CapacityAsk): Promise<void> => {
    const { kind } = await gate.ask(ask);
    order.push(`${name} ${kind}`);
  };
  const waits = [
    wait("free", askOf(3, { account: "f", isPaid: false })),
    wait("a1", askOf(4)),
    wait("a2", askOf(5)),
    wait("b1", askOf(6, { account: "b" })),
  ];
  for (let ended = 1; ended <= 4; ended++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    await gate.exchange(poolOf(2), wishOf([1, 2, 3, 4, 5, 6], 1));
  }
  await Promise.all(waits);
  expect(order).toEqual(["a1 granted", "b1 granted", "a2 granted", "free granted"]);
});

test("after two seconds it is an honest 429", async () => {
  await Promise.all([gate.ask(askOf(1)), gate.ask(askOf(2))]);
  const startMs = Date.now();
  const answer: CapacityAnswer = await gate.ask(askOf(3));
  expect(answer).toMatchObject({ kind: "refused", retryAfterMs: expect.any(Number) });
  expect(Date.now() - startMs).toBeGreaterThanOrEqual(1_900);
  expect(Date.now() - startMs).toBeLessThan(2_900);
});

test("a hundred at once, and exactly as many as there are slots pass", async () => {
  const ask = (permit: number) =>
    gate.ask(askOf(permit, { holder: `isolate ${permit % 9}`, waitMs: 0, pools: [poolOf(17)] }));
  const answers = await Promise.all(Array.from({ length: 100 }, (_, permit) => ask(permit)));
  expect(answers.filter(({ kind }) => kind === "granted")).toHaveLength(17);
});

test("a limit of the whole credential is one over all regions: its home lends", async () => {
  const regions = ["here", "there", "yonder"].map((region) => providerGateOf(provider, region));
  const ask = (region: DurableObjectStub<ProviderGate>, permit: number) =>
    region.ask(askOf(permit, { pools: [poolOf(5, true)], waitMs: 1_000 }));
  const answers = await Promise.all(regions.flatMap((region) => [1, 2, 3, 4].map((permit) => ask(region, permit))));
  expect(answers.filter(({ kind }) => kind === "granted")).toHaveLength(5);
  const home = await providerGateOf(provider, HOME_REGION).snapshot();
  expect(home.endpoints).toEqual([]);
});

test("a branch lends what its gate lends it, and all branches together no more than the limit", async () => {
  const branches = ["0", "1", "2"].map((branch) => providerGateOf(provider, `here ${branch}`));
  const answers = await Promise.all(
    branches.flatMap((branch) =>
      [1, 2, 3, 4].map((permit) => branch.ask(askOf(permit, { pools: [poolOf(5)], waitMs: 1_000 }))),
    ),
  );
  expect(answers.filter(({ kind }) => kind === "granted")).toHaveLength(5);
  // They have heard from their gate that it needs none of them.
  for (const { branches: count } of answers) expect(count).toBe(0);
});

test("a gate that is called too often tells its isolates of branches", async () => {
  const crowd = () =>
    Promise.all(Array.from({ length: 700 }, (_, permit) => gate.ask(askOf(permit, { waitMs: 0, pools: [poolOf(5)] }))));
  let told: number | undefined = 0;
  for (let tries = 0; tries < 60 && told === 0; tries++) told = (await crowd()).at(-1)?.branches;
  expect(told).toBeGreaterThanOrEqual(4);
});
