/**
 * The benchmark: `npm run bench`, or `node test/bench/main.ts [flags]`.
 * A fast upstream (upstream.ts), a load generator (load.ts), and between them, interleaved: the bare pass-through
 * Worker, Portkey's gateway (a Node server from npm, in test/bench/peer), Waypost by its own start command, and
 * "direct", no proxy, as the floor of delays. Prints the table as text, then everything as one line of JSON.
 * Only ratios of one run mean anything on another machine. Exit code 1: an answer was incomplete or wrong, or the
 * account did not pay exactly for what was served. Goals are shown, not enforced.
 *
 *   --rounds 5          rounds, of which medians are taken      --seconds 3      length of a throughput cell
 *   --only a,b          of passthrough, portkey, custom, waypost   --no-portkey  leave the peer out
 *   --quick             rounds only: no memory, no stalled reader, no thousand streams, no operations
 *   --operations        what the platform bills, and nothing else (a minute and a half)
 *   --json <file>       JSON into a file instead of the last line of the output
 *
 * To compare a design of your own with the pass-through, while you tune it:
 *   node test/bench/main.ts --only passthrough,custom --quick --rounds 3 --custom-worker dist/mine.js
 *     serves that bundle (one ES module) as the pass-through is served; it finds the upstream's origin in env.UPSTREAM
 *     and forwards to `${env.UPSTREAM}/v1/chat/completions`
 *   node test/bench/main.ts --only passthrough,custom --upstream-port 9100 --custom-url http://127.0.0.1:9000/v1/chat/completions
 *     aims at a server of yours, whose upstream is http://127.0.0.1:9100
 *   --custom-header "authorization: Bearer ..."   --custom-models catalog (bench/fast ...; else bench-fast-200 ...)
 */
import { writeFileSync } from "node:fs";
import os from "node:os";
import { forkServer, stopAll } from "./children.ts";
import { startLoader, type Loader } from "./loader.ts";
import { measureStaying, type Staying } from "./memory.ts";
import { countOperations, operationsText, type Operations } from "./operations.ts";
import { parseOptions, type Options } from "./options.ts";
import { bufferedRatio, DIRECT, rowsOf, scaleRows, tableText, type Row } from "./report.ts";
import { runRounds, type Sample } from "./rounds.ts";
import { measureScale, type Scale } from "./scale.ts";
import { targetAt } from "./target.ts";
import { startTarget, type Running } from "./targets.ts";

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

interface Skipped {
  readonly name: string;
  readonly reason: string;
}

/** Different faults shown per target. */
const FAULTS_SHOWN = 8;

const say = (text: string): void => {
  process.stderr.write(`bench: ${text}\n`);
};

/** Starts everything, measures, prints. @returns true if every answer and the money were right. */
async function bench(options: Options, loader: Loader): Promise<boolean> {
  const upstream = await forkServer("upstream.ts", [String(options.upstreamPort)]);
  const upstreamUrl = `http://127.0.0.1:${upstream.port}`;
  say(`upstream at ${upstreamUrl}`);
  const running: Running[] = [];
  const skipped: Skipped[] = [];
  const staying = new Map<string, Staying>();
  for (const name of options.countsOnly ? [] : options.only) {
    const start = await startTarget(name, upstreamUrl, options);
    if ("skipped" in start) {
      skipped.push({ name, reason: start.skipped });
      say(`${name}: skipped: ${start.skipped}`);
      continue;
    }
    running.push(start.running);
    say(`${name}: ${start.running.note}`);
    if (!options.isQuick) staying.set(name, await measureStaying(start.running, loader, upstreamUrl));
  }
  const direct = targetAt(DIRECT, upstreamUrl);
  const targets = options.countsOnly ? [] : [...running.map(({ target }) => target), direct];
  const samples = await runRounds(targets, loader, options.rounds, options.runMs, ({ round, cell, target, measured }) =>
    say(
      `round ${round + 1} ${cell} ${target}: ${measured.perSecond.toFixed(0)}/s ` +
        `p50 ${measured.p50Ms.toFixed(2)} p99 ${measured.p99Ms.toFixed(2)} ms, ${measured.faultCount} faults`,
    ),
  );
  const waypost = options.isQuick ? undefined : running.find((each) => each.waypost !== null)?.waypost;
  if (waypost) say("the same request beside more accounts, providers and models: about four minutes");
  const scale = waypost ? await measureScale(waypost, loader) : null;
  // Last, since it leaves one more server running.
  const operations = await operationsOf(options, loader, upstreamUrl);
  const checks = await checksOf(running, samples, staying, scale, operations);
  const names = options.countsOnly ? ["waypost"] : targets.map(({ name }) => name);
  const table = rowsOf(names, samples, staying, operations);
  const rows = [...table, ...(scale === null ? [] : scaleRows(scale, bufferedRatio(table)))];
  print({ options, running, skipped, samples, staying, scale, operations, checks, names, rows });
  return checks.every(({ ok }) => ok);
}

/** Null: not asked for. */
async function operationsOf(options: Options, loader: Loader, upstreamUrl: string): Promise<Operations | null> {
  if (!options.countsOnly && (options.isQuick || !options.only.includes("waypost"))) return null;
  say("waypost: counting operations");
  return await countOperations(upstreamUrl, loader);
}

async function checksOf(
  running: readonly Running[],
  samples: readonly Sample[],
  staying: ReadonlyMap<string, Staying>,
  scale: Scale | null,
  operations: Operations | null,
): Promise<readonly Check[]> {
  const checks: Check[] = [];
  const strayed = [...(scale?.measured ?? []).flatMap(({ faults }) => faults), ...(scale?.listing.faults ?? [])];
  if (scale !== null) {
    checks.push({
      name: "waypost: every answer complete beside more of everything",
      ok: strayed.length === 0,
      detail: [`${scale.measured.reduce((sum, { served }) => sum + served, 0)} right`, ...strayed.map(oneLine)].join(
        " ",
      ),
    });
  }
  if (operations !== null) {
    const { faults, atBenchLoad, atFivePerSecond } = operations;
    const requests = atBenchLoad.requests + atFivePerSecond.requests;
    const detail = [`${requests} asked`, ...faults.map(oneLine)].join("\n         ");
    checks.push({ name: "waypost, counted: every answer complete", ok: faults.length === 0, detail });
  }
  for (const { target, ledger } of running) {
    const own = samples.filter((sample) => sample.target === target.name);
    const paid = staying.get(target.name)?.paid ?? [];
    const measured = [...own.map((sample) => sample.measured), ...paid];
    const served = measured.reduce((sum, { served: count }) => sum + count, 0);
    const faultCount = measured.reduce((sum, each) => sum + each.faultCount, 0);
    const faults = new Set([
      ...paid.flatMap((each) => each.faults.map((fault) => `before the rounds: ${fault}`)),
      ...own.flatMap((sample) => sample.measured.faults.map((fault) => `${sample.cell}: ${fault}`)),
    ]);
    checks.push({
      name: `${target.name}: every answer complete`,
      ok: faultCount === 0,
      detail: [`${served} right, ${faultCount} wrong`, ...[...faults].slice(0, FAULTS_SHOWN).map(oneLine)].join(
        "\n         ",
      ),
    });
    if (ledger === null) continue;
    const owedNusd = measured.reduce((sum, each) => sum + BigInt(each.costNusd), 0n);
    const paidNusd = await ledger.paidNusd(owedNusd);
    checks.push({
      name: `${target.name}: the account paid exactly`,
      ok: paidNusd === owedNusd,
      detail: `${served} answers cost ${owedNusd} nano-dollars, the account says ${String(paidNusd)}`,
    });
    const audit = await ledger.audit();
    checks.push({ name: `${target.name}: the audit passes`, ok: audit === true, detail: String(audit) });
  }
  return checks;
}

const oneLine = (text: string): string => text.replaceAll("\n", "\\n");

interface Findings {
  readonly options: Options;
  readonly running: readonly Running[];
  readonly skipped: readonly Skipped[];
  readonly samples: readonly Sample[];
  readonly staying: ReadonlyMap<string, Staying>;
  readonly scale: Scale | null;
  readonly operations: Operations | null;
  readonly checks: readonly Check[];
  readonly names: readonly string[];
  readonly rows: readonly Row[];
}

function print(findings: Findings): void {
  const { options, running, skipped, samples, staying, scale, operations, checks, names, rows } = findings;
  const machine = `${os.cpus().length} x ${os.cpus()[0]?.model ?? "unknown"}, Node ${process.versions.node}`;
  const lines = [
    tableText(names, options.countsOnly ? rows.filter(({ values }) => (values["waypost"] ?? null) !== null) : rows),
    ...(operations === null ? [""] : operationsText(operations)),
    ...running.map(({ target, note }) => `${target.name}: ${note}`),
    ...(options.countsOnly ? [] : [`${DIRECT}: no proxy, the client at the upstream: the floor`]),
    ...skipped.map(({ name, reason }) => `${name}: skipped: ${reason}`),
    `Medians of ${options.rounds} interleaved rounds, throughput cells of ${options.runMs / 1_000} s; ${machine}.`,
    "Delays are from the upstream's write to the client's read; memory is resident memory, measured once.",
    "",
    ...checks.map(({ name, ok, detail }) => `${ok ? "ok    " : "WRONG "} ${name}: ${detail}`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  const json = JSON.stringify({
    machine,
    rounds: options.rounds,
    throughputMs: options.runMs,
    targets: running.map(({ target, note }) => ({ name: target.name, note })),
    skipped,
    rows,
    checks,
    staying: Object.fromEntries(staying),
    scale,
    operations,
    samples,
  });
  if (options.jsonPath === undefined) process.stdout.write(`${json}\n`);
  else writeFileSync(options.jsonPath, `${json}\n`);
}

let options: Options;
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(2);
}
const loader = startLoader();
let isEnding = false;
const end = async (code: number): Promise<never> => {
  // A signal ends the run under the feet of `bench`, whose failure then says nothing.
  if (isEnding) return new Promise(() => undefined);
  isEnding = true;
  loader.stop();
  await stopAll();
  process.exit(code);
};
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void end(130));
try {
  await end((await bench(options, loader)) ? 0 : 1);
} catch (error) {
  if (!isEnding) say(error instanceof Error ? error.message : String(error));
  await end(1);
}
