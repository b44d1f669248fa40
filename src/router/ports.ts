/**
 * What the router needs from the platform, as functions: `deps.ts` fills them with bindings, a test with its own.
 */
import type { Clock, EpochMs, RandomBytes } from "../core/clock.ts";
import type { ResolvedModel, ResolveError } from "../catalog/resolve.ts";
import type { MenuRow } from "../catalog/menu.ts";
import type { Capacity } from "../catalog/schema.ts";
import type { Unavailable } from "../catalog/store.ts";
import type { AccountId, EndpointTag, GenerationId, KeyHash, ModelId, ProviderId, RegionId } from "../core/ids.ts";
import type { Result } from "../core/result.ts";
import type { NanoUsd } from "../core/money.ts";
import type { RunningGeneration } from "../gates/account-client.ts";
import type { AdmitRequest, Admission, Settlement } from "../gates/account-contract.ts";
import type { ByokClient } from "../gates/byok-client.ts";
import type { AttemptAsk, EndpointPlace } from "../gates/provider-client.ts";
import type { ProviderStateClient } from "../gates/provider-state-client.ts";
import type { Permit } from "../gates/provider-permits.ts";
import type { AccessTokens } from "../providers/access-tokens.ts";
import type { Health, Outcome } from "../limits/health.ts";
import type { Deadlines } from "./deadlines.ts";
import type { OpenedMedia } from "./inline-media.ts";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Accounts as the spine sees them. Each promise may cross an ocean. */
export interface AccountPort {
  /** No promise when this isolate's lease covers it. */
  admit(account: AccountId, request: AdmitRequest): Admission | Promise<Admission>;
  /**
   * True once the gate has durably taken it; keeps trying for 25 s, then false.
   * @param beside is called once the answer is out, 20 to 150 ms later, or at once where settlements gather for longer:
   * what need not hold it up.
   */
  settle(account: AccountId, settlement: Settlement, beside?: () => void): Promise<boolean>;
  /**
   * Holds more for a generation that runs. No promise when this isolate's lease covers it. Never rejects.
   * @returns what is held for it then, in all; no more than before when no more is to be had.
   */
  extend(account: AccountId, generation: RunningGeneration, moreNusd: NanoUsd): NanoUsd | Promise<NanoUsd>;
  /** Keeps a hold alive; cheap to call often, calls the gate once per 20 s and account. */
  renew(account: AccountId, generation: GenerationId): Promise<void>;
  /** The generation needs no more renewals. */
  forget(account: AccountId, generation: GenerationId): void;
  /** The generation will never be settled: a bug. */
  abandon(account: AccountId, generation: GenerationId): void;
  /** Whether the key was in good standing lately, for so much; a promise when this isolate doesn't know. */
  isTrusted(account: AccountId, key: KeyHash, wantedNusd: NanoUsd): boolean | Promise<boolean>;
  /** A trusted request was refused. */
  distrust(account: AccountId, key: KeyHash): Promise<void>;
  /** After a settle: gives leases back once they are idle, unless another request sees to it. */
  keep(account: AccountId): Promise<void>;
}

/** Providers as the spine sees them: from isolate memory, never awaited while routing. */
export interface ProviderPort {
  /** Null when everything needed is in memory; else a wait, at most 1 s, for what a cold or idle isolate lacks. */
  warm(places: readonly { readonly provider: ProviderId; readonly region: RegionId }[]): Promise<void> | null;
  /** As of `nowMs`; absent: as of now. */
  health(provider: ProviderId, region: RegionId, tag: EndpointTag, model: ModelId, nowMs?: EpochMs): Health | undefined;
  /** Switched off by the operator. */
  switchedOff(): ReadonlySet<ProviderId>;
  /** Those of `providers` for which a credential is present. */
  withCredential(providers: readonly ProviderId[]): ReadonlySet<ProviderId>;
  /** Where the operator sends this provider's traffic instead of the catalog's place, whoever's credential it carries. */
  baseUrl(provider: ProviderId): string | null;
  /**
   * Reports how an attempt with one of the operator's credentials ended; batched, never awaited.
   * @param endedAtMs when it ended; absent: now. What has failed since then is newer news.
   */
  report(at: EndpointPlace, outcome: Outcome, permit: Permit, endedAtMs?: EpochMs): void;
  /** True for the one attempt that may find out whether a broken endpoint is well again. */
  mayProbe(at: EndpointPlace): boolean;
  /** Leave for one attempt, with the credential to send. A promise only where capacity is near its end. */
  permit(
    at: EndpointPlace,
    capacity: Capacity | undefined,
    ask: Omit<AttemptAsk, "rule" | "isShared">,
  ): Permit | Promise<Permit>;
}

export interface RouterPorts {
  /** The model behind a requested name; reads at most two values when the isolate is cold. */
  readonly resolve: (requested: string) => Promise<Result<ResolvedModel, ResolveError>>;
  /** What router models choose from, cheapest first; reads at most two values when the isolate is cold. */
  readonly menu: () => Promise<Result<readonly MenuRow[], Unavailable>>;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly fetch: Fetch;
  /** Opens media at an address that a tenant names. @returns a sentence for the client: why not. */
  readonly openMedia: (url: string, signal: AbortSignal) => Promise<Result<OpenedMedia, string>>;
  /** What providers with tokens that live for a while were given; one per isolate. */
  readonly accessTokens: AccessTokens;
  readonly accounts: AccountPort;
  readonly providers: ProviderPort;
  readonly byok: ByokClient;
  readonly providerState: ProviderStateClient;
  readonly deadlines: Deadlines;
  /** Keeps the platform from dropping `work` when the client leaves. */
  readonly waitUntil: (work: Promise<unknown>) => void;
}
