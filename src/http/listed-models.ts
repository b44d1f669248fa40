/** The list of models as it is shown: the catalog's, and the routers that choose among them. */
import type { ListingRow } from "../catalog/listing.ts";
import { routerRows } from "../catalog/router-listing.ts";
import { routerNameOf } from "../catalog/router-names.ts";
import type { RouterError } from "../core/error.ts";
import { ok, type Result } from "../core/result.ts";
import type { AppContext } from "./context.ts";

// The list with its routers, made once per published list of an isolate, and collected with it.
const listed = new WeakMap<readonly ListingRow[], readonly ListingRow[]>();

/** The rows of all models, routers last; the same array as long as the published list is the same. */
export async function listedModels(context: AppContext): Promise<Result<readonly ListingRow[], RouterError>> {
  const { catalog, waitUntil } = context.get("deps");
  const found = await catalog.listing(waitUntil);
  if (!found.ok) return found;
  const known = listed.get(found.value);
  if (known !== undefined) return ok(known);
  const rows = [...found.value, ...routerRows(found.value)];
  listed.set(found.value, rows);
  return ok(rows);
}

/** The row of a router, whatever variants its name has; null for any other name, and for one with nothing to choose from. */
export async function listedRouter(context: AppContext, name: string): Promise<Result<ListingRow | null, RouterError>> {
  const router = routerNameOf(name);
  if (router === null) return ok(null);
  const rows = await listedModels(context);
  return rows.ok ? ok(rows.value.find(({ model }) => model.id === router.name) ?? null) : rows;
}
