/** `npm run deploy -- --dry-run` goes as far as an account is not needed. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");

function deploy(env: Readonly<Record<string, string>>) {
  return spawnSync(process.execPath, ["src/cli/deploy.ts", "--dry-run"], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, WAYPOST_DEV_VARS: "/dev/null", ...env },
  });
}

test("a dry run proves catalog, migrations, bundle and bindings, and uploads nothing", () => {
  const { status, stdout, stderr } = deploy({});
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  for (const binding of ["env.ACCOUNT_GATE", "env.PROVIDER_GATE", "env.CATALOG", "env.DB"])
    expect(stdout).toContain(binding);
  expect(stdout).toMatch(/Nothing was uploaded\.\n$/);
});

test("a malformed variable ends it with one sentence", () => {
  const { status, stderr } = deploy({ OPERATOR_KEY: "short" });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: "OPERATOR_KEY must have at least 16 characters, it has 5.\n",
  });
});
