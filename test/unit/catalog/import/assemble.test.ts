import { expect, test } from "vitest";
import { importFeed, isBroken, type Import, type ImportOptions } from "../../../../src/catalog/import/assemble.ts";
import { diffCatalogs } from "../../../../src/catalog/import/diff.ts";
import type { Feed } from "../../../../src/catalog/import/feed.ts";
import { readFeed } from "../../../../src/catalog/import/formats.ts";
import { publish } from "../../../../src/catalog/publish.ts";
import type { Catalog } from "../../../../src/catalog/schema.ts";
import { assert } from "../../../../src/core/result.ts";
import { ADAPTERS } from "../../../../src/providers/registry.ts";
import { createMemoryStore } from "../memory-store.ts";
import { sampleCatalog } from "../sample.ts";
import { modelsDevList, openRouterList, type Row } from "./lists.ts";

const OPTIONS: ImportOptions = {
  asOf: "2026-11-21",
  adapters: ADAPTERS,
  addresses: { allowsPrivate: false },
  only: null,
  holdAboveBps: null,
};

function feedOf(document: unknown): Feed {
  const feed = readFeed(JSON.parse(JSON.stringify(document)));
  assert(feed.ok, "the list is one of the three");
  return feed.value;
}
function run(base: Catalog, document: unknown, options: Partial<ImportOptions> = {}): Import {
  const done = importFeed(base, feedOf(document), { ...OPTIONS, ...options });
  assert(done.ok, `the import is a catalog: ${JSON.stringify(done)}`);
  return done.value;
}
function reprice(provider: { readonly models: Record<string, Row> }, id: string, cost: object): void {
  provider.models[id] = { ...(provider.models[id] ?? { id }), cost };
}
const modelIds = (catalog: Catalog): string[] => catalog.models.map(({ id }) => id);
const endpointsOf = (catalog: Catalog, id: string) => catalog.models.find((model) => model.id === id)?.endpoints ?? [];
const isRoutable = (catalog: Catalog, slug: string): boolean =>
  catalog.models.some(({ endpoints }) => endpoints.some(({ provider, price }) => provider === slug && price !== null));

test("entries become endpoints, and all spellings of a model are one model", () => {
  const { catalog, imported, refused } = run(sampleCatalog(), modelsDevList());
  expect(imported + refused.length).toBe(
    Object.values(modelsDevList()).reduce((sum, { models }) => sum + Object.keys(models).length, 0),
  );
  expect(modelIds(catalog)).toEqual([
    ...modelIds(sampleCatalog()),
    "alder-anthropic/elsewhere",
    "alder-responses/responder",
    "alder/wood-2-mini",
    "maker/wood-2-instruct",
    "maker/wood-2-instruct:free",
    "openai/text-embedding-wood",
  ]);
  expect(endpointsOf(catalog, "maker/wood-2-instruct").map(({ tag, upstream_model }) => [tag, upstream_model])).toEqual(
    [
      ["alder", "maker/wood-2-instruct"],
      ["birch", "Maker/Wood-2-Instruct-FP8"],
    ],
  );
  expect(endpointsOf(catalog, "maker/wood-2-instruct")[1]).toMatchObject({ quantization: "fp8" });
  expect(catalog.providers.map(({ slug, adapter, base_url }) => [slug, adapter, base_url]).slice(2)).toEqual([
    ["alder", "openai-compatible", "https://api.alder.example.com/v1"],
    ["alder-anthropic", "anthropic", "https://alder.example.com/messages/v1"],
    ["alder-responses", "openai-responses", "https://api.alder.example.com/v1"],
    ["birch", "anthropic", "https://api.birch.example.com/v1"],
  ]);
});
test("a provider that the catalog has by the name of before keeps it, and so do the ids made of it", () => {
  const list = modelsDevList();
  const first = run(sampleCatalog(), list).catalog;
  const before = JSON.parse(JSON.stringify(first).replaceAll("alder-responses", "alder-openai-responses")) as Catalog; // only renamed
  const again = run(before, list);
  expect(again.catalog).toEqual(before);
  expect([again.lost, again.brought]).toEqual([0, run(first, list).brought]);
});

test("what a provider runs on comes with its endpoints, and what the operator wrote of one stays", () => {
  const list = modelsDevList();
  const { alder, birch } = list;
  assert(alder !== undefined && birch !== undefined, "the list has them");
  const { catalog } = run(sampleCatalog(), { ...list, groq: { ...alder, id: "groq" } });
  const hardware = (of: Catalog) =>
    new Map(of.models.flatMap(({ endpoints }) => endpoints.map((one) => [one.provider as string, one.hardware])));
  expect(hardware(catalog).get("groq")).toBe("lpu");
  expect(hardware(catalog).get("alder")).toBeUndefined();
  const models = catalog.models.map((model) => ({
    ...model,
    endpoints: model.endpoints.map((one) =>
      one.provider === "alder"
        ? { ...one, hardware: "h100", hardware_source: "contract", reserved_capacity: true }
        : one,
    ),
  }));
  reprice(alder, "maker/wood-2-instruct", { input: 9, output: 9 });
  const again = run({ ...catalog, models }, list).catalog;
  expect(endpointsOf(again, "maker/wood-2-instruct")[0]).toMatchObject({
    tag: "alder",
    price: { prompt: 9_000_000 },
    hardware: "h100",
    reserved_capacity: true,
  });
});
test("what cannot be routed to is refused with its reason", () => {
  const { refused, catalog } = run(sampleCatalog(), modelsDevList());
  const reasons = Object.fromEntries(refused.map(({ ref, reason }) => [ref, reason]));
  expect(reasons).toMatchObject({
    "local/wood-2": "cannot be reached: its address must be an https URL, not http:",
    "inside/wood-2": expect.stringMatching(
      /^cannot be reached: its address must be on the public internet: 169\.254\.169\.254 is a link-local/,
    ),
    "varied/wood-2": expect.stringMatching(/^cannot be reached: its address has a variable in it/),
    "odd/wood-2": "cannot be reached: its package odd-sdk has no adapter here",
    "nowhere/wood-2": expect.stringMatching(/^cannot be reached: no address is named/),
    "alder/unpriced": "has no price",
  });
  for (const slug of ["local", "inside", "varied", "odd", "nowhere"]) expect(isRoutable(catalog, slug)).toBe(false);
});

test("a wire format that has no adapter is refused by its name", () => {
  const adapters = ADAPTERS.filter(({ name }) => name !== "openai-responses");
  const { refused } = run(sampleCatalog(), modelsDevList(), { adapters });
  expect(refused.find(({ ref }) => ref === "alder/responder")?.reason).toBe(
    'cannot be reached: there is no adapter "openai-responses"',
  );
});

test("an operator that has opted in imports a server of its own network", () => {
  const { catalog } = run(sampleCatalog(), modelsDevList(), { addresses: { allowsPrivate: true } });
  expect(isRoutable(catalog, "local")).toBe(true);
});

test("nothing is known of a new provider: it counts as the worst", () => {
  const { catalog } = run(sampleCatalog(), modelsDevList());
  expect(catalog.providers.find(({ slug }) => slug === "alder")).toMatchObject({
    data_policy: { training: true, retains_prompts: true, zdr: false },
    cancellation: { policy: "bills_all" },
    regions: [{ id: "global", latitude: null, jurisdiction: null }],
  });
});

test("the same list again, on another day, changes nothing and writes nothing", async () => {
  const first = run(sampleCatalog(), modelsDevList()).catalog;
  const again = run(first, modelsDevList(), { asOf: "2027-01-01" });
  expect(again.catalog).toEqual(first);
  expect(again).toMatchObject({ brought: 7, lost: 0 });
  const store = createMemoryStore();
  await publish(first, store, 1);
  const before = store.writes.length;
  expect(await publish(again.catalog, store, 2)).toMatchObject({ changed: false, valuesWritten: 0 });
  expect(store.writes.length).toBe(before);
});

test("a changed row is written anew with its day, and nothing else is", async () => {
  const first = run(sampleCatalog(), modelsDevList()).catalog;
  const list = modelsDevList();
  reprice(list.birch, "Maker/Wood-2-Instruct-FP8", { input: 0.3, output: 1.1 });
  const next = run(first, list, { asOf: "2027-01-01" }).catalog;
  expect(endpointsOf(next, "maker/wood-2-instruct").map(({ price_source }) => price_source)).toEqual([
    "models.dev alder/maker/wood-2-instruct (read 2026-11-21)",
    "models.dev birch/Maker/Wood-2-Instruct-FP8 (read 2027-01-01)",
  ]);
  const store = createMemoryStore();
  await publish(first, store, 1);
  const before = new Set(store.entries.keys());
  await publish(next, store, 2);
  const written = [...store.entries.keys()].filter((key) => !before.has(key)).map((key) => key.split(":")[0]);
  expect(written.toSorted()).toEqual(["index", "model", "source"]);
});

test("what a list no longer has goes, and what others wrote stays", () => {
  const first = run(sampleCatalog(), modelsDevList()).catalog;
  const { alder, ...rest } = modelsDevList();
  const { "wood-2-mini": _gone, "text-embedding-wood": _too, ...models } = alder.models;
  const next = run(first, { ...rest, alder: { ...alder, models }, birch: { ...rest.birch, models: {} } });
  expect(next).toMatchObject({ brought: 7, lost: 3 });
  // Half of it at once is rather a broken list; a fifth is not.
  expect(isBroken(next)).toBe(true);
  expect(isBroken({ brought: 100, lost: 20 })).toBe(false);
  expect(isBroken({ brought: 100, lost: 21 })).toBe(true);
  expect(isBroken({ brought: 0, lost: 0 })).toBe(false);
  const diff = diffCatalogs(first, next.catalog);
  expect(diff).toMatchObject({
    providersRemoved: ["birch"],
    modelsRemoved: ["alder/wood-2-mini", "openai/text-embedding-wood"],
    endpointsRemoved: ["maker/wood-2-instruct at birch"],
    modelsAdded: [],
    prices: [],
  });
  expect(modelIds(next.catalog).slice(0, 3)).toEqual(modelIds(sampleCatalog()));
});

test("only the providers that are asked for are touched", () => {
  const first = run(sampleCatalog(), modelsDevList()).catalog;
  const { alder, birch, ...rest } = modelsDevList();
  const list = { ...rest, alder: { ...alder, models: {} }, birch };
  const next = run(first, list, { only: new Set(["birch"]) });
  expect(next.catalog).toEqual(first);
  const none = run(sampleCatalog(), modelsDevList(), { only: new Set(["birch"]) });
  expect(none.catalog.providers.map(({ slug }) => slug)).toEqual(["near", "far", "birch"]);
  expect(none.refused.find(({ ref }) => ref === "alder/wood-2-mini")?.reason).toBe(
    "is at a provider that was not asked for",
  );
});

/** The sample's provider `near` in a list, with its model under the name that it has there. */
function nearList(cost: object, more: object = {}) {
  const { alder } = modelsDevList();
  const row = { ...alder.models["maker/wood-2-instruct"], id: "up/near", cost, ...more };
  return { near: { ...alder, id: "near", api: "https://elsewhere.example.com/v1", models: { "up/near": row } } };
}

test("somebody else's endpoint takes the list's price and keeps every other fact", () => {
  const base = sampleCatalog();
  const { catalog } = run(base, nearList({ input: 1, output: 5, cache_read: 0.1 }));
  const [before] = endpointsOf(base, "maker/model-1");
  expect(catalog.providers).toEqual(base.providers);
  expect(endpointsOf(catalog, "maker/model-1")[0]).toEqual({
    ...before,
    price: { prompt: 1_000_000, completion: 5_000_000, input_cache_read: 100_000 },
    price_source: `${before?.price_source}; price of models.dev near/up/near (read 2026-11-21)`,
  });
  // It is still his: a list without it takes nothing away, and a second price replaces the first.
  const other = run(catalog, modelsDevList()).catalog;
  expect(endpointsOf(other, "maker/model-1").map(({ tag }) => tag)).toEqual(["near", "far"]);
  const [again] = endpointsOf(run(catalog, nearList({ input: 2, output: 5 })).catalog, "maker/model-1");
  expect(again?.price).toEqual({ prompt: 2_000_000, completion: 5_000_000, input_cache_read: 100_000 });
  expect(again?.price_source.match(/price of/g)).toHaveLength(1);
});

test("an operator's margin on an imported endpoint outlives the next import", () => {
  const first = run(sampleCatalog(), modelsDevList()).catalog;
  const models = first.models.map((model) => ({
    ...model,
    endpoints: model.endpoints.map((endpoint) =>
      endpoint.provider === "birch" ? { ...endpoint, markup_bps: 700 } : endpoint,
    ),
  }));
  const next = run({ ...first, models }, modelsDevList()).catalog;
  expect(endpointsOf(next, "maker/wood-2-instruct")[1]).toMatchObject({ tag: "birch", markup_bps: 700 });
});

test("prices that move too far are held where they were, the rest is taken", () => {
  const first = run(sampleCatalog(), modelsDevList()).catalog;
  const list = modelsDevList();
  reprice(list.alder, "maker/wood-2-instruct", { input: 0.028, output: 1.1 });
  reprice(list.alder, "wood-2:free", { input: 0, output: 0 });
  reprice(list.birch, "Maker/Wood-2-Instruct-FP8", { input: 0.336, output: 1.1 });
  const { catalog, held } = run(first, list, { holdAboveBps: 2_000 });
  expect(held).toEqual(["maker/wood-2-instruct at alder"]);
  expect(endpointsOf(catalog, "maker/wood-2-instruct")[0]?.price).toMatchObject({ prompt: 280_000 });
  // Exactly 20% is not beyond it.
  expect(endpointsOf(catalog, "maker/wood-2-instruct")[1]?.price).toMatchObject({ prompt: 336_000 });
});

test("two lists live beside each other, and one is found by the other's names", () => {
  const first = run(sampleCatalog(), modelsDevList()).catalog;
  const { catalog, imported } = run(first, openRouterList());
  expect(imported).toBe(2);
  expect(endpointsOf(catalog, "maker/wood-2-instruct").map(({ tag }) => tag)).toEqual(["alder", "birch", "openrouter"]);
  expect(endpointsOf(catalog, "maker/wood-2-instruct:free").map(({ tag, price }) => [tag, price])).toEqual([
    ["alder", { prompt: 0, completion: 0 }],
    ["openrouter", { prompt: 0, completion: 0 }],
  ]);
  expect(run(catalog, modelsDevList()).catalog).toEqual(catalog);
});

test("the diff flags what moves by more than a fifth, by what is charged", () => {
  const base = sampleCatalog();
  const next = run(base, nearList({ input: 1.2, output: 4.81, cache_read: 1.3 })).catalog;
  expect(diffCatalogs(base, next).prices).toEqual([
    {
      model: "maker/model-1",
      tag: "near",
      key: "prompt",
      fromPusd: 1_000_000,
      toPusd: 1_200_000,
      changeBps: 2_000,
      isFlagged: false,
    },
    {
      model: "maker/model-1",
      tag: "near",
      key: "completion",
      fromPusd: 4_000_000,
      toPusd: 4_810_000,
      changeBps: 2_025,
      isFlagged: true,
    },
    // It cost what the prompt cost.
    {
      model: "maker/model-1",
      tag: "near",
      key: "input_cache_read",
      fromPusd: 1_000_000,
      toPusd: 1_300_000,
      changeBps: 3_000,
      isFlagged: true,
    },
  ]);
});
