/** From a router's name to models: what is read, what is asked again, what an isolate hears of providers on the way. */
import { expect, test } from "vitest";
import { menuOf } from "../../../src/catalog/menu.ts";
import type { ModelEntry } from "../../../src/catalog/schema.ts";
import { publish } from "../../../src/catalog/publish.ts";
import { resolveModel } from "../../../src/catalog/resolve.ts";
import { createCatalogReader } from "../../../src/catalog/store.ts";
import { asAccountId, asKeyHash, asRequestId, type ProviderId } from "../../../src/core/ids.ts";
import { ok } from "../../../src/core/result.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { healthSnapshot, NEW_HEALTH } from "../../../src/limits/health.ts";
import { CHOSEN_MAX } from "../../../src/router/choose.ts";
import type { RouterPorts } from "../../../src/router/ports.ts";
import { routeOf } from "../../../src/router/route.ts";
import { createMemoryStore } from "../catalog/memory-store.ts";
import { sampleCatalog } from "../catalog/sample.ts";
import { portsOf } from "./spine.ts";
import { entryOf, NOW } from "./world.ts";

function portsWith(entries: readonly ModelEntry[], more: Partial<RouterPorts["providers"]> = {}): RouterPorts {
  const ports = portsOf([]);
  return {
    ...ports,
    menu: async () => ok(menuOf(entries)),
    resolve: async (id) => {
      const entry = entries.find(({ model }) => model.id === id);
      if (entry === undefined) throw new Error(`nobody chose ${id}`);
      return ok({ entry, version: "v1", thinking: false, isFree: id.endsWith(":free"), warnings: [] });
    },
    providers: { ...ports.providers, ...more },
  };
}

async function route(ports: RouterPorts, body: Record<string, unknown> = {}) {
  const parsed = openAiChat.parse({ model: "waypost/auto", messages: [{ role: "user", content: "Hi" }], ...body });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return await routeOf(
    {
      parsed: parsed.value,
      attachments: null,
      account: asAccountId("gl10000000000abc"),
      home: "gl",
      requestId: asRequestId("req-1"),
      place: null,
      keyHash: asKeyHash("a".repeat(64)),
      byok: { token: "", feeBps: 0, credentials: [] },
    },
    ports,
  );
}

const many = (count: number, wish: (at: number) => Record<string, unknown> = () => ({})) =>
  Array.from({ length: count }, (_, at) => entryOf(`m/${at}`, [{ tag: "a", prompt: 1_000_000, endpoint: wish(at) }]));

test("the models chosen are the plan's, in their order, with the reason beside them", async () => {
  const made = await route(portsWith(many(20)));
  expect(made.ok && made.value.choice).toMatchObject({
    router: { name: "waypost/auto" },
    band: { name: "low" },
    ableCount: 20,
  });
  if (!made.ok) return;
  const ids = made.value.choice?.models;
  expect(ids).toHaveLength(CHOSEN_MAX);
  expect(made.value.plan.candidates.map(({ model }) => model.id)).toEqual(ids);
  expect(made.value.modelIds).toEqual(ids);
  expect(await route(portsWith(many(20)))).toEqual(made);
});

test("where no endpoint of what was chosen can serve, others are chosen; three times at most", async () => {
  // The menu says that some endpoint has the room and some endpoint has the sight; only two models have both in one.
  const split = (at: number) =>
    entryOf(`m/${at}`, [
      { tag: "a", prompt: 1_000_000 + at, endpoint: { context_length: 200_000 } },
      { tag: "b", prompt: 1_000_000 + at, endpoint: { context_length: 50, input_modalities: ["text", "image"] } },
    ]);
  const whole = entryOf("z/whole", [
    { tag: "a", prompt: 9_000_000, endpoint: { input_modalities: ["text", "image"] } },
  ]);
  const image = { type: "image_url", image_url: { url: "https://example.com/a.png" } };
  const body = {
    messages: [{ role: "user", content: [image] }],
    plugins: [{ id: "auto-router", cost_quality_tradeoff: 0 }],
  };
  const some = await route(portsWith([...Array.from({ length: 6 }, (_, at) => split(at)), whole]), body);
  expect(some.ok && some.value.plan.candidates.map(({ model }) => model.id)).toEqual(["z/whole"]);
  const none = await route(portsWith(Array.from({ length: 20 }, (_, at) => split(at))), body);
  // What was left out is told, not that nothing was left to choose.
  expect(none.ok && none.value.plan.candidates).toEqual([]);
  expect(none.ok && none.value.plan.exclusions.length).toBeGreaterThan(0);
});

test("a credential that only the gate knows is heard of, once there is no other", async () => {
  const known = new Set<string>();
  const asked: string[] = [];
  const ports = portsWith(many(5), {
    withCredential: (slugs) => new Set<ProviderId>(slugs.filter((slug) => known.has(slug))),
    warm: (places) => {
      for (const { provider, region } of places) {
        known.add(provider);
        asked.push(`${provider} ${region}`);
      }
      return null;
    },
  });
  const made = await route(ports);
  expect(made.ok && made.value.plan.candidates.length).toBeGreaterThan(0);
  expect(asked[0]).toBe("a virginia");
  const off = await route(
    portsWith(many(5), { switchedOff: () => new Set(many(1)[0]?.providers.map(({ slug }) => slug)) }),
  );
  expect(off).toMatchObject({
    ok: false,
    error: { kind: "no_endpoints", why: expect.stringContaining("5 without a provider to call") },
  });
});

test("a model that is measured to fail goes behind those that do well, whatever the draw says", async () => {
  const anyPrice = { plugins: [{ id: "auto-router", cost_quality_tradeoff: 0 }] };
  const before = await route(portsWith(many(20)), anyPrice);
  const chosen = before.ok ? (before.value.choice?.models ?? []) : [];
  expect(chosen).toHaveLength(CHOSEN_MAX);
  const health = healthSnapshot(NEW_HEALTH, NOW);
  const after = await route(
    portsWith(many(20), {
      health: (_provider, _region, _tag, model) =>
        model === chosen[0] ? { ...health, uptime30m: 0.5, requestCount30m: 1_000 } : health,
    }),
    anyPrice,
  );
  const ids = after.ok ? after.value.plan.candidates.map(({ model }) => model.id) : [];
  expect(ids).toEqual([...chosen.slice(1), chosen[0]]);
});

test("a model that is proven poor at tool calls goes behind, for requests with tools alone", async () => {
  const tools = [{ type: "function", function: { name: "look" } }];
  const anyPrice = { plugins: [{ id: "auto-router", cost_quality_tradeoff: 0 }] };
  const before = await route(portsWith(many(20)), { ...anyPrice, tools });
  const chosen = before.ok ? (before.value.choice?.models ?? []) : [];
  expect(chosen).toHaveLength(CHOSEN_MAX);
  const health = healthSnapshot(NEW_HEALTH, NOW);
  const ports = portsWith(many(20), {
    health: (_provider, _region, _tag, model) =>
      model === chosen[0] ? { ...health, toolCalls: { good: 2, bad: 30 } } : health,
  });
  const idsOf = async (body: Record<string, unknown>) => {
    const made = await route(ports, body);
    return made.ok ? made.value.plan.candidates.map(({ model }) => model.id) : [];
  };
  expect(await idsOf({ ...anyPrice, tools })).toEqual([...chosen.slice(1), chosen[0]]);
  const plain = await route(portsWith(many(20)), anyPrice);
  expect(await idsOf(anyPrice)).toEqual(plain.ok ? plain.value.choice?.models : []);
});

test("a cold isolate reads the index, the menu and one value per model chosen", async () => {
  const store = createMemoryStore();
  await publish(sampleCatalog(), store, 1);
  store.reads.length = 0;
  const reader = createCatalogReader(store, () => NOW);
  const waitUntil = (): void => undefined;
  const ports = {
    ...portsOf([]),
    menu: () => reader.menu(waitUntil),
    resolve: (name: string) => resolveModel(reader, name, waitUntil),
  };
  const made = await route(ports, { plugins: [{ id: "auto-router", cost_quality_tradeoff: 0 }] });
  const chosen = made.ok ? (made.value.choice?.models.length ?? 0) : 0;
  expect(chosen).toBeGreaterThan(0);
  expect(store.reads).toHaveLength(2 + chosen);
});

test("no model on the menu is an error that says why", async () => {
  const made = await route(portsWith(many(3)), { model: "waypost/free" });
  expect(made).toMatchObject({
    ok: false,
    error: {
      kind: "no_endpoints",
      models: ["waypost/free"],
      why: "No models match your request and model restrictions (left out: 3 not free).",
    },
  });
});
