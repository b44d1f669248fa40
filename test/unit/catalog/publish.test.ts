import { expect, test } from "vitest";
import { HISTORY_MAX, publish, readPublished, rollback, versionKey } from "../../../src/catalog/publish.ts";
import { entryOf, snapshotOf } from "../../../src/catalog/snapshot.ts";
import type { Catalog } from "../../../src/catalog/schema.ts";
import { createCatalogReader } from "../../../src/catalog/store.ts";
import { createMemoryStore } from "./memory-store.ts";
import { sampleCatalog } from "./sample.ts";

/** The sample with another name for its last model: another content. */
function renamed(name: string): Catalog {
  const catalog = sampleCatalog();
  return {
    ...catalog,
    models: catalog.models.map((model) => (model.id === "other/plain" ? { ...model, name } : model)),
  };
}

test("the charged price carries the margin, and the upstream price stays beside it", () => {
  const { models, providers } = sampleCatalog();
  const entry = entryOf(models[0] as (typeof models)[number], providers);
  expect(entry.model.endpoints.map(({ price, upstream_price }) => [price?.prompt, upstream_price?.prompt])).toEqual([
    [1_100_000, 1_000_000],
    [500_000, 500_000],
  ]);
  expect(entry.providers.map((provider) => provider.markup_bps)).toEqual([0, 0]);
});

test("an endpoint's own margin goes before its provider's", () => {
  const { models, providers } = sampleCatalog();
  const model = models[0] as (typeof models)[number];
  const endpoints = model.endpoints.map((endpoint) => ({ ...endpoint, markup_bps: 2_000 }));
  const entry = entryOf({ ...model, endpoints }, providers);
  expect(entry.model.endpoints.map(({ price }) => price?.completion)).toEqual([4_800_000, 2_400_000]);
});

test("the same catalog has the same keys, another one shares what is equal", async () => {
  const [one, same, other] = await Promise.all([
    snapshotOf(sampleCatalog()),
    snapshotOf(sampleCatalog()),
    snapshotOf(renamed("New")),
  ]);
  expect(same).toEqual(one);
  expect(other.index.version).not.toBe(one.index.version);
  const kept = other.values.filter(
    ({ key }) => key.startsWith("model:") && one.values.some((value) => value.key === key),
  );
  expect(kept).toHaveLength(2);
});

test("the index is written last and repeating a publication writes nothing", async () => {
  const store = createMemoryStore();
  const first = await publish(sampleCatalog(), store, 1_000);
  expect(store.writes.at(-1)).toBe("index");
  expect(first).toMatchObject({ changed: true, valuesWritten: 8 });
  const again = await publish(sampleCatalog(), store, 2_000);
  expect(again).toEqual({
    version: first.version,
    changed: false,
    valuesWritten: 0,
    valuesLeft: 0,
    valuesDeleted: 0,
  });
  expect((await readPublished(store))?.index.publishedAtMs).toBe(1_000);
});

test("what was published is read back as it was sent", async () => {
  const store = createMemoryStore();
  await publish(sampleCatalog(), store, 1_000);
  expect((await readPublished(store))?.catalog).toEqual(sampleCatalog());
});

test("a publication killed after any number of writes leaves the old one live and is finished by a repeat", async () => {
  const total = async (): Promise<number> => {
    const store = createMemoryStore();
    await publish(sampleCatalog(), store, 1);
    const before = store.writes.length;
    await publish(renamed("New"), store, 2);
    return store.writes.length - before;
  };
  const writes = await total();
  expect(writes).toBeGreaterThan(3);
  for (let killedAfter = 0; killedAfter < writes; killedAfter++) {
    const store = createMemoryStore();
    const old = await publish(sampleCatalog(), store, 1);
    const before = store.writes.length;
    store.failAfter(killedAfter);
    await expect(publish(renamed("New"), store, 2)).rejects.toThrow("the store is gone");
    expect((await readPublished(store))?.index.version).toBe(old.version);
    store.failAfter(Number.POSITIVE_INFINITY);
    const done = await publish(renamed("New"), store, 3);
    expect((await readPublished(store))?.index.version).toBe(done.version);
    // Only the version's own index may be written twice: it carries the time of publication.
    expect(store.writes.length - before).toBeLessThanOrEqual(writes + 1);
    expect(store.writes.slice(before).filter((key) => !key.startsWith("index")).length).toBe(writes - 2);
  }
});

test("history is bounded, values that no version names are deleted, and a kept version can be rolled back to", async () => {
  const store = createMemoryStore();
  const versions: string[] = [];
  for (let at = 0; at < HISTORY_MAX + 3; at++) versions.push((await publish(renamed(`Name ${at}`), store, at)).version);
  const indexes = [...store.entries.keys()].filter((key) => key.startsWith("index:"));
  expect(indexes).toHaveLength(HISTORY_MAX);
  // Two models are shared by all versions; the third, the listing and the source are one per version; one list of
  // providers, one of zero retention, one menu.
  expect([...store.entries.keys()].filter((key) => !key.startsWith("index")).length).toBe(2 + 3 * HISTORY_MAX + 3);
  const gone = await rollback(versions[0] ?? "", store, 99);
  expect(gone.ok).toBe(false);
  const back = await rollback(versions[5] ?? "", store, 100);
  expect(back.ok && back.value.changed).toBe(true);
  const live = await readPublished(store);
  expect(live?.index).toMatchObject({ version: versions[5], publishedAtMs: 100 });
  expect(live?.index.history.map(({ version }) => version)).not.toContain(versions[5]);
  expect(store.entries.has(versionKey(versions[5] ?? ""))).toBe(true);
});

test("a publication in parts is live with its last part, and each part writes what is missing", async () => {
  const store = createMemoryStore();
  const old = await publish(sampleCatalog(), store, 1);
  const before = store.writes.length;
  const parts = [];
  for (let at = 0; at < 10; at++) {
    const part = await publish(renamed("New"), store, 2, 1);
    parts.push([part.valuesWritten, part.valuesLeft, part.changed]);
    if (part.valuesLeft === 0) break;
    expect((await readPublished(store))?.index.version).toBe(old.version);
  }
  // One model, the listing and the source are new.
  expect(parts).toEqual([
    [1, 2, false],
    [1, 1, false],
    [1, 0, true],
  ]);
  expect(store.writes.slice(before).filter((key) => !key.startsWith("index"))).toHaveLength(3);
});

test("a catalog of 5,000 models is published in parts, and a change of one model writes four values", async () => {
  const store = createMemoryStore(1_000);
  const sample = sampleCatalog();
  const [model] = sample.models;
  expect(model).toBeDefined();
  if (model === undefined) return;
  const many = (name: string): Catalog => ({
    ...sample,
    models: Array.from({ length: 5_000 }, (_, at) => {
      const id = `maker/model-${at}` as typeof model.id; // an id as the schema has it
      return { ...model, id, canonical_slug: id, aliases: [], name: at === 7 ? name : "Model" };
    }),
  });
  let calls = 0;
  let left = Number.POSITIVE_INFINITY;
  while (left > 0) {
    ({ valuesLeft: left } = await publish(many("First"), store, 1, 2_000));
    calls++;
  }
  expect(calls).toBe(3);
  const again = await publish(many("Second"), store, 2, 2_000);
  expect(again).toMatchObject({ changed: true, valuesWritten: 4, valuesLeft: 0 });
  // A cold isolate reads the index and one value.
  store.reads.length = 0;
  const reader = createCatalogReader(store, () => 3);
  const found = await reader.lookup("maker/model-4999", () => undefined);
  expect(found.ok && found.value.entry.model.id).toBe("maker/model-4999");
  expect(store.reads).toHaveLength(2);
}, 120_000);
