import { expect, test } from "vitest";
import { FAULTS_MAX, parseCatalog } from "../../../src/catalog/parse.ts";
import { ADAPTERS, sampleDocument } from "./sample.ts";

type Document = ReturnType<typeof sampleDocument>;

/** The value at a path of the document, to be changed in place. */
function at(document: Document, path: string): Record<string, unknown> {
  let value: unknown = document;
  for (const part of path.split(".")) value = (value as Record<string, unknown>)[part];
  return value as Record<string, unknown>;
}

test("a sound catalog is accepted and its defaults are filled in", () => {
  const parsed = parseCatalog(sampleDocument(), ADAPTERS);
  expect(parsed.ok && parsed.value.models[0]?.endpoints[0]?.quantization).toBe("unknown");
});

test("thresholds rise among overrides of the same hours, and each of them may begin anew", () => {
  const document = sampleDocument();
  const night = { utc_start: 1630, utc_end: 30 };
  Object.assign(at(document, "models.0.endpoints.0.price"), {
    overrides: [{ min_prompt_tokens: 200 }, { ...night, prompt: 1 }, { ...night, min_prompt_tokens: 100, prompt: 2 }],
  });
  expect(parseCatalog(document, ADAPTERS).ok).toBe(true);
});

test.each<{ name: string; change: (document: Document) => void; path: string; message: RegExp }>([
  {
    name: "an endpoint of an unknown provider",
    change: (d) => Object.assign(at(d, "models.0.endpoints.0"), { provider: "nobody", tag: "nobody" }),
    path: "models[0].endpoints[0].provider",
    message: /"nobody" is not a provider/,
  },
  {
    name: "a surcharge that is none",
    change: (d) => Object.assign(at(d, "providers.0"), { cancellation: { policy: "bills_surcharge", source: "test" } }),
    path: "providers[0].cancellation",
    message: /must name a surcharge/,
  },
  {
    name: "a surcharge of a provider that bills all",
    change: (d) =>
      Object.assign(at(d, "providers.0"), { cancellation: { policy: "bills_all", surcharge: 5, source: "test" } }),
    path: "providers[0].cancellation.surcharge",
    message: /is not a field of the catalog/,
  },
  {
    name: "a tag that does not begin with its provider",
    change: (d) => Object.assign(at(d, "models.0.endpoints.1"), { tag: "farther" }),
    path: "models[0].endpoints[1].tag",
    message: /must be "far" or begin with "far\/"/,
  },
  {
    name: "a tag used twice in a model",
    change: (d) => Object.assign(at(d, "models.0.endpoints.1"), { provider: "near", tag: "near" }),
    path: "models[0].endpoints[1].tag",
    message: /already a tag/,
  },
  {
    name: "a region that the provider does not have",
    change: (d) => Object.assign(at(d, "models.0.endpoints.0"), { regions: ["one", "two"] }),
    path: "models[0].endpoints[0].regions[1]",
    message: /"two" is not a region of near/,
  },
  {
    name: "an alias that is another model's id",
    change: (d) => Object.assign(at(d, "models.2"), { aliases: ["maker/model-1"] }),
    path: "models[2].aliases[0]",
    message: /already a name of maker\/model-1/,
  },
  {
    name: "two names that differ in case only",
    change: (d) => Object.assign(at(d, "models.2"), { canonical_slug: "Maker/Model-1" }),
    path: "models[2].canonical_slug",
    message: /already a name/,
  },
  {
    name: "an adapter that nobody wrote",
    change: (d) => Object.assign(at(d, "providers.1"), { adapter: "smoke-signals" }),
    path: "providers[1].adapter",
    message: /known are openai-compatible/,
  },
  {
    name: "a quirk that the adapter refuses",
    change: (d) => Object.assign(at(d, "providers.1"), { quirks: { colours: ["blue"] } }),
    path: "providers[1].quirks.colours[0]",
    message: /is not known/,
  },
  {
    name: "a provider listed twice",
    change: (d) => Object.assign(at(d, "providers.1"), { slug: "near" }),
    path: "providers[1].slug",
    message: /already the slug/,
  },
  {
    name: "half a coordinate",
    change: (d) => Object.assign(at(d, "providers.0.regions.0"), { longitude: null }),
    path: "providers[0].regions[0]",
    message: /both/,
  },
  {
    name: "overrides out of order",
    change: (d) =>
      Object.assign(at(d, "models.0.endpoints.0.price"), {
        overrides: [{ min_prompt_tokens: 200 }, { min_prompt_tokens: 200 }],
      }),
    path: "models[0].endpoints[0].price.overrides[1].min_prompt_tokens",
    message: /greater/,
  },
  ...[
    { name: "an override without a condition", override: { prompt: 1 }, field: "", message: /must name a condition/ },
    { name: "half a time window", override: { utc_start: 100, prompt: 1 }, field: "", message: /together/ },
    { name: "a window of no length", override: { utc_start: 0, utc_end: 2400 }, field: "", message: /same time/ },
    {
      name: "a time that no clock shows",
      override: { utc_start: 1260, utc_end: 1400 },
      field: ".utc_start",
      message: /HHMM/,
    },
    {
      name: "a time after midnight",
      override: { utc_start: 2401, utc_end: 100 },
      field: ".utc_start",
      message: /2400/,
    },
  ].map(({ name, override, field, message }) => ({
    name,
    change: (d: Document) => Object.assign(at(d, "models.0.endpoints.0.price"), { overrides: [override] }),
    path: `models[0].endpoints[0].price.overrides[0]${field}`,
    message,
  })),
  {
    name: "hardware without a source",
    change: (d) => Object.assign(at(d, "models.0.endpoints.0"), { hardware: "h100" }),
    path: "models[0].endpoints[0].hardware_source",
    message: /documented/,
  },
  {
    name: "hardware that could not be asked for",
    change: (d) => Object.assign(at(d, "models.0.endpoints.0"), { hardware: "8x H100", hardware_source: "test" }),
    path: "models[0].endpoints[0].hardware",
    message: /lower case, such as h100/,
  },
  {
    name: "a negative price",
    change: (d) => Object.assign(at(d, "models.0.endpoints.0.price"), { prompt: -1 }),
    path: "models[0].endpoints[0].price.prompt",
    message: /./,
  },
  {
    name: "a field that the catalog does not have",
    change: (d) => Object.assign(at(d, "models.1"), { colour: "blue" }),
    path: "models[1].colour",
    message: /not a field/,
  },
])("$name is reported with its path", ({ change, path, message }) => {
  const document = sampleDocument();
  change(document);
  const parsed = parseCatalog(document, ADAPTERS);
  const fault = parsed.ok ? undefined : parsed.error.find((found) => found.path === path);
  expect(fault?.message).toMatch(message);
});

test("every fault is reported, not the first alone", () => {
  const document = sampleDocument();
  Object.assign(at(document, "models.0.endpoints.0"), { regions: ["two"] });
  Object.assign(at(document, "models.1.endpoints.0"), { provider: "nobody", tag: "nobody" });
  Object.assign(at(document, "providers.0"), { adapter: "none" });
  const parsed = parseCatalog(document, ADAPTERS);
  expect(parsed.ok ? [] : parsed.error.map((fault) => fault.path)).toEqual([
    "providers[0].adapter",
    "models[0].endpoints[0].regions[0]",
    "models[1].endpoints[0].provider",
  ]);
});

test("at most two hundred faults are reported", () => {
  const models = Array.from({ length: 300 }, () => ({ id: 1 }));
  const parsed = parseCatalog({ ...sampleDocument(), models }, ADAPTERS);
  expect(parsed.ok ? 0 : parsed.error.length).toBe(FAULTS_MAX);
});

test.each([null, 7, "text", [], {}])("%j is not a catalog", (body) => {
  expect(parseCatalog(body, ADAPTERS).ok).toBe(false);
});

test("an operator that has opted in registers servers of its own network, by http too", () => {
  const document = sampleDocument();
  const [provider] = document.providers;
  expect(provider).toBeDefined();
  if (provider !== undefined) provider.base_url = "http://10.0.0.7:11434/v1";
  expect(parseCatalog(document, ADAPTERS)).toEqual({
    ok: false,
    error: [{ path: "providers[0].base_url", message: "must be an https URL, not http:" }],
  });
  expect(parseCatalog(document, ADAPTERS, { allowsPrivate: true }).ok).toBe(true);
});
