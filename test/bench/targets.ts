/**
 * Starts what is measured: the pass-through, the peer gateway, a Worker of your own, Waypost. Each says what it is.
 * A peer that cannot be installed or started is reported as skipped; for the others that is an error.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { forkServer, freePort, isListening, servingPids, spawnServer } from "./children.ts";
import type { Options, TargetName } from "./options.ts";
import { targetAt, type Target } from "./target.ts";
import { startWaypost, type Ledger, type Waypost } from "./waypost.ts";

export interface Running {
  readonly target: Target;
  /** What it is, for the reader of the table. */
  readonly note: string;
  /** Processes whose memory counts; none when it is not ours to look at. */
  readonly pids: readonly number[];
  /** Who is paid for its answers; null when nobody is. */
  readonly ledger: Ledger | null;
  /** Where requests go whose cost is not known in advance (a reader that leaves). */
  readonly spare: Target;
  /** What can be made larger; null for what has no accounts and no catalog. */
  readonly waypost: Waypost | null;
}

/** Either what runs, or why it does not. */
export type Start = { readonly running: Running } | { readonly skipped: string };

const PEER_DIR = path.join(import.meta.dirname, "peer");
const PEER_VERSION = "1.15.2";
const INSTALL_MS = 180_000;

/** Starts one target against the upstream at `upstreamUrl`. Throws when it must run and does not. */
export async function startTarget(name: TargetName, upstreamUrl: string, options: Options): Promise<Start> {
  switch (name) {
    case "passthrough":
      return { running: await startWorker(name, upstreamUrl, "", options) };
    case "custom":
      return { running: await startCustom(upstreamUrl, options) };
    case "portkey":
      try {
        return { running: await startPeer(upstreamUrl) };
      } catch (error) {
        return { skipped: error instanceof Error ? error.message : String(error) };
      }
    case "waypost": {
      const waypost = await startWaypost(upstreamUrl);
      const { target, spare, pids, ledger } = waypost;
      return {
        running: {
          target,
          spare,
          pids,
          ledger,
          waypost,
          note: "Waypost by its own start command: workerd, ledger and all",
        },
      };
    }
    default:
      return name satisfies never;
  }
}

async function startWorker(
  name: TargetName,
  upstreamUrl: string,
  workerPath: string,
  options: Options,
): Promise<Running> {
  const worker = await forkServer("passthrough.ts", [upstreamUrl, workerPath]);
  const isBare = workerPath === "";
  const target = targetAt(name, `http://127.0.0.1:${worker.port}`, {
    headers: { authorization: "Bearer bench", ...(isBare ? {} : options.customHeaders) },
    ...(isBare ? {} : { models: options.customModels }),
  });
  return {
    target,
    spare: target,
    note: isBare ? "a bare pass-through Worker on the same workerd" : `the Worker ${workerPath}`,
    pids: servingPids(worker.pid),
    ledger: null,
    waypost: null,
  };
}

async function startCustom(upstreamUrl: string, options: Options): Promise<Running> {
  if (options.customWorker !== undefined) {
    return startWorker("custom", upstreamUrl, path.resolve(options.customWorker), options);
  }
  const url = options.customUrl ?? "";
  const target = targetAt("custom", url, { headers: options.customHeaders, models: options.customModels });
  if (!(await isListening(target.port))) throw new Error(`nothing listens at ${url}`);
  return { target, spare: target, note: `whatever listens at ${url}`, pids: [], ledger: null, waypost: null };
}

async function startPeer(upstreamUrl: string): Promise<Running> {
  const bin = path.join(PEER_DIR, "node_modules", "@portkey-ai", "gateway", "build", "start-server.js");
  if (!existsSync(bin)) {
    process.stderr.write("bench: installing the peer gateway into test/bench/peer\n");
    await promisify(execFile)("npm", ["ci", "--ignore-scripts"], { cwd: PEER_DIR, timeout: INSTALL_MS });
  }
  const port = await freePort();
  const server = await spawnServer({
    name: "the peer gateway",
    args: [bin, `--port=${port}`, "--headless"],
    env: { NODE_ENV: "production" },
    port,
    readyMs: 20_000,
    isReady: () => isListening(port),
  });
  const target = targetAt("portkey", `http://127.0.0.1:${port}`, {
    headers: {
      authorization: "Bearer bench",
      "x-portkey-provider": "openai",
      "x-portkey-custom-host": `${upstreamUrl}/v1`,
    },
  });
  return {
    target,
    spare: target,
    note: `Portkey's gateway ${PEER_VERSION} from npm: a Node server, not a Worker`,
    pids: [server.pid],
    ledger: null,
    waypost: null,
  };
}
