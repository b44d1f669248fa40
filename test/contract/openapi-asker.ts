/** Asks a running server and holds each answer, of a stream each chunk, against the contract. Keeps count of all. */
import type { Server } from "../e2e/serve.ts";
import type { Contract } from "./openapi-contract.ts";

export interface Ask {
  /** As the contract names it, e.g. `GET /keys/{hash}`. */
  readonly operation: string;
  /** What is special about this request, for the report. */
  readonly name: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly key?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON, a string as it is. */
  readonly body?: unknown;
  /** What the answer must have; another one is a failure. */
  readonly status: number;
}

/** What became of one operation. */
export interface Tally {
  bodies: number;
  chunks: number;
  readonly failures: string[];
}

export interface Asker {
  /** @returns the body, or the chunks of a stream. */
  (ask: Ask): Promise<unknown>;
  readonly tallies: ReadonlyMap<string, Tally>;
  /** Answers that the file says nothing of, each once. */
  readonly undescribed: ReadonlySet<string>;
}

export function createAsker(server: Server, contract: Contract): Asker {
  const tallies = new Map<string, Tally>();
  const undescribed = new Set<string>();
  const ask = async (wanted: Ask): Promise<unknown> => {
    const { operation, name, status } = wanted;
    const tally = tallies.get(operation) ?? { bodies: 0, chunks: 0, failures: [] };
    tallies.set(operation, tally);
    const answer = await send(server, wanted);
    const fail = (fault: string) => tally.failures.push(`${name} (${answer.status}): ${fault}`);
    const text = await answer.text();
    if (answer.status !== status) {
      fail(`the status should be ${status}; the body is ${text.slice(0, 300)}`);
      return undefined;
    }
    const mediaType = answer.headers.get("content-type")?.split(";")[0] ?? "";
    const isStream = mediaType === "text/event-stream";
    // The file describes a stream by one event of it.
    const parts: readonly unknown[] = isStream ? eventsOf(text, fail) : [parsed(text, fail)];
    for (const part of parts) {
      const verdict = contract.judge(operation, status, mediaType, part);
      if (verdict.kind === "valid") tally[isStream ? "chunks" : "bodies"]++;
      else if (verdict.kind === "undescribed") undescribed.add(verdict.what);
      else fail(`${verdict.faults.join("\n         ")}\n         in ${JSON.stringify(part).slice(0, 600)}`);
    }
    return isStream ? parts.map((part) => (part as StreamEvent).data) : parts[0];
  };
  return Object.assign(ask, { tallies, undescribed });
}

function send(server: Server, { operation, params, query, key, headers, body }: Ask): Promise<Response> {
  const [method = "", template = ""] = operation.split(" ");
  const path = template.replaceAll(/\{(\w+)\}/g, (_, part: string) => params?.[part] ?? `{${part}}`);
  const search = new URLSearchParams(query).toString();
  return fetch(`${server.apiBase}${path}${search === "" ? "" : `?${search}`}`, {
    method,
    headers: {
      ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
}

interface StreamEvent {
  readonly event?: string;
  readonly data: unknown;
}

/** Named events, where the format names them; without what says that nothing follows. */
function eventsOf(text: string, fail: (fault: string) => void): readonly StreamEvent[] {
  const frames = text.split("\n\n").filter((frame) => frame !== "" && !frame.startsWith(":"));
  const isDone = frames.at(-1) === "data: [DONE]";
  const events = (isDone ? frames.slice(0, -1) : frames).map((frame): StreamEvent => {
    const [, event, data = ""] = /^(?:event: (.*)\n)?data: (.*)$/.exec(frame) ?? [];
    return { ...(event === undefined ? {} : { event }), data: parsed(data, fail) };
  });
  const last = events.at(-1);
  // A stream that breaks says why and ends there; that of the Responses API is done even then.
  const isBroken = typeof last?.data === "object" && last.data !== null && "error" in last.data;
  const isEnded = isDone || last?.event === "message_stop";
  if (isEnded === isBroken) fail(`the stream ends with ${JSON.stringify(frames.at(-1))}`);
  return events;
}

function parsed(text: string, fail: (fault: string) => void): unknown {
  try {
    return JSON.parse(text);
  } catch {
    fail(`not JSON: ${text.slice(0, 200)}`);
    return undefined;
  }
}
