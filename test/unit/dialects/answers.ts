/** Answers for the renderers of all dialects: what is known of one, what it may hold, and how it may end. */
import { createCollector } from "../../../src/core/collect.ts";
import type { Collected, GenerationEvent } from "../../../src/core/event.ts";
import { asGenerationId } from "../../../src/core/ids.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";
import type { AnswerHead, AnswerTail, ErrorFace } from "../../../src/dialects/dialect.ts";

export const HEAD: AnswerHead = {
  id: asGenerationId("gen-1-a"),
  createdS: 1_795_000_000,
  model: "a/b",
  provider: "Acme",
  excludeReasoning: false,
};

export const TAIL: AnswerTail = {
  usage: {
    ...NO_USAGE,
    inputText: 10,
    cacheRead: 4,
    cacheWrite: 1,
    cacheWrite1h: 2,
    outputText: 5,
    outputReasoning: 7,
  },
  isEstimated: false,
  endedS: 1_795_000_002,
  costNusd: 120n,
  upstreamCostNusd: 100n,
  upstreamPromptCostNusd: 40n,
  upstreamCompletionCostNusd: 60n,
  isByok: false,
  metadata: null,
};

export const FACE: ErrorFace = {
  status: 502,
  message: "The provider's answer was cut off before its end.",
  metadata: { error_type: "provider_unavailable", provider_name: "Acme", raw: null },
  availability: null,
};

export const text = (said: string): GenerationEvent => ({ type: "text-delta", choice: 0, text: said });
export const refusal = (said: string): GenerationEvent => ({ type: "refusal-delta", choice: 0, text: said });
export const reasoning = (
  detail: Extract<GenerationEvent, { type: "reasoning-delta" }>["detail"],
): GenerationEvent => ({ type: "reasoning-delta", choice: 0, detail });
export const call = (index: number, id: string, name: string): GenerationEvent => ({
  type: "tool-start",
  choice: 0,
  index,
  id,
  name,
});
export const input = (index: number, said: string): GenerationEvent => ({
  type: "tool-input-delta",
  choice: 0,
  index,
  text: said,
});
export const finish = (
  reason: Extract<GenerationEvent, { type: "finish" }>["reason"],
  nativeReason: string | null = null,
): GenerationEvent => ({ type: "finish", choice: 0, reason, nativeReason });

/** The events as a buffered answer. */
export function collected(events: readonly GenerationEvent[]): Collected {
  const collector = createCollector();
  collector.add(events);
  return collector.result();
}
