/** Records come back from storage as they were, whatever was left out, and the usual one fits a page of D1. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { NO_USAGE } from "../../../src/core/usage.ts";
import type { AttemptRecord, GenerationRecord } from "../../../src/insight/generation.ts";
import { readRecord, storedRecord } from "../../../src/insight/generation-row.ts";

/** With all that clients usually say of themselves, and names of usual length. */
const RICH: GenerationRecord = {
  id: "gen-1795276598-zQd5PqmvYVBRiOOYxgMg",
  requestId: "req-1795276598-n9TGCGsOqtUCIbUBqdI0",
  keyHash: "c59d67db1a316228f67aaf06a23bcb5c08d1f9e5fc12e542c1eb44e04d90ba45",
  createdAtMs: 1_795_276_598_020,
  model: "anthropic/claude-sonnet-4.5",
  requestedModel: "anthropic/claude-sonnet-4.5",
  provider: "anthropic",
  providerName: "Anthropic",
  endpoint: "anthropic",
  region: "us-east",
  upstreamId: "msg_01XFDUDYJgAACzvnptvVoYEL",
  streamed: true,
  cancelled: false,
  estimated: false,
  cancellation: null,
  finishReason: "stop",
  nativeFinishReason: "end_turn",
  latencyMs: 421,
  generationTimeMs: 3_120,
  usage: { ...NO_USAGE, inputText: 1_225, cacheRead: 4_000, outputText: 300 },
  costNusd: 299_383,
  upstreamCostNusd: 299_383,
  isByok: false,
  isFree: false,
  attempts: [
    {
      provider: "anthropic",
      providerName: "Anthropic",
      endpoint: "anthropic",
      region: "us-east",
      model: "anthropic/claude-sonnet-4.5",
      status: 200,
      outcome: "ok",
      latencyMs: 418,
    },
  ],
  httpReferer: "https://chat.example.com/",
  appTitle: "Example Chat",
  origin: null,
  userAgent: "OpenAI/JS 6.9.0",
  externalUser: "user-8a7f6e5d4c3b2a19",
  sessionId: "3f8e2a1c-77aa-4a3e-9a51-0b1c2d3e4f50",
  dataRegion: "global",
  clientPlace: "FRA",
  catalogVersion: "695801997682276d2fe56f1a1ac7ac7c",
};
const COLUMNS = { id: RICH.id, createdAtMs: RICH.createdAtMs, costNusd: RICH.costNusd };

// Few words, so that fields are often alike; null and "stop" among them.
const word = fc.constantFrom("stop", "a", "b", "");
const words = fc.option(word);
const count = fc.constantFrom(0, 1, 7);
const attempt: fc.Arbitrary<AttemptRecord> = fc.record(
  {
    provider: word,
    providerName: word,
    endpoint: word,
    region: word,
    model: word,
    status: fc.constantFrom(0, 200, 500),
    outcome: fc.constantFrom("ok", "timeout"),
    latencyMs: count,
    isByok: fc.boolean(),
  },
  { requiredKeys: ["provider", "providerName", "endpoint", "region", "model", "status", "outcome", "latencyMs"] },
);
const records: fc.Arbitrary<GenerationRecord> = fc
  .record({
    model: word,
    requestedModel: word,
    provider: words,
    providerName: words,
    endpoint: words,
    region: words,
    upstreamId: words,
    streamed: fc.boolean(),
    cancelled: fc.boolean(),
    estimated: fc.boolean(),
    cancellation: fc.constantFrom(null, "aborted" as const, "drained" as const),
    cancellationPolicy: fc.constantFrom(undefined, "stops" as const),
    surchargeNusd: fc.constantFrom(undefined, 0, 5),
    promptEstimated: fc.constantFrom(undefined, false, true),
    finishReason: words,
    nativeFinishReason: words,
    latencyMs: count,
    generationTimeMs: count,
    costNusd: count,
    upstreamCostNusd: count,
    isByok: fc.boolean(),
    isFree: fc.boolean(),
    attempts: fc.array(attempt, { maxLength: 3 }),
    dataRegion: fc.constantFrom("global" as const, "eu" as const),
    clientPlace: words,
    catalogVersion: words,
    inputText: count,
    outputReasoning: count,
    cacheReadAudio: fc.constantFrom(undefined, 0, 3),
    work: fc.constantFrom(undefined, {}, { pages: 0 }, { hardwareMs: 12, pages: 2 }),
  })
  .map(({ inputText, outputReasoning, cacheReadAudio, work, ...record }) => ({
    ...RICH,
    ...record,
    usage: { ...NO_USAGE, inputText, outputReasoning, cacheReadAudio, work },
  }));

/** Through the text that storage keeps. */
const kept = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test("any record is read as it was stored, also when its columns say something else", () => {
  fc.assert(
    fc.property(records, count, (record, costNusd) => {
      const columns = { id: record.id, createdAtMs: record.createdAtMs, costNusd };
      expect(readRecord(kept(storedRecord(record, columns)), columns)).toEqual({ ok: true, value: record });
    }),
  );
});

test("a row from before, which says all, is read as it is", () => {
  fc.assert(
    fc.property(records, (record) => {
      expect(readRecord(kept(record), { id: "gen-other", createdAtMs: 1, costNusd: 2 })).toEqual({
        ok: true,
        value: record,
      });
    }),
  );
});

test.each([
  { name: "null", value: null },
  { name: "a list", value: [] },
  { name: "no fields", value: {} },
  { name: "a wrong count", value: { ...RICH, usage: { inputText: -1 } } },
  { name: "no usage", value: { ...RICH, usage: undefined } },
])("a row that is $name is refused with a sentence", ({ value }) => {
  expect(readRecord(value, COLUMNS)).toMatchObject({ ok: false, error: expect.any(String) });
});

test("a rich record leaves room in the 1,002 bytes that a row of D1 may have on its page", () => {
  const stored = JSON.stringify(storedRecord(RICH, COLUMNS));
  expect(JSON.stringify(RICH).length).toBeGreaterThan(1_300);
  // The other columns, ids and times, are 145 bytes with their header.
  expect(stored.length + 145).toBeLessThan(1_002);
});
