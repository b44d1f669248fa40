/**
 * What of an upstream's count can be true. A provider's own count is what a tenant pays, so a provider that counts
 * nonsense, or a hostile one, must not reach into a balance with it. The law:
 *   - prompt: no longer than the endpoint's context and, where all of it was in the request, no more tokens than its
 *     text has bytes, with PROMPT_SPARE_TOKENS for what a provider adds (instructions, tools, what it searched);
 *   - completion: no more tokens than there are bytes of what came, with a spare for what is generated and not shown
 *     around it; reasoning need not be shown, so a model that reasons may have used up the output that the request
 *     allows on top. A count that even the endpoint's longest answer could not hold is no count; one between the two
 *     is cut to what was allowed, for `max_tokens` bounds the bill;
 *   - searches: at most SEARCHES_MAX; hardware: no longer than the longest generation.
 * What is not believed is taken out here; meter.ts counts what was delivered in its place and marks it as estimated.
 * Pure. The numbers are ours: far above what any provider was seen to count, far below a balance.
 */
import { inputModalities, type ChatRequest } from "../core/chat.ts";
import { completionTokens, promptTokens, type Usage } from "../core/usage.ts";
import { fullTokensOf, mayReason } from "./admission.ts";
import { DEADLINES } from "./deadlines.ts";
import type { Candidate } from "./score.ts";

/** No tokenizer makes more tokens than bytes, and seven times our estimate is never less than those (core/estimate.ts). */
const PROMPT_TIMES = 7;
const PROMPT_SPARE_TOKENS = 32_768;
/** Markers of a turn, of channels, of a stop sequence that is cut off. */
const SPARE_TOKENS_PER_CHOICE = 128;
/** The frame that a model writes around a call, which arrives as an event. */
const SPARE_TOKENS_PER_CALL = 128;
/** The largest images of today count 6,240 (gpt-image-1, high, 1024x1536; our own knowledge). */
const IMAGE_TOKENS_MAX = 16_384;
/** Base64 characters of a token of the most compressed audio: 8 kbit/s, 50 tokens a second. */
const AUDIO_CHARS_PER_TOKEN_MIN = 26;
const SEARCHES_MAX = 200;

/** What the counts of one answer can be, whatever comes of it. */
export interface Plausible {
  readonly promptTokensMax: number;
  /** Output that need not be shown: what the request allows, and what the endpoint could write at most. */
  readonly unseenTokens: { readonly allowed: number; readonly possible: number };
  /** The same for an answer that shows reasoning although the model is not known to reason. */
  readonly unseenOfReasoner: { readonly allowed: number; readonly possible: number };
}

/** What of an answer came, delivered or not. */
export interface Received {
  /** UTF-8 bytes of text, refusals, calls and reasoning. */
  readonly textBytes: number;
  readonly choices: number;
  readonly calls: number;
  readonly images: number;
  readonly audioChars: number;
  readonly hasReasoning: boolean;
}

export interface Believed {
  /** Its prompt or its completion is empty where the upstream's count of it was not believed. */
  readonly usage: Usage;
  /** Something was taken out. */
  readonly isDoubted: boolean;
}

/** Nothing can be true of no answer. */
export const NO_ANSWER: Plausible = {
  promptTokensMax: 0,
  unseenTokens: { allowed: 0, possible: 0 },
  unseenOfReasoner: { allowed: 0, possible: 0 },
};

/** What an answer of `candidate` to a request of `promptEstimate` tokens can count. */
export function plausibleOf(request: ChatRequest, candidate: Candidate, promptEstimate: number): Plausible {
  const choices = request.sampling.n ?? 1;
  const { context_length: context, max_completion_tokens: longest } = candidate.endpoint;
  const ofText = PROMPT_TIMES * promptEstimate + PROMPT_SPARE_TOKENS;
  const isTask = request.task !== undefined;
  // An address says nothing of the length of what is there. Of many things to embed each has the context for itself.
  const hasMedia = inputModalities(request.messages).size > 0;
  const promptTokensMax = isTask ? ofText : hasMedia ? context : Math.min(context, ofText);
  const possible = isTask ? 0 : (longest ?? context) * choices;
  const allowed = Math.min(possible, fullTokensOf(request, candidate, promptEstimate) * choices);
  const unseenOfReasoner = { allowed, possible };
  return {
    promptTokensMax,
    unseenTokens: mayReason(request, candidate) ? unseenOfReasoner : { allowed: 0, possible: 0 },
    unseenOfReasoner,
  };
}

/** The part of `usage` that can be true of an answer of which `received` came. */
export function believe(usage: Usage, plausible: Plausible, received: () => Received): Believed {
  const { promptTokensMax } = plausible;
  const isPromptFalse = promptTokens(usage) > promptTokensMax;
  const believed = completionBelieved(usage, plausible, received);
  const isSearchFalse = usage.webSearches > SEARCHES_MAX;
  const isWorkFalse = (usage.work?.hardwareMs ?? 0) > DEADLINES.totalMs;
  if (believed === usage && !isPromptFalse && !isSearchFalse && !isWorkFalse) return { usage, isDoubted: false };
  return {
    usage: {
      ...(isPromptFalse ? { ...believed, ...NO_PROMPT } : believed),
      ...(isSearchFalse ? { webSearches: 0 } : {}),
      ...(isWorkFalse ? { work: { ...usage.work, hardwareMs: undefined } } : {}),
    },
    isDoubted: true,
  };
}

const NO_PROMPT = {
  inputText: 0,
  inputAudio: 0,
  inputImage: 0,
  cacheRead: 0,
  cacheReadAudio: 0,
  cacheWrite: 0,
  cacheWrite1h: 0,
} satisfies Partial<Usage>;
const NO_COMPLETION = { outputText: 0, outputReasoning: 0, outputAudio: 0, outputImage: 0 } satisfies Partial<Usage>;

function completionBelieved(usage: Usage, plausible: Plausible, received: () => Received): Usage {
  const told = completionTokens(usage);
  if (told === 0) return usage;
  const came = received();
  const seen = seenTokensMax(came);
  const { allowed, possible } = came.hasReasoning ? plausible.unseenOfReasoner : plausible.unseenTokens;
  if (told <= seen + allowed) return usage;
  if (told > seen + possible) return { ...usage, ...NO_COMPLETION };
  let excess = told - seen - allowed;
  const cut = (tokens: number): number => {
    const left = Math.max(0, tokens - excess);
    excess -= tokens - left;
    return left;
  };
  // What nobody saw is doubted first.
  const outputReasoning = cut(usage.outputReasoning);
  const outputText = cut(usage.outputText);
  return {
    ...usage,
    outputReasoning,
    outputText,
    outputAudio: cut(usage.outputAudio),
    outputImage: cut(usage.outputImage),
  };
}

/** The most tokens that what came can be; nothing for nothing. */
function seenTokensMax({ textBytes, choices, calls, images, audioChars }: Received): number {
  return (
    textBytes +
    choices * SPARE_TOKENS_PER_CHOICE +
    calls * SPARE_TOKENS_PER_CALL +
    images * IMAGE_TOKENS_MAX +
    Math.ceil(audioChars / AUDIO_CHARS_PER_TOKEN_MIN)
  );
}
