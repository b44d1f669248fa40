/** Names that follow the newest model of a family. */
import { expect, test } from "vitest";
import { parseCatalog } from "../../../src/catalog/parse.ts";
import type { ListingRow } from "../../../src/catalog/listing.ts";
import { createCatalogReader } from "../../../src/catalog/store.ts";
import { publish } from "../../../src/catalog/publish.ts";
import { snapshotOf } from "../../../src/catalog/snapshot.ts";
import type { Catalog } from "../../../src/catalog/schema.ts";
import { assert } from "../../../src/core/result.ts";
import { createMemoryStore } from "./memory-store.ts";
import { ADAPTERS, sampleDocument } from "./sample.ts";

/** The sample's first model under these ids, and the family `~maker/top-latest`. */
function familyOf(ids: readonly string[], models: readonly string[], created: readonly number[] = []): Catalog {
  const document = sampleDocument();
  const [model] = document.models;
  const parsed = parseCatalog(
    {
      ...document,
      models: ids.map((id, at) => ({ ...model, id, canonical_slug: id, aliases: [], created_s: created[at] ?? 0 })),
      family_aliases: [{ slug: "~maker/top-latest", name: "Top (latest)", models }],
    },
    ADAPTERS,
  );
  assert(parsed.ok, parsed.ok ? "" : JSON.stringify(parsed.error));
  return parsed.value;
}

async function rowsOf(catalog: Catalog): Promise<readonly ListingRow[]> {
  const { values } = await snapshotOf(catalog);
  return JSON.parse(values.find(({ key }) => key.startsWith("listing:"))?.text ?? "[]") as ListingRow[]; // ours
}

test.each([
  { name: "versions are numbers", ids: ["maker/top-9", "maker/top-10"], target: "maker/top-10" },
  { name: "a longer version is later", ids: ["maker/top-4.5", "maker/top-4"], target: "maker/top-4.5" },
  { name: "4.10 is after 4.9", ids: ["maker/top-4.9", "maker/top-4.10"], target: "maker/top-4.10" },
  { name: "variants never count", ids: ["maker/top-4", "maker/top-5:free"], target: "maker/top-4" },
  {
    name: "another family never counts",
    ids: ["maker/top-4", "maker/top-5-mini", "maker/topper-6"],
    target: "maker/top-4",
  },
  {
    name: "a preview counts where it is named",
    ids: ["maker/top-4", "maker/top-5-preview"],
    target: "maker/top-5-preview",
  },
])("$name: $target", async ({ ids, target }) => {
  const { index } = await snapshotOf(familyOf(ids, ["maker/top-*", "maker/top-*-preview"]));
  expect(index.aliases["~maker/top-latest"]).toBe(target);
});

test("of equal versions the one that was released last is meant", async () => {
  const { index } = await snapshotOf(
    familyOf(["maker/top-4", "maker/top-4-preview"], ["maker/top-*", "maker/top-*-preview"], [1, 2]),
  );
  expect(index.aliases["~maker/top-latest"]).toBe("maker/top-4-preview");
});

test("a family without a model has no name, and no unpriced model is meant", async () => {
  const catalog = familyOf(["maker/top-4"], ["maker/other-*"]);
  expect((await snapshotOf(catalog)).index.aliases).not.toHaveProperty("~maker/top-latest");
  const unpriced = familyOf(["maker/top-4"], ["maker/top-*"]);
  const [model] = unpriced.models;
  assert(model !== undefined, "there is a model");
  const endpoints = model.endpoints.map((endpoint) => ({ ...endpoint, price: null }));
  const { index } = await snapshotOf({ ...unpriced, models: [{ ...model, endpoints }] });
  expect(index.aliases).not.toHaveProperty("~maker/top-latest");
});

test("it is listed with the price of the model that it means, and leads to that model", async () => {
  const catalog = familyOf(["maker/top-4", "maker/top-5"], ["maker/top-*"]);
  const rows = await rowsOf(catalog);
  const [four, five, alias] = rows.map(({ model }) => model);
  expect([four?.id, five?.id, alias?.id]).toEqual(["maker/top-4", "maker/top-5", "~maker/top-latest"]);
  expect(alias).toEqual({
    ...five,
    id: "~maker/top-latest",
    name: "Top (latest)",
    alias_target: { name: five?.name, slug: "maker/top-5" },
  });
  const store = createMemoryStore();
  await publish(catalog, store, 1);
  const found = await createCatalogReader(store, () => 1).lookup("~Maker/Top-Latest", () => undefined);
  expect(found.ok && found.value.entry.model.id).toBe("maker/top-5");
});

test("the name of a model can't be taken", () => {
  const document = sampleDocument();
  const [model] = document.models;
  const parsed = parseCatalog(
    {
      ...document,
      models: [{ ...model, aliases: ["~maker/top-latest"] }],
      family_aliases: [{ slug: "~maker/top-latest", name: "x", models: ["maker/top-*"] }],
    },
    ADAPTERS,
  );
  expect(parsed).toMatchObject({ ok: false, error: [{ path: "family_aliases[0].slug" }] });
});
