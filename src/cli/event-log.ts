/**
 * Where the worker's log lines go: to standard output, or to `events.log` in the data folder (one JSON line per event).
 * The file is bounded: above FILE_BYTES_MAX it becomes `events.log.1`, replacing the one before.
 */
import { appendFileSync, existsSync, renameSync, statSync } from "node:fs";
import type { WorkerdStructuredLog } from "miniflare";

const FILE_BYTES_MAX = 50 * 1024 * 1024;
/** Lines are gathered this long: one write per line would cost more than the line. */
const GATHER_MS = 100;

export interface EventLog {
  write(log: WorkerdStructuredLog): void;
  /** Writes what was gathered. */
  flush(): void;
}

/** A log that prints. */
export function createPrintedLog(): EventLog {
  return { write: (log) => void process.stdout.write(`${lineOf(log)}\n`), flush: () => undefined };
}

/** A log that appends to `file`. A disk that is full loses lines, never an answer. */
export function createFileLog(file: string): EventLog {
  let sizeBytes = existsSync(file) ? statSync(file).size : 0;
  let gathered: string[] = [];
  let timer: NodeJS.Timeout | undefined;

  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (gathered.length === 0) return;
    const text = `${gathered.join("\n")}\n`;
    gathered = [];
    try {
      if (sizeBytes > FILE_BYTES_MAX) {
        renameSync(file, `${file}.1`);
        sizeBytes = 0;
      }
      appendFileSync(file, text, { mode: 0o600 });
      sizeBytes += Buffer.byteLength(text);
    } catch (error) {
      process.stderr.write(`Cannot write ${file}: ${String(error)}\n`);
    }
  };

  return {
    write(log) {
      gathered.push(lineOf(log));
      timer ??= setTimeout(flush, GATHER_MS);
    },
    flush,
  };
}

/** The worker's own JSON lines (it may gather several in one message) as they are; anything else becomes one. */
function lineOf({ level, timestamp, message }: WorkerdStructuredLog): string {
  if (message.startsWith("{") && message.endsWith("}") && !/\n(?!\{)/.test(message)) return message;
  return JSON.stringify({ event: "runtime", level, at_ms: timestamp, message });
}
