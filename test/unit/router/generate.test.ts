/** The spine with ports of the test's own: what an admission is asked for, and what is left behind when a bug strikes. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createWideEvent } from "../../../src/insight/wide-event.ts";
import { generate } from "../../../src/router/generate.ts";
import type { RouterPorts } from "../../../src/router/ports.ts";
import { inputOf, permitOf, portsOf } from "./spine.ts";
import { NOW } from "./world.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const INPUT = inputOf();

test("a buffered answer is settled once, and its hold is renewed no more", async () => {
  const log: string[] = [];
  const generated = await generate(INPUT, portsOf(log));
  expect(generated.kind).toBe("reply");
  await vi.advanceTimersByTimeAsync(120_000);
  expect(log).toEqual(["forget", "settle 2000"]);
});

test("a bug on the way leaves nobody behind who keeps the hold alive", async () => {
  const log: string[] = [];
  const ports = portsOf(log);
  const providers = { ...ports.providers, permit: () => Promise.reject(new Error("a bug")) };
  const work = generate(INPUT, { ...ports, providers });
  await expect(work).rejects.toThrow("a bug");
  await vi.advanceTimersByTimeAsync(120_000);
  expect(log).toEqual(["forget"]);
});

test("what nobody answered is logged whole with its error, however long the settlement takes", async () => {
  const lines: string[] = [];
  const ports = portsOf([]);
  const clock = (): number => NOW;
  const wide = createWideEvent(NOW, clock, (line) => void lines.push(line));
  const generated = await generate(
    { ...INPUT, wide },
    {
      ...ports,
      accounts: { ...ports.accounts, settle: () => new Promise(() => undefined) },
      providers: {
        ...ports.providers,
        permit: (_at, _capacity, { tried }) => (tried.size > 0 ? { kind: "no_credential" } : permitOf("secret-of-a")),
      },
      fetch: async () => Response.json({ error: { message: "no" } }, { status: 401 }),
    },
  );
  expect(generated.kind).toBe("refused");
  wide.emit();
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    attempts: ["a:401"],
    refused_credentials: [expect.stringContaining("environment-1")],
    streamed: false,
    cost_nusd: 0,
  });
});

test("a success is reported as of its end, not of the moment at which it is told", async () => {
  const ports = portsOf([]);
  let nowMs = NOW;
  const told: (number | undefined)[] = [];
  const generated = await generate(INPUT, {
    ...ports,
    clock: () => nowMs,
    accounts: {
      ...ports.accounts,
      async settle(_account, _settlement, beside) {
        nowMs += 100;
        beside?.();
        return true;
      },
    },
    providers: { ...ports.providers, report: (_at, _outcome, _permit, endedAtMs) => void told.push(endedAtMs) },
  });
  expect(generated.kind).toBe("reply");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told).toEqual([NOW]);
});

test("a hold is kept alive while its upstream takes long, and not for what the admission would not have", async () => {
  const log: string[] = [];
  let nowMs = NOW;
  const tick = setInterval(() => (nowMs += 1_000), 1_000);
  const ports: RouterPorts = {
    ...portsOf(log),
    clock: () => nowMs,
    fetch: (_url, { signal }) =>
      new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
      }),
  };
  const client = new AbortController();
  void generate({ ...INPUT, signal: client.signal }, ports);
  await vi.advanceTimersByTimeAsync(65_000);
  expect(log).toEqual(["renew", "renew", "renew"]);
  client.abort();
  await vi.advanceTimersByTimeAsync(30_000);
  log.length = 0;
  // Sent upstream while the gate is asked, which refuses: the upstream bills all of a buffered answer and is listened to.
  const accounts = {
    ...ports.accounts,
    isTrusted: () => true,
    admit: async () => ({ kind: "refused", error: { kind: "forbidden", message: "Suspended." } }) as const,
  };
  expect(await generate(INPUT, { ...ports, accounts })).toMatchObject({ kind: "refused" });
  await vi.advanceTimersByTimeAsync(65_000);
  expect(log.filter((one) => one === "renew")).toEqual([]);
  clearInterval(tick);
});

test.each([
  { name: "a short balance", admission: { kind: "short", spendableNusd: 0n, limitSource: "credits" } as const },
  {
    name: "a suspended account",
    admission: { kind: "refused", error: { kind: "forbidden", message: "This account is suspended." } } as const,
  },
])("$name is refused with the route explanation for who asked for it", async ({ admission }) => {
  const ports = portsOf([]);
  const accounts = { ...ports.accounts, admit: async () => admission };
  const asked = await generate({ ...INPUT, wantsMetadata: true }, { ...ports, accounts });
  expect(asked).toMatchObject({ kind: "refused", metadata: { attempt: 0, endpoints: { total: 1 } } });
  expect(await generate(INPUT, { ...ports, accounts })).toMatchObject({ kind: "refused", metadata: null });
});

test("an operator's own trouble in the middle of a buffered answer is not told as the client's", async () => {
  const error = { code: 401, message: "Incorrect API key provided: secret-of-a" };
  const choice = { index: 0, message: { content: "Hel" }, finish_reason: "error", error };
  const usage = { prompt_tokens: 1, completion_tokens: 1 };
  const generated = await generate(INPUT, {
    ...portsOf([]),
    fetch: async () => Response.json({ choices: [choice], usage }),
  });
  expect(generated).toMatchObject({
    kind: "reply",
    body: {
      choices: [
        {
          finish_reason: "error",
          message: { content: "Hel" },
          error: { code: 502, message: "Provider returned error", metadata: { error_type: "provider_unavailable" } },
        },
      ],
    },
  });
  expect(JSON.stringify(generated)).not.toContain("Incorrect");
});
