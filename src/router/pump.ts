/**
 * The stream engine: one loop that takes a batch of events, renders it and writes it. Everything between the upstream's
 * bytes and the client's is synchronous; the loop wakes once per batch, not once per event.
 *
 * It ends in one of three ways: the answer is complete, it broke after its first content, or the client left. What then
 * happens to the upstream is decided in cancellation.ts: it is aborted, which ends the loop, or drained for its usage,
 * and nothing more is shown or counted as delivered.
 */
import type { GenerationEvent } from "../core/event.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { StreamRenderer } from "../dialects/dialect.ts";
import type { Answered } from "./attempt.ts";
import type { ClientWriter } from "./client-writer.ts";
import type { Meter } from "./meter.ts";

export type PumpEnd =
  | { readonly kind: "completed" }
  | { readonly kind: "broken"; readonly failure: UpstreamFailure }
  | { readonly kind: "cancelled"; readonly by: "aborted" | "drained" };

/**
 * Moves an answer from upstream to client until it ends. Writes no ending: the caller knows the cost.
 * Never rejects.
 */
export async function pump(
  answered: Answered,
  renderer: Pick<StreamRenderer, "render">,
  client: ClientWriter,
  meter: Meter,
): Promise<PumpEnd> {
  const { stream, guard, abort } = answered;
  let events: readonly GenerationEvent[] | null = answered.first;
  try {
    while (events !== null) {
      const failure = failureIn(events);
      if (client.isGone()) {
        meter.addUndelivered(events);
      } else {
        meter.add(events);
        const text = renderer.render(events);
        if (text !== "") {
          // A client that reads slowly is no upstream that stalls.
          guard.pause();
          await client.write(text);
        }
      }
      if (failure !== null) return client.isGone() ? { kind: "cancelled", by: "aborted" } : { kind: "broken", failure };
      if (events.length > 0) guard.enter("idle");
      events = await stream.next();
    }
    return client.isGone() ? { kind: "cancelled", by: "drained" } : { kind: "completed" };
  } finally {
    guard.end();
    abort();
  }
}

function failureIn(events: readonly GenerationEvent[]): UpstreamFailure | null {
  const last = events[events.length - 1];
  return last?.type === "error" ? last.failure : null;
}
