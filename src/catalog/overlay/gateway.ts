/**
 * Models that the catalog reaches through a gateway only, by its own names: their makers sell them elsewhere, or in a
 * wire format that no adapter has. The gateway's feed has hundreds of names that are switched off by now; these answered
 * in its public list, https://openrouter.ai/api/v1/models, in mid-2026, or joined the feed after that.
 */
export const GATEWAY_MODELS: ReadonlySet<string> = new Set(
  `
  aion-labs/aion-1.0 aion-labs/aion-1.0-mini aion-labs/aion-2.0 aion-labs/aion-rp-llama-3.1-8b
  alfredpros/codellama-7b-instruct-solidity allenai/olmo-3-32b-think
  amazon/nova-2-lite-v1 amazon/nova-lite-v1 amazon/nova-micro-v1 amazon/nova-premier-v1 amazon/nova-pro-v1
  anthracite-org/magnum-v4-72b
  anthropic/claude-3.5-haiku anthropic/claude-opus-4.6-fast anthropic/claude-opus-4.7-fast
  anthropic/claude-opus-4.8-fast anthropic/claude-opus-5-fast
  arcee-ai/coder-large arcee-ai/trinity-mini arcee-ai/virtuoso-large
  bytedance-seed/seed-1.6 bytedance-seed/seed-1.6-flash bytedance-seed/seed-2.0-lite bytedance-seed/seed-2.0-mini
  bytedance/ui-tars-1.5-7b deepcogito/cogito-v2.1-671b deepseek/deepseek-v3.1-terminus
    google/gemma-2-27b-it google/gemma-3-12b-it google/gemma-3-4b-it google/gemma-4-26b-a4b-it
  gryphe/mythomax-l2-13b ibm-granite/granite-4.0-h-micro ibm-granite/granite-4.1-8b
  inclusionai/ling-2.6-1t inclusionai/ling-2.6-flash inclusionai/ring-2.6-1t
  inflection/inflection-3-pi inflection/inflection-3-productivity kwaipilot/kat-coder-pro-v2
  liquid/lfm-2-24b-a2b mancer/weaver meta-llama/llama-guard-3-8b meta-llama/llama-guard-4-12b
  microsoft/phi-4 minimax/minimax-01 minimax/minimax-m2-her
  mistralai/mistral-7b-instruct-v0.1 mistralai/mistral-large mistralai/mistral-medium-3 mistralai/mistral-saba
  mistralai/mistral-small-24b-instruct-2501 mistralai/mixtral-8x22b-instruct mistralai/pixtral-large-2411
  nousresearch/hermes-2-pro-llama-3-8b nousresearch/hermes-3-llama-3.1-405b nousresearch/hermes-3-llama-3.1-70b
  nvidia/llama-3.3-nemotron-super-49b-v1.5 nvidia/nemotron-3-nano-30b-a3b nvidia/nemotron-nano-9b-v2
  
  openai/gpt-4o-mini-search-preview openai/gpt-4o-search-preview openai/gpt-5-pro openai/gpt-5.1-codex-mini
  openai/gpt-5.2-pro openai/gpt-5.3-codex openai/gpt-5.4-pro openai/gpt-5.5-pro openai/gpt-audio openai/gpt-audio-mini
  openai/gpt-oss-safeguard-20b openai/o3-pro perceptron/perceptron-mk1 qwen/qwen-plus-2025-07-28 qwen/qwen3-max-thinking qwen/qwen3-vl-32b-instruct
  qwen/qwen3-vl-8b-thinking qwen/qwen3.5-plus-20260420 qwen/qwen3.6-27b qwen/qwen3.6-max-preview
  rekaai/reka-edge rekaai/reka-flash-3 relace/relace-apply-3 relace/relace-search
  sao10k/l3-euryale-70b sao10k/l3-lunaris-8b sao10k/l3.1-70b-hanami-x1 sao10k/l3.1-euryale-70b sao10k/l3.3-euryale-70b
  stepfun/step-3.5-flash stepfun/step-3.7-flash tencent/hunyuan-a13b-instruct tencent/hy3-preview
  thedrummer/cydonia-24b-v4.1 thedrummer/rocinante-12b thedrummer/skyfall-36b-v2 thedrummer/unslopnemo-12b
  undi95/remm-slerp-l2-13b writer/palmyra-x5 x-ai/grok-3-beta x-ai/grok-3-mini-beta x-ai/grok-4.20-multi-agent
  z-ai/glm-4.6v z-ai/glm-5-turbo
  `
    .trim()
    .split(/\s+/),
);
