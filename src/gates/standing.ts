/**
 * Which keys were in good standing lately: their account lent this isolate, or another one of the colo, a lease, so it was
 * neither near zero nor under limits that only its gate can count. A request for such a key that costs no more than a
 * lease could hold may be sent upstream while the gate is still asked. After a refusal the key is not trusted for
 * DISTRUST_MS.
 * Isolate memory, at most KEYS_MAX keys; the colo's cache beside it, where there is one, tells a fresh isolate.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { AccountId, KeyHash } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";

/** Short: it is how long a tenant's change of lists may go unnoticed by a request that is on its way upstream. */
const TRUST_MS = 60_000;
const DISTRUST_MS = 600_000;
const KEYS_MAX = 10_000;

/** What isolates of one colo share; each promise may be slow, and none rejects. */
export interface ColoCache {
  read(name: string): Promise<string | null>;
  write(name: string, text: string, lifeMs: number): Promise<void>;
}

export interface Standing {
  /** Whether the key may be trusted with so much now; a promise when only the colo may know. */
  isTrusted(account: AccountId, key: KeyHash, wantedNusd: NanoUsd): boolean | Promise<boolean>;
  /** Whether it was refused lately. */
  isBarred(account: AccountId, key: KeyHash): boolean;
  /** `coverNusd`: what a lease could have held, 0n: nothing. */
  trust(account: AccountId, key: KeyHash, coverNusd: NanoUsd): Promise<void>;
  distrust(account: AccountId, key: KeyHash): Promise<void>;
}

interface Known {
  /** 0n: not to be trusted. */
  readonly coverNusd: NanoUsd;
  readonly untilMs: EpochMs;
}

/** One per isolate. `colo` is null where there is no such cache. */
export function createStanding(clock: Clock, colo: ColoCache | null): Standing {
  const keys = new Map<string, Known>();

  const keep = async (name: string, coverNusd: NanoUsd, lifeMs: number): Promise<void> => {
    const nowMs = clock();
    const known = keys.get(name);
    // A refusal outlasts what other isolates still believe, and what this one believes.
    if (coverNusd > 0n && known?.coverNusd === 0n && nowMs < known.untilMs) return;
    if (coverNusd > 0n && (await colo?.read(name)) === "0") return void keys.delete(name);
    keys.delete(name);
    const oldest = keys.size >= KEYS_MAX ? keys.keys().next().value : undefined;
    if (oldest !== undefined) keys.delete(oldest);
    keys.set(name, { coverNusd, untilMs: nowMs + lifeMs });
    await colo?.write(name, String(coverNusd), lifeMs);
  };

  return {
    isTrusted(account, key, wantedNusd) {
      const name = `${account}/${key}`;
      const known = keys.get(name);
      if (known !== undefined && clock() < known.untilMs) return wantedNusd <= known.coverNusd;
      if (colo === null) return false;
      return colo.read(name).then((text) => text !== null && /^\d+$/.test(text) && wantedNusd <= BigInt(text));
    },
    isBarred(account, key) {
      const known = keys.get(`${account}/${key}`);
      return known?.coverNusd === 0n && clock() < known.untilMs;
    },
    async trust(account, key, coverNusd) {
      if (coverNusd > 0n) await keep(`${account}/${key}`, coverNusd, TRUST_MS);
    },
    distrust: (account, key) => keep(`${account}/${key}`, 0n, DISTRUST_MS),
  };
}

const CACHE = "standing";

/**
 * The colo's cache: a named one, which is this Worker's own. On workers.dev, and where it fails, it knows nothing.
 * @param open opens a cache by name; a rejection counts as a miss.
 */
export function createColoCache(open: (name: string) => Promise<Cache>): ColoCache {
  // Never fetched: a key that looks as the Cache API wants it.
  const urlOf = (name: string): string => `https://standing.invalid/${name}`;
  return {
    async read(name) {
      try {
        const found = await (await open(CACHE)).match(urlOf(name));
        return found === undefined ? null : await found.text();
      } catch {
        return null;
      }
    },
    async write(name, text, lifeMs) {
      try {
        const headers = { "Cache-Control": `max-age=${Math.floor(lifeMs / 1_000)}` };
        await (await open(CACHE)).put(urlOf(name), new Response(text, { headers }));
      } catch {
        // Nothing is shared then.
      }
    },
  };
}
