/**
 * API keys: `sk-wp-<account>-<secret><tag>`. The account says where the key's gate is, so no lookup table is needed;
 * the tag is a keyed hash (HMAC-SHA-256 with WAYPOST_SECRET, cut to 96 bits), so that a forged key is refused without
 * I/O. While the secret is rotated, tags of the previous one are accepted too. Whether a genuine key may still be used
 * is the gate's answer alone. A key is never stored: only its SHA-256 (`hashKey`) and its label.
 */
import type { RandomBytes } from "../core/clock.ts";
import { asAccountId, newSecret, placeOfAccount, type AccountId, type KeyHash } from "../core/ids.ts";
import { err, ok, type Result } from "../core/result.ts";

/** The secrets as imported keys: import once per isolate, verify often. */
export interface KeySecrets {
  readonly current: CryptoKey;
  /** The secret before the last rotation, whose keys are still good. */
  readonly previous: CryptoKey | null;
}

/** A key as made: `text` is shown once and never stored. */
export interface IssuedKey {
  readonly text: string;
  readonly hash: KeyHash;
  readonly label: string;
}

/** A key taken apart; nothing of it is verified yet. */
export interface ParsedKey {
  readonly account: AccountId;
  /** What the tag signs: everything before it. */
  readonly signed: string;
  readonly tag: string;
}

/** Base62 characters of the secret part: 190 bits. */
const SECRET_LENGTH = 32;
const TAG_BYTES = 12;
/** 96 bits need 17 base62 characters. */
const TAG_LENGTH = 17;
const KEY = /^(sk-wp-([0-9a-z]{16})-[0-9A-Za-z]{32})([0-9A-Za-z]{17})$/;
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** Keeps key tags apart from anything else that is ever signed with the same secret. */
const TAG_CONTEXT = "waypost api key v1\n";

/** Imports WAYPOST_SECRET and, while rotating, WAYPOST_SECRET_PREVIOUS. */
export async function importKeySecrets(current: string, previous?: string): Promise<KeySecrets> {
  return {
    current: await hmacKey(current),
    previous: previous === undefined || previous === "" ? null : await hmacKey(previous),
  };
}

/** Makes a new key of an account, tagged with the current secret. */
export async function issueKey(account: AccountId, secrets: KeySecrets, random: RandomBytes): Promise<IssuedKey> {
  const signed = `sk-wp-${account}-${newSecret(SECRET_LENGTH, random)}`;
  const text = `${signed}${await tagOf(signed, secrets.current)}`;
  return { text, hash: await hashKey(text), label: labelOf(text) };
}

/** Takes a key apart, or undefined for a text that can't be one. */
export function parseKey(text: string): ParsedKey | undefined {
  const [, signed, account, tag] = KEY.exec(text) ?? [];
  if (signed === undefined || account === undefined || tag === undefined) return undefined;
  return placeOfAccount(account) === undefined ? undefined : { account: asAccountId(account), signed, tag };
}

/**
 * The account and hash of a genuine key.
 * @returns an error sentence, fit for a client, for anything that none of the secrets has tagged.
 */
export async function verifyKey(
  text: string,
  secrets: KeySecrets,
): Promise<Result<{ readonly account: AccountId; readonly hash: KeyHash }, string>> {
  const parsed = parseKey(text);
  if (parsed === undefined) return err("No valid API key was given.");
  const isCurrent = isSame(parsed.tag, await tagOf(parsed.signed, secrets.current));
  const isGenuine =
    isCurrent || (secrets.previous !== null && isSame(parsed.tag, await tagOf(parsed.signed, secrets.previous)));
  return isGenuine ? ok({ account: parsed.account, hash: await hashKey(text) }) : err("No valid API key was given.");
}

/** Lower-case SHA-256 hex of the whole key. */
export async function hashKey(text: string): Promise<KeyHash> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  // Brand constructor: this is where key hashes come from.
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") as KeyHash;
}

/** The key as it may be shown: `sk-wp-gl1...abc`. */
function labelOf(text: string): string {
  return `${text.slice(0, 9)}...${text.slice(-3)}`;
}

async function hmacKey(secret: string): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(secret);
  return await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

async function tagOf(signed: string, key: CryptoKey): Promise<string> {
  const mac = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(TAG_CONTEXT + signed));
  let number = new Uint8Array(mac).subarray(0, TAG_BYTES).reduce((value, byte) => value * 256n + BigInt(byte), 0n);
  let tag = "";
  for (let at = 0; at < TAG_LENGTH; at++) {
    tag = `${BASE62[Number(number % 62n)] ?? ""}${tag}`;
    number /= 62n;
  }
  return tag;
}

/** Compares without telling by its duration where the first difference is. */
function isSame(left: string, right: string): boolean {
  let difference = left.length ^ right.length;
  for (let at = 0; at < left.length; at++) difference |= left.charCodeAt(at) ^ right.charCodeAt(at);
  return difference === 0;
}
