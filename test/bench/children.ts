/**
 * The processes of a run: started, waited for, ended. Each is ended by its own id, whatever way the run ends.
 */
import { fork, spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isObject } from "../../src/core/json.ts";

export interface Started {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** How long a process may take to end by itself before it is killed. */
const END_MS = 12_000;
/** The ends of what was started, newest last; emptied by `stopAll`. */
const running: (() => Promise<void>)[] = [];

/** Ends every process of the run, the newest first. */
export async function stopAll(): Promise<void> {
  for (let stop = running.pop(); stop !== undefined; stop = running.pop()) await stop();
}

/** Runs `file` of this folder, which tells its port over IPC. Throws if it ends before. */
export async function forkServer(file: string, args: readonly string[]): Promise<Started> {
  const child = fork(path.join(import.meta.dirname, file), args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const stop = stopper(child, () => child.disconnect());
  const port = await new Promise<number>((resolve, reject) => {
    child.once("message", (message) => {
      resolve(isObject(message) && typeof message["port"] === "number" ? message["port"] : 0);
    });
    child.once("exit", (code) => reject(new Error(`${file} ended with ${String(code)} before it served`)));
  });
  return { port, pid: child.pid ?? 0, stop };
}

export interface ServerCommand {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly port: number;
  /** How long until it must serve. */
  readonly readyMs: number;
  /** True once it serves. */
  readonly isReady: () => Promise<boolean>;
}

/** Runs a server with this Node and waits until it is ready. Throws with its last output if it is not in time. */
export async function spawnServer(command: ServerCommand): Promise<Started> {
  const child = spawn(process.execPath, command.args, {
    env: { ...process.env, ...command.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stop = stopper(child, () => child.kill("SIGTERM"));
  let output = "";
  const keep = (bytes: Buffer): void => {
    output = (output + bytes.toString()).slice(-2_000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  for (let waitedMs = 0; waitedMs < command.readyMs; waitedMs += 100) {
    if (child.exitCode !== null) {
      throw new Error(`${command.name} ended with ${child.exitCode}: ${output.trim()}`);
    }
    if (await command.isReady()) return { port: command.port, pid: child.pid ?? 0, stop };
    await sleep(100);
  }
  await stop();
  throw new Error(`${command.name} did not serve within ${command.readyMs / 1_000} s: ${output.trim()}`);
}

function stopper(child: ChildProcess, ask: () => void): () => Promise<void> {
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    ask();
    const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
    await ended;
    clearTimeout(timer);
  };
  running.push(stop);
  return stop;
}

/** A port of loopback that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** True if something accepts connections at `port`. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

/** The process that serves: the workerd among `pid`'s descendants, else `pid` itself. */
export function servingPids(pid: number): readonly number[] {
  const childrenOf = new Map<number, number[]>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    const parent = Number(/^PPid:\s*(\d+)/m.exec(procFile(Number(name), "status"))?.[1] ?? 0);
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const queue = [pid];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (procFile(next, "comm").trim() === "workerd") found.push(next);
    queue.push(...(childrenOf.get(next) ?? []));
  }
  return found.length === 0 ? [pid] : found;
}

/** Processor time that the processes have used together, in ms; Linux counts it in ticks of 10 ms. */
export function processorMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const stat = procFile(pid, "stat");
    // The name, in parentheses, may hold spaces: fields count from behind it, user and system time being the 12th and 13th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10;
  }, 0);
}

/** Resident memory of the processes together, in KiB. */
export function residentKib(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + Number(/^VmRSS:\s*(\d+)/m.exec(procFile(pid, "status"))?.[1] ?? 0), 0);
}

/** A process may end between being listed and being read. */
function procFile(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
