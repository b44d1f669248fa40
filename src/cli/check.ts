/**
 * `npm test`: everything that must hold, each step also an npm script. All steps run even when one fails, so that one
 * run tells all; the exit code is 1 when any did. WAYPOST_TEST_REPORT names a file for vitest's JSON report, from
 * which `.ci/run` counts.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { build } from "./build.ts";
import { binary, ROOT } from "./paths.ts";
import { type Finished, QUIET_WRANGLER, run } from "./run.ts";

interface Step {
  readonly name: string;
  readonly run: () => Promise<Finished>;
}

const report = process.env["WAYPOST_TEST_REPORT"];

const STEPS: readonly Step[] = [
  { name: "build", run: builds },
  { name: "types:check", run: () => script("types:check") },
  { name: "format:check", run: () => script("format:check") },
  { name: "lint", run: () => script("lint") },
  { name: "typecheck", run: () => script("typecheck") },
  { name: "knip", run: () => script("knip") },
  { name: "migrations", run: migrationsAreComplete },
  {
    name: "deploy --dry-run",
    run: () => run(process.execPath, ["src/cli/deploy.ts", "--dry-run"], { quiet: true, env: QUIET_WRANGLER }),
  },
  {
    name: "vitest",
    run: () =>
      run(binary("vitest"), [
        "run",
        "--config",
        "test/vitest.config.ts",
        "--reporter=default",
        ...(report === undefined ? [] : ["--reporter=json", `--outputFile.json=${report}`]),
      ]),
  },
];

/** Builds first: the lint for providers' names and the end-to-end tests need what it makes. */
async function builds(): Promise<Finished> {
  const built = await build();
  return built.ok ? { code: 0, output: "" } : { code: 1, output: built.error };
}

function script(name: string): Promise<Finished> {
  return run("npm", ["run", "--silent", name], { quiet: true, env: QUIET_WRANGLER });
}

/** Generating migrations from the tables must change nothing. What it made is removed again. */
async function migrationsAreComplete(): Promise<Finished> {
  const before = migrationFiles();
  const generated = await script("migrations");
  const added = [...migrationFiles()].filter(([file, hash]) => before.get(file) !== hash).map(([file]) => file);
  for (const file of added.filter((name) => !before.has(name))) rmSync(path.join(ROOT, "migrations", file));
  if (generated.code !== 0 || added.length === 0) return generated;
  return { code: 1, output: `The tables have changed; run npm run migrations. It would write: ${added.join(", ")}\n` };
}

function migrationFiles(): ReadonlyMap<string, string> {
  const dir = path.join(ROOT, "migrations");
  if (!existsSync(dir)) return new Map();
  const names = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)));
  return new Map(
    names.map((name) => [
      name,
      createHash("sha256")
        .update(readFileSync(path.join(dir, name)))
        .digest("hex"),
    ]),
  );
}

const failed: string[] = [];
for (const step of STEPS) {
  const startedMs = Date.now();
  const { code, output } = await step.run();
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  console.log(`${code === 0 ? "ok  " : "FAIL"} ${step.name} (${seconds} s)`);
  if (code !== 0) {
    failed.push(step.name);
    process.stdout.write(output);
  }
}
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
