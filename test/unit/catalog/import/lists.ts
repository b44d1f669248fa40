/** Small lists in the shapes of the three formats, written for these tests: no row of them is anybody's. */

/** A row as a list has it. */
export type Row = { readonly id: string } & Readonly<Record<string, unknown>>;

/** As models.dev's api.json. */
export function modelsDevList() {
  const model = (id: string, more: object = {}): Row => ({
    id,
    name: `The ${id}`,
    release_date: "2026-03-04",
    attachment: false,
    reasoning: false,
    temperature: true,
    tool_call: true,
    open_weights: true,
    cost: { input: 0.28, output: 1.1 },
    limit: { context: 128_000, output: 16_000 },
    modalities: { input: ["text", "image", "pdf"], output: ["text"] },
    ...more,
  });
  const provider = (id: string, more: object, models: readonly Row[]) => ({
    id,
    name: id.toUpperCase(),
    env: [`${id.toUpperCase()}_API_KEY`],
    npm: "@ai-sdk/openai-compatible",
    api: `https://api.${id}.example.com/v1/`,
    doc: `https://${id}.example.com/docs`,
    ...more,
    // Tests take rows away and put others in their place.
    models: Object.fromEntries(models.map((row) => [row.id, row])) as Record<string, Row>,
  });
  return {
    alder: provider("alder", {}, [
      model("maker/wood-2-instruct"),
      model("wood-2-mini", {
        reasoning: true,
        structured_output: true,
        knowledge: "2025-08",
        cost: {
          input: 1.25,
          output: 10,
          reasoning: 12,
          cache_read: 0.125,
          cache_write: 1.5625,
          input_audio: 2,
          tiers: [{ tier: { size: 200_000 }, input: 2.5, output: 15, cache_read: 0.25 }],
        },
      }),
      model("wood-2:free", { cost: { input: 0, output: 0 } }),
      model("text-embedding-wood", { cost: { input: 0.02, output: 0 } }),
      model("unpriced", { cost: undefined }),
      model("gift", { cost: { input: 0, output: 0 } }),
      model("half-gift", { cost: { input: 1, output: 0 } }),
      model("odd-price", { cost: { input: 1, output: 2, citation: 3 } }),
      model("negative", { cost: { input: -1, output: 2 } }),
      model("free-tier", { cost: { input: 1, output: 2, tiers: [{ tier: { size: 9 }, input: 0, output: 0 }] } }),
      model("other-tier", { cost: { input: 1, output: 2, tiers: [{ tier: { type: "hour", size: 9 }, input: 3 }] } }),
      model("old", { status: "deprecated" }),
      model("painter", { modalities: { input: ["text"], output: ["image"] } }),
      model("endless", { limit: { context: 0, output: 0 } }),
      { id: "broken", cost: "a lot" },
      model("elsewhere", { provider: { npm: "@ai-sdk/anthropic", api: "https://alder.example.com/messages/v1" } }),
      model("responder", { provider: { shape: "responses" } }),
    ]),
    birch: provider("birch", { npm: "@ai-sdk/anthropic" }, [model("Maker/Wood-2-Instruct-FP8")]),
    local: provider("local", { api: "http://127.0.0.1:1234/v1" }, [model("wood-2")]),
    inside: provider("inside", { api: "https://169.254.169.254/v1" }, [model("wood-2")]),
    varied: provider("varied", { api: "https://${VARIED_HOST}/v1" }, [model("wood-2")]),
    odd: provider("odd", { npm: "odd-sdk" }, [model("wood-2")]),
    nowhere: provider("nowhere", { api: undefined }, [model("wood-2")]),
  };
}

/** As OpenRouter's GET /api/v1/models. */
export function openRouterList() {
  const model = (id: string, pricing: object, more: object = {}) => ({
    id,
    canonical_slug: `${id}-20260304`,
    hugging_face_id: "",
    name: `The ${id}`,
    created: 1_772_600_000,
    description: "Made of wood.",
    context_length: 200_000,
    architecture: { modality: "text->text", input_modalities: ["text", "file"], output_modalities: ["text"] },
    pricing,
    top_provider: { context_length: 128_000, max_completion_tokens: 8_000, is_moderated: false },
    supported_parameters: ["tools", "temperature"],
    knowledge_cutoff: null,
    expiration_date: "2027-01-31",
    ...more,
  });
  return {
    data: [
      model("maker/wood-2-instruct", {
        prompt: "0.00000028",
        completion: "0.0000011",
        web_search: "0.01",
        image: "0.0012",
        input_cache_read: "0",
        discount: 0,
        overrides: [{ min_prompt_tokens: 200_000, prompt: "0.0000005" }],
      }),
      model("maker/wood-2-instruct:free", { prompt: "0", completion: "0" }),
      model("maker/chooser", { prompt: "-1", completion: "-1" }),
      model("~maker/wood-latest", { prompt: "0.000001", completion: "0.000002" }),
      model("maker/gift", { prompt: "0", completion: "0" }),
      model("maker/odd", { prompt: "0.000001", completion: "0.000002", per_smile: "1" }),
      model(
        "maker/singer",
        { prompt: "0.000001", completion: "0.000002" },
        {
          architecture: { input_modalities: ["text"], output_modalities: ["audio"] },
        },
      ),
    ],
  };
}

/** As LiteLLM's model_prices_and_context_window.json. */
export function liteLlmMap() {
  const row = (provider: string, more: object = {}) => ({
    litellm_provider: provider,
    mode: "chat",
    max_tokens: 8_192,
    max_input_tokens: 131_072,
    max_output_tokens: 8_192,
    input_cost_per_token: 2.8e-7,
    output_cost_per_token: 1.1e-6,
    supports_function_calling: true,
    supports_vision: true,
    ...more,
  });
  return {
    sample_spec: { litellm_provider: "one of the providers", mode: "one of the modes", max_tokens: "a number" },
    "groq/wood-2-instruct": row("groq", {
      input_cost_per_token_above_128k_tokens: 5.6e-7,
      cache_read_input_token_cost: 2.8e-8,
      cache_creation_input_token_cost_above_1hr: 5e-7,
      input_cost_per_token_batches: 1.4e-7,
      deprecation_date: "2027-02-01",
      search_context_cost_per_query: { search_context_size_low: 0.01 },
    }),
    "wood-embed": row("openai", { mode: "embedding", output_cost_per_token: 0 }),
    "groq-up-to-4b": row("groq"),
    "far/wood-2": row("far"),
    "groq/speaker": row("groq", { mode: "audio_speech" }),
    "dashscope/tiered": row("dashscope", {
      input_cost_per_token: undefined,
      output_cost_per_token: undefined,
      input_cost_per_character: 0,
      tiered_pricing: [
        { range: [32_000, 128_000], input_cost_per_token: 7e-7, output_cost_per_token: 2.1e-6 },
        { range: [0, 32_000], input_cost_per_token: 4e-7, output_cost_per_token: 1.2e-6 },
        { range: [128_000, null], input_cost_per_token: 1e-6, output_cost_per_reasoning_token: 4e-6 },
      ],
    }),
    "dashscope/odd-tiers": row("dashscope", { tiered_pricing: [{ over: 32_000, input_cost_per_token: 7e-7 }] }),
    "dashscope/gift-tier": row("dashscope", { tiered_pricing: [{ range: [9, 99], input_cost_per_token: 0 }] }),
    "groq/by-night": row("groq", { off_peak_pricing: { input_cost_per_token: 1e-7 } }),
    "groq/talker": row("groq", { supported_output_modalities: ["text", "audio"] }),
    "groq/painter": row("groq", { supported_output_modalities: ["image"] }),
    "groq/odd": row("groq", { input_cost_per_smile: 1 }),
    "groq/gift": row("groq", { input_cost_per_token: 0, output_cost_per_token: 0 }),
    "groq/unpriced": row("groq", { input_cost_per_token: undefined, output_cost_per_token: undefined }),
    "groq/endless": row("groq", { max_tokens: undefined, max_input_tokens: undefined }),
    "groq/responder": row("groq", { mode: "responses", supported_endpoints: ["/v1/responses"] }),
    "replicate/wood/wood-2-chat": row("replicate", { supports_function_calling: true, supports_response_schema: true }),
  };
}
