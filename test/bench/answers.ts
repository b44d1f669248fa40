/**
 * What the benchmark's upstream says, known in advance to both ends: the upstream prebuilds it, the load generator
 * checks every answer against it, and the money check prices it. Constant text and constant usage per model.
 *
 * Models (names at the upstream):
 *   bench-buffered   a reply of about 300 tokens
 *   bench-fast-<n>   n small events, written one by one, without delay
 *   bench-slow-50ms  60 events, 50 ms apart, each carrying the instant it was sent
 *   bench-50mib      a 50 MiB stream in events of 16 KiB, which stops while its reader does
 */

export const PROMPT_TOKENS = 25;
const SLOW_EVENTS = 60;
export const SLOW_GAP_MS = 50;
const BIG_EVENTS = 3_200;
export const BIG_EVENT_BYTES = 16 * 1024;

export type Mode = "buffered" | "fast" | "slow" | "big";

/** One model of the upstream. `events` counts content events of the stream. */
export interface BenchModel {
  readonly mode: Mode;
  readonly events: number;
  readonly completionTokens: number;
}

/** The model behind an upstream name, or undefined. */
export function benchModel(name: string): BenchModel | undefined {
  if (name === "bench-buffered") return { mode: "buffered", events: 20, completionTokens: 300 };
  if (name === "bench-slow-50ms") return { mode: "slow", events: SLOW_EVENTS, completionTokens: SLOW_EVENTS };
  if (name === "bench-50mib") return { mode: "big", events: BIG_EVENTS, completionTokens: BIG_EVENTS * 4 };
  const fast = /^bench-fast-(\d{1,5})$/.exec(name);
  if (fast === null) return undefined;
  const events = Number(fast[1]);
  return { mode: "fast", events, completionTokens: events };
}

/** Content of event `index` of a fast stream: small, and never the same twice in one answer. */
export function fastPiece(index: number): string {
  return ` w${String(index).padStart(4, "0")}`;
}

/** Content of a slow event: when it was sent, in microseconds of the machine's monotonic clock, 15 digits. */
export function slowPiece(sentAtUs: number): string {
  return `@${String(sentAtUs).padStart(15, "0")};`;
}
export const SLOW_PIECE = /@(\d{15});/g;

/** The machine's monotonic clock, the same for every process on it, in microseconds. */
export function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

/** The text of the buffered reply. */
export const BUFFERED_TEXT = Array.from({ length: 300 }, (_, index) => `t${index}`).join(" ");

/** Usage as the upstream reports it. */
export function usageOf(model: BenchModel): {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
} {
  return {
    prompt_tokens: PROMPT_TOKENS,
    completion_tokens: model.completionTokens,
    total_tokens: PROMPT_TOKENS + model.completionTokens,
  };
}

/** Prices of every bench model in pico-dollars per token: odd on purpose, so that rounding shows. */
export const PROMPT_PUSD = 123_457;
export const COMPLETION_PUSD = 987_653;

/** What one complete answer of `model` must cost, in nano-dollars: usage x price, rounded up once. */
export function expectedCostNusd(model: BenchModel): bigint {
  const picos = BigInt(PROMPT_TOKENS) * BigInt(PROMPT_PUSD) + BigInt(model.completionTokens) * BigInt(COMPLETION_PUSD);
  return (picos + 999n) / 1_000n;
}
