/** Values that many rows of the overlay share: data policies, cancellation policies, regions, parameter lists. */
import type { DataPolicySeed } from "./seed.ts";

/** No statement was found: treated as the worst, as `https://openrouter.ai/docs/features/zdr` does (read 2026-11-21). */
export const UNKNOWN_POLICY: DataPolicySeed = {
  training: true,
  retains_prompts: true,
  retention_days: null,
  zdr: false,
  source: "no published statement found; treated as retaining and training",
};

/** Prompts are neither kept nor used. */
export function zeroRetention(source: string): DataPolicySeed {
  return { training: false, retains_prompts: false, retention_days: 0, zdr: true, source };
}

/** Prompts are kept for `days` (null: not said), and not used for training. */
export function retainedFor(days: number | null, source: string): DataPolicySeed {
  return { training: false, retains_prompts: true, retention_days: days, zdr: false, source };
}

const CANCELLATION_PAGE = "https://openrouter.ai/docs/api-reference/streaming (stream cancellation, list of providers)";

// A provider that takes something for being left is `{ policy: "bills_surcharge", surcharge, surcharge_bps, source }`;
// no provider of the overlay publishes that it does.
export const STOPS = { policy: "stops", source: CANCELLATION_PAGE } as const;
export const BILLS_ALL = { policy: "bills_all", source: CANCELLATION_PAGE } as const;
export const CANCELLATION_UNKNOWN = {
  policy: "bills_all",
  source: "no published statement found; treated as billing the whole answer",
} as const;

/** One address for the world, and no word where it leads. */
export const GLOBAL_REGION = {
  id: "global",
  latitude: null,
  longitude: null,
  jurisdiction: null,
  source: "no region is documented for the default base URL",
} as const;

/** What every OpenAI-like server takes. */
export const COMMON_PARAMETERS: readonly string[] = [
  "temperature",
  "top_p",
  "max_tokens",
  "stop",
  "frequency_penalty",
  "presence_penalty",
];

/** What servers built on vLLM or SGLang take besides. */
export const OPEN_SERVER_PARAMETERS: readonly string[] = [
  ...COMMON_PARAMETERS,
  "top_k",
  "min_p",
  "repetition_penalty",
  "seed",
  "logit_bias",
  "logprobs",
  "top_logprobs",
  "response_format",
  "structured_outputs",
];
