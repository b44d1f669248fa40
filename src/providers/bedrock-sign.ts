/**
 * How a request proves who sends it at AWS: a Bedrock API key as a bearer, or a signature (SigV4) over exactly the bytes
 * that are sent, with the keys of an account. The region is the endpoint's; the time is an argument.
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
 * https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html (accessed 2026-11-21).
 */
import { AwsV4Signer } from "aws4fetch";
import type { WholeSegment } from "../core/attachments.ts";
import type { EpochMs } from "../core/clock.ts";
import type { UpstreamFailure } from "../core/error.ts";
import { isObject, parseJson, stringOf } from "../core/json.ts";
import { err, ok } from "../core/result.ts";
import type { Authorized, AuthorizePorts, OutgoingRequest, Target } from "./adapter.ts";
import { awsRegionOf } from "./bedrock-names.ts";
import { failureOf, redact } from "./failure.ts";

const SERVICE = "bedrock";

export type AwsCredential =
  | { readonly kind: "api_key"; readonly key: string }
  | {
      readonly kind: "keys";
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly sessionToken: string | undefined;
    }
  /** A JSON document without the keys. */
  | { readonly kind: "unreadable" };

/**
 * What a credential's text holds: JSON with `accessKeyId`, `secretAccessKey` and maybe `sessionToken` (or with the names
 * of AWS's own files), `access key:secret[:session]`, or an API key.
 */
export function awsCredentialOf(text: string): AwsCredential {
  const trimmed = text.trim();
  if (trimmed.startsWith("{")) return credentialOfJson(parseJson(trimmed));
  const found = /^(A[A-Z0-9]{15,127}):([^:\s]+)(?::(\S+))?$/.exec(trimmed);
  const [, accessKeyId, secretAccessKey, sessionToken] = found ?? [];
  return accessKeyId === undefined || secretAccessKey === undefined
    ? { kind: "api_key", key: trimmed }
    : { kind: "keys", accessKeyId, secretAccessKey, sessionToken };
}

function credentialOfJson(document: unknown): AwsCredential {
  if (!isObject(document)) return { kind: "unreadable" };
  const read = (...names: readonly string[]): string | undefined =>
    names.map((name) => stringOf(document[name])).find((value) => value !== undefined && value !== "");
  const key = read("apiKey", "api_key", "bearerToken");
  if (key !== undefined) return { kind: "api_key", key };
  const accessKeyId = read("accessKeyId", "AccessKeyId", "aws_access_key_id");
  const secretAccessKey = read("secretAccessKey", "SecretAccessKey", "aws_secret_access_key");
  const sessionToken = read("sessionToken", "SessionToken", "aws_session_token");
  return accessKeyId === undefined || secretAccessKey === undefined
    ? { kind: "unreadable" }
    : { kind: "keys", accessKeyId, secretAccessKey, sessionToken };
}

/** `text` without any part of the credential. */
export function withoutAwsSecrets(text: string, credential: string): string {
  const known = awsCredentialOf(credential);
  if (known.kind !== "keys") return redact(text, credential);
  const parts = [known.secretAccessKey, known.accessKeyId, known.sessionToken ?? ""];
  return parts.reduce((clean, part) => redact(clean, part), text);
}

/** The signed headers; null where an API key says it all. */
export function authorizeBedrock(
  request: OutgoingRequest,
  target: Target,
  { clock }: AuthorizePorts,
): Promise<Authorized> | null {
  const credential = awsCredentialOf(target.credential);
  switch (credential.kind) {
    case "api_key":
      return null;
    case "unreadable":
      return Promise.resolve(err(unsignedFailure("The credential is no AWS access key.", "authentication")));
    case "keys": {
      const region = awsRegionOf(target);
      return region === null
        ? Promise.resolve(err(unsignedFailure("The endpoint names no AWS region.", "not_found")))
        : sign(request, credential, region, clock());
    }
    default:
      return credential satisfies never;
  }
}

async function sign(
  { url, headers, body }: OutgoingRequest,
  { accessKeyId, secretAccessKey, sessionToken }: Extract<AwsCredential, { kind: "keys" }>,
  region: string,
  nowMs: EpochMs,
): Promise<Authorized> {
  const signer = new AwsV4Signer({
    method: "POST",
    url,
    headers: typeof body === "string" ? headers : { ...headers, "x-amz-content-sha256": await hexHash(body ?? []) },
    ...(typeof body === "string" ? { body } : {}),
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    service: SERVICE,
    region,
    datetime: new Date(nowMs).toISOString().replace(/[:-]|\.\d{3}/g, ""),
  });
  const signed = await signer.sign();
  return ok(Object.fromEntries(signed.headers));
}

/** SHA-256 of a body in pieces; where the platform digests streams, without a second copy of its media. */
async function hexHash(segments: readonly WholeSegment[]): Promise<string> {
  const encoder = new TextEncoder();
  const pieces = segments.map((segment) => (typeof segment === "string" ? encoder.encode(segment) : segment));
  // Node, where unit tests run, has none.
  const { DigestStream } = crypto as { readonly DigestStream?: typeof crypto.DigestStream };
  let digest: ArrayBuffer;
  if (DigestStream !== undefined) {
    const stream = new DigestStream("SHA-256");
    const writer = stream.getWriter();
    for (const piece of pieces) await writer.write(piece);
    await writer.close();
    digest = await stream.digest;
  } else {
    digest = await crypto.subtle.digest("SHA-256", await new Blob(pieces).arrayBuffer());
  }
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function unsignedFailure(message: string, errorType: "authentication" | "not_found"): UpstreamFailure {
  return failureOf({
    status: 0,
    errorType,
    message,
    providerCode: null,
    raw: null,
    retryAfterMs: null,
    credential: "",
  });
}
