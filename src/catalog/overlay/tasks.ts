/**
 * Models of tasks that no feed lists with a price: rerankers are billed by units of search, moderation costs nothing.
 * Prices in pico-dollars per unit.
 */
import type * as z from "zod";
import type { ModelSchema } from "../schema.ts";

/** One unit is a query with up to a hundred documents; $2.00 for a thousand of them. */
const COHERE_SEARCH_UNIT = 2_000_000_000;

export const TASK_MODELS: readonly z.input<typeof ModelSchema>[] = [
  {
    id: "cohere/rerank-v3.5",
    canonical_slug: "cohere/rerank-v3.5",
    name: "Cohere: Rerank v3.5",
    created_s: 1_733_097_600,
    input_modalities: ["text"],
    output_modalities: ["rerank"],
    tokenizer: "Cohere",
    endpoints: [
      {
        tag: "cohere",
        provider: "cohere",
        upstream_model: "rerank-v3.5",
        price: { prompt: 0, completion: 0, search_unit: COHERE_SEARCH_UNIT },
        price_source: "https://cohere.com/pricing (Rerank 3.5: $2.00 for 1,000 searches)",
        context_length: 4_096,
        max_completion_tokens: null,
        supported_parameters: [],
        input_modalities: ["text"],
      },
    ],
  },
  {
    id: "openai/omni-moderation-latest",
    canonical_slug: "openai/omni-moderation-2024-09-26",
    name: "OpenAI: Omni Moderation",
    created_s: 1_727_308_800,
    input_modalities: ["text", "image"],
    output_modalities: ["moderation"],
    tokenizer: "GPT",
    endpoints: [
      {
        tag: "openai",
        provider: "openai",
        upstream_model: "omni-moderation-latest",
        price: { prompt: 0, completion: 0 },
        price_source: "https://platform.openai.com/docs/guides/moderation (free of charge)",
        context_length: 32_768,
        max_completion_tokens: null,
        supported_parameters: [],
        input_modalities: ["text", "image"],
      },
    ],
  },
];
