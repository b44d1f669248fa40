/** How `drizzle-kit generate --config migrations/drizzle.config.ts` (run at the top folder) makes the migrations. */
import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "sqlite",
  schema: ["./src/ledger/tables.ts", "./src/accounts/tables.ts", "./src/insight/tables.ts", "./src/jobs/tables.ts"],
  out: "./migrations",
});
