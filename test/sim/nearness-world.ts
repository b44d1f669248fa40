/**
 * The world that the nearness simulation routes in: who is where, and what every endpoint region's true time to first
 * token is for a client of a metro at a moment. The router never sees it; it sees the catalog's regions and measured
 * outcomes. All of it is drawn from the seed.
 *
 * True time = network round trip + processing.
 *   network     great circle there and back in fibre x a detour of its own per metro and site (median 1.6, at least 1.1)
 *               + 4 ms. A provider without documented regions has sites too, just unknown ones: its traffic goes to the
 *               site that is nearest to the client.
 *   processing  per endpoint: median 450 ms, spread 0.5 (log); per region of it: spread 0.2; a load that swings by up to a quarter within 20 to
 *               120 minutes; one in thirty is 2.5 times as slow for ten minutes. Each request: spread 0.35, one in fifty
 *               three times as slow.
 */
import { defaultCatalog } from "../../src/catalog/build/main.ts";
import { CatalogSchema, type Model, type ModelEntry, type Provider, type Region } from "../../src/catalog/schema.ts";
import { asRegionId } from "../../src/core/ids.ts";
import { seededRandom, type Random } from "../../src/core/clock.ts";
import { distanceKm, type Place } from "../../src/router/geography.ts";
import { logNormal, weighted } from "./draws.ts";
import { METROS, type Metro } from "./metros.ts";

/** As published: regions as the default catalog documents them. Documented: every provider's sites are known. */
export const WORLD_KINDS = ["as published", "documented"] as const;
export type WorldKind = (typeof WORLD_KINDS)[number];

export interface World {
  readonly kind: WorldKind;
  /** Models with at least two endpoints to choose from; the others need no routing. */
  readonly choiceCount: number;
  /** Those of them that are asked for. A model's health is its own, so that a sample of whole models is as good as all. */
  readonly entries: readonly ModelEntry[];
  readonly places: readonly Place[];
  /** The true median for this client at this time. */
  trueMs(entry: ModelEntry, tag: string, provider: string, region: string, metro: number, atMs: number): number;
}

interface Site {
  readonly id: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly country: string;
}

/** Where large clouds have regions, near enough; most providers rent there. The first ones are the most used. */
const SITES: readonly (Site & { readonly weight: number })[] = [
  site("us-east", 39.0, -77.5, "US", 10),
  site("us-west", 45.8, -119.7, "US", 6),
  site("us-central", 41.3, -95.9, "US", 5),
  site("us-south", 32.8, -96.8, "US", 4),
  site("california", 37.4, -121.9, "US", 4),
  site("frankfurt", 50.1, 8.7, "DE", 5),
  site("ireland", 53.3, -6.3, "IE", 4),
  site("netherlands", 53.4, 6.8, "NL", 3),
  site("finland", 60.6, 27.1, "FI", 2),
  site("paris", 48.9, 2.4, "FR", 2),
  site("london", 51.5, -0.1, "GB", 2),
  site("singapore", 1.35, 103.8, "SG", 3),
  site("tokyo", 35.7, 139.7, "JP", 3),
  site("mumbai", 19.1, 72.9, "IN", 2),
  site("sydney", -33.9, 151.2, "AU", 1),
  site("sao-paulo", -23.6, -46.6, "BR", 1),
  site("bahrain", 26.1, 50.6, "BH", 1),
  site("johannesburg", -26.2, 28.0, "ZA", 0.5),
];

function site(id: string, latitude: number, longitude: number, country: string, weight: number) {
  return { id, latitude, longitude, country, weight };
}

const SITES_MAX = 5;
const FIBRE_KM_PER_MS = 199.86;
const LAST_MILE_MS = 4;
const MINUTE_MS = 60_000;

/** @param modelsMax so many of the models that have a choice, drawn by how many endpoints they have. */
export function createWorld(seed: number, kind: WorldKind, modelsMax: number): World {
  const catalog = CatalogSchema.parse(defaultCatalog());
  const sites = new Map<string, readonly Site[]>();
  const providers = catalog.providers.map((provider): Provider => {
    const own = sitesOf(provider, seededRandom(`sites ${seed} ${provider.slug}`));
    sites.set(provider.slug, own);
    return kind === "as published" ? provider : { ...provider, regions: own.map(regionAt) };
  });
  const choices = catalog.models.filter((model) => model.endpoints.filter(({ price }) => price !== null).length > 1);
  const entries = sampled(choices, modelsMax, seededRandom(`models ${seed}`)).map((model): ModelEntry => {
    const endpoints = model.endpoints.map((endpoint) => ({ ...endpoint, upstream_price: endpoint.price }));
    const slugs = new Set(endpoints.map(({ provider }) => provider));
    return { model: { ...model, endpoints }, providers: providers.filter(({ slug }) => slugs.has(slug)) };
  });
  const network = createNetwork(seed, METROS);
  const truths = new Map<string, { readonly networkMs: number[]; readonly load: (atMs: number) => number }>();
  return {
    kind,
    choiceCount: choices.length,
    entries,
    places: METROS.map(({ name, country, continent, latitude, longitude }) => ({
      latitude,
      longitude,
      country,
      continent,
      colo: name,
    })),
    trueMs({ model }, tag, provider, region, metro, atMs) {
      const key = `${model.id} ${tag} ${region}`;
      let truth = truths.get(key);
      if (truth === undefined) {
        const own = sites.get(provider) ?? [];
        const reached = kind === "as published" ? own : own.filter(({ id }) => id === region);
        const networkMs = METROS.map((_, at) => Math.min(...reached.map((one) => network(at, one))));
        const endpointMs = logNormal(seededRandom(`endpoint ${seed} ${model.id} ${tag}`), 450, 0.5);
        truths.set(key, (truth = { networkMs, load: createLoad(endpointMs, seededRandom(`load ${seed} ${key}`)) }));
      }
      return (truth.networkMs[metro] ?? Number.NaN) + truth.load(atMs);
    },
  };
}

/** Without replacement, weighted by the number of endpoints. */
function sampled(models: readonly Model[], count: number, random: Random): readonly Model[] {
  const left = [...models];
  const drawn: Model[] = [];
  while (drawn.length < count && left.length > 0) {
    const at = weighted(left.map(({ endpoints }) => endpoints.length))(random);
    drawn.push(...left.splice(at, 1));
  }
  return drawn;
}

/** Documented coordinates are true ones; who documents none has one to five sites. */
function sitesOf({ regions }: Provider, random: Random): readonly Site[] {
  const documented = regions.filter((region) => region.latitude !== null && region.longitude !== null);
  if (documented.length > 0) {
    return documented.map(({ id, latitude, longitude, country }) => ({
      id,
      latitude: latitude ?? 0,
      longitude: longitude ?? 0,
      country: country ?? "",
    }));
  }
  const count = 1 + Math.floor(random() ** 2 * SITES_MAX);
  const left = [...SITES];
  const drawn: Site[] = [];
  while (drawn.length < count) {
    const at = weighted(left.map(({ weight }) => weight))(random);
    drawn.push(...left.splice(at, 1));
  }
  return drawn;
}

function regionAt({ id, latitude, longitude, country }: Site): Region {
  return { id: asRegionId(id), latitude, longitude, country, jurisdiction: null, source: "drawn" };
}

function createNetwork(seed: number, metros: readonly Metro[]): (metro: number, to: Site) => number {
  const known = new Map<string, number>();
  return (metro, to) => {
    const key = `${metro} ${to.id}`;
    let roundTripMs = known.get(key);
    if (roundTripMs === undefined) {
      const detour = Math.max(1.1, logNormal(seededRandom(`detour ${seed} ${key}`), 1.6, 0.25));
      roundTripMs = LAST_MILE_MS + ((2 * distanceKm(metros[metro] ?? null, to)) / FIBRE_KM_PER_MS) * detour;
      known.set(key, roundTripMs);
    }
    return roundTripMs;
  };
}

function createLoad(endpointMs: number, random: Random): (atMs: number) => number {
  const medianMs = Math.max(80, logNormal(random, endpointMs, 0.2));
  const swing = 0.25 * random();
  const periodMs = (20 + 100 * random()) * MINUTE_MS;
  const phase = 2 * Math.PI * random();
  const slowFromMs = random() < 1 / 30 ? random() * 60 * MINUTE_MS : Number.POSITIVE_INFINITY;
  return (atMs) => {
    const load = 1 + swing * Math.sin(phase + (2 * Math.PI * atMs) / periodMs);
    const isSlow = atMs >= slowFromMs && atMs < slowFromMs + 10 * MINUTE_MS;
    return medianMs * load * (isSlow ? 2.5 : 1);
  };
}
