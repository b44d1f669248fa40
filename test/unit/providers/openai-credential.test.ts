/** Credentials whose parts stand in the address: where they go, and what never gets there. */
import { expect, test } from "vitest";
import { openAiCompatible } from "../../../src/providers/openai-compatible.ts";
import { DEFAULT_TARGET, HELLO } from "../../contract/providers/cases.ts";

const KEY = "test-credential-0123456789";

function sent(baseUrl: string, credential: string, parts: readonly string[]): string {
  const target = { ...DEFAULT_TARGET, baseUrl, credential, quirks: { credential_parts: parts } };
  const encoded = openAiCompatible.encode(HELLO, target);
  return encoded.ok ? `${encoded.value.headers["authorization"]} at ${encoded.value.url}` : encoded.error;
}

const IN_PATH = "https://api.example/accounts/{account}/v1";
const IN_HOST = "https://{resource}.provider.example/v1";
const MUST = (name: string): string => `The credential of this provider must be ${name}:secret.`;

test.each([
  {
    name: "a part in the path",
    base: IN_PATH,
    credential: `a1:${KEY}`,
    parts: ["account"],
    says: `Bearer ${KEY} at https://api.example/accounts/a1/v1/chat/completions`,
  },
  {
    name: "a part in the host",
    base: IN_HOST,
    credential: `my-res:${KEY}`,
    parts: ["resource"],
    says: `Bearer ${KEY} at https://my-res.provider.example/v1/chat/completions`,
  },
  {
    name: "a secret with colons",
    base: IN_PATH,
    credential: `a1:x:${KEY}`,
    parts: ["account"],
    says: `Bearer x:${KEY} at https://api.example/accounts/a1/v1/chat/completions`,
  },
  {
    name: "an address of the operator's own, and a bare secret",
    base: "http://127.0.0.1:4010/v1",
    credential: KEY,
    parts: ["account"],
    says: `Bearer ${KEY} at http://127.0.0.1:4010/v1/chat/completions`,
  },
  {
    name: "an address of the operator's own, and a part that it needs not",
    base: "http://127.0.0.1:4010/v1",
    credential: `a1:${KEY}`,
    parts: ["account"],
    says: `Bearer ${KEY} at http://127.0.0.1:4010/v1/chat/completions`,
  },
  { name: "no part", base: IN_PATH, credential: KEY, parts: ["account"], says: MUST("account") },
  { name: "no secret", base: IN_PATH, credential: "a1:", parts: ["account"], says: MUST("account") },
  {
    name: "a part that leaves its label",
    base: IN_HOST,
    credential: `evil.example/x:${KEY}`,
    parts: ["resource"],
    says: MUST("resource"),
  },
  {
    name: "a part that is a user name",
    base: IN_HOST,
    credential: `a@evil:${KEY}`,
    parts: ["resource"],
    says: MUST("resource"),
  },
  { name: "a part that climbs", base: IN_PATH, credential: `..:${KEY}`, parts: ["account"], says: MUST("account") },
  {
    name: "no quirk",
    base: "https://api.example/v1",
    credential: `a1:${KEY}`,
    parts: [],
    says: `Bearer a1:${KEY} at https://api.example/v1/chat/completions`,
  },
])("$name", ({ base, credential, parts, says }) => {
  expect(sent(base, credential, parts)).toBe(says);
});

test("the bare secret is blotted out of errors, as is the whole", () => {
  const target = {
    ...DEFAULT_TARGET,
    baseUrl: IN_PATH,
    credential: `a1:${KEY}`,
    quirks: { credential_parts: ["account"] },
  };
  const body = JSON.stringify({ success: false, errors: [{ code: 10000, message: `Authentication error: ${KEY}` }] });
  const failure = openAiCompatible.classifyFailure({ status: 401, headers: new Headers(), body }, target, 0);
  expect(failure).toMatchObject({ scope: "credential", errorType: "authentication", providerCode: "10000" });
  expect(JSON.stringify(failure)).not.toContain(KEY);
});

test.each([
  {
    status: 429,
    message: "you have used up your daily free allocation of 10,000 neurons",
    errorType: "payment_required",
  },
  { status: 429, message: "Capacity temporarily exceeded", errorType: "rate_limit_exceeded" },
  {
    status: 400,
    message: "The estimated number of input tokens exceeded this model context window limit",
    errorType: "context_length_exceeded",
  },
])("an envelope of errors: $message", ({ status, message, errorType }) => {
  const body = JSON.stringify({ result: null, success: false, errors: [{ code: 5021, message }] });
  const failed = { status, headers: new Headers(), body };
  expect(openAiCompatible.classifyFailure(failed, DEFAULT_TARGET, 0)).toMatchObject({ message, errorType });
});
