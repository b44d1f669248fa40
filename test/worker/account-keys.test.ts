/** Keys at the AccountGate: create, read, change, delete, rotate, limits with their windows. */
import { evictDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { asKeyHash } from "../../src/core/ids.ts";
import type { NewKey } from "../../src/gates/account-contract.ts";
import { newAccount, newGeneration, request, setClock, settlement, USD, type TestAccount } from "./account-setup.ts";

/** A Saturday: the week ends on Sunday, the month nine days later. */
const NOON_MS = Date.UTC(2026, 10, 21, 12);
const DAY_MS = 86_400_000;

let made = 0;
const hashOf = () => asKeyHash((made++).toString(16).padStart(64, "a"));
const newKey = (given: Partial<NewKey> = {}): NewKey => ({
  hash: hashOf(),
  kind: "inference",
  name: "a key",
  label: "sk-wp-gl1...abc",
  limitNusd: null,
  limitReset: null,
  expiresAtMs: null,
  ...given,
});
const spendWith = async (account: TestAccount, hash: NewKey["hash"], costNusd: bigint, atMs: number) => {
  const one = request(account, {
    keyHash: hash,
    wantedNusd: costNusd,
    minimumNusd: costNusd,
    generationId: newGeneration(atMs),
  });
  const admission = await account.gate.admit(one);
  if (admission.kind === "admitted")
    await account.gate.settle([settlement(account, one.generationId, costNusd, { keyHash: hash })]);
  return admission;
};

test("a key is created once, read, listed oldest first, and outlives a restart", async () => {
  const account = await newAccount(USD);
  const key = newKey({ name: "second", limitNusd: 5n * USD, limitReset: "weekly" });
  const created = await account.gate.createKey(key);
  expect(created).toMatchObject({
    ok: true,
    value: { name: "second", limitRemainingNusd: 5n * USD, usageNusd: 0n, disabled: false },
  });
  expect(await account.gate.createKey(key)).toEqual(created);
  await evictDurableObject(account.gate);
  expect(await account.gate.readKey(key.hash)).toEqual(created);
  const list = await account.gate.listKeys();
  expect(list.ok ? list.value.map((one) => one.name) : []).toEqual(["first", "first", "second"]);
  expect(await account.gate.admit(request(account, { keyHash: key.hash }))).toMatchObject({ kind: "admitted" });
});

test("an update changes what it names, null clears, and a disabled key is out at once", async () => {
  const account = await newAccount(USD);
  const key = newKey({ limitNusd: USD, limitReset: "daily", expiresAtMs: NOON_MS + DAY_MS * 400 });
  await account.gate.createKey(key);
  expect(await account.gate.updateKey(key.hash, { name: "new" })).toMatchObject({
    ok: true,
    value: { name: "new", limitNusd: USD, limitReset: "daily" },
  });
  expect(
    await account.gate.updateKey(key.hash, { limitNusd: null, limitReset: null, expiresAtMs: null, disabled: true }),
  ).toMatchObject({
    ok: true,
    value: {
      name: "new",
      limitNusd: null,
      limitRemainingNusd: null,
      limitReset: null,
      expiresAtMs: null,
      disabled: true,
    },
  });
  expect(await account.gate.admit(request(account, { keyHash: key.hash }))).toMatchObject({
    kind: "refused",
    error: { kind: "unauthenticated" },
  });
  expect(await account.gate.identify(key.hash)).toMatchObject({ ok: false, error: { kind: "unauthenticated" } });
  await account.gate.updateKey(key.hash, { disabled: false });
  expect(await account.gate.identify(key.hash)).toMatchObject({
    ok: true,
    value: { key: { hash: key.hash }, account: { name: "Test" } },
  });
});

test("a deleted key is out at once, while what it holds is still settled", async () => {
  const account = await newAccount(USD);
  const key = newKey();
  await account.gate.createKey(key);
  const one = request(account, { keyHash: key.hash });
  await account.gate.admit(one);
  expect(await account.gate.deleteKey(key.hash)).toEqual({ ok: true, value: null });
  expect(await account.gate.deleteKey(key.hash)).toMatchObject({ ok: false, error: { kind: "not_found" } });
  expect(await account.gate.readKey(key.hash)).toMatchObject({ ok: false, error: { kind: "not_found" } });
  expect(await account.gate.updateKey(key.hash, {})).toMatchObject({ ok: false, error: { kind: "not_found" } });
  expect(await account.gate.admit(request(account, { keyHash: key.hash }))).toMatchObject({ kind: "refused" });
  await account.gate.settle([settlement(account, one.generationId, USD, { keyHash: key.hash })]);
  expect(await account.gate.view()).toMatchObject({ ok: true, value: { balanceNusd: 0n, heldNusd: 0n } });
});

test("a key ends at its time", async () => {
  const account = await newAccount(USD);
  const key = newKey({ expiresAtMs: NOON_MS });
  await account.gate.createKey(key);
  await setClock(account, NOON_MS - 1);
  expect(await account.gate.identify(key.hash)).toMatchObject({ ok: true });
  await setClock(account, NOON_MS);
  expect(await account.gate.identify(key.hash)).toMatchObject({
    ok: false,
    error: { message: "This API key has expired." },
  });
});

test("open holds count against a key's limit: of 30 parallel requests with a limit for 4, exactly 4 pass", async () => {
  const account = await newAccount(100n * USD);
  const key = newKey({ limitNusd: 4n * USD });
  await account.gate.createKey(key);
  const admissions = await Promise.all(
    Array.from({ length: 30 }, async () => await account.gate.admit(request(account, { keyHash: key.hash }))),
  );
  expect(admissions.filter((one) => one.kind === "admitted")).toHaveLength(4);
  expect(admissions.find((one) => one.kind === "short")).toMatchObject({
    limitSource: "in_flight_budget",
    spendableNusd: 0n,
  });
  // The account itself has plenty.
  expect(await account.gate.admit(request(account))).toMatchObject({ kind: "admitted" });
});

test.each([
  { reset: "daily", sameMs: NOON_MS + 12 * 3_600_000 - 1, nextMs: NOON_MS + 12 * 3_600_000 },
  { reset: "weekly", sameMs: Date.UTC(2026, 10, 22, 23, 59), nextMs: Date.UTC(2026, 10, 23) },
  { reset: "monthly", sameMs: Date.UTC(2026, 10, 30, 23, 59), nextMs: Date.UTC(2026, 11, 1) },
] as const)("a $reset limit is reset with its UTC window", async ({ reset, sameMs, nextMs }) => {
  const account = await newAccount(100n * USD);
  const key = newKey({ limitNusd: 2n * USD, limitReset: reset });
  await account.gate.createKey(key);
  await setClock(account, NOON_MS);
  expect(await spendWith(account, key.hash, 2n * USD, NOON_MS)).toMatchObject({ kind: "admitted" });
  await setClock(account, sameMs);
  expect(await spendWith(account, key.hash, USD, sameMs)).toMatchObject({ kind: "short", limitSource: "key_limit" });
  await setClock(account, nextMs);
  expect(await spendWith(account, key.hash, USD, nextMs)).toMatchObject({ kind: "admitted" });
  expect(await account.gate.readKey(key.hash)).toMatchObject({
    ok: true,
    value: { limitRemainingNusd: USD, usageNusd: 3n * USD },
  });
});

test("a limit without reset is for the key's whole life", async () => {
  const account = await newAccount(100n * USD);
  const key = newKey({ limitNusd: 2n * USD });
  await account.gate.createKey(key);
  await setClock(account, NOON_MS);
  await spendWith(account, key.hash, 2n * USD, NOON_MS);
  await setClock(account, NOON_MS + 400 * DAY_MS);
  expect(await spendWith(account, key.hash, 1n, NOON_MS + 400 * DAY_MS)).toMatchObject({ kind: "short" });
});

test("a rotated key works beside the old one for the overlap, and the two share one limit", async () => {
  const account = await newAccount(100n * USD);
  await setClock(account, NOON_MS);
  const old = newKey({ name: "ci", limitNusd: 3n * USD, limitReset: "monthly" });
  await account.gate.createKey(old);
  await spendWith(account, old.hash, USD, NOON_MS);
  const next = { hash: hashOf(), label: "sk-wp-gl1...xyz" };
  const rotated = await account.gate.rotateKey(old.hash, next, 600);
  expect(rotated).toMatchObject({
    ok: true,
    value: {
      ...next,
      name: "ci",
      limitNusd: 3n * USD,
      limitRemainingNusd: 2n * USD,
      limitReset: "monthly",
      expiresAtMs: null,
    },
  });
  expect(await account.gate.rotateKey(old.hash, next, 600)).toEqual(rotated);
  expect(await spendWith(account, old.hash, USD, NOON_MS)).toMatchObject({ kind: "admitted" });
  expect(await spendWith(account, next.hash, USD, NOON_MS)).toMatchObject({ kind: "admitted" });
  expect(await spendWith(account, next.hash, 1n, NOON_MS)).toMatchObject({ kind: "short", limitSource: "key_limit" });
  await setClock(account, NOON_MS + 600_000);
  expect(await account.gate.identify(old.hash)).toMatchObject({ ok: false });
  expect(await account.gate.identify(next.hash)).toMatchObject({ ok: true });
  await account.gate.deleteKey(old.hash);
  expect(await account.gate.readKey(next.hash)).toMatchObject({ ok: true, value: { usageNusd: 3n * USD } });
});
