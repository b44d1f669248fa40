/** How the measured form of answers orders a plan: what it moves, what it never does, and what few samples decide. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonObject } from "../../../src/core/json.ts";
import type { Tally } from "../../../src/limits/counts.ts";
import type { Health } from "../../../src/limits/health.ts";
import { explainRoute } from "../../../src/router/explain.ts";
import type { RequestFacts } from "../../../src/router/filter.ts";
import { plan, type Plan } from "../../../src/router/plan.ts";
import type { SortKey } from "../../../src/router/preferences.ts";
import { BROKEN, entryOf, FACTS, inputOf, tagsOf, wishesOf } from "./world.ts";

const GOOD: Tally = { good: 300, bad: 0 };
const WEAK: Tally = { good: 270, bad: 30 };
const POOR: Tally = { good: 3, bad: 30 };
const FEW: Tally = { good: 0, bad: 15 };
const TOOLS = ["tools"];
const JSON_MODE = ["response_format"];
const entry = entryOf("a/b", [{ tag: "poor" }, { tag: "weak" }, { tag: "new" }, { tag: "good" }]);
const CALLS: Readonly<Record<string, Partial<Health>>> = {
  poor: { toolCalls: POOR },
  weak: { toolCalls: WEAK },
  new: { toolCalls: FEW },
  good: { toolCalls: GOOD },
};

function planFor(
  parameters: RequestFacts["parameters"],
  more: {
    seed?: string;
    provider?: JsonObject;
    sort?: SortKey;
    health?: Readonly<Record<string, Partial<Health>>>;
  } = {},
): Plan {
  const { seed = "req-1", provider = {}, sort, health = CALLS } = more;
  return plan({
    ...inputOf([entry], { facts: { ...FACTS, parameters }, preferences: wishesOf(provider), seed, health }),
    models: [{ entry, sort }],
  });
}
const orderFor = (...given: Parameters<typeof planFor>): readonly string[] => tagsOf(planFor(...given).candidates);
/** Orders of so many seeds, joined. */
const ordersOf = (count: number, ...[parameters, more]: Parameters<typeof planFor>): readonly string[] =>
  Array.from({ length: count }, (_, at) => orderFor(parameters, { ...more, seed: `req-${at}` }).join(" "));

test("exacto orders by what is proven, whatever is asked for, and whatever the seed", () => {
  for (const sort of ["exacto"] as const) {
    expect(new Set(ordersOf(200, TOOLS, { sort }))).toEqual(new Set(["good new weak poor"]));
    expect(new Set(ordersOf(200, [], { sort }))).toEqual(new Set(["good new weak poor"]));
    expect(new Set(ordersOf(50, TOOLS, { provider: { sort } }))).toEqual(new Set(["good new weak poor"]));
  }
});

test("the default order of requests with tools does the same, but for a tenth of the seeds that try what is new", () => {
  const orders = ordersOf(2_000, TOOLS);
  const tried = orders.filter((order) => order.startsWith("new good"));
  expect(new Set(orders)).toEqual(new Set(["good new weak poor", "new good weak poor"]));
  // Half of the tenth that explores: two endpoints of equal weight.
  expect(tried.length).toBeGreaterThan(60);
  expect(tried.length).toBeLessThan(140);
});

test.each<{ name: string; parameters: readonly string[]; provider?: JsonObject; sort?: SortKey }>([
  { name: "a request without tools", parameters: ["temperature"] },
  { name: "sort by price", parameters: TOOLS, provider: { sort: "price" } },
  { name: ":floor", parameters: TOOLS, sort: "price" },
  { name: ":nitro", parameters: TOOLS, sort: "throughput" },
])("$name is ordered as if nothing were known", ({ parameters, provider = {}, sort }) => {
  const more = { provider, ...(sort === undefined ? {} : { sort }) };
  expect(ordersOf(100, parameters, more)).toEqual(ordersOf(100, parameters, { ...more, health: {} }));
  expect(planFor(parameters, more).candidates.some((candidate) => "quality" in candidate)).toBe(false);
});

test("the client's own order stands, and quality orders what it does not name under exacto", () => {
  expect(orderFor(TOOLS, { provider: { order: ["poor", "weak"] } }).slice(0, 2)).toEqual(["poor", "weak"]);
  const both = { order: ["poor"], sort: "exacto" };
  expect(new Set(ordersOf(50, TOOLS, { provider: both }))).toEqual(new Set(["poor good new weak"]));
});

test("structured output has figures of its own, and a request with both takes the worse", () => {
  const health = { ...CALLS, good: { toolCalls: GOOD, structured: POOR }, weak: { toolCalls: WEAK, structured: GOOD } };
  for (const order of ordersOf(100, JSON_MODE, { health })) {
    expect(order.endsWith("good")).toBe(true);
    expect(order).toMatch(/^weak|^(new|poor) (weak|new|poor) /);
  }
  for (const order of ordersOf(100, [...TOOLS, ...JSON_MODE], { health })) {
    expect(order).toMatch(/^new weak (poor good|good poor)$/);
  }
});

test("regions of one endpoint are judged together, and an outage weighs more than any quality", () => {
  const health = { ...CALLS, good: { ...BROKEN, toolCalls: GOOD } };
  expect(orderFor(TOOLS, { health, sort: "exacto" })).toEqual(["new", "weak", "poor", "good"]);
  const spread = entryOf("a/b", [{ tag: "two", regions: ["frankfurt", "tokyo"] }, { tag: "one" }]);
  const half: Partial<Health> = { toolCalls: { good: 0, bad: 12 } };
  const made = plan({
    ...inputOf([spread], {
      facts: { ...FACTS, parameters: TOOLS },
      health: { "two@frankfurt": half, "two@tokyo": half },
    }),
  });
  expect(made.candidates.map(({ endpoint, quality }) => [endpoint.tag, quality])).toEqual([
    ["one", "unproven"],
    ["two", "poor"],
    ["two", "poor"],
  ]);
});

test("exacto says when it has nothing to go by, and only then", () => {
  const warned = [expect.stringMatching(/^exacto: no endpoint has enough tool-call statistics yet/)];
  const few = { one: { toolCalls: FEW } };
  expect(planFor(TOOLS, { sort: "exacto", health: few }).warnings).toEqual(warned);
  expect(planFor([], { provider: { sort: "exacto" }, health: {} }).warnings).toEqual(warned);
  expect(planFor(TOOLS, { sort: "exacto" }).warnings).toEqual([]);
  expect(planFor(TOOLS, { health: {} }).warnings).toEqual([]);
  expect(ordersOf(50, TOOLS, { sort: "exacto", health: few })).toEqual(ordersOf(50, [], {}));
});

test("the explanation shows the tier where the order looked at it, and no figure", () => {
  const route = (parameters: readonly string[]) =>
    JSON.stringify(explainRoute({ plan: planFor(parameters), attempts: [], requested: "a/b", place: null }));
  expect(route(TOOLS)).toContain('"endpoint":"good","region":"virginia","quality":"good"');
  expect(route(TOOLS)).toContain('"quality":"poor"');
  expect(route(TOOLS)).not.toMatch(/300|270/);
  expect(route([])).not.toContain("quality");
});

test("an endpoint's quality moves itself alone: the order of the others stays, and nobody is left out", () => {
  const tally = fc.record({ good: fc.nat(400), bad: fc.nat(400) });
  const tags = ["p0", "p1", "p2", "p3", "p4"];
  const model = entryOf(
    "a/b",
    tags.map((tag, at) => ({ tag, prompt: (at + 1) * 700_000 })),
  );
  fc.assert(
    fc.property(
      fc.array(fc.option(tally, { nil: undefined }), { minLength: 5, maxLength: 5 }),
      tally,
      fc.nat(4),
      fc.constantFrom<JsonObject>({}, { sort: "exacto" }),
      fc.string(),
      (tallies, other, moved, provider, seed) => {
        const orderOf = (given: readonly (Tally | undefined)[]) => {
          const health = Object.fromEntries(
            given.flatMap((toolCalls, at) => (toolCalls === undefined ? [] : [[tags[at] ?? "", { toolCalls }]])),
          );
          const facts = { ...FACTS, parameters: TOOLS };
          return tagsOf(plan(inputOf([model], { facts, preferences: wishesOf(provider), seed, health })).candidates);
        };
        const before = orderOf(tallies);
        const after = orderOf(tallies.with(moved, other));
        const rest = (order: readonly string[]) => order.filter((tag) => tag !== tags[moved]);
        expect(rest(after)).toEqual(rest(before));
        expect(after.toSorted()).toEqual(tags);
      },
    ),
    { numRuns: 300 },
  );
});
