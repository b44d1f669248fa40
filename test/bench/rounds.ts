/**
 * The interleaved rounds. In each round every cell visits every target before the next cell begins, and the order of
 * the targets turns by one per round, so that whatever else the machine does is shared out. Times to a first byte, where
 * tenths of a millisecond count, are taken in SLICES short turns a round.
 */
import { joined, type Measured } from "./measured.ts";
import type { Loader } from "./loader.ts";
import type { Role, Target } from "./target.ts";

export type CellName = "buffered" | "streamed" | "first-byte" | "first-event" | "delay-alone" | "delay-among-50";

interface Cell {
  readonly name: CellName;
  readonly kind: "throughput" | "first-byte" | "slow";
  readonly role: Role;
  readonly connections: number;
  /** Part of a throughput cell's length; slow cells last as long as their streams. */
  readonly share: number;
}

const CELLS: readonly Cell[] = [
  { name: "buffered", kind: "throughput", role: "buffered", connections: 32, share: 1 },
  { name: "streamed", kind: "throughput", role: "fast", connections: 16, share: 1 },
  { name: "first-byte", kind: "first-byte", role: "buffered", connections: 1, share: 1 / 3 },
  { name: "first-event", kind: "first-byte", role: "brief", connections: 1, share: 1 / 3 },
  { name: "delay-alone", kind: "slow", role: "slow", connections: 1, share: 0 },
  { name: "delay-among-50", kind: "slow", role: "slow", connections: 50, share: 0 },
];

/** One cell of one round at one target. */
export interface Sample {
  readonly round: number;
  readonly cell: CellName;
  readonly target: string;
  readonly measured: Measured;
}

const SLICES = 10;
const FIRST_WARM_MS = 1_000;
const WARM_MS = 300;

/** Runs all rounds. `onSample` hears of each as it is done. */
export async function runRounds(
  targets: readonly Target[],
  loader: Loader,
  rounds: number,
  runMs: number,
  onSample: (sample: Sample) => void,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const turn = round % targets.length;
    const order = [...targets.slice(turn), ...targets.slice(0, turn)];
    for (const cell of CELLS) {
      const warmMs = round === 0 ? FIRST_WARM_MS : WARM_MS;
      await visit(order, cell, { warmMs, runMs: runMs * cell.share }, loader, (target, measured) => {
        const sample = { round, cell: cell.name, target: target.name, measured };
        samples.push(sample);
        onSample(sample);
      });
    }
  }
  return samples;
}

/** One cell of one round at every target. */
async function visit(
  targets: readonly Target[],
  { kind, role, connections }: Cell,
  { warmMs, runMs }: { readonly warmMs: number; readonly runMs: number },
  loader: Loader,
  onMeasured: (target: Target, measured: Measured) => void,
): Promise<void> {
  if (kind !== "first-byte") {
    for (const target of targets) {
      onMeasured(target, await loader.run({ kind, target, role, connections, warmMs, runMs }));
    }
    return;
  }
  const turns = { warmMs: warmMs / SLICES, runMs: runMs / SLICES, keepsTimes: true };
  const slices = new Map<Target, Measured[]>(targets.map((target) => [target, []]));
  for (let slice = 0; slice < SLICES; slice++) {
    for (const [target, measured] of slices) {
      measured.push(await loader.run({ kind, target, role, connections, ...turns }));
    }
  }
  for (const [target, measured] of slices) onMeasured(target, joined(measured));
}
