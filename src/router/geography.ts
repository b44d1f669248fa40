/**
 * Where a client is, and what distance costs. Pure.
 * The prior for network time is the great circle there and back at two thirds of the speed of light, times 1.5 for the
 * detours that cables make. A place without coordinates counts as far, so that a documented region wins over it.
 */
import type { ClientBucket } from "../limits/health.ts";

/** Degrees; `country` is ISO 3166 alpha-2, `continent` one of AF AN AS EU NA OC SA, `colo` the edge's airport code. */
export interface Place {
  readonly latitude: number;
  readonly longitude: number;
  readonly country?: string | undefined;
  readonly continent?: string | undefined;
  readonly colo?: string | undefined;
}

/** As far as two places on Earth can be, rounded. */
export const FAR_KM = 20_000;

const EARTH_RADIUS_KM = 6_371;
const RADIANS = Math.PI / 180;
/** Kilometres per millisecond at two thirds of the speed of light in vacuum (299,792 km/s). */
const FIBRE_KM_PER_MS = (299.792458 * 2) / 3;
const DETOUR = 1.5;

/** North America is split between the coasts, Europe at the longitude of Prague. */
const NORTH_AMERICA_SPLIT_DEG = -100;
const EUROPE_SPLIT_DEG = 15;
/** What the continent codes file under Asia (and Africa) and the network files under Middle East. */
const MIDDLE_EAST: ReadonlySet<string> = new Set([
  "AE",
  "BH",
  "EG",
  "IL",
  "IQ",
  "IR",
  "JO",
  "KW",
  "LB",
  "OM",
  "PS",
  "QA",
  "SA",
  "SY",
  "TR",
  "YE",
]);

/** Great-circle distance; FAR_KM when either end has no coordinates. */
export function distanceKm(
  from: { readonly latitude: number; readonly longitude: number } | null,
  to: { readonly latitude: number | null; readonly longitude: number | null },
): number {
  if (from === null || to.latitude === null || to.longitude === null) return FAR_KM;
  const halfLatitude = ((to.latitude - from.latitude) * RADIANS) / 2;
  const halfLongitude = ((to.longitude - from.longitude) * RADIANS) / 2;
  const chord =
    Math.sin(halfLatitude) ** 2 +
    Math.cos(from.latitude * RADIANS) * Math.cos(to.latitude * RADIANS) * Math.sin(halfLongitude) ** 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(chord)));
}

/** Expected network time there and back, in ms, before anything was measured. */
export function networkPriorMs(distance: number): number {
  return ((2 * distance) / FIBRE_KM_PER_MS) * DETOUR;
}

/** `networkPriorMs` of two places that are both known, else 0: what a measured time to first token owes to distance. */
export function knownNetworkMs(
  from: Place | null,
  to: { readonly latitude: number | null; readonly longitude: number | null },
): number {
  return from === null || to.latitude === null || to.longitude === null ? 0 : networkPriorMs(distanceKm(from, to));
}

/** The bucket that latencies of a client here are kept under; null when the place is unknown. */
export function clientBucket(place: Place | null): ClientBucket | null {
  if (place === null) return null;
  if (place.country !== undefined && MIDDLE_EAST.has(place.country)) return "me";
  switch (place.continent ?? continentByCoordinates(place)) {
    case "NA":
      return place.longitude < NORTH_AMERICA_SPLIT_DEG ? "wnam" : "enam";
    case "EU":
      return place.longitude < EUROPE_SPLIT_DEG ? "weur" : "eeur";
    case "SA":
      return "sam";
    case "AF":
      return "afr";
    case "OC":
    case "AN":
      return "oc";
    case "AS":
      return "apac";
    default:
      return null;
  }
}

/** A coarse continent for a place that came without one: good enough to keep latencies apart. */
function continentByCoordinates(place: Place): string {
  const { latitude, longitude } = place;
  if (latitude < -60) return "AN";
  if (longitude < -30) return latitude > 13 ? "NA" : "SA";
  if (longitude < 60 && latitude > 36) return "EU";
  if (longitude < 52) return "AF";
  return longitude > 110 && latitude < -10 ? "OC" : "AS";
}
