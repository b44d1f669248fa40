/** `npm run deploy -- --dry-run` goes as far as an account is not needed. */
import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");

function deploy(env: Readonly<Record<string, string>>, checkout = ROOT) {
  return spawnSync(process.execPath, ["src/cli/deploy.ts", "--dry-run"], {
    cwd: checkout,
    encoding: "utf8",
    env: { ...process.env, WAYPOST_DEV_VARS: "/dev/null", ...env },
  });
}

test("a dry run proves catalog, migrations, bundle and bindings, and uploads nothing", () => {
  const { status, stdout, stderr } = deploy({});
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  for (const binding of ["env.ACCOUNT_GATE", "env.PROVIDER_GATE", "env.CATALOG", "env.DB", "env.ARCHIVE"])
    expect(stdout).toContain(binding);
  expect(stdout).toMatch(/Nothing was uploaded\.\n$/);
});

/** A checkout of its own whose wrangler.toml has `more` at its end. */
function copyWith(more: string): string {
  const copy = mkdtempSync(path.join(tmpdir(), "waypost-deploy-copy-"));
  for (const name of ["src", "migrations", "package.json", "package-lock.json", "tsconfig.json", "wrangler.toml"]) {
    cpSync(path.join(ROOT, name), path.join(copy, name), { recursive: true });
  }
  symlinkSync(path.join(ROOT, "node_modules"), path.join(copy, "node_modules"));
  appendFileSync(path.join(copy, "wrangler.toml"), more);
  return copy;
}

const database = (binding: string, name: string) => `
[[d1_databases]]
binding = "${binding}"
database_name = "${name}"
database_id = "00000000-0000-0000-0000-000000000000"
migrations_dir = "migrations"
`;

test("further databases are one block each: all are migrated and bound", () => {
  const copy = copyWith(database("DB_GL2", "waypost-gl2") + database("DB_EU1", "waypost-eu1"));
  const { status, stdout, stderr } = deploy({}, copy);
  rmSync(copy, { recursive: true });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  for (const binding of ["env.DB ", "env.DB_GL2", "env.DB_EU1"]) expect(stdout).toContain(binding);
  for (const name of ["DB", "DB_GL2", "DB_EU1"]) expect(stdout).toContain(`Migrations apply to ${name}.\n`);
});

// Each kind of fault: unit/cli/wrangler-config.test.ts.
test("a fault of the file ends it with one sentence", () => {
  const copy = copyWith(database("DB_2", "waypost-2"));
  const { status, stderr } = deploy({}, copy);
  rmSync(copy, { recursive: true });
  expect({ status, lines: stderr.trimEnd().split("\n").length }).toEqual({ status: 1, lines: 1 });
  expect(stderr).toContain("DB_2 names no shard");
});

test("a malformed variable ends it with one sentence", () => {
  const { status, stderr } = deploy({ OPERATOR_KEY: "short" });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: "OPERATOR_KEY must have at least 16 characters, it has 5.\n",
  });
});
