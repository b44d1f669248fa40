/**
 * What the platform bills for a request, counted inside the runtime by a second Waypost whose bundle is the production
 * bundle with counters around it (counting.ts). Nothing else is measured on it: counting costs time.
 * Three parts. Awaited calls: calls of objects are held back while one request runs at a time, so that whatever an answer
 * waits for has ended before it and nothing else has. Then two loads, five requests a second and 32 connections at once,
 * each followed by its aftermath: the clock is set on until ids are forgotten and generations move from D1 into files,
 * so that the deletes that a request causes weeks later are counted with it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { processorMs } from "./children.ts";
import { countedBundle } from "./counted.ts";
import { COUNTS_PATH, HOLD_PATH, LATER_PATH, type Counts } from "./counting.ts";
import type { Measured } from "./measured.ts";
import type { Loader } from "./loader.ts";
import type { Role, Target } from "./target.ts";
import { startWaypost, type Waypost } from "./waypost.ts";

type Kind = Exclude<keyof Counts, "methods" | "awaited" | "requests">;

/**
 * Dollars per million, beyond what a paid plan includes, accessed 2026-11-21.
 * Durable Objects: https://developers.cloudflare.com/durable-objects/platform/pricing (alarms are requests; deletes are
 * rows written; setting an alarm is one). D1: https://developers.cloudflare.com/d1/platform/pricing (index rows count).
 * KV: https://developers.cloudflare.com/kv/platform/pricing. R2, standard storage, its classes A and B:
 * https://developers.cloudflare.com/r2/pricing. Queues: https://developers.cloudflare.com/queues/platform/pricing.
 */
const PRICES = {
  objectCalls: { name: "calls of objects", dollars: 0.15 },
  alarms: { name: "alarms of objects", dollars: 0.15 },
  objectRowsRead: { name: "rows read, objects", dollars: 0.001 },
  objectRowsWritten: { name: "rows written, objects", dollars: 1 },
  d1RowsRead: { name: "rows read, D1", dollars: 0.001 },
  d1RowsWritten: { name: "rows written, D1", dollars: 1 },
  kvReads: { name: "KV reads", dollars: 0.5 },
  kvWrites: { name: "KV writes", dollars: 5 },
  r2Reads: { name: "R2 reads (class B)", dollars: 0.36 },
  r2Writes: { name: "R2 writes (class A)", dollars: 4.5 },
  queueOperations: { name: "queue operations", dollars: 0.4 },
} as const satisfies Record<Kind, { readonly name: string; readonly dollars: number }>;

/** https://developers.cloudflare.com/workers/platform/pricing, accessed 2026-11-21: a million requests, a million ms. */
const REQUEST_DOLLARS = 0.3;
const PROCESSOR_DOLLARS = 0.02;
/** A million GB-s of objects in memory, each counted as 128 MB (the Durable Objects page above). */
const DURATION_DOLLARS = 12.5;
const OBJECT_GB = 0.128;
/** The account's gate and the provider's. */
const OBJECTS = 2;

/** What one load came to. */
export interface Billed {
  readonly requests: number;
  /** Until the last settlement was in the books, and from then on. */
  readonly served: Counts;
  readonly after: Counts;
  readonly dollarsPerMillion: number;
  readonly loadMs: number;
  /** Processor time of the whole server: Worker, objects, databases and the counting. */
  readonly processorMs: number;
}

export interface Operations {
  readonly atBenchLoad: Billed;
  /** One isolate, five requests a second. */
  readonly atFivePerSecond: Billed;
  /** Calls of objects that answers waited for: of the isolate's first request, of a key's first one there, of later ones. */
  readonly awaitedFirst: number;
  readonly awaitedCold: number;
  readonly awaitedWarm: readonly number[];
  /** What was wrong with answers; empty when all were right. */
  readonly faults: readonly string[];
}

/** An answer that waits for no call is there much sooner, even on a busy machine. */
const HOLD_MS = 1_000;
const WARM_REQUESTS = 20;
const LOAD_MS = 10_000;
const PACED_REQUESTS = 100;
const PACED_MS = 200;
/** The last settlements, the flush into D1 and the leases' return are over by then. */
const REST_MS = 8_000;
/** A generation's whole UTC day is then older than 30 days. */
const LATER_MS = 32 * 86_400_000;

/** Counts all of it on a Waypost of its own. Takes about a minute and a half. */
export async function countOperations(upstreamUrl: string, loader: Loader): Promise<Operations> {
  const waypost = await startWaypost(upstreamUrl, await countedBundle());
  const { target } = waypost;
  const faults: string[] = [];
  const ask = async (role: Role = "buffered", key?: string): Promise<void> => {
    const measured = await one(target, loader, role, key);
    faults.push(...measured.faults);
  };
  const [awaitedFirst = Number.NaN] = (await readCounts(target)).awaited;
  await control(target, `${HOLD_PATH}?ms=${HOLD_MS}`);
  const known = (await readCounts(target)).awaited.length;
  const key = await waypost.newKey("bench-cold");
  // What the isolate knows of its providers is fresh: this request is cold in its key alone.
  await ask();
  for (let count = 0; count <= WARM_REQUESTS; count++) await ask(count % 2 === 0 ? "buffered" : "brief", key);
  const [, awaitedCold = Number.NaN, ...awaitedWarm] = (await readCounts(target)).awaited.slice(known);
  await control(target, `${HOLD_PATH}?ms=0`);
  await sleep(REST_MS);
  const atFivePerSecond = await billed(waypost, async () => {
    const startMs = Date.now();
    for (let count = 0; count < PACED_REQUESTS; count++) {
      await ask();
      await sleep(Math.max(0, startMs + (count + 1) * PACED_MS - Date.now()));
    }
    return PACED_REQUESTS;
  });
  const atBenchLoad = await billed(waypost, async () => {
    const load = { target, role: "buffered", connections: 32, warmMs: 0, runMs: LOAD_MS } as const;
    const measured = await loader.run({ kind: "throughput", ...load });
    faults.push(...measured.faults);
    return measured.served;
  });
  return { atBenchLoad, atFivePerSecond, awaitedFirst, awaitedCold, awaitedWarm, faults };
}

/** Lines for the reader: what was counted and priced, and what is billed beside it. */
export function operationsText(operations: Operations): readonly string[] {
  const { atBenchLoad, atFivePerSecond, awaitedFirst, awaitedCold, awaitedWarm } = operations;
  const loads = [atBenchLoad, atFivePerSecond];
  const line = (name: string, price: string, cells: readonly string[]): string =>
    `  ${name.padEnd(34)}${price.padStart(10)}${cells.map((cell) => cell.padStart(24)).join("")}`;
  const cell = (count: number, dollars: number): string => `${count.toFixed(4)}  $${dollars.toFixed(3)}`.padStart(20);
  const rows = (Object.keys(PRICES) as Kind[]).flatMap((kind) => {
    const { name, dollars } = PRICES[kind];
    return (["served", "after"] as const)
      .filter((when) => loads.some((load) => load[when][kind] > 0))
      .map((when) =>
        line(
          when === "served" ? name : `${name}, later`,
          `$${dollars}`,
          loads.map((load) => cell(load[when][kind] / load.requests, (load[when][kind] / load.requests) * dollars)),
        ),
      );
  });
  const beside = (load: Billed): string => {
    const each = load.processorMs / load.requests;
    const duration = ((load.loadMs / 1_000) * OBJECTS * OBJECT_GB * DURATION_DOLLARS) / load.requests;
    return `requests $${REQUEST_DOLLARS.toFixed(2)}, processor <= $${(each * PROCESSOR_DOLLARS).toFixed(2)} (${each.toFixed(1)} ms, the whole server), objects' duration <= $${duration.toFixed(2)}`;
  };
  return [
    "",
    line("platform operations", "a million", ["bench load", "5 requests/s"]),
    line("", "", ["a request  $/million", "a request  $/million"]),
    ...rows,
    line(
      "all",
      "",
      loads.map((load) => `$${load.dollarsPerMillion.toFixed(3)}`),
    ),
    `  Of ${atBenchLoad.requests} requests on 32 connections and ${atFivePerSecond.requests}, five a second; "later": when ids are forgotten and generations leave D1, 30 days on.`,
    `  Beside it, bench load: ${beside(atBenchLoad)}; 5 requests/s: ${beside(atFivePerSecond)}.`,
    `  Calls of objects that an answer waited for: ${awaitedFirst} in the isolate's first request, ${awaitedCold} in a key's first, ${awaitedWarm.join(" ")} in the ${awaitedWarm.length} after it.`,
    `  Calls at bench load: ${callsText(atBenchLoad)}; at 5 requests/s: ${callsText(atFivePerSecond)}.`,
    "",
  ];
}

function callsText({ served }: Billed): string {
  return Object.entries(served.methods)
    .filter(([, count]) => count > 0)
    .map(([method, count]) => `${count} ${method}`)
    .join(", ");
}

/** Counts what `load`, which says how many requests it was, and its aftermath cost. */
async function billed({ target, pids }: Waypost, load: () => Promise<number>): Promise<Billed> {
  const before = await readCounts(target);
  const startMs = Date.now();
  const startProcessorMs = processorMs(pids);
  const requests = await load();
  const loadMs = Date.now() - startMs;
  await sleep(REST_MS);
  const usedMs = processorMs(pids) - startProcessorMs;
  const served = await readCounts(target);
  await control(target, `${LATER_PATH}?ms=${LATER_MS}`);
  const after = await readCounts(target);
  const all = between(before, after);
  const dollars = (Object.keys(PRICES) as Kind[]).reduce((sum, kind) => sum + all[kind] * PRICES[kind].dollars, 0);
  return {
    requests,
    served: between(before, served),
    after: between(served, after),
    dollarsPerMillion: dollars / requests,
    loadMs,
    processorMs: usedMs,
  };
}

function between(before: Counts, after: Counts): Counts {
  const counts: Counts = { ...after, methods: {}, awaited: [] };
  for (const kind of Object.keys(PRICES) as Kind[]) counts[kind] = after[kind] - before[kind];
  for (const [method, count] of Object.entries(after.methods)) {
    counts.methods[method] = count - (before.methods[method] ?? 0);
  }
  return counts;
}

async function one(target: Target, loader: Loader, role: Role, key: string | undefined): Promise<Measured> {
  return await loader.run({
    kind: "throughput",
    target,
    role,
    connections: 1,
    warmMs: 0,
    runMs: 60_000,
    answersMax: 1,
    ...(key === undefined ? {} : { keys: [key] }),
  });
}

async function readCounts(target: Target): Promise<Counts> {
  // Our own counters, written by counting.ts.
  return (await (await control(target, COUNTS_PATH)).json()) as Counts;
}

async function control({ host, port }: Target, path: string): Promise<Response> {
  const answer = await fetch(`http://${host}:${port}${path}`);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${(await answer.text()).slice(0, 500)}`);
  return answer;
}
