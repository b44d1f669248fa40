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
    const parts = isStream ? chunksOf(text, fail) : [parsed(text, fail)];
    for (const part of parts) {
      // The file describes a stream by one event of it.
      const verdict = contract.judge(operation, status, mediaType, isStream ? { data: part } : part);
      if (verdict.kind === "valid") tally[isStream ? "chunks" : "bodies"]++;
      else if (verdict.kind === "undescribed") undescribed.add(verdict.what);
      else fail(`${verdict.faults.join("\n         ")}\n         in ${JSON.stringify(part).slice(0, 600)}`);
    }
    return isStream ? parts : parts[0];
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

function chunksOf(text: string, fail: (fault: string) => void): readonly unknown[] {
  const lines = text.split("\n\n").filter((event) => event !== "" && !event.startsWith(":"));
  const chunks = lines.map((event) => event.replace(/^data: /, ""));
  const isDone = chunks.at(-1) === "[DONE]";
  const values = (isDone ? chunks.slice(0, -1) : chunks).map((chunk) => parsed(chunk, fail));
  const last = values.at(-1);
  // A stream that breaks says why and ends there.
  const isBroken = typeof last === "object" && last !== null && "error" in last;
  if (isDone === isBroken) fail(`the stream ends with ${JSON.stringify(chunks.at(-1))}`);
  return values;
}

function parsed(text: string, fail: (fault: string) => void): unknown {
  try {
    return JSON.parse(text);
  } catch {
    fail(`not JSON: ${text.slice(0, 200)}`);
    return undefined;
  }
}
