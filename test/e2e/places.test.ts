/** The client's place at a real server: a header that only an operator behind a trusted proxy turns on. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { isObject } from "../../src/core/json.ts";
import { startFaultUpstream, type FaultUpstream } from "./fault-upstream.ts";
import { call } from "./fault-world.ts";
import { serve, type Server } from "./serve.ts";

const SEOUL = { latitude: "37.57", longitude: "126.98", country: "KR", continent: "AS", colo: "ICN" };
const FRANKFURT = { latitude: "50.11", longitude: "8.68", country: "DE", continent: "EU", colo: "FRA" };
const REGIONS = [
  { id: "icn", latitude: 37.5, longitude: 127 },
  { id: "fra", latitude: 50.1, longitude: 8.7 },
];

const upstreams: FaultUpstream[] = [];
let trusting: Server;
let wary: Server;

beforeAll(async () => {
  for (const _ of REGIONS) upstreams.push(await startFaultUpstream());
  // Each region has an upstream of its own here, which only the catalog can name.
  const env = { SEA_API_KEY: "sea-credential-of-the-test", WAYPOST_PRIVATE_UPSTREAMS: "1" };
  trusting = await serve({ env: { ...env, TRUST_PLACE_HEADER: "1" } });
  wary = await serve({ env });
  for (const server of [trusting, wary]) {
    expect((await call(server, "PUT", "/admin/catalog", server.operatorKey, catalog())).status).toBe(200);
  }
});
afterAll(async () => {
  await Promise.all([trusting.stop(), wary.stop()]);
  await Promise.all(upstreams.map((upstream) => upstream.close()));
});

function catalog(): unknown {
  return {
    version: 1,
    providers: [
      {
        slug: "sea",
        name: "Sea",
        adapter: "openai-compatible",
        base_url: "https://unused.example/v1",
        regions: REGIONS.map((region, at) => ({
          ...region,
          base_url: upstreams[at]?.baseUrl,
          jurisdiction: null,
          source: "test",
        })),
        data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
        cancellation: { policy: "stops", source: "test" },
      },
    ],
    models: ["ok", "reset"].map((mode) => ({
      id: `sea/${mode}`,
      canonical_slug: `sea/${mode}`,
      name: mode,
      created_s: 1_760_000_000,
      input_modalities: ["text"],
      output_modalities: ["text"],
      endpoints: [
        {
          tag: "sea",
          provider: "sea",
          upstream_model: mode,
          price: { prompt: 1_000_000, completion: 1_000_000 },
          price_source: "test",
          context_length: 32_000,
          max_completion_tokens: 100,
          supported_parameters: ["max_tokens"],
          input_modalities: ["text"],
        },
      ],
    })),
  };
}

/** What the route explanation says: the place that counted, and the region that served. */
async function routed(server: Server, place: unknown): Promise<{ place: unknown; region: unknown }> {
  const response = await fetch(`${server.apiBase}/chat/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${server.key}`,
      "content-type": "application/json",
      "x-openrouter-metadata": "enabled",
      "x-waypost-place": JSON.stringify(place),
      // What workerd's own sockets would believe.
      "mf-cf-blob": JSON.stringify(place),
    },
    body: JSON.stringify({ model: "sea/ok", messages: [{ role: "user", content: "Hello" }] }),
  });
  expect(response.status).toBe(200);
  const body: unknown = await response.json();
  const metadata = isObject(body) && isObject(body["openrouter_metadata"]) ? body["openrouter_metadata"] : {};
  const endpoints = isObject(metadata["endpoints"]) ? metadata["endpoints"] : {};
  const available: readonly unknown[] = Array.isArray(endpoints["available"]) ? endpoints["available"] : [];
  const selected = available.find((one) => isObject(one) && one["selected"] === true);
  return { place: metadata["region"], region: isObject(selected) ? selected["region"] : null };
}

test("with TRUST_PLACE_HEADER=1 the header is the client's place", async () => {
  expect(await routed(trusting, SEOUL)).toEqual({ place: "ICN", region: "icn" });
  expect(await routed(trusting, FRANKFURT)).toEqual({ place: "FRA", region: "fra" });
});

test("without it no header tells the place", async () => {
  const regions = [await routed(wary, SEOUL), await routed(wary, FRANKFURT)];
  expect(regions.map(({ place }) => place)).toEqual([null, null]);
  expect(regions[0]?.region).toBe(regions[1]?.region);
});

test.each([{}, { latitude: "91", longitude: "0" }, { latitude: "", longitude: "" }, { latitude: [1], longitude: 1 }])(
  "a header that is no place (%j) is no place, and no error",
  async (place) => {
    expect((await routed(trusting, place)).place).toBe(null);
  },
);
