/** Vertex beyond the recorded cases: addresses, credentials, tokens, errors of two houses. */
import { generateKeyPairSync, createVerify } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createAccessTokens } from "../../../src/providers/access-tokens.ts";
import type { AuthorizePorts, Target } from "../../../src/providers/adapter.ts";
import { tokenUrlOf } from "../../../src/providers/google-token.ts";
import { vertex } from "../../../src/providers/vertex.ts";
import { DEFAULT_TARGET, HELLO } from "../../contract/providers/cases.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PEM = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const ACCOUNT = {
  type: "service_account",
  project_id: "my-project",
  private_key_id: "kid-1",
  private_key: PEM,
  client_email: "waypost@my-project.iam.gserviceaccount.com",
  // A tenant may have written this.
  token_uri: "http://169.254.169.254/token",
};

function targetOf(over: Partial<Target> = {}): Target {
  return {
    ...DEFAULT_TARGET,
    upstreamModel: "gemini-2.5-flash",
    region: "europe-west1",
    baseUrl: "https://europe-west1-aiplatform.googleapis.com/v1",
    credential: JSON.stringify(ACCOUNT),
    ...over,
  };
}

describe("addresses", () => {
  const at = "https://europe-west1-aiplatform.googleapis.com/v1";
  const project = "projects/my-project/locations";
  test.each([
    {
      name: "Gemini, buffered",
      over: {},
      stream: false,
      url: `${at}/${project}/europe-west1/publishers/google/models/gemini-2.5-flash:generateContent`,
    },
    {
      name: "Gemini, streamed",
      over: {},
      stream: true,
      url: `${at}/${project}/europe-west1/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse`,
    },
    {
      name: "Claude, buffered",
      over: { upstreamModel: "anthropic/claude-sonnet-4-5@20250929" },
      stream: false,
      url: `${at}/${project}/europe-west1/publishers/anthropic/models/claude-sonnet-4-5%4020250929:rawPredict`,
    },
    {
      name: "Claude, streamed",
      over: { upstreamModel: "claude-sonnet-4-5@20250929" },
      stream: true,
      url: `${at}/${project}/europe-west1/publishers/anthropic/models/claude-sonnet-4-5%4020250929:streamRawPredict`,
    },
    {
      name: "a location that only the host names",
      over: { region: "somewhere" },
      stream: false,
      url: `${at}/${project}/europe-west1/publishers/google/models/gemini-2.5-flash:generateContent`,
    },
    {
      name: "the global location",
      over: { region: undefined, baseUrl: "https://aiplatform.googleapis.com/v1" },
      stream: false,
      url: `https://aiplatform.googleapis.com/v1/${project}/global/publishers/google/models/gemini-2.5-flash:generateContent`,
    },
    {
      name: "an API key, which has no project",
      over: { credential: "AIzaSyExample" },
      stream: false,
      url: `${at}/publishers/google/models/gemini-2.5-flash:generateContent`,
    },
  ])("$name", ({ over, stream, url }) => {
    const encoded = vertex.encode({ ...HELLO, stream }, targetOf(over));
    expect(encoded).toMatchObject({ ok: true, value: { url } });
  });

  test("trial features that the client names are a header for Claude, and for nobody else", () => {
    const request = { ...HELLO, betas: ["interleaved-thinking-2025-05-14", "other-2026-01-01"] };
    const headersFor = (upstreamModel: string) => {
      const encoded = vertex.encode(request, targetOf({ upstreamModel }));
      return encoded.ok ? encoded.value.headers : null;
    };
    expect(headersFor("claude-sonnet-4-5")).toMatchObject({
      "anthropic-beta": "interleaved-thinking-2025-05-14,other-2026-01-01",
    });
    expect(headersFor("gemini-2.5-flash")).not.toHaveProperty("anthropic-beta");
  });

  test.each([
    {
      name: "Claude with an API key",
      request: HELLO,
      over: { upstreamModel: "claude-sonnet-4-5", credential: "AIzaSyExample" },
    },
    {
      name: "Claude with an image on the web",
      request: {
        ...HELLO,
        messages: [{ role: "user" as const, parts: [{ type: "image" as const, url: "https://example.com/a.png" }] }],
      },
      over: { upstreamModel: "claude-sonnet-4-5" },
    },
    {
      name: "Claude with an uploaded file",
      request: {
        ...HELLO,
        messages: [{ role: "user" as const, parts: [{ type: "file" as const, fileId: "file-1" }] }],
      },
      over: { upstreamModel: "claude-sonnet-4-5" },
    },
  ])("$name has to go elsewhere", ({ request, over }) => {
    expect(vertex.encode(request, targetOf(over)).ok).toBe(false);
  });

  test("a project that is no name is no account, so that nothing else gets into the path", () => {
    const credential = JSON.stringify({ ...ACCOUNT, project_id: "../../evil" });
    const encoded = vertex.encode(HELLO, targetOf({ credential }));
    expect(encoded.ok && encoded.value.url).not.toContain("evil");
  });
});

test("results without ids go back in the order of their calls, step by step", () => {
  const call = (id: string) => ({ id, name: "look", input: "{}" });
  const result = (id: string) => ({
    role: "tool" as const,
    toolCallId: id,
    parts: [{ type: "text" as const, text: id }],
  });
  const step = (...ids: readonly string[]) => ({
    role: "assistant" as const,
    parts: [],
    toolCalls: ids.map(call),
    reasoning: [],
  });
  const messages = [
    ...HELLO.messages,
    step("a", "b", "c"),
    result("c"),
    result("a"),
    result("b"),
    step("d", "e"),
    result("e"),
    result("d"),
  ];
  const encoded = vertex.encode({ ...HELLO, messages }, targetOf({ supportedParameters: ["tools"] }));
  if (!encoded.ok) throw new Error(encoded.error);
  expect([...encoded.value.body.matchAll(/"output":"(\w)"/g)].map(([, id]) => id)).toEqual(["a", "b", "c", "d", "e"]);
  expect(encoded.value.body).not.toContain('"id"');
});

/** A token endpoint that checks the assertion and answers `status`. */
function portsOf(status: number, answer: unknown, seen: string[]): AuthorizePorts {
  return {
    clock: () => NOW,
    accessTokens: createAccessTokens(() => NOW),
    waitUntil: () => undefined,
    fetch: async (url, init) => {
      seen.push(url);
      const form = new URLSearchParams(String(init.body));
      expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
      const [header = "", claims = "", signature = ""] = (form.get("assertion") ?? "").split(".");
      const verify = createVerify("RSA-SHA256").update(`${header}.${claims}`);
      expect(verify.verify(publicKey, signature, "base64url")).toBe(true);
      expect(JSON.parse(Buffer.from(header, "base64url").toString())).toEqual({
        alg: "RS256",
        typ: "JWT",
        kid: "kid-1",
      });
      expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toEqual({
        iss: ACCOUNT.client_email,
        scope: "https://www.googleapis.com/auth/cloud-platform",
        aud: "https://oauth2.googleapis.com/token",
        iat: NOW / 1_000,
        exp: NOW / 1_000 + 3_600,
      });
      return Response.json(answer, { status });
    },
  };
}

const REQUEST = { url: "https://x", headers: { accept: "application/json" }, body: "{}" };

test("a service account's token is fetched once, where we say, and sent as a bearer", async () => {
  const seen: string[] = [];
  const ports = portsOf(200, { access_token: "ya29.token", expires_in: 3599, token_type: "Bearer" }, seen);
  for (let turn = 0; turn < 3; turn++) {
    expect(await vertex.authorize?.(REQUEST, targetOf(), ports)).toEqual({
      ok: true,
      value: { accept: "application/json", authorization: "Bearer ya29.token" },
    });
  }
  expect(seen).toEqual(["https://oauth2.googleapis.com/token"]);
});

test("an API key needs no token", () => {
  expect(vertex.authorize?.(REQUEST, targetOf({ credential: "AIzaSyExample" }), portsOf(500, {}, []))).toBeNull();
});

test.each([
  {
    name: "an account that is gone",
    status: 400,
    answer: { error: "invalid_grant", error_description: "Invalid grant: account not found" },
    scope: "credential",
    type: "authentication",
  },
  { name: "too many calls", status: 429, answer: {}, scope: "capacity", type: "rate_limit_exceeded" },
  { name: "an endpoint that is down", status: 503, answer: {}, scope: "endpoint", type: "provider_unavailable" },
  { name: "an answer without a token", status: 200, answer: {}, scope: "endpoint", type: "provider_unavailable" },
])("$name is a failure of the attempt", async ({ status, answer, scope, type }) => {
  const failed = await vertex.authorize?.(REQUEST, targetOf(), portsOf(status, answer, []));
  expect(failed).toMatchObject({ ok: false, error: { scope, errorType: type } });
});

test("a key that cannot be read and an endpoint that cannot be reached are told apart, and no key is repeated", async () => {
  const unreadable = targetOf({
    credential: JSON.stringify({ ...ACCOUNT, private_key: "-----BEGIN PRIVATE KEY-----\nAAAA" }),
  });
  const ports = portsOf(200, {}, []);
  const first = await vertex.authorize?.(REQUEST, unreadable, ports);
  expect(first).toMatchObject({ ok: false, error: { scope: "credential" } });
  const refusing = { ...ports, fetch: () => Promise.reject(new Error(PEM)) };
  const second = await vertex.authorize?.(REQUEST, targetOf(), refusing);
  expect(second).toMatchObject({ ok: false, error: { scope: "endpoint" } });
  expect(JSON.stringify([first, second])).not.toContain("PRIVATE KEY");
});

test("an operator's own server in Google's place gives the tokens itself", () => {
  expect(tokenUrlOf("http://127.0.0.1:4010/v1")).toBe("http://127.0.0.1:4010/token");
  expect(tokenUrlOf("https://aiplatform.googleapis.com/v1")).toBe("https://oauth2.googleapis.com/token");
  expect(tokenUrlOf("https://googleapis.com.evil.example/v1")).toBe("https://googleapis.com.evil.example/token");
});

test.each([
  {
    name: "Google's quota",
    status: 429,
    body: { error: { code: 429, status: "RESOURCE_EXHAUSTED", message: "Resource exhausted" } },
    scope: "capacity",
    type: "rate_limit_exceeded",
  },
  {
    name: "a token that was taken back",
    status: 401,
    body: {
      error: { code: 401, status: "UNAUTHENTICATED", message: "Request had invalid authentication credentials." },
    },
    scope: "credential",
    type: "authentication",
  },
  {
    name: "Anthropic's own words",
    status: 400,
    body: {
      type: "error",
      error: { type: "invalid_request_error", message: "prompt is too long: 250000 tokens > 200000 maximum" },
    },
    scope: "request",
    type: "context_length_exceeded",
  },
  {
    name: "Anthropic's overload",
    status: 529,
    body: { type: "error", error: { type: "overloaded_error", message: "Overloaded" } },
    scope: "endpoint",
    type: "provider_overloaded",
  },
])("$name", ({ status, body, scope, type }) => {
  const failed = { status, headers: new Headers(), body: JSON.stringify(body) };
  expect(vertex.classifyFailure(failed, targetOf({ upstreamModel: "claude-sonnet-4-5" }), NOW)).toMatchObject({
    scope,
    errorType: type,
  });
});
