/** Nobody but the operator gets anywhere below /admin. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { call, operator, smallCatalog } from "./admin-setup.ts";

const ROUTES = [
  ["POST", "/accounts", { name: "Thief" }],
  ["GET", "/accounts", undefined],
  ["GET", "/accounts/gl1aaaaaaaaaaaaa", undefined],
  ["PATCH", "/accounts/gl1aaaaaaaaaaaaa", { suspended: false }],
  ["POST", "/accounts/gl1aaaaaaaaaaaaa/credits", { amount: "1", idempotency_key: "a", reason: "b" }],
  ["PUT", "/catalog", smallCatalog()],
  ["GET", "/catalog", undefined],
  ["POST", "/catalog/rollback", { version: "0".repeat(32) }],
  ["GET", "/providers", undefined],
  ["PATCH", "/providers/alder", { disabled: true }],
  ["GET", "/audit", undefined],
  ["GET", "/nothing-here", undefined],
] as const;

test.each(ROUTES)(
  "%s /admin%s refuses strangers, tenants and near misses, under both prefixes",
  async (method, path, body) => {
    const made = await operator("POST", "/accounts", { name: "Tenant" });
    const { key, management_key: managementKey } = made.body as { key: string; management_key: string }; // shown once
    const asked = async (bearer: string | null, prefix = "/api/v1") => {
      const reply = await call(method, `${prefix}/admin${path}`, body, bearer);
      return {
        status: reply.status,
        type: (reply.body["error"] as { metadata: { error_type: string } }).metadata.error_type,
      }; // errors look so
    };
    const unauthenticated = { status: 401, type: "authentication" };
    const forbidden = { status: 403, type: "permission_denied" };
    expect(await asked(null)).toEqual(unauthenticated);
    expect(await asked(null, "/v1")).toEqual(unauthenticated);
    for (const bearer of [
      key,
      managementKey,
      `${env.OPERATOR_KEY}x`,
      env.OPERATOR_KEY.slice(0, -1),
      env.OPERATOR_KEY.toUpperCase(),
    ]) {
      expect(await asked(bearer)).toEqual(forbidden);
      expect(await asked(bearer, "/v1")).toEqual(forbidden);
    }
  },
);

test("the operator's API answers under /v1 as under /api/v1", async () => {
  const made = await call("POST", "/v1/admin/accounts", { name: "Short" }, env.OPERATOR_KEY);
  expect(made.status).toBe(201);
  const { data } = made.body as { data: { id: string } }; // as the accounts' tests check
  expect((await operator("GET", `/accounts/${data.id}`)).body).toMatchObject({ data: { name: "Short" } });
});

test("an unknown path below /admin is not found for the operator", async () => {
  expect(await operator("GET", "/nothing-here")).toMatchObject({ status: 404, body: { error: { code: 404 } } });
});

test("a known path with another method is a 405 that names the right ones, for the operator only", async () => {
  const reply = await operator("DELETE", "/accounts");
  expect(reply.status).toBe(405);
  expect((reply.headers.get("allow") ?? "").split(", ").toSorted()).toEqual(["GET", "HEAD", "OPTIONS", "POST"]);
  expect((await operator("DELETE", "/accounts", undefined, null)).status).toBe(401);
});
