/**
 * What was delivered and what it used: the facts a generation is billed and recorded by.
 * Usage is the provider's; the last value wins. Where it is missing, because the provider gave none or the stream broke,
 * it is counted from what was delivered and marked as estimated; so is what the provider counts beyond all that can be
 * true (plausible.ts). Delivered tokens are never free by accident.
 */
import { estimateCompletionTokens } from "../core/estimate.ts";
import { isContent, type FinishReason, type GenerationEvent } from "../core/event.ts";
import { isObject, type Json } from "../core/json.ts";
import { completionTokens, NO_USAGE, promptTokens, type Usage } from "../core/usage.ts";
import { believe, type Believed, type Plausible, type Received } from "./plausible.ts";
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
  /** The provider's count could not be true. */
  readonly isDoubted?: boolean;
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

/**
 * A meter for one answer. `promptTokensEstimate` stands in when the upstream never says, or says what is not
 * `plausible`.
 */
export function createMeter(promptTokensEstimate: number, plausible: Plausible, witness: Witness | null = null): Meter {
  let usage: Usage | null = null;
  let upstreamId: string | null = null;
  let reason: FinishReason | null = null;
  let nativeReason: string | null = null;
  const text = createTextCount();
  const reasoning = createTextCount();
  let images = 0;
  let audioChars = 0;
  /** Came after the client left. */
  const unseen = createTextCount();
  const evidence = createEvidence();

  const note = (event: GenerationEvent): void => {
    if (event.type === "usage") usage = event.usage;
    else if (event.type === "start") upstreamId ??= event.upstreamId ?? null;
    else if (event.type === "finish") {
      reason = event.reason;
      nativeReason = event.nativeReason;
    } else evidence.add(event);
  };
  const told = (): Believed | null => {
    if (usage === null) return null;
    // No text has fewer bytes than characters: what those make believable need not be encoded to be measured.
    const quick = believe(usage, plausible, () => evidence.with(text.chars() + reasoning.chars() + unseen.chars()));
    if (!quick.isDoubted) return quick;
    return believe(usage, plausible, () => evidence.with(text.bytes() + reasoning.bytes() + unseen.bytes()));
  };
  const delivered = (said: Usage | null): Usage => {
    const outputText = text.tokens();
    const outputReasoning = reasoning.tokens();
    const work = said?.work === undefined ? {} : { work: said.work };
    const prompt =
      said !== null && promptTokens(said) > 0 ? said : { ...NO_USAGE, inputText: promptTokensEstimate, ...work };
    const outputAudio = Math.ceil(audioChars / AUDIO_CHARS_PER_TOKEN);
    return { ...prompt, outputText, outputReasoning, outputAudio, outputImage: images * IMAGE_TOKENS };
  };

  return {
    witness,
    add(events) {
      witness?.add(events);
      for (const event of events) {
        note(event);
        if (event.type === "reasoning-delta") reasoning.add(textOf(event));
        else if (event.type === "image") images++;
        else if (event.type === "audio-delta") audioChars += audioCharsIn(event.audio);
        else text.add(textOf(event));
      }
    },
    addUndelivered(events) {
      for (const event of events) {
        note(event);
        unseen.add(textOf(event));
      }
    },
    read(isComplete) {
      const believed = told();
      // The usual case, without a count of our own.
      if (isComplete && believed !== null && !believed.isDoubted && completionTokens(believed.usage) > 0) {
        return { usage: believed.usage, isEstimated: false };
      }
      return billable(believed, delivered(believed?.usage ?? null), isComplete);
    },
    chars: () => text.chars() + reasoning.chars(),
    deliveredTokens() {
      const said = told()?.usage ?? null;
      const counted = completionTokens(delivered(said));
      return said === null ? counted : Math.max(counted, completionTokens(said));
    },
    upstreamId: () => upstreamId,
    finish: () => ({ reason, nativeReason }),
  };
}

/** What is billed of what the upstream says, as far as it is believed, and what we counted (`counted` has a prompt). */
function billable(believed: Believed | null, counted: Usage, isComplete: boolean): Metered {
  if (believed === null) return { usage: counted, isEstimated: true, isPromptEstimated: true };
  const { usage: said, isDoubted } = believed;
  // An upstream that names its prompt but forgets its completion has not told the usage of what it delivered.
  if (isComplete && !isDoubted && completionTokens(counted) === 0) return { usage: said, isEstimated: false };
  const isPromptEstimated = promptTokens(said) === 0;
  const marks = { ...(isPromptEstimated ? { isPromptEstimated } : {}), ...(isDoubted ? { isDoubted } : {}) };
  const tells = completionTokens(said) >= completionTokens(counted) || (isComplete && completionTokens(said) > 0);
  if (!tells) return { usage: counted, isEstimated: true, ...marks };
  if (isDoubted && isPromptEstimated) {
    return { usage: { ...said, inputText: counted.inputText }, isEstimated: true, ...marks };
  }
  return { usage: said, isEstimated: isDoubted || !isComplete, ...(isDoubted ? { isDoubted } : {}) };
}

/** What came beside text, delivered or not. */
function createEvidence() {
  const choices = new Set<number>();
  let calls = 0;
  let images = 0;
  let audioChars = 0;
  let hasReasoning = false;
  return {
    add(event: GenerationEvent): void {
      if (!isContent(event)) return;
      choices.add("choice" in event ? event.choice : 0);
      if (event.type === "tool-start") calls++;
      else if (event.type === "image") images++;
      else if (event.type === "audio-delta") audioChars += audioCharsIn(event.audio);
      else if (event.type === "reasoning-delta") hasReasoning = true;
    },
    with: (textBytes: number): Received => ({
      textBytes,
      choices: choices.size,
      calls,
      images,
      audioChars,
      hasReasoning,
    }),
  };
}

/** The characters that an event delivers; "" for none. */
function textOf(event: GenerationEvent): string {
  switch (event.type) {
    case "text-delta":
    case "refusal-delta":
    case "tool-input-delta":
      return event.text;
    case "tool-start":
      return event.name;
    case "reasoning-delta":
      return event.detail.text ?? event.detail.summary ?? "";
    default:
      return "";
  }
}

/** Measures text; stateless. */
const encoder = new TextEncoder();

/** Counts the tokens of a text that comes in pieces. */
function createTextCount() {
  let rest = "";
  let counted = 0;
  let chars = 0;
  let bytes = 0;
  return {
    add(piece: string): void {
      chars += piece.length;
      rest += piece;
      if (rest.length < PIECE_CHARS) return;
      counted += estimateCompletionTokens(rest);
      bytes += encoder.encode(rest).byteLength;
      rest = "";
    },
    bytes: (): number => bytes + encoder.encode(rest).byteLength,
    chars: (): number => chars,
    tokens: (): number => counted + (rest === "" ? 0 : estimateCompletionTokens(rest)),
  };
}

/** Base64 characters of one piece of audio. */
function audioCharsIn(audio: Json): number {
  return isObject(audio) && typeof audio["data"] === "string" ? audio["data"].length : 0;
}
