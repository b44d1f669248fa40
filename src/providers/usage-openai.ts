/**
 * Usage of the OpenAI-compatible family in disjoint buckets.
 * Every provider has its own names and its own idea of what a total includes; here they become buckets that add up:
 * prompt = text + audio + image + cache read + cache writes, completion = text + reasoning + audio + image.
 * Numbers that contradict each other are cut to fit the totals, never counted twice.
 */
import { isObject } from "../core/json.ts";
import { NO_USAGE, type Usage } from "../core/usage.ts";
import type { OpenAiQuirks } from "./openai-quirks.ts";

/** No answer has more tokens; beyond it a number is nonsense. */
const TOKENS_MAX = 1e12;

const NOTHING: Record<string, unknown> = {};

/**
 * The buckets behind a `usage` object.
 * @returns undefined when it is no usage: not an object, no counts, or all of them zero (a placeholder).
 */
export function usageOf(wire: unknown, quirks: OpenAiQuirks): Usage | undefined {
  if (!isObject(wire)) return undefined;
  const inDetails = detailsOf(wire.prompt_tokens_details ?? wire.input_tokens_details);
  const outDetails = detailsOf(wire.completion_tokens_details ?? wire.output_tokens_details);
  const totalWire = count(wire.total_tokens);
  const completionWire = count(wire.completion_tokens ?? wire.output_tokens);
  const promptWire = numeric(wire.prompt_tokens ?? wire.input_tokens) ?? Math.max(0, totalWire - completionWire);

  const cacheRead = cacheReadOf(wire, inDetails);
  const written1h = count(detailsOf(inDetails.cache_creation ?? wire.cache_creation).ephemeral_1h_input_tokens);
  const written = Math.max(cacheWrittenOf(wire, inDetails), written1h);
  const promptTotal = quirks.prompt_includes_cache ? promptWire : promptWire + cacheRead + written;
  const reasoning = first(outDetails.reasoning_tokens, wire.reasoning_tokens);
  const completionTotal = completionWire + reasoningOnTop(promptWire, completionWire, totalWire, reasoning, quirks);
  if (promptTotal === 0 && completionTotal === 0) return undefined;

  let left = promptTotal;
  const take = (wanted: number): number => {
    const taken = Math.min(wanted, left);
    left -= taken;
    return taken;
  };
  const read = take(cacheRead);
  const cacheWrite1h = take(written1h);
  const cacheWrite = take(written - written1h);
  const inputAudio = take(count(inDetails.audio_tokens));
  // Where pictures have a price of their own, it is that of a video's, too.
  const inputImage = take(count(inDetails.image_tokens) + count(inDetails.video_tokens));
  const inputText = left;
  left = completionTotal;
  const outputReasoning = take(reasoning);
  const outputAudio = take(count(outDetails.audio_tokens));
  const outputImage = take(count(outDetails.image_tokens));
  return {
    ...NO_USAGE,
    inputText,
    inputAudio,
    inputImage,
    cacheRead: read,
    cacheWrite,
    cacheWrite1h,
    outputText: left,
    outputReasoning,
    outputAudio,
    outputImage,
    webSearches: searchesOf(wire, quirks),
  };
}

/** Tokens of reasoning that `completion_tokens` does not count: all or none. */
function reasoningOnTop(
  prompt: number,
  completion: number,
  total: number,
  reasoning: number,
  quirks: OpenAiQuirks,
): number {
  if (reasoning === 0) return 0;
  if (!quirks.completion_includes_reasoning || reasoning > completion) return reasoning;
  // The total proves it: some models of a provider count one way and some the other.
  return total === prompt + completion + reasoning ? reasoning : 0;
}

function cacheReadOf(wire: Record<string, unknown>, details: Record<string, unknown>): number {
  return first(
    details.cached_tokens,
    details.cache_read_tokens,
    wire.prompt_cache_hit_tokens,
    wire.cached_tokens,
    wire.cache_read_input_tokens,
  );
}

function cacheWrittenOf(wire: Record<string, unknown>, details: Record<string, unknown>): number {
  return first(
    details.cache_write_tokens,
    details.cache_creation_input_tokens,
    details.cache_creation_tokens,
    wire.cache_creation_input_tokens,
    wire.cache_write_tokens,
  );
}

function searchesOf(wire: Record<string, unknown>, quirks: OpenAiQuirks): number {
  if (quirks.searches_field !== undefined) return count(wire[quirks.searches_field]);
  const ofTools = detailsOf(wire.server_tool_use_details ?? wire.server_tool_use);
  return first(wire.num_search_queries, ofTools.web_search_requests);
}

function detailsOf(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : NOTHING;
}

function numeric(value: unknown): number | undefined {
  return typeof value === "number" ? count(value) : undefined;
}

/** A token count: a whole number from 0; everything else is 0. */
function count(value: unknown): number {
  return typeof value === "number" && value > 0 ? Math.min(Math.trunc(value), TOKENS_MAX) : 0;
}

/** The first count above zero. */
function first(...values: readonly unknown[]): number {
  for (const value of values) {
    const found = count(value);
    if (found > 0) return found;
  }
  return 0;
}
