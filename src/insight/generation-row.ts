/**
 * A generation record as it is stored (a gate's outbox, D1, files): short, since D1 keeps millions of them for weeks. What
 * a column beside it says, what repeats another field and what is usual is left out, and comes back when it is read; so a
 * row stays within the kilobyte that a page of D1 takes without an overflow page (tables.ts). Pure.
 * `keyHash`, `model`, `provider` (unless null), `isByok` (if true) and `usage` (counts above zero) stay where SQL reads
 * them (generation-days.ts). What is usual never changes, since old rows never do; rows that say all are read as well.
 */
import { isObject } from "../core/json.ts";
import { err, type Result } from "../core/result.ts";
import { NO_USAGE } from "../core/usage.ts";
import { parseGenerationRecord } from "./generation-schema.ts";
import type { GenerationRecord } from "./generation.ts";

/** What stands in columns beside the record. */
export interface RecordColumns {
  readonly id: string;
  readonly createdAtMs: number;
  readonly costNusd: number;
}

type Fields = Readonly<Record<string, unknown>>;

/** The JSON value to store. */
export function storedRecord(record: GenerationRecord, columns: RecordColumns): Fields {
  const fields: Fields = { ...record };
  const usualAttempt = attemptOf(fields);
  const stored = unusual(fields, usualOf(fields, columns));
  stored["usage"] = unusual(record.usage, NO_COUNTS);
  stored["attempts"] = record.attempts.map((attempt) => unusual(attempt, usualAttempt));
  return stored;
}

/** The record as it was before it was stored, or a sentence about what is wrong with the row. */
export function readRecord(value: unknown, columns: RecordColumns): Result<GenerationRecord, string> {
  if (!isObject(value)) return err("The stored generation is no object.");
  const { usage, attempts } = value;
  const whole = { ...usualOf(value, columns), ...value };
  const usualAttempt = attemptOf(whole);
  return parseGenerationRecord({
    ...whole,
    usage: isObject(usage) ? { ...NO_COUNTS, ...usage } : usage,
    attempts: Array.isArray(attempts) ? attempts.map((one: unknown) => ({ ...usualAttempt, ...(one as Fields) })) : [],
  });
}

/** What is taken for granted of a record of which these fields are known. */
function usualOf(known: Fields, columns: RecordColumns): Fields {
  const valueOf = (name: string, usual: unknown): unknown => (name in known ? known[name] : usual);
  const provider = valueOf("provider", null);
  const finishReason = valueOf("finishReason", "stop");
  return {
    ...columns,
    ...NOTHING,
    requestedModel: known["model"],
    endpoint: provider,
    finishReason: "stop",
    nativeFinishReason: finishReason,
    upstreamCostNusd: valueOf("costNusd", columns.costNusd),
  };
}

/** The usual attempt: the one that served. */
function attemptOf({ provider, providerName, endpoint, region, model }: Fields): Fields {
  return { provider, providerName, endpoint, region, model, status: 200, outcome: "ok" };
}

const NOTHING: Fields = {
  provider: null,
  providerName: null,
  region: null,
  upstreamId: null,
  streamed: false,
  cancelled: false,
  estimated: false,
  cancellation: null,
  latencyMs: 0,
  generationTimeMs: 0,
  isByok: false,
  isFree: false,
  httpReferer: null,
  appTitle: null,
  origin: null,
  userAgent: null,
  externalUser: null,
  sessionId: null,
  dataRegion: "global",
  clientPlace: null,
  catalogVersion: null,
};

const NO_COUNTS: Fields = { ...NO_USAGE };

/** Those of the fields that are not what is usual. A loop, since every generation is stored: lists of entries cost 4 KB. */
function unusual<T extends object>(fields: T, usual: Fields): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const name in fields) {
    const value = fields[name];
    if (!(name in usual) || usual[name] !== value) kept[name] = value;
  }
  return kept;
}
