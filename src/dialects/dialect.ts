/**
 * The port that every dialect fills: what a client says in, what it hears out.
 * A dialect never sees a status, a provider or a binding. Renderers are synchronous state machines: events in,
 * text out, one instance per answer.
 */
import type { ChatRequest } from "../core/chat.ts";
import type { Collected, FinishReason, GenerationEvent } from "../core/event.ts";
import type { RouterError } from "../core/error.ts";
import type { GenerationId, RequestId } from "../core/ids.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { NanoUsd } from "../core/money.ts";
import type { Result } from "../core/result.ts";
import type { Usage } from "../core/usage.ts";
import type { AutoWishes } from "./plugins.ts";

/** A parsed client body: the request, which models it names, and its routing wishes still unread. */
export interface ParsedBody {
  readonly request: ChatRequest;
  /** `model` first, then `models[]`, without repeats; each may carry variants. Empty only where a preset is named. */
  readonly models: readonly string[];
  /** The slug of the account's preset that fills in what the body leaves open; absent: none. */
  readonly preset?: string | undefined;
  /** The `provider` object as given; `router/preferences.ts` reads it. */
  readonly provider: JsonObject | null;
  readonly sessionId: string | null;
  /** The format has every request name a limit of output, so that one beyond reach is a guess and no wish. */
  readonly mustNameLimit?: true;
  /** What `waypost/auto` may choose from; absent: what it finds best. */
  readonly auto?: AutoWishes | undefined;
  /** One sentence per thing that was accepted but will not be honoured. */
  readonly warnings: readonly string[];
  /** What the dialect's own renderers want to see again, e.g. parameters that an answer repeats. */
  readonly echo?: JsonObject | undefined;
  /** False where the format has no word for tools; a preset's are left out. Absent: it has. */
  readonly takesTools?: false | undefined;
}

/** What a request says outside its body. */
export interface Beside {
  /** The model in the path, for dialects that name it there. */
  readonly model?: string | undefined;
  /** Whether the path asks for a stream, for dialects that say so there. */
  readonly stream?: boolean | undefined;
  /** A request header by its name in lower case; null when it was not sent. */
  readonly header: (name: string) => string | null;
}

/** What is known of an answer before its first event. `model` is the concrete model that serves. */
export interface AnswerHead {
  readonly id: GenerationId;
  readonly createdS: number;
  readonly model: string;
  /** Display name. */
  readonly provider: string;
  /** Leave reasoning out of what the client sees. */
  readonly excludeReasoning: boolean;
  /** `ParsedBody.echo`. */
  readonly echo?: JsonObject | undefined;
}

/** What is known at the end. `usage` is exact or, with `isEstimated`, counted by us. */
export interface AnswerTail {
  readonly usage: Usage;
  readonly isEstimated: boolean;
  readonly costNusd: NanoUsd;
  readonly upstreamCostNusd: NanoUsd;
  readonly upstreamPromptCostNusd: NanoUsd;
  readonly upstreamCompletionCostNusd: NanoUsd;
  readonly isByok: boolean;
  /** When it ended, in seconds since 1970. */
  readonly endedS: number;
  /** The route explanation, when the client asked for it. */
  readonly metadata: Json | null;
  /** Why choices ended that have no finish of their own; absent: they stopped. */
  readonly cut?: { readonly reason: FinishReason; readonly nativeReason: string };
}

/** A failure in the client's shape: what `error` holds, and the status it goes with. */
export interface ErrorFace {
  readonly status: number;
  readonly message: string;
  readonly metadata: JsonObject;
  /** Siblings of `error` and of its `code`, e.g. `availability`. */
  readonly availability: JsonObject | null;
}

/** What else is known of a request that failed before anything was sent. */
export interface ErrorContext {
  readonly requestId: RequestId | null;
  /** Null as long as the request was not one that could be routed. */
  readonly generationId: GenerationId | null;
  /** The route explanation, when the client asked for it. */
  readonly metadata: Json | null;
}

/** The body of an error in the client's shape. */
export type ErrorRenderer = (face: ErrorFace, context: ErrorContext) => Json;

export interface StreamRenderer {
  /** Appends what `events` become; "" when they become nothing. */
  render(events: readonly GenerationEvent[]): string;
  /** The last frames of an answer that ended well. */
  end(tail: AnswerTail): string;
  /** The one error event of a stream that broke after its first event; the answer's last bytes. */
  fail(face: ErrorFace, tail: AnswerTail): string;
}

export interface Dialect {
  readonly name: string;
  /** @returns `bad_request` with the path of the first fault, `unprocessable` for well-formed nonsense. */
  parse(body: unknown, beside: Beside): Result<ParsedBody, RouterError>;
  createStreamRenderer(head: AnswerHead): StreamRenderer;
  /** `fault` is the client's view of `answer.failure`; null when there is none. */
  renderReply(head: AnswerHead, answer: Collected, tail: AnswerTail, fault: ErrorFace | null): Json;
  readonly renderError: ErrorRenderer;
  /** The media type of a stream. */
  readonly streamType: string;
  /** What keeps a stream open through silence; never inside an event. */
  readonly keepAlive: string;
  /** A sentence for people that every client of the stream skips; "" where the format has no room for one. */
  comment(sentence: string): string;
}

/** How server-sent events are declared, and how they hold comments. */
export const EVENT_STREAM = {
  streamType: "text/event-stream; charset=utf-8",
  comment: (sentence: string): string => `: ${sentence}\n\n`,
} as const;
