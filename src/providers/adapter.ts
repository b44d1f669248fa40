/**
 * The port that every wire format of an upstream fills.
 * Pure: an adapter builds the request and reads the answer; it neither fetches nor knows the time. `encode` gets the
 * endpoint's capabilities and says what it could not express; decoders are synchronous state machines, equal for every
 * cut of the bytes; `classifyFailure` is the only place that knows what an upstream's error means. Formats whose
 * requests are signed have `authorize` for that: the one step that may wait.
 */
import type { WholeSegment } from "../core/attachments.ts";
import type { Clock, EpochMs } from "../core/clock.ts";
import type { ChatRequest } from "../core/chat.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { GenerationEvent } from "../core/event.ts";
import type { ProviderId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { Result } from "../core/result.ts";
import type { SseFrame } from "../core/sse.ts";
import type { TaskKind } from "../core/task.ts";
import type { AccessTokens } from "./access-tokens.ts";

/** Where one attempt goes, and what may be said there. */
export interface Target {
  readonly provider: ProviderId;
  /** The model's name at the provider. */
  readonly upstreamModel: string;
  /** Without a slash at the end; already the region's own, if it has one. */
  readonly baseUrl: string;
  /** The catalog's name of the place it runs in; absent: not known. */
  readonly region?: string | undefined;
  readonly credential: string;
  /** Names from `supported_parameters` that this endpoint takes. */
  readonly supportedParameters: readonly string[];
  /** Tokens; null when the catalog does not know. */
  readonly maxCompletionTokens: number | null;
  /** Declared deviations of the provider from its family; each adapter reads its own (see its QuirksSchema). */
  readonly quirks: JsonObject;
  /** Hash of the tenant's end-user id, for abuse reports; null when the client gave none. */
  readonly userHash: string | null;
}

/** A request ready to be sent. `warnings`: one sentence per thing that this endpoint cannot take and that was left out. */
export interface EncodedRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly warnings: readonly string[];
}

/** How a streamed answer is cut into frames: server-sent events, or the binary messages of core/event-stream.ts. */
export type Framing = "sse" | "event-stream";

/** A request as it goes out, its large media in place again. */
export interface OutgoingRequest extends Pick<EncodedRequest, "url" | "headers"> {
  /** Null while media are still arriving, where the format does not sign them. */
  readonly body: string | readonly WholeSegment[] | null;
}

/** What signing needs of the world. */
export interface AuthorizePorts {
  readonly clock: Clock;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly accessTokens: AccessTokens;
  /** Keeps the platform from dropping `work` when the client leaves. */
  readonly waitUntil: (work: Promise<unknown>) => void;
}

export type Authorized = Result<Readonly<Record<string, string>>, UpstreamFailure>;

/** Reads one stream. */
export interface StreamDecoder {
  feed(frame: SseFrame): GenerationEvent[];
  /**
   * Takes whole frames off `text` at `from`, into `out`, as long as it knows them by their looks: what `feed` would give, but
   * deltas in one event. @returns where the next frame begins. Absent: it knows none.
   */
  run?(text: string, from: number, out: GenerationEvent[]): number;
  /** True once the upstream has said that nothing follows, so that nobody waits for a body that is never closed. */
  isDone?(): boolean;
  /** What the end of the body means: missing finish events, or a failure when the stream was cut. */
  end(): GenerationEvent[];
}

/** An upstream's answer that is not a success. */
export interface FailedResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: string;
}

/** One thing that is wrong in a provider's quirks; the path begins within them. */
export interface QuirkFault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** One more request for an answer. It carries no body. */
export interface FurtherRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer that a provider makes on its own, once it was asked for: where it stands and how it is had or stopped. */
export interface Prediction {
  readonly isOver: boolean;
  /** Answers with its state: what `predictionOf` reads, and, once it is over, `decodeReply`. */
  readonly state: FurtherRequest;
  readonly cancel: FurtherRequest;
  /** Answers with a stream for `createDecoder`; null: it has none, the state alone says what came of it. */
  readonly stream: FurtherRequest | null;
}

/**
 * For formats in which the first answer is not yet the answer. Whoever follows sends nothing but `accept` to another host
 * than the first request's, and asks none but those of `hosts`. The last state of a prediction that was streamed goes to
 * the decoder as a frame of its own, named STATE_FRAME.
 */
export interface Following {
  /** The prediction that an answer tells of; null: it is none, and `decodeReply` says what is wrong. */
  predictionOf(body: unknown, target: Target): Prediction | null;
  /** Further hosts that may be asked; `*.domain` is every host below it. */
  hosts(target: Target): readonly string[];
}

/** The event name of the frame that ends a followed stream: its data is the prediction's last state, as JSON. */
export const STATE_FRAME = "waypost.state";

/** Kinds of media that a client may name by an address. */
export type MediaKind = "image" | "video" | "file";

/** How a task that is no conversation is said in a wire format, and its outcome read. */
export type TaskCodec = Pick<Adapter, "encode" | "decodeReply">;

export interface Adapter {
  readonly name: string;
  /** Absent: server-sent events. */
  readonly framing?: Framing;
  /**
   * Bytes of the largest media that may stand in a request, where the provider does not fetch this http(s) address itself;
   * null when it does. Absent: it fetches all of them.
   */
  inlineBytesMax?(kind: MediaKind, url: string, target: Target): number | null;
  /** The format of `ChatRequest.native` that `encode` takes; absent: none. */
  readonly nativeFormat?: string | undefined;
  /** What is wrong with a provider's quirks, every fault of them; empty when they can be used. */
  quirkFaults(quirks: JsonObject): readonly QuirkFault[];
  /** @returns an error sentence when the request cannot be said in this format at all (another endpoint may). */
  encode(request: ChatRequest, target: Target): Result<EncodedRequest, string>;
  /** `authorize` signs the body: it must be whole before anything of it is sent. */
  readonly signsBody?: boolean;
  /**
   * The headers to send, with what cannot be said before the request is whole: a signature over its bytes, a token that
   * is fetched. Absent, or null: those of `request` are complete. Never rejects; a failure is the attempt's own.
   */
  authorize?(request: OutgoingRequest, target: Target, ports: AuthorizePorts): Promise<Authorized> | null;
  /** Absent: the first answer is the answer. */
  readonly following?: Following;
  /** Earlier calls must come with the reasoning that led to them, though nobody has signed it. Absent: they need not. */
  needsPlainReasoning?(quirks: JsonObject): boolean;
  createDecoder(request: ChatRequest, target: Target): StreamDecoder;
  /** Events of a whole buffered answer (parsed JSON); an error object in a 200 gives one `error` event. */
  decodeReply(body: unknown, request: ChatRequest, target: Target): GenerationEvent[];
  /** For tasks that the format can say; a request that carries one goes by its codec, and by none of the others above. */
  readonly tasks?: Readonly<Partial<Record<TaskKind, TaskCodec>>> | undefined;
  classifyFailure(response: FailedResponse, target: Target, nowMs: EpochMs): UpstreamFailure;
}
