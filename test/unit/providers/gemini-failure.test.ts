import { expect, test } from "vitest";
import { asProviderId } from "../../../src/core/ids.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { gemini } from "../../../src/providers/gemini.ts";

const TARGET: Target = {
  provider: asProviderId("google-ai-studio"),
  upstreamModel: "gemini-2.5-flash",
  baseUrl: "https://generativelanguage.googleapis.com/v1beta",
  credential: "AIzaTest0123456789",
  supportedParameters: [],
  maxCompletionTokens: null,
  quirks: {},
  userHash: null,
};

function classified(code: number, status: string, message: string, details: readonly unknown[] = []) {
  const body = JSON.stringify({ error: { code, status, message, details } });
  return gemini.classifyFailure({ status: code, headers: { get: () => null }, body }, TARGET, 0);
}

test.each([
  {
    code: 400,
    status: "INVALID_ARGUMENT",
    message: "API key not valid. Please pass a valid API key.",
    scope: "credential",
    errorType: "authentication",
  },
  {
    code: 400,
    status: "INVALID_ARGUMENT",
    message: "API key expired. Please renew the API key.",
    scope: "credential",
    errorType: "authentication",
  },
  {
    code: 400,
    status: "INVALID_ARGUMENT",
    message: "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
    scope: "request",
    errorType: "context_length_exceeded",
  },
  {
    code: 400,
    status: "INVALID_ARGUMENT",
    message: "Thinking level MINIMAL is not supported for this model.",
    scope: "request",
    errorType: "invalid_request",
  },
  {
    code: 400,
    status: "INVALID_ARGUMENT",
    message: "Unable to process input image. Please retry",
    scope: "request",
    errorType: "invalid_image",
  },
  {
    code: 400,
    status: "INVALID_ARGUMENT",
    message: "Cannot fetch content from the provided URL.",
    scope: "request",
    errorType: "image_download_failed",
  },
  {
    code: 400,
    status: "FAILED_PRECONDITION",
    message: "User location is not supported for the API use.",
    scope: "endpoint",
    errorType: "permission_denied",
  },
  {
    code: 400,
    status: "FAILED_PRECONDITION",
    message: "Please enable billing on the project.",
    scope: "credential",
    errorType: "payment_required",
  },
  {
    code: 401,
    status: "UNAUTHENTICATED",
    message: "Request had invalid authentication credentials.",
    scope: "credential",
    errorType: "authentication",
  },
  {
    code: 403,
    status: "PERMISSION_DENIED",
    message: "Permission denied.",
    scope: "credential",
    errorType: "permission_denied",
  },
  {
    code: 404,
    status: "NOT_FOUND",
    message: "models/gemini-9 is not found for API version v1beta.",
    scope: "endpoint",
    errorType: "not_found",
  },
  {
    code: 429,
    status: "RESOURCE_EXHAUSTED",
    message: "You exceeded your current quota, please check your plan and billing details.",
    scope: "capacity",
    errorType: "rate_limit_exceeded",
  },
  { code: 500, status: "INTERNAL", message: "An internal error has occurred.", scope: "endpoint", errorType: "server" },
  {
    code: 503,
    status: "UNAVAILABLE",
    message: "The model is overloaded. Please try again later.",
    scope: "endpoint",
    errorType: "provider_overloaded",
  },
  {
    code: 504,
    status: "DEADLINE_EXCEEDED",
    message: "Deadline expired before operation could complete.",
    scope: "endpoint",
    errorType: "timeout",
  },
])("$code $status '$message' is $scope", ({ code, status, message, scope, errorType }) => {
  expect(classified(code, status, message)).toMatchObject({ status: code, scope, errorType, providerCode: status });
});

test("the wait in RetryInfo is honoured", () => {
  const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "34.4s" }];
  expect(classified(429, "RESOURCE_EXHAUSTED", "quota", details).retryAfterMs).toBe(34_400);
});

test.each([
  { reason: "API_KEY_INVALID", errorType: "authentication" },
  { reason: "BILLING_DISABLED", errorType: "payment_required" },
  { reason: "SERVICE_DISABLED", errorType: "permission_denied" },
])("reason $reason is the credential's trouble whatever the words", ({ reason, errorType }) => {
  const details = [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "googleapis.com" }];
  expect(classified(400, "INVALID_ARGUMENT", "Neue Worte.", details)).toMatchObject({ scope: "credential", errorType });
});

test("an error in an array, as streams without alt=sse have it, is read", () => {
  const body = JSON.stringify([{ error: { code: 503, status: "UNAVAILABLE", message: "overloaded" } }]);
  const failure = gemini.classifyFailure({ status: 503, headers: { get: () => null }, body }, TARGET, 0);
  expect(failure).toMatchObject({ errorType: "provider_overloaded", message: "overloaded" });
});

test("the credential never comes back", () => {
  expect(JSON.stringify(classified(400, "INVALID_ARGUMENT", `bad key ${TARGET.credential}`))).not.toContain(
    TARGET.credential,
  );
});
