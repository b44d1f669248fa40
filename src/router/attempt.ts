/**
 * One upstream call, up to its first content event or its classified failure. Nothing has been written to the client
 * here, so whatever fails may be tried elsewhere unseen; with the first content event the choice is final.
 * Never rejects.
 */
import type { Segment } from "../core/attachments.ts";
import { isContent, type GenerationEvent } from "../core/event.ts";
import type { Clock } from "../core/clock.ts";
import type { ChatRequest } from "../core/chat.ts";
import type { UpstreamFailure } from "../core/error.ts";
import { parseJson } from "../core/json.ts";
import { completionTokens, type Usage } from "../core/usage.ts";
import type { Adapter, OutgoingRequest, Target } from "../providers/adapter.ts";
import { failureOf, malformedFailure } from "../providers/failure.ts";
import { createDeadlineGuard, timeoutFailure, type DeadlineGuard } from "./deadlines.ts";
import { follow } from "./follow.ts";
import type { RouterPorts } from "./ports.ts";
import { readErrorText, readReplyText } from "./reply-text.ts";
import { splicedBody } from "./spliced-body.ts";
import { createUpstreamStream, streamOf, type StreamedBody, type UpstreamStream } from "./upstream-stream.ts";

export interface Answered {
  readonly kind: "answered";
  /** Events so far; holds the first content, or a complete answer without any. */
  readonly first: readonly GenerationEvent[];
  readonly stream: UpstreamStream;
  readonly guard: DeadlineGuard;
  /** Lets go of the upstream: closes its connection, unless its answer has come to its end. */
  leave(): void;
  readonly sentAtMs: number;
  readonly firstAtMs: number;
}

export interface Failed {
  readonly kind: "failed";
  readonly failure: UpstreamFailure;
}

/** What an attempt sends. */
export interface Outgoing extends Pick<OutgoingRequest, "url" | "headers"> {
  readonly body: string | readonly Segment[];
  /** Why the request itself could not be sent whole; null or absent: it could. */
  readonly fault?: (() => UpstreamFailure | null) | undefined;
}

/** What is known of an attempt, and what goes on beside it. */
export interface Watch {
  /** Its endpoint was measured as faster than anybody reads. */
  readonly isFast: boolean;
  /** Gets what aborts the upstream, at any time, also after the first content. */
  started(abort: () => void): void;
  /** Is called at the start and while the attempt lasts; null: nothing is to be done. */
  readonly beat: (() => void) | null;
}

type AttemptPorts = Pick<RouterPorts, "clock" | "fetch" | "deadlines" | "waitUntil">;

/**
 * Sends `outgoing` and waits for the first content.
 */
export async function attempt(
  adapter: Adapter,
  outgoing: Outgoing,
  request: ChatRequest,
  target: Target,
  watch: Watch,
  ports: AttemptPorts,
): Promise<Answered | Failed> {
  const controller = new AbortController();
  const followed = adapter.following === undefined ? null : follow(adapter.following, request, target, ports);
  const abort = (): void => {
    controller.abort();
    followed?.cancel();
  };
  const sentAtMs = ports.clock();
  const guard = createDeadlineGuard(ports.deadlines, request.stream, ports.clock, abort, watch.beat);
  watch.started(abort);
  watch.beat?.();
  const broken = (): UpstreamFailure => {
    const fault = outgoing.fault?.() ?? null;
    if (fault !== null) return fault;
    const phase = guard.expired();
    return phase === null ? connectionFailure(target.credential) : timeoutFailure(phase);
  };
  const failed = (failure: UpstreamFailure): Failed => {
    guard.end();
    abort();
    return { kind: "failed", failure };
  };

  try {
    const init = {
      method: "POST",
      headers: outgoing.headers,
      body: typeof outgoing.body === "string" ? outgoing.body : splicedBody(outgoing.body),
      redirect: "manual",
      signal: controller.signal,
    } as const;
    const isBegun = (): void => (request.stream ? guard.enter("first_token") : undefined);
    const response = await (followed?.send(outgoing.url, init, isBegun) ?? ports.fetch(outgoing.url, init));
    if (response.status !== 200) {
      const body = await readErrorText(response);
      return failed(
        adapter.classifyFailure({ status: response.status, headers: response.headers, body }, target, ports.clock()),
      );
    }
    if (request.stream) guard.enter("first_token");
    const known = { isFast: watch.isFast, failureOf: broken, last: followed?.last };
    const opened = await openStream(response, adapter, request, target, ports.clock, known);
    const stream = followed?.timed(opened) ?? opened;
    const first: GenerationEvent[] = [];
    for (;;) {
      const events = await stream.next();
      if (events !== null) first.push(...events);
      const error = events?.find((event) => event.type === "error");
      if (error !== undefined && !first.some(isContent)) return failed(error.failure);
      if (first.some(isContent)) break;
      if (events === null) {
        if (isAnswer(first)) break;
        return failed(malformedFailure("it was empty", null, target.credential));
      }
    }
    guard.enter("idle");
    const leave = (): void => letGo(stream, abort, ports);
    return { kind: "answered", first, stream, guard, leave, sentAtMs, firstAtMs: ports.clock() };
  } catch {
    return failed(broken());
  }
}

/** The answer as a stream of events, however it came: some upstreams answer a streamed request with plain JSON. */
async function openStream(
  response: Response,
  adapter: Adapter,
  request: ChatRequest,
  target: Target,
  clock: Clock,
  known: Pick<StreamedBody, "isFast" | "failureOf" | "last">,
): Promise<UpstreamStream> {
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  if (request.stream && !isJson && response.body !== null) {
    const framing = adapter.framing ?? "sse";
    return createUpstreamStream(
      { body: response.body, framing, ...known },
      adapter.createDecoder(request, target),
      clock,
    );
  }
  const text = await readReplyText(response);
  if (text === null) {
    return streamOf([{ type: "error", failure: malformedFailure("it was too large", null, target.credential) }]);
  }
  const body = parseJson(text);
  if (body === undefined) {
    return streamOf([{ type: "error", failure: malformedFailure("it was not JSON", text, target.credential) }]);
  }
  return streamOf(adapter.decodeReply(body, request, target));
}

/** An abort makes an error with its trace, for nobody where the body has ended, or is about to. */
function letGo(stream: UpstreamStream, abort: () => void, { waitUntil }: Pick<AttemptPorts, "waitUntil">): void {
  if (stream.isSpent()) return;
  const lingering = stream.linger();
  if (lingering === null) return abort();
  waitUntil(lingering.then((isSpent) => (isSpent ? undefined : abort())));
}

/** An answer without content is still one when it says why (a length, a filter) or what it used. */
function isAnswer(events: readonly GenerationEvent[]): boolean {
  let used: Usage | null = null;
  let hasReason = false;
  for (const event of events) {
    if (event.type === "usage") used = event.usage;
    if (event.type === "finish") hasReason ||= event.reason === "length" || event.reason === "content_filter";
  }
  return hasReason || (used !== null && completionTokens(used) > 0);
}

/** The connection was refused, reset or cut. The cause's own text stays out: it may hold an address. */
function connectionFailure(credential: string): UpstreamFailure {
  return failureOf({
    status: 0,
    errorType: "provider_unavailable",
    message: "The connection to the provider failed.",
    providerCode: "connection_failed",
    raw: null,
    retryAfterMs: null,
    credential,
  });
}
