/**
 * Cross-origin rules: any origin, no credentials, and what browsers may read and send.
 * Beyond the API we are compatible with, the limit headers are readable too, so that a browser can wait as it should.
 */

const ALLOWED_HEADERS = [
  "Authorization",
  "Content-Type",
  "Accept",
  "X-Api-Key",
  "X-Goog-Api-Key",
  "X-Goog-Api-Client",
  "anthropic-version",
  "anthropic-beta",
  "anthropic-dangerous-direct-browser-access",
  "HTTP-Referer",
  "X-Title",
  "X-OpenRouter-Title",
  "X-OpenRouter-Categories",
  "X-OpenRouter-App-Visibility",
  "X-OpenRouter-Metadata",
  "X-OpenRouter-Experimental-Metadata",
  "X-Session-Id",
  "Idempotency-Key",
  "traceparent",
  "tracestate",
  "b3",
  "X-Stainless-Arch",
  "X-Stainless-Async",
  "X-Stainless-Custom-Poll-Interval",
  "X-Stainless-Helper-Method",
  "X-Stainless-Lang",
  "X-Stainless-OS",
  "X-Stainless-Package-Version",
  "X-Stainless-Poll-Helper",
  "X-Stainless-Retry-Count",
  "X-Stainless-Runtime",
  "X-Stainless-Runtime-Version",
  "X-Stainless-Timeout",
  "X-Waypost-No-Clamp",
].join(", ");

const EXPOSED_HEADERS = [
  "X-Generation-Id",
  "X-Provider-Name",
  "X-Request-Id",
  "request-id",
  "cf-ray",
  "Retry-After",
  "X-RateLimit-Limit",
  "X-RateLimit-Remaining",
  "X-RateLimit-Reset",
  "X-Waypost-Warning",
  "X-Waypost-Max-Tokens",
  "Idempotent-Replayed",
].join(", ");

/** The answer to a preflight request. */
export function preflight(): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "Access-Control-Allow-Origin": "*",
      "Access-Control-Allow-Methods": "GET,OPTIONS,PATCH,DELETE,POST,PUT",
      "Access-Control-Allow-Headers": ALLOWED_HEADERS,
    },
  });
}

/** Adds what every answer carries. */
export function allowOrigins(headers: Headers): void {
  headers.set("Access-Control-Allow-Origin", "*");
  headers.set("Access-Control-Expose-Headers", EXPOSED_HEADERS);
}
