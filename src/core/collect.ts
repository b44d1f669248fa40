/**
 * Folds generation events into a whole answer: what a buffered reply is rendered from, fed piece by piece.
 * Text is joined in order; reasoning pieces by index and type; tool calls by index, an empty input becomes "{}"; audio
 * pieces become one. The last usage wins. Never throws, whatever the order of events.
 */
import type { ReasoningDetail } from "./chat.ts";
import type { UpstreamFailure } from "./error.ts";
import type { Collected, CollectedChoice, FinishReason, GenerationEvent } from "./event.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";
import type { Usage } from "./usage.ts";

export interface Collector {
  add(events: readonly GenerationEvent[]): void;
  /** The answer so far. */
  result(): Collected;
}

interface OpenReasoning {
  detail: ReasoningDetail;
}

interface OpenToolCall {
  readonly id: string;
  readonly name: string;
  input: string;
}

interface OpenChoice {
  text: string;
  refusal: string;
  readonly reasoning: Map<string, OpenReasoning>;
  readonly toolCalls: Map<number, OpenToolCall>;
  readonly images: string[];
  readonly audio: JsonObject[];
  readonly annotations: Json[];
  logprobs: JsonObject | null;
  finishReason: FinishReason | null;
  nativeFinishReason: string | null;
}

/** A collector for one answer. */
export function createCollector(): Collector {
  const choices = new Map<number, OpenChoice>();
  let upstreamId: string | null = null;
  let systemFingerprint: string | null = null;
  let serviceTier: string | null = null;
  let usage: Usage | null = null;
  let failure: UpstreamFailure | null = null;
  const kept: GenerationEvent[] = [];

  const choiceOf = (index: number): OpenChoice => {
    const known = choices.get(index);
    if (known !== undefined) return known;
    const fresh = openChoice();
    choices.set(index, fresh);
    return fresh;
  };

  return {
    add(events) {
      for (const event of events) {
        kept.push(event);
        switch (event.type) {
          case "start":
            upstreamId = event.upstreamId ?? upstreamId;
            systemFingerprint = event.systemFingerprint ?? systemFingerprint;
            serviceTier = event.serviceTier ?? serviceTier;
            break;
          case "usage":
            usage = event.usage;
            break;
          case "error":
            failure ??= event.failure;
            break;
          // Whoever asked for a task finds it among the events.
          case "outcome":
            break;
          default:
            addTo(choiceOf(event.choice), event);
        }
      }
    },
    result() {
      const ordered = [...choices].sort(([left], [right]) => left - right);
      return {
        upstreamId,
        systemFingerprint,
        serviceTier,
        choices: ordered.map(([index, choice]) => closed(index, choice)),
        usage,
        failure,
        events: kept,
      };
    },
  };
}

function openChoice(): OpenChoice {
  return {
    text: "",
    refusal: "",
    reasoning: new Map(),
    toolCalls: new Map(),
    images: [],
    audio: [],
    annotations: [],
    logprobs: null,
    finishReason: null,
    nativeFinishReason: null,
  };
}

type ChoiceEvent = Extract<GenerationEvent, { readonly choice: number }>;

function addTo(choice: OpenChoice, event: ChoiceEvent): void {
  switch (event.type) {
    case "text-delta":
      choice.text += event.text;
      break;
    case "refusal-delta":
      choice.refusal += event.text;
      break;
    case "reasoning-delta":
      addReasoning(choice, event.detail);
      break;
    case "tool-start":
      choice.toolCalls.set(event.index, { id: event.id, name: event.name, input: "" });
      break;
    case "tool-input-delta": {
      const call = choice.toolCalls.get(event.index);
      if (call !== undefined) call.input += event.text;
      break;
    }
    case "image":
      choice.images.push(event.url);
      break;
    case "audio-delta":
      if (isJsonObject(event.audio)) choice.audio.push(event.audio);
      break;
    case "annotations":
      choice.annotations.push(...event.annotations);
      break;
    case "logprobs":
      choice.logprobs = joinLogprobs(choice.logprobs, event.logprobs);
      break;
    case "finish":
      choice.finishReason = event.reason;
      choice.nativeFinishReason = event.nativeReason;
      break;
    default:
      event satisfies never;
  }
}

function addReasoning(choice: OpenChoice, detail: ReasoningDetail): void {
  const key = `${detail.index ?? 0} ${detail.type}`;
  const open = choice.reasoning.get(key);
  if (open === undefined) {
    choice.reasoning.set(key, { detail });
    return;
  }
  const before = open.detail;
  open.detail = {
    ...before,
    ...joined("text", before.text, detail.text),
    ...joined("signature", before.signature, detail.signature),
    ...joined("summary", before.summary, detail.summary),
    ...joined("data", before.data, detail.data),
    ...(detail.id == null ? {} : { id: detail.id }),
    ...(detail.format == null ? {} : { format: detail.format }),
  };
}

/** The member with `after` behind `before`; nothing when there is nothing new. */
function joined<Name extends string>(
  name: Name,
  before: string | null | undefined,
  after: string | null | undefined,
): { readonly [key in Name]?: string } {
  // A computed key of a generic name widens to string: this is the one member of the mapped type.
  return after == null ? {} : ({ [name]: (before ?? "") + after } as { readonly [key in Name]?: string });
}

function joinLogprobs(before: JsonObject | null, after: Json): JsonObject | null {
  if (!isJsonObject(after)) return before;
  if (before === null) return after;
  const out: Record<string, Json> = { ...before };
  for (const [name, value] of Object.entries(after)) {
    const known = out[name];
    out[name] = Array.isArray(known) && Array.isArray(value) ? [...known, ...value] : (value ?? known ?? null);
  }
  return out;
}

/** One audio object of the pieces: data and transcript joined, the last value of everything else. */
function joinAudio(pieces: readonly JsonObject[]): Json | null {
  if (pieces.length < 2) return pieces[0] ?? null;
  const out: Record<string, Json> = {};
  for (const piece of pieces) for (const [name, value] of Object.entries(piece)) if (value !== null) out[name] = value;
  const texts = (name: string): string[] =>
    pieces.flatMap((piece) => (typeof piece[name] === "string" && piece[name] !== "" ? [piece[name]] : []));
  const [data, transcript] = [texts("data"), texts("transcript")];
  if (data.length > 0) out.data = joinBase64(data);
  if (transcript.length > 0) out.transcript = transcript.join("");
  return out;
}

/** Base64 pieces as one; a padded piece in the middle has to be decoded first. */
function joinBase64(pieces: readonly string[]): string {
  const isPlain = pieces.every(
    (piece, at) => at === pieces.length - 1 || (piece.length % 4 === 0 && !piece.endsWith("=")),
  );
  if (isPlain) return pieces.join("");
  try {
    return btoa(pieces.map((piece) => atob(piece)).join(""));
  } catch {
    // Not base64 at all: the pieces are shown as they came.
    return pieces.join("");
  }
}

function closed(index: number, choice: OpenChoice): CollectedChoice {
  const toolCalls = [...choice.toolCalls].sort(([left], [right]) => left - right);
  return {
    index,
    text: choice.text,
    refusal: choice.refusal,
    reasoning: [...choice.reasoning.values()].map((open) => open.detail),
    toolCalls: toolCalls.map(([, { id, name, input }]) => ({ id, name, input: input === "" ? "{}" : input })),
    images: choice.images,
    audio: joinAudio(choice.audio),
    annotations: choice.annotations,
    logprobs: choice.logprobs,
    finishReason: choice.finishReason,
    nativeFinishReason: choice.nativeFinishReason,
  };
}

function isJsonObject(value: Json): value is JsonObject {
  return isObject(value);
}
