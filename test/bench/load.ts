/**
 * The load generator: a process of its own that lives as long as the run, so that its code is as warm for the last
 * target as for the first. Takes one `Job` at a time over IPC and answers with its `Measured`.
 * Every answer is judged (verdict.ts); whatever is in flight when the time is up is waited for, so that the money
 * check knows every request that was served.
 */
import { fastPiece, monotonicUs, SLOW_PIECE } from "./answers.ts";
import type { Accumulator } from "./http-bytes.ts";
import { openLane, type Lane, type Outcome } from "./lane.ts";
import { percentilesOf, type Measured } from "./measured.ts";
import { requestBytes, type Role, type Target } from "./target.ts";
import { judge } from "./verdict.ts";

/**
 * `throughput`: as many answers as `connections` can get in `runMs`, after `warmMs`.
 * `first-byte`: the same with one connection, and the time to the first byte (of a stream: to the first event).
 * `slow`: one slow stream per connection, and the delay of each event since it was sent.
 */
export interface Job {
  readonly kind: "throughput" | "first-byte" | "slow";
  readonly target: Target;
  readonly role: Role;
  readonly connections: number;
  readonly warmMs: number;
  readonly runMs: number;
  /** Answers after which a `throughput` job ends before its time. */
  readonly answersMax?: number;
  /** Say every time that was taken, for `joined`. */
  readonly keepsTimes?: boolean;
  /** Keys to use in turn instead of the target's own, each its account's. */
  readonly keys?: readonly string[];
}

const FAULTS_KEPT = 5;
const THOROUGH_EVERY = 16;
const FIRST_EVENT = Buffer.from(fastPiece(0));

interface Tally {
  served: number;
  counted: number;
  costNusd: bigint;
  faultCount: number;
  readonly faults: string[];
  readonly timesUs: number[];
}

function run(job: Job): Promise<Measured> {
  const tally: Tally = { served: 0, counted: 0, costNusd: 0n, faultCount: 0, faults: [], timesUs: [] };
  const startUs = monotonicUs();
  const countFromUs = startUs + job.warmMs * 1_000;
  const untilUs = countFromUs + job.runMs * 1_000;
  const targets = (job.keys ?? []).map((key) => ({
    ...job.target,
    headers: { ...job.target.headers, authorization: `Bearer ${key}` },
  }));
  const requests = (targets.length === 0 ? [job.target] : targets).map((target) => requestBytes(target, job.role));
  let sent = 0;
  const request = (): Buffer => requests[sent++ % requests.length] ?? Buffer.alloc(0);
  return new Promise((resolve) => {
    let open = job.connections;
    const closed = (): void => {
      open -= 1;
      if (open === 0) resolve(measuredOf(tally, job));
    };
    for (let index = 0; index < job.connections; index += 1) {
      if (job.kind === "slow") slowLane(job, request(), tally, closed);
      else busyLane(job, request, tally, { countFromUs, untilUs }, closed);
    }
  });
}

/** Judges one outcome; true if the answer was right. */
function record(outcome: Outcome, job: Job, tally: Tally, isThorough: boolean): boolean {
  const verdict = outcome.ok ? judge(outcome.answer.message, job.role, job.target.isPriced, isThorough) : outcome;
  if (!verdict.ok) {
    tally.faultCount += 1;
    if (tally.faults.length < FAULTS_KEPT) tally.faults.push(verdict.fault);
    return false;
  }
  tally.served += 1;
  tally.costNusd += verdict.costNusd;
  return true;
}

function busyLane(
  job: Job,
  request: () => Buffer,
  tally: Tally,
  window: { countFromUs: number; untilUs: number },
  closed: () => void,
): void {
  const { host, port } = job.target;
  const wantsFirstByte = job.kind === "first-byte";
  const wantsFirstEvent = wantsFirstByte && job.role !== "buffered";
  let lane: Lane = openLane(host, port);
  let firstEventAtUs = 0;
  const onBytes = (soFar: Accumulator): void => {
    if (firstEventAtUs !== 0) return;
    const at = soFar.bytes.indexOf(FIRST_EVENT);
    if (at !== -1 && at < soFar.length) firstEventAtUs = monotonicUs();
  };
  const next = (): void => {
    const isEnough = tally.served + tally.faultCount + job.connections > (job.answersMax ?? Number.POSITIVE_INFINITY);
    if (isEnough || monotonicUs() >= window.untilUs || tally.faultCount > 50) {
      lane.close();
      closed();
      return;
    }
    firstEventAtUs = 0;
    lane.send(request(), onOutcome, wantsFirstEvent ? onBytes : undefined);
  };
  const onOutcome = (outcome: Outcome): void => {
    const isRight = record(outcome, job, tally, tally.served % THOROUGH_EVERY === 0);
    if (!outcome.ok) lane = openLane(host, port);
    if (isRight && outcome.ok) {
      const { sentAtUs, firstByteAtUs, doneAtUs } = outcome.answer;
      const endUs = wantsFirstEvent ? firstEventAtUs : wantsFirstByte ? firstByteAtUs : doneAtUs;
      if (doneAtUs >= window.countFromUs && doneAtUs < window.untilUs) {
        tally.counted += 1;
        tally.timesUs.push(endUs - sentAtUs);
      }
    }
    next();
  };
  next();
}

function slowLane(job: Job, request: Buffer, tally: Tally, closed: () => void): void {
  const lane = openLane(job.target.host, job.target.port);
  let searchedTo = 0;
  const onBytes = (soFar: Accumulator): void => {
    const nowUs = monotonicUs();
    const text = soFar.bytes.toString("latin1", searchedTo, soFar.length);
    let usedTo = 0;
    for (const stamp of text.matchAll(SLOW_PIECE)) {
      tally.timesUs.push(nowUs - Number(stamp[1]));
      usedTo = stamp.index + stamp[0].length;
    }
    searchedTo += usedTo;
  };
  lane.send(
    request,
    (outcome) => {
      record(outcome, job, tally, true);
      lane.close();
      closed();
    },
    onBytes,
  );
}

function measuredOf(tally: Tally, job: Job): Measured {
  return {
    perSecond: job.kind === "slow" ? 0 : tally.counted / (job.runMs / 1_000),
    ...percentilesOf(tally.timesUs),
    served: tally.served,
    costNusd: tally.costNusd.toString(),
    faultCount: tally.faultCount,
    faults: tally.faults,
    ...(job.keepsTimes === true ? { timesUs: tally.timesUs } : {}),
  };
}

process.on("message", (job: Job) => {
  void run(job).then((measured) => process.send?.(measured));
});
// Ctrl-C reaches the whole group; with a parent, that decides when this ends.
if (process.send !== undefined) process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(0));
