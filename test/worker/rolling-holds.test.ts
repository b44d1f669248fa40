/**
 * Streams that hold in steps, between the real spine, the isolates' client and a real gate. The upstream is the test's:
 * it writes on and on, at most what it is asked for, and counts more tokens than our estimate.
 */
import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { expect, test, vi } from "vitest";
import { estimateCompletionTokens } from "../../src/core/estimate.ts";
import { ok } from "../../src/core/result.ts";
import { createAccountClient } from "../../src/gates/account-client.ts";
import type { AccountSpendRpc, Settlement } from "../../src/gates/account-contract.ts";
import { createStanding } from "../../src/gates/standing.ts";
import { generate } from "../../src/router/generate.ts";
import type { Generated } from "../../src/router/job.ts";
import type { RouterPorts } from "../../src/router/ports.ts";
import { inputOf, portsOf } from "../unit/router/spine.ts";
import { entryOf } from "../unit/router/world.ts";
import { gateOf, newAccount, newGeneration, setClock, USD, type TestAccount } from "./account-setup.ts";

/** $1 per million tokens, in and out. */
const TOKEN_NUSD = 1_000n;
const WORDS = "the quick brown fox jumps over the lazy dog and goes on ";
const TOKENS_PER_PIECE = Math.ceil(estimateCompletionTokens(WORDS) * 1.3);

interface Upstream {
  readonly fetch: RouterPorts["fetch"];
  /** It calls a tool, whose arguments are the words. */
  callsTool: boolean;
  /** Pieces that may be written from now on; endless by default. */
  leave: number;
  aborts: number;
}

/** Writes pieces of WORDS until its `max_tokens` are used up, or it is aborted. */
function upstreamOf(): Upstream {
  const upstream: Upstream = {
    leave: Number.POSITIVE_INFINITY,
    callsTool: false,
    aborts: 0,
    fetch: async (_url, { body, signal }) => {
      const asked = (await new Response(body).json()) as { max_tokens?: number; stream?: boolean };
      const limit = asked.max_tokens ?? 100_000;
      if (asked.stream !== true) {
        // As many words as are counted: a count that the text cannot have would not be believed.
        const choices = [{ index: 0, message: { content: "word ".repeat(limit) }, finish_reason: "length" }];
        return Response.json({ choices, usage: { prompt_tokens: 9, completion_tokens: limit } });
      }
      const encoder = new TextEncoder();
      let used = 0;
      let isOver = false;
      signal?.addEventListener("abort", () => {
        isOver = true;
        upstream.aborts++;
      });
      const frame = (data: unknown): Uint8Array => encoder.encode(`data: ${JSON.stringify(data)}\n\n`);
      const stream = new ReadableStream({
        type: "bytes",
        async pull(controller) {
          while (upstream.leave <= 0 && !isOver) await new Promise((resolve) => setTimeout(resolve, 5));
          // A real connection breaks; here its end is enough, and no rejection is left behind.
          if (isOver) {
            controller.close();
            controller.byobRequest?.respond(0);
            return;
          }
          upstream.leave--;
          const isLast = used + TOKENS_PER_PIECE > limit;
          const delta = isLast ? {} : upstream.callsTool ? toolDelta(used === 0) : { content: WORDS };
          if (!isLast) used += TOKENS_PER_PIECE;
          const choice = { index: 0, delta, ...(isLast ? { finish_reason: "length" } : {}) };
          const usage = { prompt_tokens: 9, completion_tokens: used };
          controller.enqueue(frame({ id: "u", choices: [choice], ...(isLast ? { usage } : {}) }));
          if (isLast) controller.close();
          else await new Promise((resolve) => setTimeout(resolve, 0));
        },
      });
      return new Response(stream, { headers: { "Content-Type": "text/event-stream" } });
    },
  };
  return upstream;
}

/** A piece of the arguments of one call, which never end. */
function toolDelta(isFirst: boolean): object {
  const name = isFirst ? { id: "call_1", type: "function" } : {};
  const opened = isFirst ? { name: "note", arguments: `{"text":"${WORDS}` } : { arguments: WORDS };
  return { tool_calls: [{ index: 0, ...name, function: opened }] };
}

interface Scene {
  readonly account: TestAccount;
  readonly upstream: Upstream;
  readonly calls: string[];
  readonly settled: Settlement[];
  /** What becomes of calls that ask for more: they go through, or never end. */
  fate: "through" | "hanging";
  ask(more?: Record<string, unknown>, signal?: AbortSignal): Promise<Generated>;
  /** Admissions say nothing of what is left, as those from a lease do. */
  hidesRest: boolean;
  balanceNusd(): Promise<bigint>;
  audit(): Promise<Record<string, unknown>>;
}

async function newScene(creditNusd: bigint, policy: "stops" | "bills_all" = "stops"): Promise<Scene> {
  const account = await newAccount(creditNusd);
  const gate = () => gateOf(account.id);
  const startMs = Date.now() + 3_600_000;
  const clock = (): number => startMs;
  await setClock({ ...account, gate: gate() }, startMs);
  const call = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    scene.calls.push(name);
    if (name === "extend" && scene.fate === "hanging") return await new Promise<T>(() => undefined);
    return await work();
  };
  const rpc: AccountSpendRpc = {
    admit: (one) => call("admit", async () => await gate().admit(one)),
    extend: (one) => call("extend", async () => await gate().extend(one)),
    renew: (ids) => call("renew", async () => await gate().renew(ids)),
    settle: (some, reports) => call("settle", async () => await gate().settle(some, reports)),
  };
  const client = createAccountClient({
    clock,
    gate: () => rpc,
    reporter: crypto.randomUUID(),
    standing: createStanding(clock, null),
  });
  const upstream = upstreamOf();
  const entry = entryOf("test/m", [
    {
      tag: "a",
      endpoint: { max_completion_tokens: null },
      provider: { cancellation: { policy, source: "test" } },
    },
  ]);
  const ports: RouterPorts = {
    ...portsOf([]),
    clock,
    fetch: upstream.fetch,
    resolve: async () => ok({ entry, version: "v1", thinking: false, isFree: false, warnings: [] }),
    accounts: {
      ...client,
      async admit(id, request) {
        const admission = await client.admit(id, request);
        if (admission.kind !== "admitted" || !scene.hidesRest) return admission;
        const { leftNusd: _left, ...rest } = admission;
        return rest;
      },
      settle(id, settlement) {
        scene.settled.push(settlement);
        return client.settle(id, settlement);
      },
    },
  };
  const scene: Scene = {
    account,
    upstream,
    calls: [],
    settled: [],
    fate: "through",
    hidesRest: false,
    async ask(more = {}, signal = new AbortController().signal) {
      const input = { ...inputOf({ stream: true, ...more }), signal };
      const ids = { account: account.id, keyHash: account.keyHash, generationId: newGeneration(startMs) };
      return await generate({ ...input, asker: { ...input.asker, ...ids } }, ports);
    },
    async balanceNusd() {
      const view = await gate().view();
      if (!view.ok) throw new Error(JSON.stringify(view.error));
      return view.value.balanceNusd;
    },
    async audit() {
      await runDurableObjectAlarm(gate());
      const audit = await gate().audit();
      if (!audit.ok) throw new Error(JSON.stringify(audit.error));
      return { faults: audit.value.faults, openHolds: audit.value.openHolds, outbox: audit.value.outboxCount };
    },
  };
  return scene;
}

async function textOf(generated: Generated): Promise<string> {
  if (generated.kind !== "stream") throw new Error(`no stream but ${JSON.stringify(generated)}`);
  return await new Response(generated.body).text();
}

/** All settlements, once there are `count` and the gate has charged every one in full. */
async function settlements(scene: Scene, count: number): Promise<readonly Settlement[]> {
  await vi.waitUntil(async () => {
    const view = await gateOf(scene.account.id).view();
    const costNusd = scene.settled.reduce((sum, one) => sum + one.costNusd, 0n);
    return scene.settled.length === count && view.ok && view.value.totalUsageNusd === costNusd;
  }, 60_000);
  return scene.settled;
}

const LENGTH = '"finish_reason":"length","native_finish_reason":"credit_exhausted"';

test.each(["stops", "bills_all"] as const)(
  "a stream that outruns its credit ends with length, charged what was delivered, where the provider %s",
  async (policy) => {
    const scene = await newScene(5_000n * TOKEN_NUSD, policy);
    scene.hidesRest = true;
    // What it writes to a provider that bills all of it.
    const text = await textOf(await scene.ask({ max_tokens: 20_000 }));
    expect(text.match(/"finish_reason":"length"/g)).toHaveLength(1);
    expect(text).toContain(LENGTH);
    expect(text).toMatch(/^: WAYPOST WARNING The answer was cut/m);
    expect(text).toContain('"estimated":true');
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
    const [settled] = await settlements(scene, 1);
    const isDrained = policy === "bills_all";
    expect(settled?.record).toMatchObject({
      finishReason: "length",
      nativeFinishReason: "credit_exhausted",
      cancelled: false,
      cancellation: isDrained ? "drained" : "aborted",
    });
    const costNusd = settled?.costNusd ?? 0n;
    // Held were 2,048, 4,096 and then all 5,000 tokens; two thirds of them are used by our count.
    expect(costNusd).toBeGreaterThan(3_200n * TOKEN_NUSD);
    expect(costNusd).toBeLessThan(3_700n * TOKEN_NUSD);
    expect(await scene.balanceNusd()).toBe(5_000n * TOKEN_NUSD - costNusd);
    // What the provider bills beyond is the operator's.
    if (isDrained) expect(settled?.upstreamCostNusd).toBeGreaterThan(19_900n * TOKEN_NUSD);
    else expect(settled?.upstreamCostNusd).toBe(costNusd);
    expect(await scene.audit()).toEqual({ faults: [], openHolds: 0, outbox: 0 });
  },
  120_000,
);

test("a tool's call that outruns the credit ends in the middle of its arguments, with length", async () => {
  const scene = await newScene(5_000n * TOKEN_NUSD);
  scene.hidesRest = true;
  scene.upstream.callsTool = true;
  const tool = { type: "function", function: { name: "note", parameters: { type: "object" } } };
  const text = await textOf(await scene.ask({ max_tokens: 20_000, tools: [tool] }));
  expect(text.match(/"finish_reason":"length"/g)).toHaveLength(1);
  expect(text).toContain(LENGTH);
  expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  const pieces = [...text.matchAll(/"arguments":("(?:[^"\\]|\\.)*")/g)].map(
    ([, piece]) => JSON.parse(piece ?? "") as string,
  );
  const said = pieces.join("");
  expect(`{"text":"${WORDS.repeat(pieces.length)}`.startsWith(said)).toBe(true);
  expect(said.length).toBeGreaterThan(1_000);
  expect(() => JSON.parse(said) as unknown).toThrow(SyntaxError);
  const [settled] = await settlements(scene, 1);
  expect(settled?.record).toMatchObject({ finishReason: "length", cancelled: false });
  expect(await scene.balanceNusd()).toBe(5_000n * TOKEN_NUSD - (settled?.costNusd ?? 0n));
  expect(await scene.audit()).toEqual({ faults: [], openHolds: 0, outbox: 0 });
}, 120_000);

test("an answer whose credit is known to end is asked to be no longer, and ends by itself", async () => {
  const scene = await newScene(5_000n * TOKEN_NUSD);
  const generated = await scene.ask();
  expect(generated).toMatchObject({ headers: { "X-Waypost-Max-Tokens": expect.stringMatching(/^49[89]\d$/) } });
  const text = await textOf(generated);
  expect(text).toContain('"finish_reason":"length","native_finish_reason":"length"');
  const [settled] = await settlements(scene, 1);
  expect(settled?.record?.estimated).toBe(false);
  expect(await scene.balanceNusd()).toBeGreaterThanOrEqual(0n);
});

test("many long streams on a small balance spend it, and nothing beyond", async () => {
  const creditNusd = 20_000n * TOKEN_NUSD;
  const scene = await newScene(creditNusd);
  const asked = await Promise.all(Array.from({ length: 16 }, async () => await scene.ask()));
  const streams = asked.filter(({ kind }) => kind === "stream");
  // Ten first steps of 2,048 tokens, the last one not whole.
  expect(streams.length).toBe(10);
  for (const refused of asked.filter(({ kind }) => kind !== "stream")) {
    expect(refused).toMatchObject({ kind: "refused", error: { kind: "insufficient_credit" } });
  }
  const texts = await Promise.all(streams.map(textOf));
  for (const text of texts) expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  const settled = await settlements(scene, 10);
  const costNusd = settled.reduce((sum, one) => sum + one.costNusd, 0n);
  const balanceNusd = await scene.balanceNusd();
  expect(balanceNusd).toBeGreaterThanOrEqual(0n);
  expect(creditNusd - balanceNusd).toBe(costNusd);
  expect(costNusd).toBeGreaterThan(creditNusd / 2n);
  expect(await scene.audit()).toEqual({ faults: [], openHolds: 0, outbox: 0 });
}, 120_000);

test("many long answers in one piece, asked for without a limit, are no longer than what is held", async () => {
  const creditNusd = 20_000n * TOKEN_NUSD;
  const scene = await newScene(creditNusd);
  const asked = await Promise.all(Array.from({ length: 8 }, async () => await scene.ask({ stream: false })));
  const limits = asked.map((one) => (one.kind === "reply" ? one.headers["X-Waypost-Max-Tokens"] : one.kind));
  // What the default hold covers, twice, and what is left of the credit.
  expect(limits.toSorted()).toEqual(["3589", "8192", "8192", ...Array.from({ length: 5 }, () => "refused")]);
  const settled = await settlements(scene, 3);
  const costNusd = settled.reduce((sum, one) => sum + one.costNusd, 0n);
  expect(costNusd).toBe(BigInt(3_589 + 2 * 8_192 + 3 * 9) * TOKEN_NUSD);
  expect(await scene.balanceNusd()).toBe(creditNusd - costNusd);
  expect(await scene.audit()).toEqual({ faults: [], openHolds: 0, outbox: 0 });
});

test("with plenty of credit an answer without a limit is held for in full, and not cut", async () => {
  const scene = await newScene(4n * 130_000n * TOKEN_NUSD);
  const reply = await scene.ask({ stream: false });
  expect(reply.kind === "reply" ? reply.headers["X-Waypost-Max-Tokens"] : reply.kind).toBe(undefined);
  const [settled] = await settlements(scene, 1);
  expect(settled?.costNusd).toBe(100_009n * TOKEN_NUSD);
});

test("steps that the isolate's lease covers call nobody", async () => {
  const scene = await newScene(1_000n * USD);
  await textOf(await scene.ask({ max_tokens: 2_000 }));
  await settlements(scene, 1);
  const before = scene.calls.filter((name) => name !== "settle");
  expect(before).toEqual(["admit"]);
  const text = await textOf(await scene.ask({ max_tokens: 6_000 }));
  expect(text).toContain('"finish_reason":"length","native_finish_reason":"length"');
  await settlements(scene, 2);
  expect(scene.calls.filter((name) => name !== "settle")).toEqual(["admit"]);
  const costNusd = scene.settled.reduce((sum, one) => sum + one.costNusd, 0n);
  expect(await scene.balanceNusd()).toBe(1_000n * USD - costNusd);
}, 120_000);

test("what a lease doesn't cover of an answer is held by the gate, and both are charged as one", async () => {
  const scene = await newScene(1_000n * USD);
  await textOf(await scene.ask({ max_tokens: 2_000 }));
  await settlements(scene, 1);
  await textOf(await scene.ask({ max_tokens: 30_000 }));
  const [, settled] = await settlements(scene, 2);
  expect(scene.calls.filter((name) => name === "extend").length).toBeGreaterThanOrEqual(2);
  expect(settled?.costNusd).toBeGreaterThan(29_900n * TOKEN_NUSD);
  expect(await scene.audit()).toEqual({ faults: [], openHolds: 0, outbox: 0 });
}, 120_000);

test("a gate that restarts between two steps knows what is held", async () => {
  const scene = await newScene(30_000n * TOKEN_NUSD);
  scene.hidesRest = true;
  scene.upstream.leave = 100;
  const reading = textOf(await scene.ask({ max_tokens: 6_000 }));
  await vi.waitUntil(() => scene.calls.includes("extend"), 60_000);
  await evictDurableObject(gateOf(scene.account.id));
  const view = await gateOf(scene.account.id).view();
  // The first step, doubled, and the prompt.
  expect(view.ok ? view.value.heldNusd / TOKEN_NUSD : view).toBeGreaterThan(4_096n);
  scene.upstream.leave = Number.POSITIVE_INFINITY;
  expect(await reading).toContain('"finish_reason":"length","native_finish_reason":"length"');
  expect(scene.calls.filter((name) => name === "extend")).toHaveLength(2);
  const [settled] = await settlements(scene, 1);
  expect(await scene.balanceNusd()).toBe(30_000n * TOKEN_NUSD - (settled?.costNusd ?? 0n));
  expect(await scene.audit()).toEqual({ faults: [], openHolds: 0, outbox: 0 });
}, 120_000);

test("a client that leaves while a step is awaited pays for what it got", async () => {
  const scene = await newScene(30_000n * TOKEN_NUSD);
  scene.fate = "hanging";
  const client = new AbortController();
  const generated = await scene.ask({ max_tokens: 20_000 }, client.signal);
  if (generated.kind !== "stream") throw new Error("no stream");
  const reader = generated.body.getReader();
  let text = "";
  const decoder = new TextDecoder();
  // Until the hold is used up: then nothing more comes.
  for (;;) {
    const read = await Promise.race([reader.read(), new Promise<null>((resolve) => setTimeout(resolve, 500, null))]);
    if (read === null) break;
    text += decoder.decode(read.value, { stream: true });
  }
  expect(scene.calls.filter((name) => name === "extend")).toHaveLength(1);
  client.abort();
  const [settled] = await settlements(scene, 1);
  expect(settled?.record?.finishReason).not.toBe("error");
  const delivered = [...text.matchAll(/"content":"the/g)].length;
  expect(delivered).toBeGreaterThan(50);
  const perPiece = BigInt(estimateCompletionTokens(WORDS)) * TOKEN_NUSD;
  expect(settled?.costNusd).toBeGreaterThan((BigInt(delivered) * perPiece * 9n) / 10n);
  expect(settled?.costNusd).toBeLessThanOrEqual(2_060n * TOKEN_NUSD);
  expect(await scene.balanceNusd()).toBe(30_000n * TOKEN_NUSD - (settled?.costNusd ?? 0n));
}, 120_000);
