/**
 * Builds what `npm start` serves: the production bundle (by wrangler, so that it is the one that a deploy uploads), the
 * default catalog, and the manifest. Keyed by the hash of everything they are made from, so that a second start builds
 * nothing. Two builds at once write beside each other and rename: the last one wins, none is seen half done.
 */
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import * as z from "zod";
import { err, ok, type Result } from "../core/result.ts";
import { type Manifest, ManifestSchema } from "./manifest.ts";
import { binary, BUNDLE, CATALOG, DIST, MANIFEST, ROOT, WRANGLER_TOML } from "./paths.ts";
import { QUIET_WRANGLER, run } from "./run.ts";

/** Programs of the house that are no part of the bundle; a change there needs no build. */
const NOT_BUNDLED = new Set(["cli", "env.d.ts"]);

/** Makes bundle, catalog and manifest unless they are there and current. @returns an error text when a step failed. */
export async function build(): Promise<Result<Manifest, string>> {
  const sourceHash = hashSources();
  const present = readManifest();
  if (present?.sourceHash === sourceHash && existsSync(BUNDLE) && existsSync(CATALOG)) return ok(present);

  mkdirSync(DIST, { recursive: true });
  const work = mkdtempSync(path.join(DIST, "build-"));
  try {
    const bundled = await run(
      binary("wrangler"),
      ["deploy", "--dry-run", "--outdir", work, "--config", WRANGLER_TOML],
      { quiet: true, env: QUIET_WRANGLER },
    );
    if (bundled.code !== 0) return err(`The bundle could not be built.\n${bundled.output}`);
    const catalog = path.join(work, "catalog.json");
    const made = await run(process.execPath, [path.join(ROOT, "src/catalog/build/main.ts"), catalog], { quiet: true });
    if (made.code !== 0) return err(`The default catalog could not be built.\n${made.output}`);
    const manifest = { sourceHash, ...(await readWranglerConfig()) };
    writeFileSync(path.join(work, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    // The manifest last: it says that the other two are there.
    for (const name of ["worker.js", "catalog.json", "manifest.json"]) {
      renameSync(path.join(work, name), path.join(DIST, name));
    }
    const map = path.join(work, "worker.js.map");
    if (existsSync(map)) cpSync(map, path.join(DIST, "worker.js.map"));
    return ok(manifest);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The manifest of the last build, if there is one that this version can read. */
export function readManifest(): Manifest | undefined {
  if (!existsSync(MANIFEST)) return undefined;
  const parsed = ManifestSchema.safeParse(JSON.parse(readFileSync(MANIFEST, "utf8")));
  return parsed.success ? parsed.data : undefined;
}

/** Hash over names and contents of all sources of the bundle and the catalog. */
function hashSources(): string {
  const hash = createHash("sha256");
  const files = readdirSync(path.join(ROOT, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)))
    .filter((file) => !NOT_BUNDLED.has(file.split(path.sep)[1] ?? ""));
  for (const file of [...files, "wrangler.toml", "tsconfig.json", "package-lock.json"].sort()) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(path.join(ROOT, file)))
      .update("\0");
  }
  return hash.digest("hex");
}

/** The part of wrangler's normalised configuration that we read; its own types do not survive packaging. */
const WranglerConfig = z.looseObject({
  name: z.string(),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()),
  vars: z.record(z.string(), z.string()),
  d1_databases: z.array(
    z.looseObject({ binding: z.string(), database_name: z.string(), migrations_dir: z.string().default("migrations") }),
  ),
  kv_namespaces: z.array(z.looseObject({ binding: z.string() })),
  r2_buckets: z.array(
    z.looseObject({ binding: z.string(), bucket_name: z.string(), jurisdiction: z.string().optional() }),
  ),
  durable_objects: z.looseObject({ bindings: z.array(z.looseObject({ name: z.string(), class_name: z.string() })) }),
});

/** What the launcher needs of wrangler.toml. Wrangler is loaded only here: it takes a second. */
async function readWranglerConfig(): Promise<Omit<Manifest, "sourceHash">> {
  const { unstable_readConfig: readConfig } = await import("wrangler");
  const config = WranglerConfig.parse(readConfig({ config: WRANGLER_TOML }, { hideWarnings: true }));
  return {
    name: config.name,
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
    vars: config.vars,
    d1: config.d1_databases.map(({ binding, database_name: name, migrations_dir: migrationsDir }) => ({
      binding,
      name,
      migrationsDir,
    })),
    kv: config.kv_namespaces.map(({ binding }) => binding),
    r2: config.r2_buckets.map(({ binding, bucket_name: name, jurisdiction }) => ({
      binding,
      name,
      jurisdiction: jurisdiction ?? null,
    })),
    durableObjects: config.durable_objects.bindings.map(({ name: binding, class_name: className }) => ({
      binding,
      className,
    })),
  };
}

if (import.meta.main) {
  const built = await build();
  if (built.ok) {
    console.log(`Built ${path.relative(ROOT, BUNDLE)} and ${path.relative(ROOT, CATALOG)}.`);
  } else {
    console.error(built.error);
    process.exitCode = 1;
  }
}
