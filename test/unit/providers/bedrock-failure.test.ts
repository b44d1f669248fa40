/** What Bedrock's errors mean: by name, by sentence, by status alone; and that no part of a credential is repeated. */
import { expect, test } from "vitest";
import { bedrock } from "../../../src/providers/bedrock.ts";
import { failureOfException } from "../../../src/providers/bedrock-failure.ts";
import { DEFAULT_TARGET } from "../../contract/providers/cases.ts";

const ID = "AKIAIOSFODNN7EXAMPLE";
const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN = "IQoJb3JpZ2luX2VjEXAMPLETOKEN";
const target = { ...DEFAULT_TARGET, credential: `${ID}:${SECRET}:${TOKEN}` };

function classify(status: number, name: string, message: string, headers: Readonly<Record<string, string>> = {}) {
  const all = new Headers({ ...(name === "" ? {} : { "x-amzn-ErrorType": name }), ...headers });
  return bedrock.classifyFailure({ status, headers: all, body: JSON.stringify({ message }) }, target, 0);
}

test.each([
  [400, "ValidationException", "Malformed input request", "request", "never", "invalid_request"],
  [
    400,
    "ValidationException",
    "Input is too long for requested model.",
    "request",
    "elsewhere",
    "context_length_exceeded",
  ],
  [
    400,
    "ValidationException",
    "The model returned the following errors: prompt is too long: 210000 tokens",
    "request",
    "elsewhere",
    "context_length_exceeded",
  ],
  [
    400,
    "ValidationException",
    "The maximum tokens you requested exceeds the model limit of 4096.",
    "request",
    "elsewhere",
    "max_tokens_exceeded",
  ],
  [
    400,
    "ValidationException",
    "Invocation of model ID x with on-demand throughput isn’t supported.",
    "endpoint",
    "elsewhere",
    "not_found",
  ],
  [400, "ValidationException", "The provided model identifier is invalid.", "endpoint", "elsewhere", "not_found"],
  [400, "ValidationException", "Operation not allowed", "credential", "elsewhere", "payment_required"],
  [400, "ServiceQuotaExceededException", "quota", "capacity", "elsewhere", "rate_limit_exceeded"],
  [
    403,
    "AccessDeniedException",
    "You don't have access to the model with the specified model ID.",
    "endpoint",
    "elsewhere",
    "not_found",
  ],
  [
    403,
    "AccessDeniedException",
    "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel",
    "credential",
    "elsewhere",
    "permission_denied",
  ],
  [
    403,
    "UnrecognizedClientException",
    "The security token included in the request is invalid.",
    "credential",
    "elsewhere",
    "authentication",
  ],
  [
    403,
    "ExpiredTokenException:http://internal.amazon.com/coral/",
    "expired",
    "credential",
    "elsewhere",
    "authentication",
  ],
  [403, "InvalidSignatureException", "Signature expired", "credential", "elsewhere", "authentication"],
  [
    404,
    "ResourceNotFoundException",
    "This model version has reached the end of its life.",
    "endpoint",
    "elsewhere",
    "not_found",
  ],
  [408, "ModelTimeoutException", "timeout", "endpoint", "elsewhere", "timeout"],
  [424, "ModelErrorException", "model", "endpoint", "elsewhere", "provider_unavailable"],
  [
    429,
    "ThrottlingException",
    "Too many tokens, please wait before trying again.",
    "capacity",
    "elsewhere",
    "rate_limit_exceeded",
  ],
  [429, "ModelNotReadyException", "not ready", "endpoint", "elsewhere", "provider_overloaded"],
  [500, "InternalServerException", "oops", "endpoint", "elsewhere", "server"],
  [503, "ServiceUnavailableException", "busy", "endpoint", "elsewhere", "provider_overloaded"],
  // A proxy's own answers, and names that are new.
  [429, "ValidationException", "slow down", "capacity", "elsewhere", "rate_limit_exceeded"],
  [502, "", "", "endpoint", "elsewhere", "provider_unavailable"],
  [418, "TeapotException", "short and stout", "request", "elsewhere", "unmapped"],
] as const)("%i %s: %s", (status, name, message, scope, retry, errorType) => {
  expect(classify(status, name, message)).toMatchObject({ status, scope, retry, errorType });
});

test("the wait is the one that is asked for", () => {
  expect(classify(429, "ThrottlingException", "x", { "retry-after": "3" }).retryAfterMs).toBe(3_000);
});

test("no part of a credential is repeated", () => {
  const message = `The Canonical String: ${ID} ${SECRET} ${TOKEN} x-amz-security-token:${TOKEN}`;
  for (const failure of [
    classify(403, "InvalidSignatureException", message),
    failureOfException("validationException", JSON.stringify({ message }), target),
  ]) {
    for (const part of [ID, SECRET, TOKEN]) expect(JSON.stringify(failure)).not.toContain(part);
  }
});

test("an exception that passes on a model's own overload says so", () => {
  const data = JSON.stringify({
    message: "Model Stream Error",
    originalStatusCode: 529,
    originalMessage: "Overloaded",
  });
  expect(failureOfException("modelStreamErrorException", data, target)).toMatchObject({
    status: 424,
    errorType: "provider_overloaded",
    message: "Overloaded",
  });
});
