/**
 * A client of Waypost's own API for the tools of the house: what goes out and comes back over HTTP, as values.
 * Limit: REQUEST_MS per call.
 */
import { parseJson } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";

const REQUEST_MS = 60_000;

export interface AdminApi {
  /** @returns the parsed body of a 2xx answer, else a sentence with the status and the server's message. */
  call(method: string, path: string, body?: unknown): Promise<Result<unknown, string>>;
}

/** A client for the server at `url` (no path), authorised by `bearer`. */
export function createAdminApi(url: string, bearer: string): AdminApi {
  return {
    async call(method, path, body) {
      try {
        const response = await fetch(`${url}/api/v1${path}`, {
          method,
          headers: {
            authorization: `Bearer ${bearer}`,
            ...(body === undefined ? {} : { "content-type": "application/json" }),
          },
          ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
          signal: AbortSignal.timeout(REQUEST_MS),
        });
        const text = await response.text();
        if (response.ok) return ok(parseJson(text));
        return err(`${method} ${path} was answered with ${response.status}: ${text.slice(0, 2_000)}`);
      } catch (error) {
        return err(`${method} ${url}/api/v1${path} failed: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  };
}

/** Waits until the server answers its readiness probe. @returns false when it has not within `waitMs`. */
export async function waitUntilReady(url: string, waitMs: number): Promise<boolean> {
  const endMs = Date.now() + waitMs;
  while (Date.now() < endMs) {
    try {
      const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(5_000) });
      await response.arrayBuffer();
      if (response.ok) return true;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}
