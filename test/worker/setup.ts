/// <reference types="@cloudflare/vitest-plugin/types" />
/** Runs before each worker test file: brings the books' schema into the test's own D1. */
import { applyD1Migrations, type D1Migration } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll } from "vitest";

beforeAll(async () => {
  // A binding that only the tests have, so that the product's Env does not know it.
  const { TEST_MIGRATIONS } = env as typeof env & { readonly TEST_MIGRATIONS: D1Migration[] };
  await applyD1Migrations(env.DB, TEST_MIGRATIONS);
});
