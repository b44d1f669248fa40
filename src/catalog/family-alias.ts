/**
 * Names that always mean the newest model of a family: `~author/family-latest`. They are resolved when a catalog is
 * published, to a listed model that is no variant and no alias itself; a family without one has no such name. Pure.
 */
import type { ListingRow } from "./listing.ts";
import { compareText } from "../core/compare.ts";
import type { FamilyAlias } from "./schema.ts";

/** The model with the highest version, of equals the one that was released last. Variants never count. */
export function newestOf(alias: FamilyAlias, rows: readonly ListingRow[]): ListingRow | undefined {
  const patterns = alias.models.map(patternOf);
  const found = rows.flatMap((row) => {
    if (row.model.alias_target !== undefined) return [];
    const match = patterns.map((pattern) => pattern.exec(row.model.id)).find((one) => one !== null);
    return match === undefined ? [] : [{ row, version: match.slice(1).join(".").split(".").map(Number) }];
  });
  return found.toSorted(
    (a, b) =>
      compareVersions(b.version, a.version) ||
      b.row.model.created - a.row.model.created ||
      compareText(a.row.model.id, b.row.model.id),
  )[0]?.row;
}

/** Number by number; what is not written is zero. */
function compareVersions(a: readonly number[], b: readonly number[]): number {
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** How the alias is listed: as the model that it means, under its own name. */
export function aliasRow(alias: FamilyAlias, target: ListingRow): ListingRow {
  const { id, name } = target.model;
  return { ...target, model: { ...target.model, id: alias.slug, name: alias.name, alias_target: { name, slug: id } } };
}

/** A star stands for a version: a number, or several with dots between. */
function patternOf(text: string): RegExp {
  const parts = text.split("*").map((part) => part.replace(/[.\\^$+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`^${parts.join("(\\d+(?:\\.\\d+)*)")}$`);
}
