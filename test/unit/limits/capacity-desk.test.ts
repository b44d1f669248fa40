/** Capacity under load: many isolates, lost calls, one limit. */
import { expect, test } from "vitest";
import { createCapacityDesk, type CapacityAnswer, type CapacityAsk } from "../../../src/limits/capacity-desk.ts";
import type { CapacityRule } from "../../../src/limits/capacity.ts";
import { capacityWorld, type WorldSetup } from "./capacity-world.ts";

const NOW = 1_800_000_000_000;
const BASE: WorldSetup = {
  seed: "one",
  rule: {},
  isolates: 40,
  perS: 50,
  attemptMs: 1_000,
  tokensMax: 1_000,
  forMs: 300_000,
  lossShare: 0,
  waitMs: 2_000,
};

test.each([1, 2, 3])("concurrency is never overshot under three times the demand, and well used (seed %i)", (seed) => {
  const report = capacityWorld({ ...BASE, seed: `c${seed}`, rule: { concurrency: 50 }, perS: 150, forMs: 100_000 });
  expect(report.runningMax).toBeLessThanOrEqual(50);
  expect(report.runningMean).toBeGreaterThan(40);
  expect(report.refused).toBeGreaterThan(0);
});

test("lost answers cost use, not exactness", () => {
  const report = capacityWorld({ ...BASE, rule: { concurrency: 50 }, perS: 150, forMs: 100_000, lossShare: 0.05 });
  expect(report.runningMax).toBeLessThanOrEqual(50);
  expect(report.runningMean).toBeGreaterThan(35);
});

test.each([1, 2, 3])("requests a minute are never overshot in any 60 s, and all used (seed %i)", (seed) => {
  const report = capacityWorld({ ...BASE, seed: `r${seed}`, rule: { requestsPerMin: 1_200 }, perS: 60 });
  expect(report.requestsMax).toBeLessThanOrEqual(1_200);
  expect(report.servedInLastMinute).toBeGreaterThan(1_200 * 0.95);
});

test("tokens a minute are never overshot in any 60 s", () => {
  const report = capacityWorld({ ...BASE, rule: { tokensPerMin: 600_000 }, perS: 60 });
  expect(report.tokensMax).toBeLessThanOrEqual(600_000);
  expect(report.tokensMax).toBeGreaterThan(540_000);
});

test("with room to spare nearly nobody asks first", () => {
  const report = capacityWorld({ ...BASE, rule: { concurrency: 500, requestsPerMin: 50_000 }, perS: 100 });
  expect(report.refused).toBe(0);
  expect(report.waited / report.served).toBeLessThan(0.1);
});

/** What is answered to asks made in a row, by name; null: still waiting. */
function asked(rule: CapacityRule) {
  const desk = createCapacityDesk();
  const answers = new Map<string, CapacityAnswer>();
  let permit = 0;
  return {
    desk,
    answers,
    ask(name: string, more: Partial<CapacityAsk> = {}, nowMs = NOW) {
      const pools = [{ pool: "key", rule, isShared: false }];
      const base = {
        holder: "one",
        permit: permit++,
        account: name.slice(0, 1),
        isPaid: true,
        tokens: 0,
        pools,
        waitMs: 2_000,
      };
      desk.ask({ ...base, ...more }, (answer) => answers.set(name, answer), nowMs);
      desk.serve(nowMs);
    },
    ended(nowMs = NOW) {
      const wish = {
        holder: "one",
        slotsHeld: 0,
        arrived: Array.from({ length: permit }, (_, at) => at),
        back: [],
        tokensOver: 0,
      };
      desk.exchange(
        { pool: "key", rule, isShared: false },
        { ...wish, want: { slots: 0, requests: 0, tokens: 0 }, onwardMs: 0 },
        nowMs,
      );
      desk.serve(nowMs);
    },
  };
}

test("exactly N of N+1 pass, and the last hears when a minute's first one leaves", () => {
  const { ask, answers, desk } = asked({ requestsPerMin: 10 });
  for (let at = 0; at < 11; at++) ask(`a${at}`);
  expect([...answers.values()].filter(({ kind }) => kind === "granted")).toHaveLength(10);
  desk.serve(NOW + 2_000);
  expect(answers.get("a10")).toEqual({ kind: "refused", retryAfterMs: 58_250 });
});

test("who may not wait is refused at once, and takes nothing", () => {
  const { ask, answers, ended } = asked({ concurrency: 1 });
  ask("a1");
  ask("b1", { waitMs: 0 });
  expect(answers.get("b1")).toMatchObject({ kind: "refused", retryAfterMs: expect.any(Number) });
  ended();
  ask("c1", { waitMs: 0 });
  expect(answers.get("c1")).toMatchObject({ kind: "granted" });
});

test("paid goes first and accounts take turns when a slot becomes free", () => {
  const { ask, answers, ended } = asked({ concurrency: 1 });
  ask("x");
  ask("f1", { isPaid: false });
  for (const name of ["a1", "a2", "b1"]) ask(name);
  for (let at = 1; at <= 4; at++) ended(NOW + at);
  expect([...answers.keys()]).toEqual(["x", "a1", "b1", "a2", "f1"]);
});

test("a wait is over after two seconds, whatever was asked for", () => {
  const { ask, answers, desk } = asked({ concurrency: 1 });
  ask("a1");
  ask("b1", { waitMs: 60_000 });
  expect(desk.serve(NOW + 1_999)).toBe(NOW + 2_000);
  expect(answers.has("b1")).toBe(false);
  expect(desk.serve(NOW + 2_000)).toBe(null);
  expect(answers.get("b1")?.kind).toBe("refused");
});

test("a pool that is used up does not keep those waiting who may use another", () => {
  const { desk, ask, answers } = asked({ concurrency: 1 });
  ask("a1");
  const two = ["key", "other"].map((pool) => ({ pool, rule: { concurrency: 1 }, isShared: false }));
  ask("b1", { pools: two });
  expect(answers.get("b1")).toEqual({ kind: "granted", pool: "other" });
  expect(desk.waiting()).toBe(0);
});

test("a holder that died frees its slots, one that says nothing but lives keeps them", () => {
  const { ask, answers, desk } = asked({ concurrency: 1 });
  ask("a1");
  ask("b1", { waitMs: 0 }, NOW + 29_999);
  expect(answers.get("b1")?.kind).toBe("refused");
  ask("c1", { waitMs: 0 }, NOW + 30_000);
  expect(answers.get("c1")?.kind).toBe("granted");
  expect(desk.waiting()).toBe(0);
});

test("what was used in the last minute outlives a restart", () => {
  const { ask, desk } = asked({ requestsPerMin: 5 });
  for (let at = 0; at < 4; at++) ask(`a${at}`);
  const answers: string[] = [];
  const next = createCapacityDesk(desk.saved());
  const pools = [{ pool: "key", rule: { requestsPerMin: 5 }, isShared: false }];
  for (const permit of [0, 1]) {
    const ask2 = { holder: "two", permit, account: "a", isPaid: true, tokens: 0, pools, waitMs: 0 };
    next.ask(ask2, ({ kind }) => answers.push(kind), NOW + 1);
    next.serve(NOW + 1);
  }
  expect(answers).toEqual(["granted", "refused"]);
});

test("a learnt limit binds after the first 429, and a busy pool's is half of what ran", () => {
  const desk = createCapacityDesk();
  for (let at = 0; at < 400; at++) desk.learn("key a/b x", { kind: "success", inFlight: 1 }, 2_000, NOW + at * 25);
  expect(desk.learnt("key a/b x")).toBe(undefined);
  // 400 attempts of 2 s within 10 s: 80 at once.
  expect(desk.learn("key a/b x", { kind: "throttled", inFlight: 1 }, 0, NOW + 10_000)).toBe(true);
  expect(desk.learnt("key a/b x")).toBeGreaterThanOrEqual(30);
  expect(desk.learnt("key a/b x")).toBeLessThanOrEqual(42);
});

test("a limit of the whole credential holds over its regions", () => {
  const rule = { concurrency: 50, requestsPerMin: 1_500 };
  const report = capacityWorld({ ...BASE, rule, perS: 100, regions: 4 });
  expect(report.runningMax).toBeLessThanOrEqual(50);
  expect(report.requestsMax).toBeLessThanOrEqual(1_500);
  expect(report.served).toBeGreaterThan(1_500 * 5 * 0.85);
});

test.each([
  { name: "of one gate", more: { branches: 8 }, usedMin: 0.85 },
  // Two lenders above each of twelve counters that see two requests a second: much of it lies on its way.
  { name: "of the regions of one credential", more: { regions: 3, branches: 4 }, usedMin: 0.65 },
])("a limit holds over the branches $name", ({ more, usedMin }) => {
  const rule = { concurrency: 60, requestsPerMin: 1_500, tokensPerMin: 700_000 };
  const report = capacityWorld({ ...BASE, rule, perS: 100, forMs: 150_000, ...more });
  expect(report.runningMax).toBeLessThanOrEqual(60);
  expect(report.requestsMax).toBeLessThanOrEqual(1_500);
  expect(report.tokensMax).toBeLessThanOrEqual(700_000);
  expect(report.servedInLastMinute).toBeGreaterThan(1_400 * usedMin);
});

test("where there is plenty, branches cost hardly any waiting", () => {
  const rule = { concurrency: 1_000, requestsPerMin: 60_000 };
  const report = capacityWorld({ ...BASE, rule, perS: 100, forMs: 60_000, branches: 4 });
  expect(report.refused).toBe(0);
  expect(report.waited / report.served).toBeLessThan(0.1);
});
