/**
 * The generation record as it is read back from storage (generation-row.ts): JSON that we wrote ourselves, checked once
 * at that border. A field that a later version adds gets a default here, since old rows never change.
 */
import * as z from "zod";
import { err, ok, type Result } from "../core/result.ts";
import type { GenerationRecord } from "./generation.ts";

const count = z.int().min(0);
const text = z.string().nullable();

const WorkSchema = z.object({
  hardwareMs: count.optional(),
  audioMs: count.optional(),
  videoMs: count.optional(),
  imagesMade: count.optional(),
  pixelsMade: count.optional(),
  pages: count.optional(),
  characters: count.optional(),
  searchUnits: count.optional(),
});

const UsageSchema = z.object({
  inputText: count,
  inputAudio: count,
  inputImage: count,
  cacheRead: count,
  cacheWrite: count,
  cacheWrite1h: count,
  outputText: count,
  outputReasoning: count,
  outputAudio: count,
  outputImage: count,
  webSearches: count,
  cacheReadAudio: count.optional(),
  work: WorkSchema.optional(),
});

const AttemptSchema = z.object({
  provider: z.string(),
  providerName: z.string(),
  endpoint: z.string(),
  region: z.string(),
  model: z.string(),
  status: z.number(),
  outcome: z.string(),
  latencyMs: z.number(),
  isByok: z.boolean().optional(),
});

const GenerationRecordSchema = z.object({
  id: z.string(),
  requestId: z.string(),
  keyHash: z.string(),
  createdAtMs: z.number(),
  model: z.string(),
  requestedModel: z.string(),
  provider: text,
  providerName: text,
  endpoint: text,
  region: text,
  upstreamId: text,
  streamed: z.boolean(),
  cancelled: z.boolean(),
  estimated: z.boolean(),
  cancellation: z.enum(["aborted", "drained"]).nullable(),
  cancellationPolicy: z.enum(["stops", "bills_all", "bills_surcharge"]).optional(),
  surchargeNusd: z.int().optional(),
  promptEstimated: z.boolean().optional(),
  finishReason: text,
  nativeFinishReason: text,
  latencyMs: z.number(),
  generationTimeMs: z.number(),
  usage: UsageSchema,
  costNusd: z.int(),
  upstreamCostNusd: z.int(),
  isByok: z.boolean(),
  isFree: z.boolean(),
  attempts: z.array(AttemptSchema),
  httpReferer: text,
  appTitle: text,
  origin: text,
  userAgent: text,
  externalUser: text,
  sessionId: text,
  dataRegion: z.enum(["global", "eu", "us"]),
  clientPlace: text,
  catalogVersion: text,
  task: z.enum(["embeddings", "rerank", "moderation"]).optional(),
  presetId: z.string().optional(),
}) satisfies z.ZodType<GenerationRecord>;

/** A stored record, or a sentence about what is wrong with the row. */
export function parseGenerationRecord(value: unknown): Result<GenerationRecord, string> {
  const parsed = GenerationRecordSchema.safeParse(value);
  return parsed.success
    ? ok(parsed.data)
    : err(`The stored generation can't be read: ${z.prettifyError(parsed.error)}`);
}
