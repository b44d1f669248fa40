/**
 * Token counts in disjoint buckets: no token is in two of them, and prompt and completion totals are their sums.
 * Adapters translate a provider's numbers into this once (each has its own rule whether its prompt count includes the
 * cache); everything after multiplies and adds.
 */

export interface Usage {
  /** Uncached text tokens of the prompt. */
  readonly inputText: number;
  readonly inputAudio: number;
  readonly inputImage: number;
  readonly cacheRead: number;
  /** Written to the provider's cache with its default life (5 minutes where it has several). */
  readonly cacheWrite: number;
  readonly cacheWrite1h: number;
  /** Visible text tokens of the completion, tool calls included. */
  readonly outputText: number;
  readonly outputReasoning: number;
  readonly outputAudio: number;
  readonly outputImage: number;
  /** Searches that the provider ran itself and bills one by one. */
  readonly webSearches: number;
}

export const NO_USAGE: Usage = {
  inputText: 0,
  inputAudio: 0,
  inputImage: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWrite1h: 0,
  outputText: 0,
  outputReasoning: 0,
  outputAudio: 0,
  outputImage: 0,
  webSearches: 0,
};

/** All tokens that went in. */
export function promptTokens(usage: Usage): number {
  return (
    usage.inputText + usage.inputAudio + usage.inputImage + usage.cacheRead + usage.cacheWrite + usage.cacheWrite1h
  );
}

/** All tokens that came out, reasoning included. */
export function completionTokens(usage: Usage): number {
  return usage.outputText + usage.outputReasoning + usage.outputAudio + usage.outputImage;
}
