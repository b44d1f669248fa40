/**
 * What happens upstream when the client leaves, or its credit ends, by the provider's policy.
 * `stops`: the provider stops generating and billing when the connection closes, so it is closed at once. `bills_all`: it
 * would bill to the end anyway, so the rest is read for its usage, at most DRAIN_MS_MAX; the platform gives no longer.
 * `bills_surcharge`: it stops, too, and bills something on top of what was generated.
 * A buffered answer is billed whole by every provider, whatever its policy for streams.
 */

export type CancellationPolicy = "stops" | "bills_all" | "bills_surcharge";

/** How long an upstream that bills to the end is listened to after the client has left. */
export const DRAIN_MS_MAX = 25_000;

export interface Cancellation {
  /** The attempt that runs now: its endpoint's policy, and how to abort it. Aborts at once if that is already due. */
  follow(policy: CancellationPolicy, abort: () => void): void;
  /** The client has left. */
  leave(): void;
  /** The client has its last word and is still there: the rest is not for it. */
  cut(): void;
  hasLeft(): boolean;
  /** Is called once when the client leaves; at once if it has. */
  onLeave(work: () => void): void;
  /** Adds to what `end` does. */
  onEnd(work: () => void): void;
  /** The request is over; no timers remain. */
  end(): void;
}

/** The cancellation of one request. */
export function createCancellation(isStreamed: boolean): Cancellation {
  let policy: CancellationPolicy = "stops";
  let abort: (() => void) | null = null;
  let left = false;
  let isOver = false;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const endings: (() => void)[] = [];
  const partings: (() => void)[] = [];

  const stop = (): void => {
    isOver = true;
    abort?.();
  };
  const stopByPolicy = (): void => {
    if (policy === "bills_all") timer ??= setTimeout(stop, DRAIN_MS_MAX);
    else stop();
  };

  return {
    follow(next, abortAttempt) {
      policy = isStreamed ? next : "bills_all";
      abort = abortAttempt;
      if (isOver) abortAttempt();
    },
    leave() {
      if (left) return;
      left = true;
      stopByPolicy();
      for (const parting of partings.splice(0)) parting();
    },
    cut: stopByPolicy,
    onLeave(work) {
      if (left) work();
      else partings.push(work);
    },
    hasLeft: () => left,
    onEnd(work) {
      endings.push(work);
    },
    end() {
      for (const ending of endings.splice(0)) ending();
      if (timer !== null) clearTimeout(timer);
      timer = null;
    },
  };
}
