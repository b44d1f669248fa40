/** What the parts of the spine hand to each other: the input, the job made of it, and how a refusal is said. */
import type { ErrorFace, Dialect, ParsedBody } from "../dialects/dialect.ts";
import type { Attachments } from "../core/attachments.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { RouterError, UpstreamFailure } from "../core/error.ts";
import type { Home } from "../core/ids.ts";
import type { WideEvent } from "../insight/wide-event.ts";
import type { Cancellation } from "./cancellation.ts";
import { explainRoute } from "./explain.ts";
import type { Place } from "./geography.ts";
import type { Route } from "./route.ts";
import type { PlanRun } from "./run-plan.ts";
import type { Asker } from "./settlement.ts";
import type { StepTerms } from "./steps.ts";

/** Whether earlier calls came with reasoning that is signed or encrypted, and with any at all. */
export interface Returned {
  readonly hasSigned: boolean;
  readonly hasAny: boolean;
}

export interface GenerateInput {
  readonly dialect: Dialect;
  readonly parsed: ParsedBody;
  /** Media that was cut out of the body before it was parsed; null or absent for nearly all. */
  readonly attachments?: Attachments | null | undefined;
  readonly asker: Asker;
  readonly home: Home;
  readonly place: Place | null;
  /** Hash of account and end-user id. */
  readonly userHash: string | null;
  readonly wantsMetadata: boolean;
  /** Refuse with 402 instead of cutting the output to what is affordable. */
  readonly refusesClamp: boolean;
  /** Fires when the client leaves. */
  readonly signal: AbortSignal;
  readonly wide: WideEvent;
  /** What the client itself has sent back of reasoning; absent: as the request shows. */
  readonly returned?: Returned | undefined;
  /** Takes a copy of the answer; null for nearly all. */
  readonly copy?: AnswerCopy | null | undefined;
  /** The rim's wording of errors that happen after the first byte. */
  readonly faceOf: (error: RouterError) => ErrorFace;
  readonly faceOfFailure: (failure: UpstreamFailure, providerName: string) => ErrorFace;
}

/** Takes a copy of an answer while it is delivered. Synchronous; never throws. */
export interface AnswerCopy {
  /** What the client's stream gets, but for what only keeps it open. */
  add(text: string): void;
  /** How it ended; comes before its last bytes. `isCharged`: it cost something, or it is whole. */
  ended(how: { readonly isCharged: boolean; readonly hasLeft: boolean }): void;
  /** The stream has ended: nothing more is added. */
  close(): void;
  /** The request wants nothing kept. */
  withhold(): void;
}

export type Generated =
  | { readonly kind: "refused"; readonly error: RouterError; readonly metadata: JsonObject | null }
  | { readonly kind: "reply"; readonly body: Json; readonly headers: Readonly<Record<string, string>> }
  | {
      readonly kind: "stream";
      readonly body: ReadableStream<Uint8Array>;
      readonly headers: Readonly<Record<string, string>>;
      /** What goes on behind the headers, to the settlement; `generate` sees to it that it may. */
      readonly served: Promise<void>;
    };

/** What the two ways of serving share. */
export interface Job {
  readonly input: GenerateInput;
  readonly route: Route;
  readonly cancellation: Cancellation;
  /** Warnings and the clamp, as headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** What began before the admission (overlap.ts); null: nothing. */
  readonly running: Promise<PlanRun> | null;
  /** Whether what is held for it is kept alive: not once it has ended, or the admission would not have it. */
  readonly hold: { isKept: boolean };
  /** How a stream holds in steps; null: all that it may cost is held. */
  readonly steps: StepTerms | null;
}

/** The route explanation for a client that asked for it; null for one that did not. */
export function explain(
  input: GenerateInput,
  route: Route,
  attempts: Parameters<typeof explainRoute>[0]["attempts"] = [],
): JsonObject | null {
  if (!input.wantsMetadata) return null;
  const requested = input.parsed.models[0] ?? "";
  return explainRoute({ plan: route.plan, attempts, requested, place: input.place, choice: route.choice });
}

/** A refusal as the rim expects it. */
export function refused(error: RouterError, metadata: JsonObject | null = null): Generated {
  return { kind: "refused", error, metadata };
}
