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

/** Cryptographically random bytes; at most 65,536 at a time. */
export const systemRandomBytes: RandomBytes = (length) => crypto.getRandomValues(new Uint8Array(length));
