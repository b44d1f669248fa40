/**
 * Generations by UTC day, in SQL: which day an id belongs to, the range of ids of a day, and what a group of generations
 * comes to. The id's own second says the day, everywhere alike, since it never changes. Sums are read as text: they may
 * be larger than a JavaScript number holds. Limit: SUM itself stops at 9.2 billion dollars.
 */
import type { EpochMs } from "../core/clock.ts";
import type { GenerationId } from "../core/ids.ts";

export const DAY_MS = 86_400_000;

/** The smallest id of a moment's second: ids of before are less, ids from then on are greater. */
export function firstIdAt(atMs: EpochMs): string {
  return `gen-${String(Math.floor(atMs / 1_000)).padStart(10, "0")}`;
}

/** The day of a generation, `2026-11-21`; undefined for an id without a second. */
export function dayOf(id: GenerationId | string): string | undefined {
  const seconds = /^gen-(\d{10})-/.exec(id)?.[1];
  return seconds === undefined ? undefined : dayAt(Number(seconds) * 1_000);
}

/** The day of a moment. */
export function dayAt(atMs: EpochMs): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** The moment at which a day (`2026-11-21`) begins. */
export function beginOf(day: string): EpochMs {
  return Date.parse(`${day}T00:00:00.000Z`);
}

/** A SQL expression: the day of the id in `column`. */
function daySql(column: string): string {
  return `date(CAST(substr(${column}, 5, 10) AS INTEGER), 'unixepoch')`;
}

const PROMPT = ["inputText", "inputAudio", "inputImage", "cacheRead", "cacheReadAudio", "cacheWrite", "cacheWrite1h"];
const COMPLETION = ["outputText", "outputReasoning", "outputAudio", "outputImage"];
// A count of zero is left out of a stored record (generation-row.ts).
const tokens = (kinds: readonly string[]) =>
  kinds.map((kind) => `COALESCE(record ->> '$.usage.${kind}', 0)`).join(" + ");

/** The columns of `usage_days` after the account, as a SELECT over one row of `generations` makes them. */
export const USAGE_OF_GENERATION = `${daySql("id")} AS day, record ->> '$.keyHash' AS key_hash,
  record ->> '$.model' AS model, COALESCE(record ->> '$.provider', '') AS provider, 1 AS requests,
  COALESCE(record ->> '$.isByok', 0) AS byok_requests, ${tokens(PROMPT)} AS prompt_tokens,
  ${tokens(COMPLETION)} AS completion_tokens, COALESCE(record ->> '$.usage.outputReasoning', 0) AS reasoning_tokens, cost_nusd, charged_nusd`;

/** What names a group, and what is summed of it. */
export const USAGE_GROUP = ["day", "key_hash", "model", "provider"] as const;
export const USAGE_SUMS = [
  "requests",
  "byok_requests",
  "prompt_tokens",
  "completion_tokens",
  "reasoning_tokens",
  "cost_nusd",
  "charged_nusd",
] as const;
