import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonObject } from "../../../src/core/json.ts";
import { decimalToInteger, DEFAULT_PREFERENCES, parsePreferences } from "../../../src/router/preferences.ts";

test("no object and an empty one are the defaults", () => {
  expect(parsePreferences(null)).toEqual({ ok: true, value: DEFAULT_PREFERENCES });
  expect(parsePreferences({})).toEqual({ ok: true, value: DEFAULT_PREFERENCES });
});

test("null means not set, for every field", () => {
  const nulls = Object.fromEntries(
    [
      "order",
      "allow_fallbacks",
      "require_parameters",
      "data_collection",
      "zdr",
      "enforce_distillable_text",
      "only",
      "ignore",
    ]
      .concat([
        "quantizations",
        "sort",
        "preferred_min_throughput",
        "preferred_max_latency",
        "max_price",
        "region",
        "options",
      ])
      .map((field) => [field, null]),
  );
  expect(parsePreferences(nulls)).toEqual({ ok: true, value: DEFAULT_PREFERENCES });
});

test.each([
  {
    name: "order in lower case",
    given: { order: ["OpenAI", "deepinfra/turbo"] },
    want: { order: ["openai", "deepinfra/turbo"] },
  },
  { name: "an empty list is not set", given: { only: [], order: [] }, want: { only: null, order: null } },
  { name: "only and ignore", given: { only: ["a"], ignore: ["b"] }, want: { only: ["a"], ignore: ["b"] } },
  { name: "allow_fallbacks", given: { allow_fallbacks: false }, want: { allowFallbacks: false } },
  { name: "require_parameters", given: { require_parameters: true }, want: { requireParameters: true } },
  { name: "data_collection deny", given: { data_collection: "deny" }, want: { denyDataCollection: true } },
  { name: "data_collection allow", given: { data_collection: "allow" }, want: { denyDataCollection: false } },
  { name: "zdr", given: { zdr: true }, want: { zdr: true } },
  { name: "enforce_distillable_text", given: { enforce_distillable_text: true }, want: { distillableOnly: true } },
  {
    name: "fp4 is a family",
    given: { quantizations: ["fp4"] },
    want: { quantizations: new Set(["fp4", "mxfp4", "nvfp4"]) },
  },
  {
    name: "fp8 is a family",
    given: { quantizations: ["fp8", "bf16"] },
    want: { quantizations: new Set(["fp8", "mxfp8", "bf16"]) },
  },
  {
    name: "a member is only itself",
    given: { quantizations: ["mxfp4", "unknown"] },
    want: { quantizations: new Set(["mxfp4", "unknown"]) },
  },
  {
    name: "hardware in any spelling",
    given: { hardware: ["H100", "tpu"], quantizations: [] },
    want: { hardware: ["h100", "tpu"] },
  },
  { name: "sort as a word", given: { sort: "distance" }, want: { sort: "distance", partition: "model" } },
  {
    name: "sort as an object",
    given: { sort: { by: "latency", partition: "none" } },
    want: { sort: "latency", partition: "none" },
  },
  {
    name: "a partition alone",
    given: { sort: { by: null, partition: "none" } },
    want: { sort: null, partition: "none" },
  },
  {
    name: "a throughput number is p50",
    given: { preferred_min_throughput: 40 },
    want: { minThroughputTps: { p50: 40 } },
  },
  {
    name: "latency is in seconds",
    given: { preferred_max_latency: { p50: 0.5, p90: 3, p99: null } },
    want: { maxLatencyMs: { p50: 500, p90: 3_000 } },
  },
  {
    name: "max_price per million tokens",
    given: { max_price: { prompt: "0.28", completion: 1.5 } },
    want: { maxPrice: { prompt: 280_000, completion: 1_500_000 } },
  },
  {
    name: "max_price per unit for the rest",
    given: { max_price: { image: "0.0001", audio: 0.00001, request: "1" } },
    want: { maxPrice: { image: 100_000_000, audio: 10_000_000, request: 1_000_000_000_000 } },
  },
  { name: "a free cap", given: { max_price: { prompt: 0 } }, want: { maxPrice: { prompt: 0 } } },
  { name: "an empty max_price", given: { max_price: {} }, want: { maxPrice: null } },
  { name: "region", given: { region: "eu" }, want: { region: "eu" } },
])("$name", ({ given, want }) => {
  expect(parsePreferences(given)).toEqual({ ok: true, value: { ...DEFAULT_PREFERENCES, ...want } });
});

test.each([
  { name: "order that is no list", given: { order: "openai" }, path: "provider.order" },
  { name: "a slug that is no text", given: { only: ["a", 7] }, path: "provider.only.1" },
  { name: "a word for a flag", given: { zdr: "yes" }, path: "provider.zdr" },
  { name: "an unknown policy", given: { data_collection: "maybe" }, path: "provider.data_collection" },
  { name: "an unknown quantization", given: { quantizations: ["fp3"] }, path: "provider.quantizations.0" },
  { name: "hardware that is no list", given: { hardware: "h100" }, path: "provider.hardware" },
  { name: "hardware without a name", given: { hardware: [""] }, path: "provider.hardware.0" },
  { name: "an unknown sort", given: { sort: "quality" }, path: "provider.sort" },
  { name: "an unknown partition", given: { sort: { by: "price", partition: "all" } }, path: "provider.sort" },
  { name: "a negative latency", given: { preferred_max_latency: -1 }, path: "provider.preferred_max_latency" },
  {
    name: "a throughput in words",
    given: { preferred_min_throughput: { p50: "fast" } },
    path: "provider.preferred_min_throughput",
  },
  { name: "a negative price", given: { max_price: { prompt: -1 } }, path: "provider.max_price.prompt" },
  { name: "a price in words", given: { max_price: { completion: "cheap" } }, path: "provider.max_price.completion" },
  { name: "a negative price as text", given: { max_price: { request: "-0.5" } }, path: "provider.max_price.request" },
  { name: "a region that is no pin", given: { region: "apac" }, path: "provider.region" },
  { name: "a list of too many", given: { ignore: Array.from({ length: 101 }, () => "a") }, path: "provider.ignore" },
] satisfies { name: string; given: JsonObject; path: string }[])(
  "$name is refused with its path",
  ({ given, path }) => {
    const found = parsePreferences(given);
    expect(found).toMatchObject({ ok: false, error: { kind: "bad_request", path } });
    expect(!found.ok && found.error.kind === "bad_request" && found.error.message).toMatch(
      new RegExp(`^${path.replaceAll(".", "\\.")}: must (be|have)`),
    );
  },
);

test.each([
  { given: { order: "openai" }, says: 'provider.order: must be a list of provider slugs, such as ["openai"]' },
  { given: { ignore: { a: 1 } }, says: 'provider.ignore: must be a list of provider slugs, such as ["openai"]' },
  { given: { only: [7] }, says: 'provider.only.0: must be a provider slug, such as "openai"' },
  { given: { only: [""] }, says: 'provider.only.0: must be a provider slug, such as "openai"' },
  { given: { only: ["x".repeat(131)] }, says: "provider.only.0: must have at most 130 characters" },
  {
    given: { only: Array.from({ length: 101 }, () => "a") },
    says: "provider.only: must have at most 100 entries",
  },
  { given: { quantizations: "fp8" }, says: 'provider.quantizations: must be a list, such as ["fp8", "bf16"]' },
  { given: { max_price: "1" }, says: 'provider.max_price: must be an object, such as {"prompt": "0.5"}' },
  { given: { max_price: { prompt: true } }, says: "provider.max_price.prompt: must be an amount of US dollars" },
  {
    given: { max_price: { prompt: "9".repeat(61) } },
    says: "provider.max_price.prompt: must be an amount of US dollars",
  },
])("$given is told what it must be, in our words", ({ given, says }) => {
  const found = parsePreferences(given);
  expect(!found.ok && found.error.kind === "bad_request" && found.error.message).toContain(says);
});

test("no wrong value of any field is answered in the validator's own words", () => {
  const names =
    "order only ignore allow_fallbacks require_parameters data_collection zdr sort region enforce_distillable_text " +
    "quantizations preferred_min_throughput preferred_max_latency max_price";
  const fields = fc.constantFrom(...names.split(" "));
  fc.assert(
    fc.property(fields, fc.jsonValue(), (field, value) => {
      const found = parsePreferences({ [field]: value } as JsonObject);
      if (found.ok || found.error.kind !== "bad_request") return;
      expect(found.error.message).not.toMatch(/Invalid|Too (big|small)|expected|Unrecognized/);
    }),
  );
});

test("an unknown field is a warning that names it", () => {
  const found = parsePreferences({ zdr: true, cheapest: true });
  expect(found).toMatchObject({
    ok: true,
    value: { zdr: true, warnings: ["provider.cheapest is not known and was ignored."] },
  });
});

test("an unknown field's name cannot break a header", () => {
  const found = parsePreferences({ "a\r\nx: é": 1 });
  expect(found).toMatchObject({ ok: true, value: { warnings: ["provider.a??x: ? is not known and was ignored."] } });
});

test("exacto is a sort like the others: whether it can be had, the plan says", () => {
  expect(parsePreferences({ sort: "exacto" })).toMatchObject({ ok: true, value: { sort: "exacto", warnings: [] } });
});

test.each([
  { text: "1e-7", digits: 12, want: 100_000 },
  { text: "2.5e+1", digits: 6, want: 25_000_000 },
  { text: "0.1", digits: 6, want: 100_000 },
  { text: ".5", digits: 1, want: 5 },
  { text: "5.", digits: 0, want: 5 },
  { text: "0.0000019", digits: 6, want: 1 },
  { text: "99999999999999999999", digits: 12, want: Number.MAX_SAFE_INTEGER },
  { text: "", digits: 6, want: undefined },
  { text: ".", digits: 6, want: undefined },
  { text: "-1", digits: 6, want: undefined },
  { text: "1,5", digits: 6, want: undefined },
  { text: "Infinity", digits: 6, want: undefined },
])("$text with $digits digits is $want", ({ text, digits, want }) => {
  expect(decimalToInteger(text, digits)).toBe(want);
});

test("a decimal is read exactly, where a float would not", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 8_999_999 }), fc.integer({ min: 0, max: 999_999 }), (whole, millionths) => {
      const text = `${whole}.${String(millionths).padStart(6, "0")}`;
      expect(decimalToInteger(text, 6)).toBe(whole * 1_000_000 + millionths);
    }),
  );
});

test("nothing in a provider object makes it throw", () => {
  const fields = fc.constantFrom("order", "sort", "max_price", "zdr", "preferred_max_latency", "quantizations", "x");
  fc.assert(
    fc.property(fc.dictionary(fields, fc.jsonValue()), (given) => {
      expect(typeof parsePreferences(given as JsonObject).ok).toBe("boolean");
    }),
  );
});
