/**
 * Nearness: the time to first token of the router's choices against an oracle that knows every true median. Clients ask
 * from metros by population; each request is planned by the real plan (router/plan.ts) with health that is learnt through
 * the real histograms, outcome by outcome, and read as isolates read it, some seconds late. Four of ten requests ask for
 * `sort: latency`, the others for the default order; both learn from both. Failures are left out: they are the other
 * simulation's.
 * Traffic is that of some models, and a thin part of theirs: a real bucket has far more samples, so learning is harder
 * here than there.
 */
import type { ModelEntry } from "../../src/catalog/schema.ts";
import { seededRandom } from "../../src/core/clock.ts";
import type { ProviderId } from "../../src/core/ids.ts";
import { healthAfter, healthSnapshot, NEW_HEALTH, type Health, type HealthState } from "../../src/limits/health.ts";
import { clientBucket, knownNetworkMs } from "../../src/router/geography.ts";
import { plan, type HealthLookup } from "../../src/router/plan.ts";
import { DEFAULT_PREFERENCES, type Preferences } from "../../src/router/preferences.ts";
import type { Candidate } from "../../src/router/score.ts";
import { logNormal, quantile, weighted } from "./draws.ts";
import { METROS } from "./metros.ts";
import type { World } from "./nearness-world.ts";

export interface NearnessOptions {
  readonly seed: number;
  readonly requests: number;
  readonly spanMs: number;
  /** Requests before this time teach and are not counted. */
  readonly warmMs: number;
}

export interface Measured {
  readonly requests: number;
  readonly medianMs: number;
  readonly p90Ms: number;
  /** The oracle's for the same requests. */
  readonly oracleMedianMs: number;
  readonly oracleP90Ms: number;
  /** Of the medians, less one. */
  readonly excess: number;
  /** How often the router chose what the oracle would have. */
  readonly agreement: number;
}

export interface NearnessResult {
  readonly kind: string;
  readonly models: number;
  readonly choiceCount: number;
  readonly byDefault: Measured;
  readonly byLatency: Measured;
  /** `sort: latency` by the first five minutes, in which hardly anything is measured. */
  readonly cold: Measured;
}

const LATENCY_SHARE = 0.4;
const REQUEST_SPREAD = 0.35;
const SLOW_SHARE = 0.02;
/** What an isolate knows is at most so old. */
const SNAPSHOT_MS = 3_000;
/** Figures of an endpoint that nobody reports on change by age only. */
const UNCHANGED_MS = 60_000;
const COLD_MS = 300_000;
const START_MS = 1_800_000_000_000;

interface Sample {
  readonly chosenMs: number;
  readonly oracleMs: number;
  readonly isSame: boolean;
}

/** Runs it; the same options give the same result. */
export function simulateNearness(world: World, options: NearnessOptions): NearnessResult {
  const random = seededRandom(`nearness ${options.seed}`);
  const drawMetro = weighted(METROS.map(({ populationM }) => populationM));
  // Models of more endpoints are asked for more often; it is what makes providers offer them.
  const drawModel = weighted(world.entries.map(({ model }) => model.endpoints.length));
  const credentials = new Set<ProviderId>(world.entries.flatMap(({ providers }) => providers.map(({ slug }) => slug)));
  const buckets = world.places.map((place) => clientBucket(place));
  const learnt = createLearning();
  const samples = { byDefault: [] as Sample[], byLatency: [] as Sample[], cold: [] as Sample[] };
  for (let at = 0; at < options.requests; at++) {
    const passedMs = (at / options.requests) * options.spanMs;
    const nowMs = START_MS + passedMs;
    const metro = drawMetro(random);
    const entry = world.entries[drawModel(random)];
    const bucket = buckets[metro] ?? null;
    if (entry === undefined) continue;
    const isByLatency = random() < LATENCY_SHARE;
    const { candidates } = plan({
      models: [{ entry }],
      facts: {
        parameters: [],
        modalities: new Set(),
        outputModalities: null,
        promptTokensEstimate: 1_000,
        maxOutputTokens: null,
      },
      preferences: isByLatency ? BY_LATENCY : DEFAULT_PREFERENCES,
      switchedOff: new Set(),
      credentials,
      accountHome: "gl",
      place: world.places[metro] ?? null,
      bucket,
      health: learnt.lookup(nowMs),
      seed: `${options.seed} ${at}`,
      nowMs,
    });
    const chosen = candidates[0];
    if (chosen === undefined) continue;
    const noise = logNormal(random, 1, REQUEST_SPREAD) * (random() < SLOW_SHARE ? 3 : 1);
    const trueMs = trueOf(world, entry, chosen, metro, passedMs);
    const oracleMs = oracleOf(world, entry, metro, passedMs);
    const networkMs = knownNetworkMs(world.places[metro] ?? null, chosen.region);
    learnt.learn(chosen, { ttftMs: trueMs * noise, networkMs, bucket }, nowMs);
    const sample = { chosenMs: trueMs * noise, oracleMs: oracleMs * noise, isSame: trueMs === oracleMs };
    if (passedMs >= options.warmMs) (isByLatency ? samples.byLatency : samples.byDefault).push(sample);
    else if (isByLatency && passedMs < COLD_MS) samples.cold.push(sample);
  }
  return {
    kind: world.kind,
    models: world.entries.length,
    choiceCount: world.choiceCount,
    byDefault: measured(samples.byDefault),
    byLatency: measured(samples.byLatency),
    cold: measured(samples.cold),
  };
}

const BY_LATENCY: Preferences = { ...DEFAULT_PREFERENCES, sort: "latency" };

function trueOf(
  world: World,
  entry: ModelEntry,
  { endpoint, provider, region }: Candidate,
  metro: number,
  atMs: number,
) {
  return world.trueMs(entry, endpoint.tag, provider.slug, region.id, metro, atMs);
}

/** The least true median of all endpoint regions. */
function oracleOf(world: World, entry: ModelEntry, metro: number, atMs: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (const endpoint of entry.model.endpoints) {
    if (endpoint.price === null) continue;
    const provider = entry.providers.find(({ slug }) => slug === endpoint.provider);
    for (const region of provider?.regions ?? []) {
      best = Math.min(best, world.trueMs(entry, endpoint.tag, endpoint.provider, region.id, metro, atMs));
    }
  }
  return best;
}

interface Timed {
  readonly ttftMs: number;
  readonly networkMs: number;
  readonly bucket: ReturnType<typeof clientBucket>;
}

interface Learning {
  lookup(nowMs: number): HealthLookup;
  learn(candidate: Candidate, outcome: Timed, nowMs: number): void;
}

/** Health as the gates keep it, and figures as isolates read them: at most SNAPSHOT_MS old. */
function createLearning(): Learning {
  const states = new Map<string, HealthState>();
  const shown = new Map<string, { readonly atMs: number; readonly state: HealthState; readonly health: Health }>();
  return {
    lookup: (nowMs) => (_provider, region, tag, model) => {
      const key = `${region} ${tag} ${model}`;
      const known = shown.get(key);
      const state = states.get(key);
      if (state === undefined) return undefined;
      const lifeMs = known?.state === state ? UNCHANGED_MS : SNAPSHOT_MS;
      if (known !== undefined && nowMs - known.atMs < lifeMs) return known.health;
      const health = healthSnapshot(state, nowMs);
      shown.set(key, { atMs: nowMs, state, health });
      return health;
    },
    learn({ region, endpoint, model }, { ttftMs, networkMs, bucket }, nowMs) {
      const key = `${region.id} ${endpoint.tag} ${model.id}`;
      const outcome = { kind: "success", bucket, ttftMs, networkMs, tokens: 300, durationMs: ttftMs + 5_000 } as const;
      states.set(key, healthAfter(states.get(key) ?? NEW_HEALTH, outcome, nowMs));
    },
  };
}

function measured(samples: readonly Sample[]): Measured {
  const chosen = samples.map(({ chosenMs }) => chosenMs);
  const oracle = samples.map(({ oracleMs }) => oracleMs);
  const [medianMs, oracleMedianMs] = [quantile(chosen, 0.5), quantile(oracle, 0.5)];
  return {
    requests: samples.length,
    medianMs,
    p90Ms: quantile(chosen, 0.9),
    oracleMedianMs,
    oracleP90Ms: quantile(oracle, 0.9),
    excess: medianMs / oracleMedianMs - 1,
    agreement: samples.filter(({ isSame }) => isSame).length / Math.max(1, samples.length),
  };
}
