/**
 * Time and randomness as arguments. Only `deps.ts` knows the real ones; everything else gets these ports,
 * so that a test says the time aloud and a plan can be replayed.
 */

/** Milliseconds since the Unix epoch. */
export type EpochMs = number;

/** Reads the present time. */
export type Clock = () => EpochMs;

/** Fills a fresh array of `length` cryptographically random bytes. */
export type RandomBytes = (length: number) => Uint8Array;

/** A number in [0, 1). */
export type Random = () => number;

const FNV_OFFSET = 2166136261;
const FNV_PRIME = 16777619;

/** 32-bit FNV-1a hash of a string's UTF-16 code units; for seeding draws, never for security. */
export function hash32(text: string): number {
  let hash = FNV_OFFSET;
  for (let at = 0; at < text.length; at++) {
    hash ^= text.charCodeAt(at);
    hash = Math.imul(hash, FNV_PRIME);
  }
  return hash >>> 0;
}

/** A deterministic generator in [0, 1) seeded by a string (mulberry32), so that the same seed replays the same draw. */
export function seededRandom(seed: string): Random {
  let state = hash32(seed);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
