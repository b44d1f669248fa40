/**
 * The test projects. `unit` runs in Node and touches nothing outside the house; `contract` loops over the registries;
 * `worker` runs inside workerd with the bindings of wrangler.toml, its D1 migrated before each file; `e2e` talks to real
 * processes started as `npm start` does, and `e2e-alone` those of its files that measure moments or bring a load of their
 * own: they take turns, and only those that just wait do so side by side (e2e/alone.ts). None of them needs the network.
 */
import { readdirSync } from "node:fs";
import path from "node:path";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

const root = path.resolve(import.meta.dirname, "..");
const migrationsDir = path.join(root, "migrations");
// The names that wrangler.toml requires; workers get these values, whatever the machine's environment says.
const secrets = { OPERATOR_KEY: "operator-key-of-the-tests", WAYPOST_SECRET: "waypost-secret-of-the-tests-0123456789" };
Object.assign(process.env, secrets);
// Payments are on, at an address that nothing answers at: tests of payments put the double there.
const stripe = {
  STRIPE_API_KEY: "sk_test_of_the_tests",
  STRIPE_WEBHOOK_SECRET: "whsec_of_the_tests",
  STRIPE_BASE_URL: "http://stripe.test",
};

const hasMigrations = readdirSync(migrationsDir).some((name) => name.endsWith(".sql"));

const e2e = { include: ["test/e2e/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 180_000 };
const ALONE = ["capacity", "crash", "disconnects", "faults", "soak", "three-services"].map(
  (name) => `test/e2e/${name}.test.ts`,
);

/** Threads start in half the time of processes, and there are many files. */
const pure = { pool: "threads", testTimeout: 60_000 } as const;
/** What the bundle imports, by the names it imports it by. */
const LIBRARIES = ["aws4fetch", "drizzle-orm", "drizzle-orm/d1", "drizzle-orm/sqlite-core", "hono", "stripe", "zod"];

export default defineConfig({
  root,
  test: {
    // Two cores are what a small CI machine has; more workers only make workerd wait.
    maxWorkers: 2,
    // A worker prints one line per request; they are worth reading only where a test failed.
    silent: "passed-only",
    projects: [
      {
        extends: true,
        test: { ...pure, name: "unit", include: ["test/unit/**/*.test.ts"] },
      },
      {
        extends: true,
        test: { ...pure, name: "contract", include: ["test/contract/**/*.test.ts"] },
      },
      {
        extends: true,
        plugins: [
          cloudflareTest(async () => ({
            wrangler: { configPath: path.join(root, "wrangler.toml") },
            miniflare: {
              bindings: {
                ...secrets,
                ...stripe,
                TEST_MIGRATIONS: hasMigrations ? await readD1Migrations(migrationsDir) : [],
                // The other databases are for the tests about them.
                NEW_ACCOUNTS: "gl1 eu1 us1",
              },
              d1Databases: { DB_GL2: "gl2", DB_EU2: "eu2" },
            },
          })),
        ],
        test: {
          name: "worker",
          // Each in one piece: workerd is started anew for each file, and is sent every module one by one. Besides, Vite
          // warns of each of the hundred files of stripe, whose sources are not in the package.
          deps: { optimizer: { ssr: { enabled: true, include: LIBRARIES } } },
          include: ["test/worker/**/*.test.ts"],
          setupFiles: ["test/worker/setup.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: { ...e2e, name: "e2e", exclude: ALONE, maxWorkers: 3, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: { ...e2e, name: "e2e-alone", include: ALONE, maxConcurrency: 16, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
