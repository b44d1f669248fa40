/** A conversation that names itself meets the same endpoint, whatever it says: for the provider's prompt cache. */
import { env, exports } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { ask, newTenant, type Tenant } from "./fixture.ts";
import { USD } from "./account-setup.ts";

const PROVIDERS = ["north", "south"];
/** So many conversations by chance at one of two endpoints: once in 32,768. */
const CONVERSATIONS = 16;
/** Without a name: until both were met. The one that happened to be slow at its first answer is drawn seldom. */
const CONVERSATIONS_MAX = 1_000;

let tenant: Tenant;
let called: string[] = [];

beforeAll(async () => {
  const published = await ask("PUT", "/admin/catalog", env.OPERATOR_KEY, {
    version: 1,
    providers: PROVIDERS.map((slug) => ({
      slug,
      name: slug,
      adapter: "openai-compatible",
      base_url: `https://${slug}.test/v1`,
      regions: [{ id: "here", latitude: null, longitude: null, jurisdiction: null, source: "test" }],
      data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
      cancellation: { policy: "stops", source: "test" },
    })),
    models: [
      {
        id: "sea/m",
        canonical_slug: "sea/m",
        name: "M",
        created_s: 1_790_000_000,
        input_modalities: ["text"],
        output_modalities: ["text"],
        endpoints: PROVIDERS.map((provider) => ({
          tag: provider,
          provider,
          upstream_model: "m",
          price: { prompt: 1_000, completion: 1_000, input_cache_read: 100 },
          price_source: "test",
          context_length: 32_000,
          max_completion_tokens: 100,
          supported_parameters: ["max_tokens"],
          input_modalities: ["text"],
        })),
      },
    ],
  });
  expect(published.status).toBe(200);
  for (const slug of PROVIDERS) {
    const credential = { credential: `${slug}-credential-of-the-test` };
    expect((await ask("PATCH", `/admin/providers/${slug}`, env.OPERATOR_KEY, credential)).status).toBe(200);
  }
  tenant = await newTenant(USD);
});

beforeEach(() => {
  called = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
    called.push(new URL(String(input)).hostname);
    return Response.json({
      id: "up-1",
      choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 1, completion_tokens: 1 },
    });
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function say(text: string, headers: Record<string, string>, body: object): Promise<void> {
  const response = await exports.default.fetch(
    new Request("https://waypost.test/api/v1/chat/completions", {
      method: "POST",
      headers: { Authorization: `Bearer ${tenant.key}`, "Content-Type": "application/json", ...headers },
      body: JSON.stringify({ model: "sea/m", messages: [{ role: "user", content: text }], ...body }),
    }),
  );
  expect(response.status).toBe(200);
  await response.text();
}

test.each([
  { name: "by session_id", headers: {}, body: { session_id: "one" } },
  { name: "by the header", headers: { "X-Session-Id": "two" }, body: {} },
  { name: "by prompt_cache_key", headers: {}, body: { prompt_cache_key: "three" } },
])("a conversation that names itself $name meets one endpoint", async ({ headers, body }) => {
  for (let at = 0; at < CONVERSATIONS; at++) await say(`Conversation ${at}`, headers, body);
  expect(new Set(called).size).toBe(1);
});

test("conversations that do not name themselves meet both endpoints", async () => {
  for (let at = 0; at < CONVERSATIONS_MAX && new Set(called).size < 2; at++) await say(`Conversation ${at}`, {}, {});
  expect(new Set(called).size).toBe(2);
}, 120_000);
