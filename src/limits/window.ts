/**
 * Calendar windows in UTC: when a limit's count starts and when it is reset. Weeks start on Monday.
 * The kinds bear the names that a key's `limit_reset` uses. Times are epoch ms, `endMs` is exclusive.
 */
import type { EpochMs } from "../core/clock.ts";

export type WindowKind = "minute" | "daily" | "weekly" | "monthly";

export interface Window {
  /** Unique over all kinds and times, e.g. `daily:2026-11-21`; a week is named by its Monday. */
  readonly id: string;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** 1970-01-01 was a Thursday; the Monday before it is the origin of all weeks. */
const FIRST_MONDAY_MS = -3 * DAY_MS;

// The last window of each kind: a gate asks for the same ones all the time. Four, and true for ever.
const last = new Map<WindowKind, Window>();

/** The window of `kind` that `nowMs` lies in. */
export function windowAt(kind: WindowKind, nowMs: EpochMs): Window {
  const known = last.get(kind);
  if (known !== undefined && known.startMs <= nowMs && nowMs < known.endMs) return known;
  const made = makeWindow(kind, nowMs);
  last.set(kind, made);
  return made;
}

function makeWindow(kind: WindowKind, nowMs: EpochMs): Window {
  switch (kind) {
    case "minute": {
      const startMs = floorTo(nowMs, MINUTE_MS, 0);
      return { id: `minute:${iso(startMs, 16)}`, startMs, endMs: startMs + MINUTE_MS };
    }
    case "daily": {
      const startMs = floorTo(nowMs, DAY_MS, 0);
      return { id: `daily:${iso(startMs, 10)}`, startMs, endMs: startMs + DAY_MS };
    }
    case "weekly": {
      const startMs = floorTo(nowMs, WEEK_MS, FIRST_MONDAY_MS);
      return { id: `weekly:${iso(startMs, 10)}`, startMs, endMs: startMs + WEEK_MS };
    }
    case "monthly": {
      const date = new Date(nowMs);
      const startMs = Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
      const endMs = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
      return { id: `monthly:${iso(startMs, 7)}`, startMs, endMs };
    }
    default:
      return kind satisfies never;
  }
}

function floorTo(nowMs: EpochMs, lengthMs: number, originMs: EpochMs): EpochMs {
  return Math.floor((nowMs - originMs) / lengthMs) * lengthMs + originMs;
}

function iso(ms: EpochMs, length: number): string {
  return new Date(ms).toISOString().slice(0, length);
}
