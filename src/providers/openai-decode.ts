/**
 * Answers of the OpenAI-compatible family as generation events: streamed frame by frame, or buffered as one body; both
 * go through the same readers: one JSON.parse per frame and narrow reads, no schema. The hot path is none at all: frames
 * that repeat the one before with another text are recognised (openai-template.ts).
 * A frame that is not JSON, an error inside a 200, and an end without a finish are failures; a missing `[DONE]` after
 * a finish is not. Usage counts wherever it comes, also after the finish. Content after a choice's finish is not.
 */
import type { ChatRequest } from "../core/chat.ts";
import type { GenerationEvent } from "../core/event.ts";
import { isObject, parseJson } from "../core/json.ts";
import type { SseFrame } from "../core/sse.ts";
import type { Usage } from "../core/usage.ts";
import type { StreamDecoder, Target } from "./adapter.ts";
import { cutFailure, malformedFailure } from "./failure.ts";
import { createChoiceReader, type ChoiceReader } from "./openai-choice.ts";
import { failureInside, wireErrorOf } from "./openai-failure.ts";
import { resolvedTarget } from "./openai-credential.ts";
import { withChoices } from "./openai-bare.ts";
import { createTextTemplate } from "./openai-template.ts";
import { readingQuirks, type OpenAiQuirks } from "./openai-quirks.ts";
import { usageOf } from "./usage-openai.ts";

/** No client asks for more choices; a frame with a higher index is not for us. */
const CHOICES_MAX = 128;

/** What a decoder has learned of one answer. */
interface Reading {
  readonly target: Target;
  readonly quirks: OpenAiQuirks;
  readonly choices: Map<number, ChoiceReader>;
  /** Makes tool-call ids that differ between the turns of a conversation. */
  readonly idSeed: () => string;
  upstreamId: string | undefined;
  systemFingerprint: string | undefined;
  serviceTier: string | undefined;
  /** An error was reported: nothing follows. */
  hasFailed: boolean;
}

function createReading(request: ChatRequest, given: Target): Reading {
  const quirks = readingQuirks(given.quirks);
  const resolved = resolvedTarget(given, quirks);
  const target = resolved.ok ? resolved.value : given;
  const reading: Reading = {
    target,
    quirks,
    choices: new Map(),
    idSeed: () => reading.upstreamId ?? `${target.upstreamModel} ${request.messages.length}`,
    upstreamId: undefined,
    systemFingerprint: undefined,
    serviceTier: undefined,
    hasFailed: false,
  };
  return reading;
}

/** A decoder for one stream. */
export function createOpenAiDecoder(request: ChatRequest, target: Target): StreamDecoder {
  const reading = createReading(request, target);
  const template = createTextTemplate();
  let isDone = false;

  return {
    feed(frame) {
      if (reading.hasFailed || isDone) return [];
      const text = frame.event === "" ? template.match(frame.data) : undefined;
      if (text !== undefined) return [{ type: "text-delta", choice: 0, text }];
      const out: GenerationEvent[] = [];
      if (frame.data === "[DONE]" || frame.data.trim() === "[DONE]") {
        isDone = true;
        closeChoices(reading, out);
      } else readFrame(reading, frame, out);
      template.learn(frame.data, out);
      return out;
    },
    run: (text, from, out) => (reading.hasFailed || isDone ? from : template.run(text, from, out)),
    isDone: () => isDone,
    end() {
      if (reading.hasFailed || isDone || isComplete(reading)) return [];
      reading.hasFailed = true;
      return [{ type: "error", failure: cutFailure() }];
    },
  };
}

/** The events of a whole body. */
export function decodeOpenAiReply(sent: unknown, request: ChatRequest, target: Target): GenerationEvent[] {
  const reading = createReading(request, target);
  const out: GenerationEvent[] = [];
  if (!isObject(sent)) {
    fail(reading, "it is no JSON object", null, out);
    return out;
  }
  const body = withChoices(sent, true);
  if (failsInside(reading, body, () => JSON.stringify(body), out)) return out;
  if (!Array.isArray(body.choices) || body.choices.length === 0) {
    const usage = usageIn(body, undefined, reading.quirks);
    if (usage !== undefined) out.push({ type: "usage", usage });
    fail(reading, "it has no choices", JSON.stringify(body), out);
    return out;
  }
  readFacts(reading, body, out);
  const usage = readChoices(reading, body, true, out);
  if (!reading.hasFailed) closeChoices(reading, out);
  addUsage(reading, usage, out);
  return out;
}

function readFrame(reading: Reading, frame: SseFrame, out: GenerationEvent[]): void {
  const { data } = frame;
  if (data === "" || frame.event === "ping") return;
  const chunk = parseJson(data);
  if (!isObject(chunk)) {
    // A finished answer is not undone by what comes after it.
    if (isComplete(reading)) return;
    if (frame.event === "error") {
      const found = { message: data, code: undefined, type: undefined, httpStatus: undefined };
      failWith(reading, failureInside(found, data, reading.target.credential), out);
    } else fail(reading, "a part of the stream is no JSON object", data, out);
    return;
  }
  if (frame.event === "error" || chunk.error !== undefined || chunk.choices === undefined) {
    if (failsInside(reading, chunk, () => data, out)) return;
  }
  const answer = chunk.choices === undefined ? withChoices(chunk, false) : chunk;
  readFacts(reading, answer, out);
  addUsage(reading, readChoices(reading, answer, false, out), out);
}

/** Usage comes last, except that nothing follows an error. */
function addUsage(reading: Reading, usage: Usage | undefined, out: GenerationEvent[]): void {
  if (usage === undefined) return;
  const failure = reading.hasFailed ? out.pop() : undefined;
  out.push({ type: "usage", usage });
  if (failure !== undefined) out.push(failure);
}

/** Reports the error that a body carries instead of an answer, if it does. */
function failsInside(
  reading: Reading,
  body: Record<string, unknown>,
  raw: () => string,
  out: GenerationEvent[],
): boolean {
  const found = wireErrorOf(body);
  if (found === undefined || isComplete(reading)) return false;
  const usage = usageIn(body, undefined, reading.quirks);
  if (usage !== undefined) out.push({ type: "usage", usage });
  failWith(reading, failureInside(found, raw(), reading.target.credential), out);
  return true;
}

/** Announces id, fingerprint and tier when they become known or change. */
function readFacts(reading: Reading, chunk: Record<string, unknown>, out: GenerationEvent[]): void {
  const id = typeof chunk.id === "string" && chunk.id !== "" ? chunk.id : reading.upstreamId;
  const fingerprint =
    typeof chunk.system_fingerprint === "string" ? chunk.system_fingerprint : reading.systemFingerprint;
  const tier = typeof chunk.service_tier === "string" ? chunk.service_tier : reading.serviceTier;
  const isKnown =
    reading.upstreamId !== undefined ? true : id === undefined && fingerprint === undefined && tier === undefined;
  if (isKnown && fingerprint === reading.systemFingerprint && tier === reading.serviceTier) return;
  // The first id is the answer's: some servers number their chunks.
  reading.upstreamId ??= id;
  reading.systemFingerprint = fingerprint;
  reading.serviceTier = tier;
  out.push({ type: "start", upstreamId: reading.upstreamId, systemFingerprint: fingerprint, serviceTier: tier });
}

/** Reads all choices of a chunk or body. @returns its usage. */
function readChoices(
  reading: Reading,
  chunk: Record<string, unknown>,
  isWhole: boolean,
  out: GenerationEvent[],
): Usage | undefined {
  const { choices } = chunk;
  let ofChoice: unknown;
  if (Array.isArray(choices)) {
    for (let position = 0; position < choices.length; position++) {
      const choice: unknown = choices[position];
      if (!isObject(choice)) continue;
      if (choice.usage !== undefined) ofChoice = choice.usage;
      const reader = readerOf(reading, choice.index, position);
      if (reader === undefined) continue;
      const failure = reader.read(choice, chunk, isWhole, out);
      if (failure === undefined) continue;
      failWith(reading, failure, out);
      break;
    }
  }
  return usageIn(chunk, ofChoice, reading.quirks);
}

function readerOf(reading: Reading, wireIndex: unknown, position: number): ChoiceReader | undefined {
  const index = typeof wireIndex === "number" ? wireIndex : position;
  const known = reading.choices.get(index);
  if (known !== undefined) return known;
  if (!Number.isInteger(index) || index < 0 || index >= CHOICES_MAX) return undefined;
  const reader = createChoiceReader(index, reading.quirks, reading.target.credential, reading.idSeed);
  reading.choices.set(index, reader);
  return reader;
}

/** Usage of a chunk: its own, the provider's second place, or a choice's. */
function usageIn(chunk: Record<string, unknown>, ofChoice: unknown, quirks: OpenAiQuirks): Usage | undefined {
  const own = chunk.usage;
  if (typeof own === "object" && own !== null) {
    const usage = usageOf(own, quirks);
    if (usage !== undefined) return usage;
  }
  if (quirks.usage_at !== undefined) {
    let at: unknown = chunk;
    for (const step of quirks.usage_at.split(".")) at = isObject(at) && Object.hasOwn(at, step) ? at[step] : undefined;
    const usage = usageOf(at, quirks);
    if (usage !== undefined) return usage;
  }
  return ofChoice === undefined ? undefined : usageOf(ofChoice, quirks);
}

/** `[DONE]`: choices that never said why they ended have simply ended; no choice at all is no answer. */
function closeChoices(reading: Reading, out: GenerationEvent[]): void {
  if (reading.choices.size === 0) {
    fail(reading, "it has no choices", null, out);
    return;
  }
  for (const choice of reading.choices.values()) choice.close(out);
}

function isComplete(reading: Reading): boolean {
  if (reading.choices.size === 0) return false;
  for (const choice of reading.choices.values()) if (!choice.isFinished()) return false;
  return true;
}

function fail(reading: Reading, detail: string, raw: string | null, out: GenerationEvent[]): void {
  failWith(reading, malformedFailure(detail, raw, reading.target.credential), out);
}

function failWith(reading: Reading, failure: ReturnType<typeof malformedFailure>, out: GenerationEvent[]): void {
  reading.hasFailed = true;
  out.push({ type: "error", failure });
}
