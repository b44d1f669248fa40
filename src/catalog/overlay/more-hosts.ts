/**
 * More providers, most of them plain OpenAI-like servers: a row each. What no page was found for is the worst case:
 * prompts are kept and used, the whole answer is billed. Each address is that of the provider's own pages (named
 * beside it) and was compared with the list of models.dev of 2026-07-02 where that has the provider. A provider without
 * feeds is defined but has no priced endpoint: it serves what an operator imports, or adds with a price.
 */
import type * as z from "zod";
import type { ProviderSchema } from "../schema.ts";
import {
  CANCELLATION_UNKNOWN,
  COMMON_PARAMETERS,
  GLOBAL_REGION,
  OPEN_SERVER_PARAMETERS,
  UNKNOWN_POLICY,
} from "./policies.ts";
import type { Feed, ProviderSeed } from "./seed.ts";

type ProviderDocument = z.input<typeof ProviderSchema>;

/** Reasoning that OpenRouter takes back, whoever made it: `ReasoningFormat` of its OpenAPI file 1.0.0. */
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
];

/** Slug, name, base URL, country of the company, and the page that says so. */
type Row = readonly [string, string, string, string | null, string];

const open = (
  [slug, name, baseUrl, headquarters, page]: Row,
  feeds: readonly Feed[] = [],
  more: Partial<Omit<ProviderSeed, "provider" | "feeds">> & { readonly provider?: Partial<ProviderDocument> } = {},
): ProviderSeed => ({
  parameters: OPEN_SERVER_PARAMETERS,
  tools: "parallel",
  ...more,
  feeds,
  provider: {
    slug,
    name,
    adapter: "openai-compatible",
    base_url: baseUrl,
    regions: [GLOBAL_REGION],
    data_policy: UNKNOWN_POLICY,
    cancellation: CANCELLATION_UNKNOWN,
    headquarters,
    source: page,
    ...more.provider,
  },
});

const huggingFaceRoute = (route: string): Feed => ({ from: "genai-prices", id: `huggingface_${route}`, route });

export const MORE_PROVIDERS: readonly ProviderSeed[] = [
  open(
    [
      "cloudflare",
      "Cloudflare",
      "https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1",
      "US",
      "https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/ (the credential is account:token)",
    ],
    [
      { from: "genai-prices", id: "cloudflare", only: /^(?!.*(indictrans2|m2m100|distilbert|reranker|-awq))/ },
      { from: "tokenlens", id: "cloudflare-workers-ai", factsOnly: true },
    ],
    {
      parameters: [...COMMON_PARAMETERS, "top_k", "repetition_penalty", "seed", "response_format"],
      provider: {
        data_policy: {
          training: false,
          retains_prompts: false,
          retention_days: 0,
          zdr: false,
          source: "https://developers.cloudflare.com/workers-ai/platform/data-usage/ (not used to train; not shared)",
        },
        quirks: { credential_parts: ["account"] },
        status_page_url: "https://www.cloudflarestatus.com",
        privacy_policy_url: "https://www.cloudflare.com/privacypolicy/",
        terms_of_service_url: "https://www.cloudflare.com/service-specific-terms-developer-platform/",
      },
    },
  ),
  open(
    [
      "huggingface",
      "Hugging Face",
      "https://router.huggingface.co/v1",
      "US",
      "https://huggingface.co/docs/inference-providers (one route for each provider behind it, `model:provider`, at that provider's price)",
    ],
    [
      ...["fireworks-ai", "together", "novita", "nebius", "nscale", "hyperbolic", "sambanova"].map(huggingFaceRoute),
      ...["cerebras", "groq", "ovhcloud", "publicai"].map(huggingFaceRoute),
    ],
    {
      provider: {
        privacy_policy_url: "https://huggingface.co/privacy",
        status_page_url: "https://status.huggingface.co",
      },
    },
  ),
  open(
    ["publicai", "Public AI", "https://api.publicai.co/v1", "CH", "https://platform.publicai.co/docs"],
    [{ from: "genai-prices", id: "huggingface_publicai" }],
  ),
  open(
    [
      "synthetic",
      "Synthetic",
      "https://api.synthetic.new/openai/v1",
      "US",
      "https://dev.synthetic.new/docs/openai/chat-completions",
    ],
    [{ from: "tokenlens", id: "synthetic" }],
  ),
  open(
    ["submodel", "SubModel", "https://llm.submodel.ai/v1", null, "https://submodel.gitbook.io"],
    [{ from: "tokenlens", id: "submodel" }],
  ),
  open(
    [
      "quicksilverpro",
      "QuickSilver Pro",
      "https://api.quicksilverpro.io/v1",
      null,
      "https://quicksilverpro.io/#pricing",
    ],
    [{ from: "genai-prices", id: "quicksilverpro", only: /^(?!.*image)/ }],
    { parameters: [...COMMON_PARAMETERS, "seed", "response_format"] },
  ),
  open(
    [
      "voyageai",
      "Voyage AI",
      "https://api.voyageai.com/v1",
      "US",
      "https://docs.voyageai.com/reference/embeddings-api",
    ],
    [{ from: "genai-prices", id: "voyageai", only: /^voyage-(3|4|code-3|context-3|finance|law|multilingual)/ }],
    { parameters: [], tools: "none", author: "voyageai" },
  ),
  open(
    ["modal", "Modal", "https://api.us-west-2.modal.direct/v1", "US", "https://modal.com/library (model APIs)"],
    [{ from: "genai-prices", id: "modal" }],
  ),
  open(
    [
      "zhipuai",
      "Zhipu AI",
      "https://open.bigmodel.cn/api/paas/v4",
      "CN",
      "https://docs.bigmodel.cn/cn/guide/develop/openai/introduction",
    ],
    [{ from: "genai-prices", id: "zhipuai" }],
    {
      author: "z-ai",
      parameters: ["temperature", "top_p", "max_tokens", "stop", "response_format"],
      tools: "single",
      upstream: { lowerCase: true },
      implicitCaching: true,
      provider: {
        regions: [{ ...GLOBAL_REGION, id: "cn", country: "CN", source: "https://open.bigmodel.cn (mainland China)" }],
        quirks: {
          reasoning_style: "thinking_type",
          reasoning_fields: ["reasoning_content"],
          reasoning_echo: "reasoning_content",
          user_field: "user_id",
        },
      },
    },
  ),
  open(
    ["v0", "Vercel v0", "https://api.v0.dev/v1", "US", "https://v0.app/docs/api/model"],
    [{ from: "tokenlens", id: "v0" }],
    { author: "vercel", parameters: ["max_tokens"], tools: "single" },
  ),
  open(
    [
      "azure",
      "Azure",
      "https://{resource}.openai.azure.com/openai/v1",
      "US",
      "https://learn.microsoft.com/en-us/azure/ai-foundry/openai/api-version-lifecycle (v1 API; the credential is resource:key; a deployment is called like its model)",
    ],
    [
      { from: "tokenlens", id: "azure", only: /^(gpt-(4o|4\.1|5)(?!.*(codex|chat))|o3(-mini)?$|o4-mini$|o1$)/ },
      { from: "genai-prices", id: "azure", only: /^phi-4/ },
    ],
    {
      parameters: [
        ...COMMON_PARAMETERS,
        "seed",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "response_format",
        "structured_outputs",
      ],
      implicitCaching: true,
      provider: {
        data_policy: {
          training: false,
          retains_prompts: true,
          retention_days: 30,
          zdr: false,
          source: "https://learn.microsoft.com/en-us/legal/cognitive-services/openai/data-privacy (abuse monitoring)",
        },
        quirks: {
          credential_parts: ["resource"],
          auth: "api-key",
          max_tokens_field: "max_completion_tokens",
          prompt_cache_key: true,
        },
        status_page_url: "https://azure.status.microsoft",
        privacy_policy_url: "https://privacy.microsoft.com/en-us/privacystatement",
      },
    },
  ),
  open(
    [
      "openrouter",
      "OpenRouter",
      "https://openrouter.ai/api/v1",
      "US",
      "https://openrouter.ai/docs/api-reference/overview (a router as a provider: it is asked for its cheapest host, whose price is the one it lists)",
    ],
    [
      {
        from: "genai-prices",
        id: "openrouter",
        only: /^(?!~|openrouter\/|switchpoint\/)[a-z0-9-]+\/[^:]+$/,
        gateway: true,
      },
    ],
    {
      provider: {
        quirks: {
          reasoning_style: "openrouter",
          reasoning_fields: ["reasoning"],
          reasoning_echo: "reasoning_details",
          reasoning_formats: OPENROUTER_FORMATS,
          cache_control: true,
          extra_body: { provider: { sort: "price", allow_fallbacks: false } },
        },
        status_page_url: "https://status.openrouter.ai",
        privacy_policy_url: "https://openrouter.ai/privacy",
        terms_of_service_url: "https://openrouter.ai/terms",
      },
    },
  ),
  ...(
    [
      [
        "siliconflow",
        "SiliconFlow",
        "https://api.siliconflow.com/v1",
        "SG",
        "https://docs.siliconflow.com/en/api-reference/chat-completions/chat-completions",
      ],
      [
        "siliconflow-cn",
        "SiliconFlow (China)",
        "https://api.siliconflow.cn/v1",
        "CN",
        "https://docs.siliconflow.cn/en/api-reference/chat-completions/chat-completions",
      ],
      [
        "friendli",
        "Friendli",
        "https://api.friendli.ai/serverless/v1",
        "US",
        "https://friendli.ai/docs/guides/serverless_endpoints/introduction",
      ],
      [
        "gmicloud",
        "GMICloud",
        "https://api.gmi-serving.com/v1",
        "US",
        "https://docs.gmicloud.ai/inference-engine/api-reference/llm-api-reference",
      ],
      [
        "io-net",
        "Io Net",
        "https://api.intelligence.io.solutions/api/v1",
        "US",
        "https://io.net/docs/guides/intelligence/io-intelligence",
      ],
      ["scaleway", "Scaleway", "https://api.scaleway.ai/v1", "FR", "https://www.scaleway.com/en/docs/generative-apis/"],
      [
        "digitalocean",
        "DigitalOcean",
        "https://inference.do-ai.run/v1",
        "US",
        "https://docs.digitalocean.com/products/gradient-ai-platform/details/models/",
      ],
      ["vultr", "Vultr", "https://api.vultrinference.com/v1", "US", "https://api.vultrinference.com/"],
      [
        "stepfun",
        "StepFun",
        "https://api.stepfun.com/v1",
        "CN",
        "https://platform.stepfun.com/docs/zh/overview/concept",
      ],
      [
        "github-models",
        "GitHub Models",
        "https://models.github.ai/inference",
        "US",
        "https://docs.github.com/en/github-models",
      ],
      ["llama", "Llama API", "https://api.llama.com/compat/v1", "US", "https://llama.developer.meta.com/docs/models"],
      [
        "modelscope",
        "ModelScope",
        "https://api-inference.modelscope.cn/v1",
        "CN",
        "https://modelscope.cn/docs/model-service/API-Inference/intro",
      ],
      ["poolside", "Poolside", "https://inference.poolside.ai/v1", "US", "https://platform.poolside.ai"],
      [
        "sarvam",
        "Sarvam AI",
        "https://api.sarvam.ai/v1",
        "IN",
        "https://docs.sarvam.ai/api-reference-docs/getting-started/models",
      ],
      ["ollama-cloud", "Ollama Cloud", "https://ollama.com/v1", "US", "https://docs.ollama.com/cloud"],
      [
        "vercel",
        "Vercel AI Gateway",
        "https://ai-gateway.vercel.sh/v1",
        "US",
        "https://vercel.com/docs/ai-gateway/openai-compat",
      ],
      ["requesty", "Requesty", "https://router.requesty.ai/v1", "GB", "https://docs.requesty.ai"],
      ["opencode", "OpenCode Zen", "https://opencode.ai/zen/v1", "US", "https://opencode.ai/docs/zen"],
      [
        "moonshotai-cn",
        "Moonshot AI (China)",
        "https://api.moonshot.cn/v1",
        "CN",
        "https://platform.moonshot.cn/docs/api/chat",
      ],
      [
        "alibaba-cn",
        "Alibaba (China)",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        "CN",
        "https://www.alibabacloud.com/help/en/model-studio/regions",
      ],
      ["cortecs", "Cortecs", "https://api.cortecs.ai/v1", "AT", "https://docs.cortecs.ai"],
      [
        "clarifai",
        "Clarifai",
        "https://api.clarifai.com/v2/ext/openai/v1",
        "US",
        "https://docs.clarifai.com/compute/inference/",
      ],
      ["tinfoil", "Tinfoil", "https://inference.tinfoil.sh/v1", "US", "https://docs.tinfoil.sh"],
      ["nearai", "NEAR AI", "https://cloud-api.near.ai/v1", "US", "https://docs.near.ai/"],
      [
        "stackit",
        "STACKIT",
        "https://api.openai-compat.model-serving.eu01.onstackit.cloud/v1",
        "DE",
        "https://docs.stackit.cloud/products/data-and-ai/ai-model-serving/basics/available-shared-models",
      ],
      ["berget", "Berget AI", "https://api.berget.ai/v1", "SE", "https://api.berget.ai"],
      ["regolo", "Regolo AI", "https://api.regolo.ai/v1", "IT", "https://docs.regolo.ai/"],
      ["inceptron", "Inceptron", "https://api.inceptron.io/v1", "SE", "https://docs.inceptron.io"],
      ["sakana", "Sakana AI", "https://api.sakana.ai/v1", "JP", "https://console.sakana.ai/models"],
    ] as const satisfies readonly Row[]
  ).map((row) => open(row)),
];
