/**
 * The client's end of a stream: whole frames out, comments through silence, and the news that nobody is listening.
 * A write that is blocked for STALL_MS counts as a disconnect: a client that reads nothing must not hold memory.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { Cancellation } from "./cancellation.ts";

/** How often silence and stalls are looked at. */
const TICK_MS = 5_000;
/** A comment is due within 15 s of silence: at the first tick after this. */
const SILENCE_MS = 9_000;
const STALL_MS = 30_000;

export interface ClientWriter {
  /** Resolves when the client's side has taken it; at once when the client is gone. */
  write(text: string): Promise<void>;
  close(): Promise<void>;
  isGone(): boolean;
}

export interface ClientEnd {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writer: ClientWriter;
  /** It was not handed out: nobody waits for anything. */
  discard(): void;
}

/** One timer serves all that is not urgent. */
export interface ClientTicks {
  /** Every TICK_MS while the stream is open. */
  onTick(): void;
  /** A comment was due, and is on its way. */
  onSilence(): void;
}

/** Stateless. */
const encoder = new TextEncoder();

/** Opens a stream towards the client; tells `cancellation` when it proves gone, and hears from it. */
export function openClient(
  keepAlive: string,
  clock: Clock,
  cancellation: Pick<Cancellation, "leave" | "onLeave">,
  { onTick, onSilence }: ClientTicks,
): ClientEnd {
  const identity = new IdentityTransformStream();
  const writer = identity.writable.getWriter();
  let gone = false;
  let wroteAtMs: EpochMs = clock();
  let blockedSinceMs: EpochMs | null = null;

  const leave = (): void => {
    if (gone) return;
    gone = true;
    clearInterval(ticker);
    // Unblocks a write that waits for a reader; fails if the stream has ended meanwhile, which is as good.
    writer.abort(new Error("the client is gone")).catch(() => {});
    cancellation.leave();
  };
  const put = async (text: string): Promise<void> => {
    if (gone || text === "") return;
    blockedSinceMs ??= clock();
    try {
      await writer.write(encoder.encode(text));
    } catch {
      leave();
    }
    wroteAtMs = clock();
    blockedSinceMs = null;
  };
  const ticker = setInterval(() => {
    onTick();
    const nowMs = clock();
    if (blockedSinceMs !== null) {
      if (nowMs - blockedSinceMs >= STALL_MS) leave();
    } else if (nowMs - wroteAtMs >= SILENCE_MS) {
      void put(keepAlive);
      onSilence();
    }
  }, TICK_MS);
  cancellation.onLeave(leave);

  return {
    readable: identity.readable,
    discard: () => clearInterval(ticker),
    writer: {
      write: put,
      isGone: () => gone,
      async close() {
        clearInterval(ticker);
        if (gone) return;
        try {
          await writer.close();
        } catch {
          leave();
        }
      },
    },
  };
}
