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
  /** Read from the provider's cache; audio of it is `cacheReadAudio`, where it is told apart. */
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
  /** Audio that was read from the provider's cache. Absent: none. */
  readonly cacheReadAudio?: number | undefined;
  /** What is not counted in tokens. Absent: nothing. */
  readonly work?: Work | undefined;
}

/** Work that is billed by something else than tokens; whole numbers, absent for none. */
export interface Work {
  /** Time that the hardware was busy. */
  readonly hardwareMs?: number | undefined;
  /** Length of the audio that was listened to. */
  readonly audioMs?: number | undefined;
  /** Length of the video that was made. */
  readonly videoMs?: number | undefined;
  readonly imagesMade?: number | undefined;
  /** Pixels of the images that were made. */
  readonly pixelsMade?: number | undefined;
  /** Pages of documents that were read. */
  readonly pages?: number | undefined;
  /** Characters that were spoken. */
  readonly characters?: number | undefined;
  /** Units of search or ranking. */
  readonly searchUnits?: number | undefined;
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
    usage.inputText + usage.inputAudio + usage.inputImage + cachedTokens(usage) + usage.cacheWrite + usage.cacheWrite1h
  );
}

/** Tokens of the prompt that were read from the provider's cache. */
export function cachedTokens(usage: Usage): number {
  return usage.cacheRead + (usage.cacheReadAudio ?? 0);
}

/** All tokens that came out, reasoning included. */
export function completionTokens(usage: Usage): number {
  return usage.outputText + usage.outputReasoning + usage.outputAudio + usage.outputImage;
}
