/**
 * A streamed answer as Responses events: named, numbered from 0, the last one `response.completed`, `.incomplete` or
 * `.failed`, then `[DONE]`. A stream that breaks ends with `response.failed`, in which what was delivered stands, and with
 * `[DONE]` as well: the failure is the response's own state, not the connection's.
 * Shape: StreamEvents of OpenRouter's OpenAPI file 1.0.0; the official client's accumulator reads it in the tests.
 */
import { oneByOne, type GenerationEvent } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import { sseData, sseEvent } from "../core/sse.ts";
import type { AnswerHead, StreamRenderer } from "./dialect.ts";
import { createOutput } from "./openai-responses-output.ts";
import { outcomeOf, outcomeOfFault, responseJson, type Outcome } from "./openai-responses-reply.ts";

const DONE = sseData("[DONE]");

/** A renderer for one answer. */
export function createOpenAiResponsesRenderer(head: AnswerHead): StreamRenderer {
  let out = "";
  let count = 0;
  let hasStarted = false;
  let finish: Outcome | null = null;
  let serviceTier: string | null = null;

  const emit = (type: string, members: JsonObject): void => {
    out += sseEvent(type, JSON.stringify({ type, sequence_number: count++, ...members }));
  };
  const output = createOutput(head.id, head.excludeReasoning, emit);
  const begin = (): void => {
    if (hasStarted) return;
    hasStarted = true;
    const response = responseJson(head, IN_PROGRESS, [], null, null, serviceTier);
    emit("response.created", { response });
    emit("response.in_progress", { response });
  };
  const taken = (): string => {
    const text = out;
    out = "";
    return text;
  };
  const take = (event: GenerationEvent): void => {
    if (event.type === "start") serviceTier = event.serviceTier ?? serviceTier;
    else if (event.type === "finish" && event.choice === 0) finish ??= outcomeOf(event.reason, event.nativeReason);
    else output.take(event);
  };
  const close = (
    outcome: Outcome,
    tail: Parameters<StreamRenderer["end"]>[0],
    fault: Parameters<StreamRenderer["fail"]>[0] | null,
  ): string => {
    begin();
    output.close(outcome.status === "completed" ? "completed" : "incomplete");
    const response = responseJson(head, outcome, output.items(), tail, fault, serviceTier);
    emit(`response.${outcome.status}`, { response });
    return taken() + DONE;
  };

  return {
    render(events) {
      for (const event of events) if (event.type === "start") take(event);
      begin();
      for (const event of oneByOne(events)) if (event.type !== "start") take(event);
      return taken();
    },
    end: (tail) => close(endOf(finish, tail.cut), tail, null),
    fail: (face, tail) => close(outcomeOfFault(face), tail, face),
  };
}

const IN_PROGRESS: Outcome = { status: "in_progress", incomplete: null, nativeReason: null };

/** What the upstream said, else why it was cut, else that it stopped. */
function endOf(
  finish: Outcome | null,
  cut: { readonly reason: Parameters<typeof outcomeOf>[0]; readonly nativeReason: string } | undefined,
): Outcome {
  return finish ?? (cut === undefined ? outcomeOf("stop", null) : outcomeOf(cut.reason, cut.nativeReason));
}
