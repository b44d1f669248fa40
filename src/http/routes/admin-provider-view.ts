/** A provider as the operator sees it. Pure. Times are ISO 8601, durations milliseconds, shares 0..1, null: not known. */
import * as z from "zod";
import type { Provider, Region } from "../../catalog/schema.ts";
import type { EndpointHealth, ProviderSnapshot } from "../../gates/provider-contract.ts";
import type { Breaker } from "../../limits/breaker.ts";
import type { Percentiles } from "../../limits/histogram.ts";

export interface RegionSnapshot {
  readonly region: Region;
  /** Null when the region's gate did not answer. */
  readonly snapshot: ProviderSnapshot | null;
}

export interface ProviderStanding {
  readonly isDisabled: boolean;
  /** A credential of the operator's is stored, sealed. */
  readonly isStored: boolean;
  readonly isInEnvironment: boolean;
  /** Ids of those that are in use, the stored ones or else the environment's. */
  readonly credentialIds: readonly string[];
  readonly regions: readonly RegionSnapshot[];
}

const BreakerState = z.enum(["closed", "open", "half-open"]);
const PercentilesView = z.object({ p50: z.number(), p75: z.number(), p90: z.number(), p99: z.number() }).nullable();

const EndpointView = z.object({
  model: z.string(),
  tag: z.string(),
  breaker: z.object({
    state: BreakerState,
    /** In a row, while closed. */
    failures: z.int(),
    /** When it may be tried again, or its probe is given up. */
    until: z.string().nullable(),
  }),
  capacity_closed_until: z.string().nullable(),
  learnt_concurrency: z
    .record(z.string(), z.int())
    .describe("By credential: how many attempts may run at once, where a 429 or slowness has shown a limit"),
  last_failure_at: z.string().nullable(),
  request_count_30m: z.int(),
  uptime_5m: z.number().nullable(),
  uptime_30m: z.number().nullable(),
  uptime_1d: z.number().nullable(),
  latency_ms_30m: PercentilesView,
  throughput_tps_30m: PercentilesView,
});

const RegionView = z.object({
  id: z.string(),
  country: z.string().nullable(),
  jurisdiction: z.string().nullable(),
  latitude: z.number().nullable(),
  longitude: z.number().nullable(),
  reachable: z.boolean().describe("Whether the region's gate answered; if not, what only it knows is null"),
  disabled: z.boolean().nullable(),
  breaker: BreakerState.nullable().describe("The worst of its endpoints'"),
  health: z
    .object({ request_count_30m: z.int(), uptime_30m: z.number().nullable(), last_failure_at: z.string().nullable() })
    .nullable(),
  endpoints: z.array(EndpointView).describe("Those that have been used"),
});

export const ProviderView = z.object({
  slug: z.string(),
  name: z.string(),
  adapter: z.string(),
  disabled: z.boolean(),
  credentials: z.object({
    environment: z.boolean(),
    stored: z.boolean(),
    in_use: z
      .array(
        z.object({
          id: z.string().describe("`environment-2`: the second one of the environment"),
          state: z.enum(["refused", "usable"]),
          refused_in: z.array(z.string()).describe("Regions whose gate has had its refusal confirmed"),
          closed_until: z.string().nullable().describe("The last end of the rate limits that it has run into"),
        }),
      )
      .describe("Taken by turns; one that is refused is left out alone, and tried again every minute"),
  }),
  credential_state: z
    .enum(["missing", "refused", "degraded", "usable"])
    .describe("`refused`: the provider has refused all of them; `degraded`: some"),
  regions: z.array(RegionView),
});
export type ProviderView = z.infer<typeof ProviderView>;

/** What is known of a provider; nothing of its credential but whether there is one and whether it works. */
export function providerView(provider: Provider, standing: ProviderStanding): ProviderView {
  return {
    slug: provider.slug,
    name: provider.name,
    adapter: provider.adapter,
    disabled: standing.isDisabled,
    credentials: {
      environment: standing.isInEnvironment,
      stored: standing.isStored,
      in_use: standing.credentialIds.map((id) => credentialView(id, standing.regions)),
    },
    credential_state: credentialState(standing),
    regions: standing.regions.map(regionView),
  };
}

function credentialState({ credentialIds, regions }: ProviderStanding): ProviderView["credential_state"] {
  if (credentialIds.length === 0) return "missing";
  const refused = credentialIds.filter((id) => refusedIn(id, regions).length > 0).length;
  return refused === 0 ? "usable" : refused === credentialIds.length ? "refused" : "degraded";
}

function credentialView(id: string, regions: readonly RegionSnapshot[]): ProviderView["credentials"]["in_use"][number] {
  const refused = refusedIn(id, regions);
  let closedUntilMs: number | null = null;
  for (const { snapshot } of regions) {
    for (const { closings } of snapshot?.endpoints ?? []) {
      const untilMs = closings[id];
      if (untilMs !== undefined) closedUntilMs = Math.max(closedUntilMs ?? 0, untilMs);
    }
  }
  return {
    id,
    state: refused.length > 0 ? "refused" : "usable",
    refused_in: [...refused],
    closed_until: timeOf(closedUntilMs),
  };
}

/** A single refusal leaves the breaker closed: it is unconfirmed. */
function refusedIn(id: string, regions: readonly RegionSnapshot[]): readonly string[] {
  return regions.flatMap(({ region, snapshot }) => {
    const breaker = snapshot?.credentials.find((one) => one.id === id)?.breaker;
    return breaker !== undefined && breaker.kind !== "closed" ? [region.id] : [];
  });
}

function regionView({ region, snapshot }: RegionSnapshot): z.infer<typeof RegionView> {
  return {
    id: region.id,
    country: region.country,
    jurisdiction: region.jurisdiction,
    latitude: region.latitude,
    longitude: region.longitude,
    reachable: snapshot !== null,
    disabled: snapshot === null ? null : snapshot.isDisabled,
    breaker: snapshot === null ? null : worstBreaker(snapshot.endpoints),
    health: snapshot === null ? null : regionHealth(snapshot.endpoints),
    endpoints: snapshot === null ? [] : snapshot.endpoints.map(endpointView),
  };
}

/** The worst of the region's endpoints; `closed`, the good state, when none has been used. */
function worstBreaker(endpoints: readonly EndpointHealth[]): Breaker["kind"] {
  const kinds = new Set(endpoints.map(({ health }) => health.breaker.kind));
  if (kinds.has("open")) return "open";
  return kinds.has("half-open") ? "half-open" : "closed";
}

/** The region's endpoints together, each counting by its requests. */
function regionHealth(endpoints: readonly EndpointHealth[]): z.infer<typeof RegionView>["health"] {
  let requests = 0;
  let good = 0;
  let lastFailureMs: number | null = null;
  for (const { health } of endpoints) {
    if (health.lastFailureMs !== null) lastFailureMs = Math.max(lastFailureMs ?? 0, health.lastFailureMs);
    if (health.uptime30m === null) continue;
    requests += health.requestCount30m;
    good += health.requestCount30m * health.uptime30m;
  }
  return {
    request_count_30m: requests,
    uptime_30m: requests === 0 ? null : good / requests,
    last_failure_at: timeOf(lastFailureMs),
  };
}

function endpointView({ model, tag, health, limits }: EndpointHealth): z.infer<typeof EndpointView> {
  return {
    model,
    tag,
    breaker: breakerView(health.breaker),
    capacity_closed_until: health.closedUntilMs === 0 ? null : timeOf(health.closedUntilMs),
    learnt_concurrency: { ...limits },
    last_failure_at: timeOf(health.lastFailureMs),
    request_count_30m: health.requestCount30m,
    uptime_5m: health.uptime5m,
    uptime_30m: health.uptime30m,
    uptime_1d: health.uptime1d,
    latency_ms_30m: percentilesView(health.latencyMs30m),
    throughput_tps_30m: percentilesView(health.throughputTps30m),
  };
}

function breakerView(breaker: Breaker): z.infer<typeof EndpointView>["breaker"] {
  switch (breaker.kind) {
    case "closed":
      return { state: "closed", failures: breaker.failures, until: null };
    case "open":
      return { state: "open", failures: 0, until: timeOf(breaker.untilMs) };
    case "half-open":
      return { state: "half-open", failures: 0, until: timeOf(breaker.probeUntilMs) };
    default:
      return breaker satisfies never;
  }
}

function percentilesView(percentiles: Percentiles | null): z.infer<typeof PercentilesView> {
  if (percentiles === null) return null;
  const { p50, p75, p90, p99 } = percentiles;
  return { p50, p75, p90, p99 };
}

function timeOf(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString();
}
