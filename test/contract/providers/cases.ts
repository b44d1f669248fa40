/**
 * The recorded cases of test/fixtures/<provider>/<case>/:
 * - case.json: adapter (default: the folder's name), source and day it was read, and the target of the attempt;
 * - request.json: the chat request in our words; wire.json: what must be sent (url, headers, body, warnings);
 * - reply.sse, reply.jsonl (the messages of a binary event stream, see event-stream.ts) or reply.json: what the provider
 *   answered; events.json: what it means.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ChatRequest } from "../../../src/core/chat.ts";
import type { EpochMs } from "../../../src/core/clock.ts";
import type { GenerationEvent } from "../../../src/core/event.ts";
import { asProviderId } from "../../../src/core/ids.ts";
import { createAccessTokens } from "../../../src/providers/access-tokens.ts";
import type { Adapter, AuthorizePorts, EncodedRequest, Target } from "../../../src/providers/adapter.ts";
import { adapterNamed } from "../../../src/providers/registry.ts";
import { eventStreamOf } from "./event-stream.ts";

export const CREDENTIAL = "test-credential-0123456789";

export interface RecordedCase {
  readonly name: string;
  readonly adapter: Adapter;
  readonly source: string;
  readonly accessed: string;
  readonly target: Target;
  readonly request: ChatRequest;
  readonly wire: Omit<EncodedRequest, "body"> & { readonly body: unknown };
  /** Text of a stream, by lines of messages where its framing is binary; null for a buffered reply. */
  readonly stream: string | null;
  readonly reply: unknown;
  readonly events: readonly GenerationEvent[];
}

const root = path.resolve(import.meta.dirname, "../../fixtures");

/** The least that can be asked. */
export const HELLO: ChatRequest = {
  messages: [{ role: "user", parts: [{ type: "text", text: "Hello" }] }],
  stream: false,
  sampling: {},
  stop: [],
  tools: [],
  extra: {},
};

/** What a case's target says nothing about. */
export const DEFAULT_TARGET: Target = {
  provider: asProviderId("provider"),
  upstreamModel: "model",
  baseUrl: "https://provider.example/v1",
  credential: CREDENTIAL,
  supportedParameters: [],
  maxCompletionTokens: null,
  quirks: {},
  userHash: null,
};

/** All cases whose folder has a case.json. Throws when one is incomplete: a half-made fixture proves nothing. */
export function recordedCases(): readonly RecordedCase[] {
  const folders = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => path.basename(file) === "case.json")
    .map((file) => path.dirname(file));
  return folders.toSorted().map(readCase);
}

function readCase(folder: string): RecordedCase {
  const at = (file: string): string => path.join(root, folder, file);
  // Fixtures are ours: their shape is what the tests prove.
  const read = <T>(file: string): T => JSON.parse(readFileSync(at(file), "utf8")) as T;
  const about = read<{ adapter?: string; source: string; accessed: string; target: Partial<Target> }>("case.json");
  const adapterName = about.adapter ?? folder.split(path.sep)[0] ?? "";
  const adapter = adapterNamed(adapterName);
  if (adapter === undefined) throw new Error(`${folder}: no adapter is called ${adapterName}`);
  const streamFile = adapter.framing === "event-stream" ? "reply.jsonl" : "reply.sse";
  const isStream = existsSync(at(streamFile));
  return {
    name: folder,
    adapter,
    source: about.source,
    accessed: about.accessed,
    target: { ...DEFAULT_TARGET, ...about.target },
    request: read("request.json"),
    wire: read("wire.json"),
    stream: isStream ? readFileSync(at(streamFile), "utf8") : null,
    reply: isStream ? null : read("reply.json"),
    events: read("events.json"),
  };
}

/** The bytes of a case's stream, or of another text in its place. */
export function streamBytes({ adapter }: RecordedCase, text: string): Uint8Array {
  return adapter.framing === "event-stream" ? eventStreamOf(text) : new TextEncoder().encode(text);
}

/** What signing needs at `nowMs`, without a network. */
export function authorizePortsAt(nowMs: EpochMs): AuthorizePorts {
  return {
    clock: () => nowMs,
    accessTokens: createAccessTokens(() => nowMs),
    waitUntil: () => undefined,
    fetch: () => Promise.reject(new Error("not asked")),
  };
}
