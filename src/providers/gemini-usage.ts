/**
 * Gemini's token counts as disjoint buckets. `promptTokenCount` includes what was read from the cache; thoughts come on
 * top of `candidatesTokenCount`, prompts of tools on top of `promptTokenCount`. Tokens of video and documents have no
 * bucket of their own and count as text. Counts are cumulative: the last usage of a stream is the whole.
 * Source: https://ai.google.dev/api/generate-content#UsageMetadata (accessed 2026-11-21).
 */
import { isObject, numberOf } from "../core/json.ts";
import { completionTokens, NO_USAGE, promptTokens, type Usage } from "../core/usage.ts";

/** No answer is this long: what is beyond is no count. */
const COUNT_MAX = 1e12;

/** The usage in a `usageMetadata`; null when it holds no count. */
export function geminiUsageOf(metadata: unknown): Usage | null {
  if (!isObject(metadata)) return null;
  const prompt = countOf(metadata["promptTokenCount"]);
  const read = Math.min(countOf(metadata["cachedContentTokenCount"]), prompt);
  const cached = metadata["cacheTokensDetails"];
  const cacheReadAudio = Math.min(detailOf(cached, "AUDIO"), read);
  let uncached = prompt - read;
  const inputAudio = partOf(uncached, metadata["promptTokensDetails"], cached, "AUDIO");
  uncached -= inputAudio;
  const inputImage = partOf(uncached, metadata["promptTokensDetails"], cached, "IMAGE");
  uncached -= inputImage;
  let visible = countOf(metadata["candidatesTokenCount"]);
  const outputAudio = partOf(visible, metadata["candidatesTokensDetails"], undefined, "AUDIO");
  visible -= outputAudio;
  const outputImage = partOf(visible, metadata["candidatesTokensDetails"], undefined, "IMAGE");
  visible -= outputImage;
  const usage = {
    ...NO_USAGE,
    inputText: uncached + countOf(metadata["toolUsePromptTokenCount"]),
    inputAudio,
    inputImage,
    cacheRead: read - cacheReadAudio,
    ...(cacheReadAudio === 0 ? {} : { cacheReadAudio }),
    outputText: visible,
    outputReasoning: countOf(metadata["thoughtsTokenCount"]),
    outputAudio,
    outputImage,
  };
  return promptTokens(usage) + completionTokens(usage) > 0 ? usage : null;
}

function countOf(value: unknown): number {
  const count = numberOf(value) ?? 0;
  return count >= 0 && count <= COUNT_MAX ? Math.round(count) : 0;
}

/** Tokens of `modality`, less the cached ones, at most `limit`: details are estimates and must not exceed the total. */
function partOf(limit: number, details: unknown, cached: unknown, modality: string): number {
  return Math.min(Math.max(0, detailOf(details, modality) - detailOf(cached, modality)), limit);
}

function detailOf(details: unknown, modality: string): number {
  if (!Array.isArray(details)) return 0;
  let tokens = 0;
  for (const detail of details) {
    if (isObject(detail) && detail["modality"] === modality) tokens += countOf(detail["tokenCount"]);
  }
  return tokens;
}
