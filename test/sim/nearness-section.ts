/** The nearness simulation at full size, as a section of the report. */
import { simulateNearness, type Measured, type NearnessResult } from "./nearness.ts";
import { createWorld, WORLD_KINDS } from "./nearness-world.ts";
import { row, type Row, type Section } from "./report.ts";

const MODELS = 16;
const REQUESTS = 120_000;
const SPAN_MS = 3_600_000;
const WARM_MS = 1_800_000;
/** How far the median of `sort: latency` may be above the oracle's. */
const EXCESS_MAX = 0.05;

export interface Nearness {
  readonly section: Section;
  readonly results: readonly NearnessResult[];
}

export function nearness(seed: number): Nearness {
  const results = WORLD_KINDS.map((kind) =>
    simulateNearness(createWorld(seed, kind, MODELS), { seed, requests: REQUESTS, spanMs: SPAN_MS, warmMs: WARM_MS }),
  );
  const [first] = results;
  return {
    results,
    section: {
      title: "Nearness",
      rows: results.flatMap(rowsOf),
      assumptions: [
        `Time to first token, medians over requests: ${first?.models} models of the ${first?.choiceCount} in the default catalog that have at least two priced endpoints, drawn by their number of endpoints, and all of their clients; ${REQUESTS.toLocaleString("en")} requests in a virtual hour, of which the first half only teaches. \`cold\`: the first five minutes.`,
        "Clients: 152 metro areas by population (United Nations, World Urbanization Prospects 2018). The router plans with `router/plan.ts` and learns through `limits/health.ts`; it sees figures at most 3 s old.",
        "*As published*: regions as the default catalog documents them, which for nearly all providers is nowhere: their true sites, one to five cloud regions each, are drawn and hidden. *Documented*: the same sites, known to the router.",
        "True time: a round trip over the great circle in fibre with a detour drawn per metro and site (median 1.6, log spread 0.25), 4 ms, and processing: median 450 ms per endpoint (log spread 0.5, per region 0.2), swinging by up to a quarter within 20 to 120 minutes, one endpoint region in thirty 2.5 times as slow for ten minutes; per request a log spread of 0.35, and one in fifty three times as slow.",
        "The oracle knows every true median at the moment of the request, not the luck of the single request. The default order weighs price above latency on purpose, so its distance from the oracle is a price, not a fault.",
      ],
    },
  };
}

function rowsOf({ kind, byDefault, byLatency, cold }: NearnessResult): readonly Row[] {
  return [
    row(
      `\`sort: latency\`, regions ${kind}`,
      figures(byLatency),
      "within 5% of the oracle",
      byLatency.excess <= EXCESS_MAX,
    ),
    row(`\`sort: latency\`, cold, regions ${kind}`, figures(cold)),
    row(`default order, regions ${kind}`, figures(byDefault)),
  ];
}

function figures({ medianMs, oracleMedianMs, excess, p90Ms, oracleP90Ms, agreement }: Measured): string {
  return (
    `${medianMs.toFixed(0)} ms, oracle ${oracleMedianMs.toFixed(0)} ms: ${excess < 0 ? "" : "+"}${(100 * excess).toFixed(1)}%` +
    `; p90 ${p90Ms.toFixed(0)} and ${oracleP90Ms.toFixed(0)} ms; same choice ${(100 * agreement).toFixed(0)}%`
  );
}
