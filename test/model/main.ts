/**
 * The money's model test in full: `npm run model -- --count 1000000 --seed 1`, or `node test/model/main.ts [flags]`.
 * Each interleaving (run.ts) is named by the seed and its number, so that one that fails can be run again alone. They
 * are shared out to as many threads as the machine has cores. Exit code 1: an invariant broke; the failures are named.
 *
 *   --count 1000000   interleavings        --seed 1       what is drawn
 *   --from 0          the first's number   --threads 2    default: one a core
 *   --state FILE      what is done is noted here, and not done again by a run that begins with the same flags
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import * as z from "zod";
import { openGround } from "./gate.ts";
import { NO_USES, runOnce, type Uses } from "./run.ts";

/** Interleavings of one thread; then a fresh one takes over, so that memory stays bounded whatever a run leaves behind. */
const SHARE = 2_500;
/** Failures after which no further share is begun, and which one share names at most. */
const FAILURES_MAX = 5;

interface Share {
  readonly seed: string;
  readonly from: number;
  readonly count: number;
}

interface Outcome extends Share {
  readonly uses: Uses;
  readonly failures: readonly string[];
}

/** A line of the state file. */
const Line = z.object({
  seed: z.string(),
  from: z.int(),
  count: z.int(),
  uses: z.record(z.string(), z.number()).transform((uses): Uses => ({ ...NO_USES, ...uses })),
  failures: z.array(z.string()),
}) satisfies z.ZodType<Outcome>;

if (isMainThread) await lead();
else parentPort?.postMessage(await work(workerData as Share));

async function lead(): Promise<void> {
  const { seed, count, from, threads, state } = flags();
  const startMs = Date.now();
  const outcomes = new Map(known(state).map((outcome) => [nameOf(outcome), outcome]));
  const shares = sharesOf(seed, from, count);
  const done = (): readonly Outcome[] => shares.flatMap((share) => outcomes.get(nameOf(share)) ?? []);
  const failures = (): readonly string[] => done().flatMap((outcome) => outcome.failures);
  const left = shares.filter((share) => !outcomes.has(nameOf(share)));
  const takeShares = async (): Promise<void> => {
    for (let share = left.shift(); share !== undefined; share = left.shift()) {
      const outcome = await inThread(share);
      outcomes.set(nameOf(share), outcome);
      if (state !== undefined) appendFileSync(state, `${JSON.stringify(outcome)}\n`);
      for (const failure of outcome.failures) console.log(failure);
      console.log(`${sumOf(done())} of ${count}, ${failures().length} failed, ${secondsSince(startMs)} s`);
      if (failures().length >= FAILURES_MAX) return;
    }
  };
  await Promise.all(Array.from({ length: threads }, takeShares));
  const result = { seed, done: sumOf(done()), failures: failures().length, ...summed(done()) };
  console.log(JSON.stringify({ ...result, seconds: secondsSince(startMs) }));
  process.exit(failures().length === 0 && result.done === count ? 0 : 1);
}

function flags(): Share & { readonly threads: number; readonly state: string | undefined } {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "1000000" },
      seed: { type: "string", default: "1" },
      from: { type: "string", default: "0" },
      threads: { type: "string", default: String(availableParallelism()) },
      state: { type: "string" },
    },
  });
  const [count, from, threads] = [values.count, values.from, values.threads].map(Number);
  if (![count, from, threads].every(Number.isSafeInteger) || !count || !threads || from === undefined) {
    console.error("--count, --from and --threads must be whole numbers");
    process.exit(2);
  }
  return { seed: values.seed, count, from, threads, state: values.state };
}

function sharesOf(seed: string, from: number, count: number): readonly Share[] {
  return Array.from({ length: Math.ceil(count / SHARE) }, (_, at): Share => {
    const first = at * SHARE;
    return { seed, from: from + first, count: Math.min(SHARE, count - first) };
  });
}

function nameOf({ seed, from, count }: Share): string {
  return JSON.stringify([seed, from, count]);
}

/** What earlier runs have done, of any seed. A last line that was cut off was not done, and is taken off the file. */
function known(state: string | undefined): readonly Outcome[] {
  if (state === undefined || !existsSync(state)) return [];
  const text = readFileSync(state, "utf8");
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  if (whole !== text) writeFileSync(state, whole);
  const lines = whole.split("\n").filter((line) => line !== "");
  return lines.map((line) => Line.parse(JSON.parse(line)));
}

async function inThread(share: Share): Promise<Outcome> {
  const worker = new Worker(new URL(import.meta.url), { workerData: share });
  try {
    return await new Promise((resolve, reject) => {
      worker.once("error", reject);
      worker.once("message", resolve);
    });
  } finally {
    await worker.terminate();
  }
}

async function work(share: Share): Promise<Outcome> {
  const ground = openGround();
  const uses = { ...NO_USES };
  const failures: string[] = [];
  for (let done = 0; done < share.count && failures.length < FAILURES_MAX; done++) {
    const name = `${share.seed} ${share.from + done}`;
    try {
      await runOnce(name, ground, uses);
    } catch (error) {
      failures.push(
        `interleaving "${name}": ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
  }
  return { ...share, uses, failures };
}

function sumOf(outcomes: readonly Outcome[]): number {
  return outcomes.reduce((sum, { count }) => sum + count, 0);
}

function summed(outcomes: readonly Outcome[]): Uses {
  const sum = { ...NO_USES };
  for (const { uses } of outcomes) {
    for (const name of Object.keys(sum) as (keyof Uses)[]) sum[name] += uses[name];
  }
  return sum;
}

function secondsSince(startMs: number): number {
  return Math.round((Date.now() - startMs) / 1_000);
}
