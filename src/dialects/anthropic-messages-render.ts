/**
 * A streamed answer as Messages events: `message_start`, blocks, `message_delta` with the final usage and its cost,
 * `message_stop`. A stream that breaks ends with one `error` event. Counts in `message_start` are those that the provider
 * has told by then, which for most is none: those of `message_delta` are the answer's.
 * Shape: MessagesStreamEvents of OpenRouter's OpenAPI file 1.0.0; the official client's accumulator reads it in the tests.
 */
import { oneByOne, type GenerationEvent } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import { sseEvent } from "../core/sse.ts";
import { NO_USAGE, type Usage } from "../core/usage.ts";
import { createBlocks } from "./anthropic-messages-blocks.ts";
import {
  endJson,
  errorJson,
  messageJson,
  tailUsageJson,
  usageJson,
  type MessageEnd,
} from "./anthropic-messages-reply.ts";
import type { AnswerHead, AnswerTail, ErrorFace, StreamRenderer } from "./dialect.ts";

const FAILED = "The provider ended the answer with an error.";

/** A renderer for one answer. */
export function createAnthropicRenderer(head: AnswerHead): StreamRenderer {
  let out = "";
  let hasStarted = false;
  let usage: Usage = NO_USAGE;
  let serviceTier: string | null = null;
  let finish: MessageEnd | null = null;

  const emit = (type: string, members: JsonObject): void => {
    out += sseEvent(type, JSON.stringify({ type, ...members }));
  };
  const blocks = createBlocks(head.excludeReasoning, emit);
  const taken = (): string => {
    const text = out;
    out = "";
    return text;
  };
  const begin = (): void => {
    if (hasStarted) return;
    hasStarted = true;
    emit("message_start", { message: openingOf(head, usage, serviceTier) });
  };
  const take = (event: GenerationEvent): void => {
    if (event.type === "start") {
      serviceTier = event.serviceTier ?? serviceTier;
    } else if (event.type === "usage") {
      usage = event.usage;
    } else if (event.type === "finish") {
      const { reason, nativeReason, stopSequence = null } = event;
      if (event.choice === 0) finish ??= { reason, nativeReason, stopSequence };
    } else if (event.type !== "error") {
      begin();
      blocks.take(event);
    }
  };
  const fail = (error: JsonObject, tail: AnswerTail): string => {
    emit("error", { error, ...tailMembers(tail, serviceTier), request_id: head.id });
    return taken();
  };

  return {
    render(events) {
      for (const event of oneByOne(events)) take(event);
      return taken();
    },
    end(tail) {
      const cut = tail.cut === undefined ? null : { ...tail.cut, stopSequence: null };
      const end = finish ?? cut ?? { reason: "stop", nativeReason: null, stopSequence: null };
      if (end.reason === "error")
        return fail({ type: "api_error", message: FAILED, error_type: "provider_unavailable" }, tail);
      begin();
      blocks.close();
      emit("message_delta", { delta: endJson(end, blocks.refusal()), ...tailMembers(tail, serviceTier) });
      emit("message_stop", {});
      return taken();
    },
    fail: (face: ErrorFace, tail: AnswerTail) => fail(errorJson(face), tail),
  };
}

/** A message of which nothing is said yet. What an upstream counts as output there is a placeholder. */
function openingOf(head: AnswerHead, usage: Usage, serviceTier: string | null): JsonObject {
  return {
    ...messageJson(head),
    content: [],
    container: null,
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    usage: usageJson({ ...usage, outputText: 0, outputReasoning: 0 }, serviceTier),
  };
}

function tailMembers(tail: AnswerTail, serviceTier: string | null): JsonObject {
  const usage = tailUsageJson(tail, serviceTier);
  return tail.metadata === null ? { usage } : { usage, openrouter_metadata: tail.metadata };
}
