/**
 * Runs a real Waypost for tests, as `npm start` does, in a process group of its own: a free port, a temporary data
 * folder, an environment in which nothing of the developer's shows. `kill` takes the whole group at once with SIGKILL;
 * `restart` starts again over the same folder and port.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");
/** A first start builds the bundle and the catalog. */
const READY_MS = 120_000;
const LAUNCHER: readonly string[] = [process.execPath, path.join(ROOT, "src/cli/start.ts")];
const STOP_MS = 15_000;
/** Below those that Linux gives to outgoing connections: a server that starts again needs the one it had. */
const PORT_FIRST = 15_000;
const PORTS = 15_000;
const PORT_TRIES = 50;

export interface ServeOptions {
  /** Variables for the launcher, e.g. provider credentials and base URLs. */
  readonly env?: Readonly<Record<string, string>>;
  /** An existing data folder; it is then left alone by `stop`. */
  readonly dataDir?: string;
  readonly port?: number;
  /** Start it as a person does, through npm, instead of the launcher directly. */
  readonly script?: "npm start" | "npm run dev";
}

export interface Server {
  /** Without a path, e.g. `http://127.0.0.1:40123`. */
  readonly url: string;
  /** `<url>/api/v1`. */
  readonly apiBase: string;
  readonly key: string;
  readonly operatorKey: string;
  readonly dataDir: string;
  readonly port: number;
  /** Process id of the launcher, or of npm. */
  readonly pid: number;
  /** What was printed so far, both streams. */
  output(): string;
  /** SIGKILL to the launcher and everything it started. */
  kill(): Promise<void>;
  /** SIGINT to the group, as Ctrl-C does, or `signal`; resolves with the exit code, and removes a folder that `serve` made. */
  stop(signal?: NodeJS.Signals): Promise<number>;
  /** Starts again after `kill`, same folder, port and variables. */
  restart(): Promise<Server>;
}

/** Starts a server and resolves once it has printed how to use it. Rejects with what it printed when it ends instead. */
export async function serve(options: ServeOptions = {}): Promise<Server> {
  const isOwnDir = options.dataDir === undefined;
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), "waypost-e2e-"));
  const port = options.port ?? (await freePort());
  const { child, output } = launch(
    { ...options.env, DATA_DIR: dataDir, PORT: String(port) },
    options.script?.split(" ") ?? LAUNCHER,
  );
  const ended = new Promise<number>((resolve) =>
    child.once("exit", (code, signal) => resolve(code ?? (signal ? 1 : 0))),
  );
  await ready(output, ended);
  const url = field(output(), "API base").replace(/\/api\/v1$/, "");
  return {
    url,
    apiBase: `${url}/api/v1`,
    key: field(output(), "Key"),
    operatorKey: field(output(), "Operator key"),
    dataDir,
    port,
    pid: pidOf(child),
    output,
    async kill() {
      signalGroup(child, "SIGKILL");
      await ended;
    },
    async stop(signal = "SIGINT") {
      signalGroup(child, signal);
      const timer = setTimeout(() => signalGroup(child, "SIGKILL"), STOP_MS);
      const code = await ended;
      clearTimeout(timer);
      if (isOwnDir) rmSync(dataDir, { recursive: true, force: true });
      return code;
    },
    restart: () => serve({ ...options, dataDir, port }),
  };
}

export interface Refusal {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a launcher that is expected to refuse; resolves with how it ended. */
export async function refused(env: Readonly<Record<string, string>>): Promise<Refusal> {
  const { child, stdout, stderr } = launch(env, LAUNCHER);
  const timer = setTimeout(() => signalGroup(child, "SIGKILL"), READY_MS);
  const code = await new Promise<number>((resolve) => child.once("close", (status) => resolve(status ?? 1)));
  clearTimeout(timer);
  return { code, stdout: stdout(), stderr: stderr() };
}

function launch(env: Readonly<Record<string, string>>, [program = "", ...args]: readonly string[]) {
  const environment: Record<string, string> = {
    PATH: process.env["PATH"] ?? "",
    HOME: process.env["HOME"] ?? "",
    TMPDIR: tmpdir(),
    WAYPOST_DEV_VARS: "/dev/null",
    ...env,
  };
  // `wrangler types` declares the worker's variables as always present in Node's environment too; here they must not be.
  const child = spawn(program, args, {
    cwd: ROOT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: environment as NodeJS.ProcessEnv,
  });
  let all = "";
  let out = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    all += text;
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    all += text;
    errors += text;
  });
  return { child, output: () => all, stdout: () => out, stderr: () => errors };
}

async function ready(output: () => string, ended: Promise<number>): Promise<void> {
  let code: number | undefined;
  void ended.then((value) => (code = value));
  const endMs = Date.now() + READY_MS;
  while (!output().includes("Try it:")) {
    if (code !== undefined) throw new Error(`Waypost ended with code ${code} before it was ready:\n${output()}`);
    if (Date.now() > endMs) throw new Error(`Waypost was not ready within ${READY_MS} ms:\n${output()}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function field(output: string, name: string): string {
  const found = new RegExp(`^ *${name}: +(\\S+)$`, "m").exec(output)?.[1];
  if (found === undefined) throw new Error(`The output has no line "${name}":\n${output}`);
  return found;
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error("The launcher could not be spawned.");
  return child.pid;
}

/** The launcher leads its own group: the negative id means all of it. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pidOf(child), signal);
  } catch {
    // The group is gone.
  }
}

/** A port of the loopback that nothing listens on now. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const port = PORT_FIRST + Math.floor(Math.random() * PORTS);
    if (await isFree(port)) return port;
  }
  throw new Error("no free port was found");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
