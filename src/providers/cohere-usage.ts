/**
 * Cohere's counts in disjoint buckets. What is billed is `billed_units`: tokens of the conversation alone, without those
 * of the template around it, which `tokens` counts and of which `cached_tokens` is a part. So where billed units are
 * given they are the usage, and nothing of them was cached; else `tokens` stand in.
 * Source: https://docs.cohere.com/v2/reference/chat, usage (accessed 2026-11-21).
 */
import { isObject, numberOf } from "../core/json.ts";
import { completionTokens, NO_USAGE, promptTokens, type Usage } from "../core/usage.ts";

/** More than any answer can use; a larger number is no count. */
const COUNT_MAX = 1e12;

/** The buckets behind a `usage` object; null when it holds no count. */
export function cohereUsageOf(wire: unknown): Usage | null {
  if (!isObject(wire)) return null;
  const billed = isObject(wire["billed_units"]) ? wire["billed_units"] : null;
  const usage =
    billed === null || count(billed["output_tokens"]) + count(billed["input_tokens"]) === 0
      ? usageOfTokens(wire)
      : {
          ...NO_USAGE,
          inputText: count(billed["input_tokens"]),
          outputText: count(billed["output_tokens"]),
          webSearches: count(billed["search_units"]),
        };
  return promptTokens(usage) + completionTokens(usage) > 0 ? usage : null;
}

function usageOfTokens(wire: Readonly<Record<string, unknown>>): Usage {
  const tokens = isObject(wire["tokens"]) ? wire["tokens"] : {};
  const input = count(tokens["input_tokens"]);
  const cacheRead = Math.min(count(wire["cached_tokens"]), input);
  return { ...NO_USAGE, inputText: input - cacheRead, cacheRead, outputText: count(tokens["output_tokens"]) };
}

function count(value: unknown): number {
  const number = numberOf(value) ?? 0;
  return number > 0 && number <= COUNT_MAX ? Math.round(number) : 0;
}
