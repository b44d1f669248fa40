/** A small catalog for the tests of this folder: two providers, a model with two endpoints, and its `:free` listing. */
import type * as z from "zod";
import { assert } from "../../../src/core/result.ts";
import { type KnownAdapter, parseCatalog } from "../../../src/catalog/parse.ts";
import type { Catalog, CatalogSchema } from "../../../src/catalog/schema.ts";

export const ADAPTERS: readonly KnownAdapter[] = [
  {
    name: "openai-compatible",
    quirkFaults: (quirks) => Object.keys(quirks).map((key) => ({ path: [key, 0], message: "is not known" })),
  },
];

const SOURCE = "https://example.com (2026-11-21)";

/** The document before it is parsed; a fresh copy on every call. */
export function sampleDocument(): z.input<typeof CatalogSchema> {
  const provider = (slug: string, markup_bps: number, jurisdiction: "eu" | null, zdr: boolean) => ({
    slug,
    name: slug === "near" ? "Near Cloud" : "Far Cloud",
    adapter: "openai-compatible",
    base_url: `https://${slug}.example.com/v1`,
    regions: [{ id: "one", latitude: 50, longitude: 8, country: "DE", jurisdiction, source: SOURCE }],
    data_policy: { training: false, retains_prompts: !zdr, retention_days: zdr ? 0 : 30, zdr, source: SOURCE },
    cancellation: { policy: "stops" as const, source: SOURCE },
    markup_bps,
  });
  const endpoint = (tag: string, prompt: number, completion: number) => ({
    tag,
    provider: tag,
    upstream_model: `up/${tag}`,
    price: { prompt, completion },
    price_source: SOURCE,
    context_length: tag === "near" ? 32_000 : 128_000,
    max_completion_tokens: 8_000,
    supported_parameters: ["temperature", "tools", "reasoning"],
    input_modalities: ["text" as const],
  });
  const model = {
    id: "maker/model-1",
    canonical_slug: "maker/model-1-20260101",
    aliases: ["maker/model-one"],
    name: "Model One",
    created_s: 1_767_225_600,
    input_modalities: ["text" as const, "image" as const],
    output_modalities: ["text" as const],
    tokenizer: "GPT",
    endpoints: [endpoint("near", 1_000_000, 4_000_000), endpoint("far", 500_000, 2_000_000)],
  };
  return {
    version: 1,
    providers: [provider("near", 1_000, "eu", true), provider("far", 0, null, false)],
    models: [
      model,
      {
        ...model,
        id: "maker/model-1:free",
        canonical_slug: "maker/model-1-20260101:free",
        aliases: [],
        name: "Model One (free)",
        endpoints: [endpoint("far", 0, 0)],
      },
      {
        ...model,
        id: "other/plain",
        canonical_slug: "other/plain",
        aliases: [],
        name: "Plain",
        created_s: 0,
        input_modalities: ["text" as const],
        endpoints: [{ ...endpoint("far", 2_000_000, 8_000_000), supported_parameters: ["temperature"] }],
      },
    ],
  };
}

/** The same, parsed. */
export function sampleCatalog(): Catalog {
  const parsed = parseCatalog(sampleDocument(), ADAPTERS);
  assert(parsed.ok, "the sample is valid");
  return parsed.value;
}
