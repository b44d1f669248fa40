/**
 * Lets calls that come together be written together. What one turn of a Durable Object writes is one commit, and on a
 * machine of one's own a commit is an fsync, in which the whole server stands still. (Measured on workerd 2026-11-21, two
 * cores shared with other work: 1.15 times the buffered requests at 32 connections, 1.31 at 100.) Whoever comes alone
 * waits for nobody.
 */
import type { EpochMs } from "../core/clock.ts";

/**
 * @returns what to await before judging and writing: nothing for one that is alone, else a moment that all of the crowd
 * share and go on from in the same turn. A crowd is two calls within one millisecond, and ends when nobody joins.
 */
export function createCrowd(): (nowMs: EpochMs) => Promise<void> | undefined {
  let moment: Promise<void> | undefined;
  let size = 0;
  let askedAtMs: EpochMs = Number.NEGATIVE_INFINITY;

  return (nowMs) => {
    const isAlone = size <= 1 && nowMs !== askedAtMs;
    askedAtMs = nowMs;
    if (moment === undefined) {
      size = 0;
      if (isAlone) return undefined;
      moment = new Promise((resolve) => {
        setTimeout(() => {
          moment = undefined;
          resolve();
        }, 0);
      });
    }
    size++;
    return moment;
  };
}
