/** Signatures against an own implementation of the published algorithm, which is checked by AWS's published example. */
import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { asProviderId } from "../../../src/core/ids.ts";
import type { EncodedRequest, Target } from "../../../src/providers/adapter.ts";
import { bedrock } from "../../../src/providers/bedrock.ts";
import { awsCredentialOf } from "../../../src/providers/bedrock-sign.ts";
import { authorizePortsAt, HELLO } from "../../contract/providers/cases.ts";

const NOW = Date.parse("2026-11-21T12:34:56.789Z");
const ID = "AKIAIOSFODNN7EXAMPLE";
const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html (accessed 2026-11-21). */
function signatureOf(canonical: string, scope: string, datetime: string, secret: string): string {
  const text = ["AWS4-HMAC-SHA256", datetime, scope, hash(canonical)].join("\n");
  const key = scope.split("/").reduce<string | Buffer>((before, part) => hmac(before, part), `AWS4${secret}`);
  return hmac(key, text).toString("hex");
}

/** Signs what `encoded` would send to a path that is escaped once more, as every service but S3 wants it. */
function expectedAuthorization(encoded: EncodedRequest, signed: EncodedRequest, region: string): string {
  const { host, pathname } = new URL(encoded.url);
  const names = [
    "accept",
    "host",
    "x-amz-date",
    ...(signed.headers["x-amz-security-token"] ? ["x-amz-security-token"] : []),
  ];
  const value = (name: string): string => (name === "host" ? host : (signed.headers[name] ?? ""));
  const datetime = signed.headers["x-amz-date"] ?? "";
  const scope = `${datetime.slice(0, 8)}/${region}/bedrock/aws4_request`;
  const canonical = [
    "POST",
    pathname.split("/").map(encodeURIComponent).join("/"),
    "",
    ...names.map((name) => `${name}:${value(name)}`),
    "",
    names.join(";"),
    hash(encoded.body),
  ].join("\n");
  const signature = signatureOf(canonical, scope, datetime, SECRET);
  return `AWS4-HMAC-SHA256 Credential=${ID}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
}

function targetOf(over: Partial<Target> = {}): Target {
  return {
    provider: asProviderId("amazon-bedrock"),
    upstreamModel: "anthropic.claude-3-haiku-20240307-v1:0",
    region: "eu-west-1",
    baseUrl: "https://bedrock-runtime.eu-west-1.amazonaws.com",
    credential: `${ID}:${SECRET}`,
    supportedParameters: [],
    maxCompletionTokens: null,
    quirks: {},
    userHash: null,
    ...over,
  };
}

async function sign(target: Target): Promise<{ encoded: EncodedRequest; signed: EncodedRequest }> {
  const encoded = bedrock.encode(
    { ...HELLO, messages: [{ role: "user", parts: [{ type: "text", text: "grün 🌱" }] }] },
    target,
  );
  if (!encoded.ok) throw new Error(encoded.error);
  const signed = await bedrock.authorize?.(encoded.value, target, authorizePortsAt(NOW));
  if (!signed?.ok) throw new Error("it was not signed");
  return { encoded: encoded.value, signed: { ...encoded.value, headers: signed.value } };
}

test("the own implementation gives the signature of AWS's example", () => {
  const canonical = [
    "GET",
    "/",
    "Action=ListUsers&Version=2010-05-08",
    "content-type:application/x-www-form-urlencoded; charset=utf-8",
    "host:iam.amazonaws.com",
    "x-amz-date:20150830T123600Z",
    "",
    "content-type;host;x-amz-date",
    hash(""),
  ].join("\n");
  const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  expect(signatureOf(canonical, "20150830/us-east-1/iam/aws4_request", "20150830T123600Z", secret)).toBe(
    "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
  );
});

describe("a request is signed over the bytes that are sent", () => {
  test.each([
    { name: "a model with a colon", over: {}, region: "eu-west-1" },
    {
      name: "an inference profile",
      over: { upstreamModel: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0" },
      region: "eu-west-1",
    },
    {
      name: "an ARN",
      over: { upstreamModel: "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6" },
      region: "eu-west-1",
    },
    {
      name: "a session",
      over: { credential: `${ID}:${SECRET}:IQoJb3JpZ2luX2VjEXAMPLETOKEN//////////wEaCXVzLWVhc3QtMSJ=` },
      region: "eu-west-1",
    },
    {
      name: "keys as JSON",
      over: { credential: JSON.stringify({ accessKeyId: ID, secretAccessKey: SECRET }) },
      region: "eu-west-1",
    },
    { name: "a server of the operator's own", over: { baseUrl: "http://127.0.0.1:4010" }, region: "eu-west-1" },
    {
      name: "a region that only the host names",
      over: { region: "global", baseUrl: "https://bedrock-runtime.ap-northeast-1.amazonaws.com" },
      region: "ap-northeast-1",
    },
  ])("$name", async ({ over, region }) => {
    const { encoded, signed } = await sign(targetOf(over));
    expect(signed.headers["content-type"]).toBe("application/json");
    expect(signed.headers["x-amz-date"]).toBe("20261121T123456Z");
    expect(signed.headers["authorization"]).toBe(expectedAuthorization(encoded, signed, region));
    expect(encoded.url).not.toMatch(/model\/[^/]*[:/][^/]*\/converse/);
    expect(JSON.stringify(signed)).not.toContain(SECRET);
  });
});

test("a body in pieces is signed as it goes out", async () => {
  const target = targetOf();
  const image = Buffer.from("iVBORw0KGgo=");
  const request = { url: "https://bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse", headers: { accept: "x" } };
  const authorize = async (
    body: string | readonly (string | Uint8Array)[],
  ): Promise<Readonly<Record<string, string>>> => {
    const signed = await bedrock.authorize?.({ ...request, body }, target, authorizePortsAt(NOW));
    if (!signed?.ok) throw new Error("it was not signed");
    return signed.value;
  };
  const pieces = await authorize(['{"bytes":"', image, '","text":"grün"}']);
  expect(pieces["x-amz-content-sha256"]).toBe(hash('{"bytes":"iVBORw0KGgo=","text":"grün"}'));
  expect(pieces["authorization"]).toContain("SignedHeaders=accept;host;x-amz-content-sha256;x-amz-date");
  const other = await authorize(['{"bytes":"', image, '","text":"gruen"}']);
  expect(other["authorization"]).not.toBe(pieces["authorization"]);
});

test("an API key is a bearer, and nothing is left to sign", () => {
  const target = targetOf({ credential: "ABSKQmVkcm9ja0FQSUtleS1leGFtcGxl" });
  const encoded = bedrock.encode(HELLO, target);
  if (!encoded.ok) throw new Error(encoded.error);
  expect(encoded.value.headers["authorization"]).toBe(`Bearer ${target.credential}`);
  expect(bedrock.authorize?.(encoded.value, target, authorizePortsAt(NOW))).toBeNull();
});

test.each([
  {
    name: "a document without keys",
    over: { credential: '{"user": "x"}' },
    scope: "credential",
    type: "authentication",
  },
  {
    name: "a document that is broken",
    over: { credential: '{"accessKeyId"' },
    scope: "credential",
    type: "authentication",
  },
  {
    name: "an endpoint without a region",
    over: { region: "global", baseUrl: "https://proxy.example" },
    scope: "endpoint",
    type: "not_found",
  },
])("$name is a failure of the attempt", async ({ over, scope, type }) => {
  const target = targetOf(over);
  const encoded = bedrock.encode(HELLO, target);
  if (!encoded.ok) throw new Error(encoded.error);
  expect(encoded.value.headers["authorization"]).toBeUndefined();
  const signed = await bedrock.authorize?.(encoded.value, target, authorizePortsAt(NOW));
  expect(signed).toMatchObject({ ok: false, error: { scope, errorType: type, retry: "elsewhere" } });
});

test.each([
  { text: `${ID}:${SECRET}`, kind: "keys" },
  { text: ` ${ID}:${SECRET}:token `, kind: "keys" },
  {
    text: JSON.stringify({ aws_access_key_id: ID, aws_secret_access_key: SECRET, aws_session_token: "t" }),
    kind: "keys",
  },
  { text: JSON.stringify({ apiKey: "ABSK1" }), kind: "api_key" },
  { text: "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29tLz9BY3Rpb249", kind: "api_key" },
  { text: "[]", kind: "api_key" },
  { text: "{}", kind: "unreadable" },
])("a credential of kind $kind", ({ text, kind }) => {
  expect(awsCredentialOf(text).kind).toBe(kind);
});
