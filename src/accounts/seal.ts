/**
 * Sealing of provider credentials at rest: AES-256-GCM with a key derived from WAYPOST_SECRET by HKDF-SHA-256.
 * The context (the provider's slug) is authenticated, so that a sealed text can't be moved to another provider.
 * Form: `v1.<iv>.<ciphertext>`, both base64url. Nothing here ever puts a credential into an error.
 */
import type { RandomBytes } from "../core/clock.ts";
import { err, ok, type Result } from "../core/result.ts";

const IV_BYTES = 12;
const DERIVATION = "waypost credential v1";

/** Seals `plain` with the current secret. */
export async function sealCredential(
  plain: string,
  context: string,
  secret: string,
  random: RandomBytes,
): Promise<string> {
  const iv = random(IV_BYTES);
  const algorithm = { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(context) };
  const sealed = await crypto.subtle.encrypt(algorithm, await sealingKey(secret), new TextEncoder().encode(plain));
  return `v1.${toBase64Url(iv)}.${toBase64Url(new Uint8Array(sealed))}`;
}

/**
 * Opens what `sealCredential` made; `secrets` are tried in order (current, then previous while rotating).
 * @returns an error sentence when no secret opens it for this context.
 */
export async function openCredential(
  sealed: string,
  context: string,
  secrets: readonly string[],
): Promise<Result<string, string>> {
  const [, ivText, text] = /^v1\.([\w-]{16})\.([\w-]+)$/.exec(sealed) ?? [];
  if (ivText === undefined || text === undefined) return err("The stored credential is not a sealed one.");
  const algorithm = { name: "AES-GCM", iv: fromBase64Url(ivText), additionalData: new TextEncoder().encode(context) };
  for (const secret of secrets) {
    try {
      const plain = await crypto.subtle.decrypt(algorithm, await sealingKey(secret), fromBase64Url(text));
      return ok(new TextDecoder().decode(plain));
    } catch {
      // Another secret sealed it, or it was tampered with: the next one tells.
    }
  }
  return err("The stored credential was sealed with another WAYPOST_SECRET.");
}

async function sealingKey(secret: string): Promise<CryptoKey> {
  const encoder = new TextEncoder();
  const base = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, ["deriveKey"]);
  return await crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info: encoder.encode(DERIVATION) },
    base,
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt", "decrypt"],
  );
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
