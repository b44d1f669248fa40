/**
 * What a soak sends, which faults it meets and when the server is killed: all of it drawn from the seed, so that a run
 * can be repeated. A request depends on nothing but seed, lane and index; only how far each lane gets depends on the
 * machine. The prompt's first line is the wish, which the upstream obeys; `user` carries the request's number into the
 * books.
 */
import { seededRandom, type Random } from "../../src/core/clock.ts";

/** What the upstream is asked to do, as the prompt's first line says it. */
export interface Wish {
  readonly number: number;
  readonly wordCount: number;
  readonly pauseMs: number;
  readonly promptTokens: number;
  /** Of the prompt tokens. */
  readonly cachedTokens: number;
  /** On top of one completion token per word. */
  readonly reasoningTokens: number;
  /** The answer is a call of the tool. */
  readonly isTool: boolean;
  /** A mode of fault-upstream.ts for the first `faultCount` attempts; "ok" is no fault. */
  readonly fault: string;
  readonly faultCount: number;
}

/** When a client loses patience. */
export type Leave =
  | { readonly kind: "after-ms"; readonly ms: number }
  | { readonly kind: "after-reads"; readonly count: number };

export interface PlannedRequest {
  readonly wish: Wish;
  readonly model: string;
  readonly isStreamed: boolean;
  readonly maxTokens: number;
  readonly fillerChars: number;
  readonly leave: Leave | null;
  /** Pause before it is sent. */
  readonly thinkMs: number;
}

export const MODELS = ["soak/alpha", "soak/beta", "soak/gamma", "soak/alpha:free"] as const;

/** Over before the first token, so that another provider may answer. */
const BEFORE = [
  "reset",
  "closed",
  "limited-after-1",
  "limited",
  "status-500",
  "status-500",
  "status-503",
  "endless-error",
  "huge-error",
  "error-inside",
  "error-inside",
  "empty",
  "html",
  "malformed-first",
  "stall-headers",
  "stall-first",
  "drip-first",
  "cut-first",
] as const;
/** After the first words of a stream. */
const AFTER = [
  "stall-after",
  "cut-after",
  "cut-after",
  "end-early",
  "malformed-after",
  "error-after",
  "drip-after",
  "endless-20",
] as const;
/** Odd, and whole. */
const WHOLE = ["json-to-stream", "done-hang", "done-reset", "no-usage", "late-300"] as const;

const FAULT_SHARE = 0.24;
/** A fault that all attempts meet. */
const EVERYWHERE = 99;

/** The request that a lane sends as its `index`th. */
export function requestAt(seed: number, lanes: number, lane: number, index: number): PlannedRequest {
  const random = seededRandom(`soak ${seed} ${lane} ${index}`);
  const size = random();
  const isTool = random() < 0.12;
  const fault = faultOf(random);
  const promptTokens = between(random, 20, random() < 0.1 ? 6_000 : 400);
  const isLong = size > 0.93;
  const wordCount = isLong ? between(random, 150, 350) : between(random, 1, size > 0.7 ? 70 : 12);
  return {
    wish: {
      number: index * lanes + lane,
      wordCount,
      pauseMs: isLong ? between(random, 5, 12) : between(random, 0, 15),
      promptTokens,
      cachedTokens: random() < 0.3 ? between(random, 1, promptTokens) : 0,
      // No more than an endpoint that is not known to reason is believed to keep to itself.
      reasoningTokens: random() < 0.2 ? between(random, 1, 100) : 0,
      isTool,
      ...fault,
    },
    model: modelOf(random()),
    isStreamed: random() < 0.6,
    maxTokens: between(random, 300, 900),
    fillerChars: promptTokens * 4,
    leave: leaveOf(random),
    thinkMs: between(random, 0, 300),
  };
}

/** When the server is killed, in ms from the start of the traffic; never within the last two seconds. */
export function killTimesOf(seed: number, runMs: number, everyMs: number): readonly number[] {
  const random = seededRandom(`kills ${seed}`);
  const times: number[] = [];
  for (let at = everyMs; at < runMs - everyMs / 10; at += everyMs) {
    const drawn = at + (random() - 0.5) * 0.2 * everyMs;
    if (drawn < runMs - 2_000) times.push(Math.round(drawn));
  }
  return times;
}

/** What an answer of `count` words says at a provider. */
export function wordsOf(provider: string, { number }: Wish, count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `${provider}.${number}.${at} `);
}

function modelOf(drawn: number): string {
  if (drawn < 0.05) return MODELS[3];
  if (drawn < 0.55) return MODELS[0];
  return drawn < 0.85 ? MODELS[1] : MODELS[2];
}

function faultOf(random: Random): { readonly fault: string; readonly faultCount: number } {
  const kind = random() / FAULT_SHARE;
  const faultCount = random() < 0.8 ? 1 : EVERYWHERE;
  if (kind >= 1) return { fault: "ok", faultCount: 0 };
  if (kind < 0.5) return { fault: drawn(random, BEFORE), faultCount };
  return { fault: drawn(random, kind < 0.85 ? AFTER : WHOLE), faultCount };
}

function leaveOf(random: Random): Leave | null {
  const kind = random();
  if (kind < 0.06) return { kind: "after-ms", ms: between(random, 0, 1_500) };
  return kind < 0.12 ? { kind: "after-reads", count: between(random, 1, 40) } : null;
}

function between(random: Random, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

function drawn<T>(random: Random, list: readonly T[]): T {
  const found = list[Math.floor(random() * list.length)];
  if (found === undefined) throw new Error("A draw from an empty list.");
  return found;
}
