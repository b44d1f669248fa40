/**
 * What was delivered and what it used: the facts a generation is billed and recorded by.
 * Usage is the provider's; the last value wins. Where it is missing, because the provider gave none or the stream broke,
 * it is counted from what was delivered and marked as estimated. Delivered tokens are never free by accident.
 */
import { estimateCompletionTokens } from "../core/estimate.ts";
import type { FinishReason, GenerationEvent } from "../core/event.ts";
import { isObject, type Json } from "../core/json.ts";
import { completionTokens, NO_USAGE, promptTokens, type Usage } from "../core/usage.ts";
import type { Witness } from "./witness.ts";

/** Delivered text is counted in pieces of this many characters, so that a long answer is not kept. */
const PIECE_CHARS = 4_096;

/** Tokens of a generated image when nobody says: what Gemini counts for one up to 1024x1024 (our own knowledge). */
const IMAGE_TOKENS = 1_290;
/** Base64 characters of 24 kHz 16-bit audio per token, at 20 tokens a second (a guess, on the low side of the bill). */
const AUDIO_CHARS_PER_TOKEN = 3_200;

export interface Metered {
  readonly usage: Usage;
  readonly isEstimated: boolean;
  /** Not even the prompt's count is the provider's. */
  readonly isPromptEstimated?: boolean;
}

export interface Meter {
  /** Takes note of events that were, or are about to be, delivered. */
  add(events: readonly GenerationEvent[]): void;
  /** Takes note of usage only: the client is gone and no longer pays for content by our count. */
  addUndelivered(events: readonly GenerationEvent[]): void;
  /**
   * The usage to bill. `isComplete`: the upstream ended its answer, so its own numbers hold for all of it; else they
   * hold for the prompt, and for the completion only where they are higher than what was delivered.
   */
  read(isComplete: boolean): Metered;
  /** Characters of delivered text and reasoning; cheap to ask. */
  chars(): number;
  /** Delivered output tokens by our count, or by the provider's where that is higher already. */
  deliveredTokens(): number;
  upstreamId(): string | null;
  /** What its form will be judged by; null for most answers. */
  readonly witness: Witness | null;
  finish(): { readonly reason: FinishReason | null; readonly nativeReason: string | null };
}

/** A meter for one answer. `promptTokensEstimate` stands in when the upstream never says. */
export function createMeter(promptTokensEstimate: number, witness: Witness | null = null): Meter {
  let usage: Usage | null = null;
  let upstreamId: string | null = null;
  let reason: FinishReason | null = null;
  let nativeReason: string | null = null;
  const text = createTextCount();
  const reasoning = createTextCount();
  let images = 0;
  let audioChars = 0;

  const note = (event: GenerationEvent): void => {
    if (event.type === "usage") usage = event.usage;
    else if (event.type === "start") upstreamId ??= event.upstreamId ?? null;
    else if (event.type === "finish") {
      reason = event.reason;
      nativeReason = event.nativeReason;
    }
  };
  const delivered = (): Usage => {
    const outputText = text.tokens();
    const outputReasoning = reasoning.tokens();
    const work = usage?.work === undefined ? {} : { work: usage.work };
    const prompt =
      usage !== null && promptTokens(usage) > 0 ? usage : { ...NO_USAGE, inputText: promptTokensEstimate, ...work };
    const outputAudio = Math.ceil(audioChars / AUDIO_CHARS_PER_TOKEN);
    return { ...prompt, outputText, outputReasoning, outputAudio, outputImage: images * IMAGE_TOKENS };
  };

  return {
    witness,
    add(events) {
      witness?.add(events);
      for (const event of events) {
        note(event);
        if (event.type === "text-delta" || event.type === "refusal-delta" || event.type === "tool-input-delta") {
          text.add(event.text);
        } else if (event.type === "tool-start") text.add(event.name);
        else if (event.type === "reasoning-delta") reasoning.add(event.detail.text ?? event.detail.summary ?? "");
        else if (event.type === "image") images++;
        else if (event.type === "audio-delta") audioChars += audioCharsIn(event.audio);
      }
    },
    addUndelivered(events) {
      for (const event of events) note(event);
    },
    read(isComplete) {
      // The usual case, without a count of our own.
      if (isComplete && usage !== null && completionTokens(usage) > 0) return { usage, isEstimated: false };
      const counted = delivered();
      // An upstream that names its prompt but forgets its completion has not told the usage of what it delivered.
      if (isComplete && usage !== null && completionTokens(counted) === 0) return { usage, isEstimated: false };
      if (usage !== null && completionTokens(usage) >= completionTokens(counted))
        return { usage, isEstimated: !isComplete };
      const isPromptEstimated = usage === null || promptTokens(usage) === 0;
      return { usage: counted, isEstimated: true, ...(isPromptEstimated ? { isPromptEstimated } : {}) };
    },
    chars: () => text.chars() + reasoning.chars(),
    deliveredTokens() {
      const counted = completionTokens(delivered());
      return usage === null ? counted : Math.max(counted, completionTokens(usage));
    },
    upstreamId: () => upstreamId,
    finish: () => ({ reason, nativeReason }),
  };
}

/** Counts the tokens of a text that comes in pieces. */
function createTextCount() {
  let rest = "";
  let counted = 0;
  let chars = 0;
  return {
    add(piece: string): void {
      chars += piece.length;
      rest += piece;
      if (rest.length < PIECE_CHARS) return;
      counted += estimateCompletionTokens(rest);
      rest = "";
    },
    chars: (): number => chars,
    tokens: (): number => counted + (rest === "" ? 0 : estimateCompletionTokens(rest)),
  };
}

/** Base64 characters of one piece of audio. */
function audioCharsIn(audio: Json): number {
  return isObject(audio) && typeof audio["data"] === "string" ? audio["data"].length : 0;
}
