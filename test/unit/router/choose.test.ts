/** Which models a router chooses: bands of price, quality, capability, the client's lists; always the same for one seed. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { menuOf, type MenuRow } from "../../../src/catalog/menu.ts";
import type { AutoWishes } from "../../../src/dialects/plugins.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { inputModalities, requestedParameters } from "../../../src/core/chat.ts";
import { bandOf, chooseModels, CHOSEN_MAX, qualityOf, type ChooseInput } from "../../../src/router/choose.ts";
import { classify, TRAITS } from "../../../src/router/classify.ts";
import { matches, menuRefusal, type MenuRules } from "../../../src/router/menu-filter.ts";
import { entryOf, NOW, wishesOf } from "./world.ts";

/** Twenty models at rising prices: `m/00` costs $0.10 per million tokens, `m/19` $2.00. */
const MENU = menuOf(
  Array.from({ length: 20 }, (_, at) =>
    entryOf(`m/${String(at).padStart(2, "0")}`, [{ tag: "a", prompt: (at + 1) * 100_000 }]),
  ),
);
const first = MENU[0] as MenuRow; // twenty of them
const GIFTS = menuOf(["x", "y", "z"].map((name) => entryOf(`gift/${name}:free`, [{ tag: "a", prompt: 0 }])));

const NO_WISHES: AutoWishes = { allowed: null, excluded: [], costTier: null, costTradeoff: null };

function inputFor(body: Record<string, unknown> = {}, more: Partial<MenuRules> = {}): Omit<ChooseInput, "menu"> {
  const parsed = openAiChat.parse({ model: "waypost/auto", messages: [{ role: "user", content: "Hi" }], ...body });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  const { request } = parsed.value;
  const facts = {
    parameters: requestedParameters(request),
    modalities: inputModalities(request.messages),
    outputModalities: request.modalities ?? null,
    promptTokensEstimate: 10,
    maxOutputTokens: request.maxOutputTokens ?? null,
  };
  return {
    kind: "auto",
    classified: classify(request, 10),
    isReachable: () => true,
    seed: "seed",
    rules: {
      request,
      facts,
      preferences: wishesOf(parsed.value.provider ?? {}),
      wishes: parsed.value.auto,
      allowedModels: null,
      allowedProviders: null,
      accountHome: "gl",
      isFree: false,
      tried: new Set(),
      nowMs: NOW,
      ...more,
    },
  };
}

test("a model is chosen for hardware only where an endpoint of it is known to have it", () => {
  const on = (hardware: string) => ({ endpoint: { hardware, hardware_source: "test" } });
  const menu = menuOf([
    entryOf("m/none", [{ tag: "a" }]),
    entryOf("m/some", [{ tag: "a" }, { tag: "b", ...on("h100-sxm") }]),
    entryOf("m/other", [{ tag: "a", ...on("lpu") }]),
  ]);
  const { rules } = inputFor({ provider: { hardware: ["h100"] } });
  expect(Object.fromEntries(menu.map((row) => [row.id, menuRefusal(row, rules)]))).toEqual({
    "m/none": "not on provider.hardware",
    "m/some": null,
    "m/other": "not on provider.hardware",
  });
});

test.each([
  { name: "small talk", body: {}, band: "low", from: 0, to: 4 },
  {
    name: "code",
    body: { messages: [{ role: "user", content: "Debug my python code" }] },
    band: "medium",
    from: 4,
    to: 8,
  },
  { name: "thorough thought", body: { reasoning: { effort: "high" } }, band: "medium", from: 4, to: 8 },
  { name: "a tier of the client's", body: tier({ cost_tier: "max" }), band: "max", from: 16, to: 20 },
  { name: "the very cheapest", body: tier({ cost_quality_tradeoff: 10 }), band: "tradeoff", from: 0, to: 2 },
  { name: "all but the dearest", body: tier({ cost_quality_tradeoff: 0 }), band: "tradeoff", from: 0, to: 18 },
])("$name is served from the band $band", ({ body, band, from, to }) => {
  const menu = MENU.map((row) => ({ ...row, parameters: [...row.parameters, "reasoning"] }));
  const chosen = chooseModels({ ...inputFor(body), menu });
  expect(chosen.band?.name).toBe(band);
  expect(chosen.ableCount).toBe(20);
  expect(chosen.models.length).toBe(Math.min(CHOSEN_MAX, to - from));
  const inBand = MENU.slice(from, to).map(({ id }) => id);
  for (const id of chosen.models) expect(inBand).toContain(id);
});

function tier(wishes: Record<string, unknown>) {
  return { plugins: [{ id: "auto-router", ...wishes }] };
}

const row = (more: Partial<MenuRow>): MenuRow => ({ ...first, ...more });

test.each([
  {
    name: "an image",
    body: {
      messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "https://example.com/a.png" } }] }],
    },
    row: {},
    why: "takes no image input",
  },
  {
    name: "tools",
    body: { tools: [{ type: "function", function: { name: "f" } }] },
    row: { parameters: [] },
    why: "takes no tools",
  },
  {
    name: "a schema",
    body: { response_format: { type: "json_schema", json_schema: { name: "a", schema: {} } } },
    row: { parameters: ["tools"] },
    why: "takes no structured_outputs",
  },
  { name: "reasoning", body: { reasoning: { effort: "low" } }, row: {}, why: "does not reason" },
  {
    name: "no reasoning",
    body: { reasoning: { enabled: false } },
    row: { isReasoningMandatory: true },
    why: "cannot do without reasoning",
  },
  { name: "a painter", body: {}, row: { outputs: ["text", "image"] }, why: "answers with more than text" },
  { name: "pictures", body: { modalities: ["text", "image"] }, row: {}, why: "gives no image output" },
  { name: "a long answer", body: { max_tokens: 9_000 }, row: {}, why: "answers too short" },
  { name: "a short context", body: {}, row: { contextLength: 10 }, why: "context too short" },
  { name: "an end", body: {}, row: { expirationDate: "2020-01-01" }, why: "switched off" },
  { name: "max_price", body: { provider: { max_price: { prompt: 0.01 } } }, row: {}, why: "above max_price" },
  {
    name: "max_price of answers",
    body: { provider: { max_price: { completion: 0.01 } } },
    row: {},
    why: "above max_price",
  },
  { name: "zdr", body: { provider: { zdr: true } }, row: { zdr: false }, why: "no zero data retention" },
  {
    name: "no collection",
    body: { provider: { data_collection: "deny" } },
    row: { keepsNothing: false },
    why: "may keep prompts",
  },
  {
    name: "distillation",
    body: { provider: { enforce_distillable_text: true } },
    row: {},
    why: "not for distillation",
  },
  { name: "a region", body: { provider: { region: "eu" } }, row: { regions: ["us"] as const }, why: "not in eu" },
  { name: "a home", body: {}, rules: { accountHome: "eu" as const }, row: { regions: [] }, why: "not in eu" },
  { name: "only", body: { provider: { only: ["b"] } }, row: {}, why: "not in provider.only" },
  { name: "ignore", body: { provider: { ignore: ["a"] } }, row: {}, why: "in provider.ignore" },
  {
    name: "an order without fallbacks",
    body: { provider: { order: ["b"], allow_fallbacks: false } },
    row: {},
    why: "not in provider.order",
  },
  { name: "the key's models", body: {}, rules: { allowedModels: ["other/*"] }, row: {}, why: "not for this API key" },
  { name: "the key's providers", body: {}, rules: { allowedProviders: ["b"] }, row: {}, why: "not for this API key" },
  { name: "allowed_models", body: tier({ allowed_models: ["other/*"] }), row: {}, why: "not in allowed_models" },
  { name: "excluded_models", body: tier({ excluded_models: ["m/*"] }), row: {}, why: "in excluded_models" },
  { name: "what was tried", body: {}, rules: { tried: new Set(["m/00"]) }, row: {}, why: "no endpoint can serve" },
])("$name leaves a model out", ({ body, row: more, why, ...rest }) => {
  const { rules } = inputFor(body, "rules" in rest ? rest.rules : {});
  expect(menuRefusal(row(more), rules)).toBe(why);
  const chosen = chooseModels({ ...inputFor(body, "rules" in rest ? rest.rules : {}), menu: [row(more)] });
  expect(chosen).toMatchObject({ models: [], ableCount: 0, refusals: new Map([[why, 1]]) });
});

test("free models are drawn evenly, only from those that are free, and no others for auto", () => {
  const menu = [...GIFTS, ...MENU];
  const counts = new Map<string, number>();
  for (let at = 0; at < 3_000; at++) {
    const input = inputFor({}, { isFree: true });
    const { models, band } = chooseModels({ ...input, kind: "free", menu, seed: `request ${at}` });
    expect(band).toBeNull();
    expect(models).toHaveLength(3);
    counts.set(models[0] ?? "", (counts.get(models[0] ?? "") ?? 0) + 1);
  }
  expect([...counts.keys()].toSorted()).toEqual(GIFTS.map(({ id }) => id as string).toSorted());
  for (const count of counts.values()) expect(count).toBeGreaterThan(850);
  const auto = chooseModels({ ...inputFor(), menu });
  expect(auto.models.some((id) => id.endsWith(":free"))).toBe(false);
});

test("what is measured to be better goes first most of the time, by the results of the task's own area", () => {
  const rated = (id: string, coding: number, intelligence: number): MenuRow =>
    row({ id: id as MenuRow["id"], scores: { coding, intelligence, agentic: null } });
  const menu = [rated("m/coder", 60, 30), rated("m/sage", 30, 60)];
  const leads = (body: Record<string, unknown>): number => {
    let count = 0;
    for (let at = 0; at < 1_000; at++) {
      const wishes = { ...NO_WISHES, costTradeoff: 0 };
      if (chooseModels({ ...inputFor(body, { wishes }), menu, seed: `s${at}` }).models[0] === "m/coder") count++;
    }
    return count;
  };
  expect(leads({ messages: [{ role: "user", content: "Debug my python code" }] })).toBeGreaterThan(900);
  expect(leads({ messages: [{ role: "user", content: "Prove that e is irrational" }] })).toBeLessThan(100);
});

test("without measurements, what was made for the task and what is new count more", () => {
  const old = row({ createdS: 0 });
  const fresh = row({ createdS: 1_780_000_000 });
  const coder = row({ createdS: 0, categories: ["programming"] });
  const quality = (one: MenuRow): number => qualityOf(one, TRAITS.code, 1_800_000_000);
  expect(quality(fresh)).toBeGreaterThan(quality(old));
  expect(quality(coder)).toBeGreaterThan(quality(fresh));
  expect(qualityOf(coder, TRAITS.legal, 1_800_000_000)).toBeLessThan(qualityOf(old, TRAITS.legal, 1_800_000_000));
});

test("a band is named by the client before any rule", () => {
  const { classified } = inputFor({ messages: [{ role: "user", content: "Debug my python code" }] });
  expect(bandOf(classified, { ...NO_WISHES, costTier: "low", costTradeoff: 0 }, "high").name).toBe("low");
});

test("any seed, menu and lists: few models, all able, none twice, the same again, and no other order when one goes", () => {
  const lists = fc.record({
    seed: fc.string(),
    size: fc.integer({ min: 1, max: 20 }),
    excluded: fc.uniqueArray(fc.integer({ min: 0, max: 19 }), { maxLength: 19 }),
    isFree: fc.boolean(),
  });
  fc.assert(
    fc.property(lists, ({ seed, size, excluded, isFree }) => {
      const names = excluded.map((at) => `m/${String(at).padStart(2, "0")}`);
      const input = inputFor(tier({ excluded_models: names }), { isFree });
      const menu = [...GIFTS, ...MENU.slice(0, size)];
      const ask = { ...input, kind: isFree ? ("free" as const) : ("auto" as const), menu, seed };
      const chosen = chooseModels(ask);
      expect(chooseModels(ask)).toEqual(chosen);
      expect(chosen.models.length).toBeLessThanOrEqual(CHOSEN_MAX);
      expect(new Set(chosen.models).size).toBe(chosen.models.length);
      const able = menu.filter((one) => menuRefusal(one, input.rules) === null).map(({ id }) => id);
      expect(chosen.ableCount).toBe(able.length);
      for (const id of chosen.models) expect(able).toContain(id);
      expect(chosen.models.length === 0).toBe(able.length === 0);
      if (!isFree || chosen.models.length < 2) return;
      const [gone, ...rest] = chosen.models;
      expect(chooseModels({ ...ask, menu: menu.filter(({ id }) => id !== gone) }).models).toEqual(rest);
    }),
    { numRuns: 300 },
  );
});

test.each([
  { pattern: "maker/*", name: "maker/one", want: true },
  { pattern: "*", name: "maker/one", want: true },
  { pattern: "*/one", name: "maker/one", want: true },
  { pattern: "Maker/O*e", name: "maker/one", want: true },
  { pattern: "maker/one", name: "maker/one", want: true },
  { pattern: "maker/on", name: "maker/one", want: false },
  { pattern: "maker/*one*one", name: "maker/one", want: false },
  { pattern: "other/*", name: "maker/one", want: false },
])("$pattern means $name: $want", ({ pattern, name, want }) => {
  expect(matches(pattern, name)).toBe(want);
});
