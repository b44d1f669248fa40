import { expect, test } from "vitest";
import { asProviderId } from "../../../src/core/ids.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { classifyOpenAiFailure, wireErrorOf } from "../../../src/providers/openai-failure.ts";

const target: Target = {
  provider: asProviderId("p"),
  upstreamModel: "m",
  baseUrl: "https://p.example/v1",
  credential: "my-own-credential",
  supportedParameters: [],
  maxCompletionTokens: null,
  quirks: {},
  userHash: null,
};
const classify = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  classifyOpenAiFailure(
    { status, headers: new Headers(headers), body: typeof body === "string" ? body : JSON.stringify(body) },
    target,
    0,
  );
const error = (message: string, code: unknown = null, type = "invalid_request_error") => ({
  error: { message, type, param: null, code },
});

test.each([
  {
    name: "a bad key",
    status: 401,
    body: error("Incorrect API key provided", "invalid_api_key"),
    expected: ["credential", "elsewhere", "authentication"],
  },
  {
    name: "a bad key in a 400",
    status: 400,
    body: { code: "Client specified an invalid argument", error: "Incorrect API key provided: xa***ey." },
    expected: ["credential", "elsewhere", "authentication"],
  },
  {
    name: "no balance",
    status: 402,
    body: error("Insufficient Balance", "invalid_request_error", "unknown_error"),
    expected: ["credential", "elsewhere", "payment_required"],
  },
  {
    name: "a quota that is used up in a 429",
    status: 429,
    body: error("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
    expected: ["credential", "elsewhere", "payment_required"],
  },
  {
    name: "no balance in a 429",
    status: 429,
    body: { error: { code: "1113", message: "Your account is in arrears" } },
    expected: ["credential", "elsewhere", "payment_required"],
  },
  {
    name: "no credits in a 403",
    status: 403,
    body: {
      code: "x",
      error: "Your team has either used all available credits or reached its monthly spending limit.",
    },
    expected: ["credential", "elsewhere", "payment_required"],
  },
  {
    name: "a rate limit",
    status: 429,
    body: error("Rate limit reached for requests", "rate_limit_exceeded", "requests"),
    expected: ["capacity", "elsewhere", "rate_limit_exceeded"],
  },
  {
    name: "an overloaded engine in a 429",
    status: 429,
    body: error("The engine is currently overloaded", null, "engine_overloaded_error"),
    expected: ["endpoint", "elsewhere", "provider_overloaded"],
  },
  {
    name: "a request above the tokens per minute",
    status: 413,
    body: error("Request too large for model on tokens per minute", "rate_limit_exceeded", "tokens"),
    expected: ["request", "elsewhere", "token_limit_exceeded"],
  },
  {
    name: "a permission",
    status: 403,
    body: error("You have no access", null, "permission_error"),
    expected: ["credential", "elsewhere", "permission_denied"],
  },
  {
    name: "moderation in a 403",
    status: 403,
    body: error("Your prompt was flagged by our moderation", null, "permission_error"),
    expected: ["request", "elsewhere", "content_policy_violation"],
  },
  {
    name: "an account that was closed for violating the terms",
    status: 403,
    body: error("Your account was suspended for violating our terms"),
    expected: ["credential", "elsewhere", "permission_denied"],
  },
  {
    name: "a content policy by code",
    status: 400,
    body: error("Rejected", "content_policy_violation"),
    expected: ["request", "elsewhere", "content_policy_violation"],
  },
  {
    name: "inspection of data",
    status: 400,
    body: { error: { code: "data_inspection_failed", message: "Input data may contain inappropriate content." } },
    expected: ["request", "elsewhere", "content_policy_violation"],
  },
  {
    name: "a context that is too long by code",
    status: 400,
    body: error("Too long", "context_length_exceeded"),
    expected: ["request", "elsewhere", "context_length_exceeded"],
  },
  {
    name: "a context that is too long in words",
    status: 400,
    body: {
      object: "error",
      message: "This model's maximum context length is 8192 tokens.",
      type: "BadRequestError",
      code: 400,
    },
    expected: ["request", "elsewhere", "context_length_exceeded"],
  },
  {
    name: "a parameter that is called safety_identifier",
    status: 400,
    body: error("Unknown parameter: 'safety_identifier'", "unknown_parameter"),
    expected: ["request", "never", "invalid_request"],
  },
  {
    name: "a bad request",
    status: 400,
    body: error('The "function.arguments" parameter must be in JSON format.', "invalid_parameter_error"),
    expected: ["request", "never", "invalid_request"],
  },
  {
    name: "a list of faults",
    status: 422,
    body: { detail: [{ loc: ["body", "user"], msg: "Extra inputs are not permitted" }] },
    expected: ["request", "never", "unprocessable"],
  },
  {
    name: "an unknown model",
    status: 404,
    body: error("The model `m` does not exist", "model_not_found"),
    expected: ["endpoint", "elsewhere", "not_found"],
  },
  {
    name: "a retired model in a 400",
    status: 400,
    body: error("The model `m` has been decommissioned", "model_decommissioned"),
    expected: ["endpoint", "elsewhere", "not_found"],
  },
  {
    name: "a server error",
    status: 500,
    body: error("Oops", null, "server_error"),
    expected: ["endpoint", "elsewhere", "provider_unavailable"],
  },
  {
    name: "an overloaded server",
    status: 503,
    body: error("Overloaded", null, "server_error"),
    expected: ["endpoint", "elsewhere", "provider_overloaded"],
  },
])("$name is decided as $expected", ({ status, body, expected }) => {
  const { scope, retry, errorType } = classify(status, body);
  expect([scope, retry, errorType]).toEqual(expected);
});

test.each([
  { name: "an empty body", status: 502, body: "", message: "The provider answered 502 without a body.", raw: null },
  {
    name: "a page",
    status: 502,
    body: "<html>Bad gateway</html>",
    message: "The provider answered 502 with a body that cannot be read.",
    raw: "<html>Bad gateway</html>",
  },
  {
    name: "JSON without a message",
    status: 500,
    body: '{"error":{}}',
    message: "The provider answered 500.",
    raw: '{"error":{}}',
  },
  {
    name: "JSON that speaks of no error",
    status: 500,
    body: "[1]",
    message: "The provider answered 500 with a body that cannot be read.",
    raw: "[1]",
  },
])("$name has its own sentence", ({ status, body, message, raw }) => {
  expect(classify(status, body)).toMatchObject({ message, raw, status, scope: "endpoint" });
});

test("a 429 closes for exactly as long as it says, a 400 for no time", () => {
  expect(classify(429, error("Slow down"), { "retry-after": "7" }).retryAfterMs).toBe(7_000);
  expect(classify(429, error("Slow down")).retryAfterMs).toBeNull();
  expect(classify(503, error("Busy"), { "retry-after": "1" }).retryAfterMs).toBe(1_000);
  expect(classify(400, error("Bad"), { "x-ratelimit-reset-requests": "1s" }).retryAfterMs).toBeNull();
});

test("a credential that the provider repeats is in no field", () => {
  const failure = classify(401, error("Key my-own-credential is bad", "my-own-credential"));
  expect(failure.providerCode).toBe("***");
  expect(JSON.stringify(failure)).not.toContain("my-own-credential");
});

test.each([
  { body: { error: { message: "a", code: 429 } }, expected: { message: "a", code: "429", httpStatus: 429 } },
  { body: { error: "b", code: "x" }, expected: { message: "b", code: "x" } },
  {
    body: [{ error: { message: "c", status: "RESOURCE_EXHAUSTED", code: 429 } }],
    expected: { message: "c", type: "RESOURCE_EXHAUSTED", httpStatus: 429 },
  },
  { body: { code: "InvalidApiKey", message: "d", request_id: "1" }, expected: { message: "d", code: "InvalidApiKey" } },
  { body: { detail: "e" }, expected: { message: "e" } },
])("the error in $body is found", ({ body, expected }) => {
  expect(wireErrorOf(body)).toMatchObject(expected);
});

test.each([[{}], [{ choices: [], message: "x" }], [null], ["x"], [{ error: null, choices: [] }]])(
  "%j is no error",
  (body) => {
    expect(wireErrorOf(body)).toBeUndefined();
  },
);
