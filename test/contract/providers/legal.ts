/** The promises of core/event.ts that hold for any stream, also a broken one; quick enough for a hundred thousand. */
import type { GenerationEvent } from "../../../src/core/event.ts";
import { completionTokens, promptTokens } from "../../../src/core/usage.ts";

/** What is wrong with the order or the values of `events`; null: nothing. */
export function faultIn(events: readonly GenerationEvent[]): string | null {
  const finished = new Set<number>();
  /** Ids of calls, by choice and index. */
  const calls = new Map<number, Map<number, string>>();
  for (const [at, event] of events.entries()) {
    if (event.type === "error") {
      if (at < events.length - 1) return "something follows an error";
      if (event.failure.message === "") return "an error says nothing";
    } else if (event.type === "usage") {
      const { work = {}, ...tokens } = event.usage;
      for (const count of [...Object.values(tokens), ...Object.values(work)]) {
        if (!Number.isSafeInteger(count) || count < 0) return `${String(count)} is no count`;
      }
      const worked = Object.values(work).reduce((sum, count) => sum + count, 0);
      if (promptTokens(event.usage) + completionTokens(event.usage) + worked === 0) return "a usage of nothing";
    } else if ("choice" in event) {
      if (!Number.isSafeInteger(event.choice) || event.choice < 0) return `${event.choice} is no choice`;
      if (finished.has(event.choice)) return `${event.type} follows the finish of its choice`;
      if (event.type === "finish") finished.add(event.choice);
      const known = calls.get(event.choice) ?? new Map<number, string>();
      if (event.type === "tool-start") {
        if (event.id === "") return "a call without an id";
        for (const id of known.values()) if (id === event.id) return "two calls of one id";
        calls.set(event.choice, known.set(event.index, event.id));
      }
      if (event.type === "tool-input-delta" && !known.has(event.index)) return "an input before its call";
      if ("text" in event && typeof event.text !== "string") return `a ${event.type} that is no text`;
    }
  }
  return null;
}
