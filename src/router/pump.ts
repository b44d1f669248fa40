/**
 * The stream engine: one loop that takes a batch of events, renders it and writes it. Everything between the upstream's
 * bytes and the client's is synchronous; the loop wakes once per batch, not once per event.
 *
 * It ends in one of four ways: the answer is complete, it broke after its first content, the client left, or its credit
 * is used up. What then happens to the upstream is decided in cancellation.ts: it is aborted, which ends the loop, or
 * drained for its usage, and nothing more is shown or counted as delivered. One whose answer is complete is left by the
 * caller, once the client has its ending; any other is left at once.
 */
import type { GenerationEvent } from "../core/event.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { StreamRenderer } from "../dialects/dialect.ts";
import type { Answered } from "./attempt.ts";
import type { ClientWriter } from "./client-writer.ts";
import type { Meter } from "./meter.ts";
import type { Steps } from "./steps.ts";

export type PumpEnd =
  /** `unsent`: the last words, which go out with the ending. */
  | { readonly kind: "completed"; readonly unsent: string }
  | { readonly kind: "broken"; readonly failure: UpstreamFailure }
  | { readonly kind: "cancelled"; readonly by: "aborted" | "drained" }
  /** No more could be held: the client has had its ending already. */
  | { readonly kind: "exhausted"; readonly by: "aborted" | "drained" };

/** What a stream may use, and how it ends when that is used up. */
export interface Allowance {
  readonly steps: Steps;
  /** Writes the client's ending, then stops or drains the upstream. */
  exhaust(): Promise<void>;
}

/**
 * Moves an answer from upstream to client until it ends. Writes no ending: the caller knows the cost.
 * Rejects only when `allowance` does.
 */
export async function pump(
  answered: Answered,
  renderer: Pick<StreamRenderer, "render">,
  client: ClientWriter,
  meter: Meter,
  { steps, exhaust }: Allowance,
): Promise<PumpEnd> {
  const { stream, guard } = answered;
  let isExhausted = false;
  let isComplete = false;
  let events: readonly GenerationEvent[] | null = answered.first;
  try {
    while (events !== null) {
      const failure = failureIn(events);
      if (isExhausted || client.isGone()) {
        meter.addUndelivered(events);
      } else {
        meter.add(events);
        const text = renderer.render(events);
        const isDue = meter.chars() >= steps.dueChars && failure === null;
        // One write less, and the client has its ending sooner.
        if (stream.isOver() && failure === null && !isDue) {
          isComplete = true;
          return { kind: "completed", unsent: text };
        }
        if (text !== "") {
          // A client that reads slowly is no upstream that stalls.
          guard.pause();
          await client.write(text);
        }
        if (isDue && !client.isGone()) {
          // Nor is the gate.
          guard.pause();
          isExhausted = !(await steps.reach(meter)) && !client.isGone();
          if (isExhausted) await exhaust();
        }
      }
      if (failure !== null) {
        if (isExhausted) return { kind: "exhausted", by: "aborted" };
        return client.isGone() ? { kind: "cancelled", by: "aborted" } : { kind: "broken", failure };
      }
      if (events.length > 0) guard.enter("idle");
      events = await stream.next();
    }
    if (isExhausted) return { kind: "exhausted", by: "drained" };
    isComplete = !client.isGone();
    return isComplete ? { kind: "completed", unsent: "" } : { kind: "cancelled", by: "drained" };
  } finally {
    guard.end();
    if (!isComplete) answered.leave();
  }
}

function failureIn(events: readonly GenerationEvent[]): UpstreamFailure | null {
  const last = events[events.length - 1];
  return last?.type === "error" ? last.failure : null;
}
