/**
 * Whether a request costs the same however much there is beside it: accounts, providers of its model, models of the
 * catalog. The cost is processor time of the serving process per buffered answer, so that it does not matter what else
 * the machine does; each size is compared with the smallest one of the same round, or of the rounds around it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { processorMs } from "./children.ts";
import { measureListing, type Listing } from "./listing.ts";
import type { Loader } from "./loader.ts";
import type { Measured } from "./measured.ts";
import { median } from "./numbers.ts";
import type { Target } from "./target.ts";
import { MODELS_MIN, PUBLISHED_MS, WIDE_MODEL, type Waypost } from "./waypost.ts";

export interface Scale {
  /** Cost of one answer at the smallest size, in ms of processor time. */
  readonly baseMs: number;
  /** Cost relative to it. */
  readonly models1000: number;
  readonly providers60: number;
  readonly accounts1000: number;
  /** The list of models, when it has a thousand. */
  readonly listing: Listing;
  /** Faults of all its answers. */
  readonly measured: readonly Measured[];
}

/** Many short ones: on a machine that others use, two long ones are seldom alike. */
const ROUNDS = 9;
const WARM_MS = 800;
const RUN_MS = 2_000;
/** Where the effect is far beyond the noise. */
const FEW_ROUNDS = 3;
const BOOKED_MS = 5_000;
const ACCOUNTS = 1_000;
/** Accounts made at a time. */
const MAKERS = 16;
const MODELS_MAX = 1_000;

/** Measures a Waypost whose catalog is the smallest. Takes about four minutes. */
export async function measureScale(waypost: Waypost, loader: Loader): Promise<Scale> {
  const measured: Measured[] = [];
  const cost = async (target: Target, keys: readonly string[] = []): Promise<number> => {
    const job = { kind: "throughput", target, role: "buffered", connections: 32, warmMs: 0, keys } as const;
    measured.push(await loader.run({ ...job, runMs: WARM_MS }));
    const beforeMs = processorMs(waypost.pids);
    const run = await loader.run({ ...job, runMs: RUN_MS });
    measured.push(run);
    return (processorMs(waypost.pids) - beforeMs) / run.served;
  };
  const { spare } = waypost;
  const wide: Target = { ...spare, models: { ...spare.models, buffered: WIDE_MODEL } };
  const small: number[] = [];
  const providers: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const baseMs = await cost(spare);
    small.push(baseMs);
    providers.push((await cost(wide)) / baseMs);
  }
  await publish(waypost, MODELS_MAX, loader);
  const large: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) large.push(await cost(spare));
  const listing = await measureListing({ port: spare.port, path: "/api/v1/models", pids: waypost.pids });
  await publish(waypost, MODELS_MIN, loader);
  const smallAgain: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) smallAgain.push(await cost(spare));
  // Last: a thousand accounts leave a process that is never again as it was.
  const keys = await makeKeys(waypost);
  const accounts: number[] = [];
  for (let round = 0; round < FEW_ROUNDS; round += 1) {
    const baseMs = await cost(spare);
    accounts.push((await cost(spare, keys)) / baseMs);
    // What so many accounts leave to be booked belongs to nobody else's cost.
    await sleep(BOOKED_MS);
  }
  return {
    baseMs: median(small),
    // Two catalogs cannot take turns: the small one before and after, so that a machine that changes meanwhile cancels out.
    models1000: (2 * median(large)) / (median(small) + median(smallAgain)),
    providers60: median(providers),
    accounts1000: median(accounts),
    listing,
    measured,
  };
}

/** Publishes a catalog of so many models, and asks for something until the isolate has it. */
async function publish(waypost: Waypost, models: number, loader: Loader): Promise<void> {
  await waypost.publish(models);
  await serveUntil(Date.now() + PUBLISHED_MS, waypost.spare, loader);
}

/** An isolate looks for a new catalog when it is asked for something. */
async function serveUntil(endMs: number, target: Target, loader: Loader): Promise<void> {
  while (Date.now() < endMs) {
    await loader.run({
      kind: "throughput",
      target,
      role: "buffered",
      connections: 1,
      warmMs: 0,
      runMs: 1_000,
      answersMax: 5,
    });
    await sleep(1_000);
  }
}

async function makeKeys(waypost: Waypost): Promise<readonly string[]> {
  const keys: string[] = [];
  let next = 0;
  const make = async (): Promise<void> => {
    while (next < ACCOUNTS) keys.push(await waypost.newKey(`scale-${next++}`));
  };
  await Promise.all(Array.from({ length: MAKERS }, make));
  return keys;
}
