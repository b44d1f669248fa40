/**
 * One model has many spellings: `meta-llama/Llama-3.3-70B-Instruct-Turbo`, `llama-v3p3-70b-instruct`,
 * `@cf/meta/llama-3.3-70b-instruct-fp8-fast`. `modelKey` brings them to one key, and keeps what it cut off, because a
 * precision or a "turbo" tells endpoints of the same provider apart. Pure; build time only.
 */
import type { Quantization } from "../schema.ts";

export interface SpelledName {
  /** Equal for all spellings of one model. */
  readonly key: string;
  /** What was cut off, such as "turbo" or "fp8"; empty when nothing was. */
  readonly suffix: string;
  readonly quantization: Quantization;
}

const QUANTIZATION = /^(fp4|fp8|fp16|bf16|int4|int8|nvfp4|mxfp4)$/;
const DECORATION =
  /^(instruct|it|chat|hf|turbo|lite|basic|tee|maas|fp4|fp8|fp16|bf16|int4|int8|nvfp4|mxfp4|awq|versatile|instant)$/;
/** Families in which "turbo", "lite" or "chat" is another model, not another way to serve it. */
const WHOLE = /^(gpt-[3-9]|gemini-|glm-5|qwen-(turbo|plus|max)|command|voyage-|deepseek-coder)/;
/** Rewritings of whole spellings, applied in order to the lower-case name without its author. */
const REWRITES: readonly (readonly [RegExp, string])[] = [
  // Bedrock's: geography, vendor, version of the packaging.
  [/^(regional|global)\.(?=[a-z]+\.)/, ""],
  [/^(anthropic|amazon|meta|mistral|openai|qwen|deepseek|google|writer)\.(?=[a-z])/, ""],
  [/-(v?\d+):\d+$/, ""],
  [/^r1$/, "deepseek-r1"],
  [/(\d)p(\d)/g, "$1.$2"],
  [/_/g, "."],
  [/^meta-llama-/, "llama-"],
  [/^llama-?v?(\d)/, "llama-$1"],
  [/^(llama-\d)-(\d)-/, "$1.$2-"],
  [/^llama-4-(scout|maverick)(-17b(-(16|128)e)?)?/, "llama-4-$1"],
  [/^nvidia-nemotron/, "nemotron"],
  [/^(claude-[a-z0-9-]+?)-20\d{6}$/, "$1"],
  [/^(claude-[a-z]+-\d)-0$/, "$1"],
  [/^(claude-[a-z]+-\d)-(\d)(-fast)?$/, "$1.$2$3"],
  [/^(claude-3)-(\d)-/, "$1.$2-"],
  [/-latest$/, ""],
  [/^qwen-?(2|2\.5|3)-(coder|vl)/, "qwen$1-$2"],
  [/^qwen-(\d)/, "qwen$1"],
  [/^deepseek[.-]v(\d)/, "deepseek-v$1"],
  [/^deepseek-chat-v/, "deepseek-v"],
  [/^deepseek-v3$/, "deepseek-chat"],
  [/^(kimi-k2)-instruct-0905$/, "$1-0905"],
  [/^kimi-k2-(0711|0905)-preview$/, "kimi-k2-$1"],
  [/^kimi-k2-0711$/, "kimi-k2"],
  [/^qwen3-coder-480b-a35b/, "qwen3-coder"],
  [/^qwen3-235b-a22b-(instruct-)?2507/, "qwen3-235b-a22b-2507"],
  [/-2506$|-2503$/, ""],
  [/^zai-glm/, "glm"],
  [/^grok-4-0709$/, "grok-4"],
  [/^(mixtral-8x\d+b-instruct)-v0\.\d$/, "$1"],
  [/^mistral-nemo-(12b-)?instruct(-2407)?$/, "mistral-nemo"],
  [/^mistral-31-24b$/, "mistral-small-3.1-24b"],
  [/^qwen-?2\.5-qwq-32b$/, "qwq-32b"],
  [/^deepseek-r1-671b$/, "deepseek-r1"],
  [/^nemotron-3-ultra.*$/, "nemotron-3-ultra-550b-a55b"],
  [/^grok-4-1-fast/, "grok-4.1-fast"],
  [/^(grok-4(\.1)?-fast)-reasoning$/, "$1"],
  [/^mistral-medium-3-1$/, "mistral-medium-3.1"],
  [/^gpt-5\.3$/, "gpt-5.3-chat"],
  [/^ernie-4\.5-(.*?)(-base)?-pt$/, "ernie-4.5-$1"],
];

/** The key of a model's name at some provider. */
export function modelKey(name: string): SpelledName {
  const last = name
    .slice(name.lastIndexOf("/") + 1)
    .toLowerCase()
    .replace(/^hf:/, "");
  let text = last;
  for (const [from, to] of REWRITES) text = text.replace(from, to);
  const kept: string[] = [];
  const cut: string[] = [];
  const decoration = WHOLE.test(text) ? QUANTIZATION : DECORATION;
  for (const part of text.split("-")) (decoration.test(part) ? cut : kept).push(part);
  const precision = cut.find((part) => QUANTIZATION.test(part));
  return {
    key: kept.join("-"),
    suffix: cut.filter((part) => !["instruct", "it", "chat", "hf", "versatile", "instant"].includes(part)).join("-"),
    quantization: isQuantization(precision) ? precision : "unknown",
  };
}

function isQuantization(text: string | undefined): text is Quantization {
  return text !== undefined && QUANTIZATION.test(text);
}
