/**
 * `npm run deploy`: brings Waypost to the Cloudflare account that wrangler is logged in to, and may be repeated at any
 * time: the databases, buckets and the namespace are created when missing, migrations applied when new, the worker uploaded with
 * its secrets, the default catalog published unless another one is live.
 * Secrets: OPERATOR_KEY and WAYPOST_SECRET of the environment, else those kept in DATA_DIR/deploy (made there once);
 * each <PROVIDER>_API_KEY that is set becomes a secret too. `-- --dry-run` does all that needs no account.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as z from "zod";
import { parseCatalog } from "../catalog/parse.ts";
import { parseJson } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import { ADAPTERS } from "../providers/registry.ts";
import { createAdminApi, waitUntilReady } from "./admin-api.ts";
import { readBindings } from "./bindings.ts";
import { build } from "./build.ts";
import { openDataDir } from "./data-dir.ts";
import { type Environment, readEnvironment } from "./environment.ts";
import { publishDefault } from "./default-catalog.ts";
import type { Manifest } from "./manifest.ts";
import { readStartOptions } from "./options.ts";
import { binary, CATALOG, ROOT, WRANGLER_TOML } from "./paths.ts";
import { QUIET_WRANGLER, run } from "./run.ts";
import { databaseFault, deriveConfig, writeDerived } from "./wrangler-config.ts";

const NAMESPACE = "waypost-catalog";
/** How long a fresh deployment may take to answer. */
const READY_MS = 90_000;

const Databases = z.array(z.looseObject({ name: z.string(), uuid: z.string() }));
const Namespaces = z.array(z.looseObject({ title: z.string(), id: z.string() }));

/** Runs wrangler and gives its output, or a sentence with it. */
async function wrangler(args: readonly string[]): Promise<Result<string, string>> {
  const { code, output } = await run(binary("wrangler"), args, { quiet: true, env: QUIET_WRANGLER });
  return code === 0 ? ok(output) : err(`wrangler ${args.slice(0, 3).join(" ")} failed:\n${output}`);
}

/** The id of a resource: found in the list, else created and found then. */
async function idOf<T>(
  what: string,
  list: readonly string[],
  create: readonly string[],
  schema: z.ZodType<T[]>,
  pick: (item: T) => string | undefined,
): Promise<Result<string, string>> {
  for (const attempt of ["find", "create"] as const) {
    if (attempt === "create") {
      console.log(`Creating ${what} ...`);
      const created = await wrangler(create);
      if (!created.ok) return created;
    }
    const listed = await wrangler(list);
    if (!listed.ok) return listed;
    // Wrangler may print a notice before the list.
    const items = schema.safeParse(parseJson(listed.value.slice(Math.max(0, listed.value.indexOf("[")))));
    if (!items.success) return err(`wrangler ${list.join(" ")} printed something else than a list.`);
    const id = items.data.map(pick).find((found) => found !== undefined);
    if (id !== undefined) return ok(id);
  }
  return err(`${what} was created but is not listed; run npm run deploy again.`);
}

interface Proved {
  /** Variables of the environment that become secrets of the worker. */
  readonly secrets: Record<string, string>;
  readonly databases: Manifest["d1"];
  readonly buckets: Manifest["r2"];
}

/** Everything that a deploy does before it needs an account. */
async function prove(env: Environment): Promise<Result<Proved, string>> {
  const options = readStartOptions(env);
  if (!options.ok) return options;
  const built = await build();
  if (!built.ok) return built;
  const catalog = parseCatalog(parseJson(readFileSync(CATALOG, "utf8")), ADAPTERS);
  if (!catalog.ok)
    return err(
      `The default catalog is invalid: ${catalog.error.map(({ path: at, message }) => `${at} ${message}`).join("; ")}`,
    );
  const secrets = readBindings(env, catalog.value.providers);
  if (!secrets.ok) return secrets;
  const fault = databaseFault(built.value);
  return fault === undefined
    ? ok({ secrets: secrets.value, databases: built.value.d1, buckets: built.value.r2 })
    : err(fault);
}

/** Finds or creates a database; one for a region is created where its data stays. @returns its id. */
async function databaseId({ binding, name }: Manifest["d1"][number]): Promise<Result<string, string>> {
  const region = /^DB_(EU|US)/.exec(binding)?.[1]?.toLowerCase();
  const place = region === undefined ? [] : ["--jurisdiction", region];
  return idOf(`the database ${name}`, ["d1", "list", "--json"], ["d1", "create", name, ...place], Databases, (item) =>
    item.name === name ? item.uuid : undefined,
  );
}

/** Creates a bucket unless it is there. */
async function makeBucket({ name, jurisdiction }: Manifest["r2"][number]): Promise<Result<null, string>> {
  const place = jurisdiction === null ? [] : ["--jurisdiction", jurisdiction];
  const known = await wrangler(["r2", "bucket", "info", name, "--json", ...place]);
  if (known.ok) return ok(null);
  console.log(`Creating the bucket ${name} ...`);
  const created = await wrangler(["r2", "bucket", "create", name, ...place]);
  return created.ok
    ? ok(null)
    : err(`${created.error}\nR2 must be switched on for the account, once, in the dashboard.`);
}

async function dryRun(env: Environment): Promise<Result<string, string>> {
  const proved = await prove(env);
  if (!proved.ok) return proved;
  const work = mkdtempSync(path.join(tmpdir(), "waypost-deploy-"));
  try {
    const config = writeDerived("dry-run.toml", deriveConfig(readFileSync(WRANGLER_TOML, "utf8"), ROOT, {}));
    for (const { binding } of proved.value.databases) {
      const place = ["--local", "--persist-to", work, "--config", config];
      const migrated = await wrangler(["d1", "migrations", "apply", binding, ...place]);
      if (!migrated.ok) return migrated;
      console.log(`Migrations apply to ${binding}.`);
    }
    const uploaded = await wrangler(["deploy", "--dry-run", "--outdir", path.join(work, "bundle"), "--config", config]);
    if (!uploaded.ok) return uploaded;
    return ok(
      `${uploaded.value.trim()}\nDry run: catalog valid, migrations apply, bundle and bindings accepted. Nothing was uploaded.`,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function deploy(env: Environment): Promise<Result<string, string>> {
  const proved = await prove(env);
  if (!proved.ok) return proved;
  const kept = openDataDir(path.join(path.resolve(ROOT, env["DATA_DIR"] ?? ".waypost"), "deploy"));
  if (!kept.ok) return kept;
  const account = await wrangler(["whoami"]);
  if (!account.ok) return err(`Log in first: npx wrangler login, or set CLOUDFLARE_API_TOKEN.\n${account.error}`);
  const databaseIds: Record<string, string> = {};
  for (const database of proved.value.databases) {
    const id = await databaseId(database);
    if (!id.ok) return id;
    databaseIds[database.binding] = id.value;
  }
  const namespace = await idOf(
    `the namespace ${NAMESPACE}`,
    ["kv", "namespace", "list"],
    ["kv", "namespace", "create", NAMESPACE],
    Namespaces,
    (item) => (item.title === NAMESPACE ? item.id : undefined),
  );
  if (!namespace.ok) return namespace;
  for (const bucket of proved.value.buckets) {
    const made = await makeBucket(bucket);
    if (!made.ok) return made;
  }
  const ids = { databaseIds, namespaceId: namespace.value };
  const config = writeDerived("deploy.toml", deriveConfig(readFileSync(WRANGLER_TOML, "utf8"), ROOT, ids));
  console.log("Applying migrations ...");
  for (const binding of Object.keys(databaseIds)) {
    const migrated = await wrangler(["d1", "migrations", "apply", binding, "--remote", "--config", config]);
    if (!migrated.ok) return migrated;
  }

  const operatorKey = env["OPERATOR_KEY"] ?? kept.value.secret("operator-key");
  const secrets = {
    ...proved.value.secrets,
    OPERATOR_KEY: operatorKey,
    WAYPOST_SECRET: env["WAYPOST_SECRET"] ?? kept.value.secret("waypost-secret"),
  };
  const url = await upload(config, secrets, env["WAYPOST_URL"]);
  if (!url.ok) return url;
  if (!(await waitUntilReady(url.value, READY_MS)))
    return err(`${url.value} does not answer yet; run npm run deploy again.`);
  const catalog = { text: readFileSync(CATALOG, "utf8"), dataDir: kept.value, unknown: "keep" } as const;
  const published = await publishDefault(createAdminApi(url.value, operatorKey), catalog);
  kept.value.release();
  if (!published.ok) return published;
  if (published.value) {
    console.log("The live catalog was not published from here and stays (npm run catalog -- publish replaces it).");
  }
  return ok(`Waypost is deployed.\n\n  API base:      ${url.value}/api/v1\n  Operator key:  ${operatorKey}\n`);
}

/** Uploads the worker with its secrets in one step. @returns its URL. */
async function upload(
  config: string,
  secrets: Record<string, string>,
  ownUrl: string | undefined,
): Promise<Result<string, string>> {
  const work = mkdtempSync(path.join(tmpdir(), "waypost-secrets-"));
  try {
    const file = path.join(work, "secrets.json");
    writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 });
    console.log("Uploading ...");
    const uploaded = await wrangler(["deploy", "--config", config, "--secrets-file", file]);
    if (!uploaded.ok) return uploaded;
    const url = ownUrl ?? /https:\/\/\S+\.workers\.dev/.exec(uploaded.value)?.[0];
    return url === undefined
      ? err("Deployed, but its address is unknown: set WAYPOST_URL and deploy again.")
      : ok(url.replace(/\/+$/, ""));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const env = readEnvironment(process.env);
const isDry = process.argv.includes("--dry-run");
const result = await (isDry ? dryRun(env) : deploy(env));
if (result.ok) {
  console.log(result.value);
} else {
  console.error(result.error);
  process.exitCode = 1;
}
