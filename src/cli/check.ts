/**
 * `npm test`: everything that must hold, each step also an npm script. All steps run even when one fails, so that one
 * run tells all, the static checks two at a time; the exit code is 1 when any did. The last line is `N passed, N failed`: the tests, and a failed step
 * as one failure more.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as z from "zod";
import { build } from "./build.ts";
import { binary, ROOT } from "./paths.ts";
import { type Finished, QUIET_WRANGLER, run } from "./run.ts";

const VitestReport = z.looseObject({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numFailedTestSuites: z.int(),
});

interface Step {
  readonly name: string;
  readonly run: () => Promise<Finished>;
}

const work = mkdtempSync(path.join(tmpdir(), "waypost-check-"));
const report = path.join(work, "tests.json");

const TESTS = "vitest";
const REPORTERS = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];

const QUIET = { quiet: true };

/** Steps that may run side by side: what two cores can do at once. */
const AT_ONCE = 2;

/** The groups run one after the other. */
const GROUPS: readonly (readonly Step[])[] = [
  // The lint for providers' names and the end-to-end tests need what it makes.
  [{ name: "build", run: builds }],
  [
    { name: "typecheck", run: () => script("typecheck") },
    { name: "lint", run: () => script("lint") },
    { name: "knip", run: () => script("knip") },
    { name: "types:check", run: () => script("types:check") },
    { name: "format:check", run: () => script("format:check") },
    { name: "migrations", run: migrationsAreComplete },
  ],
  [
    {
      name: "model",
      run: () => run("npm", ["run", "--silent", "model", "--", "--count", "5000", "--seed", "1"], QUIET),
    },
    {
      name: "mutants",
      run: () => run("npm", ["run", "--silent", "mutants", "--", "--streams", "100000", "--seed", "1"], QUIET),
    },
  ],
  [{ name: TESTS, run: () => run(binary("vitest"), ["run", "--config", "test/vitest.config.ts", ...REPORTERS]) }],
];

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
for (const steps of GROUPS) {
  const left = [...steps];
  const lane = async (): Promise<void> => {
    for (let step = left.shift(); step !== undefined; step = left.shift()) await take(step);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}
const counts = countTests();
rmSync(work, { recursive: true, force: true });
const otherSteps = failed.filter((name) => name !== TESTS).length;
const testFailures = failed.includes(TESTS) ? Math.max(1, counts.failed) : 0;
if (failed.length > 0) {
  console.log(`Failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
console.log(`${counts.passed} passed, ${testFailures + otherSteps} failed`);

async function take(step: Step): Promise<void> {
  const startedMs = Date.now();
  const { code, output } = await step.run();
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  console.log(`${code === 0 ? "ok  " : "FAIL"} ${step.name} (${seconds} s)`);
  if (code === 0) return;
  failed.push(step.name);
  process.stdout.write(output);
}

/** What vitest reported; nothing when it did not get so far. A file that cannot be loaded counts as one failure. */
function countTests(): { passed: number; failed: number } {
  if (!existsSync(report)) return { passed: 0, failed: 0 };
  const { numPassedTests, numFailedTests, numFailedTestSuites } = VitestReport.parse(
    JSON.parse(readFileSync(report, "utf8")),
  );
  return { passed: numPassedTests, failed: Math.max(numFailedTests, numFailedTestSuites > 0 ? 1 : 0) };
}
