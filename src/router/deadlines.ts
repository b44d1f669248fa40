/**
 * How long an upstream may take, and the one timer that sees to it.
 * Four limits: to the response's headers, to the first event, between events, and in all. Bytes that make no event do not
 * count as progress, so a drip cannot hold a request open.
 * The same timer beats for whatever else must be done now and then while an upstream is waited for: each timer of the
 * platform costs a request more than its deadline's arithmetic.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { UpstreamFailure } from "../core/error.ts";

export interface Deadlines {
  /** Sent to the headers, streamed. A buffered answer has its headers at its end: `totalMs` holds there. */
  readonly headersMs: number;
  /** Sent to the first event. */
  readonly firstTokenMs: number;
  /** Between two events. */
  readonly idleMs: number;
  /** Sent to the end. */
  readonly totalMs: number;
}

/** Reasoning models think for minutes before the first token; nobody needs half a minute for headers. */
export const DEADLINES: Deadlines = { headersMs: 30_000, firstTokenMs: 120_000, idleMs: 60_000, totalMs: 900_000 };

/** How often a guard beats; a hold, which lives for three of them, is renewed so. */
export const BEAT_MS = 20_000;

export type Phase = "headers" | "first_token" | "idle" | "total";

export interface DeadlineGuard {
  /** Enters the next phase, or starts the idle time anew. */
  enter(phase: "first_token" | "idle"): void;
  /** The upstream is not to blame for what follows: until the next `enter` only the total runs. */
  pause(): void;
  /** The phase whose time ran out, else null. */
  expired(): Phase | null;
  /** No more timers. */
  end(): void;
}

/**
 * Starts in phase `headers` (or, buffered, `total`); calls `expire` once when a limit is passed.
 * @param beat is called each BEAT_MS until the end; null: nothing is to be done.
 */
export function createDeadlineGuard(
  deadlines: Deadlines,
  isStreamed: boolean,
  clock: Clock,
  expire: () => void,
  beat: (() => void) | null = null,
): DeadlineGuard {
  const startedMs: EpochMs = clock();
  const endMs = startedMs + deadlines.totalMs;
  let phase: Phase = isStreamed ? "headers" : "total";
  let atMs = isStreamed ? Math.min(startedMs + deadlines.headersMs, endMs) : endMs;
  let armedMs = Number.POSITIVE_INFINITY;
  let fired: Phase | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;

  // A later deadline leaves the timer as it is (it looks again when it fires): one wake per limit, not one per event.
  const arm = (): void => {
    if (fired !== null || atMs >= armedMs) return;
    const nowMs = clock();
    const lookMs = beat === null ? atMs : Math.min(atMs, nowMs + BEAT_MS);
    if (lookMs >= armedMs) return;
    if (timer !== null) clearTimeout(timer);
    armedMs = lookMs;
    timer = setTimeout(look, Math.max(0, lookMs - nowMs));
  };
  const look = (): void => {
    timer = null;
    armedMs = Number.POSITIVE_INFINITY;
    beat?.();
    if (clock() < atMs) return arm();
    fired = atMs === endMs ? "total" : phase;
    expire();
  };
  arm();

  return {
    enter(next) {
      const limitMs = next === "idle" ? clock() + deadlines.idleMs : startedMs + deadlines.firstTokenMs;
      phase = next;
      atMs = Math.min(limitMs, endMs);
      arm();
    },
    pause() {
      atMs = endMs;
    },
    expired: () => fired,
    end() {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      atMs = Number.POSITIVE_INFINITY;
    },
  };
}

const SENTENCES: Readonly<Record<Phase, string>> = {
  headers: "The provider did not start to answer in time.",
  first_token: "The provider did not send a first token in time.",
  idle: "The provider stopped sending in the middle of its answer.",
  total: "The provider's answer took longer than a generation may.",
};

/** What an expired deadline means: the endpoint's fault, another may be tried. */
export function timeoutFailure(phase: Phase): UpstreamFailure {
  return {
    scope: "endpoint",
    retry: "elsewhere",
    status: 0,
    errorType: "timeout",
    message: SENTENCES[phase],
    providerCode: `deadline_${phase}`,
    raw: null,
    retryAfterMs: null,
  };
}
