/**
 * How an endpoint region has done for the clients of one region of the world: time to first token as they had it, way
 * included, throughput and uptime of the last half hour. For people to read; routing predicts from what is measured
 * without the way (health.ts). Plain JSON, pure; times in epoch ms. Kept by slots of five minutes, so that nine regions
 * of clients cost an endpoint as much as two windows by the minute do.
 */
import type { EpochMs } from "../core/clock.ts";
import { countedIn, shareOf, tallyOf, type CountSlot } from "./counts.ts";
import { EMPTY_WINDOW, percentilesOf, windowHistogram, windowWith } from "./histogram.ts";
import type { HistogramWindow, Percentiles } from "./histogram.ts";

export interface ClientState {
  readonly latency: HistogramWindow;
  readonly throughput: HistogramWindow;
  readonly uptime: readonly CountSlot[];
}

export interface ClientFigures {
  readonly latencyMs30m: Percentiles | null;
  readonly throughputTps30m: Percentiles | null;
  /** Share in 0..1. */
  readonly uptime30m: number | null;
  readonly requestCount30m: number;
}

/** What an answer adds; null: the attempt failed. */
export interface ClientSample {
  readonly ttftMs: number;
  /** Null: not to be told. */
  readonly tokensPerS: number | null;
}

const SLOT_MS = 5 * 60_000;
const SLOTS = 6;
const WINDOW_MINUTES = 30;

const NEW_CLIENTS: ClientState = { latency: EMPTY_WINDOW, throughput: EMPTY_WINDOW, uptime: [] };

/** The state after one attempt for a client of the region. */
export function clientsAfter(
  state: ClientState = NEW_CLIENTS,
  sample: ClientSample | null,
  nowMs: EpochMs,
): ClientState {
  const slot = Math.floor(nowMs / SLOT_MS);
  const uptime = countedIn(state.uptime, slot, sample !== null, SLOTS);
  if (sample === null) return { ...state, uptime };
  // All of a slot's values are in the minute that it begins with.
  const atMs = slot * SLOT_MS;
  return {
    uptime,
    latency: windowWith(state.latency, sample.ttftMs, atMs),
    throughput: sample.tokensPerS === null ? state.throughput : windowWith(state.throughput, sample.tokensPerS, atMs),
  };
}

/** What is to be shown as of `nowMs`: the last 25 to 30 minutes. */
export function clientFigures(state: ClientState, nowMs: EpochMs): ClientFigures {
  const slot = Math.floor(nowMs / SLOT_MS);
  const tally = tallyOf(state.uptime, slot - SLOTS);
  const fromMs = slot * SLOT_MS;
  return {
    latencyMs30m: percentilesOf(windowHistogram(state.latency, WINDOW_MINUTES, fromMs)),
    throughputTps30m: percentilesOf(windowHistogram(state.throughput, WINDOW_MINUTES, fromMs)),
    uptime30m: shareOf(tally),
    requestCount30m: tally.good + tally.bad,
  };
}
