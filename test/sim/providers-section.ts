/** The hottest provider region of 100,000 requests a second, and one whose capacity is short. */
import type { OpenGate, ProviderResult, ProviderSpec } from "./provider-world.ts";
import { simulateProvider } from "./provider-world.ts";
import { row, type Row, type Section } from "./report.ts";

const COLOS = 300;
const ISOLATES_PER_COLO = 67;
/** A tenth of all requests. */
const HOT_PER_S = 10_000;
const CALLS_PER_S_MAX = 500;
const REACTION_MS_MAX = 5_000;
const OVERSHOOT_MAX = 0.01;

const RATE_PER_MIN = 60_000;
const SLOTS = 2_000;

export interface Providers {
  readonly section: Section;
  readonly results: readonly ProviderResult[];
}

export async function providers(seed: number, openGate: OpenGate): Promise<Providers> {
  const hot: Omit<ProviderSpec, "name" | "isShared"> = {
    seed,
    requestsPerS: HOT_PER_S,
    colos: COLOS,
    isolatesPerColo: ISOLATES_PER_COLO,
    rule: null,
    tokens: 1_000,
    warmMs: 15_000,
    spanMs: 25_000,
    outageAtMs: 8_000,
  };
  const shared = await simulateProvider({ ...hot, name: "hot, shared", isShared: true }, openGate);
  const alone = await simulateProvider({ ...hot, name: "hot, alone", isShared: false }, openGate);
  const short: Omit<ProviderSpec, "name" | "rule"> = {
    ...hot,
    requestsPerS: 1_300,
    colos: 60,
    isolatesPerColo: 10,
    isShared: true,
    outageAtMs: null,
    warmMs: 30_000,
    spanMs: 100_000,
  };
  const rate = await simulateProvider({ ...short, name: "rate", rule: { requestsPerMin: RATE_PER_MIN } }, openGate);
  const slots = await simulateProvider(
    { ...short, name: "slots", rule: { concurrency: SLOTS }, warmMs: 20_000, spanMs: 30_000 },
    openGate,
  );
  return { section: sectionOf(shared, alone, rate, slots), results: [shared, alone, rate, slots] };
}

function sectionOf(
  shared: ProviderResult,
  alone: ProviderResult,
  rate: ProviderResult,
  slots: ProviderResult,
): Section {
  const rateOver = rate.minutePeak / RATE_PER_MIN - 1;
  const slotsOver = slots.concurrencyPeak / SLOTS - 1;
  const shortCalls = rate.exchangeCalls + rate.askCalls + rate.syncCalls;
  const rateUse = rate.started / ((RATE_PER_MIN / 60_000) * (rate.spec.warmMs + rate.spec.spanMs));
  return {
    title: "Providers",
    rows: [
      ...hotRows("with the Cache API", shared),
      ...hotRows("without it", alone),
      row(
        "requests a minute overshot, limit 60,000, demand 78,000",
        percent(rateOver),
        "at most 1%",
        rateOver <= OVERSHOOT_MAX,
      ),
      row("of that limit used", `${(100 * Math.min(1, rateUse)).toFixed(1)}%`),
      row(
        "calls a second to the gate whose limit is short",
        `${shortCalls.toFixed(0)} (${rate.askCalls.toFixed(0)} of them ask for one permit)`,
        `at most ${CALLS_PER_S_MAX}`,
        shortCalls <= CALLS_PER_S_MAX,
      ),
      row(
        "concurrency overshot, limit 2,000, demand 5,400",
        percent(slotsOver),
        "at most 1%",
        slotsOver <= OVERSHOOT_MAX,
      ),
      row("of that limit used at its peak", percent(slots.concurrencyPeak / SLOTS)),
    ],
    assumptions: [
      `Hot: a provider region that is first in the plans of ${HOT_PER_S.toLocaleString("en")} requests a second, a tenth of all, from all ${COLOS} colos with ${ISOLATES_PER_COLO} isolates each, simulated whole. It stops answering (503 after 0.2 s) and never comes back; the reaction is the time until less than a tenth of the requests are sent there first, for good. Every such request was still answered by its fallback.`,
      "Short: 1,300 requests a second of 200 accounts from 600 isolates against a limit of 60,000 requests a minute, or of 2,000 at once; answers take 3 s in the middle (log spread 0.8); whoever finds nothing waits at most 2 s. Overshoot is the most starts within any 60 s, or attempts at once, over the limit.",
      "Real: the ProviderGate class on a stand-in for the platform, `gates/provider-client.ts` with its reports, snapshots and permits, `limits/*`, `router/score.ts` for the standing. A call takes a log-normal time each way (median 30 ms, log spread 0.8), a look into the colo's cache 3 ms.",
      "Why it misses without the Cache API (it does not work on workers.dev): 20,000 isolates ask one gate 300 times a second, so that each hears of it once in 67 s, and learns by its own five failures in a row before that.",
      "The 59 other providers get less of everything and are not simulated; providers share nothing.",
    ],
  };
}

function hotRows(
  how: string,
  { syncCalls, exchangeCalls, askCalls, reactionMs, stillSent }: ProviderResult,
): readonly Row[] {
  const calls = syncCalls + exchangeCalls + askCalls;
  const shares = stillSent.slice(0, 6).map((share) => `${(100 * share).toFixed(0)}%`);
  return [
    row(
      `calls a second to the hottest ProviderGate, ${how}`,
      calls.toFixed(0),
      `at most ${CALLS_PER_S_MAX}`,
      calls <= CALLS_PER_S_MAX,
    ),
    row(
      `reaction to an outage, ${how}`,
      `${reactionMs === null ? "not within the run" : `${(reactionMs / 1_000).toFixed(1)} s`}; sent there first in the seconds after: ${shares.join(" ")}`,
      "at most 5 s",
      reactionMs !== null && reactionMs <= REACTION_MS_MAX,
    ),
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}
