/**
 * One keep-alive connection of the load generator: one request at a time, its whole answer out. Reads land in one
 * buffer shared by all connections (Node calls back synchronously), so that reading costs no allocation.
 */
import net from "node:net";
import { append, bodyStart, createAccumulator, readMessage, type Accumulator, type Message } from "./http-bytes.ts";
import { monotonicUs } from "./answers.ts";

export interface Answer {
  readonly message: Message;
  readonly sentAtUs: number;
  readonly firstByteAtUs: number;
  readonly doneAtUs: number;
}

/** `fault` is one sentence; the connection is gone after it. */
export type Outcome = { readonly ok: true; readonly answer: Answer } | { readonly ok: false; readonly fault: string };

export interface Lane {
  /** Sends `request`; `onOutcome` is called once. `onBytes` sees the answer so far after every read. */
  send(request: Buffer, onOutcome: (outcome: Outcome) => void, onBytes?: (soFar: Accumulator) => void): void;
  close(): void;
}

/** Longest silence within an answer before it counts as a fault. */
const SILENCE_MAX_MS = 20_000;
/** Every connection's reads pass through it, 64 KiB. */
const shared = Buffer.allocUnsafe(64 * 1024);

interface Pending {
  readonly onOutcome: (outcome: Outcome) => void;
  readonly onBytes: ((soFar: Accumulator) => void) | undefined;
  readonly sentAtUs: number;
  firstByteAtUs: number;
  isChunked: boolean | undefined;
}

/** Connects to `port` of `host`. Errors surface as the outcome of the request in flight. */
export function openLane(host: string, port: number): Lane {
  const inbox = createAccumulator(64 * 1024);
  let pending: Pending | undefined;
  let isClosed = false;

  const finish = (outcome: Outcome): void => {
    const { onOutcome } = pending ?? {};
    pending = undefined;
    onOutcome?.(outcome);
  };

  const received = (count: number): void => {
    if (pending === undefined) return;
    append(inbox, shared, count);
    if (pending.firstByteAtUs === 0) pending.firstByteAtUs = monotonicUs();
    pending.onBytes?.(inbox);
    if (pending.isChunked === undefined && bodyStart(inbox) !== -1) {
      pending.isChunked = /^transfer-encoding: *chunked/im.test(inbox.bytes.toString("latin1", 0, bodyStart(inbox)));
    }
    if (pending.isChunked === true && !endsInLastChunk(inbox)) return;
    const reading = readMessage(inbox);
    if (reading.kind === "partial") return;
    if (reading.kind === "broken") {
      finish({ ok: false, fault: reading.reason });
      return;
    }
    const { sentAtUs, firstByteAtUs } = pending;
    // Nothing of the next answer can be here yet: it has not been asked for. So the inbox is reset, not shifted, and
    // a body that is a view of it stays valid until the outcome has been judged.
    inbox.length = 0;
    finish({ ok: true, answer: { message: reading.message, sentAtUs, firstByteAtUs, doneAtUs: monotonicUs() } });
  };

  const socket = net.connect({
    host,
    port,
    noDelay: true,
    onread: {
      buffer: shared,
      callback: (count) => {
        received(count);
        return true;
      },
    },
  });
  socket.setTimeout(SILENCE_MAX_MS, () => socket.destroy(new Error(`silent for ${SILENCE_MAX_MS} ms`)));
  socket.on("error", (error) => finish({ ok: false, fault: `connection: ${error.message}` }));
  socket.on("close", () => {
    isClosed = true;
    finish({ ok: false, fault: "the connection was closed inside an answer" });
  });

  return {
    send(request, onOutcome, onBytes) {
      pending = { onOutcome, onBytes, sentAtUs: monotonicUs(), firstByteAtUs: 0, isChunked: undefined };
      if (isClosed) finish({ ok: false, fault: "the connection was closed between answers" });
      else socket.write(request);
    },
    close: () => socket.destroy(),
  };
}

function endsInLastChunk(from: Accumulator): boolean {
  const at = from.length - 5;
  return (
    at >= 0 &&
    from.bytes[at] === 48 &&
    from.bytes[at + 1] === 13 &&
    from.bytes[at + 2] === 10 &&
    from.bytes[at + 3] === 13 &&
    from.bytes[at + 4] === 10
  );
}
