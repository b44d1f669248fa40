/**
 * The money's model test in full: `npm run model -- --count 1000000 --seed 1`, or `node test/model/main.ts [flags]`.
 * Each interleaving (run.ts) is named by the seed and its number, so that one that fails can be run again alone. They
 * are shared out to as many threads as the machine has cores. Exit code 1: an invariant broke; the failures are named.
 *
 *   --count 1000000   interleavings        --seed 1       what is drawn
 *   --from 0          the first's number   --threads 2    default: one a core
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { openGround } from "./gate.ts";
import { NO_USES, runOnce, type Uses } from "./run.ts";

/** Interleavings between two lines of progress, in all threads together. */
const TOLD_EVERY = 20_000;
/** Failures that a thread names before it gives up. */
const FAILURES_MAX = 5;

interface Share {
  readonly seed: string;
  readonly from: number;
  readonly count: number;
}

interface Progress {
  readonly done: number;
  readonly uses: Uses;
  readonly failures: readonly string[];
  readonly isOver: boolean;
}

if (isMainThread) await lead();
else await work(workerData as Share, (progress) => parentPort?.postMessage(progress));

async function lead(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "1000000" },
      seed: { type: "string", default: "1" },
      from: { type: "string", default: "0" },
      threads: { type: "string", default: String(availableParallelism()) },
    },
  });
  const [count, from, threads] = [values.count, values.from, values.threads].map(Number);
  if (![count, from, threads].every(Number.isSafeInteger) || !count || !threads || from === undefined) {
    console.error("--count, --from and --threads must be whole numbers");
    process.exit(2);
  }
  const startMs = Date.now();
  const states: Progress[] = [];
  let told = 0;
  const each = Math.ceil(count / threads);
  const shares = Array.from({ length: threads }, (_, at): Share => {
    const first = at * each;
    return { seed: values.seed, from: from + first, count: Math.max(0, Math.min(each, count - first)) };
  });
  await Promise.all(
    shares.map(
      (share, at) =>
        new Promise<void>((resolve, reject) => {
          const worker = new Worker(new URL(import.meta.url), { workerData: share });
          worker.once("error", reject);
          worker.on("message", (progress: Progress) => {
            states[at] = progress;
            const done = states.reduce((sum, state) => sum + state.done, 0);
            if (done - told >= TOLD_EVERY) {
              told = done;
              console.log(`${done} of ${count}, ${secondsSince(startMs)} s`);
            }
            if (progress.isOver) resolve();
          });
        }),
    ),
  );
  const done = states.reduce((sum, state) => sum + state.done, 0);
  const failures = states.flatMap((state) => state.failures);
  for (const failure of failures) console.log(failure);
  console.log(
    JSON.stringify({
      seed: values.seed,
      done,
      failures: failures.length,
      ...summed(states),
      seconds: secondsSince(startMs),
    }),
  );
  process.exit(failures.length === 0 && done === count ? 0 : 1);
}

async function work({ seed, from, count }: Share, tell: (progress: Progress) => void): Promise<void> {
  const ground = openGround();
  const uses = { ...NO_USES };
  const failures: string[] = [];
  let done = 0;
  for (; done < count && failures.length < FAILURES_MAX; done++) {
    const name = `${seed} ${from + done}`;
    try {
      await runOnce(name, ground, uses);
    } catch (error) {
      failures.push(
        `interleaving "${name}": ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    if (done % 1_000 === 999) tell({ done, uses, failures, isOver: false });
  }
  tell({ done, uses, failures, isOver: true });
}

function summed(states: readonly Progress[]): Uses {
  const sum = { ...NO_USES };
  for (const { uses } of states) {
    for (const name of Object.keys(sum) as (keyof Uses)[]) sum[name] += uses[name];
  }
  return sum;
}

function secondsSince(startMs: number): number {
  return Math.round((Date.now() - startMs) / 1_000);
}
