/**
 * Who is who in the lists that `catalog/import` reads: names of providers there and here, wire formats by package,
 * addresses that a list leaves out because its clients know them, and authors as each list spells them. Data only.
 * Read 2026-11-21, or as published before; each address from the page that is named beside it.
 */

/** A provider's address and wire format, where a list does not say them. */
export interface ImportHost {
  /** Slug in our catalog. */
  readonly slug: string;
  readonly adapter: string;
  readonly baseUrl: string;
  /** Keys of the list that name a model without the provider before it. */
  readonly bare?: boolean;
  /** All that its wire format can say, by the names of `supported_parameters`; absent: whatever a list says. */
  readonly parameters?: readonly string[];
}

/** Ids of models.dev's providers whose slug here is another one. */
export const OUR_SLUGS: Readonly<Record<string, string>> = {
  google: "google-ai-studio",
  togetherai: "together",
  "fireworks-ai": "fireworks",
  "novita-ai": "novita",
  zai: "z-ai",
  inference: "inference-net",
};

/** Packages of the AI SDK (https://ai-sdk.dev/providers) by the wire format that they speak. */
export const PACKAGE_ADAPTERS: Readonly<Record<string, string>> = {
  "@ai-sdk/openai-compatible": "openai-compatible",
  "@ai-sdk/cerebras": "openai-compatible",
  "@ai-sdk/cohere": "openai-compatible",
  "@ai-sdk/deepinfra": "openai-compatible",
  "@ai-sdk/gateway": "openai-compatible",
  "@ai-sdk/groq": "openai-compatible",
  "@ai-sdk/mistral": "openai-compatible",
  "@ai-sdk/perplexity": "openai-compatible",
  "@ai-sdk/togetherai": "openai-compatible",
  "@ai-sdk/vercel": "openai-compatible",
  "@ai-sdk/xai": "openai-compatible",
  "@aihubmix/ai-sdk-provider": "openai-compatible",
  "@openrouter/ai-sdk-provider": "openai-compatible",
  "venice-ai-sdk-provider": "openai-compatible",
  "@ai-sdk/anthropic": "anthropic",
  "@ai-sdk/google": "gemini",
  // This package asks /responses first: https://ai-sdk.dev/providers/ai-sdk-providers/openai
  "@ai-sdk/openai": "openai-responses",
};

/** Where a package calls when nobody gives it another address. */
export const PACKAGE_BASE_URLS: Readonly<Record<string, string>> = {
  "@ai-sdk/anthropic": "https://api.anthropic.com/v1", // https://docs.claude.com/en/api/overview
  "@ai-sdk/cerebras": "https://api.cerebras.ai/v1", // https://inference-docs.cerebras.ai
  "@ai-sdk/cohere": "https://api.cohere.ai/compatibility/v1", // https://docs.cohere.com/docs/compatibility-api
  "@ai-sdk/deepinfra": "https://api.deepinfra.com/v1/openai", // https://deepinfra.com/docs/openai_api
  "@ai-sdk/gateway": "https://ai-gateway.vercel.sh/v1", // https://vercel.com/docs/ai-gateway/openai-compat
  "@ai-sdk/google": "https://generativelanguage.googleapis.com/v1beta", // https://ai.google.dev/api
  "@ai-sdk/groq": "https://api.groq.com/openai/v1", // https://console.groq.com/docs/openai
  "@ai-sdk/mistral": "https://api.mistral.ai/v1", // https://docs.mistral.ai/api
  "@ai-sdk/openai": "https://api.openai.com/v1", // https://platform.openai.com/docs/api-reference
  "@ai-sdk/perplexity": "https://api.perplexity.ai", // https://docs.perplexity.ai/api-reference
  "@ai-sdk/togetherai": "https://api.together.xyz/v1", // https://docs.together.ai/docs/openai-api-compatibility
  "@ai-sdk/vercel": "https://api.v0.dev/v1", // https://v0.dev/docs/api/model
  "@ai-sdk/xai": "https://api.x.ai/v1", // https://docs.x.ai/docs/api-reference
  "@aihubmix/ai-sdk-provider": "https://aihubmix.com/v1", // https://docs.aihubmix.com
  "venice-ai-sdk-provider": "https://api.venice.ai/api/v1", // https://docs.venice.ai/api-reference
};

/** Reasoning that OpenRouter takes back, whoever made it: `ReasoningFormat` of its OpenAPI file 1.0.0, as in the overlay. */
const OPENROUTER_FORMATS = [
  "unknown",
  "openai-responses-v1",
  "azure-openai-responses-v1",
  "bedrock-openai-responses-v1",
  "bedrock-xai-responses-v1",
  "xai-responses-v1",
  "meta-responses-v1",
  "anthropic-claude-v1",
  "google-gemini-v1",
] as const;

/** The provider behind OpenRouter's own list: https://openrouter.ai/docs/api-reference */
export const OPENROUTER: ImportHost & { readonly quirks: Readonly<Record<string, string | boolean | string[]>> } = {
  slug: "openrouter",
  adapter: "openai-compatible",
  baseUrl: "https://openrouter.ai/api/v1",
  quirks: {
    reasoning_style: "openrouter",
    reasoning_echo: "reasoning_details",
    reasoning_formats: [...OPENROUTER_FORMATS],
    cache_control: true,
  },
};

const compatible = (slug: string, baseUrl: string, bare = false): ImportHost => ({
  slug,
  adapter: "openai-compatible",
  baseUrl,
  ...(bare ? { bare } : {}),
});

/** LiteLLM's `litellm_provider`: https://docs.litellm.ai/docs/providers */
export const LITELLM_HOSTS: Readonly<Record<string, ImportHost>> = {
  openai: compatible("openai", "https://api.openai.com/v1", true),
  anthropic: { slug: "anthropic", adapter: "anthropic", baseUrl: "https://api.anthropic.com/v1", bare: true },
  gemini: {
    slug: "google-ai-studio",
    adapter: "gemini",
    baseUrl: "https://generativelanguage.googleapis.com/v1beta",
  },
  ai21: compatible("ai21", "https://api.ai21.com/studio/v1", true),
  cerebras: compatible("cerebras", "https://api.cerebras.ai/v1"),
  cohere_chat: compatible("cohere", "https://api.cohere.ai/compatibility/v1", true),
  dashscope: compatible("alibaba", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
  deepinfra: compatible("deepinfra", "https://api.deepinfra.com/v1/openai"),
  deepseek: compatible("deepseek", "https://api.deepseek.com/v1"),
  featherless_ai: compatible("featherless", "https://api.featherless.ai/v1"),
  fireworks_ai: compatible("fireworks", "https://api.fireworks.ai/inference/v1"),
  friendliai: compatible("friendli", "https://api.friendli.ai/serverless/v1"),
  groq: compatible("groq", "https://api.groq.com/openai/v1"),
  hyperbolic: compatible("hyperbolic", "https://api.hyperbolic.xyz/v1"),
  lambda_ai: compatible("lambda", "https://api.lambda.ai/v1"),
  meta_llama: compatible("llama", "https://api.llama.com/compat/v1"),
  minimax: compatible("minimax", "https://api.minimax.io/v1"),
  mistral: compatible("mistral", "https://api.mistral.ai/v1"),
  moonshot: compatible("moonshotai", "https://api.moonshot.ai/v1"),
  morph: compatible("morph", "https://api.morphllm.com/v1"),
  nebius: compatible("nebius", "https://api.tokenfactory.nebius.com/v1"),
  novita: compatible("novita", "https://api.novita.ai/openai/v1"),
  nscale: compatible("nscale", "https://inference.api.nscale.com/v1"),
  openrouter: compatible("openrouter", "https://openrouter.ai/api/v1"),
  ovhcloud: compatible("ovhcloud", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1"),
  perplexity: compatible("perplexity", "https://api.perplexity.ai"),
  publicai: compatible("publicai", "https://api.publicai.co/v1"),
  // Its models take a prompt: https://replicate.com/docs/reference/http
  replicate: {
    slug: "replicate",
    adapter: "replicate",
    baseUrl: "https://api.replicate.com/v1",
    parameters: ["max_tokens", "stop", "temperature", "top_p"],
  },
  sambanova: compatible("sambanova", "https://api.sambanova.ai/v1"),
  together_ai: compatible("together", "https://api.together.xyz/v1"),
  v0: compatible("v0", "https://api.v0.dev/v1"),
  vercel_ai_gateway: compatible("vercel", "https://ai-gateway.vercel.sh/v1"),
  wandb: compatible("wandb", "https://api.inference.wandb.ai/v1"),
  xai: compatible("xai", "https://api.x.ai/v1"),
  zai: compatible("z-ai", "https://api.z.ai/api/paas/v4"),
};

/** The wire format of models that answer only on /responses. */
export const RESPONSES = "openai-responses";
/** The end of the slug of providers that are reached so. */
export const RESPONSES_SUFFIX = "responses";

/** Models that answer only on /responses where their list does not say so: https://platform.openai.com/docs/models */
export const RESPONSES_ONLY: Readonly<Record<string, RegExp>> = {
  openai: /(-pro(-\d{4}.*)?$|codex)/,
};

/**
 * Models that a provider answers only on another path than the adapter's, and those that need tools which run at the
 * provider: https://platform.openai.com/docs/models
 */
export const LEFT_OUT: Readonly<Record<string, RegExp>> = {
  openai: /(-pro(-\d{4}.*)?$|codex|deep-research|^computer-use)/,
  [`openai-${RESPONSES_SUFFIX}`]: /(deep-research|^computer-use)/,
  // As catalogs of before have it.
  [`openai-${RESPONSES}`]: /(deep-research|^computer-use)/,
};

/** Authors as lists spell them (in lower case) and as ids of ours begin. */
export const AUTHORS: Readonly<Record<string, string>> = {
  alibaba: "qwen",
  "deepseek-ai": "deepseek",
  meta: "meta-llama",
  mistral: "mistralai",
  minimaxai: "minimax",
  moonshot: "moonshotai",
  "nous-research": "nousresearch",
  stepfun_ai: "stepfun",
  "stepfun-ai": "stepfun",
  thudm: "z-ai",
  xai: "x-ai",
  xiaomimimo: "xiaomi",
  "zai-org": "z-ai",
  zai: "z-ai",
  zhipuai: "z-ai",
};

/** Who made a model, by its name without author; the first that matches. */
export const AUTHOR_PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/^(gpt|o[134](-|$)|chatgpt|text-embedding|codex|dall-e|whisper|tts)/, "openai"],
  [/^claude/, "anthropic"],
  [/^(gemini|gemma|palm|text-bison)/, "google"],
  [/^grok/, "x-ai"],
  [/^(llama|codellama)/, "meta-llama"],
  [/^(mistral|mixtral|codestral|devstral|ministral|magistral|pixtral|voxtral|open-mi|mathstral)/, "mistralai"],
  [/^deepseek/, "deepseek"],
  [/^(qwen|qwq|qvq)/, "qwen"],
  [/^(kimi|moonshot)/, "moonshotai"],
  [/^(glm|chatglm|cogview)/, "z-ai"],
  [/^(minimax|abab)/, "minimax"],
  [/^(command|aya|c4ai|rerank|embed-)/, "cohere"],
  [/^(phi-|wizardlm|mai-)/, "microsoft"],
  [/^(nova-|titan)/, "amazon"],
  [/^sonar/, "perplexity"],
  [/^mimo/, "xiaomi"],
  [/^(nemotron|llama-.*nemotron)/, "nvidia"],
  [/^(jamba|j2-)/, "ai21"],
  [/^ernie/, "baidu"],
  [/^hunyuan/, "tencent"],
  [/^(doubao|seed-)/, "bytedance-seed"],
  [/^granite/, "ibm-granite"],
  [/^mercury/, "inception"],
  [/^solar/, "upstage"],
  [/^step-/, "stepfun"],
  [/^(hermes|deephermes)/, "nousresearch"],
  [/^(ling|ring)-/, "inclusionai"],
  [/^longcat/, "meituan"],
  [/^lfm/, "liquid"],
];

/** Names of open models, of which "turbo" or "lite" is another way to serve the same weights. */
export const OPEN_NAMES = /^(llama|qwen\d|qwq|deepseek|kimi|mixtral|gpt-oss|gemma|glm-4)/;
