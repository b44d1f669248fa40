/**
 * What is known of families of models, from their makers' model pages: modalities, tokenizer, tools, reasoning.
 * The first row that matches a model's id decides. Facts that differ within a family are rows of their own above it.
 */
import type { FamilySeed } from "./seed.ts";

const TEXT = ["text"] as const;
const IMAGE = ["text", "image"] as const;
const DOCUMENTS = ["text", "image", "file"] as const;
const ALL = ["text", "image", "file", "audio", "video"] as const;

/** Rows are `[pattern, tokenizer, inputs, open weights, tools, reasoning, context]`. */
type Row = readonly [RegExp, string, FamilySeed["inputs"], boolean, boolean, FamilySeed["reasoning"], number];

const ROWS: readonly Row[] = [
  // https://platform.openai.com/docs/models (search, audio, instruct)
  [/^openai\/(text-embedding|gpt-3\.5-turbo-instruct)/, "GPT", TEXT, false, false, "none", 4_095],
  [/^openai\/gpt-4o(-mini)?-search/, "GPT", TEXT, false, false, "none", 128_000],
  [/^openai\/gpt-audio/, "GPT", ["text", "audio"], false, true, "none", 128_000],
  // https://platform.openai.com/docs/models
  [/^openai\/gpt-oss/, "GPT", TEXT, true, true, "mandatory", 131_072],
  [/^openai\/gpt-3\.5/, "GPT", TEXT, false, true, "none", 16_385],
  [/^openai\/gpt-4$/, "GPT", TEXT, false, true, "none", 8_191],
  [/^openai\/gpt-4/, "GPT", DOCUMENTS, false, true, "none", 128_000],
  [/^openai\/(gpt-5-chat|gpt-5\.3-chat|gpt-chat-latest)/, "GPT", DOCUMENTS, false, true, "none", 128_000],
  [/^openai\/(o3-mini|o1-mini)/, "GPT", TEXT, false, true, "mandatory", 200_000],
  [/^openai\/(gpt-5(-mini|-nano)?$|o\d)/, "GPT", DOCUMENTS, false, true, "mandatory", 400_000],
  [/^openai\/gpt-/, "GPT", DOCUMENTS, false, true, "optional", 400_000],
  // https://docs.claude.com/en/docs/about-claude/models/overview
  [/^anthropic\/claude-3-haiku/, "Claude", IMAGE, false, true, "none", 200_000],
  [/^anthropic\//, "Claude", DOCUMENTS, false, true, "optional", 200_000],
  // https://ai.google.dev/gemini-api/docs/models and .../thinking (2.5 Pro and 3 Pro always think)
  [/^google\/gemini-(2\.5|3(\.\d)?)-pro/, "Gemini", ALL, false, true, "mandatory", 1_048_576],
  [/^google\/gemini/, "Gemini", ALL, false, true, "optional", 1_048_576],
  // https://ai.google.dev/gemma/docs
  [/^google\/gemma-2-/, "Gemma", TEXT, true, false, "none", 8_192],
  [/^google\/gemma-4/, "Gemma", IMAGE, true, true, "optional", 262_144],
  [/^google\/gemma-3n/, "Gemma", TEXT, true, false, "none", 32_768],
  [/^google\/gemma-3-1b/, "Gemma", TEXT, true, false, "none", 32_768],
  [/^google\/gemma-3/, "Gemma", IMAGE, true, false, "none", 131_072],
  [/^google\/gemma/, "Gemma", TEXT, true, false, "none", 8_192],
  // https://docs.x.ai/docs/models
  [/^x-ai\/grok-(2-1212|3$)/, "Grok", TEXT, false, true, "none", 131_072],
  [/^x-ai\/grok-(3-mini|code)/, "Grok", TEXT, false, true, "mandatory", 131_072],
  [/^x-ai\/grok/, "Grok", IMAGE, false, true, "mandatory", 256_000],
  // https://docs.mistral.ai/getting-started/models
  [
    /^mistralai\/(mistral-(medium-3|small-(3\.[12]|2603)|large-2512)|ministral-.*-2512)/,
    "Mistral",
    IMAGE,
    false,
    true,
    "none",
    131_072,
  ],
  [/^mistralai\/(codestral-25|devstral-medium|mistral-saba)/, "Mistral", TEXT, false, true, "none", 131_072],
  [/^mistralai\/pixtral/, "Mistral", IMAGE, true, true, "none", 131_072],
  [/^mistralai\/mistral-large/, "Mistral", TEXT, false, true, "none", 128_000],
  [/^mistralai\/mistral-7b-instruct-v0\.1/, "Mistral", TEXT, true, false, "none", 8_192],
  [/^mistralai\/mixtral-8x22b/, "Mistral", TEXT, true, true, "none", 65_536],
  [/^mistralai\/voxtral/, "Mistral", ["text", "audio"], true, true, "none", 32_768],
  [/^mistralai\//, "Mistral", TEXT, true, true, "none", 32_768],
  // https://api-docs.deepseek.com and the model cards at https://huggingface.co/deepseek-ai
  [/^deepseek\/(deepseek-chat$|deepseek-chat-v3-0324)/, "DeepSeek", TEXT, true, true, "none", 131_072],
  [/^deepseek\/deepseek-r1-distill/, "Other", TEXT, true, false, "mandatory", 131_072],
  [/^deepseek\/deepseek-(r1|prover)/, "DeepSeek", TEXT, true, true, "mandatory", 131_072],
  [/^deepseek\//, "DeepSeek", TEXT, true, true, "optional", 131_072],
  // Model cards at https://huggingface.co/Qwen; https://www.alibabacloud.com/help/en/model-studio/models
  [/^qwen\/qwen3\.[5-9]-(\d+b|\d+b-a\d+b)$/, "Qwen3", IMAGE, true, true, "optional", 262_144],
  [/^qwen\/qwen3\.[5-9]-(plus|flash)/, "Qwen3", IMAGE, false, true, "optional", 1_000_000],
  [/^qwen\/qwen3(\.\d)?-(max|coder-plus|coder-flash)/, "Qwen3", TEXT, false, true, "none", 262_144],
  [/^qwen\/qwen-(plus|turbo|max)/, "Qwen3", TEXT, false, true, "none", 131_072],
  [/^qwen\/qwen3-vl.*thinking/, "Qwen3", IMAGE, true, true, "mandatory", 131_072],
  [/^qwen\/(qwen3-vl|qwen-?2\.5-vl)/, "Qwen3", IMAGE, true, true, "none", 131_072],
  [/^qwen\/qwen3.*thinking/, "Qwen3", TEXT, true, true, "mandatory", 262_144],
  [/^qwen\/qwen3-(coder|next|.*2507)/, "Qwen3", TEXT, true, true, "none", 262_144],
  [/^qwen\/qwen3/, "Qwen3", TEXT, true, true, "optional", 40_960],
  [/^qwen\/qwq/, "Qwen", TEXT, true, true, "mandatory", 131_072],
  [/^qwen\//, "Qwen", TEXT, true, true, "none", 32_768],
  // https://docs.z.ai/guides/overview/overview
  [/^z-ai\/glm-(4\.5v|4\.6v)/, "Other", ["text", "image", "video"], true, true, "optional", 65_536],
  [/^z-ai\/glm-5-turbo/, "Other", TEXT, false, true, "optional", 202_752],
  [/^z-ai\//, "Other", TEXT, true, true, "optional", 131_072],
  // https://platform.moonshot.ai/docs
  [/^moonshotai\/kimi-k2-thinking/, "Other", TEXT, true, true, "mandatory", 262_144],
  [/^moonshotai\/kimi-k2(-0905)?$/, "Other", TEXT, true, true, "none", 131_072],
  [/^moonshotai\//, "Other", IMAGE, true, true, "optional", 262_144],
  // https://platform.minimax.io/docs
  [/^minimax\//, "Other", TEXT, true, true, "mandatory", 204_800],
  // https://www.llama.com/docs
  [/^meta-llama\/llama-4/, "Llama4", IMAGE, true, true, "none", 131_072],
  [/^meta-llama\/llama-3\.2-\d+b-vision/, "Llama3", IMAGE, true, false, "none", 131_072],
  [/^meta-llama\/llama-guard-4/, "Llama4", IMAGE, true, false, "none", 131_072],
  [/^meta-llama\/llama-guard-2/, "Llama3", TEXT, true, false, "none", 8_192],
  [/^meta-llama\/llama-guard/, "Llama3", TEXT, true, false, "none", 131_072],
  [/^meta-llama\/llama-3-/, "Llama3", TEXT, true, false, "none", 8_192],
  [/^meta-llama\//, "Llama3", TEXT, true, true, "none", 131_072],
  // Model cards
  [/^nvidia\/nemotron-(3|nano-9b)/, "Other", TEXT, true, true, "optional", 131_072],
  [/^nvidia\//, "Llama3", TEXT, true, true, "optional", 131_072],
  [/^nousresearch\/hermes-4/, "Llama3", TEXT, true, true, "optional", 131_072],
  [/^nousresearch\//, "Llama3", TEXT, true, false, "none", 8_192],
  [/^microsoft\/phi-4-multimodal/, "Other", ["text", "image", "audio"], true, true, "none", 131_072],
  [/^microsoft\/phi-4/, "Other", TEXT, true, true, "none", 16_384],
  [/^microsoft\//, "Mistral", TEXT, true, false, "none", 65_535],
  [/^cohere\/command-a/, "Cohere", TEXT, false, true, "none", 256_000],
  [/^cohere\//, "Cohere", TEXT, false, true, "none", 128_000],
  [/^perplexity\/sonar-(reasoning-pro|deep-research)/, "Other", TEXT, false, false, "mandatory", 128_000],
  [/^perplexity\//, "Other", TEXT, false, false, "none", 128_000],
  [/^baidu\/ernie-4\.5-vl/, "Other", IMAGE, true, false, "optional", 123_000],
  [/^baidu\//, "Other", TEXT, true, true, "none", 120_000],
  [/^arcee-ai\/coder/, "Other", TEXT, true, false, "none", 32_768],
  [/^arcee-ai\/virtuoso/, "Other", TEXT, true, true, "none", 131_072],
  [/^arcee-ai\/trinity-mini/, "Other", TEXT, true, true, "optional", 131_072],
  [/^arcee-ai\/.*thinking/, "Other", TEXT, true, true, "mandatory", 131_072],
  [/^xiaomi\//, "Other", TEXT, true, true, "optional", 262_144],
  [/^prime-intellect\//, "Other", TEXT, true, true, "mandatory", 131_072],
  [/^thinkingmachines\//, "Other", TEXT, true, true, "optional", 131_072],
  [/^upstage\/solar-pro-3/, "Other", TEXT, true, true, "optional", 131_072],
  [/^inception\//, "Other", TEXT, false, true, "optional", 128_000],
  [/^ai21\//, "Other", TEXT, true, true, "none", 256_000],
  [/^morph\//, "Other", TEXT, false, false, "none", 32_000],
  [/^essentialai\//, "Other", TEXT, true, true, "none", 32_768],
  // https://docs.aws.amazon.com/nova/latest/userguide/what-is-nova.html
  [/^amazon\/nova-micro/, "Nova", TEXT, false, true, "none", 128_000],
  [/^amazon\/nova-2/, "Nova", ["text", "image", "file", "video"], false, true, "optional", 1_000_000],
  [/^amazon\/nova/, "Nova", ["text", "image", "video"], false, true, "none", 300_000],
  // https://seed.bytedance.com/en/models and the card of UI-TARS at https://huggingface.co/ByteDance-Seed
  [/^bytedance-seed\//, "Other", ["text", "image", "video"], false, true, "optional", 262_144],
  [/^bytedance\/ui-tars/, "Other", IMAGE, true, false, "none", 128_000],
  // Model cards at https://huggingface.co, by author
  [/^swiss-ai\/apertus/, "Other", TEXT, true, false, "none", 65_536],
  [/^allenai\/.*think/, "Other", TEXT, true, false, "mandatory", 65_536],
  [/^allenai\//, "Other", TEXT, true, false, "none", 65_536],
  [/^(aisingapore|utter-project|pfnet|baai|osmosis)\//, "Other", TEXT, true, false, "none", 8_192],
  [/^(dicta-il)\//, "Other", TEXT, true, false, "mandatory", 8_192],
  [/^tokyotech-llm\//, "Llama3", TEXT, true, false, "none", 131_072],
  [/^moondream\//, "Other", IMAGE, true, false, "none", 8_192],
  [/^tngtech\//, "DeepSeek", TEXT, true, false, "mandatory", 163_840],
  [/^meituan\//, "Other", TEXT, true, true, "none", 131_072],
  [/^inclusionai\/ring/, "Other", TEXT, true, true, "mandatory", 262_144],
  [/^inclusionai\//, "Other", TEXT, true, true, "none", 262_144],
  [/^ibm-granite\//, "Other", TEXT, true, true, "none", 131_072],
  [/^deepcogito\//, "Other", TEXT, true, false, "optional", 128_000],
  [/^liquid\//, "Other", TEXT, true, false, "none", 32_768],
  [/^stepfun\//, "Other", TEXT, true, true, "optional", 262_144],
  [/^tencent\//, "Other", TEXT, true, true, "optional", 131_072],
  [/^rekaai\/reka-edge/, "Other", ["text", "image", "video"], true, true, "none", 16_384],
  [/^rekaai\//, "Other", TEXT, true, false, "mandatory", 65_536],
  [/^alfredpros\//, "Llama2", TEXT, true, false, "none", 4_096],
  [/^(gryphe|undi95)\//, "Llama2", TEXT, true, false, "none", 4_096],
  [/^sao10k\/l3-/, "Llama3", TEXT, true, false, "none", 8_192],
  [/^sao10k\/l3\.1-70b-hanami/, "Llama3", TEXT, true, false, "none", 16_000],
  [/^sao10k\//, "Llama3", TEXT, true, false, "none", 131_072],
  [/^anthracite-org\//, "Qwen", TEXT, true, false, "none", 16_384],
  [/^thedrummer\//, "Mistral", TEXT, true, false, "none", 32_768],
  [/^cognitivecomputations\//, "Other", TEXT, true, false, "none", 32_768],
  // Product pages: https://www.aionlabs.ai, https://www.streamlake.ai, https://writer.com/llms, https://docs.relace.ai
  [/^aion-labs\/aion-rp/, "Other", TEXT, false, false, "none", 32_768],
  [/^aion-labs\//, "Other", TEXT, false, false, "mandatory", 131_072],
  [/^kwaipilot\//, "Other", TEXT, false, true, "none", 256_000],
  [/^writer\//, "Other", TEXT, false, true, "none", 1_000_000],
  [/^relace\/relace-search/, "Other", TEXT, false, true, "none", 256_000],
  [/^relace\//, "Other", TEXT, false, false, "none", 256_000],
  [/^inflection\//, "Other", TEXT, false, false, "none", 8_000],
  [/^mancer\//, "Llama2", TEXT, false, false, "none", 8_000],
  [/^perceptron\//, "Other", ["text", "image", "video"], false, false, "optional", 32_768],
  [/^vercel\/v0/, "Other", IMAGE, false, true, "none", 128_000],
  // https://docs.voyageai.com/docs/embeddings
  [/^voyageai\/voyage-law/, "Other", TEXT, false, false, "none", 16_000],
  [/^voyageai\//, "Other", TEXT, false, false, "none", 32_000],
];

export const FAMILIES: readonly FamilySeed[] = ROWS.map(
  ([match, tokenizer, inputs, openWeights, tools, reasoning, contextTokens]) => ({
    match,
    tokenizer,
    inputs,
    openWeights,
    tools,
    reasoning,
    contextTokens,
  }),
);

/** Endpoints of the author's own API that refuse sampling parameters, by model id (model pages as above). */
export const FIXED_SAMPLING: readonly RegExp[] = [/^openai\/(o\d|gpt-5(?!.*chat)|gpt-[6-9])/];

/**
 * Longest completion at the author's own API, where the packages do not know it: model pages as above. For Claude it is
 * a floor that every model since 4 has, because that API insists on a limit.
 */
export const AUTHOR_OUTPUT_TOKENS: readonly (readonly [RegExp, number])[] = [
  [/^anthropic\/claude-3-haiku/, 4_096],
  [/^anthropic\/claude-opus-4(\.1)?$/, 32_000],
  [/^anthropic\//, 64_000],
  [/^openai\/gpt-(5\.3-chat|chat-latest)/, 16_384],
  [/^openai\/gpt-[5-9]/, 128_000],
  [/^google\/gemini/, 65_536],
];

/**
 * Open models whose licence lets answers train other models: MIT or Apache 2.0 by their model cards. The licences of
 * Llama, Gemma and Nemotron have conditions, so those are not marked.
 */
export const DISTILLABLE = /^(deepseek|qwen|z-ai|minimax|xiaomi|mistralai|openai\/gpt-oss)/;
