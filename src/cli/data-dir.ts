/**
 * The folder that holds everything a local Waypost knows: storage/ (D1, KV, Durable Objects), the two secrets made at
 * the first start (mode 0600), what the launcher remembers, the event log. One launcher at a time.
 */
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import path from "node:path";
import * as z from "zod";
import { err, ok, type Result } from "../core/result.ts";
import { commandOf } from "./leftover.ts";

/** What the launcher remembers between starts. Holds the first key, so it is readable by its owner only. */
const MemorySchema = z.object({
  /** The default catalog that was published last: hash of its text, and the version the server gave it. */
  catalog: z.object({ hash: z.string(), version: z.string() }).optional(),
  account: z.object({ id: z.string(), key: z.string(), managementKey: z.string(), hasCredits: z.boolean() }).optional(),
});
export type Memory = z.infer<typeof MemorySchema>;

/** What other tools (`npm run audit`) need to reach the launcher that runs. */
const RunningSchema = z.object({ pid: z.int(), url: z.string(), operatorKey: z.string() });
export type Running = z.infer<typeof RunningSchema>;

export interface DataDir {
  readonly dir: string;
  readonly storageDir: string;
  readonly runDir: string;
  readonly eventsFile: string;
  /** The named secret, made and kept when there is none yet. */
  secret(name: "operator-key" | "waypost-secret"): string;
  memory(): Memory;
  remember(memory: Memory): void;
  announce(running: Running): void;
  /** Gives the folder back to the next launcher. */
  release(): void;
}

/** Makes a folder and what is missing above it, one by one: Node's recursive way never ends on some file systems. */
function makeFolder(dir: string): void {
  if (existsSync(dir)) return;
  makeFolder(path.dirname(dir));
  mkdirSync(dir);
}

/**
 * Opens the folder, making it if needed.
 * @returns an error sentence when it cannot be written or another launcher has it.
 */
export function openDataDir(dir: string): Result<DataDir, string> {
  const runDir = path.join(dir, "run");
  const storageDir = path.join(dir, "storage");
  try {
    for (const each of [dir, runDir, storageDir]) {
      makeFolder(each);
      accessSync(each, constants.W_OK | constants.X_OK);
    }
    chmodSync(dir, 0o700);
  } catch (error) {
    return err(`The data folder ${dir} cannot be written (${reasonOf(error)}); set DATA_DIR to another one.`);
  }
  const lock = path.join(runDir, "launcher.pid");
  const holder = existsSync(lock) ? Number(readFileSync(lock, "utf8")) : 0;
  if (holder !== process.pid && commandOf(holder)?.includes("start.ts") === true) {
    return err(`The data folder ${dir} is in use by the Waypost with process id ${holder}; stop it or set DATA_DIR.`);
  }
  writeFileSync(lock, String(process.pid));

  const memoryFile = path.join(dir, "launcher.json");
  const runningFile = path.join(runDir, "running.json");
  return ok({
    dir,
    storageDir,
    runDir,
    eventsFile: path.join(dir, "events.log"),
    secret: (name) => keepSecret(path.join(dir, name)),
    memory: () => readJson(memoryFile, MemorySchema) ?? {},
    remember: (memory) => writePrivate(memoryFile, `${JSON.stringify(memory, null, 2)}\n`),
    announce: (running) => writePrivate(runningFile, `${JSON.stringify(running)}\n`),
    release() {
      rmSync(runningFile, { force: true });
      rmSync(lock, { force: true });
    },
  });
}

/** The launcher that serves from `dir` now, if one does. */
export function runningIn(dir: string): Running | undefined {
  return readJson(path.join(dir, "run/running.json"), RunningSchema);
}

function keepSecret(file: string): string {
  if (!existsSync(file)) writePrivate(file, `${randomBytes(24).toString("base64url")}\n`);
  return readFileSync(file, "utf8").trim();
}

/** Writes beside and renames, so that a kill in between leaves the old content. */
function writePrivate(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function readJson<T>(file: string, schema: z.ZodType<T>): T | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}

/** The system's short code of a failure, such as EACCES. */
function reasonOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
