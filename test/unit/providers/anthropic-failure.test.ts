import { expect, test } from "vitest";
import { asProviderId } from "../../../src/core/ids.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { anthropic } from "../../../src/providers/anthropic.ts";

const TARGET: Target = {
  provider: asProviderId("anthropic"),
  upstreamModel: "claude",
  baseUrl: "https://api.anthropic.com/v1",
  credential: "sk-ant-test-0123456789",
  supportedParameters: [],
  maxCompletionTokens: null,
  quirks: {},
  userHash: null,
};

function classified(status: number, type: string | null, message: string, headers: Record<string, string> = {}) {
  const body =
    type === null ? message : JSON.stringify({ type: "error", error: { type, message }, request_id: "req_1" });
  return anthropic.classifyFailure({ status, headers: { get: (name) => headers[name] ?? null }, body }, TARGET, 0);
}

test.each([
  {
    status: 400,
    type: "invalid_request_error",
    message: "messages: at least one message is required",
    scope: "request",
    errorType: "invalid_request",
    retry: "never",
  },
  {
    status: 400,
    type: "invalid_request_error",
    message: "prompt is too long: 205000 tokens > 200000 maximum",
    scope: "request",
    errorType: "context_length_exceeded",
    retry: "elsewhere",
  },
  {
    status: 400,
    type: "invalid_request_error",
    message: "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5",
    scope: "request",
    errorType: "max_tokens_exceeded",
    retry: "elsewhere",
  },
  {
    status: 400,
    type: "invalid_request_error",
    message: "Your credit balance is too low to access the Anthropic API.",
    scope: "credential",
    errorType: "payment_required",
    retry: "elsewhere",
  },
  {
    status: 400,
    type: "invalid_request_error",
    message: "Output blocked by content filtering policy",
    scope: "request",
    errorType: "content_policy_violation",
    retry: "elsewhere",
  },
  {
    status: 400,
    type: "invalid_request_error",
    message: "messages.0.content.0.image.source.base64: image exceeds 5 MB maximum",
    scope: "request",
    errorType: "image_too_large",
    retry: "elsewhere",
  },
  {
    status: 401,
    type: "authentication_error",
    message: "invalid x-api-key",
    scope: "credential",
    errorType: "authentication",
    retry: "elsewhere",
  },
  {
    status: 402,
    type: "billing_error",
    message: "There is an issue with your billing.",
    scope: "credential",
    errorType: "payment_required",
    retry: "elsewhere",
  },
  {
    status: 403,
    type: "permission_error",
    message: "Your API key does not have permission.",
    scope: "credential",
    errorType: "permission_denied",
    retry: "elsewhere",
  },
  {
    status: 404,
    type: "not_found_error",
    message: "model: claude-9",
    scope: "endpoint",
    errorType: "not_found",
    retry: "elsewhere",
  },
  {
    status: 413,
    type: "request_too_large",
    message: "Request exceeds the maximum size",
    scope: "request",
    errorType: "payload_too_large",
    retry: "never",
  },
  {
    status: 429,
    type: "rate_limit_error",
    message: "This request would exceed your rate limit",
    scope: "capacity",
    errorType: "rate_limit_exceeded",
    retry: "elsewhere",
  },
  {
    status: 500,
    type: "api_error",
    message: "Internal server error",
    scope: "endpoint",
    errorType: "server",
    retry: "elsewhere",
  },
  {
    status: 504,
    type: "timeout_error",
    message: "Request timed out",
    scope: "endpoint",
    errorType: "timeout",
    retry: "elsewhere",
  },
  {
    status: 529,
    type: "overloaded_error",
    message: "Overloaded",
    scope: "endpoint",
    errorType: "provider_overloaded",
    retry: "elsewhere",
  },
  {
    status: 502,
    type: null,
    message: "<html>Bad gateway</html>",
    scope: "endpoint",
    errorType: "provider_unavailable",
    retry: "elsewhere",
  },
  {
    status: 429,
    type: "api_error",
    message: "a proxy with words of its own",
    scope: "capacity",
    errorType: "rate_limit_exceeded",
    retry: "elsewhere",
  },
])("$status $type '$message' is $scope", ({ status, type, message, scope, errorType, retry }) => {
  expect(classified(status, type, message)).toMatchObject({ status, scope, errorType, retry, providerCode: type });
});

test("a wait is honoured, and an overload that names one is a matter of capacity", () => {
  expect(classified(429, "rate_limit_error", "slow", { "retry-after": "7" }).retryAfterMs).toBe(7_000);
  expect(classified(529, "overloaded_error", "Overloaded", { "retry-after": "3" })).toMatchObject({
    scope: "capacity",
    retryAfterMs: 3_000,
  });
});

test("the credential never comes back", () => {
  const failure = classified(401, "authentication_error", `invalid x-api-key ${TARGET.credential}`);
  expect(JSON.stringify(failure)).not.toContain(TARGET.credential);
});
