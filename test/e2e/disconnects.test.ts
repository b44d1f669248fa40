/**
 * A client that leaves: what happens to the upstream, by the provider's policy, and what the account pays. Streamed and
 * not, before the first token and after it, and a client that stays and reads nothing.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { estimateCompletionTokens, estimatePromptTokens } from "../../src/core/estimate.ts";
import { openAiChat } from "../../src/dialects/openai-chat.ts";
import { alone } from "./alone.ts";
import { SLOW_WORDS, WORDS, type Call } from "./fault-upstream.ts";
import {
  ask,
  askRaw,
  call,
  chargeOf,
  costAt,
  generationOf,
  newAccount,
  PROMPT,
  startFaultWorld,
  until,
  type EndpointWish,
  type FaultWorld,
  type TestAccount,
} from "./fault-world.ts";

/** From the client's leaving to the upstream's closed connection; the best of TIMED_RUNS, one at a time. */
const ABORT_MS_MAX = 100;
const TIMED_RUNS = 3;
/** The same where tests run side by side and only show that the client's leaving is the cause. */
const ABORT_CROWDED_MS_MAX = 1_000;
const FAR = { provider: "far", mode: "ok" };

// The upstream model tells the calls apart; each of these numbers is used once.
const models = new Map<string, readonly EndpointWish[]>([
  ["test/stops", [{ provider: "near", mode: "slow-1" }, FAR]],
  ["test/bills", [{ provider: "bills", mode: "slow-2" }, FAR]],
  ["test/dues", [{ provider: "dues", mode: "slow-5" }, FAR]],
  ["test/buffered", [{ provider: "near", mode: "slow-3" }, FAR]],
  ["test/stops-early", [{ provider: "near", mode: "late-1900" }, FAR]],
  ["test/bills-early", [{ provider: "bills", mode: "late-1200" }, FAR]],
  ["test/buffered-fails", [{ provider: "near", mode: "late-status-1500" }, FAR]],
  ["test/quiet", [{ provider: "near", mode: "endless-400" }, FAR]],
  ["test/timed", [{ provider: "near", mode: "slow-4" }, FAR]],
  ["test/timed-early", [{ provider: "near", mode: "late-1901" }, FAR]],
  ["test/flood", [{ provider: "near", mode: "flood-1" }]],
]);
const PREFERENCES = { order: ["near", "bills", "dues"] };

let world: FaultWorld;
alone();
beforeAll(async () => {
  world = await startFaultWorld(models);
});
afterAll(async () => {
  await world.stop();
});

describe("the upstream of a stream that can be stopped is closed within 100 ms", () => {
  test("in the middle of the answer", async () => {
    const account = await newAccount(world);
    const delaysMs: number[] = [];
    for (let run = 0; run < TIMED_RUNS; run++) {
      const left = await leaveAfter(account, "test/timed", 3);
      delaysMs.push((await closedOf("slow-4", run)) - left.atMs);
    }
    expect(Math.min(...delaysMs)).toBeLessThanOrEqual(ABORT_MS_MAX);
  });

  test("before the first token", async () => {
    const account = await newAccount(world);
    const delaysMs: number[] = [];
    for (let run = 0; run < TIMED_RUNS; run++) {
      const socket = askRaw(world, account, { model: "test/timed-early", stream: true, provider: PREFERENCES });
      await until(() => world.near.callsOf("late-1901")[run], "the call");
      await pause(100);
      socket.resetAndDestroy();
      const leftAtMs = Date.now();
      delaysMs.push((await closedOf("late-1901", run)) - leftAtMs);
    }
    expect(Math.min(...delaysMs)).toBeLessThanOrEqual(ABORT_MS_MAX);
  });
});

describe.concurrent("the client leaves", () => {
  test("in the middle of a stream that can be stopped: closed at once, the delivered part is paid for", async () => {
    const account = await newAccount(world);
    const left = await leaveAfter(account, "test/stops", 5);
    const upstream = await callOf("slow-1");
    await until(() => upstream.closedAtMs ?? undefined, "the upstream's end");
    expect(upstream.isComplete).toBe(false);
    expect((upstream.closedAtMs ?? 0) - left.atMs).toBeLessThanOrEqual(ABORT_CROWDED_MS_MAX);
    const record = await generationOf(world, account, left.id);
    expect(record).toMatchObject({
      cancelled: true,
      estimated: true,
      cancellation: { policy: "stops", action: "aborted", surcharge: 0, estimated: ["prompt", "completion"] },
      attempts: ["near:200:ok"],
    });
    // What was on its way when the client left was delivered too, as far as we can know; never more than was said.
    const tokens = Number(record["tokens_completion"]);
    const bounds = [5, upstream.wordCount].map((count) => estimateCompletionTokens(said(count)));
    expect(tokens).toBeGreaterThanOrEqual(bounds[0] ?? 0);
    expect(tokens).toBeLessThanOrEqual(bounds[1] ?? 0);
    expect(await chargeOf(world, account)).toBe(costAt("near", promptEstimate(), tokens));
  });

  test("in the middle of a stream that is billed whole: drained, and paid by its usage", async () => {
    const account = await newAccount(world);
    const left = await leaveAfter(account, "test/bills", 5);
    const record = await generationOf(world, account, left.id);
    expect(record).toMatchObject({ cancelled: true, estimated: false, finish_reason: "stop" });
    expect(record).toMatchObject({
      cancellation: { policy: "bills_all", action: "drained", surcharge: 0, estimated: [] },
    });
    expect(await callOf("slow-2")).toMatchObject({ isComplete: true, wordCount: SLOW_WORDS });
    expect(await chargeOf(world, account)).toBe(costAt("bills", 10, SLOW_WORDS));
  });

  test("in the middle of a stream whose provider takes a surcharge: closed at once, both are paid for", async () => {
    const account = await newAccount(world);
    const left = await leaveAfter(account, "test/dues", 5);
    const upstream = await callOf("slow-5");
    await until(() => upstream.closedAtMs ?? undefined, "the upstream's end");
    expect(upstream.isComplete).toBe(false);
    expect((upstream.closedAtMs ?? 0) - left.atMs).toBeLessThanOrEqual(ABORT_CROWDED_MS_MAX);
    const record = await generationOf(world, account, left.id);
    const deliveredNusd = costAt("dues", promptEstimate(), Number(record["tokens_completion"]));
    const surchargeNusd = 2_000_000n + (deliveredNusd + 9n) / 10n;
    expect(record).toMatchObject({
      cancelled: true,
      estimated: true,
      cancellation: {
        policy: "bills_surcharge",
        action: "aborted",
        surcharge: Number(surchargeNusd) / 1e9,
        estimated: ["prompt", "completion"],
      },
    });
    expect(deliveredNusd).toBeGreaterThan(0n);
    expect(await chargeOf(world, account)).toBe(deliveredNusd + surchargeNusd);
  });

  test("while a buffered answer is made: drained, and paid by its usage", async () => {
    const account = await newAccount(world);
    const socket = askRaw(world, account, { model: "test/buffered", provider: PREFERENCES });
    const upstream = await callOf("slow-3");
    await pause(300);
    socket.resetAndDestroy();
    await until(() => upstream.closedAtMs ?? undefined, "the upstream's end");
    expect(upstream).toMatchObject({ isComplete: true, wordCount: SLOW_WORDS });
    expect(await chargeOf(world, account)).toBe(costAt("near", 10, 5));
  });

  test("before the first token of a stream that can be stopped: closed at once, nothing is paid", async () => {
    const account = await newAccount(world);
    const socket = askRaw(world, account, { model: "test/stops-early", stream: true, provider: PREFERENCES });
    const upstream = await callOf("late-1900");
    await pause(300);
    socket.resetAndDestroy();
    const leftAtMs = Date.now();
    await until(() => upstream.closedAtMs ?? undefined, "the upstream's end");
    expect((upstream.closedAtMs ?? 0) - leftAtMs).toBeLessThanOrEqual(ABORT_CROWDED_MS_MAX);
    expect(upstream.isComplete).toBe(false);
    expect(await chargeOf(world, account)).toBe(0n);
  });

  test("before the first token of a stream that is billed whole: drained, and paid by its usage", async () => {
    const account = await newAccount(world);
    const socket = askRaw(world, account, { model: "test/bills-early", stream: true, provider: PREFERENCES });
    const upstream = await callOf("late-1200");
    await pause(200);
    socket.resetAndDestroy();
    await until(() => upstream.closedAtMs ?? undefined, "the upstream's end");
    expect(upstream.isComplete).toBe(true);
    expect(await chargeOf(world, account)).toBe(costAt("bills", 10, 5));
  });

  test("before a buffered answer fails: nothing is paid", async () => {
    const account = await newAccount(world);
    const socket = askRaw(world, account, { model: "test/buffered-fails", provider: PREFERENCES });
    const upstream = await callOf("late-status-1500");
    await pause(200);
    socket.resetAndDestroy();
    await until(() => upstream.closedAtMs ?? undefined, "the upstream's end");
    expect(await chargeOf(world, account)).toBe(0n);
  });

  test("quietly, in the middle of a slow stream: heard with the next word", async () => {
    const account = await newAccount(world);
    const socket = askRaw(world, account, { model: "test/quiet", stream: true, provider: PREFERENCES });
    socket.resume();
    const upstream = await callOf("endless-400");
    await until(() => (upstream.wordCount >= 2 ? true : undefined), "two words");
    socket.destroy();
    const leftAtMs = Date.now();
    await until(() => upstream.closedAtMs ?? undefined, "the upstream's end");
    expect((upstream.closedAtMs ?? 0) - leftAtMs).toBeLessThanOrEqual(400 + ABORT_CROWDED_MS_MAX);
    expect(await chargeOf(world, account)).toBeGreaterThan(0n);
  });

  test("without closing, by reading nothing: the upstream stops, and is closed when the client is", async () => {
    const account = await newAccount(world);
    const socket = askRaw(world, account, { model: "test/flood", stream: true });
    const upstream = await callOf("flood-1");
    await pause(1_500);
    const sent = upstream.wordCount;
    await pause(1_000);
    expect(upstream.wordCount).toBe(sent);
    // Four kilobytes each. What was sent lies in the kernel's buffers, which grow to tens of MiB on both sides.
    expect(sent * 4_000).toBeLessThan(96 * 1024 * 1024);
    expect(upstream.closedAtMs).toBe(null);
    socket.resetAndDestroy();
    const leftAtMs = Date.now();
    await until(() => upstream.closedAtMs ?? undefined, "the upstream's end");
    expect((upstream.closedAtMs ?? 0) - leftAtMs).toBeLessThanOrEqual(ABORT_MS_MAX);
    expect(await chargeOf(world, account)).toBeGreaterThan(0n);
  });
});

test("the far provider was never asked", () => {
  expect(world.far.calls).toEqual([]);
});

test("after all of it the books are right and nothing is held", async () => {
  await expect
    .poll(async () => (await call(world.server, "GET", "/admin/audit", world.server.operatorKey)).body, {
      timeout: 15_000,
    })
    .toMatchObject({ ok: true, open_holds: 0, outbox: 0 });
});

/** Reads so many words of a stream and leaves. */
async function leaveAfter(account: TestAccount, model: string, words: number): Promise<{ id: string; atMs: number }> {
  const gone = new AbortController();
  const response = await ask(world, account, { model, stream: true, provider: PREFERENCES }, gone.signal);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader(); // a 200 has a body
  const decoder = new TextDecoder();
  let text = "";
  while ((text.match(/"content":"[a-z]/g)?.length ?? 0) < words) {
    const { value } = await reader.read();
    if (value === undefined) throw new Error(`The stream ended: ${text}`);
    text += decoder.decode(value, { stream: true });
  }
  gone.abort();
  return { id: response.headers.get("x-generation-id") ?? "", atMs: Date.now() };
}

/** The one call for an upstream model, once it has come. */
function callOf(model: string): Promise<Call> {
  return until(() => world.near.callsOf(model)[0], `a call for ${model}`);
}

/** When the upstream's connection of the `run`th call was closed. */
function closedOf(model: string, run: number): Promise<number> {
  return until(() => world.near.callsOf(model)[run]?.closedAtMs ?? undefined, "the upstream's end");
}

function said(count: number): string {
  return Array.from({ length: count }, (_, at) => WORDS[at % WORDS.length]).join("");
}

function promptEstimate(): number {
  const parsed = openAiChat.parse({ model: "any", messages: [{ role: "user", content: PROMPT }] });
  if (!parsed.ok) throw new Error("the prompt is not one");
  return estimatePromptTokens(parsed.value.request);
}

function pause(waitMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, waitMs));
}
