/**
 * A streamed answer as chunks of `GenerateContentResponse`: server-sent events with `?alt=sse`, else the elements of one
 * JSON array. Each content event becomes one chunk at most.
 * Finish reasons and usage stand in the last chunks. A stream that breaks ends with a chunk that holds `error`.
 * Source: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent (accessed 2026-11-21).
 */
import type { FinishReason, GenerationEvent } from "../core/event.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { AnswerHead, StreamRenderer } from "./dialect.ts";
import { createPartMaker, type PartMaker } from "./gemini-parts.ts";
import {
  errorJson,
  finishReasonOf,
  logprobsResultOf,
  namesOf,
  showsThoughts,
  usageMetadataOf,
} from "./gemini-reply.ts";

/** How chunks stand in a stream. */
export interface Framing {
  /** Before the first chunk, before each further one, behind each, and behind all. */
  readonly first: string;
  readonly next: string;
  readonly after: string;
  readonly last: string;
}

export const AS_EVENTS: Framing = { first: "data: ", next: "data: ", after: "\r\n\r\n", last: "" };
export const AS_ARRAY: Framing = { first: "[", next: ",\r\n", after: "", last: "]" };

interface OpenChoice {
  readonly maker: PartMaker;
  isFinished: boolean;
}

/** A renderer for one answer. */
export function createGeminiRenderer(head: AnswerHead, framing: Framing): StreamRenderer {
  const shows = showsThoughts(head);
  const names = JSON.stringify(namesOf(head)).slice(1);
  const choices = new Map<number, OpenChoice>();
  let hasBegun = false;

  const openOf = (choice: number): OpenChoice => {
    const known = choices.get(choice);
    if (known !== undefined) return known;
    const fresh = { maker: createPartMaker(shows), isFinished: false };
    choices.set(choice, fresh);
    return fresh;
  };
  const framed = (json: string): string => {
    const before = hasBegun ? framing.next : framing.first;
    hasBegun = true;
    return before + json + framing.after;
  };
  const candidate = (choice: number, members: string): string =>
    framed(`{"candidates":[{${members}"index":${choice}}],${names}`);
  const content = (choice: number, parts: readonly JsonObject[]): string =>
    parts.length === 0 ? "" : candidate(choice, `"content":{"parts":${JSON.stringify(parts)},"role":"model"},`);
  const finish = (choice: number, open: OpenChoice, reason: FinishReason, native: string | null): string => {
    if (open.isFinished) return "";
    open.isFinished = true;
    const parts = open.maker.end();
    const reasonText = finishReasonOf(reason, native, open.maker.hasRefused());
    // Clients take a candidate without content for none.
    const said = JSON.stringify(parts.length === 0 ? [{ text: "" }] : parts);
    return candidate(choice, `"content":{"parts":${said},"role":"model"},"finishReason":"${reasonText}",`);
  };
  const rendered = (event: GenerationEvent): string => {
    switch (event.type) {
      // The spine acts on these two: the last usage comes with the tail, a failure with `fail`.
      case "start":
      case "usage":
      case "error":
      // Nobody asks for a task in a conversation.
      case "outcome":
        return "";
      case "finish":
        return finish(event.choice, openOf(event.choice), event.reason, event.nativeReason);
      case "logprobs":
        return logprobs(event.choice, event.logprobs);
      default:
        return content(event.choice, openOf(event.choice).maker.add(event));
    }
  };
  const logprobs = (choice: number, piece: Json): string => {
    openOf(choice);
    const result = logprobsResultOf([piece]);
    return result === null ? "" : candidate(choice, `"logprobsResult":${JSON.stringify(result)},`);
  };

  return {
    render(events) {
      let out = "";
      for (const event of events) out += rendered(event);
      return out;
    },
    end(tail) {
      let out = "";
      if (choices.size === 0) openOf(0);
      const { reason, nativeReason } = tail.cut ?? { reason: "stop" as const, nativeReason: null };
      for (const [choice, open] of choices) out += finish(choice, open, reason, nativeReason);
      const metadata = tail.metadata === null ? "" : `"openrouter_metadata":${JSON.stringify(tail.metadata)},`;
      return `${out}${framed(`{"usageMetadata":${JSON.stringify(usageMetadataOf(tail))},${metadata}${names}`)}${framing.last}`;
    },
    fail(face, tail) {
      const usage = `"usageMetadata":${JSON.stringify(usageMetadataOf(tail))}`;
      return `${framed(`{"error":${JSON.stringify(errorJson(face))},${usage},${names}`)}${framing.last}`;
    },
  };
}
