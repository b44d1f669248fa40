/** What the catalog looks like through the API: models, endpoints with live figures, providers. */
import { env, exports } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { RECENT_MS } from "../../src/http/live-statistics.ts";
import type { ClientBucket, Outcome } from "../../src/limits/health.ts";
import { ask, askAt, dataOf, newTenant, providerGateOf, publishForest, type Answer } from "./fixture.ts";

beforeAll(publishForest);

const ids = (answer: Answer) => dataOf<{ readonly id: string }[]>(answer).map(({ id }) => id);

interface Endpoint {
  readonly tag: string;
  readonly status: number;
  readonly latency_last_30m: unknown;
  readonly throughput_last_30m: unknown;
}
const endpointsOf = (answer: Answer) => dataOf<{ readonly endpoints: readonly Endpoint[] }>(answer).endpoints;

test("the list of models needs no key, says how many there are and may be cached", async () => {
  const answer = await ask("GET", "/models");
  expect(answer).toMatchObject({ status: 200, body: { total_count: 5, links: { next: null } } });
  expect(ids(answer)).toEqual(["forest/leaf", "forest/root", "grove/bark", "waypost/auto", "openrouter/auto"]);
  expect(answer.headers.get("cache-control")).toBe("public, max-age=120, stale-while-revalidate=3600");
  expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  expect(dataOf<unknown[]>(answer)[0]).toMatchObject({ pricing: { prompt: "0.00000005", completion: "0.0000001" } });
});

test.each([
  { name: "an author", query: "model_authors=grove", expected: ["grove/bark"] },
  { name: "a least context", query: "context=100000&model_authors=forest,grove", expected: ["forest/root"] },
  { name: "a highest price", query: "max_price=0.06", expected: ["forest/leaf"] },
  { name: "zero retention", query: "zdr=true&max_price=1000", expected: ["forest/leaf", "forest/root"] },
  { name: "words", query: "q=ROOT", expected: ["forest/root"] },
  { name: "a provider", query: "providers=oak&max_price=1000", expected: ["forest/root"] },
  { name: "an output modality", query: "output_modalities=image&max_price=1000", expected: ["grove/bark"] },
  {
    name: "a sort",
    query: "sort=pricing-high-to-low&q=r&max_price=1000",
    expected: ["forest/root", "grove/bark", "forest/leaf"],
  },
])("models are filtered by $name", async ({ query, expected }) => {
  expect(ids(await ask("GET", `/models?${query}`))).toEqual(expected);
});

test("pages lead from one to the next and end, under either prefix", async () => {
  for (const prefix of ["/api/v1", "/v1"]) {
    const first = await askAt(`${prefix}/models?limit=2&max_price=1000`, "GET");
    expect(first.body).toMatchObject({
      total_count: 3,
      links: { next: `${prefix}/models?limit=2&max_price=1000&offset=2` },
    });
    const { next } = (first.body as { links: { next: string } }).links; // just matched
    const second = await askAt(next, "GET");
    expect(ids(second)).toEqual(["grove/bark"]);
    expect(second.body).toMatchObject({ links: { next: null } });
  }
});

test("a filter that can't be read is named, one that can't be applied is reported", async () => {
  expect(await ask("GET", "/models?context=many")).toMatchObject({
    status: 400,
    body: { error: { code: 400, metadata: { path: "context" } } },
  });
  const warned = await ask("GET", "/models?sort=most-popular&use_rss_chat_links=true");
  expect(warned.status).toBe(200);
  expect(warned.headers.get("x-waypost-warning")).toMatch(/most-popular.*use_rss_chat_links/);
});

const listed = async (query: string, headers: Record<string, string> = {}): Promise<Response> =>
  await exports.default.fetch(new Request(`https://waypost.test/api/v1/models${query}`, { headers }));

test("the list is a feed for those who ask for one", async () => {
  const feed = await listed("?use_rss=true&model_authors=forest");
  expect([feed.status, feed.headers.get("content-type")]).toEqual([200, "application/rss+xml; charset=utf-8"]);
  const xml = await feed.text();
  expect(xml.match(/<guid isPermaLink="false">[^<]*/g)).toEqual([
    '<guid isPermaLink="false">forest/leaf',
    '<guid isPermaLink="false">forest/root',
  ]);
  expect(xml).toContain("<link>https://waypost.test/api/v1/models/forest/leaf/endpoints</link>");
});

test("who has a page already gets no body, and each query has a tag of its own", async () => {
  const first = await listed("");
  const [tag, text] = [first.headers.get("etag") ?? "", await first.text()];
  expect(tag).toMatch(/^"[0-9a-f]{32}"$/);
  const same = await listed("", { "If-None-Match": `"other", W/${tag}` });
  expect([same.status, await same.text(), same.headers.get("etag")]).toEqual([304, "", tag]);
  expect(same.headers.get("cache-control")).toBe("public, max-age=120, stale-while-revalidate=3600");
  const again = await listed("", { "If-None-Match": '"other"' });
  expect([again.status, await again.text()]).toEqual([200, text]);
  const other = await listed("?model_authors=grove", { "If-None-Match": tag });
  expect([other.status, other.headers.get("etag") === tag]).toEqual([200, false]);
});

test("a new catalog is a new list, with another tag", async () => {
  const before = (await listed("")).headers.get("etag");
  const live = await ask("GET", "/admin/catalog", env.OPERATOR_KEY);
  const { catalog } = dataOf<{ readonly catalog: { readonly models: readonly object[] } }>(live);
  const models = catalog.models.map((model) => ({ ...model, name: "Renamed" }));
  expect((await ask("PUT", "/admin/catalog", env.OPERATOR_KEY, { ...catalog, models })).status).toBe(200);
  const after = await listed("", { "If-None-Match": before ?? "" });
  expect([after.status, (await after.text()).includes("Renamed")]).toEqual([200, true]);
  expect((await ask("PUT", "/admin/catalog", env.OPERATOR_KEY, catalog)).status).toBe(200);
  expect((await listed("", { "If-None-Match": before ?? "" })).status).toBe(304);
});

test("models are counted by output modality", async () => {
  expect((await ask("GET", "/models/count")).body).toEqual({ data: { count: 5 } });
  expect((await ask("GET", "/models/count?output_modalities=image")).body).toEqual({ data: { count: 3 } });
});

test("the caller's own list is the whole list and is nobody else's to cache", async () => {
  const answer = await ask("GET", "/models/user", (await newTenant()).key);
  expect(ids(answer)).toHaveLength(5);
  expect(answer.headers.get("cache-control")).toContain("no-store");
});

test.each([
  "forest/leaf",
  "forest/leaf-2026-11-01",
  "forest/leaf-latest",
  "forest/leaf:nitro",
  "FOREST/Leaf",
  "forest/leaf%3Afloor",
])("%s leads to the model", async (name) => {
  expect(await ask("GET", `/model/${name}`)).toMatchObject({ status: 200, body: { data: { id: "forest/leaf" } } });
  expect(await ask("GET", `/models/${name}/endpoints`)).toMatchObject({
    status: 200,
    body: { data: { id: "forest/leaf" } },
  });
});

test.each(["/model/forest/laef", "/models/forest/laef/endpoints", "/model/forest/leaf:quick"])(
  "%s is not found, and the nearest model is named",
  async (path) => {
    const answer = await ask("GET", path);
    expect(answer).toMatchObject({ status: 404, body: { error: { metadata: { error_type: "not_found" } } } });
    expect(JSON.stringify(answer.body)).toContain("Did you mean forest/leaf");
  },
);

test("an endpoint without a price is not listed", async () => {
  expect(endpointsOf(await ask("GET", "/models/grove/bark/endpoints")).map(({ tag }) => tag)).toEqual(["fir"]);
});

describe("live figures", () => {
  beforeAll(() => {
    vi.useFakeTimers({ toFake: ["Date"] });
  });
  afterAll(() => {
    vi.useRealTimers();
  });
  /** Longer than figures are kept. */
  const wait = () => vi.setSystemTime(Date.now() + RECENT_MS);

  const success = (ttftMs: number): Outcome => ({
    kind: "success",
    bucket: null,
    ttftMs,
    tokens: 100,
    durationMs: 1_000,
  });
  const failure: Outcome = { kind: "failure", scope: "endpoint", status: 500, retryAfterMs: null };
  const report = async (region: string, model: string, outcomes: readonly Outcome[]) => {
    await providerGateOf("oak", region).sync({
      reporter: "test",
      outcomes: outcomes.map((outcome) => ({ model, tag: "oak", outcome })),
      wants: [],
      probes: [],
    });
  };

  test("uptime is for everybody, latency and throughput for callers with a usable key", async () => {
    await report("fra", "forest/root", [success(100), success(120), success(110), failure]);
    await providerGateOf("oak", "fra").configure({ isDisabled: false, credentialSealed: "sealed" });
    const anonymous = await ask("GET", "/models/forest/root/endpoints");
    expect(endpointsOf(anonymous)).toMatchObject([
      {
        tag: "oak",
        status: 0,
        uptime_last_5m: 75,
        uptime_last_30m: 75,
        uptime_last_1d: 75,
        latency_last_30m: null,
        throughput_last_30m: null,
      },
    ]);
    const { key, keyHash, gate } = await newTenant();
    const known = endpointsOf(await ask("GET", "/models/forest/root/endpoints", key));
    const percentiles = {
      p50: expect.any(Number),
      p75: expect.any(Number),
      p90: expect.any(Number),
      p99: expect.any(Number),
    };
    expect(
      known.map(({ latency_last_30m: latency, throughput_last_30m: throughput }) => [latency, throughput]),
    ).toEqual([[percentiles, percentiles]]);
    await gate.updateKey(keyHash, { disabled: true });
    wait();
    expect(endpointsOf(await ask("GET", "/models/forest/root/endpoints", key))).toMatchObject([
      { latency_last_30m: null },
    ]);
  });

  test("clients of one region are told what clients there had: the asker's own region, or the one that is named", async () => {
    const { key } = await newTenant();
    const from = (bucket: ClientBucket, ttftMs: number): Outcome => ({ ...success(ttftMs), bucket });
    await report("par", "forest/root", [from("weur", 100), from("weur", 100), from("apac", 4_000)]);
    await report("par", "forest/root", [{ ...failure, bucket: "apac" }]);
    wait();
    const askFrom = async (query: string, cf: object) => {
      const response = await exports.default.fetch(
        new Request(`https://waypost.test/api/v1/models/forest/root/endpoints${query}`, {
          headers: { Authorization: `Bearer ${key}` },
          ...cf,
        }),
      );
      return (await response.json()) as unknown;
    };
    const seoul = { cf: { latitude: "37.57", longitude: "126.98", country: "KR", continent: "AS", colo: "ICN" } };
    const shown = (region: string, uptime: number, p50: number, digits: number) => ({
      data: {
        endpoints: [
          {
            client_region: {
              region,
              uptime_last_30m: uptime,
              latency_last_30m: { p50: expect.closeTo(p50, digits) },
              throughput_last_30m: { p50: expect.any(Number) },
            },
          },
        ],
      },
    });
    expect(await askFrom("", seoul)).toMatchObject(shown("apac", 50, 4_000, -3));
    expect(await askFrom("?region=weur", seoul)).toMatchObject(shown("weur", 100, 100, -2));
    expect(await askFrom("?region=afr", {})).toMatchObject({
      data: { endpoints: [{ client_region: { region: "afr", uptime_last_30m: null, latency_last_30m: null } }] },
    });
    expect(await askFrom("", {})).toMatchObject({ data: { endpoints: [{ client_region: null }] } });
    expect(await ask("GET", "/models/forest/root/endpoints?region=eu")).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining("region must be one of wnam"), metadata: { path: "region" } } },
    });
  });

  test("an endpoint is degraded while one of its regions is down, down with all, off when switched off", async () => {
    const down = Array.from({ length: 5 }, () => failure);
    const statusNow = async () => {
      wait();
      return endpointsOf(await ask("GET", "/models/forest/root/endpoints"))[0]?.status;
    };
    await report("fra", "forest/root", down);
    expect(await statusNow()).toBe(-1);
    await report("par", "forest/root", down);
    expect(await statusNow()).toBe(-2);
    await providerGateOf("oak", "par").configure({ isDisabled: true, credentialSealed: "sealed" });
    expect(await statusNow()).toBe(-5);
  });

  test("figures are read once for all who ask within seconds", async () => {
    const uptimeNow = async () => {
      const [endpoint] = endpointsOf(await ask("GET", "/models/forest/root/endpoints"));
      return (endpoint as unknown as { uptime_last_1d: number }).uptime_last_1d; // shape checked above
    };
    wait();
    const before = await uptimeNow();
    await report("fra", "forest/root", [failure, failure, failure]);
    expect(await uptimeNow()).toBe(before);
    wait();
    expect(await uptimeNow()).toBeLessThan(before);
  });

  test("an endpoint whose provider has no credential here says so", async () => {
    expect(endpointsOf(await ask("GET", "/models/forest/leaf/endpoints"))).toMatchObject([
      { status: -10 },
      { status: -10 },
    ]);
  });
});

test("the list of zero retention has exactly the endpoints that promise it", async () => {
  const answer = await ask("GET", "/endpoints/zdr");
  const listed = dataOf<{ readonly model_id: string; readonly tag: string }[]>(answer);
  expect(listed.map(({ model_id: model, tag }) => `${model} ${tag}`)).toEqual(["forest/leaf elm", "forest/root oak"]);
});

test("providers are listed with where they are", async () => {
  expect(dataOf<unknown[]>(await ask("GET", "/providers"))).toMatchObject([
    { slug: "elm", name: "ELM", headquarters: "DE", datacenters: ["DE"], privacy_policy_url: null },
    { slug: "fir" },
    { slug: "oak" },
  ]);
});
