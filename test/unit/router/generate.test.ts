/** The spine with ports of the test's own: what an admission is asked for, and what is left behind when a bug strikes. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { generate } from "../../../src/router/generate.ts";
import { inputOf, portsOf } from "./spine.ts";

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
