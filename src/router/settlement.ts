/**
 * The end of a generation in numbers: what it used, what it costs, what is recorded. Pure.
 */
import type { EpochMs } from "../core/clock.ts";
import type { FinishReason } from "../core/event.ts";
import type { AccountId, GenerationId, KeyHash, PresetId, RequestId } from "../core/ids.ts";
import { nusdToStored, NUSD_MAX, type NanoUsd } from "../core/money.ts";
import type { TaskKind } from "../core/task.ts";
import { completionTokens, NO_USAGE, type Usage } from "../core/usage.ts";
import type { ByokOutcome } from "../gates/account-byok-contract.ts";
import type { Settlement } from "../gates/account-contract.ts";
import type { AttemptRecord, GenerationRecord } from "../insight/generation.ts";
import { costOf, feeOf, withSurcharge, type Cost, type Surcharge } from "../ledger/cost.ts";
import type { Metered } from "./meter.ts";
import type { Candidate } from "./score.ts";

/** Who asked, and from where; bounded by whoever reads the headers. */
export interface Asker {
  readonly account: AccountId;
  readonly keyHash: KeyHash;
  readonly requestId: RequestId;
  readonly generationId: GenerationId;
  readonly receivedAtMs: EpochMs;
  readonly httpReferer: string | null;
  readonly appTitle: string | null;
  readonly origin: string | null;
  readonly userAgent: string | null;
  readonly externalUser: string | null;
  readonly sessionId: string | null;
  readonly clientPlace: string | null;
  /** Of the preset that the request named. */
  readonly presetId?: PresetId | undefined;
}

export interface Bill {
  readonly usage: Usage;
  readonly isEstimated: boolean;
  readonly charged: Cost;
  readonly upstream: Cost;
  /** What of the charge the provider takes for having been left. */
  readonly surchargeNusd?: NanoUsd;
  /** The prompt was counted by us, too. */
  readonly isPromptEstimated?: boolean | undefined;
  /** The provider's count could not be true. */
  readonly isDoubted?: boolean | undefined;
  /** What it would have cost with the operator's credential, where the account's own served. */
  readonly list?: Cost;
}

const FREE: Cost = { totalPusd: 0n, totalNusd: 0n, promptNusd: 0n, completionNusd: 0n };
/** Nothing was used, nothing is owed. */
export const NO_BILL: Bill = { usage: NO_USAGE, isEstimated: false, charged: FREE, upstream: FREE };

/** What `metered` costs at `candidate`. A broken answer without a single completion token is free. */
export function billOf(metered: Metered, candidate: Candidate, images: number, isComplete: boolean): Bill {
  const { price, upstream_price: upstreamPrice } = candidate.endpoint;
  const { usage, isEstimated, isPromptEstimated, isDoubted } = metered;
  if (price === null || upstreamPrice === null || (!isComplete && completionTokens(usage) === 0)) return NO_BILL;
  const list = costOf(usage, price, images);
  const upstream = costOf(usage, upstreamPrice, images);
  const bill = { usage, isEstimated, isPromptEstimated, isDoubted, charged: list, upstream };
  return candidate.byok === undefined ? bill : { ...bill, charged: feeOf(list, candidate.byok.feeBps), list };
}

/** The bill of an answer whose provider has stopped, and takes a surcharge for that. */
export function leftBill(bill: Bill, candidate: Candidate): Bill {
  const surcharge = surchargeOf(candidate);
  if (surcharge === undefined || bill.upstream.totalPusd === 0n) return bill;
  const upstream = withSurcharge(bill.upstream, surcharge);
  // With an own credential it is the tenant's own bill; the fee is on what was generated.
  if (candidate.byok !== undefined) return { ...bill, upstream };
  const charged = withSurcharge(bill.charged, surcharge);
  return { ...bill, upstream, charged, surchargeNusd: charged.totalNusd - bill.charged.totalNusd };
}

/** What leaving an answer of this candidate costs; undefined: nothing. */
export function surchargeOf({ provider: { cancellation } }: Candidate): Surcharge | undefined {
  if (cancellation.policy !== "bills_surcharge") return undefined;
  return { fixedPusd: cancellation.surcharge ?? 0, bps: cancellation.surcharge_bps ?? 0 };
}

/** How a generation ended. */
export interface Ending {
  readonly candidate: Candidate | null;
  readonly attempts: readonly AttemptRecord[];
  /** How the account's own credentials fared. */
  readonly byok: readonly ByokOutcome[];
  readonly bill: Bill;
  readonly requestedModel: string;
  readonly streamed: boolean;
  /** A `:free` model served, or was to be asked first. */
  readonly isFree: boolean;
  /** A place of the free tier was taken, and no free model has used it. */
  readonly refundsFreeTier: boolean;
  readonly cancelled: boolean;
  readonly cancellation: "aborted" | "drained" | null;
  readonly finishReason: FinishReason | null;
  readonly nativeFinishReason: string | null;
  readonly upstreamId: string | null;
  readonly firstAtMs: EpochMs | null;
  readonly endedAtMs: EpochMs;
  readonly catalogVersion: string;
  /** Absent: a conversation. */
  readonly task?: TaskKind | undefined;
}

/** The settlement that the account's gate books. */
export function settlementOf(asker: Asker, ending: Ending): Settlement {
  const { bill, byok } = ending;
  return {
    generationId: asker.generationId,
    keyHash: asker.keyHash,
    costNusd: bill.charged.totalNusd,
    upstreamCostNusd: isOwn(ending) ? 0n : bill.upstream.totalNusd,
    refundsFreeTier: ending.refundsFreeTier,
    record: ending.attempts.length === 0 ? null : recordOf(asker, ending),
    ...(byok.length === 0 ? {} : { byok: { outcomes: byok, ...listOf(bill) } }),
  };
}

function isOwn({ candidate }: Ending): boolean {
  return candidate?.byok !== undefined;
}

function listOf({ list, upstream }: Bill): { readonly listNusd: NanoUsd; readonly upstreamNusd: NanoUsd } {
  return list === undefined
    ? { listNusd: 0n, upstreamNusd: 0n }
    : { listNusd: list.totalNusd, upstreamNusd: upstream.totalNusd };
}

/** What an upstream says of itself has no bound of its own; a row of the books has. */
const UPSTREAM_TEXT_CHARS_MAX = 256;

function bounded(text: string | null): string | null {
  return text === null ? null : text.slice(0, UPSTREAM_TEXT_CHARS_MAX);
}

/** An upstream that counts nonsense must not keep its generation from being settled; the gate's own bound is lower. */
function storedOf(amountNusd: NanoUsd): number {
  return nusdToStored(amountNusd > NUSD_MAX ? NUSD_MAX : amountNusd);
}

/** By which policy an answer was left before its end, and what that came to. */
function leavingOf({ cancellation, candidate, bill }: Ending) {
  if (cancellation === null || candidate === null) return {};
  return {
    cancellationPolicy: candidate.provider.cancellation.policy,
    surchargeNusd: storedOf(bill.surchargeNusd ?? 0n),
    promptEstimated: bill.isPromptEstimated === true,
  };
}

function recordOf(asker: Asker, ending: Ending): GenerationRecord {
  const { candidate, bill } = ending;
  return {
    id: asker.generationId,
    requestId: asker.requestId,
    keyHash: asker.keyHash,
    createdAtMs: asker.receivedAtMs,
    model: candidate?.model.id ?? ending.requestedModel,
    requestedModel: ending.requestedModel,
    provider: candidate?.provider.slug ?? null,
    providerName: candidate?.provider.name ?? null,
    endpoint: candidate?.endpoint.tag ?? null,
    region: candidate?.region.id ?? null,
    upstreamId: bounded(ending.upstreamId),
    streamed: ending.streamed,
    cancelled: ending.cancelled,
    estimated: bill.isEstimated,
    cancellation: ending.cancellation,
    ...leavingOf(ending),
    finishReason: ending.finishReason,
    nativeFinishReason: bounded(ending.nativeFinishReason),
    latencyMs: (ending.firstAtMs ?? ending.endedAtMs) - asker.receivedAtMs,
    generationTimeMs: ending.firstAtMs === null ? 0 : ending.endedAtMs - ending.firstAtMs,
    usage: bill.usage,
    costNusd: storedOf(bill.charged.totalNusd),
    upstreamCostNusd: storedOf(bill.upstream.totalNusd),
    isByok: isOwn(ending),
    isFree: ending.isFree,
    attempts: ending.attempts,
    httpReferer: asker.httpReferer,
    appTitle: asker.appTitle,
    origin: asker.origin,
    userAgent: asker.userAgent,
    externalUser: asker.externalUser,
    sessionId: asker.sessionId,
    dataRegion: candidate?.region.jurisdiction ?? "global",
    clientPlace: asker.clientPlace,
    catalogVersion: ending.catalogVersion,
    ...(ending.task === undefined ? {} : { task: ending.task }),
    ...(asker.presetId === undefined ? {} : { presetId: asker.presetId }),
  };
}
