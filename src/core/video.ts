/**
 * What wire formats share in saying videos: times as Google writes them ("12.5s"), and addresses that name a page to watch
 * instead of a file, which only some providers can follow and nobody can fetch.
 */
import type { Message, VideoRange } from "./chat.ts";

/** Times are written so: https://ai.google.dev/api/caching#VideoMetadata (accessed 2026-11-21). */
export const DURATION = /^\d{1,7}(?:\.\d{1,9})?s$/;

const YOUTUBE =
  /^https?:\/\/(?:(?:www\.|m\.|music\.)?youtube(?:-nocookie)?\.com\/(?:watch\?|shorts\/|live\/|embed\/)|youtu\.be\/)/i;

/** Seconds of a duration such as "12.5s". */
function secondsOf(duration: string): number {
  return Number(duration.slice(0, -1));
}

/** A range of its wire's members, as the member of a part; empty where nothing is said. */
export function videoRange(
  start: string | null | undefined,
  end: string | null | undefined,
  fps: number | null | undefined,
): { readonly range?: VideoRange } {
  const range = {
    ...(typeof start === "string" ? { startS: secondsOf(start) } : {}),
    ...(typeof end === "string" ? { endS: secondsOf(end) } : {}),
    ...(typeof fps === "number" ? { fps } : {}),
  };
  return Object.keys(range).length === 0 ? {} : { range };
}

/** A duration such as "12.5s". */
export function durationOf(seconds: number): string {
  return `${seconds}s`;
}

/** True for an address of a page of YouTube. */
export function isYouTube(url: string): boolean {
  return YOUTUBE.test(url);
}

/** True when a provider must follow an address of YouTube itself. */
export function holdsYouTube(messages: readonly Message[]): boolean {
  return messages.some(({ parts }) => parts.some((part) => part.type === "video" && isYouTube(part.url)));
}
