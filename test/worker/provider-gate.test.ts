/** ProviderGate in workerd: what a report costs it, and how soon a change is seen. */
import { runInDurableObject } from "cloudflare:test";
import { beforeEach, expect, test } from "vitest";
import type { ProviderGate } from "../../src/gates/provider-gate.ts";
import type { ProviderSnapshot } from "../../src/gates/provider-contract.ts";
import type { Outcome } from "../../src/limits/health.ts";
import { providerGateOf } from "./fixture.ts";

const START_MS = Date.UTC(2026, 10, 21, 12);
const SUCCESS: Outcome = { kind: "success", bucket: null, ttftMs: 100, tokens: 10, durationMs: 1_000 };
const FAILURE: Outcome = { kind: "failure", scope: "endpoint", status: 500, retryAfterMs: null };

let gate: DurableObjectStub<ProviderGate>;
let at = 0;
beforeEach(() => {
  gate = providerGateOf(`gate-test-${at++}`, "here");
});

const setClock = async (nowMs: number): Promise<void> =>
  await runInDurableObject(gate, (instance) => {
    instance.clock = () => nowMs;
  });
const report = async (tag: string, outcome: Outcome, reporter = "one"): Promise<ProviderSnapshot> =>
  await gate.sync(reporter, [{ model: "a/b", tag, outcome }]);
const countsOf = ({ endpoints }: ProviderSnapshot): Record<string, number> =>
  Object.fromEntries(endpoints.map(({ tag, health }) => [tag, health.requestCount30m]));

test("successes of half a second share one computation; after it they are counted", async () => {
  await setClock(START_MS);
  expect(countsOf(await report("x", SUCCESS))).toEqual({ x: 1 });
  await setClock(START_MS + 400);
  expect(countsOf(await report("x", SUCCESS))).toEqual({ x: 1 });
  expect(countsOf(await report("y", SUCCESS))).toEqual({ x: 1, y: 1 });
  await setClock(START_MS + 600);
  expect(countsOf(await gate.snapshot())).toEqual({ x: 2, y: 1 });
});

test("a failure is seen at once, and leaves what is known of other endpoints as it is", async () => {
  await setClock(START_MS);
  await report("x", SUCCESS);
  await report("y", SUCCESS);
  await report("y", SUCCESS);
  const after = await report("x", FAILURE);
  expect(countsOf(after)).toEqual({ x: 2, y: 1 });
  expect(after.endpoints.find(({ tag }) => tag === "x")?.health).toMatchObject({ lastFailureMs: START_MS });
});

test("a breaker that a success closes is seen closed at once", async () => {
  await setClock(START_MS);
  for (let count = 0; count < 5; count++) await report("x", FAILURE);
  expect((await gate.snapshot()).endpoints[0]?.health.breaker.kind).toBe("open");
  expect((await report("x", SUCCESS)).endpoints[0]?.health.breaker.kind).toBe("closed");
});

test("a lease that is renewed outlives every stream, one that is not frees its slot in minutes", async () => {
  const wish = (id: string) => ({ rule: { concurrency: 1 }, id, permits: 1, tokensEach: 0 });
  await setClock(START_MS);
  expect(await gate.lease(wish("long"))).toMatchObject({ granted: 1 });
  for (let minute = 1; minute <= 14; minute++) {
    await setClock(START_MS + minute * 60_000);
    await gate.renew("long");
    expect(await gate.lease(wish("next"))).toMatchObject({ granted: 0 });
  }
  await setClock(START_MS + 17 * 60_000);
  expect(await gate.lease(wish("next"))).toMatchObject({ granted: 1 });
  await gate.renew("long");
  expect(await gate.lease(wish("third"))).toMatchObject({ granted: 0 });
});

test("the operator's switch and the number of reporters are never remembered", async () => {
  await setClock(START_MS);
  expect(await report("x", SUCCESS)).toMatchObject({ isDisabled: false, nextInMs: 1_000 });
  await gate.configure({ isDisabled: true, credentialSealed: "sealed" });
  expect(await gate.snapshot()).toMatchObject({ isDisabled: true, credentialSealed: "sealed" });
  expect(countsOf(await gate.snapshot())).toEqual({ x: 1 });
});
