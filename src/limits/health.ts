/**
 * Health of one endpoint region: what recent attempts did to it, and the snapshot that routing reads.
 * `HealthState` is plain JSON, kept by the ProviderGate (or by an isolate on its own); `healthAfter` folds one outcome
 * into it; `healthSnapshot` derives uptime, percentiles and the breaker's word for a moment. Pure; times in epoch ms.
 * What counts against uptime follows the public rule of the API we are compatible with: 401, 402, 404, 5xx and breaks
 * in mid-stream do; 400, 403, 413 and 429 are neutral.
 */
import type { EpochMs } from "../core/clock.ts";
import type { FailureScope } from "../core/error.ts";
import {
  BREAKER_CLOSED,
  BREAKER_RULE,
  breakerNext,
  closedUntil,
  CREDENTIAL_RULE,
  type Breaker,
  type BreakerRule,
} from "./breaker.ts";
import {
  clientFigures,
  clientsAfter,
  type ClientFigures,
  type ClientSample,
  type ClientState,
} from "./client-figures.ts";
import { countedIn, shareOf, tallyOf, type CountSlot, type Tally } from "./counts.ts";
import {
  EMPTY_WINDOW,
  mergedHistogram,
  percentilesOf,
  sampleCountOf,
  windowHistogram,
  windowWith,
} from "./histogram.ts";
import type { Histogram, HistogramWindow, Percentiles } from "./histogram.ts";
import { qualityAfter, qualityTally, type Judged } from "./quality.ts";
import { isStalledStart, typicalAfter } from "./slow-start.ts";

/** Where clients are, as coarsely as latency cares: the platform's own location hints. */
export const CLIENT_BUCKETS = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"] as const;
export type ClientBucket = (typeof CLIENT_BUCKETS)[number];

/** How one attempt ended. `bucket` is where its client is, null when unknown. */
export type Outcome =
  | {
      readonly kind: "success";
      readonly bucket: ClientBucket | null;
      /** Sent to first event. */
      readonly ttftMs: number;
      /** What of it distance explains (`knownNetworkMs` of router/geography.ts); absent or 0 where it is not known. */
      readonly networkMs?: number | undefined;
      /** Completion tokens. */
      readonly tokens: number;
      /** Sent to last event. */
      readonly durationMs: number;
      /** Whether it kept the form that was asked for, where that could be judged. */
      readonly judged?: Judged | undefined;
    }
  | {
      readonly kind: "failure";
      readonly scope: FailureScope;
      /** The upstream's; 0 when it gave none, 200 for an error inside an answer. */
      readonly status: number;
      /** As the upstream asked after a 429; null when it did not. */
      readonly retryAfterMs: number | null;
      readonly bucket?: ClientBucket | null | undefined;
    };

export interface HealthState {
  readonly lastFailureMs: EpochMs | null;
  readonly breaker: Breaker;
  readonly closedUntilMs: EpochMs;
  /** Time to first token, ms. */
  readonly latency: HistogramWindow;
  /** Moving average of the same; absent: nothing was seen yet. */
  readonly typicalTtftMs?: number | undefined;
  /** Time to first token beyond what distance explains, ms, by where the client is; absent in what older versions saved. */
  readonly beyondByBucket?: { readonly [bucket in ClientBucket]?: HistogramWindow };
  /** Tokens per second over the whole attempt. */
  readonly throughput: HistogramWindow;
  /** By where the client is; absent in what older versions saved. */
  readonly clients?: { readonly [bucket in ClientBucket]?: ClientState };
  /** Judged answers; absent: none, or saved by an older version. */
  readonly toolCalls?: readonly CountSlot[];
  readonly structured?: readonly CountSlot[];
  readonly minutes: readonly CountSlot[];
  readonly halfHours: readonly CountSlot[];
}

export interface Health {
  /** The last failure that counts against the endpoint. */
  readonly lastFailureMs: EpochMs | null;
  readonly breaker: Breaker;
  /** Closed for lack of capacity until then; 0 when never. */
  readonly closedUntilMs: EpochMs;
  /** Shares in 0..1; null when nothing was counted. */
  readonly uptime5m: number | null;
  readonly uptime30m: number | null;
  readonly uptime1d: number | null;
  /** Requests counted in the last 30 minutes. */
  readonly requestCount30m: number;
  readonly latencyMs5m: Percentiles | null;
  readonly latencyMs30m: Percentiles | null;
  readonly throughputTps5m: Percentiles | null;
  readonly throughputTps30m: Percentiles | null;
  /**
   * Time to first token beyond what distance explains, in the last 10 minutes (30 where those say little): for clients of
   * each bucket, and for all. A bucket is a continent wide: with the distance in it, its figure would be right for its
   * average client only.
   */
  readonly beyondMsByBucket: { readonly [bucket in ClientBucket]?: Percentiles };
  readonly beyondMs: Percentiles | null;
  /** Answers of the last two hours that kept the form asked for, and that did not; absent: none was judged. */
  readonly toolCalls?: Tally;
  readonly structured?: Tally;
  /** The one probe of a broken endpoint is this isolate's to send. */
  readonly hasProbeLeave?: boolean;
}

const MINUTE_MS = 60_000;
const HALF_HOUR_MS = 30 * MINUTE_MS;
const MINUTE_SLOTS = 30;
const HALF_HOUR_SLOTS = 48;
/** What routing predicts from is so young, where there are so many samples of it. */
const FRESH_MINUTES = 10;
const FRESH_SAMPLES_MIN = 30;
const NEUTRAL_STATUSES: ReadonlySet<number> = new Set([400, 403, 413, 429]);

export const NEW_HEALTH: HealthState = {
  lastFailureMs: null,
  breaker: BREAKER_CLOSED,
  closedUntilMs: 0,
  latency: EMPTY_WINDOW,
  beyondByBucket: {},
  throughput: EMPTY_WINDOW,
  minutes: [],
  halfHours: [],
};

/** True for a failure that lowers uptime. */
export function countsAgainstUptime(scope: FailureScope, status: number): boolean {
  return (scope === "endpoint" || scope === "credential") && !NEUTRAL_STATUSES.has(status);
}

/**
 * The state after one attempt. A request's own fault changes nothing; a 429 only closes the region; a bad credential
 * lowers uptime but leaves the breaker alone, because the endpoint is not to blame.
 */
export function healthAfter(
  state: HealthState,
  outcome: Outcome,
  nowMs: EpochMs,
  rule: BreakerRule = BREAKER_RULE,
): HealthState {
  if (outcome.kind === "success") {
    const { tokens, durationMs } = outcome;
    const tokensPerS = tokens > 0 && durationMs > 0 ? (tokens * 1000) / durationMs : null;
    return {
      ...withCount(state, true, nowMs),
      breaker: breakerAfterAnswer(state, outcome, nowMs, rule),
      typicalTtftMs: typicalAfter(state.typicalTtftMs ?? null, outcome.ttftMs),
      latency: windowWith(state.latency, outcome.ttftMs, nowMs),
      beyondByBucket: withBucket(state.beyondByBucket, outcome.bucket, beyondOf(outcome), nowMs),
      throughput: tokensPerS === null ? state.throughput : windowWith(state.throughput, tokensPerS, nowMs),
      clients: withClient(state.clients, outcome.bucket, { ttftMs: outcome.ttftMs, tokensPerS }, nowMs),
      ...withJudged(state, outcome.judged, nowMs),
    };
  }
  switch (outcome.scope) {
    case "request":
      return state;
    case "capacity":
      return { ...state, closedUntilMs: closedUntil(state.closedUntilMs, outcome.retryAfterMs, nowMs) };
    case "credential":
    case "endpoint": {
      if (!countsAgainstUptime(outcome.scope, outcome.status)) return state;
      const counted = {
        ...withCount(state, false, nowMs),
        lastFailureMs: Math.max(state.lastFailureMs ?? 0, nowMs),
        clients: withClient(state.clients, outcome.bucket ?? null, null, nowMs),
      };
      return outcome.scope === "credential"
        ? counted
        : { ...counted, breaker: breakerNext(state.breaker, { kind: "failure" }, nowMs, rule) };
    }
    default:
      return outcome.scope satisfies never;
  }
}

/**
 * An answer tells how its endpoint was when it began. One that had begun before the last failure ends an outage for
 * nobody: while a provider refuses what is new, what it was already saying may go on for minutes.
 */
function breakerAfterAnswer(
  { breaker, lastFailureMs, typicalTtftMs }: HealthState,
  { ttftMs, durationMs }: Extract<Outcome, { kind: "success" }>,
  nowMs: EpochMs,
  rule: BreakerRule,
): Breaker {
  // An answer that took so long to begin was one; to the breaker it is a failure all the same.
  if (isStalledStart(typicalTtftMs ?? null, ttftMs)) return breakerNext(breaker, { kind: "failure" }, nowMs, rule);
  const begunMs = nowMs - Math.max(0, durationMs - ttftMs);
  if (lastFailureMs !== null && begunMs < lastFailureMs) return breaker;
  return breakerNext(breaker, { kind: "success" }, nowMs, rule);
}

/** What one attempt says of its credential: whose it was, nothing else of it. */
export function credentialAfter(breaker: Breaker, outcome: Outcome, nowMs: EpochMs): Breaker {
  if (outcome.kind === "success") return breakerNext(breaker, { kind: "success" }, nowMs, CREDENTIAL_RULE);
  return outcome.scope === "credential" ? breakerNext(breaker, { kind: "failure" }, nowMs, CREDENTIAL_RULE) : breaker;
}

/** What routing and the public statistics read, as of `nowMs`. */
export function healthSnapshot(state: HealthState, nowMs: EpochMs): Health {
  const day = tallyOf(state.halfHours, Math.floor(nowMs / HALF_HOUR_MS) - HALF_HOUR_SLOTS);
  const long = tallyOf(state.minutes, Math.floor(nowMs / MINUTE_MS) - 30);
  const short = tallyOf(state.minutes, Math.floor(nowMs / MINUTE_MS) - 5);
  const beyondMsByBucket: { [bucket in ClientBucket]?: Percentiles } = {};
  const beyond: Histogram[] = [];
  for (const bucket of CLIENT_BUCKETS) {
    const window = state.beyondByBucket?.[bucket];
    if (window === undefined) continue;
    const histogram = freshEnough(window, nowMs);
    const found = percentilesOf(histogram);
    if (found === null) continue;
    beyondMsByBucket[bucket] = found;
    beyond.push(histogram);
  }
  return {
    lastFailureMs: state.lastFailureMs,
    breaker: state.breaker,
    closedUntilMs: state.closedUntilMs,
    uptime5m: shareOf(short),
    uptime30m: shareOf(long),
    uptime1d: shareOf(day),
    requestCount30m: long.good + long.bad,
    latencyMs5m: percentilesOf(windowHistogram(state.latency, 5, nowMs)),
    latencyMs30m: percentilesOf(windowHistogram(state.latency, 30, nowMs)),
    throughputTps5m: percentilesOf(windowHistogram(state.throughput, 5, nowMs)),
    throughputTps30m: percentilesOf(windowHistogram(state.throughput, 30, nowMs)),
    beyondMsByBucket,
    beyondMs: percentilesOf(mergedHistogram(beyond)),
    ...qualitySnapshot(state, nowMs),
  };
}

function qualitySnapshot(state: HealthState, nowMs: EpochMs): Pick<Health, "toolCalls" | "structured"> {
  const toolCalls = qualityTally(state.toolCalls, nowMs);
  const structured = qualityTally(state.structured, nowMs);
  return { ...(toolCalls === undefined ? {} : { toolCalls }), ...(structured === undefined ? {} : { structured }) };
}

/** What clients of each region had, as of `nowMs`; regions without any are absent. */
export function figuresByClient(
  state: HealthState,
  nowMs: EpochMs,
): { readonly [bucket in ClientBucket]?: ClientFigures } {
  const figures: { [bucket in ClientBucket]?: ClientFigures } = {};
  for (const bucket of CLIENT_BUCKETS) {
    const clients = state.clients?.[bucket];
    const found = clients === undefined ? undefined : clientFigures(clients, nowMs);
    if (found !== undefined && found.requestCount30m > 0) figures[bucket] = found;
  }
  return figures;
}

/** The last minutes where they say enough, since load changes within half an hour; else the whole window. */
function freshEnough(window: HistogramWindow, nowMs: EpochMs): Histogram {
  const fresh = windowHistogram(window, FRESH_MINUTES, nowMs);
  return sampleCountOf(fresh) >= FRESH_SAMPLES_MIN ? fresh : windowHistogram(window, 30, nowMs);
}

function withCount(state: HealthState, isGood: boolean, nowMs: EpochMs): HealthState {
  return {
    ...state,
    minutes: countedIn(state.minutes, Math.floor(nowMs / MINUTE_MS), isGood, MINUTE_SLOTS),
    halfHours: countedIn(state.halfHours, Math.floor(nowMs / HALF_HOUR_MS), isGood, HALF_HOUR_SLOTS),
  };
}

function beyondOf(outcome: { readonly ttftMs: number; readonly networkMs?: number | undefined }): number {
  return Math.max(0, outcome.ttftMs - (outcome.networkMs ?? 0));
}

function withBucket(
  byBucket: NonNullable<HealthState["beyondByBucket"]> = {},
  bucket: ClientBucket | null,
  valueMs: number,
  nowMs: EpochMs,
): NonNullable<HealthState["beyondByBucket"]> {
  if (bucket === null) return byBucket;
  return { ...byBucket, [bucket]: windowWith(byBucket[bucket] ?? EMPTY_WINDOW, valueMs, nowMs) };
}

function withClient(
  clients: NonNullable<HealthState["clients"]> = {},
  bucket: ClientBucket | null,
  sample: ClientSample | null,
  nowMs: EpochMs,
): NonNullable<HealthState["clients"]> {
  return bucket === null ? clients : { ...clients, [bucket]: clientsAfter(clients[bucket], sample, nowMs) };
}

function withJudged(
  { toolCalls, structured }: HealthState,
  judged: Judged | undefined,
  nowMs: EpochMs,
): Pick<HealthState, "toolCalls" | "structured"> {
  return {
    ...(judged?.toolCalls === undefined ? {} : { toolCalls: qualityAfter(toolCalls, judged.toolCalls, nowMs) }),
    ...(judged?.structured === undefined ? {} : { structured: qualityAfter(structured, judged.structured, nowMs) }),
  };
}
