/** The table of contents of the operator's API. The key is asked for before anything else is looked at. */
import { Hono } from "hono";
import type { AppEnv } from "../context.ts";
import { requireOperator } from "../middleware/operator.ts";
import { registerAdminAccounts } from "./admin-accounts.ts";
import { registerAdminAudit } from "./admin-audit.ts";
import { registerAdminCatalog } from "./admin-catalog.ts";
import { registerAdminCredits } from "./admin-credits.ts";
import { registerAdminProviders } from "./admin-providers.ts";
import { registerAdminVouchers } from "./admin-vouchers.ts";
import { registerAdminReconciliation } from "./admin-reconciliation.ts";
import { registerCatalogRefresh } from "./catalog-refresh.ts";
import { registerRollbackCatalog } from "./rollback-catalog.ts";
import { registerAdminStatement } from "./statement.ts";

export function registerAdmin(api: Hono<AppEnv>): void {
  const admin = new Hono<AppEnv>();
  admin.use(requireOperator);
  registerAdminAccounts(admin);
  registerAdminCredits(admin);
  registerAdminStatement(admin);
  registerAdminCatalog(admin);
  registerRollbackCatalog(admin);
  registerCatalogRefresh(admin);
  registerAdminProviders(admin);
  registerAdminAudit(admin);
  registerAdminVouchers(admin);
  registerAdminReconciliation(admin);
  api.route("/admin", admin);
}
