/**
 * The operator's credentials of a provider and which of them to send. They are known by where they stand
 * (`environment-2`, `stored-1`), never by what they are. Rotated by turns, or by the request's seed, so that a
 * conversation keeps the credential whose prompt cache it fills. One that is refused, or closed by a 429 for this very
 * endpoint, is left out; the others go on.
 */
import type { EpochMs } from "../core/clock.ts";
import type { Breaker } from "../limits/breaker.ts";
import type { EndpointKey } from "./provider-contract.ts";

export interface Credential {
  readonly id: string;
  readonly secret: string;
  readonly baseUrl: string | null;
}

/** More are left out: a message from the gate has a line for each. */
export const CREDENTIALS_MAX = 16;

/** What an operator stores as several is sealed as one text; no credential has a line end. */
export const STORED_SEPARATOR = "\n";

export type CredentialSource = "environment" | "stored";

/** The credentials of one text, by id. The environment's are separated by commas, unless it is a JSON document. */
export function splitCredentials(
  source: CredentialSource,
  text: string,
): readonly { readonly id: string; readonly secret: string }[] {
  const separator = source === "stored" ? STORED_SEPARATOR : ",";
  const parts = text.trimStart().startsWith("{") ? [text] : text.split(separator);
  return parts
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .slice(0, CREDENTIALS_MAX)
    .map((secret, at) => ({ id: `${source}-${at + 1}`, secret }));
}

/** What is known of a place's credentials. */
export interface CredentialFacts {
  /** By id; absent: never used here. */
  readonly breakers: ReadonlyMap<string, Breaker>;
  /** Until when `endpoint credential` is closed by a 429. */
  readonly closings: ReadonlyMap<string, EpochMs>;
  /** Ids that this isolate may probe, and until when. */
  readonly leaves: ReadonlyMap<string, EpochMs>;
}

export interface Chosen {
  /** In the order in which to try them. */
  readonly usable: readonly Credential[];
  /** When none is usable: when the first one reopens, if waiting helps; null: none works. */
  readonly reopensMs: EpochMs | null;
}

/** @param turn whose turn it is; any whole number from 0. */
export function chooseCredentials(
  all: readonly Credential[],
  facts: CredentialFacts,
  key: EndpointKey,
  tried: ReadonlySet<string>,
  turn: number,
  nowMs: EpochMs,
): Chosen {
  const usable: Credential[] = [];
  let reopensMs: EpochMs | null = null;
  for (let at = 0; at < all.length; at++) {
    const one = all[(turn + at) % all.length];
    if (one === undefined || tried.has(one.id) || !isUsable(one.id, facts, nowMs)) continue;
    const closedMs = closedUntilMs(one.id, facts, key);
    if (closedMs > nowMs) reopensMs = Math.min(reopensMs ?? closedMs, closedMs);
    // A probe is sent at the first chance: its leave does not last.
    else if (facts.leaves.has(one.id)) usable.unshift(one);
    else usable.push(one);
  }
  return { usable, reopensMs };
}

/** Whether the provider takes it, as far as known here, or this isolate may find out. */
export function isUsable(id: string, { breakers, leaves }: CredentialFacts, nowMs: EpochMs): boolean {
  const breaker = breakers.get(id);
  return breaker === undefined || breaker.kind === "closed" || (leaves.get(id) ?? 0) > nowMs;
}

/** When the endpoint reopens with any of the usable credentials; 0: it is open. */
export function reopensMs(
  all: readonly Credential[],
  facts: CredentialFacts,
  key: EndpointKey,
  nowMs: EpochMs,
): EpochMs {
  const { usable, reopensMs: soonestMs } = chooseCredentials(all, facts, key, new Set(), 0, nowMs);
  return usable.length > 0 ? 0 : (soonestMs ?? 0);
}

/** Until when a 429 has closed the endpoint for the credential; 0: it has not. */
export function closedUntilMs(id: string, { closings }: CredentialFacts, key: EndpointKey): EpochMs {
  return closings.size === 0 ? 0 : (closings.get(`${key} ${id}`) ?? 0);
}
