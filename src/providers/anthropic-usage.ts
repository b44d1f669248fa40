/**
 * Anthropic's token counts as disjoint buckets. `input_tokens` leaves the cache out; counts in `message_delta` are
 * cumulative and may repeat or correct those of `message_start`, so the last value of each field wins and none is summed.
 * Thinking is part of `output_tokens` and is told apart where the API says how much it was.
 * Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching (accessed 2026-11-21).
 */
import { isObject, numberOf } from "../core/json.ts";
import { NO_USAGE, type Usage } from "../core/usage.ts";

/** No answer is this long: what is beyond is no count. */
const COUNT_MAX = 1e12;

interface Counts {
  input: number;
  cacheRead: number;
  cacheWrite: number;
  cacheWrite1h: number;
  output: number;
  thinking: number;
  webSearches: number;
}

/** A reader of one answer's usage objects: what is known so far, or null when `usage` holds no count. */
export function createUsageReader(): (usage: unknown) => Usage | null {
  const counts: Counts = {
    input: 0,
    cacheRead: 0,
    cacheWrite: 0,
    cacheWrite1h: 0,
    output: 0,
    thinking: 0,
    webSearches: 0,
  };
  return (usage) => {
    if (!isObject(usage)) return null;
    const split = isObject(usage["cache_creation"]) ? usage["cache_creation"] : {};
    const details = isObject(usage["output_tokens_details"]) ? usage["output_tokens_details"] : {};
    const tools = isObject(usage["server_tool_use"]) ? usage["server_tool_use"] : {};
    const found = [
      take(counts, "input", usage["input_tokens"]),
      take(counts, "cacheRead", usage["cache_read_input_tokens"]),
      take(counts, "cacheWrite", usage["cache_creation_input_tokens"] ?? splitTotal(split)),
      take(counts, "cacheWrite1h", split["ephemeral_1h_input_tokens"]),
      take(counts, "output", usage["output_tokens"]),
      take(counts, "thinking", details["thinking_tokens"]),
      take(counts, "webSearches", tools["web_search_requests"]),
    ];
    return found.includes(true) ? usageOf(counts) : null;
  };
}

function take(counts: Counts, name: keyof Counts, value: unknown): boolean {
  const count = numberOf(value);
  if (count === undefined || count < 0 || count > COUNT_MAX) return false;
  counts[name] = Math.round(count);
  return true;
}

function splitTotal(split: Readonly<Record<string, unknown>>): number | undefined {
  const short = numberOf(split["ephemeral_5m_input_tokens"]);
  const long = numberOf(split["ephemeral_1h_input_tokens"]);
  return short === undefined && long === undefined ? undefined : (short ?? 0) + (long ?? 0);
}

function usageOf(counts: Counts): Usage {
  const cacheWrite1h = Math.min(counts.cacheWrite1h, counts.cacheWrite);
  const thinking = Math.min(counts.thinking, counts.output);
  return {
    ...NO_USAGE,
    inputText: counts.input,
    cacheRead: counts.cacheRead,
    cacheWrite: counts.cacheWrite - cacheWrite1h,
    cacheWrite1h,
    outputText: counts.output - thinking,
    outputReasoning: thinking,
    webSearches: counts.webSearches,
  };
}
