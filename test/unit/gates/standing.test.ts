import { expect, test } from "vitest";
import { asAccountId, asKeyHash } from "../../../src/core/ids.ts";
import { createStanding, type ColoCache } from "../../../src/gates/standing.ts";

const ACCOUNT = asAccountId("gl10000000000abc");
const KEY = asKeyHash("a".repeat(64));

function colo(): ColoCache & { readonly values: Map<string, string> } {
  const values = new Map<string, string>();
  return {
    values,
    read: async (name) => values.get(name) ?? null,
    write: async (name, text) => void values.set(name, text),
  };
}

test("a key is trusted for a minute after its account lent something, for as much as a lease could hold", async () => {
  let nowMs = 0;
  const standing = createStanding(() => nowMs, null);
  expect(standing.isTrusted(ACCOUNT, KEY, 1n)).toBe(false);
  await standing.trust(ACCOUNT, KEY, 100n);
  expect(standing.isTrusted(ACCOUNT, KEY, 100n)).toBe(true);
  expect(standing.isTrusted(ACCOUNT, KEY, 101n)).toBe(false);
  nowMs = 60_000;
  expect(standing.isTrusted(ACCOUNT, KEY, 1n)).toBe(false);
});

test("a refusal ends trust for ten minutes, whatever is heard meanwhile", async () => {
  let nowMs = 0;
  const standing = createStanding(() => nowMs, null);
  await standing.trust(ACCOUNT, KEY, 100n);
  await standing.distrust(ACCOUNT, KEY);
  await standing.trust(ACCOUNT, KEY, 100n);
  nowMs = 599_999;
  expect([standing.isTrusted(ACCOUNT, KEY, 1n), standing.isBarred(ACCOUNT, KEY)]).toEqual([false, true]);
  nowMs = 600_000;
  await standing.trust(ACCOUNT, KEY, 100n);
  expect([standing.isTrusted(ACCOUNT, KEY, 1n), standing.isBarred(ACCOUNT, KEY)]).toEqual([true, false]);
});

test("a refusal is known to the colo, whatever its other isolates have heard", async () => {
  const shared = colo();
  const [refused, other] = [createStanding(() => 0, shared), createStanding(() => 0, shared)];
  await other.trust(ACCOUNT, KEY, 100n);
  await refused.distrust(ACCOUNT, KEY);
  await other.trust(ACCOUNT, KEY, 100n);
  expect(await other.isTrusted(ACCOUNT, KEY, 1n)).toBe(false);
  expect(await createStanding(() => 0, shared).isTrusted(ACCOUNT, KEY, 1n)).toBe(false);
});

test("a fresh isolate asks the colo, and takes nonsense for no", async () => {
  const shared = colo();
  await createStanding(() => 0, shared).trust(ACCOUNT, KEY, 100n);
  const fresh = createStanding(() => 0, shared);
  expect(await fresh.isTrusted(ACCOUNT, KEY, 100n)).toBe(true);
  expect(await fresh.isTrusted(ACCOUNT, KEY, 101n)).toBe(false);
  await createStanding(() => 0, shared).distrust(ACCOUNT, KEY);
  expect(await fresh.isTrusted(ACCOUNT, KEY, 1n)).toBe(false);
  shared.values.set(`${ACCOUNT}/${KEY}`, "<html>");
  expect(await fresh.isTrusted(ACCOUNT, KEY, 1n)).toBe(false);
});
