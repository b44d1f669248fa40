/** When a crowded gate gets branches, and when it is alone again. */
import { expect, test } from "vitest";
import { BRANCHES_MAX, createBranches, upwardMs } from "../../../src/limits/branches.ts";

const NOW = 1_800_000_000_000;

/** So many calls within each of some seconds. @returns the time after them. */
function called(branches: ReturnType<typeof createBranches>, perS: number, seconds: number, fromMs: number): number {
  for (let call = 0; call < perS * seconds; call++) branches.called(fromMs + (call * 1_000) / perS);
  return fromMs + seconds * 1_000;
}

test.each([
  { name: "a gate with 250 calls a second needs none", perS: 250, expect: 0 },
  { name: "400 are four branches' work", perS: 400, expect: 4 },
  { name: "3,000 are 32 branches' work", perS: 3_000, expect: 32 },
  { name: "there is an end to them", perS: 100_000, expect: BRANCHES_MAX },
])("$name", ({ perS, expect: expected }) => {
  const branches = createBranches();
  expect(branches.count(called(branches, perS, 2, NOW))).toBe(expected);
});

test("what branches tell of themselves keeps them; when they fall silent, the gate is alone again after a minute", () => {
  const branches = createBranches();
  let nowMs = called(branches, 1_000, 2, NOW);
  expect(branches.count(nowMs)).toBe(8);
  for (let second = 0; second < 120; second++) {
    nowMs += 1_000;
    for (let branch = 0; branch < 8; branch++) branches.heard(`branch ${branch}`, 120, nowMs);
    expect(branches.count(nowMs)).toBe(8);
  }
  expect(branches.count(nowMs + 16_000)).toBe(8);
  expect(branches.count(nowMs + 75_000)).toBe(8);
  expect(branches.count(nowMs + 77_000)).toBe(0);
});

test("a little less changes nothing, and a gate that starts anew knows what it had", () => {
  const branches = createBranches(8);
  const nowMs = called(branches, 500, 90, NOW);
  expect(branches.count(nowMs)).toBe(8);
});

test("all branches together call their gate at most 150 times a second", () => {
  for (const count of [1, 16, BRANCHES_MAX]) expect((count * 1_000) / upwardMs(count)).toBeLessThanOrEqual(150);
});
