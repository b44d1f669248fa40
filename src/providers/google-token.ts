/**
 * A service account's access token: a signed assertion (RS256, by the platform's own crypto) exchanged at Google's token
 * endpoint. The endpoint is ours to choose, never the document's: a tenant may have written that.
 * Source: https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests (accessed 2026-11-21).
 */
import type { EpochMs } from "../core/clock.ts";
import type { ErrorType, UpstreamFailure } from "../core/error.ts";
import { isObject, numberOf, parseJson, stringOf } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import { FETCH_MS_MAX, type AccessToken } from "./access-tokens.ts";
import type { AuthorizePorts } from "./adapter.ts";
import { failureOf, redact } from "./failure.ts";

const TOKEN_URL = "https://oauth2.googleapis.com/token";
const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/** The longest that Google grants. */
const LIFE_S = 3_600;
const ANSWER_CHARS_MAX = 64 * 1024;

export interface ServiceAccount {
  readonly email: string;
  readonly privateKey: string;
  readonly keyId: string | undefined;
  readonly project: string;
}

/** The service account of a JSON document; null when it is none. */
export function serviceAccountOf(text: string): ServiceAccount | null {
  if (!text.trimStart().startsWith("{")) return null;
  const document = parseJson(text);
  if (!isObject(document)) return null;
  const email = stringOf(document["client_email"]) ?? "";
  const privateKey = stringOf(document["private_key"]) ?? "";
  const project = stringOf(document["project_id"]) ?? "";
  // A project's name stands in the path.
  if (email === "" || privateKey === "" || !/^[a-z0-9.:-]{1,80}$/.test(project)) return null;
  return { email, privateKey, keyId: stringOf(document["private_key_id"]), project };
}

/** Where tokens are fetched for requests to `baseUrl`: an operator's own server in Google's place gives them itself. */
export function tokenUrlOf(baseUrl: string): string {
  const { hostname, origin } = new URL(baseUrl);
  return hostname.endsWith(".googleapis.com") ? TOKEN_URL : `${origin}/token`;
}

/** A fresh token. Never rejects. */
export async function mintGoogleToken(
  account: ServiceAccount,
  tokenUrl: string,
  { clock, fetch }: Pick<AuthorizePorts, "clock" | "fetch">,
): Promise<Result<AccessToken, UpstreamFailure>> {
  const nowMs = clock();
  let assertion: string;
  try {
    assertion = await assertionOf(account, nowMs);
  } catch {
    return err(failed(0, "authentication", "The service account's private key cannot be read.", null, account));
  }
  try {
    const response = await fetch(tokenUrl, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
      body: new URLSearchParams({ grant_type: GRANT_TYPE, assertion }).toString(),
      redirect: "manual",
      signal: AbortSignal.timeout(FETCH_MS_MAX),
    });
    const text = (await response.text()).slice(0, ANSWER_CHARS_MAX);
    return tokenOf(response.status, parseJson(text), nowMs, account);
  } catch {
    return err(failed(0, "provider_unavailable", "The token endpoint could not be reached.", null, account));
  }
}

function tokenOf(
  status: number,
  body: unknown,
  nowMs: EpochMs,
  account: ServiceAccount,
): Result<AccessToken, UpstreamFailure> {
  const fields = isObject(body) ? body : {};
  const token = stringOf(fields["access_token"]) ?? "";
  if (status === 200 && token !== "") {
    const lifeS = numberOf(fields["expires_in"]) ?? LIFE_S;
    return ok({ token, expiresAtMs: nowMs + Math.min(Math.max(lifeS, 0), LIFE_S) * 1_000 });
  }
  const code = stringOf(fields["error"]) ?? null;
  const why = stringOf(fields["error_description"]) || `The token endpoint answered ${status}.`;
  return err(failed(status, errorTypeOf(status), why, code, account));
}

/** 400 is how the endpoint says that an account is gone, or its key. */
function errorTypeOf(status: number): ErrorType {
  if (status === 429) return "rate_limit_exceeded";
  return status >= 400 && status < 500 ? "authentication" : "provider_unavailable";
}

async function assertionOf({ email, privateKey, keyId }: ServiceAccount, nowMs: EpochMs): Promise<string> {
  const issuedAtS = Math.floor(nowMs / 1_000);
  const header = { alg: "RS256", typ: "JWT", ...(keyId === undefined ? {} : { kid: keyId }) };
  const claims = { iss: email, scope: SCOPE, aud: TOKEN_URL, iat: issuedAtS, exp: issuedAtS + LIFE_S };
  const text = `${base64Url(JSON.stringify(header))}.${base64Url(JSON.stringify(claims))}`;
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("pkcs8", derOf(privateKey), algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign(algorithm.name, key, new TextEncoder().encode(text));
  return `${text}.${base64Url(String.fromCharCode(...new Uint8Array(signature)))}`;
}

function derOf(pem: string): Uint8Array<ArrayBuffer> {
  const base64 = pem.replace(/-----[A-Z ]+-----|\s/g, "");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Of text whose characters are all below 256. */
function base64Url(text: string): string {
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function failed(
  status: number,
  errorType: ErrorType,
  message: string,
  code: string | null,
  account: ServiceAccount,
): UpstreamFailure {
  return failureOf({
    status,
    errorType,
    message: redact(message, account.email),
    providerCode: code,
    raw: null,
    retryAfterMs: null,
    credential: account.privateKey,
  });
}
