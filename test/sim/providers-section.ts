/** The hottest provider region of 100,000 requests a second: without a limit, with an ample one, and where it is short. */
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

/** Half as much again as is asked for. */
const AMPLE_PER_MIN = 900_000;
/** Of a region that everybody may use and half of whose demand fits. */
const CROWD_SLOTS = 6_000;
const RATE_PER_MIN = 36_000;
const SLOTS = 2_000;

export interface Providers {
  readonly section: Section;
  readonly results: readonly ProviderResult[];
}

interface Found {
  readonly shared: ProviderResult;
  readonly alone: ProviderResult;
  readonly ample: ProviderResult;
  readonly crowd: ProviderResult;
  readonly rate: ProviderResult;
  readonly slots: ProviderResult;
}

export async function providers(seed: number, openGate: OpenGate): Promise<Providers> {
  const hot: ProviderSpec = {
    name: "hot, shared",
    seed,
    requestsPerS: HOT_PER_S,
    colos: COLOS,
    isolatesPerColo: ISOLATES_PER_COLO,
    isShared: true,
    rule: null,
    tokens: 1_000,
    warmMs: 8_000,
    spanMs: 20_000,
    outageAtMs: 6_000,
  };
  const calm = { ...hot, outageAtMs: null };
  const short = { ...calm, requestsPerS: 1_300, colos: 60, isolatesPerColo: 10 };
  const run = (spec: ProviderSpec): Promise<ProviderResult> => simulateProvider(spec, openGate);
  const found: Found = {
    shared: await run(hot),
    alone: await run({ ...hot, name: "hot, alone", isShared: false, spanMs: 42_000 }),
    ample: await run({
      ...calm,
      name: "ample",
      rule: { requestsPerMin: AMPLE_PER_MIN },
      warmMs: 16_000,
      spanMs: 4_000,
    }),
    crowd: await run({
      ...calm,
      name: "crowd",
      requestsPerS: 3_000,
      rule: { concurrency: CROWD_SLOTS },
      warmMs: 60_000,
      spanMs: 6_000,
    }),
    rate: await run({
      ...short,
      name: "rate",
      requestsPerS: 800,
      rule: { requestsPerMin: RATE_PER_MIN },
      warmMs: 60_000,
      spanMs: 60_000,
    }),
    slots: await run({ ...short, name: "slots", rule: { concurrency: SLOTS }, warmMs: 40_000, spanMs: 15_000 }),
  };
  return { section: sectionOf(found), results: Object.values(found) };
}

function sectionOf({ shared, alone, ample, crowd, rate, slots }: Found): Section {
  return {
    title: "Providers",
    rows: [
      ...hotRows("with the Cache API", shared),
      ...hotRows("without it", alone),
      callsRow("calls a second to the hottest gate of a region with an ample limit", ample),
      row("requests there that waited for a permit", percent(ample.askCalls / ample.startedPerS)),
      callsRow("calls a second to the hottest gate of a region whose limit is short, 20,000 isolates", crowd),
      ...shortRows(
        "concurrency, limit 6,000, demand 12,400",
        crowd.concurrencyPeak,
        crowd.concurrencyMean,
        CROWD_SLOTS,
      ),
      callsRow("calls a second to the hottest gate of a region whose limit is short, 600 isolates", rate),
      ...shortRows(
        "requests a minute, limit 36,000, demand 48,000",
        rate.minutePeak,
        (rate.startedPerS * 60_000) / 1_000,
        RATE_PER_MIN,
      ),
      ...shortRows("concurrency, limit 2,000, demand 5,400", slots.concurrencyPeak, slots.concurrencyMean, SLOTS),
    ],
    assumptions: [
      `Hot: a provider region that is first in the plans of ${HOT_PER_S.toLocaleString("en")} requests a second, a tenth of all, from all ${COLOS} colos with ${ISOLATES_PER_COLO} isolates each, simulated whole. It stops answering (503 after 0.2 s) and never comes back; the reaction is the time until less than a tenth of the requests are sent there first, and it stays so to the end of the run (14 s with the Cache API, 36 s without it). Every such request was still answered by its fallback.`,
      "Ample: the same region with a limit of 900,000 requests a minute. Short: 3,000 requests a second from all 20,000 isolates, or 800 and 1,300 from 600; 200 accounts; answers take 3 s in the middle (log spread 0.8); whoever finds nothing waits at most 2 s. Overshoot is the most starts within any 60 s, or attempts at once, over the limit in the whole run; use is the mean after the warm-up, so that what is missing lies idle in leases or is on its way.",
      "Real: the ProviderGate class and its branches on a stand-in for the platform, `gates/provider-client.ts` with its reports, snapshots and permits, `limits/*`, `router/score.ts` for the standing. A call takes a log-normal time each way (median 30 ms, log spread 0.8), a look into the colo's cache 3 ms.",
      "Calls are counted after a warm-up of 8 to 60 s: a crowd that comes all at once is at the gate itself for its first second or two, until it has told them of branches. For half a minute after that what was lent before is counted twice: less is lent, never more. (Of the short region of 20,000 isolates 49% was unused from 32 to 38 s after all of them had come at once.)",
      "Without the Cache API (it does not work on workers.dev) each of 20,000 isolates hears of the gate once in 67 s; until then it believes a single failure of its own. With two requests a second to the region from each isolate it would be left four times as soon, with one in ten seconds later than the goal.",
      "The 59 other providers get less of everything and are not simulated; providers share nothing.",
    ],
  };
}

function hotRows(how: string, { hottestCalls, reactionMs, stillSent }: ProviderResult): readonly Row[] {
  const shares = stillSent.slice(0, 6).map((share) => `${(100 * share).toFixed(0)}%`);
  return [
    row(
      `calls a second to the hottest ProviderGate, ${how}`,
      hottestCalls.toFixed(0),
      `at most ${CALLS_PER_S_MAX}`,
      hottestCalls <= CALLS_PER_S_MAX,
    ),
    row(
      `reaction to an outage, ${how}`,
      `${reactionMs === null ? "not within the run" : `${(reactionMs / 1_000).toFixed(1)} s`}; sent there first in the seconds after: ${shares.join(" ")}`,
      "at most 5 s",
      reactionMs !== null && reactionMs <= REACTION_MS_MAX,
    ),
  ];
}

function callsRow(what: string, { hottestCalls, gates, exchangeCalls, askCalls, syncCalls }: ProviderResult): Row {
  const all = exchangeCalls + askCalls + syncCalls;
  return row(
    what,
    `${hottestCalls.toFixed(0)} (${all.toFixed(0)} to it and its ${gates - 1} branches)`,
    `at most ${CALLS_PER_S_MAX}`,
    hottestCalls <= CALLS_PER_S_MAX,
  );
}

function shortRows(what: string, peak: number, mean: number, limit: number): readonly Row[] {
  const overshoot = Math.max(0, peak / limit - 1);
  return [
    row(`${what}: overshot by`, percent(overshoot), "at most 1%", overshoot <= OVERSHOOT_MAX),
    row(`${what}: not used, idle in leases or on its way`, percent(Math.max(0, 1 - mean / limit))),
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}
