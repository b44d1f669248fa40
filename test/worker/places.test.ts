/** Two clients at different places reach different regions of one model, each its nearest one that is well. */
import { env, exports } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { ask, newTenant, type Tenant } from "./fixture.ts";
import { USD } from "./account-setup.ts";

const SEOUL = { latitude: "37.57", longitude: "126.98", country: "KR", continent: "AS", colo: "ICN" };
const FRANKFURT = { latitude: "50.11", longitude: "8.68", country: "DE", continent: "EU", colo: "FRA" };
const REGIONS = [
  { id: "icn", latitude: 37.5, longitude: 127, jurisdiction: null },
  { id: "fra", latitude: 50.1, longitude: 8.7, jurisdiction: "eu" },
];
const MODELS = ["well", "icn-refused", "icn-limited", "fra-broken", "pinned"];

let tenant: Tenant;
/** Hosts that were called, in order, and those that fail. */
let called: string[] = [];
let down: Readonly<Record<string, () => Response>> = {};

beforeAll(async () => {
  const published = await ask("PUT", "/admin/catalog", env.OPERATOR_KEY, {
    version: 1,
    providers: [
      {
        slug: "sea",
        name: "Sea",
        adapter: "openai-compatible",
        base_url: "https://anywhere.sea.test/v1",
        regions: REGIONS.map((region) => ({ ...region, base_url: `https://${region.id}.sea.test/v1`, source: "test" })),
        data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
        cancellation: { policy: "stops", source: "test" },
      },
    ],
    models: MODELS.map((name) => ({
      id: `sea/${name}`,
      canonical_slug: `sea/${name}`,
      name,
      created_s: 1_790_000_000,
      input_modalities: ["text"],
      output_modalities: ["text"],
      endpoints: [
        {
          tag: "sea",
          provider: "sea",
          upstream_model: name,
          price: { prompt: 1_000_000, completion: 1_000_000 },
          price_source: "test",
          context_length: 32_000,
          max_completion_tokens: 100,
          supported_parameters: ["max_tokens"],
          input_modalities: ["text"],
        },
      ],
    })),
  });
  expect(published.status).toBe(200);
  const credential = { credential: "sea-credential-of-the-test" };
  expect((await ask("PATCH", "/admin/providers/sea", env.OPERATOR_KEY, credential)).status).toBe(200);
  tenant = await newTenant(USD);
});

beforeEach(() => {
  called = [];
  down = {};
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
    const region = new URL(String(input)).hostname.split(".")[0] ?? "";
    called.push(region);
    const fault = down[region];
    if (fault !== undefined) return fault();
    const message = { role: "assistant", content: `Hello from ${region}` };
    return Response.json({
      id: "up-1",
      choices: [{ index: 0, message, finish_reason: "stop" }],
      usage: { prompt_tokens: 3, completion_tokens: 3 },
    });
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function hello(model: string, cf: Readonly<Record<string, string>> | null, provider = {}): Promise<unknown> {
  const response = await exports.default.fetch(
    new Request("https://waypost.test/api/v1/chat/completions", {
      method: "POST",
      headers: {
        Authorization: `Bearer ${tenant.key}`,
        "Content-Type": "application/json",
        "X-OpenRouter-Metadata": "enabled",
      },
      body: JSON.stringify({ model: `sea/${model}`, provider, messages: [{ role: "user", content: "Hello" }] }),
      ...(cf === null ? {} : { cf }),
    }),
  );
  return await response.json();
}

const served = (region: string, colo: string | null) => ({
  choices: [{ message: { content: `Hello from ${region}` } }],
  openrouter_metadata: { region: colo },
});

test("Seoul and Frankfurt reach the region next to them", async () => {
  expect(await hello("well", SEOUL)).toMatchObject(served("icn", "ICN"));
  expect(await hello("well", FRANKFURT)).toMatchObject(served("fra", "FRA"));
  expect(called).toEqual(["icn", "fra"]);
});

test("a client without a place is served all the same", async () => {
  const body = await hello("well", null);
  expect(body).toMatchObject({ openrouter_metadata: { region: null } });
  expect(called).toHaveLength(1);
});

test.each([
  {
    name: "refuses connections",
    model: "icn-refused",
    from: SEOUL,
    own: "icn",
    other: "fra",
    fault: () => {
      throw new TypeError("connection refused");
    },
  },
  {
    name: "is at its limit",
    model: "icn-limited",
    from: SEOUL,
    own: "icn",
    other: "fra",
    fault: () => new Response("{}", { status: 429, headers: { "Retry-After": "60" } }),
  },
  {
    name: "is broken",
    model: "fra-broken",
    from: FRANKFURT,
    own: "fra",
    other: "icn",
    fault: () => new Response("{}", { status: 500 }),
  },
])("when the own region $name, the other one answers, and is asked first from then on", async (given) => {
  const { model, from, own, other, fault } = given;
  down = { [own]: fault };
  expect(await hello(model, from)).toMatchObject(served(other, from.colo));
  expect(called).toEqual([own, other]);
  called = [];
  expect(await hello(model, from)).toMatchObject(served(other, from.colo));
  expect(called).toEqual([other]);
});

test("a client whose region is pinned gets an error rather than another region", async () => {
  down = { fra: () => new Response("{}", { status: 500 }) };
  expect(await hello("pinned", SEOUL, { region: "eu" })).toMatchObject({ error: { code: 502 } });
  expect(called).toEqual(["fra"]);
});
