/**
 * What happens upstream when the client leaves, by the provider's policy.
 * `stops`: the provider stops generating and billing when the connection closes, so it is closed at once. `bills_all`: it
 * would bill to the end anyway, so the rest is read for its usage, at most DRAIN_MS_MAX; the platform gives no longer.
 * A buffered answer is billed whole by every provider, whatever its policy for streams.
 */

export type CancellationPolicy = "stops" | "bills_all";

/** How long an upstream that bills to the end is listened to after the client has left. */
export const DRAIN_MS_MAX = 25_000;

export interface Cancellation {
  /** Aborts the running upstream call. */
  readonly signal: AbortSignal;
  /** The policy of the endpoint that is being tried now. */
  follow(policy: CancellationPolicy): void;
  /** The client has left. */
  leave(): void;
  hasLeft(): boolean;
  /** Adds to what `end` does. */
  onEnd(work: () => void): void;
  /** The request is over; no timers remain. */
  end(): void;
}

/** The cancellation of one request. */
export function createCancellation(isStreamed: boolean): Cancellation {
  const controller = new AbortController();
  let policy: CancellationPolicy = "stops";
  let left = false;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const endings: (() => void)[] = [];

  return {
    signal: controller.signal,
    follow(next) {
      policy = isStreamed ? next : "bills_all";
    },
    leave() {
      if (left) return;
      left = true;
      if (policy === "stops") controller.abort();
      else timer = setTimeout(() => controller.abort(), DRAIN_MS_MAX);
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
