/**
 * The platform's own clock and randomness: the one file that touches them. `deps.ts` hands them on as ports; a Durable
 * Object, which the platform constructs, takes them from here and keeps them in a field that a test may replace.
 */
import type { Clock, RandomBytes } from "./clock.ts";

/** The present time. On Cloudflare it stands still between two inputs or outputs. */
export const systemClock: Clock = () => Date.now();

/** The network. Bound, since the platform refuses it with another `this`. */
export const systemFetch: Fetch = (input: RequestInfo | URL, init?: RequestInit) => fetch(input, init);
export type Fetch = typeof fetch;

/** Bytes fetched at a time: each call of the platform costs as much as some hundred bytes of its result. */
const POOL_BYTES = 4_096;
const pool = new Uint8Array(POOL_BYTES);
let poolAt = POOL_BYTES;

/** Cryptographically random bytes; at most 65,536 at a time. What is handed out is forgotten here. */
export const systemRandomBytes: RandomBytes = (length) => {
  if (length > POOL_BYTES) return crypto.getRandomValues(new Uint8Array(length));
  if (poolAt + length > POOL_BYTES) {
    crypto.getRandomValues(pool);
    poolAt = 0;
  }
  const end = poolAt + length;
  const bytes = pool.slice(poolAt, end);
  pool.fill(0, poolAt, end);
  poolAt = end;
  return bytes;
};
