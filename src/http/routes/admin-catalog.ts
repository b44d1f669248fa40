/**
 * PUT and GET /admin/catalog. A body is published whole or refused with the path of every fault; the catalog that was
 * live stays so until the new one is completely stored. Repeating a publication that failed finishes it, and so it is with
 * one that has more new values than one request may write (202).
 */
import type { Hono } from "hono";
import * as z from "zod";
import { parseCatalog } from "../../catalog/parse.ts";
import { publish, readPublished, WRITES_MAX } from "../../catalog/publish.ts";
import { CatalogSchema, ProviderSchema, type Catalog } from "../../catalog/schema.ts";
import type { RouterError } from "../../core/error.ts";
import type { AddressRule } from "../../core/public-url.ts";
import { err, type Result } from "../../core/result.ts";
import { ADAPTERS } from "../../providers/registry.ts";
import { readJson } from "../body.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import type { Operation } from "../operation.ts";
import { configureNewRegions } from "../provider-switch.ts";
import { stored } from "../stored.ts";

/** Levels of arrays and objects in a catalog. Deeper JSON overflows the stack of whoever writes it again. */
const DEPTH_MAX = 32;

/** The schema as the document shows it: its JSON Schema must stand alone, so "any JSON" is not spelled out recursively. */
const CatalogDocument = CatalogSchema.extend({
  providers: z.array(ProviderSchema.extend({ quirks: z.record(z.string(), z.unknown()).optional() })),
});
const Counts = z.object({ version: z.string(), providers: z.int(), models: z.int(), endpoints: z.int() });
const Published = z.object({
  data: Counts.extend({
    changed: z.boolean(),
    values_written: z.int(),
    values_left: z.int(),
    values_deleted: z.int(),
  }),
});

export const publishCatalogOperation: Operation = {
  id: "publishCatalog",
  method: "put",
  path: "/admin/catalog",
  summary: "Publish a catalog whole, or refuse it with the path of every fault",
  auth: "operator",
  request: CatalogDocument,
  responses: {
    200: { description: "Live; `changed` is false when it was so already", body: Published },
    202: { description: "Not live yet: send the same again until `values_left` is 0", body: Published },
  },
};

export const readCatalogOperation: Operation = {
  id: "readCatalog",
  method: "get",
  path: "/admin/catalog",
  summary: "Read the live catalog as it was published",
  auth: "operator",
  responses: {
    200: {
      description: "The catalog and its version",
      body: z.object({
        data: Counts.extend({
          published_at: z.string(),
          catalog: z.looseObject({}).describe("What `PUT /admin/catalog` takes"),
          history: z.array(z.object({ version: z.string(), published_at: z.string() })),
        }),
      }),
    },
  },
};

export function registerAdminCatalog(admin: Hono<AppEnv>): void {
  admin.put("/catalog", putCatalog);
  admin.get("/catalog", getCatalog);
}

async function putCatalog(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const receivedAtMs = context.get("receivedAtMs");
  const body = await readJson(context.req.raw);
  if (!body.ok) return fail(context, body.error);
  try {
    const catalog = catalogOf(body.value.value, deps.settings.addresses);
    if (!catalog.ok) return fail(context, catalog.error);
    // Before anything can be routed there.
    const configured = await configureNewRegions(deps, catalog.value.providers);
    if (!configured.ok) return fail(context, configured.error);
    const published = await stored(publish(catalog.value, deps.store, receivedAtMs, WRITES_MAX));
    if (!published.ok) return fail(context, published.error);
    deps.catalog.forgetIndex();
    const { providers, models } = catalog.value;
    const { version, changed, valuesWritten, valuesLeft, valuesDeleted } = published.value;
    context.get("wide").set({ catalog_version: version });
    const data = {
      version,
      changed,
      providers: providers.length,
      models: models.length,
      endpoints: models.reduce((sum, model) => sum + model.endpoints.length, 0),
      values_written: valuesWritten,
      values_left: valuesLeft,
      values_deleted: valuesDeleted,
    };
    return json({ data }, valuesLeft > 0 ? 202 : 200);
  } finally {
    body.value.release();
  }
}

/** @returns `catalog_refused`. */
function catalogOf(body: unknown, addresses: AddressRule): Result<Catalog, RouterError> {
  if (isTooDeep(body)) {
    const message = `is nested more than ${DEPTH_MAX} levels deep`;
    return err({ kind: "catalog_refused", faults: [{ path: "$", message }] });
  }
  const parsed = parseCatalog(body, ADAPTERS, addresses);
  return parsed.ok ? parsed : err({ kind: "catalog_refused", faults: parsed.error });
}

/** Counted without recursion, level by level. */
function isTooDeep(body: unknown): boolean {
  let level: readonly unknown[] = [body];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX) return true;
    level = level.flatMap((value) => (typeof value === "object" && value !== null ? Object.values(value) : []));
  }
  return false;
}

async function getCatalog(context: AppContext): Promise<Response> {
  const live = await stored(readPublished(context.get("deps").store));
  if (!live.ok) return fail(context, live.error);
  if (live.value === undefined) return fail(context, { kind: "not_found", message: "No catalog is published yet" });
  const { index, catalog } = live.value;
  return json({
    data: {
      version: index.version,
      published_at: new Date(index.publishedAtMs).toISOString(),
      ...index.counts,
      catalog,
      history: index.history.map(({ version, publishedAtMs }) => ({
        version,
        published_at: new Date(publishedAtMs).toISOString(),
      })),
    },
  });
}
