/**
 * Clouds that run models of many makers in regions of their own, each in its own wire format. As in `authors.ts`: every
 * fact with its source.
 */
import { BILLS_ALL, GLOBAL_REGION, zeroRetention } from "./policies.ts";
import type { ProviderSeed } from "./seed.ts";

const ENDPOINTS = "https://docs.aws.amazon.com/general/latest/gr/bedrock.html";
const US = ["us-east-1", "us-west-2"];

export const CLOUD_PROVIDERS: readonly ProviderSeed[] = [
  {
    provider: {
      slug: "amazon-bedrock",
      name: "Amazon Bedrock",
      adapter: "bedrock",
      base_url: "https://bedrock-runtime.us-east-1.amazonaws.com",
      // Coordinates are those of the areas that the regions are named after.
      regions: [
        {
          id: "us-east-1",
          latitude: 38.9,
          longitude: -77.4,
          country: "US",
          jurisdiction: "us",
          base_url: "https://bedrock-runtime.us-east-1.amazonaws.com",
          source: `${ENDPOINTS} (Northern Virginia; a profile of the US geography stays in the US)`,
        },
        {
          id: "us-west-2",
          latitude: 45.8,
          longitude: -119.7,
          country: "US",
          jurisdiction: "us",
          base_url: "https://bedrock-runtime.us-west-2.amazonaws.com",
          source: `${ENDPOINTS} (Oregon; a profile of the US geography stays in the US)`,
        },
        {
          id: "eu-central-1",
          latitude: 50.11,
          longitude: 8.68,
          country: "DE",
          jurisdiction: "eu",
          base_url: "https://bedrock-runtime.eu-central-1.amazonaws.com",
          source: `${ENDPOINTS} (Frankfurt; a profile of the EU geography stays in the EU)`,
        },
        { ...GLOBAL_REGION, source: "a global inference profile may run in any commercial region" },
      ],
      data_policy: zeroRetention(
        "https://docs.aws.amazon.com/bedrock/latest/userguide/data-protection.html (prompts are not stored or logged)",
      ),
      cancellation: BILLS_ALL,
      headquarters: "US",
      privacy_policy_url: "https://aws.amazon.com/privacy/",
      terms_of_service_url: "https://aws.amazon.com/service-terms/",
      status_page_url: "https://health.aws.amazon.com/health/status",
      source: `${ENDPOINTS} and https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html`,
    },
    feeds: [
      // Prices that name no geography are those of the US.
      {
        from: "genai-prices",
        id: "aws",
        only: /^(regional\.anthropic\.claude-(haiku|sonnet|opus|fable)|regional\.amazon|amazon\.nova-(lite|micro|pro|premier)|meta\.llama(3-[13]|4)|openai\.gpt-oss|qwen\.|deepseek\.r1|writer\.|mistral\.(mistral-large-3|devstral-2))/,
      },
      { from: "genai-prices", id: "aws", only: /^global\.(anthropic|amazon)\./, suffix: "global" },
    ],
    parameters: ["temperature", "top_p", "max_tokens", "stop"],
    tools: "parallel",
    upstream: {
      beginnings: [
        [/^regional\./, "{geo}."],
        [/^(?=(meta|writer|deepseek)\.|amazon\.nova-premier)/, "us."],
      ],
    },
    regionsOf: [
      [/^global\./, ["global"]],
      [/^\{geo\}\./, [...US, "eu-central-1"]],
      [/^(us\.|amazon\.)/, US],
      // https://docs.aws.amazon.com/bedrock/latest/userguide/models-regions.html: there first, elsewhere not everywhere.
      [/./, ["us-west-2"]],
    ],
  },
];
