/**
 * Sealing of bytes that are kept for a while: AES-256-GCM with a key derived from WAYPOST_SECRET by HKDF-SHA-256, one key
 * per context, so that what was sealed for one context can't be opened for another. The label (a place within the whole)
 * is authenticated, so that pieces can't change places. Form: 12 bytes of iv, then the ciphertext.
 */
import type { RandomBytes } from "../core/clock.ts";

const IV_BYTES = 12;
const DERIVATION = "waypost bytes v1";

/** The key of one context. */
export async function bytesKey(secret: string, context: string): Promise<CryptoKey> {
  const encoder = new TextEncoder();
  const base = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, ["deriveKey"]);
  return await crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info: encoder.encode(`${DERIVATION}\n${context}`) },
    base,
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt", "decrypt"],
  );
}

export async function sealBytes(
  plain: Uint8Array,
  key: CryptoKey,
  label: string,
  random: RandomBytes,
): Promise<Uint8Array> {
  const iv = random(IV_BYTES);
  const sealed = await crypto.subtle.encrypt(algorithm(iv, label), key, plain);
  const whole = new Uint8Array(IV_BYTES + sealed.byteLength);
  whole.set(iv);
  whole.set(new Uint8Array(sealed), IV_BYTES);
  return whole;
}

/** What `sealBytes` sealed with this key and label; null for anything else. */
export async function openBytes(sealed: Uint8Array, key: CryptoKey, label: string): Promise<Uint8Array | null> {
  try {
    const iv = sealed.subarray(0, IV_BYTES);
    return new Uint8Array(await crypto.subtle.decrypt(algorithm(iv, label), key, sealed.subarray(IV_BYTES)));
  } catch {
    // Another secret sealed it, or it was tampered with.
    return null;
  }
}

function algorithm(iv: Uint8Array, label: string) {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(label) };
}
