/**
 * What was measured lately at a model's endpoints, read from the ProviderGates for the one who asks now.
 * Reads are bounded in number and time; a gate that does not answer leaves its figures out and never delays the answer.
 * Anybody may ask, so an isolate reads a model's gates at most once per RECENT_MS and keeps what it needs of them.
 * An endpoint that runs in several regions is shown as one: uptime is the mean weighted by requests, percentiles are
 * those of its busiest region (percentiles of several regions can't be merged), and it is down when no region is up.
 */
import type {
  ClientStatistics,
  EndpointStatistics,
  Percentiles,
  QualityStatistics,
} from "../catalog/listing-endpoints.ts";
import type { ListedEndpoint, ModelEntry, Provider } from "../catalog/schema.ts";
import type { EpochMs } from "../core/clock.ts";
import type { ModelId, ProviderId, RegionId } from "../core/ids.ts";
import type { ProviderGateRpc, ProviderSnapshot } from "../gates/provider-contract.ts";
import type { ClientFigures } from "../limits/client-figures.ts";
import type { Tally } from "../limits/counts.ts";
import { QUALITY_SAMPLES_MIN, qualityTier } from "../limits/quality.ts";
import type { ClientBucket, Health } from "../limits/health.ts";
import type { Percentiles as MeasuredPercentiles } from "../limits/histogram.ts";

/** Gates asked for one answer; the rest of a model's places are left out. */
export const PLACES_MAX = 64;
const PARALLEL_MAX = 16;
/** How long an answer waits for all gates together. */
export const READ_MS_MAX = 300;

/** How old figures may be that are shown again. */
export const RECENT_MS = 2_500;
/** Models whose figures are kept; the one read first leaves first. */
export const RECENT_MODELS_MAX = 256;

export interface StatisticsPorts {
  readonly gate: (provider: ProviderId, region: RegionId) => Pick<ProviderGateRpc, "snapshot">;
  /** Whether the environment brings a credential for the provider; the operator's own one is in the snapshot. */
  readonly hasCredential: (provider: ProviderId) => boolean;
}

/** `provider region` -> its gate's snapshot; a place that did not answer is missing. */
export type Snapshots = ReadonlyMap<string, ProviderSnapshot>;

/** Reads the snapshots of every place where the model's priced endpoints run. Never rejects. */
export async function readSnapshots(entry: ModelEntry, ports: StatisticsPorts): Promise<Snapshots> {
  const found = new Map<string, ProviderSnapshot>();
  const queue = placesOf(entry).slice(0, PLACES_MAX);
  const work = async (): Promise<void> => {
    for (let place = queue.shift(); place !== undefined; place = queue.shift()) {
      try {
        found.set(
          `${place.provider} ${place.region}`,
          await ports.gate(place.provider, place.region).snapshot(entry.model.id),
        );
      } catch {
        // Statistics only: what can't be read is shown as not measured.
      }
    }
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, READ_MS_MAX);
  });
  await Promise.race([Promise.all(Array.from({ length: Math.min(PARALLEL_MAX, queue.length) }, work)), timeUp]);
  clearTimeout(timer);
  // Nothing more is begun, and a late answer must not change what is being shown.
  queue.length = 0;
  return new Map(found);
}

interface Recent {
  readonly entry: ModelEntry;
  /** When the newest reading was begun. */
  begunAtMs: EpochMs;
  readonly readAtMs: EpochMs;
  readonly snapshots: Snapshots;
}

/**
 * `readSnapshots` with a memory, for one isolate. Figures are at most RECENT_MS old, and READ_MS_MAX more for those who
 * come while somebody reads anew; a model that is published anew is read anew.
 */
export function createSnapshotReader(): (
  entry: ModelEntry,
  ports: StatisticsPorts,
  nowMs: EpochMs,
) => Promise<Snapshots> {
  // By model, in order of reading; at most RECENT_MODELS_MAX, each with its own endpoints' figures alone.
  const recent = new Map<ModelId, Recent>();
  return async (entry, ports, nowMs) => {
    const { id } = entry.model;
    const known = recent.get(id);
    if (known?.entry === entry) {
      if (nowMs - known.readAtMs < RECENT_MS || nowMs - known.begunAtMs < READ_MS_MAX) return known.snapshots;
      known.begunAtMs = nowMs;
    }
    const snapshots = await readSnapshots(entry, ports);
    recent.delete(id);
    recent.set(id, { entry, begunAtMs: nowMs, readAtMs: nowMs, snapshots });
    const oldest = recent.size > RECENT_MODELS_MAX ? recent.keys().next().value : undefined;
    if (oldest !== undefined) recent.delete(oldest);
    return snapshots;
  };
}

/** Who asks for statistics. */
export interface StatisticsAsker {
  /** It has a usable key. */
  readonly isKnown: boolean;
  /** The region of clients whose figures are wanted beside those of all; null: none in particular. */
  readonly client: ClientBucket | null;
}

/** The statistics of each endpoint by its tag. Latency and throughput are for callers with a key only. */
export function statisticsOf(
  entry: ModelEntry,
  snapshots: Snapshots,
  ports: Pick<StatisticsPorts, "hasCredential">,
  { isKnown, client }: StatisticsAsker,
  nowMs: EpochMs,
): (tag: string) => EndpointStatistics | undefined {
  return (tag) => {
    const endpoint = entry.model.endpoints.find((one) => one.tag === tag);
    const provider = entry.providers.find((one) => one.slug === endpoint?.provider);
    if (endpoint === undefined || provider === undefined) return undefined;
    const seen = regionsOf(endpoint, provider).flatMap((region) => snapshots.get(`${provider.slug} ${region}`) ?? []);
    const found = seen.flatMap(
      ({ endpoints }) => endpoints.find((one) => one.model === entry.model.id && one.tag === tag) ?? [],
    );
    const healths = found.map(({ health }) => health);
    const byClient = found.flatMap((one) => (client === null ? [] : (one.byClient?.[client] ?? [])));
    const busiest = healths.toSorted((a, b) => b.requestCount30m - a.requestCount30m)[0];
    return {
      status: statusOf(seen, healths, ports.hasCredential(provider.slug), nowMs),
      uptimeLast5mPercent: uptimePercent(healths, (health) => health.uptime5m),
      uptimeLast30mPercent: uptimePercent(healths, (health) => health.uptime30m),
      uptimeLast1dPercent: uptimePercent(healths, (health) => health.uptime1d),
      latencyLast30mMs: isKnown ? shown(busiest?.latencyMs30m) : null,
      throughputLast30mTokensPerS: isKnown ? shown(busiest?.throughputTps30m) : null,
      toolCalls: qualityStatistics(healths.flatMap(({ toolCalls }) => toolCalls ?? [])),
      structuredOutputs: qualityStatistics(healths.flatMap(({ structured }) => structured ?? [])),
      client: client === null ? null : clientStatistics(client, isKnown, byClient),
    };
  };
}

/** Without the number of samples, which would tell everybody how much traffic there is. */
function shown(measured: MeasuredPercentiles | null | undefined): Percentiles | null {
  if (measured === null || measured === undefined) return null;
  const { p50, p75, p90, p99 } = measured;
  return { p50, p75, p90, p99 };
}

function statusOf(
  seen: readonly ProviderSnapshot[],
  healths: readonly Health[],
  hasCredential: boolean,
  nowMs: EpochMs,
): EndpointStatistics["status"] {
  if (seen.some((snapshot) => snapshot.isDisabled)) return -5;
  if (!hasCredential && !seen.some((snapshot) => snapshot.credentialSealed !== null)) return -10;
  if (seen.length > 0 && seen.every(({ credentials }) => areAllRefused(credentials))) return -10;
  // A region without figures has seen no failure yet, so it counts as up.
  const downCount = healths.filter(({ breaker }) => breaker.kind === "open").length;
  if (downCount > 0 && downCount === seen.length) return -2;
  const isImpaired = healths.some(({ breaker, closedUntilMs }) => breaker.kind !== "closed" || closedUntilMs > nowMs);
  return isImpaired ? -1 : 0;
}

/** Those never used are not known to the gate, so one that works is enough, and one that is refused is not. */
function areAllRefused(credentials: ProviderSnapshot["credentials"]): boolean {
  return credentials.length > 0 && credentials.every(({ breaker }) => breaker.kind === "open");
}

/** All regions together: they run the same model. */
function qualityStatistics(tallies: readonly Tally[]): QualityStatistics {
  let good = 0;
  let count = 0;
  for (const tally of tallies) {
    good += tally.good;
    count += tally.good + tally.bad;
  }
  const successPercent = count < QUALITY_SAMPLES_MIN ? null : (good / count) * 100;
  return { tier: qualityTier(good, count - good), successPercent };
}

function clientStatistics(
  region: ClientBucket,
  isCallerKnown: boolean,
  figures: readonly ClientFigures[],
): ClientStatistics {
  const busiest = figures.toSorted((a, b) => b.requestCount30m - a.requestCount30m)[0];
  return {
    region,
    uptimePercent: uptimePercent(figures, ({ uptime30m }) => uptime30m),
    latencyMs: isCallerKnown ? shown(busiest?.latencyMs30m) : null,
    throughputTokensPerS: isCallerKnown ? shown(busiest?.throughputTps30m) : null,
  };
}

function uptimePercent<T extends { readonly requestCount30m: number }>(
  counted: readonly T[],
  shareOf: (one: T) => number | null,
): number | null {
  let weights = 0;
  let sum = 0;
  for (const one of counted) {
    const share = shareOf(one);
    if (share === null) continue;
    const weight = Math.max(1, one.requestCount30m);
    weights += weight;
    sum += share * weight;
  }
  return weights === 0 ? null : (sum / weights) * 100;
}

function placesOf({ model, providers }: ModelEntry): { readonly provider: ProviderId; readonly region: RegionId }[] {
  const places = new Map<string, { readonly provider: ProviderId; readonly region: RegionId }>();
  for (const endpoint of model.endpoints) {
    const provider = providers.find((one) => one.slug === endpoint.provider);
    if (provider === undefined || endpoint.price === null) continue;
    for (const region of regionsOf(endpoint, provider)) {
      places.set(`${provider.slug} ${region}`, { provider: provider.slug, region });
    }
  }
  return [...places.values()];
}

function regionsOf(endpoint: ListedEndpoint, provider: Provider): readonly RegionId[] {
  return endpoint.regions ?? provider.regions.map((region) => region.id);
}
