import { expect, test } from "vitest";
import type { JsonObject } from "../../../src/core/json.ts";
import type { Health } from "../../../src/limits/health.ts";
import { CANDIDATES_MAX, plan, type PlanInput } from "../../../src/router/plan.ts";
import {
  BROKEN,
  entryOf,
  FAILED_LATELY,
  FRANKFURT,
  inputOf,
  namesOf,
  NOW,
  SEOUL,
  tagsOf,
  wishesOf,
  type EndpointWish,
} from "./world.ts";

const figures = (value: number) => ({ p50: value, p75: value, p90: value, p99: value, sampleCount: 10 });
const DEGRADED: Partial<Health> = { uptime30m: 0.9, requestCount30m: 500 };
const DOWN: Partial<Health> = { uptime30m: 0.5, requestCount30m: 500 };

interface Case {
  readonly name: string;
  readonly wishes: readonly EndpointWish[];
  readonly provider?: JsonObject;
  readonly health?: Readonly<Record<string, Partial<Health>>>;
  readonly more?: Partial<Omit<PlanInput, "health">>;
  readonly want: readonly string[];
}
const planOf = ({ wishes, provider, health, more }: Omit<Case, "name" | "want">) =>
  plan(
    inputOf([entryOf("a/b", wishes)], {
      preferences: wishesOf(provider ?? {}),
      ...more,
      ...(health === undefined ? {} : { health }),
    }),
  );

/** Dear enough that the draw never puts it before a cheap one in these tests. */
const DEAR = 1_000_000_000;
const THREE = [
  { tag: "cheap", prompt: 1_000_000 },
  { tag: "mid", prompt: 3_000_000 },
  { tag: "dear", prompt: 9_000_000 },
];

test.each<Case>([
  {
    name: "the nearest region is the first choice, the others follow",
    wishes: [{ tag: "one", regions: ["virginia", "tokyo", "frankfurt"] }],
    more: { place: FRANKFURT },
    want: ["one@frankfurt", "one@virginia", "one@tokyo"],
  },
  {
    name: "another client, another nearest region",
    wishes: [{ tag: "one", regions: ["virginia", "tokyo", "frankfurt"] }],
    more: { place: SEOUL },
    want: ["one@tokyo", "one@frankfurt", "one@virginia"],
  },
  {
    name: "a region without coordinates counts as far",
    wishes: [{ tag: "one", regions: ["nowhere", "virginia"] }],
    more: { place: SEOUL },
    want: ["one@virginia", "one@nowhere"],
  },
  {
    name: "the nearest region that is not failing is the first choice",
    wishes: [{ tag: "one", regions: ["frankfurt", "virginia"] }],
    more: { place: FRANKFURT },
    health: { "one@frankfurt": FAILED_LATELY },
    want: ["one@virginia", "one@frankfurt"],
  },
  {
    name: "what was measured beats distance",
    wishes: [{ tag: "one", regions: ["frankfurt", "virginia"] }],
    more: { place: FRANKFURT, bucket: "weur" },
    health: {
      "one@frankfurt": { beyondMsByBucket: { weur: figures(900) } },
      "one@virginia": { beyondMsByBucket: { weur: figures(300) } },
    },
    want: ["one@virginia", "one@frankfurt"],
  },
  {
    name: "second regions come after all first choices",
    wishes: [
      { tag: "one", regions: ["frankfurt", "virginia"] },
      { tag: "two", regions: ["frankfurt", "tokyo"], prompt: DEAR },
    ],
    more: { place: FRANKFURT },
    want: ["one@frankfurt", "two@frankfurt", "one@virginia", "two@tokyo"],
  },
  {
    name: "who failed lately stands behind who did not",
    wishes: [{ tag: "cheap" }, { tag: "dear", prompt: DEAR }],
    health: { cheap: FAILED_LATELY },
    want: ["dear@virginia", "cheap@virginia"],
  },
  {
    name: "degraded behind failed lately, down behind degraded, broken last",
    wishes: [{ tag: "b" }, { tag: "c" }, { tag: "d" }, { tag: "e" }, { tag: "a", prompt: DEAR }],
    health: { b: BROKEN, c: DOWN, d: DEGRADED, e: FAILED_LATELY },
    want: ["a@virginia", "e@virginia", "d@virginia", "c@virginia", "b@virginia"],
  },
  {
    name: "sort price",
    wishes: THREE.toReversed(),
    provider: { sort: "price" },
    want: ["cheap@virginia", "mid@virginia", "dear@virginia"],
  },
  {
    name: "sort price does not mind a recent failure, but minds an outage",
    wishes: THREE,
    provider: { sort: "price" },
    health: { cheap: FAILED_LATELY, mid: DOWN },
    want: ["cheap@virginia", "dear@virginia", "mid@virginia"],
  },
  {
    name: "sort latency",
    wishes: THREE,
    provider: { sort: "latency" },
    health: {
      cheap: { latencyMs30m: figures(900) },
      mid: { latencyMs30m: figures(100) },
      dear: { latencyMs30m: figures(500) },
    },
    want: ["mid@virginia", "dear@virginia", "cheap@virginia"],
  },
  {
    name: "sort throughput, the unmeasured last",
    wishes: THREE,
    provider: { sort: "throughput" },
    health: { cheap: { throughputTps30m: figures(20) }, dear: { throughputTps5m: figures(90) } },
    want: ["dear@virginia", "cheap@virginia", "mid@virginia"],
  },
  {
    name: "sort distance",
    wishes: [
      { tag: "one", regions: ["tokyo"] },
      { tag: "two", regions: ["virginia"] },
      { tag: "three", regions: ["frankfurt"] },
    ],
    provider: { sort: "distance" },
    more: { place: FRANKFURT },
    want: ["three@frankfurt", "two@virginia", "one@tokyo"],
  },
  {
    name: "equal in the sort: by latency, then by tag",
    wishes: [{ tag: "b" }, { tag: "a" }, { tag: "c", endpoint: { typical_ttft_ms: 10 } }],
    provider: { sort: "price" },
    want: ["c@virginia", "a@virginia", "b@virginia"],
  },
  {
    name: "order goes first, whatever the price; the rest follows",
    wishes: [{ tag: "one" }, { tag: "two", prompt: DEAR }, { tag: "three", prompt: DEAR }],
    provider: { order: ["three", "two"] },
    want: ["three@virginia", "two@virginia", "one@virginia"],
  },
  {
    name: "all regions of the first in order before the second",
    wishes: [
      { tag: "one", regions: ["frankfurt", "tokyo"] },
      { tag: "two", regions: ["frankfurt"] },
    ],
    provider: { order: ["one", "two"] },
    more: { place: FRANKFURT },
    want: ["one@frankfurt", "one@tokyo", "two@frankfurt"],
  },
  {
    name: "order does not mind a recent failure, but minds a broken one",
    wishes: [{ tag: "one" }, { tag: "two" }, { tag: "three", prompt: DEAR }],
    provider: { order: ["one", "two"] },
    health: { one: BROKEN, two: FAILED_LATELY },
    want: ["two@virginia", "three@virginia", "one@virginia"],
  },
  {
    name: "order with sort: sort decides within a name and among the rest",
    wishes: [{ tag: "p/dear", prompt: 9 * DEAR }, { tag: "p/cheap", prompt: DEAR }, ...THREE],
    provider: { order: ["p"], sort: "price" },
    want: ["p/cheap@virginia", "p/dear@virginia", "cheap@virginia", "mid@virginia", "dear@virginia"],
  },
  {
    name: "order without fallbacks is only the list",
    wishes: THREE,
    provider: { order: ["mid", "dear"], allow_fallbacks: false },
    want: ["mid@virginia", "dear@virginia"],
  },
  {
    name: "without fallbacks there is one candidate",
    wishes: THREE,
    provider: { sort: "price", allow_fallbacks: false },
    want: ["cheap@virginia"],
  },
  {
    name: "who misses a wish goes behind, but stays",
    wishes: THREE,
    provider: { sort: "price", preferred_max_latency: 1 },
    health: { cheap: { latencyMs5m: figures(2_000) } },
    want: ["mid@virginia", "dear@virginia", "cheap@virginia"],
  },
  {
    name: "missing a wish is still better than broken",
    wishes: THREE,
    provider: { sort: "price", preferred_min_throughput: 50 },
    health: { cheap: { throughputTps5m: figures(20) }, mid: BROKEN },
    want: ["dear@virginia", "cheap@virginia", "mid@virginia"],
  },
  {
    name: "a pin leaves only its regions",
    wishes: [{ tag: "one", regions: ["virginia", "frankfurt", "tokyo", "nowhere"] }],
    provider: { region: "eu" },
    more: { place: SEOUL },
    want: ["one@frankfurt"],
  },
  {
    name: "a home leaves only its regions",
    wishes: [{ tag: "one", regions: ["virginia", "frankfurt"] }],
    more: { accountHome: "us", place: FRANKFURT },
    want: ["one@virginia"],
  },
  {
    name: "a region without capacity is left out while another is open",
    wishes: [{ tag: "one", regions: ["frankfurt", "virginia"] }],
    more: { place: FRANKFURT },
    health: { "one@frankfurt": { closedUntilMs: NOW + 4_000 } },
    want: ["one@virginia"],
  },
  {
    name: "a region that has just reopened is back",
    wishes: [{ tag: "one" }],
    health: { one: { closedUntilMs: NOW } },
    want: ["one@virginia"],
  },
])("$name", (given) => {
  expect(namesOf(planOf(given).candidates)).toEqual(given.want);
});

test("a free endpoint is drawn first, and does not break the arithmetic", () => {
  const { candidates } = planOf({ wishes: [{ tag: "paid" }, { tag: "free", prompt: 0 }] });
  expect(tagsOf(candidates)).toEqual(["free", "paid"]);
  for (const { weight } of candidates) expect(Number.isFinite(weight) && weight > 0).toBe(true);
});

test("regions closed for capacity are reported with the soonest reopening", () => {
  const made = planOf({
    wishes: [{ tag: "one" }, { tag: "two" }, { tag: "three", prompt: DEAR }],
    health: { one: { closedUntilMs: NOW + 9_001 }, two: { closedUntilMs: NOW + 30_000 } },
  });
  expect(tagsOf(made.candidates)).toEqual(["three"]);
  expect(made.soonestReopenMs).toBe(NOW + 9_001);
  expect(made.exclusions).toEqual([
    { endpoint: "one", provider: "one", reason: "capacity_exhausted", detail: "reopens in 10 s" },
    { endpoint: "two", provider: "two", reason: "capacity_exhausted", detail: "reopens in 30 s" },
  ]);
});

test("a broken endpoint alone is still tried, and marked as a probe", () => {
  const [candidate] = planOf({ wishes: [{ tag: "one" }], health: { one: BROKEN } }).candidates;
  expect(candidate).toMatchObject({ standing: "broken", isProbe: true });
});

test.each([
  { name: "with the breaker's leave is in its place", hasProbeLeave: true, provider: {}, first: "cheap" },
  { name: "without it is the last resort", hasProbeLeave: false, provider: {}, first: "mid" },
  {
    name: "with leave is no place for a request that may not fall back",
    hasProbeLeave: true,
    provider: { allow_fallbacks: false },
    first: "mid",
  },
])("a broken endpoint $name", ({ hasProbeLeave, provider, first: expected }) => {
  const due: Partial<Health> = { breaker: { kind: "open", untilMs: NOW, trips: 1 }, hasProbeLeave };
  const { candidates } = planOf({ wishes: THREE, provider: { sort: "price", ...provider }, health: { cheap: due } });
  expect(candidates[0]?.endpoint.tag).toBe(expected);
});

const first = entryOf("a/first", [
  { tag: "p", prompt: 4_000_000 },
  { tag: "q", prompt: 2_000_000 },
]);
const second = entryOf("a/second", [
  { tag: "p", prompt: 1_000_000 },
  { tag: "r", prompt: 3_000_000 },
]);
const modelled = (input: PlanInput): readonly string[] =>
  plan(input).candidates.map(({ model, endpoint }) => `${model.id.slice(2)}:${endpoint.tag}`);

test.each([
  {
    name: "models are tried one after the other",
    provider: { sort: "price" },
    want: ["first:q", "first:p", "second:p", "second:r"],
  },
  {
    name: "partition none sorts over all models",
    provider: { sort: { by: "price", partition: "none" } },
    want: ["second:p", "first:q", "second:r", "first:p"],
  },
  {
    name: "without fallbacks each model has its primary",
    provider: { sort: "price", allow_fallbacks: false },
    want: ["first:q", "second:p"],
  },
  {
    name: "without fallbacks and partition there is one",
    provider: { sort: { by: "price", partition: "none" }, allow_fallbacks: false },
    want: ["second:p"],
  },
])("$name", ({ provider, want }) => {
  expect(modelled(inputOf([first, second], { preferences: wishesOf(provider) }))).toEqual(want);
});

test("missing a wish promotes the fallback model", () => {
  const health = { q: { latencyMs5m: figures(5_000) } };
  const preferences = wishesOf({ sort: "price", preferred_max_latency: 1 });
  expect(modelled(inputOf([first, second], { preferences, health }))).toEqual([
    "first:p",
    "second:p",
    "second:r",
    "first:q",
  ]);
});

test("a variant's order holds for its model, and the client's own goes before it", () => {
  const models = [
    { entry: first, sort: "price" as const },
    { entry: second, sort: "throughput" as const },
  ];
  const health = { r: { throughputTps5m: figures(90) } };
  expect(modelled(inputOf([first, second], { models, health }))).toEqual([
    "first:q",
    "first:p",
    "second:r",
    "second:p",
  ]);
  const preferences = wishesOf({ sort: "price" });
  expect(modelled(inputOf([first, second], { models, health, preferences })).slice(2)).toEqual([
    "second:p",
    "second:r",
  ]);
});

test("attempts are bounded, and a fallback model keeps its part of them", () => {
  const many = entryOf(
    "a/many",
    Array.from({ length: 20 }, (_, index) => ({ tag: `p${index}` })),
  );
  expect(plan(inputOf([many])).candidates).toHaveLength(CANDIDATES_MAX);
  const groups = modelled(inputOf([many, second])).map((name) => name.split(":")[0]);
  expect(groups).toEqual([...Array.from({ length: 6 }, () => "many"), "second", "second"]);
});

test("a plan says what it looked at and what it will not honour", () => {
  const made = plan(
    inputOf([first, second], {
      preferences: wishesOf({ nonsense: 1, ignore: ["p"] }),
      facts: { ...inputOf([first]).facts, parameters: ["reasoning"] },
    }),
  );
  expect(made).toMatchObject({ strategy: "fallback", endpointCount: 4, soonestReopenMs: null });
  expect(made.exclusions).toHaveLength(2);
  expect(made.warnings).toEqual([
    "provider.nonsense is not known and was ignored.",
    "No endpoint of a/first takes reasoning: it may be ignored.",
    "No endpoint of a/second takes reasoning: it may be ignored.",
  ]);
  expect(plan(inputOf([first])).strategy).toBe("direct");
});
