/**
 * Waypost's production bundle on workerd: D1, KV, R2 and Durable Objects embedded and kept on disk, no inspector, no
 * request log, no worker in front of ours. Miniflare builds the configuration and starts workerd; `workerd.sh` makes
 * sure that nothing is left behind.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type WorkerdStructuredLog } from "miniflare";
import { drain, KEEPER_SCRIPT } from "./drain.ts";
import { FRONT } from "./front-socket.ts";
import type { Manifest } from "./manifest.ts";

/**
 * How V8 collects garbage: a young generation of 4 MiB rather than 16 keeps an open stream a quarter smaller (measured
 * 2026-11-21: 383 instead of 567 KiB once warm). Collecting on the serving thread alone saves nothing more, and makes
 * every full collection stop the streams for 60 ms instead of 30.
 */
const V8_FLAGS = "--max-semi-space-size=4";
/**
 * The binding by which the worker reaches the network. Miniflare puts a worker of its own (image resizing) behind the
 * global `fetch`, through which every byte of every upstream would pass; a network binding goes straight out.
 */
const NETWORK = "NETWORK";
/** The same for addresses that others name: workerd refuses private ones after it has resolved the name. */
const PUBLIC_NETWORK = "PUBLIC_NETWORK";
/** Name of the worker that keeps workerd alive while it drains. */
const KEEPER = "keeper";
const KEEPER_AGAIN_MS = 250;

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface RuntimeOptions {
  readonly manifest: Manifest;
  readonly bundlePath: string;
  /** Where D1, KV and the Durable Objects live. */
  readonly storageDir: string;
  /** Where the running workerd leaves its process id. */
  readonly runDir: string;
  readonly host: string;
  readonly port: number;
  /** Variables and secrets of the worker, on top of the manifest's. */
  readonly bindings: Readonly<Record<string, string>>;
  /** Request header whose JSON becomes `request.cf`; null: nothing does. */
  readonly cfBlobHeader: string | null;
  readonly onLog: (log: WorkerdStructuredLog) => void;
}

export interface Runtime {
  /** The embedded database behind a D1 binding. */
  d1(binding: string): ReturnType<Miniflare["getD1Database"]>;
  /** Runs what a deployment's cron triggers run. Rejects while workerd is away. */
  scheduled(): Promise<void>;
  /** Lets requests in flight end and be booked, then ends workerd; within six seconds. */
  stop(): Promise<void>;
}

/** Starts workerd and resolves once it listens. Throws what miniflare throws when it cannot. */
export async function startRuntime(options: RuntimeOptions): Promise<Runtime> {
  rmSync(stoppingMark(options.runDir), { force: true });
  const fromMiniflare = createRequire(createRequire(import.meta.url).resolve("miniflare"));
  // The stand-in script needs to know where the real binary is; both are read when workerd is spawned.
  process.env["MINIFLARE_WORKERD_PATH"] = path.join(import.meta.dirname, "workerd.sh");
  process.env["WAYPOST_WORKERD"] = fromMiniflare("workerd").default;
  process.env["WAYPOST_RUN_DIR"] = options.runDir;
  process.env["MINIFLARE_WORKERD_V8_FLAGS"] ??= V8_FLAGS;
  // Miniflare leaves a folder per start behind when it is killed; here the next start takes them away.
  const scratch = path.join(options.runDir, "tmp");
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch);
  process.env["TMPDIR"] = scratch;
  const before = new Map(SIGNALS.map((signal) => [signal, process.listeners(signal)]));
  const miniflare = new Miniflare(miniflareOptions(options));
  // Miniflare would end workerd at the first signal, in the middle of answers; the launcher does that itself.
  for (const signal of SIGNALS) {
    for (const listener of process.listeners(signal)) {
      if (before.get(signal)?.includes(listener) !== true) process.removeListener(signal, listener);
    }
  }
  await miniflare.ready;
  const keeper = await miniflare.getWorker(KEEPER);
  let isStopping = false;
  void keepOpen(
    () => keeper.fetch("http://keeper/"),
    () => isStopping,
  );
  return {
    d1: (binding) => miniflare.getD1Database(binding),
    async scheduled() {
      const worker = await miniflare.getWorker(options.manifest.name);
      await worker.scheduled({ cron: "local" });
    },
    async stop() {
      isStopping = true;
      writeFileSync(stoppingMark(options.runDir), "");
      if (existsSync(pidFile(options.runDir))) {
        const pid = Number(readFileSync(pidFile(options.runDir), "utf8"));
        await drain(pid, options.port);
      }
      await miniflare.dispose();
      rmSync(pidFile(options.runDir), { force: true });
    },
  };
}

/** Keeps a request open that is never answered; again when workerd was killed, for miniflare starts another one. */
async function keepOpen(open: () => Promise<unknown>, isStopping: () => boolean): Promise<void> {
  while (!isStopping()) {
    try {
      await open();
    } catch {
      // That workerd is gone.
    }
    await sleep(KEEPER_AGAIN_MS);
  }
}

function stoppingMark(runDir: string): string {
  return path.join(runDir, "stopping");
}

/** The file that holds the process id of the workerd that runs, or ran last. */
export function pidFile(runDir: string): string {
  return path.join(runDir, "workerd.pid");
}

function miniflareOptions(options: RuntimeOptions): ReturnType<typeof convertV4MiniflareOptions> {
  const { manifest } = options;
  return convertV4MiniflareOptions({
    workers: [
      {
        name: manifest.name,
        modules: [{ type: "ESModule", path: "worker.js", contents: readFileSync(options.bundlePath, "utf8") }],
        compatibilityDate: manifest.compatibilityDate,
        compatibilityFlags: [...manifest.compatibilityFlags],
        bindings: { ...manifest.vars, ...options.bindings },
        d1Databases: Object.fromEntries(manifest.d1.map(({ binding, name }) => [binding, name])),
        r2Buckets: Object.fromEntries(manifest.r2.map(({ binding }) => [binding, binding])),
        kvNamespaces: Object.fromEntries(manifest.kv.map((binding) => [binding, binding])),
        durableObjects: Object.fromEntries(
          manifest.durableObjects.map(({ binding, className }) => [binding, { className, useSQLite: true }]),
        ),
        serviceBindings: {
          [NETWORK]: { network: { allow: ["public", "private"], tlsOptions: { trustBrowserCas: true } } },
          [PUBLIC_NETWORK]: { network: { allow: ["public"], tlsOptions: { trustBrowserCas: true } } },
        },
        unsafeBindings: [
          {
            name: FRONT,
            type: "front",
            plugin: { package: path.join(import.meta.dirname, "front-socket.ts"), name: FRONT },
            options: {
              address: `${options.host.includes(":") ? `[${options.host}]` : options.host}:${options.port}`,
              workerName: manifest.name,
              cfBlobHeader: options.cfBlobHeader,
            },
          },
        ],
      },
      {
        name: KEEPER,
        modules: [{ type: "ESModule", path: "keeper.js", contents: KEEPER_SCRIPT }],
        compatibilityDate: manifest.compatibilityDate,
      },
    ],
    // Miniflare's own entry, for applying migrations only: a free port on loopback.
    host: "127.0.0.1",
    port: 0,
    cf: false,
    logRequests: false,
    telemetry: { enabled: false },
    log: new Log(LogLevel.NONE),
    resourcePersistencePath: options.storageDir,
    handleStructuredLogs: options.onLog,
  });
}
