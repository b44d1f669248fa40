/**
 * The machine for one test file at a time: those that measure moments or bring a load of their own must not disturb each
 * other, but one that only waits for a minute may do so beside the next. Files of the project `e2e-alone` run side by
 * side and take turns here; a folder is the lock, and a holder that died has lost it.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll } from "vitest";

/** One for all files of a run: their processes have vitest as their parent. */
const LOCK = path.join(tmpdir(), `waypost-alone-${process.ppid}`);
const HOLDER = path.join(LOCK, "pid");
const LOOK_MS = 100;
/** Longer than all other files together take on a slow machine. */
const TURN_MS = 1_200_000;

/**
 * Waits for this file's turn before everything else that the file does first, and ends it after everything else.
 * @returns what ends the turn earlier, for a file that goes on in peace.
 */
export function alone(): () => void {
  let isMine = false;
  const leave = (): void => {
    if (isMine) rmSync(LOCK, { recursive: true, force: true });
    isMine = false;
  };
  beforeAll(async () => {
    while (!taken()) await sleep(LOOK_MS);
    isMine = true;
  }, TURN_MS);
  // Vitest runs these in reverse: the first that is registered is the last that runs.
  afterAll(leave);
  return leave;
}

function taken(): boolean {
  try {
    mkdirSync(LOCK);
  } catch {
    if (isHolderDead()) rmSync(LOCK, { recursive: true, force: true });
    return false;
  }
  writeFileSync(HOLDER, String(process.pid));
  return true;
}

/** False also while the holder has not yet written its id. */
function isHolderDead(): boolean {
  try {
    process.kill(Number(readFileSync(HOLDER, "utf8")), 0);
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}
