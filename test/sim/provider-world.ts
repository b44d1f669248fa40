/**
 * One provider region at scale: its real ProviderGate (the class itself, on a stand-in for the platform), the isolates that
 * use it by the real client (gates/provider-client.ts: snapshots, reports, permits), with or without snapshots shared in a
 * colo as the Cache API does it. It can stop answering for a while; who is sent there first then is counted.
 */
import { seededRandom, type Random } from "../../src/core/clock.ts";
import { asModelId, asProviderId, asRegionId, type EndpointTag } from "../../src/core/ids.ts";
import {
  createProviderClient,
  type EndpointPlace,
  type ProviderClient,
  type SharedSnapshot,
  type SnapshotSharing,
} from "../../src/gates/provider-client.ts";
import type { ProviderGateRpc } from "../../src/gates/provider-contract.ts";
import type { CapacityRule } from "../../src/limits/capacity.ts";
import { standingOf } from "../../src/router/score.ts";
import { exponential, logNormal } from "./draws.ts";
import { inVirtualTime, type VirtualTime } from "./virtual-time.ts";

/** Makes a gate on a stand-in for the platform; injected, since the class needs `cloudflare:workers`. */
export type OpenGate = (
  name: string,
  clock: () => number,
  siblings: (name: string) => ProviderGateRpc,
) => ProviderGateRpc;

export interface ProviderSpec {
  readonly name: string;
  readonly seed: number;
  readonly requestsPerS: number;
  readonly colos: number;
  readonly isolatesPerColo: number;
  /** Isolates of a colo share snapshots. */
  readonly isShared: boolean;
  /** The operator's limit; null: none. */
  readonly rule: CapacityRule | null;
  readonly tokens: number;
  readonly warmMs: number;
  readonly spanMs: number;
  /** From then on, counted from the end of the warm-up, every request there fails; null: never. */
  readonly outageAtMs: number | null;
}

export interface ProviderResult {
  readonly spec: ProviderSpec;
  /** To all gates, per second after the warm-up, before an outage. */
  readonly syncCalls: number;
  readonly exchangeCalls: number;
  readonly askCalls: number;
  /** Gates that were called, branches included, and calls a second of the one that got most. */
  readonly gates: number;
  readonly hottestCalls: number;
  /** Requests that were started after the warm-up, per second, and how many ran at once on the average. */
  readonly startedPerS: number;
  readonly concurrencyMean: number;
  /** Until less than a tenth of the requests are sent there first; null: no outage, or not within the span. */
  readonly reactionMs: number | null;
  /** Share of the requests that were sent there first, by second after the outage. */
  readonly stillSent: readonly number[];
  readonly started: number;
  readonly refused: number;
  /** Most attempts started within any 60 s, and running at once. */
  readonly minutePeak: number;
  readonly concurrencyPeak: number;
}

const START_MS = Date.UTC(2026, 10, 21, 12);
const ONE_WAY_MS = 30;
const ONE_WAY_SPREAD = 0.8;
/** Within a colo. */
const SHARING_MS = 3;
const ANSWER_MS = 3_000;
const ANSWER_SPREAD = 0.8;
const FIRST_TOKEN_MS = 400;
/** A dead provider is heard of after so long. */
const FAILURE_MS = 200;
const WAIT_MS = 2_000;
const REACTED_SHARE = 0.1;
const BIN_MS = 250;
const AT: EndpointPlace = {
  provider: asProviderId("hot"),
  region: asRegionId("here"),
  tag: "hot" as EndpointTag,
  model: asModelId("author/model"),
};

interface World {
  readonly spec: ProviderSpec;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly calls: { sync: number; exchange: number; ask: number };
  /** All calls, by gate. */
  readonly callsByGate: Map<string, number>;
  readonly gates: Map<string, ProviderGateRpc>;
  readonly outageMs: number;
  /** By bin after the outage: requests, and those that were sent there first. */
  readonly bins: { asked: number; sent: number }[];
  readonly starts: number[];
  running: number;
  /** Attempts running times ms, and until when that is counted. */
  busyMs: number;
  busyUntilMs: number;
  concurrencyPeak: number;
  refused: number;
}

/** Simulates one provider region. The same spec gives the same result. */
export function simulateProvider(spec: ProviderSpec, openGate: OpenGate): Promise<ProviderResult> {
  return inVirtualTime(START_MS, async (time) => {
    const outageMs = spec.outageAtMs === null ? Infinity : START_MS + spec.warmMs + spec.outageAtMs;
    const world: World = {
      spec,
      time,
      random: seededRandom(`provider ${spec.seed} ${spec.name}`),
      calls: { sync: 0, exchange: 0, ask: 0 },
      callsByGate: new Map(),
      gates: new Map(),
      outageMs,
      bins: [],
      starts: [],
      running: 0,
      busyMs: 0,
      busyUntilMs: START_MS,
      concurrencyPeak: 0,
      refused: 0,
    };
    const gate = (name: string): ProviderGateRpc => {
      const known = world.gates.get(name);
      if (known !== undefined) return known;
      const opened = acrossTheNetwork(world, name, openGate(name, time.nowMs, gate));
      world.gates.set(name, opened);
      return opened;
    };
    const clients = clientsOf(world, gate);
    const arrivals = seededRandom(`arrivals ${spec.seed} ${spec.name}`);
    let arrivalMs = START_MS;
    const next = (): void => {
      const client = clients[Math.floor(arrivals() * clients.length)];
      if (client !== undefined && arrivalMs > START_MS) void request(world, client);
      arrivalMs += exponential(arrivals, spec.requestsPerS / 1_000);
      time.at(arrivalMs, next);
    };
    next();
    await time.runUntil(START_MS + spec.warmMs);
    const before = { ...world.calls };
    const startedBefore = world.starts.length;
    begin(world, 0);
    const busyBeforeMs = world.busyMs;
    world.callsByGate.clear();
    const endMs = START_MS + spec.warmMs + spec.spanMs;
    const calmMs = Math.min(outageMs, endMs);
    await time.runUntil(calmMs);
    begin(world, 0);
    const perS = (count: number): number => (count * 1_000) / Math.max(1, calmMs - START_MS - spec.warmMs);
    const rates = {
      syncCalls: perS(world.calls.sync - before.sync),
      exchangeCalls: perS(world.calls.exchange - before.exchange),
      askCalls: perS(world.calls.ask - before.ask),
      gates: world.callsByGate.size,
      hottestCalls: perS(Math.max(...world.callsByGate.values())),
      startedPerS: perS(world.starts.length - startedBefore),
      concurrencyMean: perS((world.busyMs - busyBeforeMs) / 1_000),
    };
    await time.runUntil(endMs);
    return { spec, ...rates, ...endOf(world) };
  });
}

/** A gate as isolates and its branches reach it; every call takes its way there and back. */
function acrossTheNetwork(
  { time, random, calls, callsByGate }: World,
  name: string,
  gate: ProviderGateRpc,
): ProviderGateRpc {
  const across = async <T>(call: () => Promise<T>): Promise<T> => {
    callsByGate.set(name, (callsByGate.get(name) ?? 0) + 1);
    await time.pause(logNormal(random, ONE_WAY_MS, ONE_WAY_SPREAD));
    const answer = await call();
    await time.pause(logNormal(random, ONE_WAY_MS, ONE_WAY_SPREAD));
    return answer;
  };
  return {
    sync: (wanted) => across(() => (calls.sync++, gate.sync(wanted))),
    exchange: (pool, wish, load) => across(() => (calls.exchange++, gate.exchange(pool, wish, load))),
    ask: (wanted) => across(() => (calls.ask++, gate.ask(wanted))),
    snapshot: (model) => across(() => gate.snapshot(model)),
    configure: (settings) => across(() => gate.configure(settings)),
  };
}

function clientsOf({ spec, time }: World, gate: (name: string) => ProviderGateRpc): readonly ProviderClient[] {
  return Array.from({ length: spec.colos }, (_, colo) => {
    const sharing = spec.isShared ? coloSharing(time) : null;
    return Array.from({ length: spec.isolatesPerColo }, (__, at) =>
      createProviderClient({
        clock: time.nowMs,
        gate: (provider, region, branch) =>
          gate(branch === null ? `${provider} ${region}` : `${provider} ${region} ${branch}`),
        environment: () => ({ secret: "sk-simulated", baseUrl: null }),
        unseal: async () => null,
        sharing,
        reporter: `${colo}.${at}`,
      }),
    );
  }).flat();
}

/** What the isolates of one colo share, as the Cache API would: small, near, and last writer wins. */
function coloSharing(time: VirtualTime): SnapshotSharing {
  const kept = new Map<string, SharedSnapshot>();
  return {
    async read({ provider, region }) {
      await time.pause(SHARING_MS);
      return kept.get(`${provider} ${region}`) ?? null;
    },
    async write({ provider, region }, shared) {
      await time.pause(SHARING_MS);
      kept.set(`${provider} ${region}`, shared);
    },
  };
}

const IGNORE = (work: Promise<unknown>): void => void work;

/** One request whose plan has this region first as long as it stands well; another provider takes what it leaves. */
async function request(world: World, client: ProviderClient): Promise<void> {
  const { spec, time, random } = world;
  const waited = client.warm([AT], IGNORE);
  if (waited !== null) await waited;
  const nowMs = time.nowMs();
  const health = client.health(AT.provider, AT.region, AT.tag, AT.model);
  const isFirst = standingOf(health, nowMs) === "healthy" && (health?.closedUntilMs ?? 0) <= nowMs;
  note(world, isFirst);
  if (!isFirst) return;
  const ask = {
    rule: spec.rule,
    isShared: false,
    tokens: spec.tokens,
    account: `account ${Math.floor(random() * 200)}`,
    isPaid: true,
    waitMs: WAIT_MS,
    seed: null,
    tried: new Set<string>(),
  };
  const permit = await client.permit(AT, ask, IGNORE);
  if (permit.kind !== "granted") {
    world.refused++;
    return;
  }
  world.starts.push(time.nowMs());
  begin(world, 1);
  const isDead = time.nowMs() >= world.outageMs;
  const durationMs = isDead ? FAILURE_MS : logNormal(random, ANSWER_MS, ANSWER_SPREAD);
  await time.pause(durationMs);
  begin(world, -1);
  permit.done();
  const outcome = isDead
    ? ({ kind: "failure", scope: "endpoint", status: 503, retryAfterMs: null } as const)
    : ({
        kind: "success",
        bucket: null,
        ttftMs: Math.min(durationMs, FIRST_TOKEN_MS),
        tokens: 300,
        durationMs,
      } as const);
  client.report(AT, outcome, permit, IGNORE);
}

function note({ bins, outageMs, time }: World, isSent: boolean): void {
  const at = Math.floor((time.nowMs() - outageMs) / BIN_MS);
  if (at < 0 || !Number.isFinite(at)) return;
  while (bins.length <= at) bins.push({ asked: 0, sent: 0 });
  const bin = bins[at];
  if (bin === undefined) return;
  bin.asked++;
  if (isSent) bin.sent++;
}

/** So many attempts more are running from now on. */
function begin(world: World, more: number): void {
  const nowMs = world.time.nowMs();
  world.busyMs += world.running * (nowMs - world.busyUntilMs);
  world.busyUntilMs = nowMs;
  world.running += more;
  world.concurrencyPeak = Math.max(world.concurrencyPeak, world.running);
}

function endOf({ bins, starts, refused, concurrencyPeak }: World) {
  const shares = bins.map(({ asked, sent }) => sent / Math.max(1, asked));
  // Reacted is what stays so: the last bin above the bound counts.
  const lastAbove = shares.findLastIndex((share) => share >= REACTED_SHARE);
  const isOver = shares.length > 0 && lastAbove < shares.length - 1;
  const perSecond = Array.from({ length: Math.floor((shares.length * BIN_MS) / 1_000) }, (_, second) => {
    const part = bins.slice((second * 1_000) / BIN_MS, ((second + 1) * 1_000) / BIN_MS);
    return (
      part.reduce((sum, { sent }) => sum + sent, 0) /
      Math.max(
        1,
        part.reduce((sum, { asked }) => sum + asked, 0),
      )
    );
  });
  return {
    reactionMs: isOver ? (lastAbove + 1) * BIN_MS : null,
    stillSent: perSecond,
    started: starts.length,
    refused,
    minutePeak: minutePeakOf(starts),
    concurrencyPeak,
  };
}

function minutePeakOf(starts: readonly number[]): number {
  let most = 0;
  let from = 0;
  for (const [at, atMs] of starts.entries()) {
    while ((starts[from] ?? 0) <= atMs - 60_000) from++;
    most = Math.max(most, at - from + 1);
  }
  return most;
}
