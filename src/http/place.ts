/**
 * Where the client is, from `request.cf`, which only a deployment that trusts its source reads. What comes through a
 * proxy's header may be anything: what makes no sense counts as unknown, and no request fails for it.
 */
import type { Place } from "../router/geography.ts";

/** What is said about a client's place. */
export type PlaceFacts = Readonly<Record<string, unknown>>;

/** The facts of a request; none when there are none, or none that can be read. */
export function placeFactsOf(request: Request): PlaceFacts {
  try {
    // Read here, and only once: workerd parses the header at each reading, and throws when it is no JSON object.
    const cf: unknown = request.cf;
    return typeof cf === "object" && cf !== null ? (cf as PlaceFacts) : {}; // its values stay unknown
  } catch {
    return {};
  }
}

/** Null when no position is known. */
export function placeOf(facts: PlaceFacts): Place | null {
  const latitude = coordinate(facts["latitude"], 90);
  const longitude = coordinate(facts["longitude"], 180);
  if (latitude === null || longitude === null) return null;
  return {
    latitude,
    longitude,
    country: text(facts["country"]),
    continent: text(facts["continent"]),
    colo: text(facts["colo"]),
  };
}

function coordinate(value: unknown, limit: number): number | null {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Math.abs(number) <= limit ? number : null;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
