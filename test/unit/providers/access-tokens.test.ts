/** Tokens that live for a while: fetched once, renewed once before they end, shared by whoever waits. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { UpstreamFailure } from "../../../src/core/error.ts";
import { createAccessTokens, type AccessTokens, type Mint } from "../../../src/providers/access-tokens.ts";
import { failureOf } from "../../../src/providers/failure.ts";

const MINUTE = 60_000;
const FAILURE: UpstreamFailure = failureOf({
  status: 400,
  errorType: "authentication",
  message: "gone",
  providerCode: "invalid_grant",
  raw: null,
  retryAfterMs: null,
  credential: "",
});

let minted = 0;
let tokens: AccessTokens;
const background: Promise<unknown>[] = [];
const waitUntil = (work: Promise<unknown>): void => void background.push(work);

/** A token of an hour, after `waitMs`. */
const slow =
  (waitMs: number): Mint =>
  async () => {
    const number = ++minted;
    await new Promise<void>((resolve) => setTimeout(resolve, waitMs));
    return { ok: true, value: { token: `token-${number}`, expiresAtMs: Date.now() + 60 * MINUTE } };
  };

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
  minted = 0;
  background.length = 0;
  tokens = createAccessTokens(() => Date.now());
});
afterEach(() => {
  vi.useRealTimers();
});

async function get(mint: Mint, key = "a"): Promise<string> {
  const found = tokens.get(key, mint, waitUntil);
  await vi.runAllTimersAsync();
  const token = await found;
  return token.ok ? token.value : token.error.message;
}

test("of many at once one fetches, and all get its token", async () => {
  const found = Array.from({ length: 20 }, () => tokens.get("a", slow(300), waitUntil));
  await vi.runAllTimersAsync();
  for (const token of await Promise.all(found)) expect(token).toEqual({ ok: true, value: "token-1" });
  expect(minted).toBe(1);
});

test("it is fetched for each credential", async () => {
  expect([await get(slow(1), "a"), await get(slow(1), "b"), await get(slow(1), "a")]).toEqual([
    "token-1",
    "token-2",
    "token-1",
  ]);
});

test("before its end it is renewed once, in the background, and nobody waits", async () => {
  await get(slow(1));
  vi.setSystemTime(Date.now() + 54 * MINUTE);
  expect(await tokens.get("a", slow(300), waitUntil)).toEqual({ ok: true, value: "token-1" });
  expect(minted).toBe(1);
  vi.setSystemTime(Date.now() + 2 * MINUTE);
  const early = await Promise.all([1, 2, 3].map(() => tokens.get("a", slow(300), waitUntil)));
  expect(early).toEqual([1, 2, 3].map(() => ({ ok: true, value: "token-1" })));
  expect([minted, background.length]).toEqual([2, 1]);
  await vi.runAllTimersAsync();
  expect(await get(slow(300))).toBe("token-2");
  expect(minted).toBe(2);
});

test("one that has ended is waited for", async () => {
  await get(slow(1));
  vi.setSystemTime(Date.now() + 60 * MINUTE - 29_000);
  expect(await get(slow(300))).toBe("token-2");
});

test("a renewal that fails is tried again by the next request, while the old one lasts", async () => {
  await get(slow(1));
  vi.setSystemTime(Date.now() + 56 * MINUTE);
  const failing: Mint = async () => ({ ok: false, error: FAILURE });
  expect(await tokens.get("a", failing, waitUntil)).toEqual({ ok: true, value: "token-1" });
  await vi.runAllTimersAsync();
  expect(await tokens.get("a", slow(1), waitUntil)).toEqual({ ok: true, value: "token-1" });
  await vi.runAllTimersAsync();
  expect(await get(slow(1))).toBe("token-2");
});

test("a failure is everybody's who waited for it, and nobody's who comes later", async () => {
  let calls = 0;
  const failing: Mint = async () => {
    calls++;
    await new Promise<void>((resolve) => setTimeout(resolve, 100));
    return { ok: false, error: FAILURE };
  };
  const found = Array.from({ length: 5 }, () => tokens.get("a", failing, waitUntil));
  await vi.runAllTimersAsync();
  for (const token of await Promise.all(found)) expect(token).toEqual({ ok: false, error: FAILURE });
  expect(calls).toBe(1);
  expect(await get(slow(1))).toBe("token-1");
});

test("a fetch that is lost is taken over", async () => {
  const lost: Mint = () => new Promise(() => undefined);
  void tokens.get("a", lost, waitUntil);
  const second = tokens.get("a", slow(10), waitUntil);
  await vi.advanceTimersByTimeAsync(9_000);
  expect(minted).toBe(0);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await second).toEqual({ ok: true, value: "token-1" });
});

test("one that was taken back is fetched anew", async () => {
  await get(slow(1));
  tokens.drop("a");
  tokens.drop("unknown");
  expect(await get(slow(1))).toBe("token-2");
});

test("memory is bounded: the oldest leaves first", async () => {
  for (let at = 0; at <= 1_000; at++) await get(slow(0), `key-${at}`);
  expect(await get(slow(0), "key-1000")).toBe("token-1001");
  expect(await get(slow(0), "key-0")).toBe("token-1002");
});
