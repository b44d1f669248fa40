/**
 * Lines that go out together: on one machine writing a line costs more than the event in it. Holds at most LINES_MAX of
 * them, WAIT_MS old.
 */
import type { EpochMs } from "./clock.ts";

/** Lines of so many ms go out together. */
const WAIT_MS = 20;
/** However busy it is, this many at most. */
const LINES_MAX = 200;

/** @returns what takes a line; whoever begins to wait hands its wait to `waitUntil`. */
export function createGathering(
  write: (lines: string) => void,
): (line: string, nowMs: EpochMs, waitUntil: (work: Promise<unknown>) => void) => void {
  let gathered: string[] = [];
  /** When whoever waits is due. */
  let dueMs = 0;

  const flush = (): void => {
    if (gathered.length === 0) return;
    const lines = gathered;
    gathered = [];
    write(lines.join("\n"));
  };
  return (line, nowMs, waitUntil) => {
    gathered.push(line);
    if (gathered.length >= LINES_MAX) return flush();
    // One that is overdue by as much again has died with its request: the next one takes over.
    if (nowMs < dueMs + WAIT_MS) return;
    dueMs = nowMs + WAIT_MS;
    waitUntil(new Promise<void>((resolve) => setTimeout(resolve, WAIT_MS)).then(flush));
  };
}
