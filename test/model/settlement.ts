/** A settlement as the router makes one; its record says nothing but what the books need. */
import type { GenerationId, KeyHash } from "../../src/core/ids.ts";
import { NO_USAGE } from "../../src/core/usage.ts";
import type { Settlement } from "../../src/gates/account-contract.ts";
import type { GenerationRecord } from "../../src/insight/generation.ts";

const RECORD: Omit<GenerationRecord, "id" | "keyHash" | "createdAtMs" | "costNusd" | "upstreamCostNusd"> = {
  requestId: "",
  model: "m",
  requestedModel: "m",
  provider: "p",
  providerName: "P",
  endpoint: "p",
  region: "r",
  upstreamId: null,
  streamed: true,
  cancelled: false,
  estimated: false,
  cancellation: null,
  finishReason: "stop",
  nativeFinishReason: "stop",
  latencyMs: 1,
  generationTimeMs: 1,
  usage: NO_USAGE,
  isByok: false,
  isFree: false,
  attempts: [],
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

export function settlementOf(
  id: GenerationId,
  keyHash: KeyHash,
  costNusd: bigint,
  upstreamCostNusd: bigint,
  createdAtMs: number,
): Settlement {
  const record = {
    ...RECORD,
    id,
    keyHash,
    createdAtMs,
    costNusd: Number(costNusd),
    upstreamCostNusd: Number(upstreamCostNusd),
  };
  return { generationId: id, keyHash, costNusd, upstreamCostNusd, refundsFreeTier: false, record };
}
