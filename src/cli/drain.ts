/**
 * How a running workerd is brought to its end without losing what was answered: on SIGTERM it stops listening, lets its
 * open requests finish and exits, but drops what they had left to do in the background (the settle of the last answer).
 * So a request of our own, to a worker that only waits, keeps it alive until that is done too. It is open from the start,
 * because a signal to the whole process group (a terminal, `timeout`, a process manager) reaches workerd before us.
 */
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Longest wait for open requests. */
const REQUESTS_MS = 5_000;
/** After the last request: settles are sent within 60 ms and acknowledged by a gate on this machine. */
const BACKGROUND_MS = 400;
const POLL_MS = 20;

/** The worker that only waits. A promise that nothing can resolve would be taken for a hang, so it waits by the day. */
export const KEEPER_SCRIPT = `export default { async fetch() { for (;;) await scheduler.wait(86_400_000); } };`;

/**
 * Tells the workerd with id `pid`, which a request to the keeper keeps alive, to stop listening and waits until its
 * clients on `port` are served. The caller then kills it.
 */
export async function drain(pid: number, port: number): Promise<void> {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    return;
  }
  for (let waitedMs = 0; waitedMs < REQUESTS_MS; waitedMs += POLL_MS) {
    await sleep(POLL_MS);
    if (openConnections(port) === 0) break;
  }
  await sleep(BACKGROUND_MS);
}

/** Connections that clients have to `port` of this machine. Where the system does not tell (not Linux): 0. */
function openConnections(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  let count = 0;
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    if (!existsSync(table)) continue;
    for (const line of readFileSync(table, "utf8").split("\n")) {
      // Columns: number, local address, remote address, state (01 is established).
      const [, address, , state] = line.trim().split(/\s+/);
      if (state === "01" && address?.endsWith(local) === true) count += 1;
    }
  }
  return count;
}
