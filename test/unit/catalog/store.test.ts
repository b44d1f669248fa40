import { expect, test } from "vitest";
import { publish } from "../../../src/catalog/publish.ts";
import { resolveModel } from "../../../src/catalog/resolve.ts";
import { createCatalogReader, type WaitUntil } from "../../../src/catalog/store.ts";
import type { Catalog } from "../../../src/catalog/schema.ts";
import { createMemoryStore, type MemoryStore } from "./memory-store.ts";
import { sampleCatalog } from "./sample.ts";

/** A reader of a published sample, with a clock that the test moves and the background work it was given. */
async function setUp(): Promise<{
  store: MemoryStore;
  reader: ReturnType<typeof createCatalogReader>;
  waitUntil: WaitUntil;
  background: () => Promise<unknown>;
  advance: (ms: number) => void;
}> {
  const store = createMemoryStore();
  await publish(sampleCatalog(), store, 1_000);
  store.reads.length = 0;
  let nowMs = 10_000;
  const pending: Promise<unknown>[] = [];
  return {
    store,
    reader: createCatalogReader(store, () => nowMs),
    waitUntil: (promise) => void pending.push(promise),
    background: () => Promise.all(pending.splice(0)),
    advance: (ms) => {
      nowMs += ms;
    },
  };
}

/** The sample with another prompt price at `far`. */
function repriced(prompt: number): Catalog {
  const catalog = sampleCatalog();
  return {
    ...catalog,
    models: catalog.models.map((model) => ({
      ...model,
      endpoints: model.endpoints.map((endpoint) =>
        endpoint.tag === "far" && endpoint.price !== null && endpoint.price.prompt > 0
          ? { ...endpoint, price: { ...endpoint.price, prompt } }
          : endpoint,
      ),
    })),
  };
}

async function farPrice(
  reader: ReturnType<typeof createCatalogReader>,
  waitUntil: WaitUntil,
): Promise<number | string | undefined> {
  const found = await reader.lookup("maker/model-1", waitUntil);
  return found.ok ? found.value.entry.model.endpoints[1]?.price?.prompt : found.error.kind;
}

test("a cold reader reads two values for one request, a warm one none", async () => {
  const { store, reader, waitUntil } = await setUp();
  await reader.lookup("maker/model-1", waitUntil);
  expect(store.reads).toHaveLength(2);
  await reader.lookup("maker/model-1", waitUntil);
  expect(store.reads).toHaveLength(2);
});

test.each(["maker/model-1", "maker/model-1-20260101", "maker/model-one", "Maker/Model-1", "MAKER/model-one"])(
  "%s is found",
  async (name) => {
    const { reader, waitUntil } = await setUp();
    const found = await reader.lookup(name, waitUntil);
    expect(found.ok && found.value.entry.model.id).toBe("maker/model-1");
  },
);

test.each(["maker/model-2", "__proto__", "toString", ""])(
  "%j is unknown, and the nearest names are told",
  async (name) => {
    const { reader, waitUntil } = await setUp();
    const found = await reader.lookup(name, waitUntil);
    expect(found.ok ? null : found.error.kind).toBe("unknown_model");
    if (name === "maker/model-2")
      expect(found.ok ? null : found.error).toMatchObject({ nearest: expect.arrayContaining(["maker/model-1"]) });
  },
);

test("a stale index answers at once and is refreshed behind it", async () => {
  const { store, reader, waitUntil, background, advance } = await setUp();
  expect(await farPrice(reader, waitUntil)).toBe(500_000);
  await publish(repriced(700_000), store, 2_000);
  advance(29_999);
  expect(await farPrice(reader, waitUntil)).toBe(500_000);
  advance(1);
  expect(await farPrice(reader, waitUntil)).toBe(500_000);
  await background();
  expect(await farPrice(reader, waitUntil)).toBe(700_000);
});

test("one refresh is begun however many requests find the index stale", async () => {
  const { store, reader, waitUntil, background, advance } = await setUp();
  await farPrice(reader, waitUntil);
  store.reads.length = 0;
  advance(31_000);
  await Promise.all(Array.from({ length: 20 }, () => farPrice(reader, waitUntil)));
  await background();
  expect(store.reads).toEqual(["index"]);
});

test("an index older than five minutes is not served while a newer one can be read", async () => {
  const { store, reader, waitUntil, advance } = await setUp();
  await farPrice(reader, waitUntil);
  await publish(repriced(700_000), store, 2_000);
  advance(300_001);
  expect(await farPrice(reader, waitUntil)).toBe(700_000);
});

test("the isolate that published sees it at once", async () => {
  const { store, reader, waitUntil } = await setUp();
  await farPrice(reader, waitUntil);
  await publish(repriced(700_000), store, 2_000);
  reader.forgetIndex();
  expect(await farPrice(reader, waitUntil)).toBe(700_000);
});

test("requests that come together right after a publication all see it", async () => {
  const { store, reader, waitUntil } = await setUp();
  await farPrice(reader, waitUntil);
  await publish(repriced(700_000), store, 2_000);
  reader.forgetIndex();
  const prices = await Promise.all([1, 2, 3].map(() => farPrice(reader, waitUntil)));
  expect(prices).toEqual([700_000, 700_000, 700_000]);
});

test.each(["missing", "corrupt", "another model's"])(
  "a value that is %s leaves the reader with what it had",
  async (fault) => {
    const { store, reader, waitUntil, advance } = await setUp();
    expect(await farPrice(reader, waitUntil)).toBe(500_000);
    const before = new Set(store.entries.keys());
    await publish(repriced(700_000), store, 2_000);
    const hidden = [...store.entries].filter(([key]) => key.startsWith("model:") && !before.has(key));
    const other = hidden.find(([, text]) => text.includes('"other/plain"'))?.[1] ?? "";
    for (const [key] of hidden) {
      if (fault === "missing") store.entries.delete(key);
      else store.entries.set(key, fault === "corrupt" ? '{"model":' : other);
    }
    reader.forgetIndex();
    expect(await farPrice(reader, waitUntil)).toBe(500_000);
    for (const [key, text] of hidden) store.entries.set(key, text);
    advance(2_000);
    expect(await farPrice(reader, waitUntil)).toBe(700_000);
  },
);

test("a value that is missing is not asked for by every request", async () => {
  const { store, reader, waitUntil } = await setUp();
  await farPrice(reader, waitUntil);
  await publish(repriced(700_000), store, 2_000);
  for (const key of Array.from(store.entries.keys())) if (key.startsWith("model:")) store.entries.delete(key);
  reader.forgetIndex();
  store.reads.length = 0;
  for (let request = 0; request < 10; request++) await farPrice(reader, waitUntil);
  expect(store.reads.filter((key) => key.startsWith("model:"))).toHaveLength(1);
});

test("a cold reader of a half-seen publication serves the one before", async () => {
  const { store, reader, waitUntil } = await setUp();
  const before = new Set(store.entries.keys());
  await publish(repriced(700_000), store, 2_000);
  for (const key of Array.from(store.entries.keys()))
    if (key.startsWith("model:") && !before.has(key)) store.entries.delete(key);
  expect(await farPrice(reader, waitUntil)).toBe(500_000);
});

test.each([
  { name: "missing", text: undefined },
  { name: "not JSON", text: "{" },
  { name: "of another format", text: '{"format":2}' },
])("an index that is $name leaves the reader with the one it had, and a cold reader overloaded", async ({ text }) => {
  const { store, reader, waitUntil } = await setUp();
  await farPrice(reader, waitUntil);
  if (text === undefined) store.entries.delete("index");
  else store.entries.set("index", text);
  reader.forgetIndex();
  expect(await farPrice(reader, waitUntil)).toBe(500_000);
  const cold = createCatalogReader(store, () => 10_000);
  expect(await farPrice(cold, waitUntil)).toBe("overloaded");
});

test("a store that throws is a store that has nothing", async () => {
  const { store, reader, waitUntil } = await setUp();
  await farPrice(reader, waitUntil);
  reader.forgetIndex();
  store.get = () => Promise.reject(new Error("down"));
  expect(await farPrice(reader, waitUntil)).toBe(500_000);
  expect((await reader.listing(waitUntil)).ok).toBe(false);
});

test("the lists are read once per publication", async () => {
  const { store, reader, waitUntil } = await setUp();
  const rows = await reader.listing(waitUntil);
  const providers = await reader.providers(waitUntil);
  expect(rows.ok && rows.value.map((row) => row.model.id)).toEqual([
    "maker/model-1",
    "maker/model-1:free",
    "other/plain",
  ]);
  expect(providers.ok && providers.value.map((provider) => provider.slug)).toEqual(["near", "far"]);
  store.reads.length = 0;
  await reader.listing(waitUntil);
  expect(store.reads).toEqual([]);
});

test("the endpoints of zero retention are one value, read once per publication", async () => {
  const { store, reader, waitUntil } = await setUp();
  const found = await reader.zdrEndpoints(waitUntil);
  expect(found.ok && found.value.map((one) => `${one.model_id} ${one.tag}`)).toEqual(["maker/model-1 near"]);
  await reader.zdrEndpoints(waitUntil);
  expect(store.reads.filter((key) => !key.startsWith("index"))).toHaveLength(1);
});

test("an index from before there was such a list says that it is missing, and everything else works", async () => {
  const { store, reader, waitUntil } = await setUp();
  const { zdr: _zdr, ...before } = JSON.parse(store.entries.get("index") ?? "{}") as Record<string, unknown>;
  store.entries.set("index", JSON.stringify(before));
  expect(await reader.zdrEndpoints(waitUntil)).toMatchObject({ ok: false, error: { kind: "overloaded" } });
  expect(await farPrice(reader, waitUntil)).toBe(500_000);
});

test.each([
  { requested: "maker/model-1", id: "maker/model-1", thinking: false, isFree: false, warnings: 0 },
  { requested: "maker/model-one:nitro", id: "maker/model-1", thinking: false, isFree: false, warnings: 0 },
  { requested: "maker/model-1:free", id: "maker/model-1:free", thinking: false, isFree: true, warnings: 0 },
  { requested: "maker/model-1:thinking", id: "maker/model-1", thinking: true, isFree: false, warnings: 0 },
  { requested: "maker/model-1:extended", id: "maker/model-1", thinking: false, isFree: false, warnings: 1 },
  { requested: "maker/model-1:exacto", id: "maker/model-1", thinking: false, isFree: false, warnings: 0 },
])("$requested resolves to $id", async ({ requested, id, thinking, isFree, warnings }) => {
  const { reader, waitUntil } = await setUp();
  const found = await resolveModel(reader, requested, waitUntil);
  expect(
    found.ok && { id: found.value.entry.model.id, thinking: found.value.thinking, isFree: found.value.isFree },
  ).toEqual({ id, thinking, isFree });
  expect(found.ok && found.value.warnings).toHaveLength(warnings);
});

test.each([
  { requested: "other/plain:thinking", nearest: "other/plain", reason: /does not reason/ },
  { requested: "maker/model-1:turbo", nearest: "maker/model-1", reason: /":turbo" is not a variant; known are :free/ },
  { requested: "maker/model-1:nitro:floor", nearest: "maker/model-1", reason: /only one of :nitro, :floor/ },
  { requested: "maker/model-2:nitro", nearest: "maker/model-1", reason: undefined },
  { requested: "maker/model-2:free", nearest: "maker/model-1", reason: undefined },
])("$requested is unknown for its reason, and $nearest is near", async ({ requested, nearest, reason }) => {
  const { reader, waitUntil } = await setUp();
  const found = await resolveModel(reader, requested, waitUntil);
  const error = found.ok || found.error.kind !== "unknown_model" ? null : found.error;
  expect(error?.model).toBe(requested);
  expect(error?.nearest).toContain(nearest);
  expect(error?.reason ?? "").toMatch(reason ?? /^$/);
});

test.each([
  { requested: "other/plain:free", paid: "other/plain" },
  { requested: "Other/Plain:free:nitro", paid: "other/plain" },
])("$requested has ended, and $paid is its paid model", async ({ requested, paid }) => {
  const { reader, waitUntil } = await setUp();
  const found = await resolveModel(reader, requested, waitUntil);
  expect(found.ok ? null : found.error).toEqual({ kind: "free_variant_ended", model: requested, paid });
});

test("the free variant of a model's other name is the model's", async () => {
  const { reader, waitUntil } = await setUp();
  const found = await resolveModel(reader, "maker/model-one:free:floor", waitUntil);
  expect(found).toMatchObject({ ok: true, value: { entry: { model: { id: "maker/model-1:free" } }, isFree: true } });
});

test("a variant that is not known is repeated in part only", async () => {
  const { reader, waitUntil } = await setUp();
  const found = await resolveModel(reader, `maker/model-1:${"x".repeat(5_000)}`, waitUntil);
  expect(found.ok || found.error.kind !== "unknown_model" ? "" : found.error.reason?.length).toBeLessThan(200);
});
