import { expect, test } from "vitest";
import {
  cutFailure,
  durationMsOf,
  failureOf,
  malformedFailure,
  redact,
  RETRY_AFTER_MS_MAX,
  retryAfterMsOf,
  verdictOfStatus,
} from "../../../src/providers/failure.ts";

const NOW_MS = Date.parse("2026-11-21T10:00:00Z");
const facts = { message: "No.", providerCode: null, raw: null, retryAfterMs: null, credential: "my-own-credential" };

test.each([
  { name: "whole seconds", headers: { "retry-after": "2" }, expected: 2_000 },
  { name: "a part of a second", headers: { "retry-after": "0.25" }, expected: 250 },
  { name: "zero", headers: { "retry-after": "0" }, expected: 0 },
  { name: "an HTTP-date", headers: { "retry-after": "Sat, 21 Nov 2026 10:01:30 GMT" }, expected: 90_000 },
  { name: "a date that has passed", headers: { "retry-after": "Sat, 21 Nov 2026 09:00:00 GMT" }, expected: 0 },
  { name: "milliseconds before seconds", headers: { "retry-after-ms": "1500", "retry-after": "2" }, expected: 1_500 },
  { name: "a reset as a duration", headers: { "x-ratelimit-reset-requests": "6m0s" }, expected: 360_000 },
  { name: "a reset in epoch seconds", headers: { "x-ratelimit-reset": String(NOW_MS / 1000 + 5) }, expected: 5_000 },
  { name: "a reset in epoch milliseconds", headers: { "x-ratelimit-reset": String(NOW_MS + 1_234) }, expected: 1_234 },
  {
    name: "the reset of the limit that is used up",
    headers: {
      "x-ratelimit-reset-requests": "2m59.5s",
      "x-ratelimit-remaining-requests": "14000",
      "x-ratelimit-reset-tokens": "7.66s",
      "x-ratelimit-remaining-tokens": "0",
    },
    expected: 7_660,
  },
  {
    name: "the later reset when two limits are used up",
    headers: {
      "x-ratelimit-reset-requests": "1s",
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-tokens": "3s",
      "x-ratelimit-remaining-tokens": "0",
    },
    expected: 3_000,
  },
  {
    name: "the nearest reset when nothing says which limit it was",
    headers: { "x-ratelimit-reset-requests": "1h", "x-ratelimit-reset-tokens": "2s" },
    expected: 2_000,
  },
  {
    name: "an RFC 3339 reset",
    headers: { "anthropic-ratelimit-tokens-reset": "2026-11-21T10:00:12Z" },
    expected: 12_000,
  },
  { name: "never longer than a day", headers: { "retry-after": "99999999" }, expected: RETRY_AFTER_MS_MAX },
  { name: "nothing from a word", headers: { "retry-after": "soon" }, expected: null },
  { name: "nothing from a negative number", headers: { "retry-after": "-5" }, expected: null },
  { name: "nothing when nothing is said", headers: {}, expected: null },
])("the wait is read as $name", ({ headers, expected }) => {
  expect(retryAfterMsOf(new Headers(headers as Record<string, string>), NOW_MS)).toBe(expected);
});

test.each([
  { text: "1s", expected: 1_000 },
  { text: "120ms", expected: 120 },
  { text: "1h2m3.5s", expected: 3_723_500 },
  { text: "500us", expected: 1 },
  { text: "34", expected: null },
  { text: "s", expected: null },
])("the duration $text is $expected ms", ({ text, expected }) => {
  expect(durationMsOf(text)).toBe(expected);
});

test.each([
  { name: "the credential itself", text: "bad key my-own-credential!", expected: "bad key ***!" },
  {
    name: "the credential in JSON and in a URL",
    text: 'a\\"b/c?d and a%22b%2Fc%3Fd',
    credential: 'a"b/c?d',
    expected: "*** and ***",
  },
  { name: "the credential in base64", text: `Basic x ${btoa("my-own-credential")}`, expected: "Basic x ***" },
  {
    name: "a foreign key",
    text: "Incorrect API key provided: sk-proj-abcDEF123456.",
    expected: "Incorrect API key provided: ***",
  },
  { name: "a key that is half masked", text: "key ****************1a2b is wrong", expected: "key *** is wrong" },
  { name: "a bearer header", text: "Authorization: Bearer abc.def-123", expected: "Authorization: Bearer ***" },
  { name: "a Google key", text: "?key=AIzaSyA1234567890abcdefg&x=1", expected: "?key=***&x=1" },
  {
    name: "a long token behind a key-like word",
    text: 'api_key": "0123456789abcdef0123"',
    expected: 'api_key": "***"',
  },
  {
    name: "the operator's organisation",
    text: "in organization org-AbCdEf123456789 on",
    expected: "in organization *** on",
  },
  { name: "a private key", text: "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----", expected: "***" },
])("$name is blotted out", ({ text, credential, expected }) => {
  expect(redact(text, credential ?? "my-own-credential")).toBe(expected);
});

test.each([
  "The model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
  "Unknown parameter: max_completion_tokens",
  "risk-assessment is a bearer of news",
])("an ordinary sentence stays as it is: %s", (text) => {
  expect(redact(text, "my-own-credential")).toBe(text);
});

test("a credential is not left at the end of a text that is cut", () => {
  const text = "x".repeat(64 * 1024 - 5) + "my-own-credential".repeat(3);
  expect(redact(text, "my-own-credential")).toMatch(/^x+$/);
});

test("redaction of a hostile text takes no more than a moment", () => {
  const texts = ["*".repeat(200_000), "key ".repeat(50_000), "a".repeat(200_000), "-----BEGIN AAA-----".repeat(10_000)];
  const startedMs = performance.now();
  for (const text of texts) expect(redact(text, "my-own-credential").length).toBeLessThanOrEqual(64 * 1024 + 8);
  // Quadratic patterns took eleven seconds here; linear ones take milliseconds.
  expect(performance.now() - startedMs).toBeLessThan(1_000);
});

test.each([
  { status: 400, expected: ["request", "never", "invalid_request"] },
  { status: 401, expected: ["credential", "elsewhere", "authentication"] },
  { status: 402, expected: ["credential", "elsewhere", "payment_required"] },
  { status: 403, expected: ["credential", "elsewhere", "permission_denied"] },
  { status: 404, expected: ["endpoint", "elsewhere", "not_found"] },
  { status: 408, expected: ["endpoint", "elsewhere", "timeout"] },
  { status: 409, expected: ["endpoint", "elsewhere", "provider_unavailable"] },
  { status: 413, expected: ["request", "never", "payload_too_large"] },
  { status: 418, expected: ["request", "elsewhere", "unmapped"] },
  { status: 422, expected: ["request", "never", "unprocessable"] },
  { status: 425, expected: ["endpoint", "elsewhere", "provider_unavailable"] },
  { status: 429, expected: ["capacity", "elsewhere", "rate_limit_exceeded"] },
  { status: 500, expected: ["endpoint", "elsewhere", "provider_unavailable"] },
  { status: 503, expected: ["endpoint", "elsewhere", "provider_overloaded"] },
  { status: 504, expected: ["endpoint", "elsewhere", "timeout"] },
  { status: 529, expected: ["endpoint", "elsewhere", "provider_overloaded"] },
  { status: 302, expected: ["endpoint", "elsewhere", "provider_unavailable"] },
  { status: 0, expected: ["endpoint", "elsewhere", "provider_unavailable"] },
])("status $status means $expected", ({ status, expected }) => {
  const { scope, retry, errorType } = verdictOfStatus(status);
  expect([scope, retry, errorType]).toEqual(expected);
});

test("a known error type decides over the status, and a given scope over both", () => {
  const long = failureOf({ ...facts, status: 400, errorType: "context_length_exceeded" });
  expect(long).toMatchObject({ scope: "request", retry: "elsewhere", status: 400 });
  expect(failureOf({ ...facts, status: 400, scope: "endpoint", retry: "elsewhere" })).toMatchObject({
    scope: "endpoint",
    retry: "elsewhere",
  });
});

test("an adapter's table decides over the default one", () => {
  const table = { 418: { scope: "capacity", retry: "elsewhere", errorType: "provider_overloaded" } } as const;
  expect(failureOf({ ...facts, status: 418 }, table).scope).toBe("capacity");
  expect(failureOf({ ...facts, status: 404 }, table).scope).toBe("endpoint");
});

test("message, code and raw text are redacted and cut", () => {
  const secret = "my-own-credential";
  const failure = failureOf({
    ...facts,
    status: 500,
    message: `${secret} ${"m".repeat(900)}`,
    providerCode: secret,
    raw: `${secret}${"😀".repeat(2_000)}`,
  });
  expect(JSON.stringify(failure)).not.toContain(secret);
  expect(failure.message.length).toBe(500);
  expect(failure.raw?.length).toBeLessThanOrEqual(2_000);
  expect(failure.raw?.isWellFormed()).toBe(true);
});

test("a cut and a malformed answer are the endpoint's trouble and may be tried elsewhere", () => {
  for (const failure of [cutFailure(), malformedFailure("it is no JSON object", "<html>", "secret")]) {
    expect(failure).toMatchObject({ scope: "endpoint", retry: "elsewhere", errorType: "provider_unavailable" });
  }
  expect(malformedFailure("it is no JSON object", "<html>", "secret")).toMatchObject({
    message: "The provider's answer is malformed: it is no JSON object.",
    raw: "<html>",
  });
});
