/**
 * What catalog data alone does: an isolate that knows nothing routes a request with two reads of the store, however large
 * the catalog is; and a provider that no code has heard of serves from the moment its rows are published.
 */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { parseCatalog } from "../../src/catalog/parse.ts";
import { publish } from "../../src/catalog/publish.ts";
import { ADAPTERS } from "../../src/providers/registry.ts";
import worker from "../../src/worker.ts";
import { USD } from "./account-setup.ts";
import { newTenant, type Tenant } from "./fixture.ts";

const SOURCE = "test/worker";
const MODELS = 450;

const reads: string[] = [];
const catalog: KVNamespace = new Proxy(env.CATALOG, {
  get(target, name) {
    const member: unknown = Reflect.get(target, name, target);
    if (typeof member !== "function") return member;
    return (...args: readonly unknown[]) => {
      if (name === "get" || name === "getWithMetadata") reads.push(String(args[0]));
      return Reflect.apply(member, target, args) as unknown;
    };
  },
});
// What an operator sets: the credential of each provider, by its slug.
const bindings = { ...env, CATALOG: catalog, KNOWN_API_KEY: "key-of-known", BRAND_NEW_API_KEY: "key-of-brand-new" };

/** The Worker as the runtime calls it; its type asks for a `cf` that the runtime would add. */
const entry = worker as unknown as {
  fetch(request: Request, env: Cloudflare.Env, context: ExecutionContext): Promise<Response>;
};

async function send(path: string, init: RequestInit): Promise<Response> {
  const context = createExecutionContext();
  const response = await entry.fetch(new Request(`https://waypost.test${path}`, init), bindings, context);
  const whole = new Response(await response.text(), response);
  await waitOnExecutionContext(context);
  return whole;
}

const asked: { readonly url: string; readonly authorization: string | null; readonly body: unknown }[] = [];

async function chat(tenant: Tenant, model: string): Promise<Response> {
  return await send("/api/v1/chat/completions", {
    method: "POST",
    headers: { Authorization: `Bearer ${tenant.key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Hi" }], max_tokens: 50 }),
  });
}

function documentWith(slugs: readonly string[]) {
  const provider = (slug: string) => ({
    slug,
    name: slug,
    adapter: "openai-compatible",
    base_url: `https://api.${slug}.test/v1`,
    regions: [{ id: "fra", latitude: 50.11, longitude: 8.68, country: "DE", jurisdiction: "eu", source: SOURCE }],
    data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: SOURCE },
    cancellation: { policy: "stops", source: SOURCE },
    quirks: { max_tokens_field: "max_completion_tokens" },
  });
  const model = (id: string, slug: string) => ({
    id,
    canonical_slug: id,
    name: id,
    created_s: 1_790_000_000,
    input_modalities: ["text"],
    output_modalities: ["text"],
    endpoints: [
      {
        tag: slug,
        provider: slug,
        upstream_model: `${slug}-model`,
        price: { prompt: 1_000_000, completion: 2_000_000 },
        price_source: SOURCE,
        context_length: 32_000,
        max_completion_tokens: 4_000,
        supported_parameters: ["max_tokens"],
        input_modalities: ["text"],
      },
    ],
  });
  return {
    version: 1,
    providers: slugs.map(provider),
    models: [
      ...Array.from({ length: MODELS }, (_, at) => model(`maker/model-${at}`, "known")),
      ...slugs.slice(1).map((slug) => model(`newcomer/${slug}`, slug)),
    ],
  };
}

beforeAll(() => {
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const { authorization } = Object.fromEntries(new Headers(init.headers));
    asked.push({ url, authorization: authorization ?? null, body: JSON.parse(String(init.body)) });
    const usage = { prompt_tokens: 10, completion_tokens: 2 };
    const message = { role: "assistant", content: "Hello" };
    return Response.json({ id: "up-1", choices: [{ index: 0, message, finish_reason: "stop" }], usage });
  });
});
afterAll(() => {
  vi.unstubAllGlobals();
});

// The first test of the file: nothing of this isolate has read the catalog before.
test(`a cold isolate reads two values to route one of ${MODELS} models, a warm one none`, async () => {
  const parsed = parseCatalog(documentWith(["known"]), ADAPTERS);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  await publish(parsed.value, env.CATALOG, Date.now());
  const tenant = await newTenant(100n * USD);
  expect((await chat(tenant, "maker/model-123")).status).toBe(200);
  expect(reads).toEqual(["index", expect.stringMatching(/^model:[0-9a-f]{32}$/)]);
  expect((await chat(tenant, "maker/model-123")).status).toBe(200);
  expect(reads).toHaveLength(2);
});

test("a provider that no code knows serves once its rows are published", async () => {
  const put = await send("/api/v1/admin/catalog", {
    method: "PUT",
    headers: { Authorization: `Bearer ${env.OPERATOR_KEY}`, "Content-Type": "application/json" },
    body: JSON.stringify(documentWith(["known", "brand-new"])),
  });
  expect(put.status).toBe(200);
  const answer = await chat(await newTenant(100n * USD), "newcomer/brand-new");
  expect(answer.status).toBe(200);
  // 10 tokens at $1 and 2 at $2 a million.
  expect(await answer.json()).toMatchObject({
    model: "newcomer/brand-new",
    provider: "brand-new",
    choices: [{ message: { content: "Hello" } }],
    usage: { cost: 0.000014 },
  });
  expect(asked.at(-1)).toEqual({
    url: "https://api.brand-new.test/v1/chat/completions",
    authorization: "Bearer key-of-brand-new",
    body: expect.objectContaining({ model: "brand-new-model", max_completion_tokens: 50 }) as unknown,
  });
});
