/**
 * From the model name of a request to the model: variants are read, the catalog is asked, warnings are collected.
 * Reads at most one index and, for each lookup of the name (two at most), one value.
 */
import { err, ok, type Result } from "../core/result.ts";
import type { ModelEntry } from "./schema.ts";
import type { CatalogReader, LookupError, WaitUntil } from "./store.ts";
import { readVariants, type VariantSort } from "./variants.ts";

export interface ResolvedModel {
  readonly entry: ModelEntry;
  /** Version of the catalog whose prices the entry carries. */
  readonly version: string;
  /** The order that the name asks for; `exacto` means the default order. */
  readonly sort?: VariantSort | undefined;
  /** The name asks for reasoning. */
  readonly thinking: boolean;
  /** A `:free` listing: counted against the free tier, costs nothing. */
  readonly isFree: boolean;
  readonly warnings: readonly string[];
}

/**
 * The model behind a requested name.
 * @returns `unknown_model` with the nearest ids (also for unknown variants), or `overloaded` when nothing can be read.
 */
export async function resolveModel(
  reader: CatalogReader,
  requested: string,
  waitUntil: WaitUntil,
): Promise<Result<ResolvedModel, LookupError>> {
  const name = readVariants(requested);
  if (!name.ok) {
    const base = await reader.lookup(requested.split(":")[0] ?? "", waitUntil);
    if (!base.ok && base.error.kind === "overloaded") return base;
    const nearest = base.ok
      ? [base.value.entry.model.id]
      : base.error.kind === "unknown_model"
        ? base.error.nearest
        : [];
    return err({ kind: "unknown_model", model: requested, nearest });
  }
  let failure: LookupError = { kind: "unknown_model", model: requested, nearest: [] };
  for (const lookup of name.value.lookups) {
    const found = await reader.lookup(lookup.name, waitUntil);
    if (!found.ok) {
      failure = found.error.kind === "unknown_model" ? { ...found.error, model: requested } : found.error;
      if (failure.kind === "overloaded") break;
      continue;
    }
    const { entry, version } = found.value;
    if (lookup.thinking && !canReason(entry)) {
      failure = { kind: "unknown_model", model: requested, nearest: [entry.model.id] };
      continue;
    }
    return ok({
      entry,
      version,
      sort: name.value.sort,
      thinking: lookup.thinking || entry.model.id.endsWith(":thinking"),
      isFree: entry.model.id.endsWith(":free"),
      warnings: lookup.warning === undefined ? name.value.warnings : [...name.value.warnings, lookup.warning],
    });
  }
  return err(failure);
}

function canReason(entry: ModelEntry): boolean {
  return entry.model.endpoints.some((endpoint) => endpoint.supported_parameters.includes("reasoning"));
}
