/**
 * What an upstream says, in our own words: every adapter decodes into these events, every dialect renders from them,
 * streamed and buffered alike. Events are noun-verb. `choice` is 0 unless the client asked for `n` > 1.
 *
 * Order within a choice: deltas in the order received; a tool's `tool-start` before its `tool-input-delta`s; `finish`
 * after all content. `usage` may come any number of times, anywhere: the last value wins, nothing is summed.
 * `error` ends a generation; nothing follows it.
 */
import type { ReasoningDetail, ToolCall } from "./chat.ts";
import type { UpstreamFailure } from "./error.ts";
import type { Json } from "./json.ts";
import type { Outcome } from "./task.ts";
import type { Usage } from "./usage.ts";

export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "error";

export type GenerationEvent =
  /** Facts about the upstream's answer, as they become known. */
  | {
      readonly type: "start";
      readonly upstreamId?: string | undefined;
      readonly systemFingerprint?: string | undefined;
      readonly serviceTier?: string | undefined;
    }
  /**
   * `pieces`: deltas of choice 0 that came at once, two at least; `text` is all of them. Whoever shows a stream shows them
   * one by one.
   */
  | {
      readonly type: "text-delta";
      readonly choice: number;
      readonly text: string;
      readonly pieces?: readonly string[];
    }
  | { readonly type: "refusal-delta"; readonly choice: number; readonly text: string }
  /**
   * A piece of reasoning. Pieces with the same `detail.index` belong to one entry: their text, summary, data and
   * signature are joined in order.
   */
  | { readonly type: "reasoning-delta"; readonly choice: number; readonly detail: ReasoningDetail }
  /** `index` counts the calls of this choice from 0 and is stable; `id` is unique and never empty. */
  | {
      readonly type: "tool-start";
      readonly choice: number;
      readonly index: number;
      readonly id: string;
      readonly name: string;
    }
  | { readonly type: "tool-input-delta"; readonly choice: number; readonly index: number; readonly text: string }
  /** A whole generated image; `url` is usually a data URL. */
  | { readonly type: "image"; readonly choice: number; readonly url: string }
  /** A piece of generated audio in the wire form of OpenAI (`id`, `data`, `transcript`, `expires_at`). */
  | { readonly type: "audio-delta"; readonly choice: number; readonly audio: Json }
  | { readonly type: "annotations"; readonly choice: number; readonly annotations: readonly Json[] }
  | { readonly type: "logprobs"; readonly choice: number; readonly logprobs: Json }
  /** What came of a task that is no conversation; the whole of it. */
  | { readonly type: "outcome"; readonly outcome: Outcome }
  | { readonly type: "usage"; readonly usage: Usage }
  | {
      readonly type: "finish";
      readonly choice: number;
      readonly reason: FinishReason;
      readonly nativeReason: string | null;
      /** Which of the client's stop sequences ended it, where the upstream says so. */
      readonly stopSequence?: string | undefined;
    }
  | { readonly type: "error"; readonly failure: UpstreamFailure };

/** True for an event that delivers something to the user; the first one makes the choice of endpoint final. */
export function isContent(event: GenerationEvent): boolean {
  switch (event.type) {
    case "text-delta":
    case "refusal-delta":
      return event.text !== "";
    case "reasoning-delta":
    case "tool-start":
    case "tool-input-delta":
    case "image":
    case "audio-delta":
    case "annotations":
    case "outcome":
      return true;
    case "start":
    case "logprobs":
    case "usage":
    case "finish":
    case "error":
      return false;
    default:
      return event satisfies never;
  }
}

/** The same events, each delta on its own. */
export function oneByOne(events: readonly GenerationEvent[]): readonly GenerationEvent[] {
  const isGathered = (event: GenerationEvent): boolean => event.type === "text-delta" && event.pieces !== undefined;
  if (!events.some(isGathered)) return events;
  return events.flatMap((event): GenerationEvent[] => {
    if (event.type !== "text-delta" || event.pieces === undefined) return [event];
    const { type, choice, pieces } = event;
    return pieces.map((text) => ({ type, choice, text }));
  });
}

/** One finished choice of a buffered answer. */
export interface CollectedChoice {
  readonly index: number;
  readonly text: string;
  readonly refusal: string;
  readonly reasoning: readonly ReasoningDetail[];
  readonly toolCalls: readonly ToolCall[];
  readonly images: readonly string[];
  readonly audio: Json | null;
  readonly annotations: readonly Json[];
  readonly logprobs: Json | null;
  readonly finishReason: FinishReason | null;
  readonly nativeFinishReason: string | null;
}

/** A whole answer: what a buffered reply renders from. */
export interface Collected {
  readonly upstreamId: string | null;
  readonly systemFingerprint: string | null;
  readonly serviceTier: string | null;
  readonly choices: readonly CollectedChoice[];
  readonly usage: Usage | null;
  readonly failure: UpstreamFailure | null;
  /** All of it as it came: the order of text, reasoning and calls, which the choices do not keep. */
  readonly events: readonly GenerationEvent[];
}
