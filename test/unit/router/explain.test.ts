import { expect, test } from "vitest";
import type { AttemptRecord } from "../../../src/insight/generation.ts";
import { explainRoute, noEndpointsError } from "../../../src/router/explain.ts";
import { plan } from "../../../src/router/plan.ts";
import { entryOf, FRANKFURT, inputOf, NOW, wishesOf } from "./world.ts";

const entry = entryOf("a/b", [
  { tag: "one", prompt: 1_000_000 },
  { tag: "two", prompt: 2_000_000 },
  { tag: "three", prompt: 3_000_000 },
]);
const attempt = (provider: string, status: number, outcome: string): AttemptRecord => ({
  provider,
  providerName: `The ${provider}`,
  endpoint: provider,
  region: "virginia",
  model: "a/b",
  status,
  outcome,
  latencyMs: 5,
});
const made = plan(inputOf([entry], { preferences: wishesOf({ sort: "price", ignore: ["three"] }) }));

test("a route is explained with what was available, tried, selected and left out", () => {
  const attempts = [attempt("one", 503, "provider_unavailable"), attempt("two", 200, "ok")];
  expect(explainRoute({ plan: made, attempts, requested: "a/b:floor", place: FRANKFURT })).toEqual({
    requested: "a/b:floor",
    strategy: "direct",
    region: "FRA",
    summary: "available=2, selected=The two",
    attempt: 2,
    is_byok: false,
    endpoints: {
      total: 3,
      available: [
        { provider: "The one", model: "a/b", selected: false, endpoint: "one", region: "virginia" },
        { provider: "The two", model: "a/b", selected: true, endpoint: "two", region: "virginia" },
      ],
    },
    params: {},
    attempts: [
      { provider: "The one", model: "a/b", status: 503 },
      { provider: "The two", model: "a/b", status: 200 },
    ],
    pipeline: [],
    exclusions: [{ endpoint: "three", provider: "three", reason: "ignored_provider", detail: "in provider.ignore" }],
  });
});

test("a request that reached nobody has attempt 0 and selects nothing", () => {
  expect(explainRoute({ plan: made, attempts: [], requested: "a/b", place: null })).toMatchObject({
    attempt: 0,
    region: null,
    summary: "available=2",
    endpoints: { available: [{ selected: false }, { selected: false }] },
  });
});

test("an error inside a 200 selects nothing", () => {
  const attempts = [attempt("one", 200, "provider_unavailable")];
  expect(explainRoute({ plan: made, attempts, requested: "a/b", place: null })).toMatchObject({
    summary: "available=2",
    endpoints: { available: [{ selected: false }, { selected: false }] },
  });
});

test("no candidate is no_endpoints with every reason", () => {
  const nothing = plan(inputOf([entry], { preferences: wishesOf({ max_price: { prompt: "0.5" }, ignore: ["one"] }) }));
  expect(noEndpointsError(["a/b"], nothing, NOW)).toMatchObject({
    kind: "no_endpoints",
    models: ["a/b"],
    exclusions: [{ reason: "ignored_provider" }, { reason: "max_price" }, { reason: "max_price" }],
  });
});

test("a lack of capacity has the honest time, and every reason", () => {
  const closed = plan(
    inputOf([entry], {
      health: {
        one: { closedUntilMs: NOW + 7_200 },
        two: { closedUntilMs: NOW + 9_000 },
        three: { closedUntilMs: NOW + 8_000 },
      },
    }),
  );
  expect(closed.candidates).toEqual([]);
  expect(noEndpointsError(["a/b"], closed, NOW)).toMatchObject({
    kind: "no_endpoints",
    models: ["a/b"],
    retryAfterS: 8,
    exclusions: [
      { endpoint: "one", reason: "capacity_exhausted", detail: "reopens in 8 s" },
      { endpoint: "two", reason: "capacity_exhausted", detail: "reopens in 9 s" },
      { endpoint: "three", reason: "capacity_exhausted", detail: "reopens in 8 s" },
    ],
  });
});
