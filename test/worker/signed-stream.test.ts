/** The spine inside workerd with a provider whose requests are signed and whose streams are binary. */
import { expect, test } from "vitest";
import { asProviderId } from "../../src/core/ids.ts";
import { bedrock } from "../../src/providers/bedrock.ts";
import { vertex } from "../../src/providers/vertex.ts";
import { generate } from "../../src/router/generate.ts";
import type { Fetch, RouterPorts } from "../../src/router/ports.ts";
import { inputOf, permitOf, portsOf } from "../unit/router/spine.ts";
import { entryOf, NOW } from "../unit/router/world.ts";

const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/** messageStart, deltas "Hel", "lo " and "🌱", contentBlockStop, messageStop end_turn, metadata with 7 + 3 tokens. */
const MESSAGES = [
  "AAAAdgAAAFKW1freCzpldmVudC10eXBlBwAMbWVzc2FnZVN0YXJ0DTpjb250ZW50LXR5cGUHABBhcHBsaWNhdGlvbi9qc29uDTptZXNzYWdlLXR5cGUHAAVldmVudHsicm9sZSI6ImFzc2lzdGFudCJ9b6jFmQ==",
  "AAAAlQAAAFeJy7NeCzpldmVudC10eXBlBwARY29udGVudEJsb2NrRGVsdGENOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJjb250ZW50QmxvY2tJbmRleCI6MCwiZGVsdGEiOnsidGV4dCI6IkhlbCJ9fWQTp3Y=",
  "AAAAlQAAAFeJy7NeCzpldmVudC10eXBlBwARY29udGVudEJsb2NrRGVsdGENOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJjb250ZW50QmxvY2tJbmRleCI6MCwiZGVsdGEiOnsidGV4dCI6ImxvICJ9fWNcH3I=",
  "AAAAlgAAAFfOa8mOCzpldmVudC10eXBlBwARY29udGVudEJsb2NrRGVsdGENOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJjb250ZW50QmxvY2tJbmRleCI6MCwiZGVsdGEiOnsidGV4dCI6IvCfjLEifX13YnuJ",
  "AAAAfQAAAFbmaA/WCzpldmVudC10eXBlBwAQY29udGVudEJsb2NrU3RvcA06Y29udGVudC10eXBlBwAQYXBwbGljYXRpb24vanNvbg06bWVzc2FnZS10eXBlBwAFZXZlbnR7ImNvbnRlbnRCbG9ja0luZGV4IjowfbMuTTQ=",
  "AAAAegAAAFHKLEZlCzpldmVudC10eXBlBwALbWVzc2FnZVN0b3ANOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJzdG9wUmVhc29uIjoiZW5kX3R1cm4ifV+/Cfw=",
  "AAAAmwAAAE5SkKX/CzpldmVudC10eXBlBwAIbWV0YWRhdGENOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJ1c2FnZSI6eyJpbnB1dFRva2VucyI6Nywib3V0cHV0VG9rZW5zIjozLCJ0b3RhbFRva2VucyI6MTB9fbcSSgA=",
].map((base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));

function portsWith(log: string[], fetch: Fetch, credential = `AKIAIOSFODNN7EXAMPLE:${SECRET}`): RouterPorts {
  const ports = portsOf(log);
  const entry = entryOf("test/m", [{ tag: "a", provider: { adapter: "bedrock" }, regions: ["us-east-1"] }]);
  return {
    ...ports,
    resolve: async () => ({
      ok: true,
      value: { entry, version: "v1", thinking: false, isFree: false, warnings: [] },
    }),
    fetch,
    providers: {
      ...ports.providers,
      permit: (_at, _capacity, { tried }) => (tried.size > 0 ? { kind: "no_credential" } : permitOf(credential)),
    },
  };
}

function streamed(pieces: readonly Uint8Array[]): Fetch {
  return async () =>
    new Response(new Blob([...pieces]), { headers: { "content-type": "application/vnd.amazon.eventstream" } });
}

async function answerTo(ports: RouterPorts): Promise<string> {
  const generated = await generate(inputOf({ stream: true }), ports);
  if (generated.kind !== "stream") throw new Error(JSON.stringify(generated));
  return new Response(generated.body).text();
}

const textOf = (stream: string): string =>
  [...stream.matchAll(/"content":"([^"]*)"/g)].map(([, text]) => text ?? "").join("");

test("a request goes out signed, and its binary stream comes in as text with its usage", async () => {
  const log: string[] = [];
  const sent: RequestInit[] = [];
  const upstream = streamed(MESSAGES);
  const answer = await answerTo(
    portsWith(log, (url, init) => {
      expect(url).toBe("https://example.test/v1/model/upstream/converse-stream");
      sent.push(init);
      return upstream(url, init);
    }),
  );
  const headers = new Headers(sent[0]?.headers);
  expect(headers.get("authorization")).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE\/\d{8}\/us-east-1\/bedrock\/aws4_request/,
  );
  expect(headers.get("x-amz-date")).toBe(new Date(NOW).toISOString().replace(/[:-]|\.\d{3}/g, ""));
  expect(JSON.stringify([...headers])).not.toContain(SECRET);
  expect(textOf(answer)).toBe("Hello 🌱");
  expect(answer).toContain('"prompt_tokens":7');
  expect(log).toContain("settle 10000");
});

test("a corrupted message ends the answer with an error, and what came before is charged", async () => {
  const log: string[] = [];
  const broken = MESSAGES.map((message) => Uint8Array.from(message));
  const third = broken[2];
  if (third !== undefined) third[third.length - 6] = 0;
  const answer = await answerTo(portsWith(log, streamed(broken)));
  expect(textOf(answer)).toBe("Hel");
  expect(answer).toContain("the checksum of a message is wrong");
  expect(log.filter((line) => line.startsWith("settle"))).not.toEqual(["settle 0"]);
});

test("what cannot be signed is asked nowhere, and fails as the credential's fault", async () => {
  const never: Fetch = () => Promise.reject(new Error("nothing was to be sent"));
  const generated = await generate(inputOf({ stream: true }), portsWith([], never, '{"accessKeyId": "AKIA"}'));
  expect(JSON.stringify(generated)).toContain("authentication");
});

test("a body in pieces is digested as a stream, to the same end", async () => {
  const image = new TextEncoder().encode("iVBORw0KGgo=".repeat(10_000));
  const text = `{"bytes":"${"iVBORw0KGgo=".repeat(10_000)}"}`;
  const signed = await bedrock.authorize?.(
    {
      url: "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse",
      headers: {},
      body: ['{"bytes":"', image, '"}'],
    },
    {
      provider: asProviderId("a"),
      upstreamModel: "m",
      region: "us-east-1",
      baseUrl: "https://bedrock-runtime.us-east-1.amazonaws.com",
      credential: `AKIAIOSFODNN7EXAMPLE:${SECRET}`,
      supportedParameters: [],
      maxCompletionTokens: null,
      quirks: {},
      userHash: null,
    },
    portsOf([]),
  );
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const hex = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  expect(signed).toMatchObject({ ok: true, value: { "x-amz-content-sha256": hex } });
});

test("a service account's assertion is signed by the platform's crypto, and its token is sent", async () => {
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const size = { modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) };
  const pair = (await crypto.subtle.generateKey({ ...algorithm, ...size }, true, ["sign", "verify"])) as CryptoKeyPair;
  const der = (await crypto.subtle.exportKey("pkcs8", pair.privateKey)) as ArrayBuffer;
  const account = {
    client_email: "a@p.iam.gserviceaccount.com",
    project_id: "p",
    private_key: `-----BEGIN PRIVATE KEY-----\n${btoa(String.fromCharCode(...new Uint8Array(der)))}\n-----END PRIVATE KEY-----\n`,
  };
  let isVerified = false;
  const fetch: Fetch = async (url, init) => {
    expect(url).toBe("https://oauth2.googleapis.com/token");
    const [header, claims, signature = ""] = (new URLSearchParams(String(init.body)).get("assertion") ?? "").split(".");
    const bytes = Uint8Array.from(atob(signature.replaceAll("-", "+").replaceAll("_", "/")), (one) =>
      one.charCodeAt(0),
    );
    const text = new TextEncoder().encode(`${header}.${claims}`);
    isVerified = await crypto.subtle.verify(algorithm.name, pair.publicKey, bytes, text);
    return Response.json({ access_token: "ya29.token", expires_in: 3600 });
  };
  const headers = await vertex.authorize?.(
    { url: "https://x", headers: {}, body: "{}" },
    {
      provider: asProviderId("a"),
      upstreamModel: "gemini-2.5-flash",
      baseUrl: "https://aiplatform.googleapis.com/v1",
      credential: JSON.stringify(account),
      supportedParameters: [],
      maxCompletionTokens: null,
      quirks: {},
      userHash: null,
    },
    { ...portsOf([]), fetch },
  );
  expect(headers).toEqual({ ok: true, value: { authorization: "Bearer ya29.token" } });
  expect(isVerified).toBe(true);
});
