/**
 * The limit to compare with: a bare pass-through Worker, served by the product's own launcher (same workerd, same
 * socket, same binding to the network, no inspector, no request log). Any other Worker can be served in its place, so that a design can be measured
 * alone: `node test/bench/passthrough.ts <upstream origin> [bundled-worker.js] [port]`. It finds the upstream's origin
 * in `env.UPSTREAM`. Prints or sends `{"port":...}`.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { startRuntime } from "../../src/cli/runtime.ts";
import { freePort } from "./children.ts";

const PASS_THROUGH = `export default {
  fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    return env.NETWORK.fetch(env.UPSTREAM + pathname + search, {
      method: request.method,
      headers: request.headers,
      body: request.body,
    });
  },
};
`;

const [upstream = "", workerPath = "", wantedPort = "0"] = process.argv.slice(2);
const directory = mkdtempSync(path.join(os.tmpdir(), "waypost-bench-"));
process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
const bundlePath = workerPath === "" ? path.join(directory, "worker.js") : workerPath;
if (workerPath === "") writeFileSync(bundlePath, PASS_THROUGH);
const port = Number(wantedPort) === 0 ? await freePort() : Number(wantedPort);
const runtime = await startRuntime({
  manifest: {
    sourceHash: "",
    name: "bench",
    compatibilityDate: "2026-11-01",
    compatibilityFlags: workerPath === "" ? [] : ["enable_request_signal"],
    vars: {},
    d1: [],
    kv: [],
    r2: [],
    durableObjects: [],
  },
  bundlePath,
  storageDir: path.join(directory, "storage"),
  runDir: directory,
  host: "127.0.0.1",
  port,
  bindings: { UPSTREAM: upstream },
  cfBlobHeader: null,
  onLog: (entry) => process.stderr.write(`${entry.message}\n`),
});
if (process.send === undefined) process.stdout.write(`${JSON.stringify({ port })}\n`);
else process.send({ port });

let isEnding = false;
const end = (): void => {
  // Ctrl-C arrives twice: as a signal to the whole group and as the parent's farewell.
  if (isEnding) return;
  isEnding = true;
  // A signal to the whole group may have ended workerd already, which miniflare takes badly; nothing is lost by it.
  const exit = (): never => process.exit(0);
  void runtime.stop().then(exit, exit);
};
process.on("disconnect", end);
process.on("SIGTERM", end);
process.on("SIGINT", end);
