/** What router models choose from: one row per model, each fact at its best, in a value of its own. */
import { expect, test } from "vitest";
import { menuOf } from "../../../src/catalog/menu.ts";
import { publish } from "../../../src/catalog/publish.ts";
import { entryOf as entryOfModel } from "../../../src/catalog/snapshot.ts";
import { createCatalogReader } from "../../../src/catalog/store.ts";
import { createMemoryStore } from "./memory-store.ts";
import { sampleCatalog } from "./sample.ts";

const waitUntil = (): void => undefined;

function sampleMenu() {
  const { models, providers } = sampleCatalog();
  return menuOf(models.map((model) => entryOfModel(model, providers)));
}

test("rows are cheapest first and carry each fact at its best", () => {
  const menu = sampleMenu();
  expect(menu.map(({ id }) => id)).toEqual(["maker/model-1:free", "maker/model-1", "other/plain"]);
  expect(menu[1]).toEqual({
    id: "maker/model-1",
    createdS: 1_767_225_600,
    inputs: [],
    outputs: ["text"],
    parameters: ["tools", "reasoning"],
    contextLength: 128_000,
    maxOutput: 8_000,
    promptPusd: 500_000,
    completionPusd: 2_000_000,
    categories: [],
    isReasoningMandatory: false,
    isDistillable: false,
    zdr: true,
    keepsNothing: true,
    regions: ["eu"],
    expirationDate: null,
    places: [
      { provider: "near", region: "one" },
      { provider: "far", region: "one" },
    ],
    names: ["near", "near cloud", "far", "far cloud"],
  });
  expect(menu[2]).toMatchObject({ zdr: false, keepsNothing: false, regions: [], parameters: [] });
});

test("a model without a price, without text or of another variant is not on the menu; a price of some hours counts", () => {
  const { models, providers } = sampleCatalog();
  const [model] = models;
  if (model === undefined) throw new Error("the sample has models");
  const priced = (price: object | null) =>
    model.endpoints.map((endpoint) => ({ ...endpoint, price: price as typeof endpoint.price })); // the test's own shape
  const rows = menuOf(
    [
      { ...model, endpoints: priced(null) },
      { ...model, output_modalities: ["embeddings" as const] },
      { ...model, id: "maker/model-1:thinking" as typeof model.id },
      {
        ...model,
        endpoints: priced({ prompt: 9, completion: 9, overrides: [{ utc_start: 100, utc_end: 200, prompt: 4 }] }),
      },
    ].map((one) => entryOfModel(one, providers)),
  );
  expect(rows.map(({ id, promptPusd }) => [id, promptPusd])).toEqual([["maker/model-1", 4]]);
});

test("the menu is one value, read once per publication, and an index from before there was one says that it is missing", async () => {
  const store = createMemoryStore();
  await publish(sampleCatalog(), store, 1);
  store.reads.length = 0;
  const reader = createCatalogReader(store, () => 2);
  const menu = await reader.menu(waitUntil);
  expect(menu.ok && menu.value).toEqual(sampleMenu());
  await reader.menu(waitUntil);
  expect(store.reads).toHaveLength(2);

  const { menu: _menu, ...before } = JSON.parse(store.entries.get("index") ?? "{}") as Record<string, unknown>;
  store.entries.set("index", JSON.stringify(before));
  const older = createCatalogReader(store, () => 2);
  expect(await older.menu(waitUntil)).toMatchObject({ ok: false, error: { kind: "overloaded" } });
  expect((await older.lookup("other/plain", waitUntil)).ok).toBe(true);
});
