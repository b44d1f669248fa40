/** Publishing a catalog through the operator's API. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { call, operator, smallCatalog } from "./admin-setup.ts";

const faultsOf = async (catalog: unknown) => {
  const reply = await operator("PUT", "/catalog", catalog);
  const { error } = reply.body as { error?: { metadata: { faults: { path: string; message: string }[] } } }; // errors look so
  return { status: reply.status, faults: error?.metadata.faults ?? [] };
};

test("before the first publication there is no catalog to read", async () => {
  expect(await operator("GET", "/catalog")).toMatchObject({ status: 404, body: { error: { code: 404 } } });
});

test("a catalog is published, read back with its version, and the same again changes nothing", async () => {
  const catalog = smallCatalog("First");
  const put = await operator("PUT", "/catalog", catalog);
  expect(put).toMatchObject({
    status: 200,
    body: {
      data: {
        version: expect.stringMatching(/^[0-9a-f]{32}$/),
        changed: true,
        providers: 2,
        models: 1,
        endpoints: 2,
        values_written: expect.any(Number),
      },
    },
  });
  const { version } = put.body["data"] as { version: string }; // as just matched
  const read = await operator("GET", "/catalog");
  expect(read).toMatchObject({
    status: 200,
    body: {
      data: { version, models: 1, providers: 2, endpoints: 2, published_at: expect.stringMatching(/Z$/), catalog },
    },
  });
  expect((await operator("PUT", "/catalog", catalog)).body).toMatchObject({
    data: { version, changed: false, values_written: 0 },
  });
});

test("what was published is what this isolate serves from then on", async () => {
  await operator("PUT", "/catalog", smallCatalog());
  const more = smallCatalog();
  const [birch] = more.providers.slice(1);
  expect(birch).toBeDefined();
  if (birch !== undefined) birch.name = "Renamed";
  await operator("PUT", "/catalog", more);
  expect((await operator("GET", "/providers")).body).toMatchObject({
    data: [{ slug: "alder" }, { slug: "birch", name: "Renamed" }],
  });
});

test("an earlier version is made live again, and the later one is kept to go forward", async () => {
  const versionOf = (reply: { body: Record<string, unknown> }) => (reply.body["data"] as { version: string }).version; // matched below
  const first = versionOf(await operator("PUT", "/catalog", smallCatalog("Earlier")));
  const second = versionOf(await operator("PUT", "/catalog", smallCatalog("Later")));
  const name = async () => (await operator("GET", "/catalog")).body;
  expect(await operator("POST", "/catalog/rollback", { version: first })).toMatchObject({
    status: 200,
    body: { data: { version: first, changed: true, providers: 2, models: 1, endpoints: 2 } },
  });
  expect(await name()).toMatchObject({ data: { version: first, catalog: { models: [{ name: "Earlier" }] } } });
  // This isolate serves it from then on.
  expect((await call("GET", "/api/v1/models?model_authors=forest")).body).toMatchObject({
    data: [{ name: "Earlier" }],
  });
  expect(await operator("POST", "/catalog/rollback", { version: first })).toMatchObject({
    status: 200,
    body: { data: { version: first, changed: false } },
  });
  expect(await operator("POST", "/catalog/rollback", { version: second })).toMatchObject({ status: 200 });
  expect(await name()).toMatchObject({ data: { catalog: { models: [{ name: "Later" }] } } });
});

test("a version that lost a value is not made live", async () => {
  const old = smallCatalog("Incomplete");
  const { version } = (await operator("PUT", "/catalog", old)).body["data"] as { version: string }; // a publication's answer
  const index = JSON.parse((await env.CATALOG.get(`index:${version}`)) ?? "{}") as { models: Record<string, string> };
  const live = await operator("PUT", "/catalog", smallCatalog("Complete"));
  await env.CATALOG.delete(`model:${index.models["forest/small"]}`);
  expect(await operator("POST", "/catalog/rollback", { version })).toMatchObject({
    status: 409,
    body: { error: { message: expect.stringContaining("no longer complete") } },
  });
  expect((await operator("GET", "/catalog")).body).toMatchObject({
    data: { version: (live.body["data"] as { version: string }).version },
  });
});

test.each([
  { name: "a version that is not kept", body: { version: "0".repeat(32) }, status: 404, says: "as history" },
  { name: "no version", body: {}, status: 400, says: "version" },
  { name: "another text", body: { version: "../index" }, status: 400, says: "32 hexadecimal digits" },
  {
    name: "a field too many",
    body: { version: "0".repeat(32), force: true },
    status: 400,
    says: "force is not a field",
  },
])("a rollback to $name is refused", async ({ body, status, says }) => {
  expect(await operator("POST", "/catalog/rollback", body)).toMatchObject({
    status,
    body: { error: { message: expect.stringContaining(says) } },
  });
});

test("a faulty quirk is refused with its path, as the provider's adapter sees it", async () => {
  const catalog = smallCatalog();
  const [alder, birch] = catalog.providers;
  Object.assign(alder ?? {}, {
    quirks: {
      max_token_field: "max_tokens",
      auth: "cookie",
      extra_headers: { "x-version": "1\r\nx: y" },
      unsupported: [7],
    },
  });
  Object.assign(birch ?? {}, { adapter: "gemini", quirks: { pass_extra: false } });
  const { status, faults } = await faultsOf(catalog);
  expect({ status, paths: faults.map(({ path }) => path).sort() }).toEqual({
    status: 400,
    paths: [
      "providers[0].quirks.auth",
      "providers[0].quirks.extra_headers.x-version",
      "providers[0].quirks.max_token_field",
      "providers[0].quirks.unsupported[0]",
      "providers[1].quirks.pass_extra",
    ],
  });
});

test("an invalid catalog is refused with the path of every fault, and the old one stays live", async () => {
  await operator("PUT", "/catalog", smallCatalog("Good"));
  const before = await operator("GET", "/catalog");
  const keys = await env.CATALOG.list();
  const bad = {
    ...smallCatalog("Bad"),
    providers: [
      { ...smallCatalog().providers[0], adapter: "telegraph", slug: "alder" },
      { ...smallCatalog().providers[1], slug: "beech" },
    ],
  };
  const { status, faults } = await faultsOf(bad);
  expect(status).toBe(400);
  expect(faults.map(({ path }) => path)).toEqual(["providers[0].adapter", "models[0].endpoints[1].provider"]);
  expect((await operator("GET", "/catalog")).text).toBe(before.text);
  expect((await env.CATALOG.list()).keys).toEqual(keys.keys);
});

test.each([
  { name: "an unknown field", body: { ...smallCatalog(), colour: "red" }, paths: ["colour"] },
  { name: "no models", body: { ...smallCatalog(), models: [] }, paths: ["models"] },
  { name: "another format", body: { ...smallCatalog(), version: 2 }, paths: ["version"] },
  { name: "nothing in it", body: {}, paths: ["version", "providers", "models"] },
  { name: "a list for an object", body: [], paths: ["$"] },
])("a catalog with $name is refused at its path", async ({ body, paths }) => {
  const { status, faults } = await faultsOf(body);
  expect({ status, paths: faults.map(({ path }) => path) }).toEqual({ status: 400, paths });
});

test.each([
  { name: "that is not JSON", body: "{", status: 400, says: "not valid JSON" },
  { name: "nested 100,000 deep", body: `${"[".repeat(100_000)}${"]".repeat(100_000)}`, status: 400, says: "nested" },
  { name: "of 26 MB", body: `"${"x".repeat(26 * 1024 * 1024)}"`, status: 413, says: "larger than" },
])("a body $name is refused", async ({ body, status, says }) => {
  const reply = await operator("PUT", "/catalog", body);
  expect(reply).toMatchObject({ status, body: { error: { message: expect.stringContaining(says) } } });
});

/** Addresses of servers that an operator may have meant, and that lead inside. */
const INSIDE = [
  "http://127.0.0.1:11434/v1",
  "http://localhost:8000/v1",
  "https://localhost/v1",
  "https://10.0.0.7/v1",
  "https://192.168.1.20:8443/v1",
  "https://169.254.169.254/latest",
  "https://metadata.google.internal/v1",
  "https://2130706433/v1",
  "https://0x7f.1/v1",
  "https://0177.0.0.1/v1",
  "https://[::1]/v1",
  "https://[::ffff:10.0.0.1]/v1",
  "https://[64:ff9b::a00:1]/v1",
  "https://[fd00:ec2::254]/v1",
  "https://vllm.default.svc.cluster.local/v1",
  "https://127.0.0.1.nip.io/v1",
  "http://models.example.com/v1",
  "https://user:password@models.example.com/v1",
];

test.each(INSIDE)("a server that is registered at %s is refused with the path of its address", async (address) => {
  const catalog = smallCatalog();
  const [alder, birch] = catalog.providers;
  Object.assign(alder ?? {}, { base_url: address });
  Object.assign(birch?.regions[0] ?? {}, { base_url: address });
  const { status, faults } = await faultsOf(catalog);
  expect(status).toBe(400);
  expect(faults.map(({ path }) => path)).toEqual(["providers[0].base_url", "providers[1].regions[0].base_url"]);
  for (const { message } of faults)
    expect(message).toMatch(/^must (be an https URL|be on the public internet|not carry)/);
});

test("a server at a public address is registered by catalog data alone", async () => {
  const catalog = smallCatalog();
  const [alder] = catalog.providers;
  Object.assign(alder ?? {}, { base_url: "https://vllm.example.com:8443/v1", quirks: { auth: "none" } });
  expect(await operator("PUT", "/catalog", catalog)).toMatchObject({ status: 200 });
});
