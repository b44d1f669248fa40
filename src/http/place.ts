/** Where the client is, from `request.cf`, which only a deployment that trusts its source reads. */
import type { Place } from "../router/geography.ts";
import type { AppContext } from "./context.ts";

/** Null when nothing trustworthy is known. */
export function placeOf(context: AppContext): Place | null {
  if (!context.var.deps.settings.trustsPlace) return null;
  const cf = context.req.raw.cf as Readonly<Record<string, unknown>> | undefined; // the platform's, and still data
  if (cf === undefined) return null;
  const latitude = coordinate(cf["latitude"], 90);
  const longitude = coordinate(cf["longitude"], 180);
  if (latitude === null || longitude === null) return null;
  const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  return {
    latitude,
    longitude,
    country: text(cf["country"]),
    continent: text(cf["continent"]),
    colo: text(cf["colo"]),
  };
}

function coordinate(value: unknown, limit: number): number | null {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Math.abs(number) <= limit ? number : null;
}
