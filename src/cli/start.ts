/**
 * `npm start`: builds what is missing, serves the production bundle on workerd, prints how to use it, and ends cleanly.
 * Every fault that an operator can mend is one sentence on standard error and exit code 1.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CatalogSchema } from "../catalog/schema.ts";
import { err, ok, type Result } from "../core/result.ts";
import { waitUntilReady } from "./admin-api.ts";
import { demoBindings, readBindings, withCredential } from "./bindings.ts";
import { build } from "./build.ts";
import { type DataDir, openDataDir } from "./data-dir.ts";
import { startDemoUpstream } from "./demo-upstream.ts";
import { readEnvironment } from "./environment.ts";
import { createFileLog, createPrintedLog, type EventLog } from "./event-log.ts";
import { prepare } from "./first-run.ts";
import { endLeftover } from "./leftover.ts";
import type { Manifest } from "./manifest.ts";
import { migrate } from "./migrate.ts";
import { readStartOptions, type StartOptions } from "./options.ts";
import { BUNDLE, CATALOG, ROOT } from "./paths.ts";
import { pidFile, startRuntime } from "./runtime.ts";
import { welcome } from "./welcome.ts";

/** How long the worker may take to answer its readiness probe. */
const READY_MS = 30_000;
/** How long the port of a killed run may stay taken: the system closes sockets after the process has lost its name. */
const LEFTOVER_PORT_MS = 5_000;
const PORT_LOOK_MS = 50;
/** A proxy states the client's place in this header, as JSON in the shape of `request.cf`. */
const PLACE_HEADER = "X-Waypost-Place";

/** What has been started so far, to be stopped in reverse. */
const cleanups: (() => void | Promise<void>)[] = [];
let isStopping = false;

async function stop(exitCode: number): Promise<never> {
  if (isStopping) return new Promise(() => undefined);
  isStopping = true;
  let code = exitCode;
  for (const cleanup of cleanups.reverse()) {
    try {
      await cleanup();
    } catch (error) {
      // The others still have their turn.
      process.stderr.write(`Waypost did not stop cleanly: ${error instanceof Error ? error.message : String(error)}\n`);
      code = 1;
    }
  }
  process.exit(code);
}

async function fail(sentence: string): Promise<never> {
  process.stderr.write(`${sentence}\n`);
  return stop(1);
}

async function start(): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void stop(0));
  const env = readEnvironment(process.env);
  const options = readStartOptions(env);
  if (!options.ok) return fail(options.error);
  const dataDir = openDataDir(options.value.dataDir);
  if (!dataDir.ok) return fail(dataDir.error);
  cleanups.push(() => dataDir.value.release());
  const hadLeftover = await endLeftover(pidFile(dataDir.value.runDir));
  const port = await freePortWithin(hadLeftover ? LEFTOVER_PORT_MS : 0, options.value);
  if (!port.ok) return fail(port.error);
  const manifest = await build();
  if (!manifest.ok) return fail(manifest.error);

  const catalogText = readFileSync(CATALOG, "utf8");
  const catalog = CatalogSchema.parse(JSON.parse(catalogText));
  const bindings = readBindings(env, catalog.providers);
  if (!bindings.ok) return fail(bindings.error);
  const configured = withCredential(bindings.value, catalog.providers);
  const isDemo = configured.length === 0;
  const demo = isDemo ? await startDemoUpstream() : undefined;
  if (demo !== undefined) cleanups.push(() => demo.stop());

  const operatorKey = options.value.operatorKey ?? dataDir.value.secret("operator-key");
  const running = await serve(options.value, dataDir.value, manifest.value, port.value, {
    ...(demo === undefined ? bindings.value : demoBindings(demo.origin, bindings.value, catalog.providers)),
    OPERATOR_KEY: operatorKey,
    WAYPOST_SECRET: options.value.secret ?? dataDir.value.secret("waypost-secret"),
  });
  if (!running.ok) return fail(running.error);
  const prepared = await prepare({ url: running.value, operatorKey, dataDir: dataDir.value, catalog: catalogText });
  if (!prepared.ok) return fail(prepared.error);
  dataDir.value.announce({ pid: process.pid, url: running.value, operatorKey });
  process.stdout.write(
    welcome({
      url: running.value,
      ...prepared.value,
      operatorKey,
      dataDir: dataDir.value.dir,
      catalog,
      providers: isDemo ? null : configured.map(({ slug }) => slug),
    }),
  );
}

/** Runs the worker, its migrations applied. @returns the server's URL. */
async function serve(
  options: StartOptions,
  dataDir: DataDir,
  manifest: Manifest,
  port: number,
  bindings: Record<string, string>,
): Promise<Result<string, string>> {
  const log = options.printsLog ? createPrintedLog() : createFileLog(dataDir.eventsFile);
  cleanups.push(() => log.flush());
  const all = withShards(manifest, options.shards);
  const runtime = await startRuntime({
    manifest: all,
    bundlePath: options.bundlePath ?? BUNDLE,
    storageDir: dataDir.storageDir,
    runDir: dataDir.runDir,
    host: options.host,
    port,
    bindings: {
      ...bindings,
      PLACE: options.trustsPlaceHeader ? "header" : "none",
      ...(options.newAccounts === null ? {} : { NEW_ACCOUNTS: options.newAccounts }),
    },
    cfBlobHeader: options.trustsPlaceHeader ? PLACE_HEADER : null,
    onLog: (line) => log.write(line),
  });
  cleanups.push(() => runtime.stop());
  for (const { binding, migrationsDir } of all.d1) {
    await migrate(await runtime.d1(binding), path.join(ROOT, migrationsDir));
  }
  cleanups.push(schedule(() => runtime.scheduled(), options.scheduleS, log));
  const reachable = options.host === "0.0.0.0" ? "127.0.0.1" : options.host === "::" ? "[::1]" : urlHost(options.host);
  const url = `http://${reachable}:${port}`;
  return (await waitUntilReady(url, READY_MS))
    ? ok(url)
    : err(`Waypost did not become ready at ${url}; see ${dataDir.eventsFile}.`);
}

/** Runs the scheduled jobs every so often, one run at a time. @returns what ends it. */
function schedule(run: () => Promise<void>, everyS: number, log: EventLog): () => void {
  if (everyS === 0) return () => undefined;
  let isRunning = false;
  const timer = setInterval(() => {
    if (isRunning || isStopping) return;
    isRunning = true;
    run()
      .catch((error: unknown) => {
        // While workerd is being replaced it cannot be asked; the next time it can.
        const message = `the scheduled jobs could not be run: ${error instanceof Error ? error.message : String(error)}`;
        if (!isStopping) log.write({ timestamp: Date.now(), level: "error", message });
      })
      .finally(() => (isRunning = false));
  }, everyS * 1_000);
  return () => clearInterval(timer);
}

/** The manifest with the databases that SHARDS adds to those of wrangler.toml, and a bucket for each region of theirs. */
function withShards(manifest: Manifest, shards: readonly string[]): Manifest {
  const known = new Set(manifest.d1.map(({ binding }) => binding));
  const more = shards
    .map((name) => ({ binding: `DB_${name.toUpperCase()}`, name: `waypost-${name}`, migrationsDir: "migrations" }))
    .filter(({ binding }) => !known.has(binding));
  const regions = [
    ...new Set(shards.filter((name) => !name.startsWith("gl")).map((name) => name.slice(0, 2).toUpperCase())),
  ];
  const buckets = regions
    .map((region) => ({ binding: `ARCHIVE_${region}`, name: `waypost-generations-${region}`, jurisdiction: null }))
    .filter(({ binding }) => manifest.r2.every((bucket) => bucket.binding !== binding));
  return { ...manifest, d1: [...manifest.d1, ...more], r2: [...manifest.r2, ...buckets] };
}

/** As `freePort`, asked again for `waitMs` while the port is taken. */
async function freePortWithin(waitMs: number, options: StartOptions): Promise<Result<number, string>> {
  const port = await freePort(options);
  if (port.ok || waitMs <= 0) return port;
  await sleep(PORT_LOOK_MS);
  return freePortWithin(waitMs - PORT_LOOK_MS, options);
}

/** The port to listen on: the wanted one if it is free, any free one for 0. */
function freePort({ host, port }: StartOptions): Promise<Result<number, string>> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(err(portFault(error.code, host, port))));
    probe.listen({ host, port, exclusive: true }, () => {
      const address = probe.address();
      const found = typeof address === "object" && address !== null ? address.port : port;
      probe.close(() => resolve(ok(found)));
    });
  });
}

function portFault(code: string | undefined, host: string, port: number): string {
  switch (code) {
    case "EADDRINUSE":
      return `Port ${port} on ${host} is in use; set PORT to another one (0 takes any free one).`;
    case "EACCES":
      return `Port ${port} on ${host} needs more rights than this user has; set PORT to another one.`;
    default:
      return `Waypost cannot listen on ${host}:${port} (${code ?? "unknown error"}); set HOST to an address of this machine.`;
  }
}

function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

start().catch((error: unknown) =>
  fail(`Waypost could not start: ${error instanceof Error ? error.message : String(error)}`),
);
