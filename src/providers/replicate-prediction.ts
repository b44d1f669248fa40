/**
 * Where a prediction is asked for, streamed and stopped. State and cancellation are on the API's own paths, made of its
 * id; only the stream's address is the provider's to name, and whoever follows judges it (`stream_hosts`). The client of
 * the provider itself opens streams without a credential, and so does this.
 * Source: https://replicate.com/docs/reference/http (accessed 2026-11-21), replicate-javascript 1.4.0.
 */
import { isObject, stringOf } from "../core/json.ts";
import type { Following, FurtherRequest, Target } from "./adapter.ts";
import { readingReplicateQuirks } from "./replicate-quirks.ts";

const OVER: ReadonlySet<string> = new Set(["succeeded", "failed", "canceled", "aborted"]);
const ID = /^[\w-]{1,64}$/;

export const replicateFollowing: Following = {
  predictionOf(body, target) {
    if (!isObject(body)) return null;
    const id = stringOf(body["id"]) ?? "";
    const status = stringOf(body["status"]);
    if (status === undefined || !ID.test(id)) return null;
    const urls = isObject(body["urls"]) ? body["urls"] : {};
    const stream = stringOf(urls["stream"]);
    return {
      isOver: OVER.has(status),
      state: requestOf("GET", `/predictions/${id}`, target),
      cancel: requestOf("POST", `/predictions/${id}/cancel`, target),
      stream: stream === undefined ? null : { method: "GET", url: stream, headers: { accept: "text/event-stream" } },
    };
  },
  hosts: ({ quirks }) => readingReplicateQuirks(quirks).stream_hosts,
};

function requestOf(method: "GET" | "POST", path: string, { baseUrl, credential }: Target): FurtherRequest {
  const headers = { accept: "application/json", authorization: `Bearer ${credential}` };
  return { method, url: `${baseUrl}${path}`, headers };
}
