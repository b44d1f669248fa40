/**
 * Branded identifiers and how the ones we make are made.
 * A generation is `gen-<unix seconds>-<20 characters>`; an account is `<home><shard>` and 13 characters, so that the
 * id alone says where it belongs (`eu1k3v...`: home eu, shard 1).
 */
import type { EpochMs, RandomBytes } from "./clock.ts";

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** `author/slug`, without variant. */
export type ModelId = Brand<string, "ModelId">;
/** A provider's slug: lower case, digits and hyphens. */
export type ProviderId = Brand<string, "ProviderId">;
/** `provider-slug` or `provider-slug/suffix`; unique within a model. */
export type EndpointTag = Brand<string, "EndpointTag">;
/** A place where a provider runs; unique within the provider. */
export type RegionId = Brand<string, "RegionId">;
export type GenerationId = Brand<string, "GenerationId">;
export type AccountId = Brand<string, "AccountId">;
/** Lower-case SHA-256 hex of a whole key. */
export type KeyHash = Brand<string, "KeyHash">;
/** A tenant's own provider credential; a UUID. */
export type ByokId = Brand<string, "ByokId">;
/** A preset, or a version of one; a UUID. */
export type PresetId = Brand<string, "PresetId">;
/** One lease of one isolate: the isolate's own random id, a dot and a number. */
export type LeaseId = Brand<string, "LeaseId">;
/** One per HTTP request, `req-...`. */
export type RequestId = Brand<string, "RequestId">;

export const asModelId = (text: string): ModelId => text as ModelId;
export const asProviderId = (text: string): ProviderId => text as ProviderId;
export const asEndpointTag = (text: string): EndpointTag => text as EndpointTag;
export const asRegionId = (text: string): RegionId => text as RegionId;
export const asGenerationId = (text: string): GenerationId => text as GenerationId;
export const asAccountId = (text: string): AccountId => text as AccountId;
export const asKeyHash = (text: string): KeyHash => text as KeyHash;
export const asPresetId = (text: string): PresetId => text as PresetId;
export const asByokId = (text: string): ByokId => text as ByokId;
export const asLeaseId = (text: string): LeaseId => text as LeaseId;
export const asRequestId = (text: string): RequestId => text as RequestId;

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE32 = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * Where an account belongs. `gl` is anywhere; `eu` and `us` pin its requests to provider regions there, hard, and `eu` its
 * gate as well, where the platform has jurisdictions. Which database it lives in follows from home and shard
 * (ledger/shards.ts).
 */
export type Home = "gl" | "eu" | "us";

/** `length` characters of `alphabet` (at most 256 letters), without modulo bias. */
function randomText(random: RandomBytes, length: number, alphabet: string): string {
  const limit = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < length) {
    const bytes = random(length - text.length);
    // By index: it runs for each request, and an iterator makes an object for each byte.
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] ?? limit;
      if (byte < limit) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}

/** A new generation id; sorts by second. */
export function newGenerationId(nowMs: EpochMs, random: RandomBytes): GenerationId {
  return `gen-${Math.floor(nowMs / 1000)}-${randomText(random, 20, BASE62)}` as GenerationId;
}

/** A new purchase id; sorts by millisecond: two purchases of one second are listed in their order. */
export function newPurchaseId(nowMs: EpochMs, random: RandomBytes): string {
  return `pur-${nowMs}-${randomText(random, 20, BASE62)}`;
}

/** A new voucher id; sorts by second. */
export function newVoucherId(nowMs: EpochMs, random: RandomBytes): string {
  return `vou-${Math.floor(nowMs / 1000)}-${randomText(random, 20, BASE62)}`;
}

/** A new request id. */
export function newRequestId(nowMs: EpochMs, random: RandomBytes): RequestId {
  return `req-${Math.floor(nowMs / 1000)}-${randomText(random, 20, BASE62)}` as RequestId;
}

/** A new account id in `home`, shard 1-9. */
export function newAccountId(home: Home, shard: number, random: RandomBytes): AccountId {
  return `${home}${shard}${randomText(random, 13, BASE32)}` as AccountId;
}

/** A new credential id: a random UUID (version 4). */
export function newByokId(random: RandomBytes): ByokId {
  return randomUuid(random) as ByokId;
}

/** A new id of a preset, or of a version of one: a random UUID (version 4). */
export function newPresetId(random: RandomBytes): PresetId {
  return randomUuid(random) as PresetId;
}

function randomUuid(random: RandomBytes): string {
  const bytes = random(16);
  const hex = Array.from(bytes, (byte, at) =>
    (at === 6 ? (byte & 0x0f) | 0x40 : at === 8 ? (byte & 0x3f) | 0x80 : byte).toString(16).padStart(2, "0"),
  ).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** `length` base62 characters for a key's secret part (32 carry 190 bits). */
export function newSecret(length: number, random: RandomBytes): string {
  return randomText(random, length, BASE62);
}

/** Home and shard of an account id, or undefined if the text is not one. */
export function placeOfAccount(account: string): { home: Home; shard: number } | undefined {
  const found = /^(gl|eu|us)([1-9])[0-9a-hjkmnp-tv-z]{13}$/.exec(account);
  return found ? { home: found[1] as Home, shard: Number(found[2]) } : undefined;
}
