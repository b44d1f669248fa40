/** Switching providers off and keeping their credentials, through the operator's API. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, expect, test } from "vitest";
import { openCredential } from "../../src/accounts/seal.ts";
import type { ReportedOutcome } from "../../src/gates/provider-contract.ts";
import type { ProviderGate } from "../../src/gates/provider-gate.ts";
import { operator, smallCatalog } from "./admin-setup.ts";

const PLANTED = "sk-planted-0123456789abcdef";

beforeEach(async () => {
  await operator("PUT", "/catalog", smallCatalog());
  for (const slug of ["alder", "birch"])
    await operator("PATCH", `/providers/${slug}`, { disabled: false, credential: null });
});

function gateOf(provider: string, region: string): DurableObjectStub<ProviderGate> {
  // wrangler's types don't know the class behind the binding.
  const namespace = env.PROVIDER_GATE as unknown as DurableObjectNamespace<ProviderGate>;
  return namespace.getByName(`${provider} ${region}`);
}

const report = async (provider: string, region: string, outcomes: readonly ReportedOutcome[]) =>
  await gateOf(provider, region).sync({ reporter: "test", outcomes, wants: [], probes: [] });
const snapshot = (provider: string, region: string) => report(provider, region, []);

test("each provider of the catalog is listed with its regions, healthy before anything was sent", async () => {
  const reply = await operator("GET", "/providers");
  const region = (id: string) => ({
    id,
    country: null,
    jurisdiction: null,
    latitude: 50.11,
    longitude: 8.68,
    reachable: true,
    disabled: false,
    breaker: "closed",
    health: { request_count_30m: 0, uptime_30m: null, last_failure_at: null },
    endpoints: [],
  });
  const provider = (slug: string, regions: readonly string[]) => ({
    slug,
    name: slug.toUpperCase(),
    adapter: "openai-compatible",
    disabled: false,
    credentials: { environment: false, stored: false, in_use: [] },
    credential_state: "missing",
    regions: regions.map(region),
  });
  expect(reply).toMatchObject({ status: 200 });
  expect(reply.body).toEqual({ data: [provider("alder", ["fra", "sea"]), provider("birch", ["fra"])], cursor: null });
});

test("a region's failures are seen in its breaker and health, those of the other region are not", async () => {
  const outcome = { kind: "failure", scope: "endpoint", status: 500, retryAfterMs: null } as const;
  await report(
    "birch",
    "fra",
    Array.from({ length: 5 }, () => ({ model: "forest/small", tag: "birch", outcome })),
  );
  expect((await operator("GET", "/providers?cursor=alder")).body).toMatchObject({
    data: [
      {
        slug: "birch",
        regions: [
          {
            id: "fra",
            breaker: "open",
            health: { request_count_30m: 5, uptime_30m: 0, last_failure_at: expect.stringMatching(/Z$/) },
            endpoints: [
              { model: "forest/small", tag: "birch", breaker: { state: "open", until: expect.stringMatching(/Z$/) } },
            ],
          },
        ],
      },
    ],
    cursor: null,
  });
  expect((await operator("GET", "/providers")).body).toMatchObject({
    data: [{ regions: [{ breaker: "closed" }, {}] }, {}],
  });
});

test("a provider switched off is off in every region at once and after its gates start over, and back on", async () => {
  const off = await operator("PATCH", "/providers/alder", { disabled: true });
  expect(off).toMatchObject({
    status: 200,
    body: { data: { slug: "alder", disabled: true, regions: [{ disabled: true }, { disabled: true }] } },
  });
  expect((await snapshot("alder", "fra")).isDisabled).toBe(true);
  expect((await snapshot("alder", "sea")).isDisabled).toBe(true);
  expect((await snapshot("birch", "fra")).isDisabled).toBe(false);
  expect((await operator("GET", "/providers")).body).toMatchObject({ data: [{ disabled: true }, { disabled: false }] });
  await operator("PATCH", "/providers/alder", { disabled: false });
  expect((await snapshot("alder", "sea")).isDisabled).toBe(false);
});

test("a region that comes back with a later catalog has the settings of today, not of then", async () => {
  const without = smallCatalog();
  for (const provider of without.providers) provider.regions = provider.regions.filter(({ id }) => id !== "sea");
  expect((await snapshot("alder", "sea")).isDisabled).toBe(false);
  await operator("PUT", "/catalog", without);
  await operator("PATCH", "/providers/alder", { disabled: true });
  expect((await snapshot("alder", "sea")).isDisabled).toBe(false);
  await operator("PUT", "/catalog", smallCatalog());
  expect((await snapshot("alder", "sea")).isDisabled).toBe(true);
});

test("a credential is stored sealed, reported as stored, opens for its own provider only, and can be removed", async () => {
  const reply = await operator("PATCH", "/providers/alder", { credential: PLANTED });
  expect(reply).toMatchObject({
    status: 200,
    body: { data: { credentials: { environment: false, stored: true }, credential_state: "usable", disabled: false } },
  });
  const { credentialSealed } = await snapshot("alder", "sea");
  expect(credentialSealed).toMatch(/^v1\./);
  expect(await openCredential(credentialSealed ?? "", "alder", [env.WAYPOST_SECRET])).toEqual({
    ok: true,
    value: PLANTED,
  });
  expect(await openCredential(credentialSealed ?? "", "birch", [env.WAYPOST_SECRET])).toMatchObject({ ok: false });
  // A change of something else leaves it.
  await operator("PATCH", "/providers/alder", { disabled: true });
  expect((await snapshot("alder", "fra")).credentialSealed).toBe(credentialSealed);
  await operator("PATCH", "/providers/alder", { credential: null });
  expect(await snapshot("alder", "fra")).toMatchObject({ credentialSealed: null, isDisabled: true });
});

test("a credential that the provider refuses is shown as refused until it is replaced", async () => {
  await operator("PATCH", "/providers/birch", { credential: PLANTED });
  const outcome = { kind: "failure", scope: "credential", status: 401, retryAfterMs: null } as const;
  const reported = { model: "forest/small", tag: "birch", outcome, credential: "stored-1" };
  await report("birch", "fra", [reported, reported]);
  expect((await operator("GET", "/providers?cursor=alder")).body).toMatchObject({
    data: [{ credential_state: "refused" }],
  });
  const replaced = await operator("PATCH", "/providers/birch", { credential: `${PLANTED}-2` });
  expect(replaced.body).toMatchObject({ data: { credential_state: "usable" } });
});

test("several credentials are sealed together and stand in a list, each with its own state", async () => {
  const reply = await operator("PATCH", "/providers/birch", { credential: [PLANTED, `${PLANTED}-2`] });
  const inUse = (first: string) => [
    { id: "stored-1", state: "usable", refused_in: [], closed_until: null },
    { id: "stored-2", state: first, refused_in: first === "usable" ? [] : ["fra"], closed_until: null },
  ];
  expect(reply.body).toMatchObject({ data: { credential_state: "usable", credentials: { in_use: inUse("usable") } } });
  const { credentialSealed } = await snapshot("birch", "fra");
  expect(await openCredential(credentialSealed ?? "", "birch", [env.WAYPOST_SECRET])).toEqual({
    ok: true,
    value: `${PLANTED}\n${PLANTED}-2`,
  });
  const outcome = { kind: "failure", scope: "credential", status: 401, retryAfterMs: null } as const;
  const refused = { model: "forest/small", tag: "birch", outcome, credential: "stored-2" };
  await report("birch", "fra", [refused, refused]);
  expect((await operator("GET", "/providers?cursor=alder")).body).toMatchObject({
    data: [{ credential_state: "degraded", credentials: { in_use: inUse("refused") } }],
  });
  expect(await operator("PATCH", "/providers/birch", { credential: [] })).toMatchObject({ status: 400 });
  expect(await operator("PATCH", "/providers/birch", { credential: [PLANTED, ""] })).toMatchObject({ status: 400 });
});

test("a planted credential is in no answer, no D1 row and no storage of a gate", async () => {
  const replies = [
    await operator("PATCH", "/providers/alder", { credential: PLANTED }),
    await operator("PATCH", "/providers/alder", { credential: `${PLANTED}\n` }),
    await operator("PATCH", "/providers/alder", { credential: [[PLANTED]] }),
    await operator("PATCH", "/providers/alder", { credential: { [PLANTED]: PLANTED } }),
    await operator("PATCH", "/providers/nowhere", { credential: PLANTED }),
    await operator("PATCH", "/providers/alder", `{"credential": "${PLANTED}"`),
    await operator("GET", "/providers"),
    await operator("GET", "/catalog"),
    await operator("GET", "/accounts"),
    await operator("GET", "/audit"),
  ];
  expect(replies.map(({ status }) => status)).toEqual([200, 400, 400, 400, 404, 400, 200, 200, 200, 200]);
  for (const { text } of replies) expect(text).not.toContain(PLANTED);

  const tables = await env.DB.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all<{ name: string }>();
  const names = tables.results.map(({ name }) => name).filter((name) => !/^(_cf_|sqlite_|d1_)/.test(name));
  expect(names).toContain("provider_settings");
  const rows = await Promise.all(
    names.map(async (name) => (await env.DB.prepare(`SELECT * FROM "${name}"`).all()).results),
  );
  expect(JSON.stringify(rows)).toContain("v1.");
  expect(JSON.stringify(rows)).not.toContain(PLANTED);

  for (const region of ["fra", "sea"]) {
    const stored = await runInDurableObject(gateOf("alder", region), (_gate: ProviderGate, state) =>
      JSON.stringify([...state.storage.kv.list()]),
    );
    expect(stored).toContain("v1.");
    expect(stored).not.toContain(PLANTED);
  }
});

test("ten changes at once leave every gate with what D1 says", async () => {
  await Promise.all(
    Array.from({ length: 10 }, async (_, at) =>
      at % 2 === 0
        ? await operator("PATCH", "/providers/alder", { disabled: at % 4 === 0 })
        : await operator("PATCH", "/providers/alder", { credential: `${PLANTED}-${at}` }),
    ),
  );
  const row = await env.DB.prepare(
    "SELECT is_disabled, credential_sealed FROM provider_settings WHERE slug = 'alder'",
  ).first();
  for (const region of ["fra", "sea"]) {
    const { isDisabled, credentialSealed } = await snapshot("alder", region);
    expect({ is_disabled: isDisabled ? 1 : 0, credential_sealed: credentialSealed }).toEqual(row);
  }
});

test.each([
  { name: "nothing to change", body: {}, says: "changes nothing" },
  {
    name: "an unknown field",
    body: { enabled: true },
    says: "enabled is not a field of this body. Remove it; the fields of this body are disabled, credential.",
  },
  { name: "an empty credential", body: { credential: "" }, says: "credential must" },
  { name: "a line end in the credential", body: { credential: "sk-1\n" }, says: "credential is not valid" },
  { name: "a text for a boolean", body: { disabled: "yes" }, says: "disabled must be a boolean" },
])("a change of a provider with $name is refused", async ({ body, says }) => {
  const reply = await operator("PATCH", "/providers/alder", body);
  expect(reply).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining(says) } } });
  expect(await snapshot("alder", "fra")).toMatchObject({ isDisabled: false, credentialSealed: null });
});

test("an unknown provider is not found and leaves no setting", async () => {
  const reply = await operator("PATCH", "/providers/nowhere", { disabled: true });
  expect(reply).toMatchObject({ status: 404, body: { error: { code: 404 } } });
  const row = await env.DB.prepare("SELECT * FROM provider_settings WHERE slug = 'nowhere'").first();
  expect(row).toBeNull();
});

test("a cursor that names no provider is a 400 that names it", async () => {
  expect(await operator("GET", "/providers?cursor=x")).toMatchObject({
    status: 400,
    body: { error: { metadata: { path: "cursor" } } },
  });
});
