/** What a route finds in its context: ports, the request's id and event, and how to answer an error. */
import type { Context } from "hono";
import type { RouterError } from "../core/error.ts";
import type { GenerationId, RequestId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { WideEvent } from "../insight/wide-event.ts";
import type { Place } from "../router/geography.ts";
import type { Deps } from "./deps-port.ts";
import { mannersAt } from "./manners.ts";
import { respondError } from "./respond.ts";

export interface AppEnv {
  Bindings: Cloudflare.Env;
  Variables: {
    deps: Deps;
    requestId: RequestId;
    receivedAtMs: number;
    wide: WideEvent;
    /** Where the client is; null when nothing trustworthy is known. */
    place: Place | null;
    /** The answer goes on behind its headers. */
    isStreaming: boolean;
    /** A generation was served: its end, behind the answer, writes the wide event. */
    endsLater: boolean;
  };
}

/** Variables are read by `get`: hono's `var` copies all of them at each access. */
export type AppContext = Context<AppEnv>;

/** What else an error says of a generation that was routed. */
export interface Routed {
  readonly generationId: GenerationId;
  readonly metadata: JsonObject | null;
}

/** The answer to a failed request, in the dialect of its path; notes its kind in the wide event. */
export function fail(context: AppContext, error: RouterError, routed?: Routed): Response {
  context.get("wide").set({ error: error.kind });
  const requestId = context.get("requestId");
  return respondError(error, { requestId, ...routed }, mannersAt(context.req.path).renderError);
}

/** A JSON answer. */
export function json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
}
