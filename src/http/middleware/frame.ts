/**
 * Around every request: its id, its wide event, CORS, and the last resort for bugs, which are masked for the client and
 * told to the log by their name and place only.
 */
import type { MiddlewareHandler } from "hono";
import { newRequestId } from "../../core/ids.ts";
import { createWideEvent } from "../../insight/wide-event.ts";
import type { AppEnv } from "../context.ts";
import type { Deps } from "../deps-port.ts";
import { placeFactsOf, placeOf } from "../place.ts";
import { allowOrigins, preflight } from "./cors.ts";

type DepsOf = (env: Cloudflare.Env, context: ExecutionContext) => Promise<Deps>;

/** Opens and closes the frame of each request. */
export function frame(depsOf: DepsOf): MiddlewareHandler<AppEnv> {
  return async function openFrame(context, next) {
    if (context.req.method === "OPTIONS") return preflight();
    const deps = await depsOf(context.env, context.executionCtx as ExecutionContext); // hono's type lacks the newest members
    const receivedAtMs = deps.clock();
    const requestId = newRequestId(receivedAtMs, deps.randomBytes);
    const wide = createWideEvent(receivedAtMs, deps.clock, deps.log);
    const facts = deps.settings.trustsPlace ? placeFactsOf(context.req.raw) : {};
    const { colo, country } = facts;
    wide.set({
      request_id: requestId,
      method: context.req.method,
      ...(typeof colo === "string" ? { colo } : {}),
      ...(typeof country === "string" ? { country } : {}),
    });
    context.set("deps", deps);
    context.set("requestId", requestId);
    context.set("receivedAtMs", receivedAtMs);
    context.set("wide", wide);
    context.set("place", placeOf(facts));
    context.set("isStreaming", false);
    context.set("endsLater", false);
    await next();
    allowOrigins(context.res.headers);
    context.res.headers.set("X-Request-Id", requestId);
    wide.set({ route: context.req.routePath, status: context.res.status });
    if (!context.get("endsLater")) wide.emit();
    return undefined;
  };
}
