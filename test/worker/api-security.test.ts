/** Who may not: no key, forged keys, the wrong kind of key, other tenants' ids, suspended accounts; and wrong methods. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, expect, test } from "vitest";
import { sealCredential } from "../../src/accounts/seal.ts";
import { systemRandomBytes } from "../../src/core/system.ts";
import { depsOf } from "../../src/deps.ts";
import { createApp } from "../../src/http/app.ts";
import { request, settlement, USD } from "./account-setup.ts";
import { ask, askAt, newTenant, providerGateOf, publishForest, type Tenant } from "./fixture.ts";

beforeAll(publishForest);

const HASH = "0".repeat(64);
const ID = "gen-1700000000-00000000000000000000";
const KEYED = [
  ["GET", "/models/user"],
  ["GET", "/key"],
  ["GET", "/auth/key"],
  ["GET", "/credits"],
  ["GET", `/generation?id=${ID}`],
] as const;
const MANAGED = [
  ["GET", "/keys", undefined],
  ["POST", "/keys", { name: "mine" }],
  ["GET", `/keys/${HASH}`, undefined],
  ["PATCH", `/keys/${HASH}`, { disabled: true }],
  ["DELETE", `/keys/${HASH}`, undefined],
  ["POST", `/keys/${HASH}/rotate`, { overlap_s: 1 }],
] as const;
const ALL = [...KEYED.map(([method, path]) => [method, path, undefined] as const), ...MANAGED];

/** The same key with one character changed: well formed, and signed by nobody. */
const forged = (key: string): string => `${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}`;

test.each(ALL)("%s %s asks for a genuine key, under either prefix", async (method, path, body) => {
  const tenant = await newTenant();
  for (const bearer of [null, forged(tenant.managementKey), "sk-or-v1-0000", "x".repeat(5_000)]) {
    for (const prefix of ["/api/v1", "/v1"]) {
      const answer = await askAt(`${prefix}${path}`, method, bearer, body);
      expect(answer).toMatchObject({
        status: 401,
        body: { error: { code: 401, metadata: { error_type: "authentication" } } },
      });
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
  }
});

test.each(MANAGED)("%s %s refuses an inference key before it looks at anything else", async (method, path, body) => {
  const { key } = await newTenant();
  for (const sent of body === undefined ? [body] : [body, "{"]) {
    expect(await ask(method, path, key, sent)).toMatchObject({
      status: 403,
      body: { error: { code: 403, message: "Only management keys can perform this operation" } },
    });
  }
});

test.each(ALL)("%s %s refuses keys of a suspended account", async (method, path, body) => {
  const { managementKey, gate } = await newTenant();
  await gate.suspend(true);
  expect((await ask(method, path, managementKey, body)).status).toBe(403);
});

test("a management key is refused on inference", async () => {
  const { managementKey } = await newTenant(USD);
  // With a credential there is an endpoint to go to, so that the key alone is in the way.
  const credentialSealed = await sealCredential("upstream-secret", "elm", env.WAYPOST_SECRET, systemRandomBytes);
  await providerGateOf("elm", "fra").configure({ isDisabled: false, credentialSealed });
  const body = { model: "forest/leaf", messages: [{ role: "user", content: "Hello" }] };
  expect((await ask("POST", "/chat/completions", managementKey, body)).status).toBe(403);
});

test("no id of one tenant leads another tenant anywhere", async () => {
  const [mine, theirs] = [await newTenant(USD), await newTenant(USD)];
  const generationOf = async (tenant: Tenant) => {
    const admitted = request(tenant, { wantedNusd: 1n, minimumNusd: 1n });
    await tenant.gate.admit(admitted);
    await tenant.gate.settle([settlement(tenant, admitted.generationId, 1n)]);
    return admitted.generationId;
  };
  const routesTo = async (tenant: Tenant) =>
    [
      ["GET", `/generation?id=${await generationOf(tenant)}`, undefined],
      ["GET", `/keys/${tenant.keyHash}`, undefined],
      ["PATCH", `/keys/${tenant.keyHash}`, { name: "renamed" }],
      ["POST", `/keys/${tenant.keyHash}/rotate`, { overlap_s: 3_600 }],
      ["DELETE", `/keys/${tenant.keyHash}`, undefined],
    ] as const;
  for (const [method, path, body] of await routesTo(theirs)) {
    expect((await ask(method, path, mine.managementKey, body)).status).toBe(404);
  }
  expect((await ask("GET", `/keys/${theirs.keyHash}`, theirs.managementKey)).body).toMatchObject({
    data: { name: "first", expires_at: null },
  });
  for (const [method, path, body] of await routesTo(mine)) {
    expect((await ask(method, path, mine.managementKey, body)).status).toBeLessThan(300);
  }
});

test.each(["..", "%2e%2e", `${HASH}0`, HASH.slice(1), HASH.replace("0", "G"), "a%20b"])(
  "the key hash %s is not found",
  async (hash) => {
    const { managementKey } = await newTenant();
    expect((await ask("GET", `/keys/${hash}`, managementKey)).status).toBe(404);
  },
);

test.each([
  ["POST", "/models", "GET, HEAD, OPTIONS"],
  ["DELETE", "/credits", "GET, HEAD, OPTIONS"],
  ["PUT", "/keys", "GET, HEAD, POST, OPTIONS"],
  ["POST", `/keys/${HASH}`, "GET, HEAD, PATCH, DELETE, OPTIONS"],
  ["GET", `/keys/${HASH}/rotate`, "POST, OPTIONS"],
  ["GET", "/chat/completions", "POST, OPTIONS"],
  ["PATCH", "/model/forest/leaf", "GET, HEAD, OPTIONS"],
])("%s %s is a wrong method, and the right ones are told", async (method, path, allow) => {
  const answer = await ask(method, path);
  expect(answer).toMatchObject({ status: 405, body: { error: { code: 405 } } });
  expect(answer.headers.get("allow")).toBe(allow);
});

test("HEAD answers as GET without a body", async () => {
  const answer = await ask("HEAD", "/models");
  expect(answer).toMatchObject({ status: 200, body: null });
  expect(answer.headers.get("content-type")).toBe("application/json");
});

test.each(["/nothing", "/model/forest", "/keys/a/b/c", "/models/"])("%s is not found", async (path) => {
  expect(await ask("GET", path)).toMatchObject({
    status: 404,
    body: { error: { metadata: { error_type: "not_found" } } },
  });
});

test("a bug is a 500 that says nothing, and its message is not in the log either", async () => {
  const lines: string[] = [];
  const app = createApp(async (bindings, context) => ({
    ...(await depsOf(bindings, context)),
    log: (line) => lines.push(line),
    verify: () => {
      throw new TypeError("planted-secret");
    },
  }));
  const asked = new Request("https://waypost.test/api/v1/key", { headers: { Authorization: "Bearer x" } });
  const answer = await app.fetch(asked, env, createExecutionContext());
  expect(await answer.json()).toEqual({
    error: { code: 500, message: "Internal Server Error", metadata: { error_type: "server" } },
  });
  expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([500, "*"]);
  expect(answer.headers.get("x-request-id")).toMatch(/^req-/);
  expect(lines.join()).toContain('"name":"TypeError"');
  expect(lines.join()).not.toContain("planted-secret");
});
