/**
 * The one place where a `RouterError` becomes a status, a body and headers. The body's shape is the dialect's of the route;
 * where nothing else is spoken `{error: {code, message, metadata: {error_type, ...}, availability?}, openrouter_metadata?}`
 * with `code` = status.
 *
 * | kind | status | error_type |
 * |---|---|---|
 * | bad_request, unknown_model, catalog_refused | 400 | invalid_request, or what the error says |
 * | unauthenticated, insufficient_credit, forbidden | 401, 402, 403 | authentication, payment_required, permission_denied |
 * | not_found, method_not_allowed, conflict | 404, 405, 409 | not_found, invalid_request, conflict |
 * | free_variant_ended | 404 | not_found |
 * | too_large, unprocessable, rate_limited | 413, 422, 429 | payload_too_large, unprocessable, rate_limit_exceeded |
 * | client_gone, internal | 499, 500 | unmapped, server |
 * | overloaded, storage | 503 | provider_overloaded, server |
 * | no_endpoints, upstream | see `error-exhausted.ts` | |
 *
 * 429, and 503 that may be tried again, carry Retry-After (whole seconds, at least 1). A 500 says nothing of its cause.
 * Body, statuses 400-503 and Retry-After:
 * https://openrouter.ai/docs/api/reference/errors-and-debugging (stored copy read 2026-11-21).
 */
import type { LimitSource, RouterError } from "../core/error.ts";
import type { JsonObject } from "../core/json.ts";
import type { ErrorContext, ErrorFace, ErrorRenderer } from "../dialects/dialect.ts";
import { renderOpenAiChatError } from "../dialects/openai-chat-reply.ts";
import { faceOfExhausted, faceOfNoEndpoints, retryAfterOfExhausted } from "./error-exhausted.ts";

/** Seconds to stay away when the ledger or another store cannot be reached. */
const STORAGE_RETRY_S = 1;
/** Seconds until running requests have probably given back some of what they reserved. */
const IN_FLIGHT_RETRY_S = 1;
/** Longest piece of a client's own text that is repeated to it. */
const ECHO_CHARS_MAX = 200;
const FAULTS_MAX = 200;

/** The whole answer to a request that failed before anything was sent. A 500 leaves the route explanation out. */
export function respondError(
  error: RouterError,
  context: Partial<ErrorContext> = {},
  render: ErrorRenderer = renderOpenAiChatError,
): Response {
  const face = faceOf(error);
  const { requestId = null, generationId = null, metadata = null } = context;
  const headers: Record<string, string> = { "Content-Type": "application/json", ...headersOf(error) };
  if (requestId !== null) headers["X-Request-Id"] = requestId;
  if (generationId !== null) headers["X-Generation-Id"] = generationId;
  const body = render(face, { requestId, generationId, metadata: face.status === 500 ? null : metadata });
  return new Response(JSON.stringify(body), { status: face.status, headers });
}

/** Status, message and metadata of an error, in the terms of every dialect. */
export function faceOf(error: RouterError): ErrorFace {
  switch (error.kind) {
    case "bad_request":
      return face(400, error.errorType ?? "invalid_request", error.message, pathOf(error.path));
    case "unprocessable":
      return face(422, "unprocessable", error.message, pathOf(error.path));
    case "too_large":
      return face(413, "payload_too_large", `The body is larger than ${error.limitBytes} bytes`, {
        limit_bytes: error.limitBytes,
      });
    case "overloaded":
      return face(503, "provider_overloaded", error.message, { retry_after_seconds: wholeSeconds(error.retryAfterS) });
    case "unauthenticated":
      return face(401, "authentication", error.message);
    case "forbidden":
      return face(403, "permission_denied", error.message, {
        ...(error.limitSource === undefined ? {} : { limit_source: error.limitSource }),
        ...(error.allowed === undefined ? {} : { allowed_models: error.allowed }),
      });
    case "insufficient_credit":
      return faceOfCredit(error);
    case "rate_limited":
      return face(429, "rate_limit_exceeded", error.message, {
        provider_name: null,
        limit_source: error.limitSource,
        retry_after_seconds: wholeSeconds(error.retryAfterS),
        headers: rateHeaders(error),
        ...remedyOf(error.limitSource),
      });
    case "unknown_model":
      return faceOfUnknownModel(error);
    case "free_variant_ended":
      return faceOfFreeEnded(error);
    case "no_endpoints":
      return faceOfNoEndpoints(error);
    case "not_found":
      return face(404, "not_found", error.message);
    case "method_not_allowed":
      return face(405, "invalid_request", `Method not allowed. Allowed: ${error.allowed.join(", ")}`);
    case "conflict":
      return face(409, "conflict", error.message, {
        ...(error.retryAfterS === undefined ? {} : { retry_after_seconds: wholeSeconds(error.retryAfterS) }),
        ...(error.generationId === undefined ? {} : { generation_id: error.generationId }),
      });
    case "upstream":
      return faceOfExhausted(error);
    case "client_gone":
      return face(499, "unmapped", "The client closed the connection");
    case "catalog_refused":
      return faceOfCatalog(error.faults);
    case "storage":
      // The error's own message is for the log: it may tell of the inside.
      return face(503, "server", "Storage cannot be reached at the moment. Please try again.", {
        retry_after_seconds: STORAGE_RETRY_S,
      });
    case "internal":
      return face(500, "server", "Internal Server Error");
    default:
      return error satisfies never;
  }
}

function face(status: number, errorType: string, message: string, metadata: JsonObject = {}): ErrorFace {
  return { status, message, metadata: { error_type: errorType, ...metadata }, availability: null };
}

function pathOf(path: string | undefined): JsonObject {
  return path === undefined ? {} : { path };
}

function faceOfCredit(error: RouterError & { readonly kind: "insufficient_credit" }): ErrorFace {
  const { affordableTokens: affordable, requestedTokens: requested } = error;
  const counts =
    affordable === null || requested === null
      ? ""
      : "This request requires more credits, or fewer max_tokens. " +
        `You requested up to ${requested} tokens, but can only afford ${affordable}. `;
  return face(402, "payment_required", `${counts}${error.message}`.trim(), {
    limit_source: error.limitSource,
    ...(error.limitSource === "in_flight_budget"
      ? { reason: "in_flight_budget_exhausted", retry_after_seconds: IN_FLIGHT_RETRY_S }
      : {}),
    affordable_tokens: affordable,
    requested_tokens: requested,
    ...remedyOf(error.limitSource),
  });
}

function remedyOf(source: LimitSource): JsonObject {
  switch (source) {
    case "free_tier_daily":
      return { remedy_hint: "Add credits for a higher daily limit, or use a paid model." };
    case "free_tier_per_minute":
      return { remedy_hint: "Slow down, or use a paid model." };
    case "credits":
      return { remedy_hint: "Add credits, or ask for fewer max_tokens." };
    case "key_limit":
      return { remedy_hint: "Raise the key's limit, or wait until it resets." };
    case "in_flight_budget":
    case "key_concurrency":
    case "account_concurrency":
      return { remedy_hint: "Try again when running requests have ended." };
    case "key_requests_per_minute":
    case "key_tokens_per_minute":
      return { remedy_hint: "Slow down, or raise the key's limit." };
    case "account_requests_per_minute":
    case "account_tokens_per_minute":
      return { remedy_hint: "Slow down, or raise the account's limit." };
    case "account_budget":
      return { remedy_hint: "Raise the budget, or wait until it resets." };
    default:
      return source satisfies never;
  }
}

function faceOfUnknownModel(error: RouterError & { readonly kind: "unknown_model" }): ErrorFace {
  const { nearest, reason } = error;
  const model = error.model.slice(0, ECHO_CHARS_MAX);
  const why = reason === undefined ? "" : `: ${reason}`;
  const hint = nearest.length === 0 ? "" : `. Did you mean ${nearest.join(", ")}?`;
  return {
    ...face(400, "invalid_request", `${model} is not a valid model ID${why}${hint}`, { nearest }),
    availability: { code: "model_not_found", retryable: false, requested_models: [model] },
  };
}

function faceOfFreeEnded(error: RouterError & { readonly kind: "free_variant_ended" }): ErrorFace {
  const model = error.model.slice(0, ECHO_CHARS_MAX);
  return {
    ...face(404, "not_found", `${model} is not offered, or no longer. The paid model is ${error.paid}.`),
    availability: {
      code: "free_variant_ended",
      retryable: false,
      requested_models: [model],
      fallback_models: [error.paid],
    },
  };
}

function faceOfCatalog(faults: readonly { readonly path: string; readonly message: string }[]): ErrorFace {
  const first = faults[0];
  const rest = faults.length > 1 ? ` (and ${faults.length - 1} more)` : "";
  const message =
    first === undefined
      ? "The catalog is not valid"
      : `The catalog is not valid: ${first.path}: ${first.message}${rest}`;
  const shown = faults.slice(0, FAULTS_MAX).map(({ path, message: fault }) => ({ path, message: fault }));
  return face(400, "invalid_request", message, { fault_count: faults.length, faults: shown });
}

function rateHeaders(error: RouterError & { readonly kind: "rate_limited" }): Record<string, string> {
  return {
    "X-RateLimit-Limit": String(error.limit),
    "X-RateLimit-Remaining": String(error.remaining),
    // Epoch milliseconds, as clients of the API expect.
    "X-RateLimit-Reset": String(error.resetMs),
  };
}

function headersOf(error: RouterError): Record<string, string> {
  switch (error.kind) {
    case "rate_limited":
      return { "Retry-After": retryAfter(error.retryAfterS), ...rateHeaders(error) };
    case "overloaded":
      return { "Retry-After": retryAfter(error.retryAfterS) };
    case "storage":
      return { "Retry-After": retryAfter(STORAGE_RETRY_S) };
    case "conflict":
      return error.retryAfterS === undefined ? {} : { "Retry-After": retryAfter(error.retryAfterS) };
    case "insufficient_credit":
      return error.limitSource === "in_flight_budget" ? { "Retry-After": retryAfter(IN_FLIGHT_RETRY_S) } : {};
    case "method_not_allowed":
      return { Allow: error.allowed.join(", ") };
    case "unauthenticated":
      return { "WWW-Authenticate": "Bearer" };
    case "no_endpoints":
    case "upstream": {
      const seconds = retryAfterOfExhausted(error);
      return seconds === null ? {} : { "Retry-After": retryAfter(seconds) };
    }
    case "bad_request":
    case "unprocessable":
    case "too_large":
    case "forbidden":
    case "unknown_model":
    case "free_variant_ended":
    case "not_found":
    case "client_gone":
    case "catalog_refused":
    case "internal":
      return {};
    default:
      return error satisfies never;
  }
}

function wholeSeconds(seconds: number): number {
  return Math.max(1, Math.ceil(seconds));
}

function retryAfter(seconds: number): string {
  return String(wholeSeconds(seconds));
}
