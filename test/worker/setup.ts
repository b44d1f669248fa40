/// <reference types="@cloudflare/vitest-plugin/types" />
/** Runs before each worker test file: brings the books' schema into the test's own databases. */
import { applyD1Migrations, type D1Migration } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll } from "vitest";
import { openBooks } from "../../src/ledger/shards.ts";

beforeAll(async () => {
  // A binding that only the tests have, so that the product's Env does not know it.
  const { TEST_MIGRATIONS } = env as typeof env & { readonly TEST_MIGRATIONS: D1Migration[] };
  for (const { db } of openBooks({ ...env }).shards) await applyD1Migrations(db, TEST_MIGRATIONS);
});
