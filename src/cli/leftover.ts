/**
 * Ends a workerd that an earlier launcher left behind (kill -9 of the launcher alone is caught by `workerd.sh`; this is
 * for what even that missed). Only a process whose command line is workerd's is ever touched.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** How long to wait for an ended process to vanish. */
const GONE_MS = 5_000;

/** The command line of a live process, or undefined when there is none with that id. */
export function commandOf(pid: number): string | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  try {
    // A zombie has an empty command line.
    if (existsSync("/proc/self"))
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ") || undefined;
    return execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
  } catch {
    return undefined;
  }
}

/**
 * Ends the workerd noted in `pidFile`, if it still runs, and waits until it is gone.
 * @returns whether one was noted: the last run did not end by itself, and its port may be closed only in a moment.
 */
export async function endLeftover(pidFile: string): Promise<boolean> {
  if (!existsSync(pidFile)) return false;
  const pid = Number(readFileSync(pidFile, "utf8"));
  if (commandOf(pid)?.includes("workerd") === true) {
    process.kill(pid, "SIGKILL");
    for (let waitedMs = 0; waitedMs < GONE_MS && commandOf(pid) !== undefined; waitedMs += 20) await sleep(20);
  }
  rmSync(pidFile, { force: true });
  return true;
}
