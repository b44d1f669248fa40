/**
 * From the model name of a request to the model: variants are read, the catalog is asked, warnings are collected.
 * Reads at most one index and, for each lookup of the name (three at most), one value.
 */
import type { RouterError } from "../core/error.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { ModelEntry } from "./schema.ts";
import type { CatalogReader, LookupError, Resolved, WaitUntil } from "./store.ts";
import { readVariants, type Lookup, type RequestedName, type VariantSort } from "./variants.ts";

export interface ResolvedModel {
  readonly entry: ModelEntry;
  /** Version of the catalog whose prices the entry carries. */
  readonly version: string;
  /** The order that the name asks for. */
  readonly sort?: VariantSort | undefined;
  /** The name asks for reasoning. */
  readonly thinking: boolean;
  /** A `:free` listing: counted against the free tier, costs nothing. */
  readonly isFree: boolean;
  readonly warnings: readonly string[];
}

export type ResolveError = LookupError | Extract<RouterError, { kind: "free_variant_ended" }>;

/**
 * The model behind a requested name.
 * @returns `unknown_model` with the nearest ids (for wrong variants also with the reason), `free_variant_ended` for the
 * `:free` listing that a model has not, or `overloaded` when nothing can be read.
 */
export async function resolveModel(
  reader: CatalogReader,
  requested: string,
  waitUntil: WaitUntil,
): Promise<Result<ResolvedModel, ResolveError>> {
  const name = readVariants(requested);
  if (!name.ok) {
    const base = await reader.lookup(requested.split(":")[0] ?? "", waitUntil);
    if (!base.ok && base.error.kind === "overloaded") return base;
    const nearest = base.ok
      ? [base.value.entry.model.id]
      : base.error.kind === "unknown_model"
        ? base.error.nearest
        : [];
    return err({ kind: "unknown_model", model: requested, nearest, reason: name.error.message });
  }
  let failure: ResolveError = { kind: "unknown_model", model: requested, nearest: [] };
  for (const lookup of name.value.lookups) {
    const found = await reader.lookup(lookup.name, waitUntil);
    if (!found.ok) {
      failure = found.error.kind === "unknown_model" ? { ...found.error, model: requested } : found.error;
      if (failure.kind === "overloaded") break;
      continue;
    }
    const { id } = found.value.entry.model;
    if (lookup.thinking && !canReason(found.value.entry)) {
      const reason = `${id} does not reason, so it has no variant :thinking`;
      failure = { kind: "unknown_model", model: requested, nearest: [id], reason };
      continue;
    }
    return ok(resolvedAs(name.value, lookup, found.value));
  }
  if (!name.value.isFree || failure.kind !== "unknown_model") return err(failure);
  return await freeOf(reader, name.value, requested, failure, waitUntil);
}

/** The free listing under the model's own id, where the request has another name of the model. */
async function freeOf(
  reader: CatalogReader,
  name: RequestedName,
  requested: string,
  failure: ResolveError,
  waitUntil: WaitUntil,
): Promise<Result<ResolvedModel, ResolveError>> {
  const paid = await reader.lookup(name.base, waitUntil);
  if (!paid.ok) return err(paid.error.kind === "overloaded" ? paid.error : failure);
  const { id } = paid.value.entry.model;
  const lookup = { name: `${id}:free`, thinking: false };
  const found = await reader.lookup(lookup.name, waitUntil);
  if (found.ok) return ok(resolvedAs(name, lookup, found.value));
  return err(
    found.error.kind === "overloaded" ? found.error : { kind: "free_variant_ended", model: requested, paid: id },
  );
}

function resolvedAs(name: RequestedName, lookup: Lookup, { entry, version }: Resolved): ResolvedModel {
  return {
    entry,
    version,
    sort: name.sort,
    thinking: lookup.thinking || entry.model.id.endsWith(":thinking"),
    isFree: entry.model.id.endsWith(":free"),
    warnings: lookup.warning === undefined ? [] : [lookup.warning],
  };
}

function canReason(entry: ModelEntry): boolean {
  return entry.model.endpoints.some((endpoint) => endpoint.supported_parameters.includes("reasoning"));
}
