/**
 * POST /admin/catalog/rollback: makes one of the kept versions live again, as it was published. The version that was
 * live stays in the history, so that going forward again is the same call.
 */
import type { Hono } from "hono";
import * as z from "zod";
import { readProviders, rollback } from "../../catalog/publish.ts";
import type { RouterError } from "../../core/error.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import type { Operation } from "../operation.ts";
import { configureNewRegions } from "../provider-switch.ts";
import { stored } from "../stored.ts";
import { readStrict } from "../strict-body.ts";

const RollbackBody = z.strictObject({
  version: z
    .string()
    .regex(/^[0-9a-f]{32}$/, "must be a version as GET /admin/catalog lists them: 32 hexadecimal digits")
    .describe("One of the `history` of `GET /admin/catalog`"),
});

export const rollbackCatalogOperation: Operation = {
  id: "rollbackCatalog",
  method: "post",
  path: "/admin/catalog/rollback",
  summary: "Make an earlier version of the catalog live again",
  auth: "operator",
  request: RollbackBody,
  responses: {
    200: {
      description: "Live; `changed` is false when it was so already",
      body: z.object({
        data: z.object({
          version: z.string(),
          changed: z.boolean(),
          providers: z.int(),
          models: z.int(),
          endpoints: z.int(),
        }),
      }),
    },
  },
};

export function registerRollbackCatalog(admin: Hono<AppEnv>): void {
  admin.post("/catalog/rollback", rollbackCatalog);
}

async function rollbackCatalog(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const receivedAtMs = context.get("receivedAtMs");
  const body = await readStrict(context.req.raw, RollbackBody);
  if (!body.ok) return fail(context, body.error);
  const { version } = body.value;
  const providers = await stored(readProviders(version, deps.store));
  if (!providers.ok) return fail(context, providers.error);
  if (providers.value === undefined) return fail(context, notKept(version));
  // Before anything can be routed there.
  const configured = await configureNewRegions(deps, providers.value);
  if (!configured.ok) return fail(context, configured.error);
  const done = await stored(rollback(version, deps.store, receivedAtMs));
  if (!done.ok) return fail(context, done.error);
  if (!done.value.ok) return fail(context, { kind: "conflict", message: done.value.error });
  deps.catalog.forgetIndex();
  context.get("wide").set({ catalog_version: version });
  const { changed, counts } = done.value.value;
  return json({ data: { version, changed, ...counts } });
}

function notKept(version: string): RouterError {
  const message = `No catalog of version ${version} is kept. GET /admin/catalog lists those that are, as history.`;
  return { kind: "not_found", message };
}
