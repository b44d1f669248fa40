/** What an isolate keeps of tenants' own credentials: opened once, per account, taken back, set back after failures. */
import { expect, test } from "vitest";
import type { SealedByok } from "../../../src/accounts/byok.ts";
import type { UpstreamFailure } from "../../../src/core/error.ts";
import { asAccountId, asByokId, asProviderId } from "../../../src/core/ids.ts";
import { ok } from "../../../src/core/result.ts";
import { createByokClient } from "../../../src/gates/byok-client.ts";

const account = asAccountId("gl10000000000abc");
const other = asAccountId("gl10000000000abd");
const id = asByokId("1");

const sealed = (name: string): SealedByok => ({
  id: asByokId(name),
  provider: asProviderId("alder"),
  sealed: `sealed ${name}`,
  isFallback: false,
  alwaysUse: false,
  sortOrder: 0,
  allowedModels: null,
  allowedKeyHashes: null,
});

function world(gate: (token: string) => unknown = () => ok(null)) {
  const unsealed: string[] = [];
  let nowMs = 1_000;
  const client = createByokClient({
    clock: () => nowMs,
    gate: () => ({ byokGrant: async (token) => gate(token) as never }), // the test's own answers
    unseal: async (text, context) => {
      unsealed.push(`${context}: ${text}`);
      return text.includes("foreign") ? null : text.replace("sealed", "secret");
    },
  });
  return { client, unsealed, pass: (ms: number) => (nowMs += ms) };
}

test("of an account nobody has told of, there is nothing to know", () => {
  expect(world().client.known(account)).toEqual({ token: "", feeBps: 0, credentials: [] });
});

test("a grant is opened for its account and provider, kept for it alone, and taken back", async () => {
  const { client, unsealed } = world();
  const view = await client.take(account, {
    token: "1.500",
    feeBps: 500,
    credentials: [sealed("1"), sealed("foreign")],
  });
  expect(view).toMatchObject({ token: "1.500", feeBps: 500, credentials: [{ secret: "secret 1" }, { secret: null }] });
  expect(JSON.stringify(view)).not.toContain("sealed");
  expect(unsealed[0]).toBe("byok gl10000000000abc alder: sealed 1");
  expect(client.known(account)).toBe(view);
  expect(client.known(other).credentials).toEqual([]);
  await client.take(account, { token: "", feeBps: 0, credentials: [] });
  expect(client.known(account)).toEqual({ token: "", feeBps: 0, credentials: [] });
});

test("a new list opens only what is new in it", async () => {
  const { client, unsealed } = world();
  await client.take(account, { token: "1.0", feeBps: 0, credentials: [sealed("1")] });
  await client.take(account, { token: "2.0", feeBps: 0, credentials: [sealed("1"), sealed("2")] });
  expect(unsealed).toEqual(["byok gl10000000000abc alder: sealed 1", "byok gl10000000000abc alder: sealed 2"]);
});

test.each([
  { name: "the gate has nothing newer", gate: () => ok(null) },
  {
    name: "the gate cannot be reached",
    gate: () => {
      throw new Error("gone");
    },
  },
])("a refresh is null when $name", async ({ gate }) => {
  expect(await world(gate).client.refresh(account)).toBeNull();
});

test("a refresh says what is known and takes what is new", async () => {
  const tokens: string[] = [];
  const { client } = world((token) => {
    tokens.push(token);
    return ok(token === "1.0" ? null : { token: "1.0", feeBps: 0, credentials: [sealed("1")] });
  });
  expect(await client.refresh(account)).toMatchObject({ credentials: [{ id: "1" }] });
  expect(await client.refresh(account)).toBeNull();
  expect(tokens).toEqual(["", "1.0"]);
});

const failure = (scope: UpstreamFailure["scope"], retryAfterMs: number | null = null): UpstreamFailure => ({
  scope,
  retry: "elsewhere",
  status: 500,
  errorType: "server",
  message: "",
  providerCode: null,
  raw: null,
  retryAfterMs,
});

test.each([
  { name: "refused", given: failure("credential"), ms: 60_000 },
  { name: "at its limit", given: failure("capacity"), ms: 10_000 },
  { name: "at its limit, and told for how long", given: failure("capacity", 4_000), ms: 4_000 },
  { name: "at its limit for a day", given: failure("capacity", 86_400_000), ms: 600_000 },
])("one that was $name is set back for $ms ms", ({ given, ms }) => {
  const { client, pass } = world();
  client.note(id, given);
  pass(ms - 1);
  expect(client.isCooling(id)).toBe(true);
  pass(1);
  expect(client.isCooling(id)).toBe(false);
});

test.each(["endpoint", "request"] as const)("trouble of the %s does not set it back", (scope) => {
  const { client } = world();
  client.note(id, failure(scope));
  expect(client.isCooling(id)).toBe(false);
});

test("one that has answered is back at once", () => {
  const { client } = world();
  client.note(id, failure("credential"));
  client.note(id, null);
  expect(client.isCooling(id)).toBe(false);
});
