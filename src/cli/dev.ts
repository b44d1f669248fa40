/**
 * `npm run dev`: wrangler's development server with hot reload, over local state of its own (DATA_DIR/dev): migrations
 * applied, the catalog published, a first account made, the demo upstream when no provider has a credential. For
 * editing; `npm start` is several times faster.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { CatalogSchema } from "../catalog/schema.ts";
import { waitUntilReady } from "./admin-api.ts";
import { demoBindings, readBindings, withCredential } from "./bindings.ts";
import { build } from "./build.ts";
import { openDataDir } from "./data-dir.ts";
import { startDemoUpstream } from "./demo-upstream.ts";
import { readEnvironment } from "./environment.ts";
import { prepare } from "./first-run.ts";
import { readStartOptions, type StartOptions } from "./options.ts";
import { binary, CATALOG, ROOT, WRANGLER_TOML } from "./paths.ts";
import { QUIET_WRANGLER, run } from "./run.ts";
import { welcome } from "./welcome.ts";
import { deriveConfig, envFile, writeDerived } from "./wrangler-config.ts";

const READY_MS = 60_000;

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

async function dev(): Promise<void> {
  const env = readEnvironment(process.env);
  const options = readStartOptions(env);
  if (!options.ok) fail(options.error);
  const dataDir = openDataDir(path.join(options.value.dataDir, "dev"));
  if (!dataDir.ok) fail(dataDir.error);
  const built = await build();
  if (!built.ok) fail(built.error);
  const catalogText = readFileSync(CATALOG, "utf8");
  const catalog = CatalogSchema.parse(JSON.parse(catalogText));
  const bindings = readBindings(env, catalog.providers);
  if (!bindings.ok) fail(bindings.error);
  const configured = withCredential(bindings.value, catalog.providers);
  const demo = configured.length === 0 ? await startDemoUpstream() : undefined;
  const operatorKey = options.value.operatorKey ?? dataDir.value.secret("operator-key");
  const vars = {
    ...(demo === undefined ? bindings.value : demoBindings(demo.origin, bindings.value, catalog.providers)),
    OPERATOR_KEY: operatorKey,
    WAYPOST_SECRET: options.value.secret ?? dataDir.value.secret("waypost-secret"),
    PLACE: "none",
  };
  const config = writeDerived(
    "dev.toml",
    deriveConfig(readFileSync(WRANGLER_TOML, "utf8"), ROOT, { withoutSecrets: true }),
  );
  const variables = writeDerived("dev.vars", envFile(vars));
  const state = ["--config", config, "--persist-to", dataDir.value.storageDir];
  for (const { binding } of built.value.d1) {
    const migrated = await run(binary("wrangler"), ["d1", "migrations", "apply", binding, "--local", ...state], {
      quiet: true,
      env: QUIET_WRANGLER,
    });
    if (migrated.code !== 0) fail(`The migrations could not be applied.\n${migrated.output}`);
  }
  const url = startWrangler(options.value, [...state, "--env-file", variables]);
  if (!(await waitUntilReady(url, READY_MS))) fail("The worker does not answer; its errors are above.");
  const prepared = await prepare({ url, operatorKey, dataDir: dataDir.value, catalog: catalogText });
  if (!prepared.ok) fail(prepared.error);
  const providers = demo === undefined ? configured.map(({ slug }) => slug) : null;
  process.stdout.write(
    welcome({ url, ...prepared.value, operatorKey, dataDir: dataDir.value.dir, catalog, providers }),
  );
}

/** Starts wrangler's server; this process ends when it does, and it gets our Ctrl-C. @returns the server's URL. */
function startWrangler({ host, port }: StartOptions, args: readonly string[]): string {
  const child = spawn(binary("wrangler"), ["dev", "--local", "--ip", host, "--port", String(port), ...args], {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  child.on("exit", (code) => process.exit(code ?? 0));
  return `http://${host}:${port}`;
}

await dev();
