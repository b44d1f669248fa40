/** Every kind of error and what a client hears: status, body, headers. */
import { expect, test } from "vitest";
import type {
  Exclusion,
  ExclusionReason,
  FailedAttempt,
  RouterError,
  UpstreamFailure,
} from "../../../src/core/error.ts";
import { asGenerationId, asModelId, asProviderId, asRequestId } from "../../../src/core/ids.ts";
import { faceOfFailure } from "../../../src/http/error-exhausted.ts";
import { respondError } from "../../../src/http/respond.ts";

const failure = (change: Partial<UpstreamFailure>): UpstreamFailure => ({
  scope: "endpoint",
  retry: "elsewhere",
  status: 500,
  errorType: "provider_unavailable",
  message: "The provider failed.",
  providerCode: null,
  raw: null,
  retryAfterMs: null,
  ...change,
});
const DOWN = failure({});
const BUSY = failure({ scope: "capacity", status: 429, errorType: "rate_limit_exceeded", retryAfterMs: 7_200 });
const LATE = failure({ status: 0, errorType: "timeout", message: "No first token within 30 s." });
const GONE = failure({ status: 404, errorType: "not_found" });
const REFUSED = failure({
  scope: "request",
  retry: "never",
  status: 400,
  errorType: "context_length_exceeded",
  message: "The prompt is too long.",
  providerCode: "too_long",
  raw: '{"e":1}',
});
const NO_KEY = failure({
  scope: "credential",
  status: 401,
  errorType: "authentication",
  message: "Bad key",
  raw: "key sk-secret",
});

function attempt(failed: UpstreamFailure, name = "Acme"): FailedAttempt {
  return {
    provider: asProviderId(name.toLowerCase()),
    providerName: name,
    endpoint: name.toLowerCase(),
    failure: failed,
  };
}
const upstream = (...failures: UpstreamFailure[]): RouterError => ({
  kind: "upstream",
  attempts: failures.map((failed, at) => attempt(failed, at === 0 ? "Acme" : `Bolt${at}`)),
  models: ["a/b"],
});
const noEndpoints = (...reasons: ExclusionReason[]): RouterError & { readonly kind: "no_endpoints" } => ({
  kind: "no_endpoints",
  models: ["a/b"],
  retryAfterS: null,
  exclusions: reasons.map((reason, at): Exclusion => {
    return { endpoint: `p${at}`, provider: asProviderId(`p${at}`), reason, detail: `why ${at}` };
  }),
});

const KINDS: readonly {
  readonly name: string;
  readonly error: RouterError;
  readonly status: number;
  readonly type: string;
  readonly body?: object;
  readonly headers?: Record<string, string | null>;
}[] = [
  {
    name: "a bad request names the path",
    error: { kind: "bad_request", message: "temperature must be at most 2", path: "temperature" },
    status: 400,
    type: "invalid_request",
    body: { message: "temperature must be at most 2", metadata: { path: "temperature" } },
  },
  {
    name: "a bad image keeps its own type",
    error: { kind: "bad_request", message: "x", errorType: "invalid_image" },
    status: 400,
    type: "invalid_image",
  },
  {
    name: "well-formed nonsense is 422",
    error: { kind: "unprocessable", message: "x" },
    status: 422,
    type: "unprocessable",
  },
  {
    name: "a body that is too large names the limit",
    error: { kind: "too_large", limitBytes: 26_214_400 },
    status: 413,
    type: "payload_too_large",
    body: { message: "The body is larger than 26214400 bytes" },
  },
  {
    name: "an overloaded isolate says when to come back",
    error: { kind: "overloaded", retryAfterS: 1, message: "Too many bodies in flight" },
    status: 503,
    type: "provider_overloaded",
    headers: { "Retry-After": "1" },
  },
  {
    name: "no key is 401 and says how to authenticate",
    error: { kind: "unauthenticated", message: "Missing Authentication header" },
    status: 401,
    type: "authentication",
    headers: { "WWW-Authenticate": "Bearer" },
  },
  {
    name: "a forbidden route is 403",
    error: { kind: "forbidden", message: "x" },
    status: 403,
    type: "permission_denied",
  },
  {
    name: "too little credit tells the affordable tokens",
    error: {
      kind: "insufficient_credit",
      message: "Add credits to continue.",
      limitSource: "credits",
      affordableTokens: 120,
      requestedTokens: 65_536,
    },
    status: 402,
    type: "payment_required",
    body: {
      message:
        "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 120. Add credits to continue.",
      metadata: { limit_source: "credits", affordable_tokens: 120, requested_tokens: 65_536 },
    },
    headers: { "Retry-After": null },
  },
  {
    name: "an in-flight budget may be tried again",
    error: {
      kind: "insufficient_credit",
      message: "Busy.",
      limitSource: "in_flight_budget",
      affordableTokens: null,
      requestedTokens: null,
    },
    status: 402,
    type: "payment_required",
    body: {
      message: "Busy.",
      metadata: {
        limit_source: "in_flight_budget",
        reason: "in_flight_budget_exhausted",
        retry_after_seconds: 1,
        remedy_hint: "Try again when running requests have ended.",
      },
    },
    headers: { "Retry-After": "1" },
  },
  {
    name: "a limit has its figures in headers and metadata",
    error: {
      kind: "rate_limited",
      message: "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
      limitSource: "free_tier_daily",
      limit: 50,
      remaining: 0,
      resetMs: 1_795_305_600_000,
      retryAfterS: 61.2,
    },
    status: 429,
    type: "rate_limit_exceeded",
    body: {
      message: "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
      metadata: {
        limit_source: "free_tier_daily",
        retry_after_seconds: 62,
        headers: { "X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795305600000" },
      },
    },
    headers: {
      "Retry-After": "62",
      "X-RateLimit-Limit": "50",
      "X-RateLimit-Remaining": "0",
      "X-RateLimit-Reset": "1795305600000",
    },
  },
  {
    name: "an unknown model names the nearest",
    error: { kind: "unknown_model", model: "openai/gpt-5x", nearest: ["openai/gpt-5", "openai/gpt-5-mini"] },
    status: 400,
    type: "invalid_request",
    body: {
      message: "openai/gpt-5x is not a valid model ID. Did you mean openai/gpt-5, openai/gpt-5-mini?",
      metadata: { nearest: ["openai/gpt-5", "openai/gpt-5-mini"] },
      availability: { code: "model_not_found", retryable: false, requested_models: ["openai/gpt-5x"] },
      http_status: 400,
    },
  },
  {
    name: "a wrong variant is told why",
    error: { kind: "unknown_model", model: "a/b:x", nearest: ["a/b"], reason: '":x" is not a variant' },
    status: 400,
    type: "invalid_request",
    body: { message: 'a/b:x is not a valid model ID: ":x" is not a variant. Did you mean a/b?' },
  },
  {
    name: "a free variant that ended names the paid model",
    error: { kind: "free_variant_ended", model: "a/b:free", paid: asModelId("a/b") },
    status: 404,
    type: "not_found",
    body: {
      message: "a/b:free is not offered, or no longer. The paid model is a/b.",
      availability: {
        code: "free_variant_ended",
        retryable: false,
        requested_models: ["a/b:free"],
        fallback_models: ["a/b"],
      },
      error_type: "not_found",
      http_status: 404,
    },
  },
  { name: "nothing there is 404", error: { kind: "not_found", message: "x" }, status: 404, type: "not_found" },
  {
    name: "another method names the allowed ones",
    error: { kind: "method_not_allowed", allowed: ["GET", "POST"] },
    status: 405,
    type: "invalid_request",
    headers: { Allow: "GET, POST" },
  },
  { name: "a conflict is 409", error: { kind: "conflict", message: "x" }, status: 409, type: "conflict" },
  { name: "a client that left is 499", error: { kind: "client_gone" }, status: 499, type: "unmapped" },
  {
    name: "a refused catalog lists its faults",
    error: {
      kind: "catalog_refused",
      faults: [
        { path: "models[0].id", message: "bad" },
        { path: "x", message: "y" },
      ],
    },
    status: 400,
    type: "invalid_request",
    body: {
      message: "The catalog is not valid: models[0].id: bad (and 1 more)",
      metadata: {
        fault_count: 2,
        faults: [
          { path: "models[0].id", message: "bad" },
          { path: "x", message: "y" },
        ],
      },
    },
  },
  {
    name: "a store out of reach does not tell of the inside",
    error: { kind: "storage", message: "D1_ERROR: secret table" },
    status: 503,
    type: "server",
    body: { message: "Storage cannot be reached at the moment. Please try again." },
    headers: { "Retry-After": "1" },
  },
  {
    name: "a bug is masked",
    error: { kind: "internal" },
    status: 500,
    type: "server",
    body: { message: "Internal Server Error" },
  },
];

const EXHAUSTED: typeof KINDS = [
  {
    name: "a single demand that fits nobody names its field",
    error: noEndpoints("max_price", "max_price"),
    status: 404,
    type: "not_found",
    body: {
      message: "No endpoints found for a/b that can take this request. Left out: 2 by max_price.",
      metadata: {
        exclusions: [
          { endpoint: "p0", provider: "p0", reason: "max_price", detail: "why 0" },
          { endpoint: "p1", provider: "p1", reason: "max_price", detail: "why 1" },
        ],
      },
      availability: {
        code: "constraint_filtered",
        retryable: false,
        requested_models: ["a/b"],
        excluded_by: ["max_price"],
        constraint: { field: "provider.max_price", detail: "why 0" },
      },
    },
    headers: { "Retry-After": null },
  },
  {
    name: "data policy alone is a matter of privacy",
    error: noEndpoints("data_policy:zdr", "data_policy:training"),
    status: 404,
    type: "not_found",
    body: { availability: { code: "privacy_restricted", excluded_by: ["data_policy:zdr", "data_policy:training"] } },
  },
  {
    name: "a provider that is switched off is not the client's doing",
    error: noEndpoints("provider_disabled", "max_price"),
    status: 404,
    type: "not_found",
    body: { availability: { code: "no_endpoints", retryable: false } },
  },
  {
    name: "hardware that nobody has is the request's demand",
    error: noEndpoints("hardware"),
    status: 404,
    type: "not_found",
    body: {
      message: "No endpoints found for a/b that can take this request. Left out: 1 by hardware.",
      metadata: { exclusions: [{ endpoint: "p0", provider: "p0", reason: "hardware", detail: "why 0" }] },
      availability: { code: "constraint_filtered" },
    },
  },
  {
    name: "full capacity passes",
    error: { ...noEndpoints("capacity_exhausted", "max_price"), retryAfterS: 8 },
    status: 429,
    type: "rate_limit_exceeded",
    body: {
      message: "Every provider that can serve a/b is at its rate limit.",
      metadata: {
        limit_source: "upstream_provider_shared_pool",
        retry_after_seconds: 8,
        exclusions: [{ reason: "capacity_exhausted" }, { reason: "max_price" }],
      },
      availability: {
        code: "capacity_exhausted",
        retryable: true,
        retry_after: 8,
        affected_providers: ["p0"],
        excluded_by: ["max_price"],
      },
    },
    // They tell of limits of ours.
    headers: { "Retry-After": "8", "X-RateLimit-Limit": null, "X-RateLimit-Remaining": null },
  },
  {
    name: "no endpoint at all",
    error: noEndpoints(),
    status: 404,
    type: "not_found",
    body: { availability: { code: "no_endpoints", excluded_by: [] } },
  },
  {
    name: "a refusal of this very request is passed on",
    error: upstream(DOWN, REFUSED),
    status: 400,
    type: "context_length_exceeded",
    body: {
      message: "The prompt is too long.",
      metadata: {
        provider_name: "Bolt1",
        provider_code: "too_long",
        raw: '{"e":1}',
        previous_errors: [{ provider: "Acme", code: "provider_unavailable", status: 500 }],
      },
    },
    headers: { "Retry-After": null },
  },
  {
    name: "a refusal inside a 200 gets the status of its type",
    error: upstream({ ...REFUSED, status: 200, errorType: "content_policy_violation" }),
    status: 400,
    type: "content_policy_violation",
  },
  {
    name: "all rate-limited is 429 with the shortest wait",
    error: upstream({ ...BUSY, retryAfterMs: 60_000 }, BUSY),
    status: 429,
    type: "rate_limit_exceeded",
    body: {
      availability: { code: "capacity_exhausted", retryable: true, retry_after: 8 },
      metadata: { retry_after_seconds: 8 },
    },
    headers: { "Retry-After": "8" },
  },
  {
    name: "all down is 503",
    error: upstream(DOWN, LATE, DOWN),
    status: 503,
    type: "provider_overloaded",
    body: { availability: { code: "temporarily_unavailable", affected_providers: ["acme", "bolt1", "bolt2"] } },
    headers: { "Retry-After": "2" },
  },
  {
    name: "down and busy is 503",
    error: upstream(DOWN, BUSY),
    status: 503,
    type: "provider_overloaded",
    headers: { "Retry-After": "8" },
  },
  {
    name: "all 404 is 404",
    error: upstream(GONE, GONE),
    status: 404,
    type: "not_found",
    body: { availability: { code: "model_unavailable_upstream", retryable: false } },
    headers: { "Retry-After": null },
  },
  {
    name: "the only attempt failing is 502",
    error: upstream({ ...DOWN, raw: "boom" }),
    status: 502,
    type: "provider_unavailable",
    body: { message: "Provider returned error", metadata: { provider_name: "Acme", raw: "boom", previous_errors: [] } },
    headers: { "Retry-After": null },
  },
  {
    name: "the only attempt timing out is 504",
    error: upstream(LATE),
    status: 504,
    type: "timeout",
    body: { message: LATE.message },
  },
  {
    name: "the only attempt overloaded is 503",
    error: upstream({ ...DOWN, status: 529, errorType: "provider_overloaded" }),
    status: 503,
    type: "provider_overloaded",
  },
  {
    name: "the operator's own 401 is a 502 without its text",
    error: upstream(NO_KEY),
    status: 502,
    type: "provider_unavailable",
    body: { message: "Provider returned error", metadata: { raw: null } },
  },
  {
    name: "a mix with the operator's trouble is 502",
    error: upstream(DOWN, NO_KEY),
    status: 502,
    type: "provider_unavailable",
  },
];

test.each([...KINDS, ...EXHAUSTED])("$name", async ({ error, status, type, body, headers }) => {
  const response = respondError(error, { requestId: asRequestId("req-1") });
  const answer = (await response.json()) as { error: { code: number; metadata: { error_type: string } } };
  expect(response.status).toBe(status);
  expect(answer.error).toMatchObject({ code: status, ...body });
  expect(answer.error.metadata.error_type).toBe(type);
  expect(response.headers.get("Content-Type")).toBe("application/json");
  expect(response.headers.get("X-Request-Id")).toBe("req-1");
  for (const [header, value] of Object.entries(headers ?? {})) expect(response.headers.get(header)).toBe(value);
  expect(JSON.stringify(answer)).not.toMatch(/sk-secret|secret table/);
});

test("the route explanation stands beside the error, and never beside a 500", async () => {
  const metadata = { attempt: 0 };
  expect(await respondError({ kind: "not_found", message: "x" }, { metadata }).json()).toHaveProperty(
    "openrouter_metadata",
    metadata,
  );
  expect(await respondError({ kind: "internal" }, { metadata }).json()).toEqual({
    error: { code: 500, message: "Internal Server Error", metadata: { error_type: "server" } },
  });
});

test("an error of a generation names it in a header", () => {
  const response = respondError({ kind: "internal" }, { generationId: asGenerationId("gen-1") });
  expect(response.headers.get("X-Generation-Id")).toBe("gen-1");
});

test("the body is the dialect's; status and headers are the same in each", async () => {
  const error = { kind: "overloaded", retryAfterS: 2, message: "Later." } as const;
  const usual = respondError(error);
  const response = respondError(error, { metadata: { attempt: 0 } }, ({ status }, context) => ({ status, ...context }));
  expect(response.status).toBe(usual.status);
  expect([...response.headers]).toEqual([...usual.headers]);
  expect(await response.json()).toEqual({ status: 503, requestId: null, generationId: null, metadata: { attempt: 0 } });
});

test.each([
  { name: "a cut stream", given: DOWN, status: 502, type: "provider_unavailable" },
  { name: "a stall", given: LATE, status: 504, type: "timeout" },
  { name: "a limit reached in the middle", given: BUSY, status: 429, type: "rate_limit_exceeded" },
  {
    name: "moderation",
    given: { ...REFUSED, status: 200, errorType: "content_policy_violation" as const },
    status: 400,
    type: "content_policy_violation",
  },
  { name: "the operator's key", given: NO_KEY, status: 502, type: "provider_unavailable" },
])("in the middle of a stream $name is $status", ({ given, status, type }) => {
  const face = faceOfFailure(given, "Acme");
  expect(face).toMatchObject({ status, metadata: { error_type: type, provider_name: "Acme" }, availability: null });
  expect(JSON.stringify(face)).not.toContain("sk-secret");
});
