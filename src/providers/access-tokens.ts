/**
 * Access tokens that live for a while, in an isolate's memory: fetched when first needed, renewed once before they end,
 * by one request at a time. Requests that come meanwhile use the old token while it lasts, else look whether the new one
 * is there: a promise must not be shared between requests.
 * Never stale: a token is given up RENEW_BEFORE_MS before its end. At most TOKENS_MAX, the oldest leave first. Keys are
 * whole credentials, so that no two can share a token; they never leave memory.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { UpstreamFailure } from "../core/error.ts";
import { err, ok, type Result } from "../core/result.ts";

export interface AccessToken {
  readonly token: string;
  readonly expiresAtMs: EpochMs;
}

/** Fetches a token. Never rejects. */
export type Mint = () => Promise<Result<AccessToken, UpstreamFailure>>;

export interface AccessTokens {
  /** The token behind `key`. `waitUntil` keeps the renewal of one that still lasts alive. Never rejects. */
  get(key: string, mint: Mint, waitUntil: (work: Promise<unknown>) => void): Promise<Result<string, UpstreamFailure>>;
  /** The provider no longer takes it. */
  drop(key: string): void;
}

const TOKENS_MAX = 1_000;
/** A token is renewed when it ends so soon. */
const RENEW_BEFORE_MS = 5 * 60_000;
/** It is sent for the last time so long before it ends. */
const LAST_USE_MS = 30_000;
/** Whoever fetches one is waited for so long, then another request fetches it. */
export const FETCH_MS_MAX = 10_000;
/** How often a request looks whether another one's call has brought it. */
const LOOK_MS = 10;
/** A failure holds for whoever waited for the same call. */
const FAILURE_MS = 1_000;

interface Entry {
  token: AccessToken | null;
  /** When somebody began to fetch one; 0: nobody does. */
  fetchingSinceMs: EpochMs;
  failure: { readonly atMs: EpochMs; readonly why: UpstreamFailure } | null;
}

/** Tokens of one isolate. */
export function createAccessTokens(clock: Clock): AccessTokens {
  const entries = new Map<string, Entry>();

  const entryOf = (key: string): Entry => {
    const known = entries.get(key);
    if (known !== undefined) return known;
    const oldest = entries.size >= TOKENS_MAX ? entries.keys().next().value : undefined;
    if (oldest !== undefined) entries.delete(oldest);
    const fresh: Entry = { token: null, fetchingSinceMs: 0, failure: null };
    entries.set(key, fresh);
    return fresh;
  };
  const lasts = (entry: Entry, forMs: number): boolean =>
    entry.token !== null && entry.token.expiresAtMs - clock() > forMs;
  const isFetching = (entry: Entry): boolean =>
    entry.fetchingSinceMs !== 0 && clock() - entry.fetchingSinceMs < FETCH_MS_MAX;

  const fetchInto = async (entry: Entry, mint: Mint): Promise<Result<string, UpstreamFailure>> => {
    entry.fetchingSinceMs = clock();
    const minted = await mint();
    entry.fetchingSinceMs = 0;
    entry.failure = minted.ok ? null : { atMs: clock(), why: minted.error };
    if (!minted.ok) return minted;
    entry.token = minted.value;
    return ok(minted.value.token);
  };

  return {
    async get(key, mint, waitUntil) {
      const entry = entryOf(key);
      for (;;) {
        if (entry.token !== null && lasts(entry, LAST_USE_MS)) {
          if (!lasts(entry, RENEW_BEFORE_MS) && !isFetching(entry)) waitUntil(fetchInto(entry, mint));
          return ok(entry.token.token);
        }
        if (!isFetching(entry)) return await fetchInto(entry, mint);
        await new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS));
        const { failure } = entry;
        if (failure !== null && !isFetching(entry) && clock() - failure.atMs < FAILURE_MS) return err(failure.why);
      }
    },
    drop(key) {
      const entry = entries.get(key);
      if (entry !== undefined) entry.token = null;
    },
  };
}
