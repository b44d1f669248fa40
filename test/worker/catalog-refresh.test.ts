/** The scheduled refresh of the catalog from a list of models, inside workerd, with a network of the test's own. */
import { env } from "cloudflare:workers";
import { beforeEach, expect, test } from "vitest";
import type { JobPorts, RefreshPorts } from "../../src/jobs/ports.ts";
import { refreshCatalog } from "../../src/jobs/refresh-catalog.ts";
import { openBooks } from "../../src/ledger/shards.ts";
import { modelsDevList, type Row } from "../unit/catalog/import/lists.ts";
import { operator, smallCatalog } from "./admin-setup.ts";

const LIST = "https://lists.example.com/api.json";
const DAY_MS = 86_400_000;
const books = openBooks({ ...env });
// Each test is some days after the one before: what a job remembers outlives a test.
let nowMs = Date.UTC(2026, 10, 21);

beforeEach(async () => {
  nowMs += 10 * DAY_MS;
  await env.CATALOG.delete("refresh");
  await operator("PUT", "/catalog", smallCatalog());
});

type Answer = (headers: Headers) => Response;
const listAnswer =
  (list: unknown, etag = '"1"'): Answer =>
  (headers) =>
    headers.get("if-none-match") === etag
      ? new Response(null, { status: 304 })
      : new Response(JSON.stringify(list), { headers: { etag } });

/** A run at `nowMs`; `asked` gets every address that the network saw. */
async function run(answer: Answer, given: Partial<RefreshPorts> = {}, asked: string[] = []) {
  const lines: unknown[] = [];
  const ports: JobPorts = {
    clock: () => nowMs,
    books,
    auditAccount: () => Promise.reject(new Error("not asked here")),
    log: (line) => void lines.push(JSON.parse(line)),
    reconcileEveryMs: DAY_MS,
    refresh: {
      url: LIST,
      everyMs: DAY_MS,
      addresses: { allowsPrivate: false },
      store: env.CATALOG,
      fetch: async (url, init) => {
        asked.push(url);
        return await Promise.resolve(answer(new Headers(init.headers)));
      },
      publish: async (text) => {
        const { status, text: body } = await operator("PUT", "/catalog", text);
        return new Response(body, { status });
      },
      ...given,
    },
  };
  await refreshCatalog(ports);
  return lines;
}
const report = async () => (await operator("GET", "/catalog/refresh")).body["data"];
const endpoints = async (id: string) => {
  const { data } = (await operator("GET", "/catalog")).body as {
    data: { catalog: { models: { id: string; endpoints: { tag: string; price: { prompt: number } }[] }[] } };
  }; // what GET /admin/catalog answers
  return data.catalog.models.find((model) => model.id === id)?.endpoints ?? [];
};

test("before the first refresh there is no report, and without a URL there is none ever", async () => {
  await refreshCatalog({
    clock: () => nowMs,
    books,
    auditAccount: () => Promise.reject(new Error("not asked here")),
    log: () => expect.unreachable(),
    reconcileEveryMs: DAY_MS,
    refresh: null,
  });
  expect(await operator("GET", "/catalog/refresh")).toMatchObject({ status: 200, body: { data: null } });
});

test("a list is taken over once an interval, and one that has not changed is not read", async () => {
  const asked: string[] = [];
  expect(await run(listAnswer(modelsDevList()), {}, asked)).toMatchObject([
    { event: "catalog_refresh", outcome: "published", imported: 7, models_added: 6, held: 0 },
  ]);
  const live = await operator("GET", "/catalog");
  expect(live.body).toMatchObject({ data: { models: 7, history: expect.any(Array) } });
  expect(await report()).toMatchObject({ outcome: "published", url: LIST, at: new Date(nowMs).toISOString() });
  // Not due.
  nowMs += DAY_MS - 1;
  expect(await run(listAnswer(modelsDevList()), {}, asked)).toEqual([]);
  expect(asked).toHaveLength(1);
  // Due, and the list says that it is the same.
  nowMs += 1;
  expect(await run(listAnswer(modelsDevList()), {}, asked)).toMatchObject([
    { outcome: "unchanged", message: "The list has not changed.", imported: 0 },
  ]);
  // It says that it is another, and it isn't.
  nowMs += DAY_MS;
  expect(await run(listAnswer(modelsDevList(), '"2"'), {}, asked)).toMatchObject([
    { outcome: "unchanged", message: "The list changes nothing.", imported: 7 },
  ]);
  expect((await operator("GET", "/catalog")).body).toMatchObject({ data: { published_at: expect.any(String) } });
  expect((await operator("GET", "/catalog")).body["data"]).toEqual(live.body["data"]);
});

test("what was taken over is rolled back like every publication", async () => {
  const before = (await operator("GET", "/catalog")).body["data"] as { version: string }; // a catalog is live
  await run(listAnswer(modelsDevList()));
  expect(await operator("POST", "/catalog/rollback", { version: before.version })).toMatchObject({ status: 200 });
  expect((await operator("GET", "/catalog")).body).toMatchObject({ data: { version: before.version, models: 1 } });
  // The list is the same as before, the catalog is not: it is read again, and the operator's word is not the last one.
  nowMs += DAY_MS;
  expect(await run(listAnswer(modelsDevList()))).toMatchObject([{ outcome: "published", models_added: 6 }]);
});

test("a price that would move too far stays, and the report names it", async () => {
  await run(listAnswer(modelsDevList()));
  nowMs += DAY_MS;
  const list = modelsDevList();
  const [id] = Object.keys(list.alder.models);
  const models: Record<string, Row> = list.alder.models;
  if (id !== undefined) models[id] = { ...(models[id] ?? { id }), cost: { input: 0.0028, output: 1.1 } };
  const extra = { ...modelsDevList().alder.models["wood-2-mini"], id: "brand-new" };
  models["brand-new"] = extra;
  await run(listAnswer(list, '"2"'));
  expect(await report()).toMatchObject({
    outcome: "published",
    models_added: 1,
    prices_changed: 0,
    held: ["maker/wood-2-instruct at alder"],
  });
  expect((await endpoints("maker/wood-2-instruct"))[0]).toMatchObject({ tag: "alder", price: { prompt: 280_000 } });
});

test.each([
  {
    name: "a list that lost half",
    answer: () => new Response(JSON.stringify({ alder: { ...modelsDevList().alder, models: {} } })),
    says: { outcome: "refused", message: "7 of 7 endpoints are gone from the list." },
  },
  { name: "no list", answer: () => new Response("<html>"), says: { outcome: "refused" } },
  {
    name: "an error",
    answer: () => new Response("no", { status: 503 }),
    says: { outcome: "failed", message: "lists.example.com answered with 503." },
  },
  {
    name: "a redirect inside",
    answer: () => new Response(null, { status: 302, headers: { location: "http://169.254.169.254/" } }),
    says: {
      outcome: "failed",
      message: expect.stringMatching(/^The address that it redirects to must be an https URL/),
    },
  },
  {
    name: "a body that breaks",
    answer: () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode('{"alder"')),
          pull: (controller) => controller.error(new Error("reset")),
        }),
      ),
    says: { outcome: "failed", message: expect.stringContaining("broke off") },
  },
])("$name changes nothing, is reported, and is tried again within the hour", async ({ answer, says }) => {
  await run(listAnswer(modelsDevList()));
  const before = (await operator("GET", "/catalog")).body["data"];
  nowMs += DAY_MS;
  expect(await run(answer)).toMatchObject([says]);
  expect(await report()).toMatchObject(says);
  expect((await operator("GET", "/catalog")).body["data"]).toEqual(before);
  nowMs += 900_000;
  expect(await run(listAnswer(modelsDevList()))).toMatchObject([{ outcome: "unchanged" }]);
});

test("a list at a private address is not fetched", async () => {
  const asked: string[] = [];
  expect(await run(listAnswer(modelsDevList()), { url: "https://10.0.0.1/api.json?key=secret" }, asked)).toMatchObject([
    { outcome: "failed", url: "https://10.0.0.1/api.json" },
  ]);
  expect(asked).toEqual([]);
});

test("a publication that takes several runs is gone on with at the next appointment", async () => {
  let left = 2;
  const publish: RefreshPorts["publish"] = (text) => {
    left--;
    if (left === 0) return operator("PUT", "/catalog", text).then(({ text: body }) => new Response(body));
    return Promise.resolve(Response.json({ data: { version: "0".repeat(32), values_left: left } }, { status: 202 }));
  };
  expect(await run(listAnswer(modelsDevList()), { publish })).toMatchObject([
    { outcome: "partly", message: "Values still to be written: 1." },
  ]);
  expect(await endpoints("maker/wood-2-instruct")).toEqual([]);
  nowMs += 300_000;
  expect(await run(listAnswer(modelsDevList()), { publish })).toMatchObject([{ outcome: "published" }]);
  expect(await endpoints("maker/wood-2-instruct")).toHaveLength(2);
});
