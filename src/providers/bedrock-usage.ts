/**
 * Converse's token counts in disjoint buckets. `inputTokens` leaves out what was read from and written to the cache;
 * where the total proves the opposite, it is taken out here. Reasoning is part of `outputTokens` and not told apart.
 * Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html (accessed 2026-11-21).
 */
import { isObject, numberOf, stringOf } from "../core/json.ts";
import { completionTokens, NO_USAGE, promptTokens, type Usage } from "../core/usage.ts";

/** More than any answer can use; a larger number is no count. */
const COUNT_MAX = 1e12;

/** The buckets behind a `usage` object; null when it holds no count. */
export function bedrockUsageOf(wire: unknown): Usage | null {
  if (!isObject(wire)) return null;
  const input = count(wire["inputTokens"]);
  const output = count(wire["outputTokens"]);
  const read = count(wire["cacheReadInputTokens"] ?? wire["cacheReadInputTokenCount"]);
  const written = count(wire["cacheWriteInputTokens"] ?? wire["cacheWriteInputTokenCount"]);
  const hour = Math.min(hourTokens(wire["cacheDetails"]), written);
  const cached = read + written;
  const isInside = cached > 0 && cached <= input && count(wire["totalTokens"]) === input + output;
  const usage: Usage = {
    ...NO_USAGE,
    inputText: isInside ? input - cached : input,
    cacheRead: read,
    cacheWrite: written - hour,
    cacheWrite1h: hour,
    outputText: output,
  };
  return promptTokens(usage) + completionTokens(usage) > 0 ? usage : null;
}

/** What was written for an hour: `cacheDetails` has a line for each life. */
function hourTokens(details: unknown): number {
  if (!Array.isArray(details)) return 0;
  let tokens = 0;
  for (const line of details as readonly unknown[]) {
    if (isObject(line) && /1h/i.test(stringOf(line["ttl"]) ?? "")) tokens += count(line["inputTokens"]);
  }
  return tokens;
}

function count(value: unknown): number {
  const number = numberOf(value) ?? 0;
  return number > 0 && number <= COUNT_MAX ? Math.round(number) : 0;
}
